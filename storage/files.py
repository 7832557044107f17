"""Atomic writes: a file is replaced as a whole or not changed."""

import contextlib
import io
import json
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yield a temporary path beside `path`, to write a file or a folder that replaces `path`.

    It ends with the name of `path`. Missing folders are created. A failure leaves `path` unchanged.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(4)}.tmp.{path.name}")
    try:
        yield temporary
        if path.is_dir():  # which os.replace does not replace
            shutil.rmtree(path)
        os.replace(temporary, path)
    except BaseException:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)
        raise


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


def write_npz(path: str | os.PathLike, arrays: Mapping[str, Any], compressed: bool = False) -> None:
    """Write arrays by name to an .npz file, atomically."""
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def write_json(path: str | os.PathLike, value) -> None:
    """Write a value as indented JSON, atomically."""
    write_atomically(path, json.dumps(value, indent=2) + "\n")
