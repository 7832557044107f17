"""The hyperparameters of every model: one frozen dataclass each, from which the flags are made.

A field says its default, what it means, its range or choices, where it comes from, and the
defaults that depend on the data set. This module imports nothing slow, so that a command line is
checked before TensorFlow is loaded.
"""

import dataclasses
import difflib
import math
import operator
import typing
from typing import Any

from errors import UserError

COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


# Losses of whose scores none is the boundary between real and fake images.
WITHOUT_BOUNDARY = ("wasserstein", "relativistic", "relativistic_average", "equilibrium")


def field(
    default: Any,
    help: str,
    *,
    group: str,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    by: tuple[str, dict[str, Any]] | None = None,
    by_dataset: dict[str, Any] | None = None,
    may_change: bool = False,
):
    """A dataclass field that knows how to describe and to check itself.

    Args:
        default: the value where neither the user nor by_dataset says another; its type is the
            flag's type. None stands for "derived from the rest" and needs an annotation such as
            `int | None`.
        help: one sentence with the unit and the source (paper, section).
        group: the heading under which --help lists it.
        at_least, above, at_most, below: the range of a number.
        choices: the values of a string.
        by: another field's name, and for each of its values to which this field means something
            the default; with any other the field is None, and may not be given. A `default` other
            than None goes before those.
        by_dataset: canonical data set name -> default for that data set.
        may_change: whether a run may go on with another value.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "help": help,
            "group": group,
            "range": {
                sign: limit
                for sign, limit in ((">=", at_least), (">", above), ("<=", at_most), ("<", below))
                if limit is not None
            },
            "choices": choices,
            "by": by or ("", {}),
            "by_dataset": by_dataset or {},
            "may_change": may_change,
        },
    )


def override(cls: type, name: str, default: Any, **changes):
    """The field `name` of a parent dataclass with another default (and other metadata)."""
    parent = cls.__dataclass_fields__[name]
    return dataclasses.field(default=default, metadata={**parent.metadata, **changes})


def allowed(spec: dataclasses.Field) -> str:
    """What a field may be, in words: 'one of a, b', 'a number >= 0 and < 1'."""
    if spec.metadata["choices"]:
        return "one of " + ", ".join(spec.metadata["choices"])
    limits = [f"{sign} {limit}" for sign, limit in spec.metadata["range"].items()]
    kind = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return " ".join([kind[value_type(spec)], " and ".join(limits)]).strip()


def value_type(spec: dataclasses.Field) -> type:
    """The plain type of a field: `int | None` counts as int."""
    options = typing.get_args(spec.type) or (spec.type,)
    return next(option for option in options if option is not type(None))


def check_value(spec: dataclasses.Field, value: Any) -> None:
    """Raises UserError unless `value` is one that the field may have."""
    if value is None and type(None) in typing.get_args(spec.type):
        return
    kind = value_type(spec)
    good = isinstance(value, (int, float) if kind is float else kind)
    good = good and (kind is bool or not isinstance(value, bool))
    if good and spec.metadata["choices"]:
        good = value in spec.metadata["choices"]
    ranges = spec.metadata["range"].items()
    good = good and (kind is not float or math.isfinite(value))
    good = good and all(COMPARE[sign](value, limit) for sign, limit in ranges)
    if not good:
        raise UserError(f"--{spec.name}={value}: it must be {allowed(spec)}")


def near(name: str, names, prefix: str = "") -> str:
    """'; did you mean x?' for the closest of `names`, or an empty string."""
    found = difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(prefix + name for name in found)}?" if found else ""


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """What every model has. Subclasses add what their paper adds."""

    epochs: int = field(
        20, "passes over the training images", group="training", at_least=1, may_change=True
    )
    batch_size: int = field(64, "images a step and a network", group="training", at_least=1)

    def __post_init__(self):
        for spec in dataclasses.fields(self):
            check_value(spec, getattr(self, spec.name))

    @classmethod
    def resolve(cls, dataset: str = "", **given):
        """The given values over the data set's defaults over the model's.

        Raises:
            UserError: for a name that the model does not have, or one that means nothing
                to what else was chosen, or a value out of range.
        """
        specs = {spec.name: spec for spec in dataclasses.fields(cls)}
        for name in given:
            if name not in specs:
                raise UserError(f"no hyperparameter {name}{near(name, specs)}")
        given = {name: value for name, value in given.items() if value is not None}
        values = {}
        for name, spec in specs.items():
            other, defaults = spec.metadata["by"]
            default = spec.metadata["by_dataset"].get(dataset, spec.default)
            if other and values[other] not in defaults:
                if name in given:
                    check_value(specs[other], values[other])
                    raise UserError(
                        f"--{name}: --{other}={values[other]} has none; {', '.join(defaults)} has"
                    )
                values[name] = None
                continue
            if other and default is None:
                default = defaults[values[other]]
            values[name] = given.get(name, default)
        return cls(**values)


@dataclasses.dataclass(frozen=True)
class NetworkHyperparameters(Hyperparameters):
    """Which backbone, and how large."""

    network: str = field(
        "dcgan",
        "of all parts: fully connected, strided convolutions (Radford et al. 2016), or residual "
        "blocks (Gulrajani et al. 2017)",
        group="networks",
        choices=("mlp", "dcgan", "resnet"),
    )
    width: int | None = field(
        None,
        "units of a hidden layer (mlp); channels of the layer nearest the image, doubled at each "
        "halving (dcgan); channels of each block (resnet)",
        group="networks",
        at_least=1,
        by=("network", {"mlp": 512, "dcgan": 64, "resnet": 128}),
    )
    depth: int | None = field(
        None, "hidden layers of each network", group="networks", at_least=1,
        by=("network", {"mlp": 3}),
    )  # fmt: skip
    kernel_size: int | None = field(
        None,
        "side of the convolutions; even, so that strides of 2 leave no checkerboard (the paper: 5)",
        group="networks",
        at_least=2,
        by=("network", {"dcgan": 4}),
    )
    dense_units: int | None = field(
        None,
        "units of a dense layer beside the smallest feature map (Chen et al. 2016, table 1); 0: "
        "none, as in DCGAN, which leaves networks for 28 pixels too shallow",
        group="networks",
        at_least=0,
        by=("network", {"dcgan": 0}),
        by_dataset={"MNIST": 1024, "FASHION_MNIST": 1024},
    )
    attention: int | None = field(
        None,
        "side of the feature map that attends to itself (Zhang et al. 2019); 0: none",
        group="networks",
        at_least=0,
        by=("network", {"resnet": 0}),
    )
    initializer: str | None = field(
        None,
        "first kernels: N(0, 0.02) as in DCGAN, Xavier (Glorot and Bengio 2010) or He et al. 2015",
        group="networks",
        choices=("normal", "xavier", "he"),
        by=("network", {"mlp": "xavier", "dcgan": "normal", "resnet": "he"}),
    )

    def layout(self) -> dict[str, Any]:
        """What the chosen network is told, but for its norms."""
        return {
            spec.name: getattr(self, spec.name)
            for spec in dataclasses.fields(self)
            if spec.metadata["by"][0] == "network"
            and not spec.name.endswith("norm")
            and self.network in spec.metadata["by"][1]
        }


@dataclasses.dataclass(frozen=True)
class AdversarialHyperparameters(NetworkHyperparameters):
    """A generator against a discriminator."""

    noise_dim: int = field(
        100, "dimensions of the noise z (Radford et al. 2016, 4)", group="latents", at_least=1
    )
    prior: str = field(
        "normal",
        "distribution of each dimension of z: N(0, 1) or uniform(-1, 1)",
        group="latents",
        choices=("normal", "uniform"),
    )
    loss: str = field(
        "non_saturating",
        "what D and G minimise (losses/adversarial.py has the equations)",
        group="loss",
        choices=(
            "non_saturating", "minimax", "least_squares", "wasserstein", "hinge", "relativistic",
            "relativistic_average",
        ),
    )  # fmt: skip
    label_smoothing: float | None = field(
        None,
        "one-sided: D's target for real images is 1 minus this (Salimans et al. 2016, 3.4)",
        group="loss",
        at_least=0,
        below=1,
        by=("loss", {"non_saturating": 0.0, "minimax": 0.0}),
    )
    fake_label: float | None = field(
        None, "a: D's target for fake images (Mao et al. 2017, equation 2)", group="loss",
        by=("loss", {"least_squares": 0.0}),
    )  # fmt: skip
    real_label: float | None = field(
        None, "b: D's target for real images", group="loss",
        by=("loss", {"least_squares": 1.0}),
    )  # fmt: skip
    generator_label: float | None = field(
        None, "c: what G wants D to say of fake images", group="loss",
        by=("loss", {"least_squares": 1.0}),
    )  # fmt: skip
    penalty: str = field(
        "none",
        "of D's slope: between real and fake images (Gulrajani et al. 2017), around real ones "
        "(DRAGAN, Kodali et al. 2017), at real or at fake ones (Mescheder et al. 2018)",
        group="loss",
        choices=("none", "gradient", "dragan", "r1", "r2"),
    )
    penalty_weight: float | None = field(
        None,
        "what the penalty is multiplied with",
        group="loss",
        above=0,
        by=("penalty", dict.fromkeys(("gradient", "dragan", "r1", "r2"), 10.0)),
    )
    penalty_interval: int | None = field(
        None,
        "the penalty is applied at each so many steps, as many times as strong (Karras et al. "
        "2020, appendix B)",
        group="loss",
        at_least=1,
        by=("penalty", dict.fromkeys(("gradient", "dragan", "r1", "r2"), 1)),
    )
    augment: str = field(
        "none",
        "what D is shown is changed by colour, translation and cutout: always (DiffAugment, Zhao "
        "et al. 2020), or with a probability that adapts to how D overfits (ADA, Karras et al. "
        "2020a)",
        group="augmentation",
        choices=("none", "diffaug", "ada"),
    )
    augment_target: float | None = field(
        None,
        "the mean sign of D's scores of real images to which the probability is adapted (2020a, "
        "3.1)",
        group="augmentation",
        above=-1,
        below=1,
        by=("augment", {"ada": 0.6}),
    )
    augment_kimg: float | None = field(
        None,
        "thousands of real images in which the probability can go from 0 to 1 (2020a, 3.1)",
        group="augmentation",
        above=0,
        by=("augment", {"ada": 500.0}),
    )
    n_critic: int = field(
        1,
        "updates of D, each on fresh images, for one of G (k in Goodfellow et al. 2014)",
        group="training",
        at_least=1,
    )
    optimizer: str = field(
        "adam",
        "of all networks: Adam (Kingma and Ba 2015) or RMSprop (Hinton 2012)",
        group="optimisation",
        choices=("adam", "rmsprop"),
    )
    g_learning_rate: float = field(2e-4, "step size for G", group="optimisation", above=0)
    d_learning_rate: float = field(2e-4, "step size for D", group="optimisation", above=0)
    beta_1: float | None = field(
        None,
        "decay of the gradient's average (Radford et al. 2016, 4)",
        group="optimisation",
        at_least=0,
        below=1,
        by=("optimizer", {"adam": 0.5}),
    )
    beta_2: float | None = field(
        None,
        "decay of the squared gradient's average",
        group="optimisation",
        at_least=0,
        below=1,
        by=("optimizer", {"adam": 0.999, "rmsprop": 0.99}),
    )
    ema_decay: float = field(
        0.999,
        "decay a step of the average of G's weights (and E's) that samples are drawn from; 0: G "
        "itself",
        group="optimisation",
        at_least=0,
        below=1,
    )
    g_norm: str | None = field(
        None,
        "normalisation in G: batch (Ioffe and Szegedy 2015)",
        group="networks",
        choices=("none", "batch"),
        by=("network", {"mlp": "none", "dcgan": "batch", "resnet": "batch"}),
    )
    d_norm: str | None = field(
        None,
        "normalisation in D: batch, layer (Ba et al. 2016), spectral (Miyato et al. 2018), or both "
        "batch and spectral",
        group="networks",
        choices=("none", "batch", "layer", "spectral", "both"),
        by=("network", {"mlp": "none", "dcgan": "batch", "resnet": "none"}),
    )

    def __post_init__(self):
        super().__post_init__()
        if self.penalty != "none" and self.d_norm in ("batch", "both"):
            raise UserError(
                f"--d_norm={self.d_norm}: --penalty={self.penalty} is of each image alone, and "
                "batch norm mixes them; take layer, spectral or none"
            )
        if self.augment == "ada" and self.loss in WITHOUT_BOUNDARY:
            raise UserError(
                f"--augment=ada: --loss={self.loss} has no score that divides real from fake "
                "images, which it adapts by; take --augment=diffaug"
            )
        if self.loss == "least_squares" and self.fake_label >= self.real_label:
            raise UserError(
                f"--fake_label={self.fake_label}: it must be below --real_label={self.real_label}"
            )


@dataclasses.dataclass(frozen=True)
class GANHyperparameters(AdversarialHyperparameters):
    """Fully connected networks."""

    network: str = override(AdversarialHyperparameters, "network", "mlp")


@dataclasses.dataclass(frozen=True)
class CGANHyperparameters(AdversarialHyperparameters):
    """Both networks are told the class."""

    g_conditioning: str = field(
        "concat",
        "how G is told the class: beside the noise (Mirza and Osindero 2014), or by the gains and "
        "biases of its batch norm (de Vries et al. 2017)",
        group="networks",
        choices=("concat", "batch_norm"),
    )
    d_conditioning: str = field(
        "concat",
        "how D is told the class: as further channels of the image (Mirza and Osindero 2014), or "
        "by a projection of its features (Miyato and Koyama 2018)",
        group="networks",
        choices=("concat", "projection"),
    )

    def __post_init__(self):
        super().__post_init__()
        if self.g_conditioning == "batch_norm" and self.g_norm != "batch":
            raise UserError(
                f"--g_conditioning=batch_norm: there is none with --g_norm={self.g_norm}"
            )


@dataclasses.dataclass(frozen=True)
class LSGANHyperparameters(AdversarialHyperparameters):
    """Mao et al. 2017."""

    loss: str = override(AdversarialHyperparameters, "loss", "least_squares")


@dataclasses.dataclass(frozen=True)
class WGANHyperparameters(AdversarialHyperparameters):
    """Arjovsky et al. 2017, algorithm 1."""

    loss: str = override(AdversarialHyperparameters, "loss", "wasserstein")
    n_critic: int = override(AdversarialHyperparameters, "n_critic", 5)
    optimizer: str = override(AdversarialHyperparameters, "optimizer", "rmsprop")
    g_learning_rate: float = override(AdversarialHyperparameters, "g_learning_rate", 5e-5)
    d_learning_rate: float = override(AdversarialHyperparameters, "d_learning_rate", 5e-5)
    # The paper's critic has batch norm; with gains within the clip it leaves G almost no gradient.
    d_norm: str | None = override(AdversarialHyperparameters, "d_norm", "none")
    clip: float = field(
        0.01, "the critic's weights are kept within plus and minus this", group="loss", above=0
    )


@dataclasses.dataclass(frozen=True)
class WGANGPHyperparameters(AdversarialHyperparameters):
    """Gulrajani et al. 2017, algorithm 1."""

    loss: str = override(AdversarialHyperparameters, "loss", "wasserstein")
    penalty: str = override(AdversarialHyperparameters, "penalty", "gradient")
    n_critic: int = override(AdversarialHyperparameters, "n_critic", 5)
    g_learning_rate: float = override(AdversarialHyperparameters, "g_learning_rate", 1e-4)
    d_learning_rate: float = override(AdversarialHyperparameters, "d_learning_rate", 1e-4)
    beta_1: float | None = override(AdversarialHyperparameters, "beta_1", 0.0)
    beta_2: float | None = override(AdversarialHyperparameters, "beta_2", 0.9)
    d_norm: str | None = override(AdversarialHyperparameters, "d_norm", "layer")


@dataclasses.dataclass(frozen=True)
class DRAGANHyperparameters(AdversarialHyperparameters):
    """Kodali et al. 2017."""

    penalty: str = override(AdversarialHyperparameters, "penalty", "dragan")
    d_norm: str | None = override(AdversarialHyperparameters, "d_norm", "layer")


@dataclasses.dataclass(frozen=True)
class SNGANHyperparameters(AdversarialHyperparameters):
    """Miyato et al. 2018."""

    loss: str = override(AdversarialHyperparameters, "loss", "hinge")
    d_norm: str | None = override(AdversarialHyperparameters, "d_norm", "spectral")


@dataclasses.dataclass(frozen=True)
class BEGANHyperparameters(AdversarialHyperparameters):
    """Berthelot et al. 2017."""

    noise_dim: int = override(AdversarialHyperparameters, "noise_dim", 64)
    prior: str = override(AdversarialHyperparameters, "prior", "uniform")
    loss: str = override(AdversarialHyperparameters, "loss", "equilibrium",
                         choices=("equilibrium",))  # fmt: skip
    penalty: str = override(AdversarialHyperparameters, "penalty", "none", choices=("none",))
    # On MNIST the paper's settings soon give one image, which is reconstructed well.
    g_learning_rate: float = override(AdversarialHyperparameters, "g_learning_rate", 1e-4,
                                      by_dataset={"MNIST": 5e-4})  # fmt: skip
    d_learning_rate: float = override(AdversarialHyperparameters, "d_learning_rate", 1e-4,
                                      by_dataset={"MNIST": 5e-4})  # fmt: skip
    g_norm: str | None = override(AdversarialHyperparameters, "g_norm", "none",
                                  by_dataset={"MNIST": "batch"})  # fmt: skip
    d_norm: str | None = override(AdversarialHyperparameters, "d_norm", "none",
                                  choices=("none", "batch"),
                                  by_dataset={"MNIST": "batch"})  # fmt: skip
    initializer: str | None = override(AdversarialHyperparameters, "initializer", "he")
    hidden_dim: int = field(64, "dimensions of D's code of an image", group="networks", at_least=1)
    gamma: float = field(
        0.5,
        "diversity ratio: how much worse D reconstructs fake images than real ones at equilibrium "
        "(3.4)",
        group="loss",
        above=0,
        at_most=1,
        by_dataset={"MNIST": 0.75},
    )
    lambda_k: float = field(0.001, "step size of k (3.4)", group="loss", above=0,
                            by_dataset={"MNIST": 0.1})  # fmt: skip


@dataclasses.dataclass(frozen=True)
class InfoGANHyperparameters(AdversarialHyperparameters):
    """Chen et al. 2016."""

    epochs: int = override(
        AdversarialHyperparameters, "epochs", 50, by_dataset={"MNIST": 50, "CIFAR10": 150}
    )
    batch_size: int = override(AdversarialHyperparameters, "batch_size", 256)
    noise_dim: int = override(AdversarialHyperparameters, "noise_dim", 62,
                              by_dataset={"CIFAR10": 64})  # fmt: skip
    # On CIFAR-10 a faster G keeps D guessing, and its images stay blurred.
    g_learning_rate: float = override(AdversarialHyperparameters, "g_learning_rate", 1e-3,
                                      by_dataset={"CIFAR10": 2e-4})  # fmt: skip
    categorical_codes: str = field(
        "10",
        "sizes of the categorical codes, with commas between, as in 10,4; empty: none",
        group="latents",
    )
    continuous_codes: int = field(
        2, "continuous codes, each uniform(-1, 1)", group="latents", at_least=0
    )
    categorical_weight: float = field(
        1.0, "lambda of the categorical codes (equation 6)", group="loss", above=0
    )
    continuous_weight: float = field(
        0.5, "lambda of the continuous codes", group="loss", above=0, by_dataset={"CIFAR10": 1.0}
    )
    continuous_warmup: int = field(
        0,
        "steps over which the lambda of the continuous codes, and what invariance_weight is to "
        "them, rises from 0, so that the categories are found first",
        group="loss",
        at_least=0,
    )
    continuous_loss: str = field(
        "ols",
        "of the continuous codes: squared error, or minus the log likelihood of a Gaussian whose "
        "deviation Q says, too",
        group="loss",
        choices=("ols", "gaussian"),
    )
    information_trains: str = field(
        "trunk",
        "what learns to read the codes: Q's own layers with D's trunk below them, as the authors' "
        "code has it, or Q's own layers on D's features as they are; G learns to make codes "
        "readable with either",
        group="loss",
        choices=("trunk", "heads"),
    )
    q_learning_rate: float = field(1e-3, "step size for Q", group="optimisation", above=0)
    q_units: int = field(
        128, "units of Q's hidden layer (appendix C)", group="networks", at_least=1
    )
    invariance_weight: float = field(
        0.0,
        "lambda of reading the same codes in a real image and in copies of it (after Hu et al. "
        "2017): continuous codes in stretched, resized and shifted ones, categories in such as are "
        "also sheared and turned; 0: off",
        group="loss",
        at_least=0,
    )
    supervised_fraction: float = field(
        0.0,
        "share of the training images whose class Q is told, so that code k is class k",
        group="loss",
        at_least=0,
        at_most=1,
    )
    thickness_guidance: bool = field(
        False,
        "tell Q that the first continuous code is the thickness of strokes, light on dark",
        group="loss",
    )

    def __post_init__(self):
        super().__post_init__()
        sizes = [size.strip() for size in self.categorical_codes.split(",")]
        if sizes != [""] and not all(size.isdecimal() and int(size) > 1 for size in sizes):
            raise UserError(
                f"--categorical_codes={self.categorical_codes}: it must be whole numbers >= 2 with "
                "commas between, or empty"
            )
        if not self.categories and not self.continuous_codes:
            raise UserError(
                "--categorical_codes: it is empty, and with --continuous_codes=0 there is no code "
                "at all; give one of them"
            )
        if not self.categories:
            self._refuse(
                "there is no categorical code (--categorical_codes is empty)",
                "supervised_fraction", "categorical_weight",
            )  # fmt: skip
        if not self.continuous_codes:
            self._refuse(
                "there is no continuous code (--continuous_codes=0)",
                "thickness_guidance", "continuous_warmup", "continuous_loss", "continuous_weight",
            )  # fmt: skip
        if self.augment != "none":
            self._refuse(
                f"Q sees only what --augment={self.augment} leaves of images; take one of the two",
                "invariance_weight", "thickness_guidance",
            )  # fmt: skip

    def _refuse(self, reason: str, *names: str) -> None:
        """Raises UserError, for a reason, if one of the fields is not at a default."""
        for name in names:
            spec = self.__dataclass_fields__[name]
            if getattr(self, name) not in (spec.default, *spec.metadata["by_dataset"].values()):
                raise UserError(f"--{name}: {reason}")

    @property
    def categories(self) -> tuple[int, ...]:
        """The sizes of the categorical codes."""
        return tuple(int(size) for size in self.categorical_codes.split(",") if size.strip())


@dataclasses.dataclass(frozen=True)
class BiGANHyperparameters(AdversarialHyperparameters):
    """Donahue et al. 2017."""

    noise_dim: int = override(AdversarialHyperparameters, "noise_dim", 50)
    prior: str = override(AdversarialHyperparameters, "prior", "uniform")
    encoder: str = field(
        "deterministic",
        "E says z itself, or the mean and the deviation of a Gaussian, of which z is a draw",
        group="networks",
        choices=("deterministic", "gaussian"),
    )
    e_learning_rate: float = field(2e-4, "step size for E", group="optimisation", above=0)
    e_norm: str | None = field(
        None,
        "normalisation in E: batch (Ioffe and Szegedy 2015)",
        group="networks",
        choices=("none", "batch"),
        by=("network", {"mlp": "batch", "dcgan": "batch", "resnet": "batch"}),
    )
    reconstruction_weight: float = field(
        0.0,
        "what the mean squared error of G(E(x)), a pixel and channel, is multiplied with, which G "
        "and E then minimise besides (Li et al. 2017); 0: off",
        group="loss",
        at_least=0,
    )
    joint_units: int = field(
        512, "units of D's layers on z, and on its features of both", group="networks", at_least=1
    )
    joint_depth: int = field(2, "how many layers each of these has", group="networks", at_least=1)

    def __post_init__(self):
        super().__post_init__()
        if self.encoder == "gaussian" and self.prior != "normal":
            raise UserError(
                f"--encoder=gaussian: its draws leave the range of --prior={self.prior}; take "
                "--prior=normal"
            )


@dataclasses.dataclass(frozen=True)
class BigBiGANHyperparameters(BiGANHyperparameters):
    """Donahue and Simonyan 2019."""

    noise_dim: int = override(BiGANHyperparameters, "noise_dim", 120)
    prior: str = override(BiGANHyperparameters, "prior", "normal")
    encoder: str = override(BiGANHyperparameters, "encoder", "gaussian")
    loss: str = override(BiGANHyperparameters, "loss", "hinge")
    network: str = override(BiGANHyperparameters, "network", "resnet")
    d_norm: str | None = override(BiGANHyperparameters, "d_norm", "spectral")
    sx: bool = field(True, "D scores images alone", group="loss")
    sz: bool = field(True, "D scores latents alone", group="loss")
    sxz: bool = field(True, "D scores pairs of an image and its latent", group="loss")

    def __post_init__(self):
        super().__post_init__()
        for one, network in (("sx", "G"), ("sz", "E")):
            if not self.sxz and not getattr(self, one):
                raise UserError(
                    f"--no{one}: with --nosxz nothing trains {network}; give only one of the two"
                )


@dataclasses.dataclass(frozen=True)
class InfoBigBiGANHyperparameters(BigBiGANHyperparameters, InfoGANHyperparameters):
    """BigBiGAN with a categorical code."""

    continuous_codes: int = override(InfoGANHyperparameters, "continuous_codes", 0)
    q_learning_rate: float = override(InfoGANHyperparameters, "q_learning_rate", 2e-4)


@dataclasses.dataclass(frozen=True)
class StyleHyperparameters(AdversarialHyperparameters):
    """Karras et al. 2019 and 2020: what StyleGAN and StyleGAN2 have in common."""

    network: str = override(
        AdversarialHyperparameters, "network", "styled", choices=("styled",),
        help="its own: styles in G, convolutions at each size in D (Karras et al. 2018, table 2)",
    )  # fmt: skip
    width: int | None = override(
        AdversarialHyperparameters, "width", 64,
        help="channels at the size of the image, doubled at each halving up to eight times",
        by=("", {}),
    )  # fmt: skip
    batch_size: int = override(AdversarialHyperparameters, "batch_size", 32)
    noise_dim: int = override(AdversarialHyperparameters, "noise_dim", 512)
    w_dim: int = field(512, "dimensions of the style w (2019, appendix C)", group="latents",
                       at_least=1)  # fmt: skip
    mapping_depth: int = field(
        8, "dense layers from z to w (2019, section 2)", group="networks", at_least=1
    )
    mapping_rate: float = field(
        0.01,
        "what the step size of the mapping network is multiplied with (2019, appendix C)",
        group="optimisation",
        above=0,
    )
    style_mixing: float = field(
        0.9,
        "share of the images whose later layers have the style of a second z (2019, section 3.1)",
        group="loss",
        at_least=0,
        at_most=1,
    )
    penalty: str = override(AdversarialHyperparameters, "penalty", "r1")
    penalty_weight: float | None = override(
        AdversarialHyperparameters, "penalty_weight", None,
        by=("penalty", {**dict.fromkeys(("gradient", "dragan"), 10.0), "r1": 1.0, "r2": 1.0}),
        help="what the penalty is multiplied with: gamma of R1 (2019: 10 at 1024 pixels; smaller "
        "images need less)",
    )  # fmt: skip
    penalty_interval: int | None = override(
        AdversarialHyperparameters, "penalty_interval", None,
        by=("penalty", dict.fromkeys(("gradient", "dragan", "r1", "r2"), 16)),
    )  # fmt: skip
    g_learning_rate: float = override(AdversarialHyperparameters, "g_learning_rate", 1e-3)
    d_learning_rate: float = override(AdversarialHyperparameters, "d_learning_rate", 1e-3)
    beta_1: float | None = override(AdversarialHyperparameters, "beta_1", 0.0)
    beta_2: float | None = override(AdversarialHyperparameters, "beta_2", 0.99)


@dataclasses.dataclass(frozen=True)
class StyleGANHyperparameters(StyleHyperparameters):
    """Karras et al. 2019."""

    growing_kimg: float = field(
        0.0,
        "thousands of real images that the smallest size is learnt for, each further one faded in "
        "for, and then learnt for (Karras et al. 2018, appendix A.1: 800; StyleGAN's code: 600); "
        "0: the full size from the start",
        group="training",
        at_least=0,
    )


@dataclasses.dataclass(frozen=True)
class StyleGAN2Hyperparameters(StyleHyperparameters):
    """Karras et al. 2020."""

    g_learning_rate: float = override(StyleHyperparameters, "g_learning_rate", 2e-3)
    d_learning_rate: float = override(StyleHyperparameters, "d_learning_rate", 2e-3)
    path_weight: float = field(
        2.0,
        "what the path length term is multiplied with (2020, equation 4); 0: off",
        group="loss",
        at_least=0,
    )
    path_interval: int = field(
        8,
        "the path length term is applied at each so many steps, as many times as strong (2020, "
        "appendix B)",
        group="loss",
        at_least=1,
    )


@dataclasses.dataclass(frozen=True)
class AutoencodingHyperparameters(NetworkHyperparameters):
    """An encoder and a decoder with one loss."""

    latent_dim: int = field(128, "dimensions of the code z", group="latents", at_least=1)
    reconstruction: str = field(
        "squared_error",
        "the error of a reconstruction, summed over pixels and channels: squared, of images in "
        "[-1, 1], or minus the log likelihood of Bernoulli variables, of images in [0, 1], in nats",
        group="loss",
        choices=("squared_error", "bernoulli"),
    )
    binarisation: str | None = field(
        None,
        "of the images before all else: none; 1 where a pixel is above a half; or a new draw each "
        "time with a pixel's value for its probability (Burda et al. 2016, 5)",
        group="loss",
        choices=("none", "threshold", "sampled"),
        by=("reconstruction", {"bernoulli": "sampled"}),
    )
    learning_rate: float = field(1e-3, "step size of Adam", group="optimisation", above=0)
    norm: str | None = field(
        None,
        "normalisation in both networks: batch (Ioffe and Szegedy 2015)",
        group="networks",
        choices=("none", "batch"),
        by=("network", {"mlp": "none", "dcgan": "batch", "resnet": "batch"}),
    )


@dataclasses.dataclass(frozen=True)
class VAEHyperparameters(AutoencodingHyperparameters):
    """Kingma and Welling 2014."""

    free_bits: float = field(
        0.0,
        "nats: below so many, on average over a batch, the KL divergence of a latent dimension is "
        "not minimised (Kingma et al. 2016, equation 15)",
        group="loss",
        at_least=0,
    )


@dataclasses.dataclass(frozen=True)
class BetaVAEHyperparameters(VAEHyperparameters):
    """Higgins et al. 2017."""

    beta: float = field(
        4.0, "what the KL divergence is multiplied with (equation 4)", group="loss", at_least=0
    )
    beta_schedule: str = field(
        "constant",
        "beta always; rising to it on a line from 0; or that over the first half of a cycle, again "
        "in each (Fu et al. 2019)",
        group="loss",
        choices=("constant", "linear", "cyclical"),
    )
    beta_warmup_epochs: int | None = field(
        None,
        "how many epochs the line, or a cycle, takes",
        group="loss",
        at_least=1,
        by=("beta_schedule", {"linear": 10, "cyclical": 10}),
    )
