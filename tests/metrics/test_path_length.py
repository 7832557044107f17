"""Path lengths of paths whose length is known."""

import numpy as np
import pytest

from metrics.measurement import MetricError
from metrics.path_length import path_length


def arc(t):
    """Features [n, 2] at an angle of t on a circle, of any length."""
    return (3.0 + np.arange(len(t)))[:, None] * np.stack([np.cos(t), np.sin(t)], axis=1)


def test_path_length_of_an_arc_is_the_squared_speed():
    """Unit vectors at an angle of v e have the squared distance 4 sin²(v e / 2), near v² e²."""
    t, speed, epsilon = np.linspace(0, 1, 101), 2.5, 1e-4
    found = path_length(arc(speed * t), arc(speed * (t + epsilon)), epsilon)
    assert found.value == pytest.approx(speed**2, rel=1e-6)
    assert (found.protocol["n_fake"], found.protocol["epsilon"]) == (101, epsilon)


def test_path_length_of_a_linear_generator_equals_the_closed_form():
    """Features A (w + t v) at t = 0, with orthogonal columns of A of one length: the path length is
    |v|² if w has length 1 and is orthogonal to v.
    """
    rng = np.random.default_rng(0)
    a = 2 * np.linalg.qr(rng.normal(size=(6, 4)))[0]
    w, v = np.array([1.0, 0, 0, 0]), np.array([0, 0.5, 0, 0])
    epsilon = 1e-4
    start, end = (np.repeat((a @ (w + t * v))[None], 7, axis=0) for t in (0, epsilon))
    assert path_length(start, end, epsilon).value == pytest.approx(0.25, rel=1e-6)


def test_path_length_is_0_without_movement_and_grows_with_its_square():
    t = np.linspace(0, 1, 50)
    still, slow, fast = (path_length(arc(t), arc(t + move)).value for move in (0, 1e-5, 3e-5))
    assert still == 0
    assert fast == pytest.approx(9 * slow, rel=1e-3)


def test_path_length_is_independent_of_the_norm_of_features():
    t = np.linspace(0, 1, 50)
    scaled = path_length(10 * arc(t), 7 * arc(t + 1e-4)).value
    assert scaled == pytest.approx(path_length(arc(t), arc(t + 1e-4)).value, rel=1e-5)


def test_path_length_omits_a_hundredth_at_each_end():
    """Distances of 1 to 201 have the percentiles 3 and 199, and 3 to 199 are kept; those of 1 to
    200 have the percentiles 2.99 and 198.01, and 2 to 199 are kept.
    """
    for n, kept in ((201, range(3, 200)), (200, range(2, 200))):
        move = 1e-6 * np.sqrt(np.arange(1, n + 1))
        random, zero = np.random.default_rng(0).permutation(n), arc(np.zeros(n))
        found = path_length(zero, arc(move[random]), 1e-6)
        assert found.protocol["kept"] == len(kept)
        assert found.value == pytest.approx(np.mean(kept), rel=1e-3)
        worst = np.where(move == move.max(), 1.0, move)
        assert path_length(zero, arc(worst), 1e-6).value == pytest.approx(found.value, rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_path_length_of_features_that_are_not_finite_raises(bad):
    features = np.ones((5, 3))
    broken = features.copy()
    broken[2, 1] = bad
    with pytest.raises(MetricError):
        path_length(features, broken)
    with pytest.raises(MetricError, match="needs samples, there are none"):
        path_length(features[:0], features[:0])
