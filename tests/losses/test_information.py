"""Losses of codes, and bounds against mutual information that is known exactly."""

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from losses.information import (
    CODE_LOSSES,
    LOG_STD,
    categorical_bound,
    categorical_nll,
    gaussian_bound,
    gaussian_nll,
    squared_error,
    squared_error_bound,
)

RNG = np.random.default_rng(0)
LOGITS, CODES = RNG.normal(0, 2, (6, 4)), np.eye(4)[[0, 3, 1, 1, 2, 0]]
MEANS, TARGETS = RNG.uniform(-1, 1, (2, 6, 3))
LOG_STDS = RNG.uniform(-3, 0, (6, 3))
LN2 = math.log(2)


def softplus(x):
    return np.logaddexp(0, x)


def bounded(log_std):
    """Return the log_std of Q as it is used: bounded from above, then from below."""
    low, high = LOG_STD
    return low + softplus(high - softplus(high - np.asarray(log_std)) - low)


def unbounded(log_std):
    """Return the output of Q that leads to a log_std: the inverse of `bounded`."""
    low, high = LOG_STD
    log_std = low + np.log(np.expm1(log_std - low))
    return high - np.log(np.expm1(high - log_std))


def numpy_categorical(logits, code):
    return -np.sum(code * (logits - scipy.special.logsumexp(logits, 1, keepdims=True)), 1)


def numpy_gaussian(mean, log_std, code):
    return -scipy.stats.norm.logpdf(code, mean, np.exp(bounded(log_std)))


def differences(function, *arrays, step=1e-6):
    """The gradient of the sum of a function's values, by finite differences."""
    gradients = []
    for k, x in enumerate(arrays):
        gradient = np.zeros_like(x)
        for index in np.ndindex(x.shape):
            sides = []
            for sign in (1, -1):
                moved = x.copy()
                moved[index] += sign * step
                sides.append(np.sum(function(*arrays[:k], moved, *arrays[k + 1 :])))
            gradient[index] = (sides[0] - sides[1]) / (2 * step)
        gradients.append(gradient)
    return gradients


def gradients(function, *arrays):
    variables = [tf.constant(x, tf.float32) for x in arrays]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        value = function(*variables)
    return tape.gradient(value, variables)


# Losses.


@pytest.mark.smoke
def test_code_losses_equal_values_by_hand():
    """Odds of 1 : 3, a mean that is off by 1/2, and a standard deviation of 1/e."""
    logits = tf.constant([[0.0, math.log(3)]] * 2)
    np.testing.assert_allclose(
        categorical_nll(logits, tf.eye(2)), [math.log(4), math.log(4 / 3)], rtol=1e-6
    )
    mean, code = tf.constant([[0.5, -1.0]]), tf.constant([[0.0, 1.0]])
    np.testing.assert_allclose(squared_error(mean, None, code), [[0.25, 4.0]], rtol=1e-6)
    log_std = tf.fill([1, 2], float(unbounded(-1.0)))
    normal = 0.5 * math.log(2 * math.pi) - 1
    expected = [[normal + 0.125 * math.e**2, normal + 2 * math.e**2]]
    np.testing.assert_allclose(gaussian_nll(mean, log_std, code), expected, rtol=1e-5)


def test_code_losses_equal_numpy_and_are_not_reduced():
    as_tensors = [tf.constant(x, tf.float32) for x in (LOGITS, CODES, MEANS, LOG_STDS, TARGETS)]
    logits, codes, means, log_stds, targets = as_tensors
    value = categorical_nll(logits, codes)
    assert value.shape == (6,)
    np.testing.assert_allclose(value, numpy_categorical(LOGITS, CODES), rtol=1e-5, atol=1e-6)
    value = squared_error(means, None, targets)
    assert value.shape == (6, 3)
    np.testing.assert_allclose(value, (TARGETS - MEANS) ** 2, rtol=1e-5, atol=1e-7)
    value = gaussian_nll(means, log_stds, targets)
    assert value.shape == (6, 3)
    expected = numpy_gaussian(MEANS, LOG_STDS, TARGETS)
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


def test_categorical_nll_equals_that_of_one_hot_categorical():
    logits, codes = tf.constant(LOGITS, tf.float32), tf.constant(CODES, tf.float32)
    expected = -tfp.distributions.OneHotCategorical(logits=logits).log_prob(codes)
    np.testing.assert_allclose(categorical_nll(logits, codes), expected, rtol=1e-5)


def test_categorical_nll_of_extreme_logits_is_finite():
    logits = tf.constant([[1e4, -1e4], [-1e4, 1e4]])
    np.testing.assert_allclose(categorical_nll(logits, tf.constant([[1.0, 0]] * 2)), [0, 2e4])


@pytest.mark.parametrize(
    ("loss", "numpy_loss", "parts", "code"),
    [
        (categorical_nll, numpy_categorical, (LOGITS,), CODES),
        (
            lambda mean, code: squared_error(mean, None, code),
            lambda mean, code: (code - mean) ** 2,
            (MEANS,),
            TARGETS,
        ),
        (gaussian_nll, numpy_gaussian, (MEANS, LOG_STDS), TARGETS),
    ],
    ids=["categorical", "squared_error", "gaussian"],
)
def test_gradients_of_code_losses_agree_with_finite_differences(loss, numpy_loss, parts, code):
    found = gradients(lambda *q: loss(*q, tf.constant(code, tf.float32)), *parts)
    expected = differences(lambda *q: numpy_loss(*q, code), *parts)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
        assert np.abs(other).max() > 0.1


def test_gradient_of_categorical_nll_is_softmax_minus_the_code():
    """Softmax minus the code."""
    (found,) = gradients(lambda x: categorical_nll(x, tf.constant([[1.0, 0]])), np.zeros((1, 2)))
    np.testing.assert_allclose(found, [[-0.5, 0.5]], rtol=1e-6)


# The bounds of a Gaussian's deviation.


@pytest.mark.parametrize(
    ("inside", "most"),
    [((-1.6, -1.4), 0.03), ((-2.5, -0.5), 0.18), ((-3, 0), 0.31), (LOG_STD, 0.7)],
)
def test_gaussian_nll_within_the_range_of_log_std_has_bounded_distortion(inside, most):
    """The logarithm is distorted by almost 0 in the middle and by 0.7 at the ends, in order;
    compared with the distribution of the unbounded deviation.
    """
    log_std = np.linspace(*inside, 101)
    normal = tfp.distributions.Normal(np.zeros(101), np.exp(log_std))
    at_the_mean = gaussian_nll(np.zeros(101), log_std, np.zeros(101))
    distortion = at_the_mean + normal.log_prob(np.zeros(101))  # of log s, since nll is log s + ...
    assert 0.5 * most < np.abs(distortion).max() < most
    assert (np.diff(at_the_mean) > 0).all()


@pytest.mark.parametrize("far", [30.0, 1e4, 1e30])
def test_gaussian_nll_far_outside_the_range_of_log_std_uses_its_limit(far):
    low, high = LOG_STD
    for log_std, end in ((-far, low), (far, high)):
        nll = partial_nll(log_std, 0.5)
        expected = -scipy.stats.norm.logpdf(0.5, 0, math.exp(end))
        np.testing.assert_allclose(nll, expected, rtol=1e-2)
        of_mean, of_log_std = gradients(
            lambda m, s: gaussian_nll(m, s, tf.constant([[0.5]])), [[0.0]], [[log_std]]
        )
        assert np.isfinite(of_mean).all()
        assert np.isfinite(of_log_std).all()
        np.testing.assert_allclose(of_log_std, 0, atol=1e-6)
        np.testing.assert_allclose(of_mean, -0.5 / math.exp(end) ** 2, rtol=2e-2)


def partial_nll(log_std, off):
    return float(gaussian_nll(tf.constant(0.0), tf.constant(log_std), tf.constant(off)))


@pytest.mark.slow
def test_gaussian_nll_minimised_over_log_std_keeps_it_bounded():
    """200 steps of gradient descent in s alone."""
    for off, s in ((0.0, math.exp(-4)), (0.3, 0.3), (1.0, 1.0), (100.0, math.e)):
        log_std = tf.Variable([[0.0]])
        for _ in range(200):
            with tf.GradientTape() as tape:
                nll = gaussian_nll(tf.constant([[0.0]]), log_std, tf.constant([[off]]))
            (gradient,) = tape.gradient(nll, [log_std])
            log_std.assign_sub(0.3 * tf.clip_by_value(gradient, -1, 1))
        assert abs(float(log_std[0, 0])) < 200
        np.testing.assert_allclose(np.exp(bounded(log_std)), [[s]], rtol=0.05)


def test_gaussian_bound_has_an_upper_limit():
    """Ln 2 - ln(sqrt(2 pi) exp(-4)): 3.77 nats."""
    best = float(gaussian_bound(partial_nll(-1e4, 0.0)))
    np.testing.assert_allclose(best, LN2 - 0.5 * math.log(2 * math.pi) + 4, rtol=1e-5)


# The bounds of the information.


@pytest.mark.parametrize("k", [2, 10, 1000])
def test_categorical_bound_is_at_most_ln_k_and_0_for_an_uninformative_q(k):
    assert float(categorical_bound(tf.constant(0.0), k)) == pytest.approx(math.log(k))
    nll = tf.reduce_mean(categorical_nll(tf.zeros([k, k]), tf.eye(k)))
    assert float(categorical_bound(nll, k)) == pytest.approx(0, abs=1e-5)
    random = categorical_nll(tf.constant(RNG.normal(0, 3, (k, k)), tf.float32), tf.eye(k))
    assert float(categorical_bound(tf.reduce_mean(random), k)) < math.log(k)
    assert float(categorical_bound(tf.constant(1.5), k)) == pytest.approx(math.log(k) - 1.5)


def test_continuous_bounds_equal_values_by_hand():
    """An error of 1 / (2 pi e) is a Gaussian of entropy 0."""
    assert float(gaussian_bound(tf.constant(0.5))) == pytest.approx(LN2 - 0.5)
    error = tf.constant(1 / (2 * math.pi * math.e))
    assert float(squared_error_bound(error)) == pytest.approx(LN2, abs=1e-6)
    assert float(squared_error_bound(error / 4)) == pytest.approx(2 * LN2, abs=1e-6)
    # The best constant is 0, with the error 1/3.
    blind = float(squared_error_bound(tf.constant(1 / 3)))
    assert blind == pytest.approx(0.5 * math.log(6 / (math.pi * math.e)), abs=1e-6)
    assert -0.2 < blind < 0


def test_gaussian_bound_with_the_variance_of_the_error_equals_squared_error_bound():
    """With another variance the Gaussian bound is lower."""
    error = np.mean((TARGETS - MEANS) ** 2)

    def bound(variance):
        log_std = np.full(MEANS.shape, unbounded(0.5 * math.log(variance)))
        return float(gaussian_bound(np.mean(gaussian_nll(MEANS, log_std, TARGETS))))

    of_error = float(squared_error_bound(tf.constant(error)))
    assert bound(error) == pytest.approx(of_error, abs=1e-9)
    for other in (0.5 * error, 0.9 * error, 1.1 * error, 2 * error):
        assert bound(other) < of_error - 1e-3


# A discrete channel, whose confusion matrix is known.

CHANNELS = {
    "noisy": RNG.dirichlet([0.3] * 6, size=4),
    "clean": np.eye(6)[[4, 0, 2, 1]],
    "half": np.eye(2)[[0, 1, 0, 1]],
    "blind": np.tile(RNG.dirichlet([1.0] * 6), (4, 1)),
}
KNOWN = {"clean": math.log(4), "half": LN2, "blind": 0.0}


def joint_of(channel):
    """p(c, x), with each c as likely."""
    return channel / len(channel)


def exact_information(joint):
    independent = joint.sum(1, keepdims=True) * joint.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nansum(joint * np.log(joint / independent))


def posterior_of(joint):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num((joint / joint.sum(0)).T, nan=1 / len(joint))


def discrete_bound(logits, joint):
    """The bound in expectation over (c, x), of Q's logits [x, c]."""
    c, x = np.indices(joint.shape).reshape(2, -1)
    k = len(joint)
    nll = categorical_nll(tf.constant(logits[x]), tf.constant(np.eye(k)[c]))
    return float(categorical_bound(tf.reduce_sum(joint.ravel() * nll), k))


@pytest.mark.parametrize("name", CHANNELS)
def test_categorical_bound_of_the_true_posterior_is_the_mutual_information(name):
    joint = joint_of(CHANNELS[name])
    information = exact_information(joint)
    np.testing.assert_allclose(information, KNOWN.get(name, information), atol=1e-12)
    if name == "noisy":
        assert 0.2 < information < math.log(4) - 0.2
    logits = np.log(posterior_of(joint) + 1e-300)
    np.testing.assert_allclose(discrete_bound(logits, joint), information, atol=1e-9)
    # A softmax is invariant to a shift of all logits.
    shifted = logits + RNG.normal(0, 5, (len(logits), 1))
    np.testing.assert_allclose(discrete_bound(shifted, joint), information, atol=1e-9)


@pytest.mark.parametrize("name", CHANNELS)
def test_categorical_bound_of_another_q_is_lower_by_the_kl_divergence(name):
    joint = joint_of(CHANNELS[name])
    information, posterior = exact_information(joint), posterior_of(joint)
    k = len(joint)
    assert discrete_bound(np.zeros_like(posterior), joint) == pytest.approx(0, abs=1e-9)
    for spread in (0.1, 1.0, 5.0):
        logits = RNG.normal(0, spread, posterior.shape) + np.log(posterior + 1e-3)
        q = scipy.special.softmax(logits, 1)
        divergence = joint.sum(0) @ scipy.special.rel_entr(posterior, q).sum(1)
        found = discrete_bound(logits, joint)
        np.testing.assert_allclose(found, information - divergence, atol=1e-9)
        assert found < information
        assert found < math.log(k)
    overconfident = 1000 * np.eye(k)[np.arange(len(posterior)) % k]
    assert discrete_bound(overconfident, joint) < 0


@pytest.mark.slow
def test_categorical_bound_of_a_trained_q_approaches_the_mutual_information():
    joint = joint_of(CHANNELS["noisy"])
    information = exact_information(joint)
    rng = np.random.default_rng(1)
    c, x = np.unravel_index(rng.choice(joint.size, 50_000, p=joint.ravel()), joint.shape)
    counts = np.zeros_like(joint)
    np.add.at(counts, (c, x), 1 / len(c))
    weights, pairs = counts.ravel().astype(np.float32), np.indices(joint.shape).reshape(2, -1)
    logits = tf.Variable(tf.zeros([6, 4]))
    for _ in range(300):
        with tf.GradientTape() as tape:
            of_pairs = tf.one_hot(pairs[1], 6) @ logits
            nll = categorical_nll(of_pairs, tf.one_hot(pairs[0], 4))
            loss = tf.reduce_sum(weights * nll)
        logits.assign_sub(5.0 * tape.gradient(loss, logits))
    assert information - 0.02 < discrete_bound(logits.numpy().astype(float), joint) <= information


# A uniform code behind Gaussian noise, whose information is an integral.

NOISES = (0.05, 0.2, 1.0)


def noisy_density(x, s):
    """p(x) of x = c + N(0, s^2): a box, blurred."""
    normal = scipy.stats.norm
    return (normal.cdf((x + 1) / s) - normal.cdf((x - 1) / s)) / 2


def noisy_information(s):
    """h(x) - h(x | c), the former by the trapezoidal rule."""
    x = np.linspace(-1 - 12 * s, 1 + 12 * s, 200_001)
    p = noisy_density(x, s)
    entropy = np.trapezoid(-scipy.special.xlogy(p, p), x)
    return entropy - 0.5 * math.log(2 * math.pi * math.e * s**2)


@pytest.fixture(params=NOISES)
def noisy(request):
    """s, the exact information, 200,000 codes, and images of one pixel."""
    s, rng = request.param, np.random.default_rng(2)
    c = rng.uniform(-1, 1, 200_000)
    return s, noisy_information(s), c, c + rng.normal(0, s, c.shape)


def truncated(x, s):
    """Mean and variance of c given x: those of N(x, s^2) between -1 and 1."""
    low, high = (-1 - x) / s, (1 - x) / s
    inside = scipy.special.ndtr(high) - scipy.special.ndtr(low)
    at_low, at_high = (scipy.stats.norm.pdf(end) / inside for end in (low, high))
    shift = at_low - at_high
    return x + s * shift, s**2 * (1 + low * at_low - high * at_high - shift**2)


def test_noisy_information_approaches_that_of_a_box_for_little_noise_and_0_for_much():
    for s in (0.01, 0.02):
        box = LN2 - 0.5 * math.log(2 * math.pi * math.e * s**2)
        assert box < noisy_information(s) < box + 2 * s
    assert 0 < noisy_information(20.0) < 0.01


def test_squared_error_bound_is_below_and_near_the_information(noisy):
    """Bounds of m(x) = x and of the best m, the posterior's mean."""
    s, information, c, x = noisy
    mean, _ = truncated(x, s)
    plain, best = (
        float(squared_error_bound(tf.reduce_mean(squared_error(m, None, c)))) for m in (x, mean)
    )
    error = 4 * (0.5 * 2**0.5) / len(c) ** 0.5  # of half the logarithm of a mean square
    assert plain == pytest.approx(LN2 - 0.5 * math.log(2 * math.pi * math.e * s**2), abs=error)
    assert plain < best < information + error
    assert information - best < {0.05: 0.03, 0.2: 0.1, 1.0: 0.2}[s]
    assert float(squared_error_bound(tf.reduce_mean(squared_error(x + s, None, c)))) < plain - 0.3


def test_gaussian_bound_is_below_the_information_and_above_squared_error_bound(noisy):
    """Q predicts the posterior's mean and deviation of each image."""
    s, information, c, x = noisy
    mean, variance = truncated(x, s)
    log_std = np.maximum(0.5 * np.log(variance), LOG_STD[0] + 0.01)
    nll = np.asarray(gaussian_nll(mean, unbounded(log_std), c))
    bound = float(gaussian_bound(nll.mean()))
    error = 4 * nll.std() / len(c) ** 0.5
    assert information - {0.05: 0.03, 0.2: 0.1, 1.0: 0.2}[s] < bound < information + error
    assert bound > float(squared_error_bound(tf.reduce_mean(squared_error(mean, None, c)))) - error
    for wrong_mean, wrong_log_std in ((mean + s, log_std), (mean, log_std + 0.7)):
        wrong = gaussian_nll(wrong_mean, unbounded(wrong_log_std), c)
        assert float(gaussian_bound(tf.reduce_mean(wrong))) < bound - 0.05


# The declarations.


@pytest.mark.parametrize("name", CODE_LOSSES)
def test_bound_of_a_code_loss_is_higher_for_better_predictions(name):
    """A better prediction has a higher bound; that of a constant prediction is negative."""
    loss = CODE_LOSSES[name]
    code = tf.constant(np.linspace(-1, 1, 201)[:, None], tf.float32)
    log_std = tf.constant(unbounded(math.log(0.1)) * np.ones((201, 1)), tf.float32)
    bounds = [
        float(loss.bound(tf.reduce_mean(loss.make(mean, log_std, code))))
        for mean in (code + 0.1, code + 0.2, tf.zeros_like(code))
    ]
    assert bounds[0] > bounds[1] > bounds[2]
    assert bounds[0] == pytest.approx(LN2 - 0.5 * math.log(2 * math.pi * math.e * 0.01), abs=1e-4)
    assert bounds[2] < 0


@pytest.mark.parametrize("name", CODE_LOSSES)
def test_code_loss_depends_on_log_std_if_q_predicts_it(name):
    mean, code = tf.zeros([3, 1]), tf.fill([3, 1], 0.5)
    losses = [CODE_LOSSES[name].make(mean, tf.fill([3, 1], s), code).numpy() for s in (-1.0, 0.0)]
    assert (losses[0] != losses[1]).all() == CODE_LOSSES[name].predicts_std


def test_ols_is_an_alias_of_squared_error():
    assert CODE_LOSSES[CODE_LOSSES.aliases["ols"]].make is squared_error
