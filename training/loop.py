"""One training, from its configuration to its exported generator."""

import contextlib
import functools
import gc
import itertools
import math
import time
from collections.abc import Callable

import imageio.v3 as iio
import numpy as np
import tensorflow as tf

import plotting
from data import Batches, ImageData
from errors import UserError
from evaluation import runner, subject
from evaluation.metric import LOGGED
from evaluation.options import MeasureOptions
from evaluation.reference import Reference
from models.abilities import STYLES, VALIDATION
from models.base import ACTIVE, GenerativeModel
from storage.checkpoints import Checkpoints
from storage.run_directory import RunDirectory
from training import callbacks, setup
from training.options import Config, RunOptions
from training.pictures import save_style_pictures, save_traversals

GIF_FRAMES = 100
TRAVERSAL_SPANS = (1, 2)


def train(config: Config, run: RunDirectory, command: str) -> int:
    """Trains, or goes on training, in a run directory that is held; returns the exit code.

    Raises:
        UserError: what the user can mend.
        DivergedError: a loss is not finite.
    """
    options = config.options
    setup.prepare(config)
    setup.warn_of_emulation(options.mixed_precision)
    images = setup.load_data(config)
    batches = Batches(
        images.train,
        config.hp.batch_size,
        seed=options.seed,
        n_critic=config.hp.n_critic,
        flip=options.flip,
        labelled=config.hp.labelled_fraction,
    )
    epoch = batches.steps_per_epoch
    total = options.steps or config.hp.epochs * epoch
    model = setup.build_model(config, images.image_shape, images.num_classes)
    model.before_training(epoch)
    compile_model(model, options.jit)
    # After the model: a feature network draws from Keras' seed too.
    measure = options.eval_every and sample_measure(options, images, model)

    every = options.checkpoint_every or epoch
    checkpoints = Checkpoints(model.state(), model.step, run.checkpoints, options.keep_checkpoints)
    start = resume(run, checkpoints, images.fingerprint, every, total)
    environment = {**setup.environment(), "xla": model.jit_compile}
    run.write_config(config.as_dict(), setup.describe_data(images), environment, command, total)
    real = at_random(images.train.images, 64, options.seed)
    plotting.save_image(run.path / "real.png", plotting.grid(real))
    say_start(config, run, model, images, f"steps {start} to {total} ({epoch} an epoch)")

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
                callbacks=[
                    log,
                    callbacks.Pictures(
                        run,
                        writer,
                        options.sample_every or epoch,
                        at_random((images.test or images.train).images, 40, options.seed),
                        options.sample_planes,
                    ),
                    callbacks.Saver(checkpoints, log, every, stop),
                    *evaluators,
                    callbacks.Progress(total, batches),
                ],
                shuffle=False,
                verbose=0,
            )
            gc.collect()  # the batches' generator, which must end before the interpreter does
        step = int(model.step)
        if step == total:
            finish(run, model)
    if step < total:
        name = stop.received.name
        print(f"stopped by {name} at step {step}: the same command goes on from there")
    return 128 + stop.received if stop.received else 0


def sample_measure(options: RunOptions, images: ImageData, model: GenerativeModel) -> Callable:
    """Return the measurement that `eval_every` asks for, of the same latents each time: a function
    of nothing -> name in the log -> value. It is tried once, so that what cannot be measured is
    refused, and the seconds are printed, before the training.

    Raises:
        UserError: there is no such metric, no such feature network, or too few images.
    """
    asked = MeasureOptions(
        metrics=options.eval_metrics,
        features=options.eval_features,
        num_samples=options.eval_samples,
        seed=options.seed,
    )
    reference = runner.load_reference(images, asked, prefix="eval_")
    wanted = runner.wanted_metrics(asked, reference, prefix="eval_")
    if not options.eval_metrics:
        wanted = dict(itertools.islice(wanted.items(), 1))  # the Fréchet distance
    if reference.extractor:
        start = time.perf_counter()
        count = reference.statistics.n
        print(
            f"{images.name}: {reference.extractor.name} features of {count:,} real images, "
            f"{time.perf_counter() - start:.1f} s"
        )

    def measure() -> dict[str, float]:
        found, _ = runner.measure(subject.of_model("", model, {}), reference, wanted, asked)
        for name, metric in found.items():
            if metric.value is None:
                count = f" (eval_samples={asked.num_samples})" if wanted[name].samples else ""
                raise UserError(f"{name}: {metric.protocol['reason']}{count}", "eval_metrics")
        return {f"{LOGGED}{name}": metric.value for name, metric in found.items()}

    start = time.perf_counter()
    measure()
    seconds = time.perf_counter() - start
    print(f"measuring samples takes {seconds:.1f} s, each {options.eval_every:,} steps")
    return measure


def validation(model: GenerativeModel, reference: Reference) -> dict[str, float]:
    """Return the validation losses and the active units of the test images; warn if the posterior
    has collapsed."""
    losses = runner.validation_losses(subject.of_model("", model, {}), reference)
    if losses.get("active_units") == 0:
        print(
            "warning: the posterior has collapsed: no latent dimension has a KL divergence above "
            f"{ACTIVE} nats. Try {model.against_collapse}"
        )
    return {f"test_{name}": value for name, value in losses.items()}


def resume(
    run: RunDirectory, checkpoints: Checkpoints, fingerprint: str, every: int, total: int
) -> int:
    """Restores the last checkpoint, drops what was logged after it, and says its step; 0 for a
    new run, or one that ended before the first checkpoint was due.

    Raises:
        UserError: the checkpoints are gone, or cannot be read, or are of other images, or go
            beyond the last step that is asked for.
    """
    if not checkpoints.found():
        if any(record["step"] > every for record in run.records()):
            raise UserError(
                f"{run.path}: it has a log and no checkpoints any more; move it away, or choose "
                "another --outdir"
            )
        run.forget_after(-1)
        return 0
    if run.read_config()["data"]["fingerprint"] != fingerprint:
        raise UserError(f"--dataset: its images are not those that {run.path} was trained on")
    start = checkpoints.restore()
    if start > total:
        raise UserError(
            f"{run.path}: it is at step {start} already, beyond the {total} asked for; raise "
            "--epochs or --steps"
        )
    run.forget_after(start)
    return start


def at_random(images: np.ndarray, n: int, seed: int) -> np.ndarray:
    """n of the images, or all if there are fewer, in their order."""
    return images[np.sort(np.random.default_rng(seed).permutation(len(images))[:n])]


def say_start(
    config: Config, run: RunDirectory, model: GenerativeModel, images: ImageData, steps: str
) -> None:
    """Prints what is trained on what, and what was done to the images."""
    for note in images.notes:
        print(f"{images.name}: {note}")
    trained = [v for player in model.players().values() for v in player.variables]
    print(
        f"{config.options.model} on {images.name}: {len(images.train.images):,} images "
        f"{'x'.join(map(str, images.image_shape))}, {sum(math.prod(v.shape) for v in trained):,} "
        f"weights, {steps}, writing to {run.path}"
    )


def compile_model(model: GenerativeModel, jit: str) -> None:
    """Compiles the step as --jit says: "auto" takes XLA where there is an accelerator.

    Raises:
        UserError: XLA is wanted, and Keras would do without it.
    """
    accelerated = any(d.device_type != "CPU" for d in tf.config.list_physical_devices())
    xla = jit == "on" or (jit == "auto" and accelerated)
    model.compile(jit_compile=xla)
    if xla and not model.jit_compile:
        raise UserError(f"--jit={jit}: this model does not compile under XLA; take --jit=off")


def finish(run: RunDirectory, model: GenerativeModel) -> None:
    """The curves, the GIF of the samples, traversals of continuous codes, pictures of styles, and
    the generator for use elsewhere."""
    callbacks.draw_curves(run)
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
    network = model.generator_network()
    run.export.mkdir(exist_ok=True)
    network.save(run.export / "generator.keras")
    network.export(str(run.export / "saved_model"), verbose=False)
    folders = "traversals/, " * bool(traversed) + "styles/, " * bool(styled)
    print(f"done: samples.png, curves.png, {folders}progress.gif and export/ are in {run.path}")


def picture(path) -> np.ndarray:
    """A PNG file as uint8 [H, W, c]."""
    pixels = iio.imread(path)
    return pixels[..., None] if pixels.ndim == 2 else pixels
