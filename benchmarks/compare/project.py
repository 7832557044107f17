"""The project's train step: the product's class, compiled and fitted as train.py does."""

import keras
import tensorflow as tf

from benchmarks.compare import multiplications, networks
from benchmarks.compare.contestants import Built
from data.pipeline import repeated
from models.layers import plain
from training import loop
from training.callbacks import StepCallbacks

CALLBACKS = 6  # of a training by train.py


class EachStep(keras.callbacks.Callback):
    """Callback that runs after each step, as those of train.py do."""

    def on_train_batch_end(self, batch, logs=None):
        pass


def build(
    case: str,
    batch_size: int,
    precision: str,
    keras_batch_norm: bool = False,
    keras_adam: bool = False,
    step_logs: bool = False,
    steps_per_execution: int = 1,
) -> Built:
    """Return the project's step on one constant batch of uint8 images.

    Args:
        case: name in `cases.CASES`.
        batch_size: images per update of a network.
        precision: "float32" or "bfloat16".
        keras_batch_norm: whether keras.layers.BatchNormalization replaces the project's layer.
        keras_adam: whether keras.optimizers.Adam replaces the project's optimizer.
        step_logs: whether Keras converts the scalars of each step to numbers.
        steps_per_execution: steps per call of the compiled function.
    """
    found = networks.prepared(case, batch_size, precision)
    made = networks.model_class(found)
    if keras_batch_norm:
        made = with_keras_batch_norm(made)
    if keras_adam:
        made = with_keras_adam(made)
    model = networks.model_of(found, made)
    loop.compile_model(model, "auto", steps_per_execution=steps_per_execution)
    data = repeated(found.real_images())

    def run(steps: int) -> None:
        train(model, data, steps, step_logs)

    g, d = (networks.linear_layers(n) for n in (model.generator, model.discriminator))
    return Built(
        run,
        images=found.images_per_step,
        multiplications=multiplications.project(found.hp).of(g, d, batch_size),
        multiple=steps_per_execution,
    )


def train(
    model: keras.Model, dataset: tf.data.Dataset, steps: int, step_logs: bool = False
) -> None:
    """Run steps as train.py does, with callbacks that do nothing."""
    within = [EachStep() for _ in range(CALLBACKS)]
    if not step_logs:
        within = StepCallbacks(within, add_history=True, model=model, steps=steps, epochs=1)
    model.fit(dataset, steps_per_epoch=steps, callbacks=within, verbose=0, shuffle=False)


def with_keras_batch_norm(made: type) -> type:
    """Return the class with the batch norm of Keras in its networks."""

    class WithKerasBatchNorm(made):
        def build_generator(self):
            return plain(super().build_generator())

        def build_trunk(self, channels=0):
            return plain(super().build_trunk(channels))

    return WithKerasBatchNorm


def with_keras_adam(made: type) -> type:
    """Return the class with the Adam of Keras."""

    class WithKerasAdam(made):
        def make_optimizer(self, player):
            own = super().make_optimizer(player)
            return keras.optimizers.Adam.from_config(own.get_config())

    return WithKerasAdam
