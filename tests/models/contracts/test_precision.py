"""Contracts of 16-bit precision and of XLA."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from augmentation.copies import FUNCTIONS
from models.randomness import Batch
from tests.models.conftest import BATCH
from tests.models.contracts.cases import (
    ADVERSARIAL,
    CHOSEN,
    COMPUTED,
    NAMES,
    can_move,
    each_moved,
    slow_unless_of_each_kind,
    updates_of_d,
    values,
)


@pytest.mark.parametrize(("name", "variant"), COMPUTED)
def test_eager_steps_equal_those_of_graph_and_xla_which_are_traced_once(
    name, variant, tiny, batches, fit, monkeypatch
):
    """The draws are fixed, since XLA may draw other numbers."""
    rng = np.random.default_rng(0)
    shapes = {"epsilon": (4, 1, 1, 1), "alpha": (4, 1, 1, 1), "perturbation": (4, 28, 28, 1)}
    shapes |= {"affine copies": (4, 6), "upright copies": (4, 6), "category_0": (4, 10)}
    drawn_of = ("real", "fake", "fake of generator", "penalty")
    changes = {"colour": 4, "translation": 3, "cutout": 3}
    shapes |= {f"augment {x} {c}": (4, n) for x in drawn_of for c, n in changes.items()}
    copies = ("copies a", "copies b", "copies of generated")
    shapes |= {f"{x} {c}": (4, n) for x in copies for c, (_, n) in FUNCTIONS.items()}
    given = {purpose: rng.uniform(size=shape) for purpose, shape in shapes.items()}
    given["encoder"] = rng.normal(size=(4, 5))
    given["path"] = rng.normal(size=(2, 28, 28, 1))
    noise = enumerate((7, 7, 14, 14, 28, 28) if name == "stylegan" else (7, 14, 14, 28, 28))
    given |= {f"noise {k}": rng.normal(size=(4, side, side, 1)) for k, side in noise}
    for draws in ("uniform", "normal"):
        monkeypatch.setattr(
            Batch, draws, lambda _, purpose, shape: tf.constant(given[purpose], tf.float32)
        )
    latents = {}

    def with_fixed_draws(cls):
        class Fixed(cls):
            traces = 0

            def update(self, data):
                self.traces += 1
                return super().update(data)

            def draw(self, batch):
                return super().draw(batch) | {n: tf.constant(z) for n, z in latents.items()}

        return Fixed

    logs = {}
    for way in ("eager", "graph", "xla"):
        keras.utils.set_random_seed(1)
        model = tiny(name, with_fixed_draws, **variant)
        drawn = model.latents.draw(4, 0)
        latents |= {n: z.numpy() for n, z in drawn.items() if n != "label"}
        images = 3 * BATCH * updates_of_d(model)
        model.before_training(images, images)
        model.compile(jit_compile=way == "xla", run_eagerly=way == "eager")
        assert model.jit_compile == (way == "xla")
        logs[way] = fit(model, *batches(3, updates_of_d(model)))
        assert model.traces == (3 if way == "eager" else 1)
        assert len(logs[way]) == 3
    for way in ("graph", "xla"):
        for eager, found in zip(logs["eager"], logs[way], strict=True):
            assert eager.keys() == found.keys()
            for scalar in eager:
                np.testing.assert_allclose(
                    found[scalar], eager[scalar], rtol=1e-4, atol=1e-4, err_msg=f"{way}: {scalar}"
                )
    assert logs["xla"][0] != logs["xla"][1]
    for penalty in model.hp.penalty_weights() if name in ADVERSARIAL else ():
        values = [log[f"d_loss_{penalty}"] for log in logs["xla"]]
        due = [step % model.hp.penalty_interval == 0 for step in range(3)]
        assert [value > 0 for value in values] == due


def scaled(model):
    kind = keras.optimizers.LossScaleOptimizer
    return [isinstance(optimizer, kind) for optimizer in model.optimizers.values()]


@pytest.mark.parametrize("name", slow_unless_of_each_kind(NAMES))
def test_step_in_bfloat16_is_finite_and_moves_the_weights(name, policy, tiny, batches, take_step):
    policy("mixed_bfloat16")
    model = tiny(name)
    model.compile()
    assert not any(scaled(model))
    images, labels = batches(1)
    before = {player: values(p.variables) for player, p in model.players().items()}
    scalars = take_step(model, images[0], labels[0])
    assert np.isfinite(list(scalars.values())).all(), scalars
    for player, p in model.players().items():
        after = values(p.variables)
        assert all(v.dtype == np.float32 and np.isfinite(v).all() for v in after)
        assert each_moved(before[player], after) == can_move(name, p)
    assert model.sample(2).dtype == np.float32


@pytest.mark.parametrize("name", slow_unless_of_each_kind(NAMES))
def test_steps_in_float16_halve_the_loss_scale_until_finite(name, policy, tiny, batches, take_step):
    """Losses are finite from the first step; gradients that overflow are skipped."""
    policy("mixed_float16")
    model = tiny(name)
    model.compile()
    assert all(scaled(model))
    images, labels = batches(1)
    first = {player: values(p.variables) for player, p in model.players().items()}
    for _ in range(15):
        before = {player: values(p.variables) for player, p in model.players().items()}
        counts = {player: int(o.iterations) for player, o in model.optimizers.items()}
        scalars = take_step(model, images[0], labels[0])
        losses = [x for scalar, x in scalars.items() if not scalar.endswith("_gradient_norm")]
        assert np.isfinite(losses).all(), scalars
        steps = {p: int(o.iterations) - counts[p] for p, o in model.optimizers.items()}
        for player, p in model.players().items():
            assert any(each_moved(before[player], values(p.variables))) == (steps[player] > 0)
            assert np.isfinite(scalars[f"{player}_gradient_norm"]) or not steps[player]
        if all(steps.values()):
            break
    assert np.isfinite(list(scalars.values())).all(), scalars
    for player, p in model.players().items():
        after = values(p.variables)
        assert all(v.dtype == np.float32 and np.isfinite(v).all() for v in after)
        assert each_moved(first[player], after) == can_move(name, p)
    assert model.sample(2).dtype == np.float32


@pytest.mark.parametrize("name", slow_unless_of_each_kind(NAMES))
def test_gradient_norms_in_float16_are_logged_without_the_loss_scale(
    name, policy, tiny, batches, take_step
):
    images, labels = batches(1)
    found = {}
    for precision in ("float32", "mixed_float16"):
        policy(precision)
        keras.utils.set_random_seed(1)
        model = tiny(name)
        model.compile()
        if precision == "mixed_float16":
            for optimizer in model.optimizers.values():
                optimizer.dynamic_scale.assign(8.0)
        found[precision] = take_step(model, images[0], labels[0])
    norms = [scalar for scalar in found["float32"] if scalar.endswith("_gradient_norm")]
    assert len(norms) == len(model.players())
    for norm in norms:
        assert found["float32"][norm] > 0
        np.testing.assert_allclose(
            found["mixed_float16"][norm], found["float32"][norm], rtol=0.1, err_msg=norm
        )


@pytest.mark.parametrize(("name", "variant"), CHOSEN)
def test_losses_of_each_choice_in_16_bits_are_close_to_those_in_float32(
    name, variant, policy, tiny, batches, take_step
):
    found = {}
    for precision in ("float32", "mixed_float16", "mixed_bfloat16"):
        policy(precision)
        keras.utils.set_random_seed(1)
        model = tiny(name, **variant)
        model.before_training(BATCH, BATCH)
        model.compile()
        for optimizer in model.optimizers.values() if precision == "mixed_float16" else ():
            optimizer.dynamic_scale.assign(8.0)
        images, labels = batches(1, updates_of_d(model))
        images = np.repeat(images[0], model.image_shape[-1], axis=-1)
        found[precision] = take_step(model, images, labels[0])
        assert all(np.isfinite(v).all() for v in values(model.trainable_variables))
    losses = [scalar for scalar in found["float32"] if "loss" in scalar]
    assert losses
    for precision in ("mixed_float16", "mixed_bfloat16"):
        for loss in losses:
            np.testing.assert_allclose(
                found[precision][loss], found["float32"][loss], rtol=0.1, atol=0.05, err_msg=loss
            )
