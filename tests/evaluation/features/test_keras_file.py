"""Feature networks of .keras files: inputs, outputs and invalid files."""

import dataclasses
import hashlib
import json
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from errors import UserError
from evaluation.features import keras_file


@pytest.fixture
def saved(tmp_path):
    """saved(model, name) -> the path of its file, as text."""

    def saved(model, name="My net-2.keras") -> str:
        model.save(tmp_path / name)
        return str(tmp_path / name)

    return saved


def flattening(shape, heads=1) -> keras.Model:
    """A model that returns its pixels and, with two heads, their doubles as logits."""
    image = keras.Input(shape)
    pixels = keras.layers.Flatten()(image)
    double = keras.layers.Rescaling(2.0)(pixels)
    return keras.Model(image, [pixels, double, double][:heads] if heads > 1 else pixels)


def pictures(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def flat(images):
    return images.reshape(len(images), -1)


def load(path: str):
    return dataclasses.replace(keras_file.load(path), batch_size=4)


def refusal(path: str) -> str:
    """Return the one-line message of the UserError that loading a file raises."""
    with pytest.raises(UserError) as raised:
        keras_file.load(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# Inputs and outputs.


def test_load_of_a_model_with_one_output_returns_features(saved):
    path = saved(flattening((3, 2, 3)))
    extractor, images = load(path), pictures(5, 3, 2, 3)
    features, logits = extractor(images)
    np.testing.assert_allclose(features, flat(images) / 127.5 - 1, atol=1e-6)
    assert features.dtype == np.float32
    assert logits is None
    with open(path, "rb") as file:
        assert extractor.sha256 == hashlib.sha256(file.read()).hexdigest()
    assert (extractor.name, extractor.dimension) == ("my_net_2", 18)


def test_load_of_a_model_with_two_outputs_returns_features_and_logits(saved):
    features, logits = load(saved(flattening((2, 2, 1), heads=2)))(pictures(5, 2, 2, 1))
    assert features.shape == (5, 4)
    np.testing.assert_array_equal(logits, 2 * features)


def test_load_restores_the_weights(saved):
    image = keras.Input((2, 2, 1))
    model = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(image)))
    images = pictures(5, 2, 2, 1)
    features, _ = load(saved(model))(images)
    np.testing.assert_allclose(features, model(images / np.float32(127.5) - 1), atol=1e-6)


def test_extractor_resizes_images_to_a_fixed_input(saved):
    """Four pixels of one level beside four of another, downsampled by 2."""
    images = np.zeros((1, 8, 8, 1), np.uint8)
    images[:, :, 4:] = 255
    extractor = load(saved(flattening((4, 4, 1))))
    rows = extractor(images)[0].reshape(4, 4)
    np.testing.assert_allclose(rows, np.broadcast_to(rows[0], (4, 4)), atol=1e-6)
    np.testing.assert_allclose(rows[0], -rows[0, ::-1], atol=1e-6)
    assert rows[0, 0] == pytest.approx(-1, abs=0.01)
    assert extractor.resizing == "bilinear, antialiased, to 4 x 4"


def test_extractor_resizes_with_antialiasing(saved):
    """A checkerboard of single pixels is gray from afar; without antialiasing it is black."""
    images = np.zeros((1, 16, 16, 1), np.uint8)
    images[:, ::2, ::2] = images[:, 1::2, 1::2] = 255
    features, _ = load(saved(flattening((4, 4, 1))))(images)
    assert np.abs(features).max() < 0.1


@pytest.mark.parametrize("size", [(5, 7), (9, 3)])
def test_extractor_with_an_input_of_any_size_does_not_resize(saved, size):
    image = keras.Input((None, None, 1))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))
    extractor, images = load(saved(model)), pictures(5, *size, 1)
    assert extractor.resizing == "none"
    features, _ = extractor(images)
    np.testing.assert_allclose(features, images.mean((1, 2)) / 127.5 - 1, atol=1e-5)


def test_extractor_of_gray_images_repeats_the_channel(saved):
    extractor, gray = load(saved(flattening((2, 2, 3)))), pictures(5, 2, 2, 1)
    np.testing.assert_array_equal(extractor(gray)[0], extractor(np.repeat(gray, 3, -1))[0])


def test_extractor_with_a_gray_input_raises_for_colour_images(saved):
    path = saved(flattening((2, 2, 1)))
    with pytest.raises(UserError) as raised:
        load(path)(pictures(5, 2, 2, 3))
    assert str(raised.value) == "my_net_2 requires gray images, got colour images"


def test_extractor_runs_the_model_in_inference_mode(saved):
    image = keras.Input((4, 4, 1))
    x = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(image))
    images = pictures(5, 4, 4, 1)
    features, _ = load(saved(keras.Model(image, keras.layers.Flatten()(x))))(images)
    np.testing.assert_allclose(features, flat(images) / 127.5 - 1, rtol=2e-3, atol=1e-6)


# Invalid files.


def two_images():
    images = [keras.Input((2, 2, 1)), keras.Input((2, 2, 1))]
    return keras.Model(images, keras.layers.Flatten()(keras.layers.Add()(images)))


def of_vectors():
    vector = keras.Input((3,))
    return keras.Model(vector, keras.layers.Rescaling(2.0)(vector))


def with_maps():
    image = keras.Input((2, 2, 1))
    return keras.Model(image, keras.layers.Rescaling(2.0)(image))


IMAGES = "the model must take images [b, h, w, 1 or 3], takes "
FEATURES = "the model must return features [b, d], or features and logits [b, k], returns "


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (two_images, IMAGES),
        (of_vectors, IMAGES),
        (lambda: flattening((2, 2, 4)), IMAGES),
        (lambda: flattening((None, None, 1)), FEATURES),
        (lambda: flattening((2, 2, 1), heads=3), FEATURES),
        (with_maps, FEATURES),
    ],
)
def test_load_of_a_model_with_other_inputs_or_outputs_raises(saved, build, message):
    assert refusal(saved(build())).startswith(f"{message}[")


def test_load_of_a_missing_file_raises(tmp_path):
    assert "No such file" in refusal(str(tmp_path / "none.keras"))


@pytest.mark.parametrize("content", [b"", b"garbage", bytes(range(256)) * 9])
def test_load_of_garbage_raises(tmp_path, content):
    path = tmp_path / "garbage.keras"
    path.write_bytes(content)
    assert refusal(str(path)).startswith("Keras cannot load the file (")


def test_load_of_a_truncated_archive_raises(saved, tmp_path):
    path = saved(flattening((2, 2, 1)))
    with open(path, "r+b") as file:
        file.truncate(len(file.read()) // 2)
    assert refusal(path).startswith("Keras cannot load the file (")


def test_load_of_an_archive_without_a_model_raises(tmp_path):
    path = tmp_path / "else.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Nothing"}))
    assert refusal(str(path)).startswith("Keras cannot load the file (")


def test_load_of_a_description_of_any_length_raises_before_it_is_read(tmp_path):
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(2**26 + 1))
    assert refusal(str(path)) == "its config.json has more than 64.0 MiB"


def test_load_of_python_code_raises_and_does_not_execute_it(saved, tmp_path):
    sprung = str(tmp_path / "sprung")
    image = keras.Input((2, 2, 1))
    trap = eval(f"lambda x: (open({sprung!r}, 'w').close(), x)[1]")
    x = keras.layers.Lambda(trap, output_shape=(2, 2, 1))(image)
    path = saved(keras.Model(image, keras.layers.Flatten()(x)))
    if tf.io.gfile.exists(sprung):
        tf.io.gfile.remove(sprung)
    assert refusal(path) == (
        "its object Lambda of keras.layers is code, which is not executed; save a network of "
        "Keras' own layers"
    )
    assert not tf.io.gfile.exists(sprung)

    # The trap works: without safe mode it is executed.
    keras.models.load_model(path, safe_mode=False)(np.zeros((1, 2, 2, 1)))
    assert tf.io.gfile.exists(sprung)


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        ({"class_name": "Net", "module": "stranger"}, "its object Net of stranger is code"),
        ({"class_name": "system", "module": "os"}, "its object system of os is code"),
        ({"class_name": "X", "module": "keras_hub.x"}, "its object X of keras_hub.x is code"),
        (
            {"class_name": "Net", "module": "stranger", "registered_name": 7},
            "its object Net of stranger is code",
        ),
        (
            {
                "class_name": "function",
                "module": "os",
                "config": "system",
                "registered_name": "registered",
            },
            "its object function of os is code",
        ),
        ({"class_name": "TFSMLayer"}, "its object TFSMLayer of keras.layers is code"),
        ({"class_name": "StringLookup", "module": "keras.layers"}, "Keras cannot load the file"),
        (
            {"class_name": "function", "module": "keras.utils", "config": "get_file"},
            "Keras cannot load the file (Cannot deserialize `keras.utils.get_file`",
        ),
    ],
)
def test_load_of_an_object_that_is_no_layer_of_keras_raises(saved, tmp_path, described, reason):
    """Its vocabulary is a path, which a lookup would read."""
    path, files = saved(flattening((2, 2, 1))), {}
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(files["config.json"])
    of_layer = {"name": "flatten", "vocabulary": str(tmp_path / "secret"), "filepath": "elsewhere"}
    config["config"]["layers"][1] |= {"config": of_layer, **described}
    (tmp_path / "secret").write_text("word")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**files, "config.json": json.dumps(config)}.items():
            archive.writestr(name, content)
    with keras.saving.custom_object_scope({"registered": keras.layers.Flatten}):
        assert refusal(path).startswith(reason)


@pytest.mark.parametrize("name", ["inception", "Digits", "efficientnet-lite0"])
def test_load_of_a_file_named_like_a_built_in_network_raises(saved, name):
    """A distance in its features must not be called the FID."""
    message = refusal(saved(flattening((2, 2, 1)), f"{name}.keras"))
    assert message == (
        "the file name must not be inception, digits or efficientnet_lite0; rename the file"
    )


def test_name_that_begins_with_that_of_a_network_of_the_zoo_is_valid(saved):
    assert load(saved(flattening((2, 2, 1)), "digits-2.keras")).name == "digits_2"
