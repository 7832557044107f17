"""Frechet distances: closed forms, reference programs, and invariances."""

import importlib.util
import json
import pathlib

import numpy as np
import pytest

from metrics.frechet import extrapolated_frechet_distance, frechet_distance
from metrics.measurement import MetricError
from metrics.moments import Moments

HERE = pathlib.Path(__file__).parent
spec = importlib.util.spec_from_file_location("make_goldens", HERE / "make_goldens.py")
goldens = importlib.util.module_from_spec(spec)
spec.loader.exec_module(goldens)
REFERENCE = json.loads((HERE / "goldens.json").read_text())["frechet"]


def with_moments(mean, covariance, n=50):
    """Features [2 n d, d] whose mean and covariance are exactly these, to rounding."""
    d = len(mean)
    axes = np.concatenate([np.eye(d), -np.eye(d)] * n) * np.sqrt((2 * n * d - 1) / (2 * n))
    return axes @ np.linalg.cholesky(covariance).T + mean


def distance(fake, real):
    return frechet_distance(Moments.of(fake), Moments.of(real)).value


def exact_distance(fake, real):
    """By tr (C1 C2)^(1/2) = the nuclear norm of A B^T / sqrt((n - 1) (m - 1)), for centred features
    A [n, d] and B [m, d]: no eigenvalue is ever rooted.
    """
    shift = fake.mean(axis=0) - real.mean(axis=0)
    a, b = ((x - x.mean(axis=0)) / np.sqrt(len(x) - 1) for x in (fake, real))
    overlap = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return shift @ shift + (a**2).sum() + (b**2).sum() - 2 * overlap


def test_frechet_distance_of_diagonal_gaussians_equals_the_closed_form():
    # |m1 - m2|^2 + sum (s1 - s2)^2 = 9 + 16 + (1 - 2)^2 + (3 - 1)^2 = 30.
    fake = with_moments([3.0, 0.0], np.diag([1.0, 9.0]))
    real = with_moments([0.0, 4.0], np.diag([4.0, 1.0]))
    assert distance(fake, real) == pytest.approx(30, rel=1e-12)


def test_frechet_distance_of_gaussians_with_other_axes_equals_the_closed_form():
    # In the plane tr (C1 C2)^(1/2) = sqrt(tr(C1 C2) + 2 sqrt(det C1 det C2)). With
    # C1 = diag(4, 1) and C2 = diag(9, 1) turned by 45 degrees = [[5, 4], [4, 5]]:
    # 5 + 10 - 2 sqrt(25 + 2 * 6).
    fake = with_moments([0.0, 0.0], np.diag([4.0, 1.0]))
    real = with_moments([0.0, 0.0], np.array([[5.0, 4.0], [4.0, 5.0]]))
    assert distance(fake, real) == pytest.approx(15 - 2 * 37**0.5, rel=1e-12)


def test_frechet_distance_of_rotated_features_is_the_same():
    fake, real = goldens.features(300, 200, 16)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))
    assert distance(fake @ turn, real @ turn) == pytest.approx(distance(fake, real), rel=1e-10)


@pytest.mark.parametrize("case", goldens.FRECHET_CASES)
@pytest.mark.parametrize("program", ["torch_fidelity", "pytorch_fid", "clean_fid"])
def test_frechet_distance_equals_that_of_the_reference_programs(case, program):
    # They lose seven digits to singular covariances, see make_goldens.py.
    tolerance = 1e-11 if case == "both_regular" else 1e-6
    value = distance(*goldens.features(*goldens.FRECHET_CASES[case]))
    assert value == pytest.approx(REFERENCE[case][program], rel=tolerance)


@pytest.mark.parametrize("case", goldens.FRECHET_CASES)
def test_frechet_distance_is_exact_even_with_singular_covariances(case):
    fake, real = goldens.features(*goldens.FRECHET_CASES[case])
    assert distance(fake, real) == pytest.approx(exact_distance(fake, real), rel=1e-12)


def test_frechet_distance_with_constant_features_loses_few_digits():
    fake, real = goldens.features(300, 1000, 64)
    real[:, :32] = 0
    assert distance(fake, real) == pytest.approx(exact_distance(fake, real), rel=1e-7)


def test_frechet_distance_of_a_set_to_itself_is_0():
    for n, d in ((500, 8), (20, 64), (64, 64)):
        fake, _ = goldens.features(n, 2, d)
        assert 0 <= distance(fake, fake) < 1e-9 * np.square(fake).sum()
        assert 0 <= distance(fake, fake[::-1]) < 1e-9 * np.square(fake).sum()


def test_frechet_distance_grows_with_shift_and_collapse():
    fake, real = goldens.features(2000, 2000, 8)
    shifted = [distance(fake + shift, real) for shift in (0, 1, 2)]
    collapsed = [distance(fake[np.arange(2000) % modes], real) for modes in (1000, 20, 2)]
    assert shifted == sorted(shifted)
    assert collapsed == sorted(collapsed)


def test_frechet_distance_of_identical_samples_is_the_shift_plus_the_variance():
    real = with_moments([3.0, 4.0], np.diag([4.0, 1.0]))
    assert distance(np.zeros((50, 2)), real) == pytest.approx(25 + 5, rel=1e-12)
    assert distance(np.zeros((500, 2)), real) == pytest.approx(25 + 5, rel=1e-12)


def test_frechet_distance_protocol_names_singular_covariances_with_ranks():
    fake, real = goldens.features(2000, 8, 7)
    many, few, fewer = (Moments.of(features) for features in (fake, real[:7], real[:5]))
    assert frechet_distance(Moments.of(real), many).protocol == {}
    assert frechet_distance(few, many).protocol == {
        "singular_covariance": "fake: rank 6 of 7, 7 images"
    }
    assert frechet_distance(few, fewer).protocol == {
        "singular_covariance": "fake: rank 6 of 7, 7 images; real: rank 4 of 7, 5 images"
    }


@pytest.mark.parametrize("n", [1000, 3000])
def test_frechet_distance_protocol_names_collapsed_samples_and_constant_features(n):
    fake, real = goldens.features(2000, 2000, 7)
    real[:, 0] = 5
    collapsed = Moments.of(fake[np.arange(n) % 4])
    assert frechet_distance(collapsed, Moments.of(real)).protocol == {
        "singular_covariance": f"fake: rank 3 of 7, {n:,} images; real: rank 6 of 7, 2,000 images"
    }


@pytest.mark.parametrize("one", ["fake", "real"])
def test_frechet_distance_of_one_image_raises(one):
    sets = {"fake": np.ones((9, 3)), "real": np.ones((9, 3))}
    sets[one] = np.ones((1, 3))
    with pytest.raises(MetricError, match=r"^needs at least 2 images, there are 1$"):
        distance(**sets)


def test_extrapolated_frechet_distance_is_nearer_to_that_of_the_distributions():
    # Both sets have one distribution, so that the distance of infinitely many images is 0.
    random = np.random.default_rng(0)
    real = Moments.of(random.normal(size=(200_000, 20)))
    for _ in range(3):
        fake = random.normal(size=(1000, 20))
        plain = frechet_distance(Moments.of(fake), real).value
        extrapolated = extrapolated_frechet_distance(fake, real).value
        assert plain > 0.1
        assert abs(extrapolated) < 0.4 * plain


def test_extrapolated_frechet_distance_is_the_intercept_of_a_line_in_1_over_n(monkeypatch):
    # Distances of exactly 5 + 300 / n.
    from metrics import frechet

    def on_a_line(fake, real):
        sizes.append(fake.count)
        return 5 + 300 / fake.count

    sizes = []
    monkeypatch.setattr(frechet, "distance", on_a_line)
    fake, real = goldens.features(100, 100, 2)
    metric = extrapolated_frechet_distance(fake, Moments.of(real), points=6)
    assert sizes == [50, 60, 70, 80, 90, 100]
    assert metric.value == pytest.approx(5)
    assert metric.protocol == {
        "extrapolated": "line in 1/n through 6 subsets, n from 50 to 100",
        "spread": pytest.approx(0, abs=1e-10),
        "subset_seed": 0,
    }


def test_extrapolated_frechet_distance_seed_selects_the_subsets():
    fake, real = goldens.features(200, 300, 8)
    values = [
        extrapolated_frechet_distance(fake, Moments.of(real), seed=seed).value for seed in (0, 0, 1)
    ]
    assert values[0] == values[1] != values[2]


def test_extrapolated_frechet_distance_protocol_names_singular_subsets():
    fake, real = goldens.features(100, 300, 64)
    protocol = extrapolated_frechet_distance(fake, Moments.of(real)).protocol
    assert protocol["singular_covariance"] == "fake: rank 49 of 64, 50 images"


def test_extrapolated_frechet_distance_of_three_samples_raises():
    with pytest.raises(MetricError, match=r"^needs at least 4 samples, there are 3$"):
        extrapolated_frechet_distance(np.eye(3), Moments.of(np.eye(3)))
