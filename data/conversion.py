"""Conversion of images of any mode and size to uint8 squares, with Pillow.

`Conversions` collects what `convert` and `convert_array` applied, for the notes about a data set.
Importing this module does not import Pillow.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from errors import UserError

if TYPE_CHECKING:
    from PIL import Image

_ROWS = 256  # rows that are composited or scaled at once
_GRAY_MODES = {"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N"}


def channels_of(image: Image.Image) -> int:
    """Return 1 for an image stored as gray, with or without alpha or a gray palette, else 3.

    Only the header is read: an image stored in colour counts as colour even if its pixels are gray.
    """
    gray = image.mode in _GRAY_MODES or _stored_mode(image).startswith("LA")
    return 1 if gray or _has_gray_palette(image) else 3


def has_16_bits(image: Image.Image) -> bool:
    """Return whether an image, of which the header was read, is stored with 16 bits per value."""
    return "16" in _stored_mode(image)


def require_16_bits(bits: int | None, has_some: bool, source: object) -> None:
    """Raise UserError if a number of bits is given and a data set has no image of 16 bits."""
    if bits is not None and not has_some:
        raise UserError(f"has no effect: {source} has no image of 16 bits; omit it", "bits")


@dataclasses.dataclass(frozen=True)
class Converted:
    """Converted image.

    Attributes:
        pixels: uint8 [size, size, channels].
        kinds: kinds of conversion, phrases for notes.
        peak: largest value of an image of 16 bits, up to the next multiple of 256 if it is in
            colour; None for other images.
    """

    pixels: np.ndarray
    kinds: list[str]
    peak: int | None = None


class Conversions:
    """Kinds of conversion with their numbers of images, and the range of images of 16 bits.

    Attributes:
        bits: number of bits that images of 16 bits use; None: all.
        kinds: number of images per kind.
        peak: largest value of an image of 16 bits; None without such an image.
    """

    def __init__(self, bits: int | None = None):
        self.bits = bits
        self.kinds: collections.Counter[str] = collections.Counter()
        self.peak: int | None = None

    def add(self, converted: Converted) -> np.ndarray:
        """Count the conversions of an image; return its pixels."""
        self.kinds.update(converted.kinds)
        if converted.peak is not None:
            self.peak = max(converted.peak, self.peak or 0)
        return converted.pixels

    def notes(self) -> tuple[str, ...]:
        """Return one line per kind, such as "12 RGBA images composited over white".

        A further one names the range of images of 16 bits if it is not that of their bits.
        """
        lines = [
            (-count, f"{count:,} " + kind.format(images="image" if count == 1 else "images"))
            for kind, count in self.kinds.items()
        ]
        return tuple(line for _, line in sorted(lines)) + self._range_notes()

    def _range_notes(self) -> tuple[str, ...]:
        if self.peak is None:
            return ()
        used, bits = max(self.peak.bit_length(), 1), self.bits or 16
        reach = f"the 16-bit images have values below {2**used:,} ({used} bits)"
        if used > bits:
            return (f"{reach}; those above {2**bits - 1:,} are white (bits={bits})",)
        if used < bits:
            return (f"{reach}; if they are of {used} bits, set bits={used}",)
        return ()


def convert(
    image: Image.Image,
    channels: int,
    size: int,
    bits: int | None = None,
    reopen: Callable[[], Image.Image] | None = None,
) -> Converted:
    """Convert an opened image to uint8 [size, size, channels].

    16 bits are scaled to 8, the EXIF orientation is applied, transparent images are composited over
    white and cropped to the centre square, and the square is resized with Pillow's antialiasing
    Lanczos filter. PIL.ImageOps.fit crops at fractions of a pixel and filters across the crop's
    edge; it would change the pixels and so the fingerprints of data sets.

    Args:
        image: the image.
        channels: 1 or 3.
        size: side of the square.
        bits: number of bits that an image of 16 bits uses: 2**bits - 1 becomes 255. None: 16.
        reopen: function that opens the file of the image again; required for 16-bit colour images
            with `bits`.

    Raises:
        Exception: Pillow raises errors of many types for damaged files.
    """
    from PIL import Image

    kinds, peak = [], None
    gray, stored = channels_of(image) == 1, _stored_mode(image)  # before the pixels are read
    turned = _orientation(image)
    if "16" in stored:
        kinds.append("16-bit {images} scaled to 8 bits")
        image, peak = _eight_bit(image, stored, bits, reopen)
    if turned is not None:
        kinds.append("{images} rotated by the EXIF orientation")
        image = image.transpose(turned)
    image = _opaque(image, gray, kinds)
    if image.mode == "L" and channels == 3:
        kinds.append("gray {images} repeated over 3 channels")
    image = _in_mode(image, "L" if channels == 1 else "RGB")

    width, height = image.size
    side = min(width, height)
    if width != height:
        kinds.append("{images} cropped to the centre square")
        left, top = (width - side) // 2, (height - side) // 2
        image = _part(image, (left, top, left + side, top + side))
    if side != size:
        kinds.append(f"{{images}} resized to {size} x {size} (Lanczos)")
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return Converted(np.asarray(image).reshape(size, size, channels), kinds, peak)


def convert_array(
    array: np.ndarray, channels: int, size: int, bits: int | None = None
) -> Converted:
    """Apply `convert` to a uint8 or uint16 image [h, w, c] with c from 1 (gray) to 4 (RGBA)."""
    from PIL import Image

    kinds, peak = [], None
    if array.dtype == np.uint16:
        peak = int(array[..., : 3 if array.shape[-1] > 2 else 1].max())
        array = _scale_16_bit(array, bits)
        kinds.append("16-bit {images} scaled to 8 bits")
    image = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
    converted = convert(image, channels, size)
    return Converted(converted.pixels, kinds + converted.kinds, peak)


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


def _orientation(image: Image.Image) -> Image.Transpose | None:
    """Return the transposition that the EXIF orientation requires; None if it requires none.

    Only the orientations 2 to 8 do; 0, 9 and others are errors of cameras and programs.
    """
    from PIL import ExifTags, Image

    turn = Image.Transpose
    turns = (turn.FLIP_LEFT_RIGHT, turn.ROTATE_180, turn.FLIP_TOP_BOTTOM, turn.TRANSPOSE,
             turn.ROTATE_270, turn.TRANSVERSE, turn.ROTATE_90)  # fmt: skip
    value = image.getexif().get(ExifTags.Base.Orientation, 1)
    return turns[value - 2] if isinstance(value, int) and 2 <= value <= 8 else None


def _eight_bit(
    image: Image.Image,
    stored: str,
    bits: int | None,
    reopen: Callable[[], Image.Image] | None,
) -> tuple[Image.Image, int]:
    """Return an image of 16 bits scaled to 8, and its largest value (see `Converted.peak`)."""
    from PIL import Image

    if image.mode.startswith("I"):  # gray, which Pillow's convert("L") would clip
        values = np.asarray(image)
        eight = Image.fromarray(_scale_16_bit(values, bits))
        if "transparency" in image.info:
            eight.putalpha(Image.fromarray(np.uint8(values != image.info["transparency"]) * 255))
        return eight, int(values.max())
    peak = max(high for _, high in image.getextrema()[:3]) << 8 | 255
    if bits in (None, 16):
        return image, peak
    upper, lower = _bytes_of_16_bits(image, stored, reopen)
    hidden = image.info.get("transparency") if stored == "RGB;16B" else None
    scaled, alpha = np.empty(upper.shape, np.uint8), np.empty(upper.shape[:2], np.uint8)
    for start in range(0, len(upper), _ROWS):  # values take 8 bytes per pixel
        rows = slice(start, start + _ROWS)
        values = upper[rows].astype(np.uint16) << 8 | lower[rows]
        scaled[rows] = _scale_16_bit(values, bits)
        if hidden is not None:
            alpha[rows] = np.uint8((values != np.array(hidden)).any(-1) * 255)
    eight = Image.fromarray(scaled)
    if hidden is not None:
        eight.putalpha(Image.fromarray(alpha))
    return eight, peak


def _bytes_of_16_bits(
    image: Image.Image, stored: str, reopen: Callable[[], Image.Image]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the upper and the lower bytes of the values of an image of 16 bits in colour.

    Pillow reads the upper ones. Both are uint8 [h, w, 2], [h, w, 3] or [h, w, 4].
    """

    def read_as(mode: str) -> np.ndarray:
        again = reopen()
        again.tile = [tile._replace(args=mode) for tile in again.tile]
        return np.asarray(again)

    if stored == "LA;16B":  # as four bytes per pixel
        both = read_as("RGBA")
        return both[..., ::2], both[..., 1::2]
    # Of little-endian values the upper byte is the lower one.
    return np.asarray(image), read_as(stored.replace("16B", "16L"))


def _opaque(image: Image.Image, gray: bool, kinds: list[str]) -> Image.Image:
    """Convert an 8-bit image to mode L or RGB; composite transparent pixels over white."""
    if image.has_transparency_data:
        stored = {"P": "transparent palette"}.get(image.mode, "LA" if gray else "RGBA")
        kinds.append(stored + " {images} composited over white")
        image = _over_white(image)
    elif image.mode not in ("L", "RGB"):
        stored = {"P": "palette", "1": "1-bit"}.get(image.mode, image.mode)
        kinds.append(f"{stored} {{images}} converted to {'gray' if gray else 'RGB'}")
    return _in_mode(image, "L" if gray else "RGB")


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Convert an image, without the copy that Pillow makes of one in the mode."""
    return image if image.mode == mode else image.convert(mode)


def _over_white(image: Image.Image) -> Image.Image:
    """Composite an image over white, in strips: a large one is then in the memory only twice."""
    from PIL import Image

    result = Image.new("RGB", image.size)
    for top in range(0, image.height, _ROWS):
        box = (0, top, image.width, min(top + _ROWS, image.height))
        strip = _part(image, box).convert("RGBA")
        white = Image.new("RGBA", strip.size, "white")
        result.paste(Image.alpha_composite(white, strip).convert("RGB"), box)
    return result


def _part(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Return a part of an image as `crop` does, without Pillow's own limit of pixels."""
    from PIL import Image

    left, top, right, bottom = box
    return image.resize((right - left, bottom - top), Image.Resampling.NEAREST, box)


def _scale_16_bit(values: np.ndarray, bits: int | None) -> np.ndarray:
    """Return values rounded to 8 bits: 0 to 2**bits - 1, or 65535, becomes 0 to 255."""
    top = 2 ** (bits or 16) - 1
    table = ((255 * np.arange(2**16) + top // 2) // top).clip(0, 255).astype(np.uint8)
    scaled = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _ROWS):  # an index takes 8 bytes per value
        rows = slice(start, start + _ROWS)
        scaled[rows] = table[values[rows]]
    return scaled
