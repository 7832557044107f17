"""generate.py: paths through given latents, uniform priors, and the names of files."""

import dataclasses
import json
import re
import shutil
import types

import imageio.v3 as iio
import numpy as np
import pytest

import fields
import plotting
from tests.generate.cases import drawn_in, pixels
from training.drawing import GenerateOptions
from training.file_names import prefix, stale_images, stem


@pytest.fixture(scope="module")
def uniform_run(tmp_path_factory, call, tiny):
    """A run of one step of a model with a uniform prior. Attributes: path, model."""
    from training.loading import load_run

    path = tmp_path_factory.mktemp("runs") / "uniform"
    argv = (*tiny, "--prior=uniform", "--steps=1", "--noise_dim=20", "--sample_planes")
    done = call("train", *argv, f"--outdir={path}")
    assert done.code == 0, done
    return types.SimpleNamespace(path=path, model=load_run(path)[2])


@pytest.fixture
def given(monkeypatch):
    """The noise of all images that are generated."""
    from models.adversarial import AdversarialModel

    noise, generate = [], AdversarialModel.generate_batches

    def recorded(model, latents, *more):
        noise.append(np.asarray(latents["noise"]))
        return generate(model, latents, *more)

    monkeypatch.setattr(AdversarialModel, "generate_batches", recorded)
    return noise


def test_interpolation_of_a_uniform_prior_stays_inside_it(call, uniform_run, tmp_path, given):
    argv = (f"--run={uniform_run.path}", f"--outdir={tmp_path}", "--output=interpolation")
    done = call("generate", *argv, "--n=30")
    assert done.code == 0, done
    assert f"{tmp_path}/uniform-interpolation-linear-n30-frames10-seed0-step1.png\n" in done.out
    (noise,) = given
    assert noise.shape == (300, 20)
    assert np.abs(noise).max() <= 1
    drawn = uniform_run.model.latents.draw(60, 0)["noise"].numpy()
    middle = noise.reshape(30, 10, 20)[:, 4:6].mean(axis=1)
    np.testing.assert_allclose(middle, (drawn[:30] + drawn[30:]) / 2, atol=1e-6)


def test_plane_of_a_uniform_prior_stays_inside_it(call, uniform_run, tmp_path, given):
    argv = (f"--run={uniform_run.path}", f"--outdir={tmp_path}", "--output=plane")
    done = call("generate", *argv)
    assert done.out == f"{tmp_path}/uniform-plane-span1-seed0-step1.png\n"
    assert np.abs(given[0]).max() == 1
    assert call("generate", *argv, "--span=0.5").code == 0
    assert np.abs(given[1][:, :2]).max() == 0.5


def test_planes_of_a_training_with_a_uniform_prior_stay_inside_it(uniform_run):
    planes = {path.name for path in (uniform_run.path / "planes").iterdir()}
    assert planes == {f"span-1-step-{step:07}.png" for step in (0, 1)}
    assert not (uniform_run.path / "plane-3.png").exists()


def test_path_and_span_beyond_a_uniform_prior_are_invalid_without_tensorflow(
    without_tensorflow, uniform_run, tmp_path
):
    lines = {
        ("--output=interpolation", "--path=spherical"): (
            "--path: a spherical path leaves the uniform prior of the model; use --path=linear"
        ),
        ("--output=plane", "--span=1.5"): (
            "--span: expected a number <= 1, the limit of the uniform prior, got 1.5"
        ),
    }
    argv = [[f"--run={uniform_run.path}", *line] for line in lines]
    outcomes = without_tensorflow("generate", argv, tmp_path)
    assert [outcome.refusal() for outcome in outcomes] == [*lines.values()]


def test_seeds_draw_a_path_through_the_latents_of_each_in_turn(call, tiny_run, tmp_path, cells):
    from training.loading import load_run

    argv = (f"--run={tiny_run.path}", f"--outdir={tmp_path}", "--output=interpolation")
    done = call("generate", *argv, "--seeds=3, 7,12", "--frames=4")
    name = tmp_path / "tiny-interpolation-spherical-frames4-seeds3-7-12-step6"
    assert done.out == f"{name}.png\n{name}.gif\n"
    shown = cells(pixels(f"{name}.png"), columns=4).astype(int)
    assert shown.shape[:2] == (2, 4)
    model = load_run(tiny_run.path)[2]
    ends = [plotting.to_uint8(model.sample(1, seed))[0].astype(int) for seed in (3, 7, 12)]
    for place, end in zip([(0, 0), (0, 3), (1, 3)], ends, strict=True):
        assert abs(shown[place] - end).max() <= 1
    np.testing.assert_array_equal(shown[1, 0], shown[0, 3])
    frames = iio.imread(f"{name}.gif", mode="L")
    forth = [*shown[0], *shown[1, 1:]]
    assert len(frames) == 12
    for frame, image in zip(frames, [*forth, *forth[-2:0:-1]], strict=True):
        np.testing.assert_array_equal(cells(frame[..., None], columns=1)[0, 0], image)


def test_flags_without_effect_are_invalid_without_tensorflow(
    without_tensorflow, tiny_run, tmp_path
):
    path = ("--output=interpolation", "--seeds=3,7")
    several = "--seeds: expected at least two seeds, such as 3,7,12, got "
    lines = {
        (*path, "--seed=1"): "--seed: has no effect with seeds; omit it",
        (*path, "--n=2"): "--n: has no effect with seeds; omit it",
        ("--output=interpolation", "--seeds=3"): f"{several}3",
        ("--output=interpolation", "--seeds=3,-1"): f"{several}3,-1",
        ("--output=interpolation", "--seeds=3,2147483648"): f"{several}3,2147483648",
        (
            "--seeds=3,7",
        ): "--seeds: does not apply with output=grid, only with output=interpolation",
        ("--list", "--n=3"): "--run: has no effect with list; omit it",
        ("--output=styles", "--label=3"): "--label: does not apply with output=styles",
        ("--output=styles", "--category=3"): "--category: does not apply with output=styles",
        ("--label=3",): "--label: GAN is not class-conditional",
        ("--category=3",): "--category: GAN has no categorical code",
        ("--truncation=0.5",): "--truncation: GAN has no styles",
        ("--output=interpolation", "--path=styles"): "--path: GAN has no styles",
        ("--output=styles",): "--output: styles: GAN has no styles",
    }
    argv = [[f"--run={tiny_run.path}", *line] for line in lines]
    outcomes = without_tensorflow("generate", argv, tmp_path)
    assert [outcome.refusal() for outcome in outcomes] == [*lines.values()]
    assert list(tmp_path.iterdir()) == []


# Options of one output, each with other values.
OTHERS = {
    "output": "npz", "n": 3, "truncation": 0.5, "seed": 4, "label": "3", "category": 3,
    "path": "linear", "frames": 3, "seeds": "3,7", "span": 1.0000001,
}  # fmt: skip


def test_parts_that_the_latents_lack_are_invalid_without_tensorflow(
    without_tensorflow, told_run, coded_run, tmp_path
):
    line = shutil.copytree(coded_run.path, tmp_path / "line")
    saved = json.loads((line / "config.json").read_text())
    saved["hyperparameters"]["noise_dim"] = 1
    (line / "config.json").write_text(json.dumps(saved))
    lines = {
        (told_run.path, "--label=10"): "--label: expected a class from 0 to 9, got 10",
        (coded_run.path, "--category=4"): "--category: expected a category from 0 to 3, got 4",
        (line, "--output=plane"): "--output: plane: requires two latent dimensions, "
        "the model has one",
    }
    argv = [[f"--run={run}", flag] for run, flag in lines]
    outcomes = without_tensorflow("generate", argv, tmp_path)
    assert [outcome.refusal() for outcome in outcomes] == [*lines.values()]


def test_name_of_a_file_differs_for_each_option():
    def name(step=3, **given):
        return stem(fields.resolve(GenerateOptions, {"run": "a", **given}), step)

    places = ("run", "pretrained", "list", "outdir", "step")
    assert set(OTHERS) == {s.name for s in dataclasses.fields(GenerateOptions)} - {*places}
    names = set()
    for option, value in OTHERS.items():
        output = {"span": "plane", "path": "interpolation", "frames": "interpolation"}.get(option)
        output = "interpolation" if option == "seeds" else output or "grid"
        names |= {name(output=output), name(**{"output": output, option: value})}
    assert len(names) == len(OTHERS) + 3
    assert {"grid-n64-seed0-step3", "grid-n3-seed0-step3"} <= names
    assert {"plane-span3-seed0-step3", "plane-span1.0000001-seed0-step3"} <= names
    assert "interpolation-auto-frames10-seeds3-7-step3" in names
    assert name(step=28110, output="grid", label="7") == "grid-n64-seed0-label7-step28110"
    odd = {name(label=label) for label in ("T-shirt/top", "T-shirt top", "../x", "é", "a" * 99)}
    assert len(odd) == 5
    assert all(re.fullmatch(r"grid-n64-seed0-label-[0-9a-f]{12}-step3", text) for text in odd)
    seeds = [",".join(map(str, range(start, 40))) for start in (0, 1)]
    long = [name(output="interpolation", seeds=text) for text in seeds]
    assert len({*long}) == 2
    assert max(map(len, long)) < 60


def test_name_of_a_file_in_an_outdir_begins_with_the_run(call, tiny_run, uniform_run, tmp_path):
    for run in (tiny_run, uniform_run):
        assert call("generate", f"--run={run.path}", f"--outdir={tmp_path}", "--n=1").code == 0
    names = ["tiny-grid-n1-seed0-step6.png", "uniform-grid-n1-seed0-step1.png"]
    assert [path.name for path in drawn_in(tmp_path)] == names


def test_runs_of_one_name_have_different_files_in_an_outdir(tmp_path):
    one, other, third = (tmp_path / name for name in ("a/seed0", "b/seed0", "x/b/seed0"))
    out = tmp_path / "out"
    out.mkdir()
    for _ in range(2):
        assert prefix(out, one) == "seed0"
        assert prefix(out, other) == "b-seed0"
        assert prefix(out, third) == "x-b-seed0"
    assert json.loads((out / "sources.json").read_text()) == {
        "seed0": str(one), "b-seed0": str(other), "x-b-seed0": str(third),
    }  # fmt: skip


@pytest.mark.parametrize("content", ["", "{", "[]", '{"seed0": 5}', "[" * 100_000])
def test_damaged_sources_of_an_outdir_are_written_again(tmp_path, content):
    (tmp_path / "sources.json").write_text(content)
    assert prefix(tmp_path, tmp_path / "a" / "seed0") == "seed0"
    assert json.loads((tmp_path / "sources.json").read_text()) == {
        "seed0": str(tmp_path / "a" / "seed0")
    }


def test_images_of_other_counts_have_a_name_that_differs_in_n_alone(tmp_path):
    stale = ["a-n5-images-n3-seed0-step6-00000.png", "a-n5-images-n12-seed0-step6-123456.png"]
    others = [
        "a-n5-images-n5-seed0-step6-00000.png", "a-n5-images-n3-seed1-step6-00000.png",
        "a-n5-images-n3-seed0-step6.png", "b-images-n3-seed0-step6-00000.png",
        "a-n5-images-n3-seed0-step60-00000.png", "a-n5-images-n3-seed0-step6-00000.png.txt",
    ]  # fmt: skip
    for name in stale + others:
        (tmp_path / name).touch()
    place = tmp_path / "a-n5-images-n5-seed0-step6"
    assert {path.name for path in stale_images(place, 5)} == {*stale}
