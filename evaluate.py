"""Measures trained runs: python evaluate.py --run runs/dcgan-mnist. See --help."""

import dataclasses
import shlex
import sys
import time
from collections.abc import Sequence

import plotting
from files import write_json
from metrics import report
from models.hyperparameters import field
from training import flags, options
from training.run_directory import RunDirectory

USAGE = """usage: python evaluate.py --run DIR[,DIR ...] [--flag value ...]

Draws samples from the last checkpoint of each run, prints a table of what they measure, and writes
evaluation.json into the run. Flags with their defaults:
"""


@dataclasses.dataclass(frozen=True)
class EvaluateOptions:
    """What to measure, and on how many images."""

    run: str = field("", "run directories, with commas between them", group="what")
    num_samples: int = field(10000, "images to draw", group="what", at_least=2)
    seed: int = field(0, "of the samples", group="what", at_least=0, at_most=2**31 - 1)
    data_dir: str = field(
        "",
        "where TensorFlow Datasets keeps its sets, if they have moved",
        group="what",
    )
    publish: bool = field(
        False,
        "also record the finished runs in assets/results.json, copy their pictures there and write "
        "the README's tables anew",
        group="what",
    )


def main(argv: Sequence[str]) -> int:
    """Runs the command line `argv` (without the program's name); returns the exit code."""
    if flags.wants_help(argv):
        print(f"{USAGE}\n{flags.describe(EvaluateOptions)}")
        return 0
    asked = EvaluateOptions(**flags.given(argv, EvaluateOptions))
    runs = [RunDirectory(path) for path in asked.run.split(",") if path]
    if not runs:
        raise flags.UsageError("--run: say which run directories to measure")
    for run in runs:
        run.read_config()
    records = [published_record(run) for run in runs] if asked.publish else []
    evaluations = [evaluate(run, asked) for run in runs]
    names = list(evaluations[0]["metrics"])
    rows = [
        [str(run.path)] + [evaluation["metrics"][name]["value"] for name in names]
        for run, evaluation in zip(runs, evaluations, strict=True)
    ]
    print(report.table(["run", *names], rows))
    for run, evaluation in zip(runs, evaluations, strict=True):
        print(f"{run.path}: " + ", ".join(f"{k} {v}" for k, v in evaluation["protocol"].items()))
    if asked.publish:
        for run, record, evaluation in zip(runs, records, evaluations, strict=True):
            report.publish({**record, "metrics": evaluation["metrics"]}, run.path)
    return 0


def evaluate(run: RunDirectory, asked: EvaluateOptions) -> dict:
    """Measures a run, and writes what it found to its evaluation.json."""
    from metrics.pixels import pixel_statistics
    from training.setup import load_data, load_run

    config, data, model = load_run(run.path)
    images = load_data(config.with_options(data_dir=asked.data_dir or config.options.data_dir))
    if images.fingerprint != data["fingerprint"]:
        raise flags.UsageError(f"{run.path}: the images of {data['name']} are not those it learnt")
    split, real = ("test", images.test) if images.test else ("train", images.train)
    start = time.perf_counter()
    fake = plotting.to_uint8(model.sample(asked.num_samples, asked.seed))
    protocol = {
        "checkpoint_step": int(model.step),
        "ema_decay": config.hp.ema_decay,
        "precision": config.options.mixed_precision,
        "n_fake": len(fake),
        "n_real": len(real.images),
        "split": split,
        "seed": asked.seed,
    }
    metrics = {
        name: {"value": metric.value, "protocol": {**protocol, **metric.protocol}}
        for name, metric in pixel_statistics(fake, real.images).items()
    }
    evaluation = {
        "protocol": protocol,
        "seconds": round(time.perf_counter() - start, 1),
        "metrics": metrics,
    }
    write_json(run.path / "evaluation.json", evaluation)
    return evaluation


def published_record(run: RunDirectory) -> dict:
    """A finished run's record for assets/results.json, but for its metrics.

    Raises:
        UsageError: the run is not finished, or is not what one flagfile alone makes.
    """
    saved = run.read_config()
    config = options.Config.from_dict(saved)
    words = shlex.split(saved["commands"][0].replace("--flagfile=", "--flagfile "))
    flagfile = words[words.index("--flagfile") + 1] if "--flagfile" in words else ""
    anywhere = config.with_options(outdir="")
    told = [f"--flagfile={flagfile}", f"--seed={config.options.seed}", "--outdir="]
    if not flagfile or options.parse(told) != anywhere:
        raise flags.UsageError(f"{run.path}: only what a flagfile and a seed made is published")
    last = (run.records() or [{"step": 0}])[-1]
    if last["step"] < saved["total_steps"]:
        raise flags.UsageError(f"{run.path}: it is not finished (step {last['step']})")
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
