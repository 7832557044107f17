"""Contracts with any network, penalty and augmentation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from losses.penalties import PENALTIES
from models.networks.backbones import BACKBONES
from models.norms import NORMS
from tests.models.contracts.cases import (
    ADAPTIVE,
    ANY_NETWORK,
    OF_EACH_STEP,
    PENALISED,
    each_moved,
    slow_unless_of_each_kind,
    unless_of_each_kind,
    values,
)

# Networks and models that the other tests do not combine.
FURTHER = {
    "mlp": ["dcgan"],
    "dcgan": [name for name in ANY_NETWORK if name != "dcgan"],
    "resnet": ANY_NETWORK,
}

# Models whose parts of a ResNet differ: a conditional G, a D of features, a decoder in D.
WITH_RESNET = ("cgan", "bigbigan", "began")


@pytest.mark.parametrize(
    ("network", "name"),
    [
        pytest.param(
            network,
            name,
            marks=pytest.mark.slow
            if network == "resnet" and name not in WITH_RESNET
            else unless_of_each_kind(name),
        )
        for network, names in FURTHER.items()
        for name in names
    ],
)
def test_step_with_another_network_moves_the_model(network, name, tiny, batches, take_step):
    """A step moves most variables of the model."""
    model = tiny(name, network=network, width=4, depth=2 if network == "mlp" else None)
    model.compile()
    assert model.hp.network == network
    images, labels = batches(1)
    before = {player: values(p.variables) for player, p in model.players().items()}
    scalars = take_step(model, images[0], labels[0])
    assert np.isfinite(list(scalars.values())).all(), scalars
    for player, p in model.players().items():
        # Some rectified linear units are 0 on all four images.
        assert np.mean(each_moved(before[player], values(p.variables))) > 0.7
    assert model.sample(2).shape == (2, *model.image_shape)


@pytest.mark.slow
def test_model_with_every_network_is_built(tiny):
    for network, names in FURTHER.items():
        for name in set(ANY_NETWORK) - set(names):
            assert tiny(name).hp.network == network


@pytest.mark.parametrize(
    ("network", "penalty"),
    [
        pytest.param(network, penalty, marks=() if network == "mlp" or k == 0 else pytest.mark.slow)
        for network in BACKBONES
        for k, penalty in enumerate(PENALTIES)
    ],
)
def test_penalty_of_each_network_has_gradients_at_every_kernel_of_d(
    network, penalty, tiny, batches
):
    """The penalty has a gradient at every kernel of D and at no variable of G."""
    model = tiny("dcgan", network=network, penalty=penalty, d_norm="layer")
    batch = model.batches_of(tf.constant(batches(1)[0][0]))[0]
    kernels = [v for v in model.discriminator.trainable_variables if v.path.endswith("kernel")]
    of_g = model.generator.trainable_variables
    with tf.GradientTape() as tape:
        fake = tf.stop_gradient(model.fake_inputs(batch))
        real, chosen = model.real_inputs(batch), model.penalties()[penalty]
        penalties = chosen.function(real, fake, batch, **chosen.statistics(real))
    assert penalties.shape == (4,)
    assert (penalties.numpy() > 0).all()
    gradients = tape.gradient(penalties, [*kernels, *of_g])
    assert gradients[len(kernels) :] == [None] * len(of_g)
    for v, gradient in zip(kernels, gradients, strict=False):
        assert np.isfinite(gradient).all(), v.path
        assert np.any(gradient), v.path


@pytest.mark.parametrize("name", PENALISED)
def test_discriminator_with_a_penalty_scores_each_image_independently(name, tiny, batches):
    """The score of an image does not depend on the other images of its batch."""
    model = tiny(name)
    assert not NORMS[model.hp.d_norm].batch
    x = batches(1)[0][0].astype(np.float32) / 127.5 - 1
    together = model.discriminator(x, training=True)
    alone = [model.discriminator(x[k : k + 1], training=True)[0] for k in range(4)]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("augment", "name"),
    [
        pytest.param(augment, *param.values, marks=param.marks)
        for augment, names in (("diffaug", OF_EACH_STEP), ("ada", {*OF_EACH_STEP} & {*ADAPTIVE}))
        for param in slow_unless_of_each_kind(sorted(names))
    ],
)
def test_step_with_augmentation_changes_the_losses_and_not_the_samples(
    augment, name, tiny, batches, take_step
):
    """The losses differ from those without augmentation, and the samples do not."""
    images, labels = batches(1)

    def after_a_step(augment):
        keras.utils.set_random_seed(1)
        model = tiny(name, augment=augment)
        if augment == "ada":
            model.augmenter.p.assign(0.8)
        first = model.sample(2)
        model.compile()
        return first, take_step(model, images[0], labels[0])

    (plain, losses), (first, augmented) = after_a_step("none"), after_a_step(augment)
    np.testing.assert_array_equal(plain, first)
    assert np.isfinite(list(augmented.values())).all(), augmented
    assert augmented["d_loss"] != losses["d_loss"]
    assert augmented["g_loss"] != losses["g_loss"]
    assert set(augmented) - set(losses) == (
        {"augment_p", "d_sign_real"} if augment == "ada" else set()
    )
