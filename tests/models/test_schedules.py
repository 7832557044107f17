"""Schedules: values by hand, their text, and every hyperparameter that is schedulable."""

import dataclasses
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from errors import UserError
from models import REGISTRY
from models.schedules import SHAPES, Schedule, parsed, value_at
from tests.models.conftest import BATCH
from tests.models.contracts.cases import CONVOLUTIONS, STYLED
from training import options

# Values of a schedule from 8 to 2 between the shares 0.2 and 0.6, at shares of the training.
DONE = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0)
VALUES = {
    "constant": (8, 8, 8, 8, 8, 8, 8),
    "linear": (8, 8, 6.5, 5, 3.5, 2, 2),
    "cosine": (8, 8, 5 + 3 * math.sqrt(0.5), 5, 5 - 3 * math.sqrt(0.5), 2, 2),
    "exponential": (8, 8, 8 / math.sqrt(2), 4, 2 * math.sqrt(2), 2, 2),
    "log_cosine": (8, 8, 8 * 4 ** (math.sqrt(0.125) - 0.5), 4, 8 * 4 ** (-math.sqrt(0.125) - 0.5),
                   2, 2),
    "step": (8, 8, 8, 2, 2, 2, 2),
    "cyclical": (8, 8, 5, 2, 2, 8, 8),  # u = 2 at the end: a third period begins
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_values_of_each_shape_are_those_by_hand(shape):
    schedule = Schedule("x", shape, 8.0, 2.0, 0.2, 0.6)
    found = [float(schedule.value(tf.constant(d, tf.float64))) for d in DONE]
    np.testing.assert_allclose(found, VALUES[shape], rtol=1e-5)


def test_schedule_without_length_is_a_jump():
    schedule = Schedule("x", "cosine", 8.0, 2.0, 0.5, 0.5)
    found = [float(schedule.value(tf.constant(d, tf.float64))) for d in (0.0, 0.499, 0.5, 1.0)]
    np.testing.assert_allclose(found, [8, 8, 2, 2], rtol=1e-6)


def test_schedule_is_exact_after_billions_of_images():
    """Float32 has no integers above 2^24: the share must be float64."""
    images, total = 2**31 + 7, 2**31 + 8
    schedule = Schedule("x", "linear", 0.0, 1.0, 0.999999, 1.0)
    done = tf.constant(images, tf.float64) / total
    expected = (images / total - 0.999999) / 1e-6
    np.testing.assert_allclose(schedule.value(done), expected, rtol=1e-6)


def test_consecutive_schedules_follow_each_other():
    text = "beta:linear:0:4:0:0.25, beta:cosine:4:2:0.5"
    (schedules,) = parsed(text).values()
    found = [float(value_at(schedules, tf.constant(d, tf.float64))) for d in (0.125, 0.4, 0.75, 1)]
    np.testing.assert_allclose(found, [2, 4, 3, 2], rtol=1e-6)


@pytest.mark.parametrize(
    ("model", "text", "message"),
    [
        ("dcgan", "noise_dim:linear:1:2", "noise_dim: cannot change during a training"),
        ("dcgan", "g_learning:linear:1:2", "g_learning: no such option; did you mean g_learning_r"),
        ("dcgan", "g_learning_rate:lin:1:2", "did you mean linear?"),
        ("dcgan", "g_learning_rate:x:1:2", "with a shape of constant, linear,"),
        ("dcgan", "g_learning_rate", "expected NAME:SHAPE:FROM:TO"),
        ("dcgan", "g_learning_rate:linear:1", "expected NAME:SHAPE:FROM:TO"),
        ("dcgan", "g_learning_rate:linear:1:nan", "with finite numbers"),
        ("beta_vae", "beta:constant:4:2", "or NAME:constant:VALUE"),
        ("beta_vae", "beta:constant:4:0:0.5", "or NAME:constant:VALUE"),
        ("dcgan", "g_learning_rate:linear:1:0:0.5:0.2", "0 <= START <= END <= 1"),
        ("dcgan", "g_learning_rate:linear:1:0:-0.5", "0 <= START <= END <= 1"),
        ("dcgan", "g_learning_rate:exponential:1:0", "exponential requires values above 0"),
        (
            "dcgan",
            "g_learning_rate:linear:-1:0",
            "a number > 0, got -1.0; 0 is valid in a schedule",
        ),
        ("dcgan", "beta_2:linear:0.9:1", "beta_2: expected a number >= 0 and < 1, got 1"),
        ("dcgan", "penalty_weight:linear:1:2", "penalty_weight does not apply with penalty=none"),
        ("dcgan", "ema_kimg:linear:1:2", "set ema_kimg to the value at the start"),
        ("beta_vae", "beta:linear:0:4,beta:linear:4:1:0.5", "starts before the earlier schedule"),
    ],
)
def test_invalid_schedule_raises_with_its_name(model, text, message):
    with pytest.raises(UserError, match=r"^schedule: ") as error:
        REGISTRY[model].hyperparameters.resolve(schedule=text)
    assert message in str(error.value)


def test_value_that_the_schedule_replaces_raises():
    schedule = {"schedule": "g_learning_rate:cosine:1e-3:0"}
    expected = r"^g_learning_rate: is replaced by its schedule, which starts with 0\.001; omit it"
    for value in ("2e-4", "0.01"):
        argv = ("--model=dcgan", f"--g_learning_rate={value}", f"--schedule={schedule['schedule']}")
        with pytest.raises(UserError, match=expected):
            options.parse(argv)
    with pytest.raises(UserError, match=expected):
        models.build("dcgan", "MNIST", g_learning_rate=2e-4, **schedule)
    models.build("dcgan", "MNIST", g_learning_rate=1e-3, width=4, **schedule)
    assert REGISTRY["dcgan"].hyperparameters.of_saved(schedule | {"g_learning_rate": 2e-4})


def test_schedule_of_an_option_without_effect_raises():
    resolve = REGISTRY["infogan"].hyperparameters.resolve
    with pytest.raises(UserError, match=r"^schedule: continuous_weight: requires a continuous"):
        resolve(continuous_codes=0, schedule="continuous_weight:linear:0:1")
    with pytest.raises(UserError, match=r"^schedule: ema_decay: does not apply with ema_kimg"):
        resolve(ema_kimg=1.0, schedule="ema_decay:linear:0:0.9")


def test_beta_schedules_are_schedules_of_beta():
    resolve = REGISTRY["beta_vae"].hyperparameters.resolve
    cyclical = resolve(beta=3.0, beta_schedule="cyclical", beta_warmup_epochs=5)
    assert cyclical.schedules(20.0) == {"beta": (Schedule("beta", "cyclical", 0, 3.0, 0, 0.25),)}
    with pytest.raises(UserError, match="does not combine with beta_schedule=linear"):
        resolve(beta_schedule="linear", schedule="beta:linear:0:4")


# Other hyperparameters with which a schedulable one has an effect in the second step, and its two
# values, if the default and half of it have none: the EMA's decay is below 0.2 in these steps.
WITH = {
    "penalty_weight": {"penalty": "r1", "d_norm": "none", "penalty_interval": 1},
    "augment_probability": {"augment": "diffaug"},
    "ema_kimg": {"ema_kimg": 0.004},
    "path_weight": {"path_interval": 1},
    "invariance_weight": {"continuous_codes": 0},
    "continuous_weight": {"continuous_codes": 2},
    "clustering_learning_rate": {"clustering": "contrastive", **CONVOLUTIONS},
}
BETWEEN = {"ema_decay": (0.15, 0.05), "ema_kimg": (0.004, 0.0005)}
SCHEDULABLE = [
    (name, spec.name)
    for name, entry in REGISTRY.items()
    for spec in dataclasses.fields(entry.hyperparameters)
    if spec.metadata.get("schedulable")
    and (not spec.metadata["owner"] or spec.metadata["of_choice"])
]
FIRST = {option: name for name, option in reversed(SCHEDULABLE)}
# A model for each set of options.
OF_EACH_SET = {
    frozenset(option for owner, option in SCHEDULABLE if owner == name): name
    for name, _ in reversed(SCHEDULABLE)
}


def test_hyperparameters_that_recipes_schedule_are_schedulable():
    assert set(FIRST) == {
        "learning_rate", "g_learning_rate", "d_learning_rate", "e_learning_rate",
        "q_learning_rate", "penalty_weight", "beta_2", "augment_probability", "ema_decay",
        "ema_kimg", "categorical_weight", "continuous_weight", "invariance_weight",
        "reconstruction_weight", "path_weight", "beta", "clustering_learning_rate",
    }  # fmt: skip


FAST = ("g_learning_rate", "penalty_weight", "beta_2", "beta", "reconstruction_weight")


@pytest.mark.parametrize(
    ("name", "option"),
    [
        pytest.param(name, option, marks=[pytest.mark.slow] * (option not in FAST))
        for option, name in FIRST.items()
    ],
)
def test_scheduled_hyperparameter_has_its_value_at_each_step(
    name, option, tiny, batches, take_step, state_of
):
    assert_second_step_differs(name, [option], tiny, batches, take_step, state_of)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_EACH_SET.values())
def test_all_scheduled_hyperparameters_of_a_model_have_their_values_at_each_step(
    name, tiny, batches, take_step, state_of
):
    of_model = [option for owner, option in SCHEDULABLE if owner == name]
    # The first replaces ema_decay; the second requires no continuous codes, other options some; the
    # third has other terms.
    alone = ("ema_kimg", "invariance_weight", "clustering_learning_rate")
    together = [option for option in of_model if option not in alone]
    assert_second_step_differs(name, together, tiny, batches, take_step, state_of)


def assert_second_step_differs(name, scheduled, tiny, batches, take_step, state_of):
    """Assert that the step at which values change is the only one of two that differs."""
    images, labels = batches(2)
    besides = {k: v for option in scheduled for k, v in WITH.get(option, {}).items()}
    if name in STYLED:
        besides.pop("d_norm", None)
    hp = tiny(name, **besides).hp
    defaults = {option: getattr(hp, option) or 1.0 for option in scheduled}
    ends = {o: BETWEEN.get(o, (default, default / 2)) for o, default in defaults.items()}
    constant = ",".join(f"{option}:constant:{first}" for option, (first, _) in ends.items())
    jump = ",".join(f"{option}:step:{first}:{last}" for option, (first, last) in ends.items())
    states = {}
    for schedule in (constant, jump):
        keras.utils.set_random_seed(0)
        model = tiny(name, schedule=schedule, **besides)
        model.before_training(images_per_epoch=BATCH, images=2 * BATCH)
        model.compile()
        states[schedule] = []
        for k in range(2):
            for option, values in ends.items():
                value = values[k * (schedule == jump)]
                np.testing.assert_allclose(model.current(option), value, rtol=1e-6)
            take_step(model, images[k], labels[k])
            states[schedule].append(state_of(model))
    (after_1, after_2), (after_1_too, jumped) = states.values()
    assert after_1.keys() == after_2.keys()
    assert not differing(after_1, after_1_too)
    assert differing(after_2, jumped)


def differing(one, two):
    return [key for key in one if not np.array_equal(one[key], two[key])]


def test_scheduled_values_are_logged_and_rates_are_those_of_the_optimizers(
    tiny, batches, take_step
):
    text = "g_learning_rate:linear:1e-3:0, penalty_weight:linear:10:0"
    model = tiny("dcgan", schedule=text, **WITH["penalty_weight"])
    model.before_training(images_per_epoch=BATCH, images=4 * BATCH)
    model.compile()
    images, labels = batches(2)
    logs = [take_step(model, images[k], labels[k]) for k in range(2)]
    assert [log["scheduled_penalty_weight"] for log in logs] == [10, 7.5]
    assert "scheduled_g_learning_rate" not in logs[0]
    np.testing.assert_allclose(model.optimizers["generator"].learning_rate, 0.75e-3, rtol=1e-6)
    np.testing.assert_allclose(model.optimizers["discriminator"].learning_rate, 2e-4, rtol=1e-6)
    assert model.final("penalty_weight") == 0
    assert model.final("d_learning_rate") == 2e-4


def test_schedule_in_python_requires_the_length_of_the_training(tiny, batches):
    model = tiny("gan", schedule="g_learning_rate:linear:1e-3:0")
    model.compile()
    images, labels = batches(1)
    with pytest.raises(ValueError, match=r"model.before_training.images_per_epoch, images. before"):
        model.train_step((tf.constant(images[0]), tf.constant(labels[0])))


def test_optimizer_that_cannot_have_the_scheduled_values_raises(tiny):
    model = tiny("gan", schedule="g_learning_rate:linear:1e-3:0")
    decay = keras.optimizers.schedules.CosineDecay(1e-3, 10)
    with pytest.raises(ValueError, match="g_learning_rate is scheduled: give an optimizer"):
        model.compile(optimizers={"generator": keras.optimizers.Adam(decay)})
    model = tiny("gan", schedule="beta_2:linear:0.5:0.9")
    with pytest.raises(ValueError, match="beta_2 is scheduled: give an optimizer with beta_2"):
        model.compile(optimizers={"generator": keras.optimizers.SGD(1e-3)})


def test_optimizer_keeps_its_own_values_after_a_scheduled_step(tiny, batches, take_step):
    model = tiny("gan", schedule="beta_2:linear:0.5:0.9")
    model.before_training(BATCH, 2 * BATCH)
    model.compile()
    images, labels = batches(1)
    take_step(model, images[0], labels[0])
    assert {optimizer.beta_2 for optimizer in model.optimizers.values()} == {0.999}


def test_images_are_counted_whatever_the_batch_size_is(tiny, batches, fit):
    model = tiny("gan", batch_size=64, n_critic=2)
    model.compile()
    fit(model, *batches(3, n_critic=2))
    assert int(model.images) == 3 * 2 * BATCH


def test_images_of_a_checkpoint_without_their_number_follow_from_its_step(tiny):
    model = tiny("gan", batch_size=64, n_critic=2)
    assert model.derived_state(10) == {"own/images": 1280}


def test_scheduled_rate_and_decay_reach_the_optimizer_within_a_loss_scale(
    tiny, batches, take_step, policy
):
    """At half of the training, a step in float16 moves the weights as one with the values there."""
    images, labels = batches(1)
    policy("mixed_float16")
    moved = []
    for given in (
        {"schedule": "g_learning_rate:linear:0.2:0,beta_2:linear:0.5:0.9"},
        {"g_learning_rate": 0.1, "beta_2": 0.7},
    ):
        keras.utils.set_random_seed(0)
        model = tiny("gan", **given)
        model.before_training(images_per_epoch=BATCH, images=4 * BATCH)
        model.compile()
        for optimizer in model.optimizers.values():
            assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
            optimizer.dynamic_scale.assign(8.0)
        model.images.assign(2 * BATCH)
        take_step(model, images[0], labels[0])
        moved.append([np.array(v) for v in model.generator.trainable_variables])
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_scheduled_weight_of_a_lazy_penalty_is_that_of_its_step(tiny, batches, take_step):
    """Every second step, the penalty is scaled by 2 and has the weight of that step."""
    images, labels = batches(1)
    penalties = {}
    for schedule in ("penalty_weight:linear:8:0", "penalty_weight:constant:8"):
        keras.utils.set_random_seed(0)
        model = tiny("gan", penalty="r1", d_norm="none", penalty_interval=2, schedule=schedule)
        model.before_training(images_per_epoch=BATCH, images=4 * BATCH)
        model.compile()
        model.step.assign(2)
        model.images.assign(2 * BATCH)
        penalties[schedule] = take_step(model, images[0], labels[0])["d_loss_r1"]
    linear, constant = penalties.values()
    assert constant > 0
    np.testing.assert_allclose(linear, constant / 2, rtol=1e-5)
