"""Training loop, from the configuration to the exported generator."""

import contextlib
import functools
import gc
import json
import math
from collections.abc import Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

import plotting
from cli.failures import first_line
from data import Batches, ImageData
from errors import UserError, one_line, warn
from evaluation.metric import LOGGED
from evaluation.reference import Reference
from models import state_keys
from models.abilities import VALIDATION
from models.base import GenerativeModel
from models.scalars import TEST
from replicas import check_divides
from storage.checkpoints import IDENTITY, Checkpoints
from storage.run_directory import RunDirectory
from training import callbacks, devices, hparams, loading, machine
from training.copying import Copies
from training.distribution import ONE_DEVICE, Distribution
from training.events import Events
from training.finishing import finish
from training.measuring import sample_measure, validation
from training.milestones import LoggedMilestones
from training.options import Config
from training.profiling import Profiler
from training.progress import Progress
from training.restoring import first_step_to_restore, restore_summaries
from training.resume import require_not_beyond
from training.step_range import step_range
from waiting import waiting

NAMED_CLASSES = 10  # maximum number of classes in the line about them


def train(
    config: Config,
    run: RunDirectory,
    command: str,
    images: ImageData,
    distribution: Distribution = ONE_DEVICE,
) -> int:
    """Train or resume a run in its locked directory; return the exit code.

    Args:
        config: the configuration.
        run: the run directory.
        command: the command line, recorded in config.json.
        images: the data set.
        distribution: replicas and workers, of which this process is the chief.

    Raises:
        UserError: the run cannot be started or resumed.
        DivergedError: a loss is not finite.
    """
    options, per_execution = config.options, config.options.steps_per_execution
    batches, total, model = prepared(config, images, distribution)
    epoch = batches.steps_per_epoch
    profiled = step_range(options.profile_steps, total, "profile_steps")
    epoch_end = -(-epoch // per_execution) * per_execution  # steps until the outputs of an epoch
    # After the model: building a feature network changes the state of Keras' random seed.
    evaluated, measure = (), None
    if options.eval_every:
        part = batches.split if options.train_images else None
        evaluated, measure = sample_measure(options, images, model, part)

    every = options.checkpoint_every or epoch_end
    checkpoints = Checkpoints(
        model.state(),
        model.step,
        run.checkpoints,
        identity=config.identity(images.fingerprint),
        keep=options.keep_checkpoints,
        keep_every=options.keep_every,
        optional=state_keys.OWN,
        derived=model.derived_state,
    )
    start, notes = resume(run, checkpoints, images.fingerprint, every, total, per_execution)
    distribution.synchronise(model)
    environment = machine.environment()
    environment |= {"xla": model.jit_compile, "replicas": distribution.replicas}
    if distribution.replicas > 1:
        environment["sync_batch_norm"] = options.sync_batch_norm
    machine.warn_of_changes(run, environment)
    if start and config.hp.schedule and run.total_steps not in (None, total):
        warn(f"schedules span {total} steps from here on, not {run.total_steps} as before")
    described = loading.describe_data(images, config)
    run.write_config(config.as_dict(), described, environment, command, total)
    real = plotting.grid(at_random(batches.split.images, 64, options.seed))
    with run.optional("pictures"):
        plotting.save_image(run.path / "real.png", real)
    if start:
        print(f"resumed from the checkpoint of step {start}")
    span = f"steps {start} to {total} ({epoch} per epoch), writing to {run.path}"
    print_start(config, model, images, described, span)
    first = first_step_to_restore(run, start)

    with (
        distribution.stop_request() as stop,  # first: a stop must not cut off the last copy
        Copies(run, config.copy) as copies,
        Events(run.path, start) as events,
    ):
        if not first:
            events.hparams(0, hparams.start_summaries(config, images, evaluated))
            events.images(0, {"real": real})
            events.text(0, "config", f"```\n{run.config.read_text('utf-8')}\n```")
        with waiting("restoring TensorBoard's summaries"):
            drawn = restore_summaries(run, events, first, start)
        if start:
            copies.request()
        outputs = callbacks.Outputs(run, events, total, stop)
        log = callbacks.Log(outputs, options.log_every, batches, notes.get("log", {}))
        evaluators = []
        if not model.lacks(VALIDATION) and images.test:
            reference = Reference(images, "test", None)
            validate = functools.partial(validation, model, reference)
            evaluators.append(callbacks.Evaluator(outputs, epoch_end, log, validate, TEST))
        if measure:
            every_evaluation = options.eval_every
            evaluators.append(callbacks.Evaluator(outputs, every_evaluation, log, measure, LOGGED))
        shown = at_random((images.test or batches.split).images, 40, options.seed)
        progress = Progress(total, batches, log)
        steps = callbacks.in_order(
            milestones=LoggedMilestones(
                outputs, log, batches.split.images, distribution.synchronise
            ),
            measure=evaluators,
            log=log,
            draw=callbacks.Pictures(
                outputs,
                options.sample_every or epoch_end,
                log,
                shown,
                planes=options.sample_planes,
                drawn=drawn,
            ),
            save=callbacks.Saver(
                outputs, every, log, checkpoints, options.checkpoint_minutes, copies.request
            ),
            show=progress,
        )
        remaining = total - start
        steps = callbacks.StepCallbacks(
            [*distribution.callbacks(stop), Profiler(run.path, profiled, log), *steps],
            add_history=True,
            model=model,
            epochs=1,
            steps=remaining,
            verbose=0,
        )
        if remaining:
            data = distribution.dataset(batches, start, remaining)
            batches.batch(start)  # errors of the images, before those of XLA
            try:
                fit(model, data, remaining, steps, progress)
            except tf.errors.OpError as error:
                begun = int(model.step.numpy()) > start
                if begun or options.jit != "auto" or not model.jit_compile:
                    raise
                stop_using_xla(model, run, error)
                fit(model, data, remaining, steps, progress)
            gc.collect()  # ends the generator of the batches before the interpreter exits
        else:
            steps.on_train_begin()
        step = int(model.step.numpy())
        if step < total and not stop.received:
            raise RuntimeError(f"the training has ended at step {step} of {total}")
        # A stop at the last step leaves its outputs to the next training.
        if finished := step == total and not stop.received:
            finish(run, model, events, images.class_names, shown, epoch)
            copies.request()
        stop.agree()
    if stop.received:
        end = "the run is finished" if finished else "run the same command to resume"
        print(f"stopped by {stop.received.name} at step {step}; {end}")
    return 128 + stop.received if stop.received else 0


def fit(
    model: GenerativeModel,
    data: tf.data.Dataset,
    steps: int,
    within: callbacks.StepCallbacks,
    progress: Progress,
) -> None:
    """Train for a number of steps, with callbacks within them, of which one is the progress."""
    with contextlib.ExitStack() as progress.notes:
        model.fit(data, steps_per_epoch=steps, callbacks=within, shuffle=False, verbose=0)


def stop_using_xla(model: GenerativeModel, run: RunDirectory, error: Exception) -> None:
    """Turn XLA off after an error of the first step, and record that."""
    reason = first_line(str(error).removeprefix("Graph execution error:"))
    warn(f"XLA failed in the first step ({reason}); the training continues without XLA (jit=off)")
    model.jit_compile = False
    model.train_function = None
    run.update_environment(xla=False)


def resume(
    run: RunDirectory,
    checkpoints: Checkpoints,
    fingerprint: str,
    every: int,
    total: int,
    per_execution: int = 1,
) -> tuple[int, dict]:
    """Restore the last checkpoint, and remove the records after it and the remains of kills.

    Args:
        run: the run directory.
        checkpoints: its checkpoints.
        fingerprint: fingerprint of the data set.
        every: steps between two checkpoints.
        total: last step of the training.
        per_execution: number that divides the step of the checkpoint.

    Returns:
        The step of the checkpoint and its notes; 0 and {} for a new run or one that stopped before
        its first checkpoint.

    Raises:
        UserError: the checkpoints are missing or damaged, belong to other images or to another run,
            or their step is beyond the last one or not a multiple of `per_execution`.
    """
    if not checkpoints.found():
        if run.has_lost_checkpoints(every):
            raise run.without_checkpoints()
        start, notes = 0, {}
        run.forget_after(-1)
        run.set_status(checkpoint=None, finished=None)
    else:
        if run.config.exists() and run.read_data()["fingerprint"] != fingerprint:
            raise UserError(
                f"its images differ from those that {run.path} was trained on", "dataset"
            )
        with waiting("reading the checkpoint"):
            notes = checkpoints.restore()
        start = int(checkpoints.step.numpy())
        if not run.config.exists():
            if not notes.get(IDENTITY):
                raise UserError(
                    f"{run.path}: config.json is missing, and the checkpoints, of an earlier "
                    "version, lack the configuration; restore config.json from a copy"
                )
            warn(f"{run.config} is missing; written again, with this command only")
        require_not_beyond(run, start, total)
        if start % per_execution and start < total:
            raise UserError(
                f"the last checkpoint is at step {start}; use a divisor of {start}",
                "steps_per_execution",
            )
        run.forget_after(start)
        status = run.status()
        finished = start if status.get("finished") == start else None
        run.set_status(checkpoint=status.get("checkpoint") or start, finished=finished)
    run.sweep()
    checkpoints.sweep()
    return start, notes


def at_random(images: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return n random images in their order, or all if there are fewer."""
    return images[np.sort(np.random.default_rng(seed).permutation(len(images))[:n])]


def print_start(
    config: Config, model: GenerativeModel, images: ImageData, described: dict, steps: str
) -> None:
    """Print the model, the data set with its notes and its description, and the steps."""
    for note in images.notes:
        print(f"{images.name}: {note}")
    if described["classes"]:
        print(f"{images.name}: {classes_line(described['classes'])}")
    of = f" of {len(images.train.images):,}" if config.options.train_images else ""
    trained = [v for player in model.players().values() for v in player.variables]
    print(
        f"{config.options.model} on {images.name}: {described['train_images']:,}{of} images "
        f"{'x'.join(map(str, images.image_shape))}, {sum(math.prod(v.shape) for v in trained):,} "
        f"weights, {steps}"
    )


def classes_line(counts: Mapping[str, int]) -> str:
    """Return the first classes with their numbers, names and numbers of images, in one line."""
    texts = [
        f"{name} ({n:,})" if name == str(k) else f"{k}={name} ({n:,})"
        for k, (name, n) in enumerate(counts.items())
    ]
    more = ", ... (all are in config.json)" * (len(texts) > NAMED_CLASSES)
    kind = "class" if len(texts) == 1 else "classes"
    return one_line(f"{len(texts):,} {kind}: {', '.join(texts[:NAMED_CLASSES])}{more}", 2000)


def prepared(
    config: Config, images: ImageData, distribution: Distribution
) -> tuple[Batches, int, GenerativeModel]:
    """Return the batches of a training, its last step, and the compiled model.

    Raises:
        UserError: the configuration does not suit the images or the replicas.
    """
    options = config.options
    loading.prepare(config)
    machine.warn_of_emulation(options.mixed_precision)
    batches = Batches(
        config.trained(images),
        config.hp.batch_size,
        seed=options.seed,
        n_critic=config.hp.n_critic,
        flip=options.flip,
        labelled=config.hp.labelled_fraction,
        labelled_option=config.hp.labelled_option,
    )
    epoch = batches.steps_per_epoch
    total = options.steps or config.hp.epochs * epoch
    distribution.require_same(description_for_workers(config, images, total))
    with waiting("building the model"), distribution.scope():
        model = loading.build_model(config, images.image_shape, images.num_classes)
        model.before_training(*(count * batches.images_per_step for count in (epoch, total)))
        check_divides(config.hp.batch_size, distribution.replicas, model.group)
        compile_model(
            model,
            devices.jit_of(options),
            steps_per_execution=options.steps_per_execution,
            sync_batch_norm=options.sync_batch_norm,
        )
    one = config.hp.batch_size == (1 if options.sync_batch_norm else distribution.replicas)
    for name in networks_without_input(model) if one else ():
        warn(
            f"batch norm over one image: the output of the {name} does not depend on its input "
            "(z, for a generator); use a larger batch_size, or another norm"
        )
    return batches, total, model


def networks_without_input(model: GenerativeModel) -> list[str]:
    """Return the trained networks whose output is constant in a step of one image.

    Batch norm of a vector [b, d] over one image is its bias, whatever the vector is.
    """
    averages = [average for average, _ in model.ema_pairs()]
    trained = {n: x for n, x in model.networks().items() if not any(x is a for a in averages)}
    return [name for name, network in trained.items() if any(map(is_constant, parts(network)))]


def parts(layer: keras.Layer) -> Iterator[keras.Layer]:
    """Yield a layer and the layers within it."""
    yield layer
    for part in getattr(layer, "layers", ()):
        yield from parts(part)


def is_constant(layer: keras.Layer) -> bool:
    """Return whether a layer is the batch norm of a vector [b, d], constant for one example."""
    return isinstance(layer, keras.layers.BatchNormalization) and len(layer.input.shape) == 2


def description_for_workers(config: Config, images: ImageData, total: int) -> str:
    """Return what must be the same for all workers of a training, in one text."""
    options, versions = config.options, machine.environment()
    same = {
        **config.identity(images.fingerprint),
        "total": total,
        "steps_per_execution": options.steps_per_execution,
        "sync_batch_norm": options.sync_batch_norm,
        "versions": [versions["tensorflow"], versions["keras"]],
    }
    return json.dumps(same, sort_keys=True)


def compile_model(model: GenerativeModel, jit: str, **arguments) -> None:
    """Compile the model; use XLA if `jit` is "on", or "auto" with an accelerator.

    Args:
        model: the model.
        jit: as the option.
        **arguments: further ones of `model.compile`.

    Raises:
        UserError: `jit` is "on" and the model does not compile under XLA.
    """
    xla = devices.uses_xla(jit)
    model.compile(jit_compile=xla, **arguments)
    if xla and not model.jit_compile:
        raise UserError("this model does not compile under XLA; use --jit=off", "jit")
