"""Differentiable augmentation against numpy, and what it reaches in a training."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from models.hyperparameters.XXX import WITHOUT_BOUNDARY

from errors import UserError
from losses.adversarial import LOSSES
from models import augmentation
from models.adversarial import AdversarialModel
from models.hyperparameters.adversarial import AdversarialHyperparameters
from models.hyperparameters.infogan import InfoGANHyperparameters
from models.hyperparameters.variants import BEGANHyperparameters

CHANGES = (augmentation.colour, augmentation.translation, augmentation.cutout)


def draws(n, k, seed=0):
    return np.random.default_rng(seed).uniform(size=(n, k)).astype(np.float32)


def some(n=6, height=8, width=16, channels=3):
    x = np.random.default_rng(1).uniform(-1, 1, (n, height, width, channels))
    return x.astype(np.float32)


def uniform(purpose, shape):
    """Draws by a seed for each purpose."""
    seed = sum(map(ord, purpose))
    return tf.random.stateless_uniform(shape, [0, seed])


# The three changes.


def test_colour_is_brightness_then_saturation_then_contrast():
    x, u = some(), draws(6, 3)
    expected = []
    for image, (brightness, saturation, contrast) in zip(x.astype(np.float64), u, strict=True):
        image = image + brightness - 0.5
        gray = image.mean(axis=2, keepdims=True)
        image = gray + 2 * saturation * (image - gray)
        expected.append(image.mean() + (0.5 + contrast) * (image - image.mean()))
    np.testing.assert_allclose(augmentation.colour(x, u), expected, atol=1e-5)


def test_the_saturation_of_gray_images_is_left():
    x, u = some(channels=1), draws(6, 3)
    other = np.concatenate([u[:, :1], 1 - u[:, 1:2], u[:, 2:]], axis=1)
    np.testing.assert_allclose(augmentation.colour(x, u), augmentation.colour(x, other), atol=1e-6)


def test_translation_moves_whole_pixels_and_leaves_zeros():
    """By -1, 0 or 1 of 8 rows and -2 to 2 of 16 columns."""
    x, u = some(), draws(6, 2)
    moved = augmentation.translation(x, u).numpy()
    downs, rights = np.floor(u[:, 0] * 3).astype(int) - 1, np.floor(u[:, 1] * 5).astype(int) - 2
    assert len(set(zip(downs, rights, strict=True))) > 3
    for image, found, down, right in zip(x, moved, downs, rights, strict=True):
        expected = np.zeros_like(image)
        for i in range(8):
            for j in range(16):
                if 0 <= i - down < 8 and 0 <= j - right < 16:
                    expected[i, j] = image[i - down, j - right]
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_each_shift_is_as_likely():
    u = draws(9000, 2)
    x = np.zeros((9000, 8, 8, 1), np.float32)
    x[:, 4, 4] = 1
    places = np.argwhere(augmentation.translation(x, u).numpy()[..., 0] > 0.5)[:, 1:]
    shifts, counts = np.unique(places - 4, axis=0, return_counts=True)
    assert sorted(map(tuple, shifts)) == [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    np.testing.assert_allclose(counts / 9000, 1 / 9, atol=0.02)


@pytest.mark.parametrize("side", [8, 14])
def test_cutout_is_half_of_each_side_about_any_pixel(side):
    """14 pixels: an odd half."""
    x, u = np.ones((500, side, side, 2), np.float32), draws(500, 2)
    u[:2] = [[0, 0], [1 - 1e-6, 1 - 1e-6]]
    found = augmentation.cutout(x, u).numpy()
    length = side // 2
    for image, (down, right) in zip(found, u, strict=True):
        middles = [int(v * (side + (length + 1) % 2)) for v in (down, right)]
        expected = np.ones((side, side, 2))
        rows, columns = (slice(max(m - length // 2, 0), max(m - length // 2 + length, 0))
                         for m in middles)  # fmt: skip
        expected[rows, columns] = 0
        np.testing.assert_array_equal(image, expected)
    assert {0, 1} == set(np.unique(found))


# The strength.


def test_without_strength_images_are_the_same_to_the_bit():
    x = some()
    np.testing.assert_array_equal(augmentation.augment(x, uniform, "a", 0.0), x)


def test_with_all_strength_each_change_is_applied_to_each_image():
    x = some()
    expected = x
    for change, k in zip(CHANGES, (3, 2, 2), strict=True):
        expected = change(expected, uniform(f"a {change.__name__}", [6, k + 1])[:, :-1])
    np.testing.assert_array_equal(augmentation.augment(x, uniform, "a"), expected)
    assert not np.allclose(augmentation.augment(x, uniform, "b"), expected, atol=0.1)


def test_the_strength_is_the_share_of_images_that_a_change_is_applied_to():
    x = some(2000, 8, 8, 1)
    changed = augmentation.augment(x, uniform, "a", tf.constant(0.3)).numpy()
    untouched = np.isclose(changed, x, atol=1e-6).all(axis=(1, 2, 3)).mean()
    # A translation by nothing, one of nine, changes nothing either.
    assert untouched == pytest.approx(0.7 * (0.7 + 0.3 / 9) * 0.7, abs=0.03)


# Gradients.


def test_gradients_are_those_of_finite_differences():
    x = some(2, 8, 8, 3)
    weights = np.random.default_rng(2).normal(size=x.shape).astype(np.float32)

    def value(x):
        return tf.reduce_sum(weights * augmentation.augment(x, uniform, "a") ** 2)

    given = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(given)
        y = value(given)
    gradient = tape.gradient(y, given).numpy()
    direction = np.random.default_rng(3).normal(size=x.shape).astype(np.float32)
    step = 1e-2
    slope = (value(x + step * direction) - value(x - step * direction)) / (2 * step)
    np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-3)
    assert (gradient != 0).mean() > 0.5


def test_xla_makes_the_same_of_the_same_draws():
    x = some()
    given = {f"a {c.__name__}": draws(6, k, 5) for c, k in zip(CHANGES, (4, 3, 3), strict=True)}

    def augmented(x):
        return augmentation.augment(x, lambda purpose, _: tf.constant(given[purpose]), "a", 0.7)

    compiled = tf.function(augmented, jit_compile=True)
    np.testing.assert_allclose(compiled(x), augmented(x), atol=1e-5)


# In a training.


class Seen(AdversarialModel):
    """Keeps what its critic is given."""

    def critic(self, shown, batch):
        self.shown.append(np.array(shown))
        return super().critic(shown, batch)


@pytest.fixture
def watched(linear):
    """(**hyperparameters) -> a linear model that keeps, in `shown`, what its critic is given."""

    def build(**hyperparameters):
        model = linear(Seen, **hyperparameters)
        model.shown = []
        return model

    return build


def test_d_is_shown_augmented_images_by_draws_of_their_own(watched, pictures):
    images = pictures(8)
    plain = watched()
    plain.train_step(tf.constant(images))
    model = watched(augment="diffaug")
    model.train_step(tf.constant(images))
    np.testing.assert_array_equal(plain.shown[0], images)
    batch = model._critic_batches(tf.constant(images))[0]
    for shown in (plain.shown, model.shown):
        assert len(shown) == 3  # real and fake for D, fake for G
    model.step.assign(0)
    purposes = ("real", "fake", "fake of generator")
    originals = (images, plain.shown[1], plain.shown[2])
    for found, original, purpose in zip(model.shown, originals, purposes, strict=True):
        expected = augmentation.augment(original, batch.uniform, f"augment {purpose}")
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_gradient_of_g_passes_through_the_augmentation(linear, pictures):
    """Where all of an image is cut out, or its contrast away, nothing reaches G; else it does, and
    otherwise than without."""

    def gradient(**changes):
        model = linear(**changes)
        batch = model._critic_batches(tf.constant(pictures(8)))[0]
        with tf.GradientTape() as tape:
            score = tf.reduce_sum(model.judge(model.fake(batch), batch, "fake")["d"])
        return tape.gradient(score, [v.value for v in model.generator.trainable_variables])

    plain, through = gradient(), gradient(augment="diffaug")
    for one, other in zip(plain, through, strict=True):
        assert np.isfinite(other).all()
        assert np.any(other)
        assert not np.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("augment", ["diffaug", "ada"])
def test_evaluation_is_left_as_it_is(augment, linear):
    plain, model = linear(), linear(augment=augment)
    if augment == "ada":
        model.augment_p.assign(1.0)
    np.testing.assert_array_equal(plain.sample(5), model.sample(5))


def test_a_penalty_is_of_the_slope_through_the_augmentation(linear, pictures):
    """D(x) = w x, so that the slope at an augmented image is that of what the augmentation left."""
    images = pictures(8)
    slopes = []
    for augment in ("none", "diffaug"):
        model = linear(augment=augment, penalty="r1", d_norm="none")
        slopes.append(model.train_step(tf.constant(images))["d_loss_r1"])
    assert np.isfinite(slopes).all()
    assert slopes[0] != slopes[1]


# Adaptive strength.


def step_of(model, images):
    return {k: float(v) for k, v in model.train_step(tf.constant(images)).items()}


@pytest.mark.parametrize(("bias", "sign"), [(50.0, 1.0), (-50.0, -1.0)])
def test_the_strength_rises_when_d_is_sure_of_real_images_and_else_falls(
    bias, sign, linear, pictures
):
    model = linear(augment="ada", augment_kimg=0.1)
    model.discriminator.layers[-1].bias.assign([bias])
    model.augment_p.assign(0.5)
    scalars = step_of(model, pictures(8))
    assert scalars["d_sign_real"] == sign
    assert scalars["augment_p"] == pytest.approx(0.5 + sign * 8 / 100)
    for _ in range(12):
        scalars = step_of(model, pictures(8))
    assert scalars["augment_p"] == (1.0 if sign > 0 else 0.0)


def test_the_sign_is_from_the_boundary_on(linear, pictures):
    """Of least squares with the labels 0 and 1 the boundary is 1/2."""
    model = linear(augment="ada", loss="least_squares")
    model.discriminator.layers[-1].kernel.assign(tf.zeros_like(model.kernel))
    model.discriminator.layers[-1].bias.assign([0.3])
    model.compile({name: keras.optimizers.SGD(0.0) for name in model.players()})
    assert step_of(model, pictures(8))["d_sign_real"] == -1.0


def test_the_target_decides_between_rising_and_falling(linear, pictures):
    rising, falling = (
        step_of(linear(augment="ada", augment_target=target, augment_kimg=0.1), pictures(8))
        for target in (-0.999, 0.999)
    )
    sign = rising["d_sign_real"]
    assert sign == falling["d_sign_real"]
    assert -1 < sign < 1
    assert (rising["augment_p"], falling["augment_p"]) == (pytest.approx(0.08), 0.0)


def test_the_strength_is_part_of_the_state(linear):
    model = linear(augment="ada")
    assert model.state()["own"]["augment_p"] is model.augment_p.value
    assert not hasattr(linear(augment="diffaug"), "augment_p")


# Refusals.


def test_a_loss_without_a_boundary_has_no_adaptive_strength():
    for loss, pair in LOSSES.items():
        assert (pair().boundary is None) == (loss in WITHOUT_BOUNDARY)
        if loss in WITHOUT_BOUNDARY:
            with pytest.raises(UserError, match=rf"^--augment=ada: --loss={loss} has no"):
                AdversarialHyperparameters.resolve(loss=loss, augment="ada")
        else:
            AdversarialHyperparameters.resolve(loss=loss, augment="ada")
        AdversarialHyperparameters.resolve(loss=loss, augment="diffaug")
    with pytest.raises(UserError, match=r"take --augment=diffaug$"):
        BEGANHyperparameters.resolve(augment="ada")


@pytest.mark.parametrize("what", [{"invariance_weight": 1.0}, {"thickness_guidance": True}])
@pytest.mark.parametrize("augment", ["diffaug", "ada"])
def test_what_q_is_to_read_in_whole_images_is_refused(augment, what):
    """Of an image of which half is cut out, say, it would be wrong."""
    InfoGANHyperparameters.resolve(**what)
    InfoGANHyperparameters.resolve(augment=augment, supervised_fraction=0.5)
    with pytest.raises(UserError) as refusal:
        InfoGANHyperparameters.resolve(augment=augment, **what)
    assert str(refusal.value) == (
        f"--{next(iter(what))}: Q sees only what --augment={augment} leaves of images; take one of "
        "the two"
    )


def test_targets_are_of_ada_alone():
    for name in ("augment_target", "augment_kimg"):
        with pytest.raises(UserError, match=f"^--{name}: --augment=diffaug has none"):
            AdversarialHyperparameters.resolve(augment="diffaug", **{name: 0.5})
    hp = AdversarialHyperparameters.resolve(augment="ada")
    assert (hp.augment_target, hp.augment_kimg) == (0.6, 500.0)
    assert dataclasses.asdict(AdversarialHyperparameters.resolve())["augment_target"] is None
