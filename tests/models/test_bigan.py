"""BiGAN: inputs of D, losses of E and G, and an encoder that inverts a linear generator."""

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from errors import UserError
from models.bigan import BiGAN
from models.bigbigan import BigBiGAN
from training import options

DIM = 3  # of the noise


@pytest.fixture
def make(paired):
    """**hyperparameters -> the model."""
    return functools.partial(paired, BiGAN)


@pytest.fixture
def x(paired_images):
    return paired_images(8)


# Inputs of D.


def test_inputs_are_pairs_of_image_and_latents(x, make, batch_of):
    model = make()
    batch = batch_of(model, x)
    images, z = model.real_inputs(batch)
    np.testing.assert_array_equal(images, x)
    np.testing.assert_array_equal(z, model.encoder(x, training=True)["mean"])
    images, z = model.fake_inputs(batch)
    np.testing.assert_array_equal(z, batch.latents["noise"])
    np.testing.assert_array_equal(images, model.generator(z, training=True))


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_encoder_outputs_codes_in_the_range_of_the_prior(prior, x, make):
    model = make(prior=prior, e_norm="none")
    model.encoder.set_weights([10 * w for w in model.encoder.get_weights()])
    largest = np.abs(model.encoder(x)["mean"]).max()
    assert largest > 1 if prior == "normal" else 0.9 < largest <= 1


def test_gaussian_encoder_draws_in_training_and_encodes_by_its_mean(x, make, batch_of):
    model = make(encoder="gaussian", prior="normal")
    batch = batch_of(model, x)
    found = model.encoder(x, training=True)
    assert (found["scale"].numpy() > 0).all()
    _, z = model.real_inputs(batch)
    normal = batch.normal("encoder", (8, DIM))
    np.testing.assert_allclose(z, found["mean"] + found["scale"] * normal, rtol=1e-5)
    np.testing.assert_array_equal(model.real_inputs(batch)[1], z)  # the draw of an update is fixed
    model.step.assign_add(1)
    assert not np.isclose(model.real_inputs(batch_of(model, x))[1], z).any()
    np.testing.assert_array_equal(model.encode(x), model.encoder_ema(x)["mean"])


def test_gaussian_encoder_with_a_uniform_prior_raises():
    with pytest.raises(UserError) as refusal:
        options.parse(["--model=bigan", "--encoder=gaussian"])
    assert str(refusal.value) == (
        "encoder: the draws of a gaussian encoder exceed the range of prior=uniform; use "
        "prior=normal"
    )


# Losses: equation 3 of Donahue et al. 2017.


@pytest.mark.parametrize("loss", ["minimax", "non_saturating"])
def test_terms_equal_equation_3(loss, x, make, batch_of):
    """V = E log D(x, E(x)) + E log(1 - D(G(z), z)): D minimises -V, and G and E minimise V, or with
    the non-saturating loss D's loss with exchanged labels.
    """
    model = make(loss=loss)
    batch = batch_of(model, x)
    pairs = {"real": model.real_inputs(batch), "fake": model.fake_inputs(batch)}
    scores = {n: np.float64(model.discriminate(pair, batch)["d"]) for n, pair in pairs.items()}
    p = {name: 1 / (1 + np.exp(-s)) for name, s in scores.items()}
    real, fake = ({"d": tf.constant(scores[n])} for n in ("real", "fake"))
    found = model.discriminator_terms(real, fake, batch)
    np.testing.assert_allclose(found["real"], -np.log(p["real"]), rtol=1e-6)
    np.testing.assert_allclose(found["fake"], -np.log(1 - p["fake"]), rtol=1e-6)
    found = model.generator_terms(real, fake, batch)
    assert set(found) == {"adversarial", "encoder"}
    if loss == "minimax":
        np.testing.assert_allclose(found["adversarial"], np.log(1 - p["fake"]), rtol=1e-6)
        np.testing.assert_allclose(found["encoder"], np.log(p["real"]), rtol=1e-6)
    else:
        np.testing.assert_allclose(found["adversarial"], -np.log(p["fake"]), rtol=1e-6)
        np.testing.assert_allclose(found["encoder"], -np.log(1 - p["real"]), rtol=1e-6)


def gradients(model, batch):
    """Return the networks at which each term of G and E has a gradient, by name of the term."""
    with tf.GradientTape(persistent=True) as tape:
        real, fake = (
            model.discriminate(f(batch), batch) for f in (model.real_inputs, model.fake_inputs)
        )
        terms = model.generator_terms(real, fake, batch)
        sums = {name: tf.reduce_sum(term) for name, term in terms.items()}
    networks = {"generator": model.generator, "encoder": model.encoder}
    reached = {}
    for name, value in sums.items():
        reached[name] = set()
        for network, part in networks.items():
            found = tape.gradient(value, part.trainable_variables)
            if any(g is not None and np.any(g) for g in found):
                reached[name].add(network)
    return reached


def test_terms_of_a_loss_of_single_scores_reach_one_network_each(x, make, batch_of):
    model = make()
    assert gradients(model, batch_of(model, x)) == {
        "adversarial": {"generator"},
        "encoder": {"encoder"},
    }


def test_term_of_a_relativistic_loss_reaches_both_networks(x, make, batch_of):
    model, both = make(loss="relativistic"), {"generator", "encoder"}
    assert gradients(model, batch_of(model, x)) == {"adversarial": both}


def gradient_norms(model, batch, x, z):
    """Return the gradient norm [b] of each score with respect to the pairs (x, z), by its name."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, z])
        scores = model.discriminate([x, z], batch)
    found = {}
    for name in model.scores:
        both = [np.array(g) for g in tape.gradient(scores[name], [x, z]) if g is not None]
        found[name] = np.sqrt(sum((g.reshape(len(g), -1) ** 2).sum(1) for g in both))
    return found


@pytest.mark.parametrize("cls", [BiGAN, BigBiGAN])
def test_penalties_are_of_gradient_norms_at_image_and_latents_of_each_score(
    cls, x, paired, batch_of
):
    common = {"prior": "normal", "loss": "wasserstein", "d_norm": "layer", "penalty_weight": 3.0}
    for kind in ("gradient", "r1", "r2"):
        model = paired(cls, penalty=kind, **common)
        batch = batch_of(model, x)
        real, fake = model.real_inputs(batch), model.fake_inputs(batch)
        if kind == "gradient":
            e = batch.uniform("epsilon", (8, 1))
            at = [e[..., None, None] * real[0] + (1 - e[..., None, None]) * fake[0],
                  e * real[1] + (1 - e) * fake[1]]  # fmt: skip
            expected = sum((s - 1) ** 2 for s in gradient_norms(model, batch, *at).values())
        else:
            at = real if kind == "r1" else fake
            expected = sum(s**2 / 2 for s in gradient_norms(model, batch, *at).values())
        found = model.penalties()[kind].function(real, fake, batch)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


# Reconstruction.


def test_reconstruction_term_is_weighted_and_reaches_e_and_g_alone(x, make, batch_of, take_step):
    model = make(reconstruction_weight=2.0)
    batch = batch_of(model, x)
    with tf.GradientTape(persistent=True) as tape:
        real, fake = model.real_inputs(batch), model.fake_inputs(batch)
        terms = model.extra_generator_terms(real, fake, batch)
        value = terms["reconstruction"].mean()
    squares = np.array(model.generator(real[1], training=True) - x) ** 2
    assert terms["reconstruction"].weight == 2.0
    np.testing.assert_allclose(terms["reconstruction"].value, squares.mean((1, 2, 3)), rtol=1e-5)
    for network in (model.encoder, model.generator):
        assert any(np.any(g) for g in tape.gradient(value, network.trainable_variables))
    variables = model.discriminator.trainable_variables
    assert tape.gradient(value, variables) == [None] * len(variables)
    logged = take_step(model, x)
    np.testing.assert_allclose(logged["g_loss_reconstruction"], value, rtol=1e-4)
    assert "g_loss_reconstruction" not in take_step(make(), x)


def test_reconstruction_term_preserves_the_batch_norm_statistics_of_g(x, make, take_step):
    """With and without the term, at a learning rate of almost 0."""
    found = []
    for weight in (0.0, 1.0):
        model = make(reconstruction_weight=weight, g_norm="batch", g_learning_rate=1e-30)
        before = [np.array(v) for v in model.generator.non_trainable_variables]
        take_step(model, x)
        found.append([np.array(v) for v in model.generator.non_trainable_variables])
    for plain, reconstructing in zip(*found, strict=True):
        np.testing.assert_array_equal(plain, reconstructing)
    assert any(np.any(old != new) for old, new in zip(before, found[1], strict=True))


# Abilities.


def test_encode_and_reconstruct_use_the_ema(x, make):
    model = make()
    average = model.encoder_ema
    average.set_weights([w + 0.1 for w in average.get_weights()])
    code = model.encode(x)
    assert code.shape == (8, DIM)
    np.testing.assert_array_equal(code, average(x, training=False)["mean"])
    assert not np.isclose(code, model.encoder(x, training=False)["mean"]).all()
    np.testing.assert_array_equal(model.reconstruct(x), model.generator_ema(code, training=False))


def test_encoder_ema_after_a_step_equals_its_formula(x, take_step, make):
    model = make(ema_decay=0.9)
    before = [np.array(tf.convert_to_tensor(v)) for v in model.encoder_ema.weights]
    model.step.assign(10**6)
    take_step(model, x)
    pairs = zip(before, model.encoder.weights, model.encoder_ema.weights, strict=True)
    for old, goal, new in pairs:
        np.testing.assert_allclose(
            new, 0.9 * old + 0.1 * tf.convert_to_tensor(goal), rtol=1e-5, atol=1e-7
        )


# A linear generator.


class LinearBiGAN(BiGAN):
    """BiGAN of x = A z + b: G is known and fixed, and E is linear."""

    A = np.array([[0.6, 0.2], [-0.25, 0.4]], np.float32)
    b = np.array([0.1, -0.05], np.float32)

    def build_generator(self):
        g = keras.Sequential(
            [keras.Input((2,)), keras.layers.Dense(2), keras.layers.Reshape((1, 2, 1))]
        )
        g.set_weights([self.A.T, self.b])
        return g

    def build_encoder(self):
        x = keras.Input((1, 2, 1))
        mean = keras.layers.Dense(2, name="mean")(keras.layers.Flatten()(x))
        return keras.Model(x, {"mean": mean}, name="encoder")


@pytest.mark.slow
def test_fit_against_a_linear_generator_inverts_it():
    """The distributions of pairs are equal if and only if E(x) = A^-1 (x - b)."""
    keras.utils.set_random_seed(1)
    model = LinearBiGAN(
        (1, 2, 1), seed=1, network="mlp", width=32, depth=1, noise_dim=2, prior="uniform",
        joint_units=32, joint_depth=1, d_norm="none", batch_size=128, ema_decay=0.99,
        e_learning_rate=2e-3, d_learning_rate=4e-3, g_learning_rate=1e-9,
    )  # fmt: skip
    model.compile()
    random = np.random.default_rng(0)
    z = random.uniform(-1, 1, size=(3000 * 128, 2)).astype(np.float32)
    x = (z @ model.A.T + model.b).reshape(-1, 128, 1, 2, 1)
    model.fit(tf.data.Dataset.from_tensor_slices(x), shuffle=False, verbose=0)
    kernel, bias = model.encoder_ema.get_weights()
    inverse = np.linalg.inv(model.A)
    np.testing.assert_allclose(kernel.T, inverse, atol=0.1)
    np.testing.assert_allclose(bias, -inverse @ model.b, atol=0.1)
    code = model.encode(x[0])
    np.testing.assert_allclose(code, z[:128], atol=0.4)
    np.testing.assert_allclose(model.reconstruct(x[0]), x[0], atol=0.4)


def test_step_of_a_loss_with_a_term_named_as_that_of_e_raises(x, make, take_step):
    model = make()
    model.loss_pair = dataclasses.replace(model.loss_pair, generator=lambda _, d: {"encoder": -d})
    with pytest.raises(ValueError, match=r"^several terms of a loss are named encoder$"):
        take_step(model, x)
