"""InfoGAN on a folder of colour images: its defaults, and resumes about the selection of a head."""

import signal

import numpy as np
import pytest
from PIL import Image

from tests.train.cases import records, saved_config, steps_saved, timeless

pytestmark = pytest.mark.slow

TINY = ("--width=2", "--q_width=2", "--q_head_units=4", "--noise_dim=3", "--steps=20")
EVERY = ("--log_every=1", "--checkpoint_every=20", "--sample_every=20")


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    """130 images of 16 by 16 pixels."""
    folder = tmp_path_factory.mktemp("birds")
    random = np.random.default_rng(0)
    for k in range(130):
        colour = random.integers(0, 256, 3)
        pixels = np.clip(colour + random.normal(0, 30, (16, 16, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{k:03}.png")
    return folder


@pytest.fixture(scope="module")
def argv(birds):
    return ("--model=infogan", f"--dataset={birds}", *TINY, *EVERY)


@pytest.fixture(scope="module")
def whole(call, argv, tmp_path_factory):
    path = tmp_path_factory.mktemp("clustered") / "whole"
    done = call("train", *argv, f"--outdir={path}")
    assert done.code == 0, done
    assert "step 2: head_information_category_0_1 " in done.out
    assert "warning" not in done.err
    return path


def test_folder_of_colour_images_has_the_defaults_of_cifar10(whole):
    hp = saved_config(whole)["hyperparameters"]
    assert hp["clustering"] == "contrastive"
    assert hp["copies"] == ["crop", "flip", "light", "colour"]
    assert (hp["batch_size"], hp["epochs"], hp["categorical_weight"]) == (128, 150, 0.5)
    terms = [line["g_loss_category_0"] for line in records(whole) if "g_loss" in line]
    assert [term > 0 for term in terms] == [False, False] + [True] * 18


def test_selection_is_a_record_of_the_run(whole):
    (line,) = [line for line in records(whole) if "selected_head_category_0" in line]
    assert line["step"] == 2
    information = [line[f"head_information_category_0_{k}"] for k in (1, 2, 3)]
    assert line["selected_head_category_0"] == 1 + np.argmax(information)


def test_run_has_no_other_default_than_its_own_when_it_is_resumed(call, argv, whole):
    done = call("train", *argv, f"--outdir={whole}")
    assert (done.code, done.out) == (0, f"{whole}: already finished at step 20\n")
    message = call("train", *argv, f"--outdir={whole}", "--copy_hue=0.1").refusal()
    assert "copy_hue was 0.6, is 0.1." in message


@pytest.mark.parametrize("place", ["within", "after"])
def test_run_stopped_about_the_selection_has_the_same_bits(
    place, call, argv, whole, tmp_path, checkpoint, assert_same_bits, monkeypatch
):
    from models import infogan
    from training import callbacks

    information, after_step = infogan.information_of_heads, callbacks.Log.after_step

    def stopping(log):
        after_step(log)
        if log.step == 2 and place == "after":
            signal.raise_signal(signal.SIGTERM)

    def interrupted(*given):
        if place == "within":
            signal.raise_signal(signal.SIGTERM)
        return information(*given)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Log, "after_step", stopping)
        patch.setattr(infogan, "information_of_heads", interrupted)
        assert call("train", *argv, f"--outdir={tmp_path}").code == 143
    assert steps_saved(tmp_path) == [2]
    done = call("train", *argv, f"--outdir={tmp_path}")
    assert done.code == 0, done
    assert ("step 2: head_information_category_0_1 " in done.out) == (place != "after")
    name = "checkpoints/ckpt-20"
    assert_same_bits(checkpoint(tmp_path / name), checkpoint(whole / name))
    assert [timeless(x) for x in records(tmp_path)] == [timeless(x) for x in records(whole)]


def test_clustering_that_is_not_possible_is_one_line(call, argv, tmp_path):
    done = call("train", *argv, "--augment=diffaug", "--steps=1", f"--outdir={tmp_path}")
    assert done.code == 2  # TINY has options of clustering
    given = [flag for flag in argv if not flag.startswith("--q_")]
    done = call("train", *given, "--augment=diffaug", "--steps=1", f"--outdir={tmp_path}")
    assert done.code == 0, done
    line = "clustering=none: does not combine with augment=diffaug; use one of the two"
    assert f"warning: {line}\n" in done.err
    assert saved_config(tmp_path)["hyperparameters"]["clustering"] == "none"


def test_same_command_resumes_with_the_values_of_the_run(call, argv, tmp_path, monkeypatch):
    """Whatever the defaults are now, here those of another batch size."""
    from models.declarations.infogan import InfoGANHyperparameters

    given = ("--steps=1" if flag == "--steps=20" else flag for flag in argv)
    given = (*given, f"--outdir={tmp_path}")
    assert call("train", *given).code == 0
    spec = InfoGANHyperparameters.__dataclass_fields__["batch_size"]
    monkeypatch.setitem(spec.metadata["by_dataset"], "colour", 64)
    done = call("train", *given)
    assert (done.code, done.out) == (0, f"{tmp_path}: already finished at step 1\n")
    done = call("train", *given, "--log_every=2", "--steps=2")  # these may change
    assert done.code == 0, done
    assert saved_config(tmp_path)["hyperparameters"]["batch_size"] == 128
    message = call("train", *given, "--q_width=3").refusal()
    assert "batch_size was 128, is 64; q_width was 2, is 3." in message
