"""Records of measurements, saved as evaluation.json with the protocol hash of each metric."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from errors import warn
from evaluation import runner
from evaluation.context import Stopwatch
from evaluation.options import MeasureOptions
from evaluation.reference import Reference
from evaluation.reports import pictures
from evaluation.reports.tables import printed_if_lost
from evaluation.subject import Subject
from metrics.measurement import Measurement
from storage.files import write_json
from storage.saved_config import require_types
from waiting import cleared, waiting

FORMAT = 1  # version of the measurements; raise it when a metric changes
FILE = "evaluation.json"
HASHES, OLD_HASHES = "protocol_hashes", "ways"
WEIGHTS = "weights_sha256"  # protocol entry of a package
# Protocol entries that identify what was measured.
IDENTITY = ("fingerprint", "checkpoint_step", "images_sha256", WEIGHTS)
RUN = "run"  # the same, of a run whose evaluation.json is in another folder


def evaluate(
    subject: Subject,
    reference: Reference,
    request: MeasureOptions,
    folder: Path | None = None,
    *,
    only_new: bool = False,
    watch: Stopwatch | None = None,
) -> dict:
    """Measure a subject and return its record.

    Args:
        subject: a model, a baseline or images.
        reference: the reference images and the feature network.
        request: options of the measurement.
        folder: folder of evaluation.json and pictures; None for baselines: nothing is written and
            only metrics of samples are measured.
        only_new: return the saved record if its protocol hashes are equal.
        watch: timer with the seconds so far.
    """
    wanted = runner.wanted_metrics(request, reference)
    if folder is None:
        wanted = {name: metric for name, metric in wanted.items() if metric.samples}
    hashed = protocol_hash(subject, reference, request)
    if only_new and (before := measured_before(subject, folder, hashed, wanted)):
        with cleared():
            print(f"{subject.name} is already measured; skipped")
        return before
    watch = watch or Stopwatch()
    measured, context = runner.measure(subject, reference, wanted, request, watch)
    protocol = {**about(reference), **subject.protocol}
    measured = {
        name: Measurement(m.value, {**protocol, **m.protocol}) for name, m in measured.items()
    }
    if folder:
        title = f"{subject.name}: pictures"
        with watch.stage("neighbours"), waiting(title), pictures.optional(folder):
            pictures.draw(measured, context, folder)
    record = as_record(subject.name, reference.data.name, measured, watch)
    if folder and any(entry["value"] is not None for entry in record["metrics"].values()):
        with printed_if_lost([record]):
            kept = with_earlier(record, protocol, hashed, folder)
            if (folder / FILE).exists():
                pictures.delete_stale(folder, kept["metrics"])
            write_json(folder / FILE, kept)
    return record


def about(reference: Reference) -> dict:
    """Return the protocol entries of the data set."""
    data = reference.data
    return {
        "dataset": data.name,
        "fingerprint": data.fingerprint,
        "image_shape": list(data.image_shape),
    }


def as_record(name: str, dataset: str, measured: dict[str, Measurement], watch: Stopwatch) -> dict:
    """Return the record of measurements with complete protocols, with the seconds by stage."""
    return {
        "name": name,
        "dataset": dataset,
        "seconds": {stage: round(s, 1) for stage, s in watch.seconds.items()},
        "metrics": {name: dataclasses.asdict(m) for name, m in measured.items()},
    }


def protocol_hash(subject: Subject, reference: Reference, request: MeasureOptions) -> str:
    """Return the hash of the subject, the protocol options and the feature network."""
    weights = reference.extractor.sha256 if reference.extractor else ""
    content = json.dumps([FORMAT, subject.identity, request.protocol, weights])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def saved_record(folder: Path, *, warned: bool = True) -> dict:
    """Return the content of evaluation.json; empty if it is missing or damaged.

    A damaged one gives a warning, unless `warned` is False.
    """
    try:
        saved = json.loads((folder / FILE).read_bytes())
        require_shape(saved)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        if warned:
            warn(f"{folder / FILE}: cannot be read ({error}); its metrics are measured again")
        return {}
    return saved


def stored_metrics(folder: Path) -> dict[str, dict]:
    """Return the metrics in evaluation.json by name; empty if it is missing or damaged."""
    return saved_record(folder, warned=False).get("metrics", {})


def require_shape(saved: Any) -> None:
    """Raise TypeError unless a value has the shape of a record: see `as_record`, with hashes."""
    require_types(saved, {"name": str, "dataset": str, "seconds": dict, "metrics": dict})
    require_metrics(saved["metrics"])
    for key in (HASHES, OLD_HASHES):
        hashes = saved.get(key, {})
        if not isinstance(hashes, dict) or not {*map(type, hashes.values())} <= {str, type(None)}:
            raise TypeError(f"{key} are no strings by name")


def require_metrics(metrics: dict) -> None:
    """Raise TypeError unless each entry of a dictionary has a metric's value and protocol."""
    for name, entry in metrics.items():
        require_types(entry, {"protocol": dict})
        value, protocol = entry.get("value"), entry["protocol"]
        if "value" not in entry or (value is None and type(protocol.get("reason")) is not str):
            raise TypeError(f"{name} has neither a value nor a reason")
        values = protocol.get("values", [value])
        if type(values) is not list or not values:
            raise TypeError(f"the values of {name} are no list")
        spread = protocol.get("spread")
        spreads = spread if isinstance(spread, list) else [spread]  # a list: one per seed
        if spreads is spread and "values" not in protocol:
            raise TypeError(f"the spread of {name} is a list")
        numbers = {type(number) for number in (value, *spreads, *values)}
        if not numbers <= {int, float, type(None)} or (None in values and value is not None):
            raise TypeError(f"the value of {name} is no number")


def hashes_of(record: dict) -> dict[str, str]:
    """Return the protocol hash of each metric of a saved record of any format version."""
    return record.get(HASHES) or record.get(OLD_HASHES) or {}


def measured_before(
    subject: Subject, folder: Path, hashed: str, wanted: Iterable[str]
) -> dict | None:
    """Return the saved record of the wanted metrics, or None if a protocol hash differs."""
    before = saved_record(folder)
    hashes = hashes_of(before)
    if any(hashes.get(name) != hashed or name not in before["metrics"] for name in wanted):
        return None
    metrics = {name: before["metrics"][name] for name in wanted}
    kept = {key: before[key] for key in before if key not in (HASHES, OLD_HASHES)}
    return kept | {"name": subject.name, "metrics": metrics}


def with_earlier(record: dict, protocol: dict, hashed: str, folder: Path) -> dict:
    """Return a record with protocol hashes and the saved metrics of the same subject.

    A saved metric is kept if the new record has no value of it.
    """
    before = saved_record(folder)
    hashes, new = hashes_of(before), record["metrics"]
    kept = {
        name: entry
        for name, entry in before.get("metrics", {}).items()
        if all(entry["protocol"].get(key) == protocol.get(key) for key in (*IDENTITY, RUN))
        and (name not in new or new[name]["value"] is None)
    }
    return {
        **record,
        "metrics": {**new, **kept},
        HASHES: {**dict.fromkeys(new, hashed), **{name: hashes.get(name) for name in kept}},
    }
