"""What the fields refuse and allow, and what the registry's models say of theirs."""

import dataclasses
import json
import subprocess
import sys

import pytest
from models.hyperparameters.base import Hyperparameters

import models
from errors import UserError
from fields import field
from models import hyperparameters as hp


@dataclasses.dataclass(frozen=True)
class Toy(Hyperparameters):
    """One field of each kind."""

    share: float = field(0.5, "a share", group="toy", at_least=0, below=1)
    rate: float = field(0.1, "a rate", group="toy", above=0, at_most=2)
    count: int = field(3, "a count", group="toy", at_least=1, by_dataset={"MNIST": 5, "CIFAR10": 7})
    shape: str = field("round", "a shape", group="toy", choices=("round", "square"))
    codes: int | None = field(None, "derived", group="toy", at_least=2)
    flip: bool = field(False, "whether", group="toy")


@dataclasses.dataclass(frozen=True)
class House(Hyperparameters):
    """Fields that mean something to some roofs only."""

    roof: str = field("flat", "its form", group="toy", choices=("flat", "gable", "dome", "none"))
    pitch: float | None = field(
        None, "a slope", group="toy", above=0, by=("roof", {"flat": 0.1, "gable": 1.0})
    )
    tiles: int | None = field(
        None, "how many", group="toy", at_least=0, by=("roof", {"gable": 30, "dome": 0}),
        by_dataset={"MNIST": 12},
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Chalet(House):
    """Another roof, and a pitch of its own whichever it is."""

    roof: str = hp.override(House, "roof", "gable")
    pitch: float | None = hp.override(House, "pitch", 2.0)


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
    with pytest.raises(UserError) as refusal:
        Toy(**{name: value})
    assert str(refusal.value) == f"--{name}={value}: it must be {allowed}"


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_numbers_must_be_finite_where_there_is_no_upper_limit(value):
    with pytest.raises(UserError, match="must be a number > 0"):
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
    with pytest.raises(UserError, match="--count=0"):
        Toy.resolve(dataset="MNIST", count=0)


def test_an_unknown_name_is_refused_with_those_nearest_to_it():
    with pytest.raises(UserError) as refusal:
        Toy.resolve(cuont=3)
    assert str(refusal.value) == "no hyperparameter cuont; did you mean count?"
    with pytest.raises(UserError) as refusal:
        Toy.resolve(zzz=3)
    assert str(refusal.value) == "no hyperparameter zzz"


@pytest.mark.parametrize("given", [{}, {"pitch": None}, {"roof": None, "tiles": None}])
def test_none_counts_as_not_given(given):
    assert House.resolve(**given) == House.resolve() == House(pitch=0.1)
    assert Toy.resolve("MNIST", count=None, share=None, flip=None).count == 5


def test_none_of_an_unknown_name_is_refused_all_the_same():
    with pytest.raises(UserError, match="no hyperparameter rof; did you mean roof"):
        House.resolve(rof=None)


# Fields that depend on another.


@pytest.mark.parametrize(
    ("roof", "pitch", "tiles"),
    [("flat", 0.1, None), ("gable", 1.0, 30), ("dome", None, 0), ("none", None, None)],
)
def test_a_default_is_that_of_the_selectors_value(roof, pitch, tiles):
    house = House.resolve(roof=roof)
    assert (house.pitch, house.tiles) == (pitch, tiles)


def test_a_value_given_stands_over_the_selectors_default():
    assert House.resolve(pitch=0.3).pitch == 0.3
    assert House.resolve(roof="gable", pitch=0.3) == House(roof="gable", pitch=0.3, tiles=30)
    assert House.resolve(roof="dome", tiles=0).tiles == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"roof": "dome", "pitch": 0.3}, "--pitch: --roof=dome has none; flat, gable has"),
        ({"tiles": 3}, "--tiles: --roof=flat has none; gable, dome has"),
        ({"tiles": 0}, "--tiles: --roof=flat has none; gable, dome has"),
        # The default of another roof is no excuse, and a value out of range says the same.
        ({"roof": "none", "pitch": 1.0}, "--pitch: --roof=none has none; flat, gable has"),
        ({"roof": "none", "pitch": -1.0}, "--pitch: --roof=none has none; flat, gable has"),
    ],
)
def test_what_means_nothing_to_the_selectors_value_is_refused_in_one_line(given, said):
    with pytest.raises(UserError) as refusal:
        House.resolve(**given)
    assert str(refusal.value) == said


def test_a_range_is_checked_where_the_selectors_value_has_the_field():
    with pytest.raises(UserError) as refusal:
        House.resolve(roof="gable", pitch=0)
    assert str(refusal.value) == "--pitch=0: it must be a number > 0"


@pytest.mark.parametrize("given", [{}, {"pitch": 1.0}])
def test_a_selectors_value_out_of_its_choices_is_what_is_refused(given):
    with pytest.raises(UserError) as refusal:
        House.resolve(roof="tent", **given)
    assert str(refusal.value) == "--roof=tent: it must be one of flat, gable, dome, none"


def test_an_overriding_default_goes_before_those_of_the_selectors_values():
    assert Chalet.resolve() == Chalet(roof="gable", pitch=2.0, tiles=30)
    assert Chalet.resolve(roof="flat").pitch == 2.0
    assert Chalet.resolve(roof="dome").pitch is None  # it has none still
    assert Chalet.resolve(pitch=0.5).pitch == 0.5
    with pytest.raises(UserError, match="--pitch: --roof=dome has none"):
        Chalet.resolve(roof="dome", pitch=0.5)


def test_the_data_sets_default_goes_before_the_selectors_where_the_field_means_something():
    assert House.resolve("MNIST", roof="gable").tiles == 12
    assert House.resolve("CIFAR10", roof="gable").tiles == 30
    assert House.resolve("MNIST", roof="gable", tiles=5).tiles == 5
    assert House.resolve("MNIST").tiles is None
    with pytest.raises(UserError, match="--tiles: --roof=flat has none"):
        House.resolve("MNIST", tiles=12)


@pytest.mark.parametrize("given", [{}, {"roof": "dome"}, {"roof": "gable", "tiles": 3}])
def test_what_is_resolved_is_resolved_to_itself(given):
    """None stands where a field means nothing, as in config.json."""
    house = House.resolve("MNIST", **given)
    saved = json.loads(json.dumps(dataclasses.asdict(house)))
    assert House.resolve(**saved) == house
    assert House.resolve("CIFAR10", **saved) == house


# Adversarial models.


@pytest.mark.parametrize(
    ("network", "layout"),
    [
        ("mlp", {"width": 512, "depth": 3, "initializer": "xavier"}),
        ("dcgan", {"width": 64, "kernel_size": 4, "dense_units": 0, "initializer": "normal"}),
        ("resnet", {"width": 128, "attention": 0, "initializer": "he"}),
    ],
)
def test_a_networks_layout_is_all_that_it_is_told_but_for_norms(network, layout):
    assert hp.AdversarialHyperparameters.resolve(network=network).layout() == layout
    wide = hp.AdversarialHyperparameters.resolve(network=network, width=7)
    assert wide.layout() == {**layout, "width": 7}


def test_a_layout_depends_on_the_data_set_where_its_field_does():
    resolve = hp.AdversarialHyperparameters.resolve
    assert resolve("MNIST").layout()["dense_units"] == 1024
    assert "dense_units" not in resolve("MNIST", network="mlp").layout()
    assert resolve("MNIST", network="mlp").dense_units is None


@pytest.mark.parametrize(
    ("network", "norms"),
    [("mlp", ("none", "none")), ("dcgan", ("batch", "batch")), ("resnet", ("batch", "none"))],
)
def test_norms_depend_on_the_network(network, norms):
    found = hp.AdversarialHyperparameters.resolve(network=network)
    assert (found.g_norm, found.d_norm) == norms


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"network": "resnet", "depth": 2}, "--depth: --network=resnet has none; mlp has"),
        ({"kernel_size": 4, "network": "mlp"}, "--kernel_size: --network=mlp has none; dcgan has"),
        ({"attention": 8}, "--attention: --network=dcgan has none; resnet has"),
        (
            {"optimizer": "rmsprop", "beta_1": 0.5},
            "--beta_1: --optimizer=rmsprop has none; adam has",
        ),
        (
            {"penalty_weight": 1.0},
            "--penalty_weight: --penalty=none has none; gradient, dragan, r1, r2 has",
        ),
        (
            {"penalty_interval": 1},
            "--penalty_interval: --penalty=none has none; gradient, dragan, r1, r2 has",
        ),
        *(
            (
                {"loss": loss, "label_smoothing": smoothing},
                f"--label_smoothing: --loss={loss} has none; non_saturating, minimax has",
            )
            for loss, smoothing in [
                ("least_squares", 0.1), ("wasserstein", 0.1), ("hinge", 0.0),
                ("relativistic", 0.1), ("relativistic_average", 0.1),
            ]
        ),
    ],
)  # fmt: skip
def test_what_the_chosen_network_loss_penalty_or_optimizer_lacks_is_refused(given, said):
    with pytest.raises(UserError) as refusal:
        hp.AdversarialHyperparameters.resolve(**given)
    assert str(refusal.value) == said


def test_rmsprop_has_one_decay_and_adam_two():
    resolve = hp.AdversarialHyperparameters.resolve
    assert (resolve().beta_1, resolve().beta_2) == (0.5, 0.999)
    rmsprop = resolve(optimizer="rmsprop")
    assert (rmsprop.beta_1, rmsprop.beta_2) == (None, 0.99)
    assert resolve(optimizer="rmsprop", beta_2=0.9).beta_2 == 0.9


@pytest.mark.parametrize("loss", ["non_saturating", "minimax"])
def test_labels_can_be_smoothed_where_there_are_labels(loss):
    assert hp.AdversarialHyperparameters.resolve(loss=loss).label_smoothing == 0
    found = hp.AdversarialHyperparameters.resolve(loss=loss, label_smoothing=0.1)
    assert found.label_smoothing == 0.1


@pytest.mark.parametrize("d_norm", ["batch", "both"])
@pytest.mark.parametrize("name", ["dcgan", "wgan_gp", "dragan"])
@pytest.mark.parametrize("penalty", ["gradient", "dragan", "r1", "r2"])
def test_a_penalty_refuses_a_d_that_mixes_images(penalty, name, d_norm):
    resolve = models.REGISTRY[name].hyperparameters.resolve
    refusal = f"^--d_norm={d_norm}: --penalty={penalty} is of each image alone"
    with pytest.raises(UserError, match=refusal) as error:
        resolve(penalty=penalty, d_norm=d_norm)
    assert "\n" not in str(error.value)
    for good in ("none", "layer", "spectral"):
        assert resolve(penalty=penalty, d_norm=good).d_norm == good


def test_a_penalty_refuses_the_batch_norm_that_a_network_has_by_default():
    with pytest.raises(UserError, match="--d_norm=batch: --penalty=gradient"):
        hp.AdversarialHyperparameters.resolve(network="dcgan", penalty="gradient")
    for network in ("mlp", "resnet"):
        found = hp.AdversarialHyperparameters.resolve(network=network, penalty="gradient")
        assert found.d_norm == "none"


def test_the_labels_of_least_squares_are_those_of_any_model_with_that_loss():
    resolve = hp.AdversarialHyperparameters.resolve
    found = resolve(loss="least_squares", fake_label=-1.0, generator_label=0.0)
    assert (found.fake_label, found.real_label, found.generator_label) == (-1.0, 1.0, 0.0)
    assert resolve().fake_label is None
    with pytest.raises(UserError, match=r"^--fake_label=2\.0: it must be below"):
        resolve(loss="least_squares", fake_label=2.0)


# Each paper's.


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gan", {"network": "mlp", "loss": "non_saturating", "penalty": "none", "n_critic": 1}),
        (
            "dcgan",
            {
                "network": "dcgan", "loss": "non_saturating", "noise_dim": 100,
                "g_learning_rate": 2e-4, "d_learning_rate": 2e-4, "beta_1": 0.5, "beta_2": 0.999,
                "g_norm": "batch", "d_norm": "batch", "initializer": "normal",
            },
        ),
        ("cgan", {"g_conditioning": "concat", "d_conditioning": "concat"}),
        (
            "lsgan",
            {
                "loss": "least_squares", "fake_label": 0.0, "real_label": 1.0,
                "generator_label": 1.0, "label_smoothing": None,
            },
        ),
        (
            # Algorithm 1: alpha = 0.00005, c = 0.01, m = 64, n_critic = 5, RMSProp.
            "wgan",
            {
                "loss": "wasserstein", "optimizer": "rmsprop", "g_learning_rate": 5e-5,
                "d_learning_rate": 5e-5, "clip": 0.01, "batch_size": 64, "n_critic": 5,
                "beta_1": None, "penalty": "none", "penalty_weight": None, "d_norm": "none",
            },
        ),
        (
            # Algorithm 1: lambda = 10, n_critic = 5, alpha = 0.0001, beta_1 = 0, beta_2 = 0.9.
            "wgan_gp",
            {
                "loss": "wasserstein", "optimizer": "adam", "g_learning_rate": 1e-4,
                "d_learning_rate": 1e-4, "beta_1": 0.0, "beta_2": 0.9, "batch_size": 64,
                "n_critic": 5, "penalty": "gradient", "penalty_weight": 10.0,
                "penalty_interval": 1, "d_norm": "layer",
            },
        ),
        (
            "dragan",
            {
                "loss": "non_saturating", "penalty": "dragan", "penalty_weight": 10.0,
                "n_critic": 1, "d_norm": "layer",
            },
        ),
        ("sngan", {"loss": "hinge", "d_norm": "spectral", "penalty": "none"}),
        (
            # Appendix C.1: one code of 10, two continuous ones, 62 of noise, rates 2e-4 and 1e-3.
            "infogan",
            {
                "loss": "non_saturating", "categorical_codes": "10", "continuous_codes": 2,
                "noise_dim": 62, "g_learning_rate": 1e-3, "d_learning_rate": 2e-4,
                "q_learning_rate": 1e-3, "q_units": 128, "network": "dcgan",
            },
        ),
        (
            # As on MNIST: z uniform of 50 dimensions, rates 2e-4, beta_1 0.5.
            "bigan",
            {
                "loss": "non_saturating", "noise_dim": 50, "prior": "uniform", "beta_1": 0.5,
                "encoder": "deterministic", "g_learning_rate": 2e-4, "e_learning_rate": 2e-4,
            },
        ),
        (
            # Section 2: hinge losses, z of 120 dimensions, Gaussian encoder.
            "bigbigan",
            {
                "loss": "hinge", "noise_dim": 120, "prior": "normal", "encoder": "gaussian",
                "network": "resnet", "d_norm": "spectral", "sx": True, "sz": True, "sxz": True,
            },
        ),
        (
            "info_bigbigan",
            {
                "loss": "hinge", "noise_dim": 120, "categorical_codes": "10",
                "continuous_codes": 0, "sx": True, "epochs": 20, "batch_size": 64,
                "g_learning_rate": 2e-4, "q_learning_rate": 2e-4,
            },
        ),
        (
            # Sections 3.4 and 4.1; code and noise of 64 dimensions, the noise uniform.
            "began",
            {
                "loss": "equilibrium", "noise_dim": 64, "prior": "uniform", "hidden_dim": 64,
                "lambda_k": 0.001, "gamma": 0.5, "optimizer": "adam", "g_learning_rate": 1e-4,
                "d_learning_rate": 1e-4, "g_norm": "none", "d_norm": "none",
                "label_smoothing": None, "penalty": "none",
            },
        ),
    ],
)  # fmt: skip
def test_a_models_defaults_are_its_papers(name, said):
    found = models.REGISTRY[name].hyperparameters.resolve()
    assert {field: getattr(found, field) for field in said} == said


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("lsgan", {"fake_label": -1.0, "loss": "hinge"}),
        ("lsgan", {"label_smoothing": 0.1}),
        ("began", {"loss": "non_saturating"}),
        ("began", {"penalty": "gradient"}),
        ("began", {"penalty_weight": 10.0}),
        ("began", {"d_norm": "spectral"}),
        ("wgan", {"beta_1": 0.5}),
        ("wgan", {"label_smoothing": 0.1}),
        ("wgan_gp", {"label_smoothing": 0.0}),
        ("wgan_gp", {"clip": 0.01}),
        ("gan", {"g_conditioning": "concat"}),
        ("cgan", {"g_conditioning": "batch_norm", "network": "mlp"}),
        ("cgan", {"g_conditioning": "batch_norm", "g_norm": "none"}),
        ("infogan", {"categorical_codes": "10,1"}),
        ("infogan", {"supervised_fraction": 0.1, "categorical_codes": ""}),
        ("infogan", {"thickness_guidance": True, "continuous_codes": 0}),
        ("infogan", {"g_conditioning": "concat"}),
    ],
)
def test_a_model_refuses_what_its_paper_leaves_no_room_for(name, given):
    with pytest.raises(UserError) as refusal:
        models.REGISTRY[name].hyperparameters.resolve(**given)
    assert next(iter(given)) in str(refusal.value)
    assert "\n" not in str(refusal.value)


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
    with pytest.raises(UserError, match=">= 1"):
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
    _, by_selector = spec.metadata["by"]
    for value in (spec.default, *by_selector.values(), *spec.metadata["by_dataset"].values()):
        hp.check_value(spec, value)


@pytest.mark.parametrize("name", models.REGISTRY)
def test_a_field_that_depends_on_another_stands_after_it_and_names_its_choices(name):
    specs = {spec.name: spec for spec in dataclasses.fields(models.REGISTRY[name].hyperparameters)}
    dependent = [spec for spec in specs.values() if spec.metadata["by"][0]]
    assert dependent
    for spec in dependent:
        selector, defaults = spec.metadata["by"]
        assert list(specs).index(selector) < list(specs).index(spec.name)
        of_parent = hp.AdversarialHyperparameters.__dataclass_fields__
        chooser = of_parent.get(selector, specs[selector])
        assert set(defaults) <= set(chooser.metadata["choices"])
        assert None not in defaults.values()
        hp.check_value(spec, None)  # where it means nothing


@pytest.mark.parametrize("name", models.REGISTRY)
@pytest.mark.parametrize("dataset", ["MNIST", "CIFAR10"])
def test_a_models_defaults_resolve_to_themselves_from_config_json(name, dataset):
    hyperparameters = models.REGISTRY[name].hyperparameters
    found = hyperparameters.resolve(dataset)
    saved = json.loads(json.dumps(dataclasses.asdict(found)))
    assert None in saved.values()
    assert hyperparameters.resolve(**saved) == found


def test_choices_are_those_that_the_product_has():
    from losses.adversarial import LOSSES, SMOOTHED
    from losses.penalties import PENALTIES
    from models.latents import noise
    from models.layers import initializer
    from models.networks.backbones import BACKBONES

    fields = hp.AdversarialHyperparameters.__dataclass_fields__
    choices = {name: spec.metadata["choices"] for name, spec in fields.items()}
    by = {name: spec.metadata["by"] for name, spec in fields.items()}
    assert set(choices["loss"]) == set(LOSSES)
    assert by["label_smoothing"] == ("loss", dict.fromkeys(SMOOTHED, 0.0))
    assert set(choices["penalty"]) == {"none", *PENALTIES}
    for name in ("penalty_weight", "penalty_interval"):
        assert by[name][0] == "penalty"
        assert set(by[name][1]) == set(PENALTIES)
    assert set(choices["network"]) == set(BACKBONES)
    for name in ("width", "g_norm", "d_norm", "initializer"):
        assert by[name][0] == "network"
        assert set(by[name][1]) == set(BACKBONES)
    for prior in choices["prior"]:
        assert noise(3, prior).event_shape == (3,)
    for name in choices["initializer"]:
        assert initializer(name)((2, 2)).shape == (2, 2)


@pytest.mark.parametrize("name", models.REGISTRY)
def test_a_models_own_choices_are_its_parents_but_for_a_loss_or_networks_of_its_own(name):
    own = {("began", "loss"): {"equilibrium"}}
    own |= {(model, "network"): {"styled"} for model in ("stylegan", "stylegan2")}
    parent = hp.AdversarialHyperparameters.__dataclass_fields__
    for spec in dataclasses.fields(models.REGISTRY[name].hyperparameters):
        if spec.name in parent and parent[spec.name].metadata["choices"]:
            beyond = set(spec.metadata["choices"]) - set(parent[spec.name].metadata["choices"])
            assert beyond == own.get((name, spec.name), set())


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
