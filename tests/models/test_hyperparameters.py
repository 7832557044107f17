"""The models' declarations: defaults, options of their choices, and combinations that raise."""

import dataclasses
import inspect
import json
import subprocess
import sys

import numpy as np
import pytest

import fields
import models
from augmentation.policies import POLICIES
from data.catalogue import KNOWN
from errors import UserError, either
from losses.adversarial import LOSSES, SMOOTHING
from losses.information import CODE_LOSSES
from losses.penalties import PENALTIES
from models.declarations.adversarial import AdversarialHyperparameters
from models.declarations.infogan import InfoGANHyperparameters
from models.initializers import INITIALIZERS
from models.networks.backbones import BACKBONES, STYLED, Backbone
from models.norms import GENERATOR_NORMS, NORMS, Norm
from models.optimizers import OPTIMIZERS
from training import options

resolve = AdversarialHyperparameters.resolve

CLASSES = {name: entry.hyperparameters for name, entry in models.REGISTRY.items()}
CHOICES = [
    pytest.param(cls, spec, id=f"{name}-{spec.name}")
    for name, cls in CLASSES.items()
    for spec in dataclasses.fields(cls)
    if spec.metadata["alternatives"]
]
UNMIXED = [name for name, norm in NORMS.items() if not norm.batch]
MIXED = [name for name, norm in NORMS.items() if norm.batch]


# Backbones.


@pytest.mark.parametrize("network", BACKBONES)
def test_options_of_network_are_those_of_the_backbone(network):
    options = BACKBONES[network].options
    defaults = {name: spec.default for name, spec in options.items()}
    assert fields.options_of(resolve(network=network), "network") == defaults
    wide = fields.options_of(resolve(network=network, width=7), "network")
    assert wide == {**defaults, "width": 7}


def test_options_of_network_depend_on_the_data_set():
    """The dense layer of Chen et al. 2016, table 1, has 1024 units."""
    assert fields.options_of(resolve("MNIST"), "network")["dense_units"] == 1024
    assert resolve("MNIST", network="mlp").dense_units is None


@pytest.mark.parametrize("network", BACKBONES)
def test_default_norms_are_those_of_the_backbone(network):
    found, backbone = resolve(network=network), BACKBONES[network]
    assert (found.g_norm, found.d_norm) == (backbone.generator_norm, backbone.trunk_norm)
    assert found.g_norm in GENERATOR_NORMS
    assert found.d_norm in NORMS


def test_norms_of_style_based_models_cannot_be_selected():
    cls = CLASSES["stylegan"]
    assert (cls.resolve().g_norm, cls.resolve().d_norm) == (None, None)
    with pytest.raises(UserError, match=r"^d_norm: does not apply with network=styled$"):
        cls.resolve(d_norm="layer")


# Options of the selected alternatives.


def beside(cls, spec):
    """Return values of other options with which all alternatives of a choice are valid."""
    specs = cls.__dataclass_fields__
    if spec.name == "penalty" and specs["d_norm"].metadata["of_choice"]:
        return {"d_norm": "none"}
    if spec.name == "augment":
        losses = specs["loss"].metadata["alternatives"].values()
        return {"loss": next((loss.name for loss in losses if loss.has_threshold), None)}
    if spec.name == "copies":
        return {"clustering": "contrastive"}
    return {}


@pytest.mark.parametrize(("cls", "spec"), CHOICES)
def test_further_options_apply_to_the_alternatives_that_declare_them_alone(cls, spec):
    alternatives = spec.metadata["alternatives"]
    for option in sorted({option for one in alternatives.values() for option in one.options}):
        of_choice = cls.__dataclass_fields__[option].metadata["of_choice"]
        assert list(of_choice) == [n for n, one in alternatives.items() if option in one.options]
        value = next(iter(of_choice.values()))
        for name in alternatives:
            given = {**beside(cls, spec), spec.name: name, option: value}
            if name not in of_choice:
                with pytest.raises(UserError) as error:
                    cls.resolve(**given)
                assert str(error.value) == (
                    f"{option}: does not apply with {spec.name}={name}, only with "
                    f"{spec.name}={either(list(of_choice))}"
                )
            elif None not in given.values():  # the loss of BEGAN has no threshold for ADA
                assert getattr(cls.resolve(**given), option) == value


@pytest.mark.parametrize(("cls", "spec"), CHOICES)
def test_resolve_of_an_unknown_alternative_raises_with_the_known_ones(cls, spec):
    with pytest.raises(UserError) as error:
        cls.resolve(**{spec.name: "unheard_of"})
    assert error.value.option == spec.name
    if getattr(cls.resolve(), spec.name) is not None:
        assert str(error.value) == f"{spec.name}: expected {fields.allowed(spec)}, got unheard_of"
        assert all(name in str(error.value) for name in spec.metadata["alternatives"])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_make_of_an_optimizer_uses_its_options(optimizer):
    found = OPTIMIZERS[optimizer].make(
        0.125, **fields.options_of(resolve(optimizer=optimizer), "optimizer")
    )
    assert found.get_config()["learning_rate"] == 0.125


def test_rmsprop_has_one_decay_and_adam_two():
    assert (resolve().beta_1, resolve().beta_2) == (0.5, 0.999)
    rmsprop = resolve(optimizer="rmsprop")
    assert (rmsprop.beta_1, rmsprop.beta_2) == (None, 0.99)
    assert resolve(optimizer="rmsprop", beta_2=0.9).beta_2 == 0.9


@pytest.mark.parametrize("loss", LOSSES)
def test_label_smoothing_applies_to_losses_that_declare_it(loss):
    if SMOOTHING.keys() <= LOSSES[loss].options.keys():
        assert resolve(loss=loss).label_smoothing == 0
        assert resolve(loss=loss, label_smoothing=0.1).label_smoothing == 0.1
    else:
        assert resolve(loss=loss).label_smoothing is None


def test_labels_of_least_squares_are_options_of_any_model_with_that_loss():
    found = resolve(loss="least_squares", fake_label=-1.0, generator_label=0.0)
    assert (found.fake_label, found.real_label, found.generator_label) == (-1.0, 1.0, 0.0)
    assert resolve().fake_label is None
    with pytest.raises(UserError) as error:
        resolve(loss="least_squares", fake_label=2.0)
    assert str(error.value) == "fake_label: expected a number below real_label=1.0, got 2.0"


# Gradient penalties.


@pytest.mark.parametrize("d_norm", MIXED)
@pytest.mark.parametrize("name", ["dcgan", "wgan_gp", "dragan"])
@pytest.mark.parametrize("penalty", [*PENALTIES, "r1,r2"])
def test_penalty_with_batch_norm_in_the_discriminator_raises(penalty, name, d_norm):
    with pytest.raises(UserError) as error:
        CLASSES[name].resolve(penalty=penalty, d_norm=d_norm)
    assert str(error.value) == (
        "d_norm: a gradient penalty is computed per image, but batch norm mixes the images of a "
        f"batch; use layer, spectral or none with penalty={penalty}, got {d_norm}"
    )
    for good in UNMIXED:
        assert CLASSES[name].resolve(penalty=penalty, d_norm=good).d_norm == good


@pytest.mark.parametrize("network", BACKBONES)
def test_penalty_with_the_default_norm_of_a_backbone_raises_for_batch_norm(network):
    norm = BACKBONES[network].trunk_norm
    if NORMS[norm].batch:
        with pytest.raises(UserError, match=f"^d_norm: .* got {norm}$"):
            resolve(network=network, penalty="gradient")
    else:
        assert resolve(network=network, penalty="gradient").d_norm == norm


@pytest.mark.parametrize(
    ("given", "weights"),
    [
        ({}, {}),
        ({"penalty": "none"}, {}),
        ({"penalty": "r1"}, {"r1": 10.0}),
        ({"penalty": "r1", "penalty_weight": 2.0}, {"r1": 2.0}),
        ({"penalty": "r1,r2"}, {"r1": 10.0, "r2": 10.0}),
        ({"penalty": "r1,r2", "penalty_weight": 3.0}, {"r1": 3.0, "r2": 3.0}),
        ({"penalty": "r1:5,r2:0.5"}, {"r1": 5.0, "r2": 0.5}),
        ({"penalty": ("r2", "gradient:5"), "penalty_weight": 3.0}, {"r2": 3.0, "gradient": 5.0}),
        ({"penalty": ["r2", "gradient:5"]}, {"r2": 10.0, "gradient": 5.0}),
    ],
)
def test_penalty_weights_are_given_per_penalty_or_common_or_default(given, weights):
    """Lambda = 10: Gulrajani et al. 2017."""
    found = resolve(d_norm="none", **given)
    assert found.penalty_weights() == weights
    assert list(found.penalty_weights()) == list(weights)
    saved = json.loads(json.dumps(dataclasses.asdict(found)))
    assert resolve(**saved) == found
    assert resolve(**saved).penalty_weights() == weights


@pytest.mark.parametrize(
    ("penalty", "weights"),
    [
        ("r1", {"r1": 1.0}),
        ("r1,r2", {"r1": 1.0, "r2": 1.0}),
        ("r1,gradient", {"r1": 1.0, "gradient": 10.0}),
        ("r1:3,dragan", {"r1": 3.0, "dragan": 10.0}),
    ],
)
def test_penalty_weights_of_style_based_models_depend_on_the_penalty(penalty, weights):
    found = CLASSES["stylegan2"].resolve(penalty=penalty)
    assert found.penalty_weights() == weights
    saved = json.loads(json.dumps(dataclasses.asdict(found)))
    assert CLASSES["stylegan2"].resolve(**saved) == found


@pytest.mark.parametrize(("name", "default"), [("dcgan", 10.0), ("stylegan2", 1.0)])
@pytest.mark.parametrize("penalty", ["r1:5", "r1:5,r2:0.5"])
def test_resolve_of_a_penalty_weight_that_no_penalty_has_raises(penalty, name, default):
    norm = {"d_norm": "none"} if name == "dcgan" else {}
    with pytest.raises(UserError) as error:
        CLASSES[name].resolve(**norm, penalty=penalty, penalty_weight=3.0)
    assert str(error.value) == (
        "penalty_weight: applies to penalties without a weight of their own, and all of penalty="
        f"{penalty} have one"
    )
    CLASSES[name].resolve(**norm, penalty=penalty, penalty_weight=default)


@pytest.mark.parametrize("penalty", ["r1,r1", "r1,r3", "r1:0", "r1:-1", "r1:x", "none,r1"])
def test_resolve_of_unknown_repeated_or_invalidly_weighted_penalties_raises(penalty):
    spec = AdversarialHyperparameters.__dataclass_fields__["penalty"]
    with pytest.raises(UserError) as error:
        resolve(d_norm="none", penalty=penalty)
    assert str(error.value) == f"penalty: expected {fields.allowed(spec)}, got {penalty}"


# Augmentation.


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("policy", POLICIES)
def test_adaptive_augmentation_requires_a_decision_threshold(policy, loss):
    if POLICIES[policy].adapts and not LOSSES[loss].has_threshold:
        with pytest.raises(UserError) as error:
            resolve(augment=policy, loss=loss)
        assert str(error.value) == (
            f"augment: {policy} requires a loss with a decision threshold, and loss={loss} has "
            "none; use diffaug"
        )
    else:
        assert resolve(augment=policy, loss=loss).augment == policy


# Data sets, the command line, and config.json.


@pytest.mark.parametrize("name", models.REGISTRY)
@pytest.mark.parametrize("dataset", KNOWN)
def test_resolve_agrees_with_the_command_line(name, dataset):
    parsed = options.parse([f"--model={name}", f"--dataset={dataset}"])
    assert CLASSES[name].resolve(dataset) == parsed.hp
    parsed = options.parse([f"--model={name}", f"--dataset={dataset.lower()}", "--epochs=7"])
    assert CLASSES[name].resolve(dataset, epochs=7) == parsed.hp


@pytest.mark.parametrize("name", models.REGISTRY)
@pytest.mark.parametrize("dataset", KNOWN)
def test_defaults_resolve_to_themselves_from_config_json(name, dataset):
    found = CLASSES[name].resolve(dataset)
    saved = json.loads(json.dumps(dataclasses.asdict(found)))
    assert None in saved.values()
    assert CLASSES[name].resolve(**saved) == found


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ({"penalty": "none"}, {"penalty": ()}),
        ({"penalty": "r1", "d_norm": "none"}, {"penalty": ("r1",), "penalty_weight": 10.0}),
        ({"continuous_loss": "ols"}, {"continuous_loss": "mse"}),
        ({"continuous_loss": "gaussian"}, {"continuous_loss": "gaussian"}),
    ],
)
def test_resolve_of_values_of_older_configs_is_supported(saved, expected):
    found = InfoGANHyperparameters.resolve(**saved)
    assert {name: getattr(found, name) for name in expected} == expected
    flags = [f"--{name}={value}" for name, value in saved.items()]
    parsed = options.parse(["--model=infogan", "--dataset=none", *flags])
    assert parsed.hp == found


# The papers.


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gan", {"network": "mlp", "loss": "non_saturating", "penalty": (), "n_critic": 1}),
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
                "beta_1": None, "penalty": (), "penalty_weight": None, "d_norm": "none",
            },
        ),
        (
            # Algorithm 1: lambda = 10, n_critic = 5, alpha = 0.0001, beta_1 = 0, beta_2 = 0.9.
            "wgan_gp",
            {
                "loss": "wasserstein", "optimizer": "adam", "g_learning_rate": 1e-4,
                "d_learning_rate": 1e-4, "beta_1": 0.0, "beta_2": 0.9, "batch_size": 64,
                "n_critic": 5, "penalty": ("gradient",), "penalty_weight": 10.0,
                "penalty_interval": 1, "d_norm": "layer",
            },
        ),
        (
            "dragan",
            {
                "loss": "non_saturating", "penalty": ("dragan",), "penalty_weight": 10.0,
                "n_critic": 1, "d_norm": "layer",
            },
        ),
        ("sngan", {"loss": "hinge", "d_norm": "spectral", "penalty": ()}),
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
                "label_smoothing": None, "penalty": (),
            },
        ),
    ],
)  # fmt: skip
def test_defaults_are_those_of_the_paper(name, expected):
    found = CLASSES[name].resolve()
    assert {field: getattr(found, field) for field in expected} == expected


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
def test_resolve_of_options_that_a_model_lacks_or_cannot_combine_raises(name, given):
    with pytest.raises(UserError) as error:
        CLASSES[name].resolve(**given)
    assert error.value.option == next(iter(given))
    assert "\n" not in str(error.value)


# Codes of InfoGAN.


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"categorical_codes": "10,1"},
            "categorical_codes: expected integers >= 2 separated by commas, or an empty text, got "
            "10,1",
        ),
        (
            {"categorical_codes": "", "continuous_codes": 0},
            "categorical_codes: is empty, and with continuous_codes=0 the model has no code; set "
            "one of the two",
        ),
        (
            {"categorical_codes": "", "supervised_fraction": 0.5},
            "supervised_fraction: requires a categorical code, and categorical_codes is empty",
        ),
        (
            {"continuous_codes": 0, "thickness_guidance": True},
            "thickness_guidance: requires a continuous code, and continuous_codes is 0",
        ),
        (
            {"augment": "diffaug", "invariance_weight": 1.0},
            "invariance_weight: does not combine with augment=diffaug, which changes the images of "
            "Q; use one of the two",
        ),
    ],
)
def test_resolve_of_code_options_that_cannot_be_combined_raises_one_line(given, message):
    with pytest.raises(UserError) as error:
        InfoGANHyperparameters.resolve(**given)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("codes", "sizes"), [("10", (10,)), ("10,4", (10, 4)), (" 3 , 2 ", (3, 2)), ("", ()), (" ", ())]
)
def test_categories_are_the_sizes_of_the_categorical_codes(codes, sizes):
    assert InfoGANHyperparameters.resolve(categorical_codes=codes).categories == sizes


@pytest.mark.parametrize("off", ["sx", "sz"])
def test_scores_of_bigbigan_that_leave_a_network_untrained_raise(off):
    network = {"sx": "generator", "sz": "encoder"}[off]
    with pytest.raises(UserError) as error:
        CLASSES["bigbigan"].resolve(sxz=False, **{off: False})
    assert str(error.value) == (
        f"{off}: with {off} and sxz off, no score trains the {network}; switch one on"
    )


# The registry.


FIELDS = [
    pytest.param(spec, id=f"{name}-{spec.name}")
    for name, cls in CLASSES.items()
    for spec in dataclasses.fields(cls)
]


@pytest.mark.parametrize("spec", FIELDS)
def test_fields_have_a_help_text_and_allow_their_defaults(spec):
    assert spec.metadata["help"].strip()
    assert spec.metadata["group"].strip()
    assert fields.allowed(spec)
    defaults = {**spec.metadata["of_choice"], **spec.metadata["by_dataset"]}
    for value in (spec.default, *defaults.values()):
        fields.check_value(spec, value)


@pytest.mark.parametrize("name", models.REGISTRY)
def test_field_of_alternatives_follows_its_choice_and_may_be_none(name):
    specs = {spec.name: spec for spec in dataclasses.fields(CLASSES[name])}
    dependent = [spec for spec in specs.values() if spec.metadata["owner"]]
    assert dependent
    for spec in dependent:
        owner = spec.metadata["owner"]
        assert list(specs).index(owner) < list(specs).index(spec.name)
        assert set(spec.metadata["of_choice"]) <= set(specs[owner].metadata["alternatives"])
        assert None not in spec.metadata["of_choice"].values()
        fields.check_value(spec, None)  # if it does not apply


def test_choices_have_the_declared_alternatives():
    declared = {
        "loss": LOSSES, "penalty": PENALTIES, "augment": POLICIES, "optimizer": OPTIMIZERS,
        "network": BACKBONES, "g_norm": GENERATOR_NORMS, "d_norm": NORMS,
        "continuous_loss": CODE_LOSSES,
    }  # fmt: skip
    for name, alternatives in declared.items():
        spec = InfoGANHyperparameters.__dataclass_fields__[name]
        assert spec.metadata["alternatives"] is alternatives
    assert CLASSES["stylegan"].__dataclass_fields__["network"].metadata["alternatives"] is STYLED


def test_priors_and_initializers_of_the_choices_are_implemented():
    from models.latents import noise

    specs = AdversarialHyperparameters.__dataclass_fields__
    for prior in specs["prior"].metadata["choices"]:
        assert noise(3, prior).event_shape == (3,)
    assert specs["initializer"].metadata["choices"] == tuple(INITIALIZERS)
    for initializer in INITIALIZERS.values():
        assert initializer.make()((2, 2)).shape == (2, 2)


@pytest.mark.parametrize("backbone", BACKBONES.values(), ids=lambda b: b.name)
def test_backbone_loads_the_module_that_implements_it(backbone):
    module = backbone.load()
    assert module.__name__ == backbone.module
    assert callable(module.generator)
    assert callable(module.trunk)


@pytest.mark.parametrize("name", models.REGISTRY)
def test_networks_with_a_module_define_a_generator_and_a_trunk(name):
    for networks in CLASSES[name].__dataclass_fields__["network"].metadata["alternatives"].values():
        if isinstance(networks, Backbone):
            for function in (networks.load().generator, networks.load().trunk):
                assert {"image_shape", "norm"} <= inspect.signature(function).parameters.keys()
        else:
            assert not hasattr(networks, "module")


@pytest.mark.parametrize("name", NORMS)
def test_norm_of_activations_differs_in_the_spectral_norm_alone(name):
    norm = NORMS[name]
    plain = NORMS[norm.of_activations]
    assert (plain.batch, plain.layer, plain.spectral) == (norm.batch, norm.layer, False)


def test_norm_of_activations_is_derived_from_its_facts():
    assert Norm(name="both_of_layers", layer=True, spectral=True).of_activations == "layer"


@pytest.mark.parametrize("name", models.REGISTRY)
def test_registry_entry_has_a_class_with_its_hyperparameters(name):
    entry = models.REGISTRY[name]
    assert entry.load().Hyperparameters is entry.hyperparameters
    assert getattr(models, entry.class_name) is entry.load()


def test_models_attribute_of_an_unknown_name_raises():
    with pytest.raises(AttributeError, match="'models' has no attribute 'Perceptron'"):
        models.Perceptron  # noqa: B018


@pytest.mark.parametrize("module", ["models", "models.declarations"])
def test_import_of_the_registry_leaves_tensorflow_unimported(module):
    check = f"import sys, {module}; print(sorted({{'tensorflow', 'keras'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", check],
        cwd=models.__path__[0] + "/..",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_numbers_of_numpy_are_hyperparameters():
    numbers = {"width": np.int64(8), "g_learning_rate": np.float32(0.5), "beta_1": np.float64(0.2)}
    hp = models.REGISTRY["dcgan"].hyperparameters.resolve(**numbers)
    assert {name: getattr(hp, name) for name in numbers} == numbers
    assert {type(getattr(hp, name)) for name in numbers} == {int, float}
    with pytest.raises(UserError, match=r"^width: expected an integer >= 1, got 8\.0"):
        models.REGISTRY["dcgan"].hyperparameters.resolve(width=np.float64(8.0))
