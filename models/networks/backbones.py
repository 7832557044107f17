"""Declarations of the backbones and their options. Does not import TensorFlow."""

import dataclasses
import importlib
from types import ModuleType

from fields import Choice, Choices, PerDataset, field
from models.initializers import INITIALIZERS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Networks(Choice):
    """Family of networks that `network` selects.

    Attributes:
        generator_norm: default normalisation of the generator; None if it cannot be selected.
        trunk_norm: default normalisation of the discriminator's trunk; None if it cannot be
            selected.
        fixed_side: whether the image size must be supported by `models.networks.stages`.
    """

    generator_norm: str | None = None
    trunk_norm: str | None = None
    fixed_side: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Backbone(Networks):
    """Family of generators and discriminator trunks that any model can be built of.

    Attributes:
        module: name of the module that implements it, see models.networks.
        convolutional: True if its layers are convolutions.
    """

    module: str
    convolutional: bool = True

    def load(self) -> ModuleType:
        """Import and return the module. This imports TensorFlow."""
        return importlib.import_module(self.module)


def _initializer(default: str):
    return field(
        default,
        "initializer of the kernels: normal (N(0, 0.02), as in DCGAN), xavier (Glorot and Bengio "
        "2010) or he (He et al. 2015)",
        group="networks",
        choices=tuple(INITIALIZERS),
    )


def _width(default: int, help: str):
    return field(default, help, group="networks", at_least=1)


BACKBONES = Choices(
    Backbone,
    Backbone(
        name="mlp",
        module="models.networks.mlp",
        convolutional=False,
        generator_norm="none",
        trunk_norm="none",
        fixed_side=False,
        options={
            "width": _width(512, "units of a hidden layer"),
            "depth": field(
                3, "hidden layers of each network", group="networks", at_least=1, at_most=1000
            ),
            "initializer": _initializer("xavier"),
        },
    ),
    Backbone(
        name="dcgan",
        module="models.networks.dcgan",
        generator_norm="batch",
        trunk_norm="batch",
        options={
            "width": _width(
                64, "channels of the layer nearest the image, doubled at each halving of its side"
            ),
            "kernel_size": field(
                4,
                "side of the kernels; an even one avoids checkerboard artifacts with strides of 2 "
                "(the paper: 5)",
                group="networks",
                at_least=2,
            ),
            "dense_units": field(
                PerDataset(0, MNIST=1024, FASHION_MNIST=1024),
                "units of a dense layer next to the smallest feature map (Chen et al. 2016, table "
                "1), recommended for images of 28 pixels; 0: none, as in DCGAN",
                group="networks",
                at_least=0,
            ),
            "initializer": _initializer("normal"),
        },
    ),
    Backbone(
        name="resnet",
        module="models.networks.resnet",
        generator_norm="batch",
        trunk_norm="none",
        options={
            "width": _width(128, "channels of each block"),
            "attention": field(
                0,
                "side of the feature map with self-attention (Zhang et al. 2019); 0: none",
                group="networks",
                at_least=0,
            ),
            "initializer": _initializer("he"),
        },
    ),
)

STYLED = Choices(
    Networks,
    Networks(
        name="styled",
        options={
            "width": _width(
                64,
                "channels at the size of the image, doubled at each halving up to eight times",
            ),
        },
    ),
)
