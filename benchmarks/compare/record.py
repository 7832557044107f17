"""Record of a comparison in JSON, and the list of what is slower than in a stored one.

    {"stages": {name: {"environment": {...}, "speedups": [before, after], "void": false,
                       "groups": {title: {contestant: measurement}}}}}

A measurement has the raw "seconds" of each round, from which medians, spreads and ratios follow.
"""

import json
import pathlib
import statistics
from collections.abc import Callable, Iterator

from benchmarks.compare import cores, rounds
from benchmarks.compare.cases import DCGAN_28
from benchmarks.compare.contestants import REFERENCE
from benchmarks.compare.stages import STAGES, Settings
from errors import UserError
from storage.files import write_json

TOLERANCE = 0.05  # least relative loss of a ratio of a contestant that is slower


def read(path: pathlib.Path) -> dict:
    """Return a stored record.

    Raises:
        UserError: the file is missing or not a record.
    """
    try:
        found = json.loads(path.read_text())
        return {"stages": dict(found["stages"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a record of benchmarks compare ({error})") from None


def measure_stage(
    record: dict,
    name: str,
    settings: Settings,
    environment: dict[str, str],
    path: pathlib.Path,
    check: Callable[[], float] = cores.speedup,
) -> None:
    """Measure a stage; write the record after each of its groups.

    The check of the cores runs before the stage and after each group.
    """
    stage = {"environment": environment, "speedups": [check()], "groups": {}}
    for title, group in STAGES[name].measure(settings):
        stage["groups"][title] = group
        stage["speedups"].append(check())
        stage["void"] = cores.are_void(stage["speedups"])
        record["stages"][name] = stage
        write_json(path, record)
        settings.say(f"{name}: {title}")
    if stage["void"]:
        settings.say(
            f"{name}: figures are void: two threads were {min(stage['speedups']):.2f} times as "
            f"fast as one, expected at least {cores.LOWEST_SPEEDUP}; leave two cores idle"
        )


def slower(record: dict, stored: dict) -> Iterator[str]:
    """Yield a line per contestant of this project that is slower than in a stored record.

    Speeds are compared as ratios to the tutorial loop: that of the same group, or else that of the
    train steps in the record. Slower is by more than TOLERANCE and than the spread of both.

    Raises:
        UserError: the figures of a stage that both have are void.
    """
    for name, stage in record["stages"].items():
        before = stored["stages"].get(name)
        if not before:
            continue
        if before["void"] or stage["void"]:
            raise UserError(f"{name}: the figures of a record are void; measure it again")
        for title, group in stage["groups"].items():
            for contestant, measurement in group.items():
                earlier = before["groups"].get(title, {})
                if not measurement.get("own") or contestant not in earlier:
                    continue
                now, was = (
                    speeds(one, groups, contestant)
                    for one, groups in ((record, group), (stored, earlier))
                )
                if not now or not was:
                    continue
                (fast, noise), (slow, further) = (
                    (statistics.median(each), rounds.spread(each)) for each in (was, now)
                )
                if slow < fast - max(TOLERANCE * fast, noise, further):
                    yield f"{name}, {title}, {contestant}: {fast:.3g} -> {slow:.3g}"


def speeds(record: dict, group: dict[str, dict], contestant: str) -> list[float]:
    """Return the speed of a contestant relative to the tutorial loop per round.

    Returns:
        Empty if the record has no tutorial loop, or a time is below the resolution of its stage.
    """
    seconds = group[contestant]["seconds"]
    if not min(seconds):  # below the resolution of the stage
        return []
    if REFERENCE in group:
        return rounds.ratios(group[REFERENCE]["seconds"], seconds)
    steps = record["stages"].get("steps", {}).get("groups", {}).get(DCGAN_28.title, {})
    if REFERENCE not in steps:
        return []
    reference = statistics.median(steps[REFERENCE]["seconds"])
    return [reference / one for one in seconds]
