"""Run directories that an older commit has begun, of tests/fixtures/make_old_runs.py."""

import json
import shlex
import shutil

import pytest

KINDS = ("stylegan2", "began", "info_bigbigan", "beta_vae", "wgan")


@pytest.fixture
def old_runs(root):
    """The folder of what the older commit has left."""
    return root / "tests" / "fixtures" / "old_runs"


class Trained(Exception):
    """Ends a training after its last step, before what follows, which would take longer."""


@pytest.fixture
def ends_when_trained(monkeypatch):
    """Has trainings raise Trained."""
    import keras

    fit = keras.Model.fit

    def fit_and_end(*args, **kwargs):
        fit(*args, **kwargs)
        raise Trained

    monkeypatch.setattr(keras.Model, "fit", fit_and_end)


@pytest.mark.parametrize("kind", KINDS)
def test_an_old_run_is_measured_and_goes_on_as_it_did(
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
        found = {name: records[record["step"]].get(name) for name in record}
        assert found == pytest.approx(record, rel=1e-4)
