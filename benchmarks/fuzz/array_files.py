"""Fuzz of .npz data sets: headers of their arrays, and the archive itself."""

import functools
import io
import pickle
import struct
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from benchmarks.fuzz.examples import FLIPS, IN_MEMORY, flipped
from benchmarks.fuzz.image_folders import check_read
from benchmarks.fuzz.limits import Trap

SIDE = 4
KEYS = ("x_train", "y_train", "x_test", "y_test", "class_names")
OTHERS = ("images", "labels", "x_train.npy", "../x", "a\x1b\n", "", "y" * 300)
KINDS = ("|u1", "|u1", "|u1", "|b1", "|i1", "<f2", "<f4", ">u2", "<i8", ">i8", "<u8", "<c8", "|O",
         "<M8[s]", "<m8", "<U3", ">U2", "|S3", "|V0", "<U0", "<U99999999", "u1,u1", "x",
         "")  # fmt: skip
SHAPES = ("(3, 4, 4)", "(3, 4, 4, 3)", "(3,)", "(3, 1)", "(2,)", "()", "(0,)", "(0, 4, 4)",
          "(3, 4, 4, 2)", "(3, 4, 5)", "(2, 6, 6, 1)", "(784, 10**9, 10**3)", "(-3, 4, 4)",
          "(3, -4, -4)", "(2**40, 2**40)", f"({2**62}, {2**62}, 0)", f"({2**64}, 0, 4)",
          "(True, 4, 4)", "(3.0, 4, 4)", "3",
          "[3, 4, 4]", "None", "(" * 300 + ")" * 300, f"({10 * 2**30}, 1, 1)",
          f"({10 * 2**30},)", f"(3, {2**16}, {2**16})")  # fmt: skip
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
# Fields of an entry of the directory of an archive, and of the header of a member: offset, format.
ENTRY = {"flags": (8, "<H"), "method": (10, "<H"), "crc": (16, "<I"), "compressed": (20, "<I"),
         "size": (24, "<I"), "name": (28, "<H"), "extra": (30, "<H"),
         "offset": (42, "<I")}  # fmt: skip
HEADER = {"flags": (6, "<H"), "method": (8, "<H"), "name": (26, "<H"), "extra": (28, "<H")}


@functools.cache
def bomb() -> bytes:
    """Return an array of BOMB GiB of zeros as a member of an archive, raw deflated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = packer.compress(BOMB_HEADER) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + block * (BOMB * 2**10) + packer.flush()


def array_header(kind: str, fortran: str, shape: str, version: tuple[int, int] = (1, 0)) -> bytes:
    """Return the header of an .npy file of any entries, texts of Python."""
    kind = "[('a', 'u1'), ('b', 'u1')]" if kind == "u1,u1" else repr(kind)
    text = f"{{'descr': {kind}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    form = "<H" if version == (1, 0) else "<I"
    return np.lib.format.MAGIC_PREFIX + bytes(version) + struct.pack(form, len(text)) + text


@st.composite
def arrays(draw: st.DrawFn) -> bytes:
    """Return .npy files whose headers may be wrong."""
    version = draw(st.sampled_from([(1, 0)] * 6 + [(2, 0), (3, 0), (9, 9)]))
    fortran = draw(st.sampled_from(["False", "False", "True", "1", "None"]))
    header = array_header(
        draw(st.sampled_from(KINDS)), fortran, draw(st.sampled_from(SHAPES)), version
    )
    content = draw(st.sampled_from([0, 3, 24, 48, 144, 200]))
    return header + draw(st.sampled_from([b"\0", b"\1", b"\xff"])) * content


BOMB = 10  # GiB of zeros
BOMB_HEADER = array_header("|u1", "False", f"({BOMB * 2**30}, 1, 1)")


@functools.cache
def whole_arrays() -> dict[str, tuple[bytes, ...]]:
    """Return .npy files that fit, or nearly fit, by the name of the array."""

    def saved(array: np.ndarray) -> bytes:
        file = io.BytesIO()
        np.save(file, array)
        return file.getvalue()

    pixels = np.arange(3 * SIDE * SIDE, dtype=np.uint8).reshape(3, SIDE, SIDE)
    images = (pixels, pixels[..., None], np.asfortranarray(pixels), pixels[:2], pixels[:, :3])
    labels = [[0, 1, 2], [1, 1, 10], [3, 60_000, 5], [-1, 0, 1], [0, 0], [[0], [1], [2]]]
    labels = [np.array(values) for values in labels]
    labels += [
        np.array([0, 1, 2**63], np.uint64),
        np.array([0, 1, 2], ">i2"),
        np.array([0.0, 1, 2]),
    ]
    names = [["a", "b", "c"], ["a", "a", "c"], ["", "b", "c"], ["a\n\x1b"], ["a\udcff", "b", "c"]]
    names = [np.array(values) for values in names]
    names.append(np.frombuffer(b"\xff" * 12, "<U1"))  # no characters
    some = {"x": images, "y": labels, "c": names}
    return {key: tuple(saved(array) for array in some[key[0]]) for key in KEYS}


@st.composite
def members(draw: st.DrawFn, name: str) -> bytes:
    """Return the content of a member of an archive."""
    kind = draw(st.sampled_from(["whole"] * 6 + ["array", "array", "array", "pickle", "bytes"]))
    if kind == "whole":
        whole = whole_arrays()
        content = draw(st.sampled_from(whole.get(name, whole["x_train"])))
        return flipped(content, draw(FLIPS)) if draw(st.integers(0, 5)) == 0 else content
    if kind == "array":
        return draw(arrays())
    if kind == "pickle":
        return array_header("|O", "False", "(1,)") + pickle.dumps([Trap()])
    return draw(st.binary(max_size=20))


def archive(contents: Sequence[tuple[str, bytes]], compression: int) -> bytes:
    """Return a zip archive of members, also of several with one name."""
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", compression) as target:
        warnings.simplefilter("ignore")  # of members with one name
        for name, content in contents:
            target.writestr(name, content)
    return file.getvalue()


@functools.cache
def with_bomb() -> bytes:
    """Return an archive of a small member with BOMB GiB of zeros."""
    packed = bomb()
    info = zipfile.ZipInfo("x_train.npy")
    info.compress_type, info.compress_size = zipfile.ZIP_DEFLATED, len(packed)
    info.file_size = len(BOMB_HEADER) + BOMB * 2**30
    info.CRC = info.header_offset = 0  # the checksum is never compared
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        file.write(info.FileHeader(zip64=True) + packed)
        target.filelist.append(info)
        target.NameToInfo[info.filename] = info
        target.start_dir = file.tell()
        target._didModify = True
    return file.getvalue()


def patched(content: bytes, entry: bool, number: int, field: str, value: int) -> bytes:
    """Return an archive with another value of a field of its directory or of a member."""
    magic, fields = (b"PK\1\2", ENTRY) if entry else (b"PK\3\4", HEADER)
    places = [k for k in range(len(content)) if content.startswith(magic, k)]
    if not places or field not in fields:
        return content
    offset, form = fields[field]
    place = places[number % len(places)] + offset
    packed = struct.pack(form, value % 2 ** (8 * struct.calcsize(form)))
    return content[:place] + packed + content[place + len(packed) :]


@st.composite
def data_sets(draw: st.DrawFn) -> tuple[bytes, dict]:
    """Return .npz files, and options of the reading."""
    options = {
        "image_size": draw(st.sampled_from([None, None, None, 3])),
        "rules": draw(st.sampled_from([2, 2, 2, 1])),
    }
    kind = draw(st.sampled_from(["archive"] * 20 + ["bomb", "bytes", "array"]))
    if kind == "bomb":
        return with_bomb(), options
    if kind != "archive":
        return draw(st.binary(max_size=60) if kind == "bytes" else arrays()), options
    contents = [("x_train.npy", draw(members("x_train")))] * draw(st.sampled_from([1, 1, 1, 0, 2]))
    for name in draw(st.lists(st.sampled_from(KEYS + OTHERS), max_size=4)):
        ending = draw(st.sampled_from([".npy", ".npy", ".npy", ""])) if name else ".npy"
        contents.append((name + ending, draw(members(name))))
    content = archive(contents, draw(st.sampled_from(COMPRESSIONS)))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        field = draw(st.sampled_from(list(ENTRY)))
        value = draw(st.sampled_from([0, 1, 8, 9, 12, 14, 93, 99, 2**16 - 1, 2**31, 2**32 - 1]))
        content = patched(content, draw(st.booleans()), draw(st.integers(0, 3)), field, value)
    if draw(st.integers(0, 5)) == 0:
        content = flipped(content, draw(FLIPS))
    if draw(st.integers(0, 9)) == 0:
        content = content[: len(content) * draw(st.integers(0, 63)) // 64]
    return content, options


def check_data_set(example: tuple[bytes, dict]) -> None:
    """Read an .npz file, which may not change."""
    content, options = example
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as place:
        file = Path(place) / "a.npz"
        file.write_bytes(content)
        check_read(str(file), Path(place) / "cache", **options)
        assert file.read_bytes() == content
        assert {path.name for path in Path(place).iterdir()} <= {"a.npz", "cache"}
