"""Directory of a run: its lock, its configuration and its log."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from errors import UserError
from storage.files import write_atomically, write_json

Parsed = TypeVar("Parsed")


class RunDirectory:
    """Directory of a run; a context manager that locks it for one training at a time.

    Args:
        path: created on entering; ~ is expanded.

    Raises:
        UserError: on entering, if the directory cannot be written or another process locks it.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path).expanduser()
        self.checkpoints = self.path / "checkpoints"
        self.samples = self.path / "samples"
        self.planes = self.path / "planes"
        self.reconstructions = self.path / "reconstructions"
        self.export = self.path / "export"
        self.config = self.path / "config.json"
        self._metrics = self.path / "metrics.jsonl"

    def __enter__(self) -> "RunDirectory":
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / ".lock").open("w")
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}). Choose another directory",
                "outdir",
            ) from None
        try:
            lock(self._lock)
        except BlockingIOError:
            self._lock.close()
            raise UserError(
                f"{self.path}: another process trains in it. Choose another directory", "outdir"
            ) from None
        return self

    def __exit__(self, *_) -> None:
        self._lock.close()
        if [entry.name for entry in self.path.iterdir()] == [".lock"]:
            (self.path / ".lock").unlink()
            self.path.rmdir()

    def read_config(self) -> dict:
        """Return the content of config.json.

        Raises:
            UserError: it is missing or cannot be read.
        """
        try:
            saved = json.loads(self.config.read_text())
            parts = {"commands", "options", "hyperparameters", "data", "total_steps"}
            missing = parts - set(saved)
            if missing:
                raise ValueError(f"{', '.join(sorted(missing))} missing")
            return saved
        except FileNotFoundError:
            raise UserError(f"{self.path}: no run found (config.json is missing)") from None
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{self.config}: cannot be read ({error})") from None

    def parsed_config(self, parse: Callable[[dict], Parsed]) -> Parsed:
        """Return parse(content of config.json).

        Raises:
            UserError: config.json is missing or cannot be read, or another version of the code
                wrote it, so that `parse` raises KeyError, TypeError or UserError.
        """
        saved = self.read_config()
        try:
            return parse(saved)
        except (KeyError, TypeError, UserError) as error:
            reason = f"it lacks the entry {error}" if isinstance(error, KeyError) else error
            raise UserError(
                f"{self.config}: written by another version of the code ({reason})"
            ) from None

    def write_config(
        self, config: dict, data: dict, environment: dict, command: str, total_steps: int
    ) -> None:
        """Write config.json, with the commands of a resumed run in order.

        Args:
            config: the "options" of the run and the "hyperparameters" of its model.
            data: description of the data set.
            environment: machine and versions.
            command: command line of this training.
            total_steps: last step of this training.
        """
        resumed = self.config.exists() and self.has_checkpoints
        commands = self.read_config()["commands"] if resumed else []
        write_json(
            self.config,
            {
                "commands": [*commands, command],
                **config,
                "data": data,
                "total_steps": total_steps,
                "environment": environment,
            },
        )

    @property
    def has_checkpoints(self) -> bool:
        return any(self.checkpoints.glob("ckpt-*.*"))

    @property
    def finished(self) -> bool:
        """True if the checkpoint of the last step and the export, which is written last, exist.

        Raises:
            UserError: config.json is missing or cannot be read.
        """
        total = self.read_config()["total_steps"]
        last = self.checkpoints / f"ckpt-{total}.index"
        exported = self.export / "saved_model" / "saved_model.pb"
        both = last.exists() and exported.exists()
        return both and exported.stat().st_mtime >= last.stat().st_mtime

    def log(self, record: dict) -> None:
        """Append a line to metrics.jsonl."""
        with self._metrics.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def records(self) -> list[dict]:
        """Return the records of metrics.jsonl; an incomplete last line is ignored."""
        lines = self._metrics.read_text().splitlines() if self._metrics.exists() else []
        records = []
        for line in lines:
            try:
                records.append(json.loads(line))
            except ValueError:
                break
        return records

    def forget_after(self, step: int) -> None:
        """Remove the records and pictures after a step, from which the run resumes."""
        kept = [record for record in self.records() if record["step"] <= step]
        write_atomically(self._metrics, "".join(json.dumps(r) + "\n" for r in kept))
        folders = (self.samples, self.planes, self.reconstructions)
        for picture in (path for folder in folders for path in folder.glob("*step-*.png")):
            if int(picture.stem.rpartition("step-")[2]) > step:
                picture.unlink()


def lock(file) -> None:
    """Lock a file for this process until it is closed.

    Does nothing where the file system or the platform does not support locks.

    Raises:
        BlockingIOError: another process locks it.
    """
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return
