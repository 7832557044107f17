"""Trains cases on two replicas and on one device, and prints how they differ; a script.

    python -m tests.distribution.steps CASE [CASE ...]

The replicas are two logical CPU devices of this process or, with TF_CONFIG, the workers of a
cluster, of which the chief prints. Each line is the JSON of one case: its name; the largest
difference of a weight or another floating-point variable, and its key; whether all integers are
equal; the largest difference of a logged scalar relative to its size, and its name; whether the
replicas have equal weights; whether each network has learned.
"""

import contextlib
import dataclasses
import json
import os
import sys

import keras
import numpy as np
import tensorflow as tf

import models
from data.catalogue import Split
from data.pipeline import Batches
from tests.models.conftest import BESIDES, IMAGE_SHAPE, SMALL, BatchLogs
from training.distribution import mirrored_strategy

BATCH, STEPS = 8, 5


@dataclasses.dataclass(frozen=True)
class Case:
    """Training that is repeated on two replicas.

    Attributes:
        model: name of the model.
        rate: learning rate of SGD; None: the optimizers of the model.
        steps: number of steps.
        precision: dtype policy.
        compiled: arguments of `compile`.
        hyperparameters: those that differ from the defaults of the tests.
    """

    model: str
    rate: float | None = 0.05
    steps: int = STEPS
    precision: str = "float32"
    compiled: dict = dataclasses.field(default_factory=dict)
    hyperparameters: dict = dataclasses.field(default_factory=dict)


def variant(model: str, rate: float | None = 0.05, **hyperparameters) -> Case:
    return Case(model, rate, hyperparameters=hyperparameters)


WITHOUT_NORM = {"g_norm": "none", "d_norm": "none"}
CONV = {"network": "dcgan", "depth": None}
CASES = {name: variant(name) for name in models.REGISTRY} | {
    # Gradient penalties of these networks have gradients of several hundred.
    "wgan_gp": variant("wgan_gp", 3e-5),
    "wgan_gp critic": variant("wgan_gp", 1e-5, n_critic=3),
    "dragan": variant("dragan", 1e-3),
    "dragan lazy": variant("dragan", 1e-3, penalty_interval=2),
    "r1 lazy": variant("gan", penalty="r1", penalty_interval=2),
    "dcgan without norm": variant("dcgan", **WITHOUT_NORM),
    "dcgan adam": Case("dcgan", None, 12, hyperparameters=WITHOUT_NORM),
    "norm of each replica": Case("dcgan", compiled={"sync_batch_norm": False}),
    "eager": Case("gan", compiled={"run_eagerly": True}),
    "steps per execution": Case("vae", compiled={"steps_per_execution": STEPS}),
    "rmsprop": variant("gan", None, optimizer="rmsprop"),
    "scheduled": variant("gan", None, schedule="g_learning_rate:linear:1e-2:0,beta_2:linear:0:0.9"),
    "ada": variant("gan", augment="ada"),
    "diffaug": variant("gan", augment="diffaug"),
    "relativistic average": variant("gan", loss="relativistic_average"),
    "spectral": variant("gan", d_norm="spectral"),
    "ema_kimg": variant("gan", ema_kimg=0.1),
    "thickness": variant("infogan", thickness_guidance=True, invariance_weight=1.0),
    "labelled": variant("infogan", supervised_fraction=0.2),
    "contrastive": variant("infogan", 2e-4, clustering="contrastive", **CONV),
    "iic": variant("infogan", 1e-3, clustering="iic", d_norm="spectral", **CONV),
    "free bits": variant("vae", free_bits=0.1),
    "lazy styles": variant("stylegan2", path_interval=2, penalty_interval=2),
    "float16": Case("gan", None, precision="mixed_float16"),
}  # fmt: skip


def build(case: Case) -> models.base.GenerativeModel:
    """Return the model of a case, compiled, always with the same weights."""
    entry, besides = models.REGISTRY[case.model], BESIDES.get(case.model, {})
    if "network" in case.hyperparameters:
        besides = {k: v for k, v in besides.items() if k not in ("network", "depth", "width")}
    chosen = {**besides, **case.hyperparameters}
    resolved = dataclasses.asdict(entry.hyperparameters.resolve(**chosen))
    small = {name: v for name, v in SMALL.items() if resolved.get(name) is not None}
    keras.utils.set_random_seed(0)
    hyperparameters = {**small, "batch_size": BATCH, **chosen}
    model = entry.load()(IMAGE_SHAPE, num_classes=10, seed=3, **hyperparameters)
    model.before_training(200, case.steps * BATCH * model.hp.n_critic)
    optimizers = {}
    if case.rate:
        optimizers = {player: keras.optimizers.SGD(case.rate) for player in model.players()}
    model.compile(optimizers=optimizers, jit_compile=False, **case.compiled)
    return model


def variables_of(model: models.base.GenerativeModel) -> dict[str, tf.Variable]:
    """Return the variables of the state of a model by key."""
    return {
        f"{part}/{k}": variable
        for part, variables in model.state().items()
        for k, variable in enumerate(tf.nest.flatten(variables))
    }


def learned(model: models.base.GenerativeModel) -> dict[str, np.ndarray]:
    """Return the trained values of each network, [n], by name."""
    return {
        name: np.concatenate([np.ravel(tf.convert_to_tensor(v)) for v in network.trainable_weights])
        for name, network in model.networks().items()
        if network.trainable_weights
    }


def train(case: Case, strategy: tf.distribute.Strategy | None) -> tuple[dict, list[dict], dict]:
    """Return the state after the steps, their logs, and what is true of the replicas."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (200, *IMAGE_SHAPE), dtype=np.uint8)
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = build(case)
    split = Split(images, rng.integers(0, 10, len(images)))
    batches = Batches(
        split, BATCH, seed=1, n_critic=model.hp.n_critic, labelled=model.hp.labelled_fraction
    )
    data = batches.distributed(strategy) if strategy else batches.dataset()
    logs, before = BatchLogs(), learned(model)
    model.fit(data, steps_per_epoch=case.steps, callbacks=[logs], shuffle=False, verbose=0)
    state, equal = variables_of(model), True
    if strategy:
        for variable in state.values():
            first, *others = strategy.experimental_local_results(variable)
            equal &= all(np.array_equal(first, other) for other in others)
    found = {
        "replicas equal": equal,
        "learned": all(not np.array_equal(before[k], v) for k, v in learned(model).items()),
    }
    return {k: np.array(tf.convert_to_tensor(v)) for k, v in state.items()}, logs.steps, found


def gap(one, other) -> float:
    """Return the largest difference of two arrays; infinity if a value is not finite."""
    differences = np.abs(np.subtract(one, other, dtype=np.float64))
    return float(np.where(np.isfinite(differences), differences, np.inf).max(initial=0))


def compare(case: Case, strategy: tf.distribute.Strategy) -> dict:
    """Return how a training on the replicas differs from that on one device."""
    one, logs_of_one, _ = train(case, None)
    several, logs, found = train(case, strategy)
    floats = {key for key, value in one.items() if value.dtype.kind == "f"}
    weights = {key: gap(one[key], several[key]) for key in floats}
    scalars = {
        name: max(
            gap(a[name], b[name]) / max(1.0, abs(a[name]))
            for a, b in zip(logs_of_one, logs, strict=True)
            if np.isfinite(a[name]) or np.isfinite(b[name])  # norms may overflow in float16
        )
        for name in logs[0]
    }
    variable, scalar = max(weights, key=weights.get), max(scalars, key=scalars.get)
    return {
        "weights": weights[variable],
        "variable": variable,
        "integers": all(np.array_equal(one[k], several[k]) for k in one.keys() - floats),
        "logs": scalars[scalar],
        "scalar": scalar,
        **found,
    }


def main(names: list[str]) -> None:
    keras.config.disable_traceback_filtering()
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        chief = json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0
    else:
        cpu = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, parts)
        strategy, chief = mirrored_strategy(["CPU:0", "CPU:1"]), True
    for name in names:
        case = CASES[name]
        keras.config.set_dtype_policy(case.precision)
        found = compare(case, strategy)
        if chief:
            print(json.dumps({"case": name, **found}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
