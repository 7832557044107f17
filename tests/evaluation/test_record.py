"""Records: evaluation.json, its protocol hashes, and the metrics of an earlier one."""

import json

import numpy as np
import pytest

from evaluation import subject
from evaluation.options import MeasureOptions
from evaluation.record import evaluate
from evaluation.reports import pictures as pictures_of_evaluation
from models import GAN
from tests.evaluation.cases import entry, pictures, reference_of

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def evaluated(unlabelled, tmp_path):
    """evaluated(metrics, step=1, ...) -> the record of a model at a step, and evaluation.json."""
    model = GAN((4, 4, 1), width=4, depth=1)
    reference = reference_of(unlabelled)

    def evaluated(metrics, step=1, only_new=False, **how):
        asked = MeasureOptions(metrics=metrics, **{"num_samples": 5, **how})
        measured = subject.of_model("run", model, {"checkpoint_step": step}, ["hp", 0, step, ""])
        record = evaluate(measured, reference, asked, tmp_path, only_new=only_new)
        return record, json.loads((tmp_path / "evaluation.json").read_text())

    return evaluated


def test_evaluation_json_has_a_protocol_hash_per_metric(evaluated):
    record, saved = evaluated("pixel_mean,pixel_std")
    assert "protocol_hashes" not in record
    assert list(saved["protocol_hashes"]) == ["pixel_mean", "pixel_std"]
    assert len(set(saved["protocol_hashes"].values())) == 1
    _, other = evaluated("pixel_std", seed=1)
    assert other["protocol_hashes"]["pixel_mean"] == saved["protocol_hashes"]["pixel_mean"]
    assert other["protocol_hashes"]["pixel_std"] != saved["protocol_hashes"]["pixel_std"]


@pytest.mark.parametrize("key", ["protocol_hashes", "ways"])
def test_evaluate_only_new_skips_the_same_protocol(evaluated, tmp_path, capsys, key):
    """`ways` is the name of the hashes in an older version."""
    first, saved = evaluated("pixel_mean")
    saved[key] = saved.pop("protocol_hashes")
    (tmp_path / "evaluation.json").write_text(json.dumps(saved))
    again, _ = evaluated("pixel_mean", only_new=True)
    assert again == first
    assert capsys.readouterr().out == "run is already measured; skipped\n"
    for changes in ({"step": 2}, {"num_samples": 6}, {"seed": 1}, {"repeats": 2}):
        evaluated("pixel_mean", only_new=True, **changes)
        assert capsys.readouterr().out == ""


def test_pictures_are_drawn_from_complete_protocols(evaluated, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        pictures_of_evaluation, "draw_codes", lambda measured, folder: drawn.update(measured)
    )
    record, _ = evaluated("pixel_mean")
    assert drawn["pixel_mean"].protocol == record["metrics"]["pixel_mean"]["protocol"]
    assert {"dataset", "checkpoint_step"} <= drawn["pixel_mean"].protocol.keys()


def test_evaluation_json_keeps_earlier_metrics_of_the_same_checkpoint(evaluated, tmp_path):
    _, first = evaluated("pixel_mean")
    first["ways"] = first.pop("protocol_hashes")
    (tmp_path / "evaluation.json").write_text(json.dumps(first))
    _, second = evaluated("pixel_std", seed=1)
    assert second["metrics"]["pixel_mean"] == first["metrics"]["pixel_mean"]
    assert second["protocol_hashes"]["pixel_mean"] == first["ways"]["pixel_mean"]
    assert "ways" not in second
    _, third = evaluated("pixel_std", step=2)
    assert list(third["metrics"]) == ["pixel_std"]


def test_evaluate_does_not_replace_a_value_by_na(evaluated):
    _, first = evaluated("copied_share,pixel_mean")
    assert first["metrics"]["copied_share"]["value"] is not None
    _, second = evaluated("nmi,pixel_mean")
    assert second["metrics"]["nmi"]["value"] is None
    assert second["metrics"]["copied_share"] == first["metrics"]["copied_share"]


def test_earlier_metrics_of_the_same_images_are_kept_and_of_others_are_not(unlabelled, tmp_path):
    reference = reference_of(unlabelled)
    for name, seed in (("one", 5), ("other", 6)):
        np.savez(tmp_path / f"{name}.npz", images=pictures(12, seed).images)

    def evaluated(name, metrics):
        images = subject.of_images(str(tmp_path / f"{name}.npz"), unlabelled)
        evaluate(images, reference, MeasureOptions(metrics=metrics), tmp_path)
        return json.loads((tmp_path / "evaluation.json").read_text())

    first = evaluated("one", "pixel_mean")
    second = evaluated("one", "pixel_std")
    assert second["metrics"]["pixel_mean"] == first["metrics"]["pixel_mean"]
    assert set(second["protocol_hashes"]) == {"pixel_mean", "pixel_std"}
    assert list(evaluated("other", "pixel_distance")["metrics"]) == ["pixel_distance"]


def test_earlier_metric_without_a_checkpoint_step_is_dropped_alone(evaluated, tmp_path):
    _, saved = evaluated("pixel_mean,pixel_std")
    del saved["metrics"]["pixel_std"]["protocol"]["checkpoint_step"]
    (tmp_path / "evaluation.json").write_text(json.dumps(saved))
    _, merged = evaluated("pixel_distance")
    assert set(merged["metrics"]) == {"pixel_mean", "pixel_distance"}


ENTRY = {"value": 1.5, "protocol": {"checkpoint_step": 1}}
DAMAGED = {
    "": "",
    "{": "{",
    "[]": [],
    "{}": {},
    "deep": "[" * 100_000,
    "not UTF-8": b"\xff",
    "metrics is a list": {"metrics": []},
    "entry is a number": {"metrics": {"pixel_mean": 5}},
    "entry without protocol": {"metrics": {"pixel_mean": {"value": 1.5}}},
    "protocol is a list": {"metrics": {"pixel_mean": {"value": 1.5, "protocol": []}}},
    "values are a number": {"metrics": {"pixel_mean": {"value": 1.5, "protocol": {"values": 1.5}}}},
    "values are empty": {"metrics": {"pixel_mean": {"value": 1.5, "protocol": {"values": []}}}},
    "values are texts": {"metrics": {"pixel_mean": {"value": 1.5, "protocol": {"values": ["x"]}}}},
    "spread is a text": {"metrics": {"pixel_mean": {"value": 1.5, "protocol": {"spread": "x"}}}},
    "reason without value": {"metrics": {"pixel_mean": {"protocol": {"reason": "none"}}}},
    "value is a text": {"metrics": {"pixel_mean": {**ENTRY, "value": "low"}}},
    "no value and no reason": {"metrics": {"pixel_mean": {**ENTRY, "value": None}}},
    "hashes are a list": {"protocol_hashes": ["pixel_mean"]},
    "hash is a number": {"protocol_hashes": {"pixel_mean": 5}},
    "old hash is a number": {"ways": {"pixel_mean": 5}},
    "name is a number": {"name": 5},
    "data set is a list": {"dataset": []},
    "seconds are missing": {"seconds": None},
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_earlier_record_is_replaced_with_a_warning(damage, evaluated, tmp_path, capsys):
    content = DAMAGED[damage]
    if isinstance(content, dict) and content:
        content = {"name": "run", "dataset": "x", "seconds": {}, "metrics": {}, **content}
    if not isinstance(content, bytes):
        content = (content if isinstance(content, str) else json.dumps(content)).encode()
    (tmp_path / "evaluation.json").write_bytes(content)
    _, saved = evaluated("pixel_mean", only_new=True)
    assert list(saved["metrics"]) == ["pixel_mean"]
    lines = capsys.readouterr().err.splitlines()
    assert len(set(lines)) == 1
    assert lines[0].startswith(f"warning: {tmp_path}/evaluation.json: cannot be read (")
    assert lines[0].endswith("; its metrics are measured again")


def test_missing_earlier_record_gives_no_warning(evaluated, capsys):
    evaluated("pixel_mean", only_new=True)
    assert capsys.readouterr().err == ""


def test_hash_without_its_metric_does_not_skip_the_measurement(evaluated, tmp_path):
    first, saved = evaluated("pixel_mean")
    (tmp_path / "evaluation.json").write_text(json.dumps({**saved, "metrics": {}}))
    again, _ = evaluated("pixel_mean", only_new=True)
    assert again["metrics"] == first["metrics"]


def test_pictures_of_an_earlier_checkpoint_are_deleted(evaluated, tmp_path):
    stale = [tmp_path / name for name in ("confusion.png", "codes.png")]
    evaluated("pixel_mean")
    for file in stale:
        file.write_text("of an earlier checkpoint")
    evaluated("pixel_std", step=2)
    assert not any(file.exists() for file in stale)
    assert (tmp_path / "neighbours.png").exists()


def test_pictures_of_metrics_are_those_of_metrics_with_a_value():
    def found(**values):
        return pictures_of_evaluation.of_metrics({n: entry(v) for n, v in values.items()})

    assert found() == set()
    assert found(pixel_mean=1.0, nmi=None) == {"neighbours.png"}
    assert found(cluster_accuracy=0.5, nmi=0.5) == {"confusion.png"}
    assert found(class_change=0.5, cluster_accuracy=None) == {"codes.png"}
    assert found(slant_correlation=0.5, fid=None) == {"codes.png"}
