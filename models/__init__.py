"""Models by name. `from models import DCGAN` loads TensorFlow; `import models` does not.

May import: losses, augmentation, storage, data.catalogue, data.labels, fields, errors, replicas.
"""

import importlib
import os
import pkgutil
from typing import TYPE_CHECKING

from data.catalogue import KNOWN, in_colour, known
from errors import UserError, near, warn
from models import declarations, schedules
from models.declaration import Model
from models.declarations.base import plain_number

if TYPE_CHECKING:
    from data.catalogue import ImageData
    from models.base import GenerativeModel


def _declared() -> dict[str, Model]:
    """Return the models declared in models/declarations/, sorted by year and file name."""
    modules = [
        importlib.import_module(f"{declarations.__name__}.{info.name}")
        for info in pkgutil.iter_modules(declarations.__path__)
    ]
    models = [module.MODEL for module in modules if hasattr(module, "MODEL")]
    return {model.name: model for model in sorted(models, key=lambda model: model.year)}


REGISTRY = _declared()
PUBLIC = (
    "REGISTRY",
    "build",
    "load",
    "load_pretrained",
)  # names that dir() lists, with the classes
OF_DATA = ("dataset", "image_size")  # flags of train.py; in `build`, errors under them name `data`


def build(
    name: str, data: "str | ImageData" = "MNIST", *, seed: int = 0, **hyperparameters
) -> "GenerativeModel":
    """Return an untrained model with the defaults of a data set.

    models.build("infogan", "CIFAR10") is the model that `train.py --model infogan --dataset
    CIFAR10` trains, in the dtype policy of Keras. Its initial weights depend on the seed of Keras
    (keras.utils.set_random_seed).

    Args:
        name: a key of REGISTRY.
        data: name of a known data set, or a loaded one. A folder or file has no defaults of its
            own, whatever its name.
        seed: seed of every draw in training.
        **hyperparameters: those that differ from the defaults of the model and the data set.

    Raises:
        UserError: there is no such model, the data set is not known, a hyperparameter is invalid,
            or the images do not fit the networks.
    """
    if name not in REGISTRY:
        raise UserError(f"no such model: {name}{near(name, REGISTRY)}", "name")
    images = known(data) if isinstance(data, str) else data
    if images is None:
        raise UserError(
            f"expected one of {', '.join(KNOWN)}, or a loaded data set, got {data}", "data"
        )
    colour = in_colour(images.image_shape)
    declared = REGISTRY[name].hyperparameters
    schedules.check_given({n: plain_number(v) for n, v in hyperparameters.items()})
    hp, notes = declared.resolve_with_notes(images.known_set, colour, **hyperparameters)
    for note in notes:
        warn(note)
    try:
        return REGISTRY[name].build(
            hp, images.image_shape, num_classes=images.num_classes, seed=seed
        )
    except UserError as error:
        if error.option not in OF_DATA:
            raise
        raise UserError(error.message, "data") from None


def load(path: str | os.PathLike, step: int | None = None) -> "GenerativeModel":
    """Return the model of a run, such as models.load("runs/dcgan-mnist").

    It is not compiled. It computes in the precision of its run; the dtype policy of Keras is not
    changed.

    Args:
        path: the run directory.
        step: step of a checkpoint that was kept; None for the newest one.

    Raises:
        UserError: there is no run, or it has no such checkpoint.
    """
    from models import loading

    return loading.load(path, step)


def load_pretrained(name: str | os.PathLike) -> "GenerativeModel":
    """Return the model of a package of trained weights: models.load_pretrained("infogan_mnist").

    It can sample, encode and reconstruct as the trained model, with weights rounded to float16. It
    is not compiled. Networks that are not in the package, such as a discriminator, have their
    initial weights, so training does not continue where it stopped.

    Args:
        name: a name that `generate.py --list` shows, or the path of a package's .safetensors file.

    Raises:
        UserError: there is no such package, or its file is damaged, or its SHA-256 differs.
    """
    from models import pretrained
    from storage import packages

    return pretrained.load(packages.find(os.fspath(name)))


def __dir__() -> list[str]:
    return sorted([*PUBLIC, *(model.class_name for model in REGISTRY.values())])


def __getattr__(name: str) -> type:
    for model in REGISTRY.values():
        if model.class_name == name:
            return model.load()
    raise AttributeError(f"module 'models' has no attribute '{name}'")
