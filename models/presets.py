"""Classes of the presets, built from their declarations in models/declarations/."""

import importlib

import keras

from models import REGISTRY
from models.declaration import Model
from models.layers import PACKAGE


def class_of(model: Model) -> type:
    """Return the class of a preset.

    Raises:
        ValueError: the preset is of another option class than its base.
    """
    module, base = model.base.split(":")
    parent, of = getattr(importlib.import_module(module), base), model.hyperparameters.__base__
    if parent.Hyperparameters is not of:
        raise ValueError(
            f"preset {model.name}: of={of.__name__} is not the option class of base={model.base}"
        )
    contents = {"Hyperparameters": model.hyperparameters, "__doc__": model.doc}
    made = type(model.class_name, (parent,), {**contents, "__module__": __name__})
    return keras.saving.register_keras_serializable(PACKAGE)(made)


globals().update({model.class_name: class_of(model) for model in REGISTRY.values() if model.base})
