"""Hooks of the adversarial train step, against calculations by hand on linear networks."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import fields
from fields import Choices
from losses.adversarial import LOSSES, AdversarialLoss, LossChoice
from losses.penalties import PENALTIES
from models import layers
from models.adam import FusedAdam
from models.adversarial import (
    D_LOSS,
    DISCRIMINATOR_TERMS,
    G_LOSS,
    GENERATOR_TERMS,
    AdversarialModel,
    Penalty,
)
from models.declarations.adversarial import AdversarialHyperparameters
from models.objectives import Objective
from models.terms import Term, merged, total

# Terms.


def test_total_of_several_terms_is_the_sum_of_their_means():
    terms = {"a": tf.constant([1.0, 3.0]), "b": tf.constant([10.0, 20.0, 30.0, 40.0])}
    loss, scalars = total(terms, D_LOSS, DISCRIMINATOR_TERMS)
    assert {name: float(x) for name, x in scalars.items()} == {
        "d_loss": 27.0,
        "d_loss_a": 2.0,
        "d_loss_b": 25.0,
    }
    assert float(loss) == 27.0


def test_total_of_weighted_terms_sums_and_logs_the_weighted_means():
    weight = tf.constant([0.0, 2.0, 0.0, 2.0])
    terms = {
        "a": Term(tf.constant([1.0, 3.0]), 0.5),
        "b": Term(tf.constant([10.0, 20.0, 30.0, 40.0]), weight),
        "c": tf.constant([4.0]),
    }
    loss, scalars = total(terms, G_LOSS, GENERATOR_TERMS)
    assert {name: float(x) for name, x in scalars.items()} == {
        "g_loss": 35.0,
        "g_loss_a": 1.0,
        "g_loss_b": 30.0,
        "g_loss_c": 4.0,
    }
    assert float(loss) == 35.0
    np.testing.assert_array_equal(terms["a"].value, [1.0, 3.0])


def test_total_of_one_term_is_logged_once():
    loss, scalars = total(
        {"adversarial": tf.constant([1.0, 3.0], tf.float16)}, G_LOSS, GENERATOR_TERMS
    )
    assert list(scalars) == ["g_loss"]
    assert float(loss) == 2.0
    assert loss.dtype == tf.float32


def test_merged_of_terms_keeps_their_order():
    assert list(merged({"b": 1, "a": 2}, {}, {"c": 3})) == ["b", "a", "c"]
    assert merged() == {}


class Repeats(Objective):
    """Objective with one term, of a given name."""

    def __init__(self, side, name):
        self.sides, self.name = (side,), name

    def terms(self, real, fake, batch):
        return {self.name: fake["d"]}


class RepeatsInExtraTerms(AdversarialModel):
    def extra_generator_terms(self, real, fake, batch):
        return {"adversarial": tf.ones(5)}


class RepeatsInPenalties(AdversarialModel):
    def penalties(self):
        return {"fake": Penalty(1.0, lambda real, fake, batch: tf.ones(5))}


@pytest.mark.parametrize(
    ("cls", "objectives", "name"),
    [
        (AdversarialModel, [Repeats("discriminator", "real")], "real"),
        (AdversarialModel, [Repeats("generator", "adversarial")], "adversarial"),
        (AdversarialModel, [Repeats("generator", "a"), Repeats("generator", "a")], "a"),
        (RepeatsInExtraTerms, [], "adversarial"),
        (RepeatsInPenalties, [], "fake"),
    ],
)
def test_step_with_two_terms_of_one_name_raises(cls, objectives, name, linear, pictures, take_step):
    model = linear(cls)
    model.objectives = objectives
    with pytest.raises(ValueError, match=f"^several terms of a loss are named {name}$"):
        take_step(model, pictures(5))


def test_step_logs_the_losses_of_the_loss_pair(linear, pictures, take_step):
    """D's are from its weights before the update, G's from those after it, on the same images."""
    still = {"generator": keras.optimizers.SGD(0.0)}
    model = linear(optimizers=still, d_learning_rate=0.1)
    x = pictures(5)
    real = model.discriminator(x)[:, 0]
    before = keras.models.clone_model(model.discriminator)
    before.set_weights(model.discriminator.get_weights())
    scalars = take_step(model, x)

    assert len(model.fakes) == 1
    terms = model.loss_pair.discriminator(real, before(model.fakes[0])[:, 0])
    by_hand = {name: float(tf.reduce_mean(term)) for name, term in terms.items()}
    np.testing.assert_allclose(scalars["d_loss_real"], by_hand["real"], rtol=1e-5)
    np.testing.assert_allclose(scalars["d_loss_fake"], by_hand["fake"], rtol=1e-5)
    np.testing.assert_allclose(scalars["d_loss"], sum(by_hand.values()), rtol=1e-5)

    def g_loss(discriminator):
        terms = model.loss_pair.generator(None, discriminator(model.fakes[0])[:, 0])
        return float(tf.reduce_mean(terms["adversarial"]))

    np.testing.assert_allclose(scalars["g_loss"], g_loss(model.discriminator), rtol=1e-5)
    assert abs(scalars["g_loss"] - g_loss(before)) > 1e-3
    assert set(scalars) == {
        "d_loss",
        "d_loss_real",
        "d_loss_fake",
        "d_accuracy_real",
        "d_accuracy_fake",
        "discriminator_gradient_norm",
        "generator_gradient_norm",
        "g_loss",
    }


@pytest.mark.parametrize("loss", ["non_saturating", "minimax"])
def test_step_uses_the_selected_loss_and_label_smoothing(loss, linear, pictures, take_step):
    still = {name: keras.optimizers.SGD(0.0) for name in ("discriminator", "generator")}
    model = linear(optimizers=still, loss=loss, label_smoothing=0.25)
    model.discriminator.set_weights([np.zeros((4, 1)), np.log([3.0])])  # sigmoid is 3/4
    scalars = take_step(model, pictures(5))
    ln4, ln4_3 = np.log(4), np.log(4 / 3)
    np.testing.assert_allclose(scalars["d_loss_real"], 0.75 * ln4_3 + 0.25 * ln4, rtol=1e-5)
    np.testing.assert_allclose(scalars["d_loss_fake"], ln4, rtol=1e-5)
    expected = {"non_saturating": ln4_3, "minimax": -ln4}[loss]
    np.testing.assert_allclose(scalars["g_loss"], expected, rtol=1e-5)


def test_step_with_sgd_equals_gradient_descent_by_hand(linear, pictures, take_step):
    """W - rate * d loss / d W, with the gradient of the linear D calculated in numpy."""
    sgd = {"discriminator": keras.optimizers.SGD(0.5), "generator": keras.optimizers.SGD(0.0)}
    model = linear(optimizers=sgd)
    x = pictures(5)
    w = model.kernel.numpy().astype(np.float64)
    scalars = take_step(model, x)
    real, fake = x.reshape(5, 4), model.fakes[0].numpy().reshape(5, 4)

    def sigmoid(logits):
        return 1 / (1 + np.exp(-logits))

    up = real.T @ (sigmoid(real @ w) - 1) / 5 + fake.T @ sigmoid(fake @ w) / 5
    np.testing.assert_allclose(model.kernel, w - 0.5 * up, rtol=1e-4, atol=1e-6)
    bias = np.mean(sigmoid(real @ w) - 1) + np.mean(sigmoid(fake @ w))
    norm = np.sqrt(np.sum(up**2) + bias**2)
    np.testing.assert_allclose(scalars["discriminator_gradient_norm"], norm, rtol=1e-4)


# Penalties.


class Constant(AdversarialModel):
    """Penalty of 3 per example, of weight 0.5, every `interval` steps."""

    interval = 4

    def penalties(self):
        def three(real, fake, batch):
            return tf.fill([tf.shape(real)[0]], 3.0)

        return {"three": Penalty(0.5, three, self.interval)}


def test_penalty_of_interval_1_is_added_with_its_weight_in_every_step(linear, pictures, take_step):
    model = linear(type("Always", (Constant,), {"interval": 1}))
    for step in range(3):
        scalars = take_step(model, pictures(5, seed=step))
        assert scalars["d_loss_three"] == 1.5
        parts = scalars["d_loss_real"] + scalars["d_loss_fake"] + 1.5
        np.testing.assert_allclose(scalars["d_loss"], parts, rtol=1e-6)
        assert "g_loss_three" not in scalars


@pytest.mark.parametrize("eagerly", [True, False])
def test_penalty_of_interval_4_is_added_every_4_steps_scaled_by_4(eagerly, linear, pictures, fit):
    model = linear(Constant)
    model.compile(run_eagerly=eagerly)
    logs = fit(model, pictures(9, 5), np.zeros((9, 5), np.int64))
    assert [log["d_loss_three"] for log in logs] == [6, 0, 0, 0, 6, 0, 0, 0, 6]
    for log in logs:
        parts = log["d_loss_real"] + log["d_loss_fake"] + log["d_loss_three"]
        np.testing.assert_allclose(log["d_loss"], parts, rtol=1e-6)


def test_lazy_penalty_changes_the_update_only_in_its_steps(linear, pictures, take_step):
    """|w|^2 / 2 has the gradient w: the update differs by rate * weight * interval * w."""

    class Decay(AdversarialModel):
        def penalties(self):
            def half_square(real, fake, batch):
                square = tf.reduce_sum(tf.square(tf.convert_to_tensor(self.kernel))) / 2
                return tf.fill([tf.shape(real)[0]], square)

            return {"decay": Penalty(0.25, half_square, interval=2)}

    rates = {"discriminator": 0.1, "generator": 0.0}
    plain, decayed = (
        linear(cls, {name: keras.optimizers.SGD(rate) for name, rate in rates.items()})
        for cls in (AdversarialModel, Decay)
    )
    for step, due in enumerate([True, False, True]):
        w = plain.kernel.numpy()
        decayed.discriminator.set_weights(plain.discriminator.get_weights())
        for model in (plain, decayed):
            take_step(model, pictures(5, seed=step))
        expected = plain.kernel.numpy() - due * 0.1 * 0.25 * 2 * w
        np.testing.assert_allclose(decayed.kernel, expected, rtol=1e-4, atol=1e-6)


def test_penalty_receives_real_and_fake_inputs_and_the_batch_with_its_seeds(
    linear, pictures, take_step
):
    given = []

    class Spy(AdversarialModel):
        def penalties(self):
            def record(name):
                def function(real, fake, batch):
                    seeds = [tuple(batch.seed(name).numpy()) for _ in range(2)]
                    given.append((name, np.array(real), np.array(fake), batch, seeds))
                    return tf.zeros([5])

                return Penalty(1.0, function)

            return {"one": record("one"), "two": record("two")}

    model = linear(Spy, n_critic=2)
    x, labels = pictures(2, 5), np.arange(10).reshape(2, 5)
    for _ in range(2):
        take_step(model, x, labels)
    assert [name for name, *_ in given] == ["one", "two"] * 4
    for k, (_, real, fake, batch, (seed, again)) in enumerate(given):
        np.testing.assert_allclose(real, x[k // 2 % 2], atol=1e-6)
        np.testing.assert_array_equal(fake, model.fakes[k // 2])
        np.testing.assert_array_equal(batch.x, real)
        np.testing.assert_array_equal(batch.labels, labels[k // 2 % 2])
        assert batch.latents["noise"].shape == (5, 3)
        assert seed == again
    assert len({seed for *_, (seed, _) in given}) == 8


@pytest.mark.parametrize("interval", [1, 4])
@pytest.mark.parametrize("name", PENALTIES)
def test_penalty_of_a_linear_discriminator_equals_its_formula(
    name, interval, linear, pictures, take_step
):
    """The gradient norm of D(x) = w x + b is |w| everywhere: the penalty is (|w| - 1)² or |w|² / 2,
    its gradient points along w, and it is due every step or, scaled by 4, every 4 steps.
    """
    rates = {"discriminator": 0.1, "generator": 0.0}
    hp = {"loss": "wasserstein", "penalty": name, "penalty_weight": 3.0}
    plain, model = (
        linear(optimizers={k: keras.optimizers.SGD(rate) for k, rate in rates.items()}, **given)
        for given in ({"loss": "wasserstein"}, {**hp, "penalty_interval": interval})
    )
    for step in range(6):
        w = model.kernel.numpy().astype(np.float64)[:, 0]
        plain.discriminator.set_weights(model.discriminator.get_weights())
        take_step(plain, pictures(5, seed=step))
        scalars = take_step(model, pictures(5, seed=step))
        strength = 3.0 * interval if step % interval == 0 else 0.0
        norm = np.linalg.norm(w)
        if name in ("gradient", "dragan"):
            value, factor = (norm - 1) ** 2, 2 * (norm - 1) / norm
        else:
            value, factor = norm**2 / 2, 1.0
        np.testing.assert_allclose(scalars[f"d_loss_{name}"], strength * value, rtol=1e-4)
        parts = ("d_loss_real", "d_loss_fake", f"d_loss_{name}")
        np.testing.assert_allclose(
            scalars["d_loss"], sum(scalars[part] for part in parts), rtol=1e-5, atol=1e-6
        )
        expected = plain.kernel.numpy()[:, 0] - 0.1 * strength * factor * w
        np.testing.assert_allclose(model.kernel.numpy()[:, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "weights"),
    [
        ({"penalty": "r1,r2"}, {"r1": 10.0, "r2": 10.0}),
        ({"penalty": "r1,r2", "penalty_weight": 3.0}, {"r1": 3.0, "r2": 3.0}),
        ({"penalty": "r1:5,r2:0.5"}, {"r1": 5.0, "r2": 0.5}),
        ({"penalty": "gradient:2,r1"}, {"gradient": 2.0, "r1": 10.0}),
        ({"penalty": "r1:5,r2", "penalty_interval": 2}, {"r1": 10.0, "r2": 20.0}),
    ],
)
def test_penalties_of_several_names_are_terms_with_their_own_weights(
    given, weights, linear, pictures, take_step
):
    """The gradient norm of D(x) = w x + b is |w| everywhere; a lazy penalty is scaled by its
    interval.
    """
    model = linear(loss="wasserstein", **given)
    norm = np.linalg.norm(model.kernel.numpy())
    values = {"gradient": (norm - 1) ** 2, "r1": norm**2 / 2, "r2": norm**2 / 2}
    scalars = take_step(model, pictures(5))
    assert [name for name in model.penalties() if f"d_loss_{name}" in scalars] == list(weights)
    for name, weight in weights.items():
        np.testing.assert_allclose(scalars[f"d_loss_{name}"], weight * values[name], rtol=1e-4)
    parts = ("real", "fake", *weights)
    total = sum(scalars[f"d_loss_{part}"] for part in parts)
    np.testing.assert_allclose(scalars["d_loss"], total, rtol=1e-5)


def test_penalties_without_a_selected_one_are_empty(linear, pictures, take_step):
    model = linear()
    assert model.penalties() == {}
    lazy = linear(penalty="r1", penalty_weight=2.0, penalty_interval=3)
    assert lazy.penalties()["r1"].interval == 3
    assert set(take_step(model, pictures(5))) & {f"d_loss_{name}" for name in PENALTIES} == set()


def test_gradient_penalty_draws_new_interpolates_in_each_update(linear, pictures, take_step):
    """The interpolation weights differ in each update, and with each seed."""
    looked = []

    class Spy(AdversarialModel):
        def discriminate(self, inputs, batch):
            looked.append(np.array(inputs, np.float64))
            return super().discriminate(inputs, batch)

    def steps(seed):
        looked.clear()
        model = linear(Spy, penalty="gradient", n_critic=2, seed=seed)
        for _ in range(2):
            take_step(model, pictures(2, 5))
        # D scores real images, generated ones and interpolates in its update, fakes in G's.
        found = []
        for first in (0, 3, 7, 10):
            real, fake, between = looked[first : first + 3]
            e = np.sum((between - fake) * (real - fake), (1, 2, 3))
            found.append(e / np.sum((real - fake) ** 2, (1, 2, 3)))
        return np.concatenate(found)

    weights = steps(seed=0)
    assert len(weights) == 20
    assert np.diff(np.sort(weights)).min() > 1e-5
    np.testing.assert_array_equal(steps(seed=0), weights)
    assert not np.isclose(steps(seed=1), weights).any()


def test_penalty_of_structured_inputs_is_of_the_gradient_at_the_images(linear, pictures, take_step):
    """D(x, y) = w x + v y: the gradient norm is |w|, whatever v."""
    looked = []

    class Pairs(AdversarialModel):
        def build_discriminator(self):
            x, y = keras.Input(self.image_shape), keras.Input((1,))
            both = keras.layers.Concatenate()([keras.layers.Flatten()(x), y])
            return keras.Model([x, y], keras.layers.Dense(1)(both))

        def real_inputs(self, batch):
            return {"images": batch.x, "number": tf.fill([5, 1], 7.0)}

        def fake_inputs(self, batch):
            return {"images": super().fake_inputs(batch), "number": tf.fill([5, 1], -7.0)}

        def discriminate(self, inputs, batch):
            looked.append(np.array(inputs["number"]))
            return super().discriminate([inputs["images"], inputs["number"]], batch)

    model = linear(Pairs, penalty="gradient", penalty_weight=1.0)
    w = model.kernel.numpy()[:4]
    scalars = take_step(model, pictures(5))
    expected = (np.linalg.norm(w) - 1) ** 2
    np.testing.assert_allclose(scalars["d_loss_gradient"], expected, rtol=1e-5)
    np.testing.assert_array_equal(looked[2], looked[0])  # interpolates have the number of x


# Hooks around the updates.


@pytest.mark.parametrize(("n_critic", "lead"), [(1, (5,)), (3, (3, 5))])
def test_hooks_after_updates_run_in_order(n_critic, lead, linear, pictures, take_step):
    calls = []

    class Spy(AdversarialModel):
        def after_discriminator_update(self, real, fake, batch):
            assert set(real) == set(fake) == {"d"}
            assert real["d"].shape == fake["d"].shape == (5,)
            calls.append(("d", int(self.optimizers["discriminator"].iterations)))
            return {}

        def after_generator_update(self, terms, batch):
            assert set(terms) == {"adversarial"}
            assert terms["adversarial"].shape == batch.x.shape[:1] == (5,)
            calls.append(("g", int(self.optimizers["generator"].iterations)))
            return {"seen": tf.reduce_sum(terms["adversarial"])}

    model = linear(Spy, n_critic=n_critic)
    for step in range(2):
        calls.clear()
        scalars = take_step(model, pictures(*lead))
        updates = range(step * n_critic + 1, (step + 1) * n_critic + 1)
        assert calls == [*(("d", k) for k in updates), ("g", step + 1)]
        assert scalars["seen"] == pytest.approx(5 * scalars["g_loss"], rel=1e-5)


def test_after_discriminator_update_receives_the_scores_of_the_update(linear, pictures, take_step):
    given = []

    class Spy(AdversarialModel):
        def after_discriminator_update(self, real, fake, batch):
            given.append(np.array(real["d"]))
            return {}

    model = linear(Spy, d_learning_rate=0.1)
    x = pictures(5)
    before = model.discriminator(x)[:, 0].numpy()
    take_step(model, x)
    np.testing.assert_allclose(given[0], before, rtol=1e-5)
    assert not np.allclose(given[0], model.discriminator(x)[:, 0], atol=1e-3)


def test_weights_clipped_after_the_discriminator_update_score_the_generator(
    linear, pictures, take_step
):
    class Clipped(AdversarialModel):
        def after_discriminator_update(self, real, fake, batch):
            self.kernel.assign(tf.clip_by_value(self.kernel.value, -0.01, 0.01))
            return {}

    model = linear(Clipped)
    assert np.abs(model.kernel.numpy()).max() > 0.1
    scalars = take_step(model, pictures(5))
    assert np.abs(model.kernel.numpy()).max() <= 0.01
    bias = model.discriminator.layers[-1].bias.numpy()[0]
    np.testing.assert_allclose(scalars["g_loss"], np.log1p(np.exp(-bias)), atol=0.05)


def test_generator_terms_receive_real_scores_only_if_the_loss_uses_them(
    linear, pictures, take_step
):
    given = []

    def generator(d_real, d_fake):
        given.append(d_real)
        return {"adversarial": -d_fake}

    def discriminator(d_real, d_fake):
        return {"real": -d_real, "fake": d_fake}

    def make():
        return AdversarialLoss(discriminator, generator)

    own = Choices(LossChoice, LossChoice(name="own", make=make, has_threshold=False))

    @fields.options(alternatives={"loss": own}, defaults={"loss": "own"})
    class SpyHyperparameters(AdversarialHyperparameters):
        """Hyperparameters of a model with a loss of its own."""

    class Spy(AdversarialModel):
        Hyperparameters = SpyHyperparameters

    blind = linear(Spy, d_learning_rate=0.1)
    x = pictures(5)
    scalars = take_step(blind, x)
    assert given == [None]
    assert not [name for name in scalars if "accuracy" in name]  # no threshold, no accuracy

    given.clear()
    seeing = linear(Spy, d_learning_rate=0.1)
    seeing.loss_pair = AdversarialLoss(discriminator, generator, generator_uses_real=True)
    before = seeing.discriminator(x)[:, 0].numpy()
    take_step(seeing, x)
    # They are those of D after its update.
    np.testing.assert_allclose(given[0], seeing.discriminator(x)[:, 0], rtol=1e-4, atol=1e-5)
    assert not np.allclose(given[0], before, atol=1e-3)


def test_players_of_one_side_share_a_loss_and_have_their_own_optimizers(
    linear, pictures, take_step
):
    """An encoder beside G has its own optimizer and gradient norm, and shares the loss."""

    class WithEncoder(AdversarialModel):
        def build_networks(self):
            super().build_networks()
            self.scale = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

        def fake_inputs(self, batch):
            return super().fake_inputs(batch) * tf.reshape(self.scale(tf.ones((1, 1))), ())

        def players(self):
            players = super().players()
            g = players["generator"]
            players["encoder"] = type(g)((self.scale,), "g_learning_rate", side="generator")
            return players

    model = linear(WithEncoder)
    before = [v.numpy().copy() for v in model.scale.trainable_variables]
    scalars = take_step(model, pictures(5))
    assert scalars["encoder_gradient_norm"] > 0
    assert scalars["generator_gradient_norm"] > 0
    for old, new in zip(before, model.scale.trainable_variables, strict=True):
        rate = model.hp.g_learning_rate
        np.testing.assert_allclose(np.abs(new.numpy() - old), rate, rtol=1e-3)  # Adam's first step
    assert int(model.optimizers["encoder"].iterations) == 1


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_compile_makes_the_selected_optimizers(optimizer, linear):
    rates = {"g_learning_rate": 1e-3, "d_learning_rate": 3e-3, "beta_2": 0.7}
    model = linear(optimizer=optimizer, **rates)
    kinds = {"adam": FusedAdam, "rmsprop": keras.optimizers.RMSprop}
    for name, rate in (("generator", 1e-3), ("discriminator", 3e-3)):
        made = model.optimizers[name]
        assert type(made) is kinds[optimizer]
        np.testing.assert_allclose(float(made.learning_rate), rate, rtol=1e-6)
        if optimizer == "adam":
            assert (made.beta_1, made.beta_2) == (0.5, 0.7)
        else:
            assert (made.rho, made.momentum, made.centered) == (0.7, 0.0, False)


def test_scalars_of_a_hook_are_logged(linear, pictures, take_step):
    """With several updates of D, the scalars of the last one are logged."""

    class Spy(AdversarialModel):
        def after_discriminator_update(self, real, fake, batch):
            return {"spread": tf.reduce_mean(real["d"] - fake["d"]), "updates": tf.constant(1.0)}

    model = linear(Spy, n_critic=2, loss="wasserstein")
    scalars = take_step(model, pictures(2, 5))
    np.testing.assert_allclose(scalars["spread"], -scalars["d_loss"], rtol=1e-5)
    assert scalars["updates"] == 1


# Learning.


@pytest.mark.parametrize("loss", LOSSES)
def test_step_of_each_loss_moves_both_players_along_its_gradient(loss, linear, pictures, take_step):
    """One step of gradient descent equals one with the gradients of the pair alone: D's on images
    of G before its update, G's against the updated D.
    """
    drawn = []

    class Spy(AdversarialModel):
        def draw(self, batch):
            drawn.append(super().draw(batch)["noise"])
            return {"noise": drawn[-1]}

    names = ("discriminator", "generator")
    model = linear(Spy, {name: keras.optimizers.SGD(0.5) for name in names}, loss=loss)
    pair, x = LOSSES[loss].make(), pictures(5)
    networks = {name: getattr(model, name) for name in names}
    before = {name: network.get_weights() for name, network in networks.items()}
    scalars = take_step(model, x)
    after = {name: network.get_weights() for name, network in networks.items()}

    def expected(name, value):
        with tf.GradientTape() as tape:
            terms = value()
            total = tf.add_n([tf.reduce_mean(term) for term in terms.values()])
        weights = networks[name].trainable_variables
        gradients = tape.gradient(total, weights)
        moved = [w - 0.5 * g for w, g in zip(before[name], gradients, strict=True)]
        return terms, float(total), moved

    def d(images):
        return model.discriminator(images)[:, 0]

    model.discriminator.set_weights(before["discriminator"])
    terms, d_loss, d_weights = expected(
        "discriminator", lambda: pair.discriminator(d(x), d(tf.stop_gradient(model.fakes[0])))
    )
    model.discriminator.set_weights(after["discriminator"])
    model.generator.set_weights(before["generator"])
    _, g_loss, g_weights = expected(
        "generator", lambda: pair.generator(d(x), d(model.generator(drawn[0])))
    )
    np.testing.assert_allclose(scalars["d_loss"], d_loss, rtol=1e-4)
    np.testing.assert_allclose(scalars["g_loss"], g_loss, rtol=1e-4)
    if len(terms) > 1:
        assert {f"d_loss_{name}" for name in terms} <= set(scalars)
    for found, want in ((after["discriminator"], d_weights), (after["generator"], g_weights)):
        for one, other in zip(found, want, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    assert not np.allclose(after["discriminator"][0], before["discriminator"][0], atol=1e-3)
    assert not np.allclose(after["generator"][0], before["generator"][0], atol=1e-4)
    assert ("d_accuracy_real" in scalars) == LOSSES[loss].has_threshold


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_fit_of_each_loss_widens_the_score_gap_for_d_and_closes_it_for_g(loss, linear, fit):
    """With G fixed, the gap between the mean scores of real and of generated images rises from
    below 0. With D fixed, training G closes the gap, and the scores of real images are constant.
    With a decision threshold both accuracies rise from 0, and that of generated images falls again.
    """

    class Logged(AdversarialModel):
        def after_discriminator_update(self, real, fake, batch):
            real, fake = tf.reduce_mean(real["d"]), tf.reduce_mean(fake["d"])
            return {"real": real, "gap": real - fake}

    def learn(model, steps):
        first, *_, last = logs = fit(
            model, np.full((steps, *x.shape), x), np.zeros((steps, 5), int)
        )
        return logs, first, last

    x = np.full((5, 2, 2, 1), -0.9, np.float32)
    has_threshold, threshold = LOSSES[loss].has_threshold, LOSSES[loss].make().threshold
    still_g = {"generator": keras.optimizers.SGD(0.0)}
    winning = linear(Logged, still_g, loss=loss, d_learning_rate=0.05)
    winning.generator.set_weights([np.zeros((3, 4)), np.full(4, 1.0)])
    winning.discriminator.set_weights([np.ones((4, 1)), np.full(1, threshold)])
    _, first, last = learn(winning, 80)
    assert first["gap"] < 0 < last["gap"]
    assert last["d_loss"] < 0.5 * first["d_loss"]
    for accuracy in ("d_accuracy_real", "d_accuracy_fake"):
        assert not has_threshold or (first[accuracy], last[accuracy]) == (0, 1)

    still_d = {"discriminator": keras.optimizers.SGD(0.0)}
    losing = linear(Logged, still_d, loss=loss, g_learning_rate=0.05)
    for player in ("generator", "discriminator"):
        getattr(losing, player).set_weights(getattr(winning, player).get_weights())
    logs, first, last = learn(losing, 150)
    assert first["gap"] > 0
    assert last["gap"] < 0.1 * first["gap"]
    assert len({log["real"] for log in logs}) == 1
    if has_threshold:
        assert (first["d_accuracy_fake"], last["d_accuracy_fake"]) == (1, 0)
        assert {log["d_accuracy_real"] for log in logs} == {1}


def test_accuracies_are_the_shares_on_the_right_side_of_the_threshold(linear, take_step):
    still = {name: keras.optimizers.SGD(0.0) for name in ("discriminator", "generator")}
    model = linear(optimizers=still)
    model.discriminator.set_weights([np.ones((4, 1)), np.zeros(1)])
    model.generator.set_weights([np.zeros((3, 4)), np.full(4, 1.0)])
    signs = np.array([1, 1, 1, -1, -1], np.float32)
    scalars = take_step(model, np.ones((5, 2, 2, 1), np.float32) * signs[:, None, None, None])
    np.testing.assert_allclose(scalars["d_accuracy_real"], 0.6)
    assert scalars["d_accuracy_fake"] == 0


def test_generator_against_a_fixed_discriminator_raises_its_scores(linear, pictures, fit):
    model = linear(optimizers={"discriminator": keras.optimizers.SGD(0.0)}, g_learning_rate=0.05)
    model.discriminator.set_weights([np.ones((4, 1)), np.zeros(1)])
    logs = fit(model, np.stack([pictures(5)] * 40), np.zeros((40, 5), int))
    losses = [log["g_loss"] for log in logs]
    assert losses[-1] < 0.5 * losses[0]
    assert model.sample(20).mean() > -0.1


# Spectral normalisation in the step.


class Spectral(AdversarialModel):
    """Two players on D's side, each with a spectrally normalised kernel in a nested network."""

    def build_networks(self):
        super().build_networks()
        self.second = self.build_discriminator()

    def build_discriminator(self):
        hidden = keras.Sequential([layers.SpectralDense(3), layers.SpectralDense(1)])
        return keras.Sequential([keras.Input(self.image_shape), keras.layers.Flatten(), hidden])

    def discriminate(self, inputs, batch):
        score = super().discriminate(inputs, batch)["d"]
        return {"d": score + tf.reduce_sum(self.second(inputs), -1)}

    def players(self):
        players = super().players()
        second = dataclasses.replace(players["discriminator"], networks=(self.second,))
        return {**players, "second": second}


@pytest.mark.parametrize(("n_critic", "lead"), [(1, (5,)), (2, (2, 5))])
def test_power_iteration_runs_once_per_update_in_networks_of_the_discriminator_side(
    n_critic, lead, linear, pictures, take_step
):
    still = {name: keras.optimizers.SGD(0.0) for name in ("discriminator", "second", "generator")}
    model = linear(Spectral, still, n_critic=n_critic)
    hidden = [
        layer
        for network in (model.discriminator, model.second)
        for layer in layers.spectral_layers(network)
        if layer.units == 3
    ]
    assert len(hidden) == 2
    for layer in hidden:
        layer.u.assign(np.ones(3))
    take_step(model, pictures(*lead))
    for layer in hidden:
        w, u = layer.kernel.numpy().astype(np.float64), np.ones(3)
        for _ in range(n_critic):
            before, u = u, w.T @ (w @ u)
            u /= np.linalg.norm(u)
        np.testing.assert_allclose(layer.u, u, atol=1e-5)
        assert not np.allclose(before, u, atol=1e-3)
        again = w.T @ (w @ u)
        assert not np.allclose(layer.u, again / np.linalg.norm(again), atol=1e-3)


def test_power_iteration_runs_once_per_step_in_the_generator(linear, pictures, take_step):
    class SpectralG(AdversarialModel):
        def build_generator(self):
            return keras.Sequential(
                [
                    keras.Input((self.latents.dim,)),
                    layers.SpectralDense(4, activation="tanh"),
                    keras.layers.Reshape(self.image_shape),
                ]
            )

    still = {name: keras.optimizers.SGD(0.0) for name in ("discriminator", "generator")}
    model = linear(SpectralG, still, n_critic=3)
    (layer,) = layers.spectral_layers(model.generator)
    layer.u.assign(np.ones(4))
    w = layer.kernel.numpy().astype(np.float64)
    take_step(model, pictures(3, 5))
    once = w.T @ (w @ np.ones(4))
    np.testing.assert_allclose(layer.u, once / np.linalg.norm(once), atol=1e-5)
    twice = w.T @ (w @ once)
    assert not np.allclose(layer.u, twice / np.linalg.norm(twice), atol=1e-3)
