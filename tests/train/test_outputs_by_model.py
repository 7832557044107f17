"""Outputs that labels, an encoder and codes add to a run, and their requirements on the data."""

import io
import math

import numpy as np
import pytest
from PIL import Image

import plotting
from errors import UserError
from tests.train.cases import events_in, pixels, records, tensors


@pytest.mark.slow
def test_sample_grid_of_a_class_conditional_model_has_one_class_per_row(told_run, cells):
    from training.loading import load_run

    model = load_run(told_run.path)[2]
    sheet = np.asarray(Image.open(told_run.path / "samples.png"))[..., None]
    shown = cells(sheet, columns=10)
    noise = model.latents.draw(10, 0)["noise"]
    for row, label in enumerate(np.eye(10, dtype=np.float32)):
        latents = {"noise": noise, "label": np.repeat(label[None], 10, axis=0)}
        expected = plotting.to_uint8(model.generate(latents)).astype(int)
        assert abs(shown[row] - expected).max() <= 1
    labelled = pixels(told_run.path / "categories.png")
    assert labelled.shape > sheet.shape
    np.testing.assert_array_equal(cells(labelled, columns=10), shown)


def test_sample_planes_draws_planes_with_the_sample_grids(told_run, tiny_run):
    names = [f"span-{span}-step-{step:07}.png" for span in (1, 3) for step in (0, 4, 6)]
    assert sorted(path.name for path in (told_run.path / "planes").iterdir()) == names
    for span in (1, 3):
        last = told_run.path / "planes" / f"span-{span}-step-0000006.png"
        assert (told_run.path / f"plane-{span}.png").read_bytes() == last.read_bytes()
    assert not (tiny_run.path / "planes").exists()


def test_class_conditional_model_without_labels_is_invalid(call, tmp_path):
    np.savez(tmp_path / "plain.npz", x_train=np.zeros((9, 28, 28), np.uint8))
    argv = ("--model=cgan", f"--dataset={tmp_path / 'plain.npz'}", "--batch_size=3")
    refusal = call("train", *argv, f"--outdir={tmp_path / 'run'}").refusal()
    assert refusal == "--dataset: CGAN requires images with labels"
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_run_of_a_model_with_an_encoder_draws_and_measures_reconstructions(
    call, digits, tmp_path, cells
):
    path = tmp_path / "run"
    networks = ("--model=bigan", "--network=mlp", "--width=8", "--depth=1", "--joint_units=8")
    every = ("--sample_every=2", "--checkpoint_every=2", "--log_every=2", "--eval_every=4")
    metrics = "--eval_metrics=knn1_accuracy,reconstruction_error"
    argv = (
        *networks,
        f"--dataset={digits}",
        "--batch_size=16",
        *every,
        metrics,
        "--eval_samples=5",
    )
    done = call("train", *argv, "--steps=4", f"--outdir={path}")
    assert done.code == 0, done
    assert "\ndone: samples.png, reconstructions.png, curves.png, " in done.out
    folder = path / "reconstructions"
    assert sorted(p.name for p in folder.iterdir()) == [f"step-{s:07}.png" for s in (0, 2, 4)]
    last = (folder / "step-0000004.png").read_bytes()
    assert (path / "reconstructions.png").read_bytes() == last
    measured = [record for record in records(path) if "metric_knn1_accuracy" in record][-1]
    assert 0 <= measured["metric_knn1_accuracy"] <= 1
    assert measured["metric_reconstruction_error"] > 0

    (folder / "step-0000005.png").write_bytes(last)  # of a training that was killed
    assert call("train", *argv, "--steps=6", f"--outdir={path}").code == 0
    names = [f"step-{step:07}.png" for step in (0, 2, 4, 6)]
    assert sorted(p.name for p in folder.iterdir()) == names
    rows = cells(pixels(path / "reconstructions-by-epoch.png"), columns=10)
    drawn = [cells(pixels(folder / name), columns=10) for name in names]
    expected = [drawn[0][0], *(each[1] for each in drawn)]  # the originals are on top
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.slow
def test_finished_run_of_a_model_with_codes_has_traversals(coded_run, tiny_run, cells):
    import imageio.v3 as iio

    from training.loading import load_run

    folder = coded_run.path / "traversals"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"code-{code}-span-{span}.{kind}"
        for code in (0, 1) for span in (1, 2) for kind in ("gif", "png")
    )  # fmt: skip
    assert not (tiny_run.path / "traversals").exists()
    model = load_run(coded_run.path)[2]
    drawn = model.latents.draw(10, 0)
    continuous = drawn["continuous"].numpy()
    continuous[:, 1] = 2.0
    latents = {
        "noise": np.tile(drawn["noise"][:1], (4, 1)),
        "category_0": np.eye(4, dtype=np.float32),
        "continuous": np.tile(continuous[:1], (4, 1)),
    }
    last = iio.imread(folder / "code-1-span-2.gif", mode="L")[10]
    expected = plotting.to_uint8(model.generate(latents)).astype(int)
    assert abs(cells(last[..., None], columns=4)[0] - expected).max() <= 1


def test_tensorboard_has_the_traversals_of_the_last_step(coded_run):
    events = events_in(coded_run.path)
    for code in (0, 1):
        for span in (1, 2):
            name = f"traversals/code-{code}-span-{span}"
            shown = tensors(events, f"Samples/{name}", "images")
            assert list(shown) == [4]
            _, _, png = shown[4].tolist()
            file = coded_run.path / f"{name}.png"
            np.testing.assert_array_equal(pixels(io.BytesIO(png)), pixels(file))


def test_log_of_a_model_with_codes_has_mutual_information(coded_run):
    names = {"information_category_0", "information_continuous_0", "information_continuous_1"}
    for record in records(coded_run.path):
        assert names < set(record)
        assert record["information_category_0"] <= math.log(4)


def test_sample_grid_of_a_model_with_codes_has_one_category_per_row(coded_run, cells):
    from training.loading import load_run

    model = load_run(coded_run.path)[2]
    sheet = np.asarray(Image.open(coded_run.path / "samples.png"))[..., None]
    latents, columns = model.picture_latents()
    assert columns == 10
    expected = plotting.to_uint8(model.generate(latents)).reshape(4, 10, 28, 28, 1).astype(int)
    assert abs(cells(sheet, columns=10) - expected).max() <= 1


@pytest.mark.parametrize(("share", "known"), [("0", 0), ("0.25", 50), ("1", 200)])
def test_supervised_fraction_limits_the_labels_of_the_model(
    call, digits, tmp_path, monkeypatch, share, known
):
    from training import loop

    made = []

    def batches(*args, **how):
        made.append(Batches(*args, **how))
        raise UserError("made")

    Batches = loop.Batches
    monkeypatch.setattr(loop, "Batches", batches)
    argv = ("--model=infogan", f"--dataset={digits}", "--batch_size=20", f"--outdir={tmp_path}")
    assert call("train", *argv, f"--supervised_fraction={share}").refusal() == "made"
    assert (made[0].split.labels >= 0).sum() == known


def test_supervised_fraction_with_more_classes_than_categories_is_invalid(call, digits, tmp_path):
    argv = ("--model=infogan", f"--dataset={digits}", "--network=mlp", "--batch_size=20")
    told = ("--supervised_fraction=0.5", "--categorical_codes=9", f"--outdir={tmp_path / 'run'}")
    assert call("train", *argv, *told).refusal() == (
        "--supervised_fraction: requires images with labels of at most 9 classes (the size of the "
        "first of categorical_codes), there are 10"
    )
    assert not (tmp_path / "run").exists()
