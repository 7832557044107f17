"""One training, from its configuration to its exported generator."""

import imageio.v3 as iio
import numpy as np
import tensorflow as tf

import plotting
from data.pipeline import Batches
from models.base import GenerativeModel
from training import callbacks, setup
from training.checkpoints import Checkpoints
from training.flags import UsageError
from training.options import Config
from training.run_directory import RunDirectory

GIF_FRAMES = 100


def train(config: Config, run: RunDirectory, command: str) -> int:
    """Trains, or goes on training, in a run directory that is held; returns the exit code.

    Raises:
        UsageError, DataError: what the user can mend.
        DivergedError: a loss is not finite.
    """
    options = config.options
    setup.prepare(config)
    images = setup.load_data(config)
    n_critic = getattr(config.hp, "n_critic", 1)
    batches = Batches(images.train, config.hp.batch_size, seed=options.seed, n_critic=n_critic)
    epoch = batches.steps_per_epoch
    total = options.steps or config.hp.epochs * epoch
    model = setup.build_model(config, images.image_shape, images.num_classes)
    compile_model(model, options.jit)

    # A new run starts at step 0, an old one where its last checkpoint was made.
    data = setup.describe_data(images)
    checkpoints = Checkpoints(model, run.checkpoints, options.keep_checkpoints)
    if checkpoints.found() and run.read_config()["data"]["fingerprint"] != data["fingerprint"]:
        raise UsageError(f"--dataset: its images are not those that {run.path} was trained on")
    start = checkpoints.restore() or 0
    run.forget_after(start)
    run.write_config(config, data, setup.environment(), command, total)
    plotting.save_image(run.path / "real.png", plotting.grid(images.train.images[:64]))
    for note in images.notes:
        print(f"{images.name}: {note}")
    print(
        f"{options.model} on {images.name}: {len(images.train.images):,} images "
        f"{'x'.join(map(str, images.image_shape))}, {model.count_params():,} weights, "
        f"steps {start} to {total} ({epoch} an epoch), writing to {run.path}"
    )

    writer = tf.summary.create_file_writer(str(run.path))
    with writer.as_default(step=start):
        tf.summary.text("config", f"```\n{run.config.read_text()}\n```")
        tf.summary.image("real", picture(run.path / "real.png")[None])
    with callbacks.StopRequest() as stop:
        log = callbacks.Log(run, writer, options.log_every, batches)
        if start < total:
            model.fit(
                batches.dataset(start),
                steps_per_epoch=total - start,
                callbacks=[
                    log,
                    callbacks.Pictures(run, writer, options.sample_every or epoch),
                    callbacks.Saver(checkpoints, log, options.checkpoint_every or epoch, stop),
                    callbacks.Progress(total, batches),
                ],
                shuffle=False,
                verbose=0,
            )
    if int(model.step) < total:
        print(
            f"stopped by {stop.received.name} at step {int(model.step)}: the same command goes on"
        )
        return 128 + stop.received
    finish(run, model, writer)
    return 0


def compile_model(model: GenerativeModel, jit: str) -> None:
    """Compiles the step as --jit says: "auto" takes XLA where there is an accelerator.

    Raises:
        UsageError: XLA is wanted, and Keras would do without it.
    """
    accelerated = any(d.device_type != "CPU" for d in tf.config.list_physical_devices())
    xla = jit == "on" or (jit == "auto" and accelerated)
    model.compile(jit_compile=xla)
    if xla and not model.jit_compile:
        raise UsageError(f"--jit={jit}: this model does not compile under XLA; take --jit=off")


def finish(run: RunDirectory, model: GenerativeModel, writer) -> None:
    """The last samples, curves and the GIF of the samples; the generator for use elsewhere."""
    grid = plotting.grid(model.sample(64))
    plotting.save_image(run.path / "samples.png", grid)
    callbacks.draw_curves(run)
    drawn = sorted(run.samples.glob("step-*.png"))
    if drawn:
        kept = np.linspace(0, len(drawn) - 1, min(len(drawn), GIF_FRAMES)).round().astype(int)
        frames = [picture(drawn[k]) for k in kept]
        plotting.save_gif(run.path / "progress.gif", frames, fps=max(2, len(frames) / 10))
    with writer.as_default(step=int(model.step)):
        tf.summary.image("curves", picture(run.path / "curves.png")[None, ..., :3])
    writer.close()
    network = model.generator_network()
    run.export.mkdir(exist_ok=True)
    network.save(run.export / "generator.keras")
    network.export(str(run.export / "saved_model"), verbose=False)
    print(f"done: samples.png, curves.png, progress.gif and export/ are in {run.path}")


def picture(path) -> np.ndarray:
    """A PNG file as uint8 [H, W, c]."""
    pixels = iio.imread(path)
    return pixels[..., None] if pixels.ndim == 2 else pixels
