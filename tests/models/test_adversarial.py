"""The hooks of the adversarial step, on networks that one can follow by hand."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from losses.adversarial import LOSSES, AdversarialLoss
from losses.penalties import PENALTIES
from models import layers
from models.adversarial import AdversarialModel, Penalty, total

SHAPE = (2, 2, 1)


class Toy(AdversarialModel):
    """G and D of one linear layer each."""

    def build_generator(self):
        return keras.Sequential(
            [
                keras.Input((self.latents.dim,)),
                keras.layers.Dense(4, activation="tanh"),
                keras.layers.Reshape(self.image_shape),
            ]
        )

    def build_discriminator(self):
        return keras.Sequential(
            [keras.Input(self.image_shape), keras.layers.Flatten(), keras.layers.Dense(1)]
        )

    @property
    def kernel(self):
        return self.discriminator.layers[-1].kernel


def make(cls=Toy, optimizers=None, **hyperparameters):
    keras.utils.set_random_seed(0)
    model = cls(SHAPE, **{"noise_dim": 3, **hyperparameters})
    model.compile(optimizers)
    return model


def images(n_critic=1, seed=0, b=5):
    lead = (b,) if n_critic == 1 else (n_critic, b)
    return np.random.default_rng(seed).uniform(-1, 1, (*lead, *SHAPE)).astype(np.float32)


# Terms.


def test_a_loss_is_the_sum_of_its_terms_means():
    terms = {"a": tf.constant([1.0, 3.0]), "b": tf.constant([10.0, 20.0, 30.0, 40.0])}
    loss, scalars = total(terms, "d_loss")
    assert {name: float(x) for name, x in scalars.items()} == {
        "d_loss": 27.0,
        "d_loss_a": 2.0,
        "d_loss_b": 25.0,
    }
    assert float(loss) == 27.0


def test_a_single_term_is_logged_once():
    loss, scalars = total({"adversarial": tf.constant([1.0, 3.0], tf.float16)}, "g_loss")
    assert list(scalars) == ["g_loss"]
    assert float(loss) == 2.0
    assert loss.dtype == tf.float32


def test_the_scalars_of_a_step_are_those_of_the_pair(take_step):
    """D's from the weights before its update, G's from D after it, both on the same fakes."""
    fakes = []

    class Spy(Toy):
        def fake(self, batch):
            fakes.append(super().fake(batch))
            return fakes[-1]

    model = make(Spy, {"generator": keras.optimizers.SGD(0.0)}, d_learning_rate=0.1)
    x = images()
    real = model.discriminator(x)[:, 0]
    before = keras.models.clone_model(model.discriminator)
    before.set_weights(model.discriminator.get_weights())
    scalars = take_step(model, x)

    assert len(fakes) == 1
    terms = model.loss_pair.discriminator(real, before(fakes[0])[:, 0])
    by_hand = {name: float(tf.reduce_mean(term)) for name, term in terms.items()}
    np.testing.assert_allclose(scalars["d_loss_real"], by_hand["real"], rtol=1e-5)
    np.testing.assert_allclose(scalars["d_loss_fake"], by_hand["fake"], rtol=1e-5)
    np.testing.assert_allclose(scalars["d_loss"], sum(by_hand.values()), rtol=1e-5)

    def g_loss(discriminator):
        terms = model.loss_pair.generator(None, discriminator(fakes[0])[:, 0])
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
def test_the_loss_and_the_smoothing_are_those_of_the_hyperparameters(loss, take_step):
    still = {name: keras.optimizers.SGD(0.0) for name in ("discriminator", "generator")}
    model = make(optimizers=still, loss=loss, label_smoothing=0.25)
    model.discriminator.set_weights([np.zeros((4, 1)), np.log([3.0])])  # sigmoid is 3/4
    scalars = take_step(model, images())
    ln4, ln4_3 = np.log(4), np.log(4 / 3)
    np.testing.assert_allclose(scalars["d_loss_real"], 0.75 * ln4_3 + 0.25 * ln4, rtol=1e-5)
    np.testing.assert_allclose(scalars["d_loss_fake"], ln4, rtol=1e-5)
    expected = {"non_saturating": ln4_3, "minimax": -ln4}[loss]
    np.testing.assert_allclose(scalars["g_loss"], expected, rtol=1e-5)


def test_updates_are_those_of_gradient_descent_by_hand(take_step):
    """W - rate * d loss / d W, with the gradient of the linear D worked out in numpy."""
    fakes = []

    class Spy(Toy):
        def fake(self, batch):
            fakes.append(np.array(super().fake(batch)))
            return super().fake(batch)

    sgd = {"discriminator": keras.optimizers.SGD(0.5), "generator": keras.optimizers.SGD(0.0)}
    model = make(Spy, sgd)
    x = images()
    w = model.kernel.numpy().astype(np.float64)
    scalars = take_step(model, x)
    real, fake = x.reshape(5, 4), fakes[0].reshape(5, 4)

    def sigmoid(logits):
        return 1 / (1 + np.exp(-logits))

    up = real.T @ (sigmoid(real @ w) - 1) / 5 + fake.T @ sigmoid(fake @ w) / 5
    np.testing.assert_allclose(model.kernel, w - 0.5 * up, rtol=1e-4, atol=1e-6)
    bias = np.mean(sigmoid(real @ w) - 1) + np.mean(sigmoid(fake @ w))
    norm = np.sqrt(np.sum(up**2) + bias**2)
    np.testing.assert_allclose(scalars["discriminator_gradient_norm"], norm, rtol=1e-4)


# Penalties.


class Constant(Toy):
    """A penalty of 3 for every example, half as strong, at every fourth step."""

    interval = 4

    def penalties(self):
        def three(real, fake, batch):
            return tf.fill([tf.shape(real)[0]], 3.0)

        return {"three": Penalty(0.5, three, self.interval)}


def test_a_penalty_is_added_with_its_weight_at_every_step(take_step):
    model = make(type("Always", (Constant,), {"interval": 1}))
    for step in range(3):
        scalars = take_step(model, images(seed=step))
        assert scalars["d_loss_three"] == 1.5
        parts = scalars["d_loss_real"] + scalars["d_loss_fake"] + 1.5
        np.testing.assert_allclose(scalars["d_loss"], parts, rtol=1e-6)
        assert "g_loss_three" not in scalars


@pytest.mark.parametrize("eagerly", [True, False])
def test_a_lazy_penalty_is_due_at_its_interval_and_as_much_stronger(eagerly, fit):
    model = make(Constant)
    model.compile(run_eagerly=eagerly)
    x = np.stack([images(seed=k) for k in range(9)])
    logs = fit(model, x, np.zeros((9, 5), np.int64))
    assert [log["d_loss_three"] for log in logs] == [6, 0, 0, 0, 6, 0, 0, 0, 6]
    for log in logs:
        parts = log["d_loss_real"] + log["d_loss_fake"] + log["d_loss_three"]
        np.testing.assert_allclose(log["d_loss"], parts, rtol=1e-6)


def test_a_penalty_pulls_at_d_only_when_it_is_due(take_step):
    """|w|^2 / 2 has the gradient w: the update differs by rate * weight * interval * w."""

    class Decay(Toy):
        def penalties(self):
            def half_square(real, fake, batch):
                square = tf.reduce_sum(tf.square(tf.convert_to_tensor(self.kernel))) / 2
                return tf.fill([tf.shape(real)[0]], square)

            return {"decay": Penalty(0.25, half_square, interval=2)}

    rates = {"discriminator": 0.1, "generator": 0.0}
    plain, decayed = (
        make(cls, {name: keras.optimizers.SGD(rate) for name, rate in rates.items()})
        for cls in (Toy, Decay)
    )
    for step, due in enumerate([True, False, True]):
        w = plain.kernel.numpy()
        decayed.discriminator.set_weights(plain.discriminator.get_weights())
        for model in (plain, decayed):
            take_step(model, images(seed=step))
        expected = plain.kernel.numpy() - due * 0.1 * 0.25 * 2 * w
        np.testing.assert_allclose(decayed.kernel, expected, rtol=1e-4, atol=1e-6)


def test_a_penalty_is_given_reals_fakes_and_the_batch_with_seeds_of_its_own(take_step):
    given, fakes = [], []

    class Spy(Toy):
        def fake(self, batch):
            fakes.append(super().fake(batch))
            return fakes[-1]

        def penalties(self):
            def record(name):
                def function(real, fake, batch):
                    seeds = [tuple(batch.seed(name).numpy()) for _ in range(2)]
                    given.append((name, np.array(real), np.array(fake), batch, seeds))
                    return tf.zeros([5])

                return Penalty(1.0, function)

            return {"one": record("one"), "two": record("two")}

    model = make(Spy, n_critic=2)
    x, labels = images(n_critic=2), np.arange(10).reshape(2, 5)
    for _ in range(2):
        take_step(model, x, labels)
    assert [name for name, *_ in given] == ["one", "two"] * 4
    for k, (_, real, fake, batch, (seed, again)) in enumerate(given):
        np.testing.assert_allclose(real, x[k // 2 % 2], atol=1e-6)
        np.testing.assert_array_equal(fake, fakes[k // 2])
        np.testing.assert_array_equal(batch.x, real)
        np.testing.assert_array_equal(batch.labels, labels[k // 2 % 2])
        assert batch.latents["noise"].shape == (5, 3)
        assert seed == again
    assert len({seed for *_, (seed, _) in given}) == 8


@pytest.mark.parametrize("interval", [1, 4])
@pytest.mark.parametrize("name", PENALTIES)
def test_each_penalty_of_a_linear_d_by_hand(name, interval, take_step):
    """The slope of D(x) = w x + b is |w| everywhere: the penalty is (|w| - 1)² or |w|² / 2, pulls
    at w along w, and is due at every step or, as many times as strong, at every fourth."""
    rates = {"discriminator": 0.1, "generator": 0.0}
    hp = {"loss": "wasserstein", "penalty": name, "penalty_weight": 3.0}
    plain, model = (
        make(
            d_norm="none",
            **given,
            optimizers={k: keras.optimizers.SGD(rate) for k, rate in rates.items()},
        )
        for given in ({"loss": "wasserstein"}, {**hp, "penalty_interval": interval})
    )
    for step in range(6):
        w = model.kernel.numpy().astype(np.float64)[:, 0]
        plain.discriminator.set_weights(model.discriminator.get_weights())
        take_step(plain, images(seed=step))
        scalars = take_step(model, images(seed=step))
        strength = 3.0 * interval if step % interval == 0 else 0.0
        norm = np.linalg.norm(w)
        if name in ("gradient", "dragan"):
            value, slope = (norm - 1) ** 2, 2 * (norm - 1) / norm
        else:
            value, slope = norm**2 / 2, 1.0
        np.testing.assert_allclose(scalars[f"d_loss_{name}"], strength * value, rtol=1e-4)
        parts = ("d_loss_real", "d_loss_fake", f"d_loss_{name}")
        np.testing.assert_allclose(
            scalars["d_loss"], sum(scalars[part] for part in parts), rtol=1e-5, atol=1e-6
        )
        expected = plain.kernel.numpy()[:, 0] - 0.1 * strength * slope * w
        np.testing.assert_allclose(model.kernel.numpy()[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_without_a_penalty_there_is_none(take_step):
    model = make()
    assert model.penalties() == {}
    lazy = make(penalty="r1", penalty_weight=2.0, penalty_interval=3)
    assert lazy.penalties()["r1"].interval == 3
    assert set(take_step(model, images())) & {f"d_loss_{name}" for name in PENALTIES} == set()


def test_each_update_draws_afresh_where_a_penalty_looks(take_step):
    """One weight an example, between the real image and the fake one; others in each update."""
    looked = []

    class Spy(Toy):
        def critic(self, shown, batch):
            looked.append(np.array(shown))
            return super().critic(shown, batch)

    def steps(seed):
        looked.clear()
        model = make(Spy, penalty="gradient", d_norm="none", n_critic=2, seed=seed)
        for _ in range(2):
            take_step(model, images(n_critic=2))
        # An update of D looks at real images, fake ones and those between; G's at fakes.
        found = []
        for first in (0, 3, 7, 10):
            x, x_fake, between = (looked[first + k].astype(np.float64) for k in range(3))
            weights = (between - x_fake) / (x - x_fake)
            one_each = weights.mean(axis=(1, 2, 3))
            np.testing.assert_allclose(
                weights, np.broadcast_to(one_each[:, None, None, None], weights.shape), atol=1e-2
            )
            found.append(one_each)
        return np.concatenate(found)

    weights = steps(seed=0)
    assert len(weights) == 20
    assert weights.min() > -1e-3
    assert weights.max() < 1
    assert weights.std() > 0.15
    assert np.diff(np.sort(weights)).min() > 1e-6
    np.testing.assert_array_equal(steps(seed=0), weights)
    assert not np.isclose(steps(seed=1), weights).any()


def test_a_penalty_is_of_the_images_and_leaves_what_else_d_is_shown(take_step):
    """D(x, y) = w x + v y: the slope is |w|, whatever v."""
    looked = []

    class Pairs(Toy):
        def build_discriminator(self):
            x, y = keras.Input(self.image_shape), keras.Input((1,))
            both = keras.layers.Concatenate()([keras.layers.Flatten()(x), y])
            return keras.Model([x, y], keras.layers.Dense(1)(both))

        def real(self, batch):
            return {"images": batch.x, "number": tf.fill([5, 1], 7.0)}

        def fake(self, batch):
            return {"images": super().fake(batch), "number": tf.fill([5, 1], -7.0)}

        def critic(self, shown, batch):
            looked.append(np.array(shown["number"]))
            return super().critic([shown["images"], shown["number"]], batch)

    model = make(Pairs, penalty="gradient", penalty_weight=1.0, d_norm="none")
    w = model.kernel.numpy()[:4]
    scalars = take_step(model, images())
    expected = (np.linalg.norm(w) - 1) ** 2
    np.testing.assert_allclose(scalars["d_loss_gradient"], expected, rtol=1e-5)
    np.testing.assert_array_equal(looked[2], looked[0])  # between x and G(z), with what x has


# Hooks around the updates.


@pytest.mark.parametrize("n_critic", [1, 3])
def test_the_hooks_after_updates_run_in_their_order(n_critic, take_step):
    calls = []

    class Spy(Toy):
        def after_discriminator_update(self, real, fake, batch):
            assert set(real) == set(fake) == {"d"}
            assert real["d"].shape == fake["d"].shape == (5,)
            calls.append(("d", int(self.optimizers["discriminator"].iterations)))
            return {}

        def after_generator_update(self):
            calls.append(("g", int(self.optimizers["generator"].iterations)))

    model = make(Spy, n_critic=n_critic)
    for step in range(2):
        calls.clear()
        take_step(model, images(n_critic))
        updates = range(step * n_critic + 1, (step + 1) * n_critic + 1)
        assert calls == [*(("d", k) for k in updates), ("g", step + 1)]


def test_the_hook_after_ds_update_is_given_the_scores_it_was_made_from(take_step):
    given = []

    class Spy(Toy):
        def after_discriminator_update(self, real, fake, batch):
            given.append(np.array(real["d"]))
            return {}

    model = make(Spy, d_learning_rate=0.1)
    before = model.discriminator(images())[:, 0].numpy()
    take_step(model, images())
    np.testing.assert_allclose(given[0], before, rtol=1e-5)
    assert not np.allclose(given[0], model.discriminator(images())[:, 0], atol=1e-3)


def test_weights_clipped_after_ds_update_are_those_that_g_plays_against(take_step):
    class Clipped(Toy):
        def after_discriminator_update(self, real, fake, batch):
            self.kernel.assign(tf.clip_by_value(self.kernel.value, -0.01, 0.01))
            return {}

    model = make(Clipped)
    assert np.abs(model.kernel.numpy()).max() > 0.1
    scalars = take_step(model, images())
    assert np.abs(model.kernel.numpy()).max() <= 0.01
    bias = model.discriminator.layers[-1].bias.numpy()[0]
    np.testing.assert_allclose(scalars["g_loss"], np.log1p(np.exp(-bias)), atol=0.05)


def test_real_scores_reach_gs_terms_only_if_they_are_asked_for(take_step):
    given = []

    def generator(d_real, d_fake):
        given.append(d_real)
        return {"adversarial": -d_fake}

    def discriminator(d_real, d_fake):
        return {"real": -d_real, "fake": d_fake}

    class Spy(Toy):
        def make_loss(self):
            return AdversarialLoss(discriminator, generator, None)

    blind = make(Spy, d_learning_rate=0.1)
    scalars = take_step(blind, images())
    assert given == [None]
    assert not [name for name in scalars if "accuracy" in name]  # no boundary, no accuracy

    given.clear()
    seeing = make(Spy, d_learning_rate=0.1)
    seeing.loss_pair = AdversarialLoss(discriminator, generator, None, True)
    before = seeing.discriminator(images())[:, 0].numpy()
    take_step(seeing, images())
    # They are those of D after its update.
    np.testing.assert_allclose(given[0], seeing.discriminator(images())[:, 0], rtol=1e-4, atol=1e-5)
    assert not np.allclose(given[0], before, atol=1e-3)


def test_players_of_one_side_share_a_loss_and_keep_their_optimizers(take_step):
    """An encoder beside G: one gradient, two optimizers, each with its own norm."""

    class WithEncoder(Toy):
        def build_networks(self):
            super().build_networks()
            self.scale = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

        def fake(self, batch):
            return super().fake(batch) * tf.reshape(self.scale(tf.ones((1, 1))), ())

        def players(self):
            players = super().players()
            g = players["generator"]
            players["encoder"] = type(g)((self.scale,), 0.1, side="generator")
            return players

    model = make(WithEncoder)
    before = [v.numpy().copy() for v in model.scale.trainable_variables]
    scalars = take_step(model, images())
    assert scalars["encoder_gradient_norm"] > 0
    assert scalars["generator_gradient_norm"] > 0
    for old, new in zip(before, model.scale.trainable_variables, strict=True):
        np.testing.assert_allclose(np.abs(new.numpy() - old), 0.1, rtol=1e-3)  # Adam's first step
    assert int(model.optimizers["encoder"].iterations) == 1


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_the_optimizers_are_those_of_the_hyperparameters(optimizer):
    rates = {"g_learning_rate": 1e-3, "d_learning_rate": 3e-3, "beta_2": 0.7}
    model = make(optimizer=optimizer, **rates)
    kinds = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
    for name, rate in (("generator", 1e-3), ("discriminator", 3e-3)):
        made = model.optimizers[name]
        assert type(made) is kinds[optimizer]
        np.testing.assert_allclose(float(made.learning_rate), rate, rtol=1e-6)
        if optimizer == "adam":
            assert (made.beta_1, made.beta_2) == (0.5, 0.7)
        else:
            assert (made.rho, made.momentum, made.centered) == (0.7, 0.0, False)


def test_the_scalars_of_a_hook_are_logged(take_step):
    """Of several updates of D, the last one's."""

    class Spy(Toy):
        def after_discriminator_update(self, real, fake, batch):
            return {"spread": tf.reduce_mean(real["d"] - fake["d"]), "updates": tf.constant(1.0)}

    model = make(Spy, n_critic=2, loss="wasserstein")
    scalars = take_step(model, images(n_critic=2))
    np.testing.assert_allclose(scalars["spread"], -scalars["d_loss"], rtol=1e-5)
    assert scalars["updates"] == 1


# Learning.


@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_moves_both_players_down_its_own_gradient(loss, take_step):
    """One step of gradient descent, held against the pair's gradients taken apart from the step:
    D's on the images of G as it was, G's against the new D."""
    fakes, drawn = [], []

    class Spy(Toy):
        def draw(self, batch):
            drawn.append(super().draw(batch)["noise"])
            return {"noise": drawn[-1]}

        def fake(self, batch):
            fakes.append(super().fake(batch))
            return fakes[-1]

    names = ("discriminator", "generator")
    model = make(Spy, {name: keras.optimizers.SGD(0.5) for name in names}, loss=loss)
    pair, x = LOSSES[loss](), images()
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

    def d(shown):
        return model.discriminator(shown)[:, 0]

    model.discriminator.set_weights(before["discriminator"])
    terms, d_loss, d_weights = expected(
        "discriminator", lambda: pair.discriminator(d(x), d(tf.stop_gradient(fakes[0])))
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
    assert ("d_accuracy_real" in scalars) == (pair.boundary is not None)


BOUNDED = [name for name, loss in LOSSES.items() if loss().boundary is not None]


@pytest.mark.parametrize("loss", BOUNDED)
def test_a_d_that_must_win_tells_better_and_one_that_must_lose_worse(loss, fit):
    """Against a still G both accuracies rise from 0; then D is still, and G's learning brings the
    one of its images down again, and leaves that of real ones alone."""
    x = np.full((5, *SHAPE), 0.9, np.float32)
    winning = make(
        optimizers={"generator": keras.optimizers.SGD(0.0)}, loss=loss, d_learning_rate=0.05
    )
    winning.generator.set_weights([np.zeros((3, 4)), np.full(4, -1.0)])
    boundary = LOSSES[loss]().boundary
    winning.discriminator.set_weights([-np.ones((4, 1)), np.full(1, boundary)])
    logs = fit(winning, np.stack([x] * 80), np.zeros((80, 5)))
    for accuracy in ("d_accuracy_real", "d_accuracy_fake"):
        assert logs[0][accuracy] == 0
        assert logs[-1][accuracy] == 1

    losing = make(
        optimizers={"discriminator": keras.optimizers.SGD(0.0)}, loss=loss, g_learning_rate=0.05
    )
    for player in ("generator", "discriminator"):
        getattr(losing, player).set_weights(getattr(winning, player).get_weights())
    logs = fit(losing, np.stack([x] * 150), np.zeros((150, 5)))
    assert logs[0]["d_accuracy_fake"] == 1
    assert logs[-1]["d_accuracy_fake"] == 0
    assert {log["d_accuracy_real"] for log in logs} == {1}


def test_d_learns_to_tell_what_a_still_g_makes(fit):
    """All scores begin on the wrong side: both accuracies rise from 0 to 1."""
    model = make(optimizers={"generator": keras.optimizers.SGD(0.0)}, d_learning_rate=0.05)
    model.generator.set_weights([np.zeros((3, 4)), np.full(4, -1.0)])
    model.discriminator.set_weights([-np.ones((4, 1)), np.zeros(1)])
    x = np.full((5, *SHAPE), 0.9, np.float32)
    first, *_, last = fit(model, np.stack([x] * 81), np.zeros((81, 5)))
    assert (first["d_accuracy_real"], first["d_accuracy_fake"]) == (0, 0)
    assert (last["d_accuracy_real"], last["d_accuracy_fake"]) == (1, 1)
    assert last["d_loss"] < 0.5 * first["d_loss"]


def test_accuracies_are_the_shares_on_either_side_of_the_boundary(take_step):
    still = {name: keras.optimizers.SGD(0.0) for name in ("discriminator", "generator")}
    model = make(optimizers=still)
    model.discriminator.set_weights([np.ones((4, 1)), np.zeros(1)])
    model.generator.set_weights([np.zeros((3, 4)), np.full(4, 1.0)])
    signs = np.array([1, 1, 1, -1, -1], np.float32)
    scalars = take_step(model, signs[:, None, None, None] * np.ones((5, *SHAPE), np.float32))
    np.testing.assert_allclose(scalars["d_accuracy_real"], 0.6)
    assert scalars["d_accuracy_fake"] == 0


def test_g_learns_to_raise_its_scores_against_a_still_d(fit):
    model = make(optimizers={"discriminator": keras.optimizers.SGD(0.0)}, g_learning_rate=0.05)
    model.discriminator.set_weights([np.ones((4, 1)), np.zeros(1)])
    logs = fit(model, np.stack([images()] * 40), np.zeros((40, 5)))
    losses = [log["g_loss"] for log in logs]
    assert losses[-1] < 0.5 * losses[0]
    assert model.sample(20).mean() > -0.1


# Spectral normalisation in the step.


class Spectral(Toy):
    """Two players on D's side, both with a spectral kernel that is hidden in a network."""

    def build_networks(self):
        super().build_networks()
        self.second = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), dense()])

    def build_discriminator(self):
        return keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), dense()])

    def critic(self, shown, batch):
        return {"d": super().critic(shown, batch)["d"] + tf.reduce_sum(self.second(shown), -1)}

    def players(self):
        players = super().players()
        second = dataclasses.replace(players["discriminator"], networks=(self.second,))
        return {**players, "second": second}


def dense():
    return keras.Sequential([layers.SpectralDense(3), layers.SpectralDense(1)])


@pytest.mark.parametrize("n_critic", [1, 2])
def test_power_iteration_runs_once_an_update_in_every_network_of_ds_side(n_critic, take_step):
    still = {name: keras.optimizers.SGD(0.0) for name in ("discriminator", "second", "generator")}
    model = make(Spectral, still, n_critic=n_critic)
    hidden = [
        layer
        for network in (model.discriminator, model.second)
        for layer in layers.spectral_layers(network)
        if layer.units == 3
    ]
    assert len(hidden) == 2
    for layer in hidden:
        layer.u.assign(np.ones(3))
    take_step(model, images(n_critic))
    for layer in hidden:
        w, u = layer.kernel.numpy().astype(np.float64), np.ones(3)
        for _ in range(n_critic):
            before, u = u, w.T @ (w @ u)
            u /= np.linalg.norm(u)
        np.testing.assert_allclose(layer.u, u, atol=1e-5)
        assert not np.allclose(before, u, atol=1e-3)
        again = w.T @ (w @ u)
        assert not np.allclose(layer.u, again / np.linalg.norm(again), atol=1e-3)


def test_power_iteration_runs_once_a_step_in_g(take_step):
    class SpectralG(Toy):
        def build_generator(self):
            return keras.Sequential(
                [
                    keras.Input((self.latents.dim,)),
                    layers.SpectralDense(4, activation="tanh"),
                    keras.layers.Reshape(self.image_shape),
                ]
            )

    still = {name: keras.optimizers.SGD(0.0) for name in ("discriminator", "generator")}
    model = make(SpectralG, still, n_critic=3)
    (layer,) = layers.spectral_layers(model.generator)
    layer.u.assign(np.ones(4))
    w = layer.kernel.numpy().astype(np.float64)
    take_step(model, images(n_critic=3))
    once = w.T @ (w @ np.ones(4))
    np.testing.assert_allclose(layer.u, once / np.linalg.norm(once), atol=1e-5)
    twice = w.T @ (w @ once)
    assert not np.allclose(layer.u, twice / np.linalg.norm(twice), atol=1e-3)
