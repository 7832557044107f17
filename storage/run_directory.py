"""Directory of a run: its lock, its configuration, its status and its log."""

import contextlib
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

from errors import UserError, warn
from storage.checkpoint_files import WRITTEN, require_checkpoint, steps_of
from storage.files import sweep, write_atomically, write_json
from storage.paths import expanded, require_writable
from storage.saved_config import SavedConfig

SCALAR = re.compile(r"\w[\w./:-]*")  # name of a logged scalar
LARGEST = 2**63 - 1  # integer in a record
STEP_PICTURE = re.compile(r"(?:span-[0-9]+-)?step-([0-9]{7,18})\.png")
# Names of the files that a training writes, by sub-folder; other scripts write others.
FILES = {
    "": re.compile(
        r"(?:config|status)\.json|metrics\.jsonl|progress\.gif"
        r"|(?:real|samples|curves|categories|reconstructions(?:-by-epoch)?|plane-[0-9]+)\.png"
    ),
    "checkpoints": WRITTEN,
    "samples": STEP_PICTURE,
    "planes": STEP_PICTURE,
    "reconstructions": STEP_PICTURE,
    "traversals": re.compile(r".+\.(?:png|gif)"),
    "styles": re.compile(r".+\.png"),
    "export": re.compile(r"generator\.keras|saved_model"),
}


class RunDirectory(SavedConfig):
    """Directory of a run; a context manager that locks it for one training at a time.

    Args:
        path: created on entering; ~ is expanded.

    Raises:
        UserError: on entering, if the directory cannot be written or another process locks it.

    On exit an empty directory is removed, with the folders above it that were created for it.
    """

    missing = "no run found (config.json is missing)"

    def __init__(self, path: str | os.PathLike):
        self.path = self.outputs = Path(expanded(path))
        self.label = str(self.path)
        self.checkpoints = self.path / "checkpoints"
        self.samples = self.path / "samples"
        self.planes = self.path / "planes"
        self.reconstructions = self.path / "reconstructions"
        self.export = self.path / "export"
        self.config = self.path / "config.json"
        self._metrics = self.path / "metrics.jsonl"
        self._status = self.path / "status.json"
        self._lock_file, self._lock = self.path / ".lock", None
        self._created: list[Path] = []
        self._warned: set[str] = set()

    def __enter__(self) -> "RunDirectory":
        require_writable(self.path, "outdir")
        self._created = [path for path in self.path.parents if not path.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = self._lock_file.open("w")
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
        own = self._is_locked_here()
        self._lock.close()
        self._lock = None
        with contextlib.suppress(OSError):  # the directory is gone
            if own and [entry.name for entry in self.path.iterdir()] == [self._lock_file.name]:
                self._lock_file.unlink()
                for path in (self.path, *self._created):
                    path.rmdir()

    def _is_locked_here(self) -> bool:
        """Return whether the lock file is the one that this object has locked.

        A directory that was removed and made again, such as by another training, has another one.
        """
        try:
            return os.path.samestat(os.fstat(self._lock.fileno()), os.stat(self._lock_file))
        except (FileNotFoundError, NotADirectoryError):
            return False

    def require(self) -> None:
        """Check that the directory is still the one that was locked, if it was.

        Raises:
            UserError: it was removed or moved, or its drive was unmounted.
        """
        if self._lock and not self._is_locked_here():
            raise UserError(
                f"{self.path}: the run directory is gone (removed, moved or unmounted), nothing "
                "can be written there any more"
            )

    @contextlib.contextmanager
    def optional(self, what: str) -> Iterator[None]:
        """Context of writes without which the training goes on: a failure gives one warning.

        Args:
            what: name of the files, in the plural, which may be drawn here as well.

        Raises:
            UserError: the run directory is gone.
        """
        self.require()
        try:
            yield
        except UserError:
            raise
        except OSError as error:
            self.require()
            self._warn_once(f"{self.path}: {what} cannot be written ({reason_of(error)})")
        except Exception as error:  # matplotlib raises errors of many types
            reason = f"{type(error).__name__}: {error}"
            self._warn_once(f"{self.path}: {what} cannot be drawn ({reason})")

    def _warn_once(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            warn(message)

    def sweep(self) -> None:
        """Delete the temporary files that killed trainings have left in the folders of the run."""
        for folder, names in FILES.items():
            sweep(self.path / folder, names)

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

        Raises:
            UserError: the run directory is gone, or the old config.json cannot be read.
        """
        self.require()
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
    def advice(self) -> str:
        restore = "restore it from a copy"
        if self.has_checkpoints:
            restore += ", or delete it and repeat the command of the training to write it again"
        return restore

    @property
    def total_steps(self) -> int | None:
        """Last step of the last training; None without config.json."""
        return self.read_config().get("total_steps") if self.config.exists() else None

    def update_environment(self, **facts) -> None:
        """Change facts of the environment in config.json."""
        saved = self.read_config()
        saved["environment"] = {**saved["environment"], **facts}
        write_json(self.config, saved)

    @property
    def has_checkpoints(self) -> bool:
        """True if there is a complete checkpoint."""
        return bool(steps_of(self.checkpoints))

    def has_lost_checkpoints(self, every: float = 0) -> bool:
        """Return whether a run without checkpoints has had one.

        Args:
            every: steps between two checkpoints, for a run of an earlier version without a status.
        """
        if self.has_checkpoints:
            return False
        if status := self.status():
            return status.get("checkpoint") is not None
        return any(record["step"] > every for record in self.records())

    def require_trained(self, step: int | None = None) -> None:
        """Check that the run has a configuration and a checkpoint, that of a step if it is given.

        Raises:
            UserError: one is missing.
        """
        self.read_config()
        if not self.has_checkpoints:
            raise self.without_checkpoints("run")
        if step is not None:
            require_checkpoint(self.checkpoints, step)

    def without_checkpoints(self, option: str = "") -> UserError:
        """Return the error of a run without checkpoints, about an option."""
        advice = f"no checkpoint found. Train it first with outdir={self.path}"
        if self.has_lost_checkpoints():
            advice = (
                f"its checkpoints are missing. Restore the folder {self.checkpoints.name}/, or "
                "move the run away and train it again"
            )
        return UserError(f"{self.path}: {advice}", option)

    def status(self) -> dict[str, int | None]:
        """Return the status of the run by name; empty for a run of an earlier version.

        Entries: `checkpoint`, the step of the first complete checkpoint, and `finished`, the last
        step at which the run was finished. Both are None at first.
        """
        try:
            status = json.loads(self._status.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        valid = isinstance(status, dict) and {type(v) for v in status.values()} <= {int, type(None)}
        return status if valid else {}

    def set_status(self, **entries: int | None) -> None:
        """Set entries of the status.

        Raises:
            UserError: the run directory is gone.
        """
        self.require()
        status = {"checkpoint": None, "finished": None, **self.status()}
        if self.status() != {**status, **entries}:
            write_json(self._status, {**status, **entries})

    def note_checkpoint(self, step: int) -> None:
        """Note in the status that there is a complete checkpoint."""
        if self.status().get("checkpoint") is None:
            self.set_status(checkpoint=step)

    @property
    def finished(self) -> bool:
        """True if the run was finished at its last step, whose checkpoint is there.

        Raises:
            UserError: config.json is missing or cannot be read.
        """
        total = self.read_config()["total_steps"]
        if total not in steps_of(self.checkpoints):
            return False
        if status := self.status():
            return status.get("finished") == total
        return (self.export / "saved_model" / "saved_model.pb").exists()  # of an earlier version

    def log(self, record: dict) -> None:
        """Append a line to metrics.jsonl, and wait until it is on the disk.

        Numbers that are not finite are written as null.

        Raises:
            UserError: the run directory is gone.
        """
        self.require()
        with self._metrics.open("a") as file:
            file.write(json.dumps(without_nan(record), allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def records(self) -> list[dict]:
        """Return the records of metrics.jsonl; a null is NaN.

        Lines that are no records are left out with a warning, an incomplete last one without.
        """
        if not self._metrics.is_file():
            return []
        *lines, rest = self._metrics.read_bytes().split(b"\n")
        found = [parsed_record(line) for line in lines]
        if rest and (last := parsed_record(rest)):
            found.append(last)
        dropped = [str(number) for number, record in enumerate(found, 1) if record is None]
        if dropped:
            shown = ", ".join(dropped[:5]) + (", ..." if len(dropped) > 5 else "")
            lines = "line is" if len(dropped) == 1 else "lines are"
            self._warn_once(
                f"{self._metrics}: {len(dropped)} damaged {lines} left out (line {shown})"
            )
        return [record for record in found if record is not None]

    def has_record(self, step: int, *prefixes: str) -> bool:
        """Return whether there is a record of a step with a name that begins with a prefix."""
        here = [record for record in self.records() if record["step"] == step]
        return any(name.startswith(prefixes) for record in here for name in record)

    def forget_after(self, step: int) -> None:
        """Remove the records and pictures after a step, from which the run resumes."""
        kept = [without_nan(record) for record in self.records() if record["step"] <= step]
        if self._metrics.exists():
            write_atomically(self._metrics, "".join(json.dumps(r) + "\n" for r in kept))
        folders = (self.samples, self.planes, self.reconstructions)
        for picture in (path for folder in folders for path in folder.glob("*step-*.png")):
            match = STEP_PICTURE.fullmatch(picture.name)
            if match and int(match[1]) > step:
                picture.unlink()


def without_nan(record: dict) -> dict:
    """Return a record with None for numbers that are not finite."""
    return {
        name: value if value is None or math.isfinite(value) else None
        for name, value in record.items()
    }


def parsed_record(line: bytes) -> dict | None:
    """Return the record of a line of metrics.jsonl, or None if the line is damaged."""
    try:
        record = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or type(record.get("step")) is not int:
        return None
    if not all(value is None or type(value) in (int, float) for value in record.values()):
        return None
    if record["step"] < 0 or not all(SCALAR.fullmatch(name) for name in record):
        return None
    if any(type(value) is int and abs(value) > LARGEST for value in record.values()):
        return None
    return {name: math.nan if value is None else value for name, value in record.items()}


def reason_of(error: OSError) -> str:
    """Return the reason of an error of the system, without the path."""
    return error.strerror or str(error)


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
