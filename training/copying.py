"""Copies of a run directory on a mounted drive, made while it trains.

A copy has config.json, status.json, metrics.jsonl, the checkpoints and the pictures that are drawn
during the training. Every file is written under a temporary name and renamed. The index of a
checkpoint is the last file of a copy, so that a complete checkpoint has its records. TensorFlow is
imported only to compare the checkpoints of a run with those of its copy.
"""

import contextlib
import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from cli.failures import explained
from errors import UserError, warn
from storage.checkpoint_files import delete, files_of, steps_of
from storage.files import make_durable, replacing
from storage.run_directory import FILES, RunDirectory
from training.options import Config
from training.resume import differences
from waiting import waiting

RETRIES = 3
PAUSE = 2.0  # seconds before the first retry; each further one takes twice as long
LONGEST_WAIT = 60.0  # seconds for the last copy at the end of a training

RECORDS, STATUS, PICTURES = ("config.json", "metrics.jsonl"), "status.json", (".png", ".gif")

Known = dict[Path, int]  # copied file -> time of its source in nanoseconds


class Copies:
    """Context in which a thread copies a run directory on request, one copy at a time.

    A copy never blocks or stops the training. Of the requests during a copy the newest one counts.
    A copy that fails is tried again, and again at the next request; there is one warning. On exit
    the context waits for the last copy, at most LONGEST_WAIT seconds; not after a
    KeyboardInterrupt.

    Args:
        run: the run directory.
        target: folder of the copy, in an existing folder; None for no copies.

    Attributes:
        steps: steps of the complete checkpoints in the copy, as it was read last; None before.
    """

    def __init__(self, run: RunDirectory, target: Path | None):
        self.run, self.target = run, target
        self.steps: set[int] | None = None
        self._changed = threading.Condition()
        self._wanted = self._busy = self._ended = self._warned = self._shared = False
        self._failures = 0
        self._known: Known = {}

    def __enter__(self) -> "Copies":
        if self.target:
            here = device(self.run.path)
            self._unmounted = None if device(self.target.parent) == here else here
            threading.Thread(target=self._work, name="copies", daemon=True).start()
        return self

    def request(self) -> None:
        """Request a copy of the present run directory; return at once."""
        with self._changed:
            self._wanted = True
            self._changed.notify_all()

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        if not self.target:
            return
        wait = 0.0 if kind is KeyboardInterrupt else LONGEST_WAIT
        with self._changed:
            if wait and (self._wanted or self._busy):
                print(f"waiting for the copy in {self.target}, at most {wait:.0f} s", flush=True)
            try:
                done = self._changed.wait_for(lambda: not (self._wanted or self._busy), wait)
            finally:
                self._ended = True
                self._changed.notify_all()
        here = max(steps_of(self.run.checkpoints), default=None)
        there = max(self.steps or (), default=None)
        if here is None or (done and here == there and not self._failures):
            return
        if here == there:
            warn(f"{self.target}: the copy of step {here} is not complete")
        else:
            state = "empty" if there is None else f"at step {there}"
            warn(f"{self.target}: the copy is {state}, the run is at step {here}")

    def _read_steps(self) -> set[int]:
        """Read which checkpoints the copy has, if its drive is there; return the new ones."""
        folder = self.target / self.run.checkpoints.name
        before = self.steps
        with contextlib.suppress(OSError):
            if self.target.is_dir():
                self.steps = set(steps_of(folder))
        return self.steps - before if self.steps and before is not None else set()

    def _work(self) -> None:
        self._read_steps()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted or self._ended)
                if self._ended:
                    return
                self._wanted, self._busy = False, True
            try:
                self._copy_with_retries()
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

    def _copy_with_retries(self) -> None:
        """Copy the run; after a failure try again, unless a newer copy is requested."""
        while True:
            try:
                self._require_drive()
                self._warn_if_shared()
                copy(self.run, self.target, self._known)
                self._failures = 0
                return
            except Exception as error:  # of any kind: the training goes on
                reason = explained(error, advice=False) or repr(error)
            finally:
                self._read_steps()
            self._failures += 1
            if self._failures >= RETRIES:
                break
            with self._changed:
                pause = PAUSE * 2 ** (self._failures - 1)
                if self._changed.wait_for(lambda: self._wanted or self._ended, pause):
                    return
        if not self._warned:
            self._warned = True
            warn(f"{self.target}: no copy, tried again after each checkpoint ({reason})")

    def _warn_if_shared(self) -> None:
        """Warn once if another training has written checkpoints to the copy since the last one."""
        if self._read_steps() and not self._shared:
            self._shared = True
            warn(
                f"{self.target}: another training copies to this folder as well, and each deletes "
                "the checkpoints of the other. Stop one, or give it an outdir of another name"
            )

    def _require_drive(self) -> None:
        """Raise OSError if the drive of the copy was unmounted."""
        if device(self.target.parent) == self._unmounted:
            raise FileNotFoundError(f"{self.target.parent} is not mounted any more")


def copy(run: RunDirectory, target: Path, known: Known, prune: bool = True) -> int | None:
    """Copy the essentials of a run directory; return the step of the newest checkpoint.

    Args:
        run: the run directory; a training may write to it meanwhile.
        target: folder of the copy; created in an existing folder.
        known: times of the files that were copied; completed.
        prune: whether to delete checkpoints of the copy that the run has not any more.
    """
    steps = steps_of(run.checkpoints)
    folder = target / run.checkpoints.name
    for path in (target, folder):
        path.mkdir(exist_ok=True)
    RunDirectory(target).sweep()
    for step in steps:
        with contextlib.ExitStack() as stack:
            try:  # both are open before the first is copied: the training may delete them
                index, data = (
                    stack.enter_context(file.open("rb")) for file in files_of(run.checkpoints, step)
                )
            except FileNotFoundError:
                if step == steps[0]:
                    raise
                continue
            copied_index, copied_data = files_of(folder, step)
            if not is_copied(data, copied_data, known):
                copied_index.unlink(missing_ok=True)
            copy_file(data, copied_data, known)
            if step == steps[0]:
                copy_files([run.path / name for name in RECORDS], target, known)
                copy_pictures(run, target, known)
            copy_file(index, copied_index, known)
    for old in set(steps_of(folder)) - set(steps) if steps and prune else ():
        delete(folder, old)
    copy_files([run.path / STATUS], target, known)
    return steps[0] if steps else None


def copy_pictures(run: RunDirectory, target: Path, known: Known) -> None:
    """Copy the pictures that a training has written to a run."""
    for name in ("", run.samples.name, run.planes.name, run.reconstructions.name):
        folder = run.path / name
        found = sorted(folder.iterdir()) if folder.is_dir() else ()
        own = [path for path in found if FILES[name].fullmatch(path.name)]
        pictures = [path for path in own if path.suffix in PICTURES]
        copy_files(pictures, target / name, known)


def copy_files(paths: Sequence[Path], folder: Path, known: Known) -> None:
    """Copy the files that exist to a folder."""
    for path in filter(Path.is_file, paths):
        folder.mkdir(exist_ok=True)
        with path.open("rb") as file:
            copy_file(file, folder / path.name, known)


def is_copied(file: BinaryIO, target: Path, known: Known) -> bool:
    """Return whether a copy of an open file exists, by size and time."""
    if not target.exists():
        return False
    here, there = os.fstat(file.fileno()), target.stat()
    return there.st_size == here.st_size and here.st_mtime_ns in (
        there.st_mtime_ns,
        known.get(target),  # not every drive keeps times
    )


def copy_file(file: BinaryIO, target: Path, known: Known) -> None:
    """Copy an open file with its time, atomically, unless it is copied."""
    if is_copied(file, target, known):
        return
    times = os.fstat(file.fileno())
    with replacing(target) as beside:
        with beside.open("wb") as copied:
            shutil.copyfileobj(file, copied, 2**20)
        make_durable(beside)
        with contextlib.suppress(OSError):
            os.utime(beside, ns=(times.st_atime_ns, times.st_mtime_ns))
    known[target] = times.st_mtime_ns


def device(path: Path) -> int:
    """Return the number of the file system of a path."""
    return os.stat(path).st_dev


def take_back(config: Config, run: RunDirectory) -> list[str]:
    """Copy the run back from its copy if that has an intact checkpoint of a later step.

    Returns the lines about it, to be printed.

    Args:
        config: configuration of the training, with the folder of the copy.
        run: the locked run directory.

    Raises:
        UserError: the folder of the copies is missing, the copy is the run itself or of another
            run, or `resume` forbids to resume it.
    """
    if not (target := config.copy):
        return []
    require_place(target, run)
    there = RunDirectory(target)
    if not there.has_checkpoints:
        return []
    if config.options.resume == "never":
        raise UserError(
            f"resume=never requires a new directory, the copy {target} has checkpoints. Set "
            "--outdir to a new directory, or move it away",
            "resume",
        )
    require_same(config, there)
    if run.has_checkpoints:
        if differences(Config.of_run(run), config.for_run(run)):
            return []  # an error of `resume.check`
        if run.read_data()["fingerprint"] != there.read_data()["fingerprint"]:
            raise UserError(f"{target}: its images differ from those of {run.path}", "copy_to")
    with waiting(f"reading the copy in {target}"):
        here = newest_intact(run.checkpoints)
        newest = newest_intact(there.checkpoints, after=here)
    if newest is None:
        if here is not None or run.has_checkpoints:
            return []
        newest = steps_of(there.checkpoints)[0]  # damaged as all others, which the restore names
    for step in steps_of(there.checkpoints):
        if here is None or step > here:  # damaged here, although it may have the size of the copy
            delete(run.checkpoints, step)
    with waiting(f"copying step {newest} back from {target}"):
        copy(there, run.path, {}, prune=False)
    return [f"{run.path}: step {newest} is copied back from {target}"]


def newest_intact(directory: Path, after: int | None = None) -> int | None:
    """Return the step of the newest checkpoint that can be read, None if there is none.

    Args:
        directory: folder of checkpoints, which are read from the newest one on.
        after: only checkpoints of later steps are read.
    """
    steps = [step for step in steps_of(directory) if after is None or step > after]
    if not steps:
        return None
    from storage.checkpoints import is_intact

    return next((step for step in steps if is_intact(directory, step)), None)


def require_place(target: Path, run: RunDirectory) -> None:
    """Raise UserError if a copy has no place, or would overlap with the run directory."""
    for path in (target.parent, target):
        if path.exists() and not path.is_dir():
            raise UserError(f"{path}: is a file, not a folder. Choose another folder", "copy_to")
    if not target.parent.is_dir():
        raise UserError(
            f"{target.parent}: no such folder. Mount the drive, or create the folder", "copy_to"
        )
    here, there = run.path.resolve(), target.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise UserError(
            f"the copy {target} and the run directory {run.path} overlap. Choose another folder",
            "copy_to",
        )


def require_same(config: Config, there: RunDirectory) -> None:
    """Raise UserError if a copy is of a run of another configuration."""
    if changed := differences(Config.of_run(there), config.for_run(there)):
        raise UserError(
            f"{there.path} is the copy of a run of another configuration: {'; '.join(changed)}. "
            "Set --outdir to a new directory, or move the copy away",
            "copy_to",
        )
