"""Names of the files of generate.py."""

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from storage.files import write_json
from training.interpolating import truncates

if TYPE_CHECKING:
    from training.drawing import GenerateOptions

SOURCES = "sources.json"  # of an output directory: start of the names of files -> path of the run
MAX_SEEDS_LENGTH = 40  # characters of the seeds in a file name
SEEDS, SIMPLE = re.compile(r"[0-9]+(,[0-9]+)+"), re.compile(r"[A-Za-z0-9_.+-]+")
# Options that are no part of the names of files, or come first in them without their own name.
UNNAMED = ("run", "pretrained", "list", "output", "path", "outdir", "step")


def prefix(outdir: Path, run: Path) -> str:
    """Return the start of the names of the files of a run in a folder that runs share.

    It is the name of the run directory, after those of the folders above it as far as another run
    has the name in `outdir`. SOURCES there has the runs.

    Args:
        outdir: the folder of the files.
        run: absolute path of the run, or of the outputs of a package.
    """
    known = sources(outdir)
    names = ["-".join(run.parts[-count:]) for count in range(1, len(run.parts))]
    name = next((name for name in names if known.get(name, str(run)) == str(run)), names[-1])
    if name not in known:
        write_json(outdir / SOURCES, {**known, name: str(run)})
    return name


def sources(outdir: Path) -> dict[str, str]:
    """Return the content of SOURCES in a folder; empty if it is missing or damaged."""
    try:
        saved = json.loads((outdir / SOURCES).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    valid = isinstance(saved, dict) and all(isinstance(run, str) for run in saved.values())
    return saved if valid else {}


def stem(options: "GenerateOptions", step: int) -> str:
    """Return the start of the names of all files: the output and the options that select it.

    Such as "grid-n64-seed0-step28110", "interpolation-linear-frames10-seeds3-7-12-step500" and
    "plane-span1.5-seed3-label7-step1000". A truncation of 1 is left out. Options with other values
    give another name. A label that is no simple name is replaced by its hash.

    Args:
        options: the options, with the path and the span of the prior.
        step: step of the checkpoint.
    """
    unused = ["truncation"] * (not truncates(options)) + ["n", "seed"] * bool(options.seeds)
    parts = [
        f"{spec.name}{in_name(value)}"
        for spec in dataclasses.fields(options)
        if spec.name not in (*UNNAMED, *unused)
        and (value := getattr(options, spec.name)) not in (None, "")
    ]
    first = [options.output, *([options.path] if options.path else [])]
    return "-".join([*first, *parts, f"step{step}"])


def stale_images(place: Path, n: int) -> list[Path]:
    """Return the single images beside those of a place whose name differs in n alone.

    Args:
        place: path of single images, without number and ending.
        n: number of images, which is in its name.
    """
    count = f"-n{n}-"
    before, _, after = place.name.rpartition(count)
    others = re.compile(rf"{re.escape(before)}-n[0-9]+-{re.escape(after)}-[0-9]{{5,}}\.png")
    return [
        path
        for path in sorted(place.parent.iterdir())
        if others.fullmatch(path.name) and not path.name.startswith(f"{before}{count}")
    ]


def in_name(value: int | float | str) -> str:
    """Return a value as part of a file name; the hash of a long one."""
    text = str(value)
    if not isinstance(value, str):
        text = text.removesuffix(".0")
    elif SEEDS.fullmatch(text):
        text = text.replace(",", "-")
    if len(text) <= MAX_SEEDS_LENGTH and SIMPLE.fullmatch(text):
        return text
    return f"-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
