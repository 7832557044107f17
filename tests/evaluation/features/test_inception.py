"""Inception: outputs of torch-fidelity's network with random weights, and the weight file."""

import dataclasses
import hashlib
import http.server
import importlib.util
import os
import pathlib
import threading
import time

import numpy as np
import pytest

from errors import UserError
from evaluation.features import clean_resizing, inception, torch_file
from metrics.frechet import frechet_distance
from metrics.moments import Moments

HERE = pathlib.Path(__file__).parent
CONTENT = bytes(range(256)) * 9000  # more than is read at once


def module_of(name):
    """A program of this folder that makes golden values."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The network


@pytest.fixture(scope="module")
def golden():
    """make_inception_golden.py."""
    return module_of("make_inception_golden")


@pytest.fixture(scope="module")
def state(golden):
    """The random weights of the golden values, with the counts that the published file has too."""
    shapes = inception.state_shapes(inception.build())
    counts = [f"{name[:-5]}.num_batches_tracked" for name in shapes if name.endswith("bn.bias")]
    random = {name: golden.random_array(name, shape) for name, shape in shapes.items()}
    return random | dict.fromkeys(counts, np.array(0))


@pytest.fixture(scope="module")
def network(state):
    """Images -> features and logits, with the random weights."""
    return inception._on_images(inception.with_weights(state))


@pytest.fixture(scope="module")
def clean_golden():
    """make_clean_golden.py."""
    return module_of("make_clean_golden")


def assert_golden(golden, network, name: str):
    """Measured: 3e-6 of their deviation. A half-pixel centre in the resizing makes 7e-3, 127.5
    instead of 128 3e-3, and an epsilon that is a tenth too large 2e-3.
    """
    with np.load(golden.GOLDEN) as archive:
        for kind, x in zip(("features", "logits"), network(golden.images()[name]), strict=True):
            expected = archive[f"{name}_{kind}"]
            x = np.asarray(x)
            assert x.dtype == np.float32
            assert x.shape == expected.shape
            assert np.abs(x - expected).max() < 3e-5 * expected.std()


@pytest.mark.parametrize("name", ["small", "large"])
def test_network_returns_features_and_logits_of_torch_fidelity(golden, network, name):
    assert_golden(golden, network, name)


def test_clean_features_and_distance_equal_those_of_clean_fid(clean_golden, network):
    """Measured: 3e-6 of their deviation, and 6e-7 of the distance. Quantization after the resizing
    makes 9e-4 of the deviation, the resizing of FID 0.1.
    """
    clean = inception._extractor(network).clean
    images = clean_golden.images().values()
    features = np.concatenate([clean.network(image[None])[0] for image in images])
    with np.load(clean_golden.GOLDEN) as archive:
        expected, distance = archive["features"], float(archive["distance"])
    assert np.abs(features - expected).max() < 3e-5 * expected.std()
    found = frechet_distance(*map(Moments.of, clean_golden.halves(features))).value
    assert found == pytest.approx(distance, rel=1e-5)
    same = frechet_distance(*map(Moments.of, clean_golden.halves(expected))).value
    assert same == pytest.approx(distance, rel=1e-6)


def test_extractor_and_its_clean_one_differ_in_the_resizing_alone(network):
    plain = inception._extractor(network)
    clean = plain.clean
    assert clean.protocol == {**plain.protocol, "resizing": clean_resizing.RESIZING}
    assert (clean.dimension, clean.batch_size) == (plain.dimension, plain.batch_size)
    assert clean.clean is None


def test_network_output_of_an_image_is_independent_of_its_batch(golden, network):
    images = golden.images()["small"]
    others = np.concatenate([images[:1], 255 - images[1:]])
    for x, y in zip(network(images), network(others), strict=True):
        np.testing.assert_allclose(x[0], y[0], atol=1e-5 * np.std(x))
        assert np.abs(x[1] - y[1]).max() > 1e-2 * np.std(x)


@pytest.mark.slow
def test_network_of_gray_images_repeats_the_channel(golden, network):
    gray = golden.images()["small"][..., :1]
    for x, y in zip(network(gray), network(np.repeat(gray, 3, axis=-1)), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5 * np.std(x))


@pytest.mark.slow
def test_network_of_floats_does_not_round_them(golden, network):
    images = golden.images()["small"]
    features, _ = network(images)
    np.testing.assert_array_equal(network(images.astype(np.float32))[0], features)
    assert (network(images + np.float32(0.25))[0].numpy() != features.numpy()).any()


@pytest.mark.parametrize(
    "images",
    [
        np.zeros([2, 8, 8, 3], np.int32),
        np.zeros([2, 8, 8, 2], np.uint8),
        np.zeros([8, 8, 3], np.uint8),
    ],
)
def test_network_of_invalid_images_raises_one_line(network, images):
    with pytest.raises(UserError, match=r"uint8 or float32 \[b, h, w, 1 or 3\]") as raised:
        network(images)
    assert "\n" not in str(raised.value)


def test_import_of_inception_leaves_tensorflow_unimported(python):
    code = (
        "import sys, evaluation.features.inception; print({'keras', 'tensorflow'} & {*sys.modules})"
    )
    assert python("-c", code).out == "set()\n"


# Weights


def missing(state):
    del state["Mixed_7c.branch_pool.bn.bias"]


def surplus(state):
    state["AuxLogits.fc.weight"] = np.zeros([1008, 768], np.float32)


def misshapen(state):
    state["fc.weight"] = state["fc.weight"].T


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (missing, "Mixed_7c.branch_pool.bn.bias is missing"),
        (surplus, "AuxLogits.fc.weight is unknown"),
        (misshapen, "fc.weight must be [1008, 2048], got [2048, 1008]"),
        (dict.clear, "Conv2d_1a_3x3.conv.weight is missing (and 471 more)"),
    ],
)
def test_with_weights_of_another_state_raises(state, change, message):
    other = dict(state)
    change(other)
    with pytest.raises(UserError) as raised:
        inception.with_weights(other)
    assert str(raised.value) == f"not the weights of the Inception network: {message}"


# The weight file


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Path of a weight file with the hash of CONTENT, which no server serves."""
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(inception, "URL", "http://127.0.0.1:9/weights.pth")
    return tmp_path / "features" / inception.NAME


@pytest.fixture
def serve(monkeypatch):
    """serve(body, announced, silent) starts a server with this answer.

    `silent` are the seconds that it waits before and after.
    """
    servers = []

    def serve(body=CONTENT, announced=None, silent=(0.0, 0.0)):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                time.sleep(silent[0])
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(announced or len(body)))
                self.end_headers()
                self.wfile.write(body)
                time.sleep(silent[1])

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.handle_error = lambda *_: None  # the client may be gone
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        monkeypatch.setattr(inception, "URL", f"http://127.0.0.1:{server.server_port}/weights.pth")

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def refusal() -> str:
    """Return the one-line message of the UserError that load raises."""
    with pytest.raises(UserError) as raised:
        inception.load()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_name_of_the_published_file_ends_with_its_hash():
    assert inception.URL.startswith("https://github.com/mseitzer/pytorch-fid/releases/download/")
    assert inception.URL.endswith(inception.NAME)
    assert inception.NAME.endswith(f"-{inception.SHA256[:8]}.pth")
    assert len(inception.SHA256) == 64


@pytest.mark.slow
def test_load_downloads_the_file_once_and_computes_in_float32(
    golden, path, serve, state, monkeypatch
):
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    monkeypatch.setattr(torch_file, "read_state", {path: state}.__getitem__)
    serve()
    assert not inception.available()
    extractor = inception.load()
    assert inception.available()
    assert path.read_bytes() == CONTENT
    assert os.listdir(path.parent) == [path.name]

    assert (extractor.name, extractor.dimension) == ("inception", 2048)
    assert extractor.sha256 == inception.SHA256
    assert_golden(golden, dataclasses.replace(extractor, batch_size=3), "small")

    monkeypatch.setattr(inception, "_download", None)
    monkeypatch.setattr(inception, "with_weights", lambda _: None)
    inception.load()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"body": CONTENT[:-1]}, "sha256 file hash does not match"),
        ({"announced": len(CONTENT) + 7}, "got only 2304000 out of 2304007 bytes"),
        ({"body": b""}, "404 -- Not Found"),
        ({"silent": (0.5, 0)}, "timed out"),
        ({"silent": (0, 0.5), "announced": len(CONTENT) + 7}, "timed out"),
        (None, "Connection refused"),
    ],
)
def test_load_with_a_failing_download_raises_and_leaves_no_file(
    path, serve, monkeypatch, answer, reason
):
    if answer is not None:
        serve(**answer)
        monkeypatch.setattr(inception, "TIMEOUT_SECONDS", 0.1 if "silent" in answer else 60.0)
    message = refusal()
    assert reason in message
    assert message.startswith(
        f"the Inception weights are not at {path}, and cannot download them ("
    )
    assert message.endswith(
        f"); download {inception.URL} on a machine with a network and copy it there"
    )
    assert os.listdir(path.parent) == []


def test_load_with_a_cache_that_cannot_be_written_raises(path, serve):
    path.parent.write_text("in the way")
    serve()
    assert "File exists" in refusal()


def test_load_of_a_file_with_another_hash_raises_and_keeps_it(path):
    path.parent.mkdir()
    path.write_bytes(b"other")
    found = hashlib.sha256(b"other").hexdigest()
    assert refusal() == (
        f"{path}: expected the SHA-256 {inception.SHA256} of the published weights, got {found}; "
        f"delete the file to download it again, or replace it by {inception.URL}"
    )
    assert path.read_bytes() == b"other"
