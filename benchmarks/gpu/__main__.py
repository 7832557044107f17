"""Speed, agreement with the CPU, and XLA on a GPU, within some minutes.

    python -m benchmarks gpu

Runs stages in the order of their worth, each in a process of its own with a time limit. What does
not fit in --minutes is left out. Prints the results as they come and a report in Markdown at the
end. Writes record.json, after every stage, report.md and samples.png to --outdir. Exit code 1: a
stage failed or exceeded its limit. Without a GPU the CPU is measured. Flags, with their defaults in
brackets:
"""

import dataclasses
import pathlib
import sys
import time
from collections.abc import Callable, Sequence

import fields
from benchmarks.gpu import process, report
from benchmarks.gpu.stages import GROUPS, Stage, stages_of
from cli import flags
from errors import UserError, near
from fields import field
from models import REGISTRY
from storage.files import write_atomically, write_json
from storage.paths import one_path
from training.stopping import StopRequest

LEAST = 10.0  # seconds that must be left for a stage to start
LEFT_OUT = "left out"


@dataclasses.dataclass(frozen=True)
class GpuOptions:
    """Options of the benchmark."""

    minutes: float = field(8.0, "minutes in all", group="gpu", above=0)
    stages: str = field(",".join(GROUPS), "stages, separated by commas", group="gpu")
    models: str = field("", "names of models, separated by commas; default: all", group="gpu")
    seconds: float = field(1.5, "approximate seconds per measurement", group="gpu", above=0)
    train_seconds: float = field(60.0, "seconds of the training", group="gpu", above=0)
    batch_size: int | None = field(
        None, "batch size; default: that of the model", group="gpu", at_least=1
    )
    width: int | None = field(
        None, "width of the networks; default: that of the model", group="gpu", at_least=1
    )
    outdir: str = field("runs/gpu", "folder of the results", group="gpu", convert=one_path)

    def __post_init__(self):
        fields.check(self)
        for option, known in (("stages", GROUPS), ("models", REGISTRY)):
            for name in fields.listed(getattr(self, option)):
                if name not in known:
                    kind = option.removesuffix("s")
                    raise UserError(f"no such {kind}: {name}{near(name, known)}", option)


class Stop(StopRequest):
    """Context in which a signal ends the present stage and leaves out the rest."""

    message = "stopping; the report follows"


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv`; return the exit code."""
    if flags.wants_help(argv):
        print(f"{__doc__.strip()}\n\n{flags.describe(GpuOptions)}")
        return 0
    options = GpuOptions(**flags.given(argv, GpuOptions))
    outdir = pathlib.Path(options.outdir)
    outdir.mkdir(parents=True, exist_ok=True)
    return run(stages_of(options), options.minutes, outdir)


def run(
    stages: Sequence[Stage],
    minutes: float,
    outdir: pathlib.Path,
    run_stage: Callable[..., dict] = process.run,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Run stages one after another and write their results; return the exit code.

    Args:
        stages: the stages in their order.
        minutes: minutes in all.
        outdir: folder of record.json and report.md.
        run_stage: function that runs a stage, as process.run.
        clock: function that returns seconds.
    """
    end = clock() + 60.0 * minutes
    record = {"minutes": minutes, "stages": {}}
    with Stop() as stop:
        for stage in stages:
            left = end - clock()
            found = {"status": process.INTERRUPTED, "reason": process.STOPPED, "results": []}
            if stop.received:
                found["status"] = LEFT_OUT
            elif left < LEAST:
                reason = f"no time left of {minutes:g} minutes"
                found |= {"status": LEFT_OUT, "reason": reason}
            else:
                say(f"{stage.title}, at most {min(stage.limit, left):.0f} s")
                with stop.interruptible():
                    found = run_stage(stage, min(stage.limit, left), heard_by(stage))
                if found["reason"]:
                    say(f"  {found['status']}: {found['reason']}")
            record["stages"][stage.name] = {"title": stage.title, "group": stage.group, **found}
            write_json(outdir / "record.json", record)
    text = report.text(record)
    write_atomically(outdir / "report.md", text)
    say(f"\n{text}\nwrote {outdir / 'record.json'} and {outdir / 'report.md'}")
    if stop.received:
        return 128 + stop.received
    ended = {found["status"] for found in record["stages"].values()}
    return int(bool(ended & {process.FAILED, process.TIMED_OUT}))


def heard_by(stage: Stage) -> Callable[[dict], None]:
    """Return the function that prints a result of a stage in one line."""
    return lambda result: say(f"  {report.line(stage.group, result)}")


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
