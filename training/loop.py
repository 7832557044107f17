"""Training loop, from the configuration to the exported generator."""

import contextlib
import functools
import gc
import math
import time
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import keras
import numpy as np
import tensorflow as tf

import plotting
from data import Batches, ImageData
from errors import UserError, warn
from evaluation import runner, subject
from evaluation.metric import LOGGED
from evaluation.options import MeasureOptions
from evaluation.reference import Reference
from evaluation.validation import ACTIVE_UNITS, validation_losses
from models.abilities import STYLES, VALIDATION
from models.base import ACTIVE, GenerativeModel
from models.scalars import TEST
from storage.checkpoints import Checkpoints
from storage.files import replacing
from storage.run_directory import RunDirectory
from training import callbacks, loading, machine
from training.curves import draw_curves
from training.options import Config, RunOptions
from training.pictures import save_style_pictures, save_traversals

GIF_FRAMES = 100
TRAVERSAL_SPANS = (1, 2)


def train(config: Config, run: RunDirectory, command: str) -> int:
    """Train or resume a run in its locked directory; return the exit code.

    Args:
        config: the configuration.
        run: the run directory.
        command: the command line, recorded in config.json.

    Raises:
        UserError: the run cannot be started or resumed.
        DivergedError: a loss is not finite.
    """
    options = config.options
    loading.prepare(config)
    machine.warn_of_emulation(options.mixed_precision)
    images = loading.load_data(config)
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
    model = loading.build_model(config, images.image_shape, images.num_classes)
    model.before_training(epoch)
    compile_model(model, options.jit)
    # After the model: building a feature network changes the state of Keras' random seed.
    measure = options.eval_every and sample_measure(options, images, model)

    every = options.checkpoint_every or epoch
    checkpoints = Checkpoints(model.state(), model.step, run.checkpoints, options.keep_checkpoints)
    start = resume(run, checkpoints, images.fingerprint, every, total)
    environment = {**machine.environment(), "xla": model.jit_compile}
    run.write_config(config.as_dict(), loading.describe_data(images), environment, command, total)
    real = at_random(images.train.images, 64, options.seed)
    plotting.save_image(run.path / "real.png", plotting.grid(real))
    print_start(config, run, model, images, f"steps {start} to {total} ({epoch} per epoch)")

    with (
        contextlib.closing(tf.summary.create_file_writer(str(run.path))) as writer,
        writer.as_default(step=start),
        callbacks.StopRequest() as stop,
    ):
        tf.summary.text("config", f"```\n{run.config.read_text()}\n```")
        tf.summary.image("real", picture(run.path / "real.png")[None])
        log = callbacks.Log(run, writer, options.log_every, batches)
        evaluators = []
        if not model.lacks(VALIDATION) and images.test:
            reference = Reference(images, "test", None)
            validate = functools.partial(validation, model, reference)
            evaluators += [callbacks.Evaluator(run, writer, log, epoch, validate)]
        if measure:
            evaluators += [callbacks.Evaluator(run, writer, log, options.eval_every, measure)]
        if start < total:
            model.fit(
                batches.dataset(start),
                steps_per_epoch=total - start,
                callbacks=callbacks.in_order(
                    gather=callbacks.Gather(log),
                    measure=evaluators,
                    log=log,
                    draw=callbacks.Pictures(
                        run,
                        writer,
                        every=options.sample_every or epoch,
                        total=total,
                        real=at_random((images.test or images.train).images, 40, options.seed),
                        planes=options.sample_planes,
                    ),
                    save=callbacks.Saver(checkpoints, log, every, stop),
                    show=callbacks.Progress(total, batches),
                ),
                shuffle=False,
                verbose=0,
            )
            gc.collect()  # ends the generator of the batches before the interpreter exits
        step = int(model.step)
        if step == total:
            finish(run, model)
    if step < total:
        name = stop.received.name
        print(f"stopped by {name} at step {step}; run the same command to resume")
    return 128 + stop.received if stop.received else 0


def sample_measure(options: RunOptions, images: ImageData, model: GenerativeModel) -> Callable:
    """Return the evaluation of `eval_every`: a function without arguments -> value by name.

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

    measured = subject.of_model("", model, {})
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

    return values


def validation(model: GenerativeModel, reference: Reference) -> dict[str, float]:
    """Return validation losses and active units; log a warning if the posterior has collapsed."""
    losses = validation_losses(subject.of_model("", model, {}), reference)
    if losses.get(ACTIVE_UNITS) == 0:
        warn(
            "the posterior has collapsed: no latent dimension has a KL divergence above "
            f"{ACTIVE} nats. Try {model.against_collapse}"
        )
    return {f"{TEST}{name}": value for name, value in losses.items()}


def resume(
    run: RunDirectory, checkpoints: Checkpoints, fingerprint: str, every: int, total: int
) -> int:
    """Restore the last checkpoint, and remove the records after it.

    Args:
        run: the run directory.
        checkpoints: its checkpoints.
        fingerprint: fingerprint of the data set.
        every: steps between two checkpoints.
        total: last step of the training.

    Returns:
        The step of the checkpoint; 0 for a new run or one that stopped before its first checkpoint.

    Raises:
        UserError: the checkpoints are missing or damaged, belong to other images, or are beyond
            the last step.
    """
    if not checkpoints.found():
        if any(record["step"] > every for record in run.records()):
            raise UserError(
                f"{run.path}: has a log, but its checkpoints are missing; move it away, or set "
                "another outdir"
            )
        run.forget_after(-1)
        return 0
    if run.read_config()["data"]["fingerprint"] != fingerprint:
        raise UserError(f"its images differ from those that {run.path} was trained on", "dataset")
    start = checkpoints.restore()
    if start > total:
        raise UserError(
            f"{run.path}: at step {start}, beyond the last step {total}; increase steps or epochs"
        )
    run.forget_after(start)
    return start


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


def compile_model(model: GenerativeModel, jit: str) -> None:
    """Compile the model; use XLA if `jit` is "on", or "auto" with an accelerator.

    Raises:
        UserError: `jit` is "on" and the model does not compile under XLA.
    """
    accelerated = any(d.device_type != "CPU" for d in tf.config.list_physical_devices())
    xla = jit == "on" or (jit == "auto" and accelerated)
    model.compile(jit_compile=xla)
    if xla and not model.jit_compile:
        raise UserError("this model does not compile under XLA; use jit=off", "jit")


def finish(run: RunDirectory, model: GenerativeModel) -> None:
    """Write curves.png, progress.gif, traversals, pictures of styles and the exported generator."""
    draw_curves(run)
    drawn = sorted(run.samples.glob("step-*.png"))
    kept = np.linspace(0, len(drawn) - 1, min(len(drawn), GIF_FRAMES)).round().astype(int)
    frames = [picture(drawn[k]) for k in kept]
    plotting.save_gif(run.path / "progress.gif", frames, fps=max(2, len(frames) / 10))
    curves = picture(run.path / "curves.png")[..., :3]
    tf.summary.image("curves", curves[None], step=int(model.step))
    traversed = [
        path
        for span in TRAVERSAL_SPANS
        for path in save_traversals(model, span, 0, run.path / "traversals")
    ]
    styled = [] if model.lacks(STYLES) else save_style_pictures(model, 0, run.path / "styles")
    export(model.generator_network(), run.export)
    folders = "traversals/, " * bool(traversed) + "styles/, " * bool(styled)
    print(f"done: samples.png, curves.png, {folders}progress.gif and export/ are in {run.path}")


def export(network: keras.Model, folder: Path) -> None:
    """Write generator.keras and saved_model/ to a folder; a failure leaves the earlier ones."""
    with replacing(folder / "generator.keras") as path:
        network.save(path)
    with replacing(folder / "saved_model") as path:
        network.export(str(path), verbose=False)


def picture(path) -> np.ndarray:
    """Return a PNG file as uint8 [H, W, c]."""
    pixels = iio.imread(path)
    return pixels[..., None] if pixels.ndim == 2 else pixels
