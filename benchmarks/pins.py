"""Comparison of the trainings of two commits, for refactoring without numerical changes.

    python -m benchmarks.pins --old=DIR

DIR is a worktree of an older commit. Each flagfile of train.py is trained for 20 steps by the older
tree and by this one, both from the same checkpoint of step 0, which the older one writes, on the
same synthetic images, each in a process of its own with the scripts' environment and one processor.
All logged scalars except times must be equal to the bit; so must the initial weights, by their
hashes, and the resolved hyperparameters and options, after `as_now` has converted the older ones to
present names. Flagfiles of the other scripts are compared by their resolved options. Results of the
older tree are cached. Prints one line per flagfile; the exit code is 1 if one differs that is not
listed in `MAY_DIFFER` or `MAY_DIFFER_WEIGHTS`.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[1]
DRIVER = ROOT / "benchmarks" / "pins_driver.py"
FORMAT = 1  # version of the cache; raise it when the driver's results change
STEPS = 20

# Flagfiles, by their names without .txt, that may be trained otherwise, and why: within 1e-6
# (relative) at the first step, and 1e-3 at the last.
MAY_DIFFER: dict[str, str] = {}
# Flagfiles whose first weights may be others, and why.
MAY_DIFFER_WEIGHTS: dict[str, str] = {}
# Scalars that are compared with a relative tolerance in all flagfiles, by the start of their names.
TOLERANCES = {"information_": 1e-6}  # a weight that was divided out

# How older names and values read now. Scalars: the old name -> the present one.
SCALARS: dict[str, str] = {}
# Hyperparameters and options: the old name -> the present one.
FIELDS: dict[str, str] = {}
# Fields that only the present tree has, and what they are where nothing has changed.
ADDED: dict[str, object] = {
    **{"images": "", "dataset": "", "step": None},  # of evaluate.py
    **{"deterministic": False, "copy_to": "", "keep_every": None, "checkpoint_minutes": 10.0},
}
# Fields that only the older tree has.
REMOVED: tuple[str, ...] = ()

TIMES = ("seconds", "images_per_second")
# Flags of a flagfile that are left out: nothing is measured or drawn.
DROPPED = ("eval_every", "eval_metrics", "eval_features", "eval_samples", "sample_planes")
OVERRIDES = (
    f"--steps={STEPS}",
    "--log_every=1",
    "--sample_every=1000000",
    "--checkpoint_every=1000000",
)
SCRIPTS = {"": "train", "classifiers": "train_classifier", "studies": "study"}


@dataclasses.dataclass(frozen=True)
class Flagfile:
    """Flagfile of one of the scripts; `place` is its path below configs/, without .txt."""

    place: str

    @property
    def name(self) -> str:
        return self.place.rpartition("/")[2]

    @property
    def script(self) -> str:
        return SCRIPTS[self.place.rpartition("/")[0]]

    def words(self, tree: pathlib.Path) -> list[str]:
        """Return its flags, with those of included flagfiles, without the dropped ones."""
        file = tree / "configs" / f"{self.place}.txt"
        if not file.exists():  # moved, since the older tree
            file = next((tree / "configs").rglob(f"{self.name}.txt"), file)
        if not file.exists():
            raise Failed(f"{file} is not there")
        return list(flags_of(file, tree))


class Failed(Exception):
    """Error of a failed process; the message is the end of its output."""


@dataclasses.dataclass(frozen=True)
class Tree:
    """Worktree, and the processors that its processes use."""

    path: pathlib.Path
    cpus: tuple[int, ...]

    def run(self, folder: pathlib.Path, **task) -> dict:
        """Run a task of the driver in a folder, with the modules of the tree.

        Returns:
            The JSON object that the driver writes, if any, and the seconds.

        Raises:
            Failed: the process fails.
        """
        folder.mkdir(parents=True, exist_ok=True)
        out, told = folder / "out.json", folder / "task.json"
        out.unlink(missing_ok=True)
        told.write_text(json.dumps({**task, "out": str(out), "cpus": self.cpus}))
        # As flags.run_script has it, whatever the caller's environment is.
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "XLA_", "OMP_"))}
        kept |= {"TF_ENABLE_ONEDNN_OPTS": "1"}
        kept |= {"PYTHONPATH": str(self.path), "PYTHONDONTWRITEBYTECODE": "1"}
        start = time.perf_counter()
        with (folder / "log.txt").open("w") as log:
            done = subprocess.run(
                [sys.executable, str(DRIVER), str(told)],
                cwd=folder,
                env=kept,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if done.returncode:
            tail = (folder / "log.txt").read_text().splitlines()[-8:]
            told = f"{task['mode']} in {self.path} has ended with code {done.returncode}:"
            raise Failed("\n        ".join([told, *tail]))
        found = json.loads(out.read_text()) if out.exists() else {}
        return {**found, "seconds": round(time.perf_counter() - start, 1)}


@dataclasses.dataclass
class Result:
    """Differences of a flagfile, and remarks that do not count as differences."""

    differs: list[str]
    remarks: list[str]
    old_seconds: float = 0.0
    new_seconds: float = 0.0


def flags_of(file: pathlib.Path, tree: pathlib.Path) -> Iterator[str]:
    """Yield the flags of a file and of the flagfiles that it includes, in order."""
    for line in map(str.strip, file.read_text().splitlines()):
        name = line.lstrip("-").partition("=")[0]
        if name == "flagfile":
            yield from flags_of(tree / line.partition("=")[2], tree)
        elif line.startswith("-") and not {name, name.removeprefix("no")} & set(DROPPED):
            yield line


def flagfiles(tree: pathlib.Path) -> list[Flagfile]:
    """Return all flagfiles of a tree."""
    found = sorted((tree / "configs").glob("*.txt")), sorted((tree / "configs").glob("*/*.txt"))
    places = [p.relative_to(tree / "configs").with_suffix("").as_posix() for g in found for p in g]
    return [Flagfile(place) for place in places]


def command(tree: Tree, flagfile: Flagfile) -> list[str]:
    """Return the command line of a short training of a flagfile, in the folder `run`."""
    return [*flagfile.words(tree.path), *OVERRIDES, "--outdir=run"]


def begin(tree: Tree, flagfile: Flagfile, folder: pathlib.Path, **more) -> dict:
    """Return the initial weights, options and hyperparameters of a flagfile.

    The run directory is folder / "run".
    """
    shutil.rmtree(folder, ignore_errors=True)
    argv = command(tree, flagfile)
    found = tree.run(folder, mode="begin", script="train", argv=argv, **more)
    config = json.loads((folder / "run" / "config.json").read_text())
    return {**found, **{part: config[part] for part in ("options", "hyperparameters")}}


def trained(tree: Tree, flagfile: Flagfile, started: pathlib.Path, folder: pathlib.Path) -> dict:
    """Return the logged scalars of a training that resumes a copy of a run at step 0."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(started, folder / "run")
    argv = [*command(tree, flagfile), "--resume=must"]
    found = tree.run(folder, mode="train", script="train", argv=argv)
    scalars = {}
    for line in (folder / "run" / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        scalars.setdefault(str(record.pop("step")), {}).update(record)
    if list(scalars) != [str(step) for step in range(1, STEPS + 1)]:
        raise Failed(f"{tree.path} has logged the steps {', '.join(scalars)}")
    shutil.rmtree(folder)
    return {"scalars": scalars, "seconds": found["seconds"]}


def resolved(tree: Tree, flagfile: Flagfile, folder: pathlib.Path) -> dict:
    """Return the resolved options of a flagfile of another script than train.py."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "configs").symlink_to(tree.path / "configs")  # which flagfiles of studies name
    argv = flagfile.words(tree.path)
    found = tree.run(folder, mode="resolve", script=flagfile.script, argv=argv)
    shutil.rmtree(folder)
    return {"seconds": found.pop("seconds"), "options": found}


def of_old(old: Tree, flagfile: Flagfile, cache: pathlib.Path) -> dict:
    """Return the results of a flagfile in the older tree, cached.

    Its run directory at step 0 is cache / place / "begun" / "run".
    """
    folder = cache / flagfile.place
    kept, key = folder / "old.json", key_of(old, flagfile)
    with held(folder / ".lock"):
        if kept.exists() and (found := json.loads(kept.read_text()))["key"] == key:
            return found
        kept.unlink(missing_ok=True)
        if flagfile.script == "train":
            started = folder / "begun" / "run"
            found = begin(old, flagfile, folder / "begun", checkpoint="run/checkpoints")
            after = trained(old, flagfile, started, folder / "old")
            found |= {**after, "seconds": round(found["seconds"] + after["seconds"], 1)}
        else:
            found = resolved(old, flagfile, folder / "old")
        unfinished = kept.with_suffix(".unfinished")
        unfinished.write_text(json.dumps({"key": key, **found}))
        unfinished.rename(kept)
    return found


def of_new(new: Tree, flagfile: Flagfile, cache: pathlib.Path) -> dict:
    """Return the results of a flagfile in the present tree, resumed from the older run."""
    folder = cache / flagfile.place / f"new-{os.getpid()}"
    try:
        if flagfile.script != "train":
            return resolved(new, flagfile, folder)
        found = begin(new, flagfile, folder)
        try:
            after = trained(new, flagfile, cache / flagfile.place / "begun" / "run", folder)
        except Failed as error:  # after the hyperparameters and weights are known
            return {**found, "failed": str(error)}
        return {**found, **after, "seconds": round(found["seconds"] + after["seconds"], 1)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def held(file: pathlib.Path) -> Iterator[None]:
    """Lock a file against other processes, on platforms with file locks."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        with contextlib.suppress(ImportError):
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def key_of(old: Tree, flagfile: Flagfile) -> str:
    """Return a hash of everything that the results of the older tree depend on."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=old.path, capture_output=True, text=True, check=True
    ).stdout.strip()
    versions = [importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")]
    words = flagfile.words(old.path)
    told = [FORMAT, commit, words, OVERRIDES, versions, processor(), len(old.cpus)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def processor() -> str:
    """Return the name of the processor, on whose instructions the arithmetic depends."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def as_now(fields: dict) -> dict:
    """Convert hyperparameters or options of the older tree to present names and values.

    A penalty is a list of names, "ols" is "mse".
    """
    now = {FIELDS.get(name, name): value for name, value in fields.items() if name not in REMOVED}
    if isinstance(now.get("penalty"), str):
        now["penalty"] = [] if now["penalty"] == "none" else [now["penalty"]]
    if now.get("continuous_loss") == "ols":
        now["continuous_loss"] = "mse"
    return now


def compare_fields(title: str, old: dict, new: dict) -> Iterator[str]:
    """Return the differences of resolved hyperparameters or options."""
    old, new, absent = as_now(old), as_now(new), object()
    for name in dict.fromkeys([*old, *new]):
        was, now = old.get(name, ADDED.get(name, absent)), new.get(name, absent)
        if name == "configs" and now is not absent:  # of a study, wherever they are
            was, now = ([pathlib.Path(f).name for f in v.split(",")] for v in (was, now))
        if was != now:
            said = ("absent" if value is absent else repr(value) for value in (was, now))
            yield f"{title} {name}: {' -> '.join(said)}"


def compare_scalars(name: str, old: dict, new: dict) -> Iterator[str]:
    """Return the first difference of the logs, and the number of different scalars of the step."""
    for step in map(str, range(1, STEPS + 1)):
        was = {SCALARS.get(k, k): v for k, v in old[step].items() if k not in TIMES}
        now = {k: v for k, v in new[step].items() if k not in TIMES}
        found = []
        for scalar, before in was.items():
            tolerance = max(t for s, t in {"": 0.0, **TOLERANCES}.items() if scalar.startswith(s))
            if name in MAY_DIFFER:
                tolerance = {"1": max(tolerance, 1e-6), str(STEPS): 1e-3}.get(step, math.inf)
            if scalar not in now:
                found.append((math.inf, f"{scalar} at step {step} is not there"))
                continue
            apart = relative(before, now[scalar])
            if apart > tolerance:
                told = f"{scalar} at step {step}: {before!r} -> {now[scalar]!r} ({apart:.1e})"
                found.append((apart, told))
        if found:
            yield max(found)[1] + f"; {len(found)} of {len(was)} scalars of that step differ"
            return


def relative(a: float, b: float) -> float:
    """Return |a - b| / max(|a|, |b|); 0 if they are equal."""
    if a == b or (a != a and b != b):
        return 0.0
    return abs(a - b) / max(abs(a), abs(b))


def compare_weights(name: str, old: list[str], new: list[str]) -> Iterator[tuple[bool, str]]:
    """Yield pairs (is a difference, text) about the initial weights."""
    if old == new:
        return
    if sorted(old) == sorted(new):
        yield False, "first weights are made in another order"
        return
    gone, come = len(set(old) - set(new)), len(set(new) - set(old))
    told = f"first weights: {gone} of {len(old)} are gone, {come} of {len(new)} are new"
    reason = MAY_DIFFER_WEIGHTS.get(name)
    yield reason is None, told + (f" ({reason})" if reason else "")


def compare(flagfile: Flagfile, old: dict, new: dict) -> Result:
    """Return all differences of the results of a flagfile in two trees."""
    result = Result([], [], old["seconds"], new["seconds"])
    for part in ("options", "hyperparameters"):
        result.differs += compare_fields(part, old.get(part, {}), new.get(part, {}))
    if flagfile.script != "train":
        return result
    for differs, told in compare_weights(flagfile.name, old["weights"], new["weights"]):
        (result.differs if differs else result.remarks).append(told)
    if "failed" in new:
        result.differs.append(new["failed"])
        return result
    result.differs += compare_scalars(flagfile.name, old["scalars"], new["scalars"])
    more = set(new["scalars"]["1"]) - {SCALARS.get(k, k) for k in old["scalars"]["1"]}
    if more:
        result.remarks.append(f"also logged: {', '.join(sorted(more))}")
    if flagfile.name in MAY_DIFFER:
        result.remarks.append(f"may differ: {MAY_DIFFER[flagfile.name]}")
    return result


def main() -> int:
    """Compare the trees of the command line and return the exit code."""
    home = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--old", type=pathlib.Path, required=True, help="the older worktree")
    parser.add_argument("--new", type=pathlib.Path, default=ROOT, help="the tree; else this one")
    parser.add_argument("--configs", default="", help="names of flagfiles, with commas; else all")
    parser.add_argument(
        "--cache", type=pathlib.Path, default=home / "gan-zoo-pins", help="of the older tree"
    )
    parser.add_argument("--old_only", action="store_true", help="only fill the cache")
    parser.add_argument("--cpus", default="", help="processors to use, with commas; else the last")
    parser.add_argument("--record", type=pathlib.Path, help="a JSON file to write the results to")
    asked = parser.parse_args()
    paths = (path.expanduser().resolve() for path in (asked.old, asked.new, asked.cache))
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
    cpus = tuple(sorted({int(n) for n in asked.cpus.split(",") if n} or {max(usable)}))
    old, new, cache = paths
    old, new = Tree(old, cpus), Tree(new, cpus)
    known = flagfiles(old.path)
    names = [name for name in asked.configs.split(",") if name] or [f.name for f in known]
    if unknown := set(names) - {f.name for f in known} - {f.place for f in known}:
        parser.error(f"--configs={','.join(sorted(unknown))}: no such flagfile")
    chosen = [f for f in known if {f.name, f.place} & set(names)]
    results = {}
    for flagfile in chosen:
        try:
            before = of_old(old, flagfile, cache)
            if asked.old_only:
                print(f"{flagfile.place:40} old {before['seconds']:5.0f} s", flush=True)
                continue
            result = compare(flagfile, before, of_new(new, flagfile, cache))
        except Failed as error:
            result = Result([str(error)], [])
        results[flagfile.place] = result
        said = "differs" if result.differs else "equal"
        seconds = f"{result.old_seconds:.0f} s, {result.new_seconds:.0f} s"
        print(f"{flagfile.place:40} {said:8} {seconds}", *result.differs, sep="\n    ", flush=True)
        for remark in result.remarks:
            print(f"    ({remark})", flush=True)
        if asked.record:
            record = {place: dataclasses.asdict(r) for place, r in results.items()}
            asked.record.write_text(json.dumps(record, indent=2) + "\n")
    differ = [place for place, result in results.items() if result.differs]
    if not asked.old_only:
        print(f"{len(results) - len(differ)} of {len(results)} flagfiles are equal")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
