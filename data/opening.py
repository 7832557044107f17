"""Opening of PNG and JPEG files of any origin: pixels that can be read are read.

Importing this module does not import Pillow.
"""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, TypeVar

if TYPE_CHECKING:
    from PIL import Image

Result = TypeVar("Result")

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
# First bytes of other formats that occur in files named .png or .jpg.
OTHERS = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"\0\0\1\0": "ICO",
    b"8BPS": "PSD",
    b"%PDF": "PDF",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"<svg": "SVG",
    b"<!DO": "HTML",
    b"<htm": "HTML",
}
BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC"}
# Chunks of a PNG file that its pixels depend on; eXIf has the orientation.
ESSENTIAL = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf"}
EMPTY, TRUNCATED, DAMAGED, NO_MEMORY = "empty", "truncated", "damaged", "too large for the memory"
NO_IMAGE = "neither PNG nor JPEG"
_START = 16  # bytes that tell the formats apart
_LARGE = 20_000_000  # pixels above which images are decoded one after the other, for the memory
_END = 64  # bytes that have the end of a whole file
_REPAIRED = 2**30  # bytes of the largest file that is repaired, in the memory

_one_large_image = threading.Lock()


class LeftOut(Exception):
    """A file that is not read; its text is the reason."""


def read(
    path: pathlib.Path,
    function: Callable[[Image.Image, Callable[[], Image.Image]], Result],
    most_pixels: int,
    repair: bool = True,
) -> Result:
    """Return the result of a function of an opened image.

    Args:
        path: path of the file.
        function: function of the opened image, and of a function `reopen` without arguments.
        most_pixels: number of pixels above which a file is left out, before it is decoded.
        repair: whether a PNG file that cannot be read is read without the chunks that its pixels
            do not depend on, such as texts and colour profiles of any size.

    Raises:
        LeftOut: the image cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _read(file, function, most_pixels, repair)
    except MemoryError:
        raise LeftOut(NO_MEMORY) from None
    except OSError as error:
        raise LeftOut(os.strerror(error.errno).lower() if error.errno else DAMAGED) from error


def _read(file: BinaryIO, function: Callable, most_pixels: int, repair: bool):
    try:
        return _used(file, function, most_pixels)
    except (LeftOut, MemoryError):
        raise
    except Exception as error:  # Pillow raises errors of many types
        size = file.seek(0, os.SEEK_END)
        is_png = _bytes_at(file, 0, len(PNG)) == PNG
        if repair and is_png and size <= _REPAIRED:
            essential = io.BytesIO(b"".join(_essential(_bytes_at(file, 0, size))))
            return _read(essential, function, most_pixels, repair=False)
        end = b"IEND" if is_png else b"\xff\xd9"
        whole = end in _bytes_at(file, max(size - _END, 0), _END)
        truncated = "truncat" in str(error).lower() or not whole
        raise LeftOut(TRUNCATED if truncated else DAMAGED) from error


def _bytes_at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


def _used(file: BinaryIO, function: Callable, most_pixels: int):
    image = _opened(file)
    pixels = image.width * image.height
    if pixels > most_pixels:
        raise LeftOut(f"with more than {most_pixels:,} pixels; raise max_image_pixels")
    with _one_large_image if pixels > _LARGE else contextlib.nullcontext():
        return function(image, lambda: _opened(file))


def _opened(file: BinaryIO) -> Image.Image:
    """Return the image of a file, without Pillow's own limit of pixels, which is global.

    Raises:
        LeftOut: it is of another format.
    """
    from PIL import JpegImagePlugin, PngImagePlugin

    file.seek(0)
    start = file.read(_START)
    file.seek(0)
    if start.startswith(PNG):
        return PngImagePlugin.PngImageFile(file)
    if start.startswith(JPEG):
        return JpegImagePlugin.jpeg_factory(file)
    raise LeftOut(_format_of(start))


def _format_of(start: bytes) -> str:
    """Return the reason why a file that begins with some bytes is neither PNG nor JPEG."""
    if not start:
        return EMPTY
    name = next((name for magic, name in OTHERS.items() if start.startswith(magic)), "")
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        name = "WebP"
    if start[4:8] == b"ftyp":
        name = BRANDS.get(start[8:12], "video")
    return f"{name} inside" if name else NO_IMAGE


def _essential(content: bytes) -> Iterator[bytes]:
    """Yield the parts of a PNG file that its pixels depend on."""
    yield PNG
    position = len(PNG)
    while position < len(content):
        (length,) = struct.unpack(">I", content[position : position + 4].ljust(4, b"\0"))
        kind = content[position + 4 : position + 8]
        end = position + length + 12
        chunk = content[position:end]
        intact = struct.pack(">I", zlib.crc32(chunk[4:-4])) == chunk[-4:]
        if kind in ESSENTIAL and (intact or kind != b"eXIf"):
            yield chunk
        position = end
