"""InfoGAN on BigBiGAN: codes join z for G, for D and for E."""

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


def test_the_codes_of_real_pairs_stand_where_those_of_fake_ones_do(x, make, batch_of):
    model = make(categorical_codes="5,2", continuous_codes=2)
    batch = batch_of(model, x)
    for pair in (model.real(batch), model.fake(batch)):
        z = pair[1].numpy()
        assert z.shape == (64, DIM + 5 + 2 + 2)
        for one_hot in (z[:, DIM : DIM + 5], z[:, DIM + 5 : DIM + 7]):
            np.testing.assert_allclose(np.sort(one_hot)[:, -1], 1, atol=1e-6)
            np.testing.assert_allclose(one_hot.sum(1), 1, atol=1e-6)
        assert (np.abs(z[:, -2:]) <= 1).all()


def test_a_drawn_category_is_as_likely_as_e_says(x, make, batch_of):
    """Over many updates; and draws of one update are the same."""
    model = make(e_norm="none")
    model.encoder.set_weights([3 * w for w in model.encoder.get_weights()])
    few = x[:8]
    found = model.encoder(few, training=True)
    p = tf.nn.softmax(found["category_0"]).numpy()
    assert p.max() - p.min() > 0.1

    @tf.function
    def draw():
        return model.inferred(found, batch_of(model, few))["category_0"]

    total = np.zeros_like(p)
    for step in range(2000):
        model.step.assign(step)
        total += draw()
    np.testing.assert_allclose(total / 2000, p, atol=0.05)
    batch = batch_of(model, few)
    np.testing.assert_array_equal(*(model.inferred(found, batch)["category_0"] for _ in range(2)))


def test_a_draw_has_the_gradient_of_the_probabilities(x, make, batch_of):
    model = make()
    batch = batch_of(model, x)
    logits = tf.random.stateless_normal((64, 5), [1, 2])
    weights = tf.random.stateless_normal((64, 5), [3, 4])
    others = {"mean": tf.zeros((64, DIM))}
    found = []
    for given in (batch, None):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            code = model.inferred({**others, "category_0": logits}, given)["category_0"]
            value = tf.reduce_sum(weights * code)
        found.append(tape.gradient(value, logits))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-6)
    assert np.any(found[0])


class Silent(InfoBigBiGAN):
    """Nobody minds D's scores: what moves is moved by the information."""

    def make_loss(self):
        return AdversarialLoss(
            lambda real, fake: {"real": 0.0 * real, "fake": 0.0 * fake},
            lambda real, fake: {"adversarial": 0.0 * fake},
        )


@pytest.mark.parametrize("side", ["trunk", "heads"])
def test_the_information_moves_g_and_q_and_f_only_if_it_is_said_to_and_never_e(
    side, x, paired, take_step
):
    model = paired(Silent, categorical_codes="5", q_units=4, information_trains=side)
    d = model.discriminator
    f = d.get_layer("trunk")
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


def test_the_code_of_an_image_is_that_of_e(x, make):
    model = make()
    found = model.encoder_ema(x, training=False)
    np.testing.assert_array_equal(model.code_logits(x), found["category_0"])
    code = model.encode(x).numpy()
    np.testing.assert_array_equal(code[:, :DIM], found["mean"])
    np.testing.assert_allclose(code[:, DIM:], tf.nn.softmax(found["category_0"]), rtol=1e-5)
    assert model.reconstruct(x).shape == x.shape


def test_without_categories_there_is_no_code_to_say(x, make):
    model = make(categorical_codes="", continuous_codes=1)
    with pytest.raises(UserError, match=r"^InfoBigBiGAN has no categorical code"):
        model.code_logits(x)


def test_its_picture_has_a_category_a_row(make):
    latents, columns = make().picture_latents()
    assert columns == 10
    rows = latents["category_0"].numpy().reshape(5, 10, 5)
    np.testing.assert_array_equal(rows, np.repeat(np.eye(5)[:, None], 10, 1))
    noise = latents["noise"].numpy().reshape(5, 10, DIM)
    np.testing.assert_array_equal(noise, np.repeat(noise[:1], 5, 0))


def test_reconstructions_are_of_the_most_likely_category(x, make):
    model = make()
    z = np.array(model.encode(x))
    z[:, DIM:] = np.eye(5)[z[:, DIM:].argmax(1)]
    np.testing.assert_allclose(
        model.reconstruct(x), model.generator_ema(z, training=False), atol=1e-6
    )
