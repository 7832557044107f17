"""The cluster of workers that TensorFlow's environment variable TF_CONFIG describes."""

import dataclasses
import json
from collections.abc import Mapping, Sequence

from errors import UserError
from training.run_options import RunOptions

VARIABLE = "TF_CONFIG"
EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
)
CHIEF, WORKER = "chief", "worker"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a training and the one that this process is.

    Attributes:
        jobs: name of a job, "chief" or "worker" -> "host:port" of each of its workers.
        index: index of this worker in `addresses`.
    """

    jobs: Mapping[str, Sequence[str]]
    index: int

    @property
    def addresses(self) -> list[str]:
        """Addresses of all workers; the first one is the chief."""
        return [address for job in self.jobs.values() for address in job]

    @property
    def is_chief(self) -> bool:
        """True for the worker that writes the run directory."""
        return self.index == 0


def read_cluster(environment: Mapping[str, str]) -> Cluster | None:
    """Return the cluster of TF_CONFIG; None if it is not set.

    Raises:
        UserError: its value is invalid.
    """
    text = environment.get(VARIABLE)
    if not text:
        return None
    try:
        config = json.loads(text)
        given, task = config["cluster"], config["task"]
        kind, index = task["type"], int(task["index"])
        jobs = {name: list(given[name]) for name in (CHIEF, WORKER) if name in given}
        addresses = [address for job in jobs.values() for address in job]
        ports = [int(address.rpartition(":")[2]) for address in addresses]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"{VARIABLE}: expected {EXAMPLE}, got {text}") from None
    problems = {
        "the jobs must be chief and worker": given.keys() - jobs.keys() or kind not in jobs,
        "there may be one chief": len(jobs.get(CHIEF, ())) > 1,
        "addresses must be host:port": not all(0 < port < 65536 for port in ports),
        "addresses must differ": len(set(addresses)) < len(addresses),
        f"there is no task {index} of the job {kind}": not 0 <= index < len(jobs.get(kind, ())),
    }
    if problem := next((text for text, is_true in problems.items() if is_true), None):
        raise UserError(f"{VARIABLE}: {problem}; got {text}")
    return Cluster(jobs, index + len(jobs.get(CHIEF, ())) * (kind == WORKER))


def cluster_of(options: RunOptions, environment: Mapping[str, str]) -> Cluster | None:
    """Return the workers of a training; None for a single process.

    Raises:
        UserError: TF_CONFIG is invalid, or does not suit the option `distribute`.
    """
    cluster, several = read_cluster(environment), options.distribute == "multi_worker"
    if several and not cluster:
        raise UserError(
            f"multi_worker requires the environment variable {VARIABLE} on each worker; "
            "python -m training.launch sets it for workers on one machine",
            "distribute",
        )
    if cluster and not several:
        raise UserError(
            f"{VARIABLE} is set, by training.launch or in the environment, which "
            f"{options.distribute} does not use; add --distribute=multi_worker, or unset it",
            "distribute",
        )
    return cluster
