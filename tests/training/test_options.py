"""Configurations of command lines, and the committed flagfiles."""

import dataclasses
import json
import pathlib

import pytest

import fields
from cli import flags
from errors import UserError
from evaluation.options import MeasureOptions
from fields import PerDataset, field
from models import REGISTRY
from models.networks.backbones import BACKBONES
from storage.run_directory import RunDirectory
from training import loading, options
from training.classifier_training import ClassifierOptions
from training.studying import StudyOptions, runs_of

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "configs"
CONFIGS = sorted(FOLDER.glob("*.txt"))
CLASSIFIERS = sorted((FOLDER / "classifiers").glob("*.txt"))
STUDIES = sorted((FOLDER / "studies").glob("*.txt"))
SHAPES = {
    "MNIST": (28, 28, 1),
    "FASHION_MNIST": (28, 28, 1),
    "CIFAR10": (32, 32, 3),
    "birds.npz": (32, 32, 3),  # as in the README
}


@fields.options()
class ToyHyperparameters(REGISTRY["gan"].hyperparameters):
    """A model with a switch, and with a default that depends on the data set."""

    strength: float = field(PerDataset(1.0, CIFAR10=5.0), "a weight", group="toy", at_least=0)
    smooth: bool = field(True, "a switch", group="toy")


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(
        REGISTRY, "toy", dataclasses.replace(REGISTRY["gan"], hyperparameters=ToyHyperparameters)
    )


def test_parse_of_a_model_alone_gives_defaults():
    config = options.parse(["--model=gan"])
    assert config.options == options.RunOptions(model="gan", dataset="MNIST")
    assert config.hp == REGISTRY["gan"].hyperparameters.resolve()
    assert (config.hp.width, config.hp.kernel_size) == (512, None)


def test_parse_assigns_flags_to_run_options_and_hyperparameters():
    config = options.parse(["--width=7", "--model=dcgan", "--log_every=9", "--noise_dim=3"])
    assert (config.options.model, config.options.log_every) == ("dcgan", 9)
    assert (config.hp.width, config.hp.noise_dim) == (7, 3)


@pytest.mark.parametrize("order", [1, -1])
def test_parse_accepts_flags_in_any_order(order):
    words = [["--model", "gan"], ["--width", "7"], ["--seed", "3"], ["--noise_dim", "5"]][::order]
    config = options.parse([word for pair in words for word in pair])
    assert (config.options.model, config.options.seed) == ("gan", 3)
    assert (config.hp.width, config.hp.noise_dim) == (7, 5)


@pytest.mark.parametrize(
    ("argv", "strength"),
    [
        ([], 1.0),
        (["--dataset=MNIST"], 1.0),
        (["--dataset=CIFAR10"], 5.0),
        (["--dataset=cifar-10"], 5.0),
        (["--dataset=CIFAR10", "--strength=2"], 2.0),
        (["--strength=1", "--dataset=CIFAR10"], 1.0),
        (["--flagfile={file}"], 3.0),
        (["--flagfile={file}", "--strength=2"], 2.0),
        (["--flagfile={file}", "--dataset=MNIST"], 3.0),
    ],
)
def test_parse_of_a_given_value_overrides_defaults_of_data_set_and_model(
    toy, tmp_path, argv, strength
):
    (tmp_path / "flags.txt").write_text("--dataset=CIFAR10\n--strength=3\n")
    words = [word.format(file=tmp_path / "flags.txt") for word in argv]
    assert options.parse(["--model=toy", *words]).hp.strength == strength


def test_default_of_a_model_depends_on_the_data_set():
    units = {
        dataset: options.parse(["--model=dcgan", f"--dataset={dataset}"]).hp.dense_units
        for dataset in ("MNIST", "fashion_mnist", "CIFAR10")
    }
    assert units == {"MNIST": 1024, "fashion_mnist": 1024, "CIFAR10": 0}


def test_boolean_option_of_a_model_with_no_prefix_is_false(toy):
    assert options.parse(["--model=toy"]).hp.smooth is True
    assert options.parse(["--model=toy", "--nosmooth"]).hp.smooth is False
    with pytest.raises(UserError, match=r"^nosmooth: not a flag of gan, only of toy$"):
        options.parse(["--model=gan", "--nosmooth"])


def test_flag_of_other_models_raises_with_their_names(toy):
    with pytest.raises(UserError) as error:
        options.parse(["--model=gan", "--strength=2"])
    assert str(error.value) == "strength: not a flag of gan, only of toy"
    with pytest.raises(UserError) as error:
        options.parse(["--model=bigan", "--nosx"])
    assert str(error.value) == "nosx: not a flag of bigan, only of bigbigan, info_bigbigan"


@pytest.mark.parametrize(
    ("flag", "model", "hint"),
    [
        ("learning_rate", "dcgan", "--g_learning_rate or --d_learning_rate"),
        ("g_learning_rate", "vae", "--learning_rate"),
    ],
)
def test_flag_of_other_models_names_near_flags_of_the_model(flag, model, hint):
    with pytest.raises(UserError, match=f"not a flag of {model}, only of ") as error:
        options.parse([f"--model={model}", f"--{flag}=0.001"])
    assert str(error.value).endswith(f"; did you mean {hint}?")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (
            ["--model=gan", "--kernel_size=4"],
            "kernel_size: does not apply with network=mlp, only with network=dcgan",
        ),
        (
            ["--model=dcgan", "--network=resnet", "--dense_units=0"],
            "dense_units: does not apply with network=resnet, only with network=dcgan",
        ),
        (
            ["--model=wgan", "--beta_1=0.5"],
            "beta_1: does not apply with optimizer=rmsprop, only with optimizer=adam",
        ),
        (
            ["--label_smoothing=0.1", "--loss=hinge", "--model=dcgan"],
            "label_smoothing: does not apply with loss=hinge, only with loss=non_saturating or "
            "minimax",
        ),
        (
            ["--model=gan", "--penalty_weight=1"],
            "penalty_weight: does not apply with penalty=none, only with penalty=gradient, dragan, "
            "r1 or r2",
        ),
        (
            ["--model=lsgan", "--loss=hinge", "--fake_label=-1"],
            "fake_label: does not apply with loss=hinge, only with loss=least_squares",
        ),
        (
            ["--model=began", "--loss=hinge"],
            "loss: expected one of equilibrium, got hinge",
        ),
        (
            ["--model=gan", "--network=resnext", "--width=8"],
            "network: expected one of mlp, dcgan, resnet, got resnext",
        ),
    ],
)
def test_flag_that_does_not_apply_to_the_selected_alternative_raises_one_line(argv, expected):
    with pytest.raises(UserError) as error:
        options.parse(argv)
    assert str(error.value) == expected


def test_defaults_depend_on_the_selected_alternatives():
    for network, backbone in BACKBONES.items():
        width = backbone.options["width"].default
        assert options.parse(["--model=gan", f"--network={network}"]).hp.width == width
    argv = ["--model=dcgan", "--d_norm=layer", "--penalty=r1", "--penalty_interval=16"]
    hp = options.parse(argv).hp
    assert (hp.penalty, hp.penalty_weight, hp.penalty_interval) == (("r1",), 10.0, 16)
    hp = options.parse(["--model=dcgan", "--network=mlp", "--dataset=MNIST"]).hp
    assert (hp.depth, hp.dense_units) == (3, None)


@pytest.mark.parametrize("model", REGISTRY)
def test_configuration_with_options_that_do_not_apply_survives_config_json(model):
    network = REGISTRY[model].hyperparameters.__dataclass_fields__["network"]
    has_mlp = "mlp" in network.metadata["alternatives"]
    config = options.parse(
        [f"--model={model}", *(["--network=mlp", "--depth=2"] if has_mlp else [])]
    )
    saved = json.loads(json.dumps(config.as_dict()))
    assert saved["hyperparameters"]["kernel_size"] is None
    assert options.Config.from_dict(saved) == config
    saved["hyperparameters"]["kernel_size"] = 4
    with pytest.raises(UserError, match="kernel_size: does not apply"):
        options.Config.from_dict(saved)


@pytest.mark.parametrize(
    ("argv", "outdir"),
    [
        (["--model=gan"], "runs/gan-mnist"),
        (["--model=dcgan", "--dataset=fashion_mnist"], "runs/dcgan-fashion-mnist"),
        (["--model=gan", "--dataset=/data/My_Faces.npz"], "runs/gan-my-faces"),
        (["--model=gan", "--dataset=/data/faces/"], "runs/gan-faces"),
        (["--model=gan", "--outdir=a/b"], "a/b"),
        (["--model=gan", "--outdir=~/b"], str(pathlib.Path.home() / "b")),
    ],
)
def test_outdir_defaults_to_model_and_data_set(argv, outdir):
    assert options.parse(argv).outdir == pathlib.Path(outdir)


def test_configuration_survives_config_json(toy):
    argv = ["--model=toy", "--dataset=CIFAR10", "--nosmooth", "--steps=5", "--beta_1=0.1"]
    config = options.parse(argv)
    saved = json.loads(json.dumps(config.as_dict()))
    assert options.Config.from_dict(saved) == config
    assert saved["hyperparameters"]["strength"] == 5.0
    saved["hyperparameters"]["beta_1"] = 0.2
    assert options.Config.from_dict(saved) != config


@pytest.mark.parametrize(
    ("argument", "penalty", "weights"),
    [
        ("--penalty=none", (), {}),
        ("--penalty=r1,r2", ("r1", "r2"), {"r1": 10.0, "r2": 10.0}),
        ("--penalty=r1:5,r2:0.5", ("r1:5", "r2:0.5"), {"r1": 5.0, "r2": 0.5}),
        ("--penalty=r1, r2:0.50", ("r1", "r2:0.5"), {"r1": 10.0, "r2": 0.5}),
    ],
)
def test_penalties_of_a_command_line_survive_config_json(argument, penalty, weights):
    config = options.parse(["--model=dcgan", "--d_norm=none", argument])
    assert (config.hp.penalty, config.hp.penalty_weights()) == (penalty, weights)
    assert options.Config.from_dict(json.loads(json.dumps(config.as_dict()))) == config
    assert config.fixed()["penalty"] == penalty


@pytest.mark.parametrize(
    ("saved", "read"),
    [
        ({"penalty": "none", "penalty_weight": None}, {"penalty": (), "penalty_weight": None}),
        ({"penalty": "r1", "d_norm": "none"}, {"penalty": ("r1",), "penalty_weight": 10.0}),
        ({"continuous_loss": "ols"}, {"continuous_loss": "mse"}),
    ],
)
def test_configuration_of_an_older_version_is_read(saved, read):
    older = options.parse(["--model=infogan"]).as_dict()
    older["hyperparameters"] |= saved
    hp = options.Config.from_dict(json.loads(json.dumps(older))).hp
    assert {name: getattr(hp, name) for name in read} == read


@pytest.mark.parametrize("part", ["options", "hyperparameters"])
def test_configuration_with_unknown_fields_raises_one_line(part):
    saved = options.parse(["--model=gan"]).as_dict()
    saved[part]["field_of_old"] = 1
    with pytest.raises((UserError, TypeError), match="field_of_old") as error:
        options.Config.from_dict(saved)
    assert "\n" not in str(error.value)


def test_config_of_run_with_unknown_fields_names_the_file(tmp_path):
    run = RunDirectory(tmp_path)
    saved = options.parse(["--model=gan"]).as_dict()
    run.write_config(saved, {}, {}, "python train.py --model=gan", 1)
    assert options.Config.of_run(run) == options.parse(["--model=gan"])
    saved["options"]["field_of_old"] = 1
    run.write_config(saved, {}, {}, "python train.py --model=gan", 1)
    with pytest.raises(UserError) as error:
        options.Config.of_run(run)
    start = f"{run.config}: damaged or written by another version of the code ("
    assert str(error.value).startswith(start)
    assert "field_of_old" in str(error.value)


def test_fixed_has_every_option_that_decides_the_weights():
    config = options.parse(["--model=gan"])
    every = {**dataclasses.asdict(config.options), **dataclasses.asdict(config.hp)}
    assert set(every) - set(config.fixed()) == {
        "epochs", "steps", "outdir", "data_dir", "resume", "sample_every", "checkpoint_every",
        "keep_checkpoints", "log_every", "eval_every", "eval_metrics", "eval_features",
        "eval_samples", "jit", "sample_planes", "copy_to", "keep_every", "checkpoint_minutes",
        "steps_per_execution", "profile_steps", "distribute", "replicas", "sync_batch_norm",
        "worker_timeout",
    }  # fmt: skip


def test_with_options_changes_the_given_options_only():
    here, there = (options.parse(["--model=gan", f"--outdir={d}"]) for d in "ab")
    assert here != there
    assert here.with_options(outdir="") == there.with_options(outdir="")
    other = options.parse(["--model=gan", "--outdir=a", "--seed=1"])
    assert here.with_options(outdir="") != other.with_options(outdir="")


def test_dataset_path_is_stored_as_absolute(tmp_path, monkeypatch):
    (tmp_path / "faces").mkdir()
    monkeypatch.chdir(tmp_path)
    whole = options.parse(["--model=gan", f"--dataset={tmp_path}/faces"])
    assert whole.options.dataset == str((tmp_path / "faces").resolve())
    for path in ("faces", "./faces/", "faces/../faces"):
        assert options.parse(["--model=gan", f"--dataset={path}"]) == whole


def test_folders_of_flagfiles_are_not_empty():
    assert CONFIGS
    assert CLASSIFIERS
    assert STUDIES


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_flagfile_parses(path):
    assert options.parse([f"--flagfile={path}"]).options.model in REGISTRY


def of_each_kind():
    """Return a flagfile for each model, data set but MNIST (see test_layers.py), and network."""
    found = {}
    for path in CONFIGS:
        config = options.parse([f"--flagfile={path}"])
        if config.options.dataset != "MNIST":
            found[config.options.model, config.options.dataset, config.hp.network] = path
    return found.values()


@pytest.mark.slow
@pytest.mark.parametrize("path", of_each_kind(), ids=lambda path: path.stem)
def test_flagfile_builds_its_model(path):
    config = options.parse([f"--flagfile={path}"])
    size = config.options.image_size
    height, width, channels = SHAPES[pathlib.Path(config.options.dataset).name]
    shape = (size or height, size or width, channels)
    loading.prepare(config)
    model = loading.build_model(config, shape, num_classes=10)
    assert model.sample(2).shape == (2, *shape)
    assert dataclasses.asdict(model.hp) == dataclasses.asdict(config.hp)


def test_flagfiles_have_different_run_directories():
    outdirs = [options.parse([f"--flagfile={path}"]).outdir for path in CONFIGS]
    assert len(set(outdirs)) == len(outdirs)


@pytest.mark.parametrize("path", CLASSIFIERS, ids=lambda path: path.stem)
def test_flagfile_of_a_classifier_parses(path):
    asked = ClassifierOptions(**flags.given([f"--flagfile={path}"], ClassifierOptions))
    assert asked.dataset in SHAPES
    assert asked.outdir in ("", f"runs/{path.stem}")


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_flagfile_of_a_study_names_flagfiles_and_its_own_folder(path, root, monkeypatch):
    monkeypatch.chdir(root)
    given = flags.given([f"--flagfile={path}"], StudyOptions, MeasureOptions)
    request = StudyOptions(given["configs"], given.get("seeds", ""))
    runs = runs_of(request, pathlib.Path(given["outdir"]))
    known = {f"--flagfile=configs/{config.name}" for config in CONFIGS}
    assert {run.command[0] for run in runs} <= known
    assert given["outdir"] == f"runs/study_{path.stem}"


def test_image_size_that_no_network_supports_raises_before_data_are_read():
    argv = ["--model=dcgan", "--dataset=CIFAR10"]
    with pytest.raises(UserError, match=r"^image_size: expected .* 28, 32, .* got 50x50"):
        options.parse([*argv, "--image_size=50"])
    assert options.parse([*argv, "--image_size=64"]).options.image_size == 64
    assert options.parse([*argv, "--image_size=50", "--network=mlp"]).options.image_size == 50


@pytest.mark.parametrize("flag", ["metrics=pixel_mean", "features=digits", "samples=1000"])
def test_option_of_evaluations_requires_eval_every(flag):
    argv = ["--model=gan", f"--eval_{flag}"]
    assert options.parse([*argv, "--eval_every=5"]).options.eval_every == 5
    with pytest.raises(UserError, match=r"^eval_\w+: has no effect without --eval_every,") as error:
        options.parse(argv)
    assert error.value.option == f"eval_{flag.partition('=')[0]}"
    saved = options.parse([*argv, "--eval_every=5"]).as_dict()
    saved["options"]["eval_every"] = None  # a run of an earlier version
    assert options.Config.from_dict(saved).options.eval_every is None
