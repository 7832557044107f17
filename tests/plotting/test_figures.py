"""Palettes of figures: exact for few colours, near for many."""

import numpy as np

from plotting.figures import COLOURS, with_palette


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
