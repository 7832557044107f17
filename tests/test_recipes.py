"""The recipes of docs/extending.md, applied to a copy of the rooms."""

import collections
import json
import pathlib
import re
import shutil

import numpy as np
import pytest

from tests.test_architecture import GROUND, ROOMS, ROOT, may_import

PAGE = (ROOT / "docs" / "extending.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
BLOCK = re.compile(r"^(Append to )?`(\S+)`:\n```python recipe=(\w+)\n(.*?)^```$", re.M | re.S)
RECIPES = collections.defaultdict(list)
for appended, path, recipe, source in BLOCK.findall(PAGE):
    RECIPES[recipe].append((bool(appended), path, source))

# Files and lines, blank ones included.
GOALS = {
    "loss": (1, 15),
    "preset": (1, 20),
    "acgan": (2, 60),
    "r3gan": (1, 40),
    "metric": (1, 25),
    "ability": (2, 40),
    "backbone": (2, 60),
}


def apply(recipe: str, root: pathlib.Path) -> None:
    """Write the blocks of a recipe into a copy of the rooms."""
    for appended, path, source in RECIPES[recipe]:
        target = root / path
        assert target.exists() == appended, path
        blank = "\n" if source.startswith(" ") else "\n\n"  # a method, or a definition
        target.write_text(target.read_text() + blank + source if appended else source)


def copy_of_rooms(root: pathlib.Path) -> pathlib.Path:
    """Copy the code of the rooms and scripts to a folder, without their assets."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ROOT.glob("*.py"):
        shutil.copy(file, root)
    (root / "assets").symlink_to(ROOT / "assets")
    return root


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """A copy of the rooms with all recipes."""
    root = copy_of_rooms(tmp_path_factory.mktemp("zoo"))
    for recipe in RECIPES:
        apply(recipe, root)
    return root


PARSE = """
import dataclasses, json, sys
from training import options
for argv in json.loads(sys.argv[1]):
    hp = options.parse(argv).hp
    print(json.dumps({**dataclasses.asdict(hp), "weights": hp.penalty_weights()}))
assert not {"tensorflow", "keras"} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def parsed(zoo, python):
    """parsed(flag, ...) -> hyperparameters and weights of penalties, without TensorFlow."""

    def parsed(*argv) -> dict:
        done = python("-c", PARSE, json.dumps([argv]), cwd=zoo, PYTHONPATH=str(zoo))
        assert done.code == 0, done
        return json.loads(done.out)

    return parsed


TRAIN = """
import json, sys
import keras, numpy as np, tensorflow as tf
import models
images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1), np.uint8)
for name, hyperparameters in json.loads(sys.argv[1]):
    keras.utils.set_random_seed(0)
    model = models.build(name, "MNIST", noise_dim=3, width=4, **hyperparameters)
    model.compile(run_eagerly=True)
    before = [v.numpy() for p in model.players().values() for v in p.variables]
    scalars = model.train_step((tf.constant(images), tf.range(4)))
    after = [v.numpy() for p in model.players().values() for v in p.variables]
    still = sum(bool((a == b).all()) for a, b in zip(before, after, strict=True))
    samples = model.sample(2)
    print(json.dumps({
        "scalars": {key: float(value) for key, value in scalars.items()},
        "still": still,
        "samples": samples.shape,
        "layers": [type(l).__name__ for n in (model.generator, model.discriminator)
                   for l in n._flatten_layers()],
    }))
"""
MLP = {"network": "mlp", "depth": 1}
STEPS = {
    "loss": ("gan", {**MLP, "loss": "relativistic_hinge"}),
    "preset": ("rsgan", {**MLP}),
    "acgan": ("acgan", {**MLP}),
    "r3gan": ("r3gan", {**MLP}),
    "backbone": ("dcgan", {"network": "upsampling"}),
}

RELATIVE = ("loss", "preset", "r3gan")  # differences of scores, in which the last bias cancels


@pytest.fixture(scope="module")
def steps(zoo, python):
    """One training step of each model of the recipes, by recipe."""
    done = python("-c", TRAIN, json.dumps([*STEPS.values()]), cwd=zoo, PYTHONPATH=str(zoo))
    assert done.code == 0, done
    return dict(zip(STEPS, map(json.loads, done.out.splitlines()), strict=True))


@pytest.mark.parametrize("recipe", GOALS)
def test_recipe_is_within_its_number_of_files_and_lines(recipe):
    files, lines = GOALS[recipe]
    assert len({path for _, path, _ in RECIPES[recipe]}) == files
    assert sum(len(source.splitlines()) for *_, source in RECIPES[recipe]) <= lines


def test_page_has_the_recipes_of_the_goals():
    assert set(RECIPES) == set(GOALS)
    assert PAGE.count("```python") == sum(map(len, RECIPES.values()))


MODEL = "models.REGISTRY['{}'].load().Hyperparameters"
USES = {  # an expression that loads what a recipe adds, and is true
    "loss": "losses.adversarial.LOSSES['relativistic_hinge']",
    "preset": MODEL.format("rsgan"),
    "acgan": MODEL.format("acgan"),
    "r3gan": MODEL.format("r3gan"),
    "ability": "models.WGAN.critic_scores",
    "backbone": "models.networks.backbones.BACKBONES['upsampling'].load().trunk",
}
ALONE = """
import importlib, json, sys
for root, use in json.loads(sys.argv[1]):
    sys.path.insert(0, root)
    names = ("models", "losses.adversarial", "models.networks.backbones", "evaluation.families")
    for name in names:
        importlib.import_module(name)
    import evaluation, losses, models
    assert models.__file__.startswith(root)
    evaluation.families.declared()
    assert eval(use), use
    sys.path.remove(root)
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", "") or "").startswith(root):
            del sys.modules[name]
"""


@pytest.mark.slow
def test_recipe_alone_can_be_imported(tmp_path, python):
    roots = []
    for recipe in GOALS:
        (tmp_path / recipe).mkdir()
        root = copy_of_rooms(tmp_path / recipe)
        apply(recipe, root)
        roots.append((str(root), USES.get(recipe, "True")))
    done = python("-c", ALONE, json.dumps(roots), cwd=tmp_path, zoo=False)
    assert done.code == 0, done


def test_loss_of_a_recipe_is_selected_by_its_flag(parsed):
    assert parsed("--model=dcgan", "--loss=relativistic_hinge")["loss"] == "relativistic_hinge"


def test_preset_of_a_recipe_is_selected_by_its_name(parsed):
    assert parsed("--model=rsgan") == parsed("--model=dcgan", "--loss=relativistic")


def test_model_with_own_networks_is_selected_by_its_name(parsed):
    assert parsed("--model=acgan") == parsed("--model=dcgan")


def test_r3gan_has_both_penalties_with_their_weights(parsed):
    found = parsed("--model=r3gan")
    assert found["penalty"] == ["r1", "r2"]
    assert found["weights"] == {"r1": 0.05, "r2": 0.05}
    changed = parsed("--model=r3gan", "--penalty=r1:5,r2", "--penalty_weight=0.5")
    assert changed["weights"] == {"r1": 5.0, "r2": 0.5}


def test_backbone_of_a_recipe_is_selected_by_its_name(parsed):
    found = parsed("--model=dcgan", "--network=upsampling")
    assert (found["network"], found["width"], found["initializer"]) == ("upsampling", 64, "he")
    assert found["kernel_size"] is None


def test_backbone_of_a_recipe_has_its_name_once():
    assert "".join(source for *_, source in RECIPES["backbone"]).count('"upsampling"') == 1


@pytest.mark.slow
@pytest.mark.parametrize("recipe", STEPS)
def test_model_of_a_recipe_takes_a_training_step(recipe, steps):
    found = steps[recipe]
    assert np.isfinite([*found["scalars"].values()]).all()
    assert found["still"] == (1 if recipe in RELATIVE else 0)
    assert found["samples"] == [2, 28, 28, 1]


@pytest.mark.slow
def test_acgan_logs_both_objectives(steps):
    scalars = steps["acgan"]["scalars"]
    d, g = ("d_loss_class_real", "d_loss_class_fake"), ("g_loss_class_fake",)
    assert {*d, *g} <= set(scalars)
    assert "g_loss_class_real" not in scalars
    for name in (*d, *g):
        assert scalars[name] == pytest.approx(np.log(10), rel=0.5)
    total = sum(v for k, v in scalars.items() if k.startswith("d_loss_"))
    assert scalars["d_loss"] == pytest.approx(total, rel=1e-5)


@pytest.mark.slow
def test_r3gan_logs_both_penalties(steps):
    scalars = steps["r3gan"]["scalars"]
    assert min(scalars["d_loss_r1"], scalars["d_loss_r2"]) > 0
    assert {"d_loss_relative", "g_loss"} <= set(scalars)


LINEAR = """
import json
import keras, numpy as np, tensorflow as tf
import models
keras.utils.set_random_seed(0)
model = models.build("r3gan", "MNIST", network="mlp", noise_dim=3)
model.discriminator = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
model.discriminator.build((None, 28, 28, 1))
model.compile(run_eagerly=True)
square = float(np.sum(np.square(model.discriminator.layers[-1].kernel)))
images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1), np.uint8)
scalars = model.train_step(tf.constant(images))
print(json.dumps([square, *(float(scalars[f"d_loss_{name}"]) for name in ("r1", "r2"))]))
"""


@pytest.mark.slow
def test_r3gan_penalties_of_a_linear_discriminator_are_half_of_gamma_times_its_square(zoo, python):
    """The gradient of w x + b is w at every image: gamma / 2 |w|²."""
    done = python("-c", LINEAR, cwd=zoo, PYTHONPATH=str(zoo))
    assert done.code == 0, done
    square, *penalties = json.loads(done.out)
    assert penalties == pytest.approx([0.05 / 2 * square] * 2, rel=1e-4)


def test_backbone_of_a_recipe_builds_generator_and_discriminator(steps):
    built = collections.Counter(steps["backbone"]["layers"])
    assert (built["UpSampling2D"], built["AveragePooling2D"]) == (2, 2)
    assert built["Conv2DTranspose"] == 0


EVALUATE = """
import contextlib, io, json, pathlib, sys
import keras
import evaluate, models
from data import load
from evaluation import record, subject
from evaluation.options import MeasureOptions
from evaluation.reference import Reference
from evaluation.reports.tables import notes, tables

dataset, *files = sys.argv[1:]
metrics = "gray_range,critic_distance,pixel_mean"
for file in files:
    folder = pathlib.Path(file).stem
    argv = [f"--metrics={metrics}", f"--dataset={dataset}", f"--images={file}"]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert evaluate.main([*argv, f"--outdir={folder}"]) == 0
    print(json.dumps([out.getvalue(), json.loads(pathlib.Path(folder, record.FILE).read_text())]))
asked = MeasureOptions(metrics=metrics, num_samples=20)
reference = Reference(load(dataset), "test", None)
for name in ("wgan", "dcgan"):
    keras.utils.set_random_seed(0)
    model = models.build(name, reference.data, network="mlp", depth=1, width=4, noise_dim=3)
    measured = subject.of_model(name, model, {"checkpoint_step": 0})
    found = record.evaluate(measured, reference, asked, pathlib.Path(name))
    print(json.dumps([tables([found]) + notes(found), found]))
"""


@pytest.fixture(scope="module")
def evaluated(zoo, python, digits, tmp_path_factory):
    """Printed text and metrics of two files of 40 images and of two models, by name."""
    folder = tmp_path_factory.mktemp("evaluated")
    images = np.random.default_rng(0).integers(30, 230, (40, 28, 28, 1)).astype(np.uint8)
    images[0, 0, :2, 0] = 30, 229
    np.savez(folder / "full.npz", images=images)
    np.savez(folder / "blank.npz", images=np.zeros_like(images))
    environment = {"PYTHONPATH": str(zoo), "GAN_ZOO_CACHE": str(folder / "cache")}
    argv = (EVALUATE, digits, "full.npz", "blank.npz")
    done = python("-c", *argv, cwd=folder, **environment)
    assert done.code == 0, done
    found = map(json.loads, done.out.splitlines())
    return {
        name: (text, record["metrics"])
        for name, (text, record) in zip(("full", "blank", "wgan", "dcgan"), found, strict=True)
    }


def test_help_of_evaluate_lists_the_metrics_of_recipes(zoo, without_tensorflow):
    (outcome,) = without_tensorflow("evaluate", [["--help=all"]], zoo)
    assert "  gray_range\n      brightest less darkest gray level; higher is better" in outcome.out
    assert "  critic_distance\n" in outcome.out


@pytest.mark.slow
def test_metric_of_samples_is_in_the_table_and_the_json(evaluated):
    text, metrics = evaluated["full"]
    assert metrics["gray_range"]["value"] == 199.0
    assert metrics["gray_range"]["protocol"]["n_fake"] == 40
    assert re.search(r"\| gray_range ↑ +\| +199 \|", text)


@pytest.mark.slow
def test_metric_that_is_not_defined_is_na_with_reason(evaluated):
    text, metrics = evaluated["blank"]
    assert metrics["gray_range"]["value"] is None
    assert metrics["gray_range"]["protocol"]["reason"] == "needs two gray levels"
    assert metrics["critic_distance"]["protocol"]["reason"] == "requires a model"
    assert "\nn/a: gray_range, critic_distance" in text


@pytest.mark.slow
def test_metric_of_a_new_ability_is_measured_for_models_that_have_it(evaluated):
    text, metrics = evaluated["wgan"]
    assert np.isfinite(metrics["critic_distance"]["value"])
    assert metrics["critic_distance"]["protocol"]["n_real"] == 40
    assert "| critic_distance" in text
    text, metrics = evaluated["dcgan"]
    assert metrics["critic_distance"]["value"] is None
    assert "n/a: critic_distance: DCGAN has no critic with clipped weights" in text


def test_page_lists_the_rooms_with_their_imports():
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", ARCHITECTURE, re.M))
    assert set(rows) >= set(ROOMS)
    for room in ROOMS:
        assert rows[room].split(", ") == may_import(room)[1:]
    assert all(f"`{name}.py`" in ARCHITECTURE for name in GROUND)


def test_page_names_existing_files_and_hooks():
    new = {path for blocks in RECIPES.values() for appended, path, _ in blocks if not appended}
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", ARCHITECTURE)) - new
    assert len(named) >= 10
    assert [name for name in named if not (ROOT / name).exists()] == []
    code = "".join((ROOT / "models" / name).read_text() for name in ("adversarial.py", "base.py"))
    hooks = hooks_of_page()
    assert len(hooks) > 15
    assert [hook for hook in hooks if not re.search(rf"    (def {hook}\(|{hook}: )", code)] == []


def hooks_of_page() -> list[str]:
    """Return the names in the first column of the table of hooks."""
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ", ARCHITECTURE.partition("| hook |")[2], re.M)
    return re.findall(r"`(\w+)`", " ".join(rows))


def test_page_lists_all_hooks():
    code = (ROOT / "models" / "adversarial.py").read_text()
    hooks = re.findall(r"^    def ([a-z]\w+)\(", code.partition("# The step.")[0], re.M)
    contract = ("build_networks", "networks")  # of every model
    assert [hook for hook in hooks if hook not in (*hooks_of_page(), *contract)] == []
