"""BigBiGAN: its terms, the networks that they train, its switches, and BiGAN as a special case."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from errors import UserError
from models.bigan import BiGAN
from models.bigbigan import BigBiGAN
from training import options

SWITCHES = [
    {"sx": False, "sz": False},
    {"sx": False},
    {"sz": False},
    {},
    {"sxz": False},
]  # fmt: skip


@pytest.fixture
def make(paired):
    """**hyperparameters -> the model."""
    return functools.partial(paired, BigBiGAN)


@pytest.fixture
def x(paired_images):
    return paired_images(8)


def scores_of(**values):
    return {name: tf.constant(value, tf.float32) for name, value in values.items()}


def test_terms_equal_the_equations(x, make, batch_of):
    """h(t) = max(0, 1 - t); D: h(y s), E and G: y s; y = 1 of real pairs, -1 of fake ones."""
    model = make()
    batch = batch_of(model, x)
    real = scores_of(sx=[0.5, 2.0], sz=[-1.0, 0.0], sxz=[3.0, -0.5])
    fake = scores_of(sx=[-2.0, 0.25], sz=[1.0, -0.5], sxz=[0.0, -3.0])
    found = {n: t.numpy().tolist() for n, t in model.discriminator_terms(real, fake, batch).items()}
    assert found == {
        "sx_real": [0.5, 0.0], "sz_real": [2.0, 1.0], "sxz_real": [0.0, 1.5],
        "sx_fake": [0.0, 1.25], "sz_fake": [2.0, 0.5], "sxz_fake": [1.0, 0.0],
    }  # fmt: skip
    found = {n: t.numpy().tolist() for n, t in model.generator_terms(real, fake, batch).items()}
    assert found == {
        "sx_adversarial": [2.0, -0.25], "sz_adversarial": [-1.0, 0.5],
        "sxz_adversarial": [0.0, 3.0],
        "sx_encoder": [0.5, 2.0], "sz_encoder": [-1.0, 0.0], "sxz_encoder": [3.0, -0.5],
    }  # fmt: skip


def test_adaptive_augmentation_uses_the_scores_of_images(make):
    """The mean sign of these pairs would be 0 with the score of latents."""
    model = make(augment="ada", augment_target=0.0)
    real = scores_of(sx=[-1.0, -1.0], sz=[1.0, 1.0], sxz=[1.0, -1.0])
    scores = [real[score] for score in model.scores_of_images]
    scalars = model.augmenter.adapt(scores, model.loss_pair.threshold)
    assert float(scalars["d_sign_real"]) == -0.5


# Networks that are trained by each term of E's and G's loss.
REACHED = {
    "sx_adversarial": {"generator"},
    "sz_adversarial": set(),
    "sxz_adversarial": {"generator"},
    "sx_encoder": set(),
    "sz_encoder": {"encoder"},
    "sxz_encoder": {"encoder"},
}


@pytest.mark.parametrize("encoder", ["deterministic", "gaussian"])
def test_terms_reach_the_networks_of_their_inputs(encoder, x, make, batch_of):
    model = make(encoder=encoder)
    batch = batch_of(model, x)
    with tf.GradientTape(persistent=True) as tape:
        real, fake = (
            model.discriminate(f(batch), batch) for f in (model.real_inputs, model.fake_inputs)
        )
        terms = model.generator_terms(real, fake, batch)
        sums = {name: tf.reduce_sum(term) for name, term in terms.items()}
    assert set(sums) == set(REACHED)
    for name, value in sums.items():
        for network in ("generator", "encoder"):
            found = tape.gradient(value, getattr(model, network).trainable_variables)
            moved = [g is not None and bool(np.any(g)) for g in found]
            assert all(moved) if network in REACHED[name] else not any(moved), (name, network)


@pytest.mark.slow
@pytest.mark.parametrize("off", SWITCHES)
def test_score_that_is_off_is_neither_computed_nor_built(off, x, take_step, make):
    model = make(**off)
    on = {"sx", "sz", "sxz"} - set(off)
    assert set(model.discriminator.output) == {*on, "features"}
    names = {layer.name for layer in model.discriminator.layers}
    assert {"sx", "sz", "sxz"} & names == on
    scalars = take_step(model, x)
    terms = {name for name in scalars if name.startswith(("d_loss_", "g_loss_", "d_accuracy_"))}
    ends = {"d_loss": ("real", "fake"), "g_loss": ("adversarial", "encoder"),
            "d_accuracy": ("real", "fake")}  # fmt: skip
    assert terms == {f"{loss}_{s}_{end}" for s in on for loss in ends for end in ends[loss]}
    assert scalars["encoder_gradient_norm"] > 0
    assert scalars["generator_gradient_norm"] > 0


@pytest.mark.parametrize(("off", "network"), [("sx", "generator"), ("sz", "encoder")])
def test_parse_of_scores_that_leave_a_network_untrained_raises(off, network):
    with pytest.raises(UserError) as refusal:
        options.parse(["--model=bigbigan", f"--no{off}", "--nosxz"])
    assert str(refusal.value) == (
        f"{off}: with {off} and sxz off, no score trains the {network}; switch one on"
    )


@pytest.mark.parametrize("encoder", ["deterministic", "gaussian"])
def test_bigbigan_with_sxz_alone_equals_bigan_with_the_hinge_loss(
    encoder, x, take_step, make, paired
):
    """Initial weights, losses, and weights after two steps are equal."""
    common = {"encoder": encoder, "prior": "normal", "d_norm": "spectral", "loss": "hinge"}
    models = [paired(BiGAN, **common), make(**common, sx=False, sz=False)]
    for _ in range(2):
        plain, big = (take_step(model, x) for model in models)
        assert {name.replace("sxz_", ""): value for name, value in big.items()} == plain
    for one, other in zip(*(model.weights for model in models), strict=True):
        np.testing.assert_array_equal(tf.convert_to_tensor(one), tf.convert_to_tensor(other))
    assert len(models[0].weights) > 10
