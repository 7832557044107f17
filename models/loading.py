"""Load a trained model from its run directory."""

import os

from errors import UserError
from models import REGISTRY
from models.base import GenerativeModel
from models.construction import same_random_state
from models.declaration import Model
from models.declarations.base import Hyperparameters
from models.state_keys import OWN
from storage.checkpoints import Checkpoints
from storage.run_directory import RunDirectory
from storage.saved_config import SavedConfig

PRECISIONS = ("off", "bfloat16", "float16")  # values of the option `mixed_precision`


def load(path: str | os.PathLike, step: int | None = None) -> GenerativeModel:
    """Return the model of a run as `models.load` describes it."""
    run = RunDirectory(path)
    model = build(run)
    saved = run.read_config()
    checkpoints = Checkpoints(
        model.state(),
        model.step,
        run.checkpoints,
        identity={
            **saved["options"],
            **saved["hyperparameters"],
            "fingerprint": run.read_data()["fingerprint"],
        },
        complete=False,
        optional=OWN,
        derived=model.derived_state,
    )
    if checkpoints.restore(step) is None:
        raise UserError(f"{path}: no checkpoint found. Train it first with outdir={path}")
    return model


def build(run: SavedConfig) -> GenerativeModel:
    """Build the untrained model of a run or a package in its precision.

    The dtype policy and the random state of the caller stay as they are.
    """
    declared, hp = run.parsed_config(declaration_of)
    precision, seed = run.parsed_config(precision_and_seed_of)
    images = run.read_data()
    with same_random_state():
        return declared.build(
            hp,
            images["image_shape"],
            num_classes=images["num_classes"],
            seed=seed,
            dtype=dtype_policy(precision),
        )


def declaration_of(saved: dict) -> tuple[Model, Hyperparameters]:
    """Return the declaration and the hyperparameters of the model in the content of config.json."""
    name = saved["options"]["model"]
    if name not in REGISTRY:
        raise UserError(f"no such model: {name}")
    declared = REGISTRY[name]
    return declared, declared.hyperparameters.of_saved(saved["hyperparameters"])


def precision_and_seed_of(saved: dict) -> tuple[str, int]:
    """Return the options `mixed_precision` and `seed` in the content of config.json."""
    options = saved["options"]
    precision, seed = options["mixed_precision"], options["seed"]
    if precision not in PRECISIONS:
        raise UserError(f"no such precision: {precision}")
    if type(seed) is not int or not 0 <= seed < 2**31:
        raise UserError(f"invalid seed: {seed}")
    return precision, seed


def dtype_policy(mixed_precision: str) -> str:
    """Return the name of the Keras dtype policy of the option `mixed_precision`."""
    return "float32" if mixed_precision == "off" else f"mixed_{mixed_precision}"
