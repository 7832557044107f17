"""Checks of the first images and labels of `fit`, and Keras' callbacks and metrics."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from data import Batches, Split
from models import CGAN, GAN, VAE, Autoencoder, InfoGAN

SHAPE = (4, 4, 1)
SMALL = {"network": "mlp", "width": 2, "depth": 1}
LABELS = np.arange(8) % 3


def pictures(n=8, shape=SHAPE):
    return np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8)


def built(cls, compiled=True, **hyperparameters):
    dim = "latent_dim" if issubclass(cls, Autoencoder | VAE) else "noise_dim"
    model = cls(SHAPE, num_classes=3, **{dim: 3, **SMALL, **hyperparameters})
    if compiled:
        model.compile()
    return model


def fit(model, *args, **kwargs):
    return model.fit(*args, batch_size=4, verbose=0, **kwargs).history


def as_dataset(*arrays):
    arrays = arrays[0] if len(arrays) == 1 else arrays
    return tf.data.Dataset.from_tensor_slices(arrays).batch(4)


class AsPyDataset(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return 2

    def __getitem__(self, k):
        batch = tuple(array[4 * k : 4 * k + 4] for array in self.arrays)
        return batch[0] if len(batch) == 1 else batch


def as_iterator(*arrays):
    pairs = zip(*(np.split(array, 2) for array in arrays), strict=True)
    return (batch if len(batch) > 1 else batch[0] for batch in pairs)


# Images.

FLOATS = pictures().astype(np.float32)
INVALID = {
    "0 to 255": (
        FLOATS,
        r"x: float images must be in \[-1, 1\], got values from .* to 2\d\d; .* x / 127.5 - 1$",
    ),
    "0 to 1": (
        FLOATS / 255,
        r"x: float images must be in \[-1, 1\], .*; pass uint8, or x \* 2 - 1$",
    ),
    "beyond": (FLOATS / 64 - 2, r"x: float images must be in \[-1, 1\], got values from -2 to 1."),
    "NaN": (FLOATS * np.nan, "x: the images contain NaN or infinity$"),
    "integers": (pictures().astype(np.int64), "x: images must be uint8, or floats .*, not int64$"),
    "channels": (
        pictures(8, (4, 4, 3)),
        r"x: expected images \[n, 4, 4, 1\], got \[\d, 4, 4, 3\]$",
    ),
    "NCHW": (
        pictures(8, (1, 4, 4)),
        r"x: expected .*; channels are last: use np.moveaxis\(x, -3, -1",
    ),
    "no channel": (
        pictures()[..., 0],
        r"x: expected .*; add the axis of the channel: x\[\.\.\., None\]",
    ),
    "size": (pictures(8, (5, 5, 1)), r"x: expected images \[n, 4, 4, 1\], got \[\d, 5, 5, 1\]$"),
}


@pytest.mark.parametrize(("images", "message"), INVALID.values(), ids=INVALID)
def test_fit_of_invalid_images_raises_before_the_first_step(images, message):
    model = built(GAN)
    with pytest.raises(ValueError, match=f"^{message}"):
        fit(model, images)
    assert int(model.step) == 0


@pytest.mark.parametrize("kind", [as_dataset, AsPyDataset, as_iterator])
def test_fit_of_invalid_batches_raises_before_the_first_step(kind):
    model = built(GAN)
    with pytest.raises(ValueError, match=f"^{INVALID['0 to 255'][1]}"):
        model.fit(kind(FLOATS), verbose=0)
    assert int(model.step) == 0


@pytest.mark.parametrize("kind", [as_dataset, AsPyDataset, as_iterator])
def test_fit_trains_on_all_batches_that_it_looked_at(kind, state_of, assert_same):
    def trained(*data, **kwargs):
        keras.utils.set_random_seed(1)
        model = built(CGAN)
        model.fit(*data, verbose=0, shuffle=False, **kwargs)
        assert int(model.step) == 2
        return state_of(model)

    whole = trained(pictures(), LABELS, batch_size=4)
    assert_same(trained(kind(pictures(), LABELS)), whole)


def test_fit_of_an_iterator_of_images_alone_trains_on_all():
    model = built(GAN)
    model.fit(as_iterator(pictures()), verbose=0)
    assert int(model.step) == 2


def test_single_image_and_dictionary_and_empty_data_raise():
    model = built(GAN)
    with pytest.raises(ValueError, match=r"^x: the data set is empty$"):
        fit(model, pictures(0))
    with pytest.raises(
        ValueError, match=r"^x: .*got \[4, 4, 1\]; add the axis of the batch: x\[None"
    ):
        model.train_on_batch(pictures()[0])
    with pytest.raises(
        ValueError, match=r"^x: .* got a dictionary of image, label; .*as_supervised"
    ):
        model.fit(as_dataset({"image": pictures(), "label": LABELS}))
    with pytest.raises(ValueError, match=r"^x: the data set is empty$"):
        model.fit(as_dataset(pictures()).take(0))
    with pytest.raises(ValueError, match=r"^x: expected one array of images, got several$"):
        model.fit([pictures(), pictures()])


def test_all_methods_that_take_images_check_them():
    model = built(VAE)
    for method in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match=r"^x: float images must be in \[-1, 1\]"):
            method(FLOATS)
    for method in (model.encode, model.reconstruct):
        with pytest.raises(ValueError, match=r"^x: float images must be in \[-1, 1\]"):
            method(FLOATS)
    bright = np.full((2, *SHAPE), 0.5, np.float32)
    assert model.encode(bright).shape == (2, 3)  # valid outside of training
    for values in (FLOATS, FLOATS / 255):
        with pytest.raises(
            ValueError, match=r"^validation_data: float images must be in \[-1, 1\]"
        ):
            fit(model, pictures(), validation_data=(values, None))


def test_validation_batches_of_a_generator_are_all_used():
    model = built(VAE)
    batches = ((batch,) for batch in np.split(pictures(8), 4))
    history = model.fit(pictures(), validation_data=batches, validation_steps=4, verbose=0).history
    expected = model.evaluate(pictures(8), None, 2, verbose=0, return_dict=True)
    assert history["val_loss"] == pytest.approx([expected["loss"]])


def test_evaluation_of_a_batch_is_of_that_batch_alone():
    model = built(VAE)
    first, other = pictures()[:4], 255 - pictures()[4:]
    alone = model.test_on_batch(other, return_dict=True)
    model.test_on_batch(first)
    assert model.test_on_batch(other, return_dict=True) == alone
    assert model.evaluate(other, None, 4, verbose=0, return_dict=True) == pytest.approx(alone)


# Labels.

OF_LABELS = {
    "one-hot": (
        np.eye(3)[LABELS],
        r"y: expected labels that are integers from 0 to 2, .*argmax\(y",
    ),
    "floats": (LABELS.astype(np.float32), r"y: expected labels that are .* got float32; use y.ast"),
    "range": (
        LABELS + 1,
        "y: expected labels that are integers from 0 to 2, got values from 1 to 3$",
    ),
    "negative": (LABELS - 1, "y: expected labels that are integers from 0 to 2, got .* -1 to 1$"),
    "images": (pictures(), "y: targets are images: pass the images alone, without targets$"),
}


@pytest.mark.parametrize(("labels", "message"), OF_LABELS.values(), ids=OF_LABELS)
def test_fit_with_invalid_labels_raises(labels, message):
    for cls in (CGAN, VAE):
        with pytest.raises(ValueError, match=f"^{message}"):
            fit(built(cls), pictures(), labels)
    with pytest.raises(ValueError, match=f"^{message}"):
        built(CGAN).fit(as_dataset(pictures(), labels), verbose=0)


@pytest.mark.slow
def test_labels_with_an_axis_of_one_are_those_without(state_of, assert_same):
    found = []
    for labels in (LABELS, LABELS[:, None].astype(np.uint8)):
        keras.utils.set_random_seed(1)
        model = built(CGAN)
        fit(model, pictures(), labels, shuffle=False)
        found.append(state_of(model))
    assert_same(*found)


@pytest.mark.slow
def test_fit_of_arrays_uses_the_fraction_of_labels_that_the_command_uses(state_of, assert_same):
    found = []
    for given in ("all", "known"):
        keras.utils.set_random_seed(1)
        model = built(InfoGAN, categorical_codes="3", supervised_fraction=0.5, seed=4)
        labels = LABELS
        if given == "known":
            labels = Batches(Split(pictures(), LABELS), 4, seed=4, labelled=0.5).split.labels
            assert (labels >= 0).sum() == 4
        fit(model, pictures(), labels, shuffle=False)
        found.append(state_of(model))
    assert_same(*found)


def test_data_set_in_which_all_labels_are_known_raises():
    model = built(InfoGAN, categorical_codes="3", supervised_fraction=0.1)
    message = r"^supervised_fraction: 0.1 of the labels are to be used, b"
    images, labels = np.tile(pictures(), (2, 1, 1, 1)), np.tile(LABELS, 2)
    with pytest.raises(ValueError, match=message):
        model.fit(tf.data.Dataset.from_tensors((images, labels)))
    with pytest.raises(ValueError, match=message):
        model.train_on_batch(images, labels)


# Arguments.


def test_arguments_that_have_no_effect_raise():
    model = built(GAN)
    for name in ("sample_weight", "class_weight"):
        weights = {0: 1.0} if name == "class_weight" else np.ones(8)
        with pytest.raises(ValueError, match=f"^{name}: not supported by GAN; omit it$"):
            fit(model, pictures(), LABELS, **{name: weights})
    with pytest.raises(ValueError, match=r"^sample_weight: not supported by GAN"):
        model.fit(as_dataset(pictures(), LABELS, np.ones(8)))
    for name, value in {"validation_split": 0.5, "validation_data": (pictures(), None)}.items():
        with pytest.raises(ValueError, match=f"^{name}: GAN has no validation loss; omit it"):
            fit(model, pictures(), **{name: value})
    with pytest.raises(ValueError, match=r"^call compile\(\) before fit\(\)$"):
        built(GAN, compiled=False).fit(pictures())


def test_second_fit_of_the_first_batches_warns(capsys):
    batches = Batches(Split(pictures(), None), 4)
    model = built(GAN)
    model.fit(batches.dataset(), steps_per_epoch=2, verbose=0)
    assert capsys.readouterr().err == ""
    model.fit(batches.dataset(), steps_per_epoch=2, verbose=0)
    found = capsys.readouterr().err
    assert "the batches begin at step 0, the model is at step 2; batches.dataset(int(mod" in found
    model.fit(batches.dataset(int(model.step)), steps_per_epoch=2, verbose=0)
    assert capsys.readouterr().err == ""


# Callbacks and metrics.


@pytest.mark.smoke
@pytest.mark.parametrize("in_a_list_of_keras", [False, True])
def test_terminate_on_nan_stops_an_adversarial_model(in_a_list_of_keras):
    model = built(GAN)
    rates = {name: keras.optimizers.SGD(1e30) for name in model.players()}
    model.compile(optimizers=rates)
    callback = keras.callbacks.TerminateOnNaN()
    callbacks = [callback]
    if in_a_list_of_keras:
        callbacks = keras.callbacks.CallbackList(callbacks, add_history=True, model=model)
    history = model.fit(pictures(), epochs=20, batch_size=4, verbose=0, callbacks=callbacks).history
    assert int(model.step) < 10
    assert not np.isfinite(history["d_loss"][-1] + history["g_loss"][-1])


@pytest.mark.smoke
def test_rate_callbacks_change_the_rates_of_all_players():
    model = built(GAN, d_learning_rate=0.01, g_learning_rate=0.01)
    callbacks = keras.callbacks
    history = fit(
        model, pictures(), epochs=2, callbacks=[callbacks.LearningRateScheduler(lambda e, r: r / 2)]
    )
    rates = [float(one.learning_rate) for one in model.optimizers.values()]
    np.testing.assert_allclose(rates, [0.0025, 0.0025], rtol=1e-6)
    assert any(name.startswith("learning_rate") for name in history)
    plateau = callbacks.ReduceLROnPlateau(
        "d_loss", factor=0.1, patience=0, min_delta=1e9, mode="min"
    )
    fit(model, pictures(), epochs=2, callbacks=plateau)
    rates = [float(one.learning_rate) for one in model.optimizers.values()]
    np.testing.assert_allclose(rates, [0.00025, 0.00025], rtol=1e-6)


def test_rate_callback_beside_a_schedule_raises():
    model = built(GAN, compiled=False, schedule="g_learning_rate:linear:1e-3:0")
    model.before_training(8, 8)
    model.compile()
    callback = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1)
    with pytest.raises(
        ValueError, match=r"^callbacks: LearningRateScheduler would change g_learning"
    ):
        fit(model, pictures(), callbacks=[callback])


@pytest.mark.slow
@pytest.mark.smoke
def test_monitoring_callbacks_of_keras_run(tmp_path):
    model, callbacks = built(GAN), keras.callbacks
    monitor = {"monitor": "d_loss", "mode": "min"}
    history = fit(
        model,
        pictures(),
        epochs=2,
        callbacks=[
            callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True, **monitor),
            callbacks.EarlyStopping(patience=0, min_delta=1e9, **monitor),
            callbacks.CSVLogger(tmp_path / "log.csv"),
            callbacks.TensorBoard(tmp_path / "board"),
        ],
    )
    assert int(model.step) == 4  # the second epoch is not better
    saved = keras.saving.load_model(tmp_path / "best.keras")
    assert int(saved.step) == 2 * (1 + np.argmin(history["d_loss"]))
    assert (tmp_path / "log.csv").read_text().count("\n") == 3
    assert list((tmp_path / "board").rglob("events*"))


class Counting(GAN):
    """GAN with a metric of its own, and a test step of its own."""

    def build_networks(self):
        super().build_networks()
        self.counted = keras.metrics.Sum(name="counted")

    def train_step(self, data):
        scalars = super().train_step(data)
        self.counted.update_state(1.0)
        return {**scalars, "counted": self.counted.result()}

    def test_step(self, data):
        mean = tf.reduce_mean(tf.cast(data, tf.float32))
        return {"mean": mean, **{m.name: m.result() for m in self.metrics}}


def test_metrics_and_steps_of_a_subclass_are_those_of_keras():
    model = built(Counting)
    history = fit(model, pictures(), epochs=3)
    assert history["counted"] == [2.0, 2.0, 2.0]
    assert len(set(history["d_loss"])) == 3
    found = model.evaluate(pictures(4), verbose=0, return_dict=True)
    assert found.keys() == {"mean", "counted"}
    assert found["mean"] == pytest.approx(pictures(4).mean(), rel=1e-5)
    assert "val_mean" in fit(model, pictures(), validation_data=(pictures(4),))
