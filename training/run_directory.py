"""The folder of a run: who holds it, what it was told, what it has logged."""

import json
import os
from pathlib import Path

from errors import UserError
from files import write_atomically, write_json
from training.options import Config


class RunDirectory:
    """A folder that one training at a time writes to; a context manager that holds it.

    Args:
        path: made if it is missing.

    Raises:
        UserError, on entering: the folder cannot be written, or another training holds it.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
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
                f"--outdir={self.path}: cannot write there ({error.strerror}); choose another"
            ) from None
        try:
            lock(self._lock)
        except BlockingIOError:
            self._lock.close()
            raise UserError(
                f"--outdir={self.path}: another training is writing there; choose another"
            ) from None
        return self

    def __exit__(self, *_) -> None:
        self._lock.close()
        if [entry.name for entry in self.path.iterdir()] == [".lock"]:
            (self.path / ".lock").unlink()
            self.path.rmdir()

    def read_config(self) -> dict:
        """config.json.

        Raises:
            UserError: there is none, or it cannot be read.
        """
        try:
            saved = json.loads(self.config.read_text())
            parts = {"commands", "options", "hyperparameters", "data", "total_steps"}
            missing = parts - set(saved)
            if missing:
                raise ValueError(f"{', '.join(sorted(missing))} missing")
            return saved
        except FileNotFoundError:
            raise UserError(f"{self.path}: no run there (config.json is missing)") from None
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{self.config}: cannot be read ({error})") from None

    def write_config(
        self, config: Config, data: dict, environment: dict, command: str, total_steps: int
    ) -> None:
        """Writes config.json; the commands of a run that went on are kept in their order."""
        resumed = self.config.exists() and self.has_checkpoints
        commands = self.read_config()["commands"] if resumed else []
        write_json(
            self.config,
            {
                "commands": [*commands, command],
                **config.as_dict(),
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
        """Whether a training has left all that it leaves at its end: the checkpoint of its last
        step and, written after it, the exported generator.

        Raises:
            UserError: there is no config.json, or it cannot be read.
        """
        total = self.read_config()["total_steps"]
        last = self.checkpoints / f"ckpt-{total}.index"
        exported = self.export / "saved_model" / "saved_model.pb"
        both = last.exists() and exported.exists()
        return both and exported.stat().st_mtime >= last.stat().st_mtime

    def check(self, config: Config) -> None:
        """Whether a training may begin, or go on, here with this configuration.

        Raises:
            UserError: --resume forbids it, or the run was begun with another configuration.
        """
        resume = config.options.resume
        trained = self.has_checkpoints
        if resume == "must" and not trained:
            raise UserError(f"--resume=must: {self.path} has no checkpoint to go on from")
        if resume == "never" and trained:
            raise UserError(
                f"--resume=never: {self.path} holds a run; choose another --outdir or move it away"
            )
        if trained:
            was = Config.from_dict(self.read_config()).fixed()
            now = config.fixed()
            both = ["model"] if was["model"] != now["model"] else now
            changed = [
                f"--{k} was {said(was[k])}, is {said(now[k])}" for k in both if was[k] != now[k]
            ]
            if changed:
                raise UserError(
                    f"{self.path} was begun otherwise: {'; '.join(changed)}. Go on with the old "
                    "values, or choose another --outdir"
                )

    def log(self, record: dict) -> None:
        """Appends a line to metrics.jsonl."""
        with self._metrics.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def records(self) -> list[dict]:
        """The lines of metrics.jsonl, but for one cut off by a kill."""
        lines = self._metrics.read_text().splitlines() if self._metrics.exists() else []
        records = []
        for line in lines:
            try:
                records.append(json.loads(line))
            except ValueError:
                break
        return records

    def forget_after(self, step: int) -> None:
        """Drops what was logged and drawn after a step, from which the run goes on."""
        kept = [record for record in self.records() if record["step"] <= step]
        write_atomically(self._metrics, "".join(json.dumps(r) + "\n" for r in kept))
        folders = (self.samples, self.planes, self.reconstructions)
        for picture in (path for folder in folders for path in folder.glob("*step-*.png")):
            if int(picture.stem.rpartition("step-")[2]) > step:
                picture.unlink()


def said(value) -> str:
    """A flag's value as a message names it."""
    return "not given" if value is None else str(value)


def lock(file) -> None:
    """Takes the file for this process until it is closed; BlockingIOError if another has it.

    Where the file system or the platform has no locks, the file is simply taken.
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
