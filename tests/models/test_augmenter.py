"""Augmentation in training: its images, its gradients, and the probability that adapts."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from augmentation import diffaug, streams
from augmentation.policies import POLICIES
from errors import UserError
from losses.adversarial import LOSSES
from models.adversarial import AdversarialModel
from models.augmenter import Augmenter
from models.declarations.adversarial import AdversarialHyperparameters
from models.declarations.began import BEGANHyperparameters
from models.declarations.infogan import InfoGANHyperparameters

AUGMENTING = POLICIES.only(lambda policy: policy.augments)
ADAPTING = POLICIES.only(lambda policy: policy.adapts)


# Images of the discriminator.


class Recorded(AdversarialModel):
    """Model that records the inputs of `discriminate`."""

    def discriminate(self, inputs, batch):
        self.inputs.append(np.array(inputs))
        return super().discriminate(inputs, batch)


@pytest.fixture
def recorded(linear):
    """(**hyperparameters) -> a linear model with the inputs of `discriminate` in `inputs`."""

    def build(**hyperparameters):
        model = linear(Recorded, **hyperparameters)
        model.inputs = []
        return model

    return build


def test_discriminator_inputs_with_diffaug_are_augmented_by_their_own_streams(recorded, pictures):
    images = pictures(8)
    plain = recorded()
    plain.train_step(tf.constant(images))
    model = recorded(augment="diffaug")
    model.train_step(tf.constant(images))
    np.testing.assert_array_equal(plain.inputs[0], images)
    batch = model.batches_of(tf.constant(images))[0]
    for inputs in (plain.inputs, model.inputs):
        assert len(inputs) == 3  # real and generated images for D, generated ones for G
    model.step.assign(0)
    names = ("augment real", "augment fake", "augment fake of generator")
    originals = (images, plain.inputs[1], plain.inputs[2])
    for found, original, stream in zip(model.inputs, originals, names, strict=True):
        expected = diffaug.augment(original, batch.uniform, stream)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_real_images_for_the_generator_with_diffaug_have_their_own_stream(recorded, pictures):
    """A relativistic loss also scores real images when the generator is updated."""
    images = pictures(8)
    model = recorded(augment="diffaug", loss="relativistic")
    model.train_step(tf.constant(images))
    batch = model.batches_of(tf.constant(images))[0]
    model.step.assign(0)
    _, _, found, _ = model.inputs
    expected = diffaug.augment(images, batch.uniform, "augment real of generator")
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_augmented_inputs_of_pairs_keep_all_but_the_images(linear, pictures):
    model = linear(augment="diffaug")
    batch = model.batches_of(tf.constant(pictures(8)))[0]
    z = tf.ones([8, 3])
    x, found = model.augmenter.augmented([batch.x, z], batch, streams.REAL)
    np.testing.assert_array_equal(x, diffaug.augment(batch.x, batch.uniform, streams.REAL))
    assert found is z


def test_augmented_inputs_without_augmentation_are_the_inputs(linear, pictures):
    model = linear()
    batch = model.batches_of(tf.constant(pictures(8)))[0]
    assert model.augmenter.augmented(batch.x, batch, streams.REAL) is batch.x


def test_gradient_of_the_generator_passes_through_the_augmentation(linear, pictures):
    """The gradient is not 0 and differs from that without augmentation."""

    def gradient(**changes):
        model = linear(**changes)
        batch = model.batches_of(tf.constant(pictures(8)))[0]
        with tf.GradientTape() as tape:
            score = tf.reduce_sum(
                model.discriminate_augmented(model.fake_inputs(batch), batch, streams.FAKE)["d"]
            )
        return tape.gradient(score, [v.value for v in model.generator.trainable_variables])

    plain, through = gradient(), gradient(augment="diffaug")
    for one, other in zip(plain, through, strict=True):
        assert np.isfinite(other).all()
        assert np.any(other)
        assert not np.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("augment", AUGMENTING)
def test_samples_of_an_augmenting_model_are_not_augmented(augment, linear):
    plain, model = linear(), linear(augment=augment)
    if augment in ADAPTING:
        model.augmenter.p.assign(1.0)
    np.testing.assert_array_equal(plain.sample(5), model.sample(5))


def test_gradient_penalty_with_diffaug_is_of_augmented_images(linear, pictures):
    images = pictures(8)
    penalties = []
    for augment in ("none", "diffaug"):
        model = linear(augment=augment, penalty="r1", d_norm="none")
        penalties.append(model.train_step(tf.constant(images))["d_loss_r1"])
    assert np.isfinite(penalties).all()
    assert penalties[0] != penalties[1]


# The probability that adapts.


def step_of(model, images):
    return {k: float(v) for k, v in model.train_step(tf.constant(images)).items()}


@pytest.fixture
def augmenter():
    """(**hyperparameters) -> an Augmenter with a variable of its own."""

    def build(**hyperparameters):
        hp = AdversarialHyperparameters.resolve(**hyperparameters)

        def add_weight(name, shape, initializer, trainable):
            return keras.Variable(np.zeros(shape, np.float32), trainable=trainable, name=name)

        return Augmenter(hp, add_weight, lambda hyperparameter: getattr(hp, hyperparameter))

    return build


def adapted(augmenter, *scores, threshold=0.0):
    scalars = augmenter.adapt([tf.constant(s, tf.float32) for s in scores], threshold)
    return {name: float(value) for name, value in scalars.items()}


def test_adapt_with_a_mean_sign_above_or_below_the_target_moves_p_by_the_images(augmenter):
    """By 4 images of 0.1 thousand, up for a mean sign of 1/2 above 0.4, down below 0.6."""
    for target, expected in ((0.4, 0.54), (0.6, 0.46)):
        one = augmenter(augment="ada", augment_kimg=0.1, augment_target=target)
        one.p.assign(0.5)
        found = adapted(one, [1.0, 2.0, 0.5, -3.0])
        assert found == {"augment_p": pytest.approx(expected), "d_sign_real": 0.5}
        assert float(one.p.value) == pytest.approx(expected)


def test_adapt_of_several_scores_counts_each_image_once(augmenter):
    one = augmenter(augment="ada", augment_kimg=0.1, augment_target=0.0)
    found = adapted(one, [1.0, 1.0], [1.0, -1.0])
    assert found == {"augment_p": pytest.approx(0.02), "d_sign_real": 0.5}


def test_adapt_with_a_threshold_uses_signs_relative_to_it(augmenter):
    one = augmenter(augment="ada")
    assert adapted(one, [0.3, 0.3], threshold=0.5)["d_sign_real"] == -1.0


@pytest.mark.parametrize("augment", [name for name in POLICIES if name not in ADAPTING])
def test_adapt_of_a_policy_that_does_not_adapt_changes_nothing(augment, augmenter):
    one = augmenter(augment=augment)
    assert adapted(one, [1.0, 1.0], threshold=None) == {}
    assert one.p is None


@pytest.mark.parametrize(("bias", "sign"), [(50.0, 1.0), (-50.0, -1.0)])
def test_probability_in_training_stays_between_0_and_1(bias, sign, linear, pictures):
    model = linear(augment="ada", augment_kimg=0.1)
    model.discriminator.layers[-1].bias.assign([bias])
    model.augmenter.p.assign(0.5)
    scalars = step_of(model, pictures(8))
    assert scalars["d_sign_real"] == sign
    assert scalars["augment_p"] == pytest.approx(0.5 + sign * 8 / 100)
    model.augmenter.p.assign(0.5 + 0.45 * sign)
    assert step_of(model, pictures(8))["augment_p"] == (1.0 if sign > 0 else 0.0)


def test_sign_of_real_images_in_training_is_relative_to_the_threshold_of_the_loss(linear, pictures):
    """Least squares with the labels 0 and 1 has the threshold 1/2."""
    model = linear(augment="ada", loss="least_squares")
    model.discriminator.layers[-1].kernel.assign(tf.zeros_like(model.kernel))
    model.discriminator.layers[-1].bias.assign([0.3])
    model.compile(optimizers={name: keras.optimizers.SGD(0.0) for name in model.players()})
    assert step_of(model, pictures(8))["d_sign_real"] == -1.0


def test_probability_that_adapts_is_an_own_variable_of_the_model(linear):
    model = linear(augment="ada")
    assert model.augmenter.p.name == "augment_p"
    own = model.state()["own"]
    assert list(own) == ["step", "augment_p", "images"]
    assert own["augment_p"] is model.augmenter.p.value
    assert own["step"] is model.step.value


def test_probability_of_diffaug_is_not_a_variable(linear):
    model = linear(augment="diffaug")
    assert list(model.state()["own"]) == ["step", "images"]


# Combinations that are invalid.


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("augment", AUGMENTING)
def test_resolve_of_ada_without_a_decision_threshold_raises(loss, augment):
    if augment in ADAPTING and not LOSSES[loss].has_threshold:
        with pytest.raises(UserError, match=f"^augment: {augment} .* loss={loss} has none"):
            AdversarialHyperparameters.resolve(loss=loss, augment=augment)
    else:
        AdversarialHyperparameters.resolve(loss=loss, augment=augment)


def test_resolve_of_began_with_ada_raises():
    with pytest.raises(UserError, match=r"^augment: .*use diffaug$"):
        BEGANHyperparameters.resolve(augment="ada")


@pytest.mark.parametrize("objective", [{"invariance_weight": 1.0}, {"thickness_guidance": True}])
@pytest.mark.parametrize("augment", AUGMENTING)
def test_resolve_of_augmentation_with_an_objective_on_whole_images_raises(augment, objective):
    InfoGANHyperparameters.resolve(**objective)
    InfoGANHyperparameters.resolve(augment=augment, supervised_fraction=0.5)
    with pytest.raises(UserError) as error:
        InfoGANHyperparameters.resolve(augment=augment, **objective)
    assert error.value.option == next(iter(objective))
    assert f"augment={augment}" in str(error.value)


@pytest.mark.parametrize("augment", POLICIES)
def test_options_of_a_policy_apply_to_it_alone(augment):
    hp = AdversarialHyperparameters.resolve(augment=augment)
    for policy in POLICIES.values():
        for name, spec in policy.options.items():
            assert getattr(hp, name) == (spec.default if policy.name == augment else None)
            if policy.name != augment:
                with pytest.raises(UserError, match=f"^{name}: "):
                    AdversarialHyperparameters.resolve(augment=augment, **{name: spec.default})
