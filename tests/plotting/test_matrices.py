"""Confusion matrices: the cells' colours and numbers, found again in the file."""

import sys

import numpy as np
import pytest
from PIL import Image

from plotting import save_matrix
from plotting.figures import fitted
from plotting.matrices import SHADES, UNKNOWN

pytestmark = pytest.mark.filterwarnings("error")


def rgb(colour):
    """[3] of a colour such as "#0072B2"."""
    return [int(colour[k : k + 2], 16) for k in (1, 3, 5)]


def draw(path, counts, row_names=None, column_names=None, **titles):
    """The pixels of the figure, int [H, W, 3]; the names are single letters if not given."""
    rows, columns = np.shape(counts)
    save_matrix(path, counts, row_names or "r" * rows, column_names or "c" * columns, **titles)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def cells(path, counts):
    """The cells' pixels without their borders, int [r, c, h, w, 3].

    A matrix of zeros, gray all over, locates them.
    """
    rows, columns = np.shape(counts)
    gray = (draw(path, np.zeros_like(counts)) == rgb(UNKNOWN)).all(axis=-1)
    (top, left), (bottom, right) = (f(np.argwhere(gray), axis=0) for f in (np.min, np.max))
    height, width = (bottom - top + 1) / rows, (right - left + 1) / columns
    pixels = draw(path, counts)

    def cell(row, column):
        y, x = round(top + row * height) + 2, round(left + column * width) + 2
        return pixels[y : y + int(height) - 4, x : x + int(width) - 4]

    return np.array([[cell(i, j) for j in range(columns)] for i in range(rows)])


def colours(path, counts):
    """The cells' colours, int [r, c, 3], away from the numbers."""
    return cells(path, counts)[:, :, 2, 2]


def test_save_matrix_colours_are_shares_of_the_row(tmp_path):
    got = colours(tmp_path / "m.png", np.array([[0, 7, 0], [30, 60, 0], [0, 0, 0], [4, 4, 4]]))
    none, third, two_thirds, all_of_it = (rgb(colour) for colour in SHADES)
    unknown = rgb(UNKNOWN)
    expected = [
        [none, all_of_it, none],
        [third, two_thirds, none],
        [unknown] * 3,
        [third] * 3,
    ]
    np.testing.assert_allclose(got, expected, atol=3)


def test_save_matrix_of_permuted_counts_permutes_the_colours(tmp_path):
    path = tmp_path / "m.png"
    counts = np.random.default_rng(0).integers(0, 100, (4, 5))
    rows, columns = [2, 0, 3, 1], [4, 2, 0, 1, 3]
    before = colours(path, counts)
    after = colours(path, counts[rows][:, columns])
    np.testing.assert_array_equal(after, before[rows][:, columns])
    assert (after != before).any()


@pytest.mark.parametrize(("n", "unit", "written"), [(10, 10, True), (50, 10**4, False)])
def test_save_matrix_writes_numbers_if_they_fit(tmp_path, n, unit, written):
    # Twice the counts have the same shares: only the numbers can differ.
    counts = unit * (1 + np.eye(n, dtype=int))
    pictures = [draw(tmp_path / "m.png", factor * counts) for factor in (1, 2)]
    assert pictures[0].shape == pictures[1].shape
    assert (pictures[0] != pictures[1]).any() == written


def test_save_matrix_of_a_small_matrix_writes_long_numbers(tmp_path):
    pictures = [draw(tmp_path / "m.png", [[5, count]]) for count in (10**12, 2 * 10**12)]
    assert (pictures[0] != pictures[1]).any()


def test_save_matrix_numbers_are_legible_on_every_shade(tmp_path):
    counts = np.array([[k, 100 - k] for k in range(0, 101, 5)])
    pixels = cells(tmp_path / "m.png", counts) / 255
    linear = np.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722] + 0.05
    contrast = luminance.max(axis=(2, 3)) / luminance.min(axis=(2, 3))
    assert contrast.min() > 4  # smoothed strokes do not quite reach the ink's 4.5


def test_save_matrix_draws_names_and_titles(tmp_path):
    path, counts = tmp_path / "m.png", np.eye(3, dtype=int)
    names = "abc", "def"
    plain = draw(path, counts, *names)
    for other in (("abx", "def"), ("abc", "dex")):
        picture = draw(path, counts, *other)
        assert picture.shape != plain.shape or (picture != plain).any()
    assert draw(path, counts, *names, row_title="class").shape[1] > plain.shape[1]
    assert draw(path, counts, *names, column_title="code").shape[0] > plain.shape[0]


def test_save_matrix_with_wide_column_names_draws_them_upright(tmp_path):
    counts = np.eye(10, dtype=int)
    narrow, wide = (
        draw(tmp_path / "m.png", counts, column_names=[name] * 10)
        for name in ("a", "a name wider than a cell")
    )
    assert wide.shape[1] == narrow.shape[1]
    assert wide.shape[0] > narrow.shape[0] + 100


@pytest.mark.slow
@pytest.mark.parametrize(
    "counts",
    [
        np.array([[3]]),
        np.zeros((2, 2), np.uint8),
        np.array([[2**63 - 1, 2**63 - 1]]),
        np.ones((1, 60), np.int32),
        np.ones((60, 1), np.int32),
        np.ones((130, 110), np.int32),
    ],
    ids=lambda counts: f"{counts.shape}",
)
@pytest.mark.parametrize("name", ["", r"$\frac$", "x" * 200])
def test_save_matrix_of_unusual_counts_neither_fails_nor_warns(tmp_path, counts, name):
    names = [[name] * n for n in counts.shape]
    pixels = draw(tmp_path / "m.png", counts, *names, row_title=name, column_title=name)
    assert (pixels != 255).any()


def test_save_matrix_twice_writes_the_same_bytes_without_global_state(tmp_path):
    loaded = "matplotlib.pyplot" in sys.modules
    for name in ("a.png", "b.png"):
        save_matrix(tmp_path / name, np.eye(3, dtype=int), range(3), range(3), "class", "code")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]
    assert ("matplotlib.pyplot" in sys.modules) == loaded


@pytest.mark.parametrize(
    ("name", "counts", "names", "message"),
    [
        ("m.jpg", [[1]], ("a", "b"), "must end in .png"),
        ("m.png", [1, 2], ("a", "bc"), r"\[r, c\] and not empty, got \(2,\)"),
        ("m.png", np.zeros((2, 0), int), ("ab", ""), "not empty"),
        ("m.png", [[1.0]], ("a", "b"), "integers, got float64"),
        ("m.png", [[True]], ("a", "b"), "integers, got bool"),
        ("m.png", [[1, -2]], ("a", "bc"), "at least 0, got -2"),
        ("m.png", [[1, 2]], ("ab", "cd"), "row_names must be 1 long, got 2"),
        ("m.png", [[1, 2]], ("a", "b"), "column_names must be 2 long, got 1"),
    ],
)
def test_save_matrix_of_invalid_arguments_raises_and_writes_nothing(
    tmp_path, name, counts, names, message
):
    with pytest.raises(ValueError, match=message):
        save_matrix(tmp_path / name, counts, *names)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("short", 5, "short"),
        ("a  name\nin lines", 20, "a name in lines"),
        ("abcdefghij", 7, "abc…hij"),
        ("abcdefghij", 6, "ab…hij"),
        ("abcdefghij", 0, "…"),
    ],
)
def test_fitted_of_a_long_text_loses_its_middle(text, limit, expected):
    assert fitted(text, limit, len) == expected
