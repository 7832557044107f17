"""Normalisations by name, and their properties."""

import dataclasses

from fields import Choice, Choices


@dataclasses.dataclass(frozen=True, kw_only=True)
class Norm(Choice):
    """Normalisation of the layers of a network.

    Attributes:
        batch: whether activations are normalised over the batch (Ioffe and Szegedy 2015), so that
            images of a batch depend on each other.
        layer: whether activations are normalised over each example (Ba et al. 2016).
        spectral: whether kernels are normalised by their spectral norm (Miyato et al. 2018).
        in_generator: whether a generator can have it.
    """

    batch: bool = False
    layer: bool = False
    spectral: bool = False
    in_generator: bool = False

    @property
    def of_activations(self) -> str:
        """Name of the same normalisation without the spectral norm."""
        plain = (self.batch, self.layer, False)
        return next(n.name for n in NORMS.values() if (n.batch, n.layer, n.spectral) == plain)


NORMS = Choices(
    Norm,
    Norm(name="none", in_generator=True),
    Norm(name="batch", batch=True, in_generator=True),
    Norm(name="layer", layer=True),
    Norm(name="spectral", spectral=True),
    Norm(name="both", batch=True, spectral=True),
)
GENERATOR_NORMS = NORMS.only(lambda norm: norm.in_generator)
