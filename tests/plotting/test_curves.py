"""Curves: the moving average by hand, unusual series, and the written file."""

import math
import sys

import numpy as np
import pytest
from PIL import Image

from plotting import Panel, save_curves
from plotting.curves import COLOURS, smoothed

pytestmark = pytest.mark.filterwarnings("error")
NAN, INF = math.nan, math.inf


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def ink(path, colour):
    """Return the number of pixels of nearly that colour, such as "#0072B2"."""
    wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return int((np.abs(pixels(path) - wanted).max(axis=-1) <= 8).sum())


def noisy(n=400, level=1.0):
    return np.arange(n), level + np.random.default_rng(0).normal(0, 0.1, n)


def test_smoothed_equals_values_by_hand():
    # exp(-1 / span) is 1/2: the weights of [4, 2, 6] at the last point are 1/7, 2/7, 4/7.
    got = smoothed(np.array([4.0, 2.0, 6.0]), span=1 / math.log(2))
    np.testing.assert_allclose(got, [4, (4 + 2 * 2) / 3, (4 + 2 * 2 + 4 * 6) / 7])


def test_smoothed_skips_gaps():
    got = smoothed(np.array([NAN, 4.0, INF, 2.0]), span=1 / math.log(2))
    np.testing.assert_allclose(got, [NAN, 4, NAN, (4 + 2 * 2) / 3])


def test_smoothed_of_a_constant_is_that_constant():
    np.testing.assert_allclose(smoothed(np.full(50, 3.0), span=20), 3.0)


@pytest.mark.parametrize("log_y", [False, True])
@pytest.mark.parametrize(
    "series",
    [
        {},
        {"empty": ([], [])},
        {"one point": ([5], [1.0])},
        {"one nan": ([5], [NAN])},
        {"all lost": (range(4), [NAN, INF, -INF, NAN])},
        {"not positive": (range(3), [0.0, -1.0, -2.0])},
        {"constant": (range(3), [0.5, 0.5, 0.5])},
        {"gaps": (range(6), [1.0, NAN, 2.0, INF, 3.0, 4.0])},
        {"large": (range(3), [1e38, -3e38, 1.0]), "small": (range(3), [1e-38, 2e-38, 0])},
        {"less than a decade": (range(200), np.linspace(3, 4, 200))},
        {"three decades": (range(200), np.geomspace(1e-2, 30, 200))},
        {"one step": ([7, 7], [1.0, 2.0])},
        {"_private": noisy(), r"$\frac$": noisy(), "": noisy(), "x" * 300: noisy()},
        {f"run {k}": noisy(3, k) for k in range(30)},
    ],
    ids=lambda series: next(iter(series), "nothing")[:20],
)
def test_save_curves_of_unusual_series_neither_fails_nor_warns(tmp_path, series, log_y):
    path = tmp_path / "curves.png"
    save_curves(path, [Panel(r"loss $\frac$", series, log_y=log_y)], "step")
    assert pixels(path).shape[1] == 900


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
def test_save_curves_of_more_panels_keeps_the_width_and_grows_in_height(tmp_path, n):
    save_curves(tmp_path / "curves.png", [Panel("p", {"a": noisy(5)})] * n, "step", "a run")
    rows = n if n <= 2 else math.ceil(n / 2)
    height, width, _ = pixels(tmp_path / "curves.png").shape
    assert width == 900
    assert height == pytest.approx(280 * rows + 40, abs=2)


def test_save_curves_keeps_the_colour_of_a_name_in_all_panels(tmp_path):
    path = tmp_path / "curves.png"
    first, second = COLOURS[:2]
    save_curves(path, [Panel("p", {"D": noisy(), "G": noisy(level=2)})], "step")
    assert min(ink(path, first), ink(path, second)) > 300
    # G comes second in the figure, if alone in its panel; D's series is empty and not drawn.
    save_curves(path, [Panel("p", {"D": ([], [])}), Panel("q", {"G": noisy()})], "step")
    assert ink(path, first) == 0
    assert ink(path, second) > 300


def test_save_curves_of_long_series_draws_them_pale_under_their_average(tmp_path):
    path = tmp_path / "curves.png"
    drawn = {}
    for smoothing in (0, 0.02):
        save_curves(path, [Panel("p", {"a": noisy(3000)}, smoothing=smoothing)], "step")
        drawn[smoothing] = ink(path, COLOURS[0])
    assert 300 < drawn[0.02] < drawn[0] / 4


def test_save_curves_legend_counts_values_that_are_not_finite(tmp_path):
    # The same curve with and without lost values at its end differs only in the legend.
    steps, values = noisy(40)
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    save_curves(a, [Panel("p", {"loss (3 non-finite)": (steps[:37], values[:37])})], "step")
    lost = np.concatenate([values[:37], [NAN, INF, -INF]])
    save_curves(b, [Panel("p", {"loss": (np.append(steps[:37], [36] * 3), lost)})], "step")
    np.testing.assert_array_equal(pixels(a), pixels(b))


def test_save_curves_twice_writes_the_same_bytes_without_global_state(tmp_path):
    loaded = "matplotlib.pyplot" in sys.modules
    panels = [Panel("loss", {"D": noisy(), "G": noisy()}), Panel("norm", {"D": noisy()}, True)]
    for name in ("a.png", "b.png"):
        save_curves(tmp_path / name, panels, "step", "run")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert ("matplotlib.pyplot" in sys.modules) == loaded


@pytest.mark.parametrize(
    ("name", "panels", "message"),
    [
        ("curves.svg", [Panel("p", {})], "must end in .png"),
        ("curves.png", [], "at least one panel"),
        ("curves.png", [Panel("p", {"a": ([1, 2], [1.0])})], "p, a: steps and values"),
        ("curves.png", [Panel("p", {"a": ([[1]], [[1.0]])})], "p, a: steps and values"),
        ("curves.png", [Panel("p", {"a": ([NAN], [1.0])})], "p, a: steps must be finite"),
        ("curves.png", [Panel("p", {}, smoothing=1.5)], "smoothing must be from 0 to 1"),
    ],
)
def test_save_curves_of_invalid_arguments_raises_and_writes_nothing(
    tmp_path, name, panels, message
):
    with pytest.raises(ValueError, match=message):
        save_curves(tmp_path / name, panels, "step")
    assert list(tmp_path.iterdir()) == []
