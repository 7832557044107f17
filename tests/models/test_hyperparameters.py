"""What the fields refuse and allow, and what the registry's models say of theirs."""

import dataclasses
import subprocess
import sys

import pytest

import models
from models import hyperparameters as hp
from models.hyperparameters import HyperparameterError, Hyperparameters, field


@dataclasses.dataclass(frozen=True)
class Toy(Hyperparameters):
    """One field of each kind."""

    share: float = field(0.5, "a share", group="toy", at_least=0, below=1)
    rate: float = field(0.1, "a rate", group="toy", above=0, at_most=2)
    count: int = field(3, "a count", group="toy", at_least=1, by_dataset={"MNIST": 5, "CIFAR10": 7})
    shape: str = field("round", "a shape", group="toy", choices=("round", "square"))
    codes: int | None = field(None, "derived", group="toy", at_least=2)
    flip: bool = field(False, "whether", group="toy")


# Values.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("share", 0),
        ("share", 0.999),
        ("rate", 2),
        ("rate", 1e-9),
        ("count", 1),
        ("shape", "square"),
        ("codes", None),
        ("codes", 2),
        ("flip", True),
    ],
)
def test_values_on_the_edge_of_a_range_are_allowed(name, value):
    assert getattr(Toy(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("share", -0.001, "a number >= 0 and < 1"),
        ("share", 1, "a number >= 0 and < 1"),
        ("share", float("nan"), "a number >= 0 and < 1"),
        ("share", "0.5", "a number >= 0 and < 1"),
        ("share", True, "a number >= 0 and < 1"),
        ("share", None, "a number >= 0 and < 1"),
        ("rate", 0, "a number > 0 and <= 2"),
        ("rate", 2.001, "a number > 0 and <= 2"),
        ("count", 0, "a whole number >= 1"),
        ("count", 1.5, "a whole number >= 1"),
        ("count", True, "a whole number >= 1"),
        ("count", None, "a whole number >= 1"),
        ("shape", "oval", "one of round, square"),
        ("shape", 1, "one of round, square"),
        ("codes", 1, "a whole number >= 2"),
        ("flip", 1, "true or false"),
    ],
)
def test_values_out_of_range_are_refused_in_one_line(name, value, allowed):
    with pytest.raises(HyperparameterError) as refusal:
        Toy(**{name: value})
    assert str(refusal.value) == f"--{name}={value}: it must be {allowed}"


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_numbers_must_be_finite_where_there_is_no_upper_limit(value):
    with pytest.raises(HyperparameterError, match="must be a number > 0"):
        hp.AdversarialHyperparameters(g_learning_rate=value)


def test_hyperparameters_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Toy().count = 4


# Resolution.


def test_given_values_stand_over_the_data_sets_and_these_over_the_models():
    assert Toy.resolve().count == 3
    assert Toy.resolve(dataset="MNIST").count == 5
    assert Toy.resolve(dataset="CIFAR10").count == 7
    assert Toy.resolve(dataset="unheard of").count == 3
    assert Toy.resolve(dataset="MNIST", count=9).count == 9
    assert Toy.resolve(dataset="MNIST", count=3).count == 3
    assert Toy.resolve(dataset="MNIST", rate=1.0) == Toy(count=5, rate=1.0)


def test_resolution_checks_what_it_is_given():
    with pytest.raises(HyperparameterError, match="--count=0"):
        Toy.resolve(dataset="MNIST", count=0)


def test_an_unknown_name_is_refused_with_those_nearest_to_it():
    with pytest.raises(HyperparameterError) as refusal:
        Toy.resolve(cuont=3)
    assert str(refusal.value) == "no hyperparameter cuont; did you mean count?"
    with pytest.raises(HyperparameterError) as refusal:
        Toy.resolve(zzz=3)
    assert str(refusal.value) == "no hyperparameter zzz"


def test_near_suggests_close_names_only():
    assert hp.near("nois_dim", ["noise_dim", "width"]) == "; did you mean noise_dim?"
    assert hp.near("zzz", ["noise_dim", "width"]) == ""
    assert hp.near("rate", ["d_rate", "g_rate"]) in (
        "; did you mean d_rate or g_rate?",
        "; did you mean g_rate or d_rate?",
    )


def test_an_override_changes_the_default_and_what_it_names_only():
    @dataclasses.dataclass(frozen=True)
    class Child(Toy):
        count: int = hp.override(Toy, "count", 4, help="another count")

    spec = Child.__dataclass_fields__["count"]
    assert Child().count == 4
    assert spec.metadata["help"] == "another count"
    assert spec.metadata["by_dataset"] == {"MNIST": 5, "CIFAR10": 7}
    assert Toy.__dataclass_fields__["count"].metadata["help"] == "a count"
    with pytest.raises(HyperparameterError, match=">= 1"):
        Child(count=0)


def test_an_optional_field_has_the_type_of_its_values():
    types = {spec.name: hp.value_type(spec) for spec in dataclasses.fields(Toy)}
    assert types["codes"] is int
    assert types["share"] is float
    assert types["flip"] is bool


# The registry.


FIELDS = [
    pytest.param(spec, id=f"{name}-{spec.name}")
    for name, entry in models.REGISTRY.items()
    for spec in dataclasses.fields(entry.hyperparameters)
]


@pytest.mark.parametrize("spec", FIELDS)
def test_every_field_explains_itself_and_allows_its_defaults(spec):
    assert spec.metadata["help"].strip()
    assert spec.metadata["group"].strip()
    assert hp.allowed(spec)
    for value in (spec.default, *spec.metadata["by_dataset"].values()):
        hp.check_value(spec, value)


def test_choices_are_those_that_the_product_has():
    from losses.adversarial import LOSSES
    from models.latents import noise
    from models.layers import initializer

    fields = hp.AdversarialHyperparameters.__dataclass_fields__
    assert set(fields["loss"].metadata["choices"]) == set(LOSSES)
    for prior in fields["prior"].metadata["choices"]:
        assert noise(3, prior).event_shape == (3,)
    for name in fields["initializer"].metadata["choices"]:
        assert initializer(name)((2, 2)).shape == (2, 2)


@pytest.mark.parametrize("name", models.REGISTRY)
def test_an_entry_names_a_class_with_its_hyperparameters(name):
    entry = models.REGISTRY[name]
    assert entry.load().Hyperparameters is entry.hyperparameters
    assert getattr(models, entry.class_name) is entry.load()


def test_a_name_that_is_no_model_is_no_attribute():
    with pytest.raises(AttributeError, match="'models' has no attribute 'Perceptron'"):
        models.Perceptron  # noqa: B018


@pytest.mark.parametrize("module", ["models", "models.hyperparameters"])
def test_importing_the_registry_loads_no_tensorflow(module):
    check = f"import sys, {module}; print(sorted({{'tensorflow', 'keras'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", check],
        cwd=models.__path__[0] + "/..",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
