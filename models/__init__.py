"""Models by name. `from models import DCGAN` loads TensorFlow; `import models` does not.

May import: losses, augmentation, storage, the catalogue of data, fields, errors.
"""

import importlib
import os
import pkgutil
from typing import TYPE_CHECKING

from models import declarations
from models.declaration import Model

if TYPE_CHECKING:
    from models.base import GenerativeModel


def _declared() -> dict[str, Model]:
    """The models that the files of models/declarations/ declare, by year and name of file."""
    modules = [
        importlib.import_module(f"{declarations.__name__}.{info.name}")
        for info in pkgutil.iter_modules(declarations.__path__)
    ]
    models = [module.MODEL for module in modules if hasattr(module, "MODEL")]
    return {model.name: model for model in sorted(models, key=lambda model: model.year)}


REGISTRY = _declared()


def load(path: str | os.PathLike) -> "GenerativeModel":
    """Return the model of a run, such as models.load("runs/dcgan-mnist"), as last saved.

    It is not compiled. It computes in the precision of its run; the dtype policy of Keras is not
    changed.

    Args:
        path: the run directory.

    Raises:
        UserError: there is no run, or it has no checkpoint.
    """
    from models import loading

    return loading.load(path)


def __getattr__(name: str) -> type:
    for model in REGISTRY.values():
        if model.class_name == name:
            return model.load()
    raise AttributeError(f"module 'models' has no attribute '{name}'")
