"""Help texts and invalid command lines of all scripts, in processes that cannot import TensorFlow.

The command lines are derived from the declarations of the options.
"""

import dataclasses

import pytest

from cli.flags import ENDING
from data.cache import CacheOptions
from data.cub import CubOptions
from evaluation.options import EvaluateOptions
from fields import listed, names_of, value_type
from models import REGISTRY
from training.classifier_training import ClassifierOptions
from training.drawing import GenerateOptions
from training.export import ExportOptions
from training.run_options import RunOptions
from training.studying import OPTIONS

SCRIPTS = {
    "train": (RunOptions,),
    "evaluate": (EvaluateOptions,),
    "generate": (GenerateOptions,),
    "study": OPTIONS,
    "train_classifier": (ClassifierOptions,),
    "training.export": (ExportOptions,),
    "data.cub": (CubOptions,),
    "data.cache": (CacheOptions,),
}


def invalid_values(spec):
    """Yield texts that a field may not have, one of each kind."""
    kind, limits = value_type(spec), spec.metadata["range"]
    if names_of(spec) or kind is tuple:
        yield "unheard_of"
    if kind is tuple and names_of(spec):
        name = names_of(spec)[0]
        yield from (f"{name},{name}", f"{name}:0", f"{name}:x", f"{name},unheard_of")
    if kind in (int, float):
        yield from ("x", "")
        outside = {
            ">=": lambda limit: limit - 1,
            ">": lambda limit: limit,
            "<=": lambda limit: limit + 1,
            "<": lambda limit: limit,
        }
        yield from (kind(outside[sign](limit)) for sign, limit in limits.items())
    if kind is float:
        yield from ("nan", "inf")


def new_fields(model):
    """Return the fields of a model that no earlier one of the registry has, unchanged."""
    earlier = list(REGISTRY)[: list(REGISTRY).index(model)]
    known = [s for name in earlier for s in dataclasses.fields(REGISTRY[name].hyperparameters)]
    specs = dataclasses.fields(REGISTRY[model].hyperparameters)
    return [spec for spec in specs if not any(spec is one for one in known)]


def misapplied_options(cls):
    """Yield (option, value, owner, alternative without the option) of an option class."""
    for spec in dataclasses.fields(cls):
        owner, of_choice = spec.metadata["owner"], spec.metadata["of_choice"]
        if owner and of_choice:
            value = next(iter(of_choice.values()))
            alternatives = cls.__dataclass_fields__[owner].metadata["alternatives"]
            none = ["none"] if cls.__dataclass_fields__[owner].metadata["several"] else []
            for alternative in [*none, *alternatives]:
                if alternative not in of_choice:
                    yield spec.name, value, owner, alternative


def invalid_lines(specs):
    """Map command lines with an invalid value to the beginnings of their messages."""
    return {
        (f"--{spec.name}={value}",): f"--{spec.name}: expected "
        for spec in specs
        for value in invalid_values(spec)
    }


def misapplied_lines(cls):
    """Map command lines with an option of another alternative to the beginnings of messages."""
    return {
        (f"--{owner}={alternative}", f"--{option}={value}"): (
            f"--{option}: does not apply with {owner}={alternative}"
        )
        for option, value, owner, alternative in misapplied_options(cls)
    }


def of_model(model):
    """Return the invalid command lines of train.py with a model."""
    lines = invalid_lines(new_fields(model))
    lines |= misapplied_lines(REGISTRY[model].hyperparameters)
    others = {
        spec.name: spec
        for entry in REGISTRY.values()
        for spec in dataclasses.fields(entry.hyperparameters)
        if spec.name not in REGISTRY[model].hyperparameters.__dataclass_fields__
    }
    for name in others:
        lines[f"--{name}=1",] = f"--{name}: not a flag of {model}, only of "
    return {(f"--model={model}", *line): message for line, message in lines.items()}


LINES = {
    script: invalid_lines(spec for cls in classes for spec in dataclasses.fields(cls))
    for script, classes in SCRIPTS.items()
}
LINES["generate"] |= misapplied_lines(GenerateOptions)
for lines in LINES.values():
    lines["--unheard_of=1",] = "--unheard_of: no such flag"
LINES["train"] = {("--model=gan", *line): message for line, message in LINES["train"].items()}
for script, lines in LINES.items():
    if "." not in script:
        lines[()] = f"no flags are given. Type, for example: python {script}.py --"
LINES["train"]["--epochs=3",] = "--model: expected one of "
LINES["train"]["--model=unheard_of",] = "--model: no such model: unheard_of"
LINES["evaluate"]["--seed=3",] = "--run: "
LINES["generate"]["--seed=3",] = "--run: "
LINES["study"]["--seeds=3",] = "--configs: "
LINES["train_classifier"]["--seed=3",] = "--dataset: "


LINES["train"]["--model=unheard_of", "--help"] = "--model: no such model: unheard_of"
OF_MODELS = {model: of_model(model) for model in REGISTRY}
HELP = {script: [("--help",), ("-h",), ("--help=all",)] for script in SCRIPTS}
HELP_OF_MODELS = {model: (f"--model={model}", "--help=all") for model in REGISTRY}
FIRST = {
    "train": [
        *("--model", "--dataset", "--epochs", "--steps", "--batch_size", "--noise_dim"),
        *("--outdir", "--seed", "--eval_every"),
    ],
    "evaluate": [
        *("--run", "--metrics", "--features", "--num_samples", "--repeats", "--baselines"),
        *("--outdir", "--publish", "--verbose"),
    ],
}
FIRST_OF_MODELS = {
    "gan": ("--model=gan", "--help"), "vae": ("--help", "--model=vae"),
}  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(without_tensorflow, tmp_path_factory):
    """Return a function of a script: command line -> outcome, of few processes.

    With `of_models`, the lines are those of the invalid options of all models.
    """
    known = {}

    def of_script(script, of_models=False):
        if (script, of_models) not in known:
            lines = [*LINES[script], *HELP[script]]
            if script == "train":
                lines += [*HELP_OF_MODELS.values(), *FIRST_OF_MODELS.values()]
            if of_models:
                lines = [line for of_one in OF_MODELS.values() for line in of_one]
            cwd = tmp_path_factory.mktemp("cwd")
            ended = []
            for first in range(0, len(lines), 1000):  # an argument has at most 128 KiB
                part = [list(line) for line in lines[first : first + 1000]]
                ended += without_tensorflow(script, part, cwd)
            assert list(cwd.iterdir()) == []
            known[script, of_models] = dict(zip(lines, ended, strict=True))
        return known[script, of_models]

    return of_script


@pytest.mark.parametrize("script", SCRIPTS)
def test_invalid_options_of_a_script_end_it_in_one_line(script, outcomes):
    for line, message in LINES[script].items():
        outcome = outcomes(script)[line]
        assert outcome.refusal().startswith(message), line
        assert outcome.out == "", line


@pytest.mark.slow
@pytest.mark.parametrize("model", REGISTRY)
def test_invalid_options_of_a_model_end_train_in_one_line(model, outcomes):
    assert len(OF_MODELS[model]) > 20
    for line, message in OF_MODELS[model].items():
        outcome = outcomes("train", of_models=True)[line]
        assert outcome.refusal().startswith(message), line
        assert outcome.out == "", line


def flags_in(text):
    """The flags of a help text, in order."""
    return [line.split()[0] for line in text.splitlines() if line.startswith("  --")]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_of_a_script_lists_its_options(script, outcomes):
    for line in HELP[script]:
        outcome = outcomes(script)[line]
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.endswith(f"\n{ENDING}\n")
        flags = {f"--{s.name}" for cls in SCRIPTS[script] for s in dataclasses.fields(cls)}
        if script in FIRST and line != ("--help=all",):
            assert flags_in(outcome.out) == FIRST[script]
            assert f": python {script}.py --help=all\n" in outcome.out
        else:
            assert {*flags_in(outcome.out)} == flags


def test_help_of_train_has_the_defaults_of_the_model(outcomes):
    text = outcomes("train")["--help",].out
    assert "\n  --noise_dim  [by model]\n" in text
    assert "\n  --seed  [0]\n" in text
    assert text.endswith(
        "\nAll flags: python train.py --help=all"
        f"\nAll flags of a model: python train.py --model NAME --help=all\n{ENDING}\n"
    )
    of_gan, of_vae = (outcomes("train")[line].out for line in FIRST_OF_MODELS.values())
    assert "\n  --noise_dim  [100]\n" in of_gan
    assert flags_in(of_vae) == [flag for flag in FIRST["train"] if flag != "--noise_dim"]
    assert of_vae.endswith(f"\nAll flags: python train.py --model=vae --help=all\n{ENDING}\n")


@pytest.mark.parametrize("model", REGISTRY)
def test_help_of_a_model_lists_the_options_that_can_apply_with_their_values(model, outcomes):
    outcome = outcomes("train")[HELP_OF_MODELS[model]]
    assert (outcome.code, outcome.err) == (0, "")
    words = set(listed(outcome.out.replace(";", ",").replace("\n", ",").replace(" ", ",")))
    for spec in dataclasses.fields(REGISTRY[model].hyperparameters):
        facts = spec.metadata
        applies = not facts["owner"] or facts["of_choice"] or spec.default is not None
        assert (f"--{spec.name}" in words) == bool(applies)
        assert not applies or set(names_of(spec)) <= words


DECLARATIONS = (
    "cli.flags", "fields", "models", "models.networks.backbones", "augmentation.policies",
    "losses.adversarial", "losses.information", "losses.penalties", "losses.reconstruction",
    "models.initializers", "models.norms", "models.optimizers", "models.schedules",
)  # fmt: skip


def test_declarations_are_read_without_tensorflow(python):
    code = f"""
import importlib, sys
for module in {DECLARATIONS}:
    importlib.import_module(module)
    print(module, *sorted({{"tensorflow", "keras"}} & set(sys.modules)))
"""
    assert python("-c", code).out.split("\n") == [*DECLARATIONS, ""]
