"""Records of measurements, saved as evaluation.json with the protocol hash of each metric."""

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from evaluation import runner
from evaluation.context import Stopwatch
from evaluation.options import PUBLISHED, MeasureOptions
from evaluation.reference import Reference
from evaluation.reports import pictures
from evaluation.subject import Subject
from metrics.measurement import Measurement
from storage.files import write_json

FORMAT = 1  # version of the measurements; raise it when a metric changes
FILE = "evaluation.json"
HASHES, OLD_HASHES = "protocol_hashes", "ways"


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
        print(f"{subject.name} is already measured; skipped")
        return before
    watch = watch or Stopwatch()
    measured, context = runner.measure(subject, reference, wanted, request, watch)
    if folder:
        with watch.stage("neighbours"):
            pictures.draw(measured, context, folder)
    record = as_record(subject, reference, measured, watch)
    if folder and any(entry["value"] is not None for entry in record["metrics"].values()):
        write_json(folder / FILE, with_earlier(subject, record, hashed, folder))
    return record


def about(reference: Reference) -> dict:
    """Return the protocol entries of the data set."""
    data = reference.data
    return {
        "dataset": data.name,
        "fingerprint": data.fingerprint,
        "image_shape": list(data.image_shape),
    }


def as_record(
    subject: Subject, reference: Reference, measured: dict[str, Measurement], watch: Stopwatch
) -> dict:
    """Return the record of measurements with complete protocols, and the seconds by stage."""
    protocol = {**about(reference), **subject.protocol}
    return {
        "name": subject.name,
        "dataset": reference.data.name,
        "seconds": {stage: round(s, 1) for stage, s in watch.seconds.items()},
        "metrics": {
            name: {"value": m.value, "protocol": {**protocol, **m.protocol}}
            for name, m in measured.items()
        },
    }


def protocol_hash(subject: Subject, reference: Reference, request: MeasureOptions) -> str:
    """Return the hash of the subject, the protocol options and the feature network."""
    protocol = [getattr(request, name) for name in PUBLISHED if name != "metrics"]
    weights = reference.extractor.sha256 if reference.extractor else ""
    content = json.dumps([FORMAT, subject.identity, protocol, weights])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def hashes_of(record: dict) -> dict[str, str]:
    """Return the protocol hash of each metric of a record of any format version."""
    return record[HASHES] if HASHES in record else record[OLD_HASHES]


def measured_before(
    subject: Subject, folder: Path, hashed: str, wanted: Iterable[str]
) -> dict | None:
    """Return the saved record of the wanted metrics, or None if a protocol hash differs."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        before = json.loads((folder / FILE).read_text())
        hashes = hashes_of(before)
        if all(hashes[name] == hashed for name in wanted):
            metrics = {name: before["metrics"][name] for name in wanted}
            kept = {key: before[key] for key in before if key not in (HASHES, OLD_HASHES)}
            return kept | {"name": subject.name, "metrics": metrics}
    return None


def with_earlier(subject: Subject, record: dict, hashed: str, folder: Path) -> dict:
    """Return a record with protocol hashes and the saved metrics of the same checkpoint."""
    written = {**record, HASHES: dict.fromkeys(record["metrics"], hashed)}
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        before = json.loads((folder / FILE).read_text())
        kept = {
            name: entry
            for name, entry in before["metrics"].items()
            if entry["protocol"]["checkpoint_step"] == subject.protocol["checkpoint_step"]
            and (name not in record["metrics"] or record["metrics"][name]["value"] is None)
        }
        hashes = hashes_of(before) if {HASHES, OLD_HASHES} & set(before) else {}
        written["metrics"] = {**record["metrics"], **kept}
        written[HASHES] |= {name: hashes.get(name) for name in kept}
    return written
