"""Priors of the noise: the range of each, and the path of an interpolation that stays inside it."""

import dataclasses
import math

LINEAR, SPHERICAL = "linear", "spherical"  # paths of `models.latents.between`


@dataclasses.dataclass(frozen=True)
class Prior:
    """Prior of each dimension of the noise.

    Attributes:
        name: value of the hyperparameter `prior`.
        path: the path that suits it.
        limit: largest absolute value.
    """

    name: str
    path: str
    limit: float


NORMAL = Prior("normal", SPHERICAL, math.inf)
UNIFORM = Prior("uniform", LINEAR, 1.0)
PRIORS = {prior.name: prior for prior in (NORMAL, UNIFORM)}
