"""Declaration of a model: metadata and location of its class, without importing it."""

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import fields
from models import keras_settings

if TYPE_CHECKING:
    from models.base import GenerativeModel
    from models.declarations.base import Hyperparameters


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """Declaration of a model.

    Attributes:
        name: value of `--model`.
        class_name: name of its class, an attribute of the package `models`.
        paper: "arXiv:" and the number of the paper, or another identifier of it.
        year: year of the paper.
        hyperparameters: its option class.
        module: module that defines the class; `models.presets` for a preset.
        base: "module:class" of the base class of a preset; empty for other models.
        doc: documentation: citation and equations.
    """

    name: str
    class_name: str
    paper: str
    year: int
    hyperparameters: type
    module: str
    base: str = ""
    doc: str = ""

    def load(self) -> type:
        """Return the class; imports TensorFlow."""
        return getattr(importlib.import_module(self.module), self.class_name)

    def build(
        self,
        hp: "Hyperparameters",
        image_shape: Sequence[int],
        *,
        num_classes: int,
        seed: int,
        dtype: str | None = None,
    ) -> "GenerativeModel":
        """Return an untrained model with resolved hyperparameters.

        Raises:
            UserError: the networks do not support the image shape, the model requires labels, or
                Keras has other settings than `keras_settings`.
        """
        keras_settings.require()
        return self.load()(
            tuple(image_shape),
            num_classes=num_classes,
            seed=seed,
            dtype=dtype,
            **dataclasses.asdict(hp),
        )


def preset(
    name: str,
    class_name: str,
    *,
    paper: str,
    year: int,
    doc: str,
    of: type,
    base: str = "models.adversarial:AdversarialModel",
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> Model:
    """Return the declaration of a model that differs from its base in defaults only.

    Args:
        name: as `Model`.
        class_name: as `Model`.
        paper: as `Model`.
        year: as `Model`.
        doc: as `Model`.
        of: option class of the base; `models.presets` raises ValueError for another one.
        base: as `Model`.
        defaults: name of a hyperparameter -> new default.
    """
    hyperparameters = type(f"{class_name}Hyperparameters", (of,), {"__doc__": doc})
    return Model(
        name=name,
        class_name=class_name,
        paper=paper,
        year=year,
        hyperparameters=fields.options(defaults=defaults)(hyperparameters),
        module="models.presets",
        base=base,
        doc=doc,
    )
