"""Grids, curves, bars, matrices and GIFs, written from arrays to picture files.

Functions import Pillow, imageio and matplotlib when called, so that importing this package is
fast. Every file is written atomically.

May import: storage, fields, errors.
"""

from plotting.bars import Bars, save_bars
from plotting.curves import Panel, save_curves
from plotting.gifs import compact_gif, save_gif
from plotting.images import grid, save_image, to_uint8
from plotting.matrices import save_matrix

__all__ = [
    "Bars",
    "Panel",
    "compact_gif",
    "grid",
    "save_bars",
    "save_curves",
    "save_gif",
    "save_image",
    "save_matrix",
    "to_uint8",
]
