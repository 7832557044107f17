"""Curves: the moving average by hand, unusual series, and the written file."""

import math
import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from plotting import Panel, save_curves
from plotting.curves import smoothed
from plotting.looks import COLOURS, INK, Look, look_of

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


@pytest.mark.parametrize("title", ["W" * 85, "a long name of a run " * 8])
def test_save_curves_of_a_long_title_keeps_it_in_the_picture(tmp_path, title):
    path = tmp_path / "curves.png"
    save_curves(path, [Panel("p", {"": noisy(5)})], "step", title)
    columns = np.nonzero((pixels(path)[:30] < 160).any(axis=(0, 2)))[0]
    assert 800 < columns.max() < 892
    panel = Panel(title, {"a": ([0, 1], [NAN, 1.0])})
    save_curves(path, [panel] * 3, "step")
    columns = np.nonzero((pixels(path)[30:60] < 160).any(axis=(0, 2)))[0]
    assert 850 < columns.max() < 900


def test_save_curves_has_one_note_per_label_on_gaps(tmp_path, monkeypatch):
    figures = []
    draw = FigureCanvasAgg.draw
    monkeypatch.setattr(
        FigureCanvasAgg, "draw", lambda canvas: (draw(canvas), figures.append(canvas.figure))
    )
    gaps = [([0, 1, 2], [1.0, NAN, value]) for value in (INF, 0.0)]
    mean = ([0, 1, 2], [1.0, NAN, NAN])
    series = {"": gaps[0], "b": gaps[1], "a": mean, "c": ([0], [1.0])}
    panels = [Panel("p", series, log_y=True, seeds={"a": gaps})]
    save_curves(tmp_path / "curves.png", panels, "step")
    (text,) = figures[0].axes[0].texts
    expected = "2 non-finite; b: 1 non-finite, 1 not positive; a: 3 non-finite, 1 not positive"
    assert text.get_text() == expected


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
def test_save_curves_of_more_panels_keeps_the_width_and_grows_in_height(tmp_path, n):
    save_curves(tmp_path / "curves.png", [Panel("p", {"a": noisy(5)})] * n, "step", "a run")
    rows = n if n <= 2 else math.ceil(n / 2)
    height, width, _ = pixels(tmp_path / "curves.png").shape
    assert width == 900
    assert height == pytest.approx(255 * rows + 59, abs=2)


def test_save_curves_has_one_legend_for_all_panels(tmp_path):
    path = tmp_path / "curves.png"
    heights = []
    for labels in ("abc", [f"run {k}" for k in range(17)]):
        panels = [Panel(f"p {k}", {label: noisy(3) for label in labels}) for k in range(2)]
        save_curves(path, panels, "step")
        heights.append(pixels(path).shape[0])
    assert heights[1] - heights[0] == 2 * 21  # 17 labels in 3 lines of 8


def test_save_curves_draws_a_quantity_in_its_own_colour(tmp_path):
    path = tmp_path / "curves.png"
    first, second = look_of("discriminator").colour, look_of("generator").colour
    panels = [Panel("p", {"generator": noisy(), "discriminator": noisy(level=2)})]
    save_curves(path, panels, "step")
    assert min(ink(path, first), ink(path, second)) > 300
    save_curves(path, [Panel("p", {"discriminator": ([], []), "generator": noisy()})], "step")
    assert ink(path, first) == 0
    assert ink(path, second) > 300


def test_save_curves_draws_given_looks(tmp_path):
    path = tmp_path / "curves.png"
    panels = [
        Panel("p", {"train": noisy()}, looks={"train": Look(COLOURS[2])}),
        Panel("q", {"train": noisy()}, looks={"train": Look(COLOURS[3])}),
    ]
    save_curves(path, panels, "step")
    assert min(ink(path, COLOURS[2]), ink(path, COLOURS[3])) > 300
    assert ink(path, INK) > 30  # the label has two colours: gray in the legend, like the texts


def test_save_curves_draws_seeds_thin_and_their_mean_thick(tmp_path):
    """The area of the ink grows with the thickness; the pale lines of seeds have another colour."""
    path, colour = tmp_path / "curves.png", COLOURS[0]
    looks = {"a": Look(colour)}
    steps = np.arange(100)
    mean, seeds = (steps, np.full(100, 2.0)), [(steps, np.full(100, x)) for x in (1.0, 3.0)]
    thickness = []
    for drawn in ({}, {"a": seeds}):
        panel = Panel("p", {"a": mean, "b": ([0, 1], [0.5, 3.5])}, looks=looks, seeds=drawn)
        save_curves(path, [panel], "step")
        blue = (pixels(path)[..., 0] < 160) & (pixels(path)[..., 2] > 160)
        rows = np.nonzero(blue[:, 200:800].all(axis=1))[0]
        lines = np.split(rows, np.nonzero(np.diff(rows) > 1)[0] + 1)
        thickness.append([len(line) for line in lines])
    ((plain,), (thin, thick, other)) = thickness
    assert thin == other < plain < thick


def test_save_curves_wraps_a_long_subtitle(tmp_path):
    path = tmp_path / "curves.png"
    heights = []
    for subtitle in ("", "learning rates: 0.0002", "a setting: 1; " * 12):
        save_curves(path, [Panel("p", {"a": noisy(5)})], "step", "title", subtitle)
        heights.append(pixels(path).shape[0])
    assert np.diff(heights) == pytest.approx([21, 21], abs=1)


def test_save_curves_of_long_series_draws_them_pale_under_their_average(tmp_path):
    path = tmp_path / "curves.png"
    drawn = {}
    for smoothing in (0, 0.02):
        looks = {"a": Look(COLOURS[0])}
        panels = [Panel("p", {"a": noisy(3000)}, smoothing=smoothing, looks=looks)]
        save_curves(path, panels, "step")
        drawn[smoothing] = ink(path, COLOURS[0])
    assert 300 < drawn[0.02] < drawn[0] / 4


def test_save_curves_counts_values_that_are_not_finite_below_the_title(tmp_path):
    steps, values = noisy(40)
    whole, lost = tmp_path / "a.png", tmp_path / "b.png"
    save_curves(whole, [Panel("p", {"loss": (steps[:37], values[:37])})], "step")
    gaps = np.concatenate([values[:37], [NAN, INF, -INF]])
    save_curves(lost, [Panel("p", {"loss": (np.append(steps[:37], [36] * 3), gaps)})], "step")
    assert pixels(whole).shape == pixels(lost).shape
    assert (pixels(whole)[:70] != pixels(lost)[:70]).any()


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
