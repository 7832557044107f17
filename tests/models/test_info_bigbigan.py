"""BigBiGAN with the codes of InfoGAN."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from errors import UserError
from losses.adversarial import AdversarialLoss
from models.info_bigbigan import InfoBigBiGAN

DIM = 3  # of the noise


@pytest.fixture
def make(paired):
    """**hyperparameters -> the model."""
    return functools.partial(paired, InfoBigBiGAN, categorical_codes="5", q_units=4)


@pytest.fixture
def x(paired_images):
    return paired_images(64)


def test_inputs_of_real_and_generated_pairs_have_the_codes_in_one_order(x, make, batch_of):
    model = make(categorical_codes="5,2", continuous_codes=2)
    batch = batch_of(model, x)
    for pair in (model.real_inputs(batch), model.fake_inputs(batch)):
        z = pair[1].numpy()
        assert z.shape == (64, DIM + 5 + 2 + 2)
        for one_hot in (z[:, DIM : DIM + 5], z[:, DIM + 5 : DIM + 7]):
            np.testing.assert_allclose(np.sort(one_hot)[:, -1], 1, atol=1e-6)
            np.testing.assert_allclose(one_hot.sum(1), 1, atol=1e-6)
        assert (np.abs(z[:, -2:]) <= 1).all()


@pytest.mark.slow
def test_latents_of_a_batch_draw_categories_with_their_probabilities(x, make, batch_of):
    """Over many updates; the draws of one update are equal."""
    model = make(e_norm="none")
    model.encoder.set_weights([3 * w for w in model.encoder.get_weights()])
    few = x[:8]
    found = model.encoder(few, training=True)
    p = tf.nn.softmax(found["category_0"]).numpy()
    assert p.max() - p.min() > 0.1

    @tf.function
    def draw():
        return model.latents_of(found, batch_of(model, few))["category_0"]

    total = np.zeros_like(p)
    for step in range(2000):
        model.step.assign(step)
        total += draw()
    np.testing.assert_allclose(total / 2000, p, atol=0.05)
    batch = batch_of(model, few)
    np.testing.assert_array_equal(*(model.latents_of(found, batch)["category_0"] for _ in range(2)))


def test_latents_of_a_batch_have_the_gradient_of_the_probabilities(x, make, batch_of):
    model = make()
    batch = batch_of(model, x)
    logits = tf.random.stateless_normal((64, 5), [1, 2])
    weights = tf.random.stateless_normal((64, 5), [3, 4])
    others = {"mean": tf.zeros((64, DIM))}
    found = []
    for given in (batch, None):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            code = model.latents_of({**others, "category_0": logits}, given)["category_0"]
            value = tf.reduce_sum(weights * code)
        found.append(tape.gradient(value, logits))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-6)
    assert np.any(found[0])


class Silent(InfoBigBiGAN):
    """InfoBigBiGAN whose adversarial loss is 0, so that the information alone trains it."""

    def make_loss(self):
        return AdversarialLoss(
            lambda real, fake: {"real": 0.0 * real, "fake": 0.0 * fake},
            lambda real, fake: {"adversarial": 0.0 * fake},
        )


@pytest.mark.parametrize("side", ["trunk", "heads"])
def test_information_moves_g_and_q_and_the_trunk_only_if_selected(side, x, paired, take_step):
    model = paired(Silent, categorical_codes="5", q_units=4, information_trains=side)
    d = model.discriminator
    f = model.parts.trunk
    of_f = {id(v) for v in f.trainable_variables}
    parts = {part.name: part.trainable_variables for part in (model.generator, model.encoder, f)}
    parts |= {"q": model.q.trainable_variables}
    parts["heads of d"] = [v for v in d.trainable_variables if id(v) not in of_f]

    def values():
        return {
            name: [np.array(tf.convert_to_tensor(v)) for v in part] for name, part in parts.items()
        }

    before = values()
    take_step(model, x)
    after = values()
    moved = {n for n in parts if any(map(np.any, map(np.subtract, after[n], before[n])))}
    assert moved == ({"generator", "q", "trunk"} if side == "trunk" else {"generator", "q"})


def test_encode_returns_the_codes_of_the_encoder_ema(x, make):
    model = make()
    found = model.encoder_ema(x, training=False)
    np.testing.assert_array_equal(model.code_logits(x), found["category_0"])
    code = model.encode(x)
    np.testing.assert_array_equal(code[:, :DIM], found["mean"])
    np.testing.assert_allclose(code[:, DIM:], tf.nn.softmax(found["category_0"]), rtol=1e-5)
    assert model.reconstruct(x).shape == x.shape


def test_code_logits_without_a_categorical_code_raises(x, make):
    model = make(categorical_codes="", continuous_codes=1)
    with pytest.raises(UserError, match=r"^InfoBigBiGAN has no categorical code"):
        model.code_logits(x)


def test_picture_latents_have_one_category_per_row(make):
    latents, columns = make().picture_latents()
    assert columns == 10
    rows = latents["category_0"].numpy().reshape(5, 10, 5)
    np.testing.assert_array_equal(rows, np.repeat(np.eye(5)[:, None], 10, 1))
    noise = latents["noise"].numpy().reshape(5, 10, DIM)
    np.testing.assert_array_equal(noise, np.repeat(noise[:1], 5, 0))


def test_reconstruct_uses_the_most_likely_category(x, make):
    model = make()
    z = np.array(model.encode(x))
    z[:, DIM:] = np.eye(5)[z[:, DIM:].argmax(1)]
    np.testing.assert_allclose(
        model.reconstruct(x), model.generator_ema(z, training=False), atol=1e-6
    )
