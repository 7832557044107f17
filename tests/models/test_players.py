"""Optimizers that are given to `compile`, and loss scales."""

import keras
import numpy as np
import pytest
import tensorflow as tf

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
        ({"loss": "mse"}, "^loss: does not apply to GAN; hyperparameters select its losses$"),
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


ENDS = {
    "sigmoid": [keras.layers.Activation("sigmoid"), keras.layers.Reshape((1,))],
    "softmax": [keras.layers.Softmax()],
}


@pytest.mark.parametrize("last", ENDS)
def test_discriminator_that_outputs_probabilities_raises(last):
    class Ended(GAN):
        def build_discriminator(self):
            return keras.Sequential([super().build_discriminator(), *ENDS[last]])

    with pytest.raises(
        ValueError, match=f"^the discriminator ends with {last}; its scores must be logits"
    ):
        Ended(SHAPE, noise_dim=3, **SMALL).compile()


def test_average_of_an_optimizer_replaces_the_weights_after_fit():
    model = gan()
    adam = keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5)
    model.compile(optimizers={"generator": adam})
    model.fit(pictures(), batch_size=2, verbose=0)
    for mean, v in zip(
        adam._model_variables_moving_average, model.generator.trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(mean, v)


def test_recompiling_with_the_same_optimizers_keeps_their_state():
    model = gan(dtype="mixed_float16")
    model.compile()
    before = dict(model.optimizers)
    before["generator"].dynamic_scale.assign(64.0)
    count = len(before["generator"].variables)
    model.compile(optimizers=model.optimizers)
    assert model.optimizers == before
    assert float(before["generator"].dynamic_scale) == 64.0
    assert len(before["generator"].variables) == count


def test_failed_compile_leaves_the_model_as_it_was():
    model = gan()
    model.compile()
    before = dict(model.optimizers), model.optimizer
    with pytest.raises(ValueError, match="no player critic"):
        model.compile(optimizers={"critic": "adam"})
    assert (dict(model.optimizers), model.optimizer) == before


def test_copies_of_an_unregistered_optimizer_are_of_its_class():
    class Own(SGD):
        pass

    model = gan()
    model.compile(Own(0.1))
    assert [type(one) for one in model.optimizers.values()] == [Own, Own]


def test_all_optimizers_as_one_count_the_steps_of_the_model():
    model = gan(n_critic=2, d_learning_rate=0.1, g_learning_rate=0.2)
    model.compile()
    model.train_on_batch(np.stack([pictures()] * 2))
    assert int(model.optimizer.iterations) == 1
    with pytest.raises(ValueError, match=r"\(0.1 of discriminator, 0.2 of generator\): use Keras"):
        _ = model.optimizer.learning_rate


@pytest.mark.slow
def test_fit_within_a_strategy_of_one_replica_and_a_backup_continue(tmp_path):
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        model = gan()
        model.compile()
    backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    model.fit(pictures(), batch_size=2, verbose=0, callbacks=[backup])
    assert int(model.step) == 2
    other = gan()
    other.compile()
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    other.fit(pictures(), batch_size=2, epochs=2, verbose=0, callbacks=[backup])
    assert int(other.step) == 4
