"""Fuzz of folders of images: headers, chunks and segments of files, names, links."""

import contextlib
import functools
import io
import os
import struct
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np
from hypothesis import strategies as st
from PIL import Image

import data
from benchmarks.fuzz.examples import FLIPS, IN_MEMORY, files, flipped, has_value_or_error, silent

PNG = b"\x89PNG\r\n\x1a\n"
SIDE = 8
# Sides that a header promises, also such that the pixels are nearly as many as are allowed.
SIDES = st.sampled_from([0, 1, 7, SIDE, 9, 255, 4096, 9433, 65535, 2**31 - 1, 2**32 - 1])
FOLDERS = ["cat", "dog", "cat", "dog", "", "cat/more", "10", "2", "train", ".hidden", "a\n\x1b"]
NAMES = ["a.png", "b.jpg", "c.JPEG", "d.png", "e\n\x1b.png", ".f.png", "g.gif", "h", "i" * 240]
NO_UTF_8 = b"\xff\xfe"
TARGETS = ["a.png", "cat", ".", "..", "loop.png", "gone", "/dev/zero", "/dev/null", "../dog"]


@functools.cache
def whole_files() -> tuple[bytes, ...]:
    """Return small files of many formats and modes."""
    found = []
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    modes = {"PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), "JPEG": ("L", "RGB", "CMYK")}
    for name in ("GIF", "BMP", "WEBP", "TIFF", "ICO", "PPM", "TGA", "PCX"):
        modes[name] = ("RGB",)
    for name, of_format in modes.items():
        for mode in of_format:
            file = io.BytesIO()
            if mode == "I;16":
                converted = Image.fromarray(pixels[..., 0].astype(np.uint16) * 16)
            else:
                converted = image.convert(mode)
            converted.save(file, name)
            found.append(file.getvalue())
    file = io.BytesIO()
    image.save(file, "JPEG", progressive=True, exif=Image.Exif())
    return (*found, file.getvalue())


def chunk(kind: bytes, content: bytes, intact: bool = True) -> bytes:
    """Return a chunk of a PNG file, with a wrong checksum if it is not intact."""
    checksum = zlib.crc32(kind + content) ^ (not intact)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


@functools.cache
def zeros(mebibytes: int) -> bytes:
    """Return compressed zeros."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(mebibytes)) + packer.flush()


@st.composite
def tags(draw: st.DrawFn) -> bytes:
    """Return EXIF data whose directory is damaged in most cases."""
    order = draw(st.sampled_from("<>"))
    entries = draw(
        st.lists(
            st.tuples(
                st.sampled_from([0x112, 0x112, 0x8769, 0x8825, 0xB002, 0x927C, 0x14A, 0]),
                st.integers(0, 14),
                st.sampled_from([0, 1, 1, 2, 9, 2**31, 2**32 - 1]),
                st.sampled_from([0, 1, 6, 8, 9, 26, 65535, 2**32 - 1]),
            ),
            max_size=4,
        )
    )
    count = len(entries) + draw(st.sampled_from([0, 0, 0, 1, 60_000]))
    start = draw(st.sampled_from([8, 8, 8, 0, 4, 2**32 - 1]))
    header = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    rows = b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
    following = draw(st.sampled_from([0, 8, 2**32 - 1]))
    return header + struct.pack(f"{order}H", count % 2**16) + rows + struct.pack("<I", following)


def rows_of_png(width: int, height: int, depth: int, colour: int) -> bytes:
    """Return compressed rows of zeros of a PNG file, at most 64 KiB of them."""
    values = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 1)
    size = height * (1 + (width * values * depth + 7) // 8)
    return zlib.compress(bytes(min(size, 2**16)))


@st.composite
def png_files(draw: st.DrawFn) -> bytes:
    """Return PNG files of chunks of any kind."""
    plain = draw(st.booleans())
    width, height = (SIDE, SIDE) if plain else (draw(SIDES), draw(SIDES))
    depth = draw(st.sampled_from([8, 8, 8, 16, 1, 2, 4, 0, 32]))
    colour = draw(st.sampled_from([0, 2, 3, 4, 6, 2, 0, 1, 7]))
    interlaced = draw(st.sampled_from([0, 0, 0, 1, 2]))
    other = draw(st.sampled_from([0, 0, 0, 0, 1]))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, other, other, interlaced)
    texts = st.sampled_from(
        [
            (b"tEXt", b"Comment\0" + b"x" * 2_000_000),
            (b"tEXt", b"no separator"),
            (b"zTXt", b"Comment\0\0" + zeros(3)),
            (b"zTXt", b"Comment\0\x07"),
            (b"iTXt", b"Comment\0\1\0en\0\0" + zeros(3)),
            (b"iTXt", b"\0\0\0"),
            (b"iCCP", b"name\0\0" + zeros(3)),
            (b"iCCP", b"name\0\0broken"),
            (b"gAMA", b"\0"),
            (b"cHRM", b"\0" * 3),
            (b"pHYs", b"\0"),
            (b"sRGB", b""),
            (b"acTL", struct.pack(">II", 2**31, 0)),
            (b"acTL", b"\0"),
            (b"fcTL", struct.pack(">IIIIIHHBB", 0, 9, 9, 2**31, 0, 0, 0, 9, 9)),
            (b"fdAT", b"\0\0\0\1x"),
            (b"PLTE", bytes(range(3))),
            (b"PLTE", bytes(range(256)) * 4),
            (b"PLTE", b""),
            (b"tRNS", b"\0\1"),
            (b"tRNS", b""),
            (b"tRNS", bytes(300)),
            (b"IHDR", header),
            (b"\0\0\0\0", b"x"),
            (b"IEND", b""),
        ]
    )
    extra = draw(st.lists(st.one_of(texts, tags().map(lambda t: (b"eXIf", t))), max_size=3))
    if colour == 3 and draw(st.integers(0, 4)):
        extra.insert(0, (b"PLTE", bytes(range(48))))
    intact = draw(st.sampled_from([True, True, True, False]))
    content = draw(st.sampled_from(["rows", "rows", "rows", "nothing", "short", "zeros", "noise"]))
    pixels = {
        "rows": rows_of_png(min(width, 2**16), min(height, 2**16), depth, colour),
        "nothing": b"",
        "short": zlib.compress(b"\0"),
        "zeros": zeros(3),
        "noise": b"x" * 40,
    }[content]
    parts = [chunk(b"IHDR", header), *(chunk(*one, intact) for one in extra)]
    parts += [chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return PNG + b"".join(parts)


@st.composite
def jpeg_files(draw: st.DrawFn) -> bytes:
    """Return JPEG files with further segments, and other sizes in their header."""
    of_jpeg = [content for content in whole_files() if content.startswith(b"\xff\xd8")]
    content = draw(st.sampled_from(of_jpeg))
    frame = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))
    if draw(st.booleans()):
        sides = struct.pack(">HH", draw(SIDES) % 2**16, draw(SIDES) % 2**16)
        content = content[: frame + 5] + sides + content[frame + 9 :]
    some = st.one_of(
        tags().map(lambda t: (0xE1, b"Exif\0\0" + t)),
        tags().map(lambda t: (0xE2, b"MPF\0" + t)),
        st.sampled_from(
            [
                (0xE0, b"JFIF\0\1"),
                (0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\0\0\xff\xff"),
                (0xEE, b"Adobe\0d\0\0\0\0\2"),
                (0xE2, b"ICC_PROFILE\0\1\x09x"),
                (0xFE, b"x" * 60_000),
                (0xDB, b"\0"),
                (0xC4, b"\xff" * 20),
                (0xC0, b""),
                (0xDD, b"\0\1"),
                (0xC9, bytes(9)),
            ]
        ),
    )
    for marker, inside in draw(st.lists(some, max_size=3)):
        length = len(inside) + 2 + draw(st.sampled_from([0, 0, 0, -2, 1, 9999]))
        segment = bytes([0xFF, marker]) + struct.pack(">H", max(length, 0) % 2**16) + inside
        content = content[:2] + segment + content[2:]
    return content


def image_files() -> st.SearchStrategy[bytes]:
    """Return contents of files: whole ones, damaged ones, and others."""
    whole = st.sampled_from(whole_files())
    made = st.one_of(whole, png_files(), png_files(), jpeg_files())

    def cut(content: bytes, share: int, flips: Sequence[tuple[int, int]]) -> bytes:
        return flipped(content[: len(content) * share // 64], flips)

    broken = st.builds(cut, made, st.sampled_from([64, 64, 63, 40, 10, 1]), FLIPS)
    return st.one_of(whole, whole, made, made, broken, st.binary(max_size=20))


@st.composite
def folders(draw: st.DrawFn) -> tuple[list[tuple[bytes, str, bytes]], dict]:
    """Return entries of a folder, (path, kind, content or target), and options of the reading."""
    entries = []
    for _ in range(draw(st.integers(0, 4))):
        folder, name = draw(st.sampled_from(FOLDERS)), draw(st.sampled_from(NAMES))
        path = os.fsencode(os.path.join(folder, name))
        if draw(st.integers(0, 9)) == 0:
            path = path.replace(b"a", NO_UTF_8)
        kind = draw(st.sampled_from(["file"] * 8 + ["link", "folder", "unreadable"]))
        content = b""
        if kind == "link":
            content = draw(st.sampled_from(TARGETS)).encode()
        elif kind != "folder":
            content = draw(image_files())
        entries.append((path, kind, content))
    options = {
        "image_size": draw(st.sampled_from([None, SIDE, SIDE, 3, 40])),
        "gray": draw(st.sampled_from(["convert", "convert", "convert", "skip"])),
        "bits": draw(st.sampled_from([None, None, None, 12])),
        "rules": draw(st.sampled_from([2, 2, 2, 1])),
    }
    return entries, options


def write(folder: Path, entries: Sequence[tuple[bytes, str, bytes]]) -> None:
    """Write entries, without those whose paths are taken."""
    for path, kind, content in entries:
        place = os.path.join(os.fsencode(folder), path)
        with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
            os.makedirs(os.path.dirname(place), exist_ok=True)
            if kind == "link":
                os.symlink(content, place)
            elif kind == "folder":
                os.mkdir(place)
            else:
                with open(place, "xb") as file:
                    file.write(content)
                if kind == "unreadable":
                    os.chmod(place, 0)


@contextlib.contextmanager
def empty_cache(folder: Path):
    """Context in which a folder is the cache."""
    with mock.patch.dict(os.environ, GAN_ZOO_CACHE=str(folder)):
        yield


def require_images(images: data.ImageData) -> None:
    """Raise AssertionError unless a data set has the types, labels and texts of one."""
    assert images.image_shape[2] in (1, 3)
    assert all(note.isprintable() for note in (*images.notes, images.name))
    for split in filter(None, (images.train, images.test)):
        assert split.images.dtype == np.uint8
        assert len(split.images)
        split.images.max()
        if split.labels is not None:
            assert len(split.labels) == len(split.images)
            assert 0 <= split.labels.min() <= split.labels.max() < images.num_classes
            images.class_counts(split)


def check_read(name: str, place: Path, **options) -> data.ImageData | None:
    """Read a data set twice, the second time from the cache; return it.

    An error must leave no images in the cache, and the second reading must be equal.
    """
    with silent(), empty_cache(place):
        has_value_or_error(functools.partial(data.check, name, **options))
        first = has_value_or_error(functools.partial(data.load, name, **options))
        left = {path.name for path in place.iterdir()} if place.exists() else set()
        again = has_value_or_error(functools.partial(data.load, name, **options))
    if first is None:
        assert left <= {"files"}, left
        assert again is None
        return None
    assert not any(path.startswith(".") for path in left), left
    require_images(first)
    assert (again.fingerprint, again.notes) == (first.fingerprint, first.notes)
    return first


def check_folder(example: tuple[Sequence[tuple[bytes, str, bytes]], dict]) -> None:
    """Read a folder of images; nothing may be written to it."""
    entries, options = example
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as place:
        folder = Path(place) / "above" / "images"  # a link may lead to the folder above it
        folder.mkdir(parents=True)
        write(folder, entries)
        before = files(folder)
        check_read(str(folder), Path(place) / "cache", **options)
        assert files(folder) == before
