"""Start of a training from the command line. Imports TensorFlow after the checks.

A thread loads the images at the same time, unless TFDS loads them, which imports TensorFlow too.
"""

import concurrent.futures
import contextlib
import dataclasses
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import data
from cli.failures import explained, first_line
from errors import UserError, warn
from storage.checkpoint_files import steps_of
from storage.run_directory import RunDirectory
from training import copying, resume
from training.cluster import Cluster, cluster_of
from training.options import Config, command_line
from training.rendezvous import meet_chief, meet_workers
from training.run_options import RunOptions
from training.stopping import unbreakable_output
from waiting import cleared, waiting

# Errors of TensorFlow if a worker is lost, by name because it is imported later; some occur
# elsewhere too.
LOST = {"UnavailableError", "DeadlineExceededError"}
LOST_IF_COLLECTIVE = {"AbortedError", "CancelledError", "InternalError", "InvalidArgumentError"}


def beside(function: Callable) -> concurrent.futures.Future:
    """Return the future result of a function that runs in a thread.

    The end of the process does not wait for the thread.
    """
    future = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


@contextlib.contextmanager
def without_wrappers():
    """Let `import keras` skip its wrappers for scikit-learn, which take a second to import."""
    if "keras" in sys.modules or "sklearn" in sys.modules:
        yield
        return
    sys.modules["sklearn"] = None  # as if it were not installed
    try:
        yield
    finally:
        del sys.modules["sklearn"]


def run_training(config: Config, argv: Sequence[str]) -> int:
    """Train or resume the run of a configuration; return the exit code, 1 if it diverges.

    Args:
        config: the configuration.
        argv: arguments of train.py that gave the configuration, recorded in config.json.

    Raises:
        UserError: the data set is missing, or the run directory is locked or belongs to another
            configuration.
    """
    options = config.options
    config.check_data()
    cluster = cluster_of(options, os.environ)
    if cluster and not cluster.is_chief:
        return run_worker(config, cluster)
    with RunDirectory(config.outdir) as run, unbreakable_output(), last_checkpoint_named(run, argv):
        copied = copying.take_back(config, run)
        config = config.for_run(run)
        resume.check(config, run)
        finished = resume.finished_step(config, run)
        if finished is not None and not cluster:
            print(*copied, already_finished(run, finished), sep="\n")
            return 0
        images = beginning_to_load(config)
        if cluster:
            reply = {"finished": finished, "kept": dict(config.kept), "read_as": config.read_as}
            meet_workers(cluster, for_all_workers(config), reply, options.worker_timeout)
            if finished is not None:
                print(already_finished(run, finished))
                return 0
        distribution = start_devices(options, cluster, copied)
        from training.callbacks import DivergedError
        from training.loop import train

        try:
            with lost_workers_named(cluster):
                config, loaded = with_images(config, images)
                return train(config, run, command_line(argv), loaded, distribution)
        except DivergedError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1


def run_worker(config: Config, cluster: Cluster) -> int:
    """Train as a worker that is not the chief, without the run directory; return the exit code."""
    with unbreakable_output():
        images = beginning_to_load(config)
        reply = meet_chief(cluster, for_all_workers(config), config.options.worker_timeout)
        if (finished := reply["finished"]) is not None:
            print(already_finished(RunDirectory(config.outdir), finished))
            return 0
        distribution = start_devices(config.options, cluster)
        from training.working import work

        with lost_workers_named(cluster):
            kept, read_as = with_tuples(reply["kept"]), with_tuples(reply["read_as"])
            if read_as != config.read_as:  # of a run that is resumed
                images = None
            config = dataclasses.replace(config, kept=kept, **read_as)
            return work(*with_images(config, images), distribution)


def with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of options, of which JSON has turned tuples into lists."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}


def for_all_workers(config: Config) -> dict[str, Any]:
    """Return the values by name that must be the same in the commands of all workers."""
    own = {"dataset", "data_dir", "outdir", "copy_to"}
    values = dataclasses.asdict(config.options) | dict(config.given)
    return {name: value for name, value in values.items() if name not in own}


def already_finished(run: RunDirectory, step: int) -> str:
    """Return the line about a run that has nothing left to do."""
    return f"{run.path}: already finished at step {step}"


def beginning_to_load(config: Config) -> concurrent.futures.Future | None:
    """Return the images that are loaded meanwhile; None if TFDS loads them."""
    if data.of_tfds(config.options.dataset):
        return None
    images = beside(config.load_data)
    if not (config.suits(1) and config.suits(3)):
        config.for_images(images.result().image_shape)  # an error, before TensorFlow
    return images


def with_images(
    config: Config, images: concurrent.futures.Future | None
) -> tuple[Config, data.ImageData]:
    """Return the configuration for the loaded images, and these."""
    loaded = images.result() if images else config.load_data()
    for note in config.notes(loaded.image_shape):
        warn(note)
    return config.for_images(loaded.image_shape), loaded


def start_devices(options: RunOptions, cluster: Cluster | None, lines: Sequence[str] = ()):
    """Load TensorFlow, print the first lines of the training, return its distribution.

    Args:
        options: options of the run.
        cluster: the workers; None for a single process.
        lines: printed after that of the devices.
    """
    with waiting("loading TensorFlow"), without_wrappers():
        from training import devices, distribution

    jit, could_distribute = devices.jit_of(options), options.distribute == "off"
    line = devices.device_line(jit, options.mixed_precision, could_distribute)
    with cleared():  # of the decoding in the thread
        print(line, *lines, sep="\n", flush=True)
    with waiting("the other workers") if cluster else contextlib.nullcontext():
        made = distribution.start(options, cluster)
    if made.described():
        print(made.described(), flush=True)
    return made


@contextlib.contextmanager
def lost_workers_named(cluster: Cluster | None):
    """Context in which an error of the communication with other workers is one line.

    Raises:
        UserError: instead of that error.
    """
    try:
        yield
    except Exception as error:
        name, text = type(error).__name__, str(error)
        lost = name in LOST or (name in LOST_IF_COLLECTIVE and "ollective" in text)
        if not (cluster and lost):
            raise
        others = ", ".join(a for k, a in enumerate(cluster.addresses) if k != cluster.index)
        raise UserError(
            f"another worker ({others}) has ended or does not answer ({first_line(text)}). Unless "
            "its last lines say otherwise, start the same command on all workers to resume"
        ) from error


@contextlib.contextmanager
def last_checkpoint_named(run: RunDirectory, argv: Sequence[str]):
    """Context in which the last line of a training that ends early names the last checkpoint.

    Args:
        run: the run directory.
        argv: arguments of train.py.

    Raises:
        UserError: instead of an error of the machine, such as a full disk, if there is one.
        KeyboardInterrupt: with the step of the last checkpoint, instead of one without.
    """
    try:
        yield
    except KeyboardInterrupt:
        saved = steps_of(run.checkpoints)
        last = f"the last checkpoint is of step {saved[0]}" if saved else "no checkpoint is saved"
        advice = "resume" if saved else "start again"
        raise KeyboardInterrupt(f"{last}; run the same command to {advice}") from None
    except (UserError, BrokenPipeError):
        raise
    except Exception as error:
        saved, reason = steps_of(run.checkpoints), explained(error, argv)
        if saved and reason:
            raise UserError(f"{reason}. The checkpoint of step {saved[0]} is intact") from error
        raise
