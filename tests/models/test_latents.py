"""Priors, and edits and paths of latents."""

import math

import numpy as np
import pytest
import tensorflow as tf

from models.latents import (
    CATEGORY,
    CONTINUOUS,
    Latents,
    between,
    interpolate,
    noise,
    one_hot,
    plane,
    tfd,
    truncate,
    with_code,
    with_each,
)


def two_parts():
    """Noise z [3] and a narrow part a [2] around 10, not in alphabetical order."""
    narrow = tfd.Sample(tfd.Normal(10.0, 0.01), sample_shape=[2])
    return Latents(z=noise(3, "normal"), a=narrow)


# Priors.


def test_normal_prior_has_the_standard_moments():
    z = Latents(noise=noise(4, "normal")).draw(20_000, 0)["noise"].numpy()
    assert z.shape == (20_000, 4)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z.mean(0), 0, atol=0.03)
    np.testing.assert_allclose(np.cov(z.T), np.eye(4), atol=0.05)
    np.testing.assert_allclose((z**4).mean(0), 3, atol=0.3)


def test_uniform_prior_covers_its_range():
    z = Latents(noise=noise(4, "uniform")).draw(20_000, 0)["noise"].numpy()
    assert z.dtype == np.float32
    assert z.min() >= -1
    assert z.max() < 1
    assert z.min() < -0.999
    assert z.max() > 0.999
    np.testing.assert_allclose(z.mean(0), 0, atol=0.03)
    np.testing.assert_allclose(np.cov(z.T), np.eye(4) / 3, atol=0.02)


def test_noise_with_an_unknown_prior_raises():
    with pytest.raises(KeyError):
        noise(4, "cauchy")


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_draw_depends_on_the_seed_only(prior):
    latents = Latents(noise=noise(4, prior))
    first = latents.draw(5, 3)["noise"].numpy()
    tf.random.normal([7])  # changes TensorFlow's global random state
    np.testing.assert_array_equal(first, latents.draw(5, 3)["noise"])
    np.testing.assert_array_equal(first, latents.draw(5, tf.constant([0, 3], tf.int32))["noise"])
    assert not np.isclose(first, latents.draw(5, 4)["noise"]).any()


def test_draw_of_equal_parts_is_independent():
    latents = Latents(a=noise(4, "normal"), b=noise(4, "normal"))
    drawn = latents.draw(5, 0)
    assert not np.isclose(drawn["a"], drawn["b"]).any()


def test_join_concatenates_in_the_order_of_declaration():
    latents = two_parts()
    drawn = latents.draw(6, 0)
    assert {name: tuple(part.shape) for name, part in drawn.items()} == {"z": (6, 3), "a": (6, 2)}
    joined = latents.join(drawn).numpy()
    assert joined.shape == (6, latents.dim)
    np.testing.assert_array_equal(joined[:, :3], drawn["z"])
    np.testing.assert_array_equal(joined[:, 3:], drawn["a"])
    assert (joined[:, 3:] > 9).all()
    assert (joined[:, :3] < 9).all()


def test_dim_is_the_sum_over_parts():
    assert Latents(noise=noise(7, "normal")).dim == 7
    assert two_parts().dim == 5


def test_normal_prior_log_prob_is_the_closed_form():
    latents = Latents(a=noise(3, "normal"), b=noise(2, "normal"))
    drawn = latents.draw(6, 1)
    z = latents.join(drawn).numpy().astype(np.float64)
    closed = -0.5 * (z**2).sum(1) - 5 * 0.5 * math.log(2 * math.pi)
    np.testing.assert_allclose(latents.prior.log_prob(drawn), closed, rtol=1e-5)


def test_uniform_prior_log_prob_is_the_closed_form():
    latents = Latents(noise=noise(3, "uniform"))
    inside = latents.prior.log_prob(latents.draw(6, 1))
    np.testing.assert_allclose(inside, [-3 * math.log(2)] * 6, rtol=1e-6)
    outside = latents.prior.log_prob({"noise": tf.constant([[0.0, 0.0, 1.5]])})
    assert np.isneginf(outside).all()


# Classes.


def test_one_hot_prior_is_uniform_over_classes():
    y = Latents(label=one_hot(5)).draw(20_000, 0)["label"].numpy()
    assert y.shape == (20_000, 5)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(np.sort(y, 1), np.tile([0, 0, 0, 0, 1], (20_000, 1)))
    np.testing.assert_allclose(y.mean(0), 0.2, atol=0.01)


def test_one_hot_prior_is_independent_of_the_noise_and_seeded():
    latents = Latents(noise=noise(2, "normal"), label=one_hot(4))
    drawn = latents.draw(5000, 0)
    drawn_noise = drawn["noise"].numpy()
    of_class = np.array([drawn_noise[drawn["label"][:, k] == 1].mean(0) for k in range(4)])
    np.testing.assert_allclose(of_class, 0, atol=0.15)
    np.testing.assert_array_equal(drawn["label"], latents.draw(5000, 0)["label"])
    assert not np.array_equal(drawn["label"], latents.draw(5000, 1)["label"])
    joined = latents.join(drawn).numpy()
    assert latents.dim == joined.shape[1] == 6
    np.testing.assert_array_equal(joined[:, 2:], drawn["label"])


def test_one_hot_prior_log_prob_is_minus_the_log_of_the_number_of_classes():
    latents = Latents(label=one_hot(4))
    log_prob = latents.prior.log_prob({"label": tf.eye(4)})
    np.testing.assert_allclose(log_prob, [-math.log(4)] * 4, rtol=1e-6)


# Chosen codes.


def coded(n=3):
    """Draws of noise, one of 4 categories and 2 continuous codes, and a copy as arrays."""
    latents = Latents(
        noise=noise(5, "normal"), category_0=one_hot(4), continuous=noise(2, "uniform")
    )
    drawn = latents.draw(n, 0)
    return drawn, {name: part.numpy().copy() for name, part in drawn.items()}


def test_names_of_codes_begin_with_their_kind():
    drawn, _ = coded()
    assert [name for name in drawn if name.startswith(CATEGORY)] == ["category_0"]
    assert CONTINUOUS in drawn


def test_with_each_combines_each_value_with_all_latents_in_order():
    drawn, before = coded()
    found = with_each(drawn, "category_0", tf.eye(4))
    assert set(found) == set(drawn)
    np.testing.assert_array_equal(found["category_0"], np.repeat(np.eye(4), 3, axis=0))
    for name in ("noise", "continuous"):
        np.testing.assert_array_equal(found[name], np.concatenate([before[name]] * 4))
    for name, part in drawn.items():  # not modified
        np.testing.assert_array_equal(part, before[name])


def test_with_each_accepts_any_number_of_values_and_returns_float32():
    drawn, before = coded(1)
    values = np.array([[0.5, -1.0], [0.0, 1.0]])
    found = with_each(drawn, "continuous", values)
    assert found["continuous"].dtype == tf.float32
    np.testing.assert_array_equal(found["continuous"], values)
    np.testing.assert_array_equal(found["noise"], np.repeat(before["noise"], 2, axis=0))
    one = with_each(drawn, "continuous", values[:1])
    np.testing.assert_array_equal(one["noise"], before["noise"])


@pytest.mark.parametrize(("code", "value"), [(0, -1.0), (1, 2.5), (1, 0.0)])
def test_with_code_sets_one_code_and_leaves_the_rest_unchanged(code, value):
    drawn, before = coded()
    found = with_code(drawn, code, value)
    assert set(found) == set(drawn)
    np.testing.assert_array_equal(found["continuous"][:, code], np.full(3, value))
    np.testing.assert_array_equal(
        found["continuous"][:, 1 - code], before["continuous"][:, 1 - code]
    )
    assert found["continuous"].dtype == tf.float32
    for name in ("noise", "category_0"):
        np.testing.assert_array_equal(found[name], before[name])
    np.testing.assert_array_equal(drawn["continuous"], before["continuous"])  # not modified


def test_with_code_of_an_invalid_index_raises():
    with pytest.raises(IndexError):
        with_code(coded()[0], 2, 0.0)


# Planes.


def test_plane_is_a_grid_over_the_first_two_dimensions():
    latent = tf.constant([9.0, 9.0, 5.0, -7.0])
    points = plane(latent, span=3.0, points=3).numpy()
    square = [[a, b] for a in (-3, 0, 3) for b in (-3, 0, 3)]
    np.testing.assert_allclose(points[:, :2], square, atol=1e-6)
    np.testing.assert_array_equal(points[:, 2:], np.tile([5, -7], (9, 1)))
    assert points.dtype == np.float32


def test_plane_of_two_dimensions_is_the_grid_alone():
    points = plane(tf.constant([1.0, 2.0]), span=0.5, points=4).numpy()
    assert points.shape == (16, 2)
    np.testing.assert_allclose(points[0], [-0.5, -0.5])
    np.testing.assert_allclose(points[-1], [0.5, 0.5])
    np.testing.assert_allclose(points[1] - points[0], [0, 1 / 3], atol=1e-6)
    np.testing.assert_allclose(points[4] - points[0], [1 / 3, 0], atol=1e-6)


# Paths.


def ends(n=5, d=8):
    """Two sets of latents, scaled to a common norm of 2."""
    start, end = np.random.default_rng(0).normal(size=(2, n, d)).astype(np.float32)
    return tuple(2 * x / np.linalg.norm(x, axis=1, keepdims=True) for x in (start, end))


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_interpolate_includes_both_ends(path):
    start, end = ends()
    points = interpolate(tf.constant(start), tf.constant(end), 7, path).numpy()
    assert points.shape == (5, 7, 8)
    np.testing.assert_allclose(points[:, 0], start, atol=1e-6)
    np.testing.assert_allclose(points[:, -1], end, atol=1e-6)
    assert not np.allclose(points[:, 0], points[:, 1], atol=0.1)


def test_interpolate_linear_has_equal_steps_and_the_midpoint():
    start, end = ends()
    points = interpolate(tf.constant(start), tf.constant(end), 5, "linear").numpy()
    np.testing.assert_array_equal(points[:, 0], start)
    np.testing.assert_array_equal(points[:, -1], end)
    np.testing.assert_allclose(points[:, 2], (start + end) / 2, atol=1e-6)
    np.testing.assert_allclose(np.diff(points, 2, axis=1), 0, atol=1e-5)


def test_interpolate_spherical_keeps_the_norm_and_linear_does_not():
    start, end = map(tf.constant, ends())
    spherical = np.linalg.norm(interpolate(start, end, 9, "spherical"), axis=-1)
    linear = np.linalg.norm(interpolate(start, end, 9, "linear"), axis=-1)
    np.testing.assert_allclose(spherical, 2, rtol=1e-5)
    assert (linear[:, 4] < 1.9).all()


def test_interpolate_spherical_over_a_quarter_circle_equals_values_by_hand():
    start, end = tf.constant([[3.0, 0.0]]), tf.constant([[0.0, 3.0]])
    points = interpolate(start, end, 4, "spherical").numpy()[0]
    angles = np.radians([0, 30, 60, 90])
    np.testing.assert_allclose(points, 3 * np.stack([np.cos(angles), np.sin(angles)], 1), atol=1e-5)


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0, 0.0])
@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_interpolate_between_parallel_opposite_and_zero_ends_is_finite(path, factor):
    start, _ = ends()
    end = factor * start
    points = interpolate(tf.constant(start), tf.constant(end), 5, path).numpy()
    assert np.isfinite(points).all()
    np.testing.assert_allclose(points[:, 0], start, atol=1e-5)
    np.testing.assert_allclose(points[:, -1], end, atol=1e-5)


def test_truncate_scales_the_distance_from_the_mean_by_psi():
    w, mean = tf.constant([[[1.0, 2.0]], [[5.0, 0.0]]]), tf.constant([[1.0, 4.0]])
    np.testing.assert_array_equal(truncate(w, mean, 1.0), w)
    np.testing.assert_array_equal(truncate(w, mean, 0.0), [mean, mean])
    np.testing.assert_allclose(truncate(w, mean, 0.5), [[[1, 3]], [[3, 2]]])
    np.testing.assert_allclose(truncate(w, mean, 2.0), [[[1, 0]], [[9, -4]]])


def test_between_returns_the_points_of_interpolate():
    start, end = tf.constant([[1.0, 0.0]]), tf.constant([[0.0, 2.0]])
    for path in ("linear", "spherical"):
        points = interpolate(start, end, 5, path)
        for k in range(5):
            np.testing.assert_allclose(
                between(start, end, tf.constant(k / 4), path), points[:, k], atol=1e-6
            )


def test_categorical_lists_the_categorical_codes_in_order():
    parts = {"noise": noise(2, "normal"), "category_0": one_hot(3), "category_1": one_hot(2)}
    assert Latents(**parts).categorical == ["category_0", "category_1"]
    assert Latents(noise=noise(2, "normal")).categorical == []
