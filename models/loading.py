"""Load a trained model from its run directory."""

import os

import keras

from errors import UserError
from models import REGISTRY
from models.base import GenerativeModel
from storage.checkpoints import Checkpoints
from storage.run_directory import RunDirectory


def load(path: str | os.PathLike) -> GenerativeModel:
    """Return the model of a run as `models.load` describes it."""
    run = RunDirectory(path)
    saved = run.read_config()
    try:
        name = saved["options"]["model"]
        if name not in REGISTRY:
            raise UserError(f"no such model: {name}")
        model_class = REGISTRY[name].load()
        model_class.Hyperparameters.resolve(**saved["hyperparameters"])
    except (KeyError, TypeError, UserError) as error:
        reason = f"it lacks the entry {error}" if isinstance(error, KeyError) else error
        raise UserError(
            f"{run.config}: written by another version of the code ({reason})"
        ) from None
    model = build(model_class, saved)
    checkpoints = Checkpoints(model.state(), model.step, run.checkpoints, complete=False)
    if checkpoints.restore() is None:
        raise UserError(f"{path}: no checkpoint found. Train it first with outdir={path}")
    return model


def build(model_class: type[GenerativeModel], saved: dict) -> GenerativeModel:
    """Build an untrained model in the precision given in config.json.

    The dtype policy of the caller is restored afterwards.
    """
    options, images = saved["options"], saved["data"]
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype_policy(options["mixed_precision"]))
    try:
        return model_class(
            tuple(images["image_shape"]),
            num_classes=images["num_classes"],
            seed=options["seed"],
            **saved["hyperparameters"],
        )
    finally:
        keras.config.set_dtype_policy(policy)


def dtype_policy(mixed_precision: str) -> str:
    """Return the name of the Keras dtype policy of the option `mixed_precision`."""
    return "float32" if mixed_precision == "off" else f"mixed_{mixed_precision}"
