"""Clustering losses against numpy, their gradients, and their values in known cases."""

import math

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from losses.clustering import (
    AUXILIARY,
    contrastive,
    entropy,
    info_nce,
    invariant_information,
    joint_distribution,
    mutual_information,
)

RNG = np.random.default_rng(0)
A, B = RNG.normal(0, 1, (2, 5, 3))
LOGITS = RNG.normal(0, 1, (2, 5, 2, 4))  # of two copies of 5 images, by 2 heads of 4 categories
OPTIONS = {"instance_temperature": 0.5, "cluster_temperature": 2.0}


def numpy_contrast(a, b, temperature):
    """The mean over both directions of the cross-entropy, vector by vector."""
    z = [v / np.linalg.norm(v) for v in (*a, *b)]
    n, losses = len(a), np.zeros(len(a))
    for i in range(2 * n):
        partner = (i + n) % (2 * n)
        others = [np.dot(z[i], z[k]) / temperature for k in range(2 * n) if k != i]
        losses[i % n] += scipy.special.logsumexp(others) - np.dot(z[i], z[partner]) / temperature
    return losses / 2


def numpy_information(p, q):
    """The mutual information of the symmetric joint distribution, cell by cell."""
    joint = sum(np.outer(x, y) + np.outer(y, x) for x, y in zip(p, q, strict=True)) / (2 * len(p))
    rows, columns = joint.sum(1), joint.sum(0)
    return sum(
        joint[c, d] * math.log(joint[c, d] / (rows[c] * columns[d]))
        for c in range(len(rows))
        for d in range(len(columns))
    )


def numpy_of_categories(p, q, temperature):
    mean = np.concatenate([p, q]).mean(0)
    return numpy_contrast(p.T, q.T, temperature).mean() + (mean * np.log(mean)).sum()


def outputs(a=A, b=B, logits=LOGITS):
    return [
        {"category_0": tf.constant(x, tf.float32), AUXILIARY: tf.constant(y, tf.float32)}
        for x, y in zip(logits, (a, b), strict=True)
    ]


def test_info_nce_is_the_cross_entropy_of_each_partner_among_all_other_vectors():
    for temperature in (0.2, 1.0):
        found = info_nce(tf.constant(A), tf.constant(B), temperature)
        np.testing.assert_allclose(found, numpy_contrast(A, B, temperature), rtol=1e-5)


def test_info_nce_of_orthogonal_images_is_known():
    """Of n orthogonal vectors, copies equal: ln(e^{1/t} + 2 (n - 1)) - 1/t."""
    x = tf.eye(4)
    expected = math.log(math.exp(2.0) + 6) - 2.0
    np.testing.assert_allclose(info_nce(x, x, 0.5), [expected] * 4, rtol=1e-5)


def test_info_nce_does_not_depend_on_the_lengths_of_the_vectors():
    factors = np.array([[0.1], [2.0], [30.0], [1.0], [5.0]])
    scaled = info_nce(tf.constant(A * factors), tf.constant(B / factors), 0.5)
    np.testing.assert_allclose(scaled, info_nce(tf.constant(A), tf.constant(B), 0.5), rtol=1e-5)


def test_entropy_is_of_the_mean_distribution():
    one_hot = tf.one_hot([0, 1, 2, 3], 4)
    assert float(entropy(one_hot)) == pytest.approx(math.log(4), rel=1e-5)
    assert float(entropy(one_hot[:1])) == pytest.approx(0, abs=1e-5)


def test_joint_distribution_is_symmetric_and_sums_to_one():
    p, q = scipy.special.softmax(LOGITS[:, :, 0], -1)
    joint = joint_distribution(tf.constant(p), tf.constant(q)).numpy()
    np.testing.assert_allclose(joint, joint.T, atol=1e-7)
    np.testing.assert_allclose(joint, (p.T @ q + q.T @ p) / 10, rtol=1e-5)
    assert joint.sum() == pytest.approx(1, rel=1e-5)


def test_mutual_information_of_known_distributions():
    """It is ln k of equal categories that both copies share, 0 of independent ones."""
    assert float(mutual_information(tf.eye(4) / 4)) == pytest.approx(math.log(4), rel=1e-4)
    assert float(mutual_information(tf.fill([4, 4], 1 / 16))) == pytest.approx(0, abs=1e-5)


def test_contrastive_has_a_term_of_the_images_and_the_mean_over_the_heads_of_each_code():
    terms = contrastive(*outputs(), **OPTIONS)
    assert list(terms) == ["images", "category_0"]
    np.testing.assert_allclose(terms["images"], numpy_contrast(A, B, 0.5), rtol=1e-5)
    heads = scipy.special.softmax(LOGITS, -1).transpose(2, 0, 1, 3)
    expected = np.mean([numpy_of_categories(p, q, 2.0) for p, q in heads])
    assert float(terms["category_0"]) == pytest.approx(expected, rel=1e-5)


def test_iic_is_minus_the_information_of_the_codes_and_of_the_auxiliary_head():
    terms = invariant_information(*outputs())
    assert list(terms) == ["overclustering", "category_0"]
    over = numpy_information(*scipy.special.softmax([A, B], -1))
    assert float(terms["overclustering"]) == pytest.approx(-over, rel=1e-4)
    heads = scipy.special.softmax(LOGITS, -1).transpose(2, 0, 1, 3)
    expected = -np.mean([numpy_information(p, q) for p, q in heads])
    assert float(terms["category_0"]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("loss", ["contrastive", "iic"])
def test_gradients_agree_with_finite_differences(loss):
    def total(logits, a, b):
        pair = outputs(a, b, logits)
        terms = contrastive(*pair, **OPTIONS) if loss == "contrastive" else iic(*pair)
        return sum(float(tf.reduce_mean(term)) for term in terms.values())

    iic = invariant_information
    pair = outputs()
    with tf.GradientTape() as tape:
        tape.watch(pair)
        terms = contrastive(*pair, **OPTIONS) if loss == "contrastive" else iic(*pair)
        value = tf.add_n([tf.reduce_mean(term) for term in terms.values()])
    of_a, of_b = tape.gradient(value, pair)
    step = 1e-2
    for index in [(0, 2, 1, 3), (1, 4, 0, 0)]:
        moved = [LOGITS.copy(), LOGITS.copy()]
        moved[0][index] += step
        moved[1][index] -= step
        expected = (total(moved[0], A, B) - total(moved[1], A, B)) / (2 * step)
        found = (of_a, of_b)[index[0]]["category_0"][index[1:]]
        assert float(found) == pytest.approx(expected, rel=0.02, abs=1e-4)
    moved = [A.copy(), A.copy()]
    moved[0][3, 1] += step
    moved[1][3, 1] -= step
    expected = (total(LOGITS, moved[0], B) - total(LOGITS, moved[1], B)) / (2 * step)
    assert float(of_a[AUXILIARY][3, 1]) == pytest.approx(expected, rel=0.02, abs=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("loss", ["contrastive", "iic"])
def test_losses_are_float32_and_compile(loss, dtype):
    pair = [{n: tf.cast(x, dtype) for n, x in one.items()} for one in outputs()]
    make = (lambda a, b: contrastive(a, b, **OPTIONS)) if loss == "contrastive" else None
    make = make or invariant_information
    found, compiled = make(*pair), tf.function(make, jit_compile=True)(*pair)
    exact = make(*outputs())
    for name, term in found.items():
        assert term.dtype == tf.float32
        np.testing.assert_allclose(compiled[name], term, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(term, exact[name], rtol=0.05, atol=0.02)


def test_one_category_for_all_images_is_the_worst_assignment():
    """Both losses of codes prefer equal categories that both copies share."""
    labels = np.arange(5) % 4
    good = np.repeat(10.0 * np.eye(4)[labels][:, None], 2, 1)
    bad = np.repeat(10.0 * np.eye(4)[np.zeros(5, int)][:, None], 2, 1)
    for make in (lambda a, b: contrastive(a, b, **OPTIONS), invariant_information):
        values = [float(make(*outputs(logits=[x, x]))["category_0"]) for x in (good, bad)]
        assert values[0] < values[1]


def test_probability_of_zero_has_a_finite_loss_and_gradient():
    logits = np.repeat(200.0 * np.eye(4)[[0, 0, 1, 1, 1]][:, None], 2, 1)
    for make in (lambda a, b: contrastive(a, b, **OPTIONS), invariant_information):
        pair = outputs(logits=[logits, logits])
        with tf.GradientTape() as tape:
            tape.watch(pair)
            value = make(*pair)["category_0"]
        assert math.isfinite(float(value))
        assert np.isfinite(tape.gradient(value, pair)[0]["category_0"]).all()
