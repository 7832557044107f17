"""Training on several devices of a machine, or on several machines, with tf.distribute."""

import contextlib
import dataclasses
import faulthandler
import itertools
import signal
import sys
import zlib
from collections.abc import Iterator, Sequence

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
from tensorflow.python.eager import context

import replicas
from data import Batches
from errors import UserError
from models.base import GenerativeModel
from training.callbacks import StepCallback
from training.cluster import Cluster
from training.run_options import RunOptions
from training.stopping import AgreedStop, StopRequest

_strategies = itertools.count(1)


@dataclasses.dataclass(frozen=True, eq=False)
class Distribution:
    """Replicas and workers of a training.

    Attributes:
        strategy: strategy whose replicas run the train step; None on one device.
        cluster: the workers; None for a single process.
    """

    strategy: tf.distribute.Strategy | None = None
    cluster: Cluster | None = None

    @property
    def replicas(self) -> int:
        """Number of replicas of all workers."""
        return self.strategy.num_replicas_in_sync if self.strategy else 1

    @property
    def is_chief(self) -> bool:
        """True for the worker that writes the run directory."""
        return self.cluster is None or self.cluster.is_chief

    def scope(self) -> contextlib.AbstractContextManager:
        """Context in which the model is made."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def stop_request(self) -> StopRequest:
        """Return a context in which signals request a stop of this training."""
        return AgreedStop(self.first_signal) if self.cluster else StopRequest()

    def callbacks(self, stop: StopRequest) -> list[StepCallback]:
        """Return the callbacks that come before all others."""
        return [Agreement(stop)] if self.cluster else []

    def dataset(self, batches: Batches, start: int, steps: int):
        """Return the data of `steps` train steps from step `start` on."""
        if not self.strategy:
            return batches.dataset(start).take(steps)
        return batches.distributed(self.strategy, start)

    def described(self) -> str:
        """Return one line about the replicas; empty for one device."""
        if not self.strategy:
            return ""
        line = f"{self.replicas} replicas, each with its share of every batch; without XLA"
        if not self.cluster:
            return line
        role = ", the chief, which writes the run directory" if self.is_chief else ""
        return f"worker {self.cluster.index} of {len(self.cluster.addresses)}{role}; {line}"

    # Communication of workers; each must call the same methods in the same order.

    def first_signal(self, number: int) -> int:
        """Return the lowest number of a signal that a worker has received; 0 if none has one.

        Args:
            number: number of the signal that this worker has received, or 0.
        """
        counts = [0] * signal.NSIG
        counts[number] = 1
        return next((k for k, count in enumerate(self._sums(counts)) if k and count), 0)

    def require_same(self, description: str) -> None:
        """Raise UserError on all workers unless each has the same description of its training."""
        if not self.cluster:
            return
        own = zlib.crc32(description.encode())
        (of_chief,) = self._sums([own if self.is_chief else 0])
        (differing,) = self._sums([of_chief != own])
        if differing:
            raise UserError(
                "the workers have different data sets, or versions of TensorFlow or Keras; start "
                "the same command, with the same data, on each"
            )

    def synchronise(self, model: GenerativeModel) -> None:
        """Give the variables of the model's state the chief's values on all workers."""
        if not self.cluster:
            return

        def copy() -> None:
            first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
            for variable in tf.nest.flatten(model.state()):
                value = tf.convert_to_tensor(variable)
                variable.assign(replicas.total(tf.where(first, value, tf.zeros_like(value))))

        tf.function(lambda: self.strategy.run(copy))()

    def _sums(self, numbers: Sequence[int]) -> list[int]:
        """Return the sums of the workers' numbers, of which each has as many."""
        per_worker = self.replicas // len(self.cluster.addresses)
        totals = self._totals(tf.constant(list(numbers), tf.int64))
        found = self.strategy.experimental_local_results(totals)[0].numpy()
        return [int(number) // per_worker for number in found]

    @tf.function(reduce_retracing=True)
    def _totals(self, numbers: tf.Tensor):
        return self.strategy.run(lambda x: replicas.total(tf.identity(x)), (numbers,))


ONE_DEVICE = Distribution()


class Agreement(StepCallback):
    """Callback that agrees with the other workers on a stop after each step."""

    def __init__(self, stop: AgreedStop):
        super().__init__()
        self.stop = stop

    def after_step(self):
        self.stop.agree()


def start(options: RunOptions, cluster: Cluster | None) -> Distribution:
    """Return the distribution of a training; called before the first operation of TensorFlow.

    Args:
        options: options of the run.
        cluster: the workers of multi_worker, else None.

    Raises:
        UserError: there is only one device, or the devices do not suit the options.
    """
    if options.distribute == "off":
        return ONE_DEVICE
    if cluster:
        set_worker_timeout(cluster, options.worker_timeout)
        with interruptible(options.worker_timeout):
            return Distribution(tf.distribute.MultiWorkerMirroredStrategy(), cluster)
    return Distribution(mirrored_strategy(devices_of_replicas(options.replicas)))


@contextlib.contextmanager
def interruptible(seconds: float) -> Iterator[None]:
    """Context of a call that keeps Python from handling signals: SIGINT ends the process at once.

    So does the time if it is over; the traceback of the call is then printed.
    """
    handler = signal.getsignal(signal.SIGINT) or signal.SIG_DFL
    if handler != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGINT, handler)


def mirrored_strategy(devices: Sequence[str]) -> tf.distribute.MirroredStrategy:
    """Return a strategy of devices that can follow another one in the same process.

    Strategies number their communication from the same base; a second one would be taken for the
    first (for example, a second training in a notebook).
    """
    base = 1000 * next(_strategies)
    kind = type(
        "MirroredStrategy", (tf.distribute.MirroredStrategy,), {"_collective_key_base": base}
    )
    return kind(list(devices))


def devices_of_replicas(replicas: int | None) -> list[str]:
    """Return the names of the devices of a number of replicas: GPUs, or parts of a CPU.

    Args:
        replicas: number of replicas; None: one per GPU.
    """
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        if len(gpus) == 1:
            raise UserError("mirrored requires several GPUs, 1 is found; use off", "distribute")
        if len(gpus) < (replicas or 0):
            raise UserError(f"expected at most {len(gpus)}, the GPUs, got {replicas}", "replicas")
        return [f"GPU:{k}" for k in range(replicas or len(gpus))]
    if not replicas:
        raise UserError(
            "mirrored requires GPUs, none is found; for tests, --replicas=2 divides the CPU",
            "distribute",
        )
    (cpu,) = tf.config.get_visible_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration() for _ in range(replicas)]
    try:
        tf.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError as error:
        if len(tf.config.list_logical_devices("CPU")) < replicas:
            raise UserError(
                f"TensorFlow has started with fewer devices ({error}); use a new process",
                "replicas",
            ) from None
    return [f"CPU:{k}" for k in range(replicas)]


def set_worker_timeout(cluster: Cluster, seconds: float) -> None:
    """Let TensorFlow end the communication if a worker is silent for a number of seconds.

    TensorFlow has no public function for it. A worker that waits for another one is not silent.
    """
    jobs = [
        CoordinatedJob(name=job, num_tasks=len(addresses))
        for job, addresses in cluster.jobs.items()
    ]
    milliseconds = round(1000 * seconds)
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=f"/job:{jobs[0].name}/replica:0/task:0",
        cluster_register_timeout_in_ms=milliseconds,
        heartbeat_timeout_in_ms=milliseconds,
        shutdown_barrier_timeout_in_ms=milliseconds,
        coordinated_jobs=jobs,
    )
