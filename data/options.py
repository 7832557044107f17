"""Options of the reading of a data set that the scripts share."""

from typing import Any

from data.reading import MAX_IMAGE_PIXELS
from fields import field

GRAY = field(
    "convert",
    "gray images in a folder of colour images: convert repeats them over 3 channels, skip omits "
    "them",
    group="data",
    choices=("convert", "skip"),
)
BITS = field(
    None,
    "bits that 16-bit images use, such as 12 for values up to 4,095; default: all 16",
    group="data",
    at_least=1,
    at_most=16,
)
PIXELS = field(
    MAX_IMAGE_PIXELS,
    "files of a folder with more pixels are left out",
    group="data",
    at_least=1,
)


def arguments(options: Any) -> dict[str, Any]:
    """Return the arguments of `data.load` that an option class with all of these options gives."""
    names = ("image_size", "gray", "bits", "max_image_pixels")
    return {name: getattr(options, name) for name in names} | {"data_dir": options.data_dir or None}
