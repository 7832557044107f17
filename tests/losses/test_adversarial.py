"""The adversarial pairs, against logits whose probabilities one knows: 0, ln 3 and -ln 3."""

import math

import numpy as np
import pytest
import tensorflow as tf

from losses.adversarial import LOSSES, cross_entropy, minimax, non_saturating

LN2, LN3, LN4 = math.log(2), math.log(3), math.log(4)
LN4_3 = math.log(4 / 3)

# sigmoid of these is 1/2, 3/4 and 1/4.
LOGITS = tf.constant([0.0, LN3, -LN3])
LOGITS_64 = np.array([-2.5, -LN3, -0.3, 0.0, 0.4, LN3, 3.0])


def gradient(term, logits):
    """d sum(term) / d logits, float64 [b]."""
    logits = tf.constant(logits, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = term(logits)
    return tape.gradient(value, logits).numpy()


def slope(term, logits, step=1e-5):
    """Central differences of each element, float64 [b]."""
    up, down = (term(tf.constant(logits + sign * step, tf.float64)) for sign in (1, -1))
    return ((up - down) / (2 * step)).numpy()


def terms_of(pair):
    """Each term as a function of the one logit vector that it may depend on."""
    return {
        "real": lambda x: pair.discriminator(x, tf.zeros_like(x))["real"],
        "fake": lambda x: pair.discriminator(tf.zeros_like(x), x)["fake"],
        "generator": lambda x: pair.generator(None, x)["adversarial"],
    }


@pytest.mark.smoke
def test_non_saturating_by_hand():
    pair = non_saturating()
    terms = pair.discriminator(LOGITS, LOGITS)
    assert set(terms) == {"real", "fake"}
    np.testing.assert_allclose(terms["real"], [LN2, LN4_3, LN4], rtol=1e-6)
    np.testing.assert_allclose(terms["fake"], [LN2, LN4, LN4_3], rtol=1e-6)
    generator = pair.generator(None, LOGITS)
    assert set(generator) == {"adversarial"}
    np.testing.assert_allclose(generator["adversarial"], [LN2, LN4_3, LN4], rtol=1e-6)


@pytest.mark.smoke
def test_minimax_by_hand():
    pair = minimax()
    terms = pair.discriminator(LOGITS, LOGITS)
    assert set(terms) == {"real", "fake"}
    np.testing.assert_allclose(terms["real"], [LN2, LN4_3, LN4], rtol=1e-6)
    np.testing.assert_allclose(terms["fake"], [LN2, LN4, LN4_3], rtol=1e-6)
    generator = pair.generator(None, LOGITS)
    assert set(generator) == {"adversarial"}
    np.testing.assert_allclose(generator["adversarial"], [-LN2, -LN4, -LN4_3], rtol=1e-6)


@pytest.mark.parametrize("real_label", [1.0, 0.9, 0.7])
@pytest.mark.parametrize("name", LOSSES)
def test_pairs_against_probabilities_in_numpy(name, real_label):
    rng = np.random.default_rng(0)
    d_real, d_fake = rng.normal(0, 3, (2, 50))
    p_real, p_fake = 1 / (1 + np.exp(-d_real)), 1 / (1 + np.exp(-d_fake))
    pair = LOSSES[name](real_label)
    terms = pair.discriminator(tf.constant(d_real), tf.constant(d_fake))
    generator = pair.generator(tf.constant(d_real), tf.constant(d_fake))["adversarial"]

    smoothed = -real_label * np.log(p_real) - (1 - real_label) * np.log(1 - p_real)
    np.testing.assert_allclose(terms["real"], smoothed, rtol=1e-9)
    np.testing.assert_allclose(terms["fake"], -np.log(1 - p_fake), rtol=1e-9)
    expected = {"non_saturating": -np.log(p_fake), "minimax": np.log(1 - p_fake)}[name]
    np.testing.assert_allclose(generator, expected, rtol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_label_smoothing_is_one_sided(name):
    plain, smooth = LOSSES[name](), LOSSES[name](real_label=0.9)
    before, after = (pair.discriminator(LOGITS, LOGITS) for pair in (plain, smooth))
    by_hand = [LN2, 0.9 * LN4_3 + 0.1 * LN4, 0.9 * LN4 + 0.1 * LN4_3]
    np.testing.assert_allclose(after["real"], by_hand, rtol=1e-6)
    assert not np.allclose(before["real"], after["real"])
    np.testing.assert_array_equal(before["fake"], after["fake"])
    np.testing.assert_array_equal(
        plain.generator(None, LOGITS)["adversarial"], smooth.generator(None, LOGITS)["adversarial"]
    )


def test_the_smoothed_optimum_lies_at_the_target():
    """The real term is least where sigmoid(l) = 0.75, and greater on both sides of it."""
    term = terms_of(non_saturating(real_label=0.75))["real"]
    np.testing.assert_allclose(gradient(term, np.array([LN3])), 0, atol=1e-12)
    below, at, above = term(tf.constant([LN3 - 0.1, LN3, LN3 + 0.1], tf.float64)).numpy()
    assert at < below
    assert at < above


@pytest.mark.parametrize("real_label", [1.0, 0.8])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_in_closed_form_and_by_differences(name, real_label):
    probability = 1 / (1 + np.exp(-LOGITS_64))
    closed = {
        "real": probability - real_label,
        "fake": probability,
        "generator": {"non_saturating": probability - 1, "minimax": -probability}[name],
    }
    for term, function in terms_of(LOSSES[name](real_label)).items():
        found = gradient(function, LOGITS_64)
        np.testing.assert_allclose(found, closed[term], rtol=1e-9, atol=1e-12, err_msg=term)
        np.testing.assert_allclose(found, slope(function, LOGITS_64), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_the_players_pull_a_fakes_score_in_opposite_directions(name):
    functions = terms_of(LOSSES[name]())
    assert (gradient(functions["real"], LOGITS_64) < 0).all()
    assert (gradient(functions["fake"], LOGITS_64) > 0).all()
    assert (gradient(functions["generator"], LOGITS_64) < 0).all()


def test_only_minimax_leaves_the_generator_without_gradient_where_d_is_sure():
    sure = np.array([-20.0])
    vanishing = gradient(terms_of(minimax())["generator"], sure)
    kept = gradient(terms_of(non_saturating())["generator"], sure)
    assert -1e-8 < vanishing[0] < 0
    np.testing.assert_allclose(kept, [-1.0], atol=1e-8)

    # Where D is fooled it is the other way round.
    fooled = np.array([20.0])
    np.testing.assert_allclose(gradient(terms_of(minimax())["generator"], fooled), [-1], atol=1e-8)
    assert -1e-8 < gradient(terms_of(non_saturating())["generator"], fooled)[0] < 0


@pytest.mark.parametrize("name", LOSSES)
def test_large_logits_give_finite_values_and_gradients(name):
    logits = tf.constant([100.0, -100.0])
    expected = {
        "real": [0.0, 100.0],
        "fake": [100.0, 0.0],
        "generator": {"non_saturating": [0.0, 100.0], "minimax": [-100.0, 0.0]}[name],
    }
    slopes = {
        "real": [0.0, -1.0],
        "fake": [1.0, 0.0],
        "generator": {"non_saturating": [0.0, -1.0], "minimax": [-1.0, 0.0]}[name],
    }
    for term, function in terms_of(LOSSES[name]()).items():
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = function(logits)
        assert value.dtype == tf.float32
        np.testing.assert_allclose(value, expected[term], atol=1e-6, err_msg=term)
        np.testing.assert_allclose(tape.gradient(value, logits), slopes[term], atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_terms_are_per_example(name):
    """Terms are [b], and the k-th depends on the k-th logit alone."""
    for function in terms_of(LOSSES[name](real_label=0.9)).values():
        logits = tf.constant(LOGITS_64)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = function(logits)
        assert value.shape == logits.shape
        jacobian = tape.jacobian(value, logits).numpy()
        np.testing.assert_array_equal(jacobian, np.diag(np.diag(jacobian)))
        assert np.diag(jacobian).all()


@pytest.mark.parametrize("name", LOSSES)
def test_scores_above_zero_are_held_for_real(name):
    """At the boundary D's terms for real and for fake are equal; G needs no real scores."""
    pair = LOSSES[name]()
    assert pair.boundary == 0.0
    assert not pair.generator_sees_real
    terms = pair.discriminator(tf.constant([pair.boundary]), tf.constant([pair.boundary]))
    np.testing.assert_allclose(terms["real"], terms["fake"])


def test_cross_entropy_of_a_soft_target_by_hand():
    by_hand = [LN2, 0.25 * LN4_3 + 0.75 * LN4, 0.25 * LN4 + 0.75 * LN4_3]
    np.testing.assert_allclose(cross_entropy(LOGITS, 0.25), by_hand, rtol=1e-6)
