"""Atomic writes: a file is replaced as a whole or not changed."""

import json
import os
import pathlib
import secrets


def write_atomically(path: str | os.PathLike, content: bytes | str) -> None:
    """Write `content` to a temporary file beside `path`, then rename it to `path`.

    Missing folders are created. A failure leaves the old file unchanged. A concurrent reader, such
    as a notebook that displays a picture during training, reads the old content or the new one,
    never a part.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: str | os.PathLike, value) -> None:
    """Write a value as indented JSON, atomically."""
    write_atomically(path, json.dumps(value, indent=2) + "\n")
