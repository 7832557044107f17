"""Evaluation of run directories and of image files, for evaluate.py and study.py."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import data
from data.listing import find
from data.options import arguments
from data.reading import Reading
from errors import UserError, printable, warn
from evaluation import runner, subject
from evaluation.categories import matching
from evaluation.context import Stopwatch
from evaluation.options import EvaluateOptions, MeasureOptions
from evaluation.record import RUN, WEIGHTS, evaluate, stored_metrics
from evaluation.reference import Reference
from evaluation.reports import publishing
from evaluation.reports.comparison import write_comparison
from evaluation.reports.comparison_figures import Rows, rows_of
from evaluation.reports.groups import members_of, table_of_means
from evaluation.reports.packages import described, write_card
from evaluation.reports.pictures import of_metrics
from evaluation.reports.tables import missing, notes, printed_if_lost, summary_of_missing, tables
from storage import packages
from storage.checkpoint_files import steps_of
from storage.files import write_atomically
from storage.packages import CARD, Package
from storage.paths import expanded
from storage.run_directory import RunDirectory
from training import options
from training.evaluation_outputs import require_outputs, updates_description, uses_outdir
from training.publishing import published_record
from training.run_options import RunOptions
from waiting import waiting

__all__ = ["EvaluateOptions", "evaluate_all"]

PROTOCOL = "evaluation.json has the protocol of each value: counts, split, features, seeds"
TFDS_FOLDER = "~/tensorflow_datasets"  # default folder of TensorFlow Datasets
MEANS = "study.md"  # table of means over training seeds


def evaluate_all(
    request: EvaluateOptions,
    *,
    only_new: bool = False,
    groups: Mapping[str, str] | None = None,
    data_dirs: Mapping[str, str] | None = None,
) -> str:
    """Measure, compare and publish runs, or measure images; return the text to print.

    It has the tables, and a line about the metrics that are n/a. The protocol of each value is in
    the files, and in the text if the option `verbose` is set.

    Args:
        request: the runs or images, the metrics and the protocol.
        only_new: skip runs with saved metrics of the same checkpoint and protocol.
        groups: run -> its configuration in a study, whose table and figure have means over training
            seeds; the table is also written to MEANS.
        data_dirs: run -> its `data_dir` as the user has set it, not as its config.json says.
    """
    folder, runs = request.folder, runs_of(request)
    study = groups is not None
    require_outputs(request, runs, study)
    records = [record_of(run) for run in runs] if request.publish else []
    configure_gpus()
    references = (
        [reference_of_images(request)]
        if request.images
        else references_of(runs, request, data_dirs)
    )
    outdir = folder if uses_outdir(request, runs) and not study else None
    evaluations: list[dict] = []
    with printed_if_lost(evaluations):
        for run in runs:
            evaluations.append(evaluate_run(run, request, references, only_new, outdir))
        if request.images:
            images = subject.of_images(request.images, references[0].data)
            evaluations.append(evaluate(images, references[0], request, folder))
        require_measured(request, evaluations)
        return report(request, runs, records, references, evaluations, groups)


def report(
    request: EvaluateOptions,
    runs: Sequence[RunDirectory | Package],
    records: Sequence[dict],
    references: Sequence[Reference],
    evaluations: list[dict],
    groups: Mapping[str, str] | None,
) -> str:
    """Write and publish what concerns all measurements; return the text to print.

    Args:
        request: the options.
        runs: the runs and packages.
        records: the records to publish of each run, without metrics; empty if none is published.
        references: the reference images of each data set.
        evaluations: the records of the measurements, to which those of baselines are added.
        groups: as for `evaluate_all`.
    """
    folder, study, kept = request.folder, groups is not None, []
    for run, evaluation in zip(runs, evaluations, strict=False):
        if updates_description(run, request):
            keep_metrics(run, evaluation["metrics"])
            kept.append(f"added to {run.config} and {run.config.with_suffix(CARD)}")
    for run, record, evaluation in zip(runs, records, evaluations, strict=False):
        pictures = run.path if isinstance(run, RunDirectory) else None
        publishing.publish({**record, "metrics": evaluation["metrics"]}, pictures)
    if request.baselines:
        evaluations += evaluate_baselines(request, references)
    several = len(evaluations) > 1 or study
    table = table_of_means(evaluations, groups) if study else tables(evaluations)
    more = [summary_of_missing(evaluations)]
    if request.verbose:
        more = [notes(evaluation) for evaluation in evaluations]
    elif not several:
        more.append(PROTOCOL)
    more += [
        f"{e['name']}: " * several + line for e in evaluations for line in matching(e["metrics"])
    ]
    lines = [table, "", *filter(None, more), *kept]
    if study:
        write_atomically(folder / MEANS, f"{table}\n")
        lines.append(f"this table is in {folder / MEANS}")
    if several:
        measured = list(zip(runs, evaluations, strict=False))
        logs = {e["name"]: run.records() for run, e in measured}
        rows = figure_rows(evaluations, measured, groups)
        with waiting("pictures of the comparison"):
            lines.append(write_comparison(folder, evaluations, logs, rows))
        if request.publish and len(runs) > 1:
            publishing.copy_pictures(folder, folder.name)
    return "\n".join(map(printable, "\n".join(lines).strip("\n").split("\n")))


def figure_rows(
    evaluations: Sequence[dict],
    measured: Sequence[tuple[RunDirectory | Package, dict]],
    groups: Mapping[str, str] | None,
) -> Rows:
    """Return the runs of each row of the figures; of a study, those of a column of its table.

    Args:
        evaluations: all records.
        measured: the runs with their records.
        groups: run -> its configuration in a study; None without a study.
    """
    if groups is None:
        configurations = {e["name"]: configuration_of(run) for run, e in measured}
        return rows_of([e["name"] for e in evaluations], configurations)
    members = members_of(evaluations, groups)
    return {group: list(dict.fromkeys(e["name"] for e in of)) for group, of in members.items()}


def configuration_of(run: RunDirectory | Package) -> str:
    """Return the values that runs of one configuration with other seeds share, as text."""
    identity = options.Config.of_run(run).identity(run.read_data()["fingerprint"])
    return repr({**identity, "seed": None, "total_steps": run.read_config()["total_steps"]})


def record_of(run: RunDirectory | Package) -> dict:
    """Return the record of a run or a package to publish, without its metrics.

    Raises:
        UserError: it was not trained by a flagfile and a seed alone, or the run is not finished.
    """
    if isinstance(run, RunDirectory):
        return published_record(run)
    trained = run.read_config()["trained"]
    if not trained["flagfile"]:
        raise UserError(
            f"{run.name}: only weights of a finished run of one flagfile and a seed, without other "
            "flags, are published",
            "publish",
        )
    return trained


def keep_metrics(package: Package, metrics: dict) -> None:
    """Write the metrics that have a value to the description and the card of a package."""
    measured = {name: entry for name, entry in metrics.items() if entry["value"] is not None}
    package.update(metrics={**package.read_config()["metrics"], **measured})
    write_card(package)


def configure_gpus() -> None:
    """Prepare the GPUs, and turn off TensorFloat-32.

    TensorFloat-32 multiplies with 10 bits of precision on GPUs since Ampere.
    """
    with waiting("loading TensorFlow"):
        import tensorflow as tf

        from training import devices

    devices.warn_of_hidden_gpus()
    tf.config.experimental.enable_tensor_float_32_execution(False)


def runs_of(request: EvaluateOptions) -> list[RunDirectory | Package]:
    """Return the given runs, then the packages.

    Raises:
        UserError: a run is given twice, is missing or has no checkpoint, or a package is missing.
    """
    runs = [RunDirectory(path) for path in paths_in(request.run)]
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise UserError(f"{request.run}: a run is given twice", "run")
    for run in runs:
        run.require_trained(request.step)
    found = [packages.find(name) for name in paths_in(request.pretrained)]
    names = [package.name for package in found]
    if doubled := [name for name in names if names.count(name) > 1]:
        raise UserError(
            f"{doubled[0]} is given twice, or is the name of two packages; rename one", "pretrained"
        )
    for package in found:
        described(package)
        package.read_tensors()
    return [*runs, *found]


def paths_in(text: str) -> list[str]:
    """Split a text at the commas into paths; an existing one may have commas in its name."""
    pieces, found = text.split(","), []
    while pieces:
        joined = [(n, ",".join(pieces[:n])) for n in range(len(pieces), 0, -1)]
        named = (
            (n, path)
            for n, one in joined
            for path in (one, one.strip())
            if path.strip() and os.path.exists(path)
        )
        n, path = next(named, (1, pieces[0].strip()))
        found += [path] if path else []
        del pieces[:n]
    return found


def references_of(
    runs: Sequence[RunDirectory | Package],
    request: EvaluateOptions,
    data_dirs: Mapping[str, str] | None = None,
) -> list[Reference]:
    """Return the reference images of each data set of the runs.

    Args:
        runs: the runs and packages.
        request: the options.
        data_dirs: run -> its `data_dir` as the user has set it. That of a config.json, which may be
            a stranger's, is not followed.

    Raises:
        UserError: the images of a run have changed, its data set has no such metrics, features or
            baselines, or is in the data_dir of its config.json only.
    """
    references: list[Reference] = []
    dataset = data.canonical_name(request.dataset)
    if dataset and not any(takes_dataset(run) for run in runs):
        raise UserError("has no effect: no model was trained on a folder or file", "dataset")
    for run in runs:
        saved = run.read_data()
        if any(r.data.fingerprint == saved["fingerprint"] for r in references):
            continue
        config = options.Config.of_run(run)
        place = {"data_dir": request.data_dir or (data_dirs or {}).get(run.label, "")}
        if dataset and takes_dataset(run):
            place["dataset"] = dataset
        else:
            require_fitting_folder(config, saved, run.label)
            if not place["data_dir"]:
                require_own_data_dir(config.options, run.label)
        with waiting(f"loading {saved['name']}"):
            images = config.with_options(**place).load_data()
        if images.fingerprint != saved["fingerprint"]:
            name = place.get("dataset", saved["name"])
            raise UserError(
                f"{run.path}: trained on other images than those of {name}. Restore the data set, "
                f"or set {'--dataset or ' * takes_dataset(run)}--data_dir"
            )
        references.append(runner.load_reference(images, request))
    return references


def require_fitting_folder(config: options.Config, saved: Mapping[str, Any], name: str) -> None:
    """Raise UserError if a path cannot have the images of a run; no file in a folder is read.

    The path, which may be a stranger's, can be any folder of the machine.

    Args:
        config: configuration of the run.
        saved: description of its data.
        name: name of the run in the error.
    """
    folder, least = Path(expanded(config.options.dataset)), saved.get("train_images")
    if folder.is_absolute() and not folder.exists():
        raise UserError(f"{name}: {folder}: no such folder or file; if it has moved, set --dataset")
    if data.known(config.options.dataset) or not folder.is_dir():
        return
    listing = find(folder, Reading(rules=config.rules))
    few = isinstance(least, int) and len(listing.files) < least
    if few or len(listing.classes) != saved["num_classes"]:
        raise UserError(
            f"{name}: trained on other images than those of {folder}, which has "
            f"{len(listing.files):,} PNG and JPEG files in {len(listing.classes):,} class folders. "
            "Restore the data set, or set --dataset"
        )


def require_own_data_dir(saved: RunOptions, name: str) -> None:
    """Raise UserError if only the options in a config.json say where its data set is prepared.

    The default folder of TensorFlow Datasets needs no option.

    Args:
        saved: the options.
        name: name of the run in the error.
    """
    if not saved.data_dir or Path(expanded(saved.data_dir)) == Path(expanded(TFDS_FOLDER)):
        return
    if data.of_tfds(saved.dataset) and not os.environ.get("TFDS_DATA_DIR"):
        raise UserError(
            f"{name}: trained with data_dir={saved.data_dir}, which is followed only if you set "
            "it: repeat it, or set TFDS_DATA_DIR",
            "data_dir",
        )


def takes_dataset(run: RunDirectory | Package) -> bool:
    """Return whether the option `dataset` has the place of the images that weights need."""
    return not data.known(options.Config.of_run(run).options.dataset)


def reference_of_images(request: EvaluateOptions) -> Reference:
    """Return the reference images for image files."""
    name = data.canonical_name(request.dataset)
    with waiting(f"loading {name}"):
        images = data.load(name, **arguments(request))
    for note in images.notes:
        warn(f"{images.name}: {note}")
    return runner.load_reference(images, request)


def evaluate_run(
    run: RunDirectory | Package,
    request: EvaluateOptions,
    references: Sequence[Reference],
    only_new: bool,
    outdir: Path | None = None,
) -> dict:
    """Measure a run or a package; return the record.

    evaluation.json is written to `outdir`, or else to the outputs of the run or the package. In the
    run, the files of an earlier checkpoint than the newest one have a folder of their own.
    """
    from training import loading
    from training.pictures import label_matches

    watch = Stopwatch()
    with watch.stage("loading"), waiting(f"{run.label}: loading"):
        source = run if isinstance(run, Package) else run.path
        config, saved, model = loading.load_run(source, request.step)
    (reference,) = (r for r in references if r.data.fingerprint == saved["fingerprint"])
    step = int(model.step)
    protocol = {
        "model": config.options.model,
        "checkpoint_step": step,
        **model.protocol(),
        "precision": config.options.mixed_precision,
    }
    trained = run.read_config()["hyperparameters"]
    identity = [trained, config.options.seed, step, saved["fingerprint"]]
    train = None
    if (count := config.options.train_images) is not None:
        protocol["train_images"] = count
        identity.append(count)
        train = config.trained(reference.data)
    name, folder = run.label, run.outputs
    if isinstance(run, Package):
        protocol[WEIGHTS] = run.sha256
        identity = [run.sha256, saved["fingerprint"]]
    if request.step is not None:
        name += f" (step {step})"
        if step != steps_of(run.checkpoints)[0]:
            folder = run.path / f"evaluation-step-{step}"
    if outdir:
        folder = outdir
        if isinstance(run, RunDirectory):
            protocol[RUN] = str(run.path.resolve())
    measured = subject.of_model(name, model, protocol, identity, train)
    found = evaluate(measured, reference, request, folder, only_new=only_new, watch=watch)
    if all(entry["value"] is None for entry in found["metrics"].values()):
        return found
    with printed_if_lost([found]):
        with waiting(f"{name}: labelling categories"):
            label_matches(model, run, folder)
        if isinstance(run, RunDirectory) and not outdir:
            show_in_tensorboard(run, step, folder)
    return found


def show_in_tensorboard(run: RunDirectory, step: int, folder: Path) -> None:
    """Write TensorBoard's summaries of the evaluation of a step, which replace earlier ones.

    They have a folder of their own in the run: TensorBoard reads only the newest event file of a
    folder further, and the training may still write to its own.

    Args:
        run: the run directory.
        step: step of the checkpoint.
        folder: folder of evaluation.json and of the pictures.
    """
    from training.events import EVALUATION, Events
    from training.pictures import picture

    stored = stored_metrics(folder)
    metrics = {n: entry["value"] for n, entry in stored.items() if entry["value"] is not None}
    pictures = {Path(n).stem: picture(folder / n) for n in sorted(of_metrics(stored))}
    place, suffix = run.path / EVALUATION, f".step-{step}"
    for earlier in place.glob(f"events.out.tfevents.*{suffix}"):
        earlier.unlink(missing_ok=True)
    with Events(place, None, suffix) as events:
        drawn = {name: pixels[..., :3] for name, pixels in pictures.items() if pixels is not None}
        events.evaluation(step, metrics, drawn)


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
        reasons = dict.fromkeys(line for e in evaluations for line in missing(e))
        raise UserError("; ".join(line.removeprefix("n/a: ") for line in reasons), "metrics")
