"""Classes of the presets, built from their declarations in models/declarations/."""

import importlib

import keras

from models import REGISTRY
from models.layers import PACKAGE


def _class_of(model) -> type:
    module, base = model.base.split(":")
    parent = getattr(importlib.import_module(module), base)
    contents = {"Hyperparameters": model.hyperparameters, "__doc__": model.doc}
    made = type(model.class_name, (parent,), {**contents, "__module__": __name__})
    return keras.saving.register_keras_serializable(PACKAGE)(made)


globals().update({model.class_name: _class_of(model) for model in REGISTRY.values() if model.base})
