"""Grids, curves, bars, matrices and GIFs: arrays in, files out. Nothing else in the zoo draws.

Pillow, imageio and matplotlib are imported by the functions that use them, so that importing this
package costs next to nothing. Every file is written whole or not at all.
"""

from plotting.bars import Bars, save_bars
from plotting.curves import Panel, save_curves
from plotting.gifs import save_gif
from plotting.images import grid, save_image, to_uint8
from plotting.matrices import save_matrix

__all__ = [
    "Bars",
    "Panel",
    "grid",
    "save_bars",
    "save_curves",
    "save_gif",
    "save_image",
    "save_matrix",
    "to_uint8",
]
