"""Arrays of an .npz file of any origin: headers are checked before arrays are read."""

import contextlib
import math
import sys
import zipfile
from collections.abc import Iterator

import numpy as np

from errors import UserError
from storage.memory import available_memory, described

_WRITE = "write it with np.savez(path, x_train=...)"
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_ZIP = (b"PK\3\4", b"PK\5\6")  # first bytes of an archive


class Archive:
    """Arrays of an .npz file by name; each is read when it is asked for.

    Attributes:
        files: names of the arrays.
    """

    def __init__(self, npz: np.lib.npyio.NpzFile, advice: str):
        self._npz, self._advice, self.files = npz, advice, npz.files

    def __contains__(self, name: str) -> bool:
        return name in self.files

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype]:
        """Return the shape and the type of an array, which is not read.

        Raises:
            UserError: it is damaged, no array of numbers or texts, or ends early.
        """
        with _one_line_of_damage(self._advice):
            members = self._npz.zip.namelist()
            member = name if name in members else f"{name}.npy"
            with self._npz.zip.open(member) as file:
                magic = file.read(np.lib.format.MAGIC_LEN)
                if magic[:-2] != np.lib.format.MAGIC_PREFIX:
                    raise UserError(f"{name} is no array")
                read = _READERS.get(tuple(magic[-2:]))
                if read is None:
                    raise UserError(f"{name} is no array of numbers or texts")
                shape, kind = _parsed(read, file, name)
                begin = file.tell()
            stored = self._npz.zip.getinfo(member).file_size
        if kind.hasobject:
            raise UserError(
                "contains Python objects (pickle), which are not read; save plain arrays"
            )
        if (size := _size(shape, kind)) > stored - begin:
            raise UserError(
                f"{_promised(name, shape, kind)}, {described(size)}, of which the file has "
                f"{described(stored)}"
            )
        return shape, kind

    def __getitem__(self, name: str) -> np.ndarray:
        """Return an array.

        Raises:
            UserError: as `header`, or it exceeds the free memory.
        """
        shape, kind = self.header(name)
        size, available = _size(shape, kind), available_memory()
        if available is not None and size > available:
            raise UserError(
                f"{_promised(name, shape, kind)}, {described(size)}, more than the "
                f"{described(available)} of memory that are free; use fewer images"
            )
        with _one_line_of_damage(self._advice):
            return self._npz[name]

    def texts(self, name: str) -> list[str]:
        """Return the elements of an array of texts.

        Raises:
            UserError: as `__getitem__`, or the array has numbers that are no characters.
        """
        array = self[name].reshape(-1)
        if not array.dtype.itemsize:
            return [""] * len(array)
        codes = array.view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
        if codes.max(initial=0) > sys.maxunicode:
            raise UserError(f"{name} has numbers that are no characters")
        return array.tolist()


def _parsed(read, file, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape and the type in the header of an array; `read` is NumPy's function."""
    try:
        shape, _, kind = read(file)
        if shape and not 0 <= min(shape) <= max(shape) < 2**63:
            raise ValueError
        return shape, kind
    except (OSError, EOFError, zipfile.BadZipFile, zipfile.zlib.error):
        raise
    except Exception:  # of NumPy's parser of a Python literal
        raise UserError(f"{name} has a damaged header") from None


def _size(shape: tuple[int, ...], kind: np.dtype) -> int:
    return math.prod(shape) * kind.itemsize


def _promised(name: str, shape: tuple[int, ...], kind: np.dtype) -> str:
    return f"{name} is {kind} {shape}"


@contextlib.contextmanager
def open_npz(file, advice: str = f"; {_WRITE}") -> Iterator[Archive]:
    """Open an .npz file to read arrays in the block.

    Args:
        file: path or file object.
        advice: end of an error about a file that is no archive, or a damaged one.

    Raises:
        UserError: it is no archive. The caller adds name and option, here and to the errors of the
            arrays.
    """
    with contextlib.ExitStack() as stack:
        with _one_line_of_damage(advice):
            opened = file if hasattr(file, "read") else stack.enter_context(open(file, "rb"))
            start = opened.read(len(np.lib.format.MAGIC_PREFIX))
            opened.seek(0)
            if start == np.lib.format.MAGIC_PREFIX:
                raise UserError(f"a single array, not an .npz archive{advice}")
            if start and not start.startswith(_ZIP):
                raise UserError(f"not an .npz archive{advice}")
            archive = Archive(stack.enter_context(np.load(opened, allow_pickle=False)), advice)
        yield archive


@contextlib.contextmanager
def _one_line_of_damage(advice: str) -> Iterator[None]:
    """Context of zipfile and NumPy, whose errors, of many types, become a UserError."""
    try:
        yield
    except UserError:
        raise
    except MemoryError as error:
        problem = f"more than the free memory ({_first_line(error)})"
    except Exception as error:
        problem = f"cannot read it as an .npz archive ({_first_line(error)}){advice}"
    else:
        return
    raise UserError(problem)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
