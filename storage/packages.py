"""Packages of trained weights: NAME.safetensors with the tensors, NAME.json that describes them.

Beside them, index.json lists the packages of a folder: name -> SHA-256 and size of the tensors.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from errors import UserError, near
from storage.cache import WEIGHTS, cache_directory, mark_used
from storage.files import write_atomically, write_json
from storage.paths import expanded
from storage.saved_config import SavedConfig, require_types

SHIPPED = Path(__file__).resolve().parents[1] / "assets" / "weights"
OUTPUTS = Path("runs", "pretrained")  # of generate.py and evaluate.py, by name
INDEX = "index.json"
TENSORS, DESCRIPTION, CARD = ".safetensors", ".json", ".md"
NAME = re.compile(r"(?!index$)[A-Za-z0-9][A-Za-z0-9_.-]*")
HASH = re.compile(r"[0-9a-f]{64}")
ENTRY = {"sha256": str, "bytes": int}  # of the index
# Entries of the description beside those of a configuration; those of the record of the training.
ABOUT = {"name": str, **ENTRY, "trained": dict, "metrics": dict, "licence": str}
TRAINED = {
    "model": str,
    "dataset": str,
    "flagfile": str,
    "seed": int,
    "steps": int,
    "kimg": float,
    "wall_minutes": float,
    "machine": str,
    "commit": str,
}
RELEASE = "releases/download/weights"  # of the repository: files that are too large for it


class Package(SavedConfig):
    """Package of a trained model.

    Args:
        description: path of NAME.json.
        sha256: hash that the tensors of a shipped package must have; None for another one, whose
            description has the hash.

    Attributes:
        name: NAME.
    """

    missing = "no such file"
    advice = "restore it from a copy"

    def __init__(self, description: Path, sha256: str | None = None):
        self.path = self.config = description
        self.name = self.label = description.stem
        self.outputs = OUTPUTS / self.name if sha256 else description.with_suffix("")
        self.shipped_sha256 = sha256

    def read_config(self) -> dict:
        """Return the description.

        Raises:
            UserError: it is missing or cannot be read.
        """
        saved = super().read_config()
        try:
            require_types(saved, ABOUT)
            require_types(saved["trained"], TRAINED)
            require_types(saved["options"], {"model": str})
            if not HASH.fullmatch(saved["sha256"]):
                raise ValueError(f"sha256 is {saved['sha256']}")
        except (TypeError, ValueError) as error:
            raise self.unreadable(error) from None
        return saved

    def records(self) -> list[dict]:
        """Return no records: a package has no log."""
        return []

    @property
    def sha256(self) -> str:
        """The hash that the tensors must have."""
        return self.shipped_sha256 or self.read_config()["sha256"]

    @property
    def tensors(self) -> Path:
        """Path of the tensors: beside the description, or else in weights/ of the cache."""
        beside = self.config.with_suffix(TENSORS)
        if beside.exists() or not self.shipped_sha256:
            return beside
        return cache_directory() / WEIGHTS / beside.name

    def read_tensors(self) -> dict[str, np.ndarray]:
        """Return the tensors by name.

        Raises:
            UserError: the file is missing, cannot be read, or has another hash.
        """
        import safetensors
        import safetensors.numpy

        path = self.tensors
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            advice = f"Restore it to the folder of {self.config.name}"
            if self.shipped_sha256:
                advice = f"Download {RELEASE}/{path.name} of the repository to this folder"
            raise UserError(f"{path}: no such file. {advice}", "pretrained") from None
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})", "pretrained") from None
        if (found := hashlib.sha256(content).hexdigest()) != self.sha256:
            raise UserError(
                f"{path}: damaged, or another file: its SHA-256 is {found[:12]}..., expected "
                f"{self.sha256[:12]}... Restore it from a copy",
                "pretrained",
            )
        if self.shipped_sha256 and path.parent != self.config.parent:
            mark_used(path)
        try:
            return safetensors.numpy.load(content)
        except (safetensors.SafetensorError, KeyError, ValueError) as error:
            raise UserError(f"{path}: cannot be read ({error})", "pretrained") from None

    def update(self, **entries) -> None:
        """Change entries of the description."""
        write_json(self.config, {**self.read_config(), **entries})


def write(
    folder: Path, name: str, tensors: Mapping[str, np.ndarray], about: Mapping[str, Any]
) -> Package:
    """Write a package to a folder, and add it to the folder's index; return it.

    Args:
        folder: created if it is missing.
        name: name of the package, as NAME.
        tensors: arrays by name.
        about: the description, with the entries of a configuration, TRAINED and the licence.
    """
    import safetensors.numpy

    content = safetensors.numpy.save(dict(tensors))
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    listed = {**index(folder), name: entry}
    description = folder / f"{name}{DESCRIPTION}"
    write_atomically(folder / f"{name}{TENSORS}", content)
    write_json(description, {"name": name, **about, **entry})
    write_json(folder / INDEX, dict(sorted(listed.items())))
    return Package(description)


def index(folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """Return the index of a folder, by default that of the shipped packages; {} without one.

    Raises:
        UserError: it cannot be read.
    """
    path = (folder or SHIPPED) / INDEX
    try:
        found = json.loads(path.read_bytes())
        require_types(found, {})
        for name, entry in found.items():
            require_types(entry, ENTRY)
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a package")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read ({error}); restore it from a copy") from None
    return found


def find(text: str) -> Package:
    """Return the shipped package of a name, or that of the path of its tensors or description.

    Raises:
        UserError: there is none.
    """
    listed = index()
    if text in listed:
        return Package(SHIPPED / f"{text}{DESCRIPTION}", listed[text]["sha256"])
    path = Path(expanded(text, "pretrained"))
    if path.suffix in (TENSORS, DESCRIPTION):
        if path.with_suffix(DESCRIPTION).exists():
            return Package(path.with_suffix(DESCRIPTION))
        if path.exists():
            missing = path.with_suffix(DESCRIPTION)
            raise UserError(f"{missing}: no such file. It describes {path.name}", "pretrained")
        raise UserError(f"{path}: no such file", "pretrained")
    hint = near(text, listed)
    hint = (
        hint or f"; generate.py --list shows the names. Of a file, expected a path with {TENSORS}"
    )
    raise UserError(f"no such weights: {text}{hint}", "pretrained")


def shipped() -> list[Package]:
    """Return the shipped packages, by name."""
    return [
        Package(SHIPPED / f"{name}{DESCRIPTION}", entry["sha256"])
        for name, entry in index().items()
    ]
