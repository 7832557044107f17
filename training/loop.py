"""Training loop, from the configuration to the exported generator."""

import contextlib
import functools
import gc
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import plotting
from cli.failures import first_line
from data import Batches, ImageData
from errors import UserError, warn
from evaluation import runner, subject
from evaluation.metric import LOGGED
from evaluation.options import MeasureOptions
from evaluation.reference import Reference
from evaluation.validation import ACTIVE_UNITS, validation_losses
from models import layers, state_keys
from models.abilities import LABEL, RECONSTRUCT, STYLES, VALIDATION
from models.base import ACTIVE, GenerativeModel
from models.scalars import TEST
from storage.checkpoints import IDENTITY, Checkpoints
from storage.files import replacing
from storage.run_directory import RunDirectory
from training import callbacks, devices, hparams, loading, machine, stopping
from training.copying import Copies
from training.curves import draw_curves
from training.events import Events
from training.milestones import Milestones
from training.options import Config, RunOptions
from training.pictures import (
    TRAVERSAL_SPANS,
    TRAVERSALS,
    names_of_categories,
    picture,
    reconstructions_by_epoch,
    save_categories,
    save_style_pictures,
    save_traversals,
    step_pictures,
)
from training.profiling import Profiler
from training.progress import Progress
from training.restoring import first_step_to_restore, restore_summaries
from training.resume import require_not_beyond
from training.step_range import step_range
from waiting import waiting

GIF_FRAMES = 100


def train(config: Config, run: RunDirectory, command: str, images: ImageData) -> int:
    """Train or resume a run in its locked directory; return the exit code.

    Args:
        config: the configuration.
        run: the run directory.
        command: the command line, recorded in config.json.
        images: the data set.

    Raises:
        UserError: the run cannot be started or resumed.
        DivergedError: a loss is not finite.
    """
    options = config.options
    loading.prepare(config)
    machine.warn_of_emulation(options.mixed_precision)
    batches = Batches(
        images.train,
        config.hp.batch_size,
        seed=options.seed,
        n_critic=config.hp.n_critic,
        flip=options.flip,
        labelled=config.hp.labelled_fraction,
        labelled_option=config.hp.labelled_option,
    )
    epoch = batches.steps_per_epoch
    total = options.steps or config.hp.epochs * epoch
    profiled = step_range(options.profile_steps, total, "profile_steps")
    per_execution = options.steps_per_execution
    with waiting("building the model"):
        model = loading.build_model(config, images.image_shape, images.num_classes)
        model.before_training(*(count * batches.images_per_step for count in (epoch, total)))
        compile_model(model, devices.jit_of(options), per_execution)
    epoch_end = -(-epoch // per_execution) * per_execution  # steps until the outputs of an epoch
    # After the model: building a feature network changes the state of Keras' random seed.
    evaluated, measure = (), None
    if options.eval_every:
        evaluated, measure = sample_measure(options, images, model)

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
    environment = {**machine.environment(), "xla": model.jit_compile}
    machine.warn_of_changes(run, environment)
    if start and config.hp.schedule and run.total_steps not in (None, total):
        warn(f"schedules span {total} steps from here on, not {run.total_steps} as before")
    run.write_config(config.as_dict(), loading.describe_data(images), environment, command, total)
    real = plotting.grid(at_random(images.train.images, 64, options.seed))
    with run.optional("pictures"):
        plotting.save_image(run.path / "real.png", real)
    if start:
        print(f"resumed from the checkpoint of step {start}")
    print_start(config, run, model, images, f"steps {start} to {total} ({epoch} per epoch)")
    first = first_step_to_restore(run, start)

    with (
        stopping.StopRequest() as stop,  # the first, so that a stop does not cut off the last copy
        Copies(run, config.copy) as copies,
        Events(run.path, start) as events,
    ):
        if not first:
            events.hparams(0, hparams.start_summaries(config, images, evaluated))
            events.images(0, {"real": real})
            events.text(0, "config", f"```\n{run.config.read_text()}\n```")
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
        shown = at_random((images.test or images.train).images, 40, options.seed)
        progress = Progress(total, batches, log)
        steps = callbacks.in_order(
            milestones=Milestones(outputs, log, images.train.images),
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
            [Profiler(run.path, profiled, log), *steps],
            add_history=True,
            model=model,
            epochs=1,
            steps=remaining,
            verbose=0,
        )
        if remaining:
            data = batches.dataset(start).take(remaining)
            batches.batch(start)  # errors of the images, before those of XLA
            try:
                fit(model, data, remaining, steps, progress)
            except tf.errors.OpError as error:
                if not (options.jit == "auto" and model.jit_compile and int(model.step) == start):
                    raise
                stop_using_xla(model, run, error)
                fit(model, data, remaining, steps, progress)
            gc.collect()  # ends the generator of the batches before the interpreter exits
        else:
            steps.on_train_begin()
        step = int(model.step)
        if step < total and not stop.received:
            raise RuntimeError(f"the training has ended at step {step} of {total}")
        # A stop at the last step leaves its outputs to the next training.
        if finished := step == total and not stop.received:
            finish(run, model, events, images.class_names, shown, epoch)
            copies.request()
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


def sample_measure(
    options: RunOptions, images: ImageData, model: GenerativeModel
) -> tuple[tuple[str, ...], Callable]:
    """Return the metrics of `eval_every`, and a function without arguments -> value by logged name.

    A trial on the untrained model shows its time and raises an error if a metric is not defined. A
    metric that is not defined later is left out, with a warning. Every call uses the same latents.

    Raises:
        UserError: a metric or the feature network is unknown, or a metric is not defined.
    """
    request = MeasureOptions(
        metrics=options.eval_metrics,
        features=options.eval_features,
        num_samples=options.eval_samples,
        seed=options.seed,
    )
    reference = runner.load_reference(images, request, prefix="eval_")
    wanted = runner.wanted_metrics(request, reference)
    if not options.eval_metrics:
        wanted = {name: metric for name, metric in wanted.items() if metric.default}
    if reference.extractor:
        start = time.perf_counter()
        count = runner.count_of_real_features(reference)
        print(
            f"{images.name}: {reference.extractor.name} features of {count:,} real images, "
            f"{time.perf_counter() - start:.1f} s"
        )

    measured = subject.of_model("evaluation", model, {})
    start = time.perf_counter()
    trial, _ = runner.measure(measured, reference, wanted, request)
    for name, reason in runner.undefined(trial).items():
        count = f" (eval_samples={request.num_samples})" if wanted[name].samples else ""
        raise UserError(f"{name}: {reason}{count}", "eval_metrics")
    seconds = time.perf_counter() - start
    print(f"evaluation takes {seconds:.1f} s, every {options.eval_every:,} steps")
    warned = set()

    def values() -> dict[str, float]:
        found, _ = runner.measure(measured, reference, wanted, request)
        lacking = runner.undefined(found)
        for name, reason in sorted(lacking.items() - warned):
            warn(f"{name} is not logged: {reason}")
        warned.update(lacking.items())
        return {f"{LOGGED}{name}": found[name].value for name in found if name not in lacking}

    return tuple(wanted), values


def validation(model: GenerativeModel, reference: Reference) -> dict[str, float]:
    """Return validation losses and active units; log a warning if the posterior has collapsed."""
    with waiting("validation losses"):
        losses = validation_losses(subject.of_model("", model, {}), reference)
    if losses.get(ACTIVE_UNITS) == 0:
        warn(
            "the posterior has collapsed: no latent dimension has a KL divergence above "
            f"{ACTIVE} nats. Try {model.against_collapse}"
        )
    return {f"{TEST}{name}": value for name, value in losses.items()}


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
        start = int(checkpoints.step)
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
    config: Config, run: RunDirectory, model: GenerativeModel, images: ImageData, steps: str
) -> None:
    """Print the model, the data set with its notes, and the steps."""
    for note in images.notes:
        print(f"{images.name}: {note}")
    trained = [v for player in model.players().values() for v in player.variables]
    print(
        f"{config.options.model} on {images.name}: {len(images.train.images):,} images "
        f"{'x'.join(map(str, images.image_shape))}, {sum(math.prod(v.shape) for v in trained):,} "
        f"weights, {steps}, writing to {run.path}"
    )


def compile_model(model: GenerativeModel, jit: str, steps_per_execution: int = 1) -> None:
    """Compile the model; use XLA if `jit` is "on", or "auto" with an accelerator.

    Raises:
        UserError: `jit` is "on" and the model does not compile under XLA.
    """
    xla = devices.uses_xla(jit)
    model.compile(jit_compile=xla, steps_per_execution=steps_per_execution)
    if xla and not model.jit_compile:
        raise UserError("this model does not compile under XLA; use --jit=off", "jit")


def finish(
    run: RunDirectory,
    model: GenerativeModel,
    events: Events,
    class_names: Sequence[str],
    originals: np.ndarray,
    steps_per_epoch: int,
) -> None:
    """Write curves.png, progress.gif, pictures of latents and the exported generator.

    The run is then marked as finished.

    Args:
        run: the run directory.
        model: the trained model.
        events: TensorBoard's summaries.
        class_names: names of the classes of the data set.
        originals: uint8 [n, h, w, c], the images whose reconstructions are drawn.
        steps_per_epoch: number of steps per epoch.
    """
    reconstructions = ["reconstructions.png"] * (not model.lacks(RECONSTRUCT))
    listed, step = ["samples.png", *reconstructions, "curves.png"], int(model.step)
    traversed, styled = [], []
    with run.optional("pictures"), waiting("drawing pictures and films"):
        draw_curves(run)
        if frames := frames_of(run):
            plotting.save_gif(run.path / "progress.gif", frames, fps=max(2, len(frames) / 10))
        rows = reconstructions_by_epoch(run, originals, steps_per_epoch)
        if rows is not None:
            listed.append("reconstructions-by-epoch.png")
            plotting.save_image(run.path / listed[-1], rows)
        names = class_names or None
        if LABEL not in model.latents.parts:
            names = names_of_categories(run, int(model.step))
        listed += [path.name for path in save_categories(model, run.path, names)]
        folder = run.path / TRAVERSALS
        for span in TRAVERSAL_SPANS:
            traversed += save_traversals(model, span, 0, folder, None, names)
        listed += [f"{folder.name}/"] * bool(traversed)
        if not model.lacks(STYLES):
            styled = save_style_pictures(model, 0, run.path / "styles")
            listed.append("styles/")
    paths = [path for path in (*traversed, *styled) if path.suffix == ".png"]
    shown = {f"{path.parent.name}/{path.stem}": picture(path) for path in paths}
    events.images(step, {name: pixels for name, pixels in shown.items() if pixels is not None})
    if (curves := picture(run.path / "curves.png")) is not None:
        events.images(step, {"curves": curves}, folder=callbacks.PROGRESS.folder)
    events.hparams(step, hparams.end_summaries())
    events.flush()
    with waiting("exporting the generator"):
        export(layers.plain(model.generator_network()), run.export)
    run.set_status(finished=step)
    print(f"done: {', '.join(listed)}, progress.gif and export/ are in {run.path}")


def export(network: keras.Model, folder: Path) -> None:
    """Write generator.keras and saved_model/ to a folder; a failure leaves the earlier ones."""
    with replacing(folder / "generator.keras") as path:
        network.save(path)
    with replacing(folder / "saved_model") as path:
        network.export(str(path), verbose=False)


def frames_of(run: RunDirectory) -> list[np.ndarray]:
    """Return up to GIF_FRAMES sample grids of a run, uint8 [H, W, c], all of one shape.

    Damaged pictures, and those of another shape than the last one, are left out.
    """
    paths = list(step_pictures(run.samples).values())
    kept = np.linspace(0, len(paths) - 1, min(len(paths), GIF_FRAMES)).round().astype(int)
    found = [picture(paths[k]) for k in kept]
    drawn = [pixels for pixels in found if pixels is not None]
    kind = [(pixels.shape, pixels.dtype) for pixels in drawn]
    return [pixels for pixels, one in zip(drawn, kind, strict=True) if one == kind[-1]]
