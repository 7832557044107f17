"""Optimizers that are given to `compile`, and loss scales."""

import keras
import numpy as np
import pytest

from models import GAN

SHAPE = (4, 4, 1)
SMALL = {"network": "mlp", "width": 2, "depth": 1}
SGD = keras.optimizers.SGD


def gan(**hyperparameters):
    return GAN(SHAPE, noise_dim=3, **{**SMALL, **hyperparameters})


def pictures():
    return np.random.default_rng(0).integers(0, 256, (4, *SHAPE), dtype=np.uint8)


@pytest.mark.parametrize(
    "optimizer", ["adam", keras.optimizers.Adam(0.001)], ids=["name", "object"]
)
def test_one_optimizer_is_copied_for_each_player_and_replaces_the_rates(optimizer, capsys):
    model = gan()
    model.compile(optimizer)
    one, other = model.optimizers.values()
    assert one is not other
    assert optimizer not in (one, other)
    assert [float(o.learning_rate) for o in (one, other)] == [pytest.approx(0.001)] * 2
    assert capsys.readouterr().err == (
        "warning: Adam with the learning rate 0.001 replaces the optimizers and learning rates of "
        "GAN (discriminator, generator)\n"
    )
    assert [one.name, other.name] == ["discriminator", "generator"]


def test_optimizers_by_player_may_have_schedules_of_keras():
    model = gan()
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5, staircase=True)
    model.compile(optimizers={"generator": SGD(decay), "discriminator": "rmsprop"})
    for _ in range(2):
        model.train_on_batch(pictures())
    assert float(model.optimizers["generator"].learning_rate) == pytest.approx(0.025)
    assert isinstance(model.optimizers["discriminator"], keras.optimizers.RMSprop)


def test_optimizer_of_another_player_or_model_raises():
    shared = SGD(0.1)
    message = (
        "^optimizers: the optimizer of generator is in use for other networks; .*make a new one"
    )
    with pytest.raises(ValueError, match=message):
        gan().compile(optimizers={"discriminator": shared, "generator": shared})
    own = SGD(0.1)
    first = gan()
    first.compile(optimizers={"generator": own})
    first.compile(optimizers={"generator": own})  # the same networks
    with pytest.raises(ValueError, match=message):
        gan().compile(optimizers={"generator": own})
    with pytest.raises(ValueError, match=message):
        gan(dtype="mixed_float16").compile(optimizers={"generator": own})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"optimizer": {"generator": "adam"}},
            r"^optimizer: expected one .*optimizers=\{\.\.\.\}$",
        ),
        ({"loss": "mse"}, "^loss: does not apply to GAN, whose losses and metrics are those of it"),
        ({"metrics": ["mse"]}, "^metrics: does not apply to GAN"),
        ({"optimizers": {"critic": "adam"}}, "^optimizers: no player critic; there are discrimin"),
    ],
)
def test_invalid_arguments_of_compile_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        gan().compile(**arguments)


def test_given_loss_scale_is_not_wrapped_again_and_the_models_policy_decides():
    model = gan(dtype="mixed_float16")
    scaled = keras.optimizers.LossScaleOptimizer(SGD(0.1))
    model.compile(optimizers={"generator": scaled})
    assert model.optimizers["generator"] is scaled
    assert isinstance(scaled.inner_optimizer, SGD)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        plain = gan(dtype="float32")
        plain.compile()
    finally:
        keras.config.set_dtype_policy("float32")
    kinds = [type(one) for one in plain.optimizers.values()]
    assert keras.optimizers.LossScaleOptimizer not in kinds


def test_updates_that_overflow_are_counted_and_the_loss_scale_is_logged():
    model = gan(dtype="mixed_float16")
    model.compile()
    model.optimizers["generator"].dynamic_scale.assign(2.0**40)
    model.optimizers["discriminator"].dynamic_scale.assign(8.0)
    found = [model.train_on_batch(pictures(), return_dict=True) for _ in range(2)]
    assert [float(x["generator_skipped_updates"]) for x in found] == [1.0, 1.0]
    assert [float(x["discriminator_skipped_updates"]) for x in found] == [0.0, 0.0]
    assert [float(x["generator_loss_scale"]) for x in found] == [2.0**40, 2.0**39]
    assert int(model.optimizers["generator"].iterations) == 0
    means = model.running_means()
    assert np.isnan(means["generator_gradient_norm"].value)  # of no update, not 0
    assert means["discriminator_gradient_norm"].value > 0


@pytest.mark.parametrize("last", ["sigmoid", "softmax"])
def test_discriminator_that_outputs_probabilities_raises(last):
    class Ended(GAN):
        def build_discriminator(self):
            scores = super().build_discriminator()
            return keras.Sequential([scores, keras.layers.Activation(last)])

    with pytest.raises(ValueError, match=f"^the discriminator ends with {last} .*must be logits"):
        Ended(SHAPE, noise_dim=3, **SMALL).compile()


REPLICATED = """
import tensorflow as tf
from models import GAN

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    GAN((4, 4, 1), network="mlp").compile()
"""


@pytest.mark.slow
def test_compile_under_several_replicas_raises(python):
    done = python("-c", REPLICATED)
    assert "UserError: GAN trains on one device: replicas of a tf.distribute strategy" in done.err


def test_average_of_an_optimizer_replaces_the_weights_after_fit():
    model = gan()
    adam = keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5)
    model.compile(optimizers={"generator": adam})
    model.fit(pictures(), batch_size=2, verbose=0)
    for mean, v in zip(
        adam._model_variables_moving_average, model.generator.trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(mean, v)
