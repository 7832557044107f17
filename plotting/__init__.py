"""Grids, curves, dots with ranges, matrices and GIFs, written from arrays to picture files.

Functions import Pillow, imageio and matplotlib when called, so that importing this package is
fast. Every file is written atomically.

May import: storage, fields, errors.
"""

from plotting.curves import Panel, save_curves
from plotting.dots import Dots, save_dots
from plotting.gifs import compact_gif, save_gif
from plotting.images import cells, grid, save_image, to_uint8
from plotting.matrices import save_matrix

__all__ = [
    "Dots",
    "Panel",
    "cells",
    "compact_gif",
    "grid",
    "save_curves",
    "save_dots",
    "save_gif",
    "save_image",
    "save_matrix",
    "to_uint8",
]
