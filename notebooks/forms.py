"""Forms of the notebook: checks of their fields, and the commands that they give."""

import dataclasses
import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from errors import UserError, one_line
from notebooks import cells
from notebooks.cells import CellError
from training.options import parse

PICTURES = ("samples.png", "reconstructions.png", "curves.png")
DRIVE = "/content/drive"
COPIES = f"{DRIVE}/MyDrive/gan-zoo"
AFTER_STOP = "To resume the training, run this cell again."
NAME = re.compile(r"\w[\w.+ -]*")


@dataclasses.dataclass(frozen=True)
class Training:
    """A training that a form has selected.

    Attributes:
        flags: arguments of train.py.
        run: path of the run directory.
        minutes: time after which it is stopped; 0: never.
        length: steps or epochs of the training.
        summary: one line about model, data, length and run directory.
    """

    flags: Sequence[str]
    run: Path
    minutes: float
    length: str
    summary: str

    @property
    def after_end(self) -> str:
        """Advice on longer training, for the end."""
        return (
            f"To train for more than {self.length}, change Choose, run it, and run this cell again."
        )

    @property
    def pictures(self) -> list[Path]:
        """Paths of the samples and the curves, which may not exist yet."""
        return [self.run / name for name in PICTURES]

    def train(self) -> None:
        """Train or resume; show the pictures meanwhile."""
        cells.run(
            "train.py",
            *self.flags,
            pictures=self.pictures,
            minutes=self.minutes,
            after_end=self.after_end,
            after_stop=AFTER_STOP,
        )

    def show(self) -> None:
        """Show the pictures that there are."""
        found = [str(path) for path in self.pictures if path.is_file()]
        for path in found:
            cells.show_picture(path)
        if not found:
            print(f"{self.run}: no pictures yet; run Train first")


def set_up(runs: str) -> str:
    """Make the folder of the runs; return its absolute path.

    Prints the folder and the GPUs, and lets %tensorboard find the program of this environment.

    Raises:
        CellError: the folder cannot be made.
    """
    try:
        folder = Path(runs).expanduser().resolve()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError, RuntimeError) as error:  # ValueError: NUL; RuntimeError: ~nobody
        problem = getattr(error, "strerror", None) or error
        raise CellError(f"runs: {one_line(runs)} cannot be made ({problem})") from None
    tensorboard = Path(sys.executable).with_name("tensorboard")
    if tensorboard.is_file():
        os.environ.setdefault("TENSORBOARD_BINARY", str(tensorboard))
    print(f"runs: {folder}", gpus(), sep="\n")
    return str(folder)


def gpus() -> str:
    """Return the GPUs that nvidia-smi lists, or a line about where to select one."""
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        done = None
    if done and done.returncode == 0 and done.stdout.strip():
        return done.stdout.strip()
    return "no GPU: in Colab select one with Runtime, Change runtime type"


def choose(
    runs: str,
    *,
    model: str,
    dataset: str,
    epochs: int = 0,
    minutes: float = 0,
    flags: str = "",
    name: str = "",
    copy_to_drive: bool = False,
) -> Training:
    """Return the training that the fields of the form select.

    Args:
        runs: folder of the run directories.
        model: model.
        dataset: name or path of the data set.
        epochs: number of epochs; 0: the default of the model.
        minutes: time after which the training is stopped; 0: never.
        flags: further flags of train.py.
        name: name of the run directory; empty: model and data set.
        copy_to_drive: whether to mount Google Drive and copy the checkpoints to it.

    Raises:
        CellError: a field is invalid; the message is one line and names it.
    """
    if not isinstance(epochs, int) or epochs < 0:
        raise CellError(f"epochs: expected an integer >= 0, got {epochs!r}")
    if not isinstance(minutes, int | float) or not 0 <= minutes < math.inf:
        raise CellError(f"minutes: expected a number >= 0, got {minutes!r}")
    if name and not NAME.fullmatch(name):
        raise CellError(
            "name: expected letters, digits, spaces and _ . + -, with a letter, a digit or _ "
            f"first, got {name!r}"
        )
    chosen = [f"--model={model}", f"--dataset={dataset}"]
    chosen += [f"--epochs={epochs}"] * bool(epochs)
    chosen += words(flags)
    try:
        config = parse(chosen)
        if not config.options.outdir:
            run = Path(runs).resolve() / (name or config.outdir.name)
            chosen.append(f"--outdir={run}")
        elif name:
            raise CellError("name: has no effect with --outdir in flags; leave one of them out")
        if copy_to_drive and config.options.copy_to:
            raise CellError("copy_to_drive: untick it, or leave out --copy_to in flags")
        if copy_to_drive:
            chosen.append(f"--copy_to={drive_folder()}")
        config = parse(chosen)
        config.check_data()
    except UserError as error:
        raise CellError(f"{'--' if error.option else ''}{error}") from None
    options, outdir = config.options, config.outdir.resolve()
    length = f"{options.steps} steps" if options.steps else f"{config.hp.epochs} epochs"
    limit = f", at most {minutes:g} minutes" if minutes else ""
    summary = f"{options.model} on {options.dataset}, {length}{limit}; run directory {outdir}"
    return Training(chosen, outdir, minutes, length, summary)


def words(flags: str) -> list[str]:
    """Return the words of a field with flags.

    Raises:
        CellError: a quotation mark is missing.
    """
    try:
        return shlex.split(flags)
    except ValueError as error:
        raise CellError(f"flags: {error}: {flags}") from None


def drive_folder() -> str:
    """Mount Google Drive; return the folder of the copies of runs there.

    Raises:
        CellError: the notebook does not run in Colab, or Google Drive cannot be mounted.
    """
    if "google.colab" not in sys.modules:
        raise CellError(
            "copy_to_drive: Google Drive can be mounted in Colab only; untick it, or add "
            "--copy_to=FOLDER to the flags"
        )
    from google.colab import drive

    try:
        drive.mount(DRIVE)
        Path(COPIES).mkdir(parents=True, exist_ok=True)
    except Exception as error:  # Colab raises errors of many types
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CellError(f"copy_to_drive: Google Drive cannot be mounted ({reason})") from None
    return COPIES


def script(
    command: str, *own: str, flags: str, show_pictures: bool = False, pictures: Sequence[Path] = ()
) -> None:
    """Run a script with the flags of a form.

    Args:
        command: script, such as "evaluate.py" or "-m benchmarks gpu".
        *own: flags of the cell, which come first.
        flags: flags of the form.
        show_pictures: whether to display the pictures whose paths it prints.
        pictures: files to display as well.
    """
    show = cells.show_picture if show_pictures else print
    cells.run(*command.split(), *own, *words(flags), pictures=pictures, show=show)
