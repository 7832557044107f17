"""Palettes of figures: exact for few colours, near for many."""

import numpy as np
import pytest

import plotting
from plotting.figures import COLOURS, with_palette

FIGURES = {
    "curves": lambda path: plotting.save_curves(
        path, [plotting.Panel("loss", {"d": ([1, 2], [0.5, 0.25])})], "step", "title"
    ),
    "dots": lambda path: plotting.save_dots(path, [plotting.Dots("fid", {"a": (1, 2, 3)})], "x"),
    "matrix": lambda path: plotting.save_matrix(path, np.eye(2, dtype=int), "ab", "cd"),
}


@pytest.mark.parametrize("figure", FIGURES)
def test_settings_of_matplotlib_of_a_user_change_no_figure(tmp_path, figure):
    """With usetex, which requires LaTeX, matplotlib draws nothing where it is missing."""
    import matplotlib

    FIGURES[figure](tmp_path / "own.png")
    chosen = {"text.usetex": True, "font.size": 30, "axes.grid": True, "figure.dpi": 30}
    with matplotlib.rc_context(chosen):
        FIGURES[figure](tmp_path / "users.png")
        assert matplotlib.rcParams["font.size"] == 30
    assert (tmp_path / "own.png").read_bytes() == (tmp_path / "users.png").read_bytes()


def test_palette_of_few_colours_is_exact():
    pixels = np.random.default_rng(0).integers(0, 6, (40, 30, 3)).astype(np.uint8)  # 216 colours
    indices, palette = with_palette(pixels)
    assert indices.dtype == palette.dtype == np.uint8
    np.testing.assert_array_equal(palette[indices], pixels)


def test_palette_of_many_colours_keeps_those_of_areas():
    """Areas of 100 colours stay exact beside a thousand shades, which stay near."""
    random = np.random.default_rng(0)
    areas = random.integers(0, 256, (100, 1, 3)).repeat(50, axis=1).astype(np.uint8)
    shades = np.linspace(0, 255, 1000).round().astype(np.uint8)[:, None].repeat(3, axis=1)
    shades[:, 1] = shades[::-1, 0]
    pixels = np.concatenate([areas, shades.reshape(20, 50, 3)])
    indices, palette = with_palette(pixels)
    assert len(palette) <= COLOURS
    np.testing.assert_array_equal(palette[indices][:100], areas)
    assert np.abs(palette[indices].astype(int) - pixels).max() < 16
