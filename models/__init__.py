"""Models by name. `from models import DCGAN` loads TensorFlow; `import models` does not.

May import: losses, augmentation, storage, the catalogue of data, fields, errors.
"""

import importlib
import pkgutil

from models import declarations
from models.declaration import Model


def _declared() -> dict[str, Model]:
    """The models that the files of models/declarations/ declare, by year and name of file."""
    modules = [
        importlib.import_module(f"{declarations.__name__}.{info.name}")
        for info in pkgutil.iter_modules(declarations.__path__)
    ]
    models = [module.MODEL for module in modules if hasattr(module, "MODEL")]
    return {model.name: model for model in sorted(models, key=lambda model: model.year)}


REGISTRY = _declared()


def __getattr__(name: str) -> type:
    for model in REGISTRY.values():
        if model.class_name == name:
            return model.load()
    raise AttributeError(f"module 'models' has no attribute '{name}'")
