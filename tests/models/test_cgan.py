"""cGAN: labels condition G and D, in each kind of conditioning."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from errors import UserError
from models import CGAN, layers
from models.norms import GENERATOR_NORMS, Norm

WAYS = [
    pytest.param({"g_conditioning": g, "d_conditioning": d}, id=f"{g}-{d}")
    for g in ("concat", "batch_norm")
    for d in ("concat", "projection")
]
SIDE = 16


def make(cls=CGAN, network="dcgan", **changes):
    keras.utils.set_random_seed(0)
    small = {"width": 4, "noise_dim": 5, "network": network}
    small |= {"mlp": {"g_norm": "batch"}, "dcgan": {"dense_units": 6}}[network]
    shape = {"mlp": (2, 2, 1), "dcgan": (SIDE, SIDE, 1)}[network]
    model = cls(shape, num_classes=10, seed=3, **{**small, **changes})
    model.compile()
    return model


def images(b=4, side=SIDE, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (b, side, side, 1)).astype(np.float32)


def one_hot(labels):
    return np.eye(10, dtype=np.float32)[labels]


# Conditioning.


@pytest.mark.parametrize("labels", [np.array([3, 0, 9, 3]), np.array([3, 0, 9, 3], np.uint8)])
def test_step_conditions_g_and_d_on_the_labels_of_the_batch(labels, take_step):
    given, made_of = [], []

    class Spy(CGAN):
        def discriminate(self, inputs, batch):
            given.append([np.array(part) for part in inputs])
            return super().discriminate(inputs, batch)

        def fake_inputs(self, batch):
            made_of.append({name: np.array(part) for name, part in batch.latents.items()})
            return super().fake_inputs(batch)

    model = make(Spy)
    take_step(model, images(), labels)
    (latents,) = made_of
    np.testing.assert_array_equal(latents["label"], one_hot([3, 0, 9, 3]))
    assert latents["noise"].shape == (4, 5)
    assert len(given) == 3  # real and fake for D, fake for G
    for x, y in given:
        assert x.shape == (4, SIDE, SIDE, 1)
        np.testing.assert_array_equal(y, one_hot([3, 0, 9, 3]))
    np.testing.assert_array_equal(given[0][0], images())
    np.testing.assert_array_equal(given[1][0], given[2][0])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("network", ["mlp", "dcgan"])
def test_label_changes_the_score_and_the_generated_image(network, way):
    """A label changes its own row of the batch alone."""
    model = make(network=network, initializer="he", **way)
    for part in (model.generator, model.discriminator):  # no weight stays 0 or 1
        for k, v in enumerate(part.trainable_variables):
            v.assign_add(0.3 * tf.random.stateless_normal(v.shape, [k, 0]))
    right, wrong = [3, 0, 9, 3], [3, 1, 9, 4]
    changed = np.array([False, True, False, True])
    x = images(side=model.image_shape[0])
    scores, others = (
        model.discriminator([x, one_hot(y)], training=False)[:, 0].numpy() for y in (right, wrong)
    )
    np.testing.assert_array_equal(np.abs(scores - others) > 1e-3, changed)
    np.testing.assert_allclose(scores[~changed], others[~changed], atol=1e-5)

    noise = model.latents.draw(4, 0)["noise"]
    made, other = (
        model.generator(model.latents.join({"noise": noise, "label": one_hot(y)}), training=False)
        for y in (right, wrong)
    )
    difference = np.abs(made - other).max(axis=(1, 2, 3))
    np.testing.assert_array_equal(difference > 1e-3, changed)


@pytest.mark.parametrize("way", [WAYS[0], WAYS[-1]])
def test_weights_of_one_class_move_only_if_it_is_in_the_batch(way, take_step):
    """These are rows of D's projection, or of its first kernel after the rows of the image; and of
    G's gains and biases, or of its first kernel after the rows of the noise.
    """
    model = make(**way)
    of_d = model.discriminator.trainable_variables
    if way["d_conditioning"] == "projection":
        (of_class,) = [v for v in of_d if "class" in v.path]
        others = 0
    else:
        of_class, others = of_d[0], 1
    of_g = [v for v in model.generator.trainable_variables if v.shape[0] in (10, 5 + 10)]
    assert len(of_g) == {"concat": 1, "batch_norm": 2 * 3}[way["g_conditioning"]]
    before = [v.numpy() for v in (of_class, *of_g)]
    take_step(model, images(), np.array([3, 0, 9, 3]))
    for k, (old, v) in enumerate(zip(before, (of_class, *of_g), strict=True)):
        axes = tuple(axis for axis in range(old.ndim) if axis != old.ndim - 2)
        moved = np.flatnonzero(np.any(v.numpy() != old, axis=axes))
        before_them = others if k == 0 else v.shape[0] - 10
        expected = [*range(before_them), *(before_them + np.array([0, 3, 9]))]
        np.testing.assert_array_equal(moved, expected)


def test_projection_equals_an_inner_product_with_the_vector_of_the_class():
    """Miyato and Koyama 2018: D(x, y) = y V phi(x) + psi(phi(x))."""
    model = make(d_conditioning="projection", d_norm="none", initializer="he")
    trunk = next(x for x in model.discriminator.layers if x.name == "trunk")
    v = next(x for x in model.discriminator.layers if x.name == "class").kernel.numpy()
    psi = next(x for x in model.discriminator.layers if x.name == "score")
    x, y = images(), [3, 0, 9, 3]
    phi = trunk(x).numpy()
    expected = np.sum(phi * v[y], axis=1) + phi @ psi.kernel.numpy()[:, 0] + psi.bias.numpy()
    scores = model.discriminator([x, one_hot(y)])[:, 0]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    assert v.std() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("way", [WAYS[0], WAYS[-1]])
def test_fit_of_two_classes_generates_their_images(way, fit):
    """Class 0 is dark, class 1 bright."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (250, 16))
    x = np.where(labels == 0, -0.7, 0.7)[..., None, None, None]
    x = (x + rng.normal(0, 0.05, (250, 16, 2, 2, 1))).astype(np.float32)
    model = make(network="mlp", **way, width=16, depth=1, ema_decay=0.9, g_learning_rate=2e-3,
                 d_learning_rate=2e-3)  # fmt: skip
    fit(model, x, labels)
    dark, bright = (model.sample(50, label=label).mean() for label in (0, 1))
    assert dark < -0.4
    assert bright > 0.4


@pytest.mark.parametrize("way", [WAYS[0], WAYS[-1]])
def test_penalty_is_of_the_gradient_at_images_of_their_classes(way, take_step):
    """Real, generated and interpolated images have the classes of the real ones."""
    given = []

    class Spy(CGAN):
        def discriminate(self, inputs, batch):
            given.append(np.array(inputs[1]))
            return super().discriminate(inputs, batch)

    model = make(Spy, **way, penalty="gradient", d_norm="layer", penalty_weight=2.0)
    scalars = take_step(model, images(), np.array([3, 0, 9, 3]))
    assert scalars["d_loss_gradient"] > 0
    assert len(given) == 4
    for labels in given:
        np.testing.assert_array_equal(labels, one_hot([3, 0, 9, 3]))


@pytest.mark.parametrize("way", ["concat", "projection"])
@pytest.mark.parametrize("d_norm", ["spectral", "both"])
def test_spectral_discriminator_normalises_all_kernels(way, d_norm):
    """As in Miyato and Koyama 2018."""
    model = make(d_norm=d_norm, d_conditioning=way)
    found = layers.spectral_layers(model.discriminator)
    kernels = [v for v in model.discriminator.trainable_variables if v.path.endswith("kernel")]
    assert len(found) == len(kernels) >= 4


# Samples.


@pytest.mark.parametrize("way", WAYS)
def test_sample_of_a_label_is_of_that_class(way):
    model = make(**way)
    for v in model.generator_ema.weights:
        v.assign_add(0.1 * tf.random.stateless_normal(v.shape, [1, 0]) ** 2)
    of_7 = model.sample(6, seed=2, label=7)
    assert of_7.shape == (6, SIDE, SIDE, 1)
    np.testing.assert_array_equal(of_7, model.sample(6, seed=2, label=[7] * 6))
    np.testing.assert_array_equal(of_7, model.sample(6, seed=2, label=np.int64(7)))
    assert not np.allclose(of_7, model.sample(6, seed=3, label=7), atol=1e-4)
    difference = np.abs(of_7 - model.sample(6, seed=2, label=[7, 7, 7, 7, 7, 0]))
    assert difference[:5].max() < 1e-6
    assert difference[5].max() > 1e-4


def test_draw_latents_of_a_label_has_the_noise_of_unlabelled_draws():
    model = make()
    free = model.draw_latents(200, seed=5)
    of_7 = model.draw_latents(200, seed=5, label=7)
    np.testing.assert_array_equal(of_7["noise"], free["noise"])
    np.testing.assert_array_equal(of_7["label"], one_hot([7] * 200))
    several = model.draw_latents(3, seed=5, label=[0, 9, 4])
    np.testing.assert_array_equal(several["label"], one_hot([0, 9, 4]))
    assert set(np.argmax(free["label"], 1)) == set(range(10))
    np.testing.assert_array_equal(np.sum(free["label"], 1), np.ones(200))


@pytest.mark.parametrize("label", [-1, 10, [0, 10, 1], [0, 1, -1]])
def test_sample_of_an_unknown_class_raises(label):
    model = make()
    for ask in (model.sample, model.draw_latents):
        with pytest.raises(UserError, match=r"^label: expected a class from 0 to 9, got "):
            ask(3, label=label)


@pytest.mark.parametrize(("num_classes", "rows"), [(2, 2), (10, 10), (25, 20)])
def test_picture_latents_have_one_class_per_row(num_classes, rows):
    model = CGAN((2, 2, 1), num_classes=num_classes, network="mlp", width=4)
    latents, columns = model.picture_latents()
    assert columns == 10
    labels = np.argmax(latents["label"], axis=1).reshape(-1, columns)
    np.testing.assert_array_equal(labels, np.arange(rows)[:, None] * np.ones((1, 10)))
    assert latents["label"].shape == (rows * 10, num_classes)
    noise = np.reshape(latents["noise"], (rows, columns, -1))
    np.testing.assert_array_equal(noise, np.broadcast_to(noise[0], noise.shape))
    assert len(np.unique(noise[0, :, 0])) == 10
    again, _ = model.picture_latents()
    np.testing.assert_array_equal(latents["noise"], again["noise"])
    assert model.generate(latents).shape == (rows * 10, 2, 2, 1)


def test_conditional_batch_norm_is_valid_with_any_norm_over_the_batch(monkeypatch):
    other = Norm(name="other", batch=True, in_generator=True)
    monkeypatch.setitem(GENERATOR_NORMS, "other", other)
    hp = CGAN.Hyperparameters.resolve(g_conditioning="batch_norm", g_norm="other")
    assert hp.g_norm == "other"
    with pytest.raises(UserError, match=r"^g_conditioning: batch_norm requires g_norm=batch, got"):
        CGAN.Hyperparameters.resolve(g_conditioning="batch_norm", g_norm="none")
