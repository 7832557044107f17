"""Record of a comparison in JSON, and the list of what is slower than in a stored one.

    {"stages": {name: {"environment": {...}, "speedups": [before, after], "void": false,
                       "groups": {title: {contestant: measurement}}}}}

A measurement has the raw "seconds" of each round, from which medians, spreads and ratios follow.
"""

import json
import pathlib
from collections.abc import Callable, Iterator

from benchmarks.compare import cores, rounds
from benchmarks.compare.stages import STAGES, Settings
from errors import UserError
from storage.files import write_json

TOLERANCE = 0.05  # relative loss of a ratio above which a contestant is slower


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

    Speeds are compared as ratios to the tutorial loop, or to the reference of the stage.

    Raises:
        UserError: the figures of a stage that both have are void.
    """
    for name, stage in record["stages"].items():
        before = stored["stages"].get(name)
        reference = STAGES[name].reference if name in STAGES else ""
        if not before or not reference:
            continue
        if before["void"] or stage["void"]:
            raise UserError(f"{name}: the figures of a record are void; measure it again")
        for title, group in stage["groups"].items():
            for contestant, measurement in group.items():
                if not measurement["own"] or contestant == reference:
                    continue
                now = rounds.ratio(group, contestant, reference)
                was = rounds.ratio(before["groups"].get(title, {}), contestant, reference)
                if now and was and now < (1.0 - TOLERANCE) * was:
                    yield f"{name}, {title}, {contestant}: {was:.2f} -> {now:.2f}"
