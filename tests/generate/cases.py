"""Reader of pictures that the tests of generate.py share."""

import numpy as np
from PIL import Image


def pixels(path):
    """Return a picture as uint8 [H, W, c]."""
    array = np.asarray(Image.open(path))
    return array[..., None] if array.ndim == 2 else array
