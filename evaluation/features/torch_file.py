"""Reader of state dicts saved by torch.save, without PyTorch and without running code.

Since PyTorch 1.6 the file is a zip archive: data.pkl, a pickle of the dict whose tensors refer to
storages by key, and data/<key>, the raw content of each storage. The legacy format is one stream:
pickles of a magic number, a protocol version, the writing system and the dict, then a pickle of
the storage keys, followed for each storage by its number of elements as int64 and its content.
"""

import collections
import io
import math
import pathlib
import pickle
import struct
import zipfile
from typing import NamedTuple

import numpy as np

from errors import UserError

_ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC, _LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001

_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}


class _Storage(NamedTuple):
    dtype: str
    key: str
    count: int


class _Tensor(NamedTuple):
    """Description of a tensor in a pickle, unchecked; offset and stride are in elements."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Unpickler restricted to the names that a state dict needs; collects the storages."""

    def __init__(self, file):
        super().__init__(file)
        self.storages = {}

    def find_class(self, module, name):
        # A pickle can call and modify the returned objects. Strings, an immutable type and a
        # function that only stores its arguments are safe.
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *arguments: _Tensor(*arguments[:4])
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")

    def persistent_load(self, pid):
        match pid:
            case ("storage", dtype, str() as key, _, int() as count, *views):
                # The file could also contain the data type as an arbitrary string.
                if dtype in _DTYPES.values() and not any(views):
                    return self.storages.setdefault(key, _Storage(dtype, key, count))
        raise pickle.UnpicklingError(f"{pid} is not allowed")


def read_state(path) -> dict[str, np.ndarray]:
    """Return the tensors of a state dict by name, as read-only arrays.

    Tensors that share a storage in the file share memory.

    Raises:
        UserError: the file is missing, damaged, or contains anything but a dict of tensors.
    """
    path = pathlib.Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read it ({error.strerror})") from error
    try:
        read = _read_zip if content.startswith(_ZIP_MAGIC) else _read_legacy
        state, buffers = read(content)
        return {_checked(name, str): _array(value, buffers) for name, value in state.items()}
    except Exception as error:  # Unpickling raises errors of many types for damaged files.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{path}: not a readable state dict of torch.save ({reason}); download it again"
        ) from error


def _read_zip(content: bytes) -> tuple[dict, dict]:
    """Return the dict of _Tensors and the content of the storages by key."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # torch.save compresses nothing, so no part is larger than the file.
        if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
            raise ValueError("the archive is compressed")
        names = archive.namelist()
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("data.pkl is missing")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
            raise ValueError("the data are big-endian")
        unpickler = _Unpickler(io.BytesIO(archive.read(f"{folder}data.pkl")))
        state = unpickler.load()
        return state, {key: archive.read(f"{folder}data/{key}") for key in unpickler.storages}


def _read_legacy(content: bytes) -> tuple[dict, dict]:
    """Return the dict of _Tensors and the content of the storages by key."""
    file = io.BytesIO(content)
    magic, protocol, system = (_Unpickler(file).load() for _ in range(3))
    if (magic, protocol) != (_LEGACY_MAGIC, _LEGACY_PROTOCOL):
        raise ValueError("unknown file header")
    if not system["little_endian"]:
        raise ValueError("the data are big-endian")
    unpickler = _Unpickler(file)
    state = unpickler.load()
    keys = _Unpickler(file).load()
    if set(keys) != unpickler.storages.keys():
        raise ValueError("storages and tensors do not match")

    buffers, start = {}, file.tell()
    for key in keys:
        (count,) = struct.unpack_from("<q", content, start)
        start += 8
        end = start + count * np.dtype(unpickler.storages[key].dtype).itemsize
        if not start <= end <= len(content):
            raise EOFError(f"storage {key} is incomplete")
        buffers[key] = memoryview(content)[start:end]
        start = end
    if start != len(content):
        raise ValueError("unexpected data after the last storage")
    return state, buffers


def _array(value, buffers: dict) -> np.ndarray:
    """Return the array of a _Tensor, a view of its storage."""
    storage, offset, size, stride = _checked(value, _Tensor)
    dtype, key, count = _checked(storage, _Storage)
    dtype, content = np.dtype(dtype), buffers[key]
    if len(content) != count * dtype.itemsize:
        raise ValueError(f"storage {key} has another size than its tensors require")
    # NumPy's bounds check overflows, so bounds are checked in Python integers first. Tensors that
    # repeat elements could have any size; state dicts contain none, so they are rejected.
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    elements = math.prod(size)
    if min((offset, *size, *stride)) < 0 or elements > count or (elements and last >= count):
        raise ValueError(f"a tensor exceeds its storage {key}")
    if not elements:
        return np.empty(size, dtype)
    steps = [step * dtype.itemsize for step in stride]
    return np.ndarray(size, dtype, content, offset * dtype.itemsize, steps)


def _checked(value, kind: type):
    if not isinstance(value, kind):
        raise ValueError(f"expected a {kind.__name__}, got a {type(value).__name__}")
    return value
