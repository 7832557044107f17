"""Atomic writes: a file is replaced as a whole or not changed."""

import contextlib
import errno
import json
import os
import pathlib
import re
import secrets
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

LEFTOVER = re.compile(
    r"\.[0-9a-f]{8}\.tmp\.(?P<name>.+)"
    r"|\.(?P<old_name>.+)\.[0-9a-z_]{8}\.tmp"  # of earlier versions
)


@contextlib.contextmanager
def temporary(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yield a temporary path beside `path`, for a file or a folder that is deleted afterwards.

    It ends with the name of `path`. Missing folders are created.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{secrets.token_hex(4)}.tmp.{path.name}")
    try:
        yield beside
    finally:
        remove(beside)


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yield a temporary path beside `path`, to write a file or a folder that replaces `path`.

    A failure leaves `path` unchanged.
    """
    path = pathlib.Path(path)
    with temporary(path) as beside:
        yield beside
        if path.is_dir():  # os.replace does not replace a directory
            shutil.rmtree(path)
        os.replace(beside, path)


def sweep(folder: pathlib.Path, names: re.Pattern) -> None:
    """Delete the temporary files that killed processes have left in a folder.

    Args:
        folder: the folder; its sub-folders are not searched.
        names: pattern of the names of the files that were to be written. Temporary files of others,
            such as those of another script that writes at present, are kept.
    """
    for path in folder.iterdir() if folder.is_dir() else ():
        match = LEFTOVER.fullmatch(path.name)
        if match and names.fullmatch(match["name"] or match["old_name"]):
            remove(path)


def remove(path: pathlib.Path) -> None:
    """Delete a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_durable(*paths: pathlib.Path) -> None:
    """Wait until files and folders are on the disk, where the file system supports it."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
                raise
        finally:
            os.close(descriptor)


def write_atomically(path: str | os.PathLike, content: bytes | str) -> None:
    """Write `content` to a temporary file beside `path`, then rename it to `path`.

    Missing folders are created. A failure leaves the old file unchanged. A concurrent reader, such
    as a notebook that displays a picture during training, reads the old content or the new one,
    never a part.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())


def write_npz(path: str | os.PathLike, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name to an .npz file, atomically."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())


def write_npz_in_parts(
    path: str | os.PathLike,
    name: str,
    shape: Sequence[int],
    parts: Iterable[np.ndarray],
    others: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a large uint8 array to a compressed .npz file, atomically, part by part.

    Args:
        path: the file.
        name: name of the array.
        shape: its shape.
        parts: the array in consecutive parts along its first axis.
        others: further arrays by name.

    Raises:
        ValueError: the parts do not have the shape.
    """
    about = {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
    with replacing(path) as temporary, temporary.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, about)
                count = 0
                for part in parts:
                    if part.dtype != np.uint8 or part.shape[1:] != tuple(shape[1:]):
                        raise ValueError(f"expected uint8 {shape}, got {part.dtype} {part.shape}")
                    member.write(np.ascontiguousarray(part).data)
                    count += len(part)
                if count != shape[0]:
                    raise ValueError(f"expected {shape[0]} rows, got {count}")
            for other, array in (others or {}).items():
                with archive.open(f"{other}.npy", "w") as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: str | os.PathLike, value) -> None:
    """Write a value as indented JSON, atomically."""
    write_atomically(path, json.dumps(value, indent=2) + "\n")
