"""Objectives of codes, on predictions that are given, against numpy."""

import math

import numpy as np
import pytest
import tensorflow as tf

from errors import UserError
from losses.information import LOG_STD
from models import objectives
from models.codes import CodeLayout, CodePredictor
from models.declarations.infogan import InfoGANHyperparameters
from models.objectives import (
    CodeLosses,
    Consistency,
    MutualInformation,
    RealImageLosses,
    Supervision,
    ThicknessGuidance,
)
from models.randomness import Batch, stateless_seed
from models.terms import Term

CATEGORIES = (3, 2)
CONTINUOUS = 2


def q_of(features, training=True):
    """Q whose features are the outputs side by side: logits, means and log_std."""
    sizes = (*CATEGORIES, CONTINUOUS, CONTINUOUS)
    names = ("category_0", "category_1", "continuous", "log_std")
    return dict(zip(names, tf.split(features, sizes, axis=-1), strict=True))


def features_of(x, training=True):
    """Features of images [b, 3, 3, 1], which are their 9 pixels."""
    return tf.reshape(x, [-1, 9])


def predictor(sizes=CATEGORIES, continuous=CONTINUOUS):
    return CodePredictor(CodeLayout(sizes, continuous), q_of, features_of)


def code_losses(step=0, **hyperparameters):
    hp = InfoGANHyperparameters.resolve(**{"categorical_codes": "3,2", **hyperparameters})
    return CodeLosses(
        hp, lambda: tf.constant(step, tf.int64), lambda hyperparameter: getattr(hp, hyperparameter)
    )


def images(b=6, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (b, 3, 3, 1)).astype(np.float32)


def batch_of(x, labels=None, latents=None, step=0):
    return Batch(
        tf.constant(x), labels, lambda stream: stateless_seed(3, step, stream), latents or {}
    )


def log_softmax(logits):
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def numpy_q(x):
    """Outputs of Q for images, as float64."""
    return {n: p.astype(np.float64) for n, p in zip(
        ("category_0", "category_1", "continuous", "log_std"),
        np.split(x.reshape(-1, 9), [3, 5, 7], axis=1), strict=True)}  # fmt: skip


# Losses of codes.


def test_categorical_of_one_hot_codes_is_their_weighted_likelihood():
    logits, code = images(6).reshape(6, 9)[:, :3], np.eye(3, dtype=np.float32)[[0, 1, 2, 2, 1, 0]]
    term = code_losses(categorical_weight=0.7).categorical(tf.constant(logits), code)
    assert term.weight == 0.7
    np.testing.assert_allclose(term.value, -(code * log_softmax(logits)).sum(1), rtol=1e-5)


@pytest.mark.parametrize("n", [1, 2])
def test_continuous_of_mse_is_a_squared_error_per_code(n):
    q, code = numpy_q(images()), images(seed=1).reshape(6, 9)[:, :n]
    terms = code_losses(continuous_weight=0.3).continuous(q, tf.constant(code))
    assert len(terms) == n
    for k, term in enumerate(terms):
        assert term.weight == 0.3
        np.testing.assert_allclose(term.value, (q["continuous"][:, k] - code[:, k]) ** 2, rtol=1e-5)


def test_continuous_of_gaussian_is_a_negative_log_likelihood_per_code():
    x, code = images(), images(seed=1).reshape(6, 9)[:, :2]
    q, (low, high) = numpy_q(x), LOG_STD
    losses = code_losses(continuous_loss="gaussian", continuous_weight=0.3)
    terms = losses.continuous(q_of(features_of(x)), tf.constant(code))
    log_std = low + np.logaddexp(0, high - np.logaddexp(0, high - q["log_std"]) - low)
    off = (q["continuous"] - code) ** 2 / np.exp(2 * log_std)
    expected = 0.5 * math.log(2 * math.pi) + log_std + 0.5 * off
    for k, term in enumerate(terms):
        np.testing.assert_allclose(term.value, expected[:, k], rtol=1e-4)


@pytest.mark.parametrize(
    ("warmup", "step", "factor"), [(0, 0, 1), (8, 0, 1 / 8), (8, 3, 1 / 2), (8, 7, 1), (8, 99, 1)]
)
def test_continuous_in_a_warmup_has_a_share_of_its_weight(warmup, step, factor):
    losses = code_losses(step, continuous_warmup=warmup, continuous_weight=0.3)
    assert float(losses.continuous_warmup_factor()) == pytest.approx(factor)
    (term,) = losses.continuous(numpy_q(images()), tf.zeros([6, 1]))
    assert float(term.weight) == pytest.approx(0.3 * factor)


# Mutual information.


def information(sides=("generator",), r=None, **hyperparameters):
    return MutualInformation(r or predictor(), code_losses(**hyperparameters), sides)


def test_mutual_information_terms_are_the_losses_of_the_latents():
    x = images()
    latents = {
        "category_0": np.eye(3, dtype=np.float32)[[0, 1, 2, 2, 1, 0]],
        "category_1": np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 1, 1]],
        "continuous": images(seed=1).reshape(6, 9)[:, :2],
    }
    objective = information(categorical_weight=0.7, continuous_weight=0.3)
    fake = {"features": features_of(x)}
    terms = objective.terms(None, fake, batch_of(x, latents=latents))
    assert list(terms) == ["category_0", "category_1", "continuous_0", "continuous_1"]
    q = numpy_q(x)
    for name in ("category_0", "category_1"):
        expected = -(latents[name] * log_softmax(q[name])).sum(1)
        np.testing.assert_allclose(terms[name].value, expected, rtol=1e-5)
        assert terms[name].weight == 0.7
    for k in range(2):
        expected = (q["continuous"][:, k] - latents["continuous"][:, k]) ** 2
        np.testing.assert_allclose(terms[f"continuous_{k}"].value, expected, rtol=1e-4, atol=1e-7)
        assert terms[f"continuous_{k}"].weight == 0.3


@pytest.mark.parametrize("loss", ["mse", "gaussian"])
@pytest.mark.parametrize("weight", [0.0, 1.0, 7.0])
def test_mutual_information_scalars_are_the_bounds_of_the_unweighted_terms(loss, weight):
    objective = information(continuous_loss=loss, categorical_weight=2.0, continuous_weight=3.0)
    costs = {"category_0": 0.4, "category_1": 0.3, "continuous_0": 0.2, "continuous_1": 0.1}
    terms = {name: Term(tf.constant([0.0, 2 * cost]), weight) for name, cost in costs.items()}
    found = objective.scalars(terms)
    nll = {k: costs[f"continuous_{k}"] for k in (0, 1)}
    if loss == "mse":
        nll = {k: 0.5 * math.log(2 * math.pi * math.e * error) for k, error in nll.items()}
    assert {name: float(bound) for name, bound in found.items()} == pytest.approx(
        {
            "information_category_0": math.log(3) - 0.4,
            "information_category_1": math.log(2) - 0.3,
            "information_continuous_0": math.log(2) - nll[0],
            "information_continuous_1": math.log(2) - nll[1],
        },
        rel=1e-5,
    )


@pytest.mark.parametrize("sides", [("generator",), ("generator", "discriminator")])
def test_mutual_information_does_not_use_real_images(sides):
    objective = information(sides)
    assert (objective.sides, objective.uses_real) == (sides, False)


# Objectives of real images.


def test_real_image_losses_join_the_terms_of_their_parts():
    x = images()
    seen = []

    def part(name):
        def terms(q, batch):
            seen.append((q, batch))
            return {name: Term(q["continuous"][:, 0])}

        return terms

    objective = RealImageLosses(predictor(), [part("one"), part("two")], "discriminator")
    batch = batch_of(images(seed=1))
    terms = objective.terms({"features": features_of(x)}, None, batch)
    assert list(terms) == ["one", "two"]
    for q, given in seen:
        assert given is batch
        np.testing.assert_array_equal(q["continuous"], numpy_q(x)["continuous"])
    assert objective.scalars(terms) == {}
    assert (objective.sides, objective.uses_real) == (("discriminator",), True)


def test_real_image_losses_with_two_terms_of_one_name_raise():
    parts = [lambda q, batch: {"one": q["continuous"]}] * 2
    objective = RealImageLosses(predictor(), parts, "discriminator")
    with pytest.raises(ValueError, match=r"^several terms of a loss are named one$"):
        objective.terms({"features": features_of(images())}, None, batch_of(images()))


def test_supervision_of_known_labels_is_their_likelihood_and_0_of_others():
    x, labels = images(), np.array([-1, 2, 0, -1, 1, 2])
    losses = code_losses(categorical_weight=0.7)
    q = q_of(features_of(x))
    (term,) = Supervision(predictor(), losses, 0.25)(q, batch_of(x, labels)).values()
    nll = -log_softmax(numpy_q(x)["category_0"])[np.arange(6), labels]
    expected = np.where(labels >= 0, 0.7 / 0.5 * nll, 0.0)
    np.testing.assert_allclose(term.weight * term.value, expected, rtol=1e-5)
    assert float(term.mean()) == pytest.approx(expected.mean(), rel=1e-5)


def test_supervision_without_labels_raises():
    with pytest.raises(UserError) as refusal:
        Supervision(predictor(), code_losses(), 0.5)(numpy_q(images()), batch_of(images()))
    assert refusal.value.option == "supervised_fraction"


def test_thickness_guidance_is_the_error_of_the_first_code_against_the_ranks():
    x = np.full((3, 3, 3, 1), -1, np.float32)
    for image, width in zip(x, (2, 1, 3), strict=True):
        image[:, :width] = 1
    q = numpy_q(images(3))
    terms = ThicknessGuidance(code_losses(continuous_weight=0.3))(q, batch_of(x))
    assert list(terms) == ["thickness"]
    expected = (q["continuous"][:, 0] - np.array([0, -2 / 3, 2 / 3])) ** 2
    np.testing.assert_allclose(terms["thickness"].value, expected, rtol=1e-5)
    assert terms["thickness"].weight == 0.3


@pytest.fixture
def copies(monkeypatch):
    """Copies are -x, and x / 2 if upright; return a list of the kinds that are made."""
    made = []

    def affine_copies(x, uniform, limits, upright):
        made.append(upright)
        return x / 2 if upright else -x

    monkeypatch.setattr(objectives, "affine_copies", affine_copies)
    return made


def test_consistency_is_the_cross_entropy_and_the_squared_error_against_copies(copies):
    x = images()
    q, target = numpy_q(x), q_of(features_of(x))
    terms = Consistency(predictor(), code_losses(invariance_weight=0.6))(target, batch_of(x))
    assert list(terms) == [f"invariance_{n}" for n in ("category_0", "category_1", "continuous")]
    for name in ("category_0", "category_1"):
        expected = -(np.exp(log_softmax(q[name])) * log_softmax(-q[name])).sum(1)
        np.testing.assert_allclose(terms[f"invariance_{name}"].value, expected, rtol=1e-5)
    expected = ((q["continuous"] / 2) ** 2).sum(1)
    np.testing.assert_allclose(terms["invariance_continuous"].value, expected, rtol=1e-5)
    assert {term.weight for term in terms.values()} == {0.6}
    assert copies == [False, True]


def test_consistency_has_no_gradient_at_its_target(copies):
    x = images()
    features = tf.constant(x.reshape(-1, 9))
    with tf.GradientTape() as tape:
        tape.watch(features)
        terms = Consistency(predictor(), code_losses(invariance_weight=1.0))(
            q_of(features), batch_of(x)
        )
        loss = tf.add_n([term.mean() for term in terms.values()])
    assert tape.gradient(loss, features) is None


@pytest.mark.parametrize(
    ("sizes", "continuous", "made"),
    [((3, 2), 0, [False]), ((), 2, [True]), ((3,), 2, [False, True])],
)
def test_consistency_makes_copies_for_existing_codes_alone(sizes, continuous, made, copies):
    x = images()
    losses = code_losses(invariance_weight=1.0)
    terms = Consistency(predictor(sizes, continuous), losses)(q_of(features_of(x)), batch_of(x))
    names = [f"category_{k}" for k in range(len(sizes))] + ["continuous"] * bool(continuous)
    assert list(terms) == [f"invariance_{name}" for name in names]
    assert copies == made


def test_consistency_in_a_warmup_scales_the_continuous_term_alone(copies):
    x = images()
    q, batch = q_of(features_of(x)), batch_of(x)
    full, half = (
        Consistency(predictor(), code_losses(3, continuous_warmup=warmup, invariance_weight=1.0))(
            q, batch
        )
        for warmup in (0, 8)
    )
    for name, term in half.items():
        factor = 0.5 if name == "invariance_continuous" else 1.0
        np.testing.assert_allclose(term.value, factor * full[name].value, rtol=1e-6)
