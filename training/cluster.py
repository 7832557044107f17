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
        jobs, task = config["cluster"], config["task"]
        kind, index = task["type"], int(task["index"])
        other = jobs.keys() - {CHIEF, WORKER}
        jobs = {name: list(jobs[name]) for name in (CHIEF, WORKER) if name in jobs}
        valid = jobs[kind][index] and len(jobs.get(CHIEF, ())) <= 1 and not other
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        valid = False
    if not valid or index < 0:
        raise UserError(f"{VARIABLE}: expected {EXAMPLE}, got {text}")
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
            f"{VARIABLE} is set, which {options.distribute} does not use; unset it, or use "
            "--distribute=multi_worker",
            "distribute",
        )
    return cluster
