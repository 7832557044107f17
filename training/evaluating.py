"""Evaluation of run directories and of image files, for evaluate.py and study.py."""

from collections.abc import Sequence
from pathlib import Path

import data
import fields
from errors import UserError
from evaluation import runner, subject
from evaluation.context import Stopwatch
from evaluation.options import EvaluateOptions, MeasureOptions
from evaluation.record import evaluate
from evaluation.reference import Reference
from evaluation.reports import publishing
from evaluation.reports.comparison import write_comparison
from evaluation.reports.tables import notes, tables
from storage.run_directory import RunDirectory
from training import options
from training.publishing import published_record


def evaluate_all(asked: EvaluateOptions, *, only_new: bool = False) -> str:
    """Measure, compare and publish runs, or measure images; return the tables and notes.

    Args:
        asked: the runs or images, the metrics and the protocol.
        only_new: skip runs with saved metrics of the same checkpoint and protocol.
    """
    folder = Path(asked.outdir).expanduser()
    runs = runs_of(asked)
    records = [published_record(run) for run in runs] if asked.publish else []
    disable_tensor_float_32()
    references = [reference_of_images(asked)] if asked.images else references_of(runs, asked)
    evaluations = [evaluate_run(run, asked, references, only_new) for run in runs]
    if asked.images:
        images = subject.of_images(asked.images, references[0].data.image_shape)
        evaluations = [evaluate(images, references[0], asked, folder)]
    require_measured(asked, evaluations)
    for run, record, evaluation in zip(runs, records, evaluations, strict=False):
        publishing.publish({**record, "metrics": evaluation["metrics"]}, run.path)
    if asked.baselines:
        evaluations += evaluate_baselines(asked, references)
    lines = [tables(evaluations), *map(notes, evaluations)]
    if len(evaluations) > 1:
        logs = {str(run.path): run.records() for run in runs}
        lines.append(write_comparison(folder, evaluations, logs))
        if asked.publish and len(runs) > 1:
            publishing.publish_comparison(folder)
    return "\n".join(lines)


def disable_tensor_float_32() -> None:
    """Turn off TensorFloat-32, which multiplies with 10 bits of precision on GPUs since Ampere."""
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)


def runs_of(asked: EvaluateOptions) -> list[RunDirectory]:
    """Return the given runs.

    Raises:
        UserError: a run is given twice, is missing or has no checkpoint.
    """
    runs = [RunDirectory(path) for path in fields.listed(asked.run)]
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise UserError(f"{asked.run}: a run is given twice", "run")
    for run in runs:
        run.read_config()
        if not run.has_checkpoints:
            raise UserError(
                f"{run.path}: no checkpoint found. Train it first with outdir={run.path}", "run"
            )
    return runs


def references_of(runs: Sequence[RunDirectory], asked: MeasureOptions) -> list[Reference]:
    """Return the reference images of each data set of the runs.

    Raises:
        UserError: the images of a run have changed, or its data set has no such metrics, features
            or baselines.
    """
    from training import loading

    references: list[Reference] = []
    for run in runs:
        saved = run.read_config()
        if any(r.data.fingerprint == saved["data"]["fingerprint"] for r in references):
            continue
        config = options.Config.from_dict(saved)
        data_dir = asked.data_dir or config.options.data_dir
        images = loading.load_data(config.with_options(data_dir=data_dir))
        if images.fingerprint != saved["data"]["fingerprint"]:
            raise UserError(
                f"{run.path}: the run was trained on other images of {saved['data']['name']}. "
                "Restore the data set or set data_dir"
            )
        references.append(runner.load_reference(images, asked))
    return references


def reference_of_images(asked: EvaluateOptions) -> Reference:
    """Return the reference images for image files."""
    name = data.canonical_name(asked.dataset)
    return runner.load_reference(data.load(name, data_dir=asked.data_dir or None), asked)


def evaluate_run(
    run: RunDirectory, asked: MeasureOptions, references: Sequence[Reference], only_new: bool
) -> dict:
    """Measure a run and write its evaluation.json; return the record."""
    from training import loading

    watch = Stopwatch()
    with watch.stage("loading"):
        config, described, model = loading.load_run(run.path)
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
    measured = subject.of_model(str(run.path), model, protocol, identity)
    return evaluate(measured, reference, asked, run.path, only_new=only_new, watch=watch)


def evaluate_baselines(asked: MeasureOptions, references: Sequence[Reference]) -> list[dict]:
    """Measure the baselines of each data set; publish them if `publish` is set."""
    evaluations = []
    for reference in references:
        baselines = subject.baselines(reference.data.train)
        measured = [evaluate(baseline, reference, asked) for baseline in baselines]
        if asked.publish:
            publishing.publish_baselines(measured)
        evaluations += measured
    return evaluations


def require_measured(asked: MeasureOptions, evaluations: Sequence[dict]) -> None:
    """Raise UserError if none of the given metrics could be measured of any run."""
    entries = [entry for e in evaluations for entry in e["metrics"].values()]
    if asked.metrics and all(entry["value"] is None for entry in entries):
        raise UserError(f"{asked.metrics}: {entries[0]['protocol']['reason']}", "metrics")
