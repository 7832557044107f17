"""Evaluation of run directories and of image files, for evaluate.py and study.py."""

import os
from collections.abc import Sequence
from pathlib import Path

import data
from errors import UserError
from evaluation import runner, subject
from evaluation.context import Stopwatch
from evaluation.families import describe as describe_metrics
from evaluation.options import EvaluateOptions, MeasureOptions
from evaluation.record import RUN, evaluate
from evaluation.reference import Reference
from evaluation.reports import publishing
from evaluation.reports.comparison import write_comparison
from evaluation.reports.tables import missing, tables
from storage.checkpoint_files import require_checkpoint, steps_of
from storage.paths import require_writable
from storage.run_directory import RunDirectory
from training import options
from training.publishing import published_record

__all__ = ["EvaluateOptions", "describe_metrics", "evaluate_all"]

PROTOCOL = "evaluation.json has the protocol of each value: counts, split, features, seeds"


def evaluate_all(request: EvaluateOptions, *, only_new: bool = False) -> str:
    """Measure, compare and publish runs, or measure images; return the text to print.

    It has the missing metrics with their reasons, and the tables. The protocol of each value is in
    the files alone.

    Args:
        request: the runs or images, the metrics and the protocol.
        only_new: skip runs with saved metrics of the same checkpoint and protocol.
    """
    folder, runs = request.folder, runs_of(request)
    require_outputs(request, runs)
    records = [published_record(run) for run in runs] if request.publish else []
    configure_gpus()
    references = [reference_of_images(request)] if request.images else references_of(runs, request)
    outdir = folder if uses_outdir(request, runs) else None
    evaluations = [evaluate_run(run, request, references, only_new, outdir) for run in runs]
    if request.images:
        images = subject.of_images(request.images, references[0].data)
        evaluations = [evaluate(images, references[0], request, folder)]
    require_measured(request, evaluations)
    for run, record, evaluation in zip(runs, records, evaluations, strict=False):
        publishing.publish({**record, "metrics": evaluation["metrics"]}, run.path)
    if request.baselines:
        evaluations += evaluate_baselines(request, references)
    several = len(evaluations) > 1
    lines = [f"{e['name']}: " * several + line for e in evaluations for line in missing(e)]
    lines += ["", tables(evaluations), "" if several else PROTOCOL]
    if several:
        logs = {e["name"]: run.records() for run, e in zip(runs, evaluations, strict=False)}
        lines.append(write_comparison(folder, evaluations, logs))
        if request.publish and len(runs) > 1:
            publishing.copy_pictures(folder, folder.name)
    return "\n".join(lines).strip("\n")


def configure_gpus() -> None:
    """Let the memory of GPUs grow, and turn off TensorFloat-32.

    TensorFloat-32 multiplies with 10 bits of precision on GPUs since Ampere.
    """
    import tensorflow as tf

    from training import machine

    machine.grow_gpu_memory()
    tf.config.experimental.enable_tensor_float_32_execution(False)


def runs_of(request: EvaluateOptions) -> list[RunDirectory]:
    """Return the given runs.

    Raises:
        UserError: a run is given twice, is missing or has no checkpoint.
    """
    runs = [RunDirectory(path) for path in directories(request.run)]
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise UserError(f"{request.run}: a run is given twice", "run")
    for run in runs:
        run.read_config()
        if not run.has_checkpoints:
            raise run.without_checkpoints("run")
        if request.step is not None:
            require_checkpoint(run.checkpoints, request.step)
    return runs


def require_outputs(request: EvaluateOptions, runs: Sequence[RunDirectory]) -> None:
    """Check the folders of the outputs before anything is measured.

    Raises:
        UserError: one cannot be written, or `outdir` has no effect or is the directory of another
            run.
    """
    compared = len(runs) > 1 or request.baselines
    if compared or request.images or uses_outdir(request, runs):
        require_writable(request.folder, "outdir")
    if uses_outdir(request, runs):
        (run,) = runs
        if is_run(request.folder) and request.folder.resolve() != run.path.resolve():
            raise UserError(f"{request.folder} is the directory of another run", "outdir")
        return
    if request.outdir and runs and not compared:  # publish
        raise UserError(
            "has no effect with publish of one run, whose files are in its own directory", "outdir"
        )
    advice = "Evaluate it alone" * (len(runs) > 1) or "Run the command again"
    for run in runs:
        require_writable(
            run.path, "run", f"{advice} with outdir=... set to a directory that can be written"
        )


def uses_outdir(request: EvaluateOptions, runs: Sequence[RunDirectory]) -> bool:
    """Return whether the evaluation of a run is written to `outdir`, not to the run."""
    return bool(request.outdir) and len(runs) == 1 and not request.publish


def is_run(folder: Path) -> bool:
    """Return whether a folder is a run directory."""
    return RunDirectory(folder).config.exists()


def directories(text: str) -> list[str]:
    """Split a text at the commas into paths; a directory may have commas in its name."""
    pieces, found = text.split(","), []
    while pieces:
        joined = [(n, ",".join(pieces[:n])) for n in range(len(pieces), 0, -1)]
        named = (
            (n, path)
            for n, one in joined
            for path in (one, one.strip())
            if path.strip() and os.path.isdir(path)
        )
        n, path = next(named, (1, pieces[0].strip()))
        found += [path] if path else []
        del pieces[:n]
    return found


def references_of(runs: Sequence[RunDirectory], request: MeasureOptions) -> list[Reference]:
    """Return the reference images of each data set of the runs.

    Raises:
        UserError: the images of a run have changed, or its data set has no such metrics, features
            or baselines.
    """
    references: list[Reference] = []
    for run in runs:
        described = run.read_data()
        if any(r.data.fingerprint == described["fingerprint"] for r in references):
            continue
        config = options.Config.of_run(run)
        data_dir = request.data_dir or config.options.data_dir
        images = config.with_options(data_dir=data_dir).load_data()
        if images.fingerprint != described["fingerprint"]:
            raise UserError(
                f"{run.path}: the run was trained on other images of {described['name']}. "
                "Restore the data set or set data_dir"
            )
        references.append(runner.load_reference(images, request))
    return references


def reference_of_images(request: EvaluateOptions) -> Reference:
    """Return the reference images for image files."""
    name = data.canonical_name(request.dataset)
    images = data.load(name, data_dir=request.data_dir or None, image_size=request.image_size)
    return runner.load_reference(images, request)


def evaluate_run(
    run: RunDirectory,
    request: EvaluateOptions,
    references: Sequence[Reference],
    only_new: bool,
    outdir: Path | None = None,
) -> dict:
    """Measure a run and write its evaluation.json to `outdir` or to the run; return the record.

    In the run, the files of an earlier checkpoint than the newest one have a folder of their own.
    """
    from training import loading

    watch = Stopwatch()
    with watch.stage("loading"):
        config, described, model = loading.load_run(run.path, request.step)
    (reference,) = (r for r in references if r.data.fingerprint == described["fingerprint"])
    step = int(model.step)
    protocol = {
        "model": config.options.model,
        "checkpoint_step": step,
        **model.protocol(),
        "precision": config.options.mixed_precision,
    }
    trained = run.read_config()["hyperparameters"]
    identity = [trained, config.options.seed, step, described["fingerprint"]]
    name, folder = str(run.path), run.path
    if request.step is not None:
        name += f" (step {step})"
        if step != steps_of(run.checkpoints)[0]:
            folder = run.path / f"evaluation-step-{step}"
    if outdir:
        folder, protocol[RUN] = outdir, str(run.path.resolve())
    measured = subject.of_model(name, model, protocol, identity)
    return evaluate(measured, reference, request, folder, only_new=only_new, watch=watch)


def evaluate_baselines(request: MeasureOptions, references: Sequence[Reference]) -> list[dict]:
    """Measure the baselines of each data set; publish them if `publish` is set."""
    evaluations = []
    for reference in references:
        baselines = subject.baselines(reference.data.train)
        measured = [evaluate(baseline, reference, request) for baseline in baselines]
        if request.publish:
            publishing.publish_baselines(measured)
        evaluations += measured
    return evaluations


def require_measured(request: MeasureOptions, evaluations: Sequence[dict]) -> None:
    """Raise UserError if none of the given metrics could be measured for any run."""
    entries = [entry for e in evaluations for entry in e["metrics"].values()]
    if request.metrics and all(entry["value"] is None for entry in entries):
        raise UserError(f"{request.metrics}: {entries[0]['protocol']['reason']}", "metrics")
