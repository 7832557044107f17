"""Settings of the machine and of a notebook change no result of a training."""

import json

import pytest

from tests.train.cases import records, timeless

SETTINGS = {
    "floatx": "float16",
    "epsilon": 1e-3,
    "backend": "jax",
    "image_data_format": "channels_first",
}


@pytest.mark.slow
def test_settings_of_keras_and_matplotlib_change_neither_numbers_nor_pictures(
    python, tiny_run, tmp_path
):
    (tmp_path / "keras.json").write_text(json.dumps(SETTINGS))
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 30\nbackend: qtagg\n")
    argv = [word for word in tiny_run.argv if not word.startswith("--outdir")]
    done = python(
        "train.py",
        *argv,
        f"--outdir={tmp_path / tiny_run.path.name}",
        KERAS_HOME=str(tmp_path),
        KERAS_BACKEND="torch",
        KERAS_MAX_EPOCHS="1",
        KERAS_MAX_STEPS_PER_EPOCH="2",
        MPLBACKEND="module://matplotlib_inline.of_a_notebook",
        MATPLOTLIBRC=str(tmp_path / "matplotlibrc"),
    )
    assert done.code == 0, done
    assert "warning" not in done.err
    run = tmp_path / tiny_run.path.name
    assert list(map(timeless, records(run))) == list(map(timeless, records(tiny_run.path)))
    for picture in ("samples.png", "real.png"):
        assert (run / picture).read_bytes() == (tiny_run.path / picture).read_bytes()
    assert (run / "curves.png").exists()


@pytest.mark.slow
def test_training_with_one_image_per_step_warns_that_batch_norm_hides_z(call, digits, tmp_path):
    argv = (
        "--model=gan",
        "--width=4",
        "--depth=1",
        "--g_norm=batch",
        "--steps=1",
        "--batch_size=1",
    )
    argv += ("--batch_size=1", f"--dataset={digits}", f"--outdir={tmp_path / 'run'}")
    done = call("train", *argv)
    assert done.code == 0, done
    assert done.err == (
        "warning: batch norm over one image: the output of the generator does not depend on its "
        "input (z, for a generator); use a larger batch_size, or another norm\n"
    )
