"""Base class of the models, and the use of a model from Python."""

import csv
import operator

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from errors import UserError
from models import DCGAN, GAN
from models.abilities import CATEGORICAL_CODE, ENCODE, RECONSTRUCT
from models.base import to_unit_range
from models.means import RunningMean, ScalarMeans

TINY = {"width": 4, "noise_dim": 5}
TINY_CONV = {**TINY, "dense_units": 6}


def pictures(n=12, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 28, 28, 1), dtype=np.uint8)


# Images.


def test_to_unit_range_of_uint8_is_from_minus_1_to_1():
    images = to_unit_range(tf.constant([0, 51, 255], tf.uint8))
    assert images.dtype == tf.float32
    np.testing.assert_allclose(images, [-1, -0.6, 1], atol=1e-6)


@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64])
def test_to_unit_range_of_floats_keeps_their_values(dtype):
    images = to_unit_range(tf.constant([-1, 0.25, 1], dtype))
    assert images.dtype == tf.float32
    np.testing.assert_array_equal(images, [-1, 0.25, 1])


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64, tf.bool])
def test_to_unit_range_of_other_types_raises(dtype):
    with pytest.raises(ValueError, match=f"uint8, or floats in .*, not {dtype.name}"):
        to_unit_range(tf.zeros((2, 2), dtype))


# Scalars.


def test_scalar_means_after_a_reset_are_of_later_steps():
    means = ScalarMeans()
    means.update_state({"a": tf.constant(1.0), "b": tf.constant(10.0)})
    means.update_state({"b": tf.constant(30.0), "a": tf.constant(2.0)})
    assert {name: float(x) for name, x in means.result().items()} == {"a": 1.5, "b": 20.0}
    means.reset_state()
    means.update_state({"a": tf.constant(7.0, tf.float16), "b": tf.constant(0.0)})
    assert {name: float(x) for name, x in means.result().items()} == {"a": 7.0, "b": 0.0}


def test_scalar_means_before_the_first_step_continue_restored_ones():
    before, means = ScalarMeans(), ScalarMeans()
    before.update_state({"a": tf.constant(1.0), "b": tf.constant(10.0)})
    means.restore(before.read() | {"other": RunningMean(1.0, 1.0, 1.0)})
    assert means.read().keys() == {"a", "b", "other"}
    means.update_state({"a": tf.constant(2.0), "c": tf.constant(5.0)})
    assert means.read() == {"a": RunningMean(3.0, 2.0, 2.0), "c": RunningMean(5.0, 1.0, 1.0)}


def test_scalar_means_have_room_for_any_number_of_scalars(fit):
    means = ScalarMeans(capacity=2)
    means.restore({"s2": RunningMean(10.0, 1.0, 1.0)})

    @tf.function
    def step():
        means.update_state({f"s{k}": tf.constant(float(k)) for k in range(5)})

    step()
    step()
    assert [means.read()[f"s{k}"].total for k in range(5)] == [0.0, 2.0, 14.0, 6.0, 8.0]


# Construction.


def test_model_resolves_its_hyperparameters():
    model = GAN((28, 28, 1), width=8)
    assert model.hp.width == 8
    assert model.hp == models.REGISTRY["gan"].hyperparameters.resolve(width=8)


def test_model_of_invalid_hyperparameters_raises():
    with pytest.raises(UserError, match=r"^widht: no such option of GAN; did you mean width"):
        GAN((28, 28, 1), widht=8)
    with pytest.raises(
        UserError, match=r"^image_shape: expected \(height, width, channels\), got 28$"
    ):
        GAN(28)
    with pytest.raises(UserError, match=r"^d_norm: expected one of none, batch, .*, got group$"):
        DCGAN((28, 28, 1), d_norm="group")
    with pytest.raises(
        UserError, match=r"^depth: does not apply with network=dcgan, only with network=mlp$"
    ):
        DCGAN((28, 28, 1), depth=2)


def test_from_config_returns_an_equal_model():
    model = DCGAN((32, 32, 3), num_classes=10, seed=5, d_norm="spectral", **TINY_CONV)
    again = DCGAN.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert (again.image_shape, again.num_classes, again.seed) == ((32, 32, 3), 10, 5)
    assert again.hp == model.hp
    assert again.hp.depth is None  # not an option of dcgan


@pytest.mark.parametrize("ability", [ENCODE, RECONSTRUCT, CATEGORICAL_CODE])
def test_gan_lacks_codes(ability):
    model = GAN((28, 28, 1), **TINY)
    assert model.lacks(ability).startswith("GAN ")
    assert not any(hasattr(model, method) for method in ability.methods)


# Compiling.


def test_compile_with_an_unknown_player_raises():
    model = GAN((28, 28, 1), **TINY)
    with pytest.raises(ValueError, match="no player critic; there are discriminator, generator"):
        model.compile(optimizers={"critic": keras.optimizers.SGD(0.1)})


def test_compile_with_some_optimizers_makes_the_others():
    model = DCGAN((28, 28, 1), d_learning_rate=3e-4, beta_1=0.25, beta_2=0.9, **TINY_CONV)
    given = keras.optimizers.SGD(0.1)
    model.compile(optimizers={"generator": given})
    assert model.optimizers["generator"] is given
    made = model.optimizers["discriminator"]
    assert isinstance(made, keras.optimizers.Adam)
    np.testing.assert_allclose(float(made.learning_rate), 3e-4, rtol=1e-6)
    assert (made.beta_1, made.beta_2) == (0.25, 0.9)
    own = {id(v) for v in model.discriminator.trainable_variables}
    assert {id(v) for v in made._trainable_variables} == own


def test_state_has_all_variables_that_a_step_changes(batches, take_step):
    """All variables of the model and of its optimizers are in the state once, and no metric's."""
    model = DCGAN((28, 28, 1), d_norm="both", **TINY_CONV)
    model.compile()
    images, labels = batches(1)
    state = model.state()
    before = [np.array(tf.convert_to_tensor(v)) for v in model.variables]
    trained = list(model.variables)
    take_step(model, images[0], labels[0])
    tf.nest.assert_same_structure(state, model.state())
    assert all(map(operator.is_, tf.nest.flatten(state), tf.nest.flatten(model.state())))

    named = [id(v) for v in tf.nest.flatten(state)]
    assert len(named) == len(set(named))
    expected = [*trained]
    for optimizer in model.optimizers.values():
        expected += optimizer.variables
    assert set(named) == {id(v.value) for v in expected}
    pairs = zip(trained, before, strict=True)
    moved = {v.path for v, old in pairs if not np.array_equal(tf.convert_to_tensor(v), old)}
    for part in ("kernel", "gamma", "beta", "moving_mean", "moving_variance", "/u", "step"):
        assert any(part in path for path in moved), part


STYLE = {"width": 2, "noise_dim": 4, "w_dim": 4, "mapping_depth": 1}
MLP = {"network": "mlp", "width": 4, "depth": 1}


@pytest.mark.parametrize(
    ("name", "hyperparameters", "expected"),
    [
        ("began", MLP, ["step", "k", "images"]),
        ("stylegan2", {**STYLE, "augment": "ada"}, ["step", "path_mean", "augment_p", "images"]),
        ("autoencoder", MLP, ["step", "code_mean", "code_covariance", "images"]),
        ("beta_vae", MLP, ["step", "dimension_kl", "images"]),
    ],
)
def test_own_variables_have_the_order_of_old_checkpoints(name, hyperparameters, expected):
    model = models.REGISTRY[name].load()((16, 16, 1), **hyperparameters)
    assert list(model.state()["own"]) == expected


def test_state_with_an_undeclared_network_raises():
    class WithClassifier(GAN):
        def build_networks(self):
            super().build_networks()
            dense = keras.layers.Dense
            self.classifier = keras.Sequential([keras.Input((3,)), dense(2), dense(2)])

    with pytest.raises(ValueError, match=r"named .*kernel.*return all networks in networks\(\)"):
        WithClassifier((8, 8, 1), **TINY).state()


# Fitting.


class BatchLogs(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.append([])

    def on_train_batch_end(self, batch, logs=None):
        self.epochs[-1].append(dict(logs))


def test_history_of_fit_has_the_means_per_epoch():
    model = GAN((28, 28, 1), **TINY)
    model.compile()
    logs = BatchLogs()
    data = tf.data.Dataset.from_tensor_slices(pictures()).batch(4)
    history = model.fit(data, epochs=2, callbacks=[logs], verbose=0).history
    assert [len(steps) for steps in logs.epochs] == [3, 3]
    assert {"d_loss", "d_loss_real", "d_loss_fake", "g_loss"} <= set(history)
    for name, means in history.items():
        steps = [[step[name] for step in epoch] for epoch in logs.epochs]
        np.testing.assert_allclose(means, np.mean(steps, axis=1), rtol=1e-5, err_msg=name)
    losses = [step["d_loss"] for epoch in logs.epochs for step in epoch]
    assert len(set(losses)) == 6


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*ran out of data")
@pytest.mark.parametrize("d_norm", ["batch", "spectral"])
def test_fit_of_an_exhausted_dataset_makes_no_further_step(d_norm, state_of, assert_same):
    """With a data set of unknown length Keras asks for one batch more than there are. The state
    equals that of a training with known length.
    """
    images = pictures()
    signature = tf.TensorSpec((4, 28, 28, 1), tf.uint8)

    def trained(counted):
        keras.utils.set_random_seed(1)
        model = DCGAN((28, 28, 1), d_norm=d_norm, **TINY_CONV)
        model.compile()
        data = tf.data.Dataset.from_generator(
            lambda: iter(images.reshape(3, 4, 28, 28, 1)), output_signature=signature
        )
        if counted:
            data = data.apply(tf.data.experimental.assert_cardinality(3))
        else:
            assert data.cardinality() == tf.data.UNKNOWN_CARDINALITY
        model.fit(data, epochs=2, verbose=0)
        return model

    counted, exhausted = trained(True), trained(False)
    assert int(counted.step) == int(exhausted.step) == 6
    for model in (counted, exhausted):
        assert [int(o.iterations) for o in model.optimizers.values()] == [6, 6]
    assert_same(state_of(counted), state_of(exhausted))


def test_fit_of_arrays_makes_a_step_per_batch():
    model = GAN((28, 28, 1), **TINY)
    model.compile()
    model.fit(pictures(), batch_size=4, verbose=0)
    assert int(model.step) == 3
    model.fit(pictures(), np.arange(12), batch_size=4, verbose=0)
    assert int(model.step) == 6


def test_fit_of_tuples_of_one_makes_a_step_per_batch():
    model = GAN((28, 28, 1), **TINY)
    model.compile()
    model.fit(tf.data.Dataset.from_tensor_slices((pictures(),)).batch(4), verbose=0)
    assert int(model.step) == 3


def test_train_on_batch_of_an_array_makes_one_step():
    model = GAN((28, 28, 1), **TINY)
    model.compile()
    scalars = model.train_on_batch(pictures(4), return_dict=True)
    assert np.isfinite(list(scalars.values())).all()
    assert int(model.step) == 1


@pytest.mark.slow
def test_fit_with_several_steps_per_execution_equals_single_steps(state_of, assert_same):
    data = tf.data.Dataset.from_tensor_slices(pictures()).batch(4)

    def trained(**kwargs):
        keras.utils.set_random_seed(1)
        model = GAN((28, 28, 1), **TINY)
        model.compile(**kwargs)
        history = model.fit(data, verbose=0).history
        return state_of(model), history

    single, history = trained()
    several, same = trained(steps_per_execution=3)
    assert_same(single, several)
    for name in history:
        np.testing.assert_allclose(same[name], history[name], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.smoke
def test_fit_with_keras_callbacks_runs_them(tmp_path):
    data = tf.data.Dataset.from_tensor_slices((pictures(), np.arange(12) % 10)).batch(4)
    ended = []
    gan = DCGAN(image_shape=(28, 28, 1), **TINY_CONV)
    gan.compile()
    history = gan.fit(
        data,
        epochs=2,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping(monitor="g_loss", mode="min", patience=5),
            keras.callbacks.ModelCheckpoint(
                str(tmp_path / "{epoch}.weights.h5"), save_weights_only=True
            ),
            keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: ended.append((epoch, int(gan.step), dict(logs)))
            ),
        ],
    ).history
    assert [(epoch, step) for epoch, step, _ in ended] == [(0, 3), (1, 6)]
    assert [logs["g_loss"] for *_, logs in ended] == history["g_loss"]

    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1]
    assert [float(row["d_loss"]) for row in rows] == history["d_loss"]

    restored = DCGAN(image_shape=(28, 28, 1), **TINY_CONV)
    restored.load_weights(tmp_path / "2.weights.h5")
    np.testing.assert_array_equal(restored.sample(4), gan.sample(4))
    restored.load_weights(tmp_path / "1.weights.h5")
    assert not np.allclose(restored.sample(4), gan.sample(4))
    assert int(restored.step) == 3


@pytest.mark.slow
def test_fit_with_early_stopping_restores_the_best_weights():
    """No value of g_loss is below the first by 100, so the second epoch is the last."""
    data = tf.data.Dataset.from_tensor_slices(pictures()).batch(4)
    gan = GAN((28, 28, 1), **TINY)
    gan.compile()
    stop = keras.callbacks.EarlyStopping(
        monitor="g_loss", mode="min", min_delta=100.0, restore_best_weights=True
    )
    first = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, _: first.append(gan.sample(4)) if epoch == 0 else None
    )
    history = gan.fit(data, epochs=5, verbose=0, callbacks=[keep, stop]).history
    assert len(history["g_loss"]) == 2
    np.testing.assert_array_equal(gan.sample(4), first[0])
