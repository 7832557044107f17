"""Tensors of a trained model for a package, and the model of a package."""

import numpy as np

from errors import UserError
from models import loading, state_keys
from models.base import GenerativeModel
from storage.packages import Package

SAMPLES = "samples"  # uint8 [n, h, w, c], the first images that the packaged model draws


def tensors_of(model: GenerativeModel) -> dict[str, np.ndarray]:
    """Return the tensors of the networks that a model's abilities use, and its own variables.

    Kernels and matrices of the networks are rounded to float16. Vectors, such as biases and the
    parameters of norms, and own variables keep their type.

    Raises:
        UserError: a weight is not finite in float16.
    """
    tensors = {}
    for part, network in model.inference_networks().items():
        for k, variable in enumerate(network.variables):
            value = np.asarray(variable)
            if value.ndim >= 2 and value.dtype == np.float32:
                with np.errstate(over="ignore"):
                    value = value.astype(np.float16)
            if not np.isfinite(value).all():
                raise UserError(
                    f"{part}: {variable.path} is not finite, or beyond the range of float16; "
                    "export an earlier checkpoint with --step"
                )
            tensors[f"{part}/{k}/{variable.name}"] = value
    own = model.state()[state_keys.OWN]
    return tensors | {f"{state_keys.OWN}/{k}": np.asarray(v.numpy()) for k, v in own.items()}


def load(package: Package) -> GenerativeModel:
    """Return the model of a package, as `models.load_pretrained` describes it."""
    tensors = package.read_tensors()
    model = loading.build(package)
    try:
        assign(model, tensors)
    except ValueError as error:
        raise UserError(
            f"{package.tensors}: damaged or written by another version of the code ({error})",
            "pretrained",
        ) from None
    return model


def assign(model: GenerativeModel, tensors: dict[str, np.ndarray]) -> None:
    """Set the variables of a model to the tensors of its package.

    A trained network with an EMA copy gets the weights of the copy.

    Raises:
        ValueError: the tensors are not those of the model.
    """
    variables = {
        f"{part}/{k}/{variable.name}": variable.value
        for part, network in model.inference_networks().items()
        for k, variable in enumerate(network.variables)
    }
    variables |= {f"{state_keys.OWN}/{k}": v for k, v in model.state()[state_keys.OWN].items()}
    expected = {name: (tuple(v.shape), v.dtype.is_floating) for name, v in variables.items()}
    stored = {
        name: (value.shape, value.dtype.kind == "f")
        for name, value in tensors.items()
        if name != SAMPLES
    }
    if different := sorted(expected.items() ^ stored.items()):
        raise ValueError(f"{different[0][0]}: missing, unexpected, or of another shape or type")
    for name, variable in variables.items():
        variable.assign(tensors[name])
    for average, network in model.ema_pairs():
        for mean, weight in zip(average.weights, network.weights, strict=True):
            weight.assign(mean)
