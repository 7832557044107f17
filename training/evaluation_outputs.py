"""Folders of the outputs of evaluate.py, checked before anything is measured."""

from collections.abc import Sequence
from pathlib import Path

from errors import UserError
from evaluation.options import EvaluateOptions
from storage.packages import Package
from storage.paths import require_apart, require_writable
from storage.run_directory import RunDirectory
from training.options import Config


def require_outputs(
    request: EvaluateOptions, runs: Sequence[RunDirectory | Package], study: bool = False
) -> None:
    """Check the folders of the outputs before anything is measured.

    Raises:
        UserError: one cannot be written, or `outdir` has no effect, is the directory of another
            run or is in a folder of images.
    """
    for package in (run for run in runs if updates_description(run, request)):
        require_writable(package.config.parent, "pretrained", "Set --outdir")
    compared = len(runs) > 1 or request.baselines or study
    if compared or request.images or uses_outdir(request, runs):
        require_writable(request.folder, "outdir")
        read = [Config.of_run(run).options.dataset for run in runs]
        for images in (request.images, request.dataset, *read):
            require_apart(request.folder, images, "outdir", also_around=False)
    if uses_outdir(request, runs) and not study:
        (run,) = runs
        if is_run(request.folder) and request.folder.resolve() != run.outputs.resolve():
            raise UserError(f"{request.folder} is the directory of another run", "outdir")
        return
    if request.outdir and runs and not compared:  # publish
        raise UserError(
            "has no effect with publish of one run, whose files are in its own directory", "outdir"
        )
    advice = "Evaluate it alone" * (len(runs) > 1) or "Run the command again"
    for run in runs:
        option = "pretrained" if isinstance(run, Package) else "run"
        require_writable(
            run.outputs, option, f"{advice} with --outdir set to a directory that can be written"
        )


def uses_outdir(request: EvaluateOptions, runs: Sequence[RunDirectory | Package]) -> bool:
    """Return whether the evaluation of a run is written to `outdir`, not to the run."""
    return bool(request.outdir) and len(runs) == 1 and not request.publish


def is_run(folder: Path) -> bool:
    """Return whether a folder is a run directory."""
    return RunDirectory(folder).config.exists()


def updates_description(run: RunDirectory | Package, request: EvaluateOptions) -> bool:
    """Return whether the description of a package gets the metrics."""
    return isinstance(run, Package) and (
        request.publish or not (run.shipped_sha256 or request.outdir)
    )
