"""User-defined feature networks: .keras files. Only layers of Keras are loaded, without code."""

import hashlib
import json
import pathlib
import zipfile
from collections.abc import Iterator
from typing import Any

from errors import UserError, either
from evaluation.features import fixed_names
from evaluation.features.extractor import Extractor, plain_name
from storage.memory import described
from storage.paths import expanded

# Classes of Keras that contain code or load it from elsewhere.
EXECUTABLE = {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}

CONFIG, LONGEST_CONFIG = "config.json", 2**26  # name and bytes of the description of the layers


def load(path: str) -> Extractor:
    """Load the model of a .keras file as a feature network with the file's name.

    The model receives images as float32 in [-1, 1], resized (bilinear, antialiased) to its input
    size if that is fixed; gray images are repeated over 3 channels if it requires 3. It must return
    features [b, d], or a pair of features and class logits.

    Raises:
        UserError: the file cannot be read, its name is reserved, it has a layer that is executable
            or not of Keras, or the model has other inputs or outputs.
    """
    import keras
    import tensorflow as tf

    file = pathlib.Path(expanded(path, "features"))
    name = plain_name(file.stem)
    if not name or name in fixed_names():
        raise UserError(f"the file name must not be {either(fixed_names())}; rename the file")
    try:
        content = file.read_bytes()
        require_layers_of_keras(file)
        model = keras.models.load_model(file, compile=False, safe_mode=True)
        inputs, outputs = model.inputs, model.outputs
    except UserError:
        raise
    except Exception as error:  # Keras raises errors of many types for damaged files
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"Keras cannot load the file ({reason})") from None
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[-1] not in (1, 3):
        raise UserError(f"the model must take images [b, h, w, 1 or 3], takes {_shapes(inputs)}")
    if len(outputs) not in (1, 2) or any(len(o.shape) != 2 or not o.shape[1] for o in outputs):
        raise UserError(
            "the model must return features [b, d], or features and logits [b, k], returns "
            f"{_shapes(outputs)}"
        )
    _, height, width, channels = inputs[0].shape

    @tf.function(autograph=False)
    def network(images):
        x = tf.cast(images, tf.float32) / 127.5 - 1.0
        if x.shape[-1] == 1 and channels == 3:
            x = tf.repeat(x, 3, -1)
        if x.shape[-1] != channels:
            raise UserError(f"{name} requires gray images, got colour images")
        size = (height or x.shape[1], width or x.shape[2])
        if size != x.shape[1:3]:
            x = tf.image.resize(x, size, antialias=True)
        features, *logits = (
            tf.cast(y, tf.float32) for y in tf.nest.flatten(model(x, training=False))
        )
        return features, logits[0] if logits else None

    resizing = f"bilinear, antialiased, to {height} x {width}" if height or width else "none"
    return Extractor(
        name, hashlib.sha256(content).hexdigest(), resizing, outputs[0].shape[1], network
    )


def require_layers_of_keras(file: pathlib.Path) -> None:
    """Raise UserError if a .keras file has an object that is executable or not of Keras.

    Objects that the process itself has registered with Keras are allowed.

    Raises:
        zipfile.BadZipFile, KeyError, ValueError or RecursionError: it is no .keras file.
    """
    import keras

    with zipfile.ZipFile(file) as archive, archive.open(CONFIG) as member:
        content = member.read(LONGEST_CONFIG + 1)
    if len(content) > LONGEST_CONFIG:
        raise UserError(f"its {CONFIG} has more than {described(LONGEST_CONFIG)}")
    config = json.loads(content)
    for one in _objects(config):
        name, module = one["class_name"], one.get("module") or "keras"
        # Where Keras searches for a registered object.
        registered = one.get("registered_name", name)
        if name == "function":
            registered = one.get("config")
        if isinstance(registered, str) and keras.saving.get_registered_object(registered):
            continue
        if name in EXECUTABLE or str(module).split(".")[0] not in ("keras", "builtins"):
            raise UserError(
                f"its object {name} of {module} is code, which is not executed; save a network of "
                "Keras' own layers"
            )


def _objects(config: Any) -> Iterator[dict]:
    """Yield the descriptions of all objects in the configuration of a model."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        config = list(config.values())
    for part in config if isinstance(config, list) else ():
        yield from _objects(part)


def _shapes(tensors) -> str:
    return " and ".join(str(list(tensor.shape)) for tensor in tensors)
