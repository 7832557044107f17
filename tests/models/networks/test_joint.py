"""Joint discriminator: inputs of each score, and the parts that are built."""

import keras
import numpy as np
import pytest

from models import layers
from models.networks import joint, mlp

SIDE, DIM, BATCH = 4, 3, 5


def build(*scores, depth=1, norm="none"):
    keras.utils.set_random_seed(0)
    trunk = mlp.trunk((SIDE, SIDE, 1), width=6, depth=1, norm=norm, initializer="xavier")
    return joint.discriminator(
        trunk, DIM, scores=scores, units=7, depth=depth, norm=norm, initializer="xavier",
        head=lambda name: layers.head(1, "xavier", name=name),
    )  # fmt: skip


def pairs(seed=0):
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, (BATCH, SIDE, SIDE, 1)).astype(np.float32)
    return x, random.normal(size=(BATCH, DIM)).astype(np.float32)


@pytest.mark.parametrize(
    ("score", "uses_x", "uses_z"), [("sx", 1, 0), ("sz", 0, 1), ("sxz", 1, 1), ("d", 1, 1)]
)
@pytest.mark.parametrize("depth", [1, 2])
def test_score_depends_on_its_part_of_the_pair_only(score, uses_x, uses_z, depth):
    d = build("sx", "sz", score, depth=depth) if score not in ("sx", "sz") else build("sx", "sz")
    (x, z), (x2, z2) = pairs(0), pairs(1)
    first = d([x, z])
    assert first[score].shape == (BATCH, 1)
    assert np.all(first[score] != d([x2, z])[score]) == bool(uses_x)
    assert np.all(first[score] != d([x, z2])[score]) == bool(uses_z)
    assert np.array_equal(first[score], d([x2, z])[score]) != bool(uses_x)
    assert np.array_equal(first[score], d([x, z2])[score]) != bool(uses_z)


def test_features_are_those_of_the_trunk():
    d = build("d")
    x, z = pairs()
    trunk = d.get_layer("trunk")
    np.testing.assert_array_equal(d([x, z])["features"], trunk(x))


@pytest.mark.parametrize("scores", [("d",), ("sxz",), ("sx", "sxz"), ("sz", "sxz"), ("sx", "sz")])
@pytest.mark.parametrize("depth", [1, 3])
def test_j_is_built_only_for_a_joint_score(scores, depth):
    """Count the kernels of F (one), of H and J (`depth` each) and of the heads."""
    d = build(*scores, depth=depth)
    assert set(d.output) == {*scores, "features"}
    kernels = [v.shape for v in d.trainable_variables if v.path.endswith("kernel")]
    with_j = bool({"d", "sxz"} & set(scores))
    assert len(kernels) == 1 + depth + depth * with_j + len(scores)
    assert ((6 + 7, 7) in kernels) == with_j


@pytest.mark.parametrize(("norm", "kind"), [("spectral", layers.SpectralDense), ("none", None)])
def test_spectral_norm_covers_every_layer_of_h_and_j(norm, kind):
    d = build("sxz", depth=2, norm=norm)
    spectral = layers.spectral_layers(d)
    assert len(spectral) == (1 + 2 + 2 if kind else 0)
    assert all(isinstance(layer, kind) for layer in spectral)


def test_batch_norm_follows_every_layer_but_the_first_of_f_and_h():
    d = build("sxz", depth=2, norm="batch")
    norms = [n for n in d._flatten_layers() if isinstance(n, keras.layers.BatchNormalization)]
    assert len(norms) == 1 + 2
