"""Conversion of images of any mode and size to uint8 squares, with Pillow.

`convert` and `convert_array` return the kinds of conversion that they applied, as phrases for
`notes`. Importing this module does not import Pillow.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG")
_GRAY_MODES = {"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N"}


def channels_of(image: Image.Image) -> int:
    """Return 1 for an image stored as gray, with or without alpha or a gray palette, else 3.

    Only the header is read: an image stored in colour counts as colour even if its pixels are gray.
    """
    gray = image.mode in _GRAY_MODES or _stored_mode(image).startswith("LA")
    return 1 if gray or _has_gray_palette(image) else 3


def convert(image: Image.Image, channels: int, size: int) -> tuple[np.ndarray, list[str]]:
    """Convert an opened image to uint8 [size, size, channels]; also return the conversion kinds.

    The EXIF orientation is applied, 16 bits are scaled to 8, transparent images are composited over
    white and cropped to the centre square, and the square is resized with Pillow's antialiasing
    Lanczos filter. PIL.ImageOps.fit crops at fractions of a pixel and filters across the crop's
    edge; it would change the pixels and so the fingerprints of data sets.

    Raises:
        Exception: Pillow raises errors of many types for damaged files.
    """
    from PIL import Image

    kinds = ["16-bit {images} scaled to 8 bits"] if "16" in _stored_mode(image) else []
    gray = channels_of(image) == 1
    image = _upright(image, kinds)
    image = _opaque(_eight_bit(image), gray, kinds)
    if image.mode == "L" and channels == 3:
        kinds.append("gray {images} repeated over 3 channels")
    image = image.convert("L" if channels == 1 else "RGB")

    width, height = image.size
    side = min(width, height)
    if width != height:
        kinds.append("{images} cropped to the centre square")
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if side != size:
        kinds.append(f"{{images}} resized to {size} x {size} (Lanczos)")
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(image).reshape(size, size, channels), kinds


def convert_array(array: np.ndarray, channels: int, size: int) -> tuple[np.ndarray, list[str]]:
    """Apply `convert` to a uint8 or uint16 image [h, w, c] with c from 1 (gray) to 4 (RGBA)."""
    from PIL import Image

    kinds = []
    if array.dtype == np.uint16:
        array = _scale_16_bit(array)
        kinds.append("16-bit {images} scaled to 8 bits")
    image = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
    square, more = convert(image, channels, size)
    return square, kinds + more


def notes(kinds: collections.Counter[str]) -> tuple[str, ...]:
    """Return one line per kind, e.g. "12 RGBA images composited over white"."""
    lines = [
        (-count, f"{count:,} " + kind.format(images="image" if count == 1 else "images"))
        for kind, count in kinds.items()
    ]
    return tuple(line for _, line in sorted(lines))


def _stored_mode(image: Image.Image) -> str:
    """Return Pillow's name of the pixel format in the file, e.g. "RGB;16B"; "" without a file.

    Pillow reads 16-bit colour as 8 bits; only this name reveals the 16 bits.
    """
    tiles = getattr(image, "tile", ())
    return str(tiles[0][3]) if tiles else ""


def _has_gray_palette(image: Image.Image) -> bool:
    if image.mode != "P" or image.palette is None:
        return False
    mode, colours = image.palette.getdata()
    red, green, blue = (colours[k :: len(mode)] for k in range(3))
    return red == green == blue


def _upright(image: Image.Image, kinds: list[str]) -> Image.Image:
    from PIL import ExifTags, ImageOps

    if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
        return image
    kinds.append("{images} rotated by the EXIF orientation")
    return ImageOps.exif_transpose(image)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Convert 16-bit gray, which Pillow's convert("L") would clip, to mode L or LA."""
    from PIL import Image

    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image)
    eight = Image.fromarray(_scale_16_bit(values))
    if "transparency" in image.info:
        eight.putalpha(Image.fromarray(np.uint8(values != image.info["transparency"]) * 255))
    return eight


def _opaque(image: Image.Image, gray: bool, kinds: list[str]) -> Image.Image:
    """Convert an 8-bit image to mode L or RGB; composite transparent pixels over white."""
    from PIL import Image

    if image.has_transparency_data:
        stored = {"P": "transparent palette"}.get(image.mode, "LA" if gray else "RGBA")
        kinds.append(stored + " {images} composited over white")
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    elif image.mode not in ("L", "RGB"):
        stored = {"P": "palette", "1": "1-bit"}.get(image.mode, image.mode)
        kinds.append(f"{stored} {{images}} converted to {'gray' if gray else 'RGB'}")
    return image.convert("L" if gray else "RGB")


def _scale_16_bit(values: np.ndarray) -> np.ndarray:
    """Return values / 257, rounded: 0 to 65535 becomes 0 to 255."""
    return ((values.astype(np.int64) + 128) // 257).clip(0, 255).astype(np.uint8)
