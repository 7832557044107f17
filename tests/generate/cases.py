"""Readers of pictures and folders that the tests of generate.py share."""

import numpy as np
from PIL import Image


def pixels(path):
    """Return a picture as uint8 [H, W, c]."""
    array = np.asarray(Image.open(path))
    return array[..., None] if array.ndim == 2 else array


def drawn_in(folder):
    """Return the files that generate.py drew in a folder, in order of their names."""
    return [path for path in sorted(folder.iterdir()) if path.name != "sources.json"]
