"""Writing a file whole or not at all, and where what can be made again is kept."""

import json
import os
import pathlib
import secrets


def write_atomically(path: str | os.PathLike, content: bytes | str) -> None:
    """Writes `content` beside `path`, then moves it there; a failure leaves the old file as it was.

    Missing folders are made. Readers, such as a notebook that shows the picture while the training
    goes on, see the old file or the new one and never half of it.
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
    """Writes a value as indented JSON, atomically."""
    write_atomically(path, json.dumps(value, indent=2) + "\n")


def cache_directory() -> pathlib.Path:
    """$GAN_ZOO_CACHE, or else gan-zoo in $XDG_CACHE_HOME or ~/.cache."""
    chosen = os.environ.get("GAN_ZOO_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(chosen or os.path.join(base, "gan-zoo")).expanduser()
