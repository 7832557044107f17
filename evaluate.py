"""Measures trained runs: python evaluate.py --run runs/dcgan-mnist. See --help."""

import contextlib
import csv
import dataclasses
import hashlib
import io
import json
import shlex
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import fields
import plotting
from cli import flags
from errors import UserError
from evaluation.features import NAMES
from fields import field
from metrics import report
from metrics.measurement import Measurement
from storage.files import write_atomically, write_json
from storage.run_directory import METRIC, RunDirectory
from training import options

FORMAT = 1  # of what is measured: raise it when a metric changes

# How what is published is measured.
PUBLISHED = {
    "repeats": 3,
    "num_samples": 10000,
    "likelihood_samples": 200,
    "seed": 0,
    "metrics": "",
    "features": "auto",
    "split": "test",
}

USAGE = """usage: python evaluate.py --run DIR[,DIR ...] [--flag value ...]

Draws samples from the last checkpoint of each run, measures them beside real images, prints a
table, and writes evaluation.json (what it holds of other metrics of the same checkpoint stays) and
neighbours.png into each run; several runs are compared in tables and a figure. Flags with their
defaults:
"""


@dataclasses.dataclass(frozen=True)
class MeasureOptions:
    """What to measure of runs, how, and on how many images."""

    metrics: str = field(
        "", "which metrics, with commas between them; else all that there are", group="what"
    )
    baselines: bool = field(
        False,
        "also measure training images, blurred training images and uniform noise as if they were "
        "samples, to show what the numbers mean",
        group="what",
    )
    features: str = field(
        "auto",
        f"the network that distances are measured in: {', '.join(NAMES)}, or the path of a .keras "
        "file; auto: digits for MNIST, else inception if its weights are there, else "
        "efficientnet_lite0",
        group="how",
    )
    num_samples: int = field(10000, "images to draw", group="how", at_least=2)
    likelihood_samples: int = field(
        200,
        "draws, by --seed, of the code of each real image that its likelihood is bounded with, of "
        "a model that has one",
        group="how",
        at_least=1,
    )
    split: str = field(
        "test",
        "the real images; a data set without test images takes train",
        group="how",
        choices=("test", "train"),
    )
    seed: int = field(0, "of the samples", group="how", at_least=0, at_most=2**31 - 1)
    repeats: int = field(
        1,
        "measure samples as often, with seed, seed + 1, ...: the table has the median and the "
        "range",
        group="how",
        at_least=1,
    )
    data_dir: str = field(
        "",
        "where TensorFlow Datasets keeps its sets, if they have moved",
        group="how",
    )
    outdir: str = field(
        "runs/comparison", "where the comparison of several runs is written", group="output"
    )
    publish: bool = field(
        False,
        "also record the finished runs in assets/results.json, copy their pictures there, and the "
        "figures of several runs by the name of --outdir, and write the README's tables anew",
        group="output",
    )

    def __post_init__(self):
        for name, value in PUBLISHED.items() if self.publish else ():
            if getattr(self, name) != value:
                raise UserError(f"--publish: the tables are made with --{name}={value}")


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(MeasureOptions):
    """Which runs to measure, and the same."""

    run: str = field("", "run directories, with commas between them", group="what")


def main(argv: Sequence[str]) -> int:
    """Runs the command line `argv` (without the program's name); returns the exit code."""
    if flags.wants_help(argv):
        print(f"{USAGE}\n{flags.describe(EvaluateOptions)}")
        return 0
    return evaluate_all(EvaluateOptions(**flags.given(argv, EvaluateOptions)))


def evaluate_all(asked: EvaluateOptions, go_on: bool = False) -> int:
    """Measures, compares and publishes what is asked for; returns the exit code. With `go_on`, what
    was measured of a checkpoint in the same way before is not measured again."""
    runs = [RunDirectory(path) for path in asked.run.split(",") if path]
    if not runs:
        raise UserError("--run: say which run directories to measure")
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise UserError(f"--run={asked.run}: it names a run twice")
    for run in runs:
        run.read_config()
        if not run.has_checkpoints:
            raise UserError(f"--run={run.path}: it has no checkpoint yet; train it further")
    records = [published_record(run) for run in runs] if asked.publish else []
    real = load_real_images(runs, asked)
    evaluations = [evaluate(run, asked, real, go_on) for run in runs]
    refuse_unmeasured(asked, evaluations)
    for run, record, evaluation in zip(runs, records, evaluations, strict=False):
        report.publish({**record, "metrics": evaluation["metrics"]}, run.path)
    for images in real.values() if asked.baselines else ():
        measured = baselines(images, asked)
        if asked.publish:
            report.publish_baselines(measured)
        evaluations += measured
    print(report.tables(evaluations))
    for evaluation in evaluations:
        print(report.notes(evaluation))
    if len(evaluations) > 1:
        folder = Path(asked.outdir).expanduser()
        write_comparison(folder, evaluations, runs)
        if asked.publish and len(runs) > 1:
            report.publish_comparison(folder)
    return 0


def load_real_images(runs: Sequence[RunDirectory], asked: EvaluateOptions) -> dict:
    """The real images of all runs, by the fingerprint of the data set; whatever the flags ask for
    that cannot be had is refused here, before anything is measured."""
    import tensorflow as tf

    from training import setup

    # Else GPUs from Ampere on multiply with 10 bits of precision.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    real = {}
    for run in runs:
        saved = run.read_config()
        if saved["data"]["fingerprint"] in real:
            continue
        config = options.Config.from_dict(saved)
        data_dir = asked.data_dir or config.options.data_dir
        images = setup.load_data(config.with_options(data_dir=data_dir))
        if images.fingerprint != saved["data"]["fingerprint"]:
            raise UserError(
                f"{run.path}: the images of {saved['data']['name']} are not those it learnt"
            )
        real[images.fingerprint] = real_images(images, asked)
        wanted_metrics(asked, real[images.fingerprint])
    return real


def evaluate(run: RunDirectory, asked: EvaluateOptions, real: dict, go_on: bool) -> dict:
    """Measures a run beside its real images, and writes what it found to its evaluation.json."""
    from training import evaluation, setup

    watch = evaluation.Stopwatch()
    with watch.stage("loading"):
        config, described, model = setup.load_run(run.path)
    images = real[described["fingerprint"]]
    wanted = wanted_metrics(asked, images)
    way = way_of(run, asked, images, int(model.step))
    if go_on and (before := measured_before(run, way, wanted)):
        print(f"{run.path} is measured already")
        return before
    metrics = measure(evaluation.samples_of(model), asked, images, wanted, watch, run.path)
    if set(wanted) & set(evaluation.CONDITIONS):
        metrics |= over_seeds(
            asked,
            lambda seed: evaluation.measure_conditions(
                model, asked.num_samples, seed, images, watch
            ),
        )
    if set(wanted) & set(evaluation.path_metrics(images.extractor)):
        metrics |= over_seeds(
            asked, lambda seed: evaluation.measure_paths(model, seed, images, watch)
        )
    if set(wanted) & set(evaluation.FACTORS):
        metrics |= over_seeds(
            asked,
            lambda seed: evaluation.measure_factors(
                model, asked.num_samples, seed, images, wanted, watch
            ),
        )
        draw_codes(metrics, run.path)
    metrics |= evaluation.measure_reconstructions(model, images, wanted, watch)
    metrics |= evaluation.measure_codes(model, images.data, wanted, watch)
    metrics |= evaluation.measure_posteriors(model, images, wanted, watch)
    metrics |= evaluation.measure_likelihoods(
        model, images, asked.likelihood_samples, asked.seed, wanted, watch
    )
    draw_confusion(metrics, images, run.path)
    protocol = {
        **about(images),
        "model": config.options.model,
        "checkpoint_step": int(model.step),
        **model.protocol(),
        "precision": config.options.mixed_precision,
    }
    result = as_dict(str(run.path), metrics, wanted, watch, protocol)
    if any(entry["value"] is not None for entry in result["metrics"].values()):
        written = with_earlier(run, result, way, int(model.step))
        write_json(run.path / "evaluation.json", written)
    return result


def way_of(run: RunDirectory, asked: EvaluateOptions, images, step: int) -> str:
    """A hash of what is measured of a run, and how."""
    saved = run.read_config()
    trained = [saved["hyperparameters"], saved["options"]["seed"], step, images.data.fingerprint]
    how = [getattr(asked, name) for name in PUBLISHED if name != "metrics"]
    weights = images.extractor.sha256 if images.extractor else ""
    return hashlib.sha256(json.dumps([FORMAT, trained, how, weights]).encode()).hexdigest()[:16]


def measured_before(run: RunDirectory, way: str, wanted: Sequence[str]) -> dict | None:
    """What evaluation.json has of all wanted metrics, measured in that way; None if it has not."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        before = json.loads((run.path / "evaluation.json").read_text())
        if all(before["ways"][name] == way for name in wanted):
            del before["ways"]
            metrics = {name: before["metrics"][name] for name in wanted}
            return before | {"name": str(run.path), "metrics": metrics}
    return None


def with_earlier(run: RunDirectory, result: dict, way: str, step: int) -> dict:
    """A result, with what evaluation.json has of the same checkpoint that it has no value of; and
    in `ways` how each metric was measured."""
    written = {**result, "ways": dict.fromkeys(result["metrics"], way)}
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        before = json.loads((run.path / "evaluation.json").read_text())
        kept = {
            name: entry
            for name, entry in before["metrics"].items()
            if entry["protocol"].get("checkpoint_step") == step
            and (name not in result["metrics"] or result["metrics"][name]["value"] is None)
        }
        ways = {name: before.get("ways", {}).get(name) for name in kept}
        written["metrics"] = {**result["metrics"], **kept}
        written["ways"] |= ways
    return written


def about(images) -> dict:
    """What a protocol says of the data set."""
    return {
        "dataset": images.data.name,
        "fingerprint": images.data.fingerprint,
        "image_shape": list(images.data.image_shape),
    }


def baselines(images, asked: EvaluateOptions) -> list[dict]:
    """What the metrics say of training images, blurred ones, and noise."""
    from training import evaluation

    wanted = wanted_metrics(asked, images)
    results = []
    for name, draw in evaluation.baselines(images.data.train).items():
        watch = evaluation.Stopwatch()
        metrics = measure(draw, asked, images, wanted, watch)
        results.append(as_dict(name, metrics, wanted, watch, about(images)))
    return results


def real_images(images, asked: EvaluateOptions):
    """The real images of a data set that samples are held against, and their feature network."""
    from training import evaluation

    if asked.baselines and (asked.split == "train" or images.test is None):
        raise UserError(
            "--baselines: it holds training images against test images, and there are none"
        )
    if asked.baselines and asked.num_samples > len(images.train.images):
        raise UserError(
            f"--num_samples={asked.num_samples}: --baselines has {len(images.train.images)} "
            "training images to take"
        )
    extractor, wanted = None, fields.listed(asked.metrics)
    if not wanted or set(wanted) - set(evaluation.all_metrics(None)):
        extractor = evaluation.load_extractor("--features", asked.features, images)
    return evaluation.RealImages(images, asked.split, extractor)


def wanted_metrics(asked: EvaluateOptions, images) -> Sequence[str]:
    """The names that --metrics asks for, or all."""
    from training import evaluation

    known = evaluation.all_metrics(images.extractor)
    wanted = fields.listed(asked.metrics) or known
    evaluation.check_metrics("--metrics", wanted, known, images.extractor)
    return wanted


def measure(draw, asked: EvaluateOptions, images, wanted, watch, folder: Path | None = None):
    """The metrics of samples, of each evaluation seed and then of all; neighbours.png is drawn of
    the first seed's into the folder of a run."""
    from training import evaluation

    if not set(wanted) - {*evaluation.OTHERS, *evaluation.path_metrics(images.extractor)}:
        return {}

    def of(seed: int) -> dict[str, Measurement]:
        metrics, shown = evaluation.measure_samples(
            draw, asked.num_samples, seed, images, wanted, watch
        )
        if folder and seed == asked.seed:
            with watch.stage("neighbours"):
                picture = evaluation.neighbours_grid(shown, images.data.train.images)
                plotting.save_image(folder / "neighbours.png", picture)
        return metrics

    return over_seeds(asked, of)


def over_seeds(asked: EvaluateOptions, of: Callable[[int], dict]) -> dict[str, Measurement]:
    """What is measured with each evaluation seed, as one."""
    seeds = list(range(asked.seed, asked.seed + asked.repeats))
    found = [of(seed) for seed in seeds]
    return {
        name: report.over_seeds([metrics[name] for metrics in found], seeds) for name in found[0]
    }


def draw_confusion(metrics: dict[str, Measurement], images, folder: Path) -> None:
    """confusion.png: which cluster has how many images of which class."""
    metric = metrics.get("cluster_accuracy")
    if metric is None or metric.value is None:
        return
    names = images.data.class_names
    mapping = metric.protocol["mapping"]
    columns = [
        f"{cluster}: {'-' if label is None else names[label]}"
        for cluster, label in enumerate(mapping)
    ]
    plotting.save_matrix(
        folder / "confusion.png",
        metric.protocol["confusion"],
        row_names=list(names),
        column_names=columns,
        row_title="class",
        column_title="cluster: class matched to it",
    )


def draw_codes(metrics: dict[str, Measurement], folder: Path) -> None:
    """codes.png: how each continuous code goes with each factor, and changes the class."""
    panels = []
    for title, name, key in (
        ("slant: rank correlation", "slant_correlation", "correlations"),
        ("thickness: rank correlation", "thickness_correlation", "correlations"),
        ("samples whose class changes from -1 to 1", "class_change", "shares"),
    ):
        metric = metrics.get(name)
        if metric is None or metric.value is None:
            continue
        of_seeds = metric.protocol[key]
        of_seeds = of_seeds if isinstance(of_seeds[0], list) else [of_seeds]
        values = {
            f"code {code}": (min(each), statistics.median(each), max(each))
            for code, each in enumerate(zip(*of_seeds, strict=True))
        }
        panels.append(plotting.Bars(title, values))
    if panels:
        plotting.save_bars(folder / "codes.png", panels)


def as_dict(name: str, metrics, wanted, watch, protocol: dict) -> dict:
    """What is written of an evaluation: every metric with its protocol, and the seconds."""
    return {
        "name": name,
        "dataset": protocol["dataset"],
        "seconds": {stage: round(s, 1) for stage, s in watch.seconds.items()},
        "metrics": {
            name: {
                "value": metrics[name].value,
                "protocol": {**protocol, **metrics[name].protocol},
            }
            for name in wanted
            if name in metrics
        },
    }


def refuse_unmeasured(asked: EvaluateOptions, evaluations: Sequence[dict]) -> None:
    """Raises UserError if none of the metrics that were asked for could be had of any run."""
    entries = [entry for e in evaluations for entry in e["metrics"].values()]
    if asked.metrics and all(entry["value"] is None for entry in entries):
        raise UserError(f"--metrics={asked.metrics}: {entries[0]['protocol']['reason']}")


def write_comparison(
    folder: Path, evaluations: Sequence[dict], runs: Sequence[RunDirectory]
) -> None:
    """comparison.md, .json, .csv and .png of several evaluations, and the runs' curves.png."""
    write_json(folder / "comparison.json", evaluations)
    notes = "\n".join(report.notes(evaluation) for evaluation in evaluations)
    text = f"{report.tables(evaluations)}\n\n```\n{notes}\n```\n"
    write_atomically(folder / "comparison.md", text)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "metric", "value", "lowest", "highest", "protocol"])
    writer.writerows(report.csv_rows(evaluations))
    write_atomically(folder / "comparison.csv", text.getvalue())
    groups = report.by_dataset(evaluations)
    plotting.save_bars(
        folder / "comparison.png",
        [
            plotting.Bars(
                metric if len(groups) == 1 else f"{dataset}: {metric}",
                {e["name"]: report.low_middle_high(e["metrics"].get(metric)) for e in group},
                log=metric.startswith(report.DISTANCES),
                better=report.better(metric),
            )
            for dataset, group in groups.items()
            for metric in report.metric_names(group)
        ],
    )
    panels = shared_curves({str(run.path): run.records() for run in runs})
    if panels:
        plotting.save_curves(folder / "curves.png", panels, "step")
    curves = " and curves.png" if panels else ""
    print(f"comparison.md, .json, .csv and .png{curves} are in {folder}")


def shared_curves(runs: dict[str, list[dict]]) -> list[plotting.Panel]:
    """A panel for each loss and each metric of samples that several runs have logged, with a curve
    for each of these."""
    panels = []
    names = dict.fromkeys(name for records in runs.values() for r in records for name in r)
    for name in names:
        if not name.startswith(METRIC) and not name.endswith("loss"):
            continue
        series = {
            run: tuple(zip(*points, strict=True))
            for run, records in runs.items()
            if (points := [(r["step"], r[name]) for r in records if name in r])
        }
        if len(series) > 1:
            title = name.removeprefix(METRIC)
            log = title.startswith(report.DISTANCES)
            panels.append(plotting.Panel(title, series, log_y=log))
    return panels


def published_record(run: RunDirectory) -> dict:
    """A finished run's record for assets/results.json, but for its metrics.

    Raises:
        UserError: the run is not finished, or is not what one flagfile alone makes.
    """
    saved = run.read_config()
    config = options.Config.from_dict(saved)
    words = shlex.split(saved["commands"][0].replace("--flagfile=", "--flagfile "))
    flagfile = words[words.index("--flagfile") + 1] if "--flagfile" in words else ""
    anywhere = config.with_options(outdir="", data_dir="")
    seed = f"--seed={config.options.seed}"
    told = [f"--flagfile={flagfile}", seed, "--outdir=", "--data_dir="]
    if not flagfile or options.parse(told) != anywhere:
        raise UserError(f"{run.path}: only what a flagfile and a seed made is published")
    last = (run.records() or [{"step": 0}])[-1]
    if not run.finished:
        raise UserError(f"{run.path}: it is not finished (step {last['step']})")
    return {
        "model": config.options.model,
        "dataset": saved["data"]["name"],
        "flagfile": flagfile,
        "seed": config.options.seed,
        "steps": last["step"],
        "kimg": last["kimg"],
        "wall_minutes": round(last["seconds"] / 60, 1),
        "machine": saved["environment"]["machine"],
    }


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
