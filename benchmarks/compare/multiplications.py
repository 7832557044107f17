"""Multiplications of a train step, counted from the layers of its networks.

A linear layer needs the same number for its outputs, for the gradient of its inputs and for that of
its weights. A step is described by the number of these passes, in batches. Gradients of inputs stop
at the first layers of a network unless they continue into its inputs.
"""

import dataclasses
import math
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Linear:
    """Linear layer of a network.

    Attributes:
        multiplications: per image and pass.
        first: whether no layer with weights precedes it.
    """

    multiplications: int
    first: bool

    @classmethod
    def of(cls, kernel: Sequence[int], positions: Sequence[int], first: bool) -> "Linear":
        """Return the layer of a kernel that is applied at each of the positions, such as (h, w)."""
        return cls(math.prod(kernel) * math.prod(positions), first)


@dataclasses.dataclass(frozen=True)
class Passes:
    """Passes through one network per step, in batches.

    Attributes:
        forward: outputs. The second derivative of a gradient penalty is another one.
        weights: gradients of the weights.
        inputs: gradients of the inputs of layers.
        to_input: those among `inputs` that continue into the network's inputs.
    """

    forward: int
    weights: int
    inputs: int
    to_input: int = 0

    def of(self, layers: Sequence[Linear]) -> int:
        """Return the multiplications per image in these passes through a network."""
        return sum(
            layer.multiplications
            * (self.forward + self.weights + (self.to_input if layer.first else self.inputs))
            for layer in layers
        )


@dataclasses.dataclass(frozen=True)
class StepPasses:
    """Passes of a step through both networks."""

    generator: Passes
    discriminator: Passes

    def of(
        self,
        generator: Sequence[Linear] | None,
        discriminator: Sequence[Linear] | None,
        batch_size: int,
    ) -> int | None:
        """Return the multiplications per step; None if the layers of a network are None."""
        if generator is None or discriminator is None:
            return None
        return batch_size * (self.generator.of(generator) + self.discriminator.of(discriminator))


def gan(generated: int, scored_again: bool) -> StepPasses:
    """Return the passes of a GAN's step.

    Args:
        generated: batches that G generates.
        scored_again: whether D scores generated images again after its update.
    """
    return StepPasses(
        Passes(forward=generated, weights=1, inputs=1),
        Passes(forward=3 if scored_again else 2, weights=2, inputs=3, to_input=1),
    )


def wgan_gp(generated: int, n_critic: int) -> StepPasses:
    """Return the passes of a WGAN-GP step, for a D that is piecewise linear.

    An update of D scores real, generated and interpolated images. The penalty takes the gradient of
    the last with respect to the image, and the gradient of that with respect to the weights: a
    forward pass and a pass for the weights.

    Args:
        generated: batches that G generates.
        n_critic: updates of D per step.
    """
    return StepPasses(
        Passes(forward=generated, weights=1, inputs=1),
        Passes(
            forward=4 * n_critic + 1,
            weights=3 * n_critic,
            inputs=3 * n_critic + 1,
            to_input=n_critic + 1,
        ),
    )


def project(hp) -> StepPasses:
    """Return the passes of the project's step, which generates one batch per update of D."""
    if hp.penalty:
        return wgan_gp(hp.n_critic, hp.n_critic)
    return gan(1, scored_again=True)


def other(hp, generated: int, scored_again: bool) -> StepPasses:
    """Return the passes of another implementation; WGAN-GP generates a new batch for each update.

    Args:
        hp: hyperparameters of the case.
        generated: as `gan`.
        scored_again: as `gan`.
    """
    if hp.penalty:
        return wgan_gp(hp.n_critic + 1, hp.n_critic)
    return gan(generated, scored_again)
