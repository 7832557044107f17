"""Commands and code blocks of README.md and docs/: they are valid, and run on tiny data."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

import fields
from benchmarks.compare.__main__ import CompareOptions
from benchmarks.gpu.__main__ import GpuOptions
from cli import flags
from data.cache import CacheOptions
from data.cub import CubOptions
from evaluation.options import EvaluateOptions
from evaluation.reports import pages
from models import REGISTRY
from tests.docs.cases import NOT_RUN, blocks, commands, commands_of, inline_flags, program
from training import options, studying
from training.classifier_training import ClassifierOptions
from training.drawing import GenerateOptions
from training.export import ExportOptions
from training.studying import StudyOptions

SCRIPTS = {"train.py", "evaluate.py", "generate.py", "study.py", "train_classifier.py"}
MODULES = {
    *("docs.address", "evaluation.reports", "training.export", "data.cub", "data.cache"),
    *("benchmarks", "benchmarks.steps", "benchmarks.xla", "benchmarks.published"),
}
TRAININGS = sorted({tuple(argv) for argv in commands_of("train.py")})
# One command for each model and data set; tests/training/test_options.py builds those of configs/.
OF_EACH_KIND = {
    (config.options.model, config.options.dataset): argv
    for argv, config in ((argv, options.parse(argv)) for argv in TRAININGS)
}
OF_RUNS = sorted(
    {(script, *argv) for script in ("evaluate", "generate") for argv in commands_of(f"{script}.py")}
)
SMALL = {"width": 2, "depth": 1, "dense_units": 4, "noise_dim": 8, "latent_dim": 8, "w_dim": 4}
STEPS_OF_AN_EPOCH = "steps_per_epoch=batches.steps_per_epoch"


def joined(argv):
    return " ".join(argv)


def test_commands_run_a_script_or_are_listed_as_not_run():
    programs = {program(words) for words in commands()}
    assert len(NOT_RUN) <= 8
    assert set(NOT_RUN) <= programs <= SCRIPTS | MODULES | set(NOT_RUN)


@pytest.mark.parametrize("argv", TRAININGS, ids=joined)
def test_train_command_is_valid(argv):
    options.parse(argv)


TROUBLESHOOTING = pages.ROOT / "docs" / "troubleshooting.md"
ADVICE = [words for words in inline_flags(TROUBLESHOOTING) if "=" in words[0]]


@pytest.mark.parametrize("words", ADVICE, ids=joined)
def test_flags_that_troubleshooting_advises_are_valid(words):
    named = any(word.startswith("--model=") for word in words)
    options.parse(words if named else ["--model=dcgan", *words])


def test_inline_flags_of_pages_are_flags_of_a_script():
    scripts = (
        options.RunOptions,
        EvaluateOptions,
        GenerateOptions,
        StudyOptions,
        ClassifierOptions,
        ExportOptions,
        CubOptions,
        CacheOptions,
        CompareOptions,
        GpuOptions,
    )
    classes = [*scripts, *(entry.hyperparameters for entry in REGISTRY.values())]
    known = {"flagfile", "help", "slow", "version"}.union(
        *(cls.__dataclass_fields__ for cls in classes)
    )
    for page in pages.pages():
        words = [word for given in inline_flags(page) for word in given if word.startswith("--")]
        names = {word.removeprefix("--").partition("=")[0] for word in words}
        unknown = {name for name in names - known if name.removeprefix("no") not in known}
        assert not unknown or page.name == "CHANGELOG.md", (page, unknown)


@pytest.mark.parametrize(("name", "cls"), [("compare", CompareOptions), ("gpu", GpuOptions)])
def test_commands_of_benchmarks_are_valid(name, cls):
    found = [words[4:] for words in commands() if words[1:4] == ["-m", "benchmarks", name]]
    assert found
    for argv in found:
        cls(**flags.given(argv, cls))


def test_study_command_is_valid(monkeypatch):
    monkeypatch.chdir(pages.ROOT)
    assert commands_of("study.py")
    for argv in commands_of("study.py"):
        given = flags.given(argv, *studying.OPTIONS)
        given = {name: given[name] for name in ("configs", "seeds", "set") if name in given}
        assert studying.runs_of(StudyOptions(**given), pathlib.Path("runs")), argv


def test_python_blocks_have_no_undefined_names(tmp_path):
    for k, (page, text) in enumerate(blocks("python")):
        (tmp_path / f"{page.stem}_{k}.py").write_text(text)
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select=F821", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Return .npz files of gray and of coloured images, by number of channels."""
    folder, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    files = {}
    for side, channels in ((28, 1), (32, 3)):
        x = random.integers(0, 256, (120, side, side, channels)).astype(np.uint8)
        y = np.arange(120) % 10
        files[channels] = folder / f"{channels}.npz"
        np.savez(files[channels], x_train=x, y_train=y, x_test=x[:40], y_test=y[:40])
    return files


def small(config, images):
    """Return the flags of two steps of a small version of a configuration."""
    hp = {k: v for k, v in SMALL.items() if getattr(config.hp, k, None) is not None}
    if fields.selected(config.hp, "network").name == "resnet":
        hp.pop("depth", None)
    channels = 1 if config.options.dataset in ("MNIST", "FASHION_MNIST") else 3
    run = {"dataset": images[channels], "steps": 2, "mixed_precision": "off"}
    if config.options.eval_every:
        run |= {"eval_metrics": "pixel_mean", "eval_samples": 10}
    if config.options.profile_steps:
        run |= {"profile_steps": "1,2"}
    return [f"--{name}={value}" for name, value in {**run, "batch_size": 4, **hp}.items()]


@pytest.fixture
def quick(monkeypatch):
    """Run steps eagerly, since tracing takes longer than two steps, and omit the export."""
    import tensorflow as tf

    from training import loop

    monkeypatch.setattr(loop, "finish", lambda *_: None)
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.slow
@pytest.mark.parametrize("argv", OF_EACH_KIND.values(), ids=joined)
def test_train_command_runs(argv, call, images, tmp_path, quick):
    flags = small(options.parse(argv), images)
    done = call("train", *argv, *flags, f"--outdir={tmp_path}")
    assert done.code == 0, done
    assert (tmp_path / "samples.png").exists()


@pytest.fixture(scope="module")
def runs(call, images, tmp_path_factory):
    """runs("dcgan-mnist") -> the path of a small finished run of the model, made once."""
    folder = tmp_path_factory.mktemp("runs")

    def run(name: str) -> pathlib.Path:
        model = "dcgan" if name == "quick" else name.partition("-")[0]
        if not (folder / name).exists():
            argv = [f"--model={model}", "--dataset=MNIST"]
            flags = small(options.parse(argv), images)
            done = call("train", *argv, *flags, f"--outdir={folder / name}")
            assert done.code == 0, done
        return folder / name

    return run


@pytest.mark.slow
@pytest.mark.parametrize("command", OF_RUNS, ids=joined)
def test_command_of_a_run_runs(command, call, runs, images, tmp_path):
    script, *argv = re.sub(
        r"runs/(quick|\w+-mnist)", lambda match: str(runs(match[1])), "\n".join(command)
    ).split("\n")
    if "--pretrained" in argv:
        done = call("training.export", runs("dcgan-mnist"), f"--to={tmp_path}", "--name=my_dcgan")
        assert done.code == 0, done
        argv = [word.replace("packages/", f"{tmp_path}/") for word in argv]
        argv += [f"--dataset={images[1]}"] * (script == "evaluate")
    if script == "evaluate":
        argv += ["--num_samples=40", "--features=digits", f"--outdir={tmp_path / 'out'}"]
        argv += ["--repeats=1"] * ("--baselines" in argv)
        if "--images" in argv:
            x = np.load(images[1])["x_train"]
            np.savez(tmp_path / "samples.npz", images=x)
            argv = [word.replace("samples.npz", str(tmp_path / "samples.npz")) for word in argv]
            argv += [f"--dataset={images[1]}"]
    else:
        argv += ["--n=10"] * ("--n" in argv) + [f"--outdir={tmp_path / 'out'}"]
    done = call(script, *argv)
    assert done.code == 0, done


@pytest.mark.slow
@pytest.mark.parametrize("text", [text for _, text in blocks("python")])
def test_python_block_runs(text, python, runs, tmp_path):
    if "CUB_200_2011" in text:
        folder = tmp_path / "CUB_200_2011" / "images"
        make_photographs(folder)
    elif "sys.path.append" in text:
        text = text.replace("/path/to/gan-zoo", str(pages.ROOT))
    text = text.replace(STEPS_OF_AN_EPOCH, "steps_per_epoch=2")
    found = set(re.findall(r"runs/(quick|\w+-mnist)", text))
    for name in found:
        text = text.replace(f"runs/{name}", str(runs(name)))
    text = re.sub(r"\[(16|1), 100\]", r"[\1, 8]", text) if found else text
    done = python("-c", text, cwd=tmp_path, zoo="sys.path" not in text)
    assert done.code == 0, done


def make_photographs(folder):
    from PIL import Image

    for name in ("001.Albatross", "002.Auklet"):
        (folder / name).mkdir(parents=True)
        for k in range(3):
            Image.new("RGB", (40, 50), (60 * k, 90, 120)).save(folder / name / f"{k}.jpg")
