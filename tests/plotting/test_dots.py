"""Dots with ranges: labels, places, colours, ranges and axes in the written file."""

import math
import sys

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import label

from plotting import Dots, save_dots
from plotting.dots import format_number
from plotting.looks import COLOURS, in_order

pytestmark = pytest.mark.filterwarnings("error")
NAN, INF = math.nan, math.inf


def same(value):
    """The values of a run that was measured once."""
    return value, value, value


def draw(path, *groups):
    """The pixels of the figure, int [H, W, 3]."""
    save_dots(path, groups)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def extent(pixels, colour):
    """(least x, greatest x, least y, greatest y) of the pixels of nearly that colour, or None."""
    wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    y, x = np.nonzero(np.abs(pixels - wanted).max(axis=-1) <= 8)
    return (x.min(), x.max(), y.min(), y.max()) if len(x) else None


def place(pixels, colour):
    """The x of the centre of the dot of that colour."""
    left, right, *_ = extent(pixels, colour)
    return (left + right) / 2


def range_of(pixels, colour):
    """(x, x) of the ends of the line of that colour, which is drawn with an opacity of 0.6."""
    pale = [255 - 0.6 * (255 - int(colour[k : k + 2], 16)) for k in (1, 3, 5)]
    x = np.nonzero((np.abs(pixels - pale).max(axis=-1) <= 20).sum(axis=0) >= 2)[0]
    return (x.min(), x.max()) if len(x) else None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (0.123456, "0.1235"),
        (-0.00123456, "-0.001235"),
        (12.3456, "12.35"),
        (999.96, "1000"),
        (1234.5678, "1,235"),
        (-123456, "-123,456"),
        (999_999.7, "1e+06"),
        (12_345_678, "1.235e+07"),
        (1.23456e-9, "1.235e-09"),
        (np.float32(0.5), "0.5"),
        (NAN, "nan"),
        (-INF, "-inf"),
    ],
)
def test_format_number_has_four_digits(value, text):
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (-1953.2, 5, "-1,953.2"),
        (-1953.0, 5, "-1,953"),
        (12_345.678, 7, "12,345.68"),
        (0.99995, 5, "0.99995"),
        (7.90712, 6, "7.90712"),
        (12_345_678, 7, "1.234568e+07"),
    ],
)
def test_format_number_with_more_digits(value, digits, text):
    assert format_number(value, digits) == text


def test_save_dots_of_large_differences_begins_the_axis_at_zero(tmp_path):
    values = {"a": same(4.0), "b": same(1.0), "c": same(2.0)}
    pixels = draw(tmp_path / "dots.png", Dots("FID", values))
    four, one, two = (place(pixels, colour) for colour in COLOURS[:3])
    assert four - two == pytest.approx(2 * (two - one), abs=2)
    zero = one - (two - one)
    axis = pixels[:, round(zero) - 2 : round(zero) + 3].max(axis=-1).min(axis=1) < 100
    assert axis.sum() > 60  # the line at zero


def test_save_dots_of_small_differences_begins_the_axis_near_the_lowest_value(tmp_path):
    values = {"a": same(0.951), "b": same(0.953), "c": same(0.952)}
    pixels = draw(tmp_path / "dots.png", Dots("accuracy", values))
    low, high, middle = (place(pixels, colour) for colour in COLOURS[:3])
    assert high - low > 500
    assert middle == pytest.approx((low + high) / 2, abs=2)


def test_save_dots_draws_negative_values_to_the_left_of_zero(tmp_path):
    values = {"a": same(-0.1), "b": same(0.2), "c": same(0.0)}
    pixels = draw(tmp_path / "dots.png", Dots("KID", values))
    negative, positive, zero = (place(pixels, colour) for colour in COLOURS[:3])
    assert negative < zero < positive
    assert positive - zero == pytest.approx(2 * (zero - negative), abs=3)


def test_save_dots_on_a_logarithmic_axis_draws_equal_ratios_as_equal_steps(tmp_path):
    values = {"a": same(1e-4), "b": same(1.0), "c": same(1e4), "d": same(0.0)}
    pixels = draw(tmp_path / "dots.png", Dots("loss", values, log=True))
    places = [place(pixels, colour) for colour in COLOURS[:3]]
    assert places[2] - places[0] > 400
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=2)
    # 0 has no place on the axis, so it has no dot.
    assert extent(pixels, COLOURS[3]) is None


def test_save_dots_draws_runs_in_rows_in_order_of_appearance(tmp_path):
    one, two = Dots("p", {"a": same(1), "b": same(1)}), Dots("q", {"c": same(1), "a": same(1)})
    pixels = draw(tmp_path / "dots.png", one, two)
    tops = [extent(pixels, colour)[2] for colour in COLOURS[:3]]
    assert tops == sorted(tops)
    assert np.diff(tops) == pytest.approx([np.diff(tops)[0]] * 2, abs=1)
    assert np.diff(tops)[0] > 20
    # a is in the first row of both panels, b only in the left one, c only in the right one.
    (_, a_right, *_), (_, b_right, *_), (c_left, *_) = (extent(pixels, c) for c in COLOURS[:3])
    assert b_right < c_left < a_right


def test_save_dots_keeps_the_colour_of_a_run_in_all_panels(tmp_path):
    groups = Dots("p", {"a": same(1), "b": None}), Dots("q", {"b": same(1), "a": None})
    pixels = draw(tmp_path / "dots.png", *groups)
    (_, a_right, _, a_bottom), (b_left, _, b_top, _) = (extent(pixels, c) for c in COLOURS[:2])
    assert a_right < b_left
    assert a_bottom < b_top


@pytest.mark.parametrize(("low", "high"), [(3, 3), (2, 3), (3, 5), (2, 5), (-1, 4)])
def test_save_dots_draws_a_line_from_the_lowest_to_the_highest_value(tmp_path, low, high):
    values = {"a": (low, 3.0, high), "b": same(6.0), "c": same(1.0)}
    pixels = draw(tmp_path / "dots.png", Dots("FID", values))
    six, one = place(pixels, COLOURS[1]), place(pixels, COLOURS[2])
    unit = (six - one) / 5
    assert place(pixels, COLOURS[0]) == pytest.approx(one + 2 * unit, abs=2)
    found = range_of(pixels, COLOURS[0])
    if low == high:
        left, right, *_ = extent(pixels, COLOURS[0])
        assert left <= found[0] <= found[1] <= right  # the edge of the dot alone
        return
    expected = (
        {-1: one - 2 * unit, 2: one + unit}.get(low),
        {4: one + 3 * unit, 5: six - unit}.get(high),
    )
    for x, end in zip(found, expected, strict=True):  # an end at 3 is below the dot
        assert end is None or x == pytest.approx(end, abs=4)


def test_save_dots_on_a_logarithmic_axis_draws_ranges_to_scale(tmp_path):
    # From the dot to the end of the line are two of the four decades between the dots.
    values = {"a": (1.0, 1.0, 100.0), "b": same(1e4)}
    pixels = draw(tmp_path / "dots.png", Dots("loss", values, log=True))
    a, b = (place(pixels, colour) for colour in COLOURS[:2])
    assert range_of(pixels, COLOURS[0])[1] == pytest.approx((a + b) / 2, abs=5)


def test_save_dots_draws_a_small_dot_per_seed(tmp_path):
    values = {"a": (1.0, 2.0, 3.0), "b": same(4.0)}
    alone = draw(tmp_path / "dots.png", Dots("FID", values))
    seeds = draw(tmp_path / "dots.png", Dots("FID", values, seeds={"a": [1.0, 3.0]}))
    left, right, *_ = extent(seeds, COLOURS[0])
    unit = (place(alone, COLOURS[1]) - place(alone, COLOURS[0])) / 2
    assert right - left == pytest.approx(2 * unit, abs=8)
    big = extent(alone, COLOURS[0])
    assert big[1] - big[0] < 14


def test_save_dots_of_equal_values_up_to_rounding_draws_no_line(tmp_path):
    path = tmp_path / "dots.png"
    mean = (0.1 + 0.1 + 0.1) / 3
    assert mean != 0.1
    expected = draw(path, Dots("p", {"a": same(0.1)}))
    np.testing.assert_array_equal(draw(path, Dots("p", {"a": (0.1, mean, 0.1)})), expected)


def test_save_dots_writes_na_for_none_and_leaves_the_row_of_an_absent_run_blank(tmp_path):
    path = tmp_path / "dots.png"
    other = Dots("q", {"a": same(1), "b": same(1)})
    none, absent, zero = (
        draw(path, Dots("p", {"a": same(1), **b}), other)
        for b in ({"b": None}, {}, {"b": same(0.0)})
    )
    assert none.shape == absent.shape == zero.shape
    row = slice(70, 90)  # of b, left of its dot in the other panel
    assert ((none[row, 30:400] < 160).any(axis=(1, 2)).sum()) > 4
    columns = (absent[row, 30:400] < 160).all(axis=(0, 2))
    assert columns.sum() <= 1  # the line of the axis
    assert not (absent[row, 30:400][:, ~columns] < 160).any()
    assert (none != zero).any()


@pytest.mark.parametrize("values", [(NAN, 1, 2), (1, 2, INF), (-INF, INF, INF)])
def test_save_dots_of_values_that_are_not_finite_draws_no_dot(tmp_path, values):
    path = tmp_path / "dots.png"
    pixels = draw(path, Dots("p", {"a": values, "b": same(1)}))
    assert extent(pixels, COLOURS[0]) is None
    assert extent(pixels, COLOURS[1])
    assert (pixels != draw(path, Dots("p", {"a": None, "b": same(1)}))).any()


def test_save_dots_writes_the_direction_and_the_scale(tmp_path):
    path = tmp_path / "dots.png"
    one = {"a": same(1)}
    pictures = [draw(path, Dots("FID", one, better=better)) for better in ("", "lower", "higher")]
    linear, log = draw(path, Dots("FID", one)), draw(path, Dots("FID", one, log=True))
    assert (pictures[0][:24] < 160).any()  # the title
    below = slice(-24, None)
    assert (pictures[0][below] != pictures[1][below]).any()
    assert (pictures[1][below] != pictures[2][below]).any()
    assert (linear[below] != log[below]).any()


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    "values",
    [
        {"nothing": None},
        {"zero": same(0), "minus zero": same(-0.0)},
        {"negative": (-3, -2, -1)},
        {"lost": same(NAN)},
        {"range to zero": (-1, 2, 3), "other": (1e-5, 1e-4, 1e6)},
        {"large": (1e38, 2e38, 3e38), "small": (1e-38, 1e-38, 2e-38)},
        {"_private": same(1), r"$\frac$": same(2), "": same(3), "x" * 300: same(4)},
        {f"run {k}": same(k) for k in range(30)},
    ],
    ids=lambda values: next(iter(values)),
)
def test_save_dots_of_unusual_values_neither_fails_nor_warns(tmp_path, values, log):
    title = r"$\frac$ " + "a long title " * 10
    pixels = draw(
        tmp_path / "dots.png", Dots(title, values, log=log, better="lower"), Dots("", values)
    )
    assert pixels.shape[1] == 900


def figure_of(monkeypatch, path, groups):
    """Save the figure; return it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figures = []
    original = FigureCanvasAgg.draw
    monkeypatch.setattr(
        FigureCanvasAgg, "draw", lambda canvas: (original(canvas), figures.append(canvas.figure))
    )
    save_dots(path, groups, "a title")
    (figure,) = figures
    return figure


@pytest.mark.parametrize("values", [
    (-1953.4, -1953.1, -1952.9), (0.99991, 0.99994, 0.99999), (7.90712, 7.90698, 7.90734),
    (0.951, 0.953, 0.952), (1.0, 4.0, 2.5), (123_456.1, 123_456.4, 123_457.0), (1e-9, 3e-9, 2e-9),
])  # fmt: skip
def test_save_dots_writes_different_numbers_differently(tmp_path, monkeypatch, values):
    runs = {f"run {k}": same(value) for k, value in enumerate(values)}
    (axes,) = figure_of(monkeypatch, tmp_path / "dots.png", [Dots("p", runs)]).axes
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert len({*ticks}) == len(ticks) > 2
    numbers = [float(tick.replace(",", "")) for tick in ticks]
    np.testing.assert_allclose(numbers, axes.get_xticks(), rtol=1e-9)
    texts = [text.get_text() for text in axes.texts]
    assert len({*texts}) == len(texts) == 3
    for text, value in zip(texts, values, strict=True):
        assert float(text.replace(",", "")) == pytest.approx(value, abs=np.ptp(values) / 20)


def test_save_dots_draws_texts_above_the_line_of_the_reference(tmp_path, monkeypatch):
    """The line, which is dark, is interrupted by the background of the texts on it."""
    values = {"a": same(-0.05), "b": same(-0.07), "c": same(0.0), "d": same(2.0)}
    path = tmp_path / "dots.png"
    figure = figure_of(monkeypatch, path, [Dots("p", values)])
    (axes,) = figure.axes
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    x, _ = axes.transData.transform((0, 0))
    on_line = [text for text in axes.texts if text.get_window_extent().x0 < x]
    assert [text.get_text() for text in on_line] == ["-0.05", "-0.07"]
    line = pixels[:, int(x) - 1 : int(x) + 2].min(axis=(1, 2))
    for text in on_line:
        box = text.get_window_extent()
        assert box.x1 > x
        assert line[len(pixels) - round(box.y1)] > 150  # above the letters
    assert line[len(pixels) - round(axes.transData.transform((0, 3))[1])] < 100


def test_save_dots_axis_includes_further_values_and_marks_the_reference(tmp_path, monkeypatch):
    def limits(values, **options):
        group = Dots("p", {"a": same(values[0]), "b": same(values[1])}, **options)
        (axes,) = figure_of(monkeypatch, tmp_path / "dots.png", [group]).axes
        lines = [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2]
        return axes.get_xlim(), lines

    assert limits((0.93, -0.04), includes=(-1, 1)) == (pytest.approx((-1.12, 1.12)), [0.0])
    assert limits((0.005, 0.01), includes=(0, 1)) == (pytest.approx((-0.06, 1.06)), [0.0])
    (low, high), lines = limits((0.9, 1.2), reference=1.0)
    assert low < 0.9 < 1.2 < high < 1.3
    assert lines == [1.0]
    assert limits((3.0, 3.1))[1] == []


def test_save_dots_has_the_rows_and_colours_of_given_looks(tmp_path):
    looks = in_order(["b", "unmeasured", "a"])
    groups = Dots("p", {"a": same(1)}, looks=looks), Dots("q", {"b": same(1)}, looks=looks)
    pixels = draw(tmp_path / "dots.png", *groups)
    assert extent(pixels, COLOURS[1]) is None
    (b_left, _, _, b_bottom), (_, a_right, a_top, _) = (extent(pixels, COLOURS[k]) for k in (0, 2))
    assert a_right < b_left
    assert b_bottom < a_top


def texts_of(monkeypatch, path, groups):
    """Save the figure; return the boxes of its texts and of the picture."""
    figure = figure_of(monkeypatch, path, groups)
    texts = list(figure.texts)
    for axes in figure.axes:
        ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        low, high = axes.get_xlim()
        texts += [label for x, label in ticks if low <= x <= high]
        texts += [axes._left_title, axes.xaxis.label, *axes.texts, *axes.get_yticklabels()]
    boxes = [t.get_window_extent() for t in texts if t.get_text().strip() and t.get_visible()]
    return boxes, figure.bbox


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 4, 12])
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("length", [4, 20, 60])
def test_save_dots_texts_do_not_overlap_and_stay_within_the_picture(
    tmp_path, monkeypatch, n, log, length
):
    runs = {f"{k} {'long name ' * 6}"[:length]: (k + 1, 1.5e7 * (k + 1), 9e8) for k in range(n)}
    groups = [
        Dots(f"metric {k} with a rather long title", runs, log=log, better="lower")
        for k in range(4)
    ]
    boxes, picture = texts_of(monkeypatch, tmp_path / "dots.png", groups)
    for k, box in enumerate(boxes):
        assert picture.x0 <= box.x0 <= box.x1 <= picture.x1
        assert picture.y0 <= box.y0 <= box.y1 <= picture.y1
        assert box.count_overlaps(boxes[k + 1 :]) == 0


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 20])
@pytest.mark.parametrize("name", ["a", "a long name of a run " * 5])
def test_save_dots_panels_stay_within_the_picture(tmp_path, n, name):
    # The panels' dots meet neither the edge nor one another.
    pixels = draw(tmp_path / "dots.png", *[Dots(f"p {k}", {name: same(1)}) for k in range(n)])
    wanted = [int(COLOURS[0][k : k + 2], 16) for k in (1, 3, 5)]
    mask = np.abs(pixels - wanted).max(axis=-1) <= 8
    assert label(mask)[1] == n
    assert not mask[:, :4].any()
    assert not mask[:, -4:].any()


def test_save_dots_twice_writes_the_same_bytes_without_global_state(tmp_path):
    loaded = "matplotlib.pyplot" in sys.modules
    groups = [
        Dots("FID", {"a": (1, 2, 3), "b": None}, log=True, better="lower"),
        Dots("p", {"a": same(1)}),
    ]
    for name in ("a.png", "b.png"):
        save_dots(tmp_path / name, groups)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]
    assert ("matplotlib.pyplot" in sys.modules) == loaded


@pytest.mark.parametrize(
    ("name", "groups", "message"),
    [
        ("dots.svg", [Dots("p", {"a": None})], "must end in .png"),
        ("dots.png", [], "at least one group"),
        ("dots.png", [Dots("p", {}), Dots("q", {})], "at least one run"),
        ("dots.png", [Dots("p", {"a": (1, 2)})], r"p, a: must be \(low, middle, high\)"),
        ("dots.png", [Dots("p", {"a": 1.0})], r"p, a: must be \(low, middle, high\)"),
        ("dots.png", [Dots("p", {"a": (2, 1, 3)})], "p, a: must be low <= middle <= high"),
        ("dots.png", [Dots("p", {"a": (1, 3, 2)})], "p, a: must be low <= middle <= high"),
        ("dots.png", [Dots("p", {"a": None}, better="more")], "p: better .* got 'more'"),
    ],
)
def test_save_dots_of_invalid_arguments_raises_and_writes_nothing(tmp_path, name, groups, message):
    with pytest.raises(ValueError, match=message):
        save_dots(tmp_path / name, groups)
    assert list(tmp_path.iterdir()) == []
