"""Run directories made by an older commit (tests/fixtures/make_old_runs.py): load and resume."""

import functools
import json
import shlex
import shutil

import pytest

SLOW = ("stylegan2", "began", "info_bigbigan", "beta_vae")
KINDS = ["wgan", *(pytest.param(kind, marks=pytest.mark.slow) for kind in SLOW)]


@pytest.fixture
def old_runs(root):
    """Return the folder of the run directories."""
    return root / "tests" / "fixtures" / "old_runs"


class Trained(Exception):
    """Exception that ends a training after its last step, before the slower work that follows."""


@pytest.fixture
def ends_when_trained(monkeypatch):
    """Make trainings raise Trained after the last step."""
    import keras

    fit = keras.Model.fit

    @functools.wraps(fit)
    def fit_and_end(*args, **kwargs):
        fit(*args, **kwargs)
        raise Trained

    monkeypatch.setattr(keras.Model, "fit", fit_and_end)


@pytest.mark.parametrize("kind", KINDS)
def test_old_run_is_evaluated_and_resumed_with_the_same_results(
    kind, old_runs, call, tmp_path, ends_when_trained
):
    expected = json.loads((old_runs / "expected.json").read_text())[kind]
    run, images = tmp_path / "run", old_runs / "images.npz"
    shutil.copytree(old_runs / kind, run)
    config = json.loads((run / "config.json").read_text())
    config["options"]["dataset"] = str(images)
    (run / "config.json").write_text(json.dumps(config))

    asked = f"--metrics={','.join(expected['metrics'])}"
    measured = call("evaluate", f"--run={run}", asked, "--num_samples=16")
    assert measured.code == 0, measured
    evaluation = json.loads((run / "evaluation.json").read_text())
    metrics = {name: entry["value"] for name, entry in evaluation["metrics"].items()}
    assert metrics == pytest.approx(expected["metrics"], rel=1e-4)

    command = shlex.split(config["commands"][0])[2:]
    place = (f"--dataset={images}", f"--outdir={run}", "--resume=must")
    steps = [record["step"] for record in expected["records"]]
    with pytest.raises(Trained):
        call("train", *command, *place, f"--steps={steps[-1]}")
    records = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        records.setdefault(record["step"], {}).update(record)
    assert list(records) == [*range(1, steps[0]), *steps]
    for record in expected["records"]:
        if kind == "stylegan2":  # the groups of its minibatch standard deviation were others
            record = {name: record[name] for name in ("step", "epoch", "kimg")}
        found = {name: records[record["step"]].get(name) for name in record}
        assert found == pytest.approx(record, rel=1e-4)
