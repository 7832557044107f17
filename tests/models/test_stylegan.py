"""StyleGAN and StyleGAN2: styles, their mean, mixing, noise, growing, path lengths."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from errors import UserError
from losses.path_length import path_lengths
from models import REGISTRY
from models.abilities import STYLES
from models.networks import stylegan
from models.randomness import Growth
from models.style_based import MEAN_DECAY, mix
from models.stylegan2 import LENGTH_DECAY

NAMES = ("stylegan", "stylegan2")
SMALL = {"width": 2, "noise_dim": 4, "w_dim": 5, "mapping_depth": 2, "batch_size": 4}
RGB = (16, 16, 3)


@pytest.fixture
def build():
    """(name, image_shape, **hyperparameters) -> a compiled tiny model."""

    def build(name, image_shape=RGB, **changes):
        keras.utils.set_random_seed(0)
        model = REGISTRY[name].load()(image_shape, seed=3, **{**SMALL, **changes})
        model.compile(run_eagerly=True)
        return model

    return build


def images(n=4, shape=RGB, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def noisy(model):
    """Return the model with noise of strength 1 in all layers."""
    for network in (model.generator, model.generator_ema):
        for layer in network.get_layer("synthesis").styled:
            layer.noise.strength.assign(tf.ones_like(layer.noise.strength))
    return model


# Networks.


@pytest.mark.parametrize(
    ("shape", "sides"),
    [
        ((28, 28, 1), [7, 14, 28]),
        ((32, 32, 3), [4, 8, 16, 32]),
        ((224, 224, 3), [7, 14, 28, 56, 112, 224]),
        ((256, 256, 3), [4, 8, 16, 32, 64, 128, 256]),
    ],
)
def test_sizes_of_an_image_are_its_halvings(shape, sides):
    found = stylegan.sizes(shape, 4)
    assert [side for side, _ in found] == sides
    assert [channels for _, channels in found[::-1]] == [4, 8, 16, 32, 32, 32, 32][: len(sides)]


def test_build_of_another_size_raises():
    for name in NAMES:
        with pytest.raises(UserError, match="expected a square image with a side of 16, 28"):
            REGISTRY[name].load()((30, 30, 1), **SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_model_has_two_styles_per_size_and_samples_images(name, shape, build):
    model = build(name, shape)
    assert model.style_layers == 2 * len(stylegan.sizes(shape, 2))
    sample = model.sample(3)
    assert sample.shape == (3, *shape)
    assert np.abs(sample).max() <= 1
    assert model.discriminator(sample).shape == (3, 1)


def test_mapping_normalises_the_latent(build):
    model = build("stylegan")
    mapping = model.generator.get_layer("mapping")
    z = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_allclose(mapping(7 * z), mapping(z), rtol=1e-4, atol=1e-5)
    normal = mapping.get_layer("normalised")(z)
    np.testing.assert_allclose(np.mean(np.square(normal), axis=1), np.ones(3), rtol=1e-5)


def test_mapping_kernels_are_scaled_by_the_mapping_rate(build):
    """Kernels are larger by 1 / rate, and scaled when they are used."""
    for rate in (1.0, 0.01):
        mapping = build("stylegan", w_dim=200, mapping_rate=rate).generator.get_layer("mapping")
        kernel = mapping.get_layer("dense_1").kernel.numpy()
        assert kernel.std() == pytest.approx(1 / rate, rel=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_style_and_noise_of_every_layer_change_the_image(name, build):
    """Each style changes the image, and each noise if its strength is not 0."""
    model = noisy(build(name))
    synthesis = model.generator.get_layer("synthesis")
    rng = np.random.default_rng(0)
    w = rng.normal(size=(1, model.style_layers, 5)).astype(np.float32)
    plain = synthesis(w)
    for layer in range(model.style_layers):
        changed = w.copy()
        changed[:, layer] += 1
        assert not np.allclose(synthesis(changed), plain, atol=1e-4), layer
    noise = synthesis.fixed_noise()
    for k in range(len(noise)):
        other = [one + (j == k) * rng.normal(size=one.shape) for j, one in enumerate(noise)]
        assert not np.allclose(synthesis(w, other), plain, atol=1e-4), k


# Noise.


@pytest.mark.parametrize("name", NAMES)
def test_draw_noise_depends_on_seed_step_and_layer(name, build, batch_of):
    model = build(name)
    x = tf.constant(images())

    def noise(step, seed=3):
        model.step.assign(step)
        model.seed = seed
        batch = batch_of(model, x)
        return [one.numpy() for one in model.draw_noise(batch.normal, batch.x)]

    first, again, later, other = noise(0), noise(0), noise(1), noise(0, seed=4)
    for k, one in enumerate(first):
        np.testing.assert_array_equal(one, again[k])
        assert not np.isclose(one, later[k]).all()
        assert not np.isclose(one, other[k]).all()
        assert not np.isclose(one[0], one[1]).all()
        for another in first[:k]:
            assert another.shape != one.shape or not np.isclose(another, one).all()


@pytest.mark.parametrize("name", NAMES)
def test_images_of_styles_without_a_seed_have_the_fixed_noise(name, build):
    model = noisy(build(name))
    w = model.styles(model.draw_latents(3, 1))
    np.testing.assert_allclose(model.images_of_styles(w), model.sample(3, 1), atol=1e-6)
    one, same, two = (model.images_of_styles(w, noise_seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, two, atol=1e-3)
    assert not np.allclose(one, model.sample(3, 1), atol=1e-3)
    without = model.images_of_styles(w, noise=False)
    for layer in model.generator_ema.get_layer("synthesis").styled:
        layer.noise.strength.assign(tf.zeros_like(layer.noise.strength))
    np.testing.assert_allclose(model.images_of_styles(w), without, atol=1e-6)


# Styles.


def test_mix_takes_the_second_style_from_the_crossover_on():
    w, other = tf.zeros([3, 2]), tf.ones([3, 2])
    mixed = mix(w, other, tf.constant([1, 3, 4]), 4)[..., 0]
    np.testing.assert_array_equal(mixed, [[0, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]])


@pytest.mark.parametrize("name", NAMES)
def test_mix_of_a_style_with_itself_is_that_style(name, build):
    model = build(name)
    w = model.generator.get_layer("mapping")(tf.constant(np.eye(4, dtype=np.float32)))
    mixed = mix(w, w, tf.constant([1, 2, 3, 4]), model.style_layers)
    np.testing.assert_array_equal(mixed, model.generator.get_layer("styles")(w))


def test_mixed_styles_mix_a_share_of_the_images(build, batch_of):
    x = tf.constant(images(400))
    for share in (0.0, 0.5, 1.0):
        model = build("stylegan", style_mixing=share, batch_size=400)
        w = model.mixed_styles(batch_of(model, x)).numpy()
        changes = np.any(w[:, 1:] != w[:, :-1], axis=2)
        assert set(changes.sum(axis=1)) <= {0, 1}
        assert changes.any(axis=1).mean() == pytest.approx(share, abs=0.08)
        if share == 1:  # each crossover is as likely
            np.testing.assert_allclose(changes.mean(axis=0), 1 / 5, atol=0.08)


@pytest.mark.parametrize("name", ["stylegan", pytest.param("stylegan2", marks=pytest.mark.slow)])
def test_mean_style_after_a_step_equals_its_formula(name, build, batch_of, take_step):
    model = build(name, ema_decay=0.0)
    styles = model.generator.get_layer("styles")
    styles.mean.assign(tf.ones(5))
    batch = batch_of(model, tf.constant(images()))
    take_step(model, images())
    w = model.generator.get_layer("mapping")(model.latents.join(batch.latents))
    expected = MEAN_DECAY + (1 - MEAN_DECAY) * np.mean(w, axis=0)
    np.testing.assert_allclose(styles.mean, expected, rtol=1e-5)
    means = model.mean_style()
    assert means.shape == (model.style_layers, 5)
    np.testing.assert_allclose(means[-1], expected, rtol=1e-5)


def test_dcgan_lacks_styles(tiny):
    model = tiny("dcgan")
    assert model.lacks(STYLES) == "DCGAN has no styles"
    assert not any(hasattr(model, method) for method in STYLES.methods)


# Growing.


def test_level_rises_by_fading_phases(build):
    """The sizes are 4, 8 and 16 pixels, and a phase is 8 images."""
    model = build("stylegan", growing_kimg=0.008)
    levels = [float(model.level(tf.constant(4 * step, tf.int64))) for step in range(14)]
    assert levels == [0, 0, 0, 0.5, 1, 1, 1, 1.5, 2, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_networks_fade_from_one_size_to_the_next(network, build):
    model = build("stylegan", growing_kimg=1.0)
    if network == "generator":
        w = np.random.default_rng(0).normal(size=(4, model.style_layers, 5)).astype(np.float32)

        def at(stage, alpha=None):
            return model.generator.get_layer("synthesis")(w, stage=stage, alpha=alpha)

        np.testing.assert_array_equal(stylegan.upsample(stylegan.downsample(at(0), 4), 4), at(0))
        np.testing.assert_array_equal(stylegan.upsample(stylegan.downsample(at(1), 2), 2), at(1))
        assert not np.allclose(stylegan.downsample(at(2), 2), at(1)[:, ::2, ::2], atol=1e-3)
    else:
        x = tf.constant(np.random.default_rng(0).normal(size=(4, *RGB)), tf.float32)

        def at(stage, alpha=None):
            return model.discriminator(x, stage=stage, alpha=alpha)

    for stage in (1, 2):
        zero, half, one = (at(stage, alpha=tf.constant(a)) for a in (0.0, 0.5, 1.0))
        np.testing.assert_allclose(zero, at(stage - 1), atol=1e-5)
        np.testing.assert_allclose(one, at(stage), atol=1e-5)
        assert not np.allclose(half, one, atol=1e-4)
        if network == "generator":
            np.testing.assert_allclose(half, (zero + one) / 2, atol=1e-5)


def test_real_inputs_have_the_size_and_fading_of_the_batch(build, batch_of):
    model = build("stylegan", growing_kimg=1.0)
    x = images()
    batch = batch_of(model, tf.constant(x))
    plain = x.astype(np.float32) / 127.5 - 1
    np.testing.assert_allclose(model.real_inputs(batch), plain, atol=1e-6)
    eighths = plain.reshape(4, 8, 2, 8, 2, 3).mean(axis=(2, 4))
    quarters = plain.reshape(4, 4, 4, 4, 4, 3).mean(axis=(2, 4))
    eighths, quarters = (
        np.repeat(np.repeat(small, n, 1), n, 2) for small, n in ((eighths, 2), (quarters, 4))
    )
    batch = dataclasses.replace(batch, growth=Growth(0, None))
    np.testing.assert_allclose(model.real_inputs(batch), quarters, atol=1e-5)
    batch = dataclasses.replace(batch, growth=Growth(1, tf.constant(0.25)))
    np.testing.assert_allclose(
        model.real_inputs(batch), 0.75 * quarters + 0.25 * eighths, atol=1e-5
    )


def test_step_of_the_smallest_size_moves_its_layers_alone(build, take_step):
    """In the phase of the smallest size no larger layer of G or D moves."""
    model = build("stylegan", growing_kimg=1.0)
    networks = (model.generator.get_layer("synthesis"), model.discriminator)

    def large():
        layers = [layer for layer in networks[0].styled if layer.side > 4]
        layers += [*networks[0].colours[1:], *networks[1].blocks, *networks[1].colours[1:]]
        return [v.numpy() for layer in layers for v in layer.trainable_variables]

    before, small = large(), networks[0].colours[0].kernel.numpy()
    scalars = take_step(model, images())
    assert scalars["growth"] == 0
    for x, y in zip(before, large(), strict=True):
        np.testing.assert_array_equal(x, y)
    assert not np.array_equal(small, networks[0].colours[0].kernel)


@pytest.mark.slow
def test_first_step_of_a_new_size_moves_it_by_the_learning_rate_at_most(build, take_step):
    """With moments of the gradients of 0 before, Adam would move it ten times as far."""
    model = build("stylegan", growing_kimg=0.004, penalty="none")  # a step is a phase
    rates = model.hp.g_learning_rate, model.hp.d_learning_rate
    networks = model.generator.get_layer("synthesis"), model.discriminator
    for step, (level, count) in enumerate([(0, 1), (0, 2), (1, 1)]):
        assert float(model.level(model.images)) == level
        kernels = [network.colours[1].kernel.numpy() for network in networks]
        take_step(model, images(seed=step))
        for network, kernel, rate in zip(networks, kernels, rates, strict=True):
            distance = np.abs(network.colours[1].kernel - kernel).max()
            assert (distance > 0) == (level == 1)
            assert distance <= 1.01 * rate
        assert {int(o.iterations) for o in model.optimizers.values()} == {count}


@pytest.mark.slow
def test_optimizers_at_the_start_of_a_phase_are_reset(build, take_step):
    model = build("stylegan", growing_kimg=0.008, penalty="none")  # two steps are a phase
    levels = [0, 0, 0, 0.5, 1, 1, 1, 1.5]
    counts = [1, 2, 3, 1, 1, 2, 3, 1]
    for step, (level, count) in enumerate(zip(levels, counts, strict=True)):
        assert float(model.level(model.images)) == level
        take_step(model, images(seed=step))
        assert {int(o.iterations) for o in model.optimizers.values()} == {count}


class WithOtherRate(keras.optimizers.SGD):
    """SGD with a further variable that has the name of the learning rate."""

    def build(self, variables):
        super().build(variables)
        self.other = self.add_variable((), name="learning_rate")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_optimizers_that_are_reset_keep_their_learning_rate_alone(precision, build, policy):
    policy(precision)
    model = build("stylegan", growing_kimg=0.008, penalty="none")
    own = [WithOtherRate(0.5, momentum=0.9) for _ in model.players()]
    model.compile(optimizers=dict(zip(model.players(), own, strict=True)))
    for optimizer in own:
        optimizer.other.assign(3.0)
        optimizer.iterations.assign(7)
    model._restart_optimizers()
    for optimizer in own:
        assert float(optimizer.learning_rate) == 0.5
        rest = [v for v in optimizer.variables if v is not optimizer.learning_rate]
        assert all(not np.any(v) for v in rest)


@pytest.mark.slow
def test_mixed_styles_of_a_smaller_size_mix_its_layers_alone(build, batch_of):
    model = build("stylegan", growing_kimg=1.0, style_mixing=1.0, batch_size=64)
    batch = batch_of(model, tf.constant(images(64)))
    for stage, possible in ((0, {0}), (1, {0, 1, 2}), (None, {0, 1, 2, 3, 4})):
        growth = None if stage is None else Growth(stage, tf.constant(1.0) if stage else None)
        w = model.mixed_styles(dataclasses.replace(batch, growth=growth)).numpy()
        changes = np.any(w[:, 1:] != w[:, :-1], axis=2)
        assert set(np.argmax(changes, axis=1)) == possible
        assert changes.any(axis=1).all()


@pytest.mark.slow
def test_growing_in_bfloat16_keeps_the_level_exact(policy):
    """2.003 is 2 in bfloat16; the level is kept in float32."""
    policy("mixed_bfloat16")
    model = REGISTRY["stylegan"].load()((32, 32, 3), growing_kimg=1.0, **SMALL)
    synthesis = model.generator_ema.get_layer("synthesis")
    assert synthesis.compute_dtype == "bfloat16"
    w = model.styles(model.draw_latents(2))
    synthesis.level.assign(2.003)
    expected = synthesis(w, stage=3, alpha=tf.constant(0.003))
    np.testing.assert_allclose(synthesis(w), expected, atol=1e-3)
    assert not np.array_equal(synthesis(w), synthesis(w, stage=2))


@pytest.mark.slow
def test_sample_while_growing_has_the_size_of_the_next_step(build, take_step):
    model = build("stylegan", growing_kimg=0.004)  # a step is a phase
    sides = []
    for step in range(5):
        sample = model.sample(2)
        factors = [n for n in (4, 2, 1) if np.allclose(
            stylegan.upsample(stylegan.downsample(sample, n), n), sample, atol=1e-6)]  # fmt: skip
        sides.append(16 // factors[0])
        take_step(model, images(seed=step))
    assert sides == [4, 4, 8, 8, 16]


@pytest.mark.slow
def test_training_resumed_while_growing_is_exact(fit, state_of, assert_same, tmp_path):
    """Two steps, then five twice, in graphs; in these one size is faded in and trained, and the
    next is faded in.
    """

    def build():
        keras.utils.set_random_seed(1)
        model = REGISTRY["stylegan"].load()(
            (16, 16, 1), seed=3, growing_kimg=0.006, penalty="none", **SMALL
        )
        model.compile()
        return model

    model = build()
    x, labels = images(28, (16, 16, 1)).reshape(7, 4, 16, 16, 1), np.zeros((7, 4), np.int64)
    fit(model, x[:2], labels[:2])
    middle = state_of(model)
    assert 0 < float(model.level(model.images)) < 1
    path = tf.train.Checkpoint(**model.state()).save(str(tmp_path / "middle"))
    fit(model, x[2:], labels[2:])
    ended, sample = state_of(model), model.sample(3)
    assert float(model.level(model.images)) == 2
    for other in (build(), model):
        tf.train.Checkpoint(**other.state()).restore(path).assert_consumed()
        assert_same(state_of(other), middle)
    fit(model, x[2:], labels[2:])
    assert_same(state_of(model), ended)
    np.testing.assert_array_equal(model.sample(3), sample)


# Path lengths.


@pytest.mark.slow
def test_path_term_is_added_every_path_interval_steps(build, take_step):
    model = build("stylegan2", path_interval=3, path_weight=0.5)
    for step in range(4):
        scalars = take_step(model, images(seed=step))
        assert (scalars["g_loss_path"] > 0) == (step % 3 == 0)
    plain = build("stylegan2", path_weight=0.0)
    assert not {"g_loss_path", "path_length_mean"} & take_step(plain, images()).keys()


def test_path_term_equals_its_equation(build, batch_of):
    """The term uses every second image, relative to the mean after its update."""
    model = build("stylegan2", path_interval=3, path_weight=0.5)
    model.path_mean.assign(0.2)
    batch = batch_of(model, tf.constant(images()))
    term = model.extra_generator_terms(None, None, batch)["path"]
    noise = [one[::2] for one in model.draw_noise(batch.normal, batch.x)]
    y = batch.normal("path", [2, *RGB]) / 16
    lengths = path_lengths(
        lambda w: model.synthesise(w, noise, batch), model.mixed_styles(batch)[::2], y
    ).numpy()
    mean = LENGTH_DECAY * 0.2 + (1 - LENGTH_DECAY) * lengths.mean()
    np.testing.assert_allclose(model.path_mean, mean, rtol=1e-5)
    assert term.weight == 0.5 * 3
    np.testing.assert_allclose(term.value, (lengths - mean) ** 2, rtol=1e-4)


def test_path_term_reaches_the_mapping_and_not_the_discriminator(build, batch_of):
    model = build("stylegan2")
    batch = batch_of(model, tf.constant(images()))
    with tf.GradientTape() as tape:
        term = model.extra_generator_terms(None, None, batch)["path"].mean()
    mapping = model.generator.get_layer("mapping").trainable_variables
    of_d = model.discriminator.trainable_variables
    gradients = tape.gradient(term, [v.value for v in (*mapping, *of_d)])
    assert all(np.any(g) for g in gradients[: len(mapping)])
    assert gradients[len(mapping) :] == [None] * len(of_d)
