"""Cases: the networks and batches that contestants are compared on.

A case has networks of plain layers, written here, or those of the product's model itself. The
networks have no dropout, which the networks of the product lack as well.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

LEAK = 0.3  # factor of negative inputs of leaky ReLU, as in the TensorFlow tutorial


@dataclasses.dataclass(frozen=True)
class Dense:
    """Fully connected layer."""

    units: int
    bias: bool = True


@dataclasses.dataclass(frozen=True)
class Conv:
    """Convolution with padding "same"; transposed if `up`, which upsamples by the stride."""

    channels: int
    stride: int
    kernel_size: int
    bias: bool = True
    up: bool = False


@dataclasses.dataclass(frozen=True)
class BatchNorm:
    """Batch norm."""


@dataclasses.dataclass(frozen=True)
class LeakyReLU:
    """Leaky ReLU, which multiplies negative inputs by LEAK."""


@dataclasses.dataclass(frozen=True)
class Tanh:
    """Hyperbolic tangent, in float32."""


@dataclasses.dataclass(frozen=True)
class Flatten:
    """Maps [b, h, w, c] -> features [b, h w c]."""


@dataclasses.dataclass(frozen=True)
class Reshape:
    """Features [b, h w c] -> maps [b, h, w, c]."""

    height: int
    width: int
    channels: int


Layer = Dense | Conv | BatchNorm | LeakyReLU | Tanh | Flatten | Reshape


@dataclasses.dataclass(frozen=True)
class Convolutional:
    """Networks of the TensorFlow DCGAN tutorial, for any image shape.

    G: a dense layer to 256 channels, then transposed convolutions. D: strided convolutions. Batch
    norm follows every layer of G but the last.

    Attributes:
        strides: strides of G's transposed convolutions.
        channels: channels of D's convolutions, each with a stride of 2.
        kernel_size: side of the kernels.
        first: channels of G's dense layer, halved by every convolution.
    """

    strides: tuple[int, ...]
    channels: tuple[int, ...]
    kernel_size: int = 5
    first: int = 256

    def generator(self, image_shape: tuple[int, int, int]) -> list[Layer]:
        """Return the layers of G, noise [b, noise_dim] -> images [b, h, w, c]."""
        side, _, image_channels = image_shape
        base = side // math.prod(self.strides)
        layers = [Dense(base * base * self.first, bias=False), BatchNorm(), LeakyReLU()]
        layers.append(Reshape(base, base, self.first))
        *strides, last = self.strides
        for k, stride in enumerate(strides, 1):
            layers += [self._up(self.first >> k, stride), BatchNorm(), LeakyReLU()]
        return [*layers, self._up(image_channels, last), Tanh()]

    def _up(self, channels: int, stride: int) -> Conv:
        return Conv(channels, stride, self.kernel_size, bias=False, up=True)

    def trunk(self) -> list[Layer]:
        """Return the layers of D but the last, images [b, h, w, c] -> features [b, f]."""
        layers = []
        for channels in self.channels:
            layers += [Conv(channels, 2, self.kernel_size), LeakyReLU()]
        return [*layers, Flatten()]

    def discriminator(self) -> list[Layer]:
        """Return the layers of D, images [b, h, w, c] -> scores [b, 1]."""
        return [*self.trunk(), Dense(1)]


@dataclasses.dataclass(frozen=True)
class Case:
    """Networks and batches of a comparison.

    Attributes:
        name: key in the record.
        title: title of its table.
        model: name of the product's model.
        image_shape: (h, w, c).
        layers: networks of plain layers; None for those of the product's model.
        hyperparameters: hyperparameters of the product's model that differ from its defaults.
        batch_size: images per update of a network.
    """

    name: str
    title: str
    model: str
    image_shape: tuple[int, int, int]
    layers: Convolutional | None = None
    hyperparameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    batch_size: int = 64

    @property
    def hp(self):
        """Resolved hyperparameters of the product's model."""
        from models import REGISTRY

        own = {**self.hyperparameters, "batch_size": self.batch_size}
        return REGISTRY[self.model].hyperparameters.resolve(**own)

    @property
    def images_per_step(self) -> int:
        """Number of real images per step."""
        return self.batch_size * self.hp.n_critic

    def real_images(self) -> "np.ndarray":
        """Return random images of a step, uint8 [b, h, w, c], or [n_critic, b, h, w, c]."""
        import numpy as np

        n_critic = self.hp.n_critic
        lead = (n_critic, self.batch_size) if n_critic > 1 else (self.batch_size,)
        return np.random.default_rng(0).integers(0, 256, (*lead, *self.image_shape), np.uint8)

    def float_images(self) -> "np.ndarray":
        """Return `real_images` as float32 in [-1, 1]."""
        return self.real_images().astype("float32") / 127.5 - 1.0


DCGAN_28 = Case(
    name="dcgan_28",
    title="DCGAN, 28 x 28",
    model="dcgan",
    image_shape=(28, 28, 1),
    layers=Convolutional(strides=(1, 2, 2), channels=(64, 128)),
)
DCGAN_32 = Case(
    name="dcgan_32",
    title="DCGAN, 32 x 32 x 3",
    model="dcgan",
    image_shape=(32, 32, 3),
    layers=Convolutional(strides=(2, 2, 2), channels=(64, 128, 256)),
)
WGAN_GP_32 = dataclasses.replace(
    DCGAN_32,
    name="wgan_gp_32",
    title="WGAN-GP, 32 x 32 x 3, five critic updates",
    model="wgan_gp",
)
STYLEGAN2_32 = Case(
    name="stylegan2_32",
    title="StyleGAN2, 32 x 32 x 3, without its lazy penalties",
    model="stylegan2",
    image_shape=(32, 32, 3),
    hyperparameters={"penalty": (), "path_weight": 0.0, "style_mixing": 0.0},
    batch_size=8,
)
MLP = Case(
    name="mlp",
    title="backbone mlp, 28 x 28",
    model="gan",
    image_shape=(28, 28, 1),
)
RESNET = Case(
    name="resnet",
    title="backbone resnet, 32 x 32 x 3",
    model="dcgan",
    image_shape=(32, 32, 3),
    hyperparameters={"network": "resnet"},
    batch_size=16,
)


def backbone(side: int, batch_size: int = 64) -> Case:
    """Return the case of the product's DCGAN for gray images of a side."""
    return Case(
        name=f"dcgan_{side}_own",
        title=f"backbone dcgan, {side} x {side}",
        model="dcgan",
        image_shape=(side, side, 1),
        batch_size=batch_size,
    )


def sized(name: str, batch_size: int) -> Case:
    """Return a case by name, with a batch size."""
    return dataclasses.replace(CASES[name], batch_size=batch_size)


CASES = {
    case.name: case
    for case in (
        DCGAN_28,
        DCGAN_32,
        WGAN_GP_32,
        STYLEGAN2_32,
        MLP,
        RESNET,
        *(backbone(side) for side in (28, 32, 64, 128)),
    )
}
