"""Command lines that start a training, print help, or are invalid."""

import contextlib
import dataclasses
import json
import re
import shlex
import shutil
import socket
import threading
import time

import numpy as np
import pytest

from storage.run_directory import RunDirectory
from tests.train.cases import saved_config, steps_saved
from training import options

# Invalid command lines, which end before TensorFlow is imported: name -> flags, message.

INVALID = {
    "nothing": ([], "no flags are given. Type, for example: python train.py --model dcgan"),
    "no model": (["--epochs=3"], r"--model: expected one of .*\bgan\b.*\bdcgan\b"),
    "unknown model": (["--model=dcgn"], r"--model: no such model: dcgn; did you mean .*\bdcgan\b"),
    "model like no other": (["--model=0"], r"--model: no such model: 0; there are .*gan"),
    "unknown flag": (["--batchsize=3"], "--batchsize: no such flag; did you mean --batch_size"),
    "model as an argument": (["dcgan"], "dcgan: not a flag; flags are --name=value$"),
    "typo in --model": (["--modle=gan"], "--modle: no such flag; did you mean --model"),
    "flag like no other": (["--zzz=1"], "--zzz: no such flag$"),
    "flag of another model": (["--clip=0.1"], "--clip: not a flag of gan, only of wgan$"),
    "below the range": (["--batch_size=0"], "--batch_size: expected an integer >= 1, got 0$"),
    "at an open end": (["--beta_1=1"], r"--beta_1: expected a number >= 0 and < 1, got 1.0$"),
    "above the range": (
        ["--seed=2147483648"],
        "--seed: expected an integer below 2\\^31, got 2147483648",
    ),
    "below zero, apart": (
        ["--seed", "-1"],
        "--seed: expected an integer >= 0 and <= 2147483647, got -1$",
    ),
    "no number": (["--batch_size=many"], "--batch_size: expected an integer >= 1, got many$"),
    "no whole number": (["--batch_size=2.5"], "--batch_size: expected an integer >= 1, got 2.5$"),
    "deterministic with XLA": (
        ["--deterministic", "--jit=on"],
        "--deterministic: XLA is not deterministic; jit must be off or auto$",
    ),
    "empty": (["--batch_size="], "--batch_size: expected an integer >= 1, got$"),
    "not a number": (
        ["--g_learning_rate=nan"],
        "--g_learning_rate: expected a number > 0, got nan$",
    ),
    "infinite": (["--g_learning_rate=inf"], "--g_learning_rate: expected a number > 0, got inf$"),
    "not among choices": (["--jit=maybe"], "--jit: expected one of auto, on, off, got maybe$"),
    "not among the model's": (
        ["--prior=cauchy"],
        "--prior: expected one of normal, uniform, got cauchy$",
    ),
    "positional": (["extra"], "extra: not a flag; flags are --name=value"),
    "no value": (["--dataset"], "--dataset"),
    "missing flagfile": (["--flagfile={missing}"], "flagfile: .*{missing}"),
    "no flagfile": (["--flagfile"], "--flagfile"),
    "typo in a flagfile": (["--flagfile={typo}"], "--batchsize: no such flag; did you mean"),
    "flagfile of no text": (["--flagfile={binary}"], "."),
    "empty folder": (["--dataset={empty}"], "--dataset: {empty}: no PNG or JPEG files found$"),
    "missing folder": (["--dataset={missing}"], "--dataset: {missing}: no such folder or file$"),
    "missing npz": (["--dataset={missing}.npz"], "--dataset: {missing}.npz: no such file$"),
    "neither folder nor npz": (
        ["--dataset={file}"],
        "--dataset: {file}: expected a folder of images or an .npz file$",
    ),
    "no data set": (
        ["--dataset="],
        "--dataset: expected a name such as MNIST, or a path, got an empty string$",
    ),
    "outdir below a file": (["--outdir={file}/run"], "--outdir: {file}: is a file, not a folder"),
    "outdir is a file": (["--outdir={file}"], "--outdir: {file}: is a file, not a folder"),
    "copy_to is a file": (["--copy_to={file}"], "--copy_to: {file}: is a file, not a folder"),
    "metrics without an evaluation": (
        ["--eval_metrics=pixel_mean"],
        "--eval_metrics: has no effect without --eval_every, which selects evaluations$",
    ),
    "features without an evaluation": (["--eval_features=nope.keras"], "--eval_features: has no"),
    "default samples without an evaluation": (["--eval_samples=1000"], "--eval_samples: has no"),
    "profile of no range": (
        ["--profile_steps=30,20"],
        "--profile_steps: expected A,B with 1 <= A <= B, such as 20,30, got 30,20$",
    ),
    "profile after the end": (
        ["--profile_steps=20,30", "--steps=25"],
        "--profile_steps: expected steps up to 25, the last one, got 20,30$",
    ),
    "outdir held": (["--outdir={held}"], "--outdir: {held}: another process trains in it"),
    "resume must": (
        ["--resume=must", "--outdir={new}"],
        "--resume: resume=must requires a checkpoint, {new}",
    ),
    "resume never": (
        ["--resume=never", "--outdir={run}"],
        "--resume: resume=never requires a new directory, {run}",
    ),
    "other seed and width": (
        ["{run_flags}", "--seed=6", "--width=9"],
        "{run} was started with .*: (?=.*seed was 5, is 6)(?=.*width was 8, is 9)",
    ),
    "other images": (
        ["{run_flags}", "--flip"],
        "{run} was started with another configuration: .*flip was False, is True",
    ),
    "no way with gray images": (
        ["--gray=drop"],
        "--gray: expected one of convert, skip, got drop$",
    ),
    "other data": (
        ["{run_flags}", "--dataset=MNIST"],
        "{run} was started with another configuration: dataset was .*digits.npz, is MNIST",
    ),
    "other model": (
        ["--model=dcgan", "--outdir={run}"],
        "{run} was started with another configuration: .*model was gan, is dcgan",
    ),
    "run of another version": (["--outdir={other}"], "config.json.*an_option_of_old"),
    "run with a damaged config.json": (["--outdir={damaged}"], "{damaged}.*cannot be read"),
    "help for an unknown model": (["--model=dcgn", "--help"], "--model: no such model: dcgn"),
}


# Valid command lines, which proceed to import TensorFlow.
VALID = {
    "a model": ["--model=gan", "--outdir={new}"],
    "capitals": ["--model=DCGAN", "--dataset=mnist", "--outdir={new}"],
    "words apart": ["--model", "gan", "--width", "8", "--outdir", "{new}"],
    "the model after its flags": ["--width", "8", "--model", "gan", "--outdir", "{new}"],
    "a flagfile": ["--flagfile={flagfile}", "--outdir={new}"],
    "a flagfile after other flags": ["--width", "8", "--flagfile={flagfile}", "--outdir={new}"],
    "resume never of nothing": ["--model=gan", "--resume=never", "--outdir={new}"],
    "resume must of a run": ["{run_flags}", "--resume=must", "--steps=7"],
    "what may change": [
        "{run_flags}", "--epochs=9", "--steps=99", "--log_every=7", "--sample_every=1",
        "--keep_checkpoints=9", "--checkpoint_every=1", "--jit=off", "--data_dir=elsewhere",
        "--profile_steps=7,9",
    ],
}  # fmt: skip


HELP = {
    "help": ["--help"],
    "short help": ["-h"],
    "all help": ["--help=all"],
    "help for a model": ["--model=dcgan", "--help=all"],
    "help for a model, first": ["--help=all", "--model", "dcgan"],
    "help for the model of a flagfile": ["--flagfile={flagfile}", "--help=all"],
    "help after a model's flags": ["--kernel_size", "6", "--model=dcgan", "--help=all"],
}


@pytest.fixture(scope="module")
def places(tiny_run, tmp_path_factory):
    """The words in braces of the command lines above."""
    base = tmp_path_factory.mktemp("places")
    texts = {"file": "text", "flagfile": "# ok\n--model=gan\n", "typo": "--batchsize=3\n"}
    for name, text in texts.items():
        (base / name).write_text(text)
    (base / "binary").write_bytes(b"\xff\xfe\x00--model=gan")
    (base / "empty").mkdir()
    for name in ("run", "damaged", "other"):
        shutil.copytree(tiny_run.path, base / name)
    (base / "damaged" / "config.json").write_text('{"options": ')
    saved = saved_config(tiny_run.path)
    saved["options"]["an_option_of_old"] = 1
    (base / "other" / "config.json").write_text(json.dumps(saved))
    names = [*texts, "binary", "empty", "run", "damaged", "other", "held", "missing", "new"]
    run_flags = [*tiny_run.argv[:-1], f"--outdir={base / 'run'}"]
    return {name: str(base / name) for name in names} | {"run_flags": run_flags}


def filled(argv, places):
    """A command line with its words in braces replaced."""
    words = []
    for word in argv:
        words += places["run_flags"] if word == "{run_flags}" else [word.format(**places)]
    return words


@pytest.fixture(scope="module")
def answers(without_tensorflow, places, tmp_path_factory):
    """Return the outcomes of the command lines above without TensorFlow, by name."""
    lines = {}
    for name, (argv, _) in INVALID.items():
        unlike = {"nothing", "no model", "unknown model", "model like no other", "other model"}
        unlike |= {"model as an argument", "typo in --model"}
        model = [] if name in unlike or "{run_flags}" in argv else ["--model=gan"]
        lines[name] = [*model, *argv]
    lines |= VALID | HELP | {"finished": ["{run_flags}"]}
    lines = {name: filled(argv, places) for name, argv in lines.items()}
    elsewhere = tmp_path_factory.mktemp("cwd")
    with RunDirectory(places["held"]):
        outcomes = without_tensorflow("train", list(lines.values()), elsewhere)
    return dict(zip(lines, outcomes, strict=True))


@pytest.mark.parametrize("name", INVALID)
def test_invalid_command_ends_in_one_line_before_tensorflow_is_imported(answers, places, name):
    quoted = {k: re.escape(str(v)) for k, v in places.items()}
    pattern = re.sub(r"\{(\w+)\}", lambda match: quoted[match[1]], INVALID[name][1])
    assert re.search(pattern, answers[name].refusal())
    assert answers[name].out == ""


def test_command_of_a_finished_run_ends_before_tensorflow_is_imported(answers, places):
    done = answers["finished"]
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{places['run']}: already finished at step 6\n"


@pytest.mark.parametrize("name", VALID)
def test_valid_command_proceeds_to_import_tensorflow(answers, name):
    assert re.search(r"ImportError.* was imported", str(answers[name].code)), answers[name]


@pytest.mark.parametrize("name", HELP)
def test_help_leaves_tensorflow_unimported(answers, name):
    assert answers[name].code == 0, answers[name]
    assert answers[name].err == ""
    assert answers[name].out.startswith("usage: python train.py --model NAME")


def test_help_lists_run_options_by_group_with_defaults(answers):
    text = answers["all help"].out
    assert answers["short help"].out == answers["help"].out != text
    for group in ("run", "data", "training", "outputs", "speed"):
        assert f"\n{group}:\n" in text
    for spec in dataclasses.fields(options.RunOptions):
        shown = f"\n  --{spec.name}" + ("" if spec.default in (None, "") else f"  [{spec.default}]")
        assert text.count(shown + "\n") == 1, shown
    assert "--kernel_size" not in text
    assert "\nFlags of a model: python train.py --model NAME --help=all\n" in text


@pytest.mark.parametrize(
    "name", ["help for a model", "help for a model, first", "help after a model's flags"]
)
def test_help_for_a_model_lists_its_hyperparameters(answers, name):
    text = answers[name].out
    for group in ("run", "latents", "loss", "optimisation", "networks"):
        assert f"\n{group}:\n" in text
    assert "\n  --kernel_size  (dcgan: 4)\n" in text
    assert "\n  --beta_1  (adam: 0.5)\n" in text
    assert "\n  --clip" not in text
    assert "\nFlags of a model: " not in text


def test_help_for_a_flagfile_lists_hyperparameters_of_its_model(answers):
    assert "\n  --depth  (mlp: 3)\n" in answers["help for the model of a flagfile"].out


def test_invalid_command_ends_its_process_with_code_2(python):
    refusal = python("train.py", "--model=dcgn").refusal()
    assert refusal.startswith("--model: no such model: dcgn; did you mean")


def test_batch_size_above_the_training_images_is_invalid(call, tiny, tmp_path):
    refusal = call("train", *tiny, "--batch_size=201", f"--outdir={tmp_path / 'a'}").refusal()
    assert refusal.startswith("--batch_size: 201 exceeds the 200 training images")
    argv = ("--batch_size=101", "--n_critic=2", f"--outdir={tmp_path / 'b'}")
    assert "--batch_size: 101 x n_critic=2" in call("train", *tiny, *argv).refusal()


def test_gray_skip_of_a_file_is_invalid(call, tiny, digits, tmp_path):
    refusal = call("train", *tiny, "--gray=skip", f"--outdir={tmp_path}").refusal()
    assert refusal == (
        f"--gray: skip requires a folder of images, and dataset={digits} is not one; "
        "set gray=convert"
    )


def test_image_size_that_the_networks_do_not_support_is_invalid(call, digits, tmp_path):
    argv = ("--model=dcgan", f"--dataset={digits}", "--image_size=30", f"--outdir={tmp_path}")
    message = (
        "--image_size: expected a square image with a side of 16, 28, 32, 56, 64, 112, 128, 224, "
        "256 or 448 pixels, got 30x30"
    )
    assert call("train", *argv).refusal() == message
    np.savez(tmp_path / "odd.npz", x_train=np.zeros((9, 30, 30), np.uint8))
    argv = ("--model=dcgan", f"--dataset={tmp_path / 'odd.npz'}", f"--outdir={tmp_path / 'run'}")
    assert call("train", *argv, "--batch_size=3").refusal() == message


def test_unknown_data_set_is_invalid_with_a_suggestion(call, tmp_path):
    refusal = call("train", "--model=gan", "--dataset=CIFR10", f"--outdir={tmp_path}").refusal()
    assert refusal.startswith("--dataset: CIFR10: ")
    assert "did you mean CIFAR10" in refusal


def online() -> bool:
    """Return whether hosts can be reached, within some seconds."""
    connected = []

    def connect():
        with contextlib.suppress(OSError):
            socket.create_connection(("storage.googleapis.com", 443), timeout=3).close()
            connected.append(True)

    probe = threading.Thread(target=connect, daemon=True)
    probe.start()
    probe.join(3)
    return bool(connected)


def test_unprepared_data_set_without_a_network_ends_within_seconds(call, tmp_path, monkeypatch):
    if online():
        pytest.skip("there is a network: the set would be downloaded")
    import tensorflow_datasets

    tensorflow_datasets.list_builders(with_community_datasets=False)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    argv = ("--model=gan", "--dataset=svhn_cropped", f"--data_dir={tmp_path / 'tfds'}")
    start = time.monotonic()
    refusal = call("train", *argv, f"--outdir={tmp_path / 'run'}").refusal()
    assert time.monotonic() - start < 10
    assert "--dataset: svhn_cropped: not prepared" in refusal
    assert "TFDS_DATA_DIR" in refusal


CELLS = """
import sys
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for cell in sys.argv[1:]:
    print("cell:", cell, flush=True)
    shell.run_cell(cell)
"""


@pytest.mark.slow
@pytest.mark.smoke
def test_train_in_a_notebook_runs_repeatedly(python, tiny, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    base = f"%run train.py {shlex.join(tiny)}"
    done = python(
        "-c",
        CELLS,
        f"{base} --steps 2 --seed 3 --width 9 --outdir {first}",
        f"{base} --steps 1 --beta_1 0.25 --outdir {second}",
        "%run train.py --model dcgn",
        "print('the answer is', 6 * 7)",
        f"{base} --steps 3 --seed 3 --width 9 --outdir {first}",
        IPYTHONDIR=str(tmp_path / "ipython"),
    )
    assert done.code == 0, done
    assert "DuplicateFlagError" not in done.out + done.err
    assert "Traceback (most recent call last)" not in done.out + done.err
    assert done.err.count("error: --model: no such model: dcgn") == 1
    assert "the answer is 42" in done.out
    assert steps_saved(first) == [2, 3]
    assert steps_saved(second) == [1]
    was, now = saved_config(first), saved_config(second)
    assert (was["options"]["seed"], now["options"]["seed"]) == (3, 0)
    assert (was["options"]["steps"], now["options"]["steps"]) == (3, 1)
    assert (was["hyperparameters"]["width"], now["hyperparameters"]["width"]) == (9, 8)
    assert (was["hyperparameters"]["beta_1"], now["hyperparameters"]["beta_1"]) == (0.5, 0.25)


def test_help_with_a_value_that_contains_the_word_help_describes_the_model(call):
    done = call("train", "--help=all", "--model", "gan", "--dataset", "/data/helpers")
    assert (done.code, done.err) == (0, "")
    assert "\n  --ema_decay  " in done.out
