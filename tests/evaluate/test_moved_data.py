"""Runs whose folder or file of images has moved: `--dataset` of evaluate.py."""

import json
import shutil

import numpy as np
import pytest

from tests.evaluate.cases import evaluation_of

MEASURED = ("--metrics=pixel_mean", "--num_samples=4")


def with_dataset(run, name):
    saved = json.loads((run / "config.json").read_text())
    saved["options"]["dataset"] = name
    (run / "config.json").write_text(json.dumps(saved))
    return f"--run={run}"


@pytest.mark.usefixtures("cache")
def test_dataset_is_another_path_of_the_same_images(call, copied_run, digits, tmp_path):
    run = with_dataset(copied_run, str(tmp_path / "gone.npz"))
    assert call("evaluate", run, *MEASURED).refusal() == (
        f"{copied_run}: {tmp_path / 'gone.npz'}: no such folder or file; if it has moved, set "
        "--dataset"
    )
    moved = shutil.copy(digits, tmp_path / "moved.npz")
    done = call("evaluate", run, *MEASURED, f"--dataset={moved}")
    assert done.code == 0, done
    assert evaluation_of(copied_run)["metrics"]["pixel_mean"]["value"] > 0
    np.savez(tmp_path / "other.npz", x_train=np.zeros((200, 28, 28), np.uint8))
    refusal = call("evaluate", run, *MEASURED, f"--dataset={tmp_path / 'other.npz'}").refusal()
    assert refusal == (
        f"{copied_run}: trained on other images than those of {tmp_path / 'other.npz'}. Restore "
        "the data set, or set --dataset or --data_dir"
    )
    run = with_dataset(copied_run, "MNIST")
    assert call("evaluate", run, *MEASURED, f"--dataset={moved}").refusal() == (
        "--dataset: has no effect: no model was trained on a folder or file"
    )
