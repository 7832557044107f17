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
        of_activations: name of the same normalisation without the spectral norm.
        in_generator: whether a generator can have it.
    """

    batch: bool = False
    layer: bool = False
    spectral: bool = False
    of_activations: str
    in_generator: bool = False


NORMS = Choices(
    Norm,
    Norm(name="none", of_activations="none", in_generator=True),
    Norm(name="batch", batch=True, of_activations="batch", in_generator=True),
    Norm(name="layer", layer=True, of_activations="layer"),
    Norm(name="spectral", spectral=True, of_activations="none"),
    Norm(name="both", batch=True, spectral=True, of_activations="batch"),
)
GENERATOR_NORMS = NORMS.only(lambda norm: norm.in_generator)
