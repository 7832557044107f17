"""Adversarial losses, by hand for logits 0, ln 3 and -ln 3, and by the papers' equations."""

import inspect
import math

import numpy as np
import pytest
import tensorflow as tf

from errors import UserError
from fields import Choices, field
from losses.adversarial import (
    EQUILIBRIUM,
    LOSSES,
    SMOOTHING,
    AdversarialLoss,
    LossChoice,
    cross_entropy,
    least_squares,
    minimax,
    non_saturating,
    relativistic,
    relativistic_average,
)

LN2, LN3, LN4 = math.log(2), math.log(3), math.log(4)
LN4_3 = math.log(4 / 3)

# sigmoid of these is 1/2, 3/4 and 1/4.
LOGITS = tf.constant([0.0, LN3, -LN3])
LOGITS_64 = np.array([-2.5, -LN3, -0.3, 0.0, 0.4, LN3, 3.0])

SMOOTHED = [name for name in LOSSES if SMOOTHING.keys() & LOSSES[name].options.keys()]
RELATIVE = ("relativistic", "relativistic_average")
ABSOLUTE = tuple(name for name in LOSSES if name not in RELATIVE)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# The papers' equations in their own terms: (d_real, d_fake) -> the loss of each player.
PAPERS = {
    "non_saturating": (
        lambda r, f: {"real": -np.log(sigmoid(r)), "fake": -np.log(1 - sigmoid(f))},
        lambda r, f: -np.log(sigmoid(f)),
    ),
    "minimax": (
        lambda r, f: {"real": -np.log(sigmoid(r)), "fake": -np.log(1 - sigmoid(f))},
        lambda r, f: np.log(1 - sigmoid(f)),
    ),
    "least_squares": (
        lambda r, f: {"real": (r - 1) ** 2 / 2, "fake": f**2 / 2},
        lambda r, f: (f - 1) ** 2 / 2,
    ),
    "wasserstein": (lambda r, f: {"real": -r, "fake": f}, lambda r, f: -f),
    "hinge": (
        lambda r, f: {"real": -np.minimum(0, -1 + r), "fake": -np.minimum(0, -1 - f)},
        lambda r, f: -f,
    ),
    "relativistic": (
        lambda r, f: {"relative": -np.log(sigmoid(r - f))},
        lambda r, f: -np.log(sigmoid(f - r)),
    ),
    "relativistic_average": (
        lambda r, f: {
            "real": -np.log(sigmoid(r - f.mean())),
            "fake": -np.log(1 - sigmoid(f - r.mean())),
        },
        lambda r, f: -np.log(sigmoid(f - r.mean())) - np.log(1 - sigmoid(r - f.mean())),
    ),
}

# Terms of the scores 0, ln 3 and -ln 3, given for real and for fake alike.
BY_HAND = {
    "non_saturating": (
        {"real": [LN2, LN4_3, LN4], "fake": [LN2, LN4, LN4_3]},
        [LN2, LN4_3, LN4],
    ),
    "minimax": (
        {"real": [LN2, LN4_3, LN4], "fake": [LN2, LN4, LN4_3]},
        [-LN2, -LN4, -LN4_3],
    ),
    "least_squares": (
        {
            "real": [0.5, (LN3 - 1) ** 2 / 2, (LN3 + 1) ** 2 / 2],
            "fake": [0, LN3**2 / 2, LN3**2 / 2],
        },
        [0.5, (LN3 - 1) ** 2 / 2, (LN3 + 1) ** 2 / 2],
    ),
    "wasserstein": ({"real": [0, -LN3, LN3], "fake": [0, LN3, -LN3]}, [0, -LN3, LN3]),
    # ln 3 = 1.0986 lies beyond the margin.
    "hinge": ({"real": [1, 0, 1 + LN3], "fake": [1, 1 + LN3, 0]}, [0, -LN3, LN3]),
    "relativistic": ({"relative": [LN2, LN2, LN2]}, [LN2, LN2, LN2]),
    # The means are 0.
    "relativistic_average": (
        {"real": [LN2, LN4_3, LN4], "fake": [LN2, LN4, LN4_3]},
        [LN4, LN4_3 + LN4, LN4_3 + LN4],
    ),
}


def gradient(term, logits):
    """D sum(term) / d logits, float64 [b]."""
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


def losses_of(pair):
    """Each player's loss as a function of the scores [2, b] of real and of fake images."""
    return {
        "discriminator": lambda d: tf.add_n(list(pair.discriminator(d[0], d[1]).values())),
        "generator": lambda d: pair.generator(d[0], d[1])["adversarial"],
    }


@pytest.mark.smoke
@pytest.mark.parametrize("name", LOSSES)
def test_losses_equal_values_by_hand(name):
    pair = LOSSES[name].make()
    discriminator, generator = BY_HAND[name]
    terms = pair.discriminator(LOGITS, LOGITS)
    assert set(terms) == set(discriminator)
    for term, expected in discriminator.items():
        np.testing.assert_allclose(terms[term], expected, rtol=1e-6, atol=1e-7, err_msg=term)
    terms = pair.generator(LOGITS, LOGITS)
    assert set(terms) == {"adversarial"}
    np.testing.assert_allclose(terms["adversarial"], generator, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_equal_the_papers_equations_in_numpy(name):
    d_real, d_fake = np.random.default_rng(0).normal(0.3, 3, (2, 50))
    pair = LOSSES[name].make()
    discriminator, generator = PAPERS[name]
    terms = pair.discriminator(tf.constant(d_real), tf.constant(d_fake))
    expected = discriminator(d_real, d_fake)
    assert terms.keys() == expected.keys()
    for term in expected:
        np.testing.assert_allclose(terms[term], expected[term], rtol=1e-9, err_msg=term)
    terms = pair.generator(tf.constant(d_real), tf.constant(d_fake))
    np.testing.assert_allclose(terms["adversarial"], generator(d_real, d_fake), rtol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_losses_agree_with_finite_differences(name):
    """Gradient of each player's summed loss by each score of real and of fake images."""
    scores = np.random.default_rng(1).normal(0, 2, (2, 6))
    for player, loss in losses_of(LOSSES[name].make()).items():

        def total(flat, loss=loss):
            return tf.reduce_sum(loss(tf.reshape(flat, [2, 6])))[None]

        found = gradient(total, scores.ravel())
        for k, one in enumerate(np.eye(12)):
            along = slope(lambda t, one=one: total(scores.ravel() + t * one), np.zeros(1))
            np.testing.assert_allclose(found[k], along[0], rtol=1e-6, atol=1e-8, err_msg=player)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_the_players_have_opposite_signs(name):
    """For scores between the labels, the loss of D falls with a higher real and a lower fake score,
    that of G with the reverse; only a relativistic G depends on the real score.
    """
    scores = np.random.default_rng(2).uniform(0.1, 0.9, (2, 8))
    losses = losses_of(LOSSES[name].make())
    by_real, by_fake = gradient(losses["discriminator"], scores)
    assert (by_real < 0).all()
    assert (by_fake > 0).all()
    by_real, by_fake = gradient(losses["generator"], scores)
    assert (by_fake < 0).all()
    assert (by_real > 0).all() if name in RELATIVE else (by_real == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_correct_scores_are_lower_for_d_and_higher_for_g(name):
    """That of G is higher, except for least squares, whose target of G is 1."""
    right, wrong = tf.constant([[2.0, 3.0], [-2.0, -1.0]]), tf.constant([[-2.0, -1.0], [2.0, 3.0]])
    losses = losses_of(LOSSES[name].make())
    assert (losses["discriminator"](right) < losses["discriminator"](wrong)).numpy().all()
    if name != "least_squares":  # the target of its G is 1
        assert (losses["generator"](right) > losses["generator"](wrong)).numpy().all()


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_large_scores_have_finite_values_and_gradients(name):
    scores = tf.constant([[100.0, -100.0, 1e4, -1e4], [-100.0, 100.0, 1e4, -1e4]])
    for loss in losses_of(LOSSES[name].make()).values():
        with tf.GradientTape() as tape:
            tape.watch(scores)
            value = loss(scores)
        assert value.dtype == tf.float32
        assert np.isfinite(value).all()
        assert np.isfinite(tape.gradient(value, scores)).all()


@pytest.mark.parametrize("name", SMOOTHED)
def test_losses_of_large_logits_saturate(name):
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
    for term, function in terms_of(LOSSES[name].make()).items():
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = function(logits)
        np.testing.assert_allclose(value, expected[term], atol=1e-6, err_msg=term)
        np.testing.assert_allclose(tape.gradient(value, logits), slopes[term], atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_terms_are_per_example(name):
    """Terms are [b]; the k-th depends on the k-th scores alone, unless a loss uses averages."""
    pair = LOSSES[name].make()
    scores = tf.constant(np.random.default_rng(3).uniform(0.1, 0.9, (2, 5)))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(scores)
        d_real, d_fake = tf.unstack(scores)
        terms = [*pair.discriminator(d_real, d_fake).values()]
        terms += pair.generator(d_real, d_fake).values()
    for term in terms:
        assert term.shape == (5,)
        dependence = np.abs(tape.jacobian(term, scores)).sum(1)
        assert np.diag(dependence).all()
        others = dependence - np.diag(np.diag(dependence))
        assert (others > 0).any() == (name == "relativistic_average")


@pytest.mark.parametrize("name", [loss.name for loss in LOSSES.values() if loss.has_threshold])
def test_loss_terms_of_real_and_fake_are_equal_at_the_decision_threshold(name):
    """Above it an image is classified as real."""
    pair = LOSSES[name].make()
    scores = pair.threshold + tf.constant([-0.4, 0.0, 0.4])
    terms = pair.discriminator(scores, scores)
    preference = (terms["fake"] - terms["real"]).numpy()
    assert preference[0] < 0 < preference[2]
    np.testing.assert_allclose(preference[1], 0, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_generator_uses_real_is_true_of_relativistic_losses_alone(name):
    pair = LOSSES[name].make()
    assert pair.generator_uses_real == (name in RELATIVE)
    if not pair.generator_uses_real:
        np.testing.assert_array_equal(
            pair.generator(None, LOGITS)["adversarial"],
            pair.generator(LOGITS + 1.0, LOGITS)["adversarial"],
        )


# Cross-entropies and one-sided label smoothing.


def test_label_smoothing_applies_to_losses_of_probabilities():
    assert set(SMOOTHED) == {"non_saturating", "minimax"}


@pytest.mark.parametrize("name", LOSSES)
def test_make_has_the_options_of_the_loss_with_their_defaults(name):
    parameters = inspect.signature(LOSSES[name].make).parameters
    options = {option: spec.default for option, spec in LOSSES[name].options.items()}
    assert {option: p.default for option, p in parameters.items()} == options


@pytest.mark.parametrize("smoothing", [0.1, 0.3])
@pytest.mark.parametrize("name", SMOOTHED)
def test_label_smoothing_agrees_with_probabilities_in_numpy(name, smoothing):
    d_real, d_fake = np.random.default_rng(0).normal(0, 3, (2, 50))
    p_real, p_fake = sigmoid(d_real), sigmoid(d_fake)
    pair = LOSSES[name].make(label_smoothing=smoothing)
    terms = pair.discriminator(tf.constant(d_real), tf.constant(d_fake))
    smoothed = -(1 - smoothing) * np.log(p_real) - smoothing * np.log(1 - p_real)
    np.testing.assert_allclose(terms["real"], smoothed, rtol=1e-9)
    np.testing.assert_allclose(terms["fake"], -np.log(1 - p_fake), rtol=1e-9)


@pytest.mark.parametrize("name", SMOOTHED)
def test_label_smoothing_is_one_sided(name):
    plain, smooth = LOSSES[name].make(), LOSSES[name].make(label_smoothing=0.1)
    before, after = (pair.discriminator(LOGITS, LOGITS) for pair in (plain, smooth))
    by_hand = [LN2, 0.9 * LN4_3 + 0.1 * LN4, 0.9 * LN4 + 0.1 * LN4_3]
    np.testing.assert_allclose(after["real"], by_hand, rtol=1e-6)
    assert not np.allclose(before["real"], after["real"])
    np.testing.assert_array_equal(before["fake"], after["fake"])
    np.testing.assert_array_equal(
        plain.generator(None, LOGITS)["adversarial"], smooth.generator(None, LOGITS)["adversarial"]
    )


def test_label_smoothing_has_its_minimum_at_the_smoothed_target():
    """The real term is least where sigmoid(l) = 0.75, and greater on both sides of it."""
    term = terms_of(non_saturating(label_smoothing=0.25))["real"]
    np.testing.assert_allclose(gradient(term, np.array([LN3])), 0, atol=1e-12)
    below, at, above = term(tf.constant([LN3 - 0.1, LN3, LN3 + 0.1], tf.float64)).numpy()
    assert at < below
    assert at < above


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("name", SMOOTHED)
def test_gradients_with_label_smoothing_equal_the_closed_form(name, smoothing):
    probability = sigmoid(LOGITS_64)
    closed = {
        "real": probability - (1 - smoothing),
        "fake": probability,
        "generator": {"non_saturating": probability - 1, "minimax": -probability}[name],
    }
    for term, function in terms_of(LOSSES[name].make(smoothing)).items():
        found = gradient(function, LOGITS_64)
        np.testing.assert_allclose(found, closed[term], rtol=1e-9, atol=1e-12, err_msg=term)
        np.testing.assert_allclose(found, slope(function, LOGITS_64), rtol=1e-6, atol=1e-9)


def test_generator_gradient_for_a_confident_d_vanishes_with_minimax_alone():
    sure = np.array([-20.0])
    vanishing = gradient(terms_of(minimax())["generator"], sure)
    assert -1e-8 < vanishing[0] < 0
    for name in set(ABSOLUTE) - {"minimax"}:
        assert gradient(terms_of(LOSSES[name].make())["generator"], sure)[0] < -0.99

    # For a fooled D it is the reverse.
    fooled = np.array([20.0])
    np.testing.assert_allclose(gradient(terms_of(minimax())["generator"], fooled), [-1], atol=1e-8)
    assert -1e-8 < gradient(terms_of(non_saturating())["generator"], fooled)[0] < 0


def test_cross_entropy_of_a_soft_target_equals_value_by_hand():
    by_hand = [LN2, 0.25 * LN4_3 + 0.75 * LN4, 0.25 * LN4 + 0.75 * LN4_3]
    np.testing.assert_allclose(cross_entropy(LOGITS, 0.25), by_hand, rtol=1e-6)


# Least squares, hinge, Wasserstein.


@pytest.mark.smoke
def test_least_squares_with_labels_of_the_pearson_divergence_equals_values_by_hand():
    """a, b, c = -1, 1, 0: the Pearson divergence's."""
    pair = least_squares(-1.0, 1.0, 0.0)
    assert pair.threshold == 0.0
    scores = tf.constant([-1.0, 0.0, 1.0, 3.0])
    terms = pair.discriminator(scores, scores)
    np.testing.assert_allclose(terms["real"], [2.0, 0.5, 0.0, 2.0])
    np.testing.assert_allclose(terms["fake"], [0.0, 0.5, 2.0, 8.0])
    np.testing.assert_allclose(pair.generator(None, scores)["adversarial"], [0.5, 0.0, 0.5, 4.5])


@pytest.mark.parametrize("fake_label", [1.0, 1.5])
def test_least_squares_with_a_fake_label_at_or_above_the_real_one_raises(fake_label):
    validate = LOSSES["least_squares"].validate
    with pytest.raises(UserError) as error:
        validate(fake_label=fake_label, real_label=1.0, generator_label=1.0)
    assert str(error.value) == (
        f"fake_label: expected a number below real_label=1.0, got {fake_label}"
    )
    validate(fake_label=0.9, real_label=1.0, generator_label=-3.0)


def test_least_squares_has_a_target_for_each_label():
    pair = least_squares(fake_label=0.0, real_label=4.0, generator_label=3.0)
    assert pair.threshold == 2.0
    labels = {"real": 4.0, "fake": 0.0, "generator": 3.0}
    for term, function in terms_of(pair).items():
        at = np.array([labels[term]])
        assert gradient(function, at - 0.1) < 0 < gradient(function, at + 0.1)
        np.testing.assert_allclose(gradient(function, at), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "optimum"),
    [
        ("non_saturating", lambda p, q: np.log(p / q)),
        ("least_squares", lambda p, q: p / (p + q)),
        ("hinge", lambda p, q: np.sign(p - q)),
    ],
)
def test_losses_at_the_optimal_discriminator_are_minimal(name, optimum):
    """At an image with density p among the real and q among the generated images."""
    terms = terms_of(LOSSES[name].make())
    for p, q in ((0.5, 0.1), (0.2, 0.9)):
        grid = optimum(p, q) + np.linspace(-1, 1, 201)
        loss = (p * terms["real"](grid) + q * terms["fake"](grid)).numpy()
        np.testing.assert_allclose(grid[np.argmin(loss)], optimum(p, q), atol=1e-9)


def test_hinge_of_d_beyond_the_margin_has_zero_gradient():
    terms = terms_of(LOSSES["hinge"].make())
    scores = np.array([-3.0, -1.1, -0.9, 0.9, 1.1, 3.0])
    np.testing.assert_array_equal(gradient(terms["real"], scores), [-1, -1, -1, -1, 0, 0])
    np.testing.assert_array_equal(gradient(terms["fake"], scores), [0, 0, 1, 1, 1, 1])
    np.testing.assert_array_equal(gradient(terms["generator"], scores), np.full(6, -1))


def test_wasserstein_critic_maximises_the_difference_of_the_means():
    """E D(x) - E D(G(z)), which does not change if a constant is added to all scores."""
    rng = np.random.default_rng(4)
    d_real, d_fake = rng.normal(3, 1, 100), rng.normal(-1, 1, 100)
    loss = losses_of(LOSSES["wasserstein"].make())["discriminator"]
    for shift in (0.0, 17.0):
        value = np.mean(loss(np.stack([d_real, d_fake]) + shift))
        np.testing.assert_allclose(value, d_fake.mean() - d_real.mean())


# Relativistic pairs.


@pytest.mark.parametrize("name", RELATIVE)
def test_relativistic_losses_are_invariant_to_a_shift_of_all_scores(name):
    scores = np.random.default_rng(5).normal(0, 2, (2, 6))
    for loss in losses_of(LOSSES[name].make()).values():
        np.testing.assert_allclose(loss(scores + 7.5), loss(scores), rtol=1e-9)
        np.testing.assert_allclose(gradient(loss, scores).sum(), 0, atol=1e-12)


@pytest.mark.parametrize("name", RELATIVE)
def test_relativistic_generator_loss_equals_that_of_d_with_sides_exchanged(name):
    scores = np.random.default_rng(6).normal(0, 2, (2, 6))
    losses = losses_of(LOSSES[name].make())
    np.testing.assert_allclose(losses["generator"](scores), losses["discriminator"](scores[::-1]))


def test_relativistic_compares_scores_in_pairs():
    """Real scores ln 3 above, equal to and ln 3 below their fakes."""
    d_real, d_fake = tf.constant([5.0 + LN3, 2.0, -LN3]), tf.constant([5.0, 2.0, 0.0])
    pair = relativistic()
    np.testing.assert_allclose(
        pair.discriminator(d_real, d_fake)["relative"], [LN4_3, LN2, LN4], rtol=1e-6
    )
    np.testing.assert_allclose(
        pair.generator(d_real, d_fake)["adversarial"], [LN4, LN2, LN4_3], rtol=1e-6
    )


def test_relativistic_average_compares_with_the_mean_of_the_other_side():
    """Fakes of mean 1 and real scores of mean 1 + ln 3."""
    d_real = tf.constant([1.0, 1.0 + 2 * LN3])
    d_fake = tf.constant([1.0 - LN3, 1.0 + LN3])
    terms = relativistic_average().discriminator(d_real, d_fake)
    np.testing.assert_allclose(terms["real"], [LN2, math.log(10 / 9)], rtol=1e-6)
    np.testing.assert_allclose(terms["fake"], [math.log(10 / 9), LN2], rtol=1e-6)
    generator = relativistic_average().generator(d_real, d_fake)["adversarial"]
    np.testing.assert_allclose(generator, [LN2 + math.log(10), math.log(10) + LN2], rtol=1e-6)


def test_relativistic_average_of_one_example_is_twice_relativistic():
    scores = tf.constant([[0.7], [-0.4]])
    paired, average = losses_of(relativistic()), losses_of(relativistic_average())
    for player in paired:
        np.testing.assert_allclose(average[player](scores), 2 * paired[player](scores), rtol=1e-6)


# Encoders: the papers' equations with the labels of real and generated pairs exchanged.


@pytest.mark.parametrize(
    ("name", "of_encoder"),
    [
        ("non_saturating", lambda r: -np.log(1 - sigmoid(r))),
        ("minimax", lambda r: np.log(sigmoid(r))),
        ("least_squares", lambda r: r**2 / 2),
        ("wasserstein", lambda r: r),
        ("hinge", lambda r: r),
    ],
)
def test_encoder_loss_is_that_of_exchanged_labels(name, of_encoder):
    scores = tf.constant(LOGITS_64)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        (found,) = LOSSES[name].make().encoder(scores).values()
    np.testing.assert_allclose(found, of_encoder(LOGITS_64), rtol=1e-6, atol=1e-9)
    step = 1e-6
    slopes = (of_encoder(LOGITS_64 + step) - of_encoder(LOGITS_64 - step)) / (2 * step)
    np.testing.assert_allclose(tape.gradient(found, scores), slopes, rtol=1e-5, atol=1e-7)


def test_least_squares_encoder_target_is_mirrored_between_the_labels():
    """a, b, c = -1, 1, 0 (Mao et al. 2017, section 3.2.3): the target of G and E is 0; with 0, 1,
    0.75 that of G is 0.75 and that of E 0.25.
    """
    scores = tf.constant([0.0, 0.5, 1.0])
    found = least_squares(-1.0, 1.0, 0.0).encoder(scores)["encoder"]
    np.testing.assert_allclose(found, [0.0, 0.125, 0.5])
    found = least_squares(0.0, 1.0, 0.75).encoder(scores)["encoder"]
    np.testing.assert_allclose(found, [0.03125, 0.03125, 0.28125])


@pytest.mark.parametrize("name", RELATIVE)
def test_encoder_of_relativistic_losses_has_no_terms(name):
    assert LOSSES[name].make().encoder(LOGITS) == {}


# BEGAN.


def test_equilibrium_weights_generated_images_by_k():
    k = tf.Variable(0.25)
    pair = EQUILIBRIUM["equilibrium"].make(k.read_value)
    real, fake = tf.constant([1.0, 2.0]), tf.constant([4.0, 8.0])
    np.testing.assert_array_equal(pair.discriminator(real, fake)["real"], [1, 2])
    np.testing.assert_array_equal(pair.discriminator(real, fake)["fake"], [-1, -2])
    k.assign(0.5)
    np.testing.assert_array_equal(pair.discriminator(real, fake)["fake"], [-2, -4])
    np.testing.assert_array_equal(pair.generator(None, fake)["adversarial"], [4, 8])
    assert not EQUILIBRIUM["equilibrium"].has_threshold


# Declarations of losses.


def pair(discriminator=lambda d_real, d_fake: {}, generator=lambda d_real, d_fake: {}):
    return AdversarialLoss(discriminator, generator)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (
            lambda slope: pair(),
            {"slope": 1.0},
            "mine: declare its options by fields.field, got {'slope': 1.0}",
        ),
        (
            lambda margin: pair(),
            {"slope": field(1.0, "a number", group="loss")},
            "mine: the loss must be a function whose arguments are its options (slope), got "
            "<lambda>(margin)",
        ),
        (
            lambda d_real, d_fake: {"real": d_real},
            {},
            "mine: the loss must be a function whose arguments are its options (none), got "
            "<lambda>(d_real, d_fake)",
        ),
        (lambda: None, {}, "mine: must return an AdversarialLoss, got None"),
        (
            lambda: pair(discriminator=lambda d_real: {}),
            {},
            "discriminator must be a function of the two arguments (d_real, d_fake), got "
            "<lambda>(d_real)",
        ),
        (
            lambda: pair(generator={}),
            {},
            "generator must be a function of the two arguments (d_real, d_fake), got {}",
        ),
    ],
)
def test_invalid_declaration_of_a_loss_raises_when_it_is_declared(make, options, message):
    losses = Choices(LossChoice)
    with pytest.raises(TypeError) as error:
        losses.add("mine", options=options)(make)
    assert str(error.value) == message
    assert not losses
