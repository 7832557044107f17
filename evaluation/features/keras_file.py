"""A feature network of the user's own: a file that Keras saved."""

import hashlib
import pathlib

from errors import UserError
from evaluation.features.extractor import TAKEN, Extractor, plain_name


def load(path: str) -> Extractor:
    """The model of a .keras file; its features are named after the file.

    It is given images as float32 in [-1, 1], gray ones repeated to three channels if it wants
    three, resized (bilinear, antialiased) to its input where that is fixed. It returns features
    [b, d], or features and class logits in a pair.

    Raises:
        UserError: it cannot be read, or takes or returns something else.
    """
    import keras
    import tensorflow as tf

    file = pathlib.Path(path).expanduser()
    name = plain_name(file.stem)
    if not name or name.startswith(TAKEN):
        raise UserError("its features would go by the name of others: rename the file")
    try:
        content = file.read_bytes()
        model = keras.models.load_model(file, compile=False, safe_mode=True)
        inputs, outputs = model.inputs, model.outputs
    except Exception as error:  # Keras raises whatever the file makes it stumble over
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"Keras cannot load it ({reason})") from None
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[-1] not in (1, 3):
        raise UserError("it must take images [b, h, w, 1 or 3]")
    if len(outputs) not in (1, 2) or any(len(o.shape) != 2 or not o.shape[1] for o in outputs):
        raise UserError("it must return features [b, d], or features and logits [b, k]")
    _, height, width, channels = inputs[0].shape

    @tf.function(autograph=False)
    def network(images):
        x = tf.cast(images, tf.float32) / 127.5 - 1.0
        if x.shape[-1] == 1 and channels == 3:
            x = tf.repeat(x, 3, -1)
        if x.shape[-1] != channels:
            raise UserError(f"{name} takes gray images, these are in colour")
        size = (height or x.shape[1], width or x.shape[2])
        if size != x.shape[1:3]:
            x = tf.image.resize(x, size, antialias=True)
        found = [tf.cast(y, tf.float32) for y in tf.nest.flatten(model(x, training=False))]
        return (found[0], found[1] if len(found) == 2 else None)

    resizing = f"bilinear, antialiased, to {height} x {width}" if height or width else "none"
    return Extractor(
        name, hashlib.sha256(content).hexdigest(), resizing, outputs[0].shape[1], network
    )
