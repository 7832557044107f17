"""State dicts that torch.save wrote, read without PyTorch and without running anything of theirs.

Since PyTorch 1.6 the file is a zip archive: data.pkl, a pickle of the dict whose tensors name
their storage, and data/<key>, the raw content of each storage. The format before it is one stream:
pickles of a magic number, a protocol version, the writing system and the dict, then a pickle of
the storages' keys and behind it, for each, its number of elements as int64 and its content.
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
_OLD_MAGIC, _OLD_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001

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
    """What a pickle says of a tensor, unchecked; offset and stride count elements."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Knows the names that a state dict needs and no other; collects the storages it meets."""

    def __init__(self, file):
        super().__init__(file)
        self.storages = {}

    def find_class(self, module, name):
        # A pickle calls and changes what it is given here. So it gets strings, a type that cannot
        # be changed and a function of its own, which only notes its arguments.
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *arguments: _Tensor(*arguments[:4])
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid):
        match pid:
            case ("storage", dtype, str() as key, _, int() as count, *views):
                # A type could also be written as a string of the file's own choice.
                if dtype in _DTYPES.values() and not any(views):
                    return self.storages.setdefault(key, _Storage(dtype, key, count))
        raise pickle.UnpicklingError(f"it asks for {pid}")


def read_state(path) -> dict[str, np.ndarray]:
    """The tensors of a state dict by name, as read-only arrays; those that share a storage in the
    file share it here.

    Raises:
        UserError: the file is missing, damaged, or holds anything but a dict of tensors.
    """
    path = pathlib.Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    try:
        read = _read_zip if content.startswith(_ZIP_MAGIC) else _read_old
        state, buffers = read(content)
        return {_checked(name, str): _array(value, buffers) for name, value in state.items()}
    except Exception as error:  # Unpickling damaged bytes fails in more ways than one can list.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{path} is no state dict of torch.save that can be read ({reason}): get it again"
        ) from error


def _read_zip(content: bytes) -> tuple[dict, dict]:
    """The dict of _Tensors and the storages' content by key."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # torch.save compresses nothing, so no part is larger than the file.
        if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
            raise ValueError("it is compressed")
        names = archive.namelist()
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("it has no data.pkl")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
            raise ValueError("it is big-endian")
        unpickler = _Unpickler(io.BytesIO(archive.read(f"{folder}data.pkl")))
        state = unpickler.load()
        return state, {key: archive.read(f"{folder}data/{key}") for key in unpickler.storages}


def _read_old(content: bytes) -> tuple[dict, dict]:
    """The dict of _Tensors and the storages' content by key."""
    file = io.BytesIO(content)
    magic, protocol, system = (_Unpickler(file).load() for _ in range(3))
    if (magic, protocol) != (_OLD_MAGIC, _OLD_PROTOCOL):
        raise ValueError("it does not begin as one")
    if not system["little_endian"]:
        raise ValueError("it is big-endian")
    unpickler = _Unpickler(file)
    state = unpickler.load()
    keys = _Unpickler(file).load()
    if set(keys) != unpickler.storages.keys():
        raise ValueError("its storages are not those of its tensors")

    buffers, start = {}, file.tell()
    for key in keys:
        (count,) = struct.unpack_from("<q", content, start)
        start += 8
        end = start + count * np.dtype(unpickler.storages[key].dtype).itemsize
        if not start <= end <= len(content):
            raise EOFError(f"storage {key} goes beyond its end")
        buffers[key] = memoryview(content)[start:end]
        start = end
    if start != len(content):
        raise ValueError("it goes on behind its last storage")
    return state, buffers


def _array(value, buffers: dict) -> np.ndarray:
    """The array of a _Tensor, a view of its storage's content."""
    storage, offset, size, stride = _checked(value, _Tensor)
    dtype, key, count = _checked(storage, _Storage)
    dtype, content = np.dtype(dtype), buffers[key]
    if len(content) != count * dtype.itemsize:
        raise ValueError(f"storage {key} is not of the size that its tensors expect")
    # NumPy's own check of the bounds overflows, so it is done first in integers of any size. No
    # tensor of a state dict repeats elements, and one that does could be of any size.
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    elements = math.prod(size)
    if min((offset, *size, *stride)) < 0 or elements > count or (elements and last >= count):
        raise ValueError(f"a tensor reaches beyond its storage {key}")
    if not elements:
        return np.empty(size, dtype)
    steps = [step * dtype.itemsize for step in stride]
    return np.ndarray(size, dtype, content, offset * dtype.itemsize, steps)


def _checked(value, kind: type):
    if not isinstance(value, kind):
        raise ValueError(f"it holds a {type(value).__name__} where a {kind.__name__} should be")
    return value
