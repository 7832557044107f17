"""Categories that InfoGAN learns from real images by clustering."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from augmentation import streams
from data import ImageData, Split
from errors import UserError
from models import InfoGAN, build
from models.declarations.infogan import InfoGANHyperparameters
from models.terms import Term

COLOUR = (32, 32, 3)
SMALL = {"width": 2, "q_width": 2, "q_head_units": 8, "noise_dim": 3, "batch_size": 6}


def make(shape=COLOUR, **changes):
    keras.utils.set_random_seed(0)
    model = InfoGAN(shape, seed=3, **{**SMALL, **changes})
    model.compile()
    return model


def images(n=6, shape=COLOUR, seed=0):
    return tf.constant(np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8))


def weights(network):
    return [np.array(v) for v in network.weights]


def equal(before, after):
    return all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))


# Resolution of the options.


def resolved(dataset="", colour=None, **given):
    return InfoGANHyperparameters.resolve(dataset, colour, **given)


def test_colour_images_are_clustered_by_default_whatever_the_data_set():
    for dataset in ("CIFAR10", "/home/me/birds"):
        hp = resolved(dataset, colour=True)
        assert hp.clustering == "contrastive"
        assert hp.copies == ("crop", "flip", "light", "colour")
        assert (hp.epochs, hp.batch_size, hp.noise_dim) == (150, 128, 64)
        assert (hp.categorical_weight, hp.g_learning_rate) == (0.5, 2e-4)
        assert (hp.copy_crop, hp.copy_hue, hp.copy_gray, hp.copy_rotation) == (0.55, 0.6, 0.2, None)


def test_gray_images_are_not_clustered_but_those_of_fashion_mnist():
    hp = resolved("MNIST", colour=False)
    assert (hp.clustering, hp.copies, hp.copy_crop) == ("none", ("affine",), None)
    assert (hp.copy_rotation, hp.copy_shear, hp.copy_shift) == (0.35, 0.3, 0.07)
    assert (hp.epochs, hp.batch_size, hp.categorical_weight) == (50, 256, 1.0)
    hp = resolved("FASHION_MNIST", colour=False)
    assert (hp.clustering, hp.copies) == ("contrastive", ("crop", "flip", "light"))
    assert hp.copy_crop == 0.7


def test_auto_is_the_default_of_the_data_set():
    assert resolved("CIFAR10", clustering="auto") == resolved("CIFAR10")
    assert resolved("MNIST", clustering="auto") == resolved("MNIST")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"network": "mlp"}, "does not combine with network=mlp; use dcgan or resnet"),
        ({"augment": "diffaug"}, "does not combine with augment=diffaug; use one of the two"),
        ({"invariance_weight": 1.0}, "does not combine with invariance_weight; use one of the two"),
        (
            {"supervised_fraction": 0.1},
            "does not combine with supervised_fraction; use one of the two",
        ),
        ({"categorical_codes": ""}, "requires a categorical code; set categorical_codes"),
    ],
)
def test_clustering_that_cannot_be_is_an_error_and_with_auto_none_with_one_line(given, reason):
    hp = resolved("CIFAR10", **given)
    assert (hp.clustering, hp.copies) == ("none", ("affine",))
    notes = InfoGANHyperparameters.resolve_with_notes
    assert notes("CIFAR10", **given)[1] == [f"clustering=none: {reason}"]
    assert notes("CIFAR10", clustering="none", **given)[1] == []
    assert notes("MNIST", **given)[1] == []
    with pytest.raises(UserError) as error:
        resolved("CIFAR10", colour=True, clustering="contrastive", **given)
    assert str(error.value) == f"clustering: {reason}"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"clustering": "iic", "copies": "colour"},
            "copies: colour requires images of three channels",
        ),
        (
            {"clustering": "iic", "copies": "none"},
            "copies: clustering requires at least one change, got none",
        ),
        (
            {"clustering": "iic", "copies": "crop:2"},
            "copies: expected weights of at most 1, got crop:2",
        ),
        ({"copies": "crop"}, "copies: expected affine without clustering, got crop"),
        (
            {"copy_rotation": 0.1},
            "copy_rotation: has no effect without clustering or invariance_weight",
        ),
        ({"copy_hue": 0.1}, "copy_hue: does not apply with copies=affine, only with copies=colour"),
        (
            {"q_width": 8},
            "q_width: does not apply with clustering=none, only with clustering=contrastive or iic",
        ),
        (
            {"clustering": "iic", "q_trunk": "shared", "information_trains": "heads"},
            "q_trunk: shared trains the discriminator's trunk; requires information_trains=trunk",
        ),
    ],
)
def test_options_that_do_not_apply_to_gray_images_are_errors(given, message):
    with pytest.raises(UserError) as error:
        resolved("MNIST", colour=False, **given)
    assert str(error.value) == message


def test_models_resolve_the_defaults_by_their_channels():
    assert InfoGAN(COLOUR, **SMALL).hp.clustering == "contrastive"
    assert InfoGAN((28, 28, 1), width=2, noise_dim=3).hp.clustering == "none"
    split = Split(images(4).numpy())
    data = ImageData("birds", split, None, (), "0")
    hp = build("infogan", data).hp
    assert (hp.clustering, hp.batch_size) == ("contrastive", 128)


def test_configurations_of_earlier_versions_have_no_clustering():
    saved = {"network": "dcgan", "width": 8, "noise_dim": 64}
    hp = InfoGANHyperparameters.of_saved(saved)
    assert (hp.clustering, hp.copies) == ("none", ("affine",))
    model = InfoGAN.from_config({"image_shape": COLOUR, "width": 2, "noise_dim": 3})
    assert model.hp.clustering == "none"


# The networks and the step.


def test_q_of_categories_has_a_trunk_and_alternative_heads_of_its_own():
    model = make(categorical_codes="10,4")
    outputs = model.categories.of_all_heads(tf.zeros([2, *COLOUR]), training=False)
    assert {name: tuple(x.shape) for name, x in outputs.items()} == {
        "category_0": (2, 3, 10),
        "category_1": (2, 3, 4),
        "auxiliary": (2, 64),
    }
    layers = model.categories.trunk.layers
    assert [la.filters for la in layers if hasattr(la, "filters")] == [2, 4, 8, 16]
    assert set(model.networks()) >= {"q", "q_trunk", "q_categories"}
    assert model.players()["q_categories"].side == "discriminator"
    assert set(model.q.output) == {"continuous"}


def test_without_continuous_codes_there_is_no_q_of_the_discriminator():
    model = make(continuous_codes=0)
    assert model.q is None
    assert set(model.players()) == {"discriminator", "generator", "q_categories"}
    model.train_step(images())
    assert model.encode(images()).shape == (6, 10)


def test_shared_trunk_is_that_of_the_discriminator_and_learns_from_clustering():
    model = make(q_trunk="shared")
    assert model.categories.trunk is model.parts.trunk
    assert "q_trunk" not in model.networks()
    (batch,) = model.batches_of(images())
    with tf.GradientTape() as tape:
        terms = model.objectives[0].terms(None, None, batch)
        loss = tf.reduce_mean(terms["clustering_images"])
    variables = [v.value for v in model.discriminator.trainable_variables]
    gradients = tape.gradient(loss, variables)
    assert sum(g is not None for g in gradients) == len(model.parts.trunk.trainable_variables)


@pytest.mark.slow
@pytest.mark.parametrize("policy_name", ["mixed_bfloat16", "mixed_float16"])
def test_outputs_of_q_are_float32_in_16_bits(policy_name, policy):
    policy(policy_name)
    model = make()
    outputs = model.categories.of_all_heads(tf.zeros([2, *COLOUR]), training=False)
    assert {x.dtype for x in outputs.values()} == {tf.float32}
    model.select_heads(images().numpy())
    assert np.isfinite(float(model.train_step(images())["g_loss_category_0"]))


@pytest.mark.slow
def test_generated_images_do_not_train_q():
    """With other generated images, in a step of which their term is part, Q ends the same."""
    found = []
    for scale in (1.0, 3.0):
        model = make()
        model.selected_heads.assign([0])
        for v in model.generator.trainable_variables:
            v.assign(scale * v)
        model.train_step(images())
        found.append(weights(model.categories.trunk) + weights(model.categories.heads))
        assert int(model.optimizers["q_categories"].iterations) == 1
    assert equal(*found)


@pytest.mark.slow
def test_generated_images_train_q_if_that_is_selected():
    found = []
    for scale in (1.0, 3.0):
        model = make(train_q_on_generated=True)
        model.selected_heads.assign([0])
        for v in model.generator.trainable_variables:
            v.assign(scale * v)
        model.train_step(images())
        found.append(weights(model.categories.heads))
    assert not equal(*found)


@pytest.mark.slow
def test_generator_has_no_term_of_categories_before_a_head_is_selected():
    gradients = []
    for head in (0, -1):
        model = make(categorical_weight=100.0)
        model.selected_heads.assign([head])
        scalars = model.train_step(images())
        gradients.append(float(scalars["generator_gradient_norm"]))
        term = float(scalars["g_loss_category_0"])
        assert (term > 0) == (head == 0)
    assert gradients[0] > gradients[1]


def test_term_of_the_generator_is_the_cross_entropy_of_the_selected_head_in_weaker_copies():
    model = make(generated_copy_strength=0.3)
    model.selected_heads.assign([2])
    (batch,) = model.batches_of(images())
    objective = model.objectives[1]
    fake = {"images": model.generator(model.latents.join(batch.latents), training=True)}
    term = objective.terms(None, fake, batch)["category_0"]
    copies = model.copies(fake["images"], batch.uniform, streams.GENERATED_COPIES, 0.3)
    logits = model.categories.of_all_heads(copies, training=False)["category_0"][:, 2]
    expected = tf.nn.softmax_cross_entropy_with_logits(batch.latents["category_0"], logits)
    np.testing.assert_allclose(term.value, expected, rtol=1e-5)
    assert float(term.weight) == model.hp.categorical_weight
    bound = objective.scalars({"category_0": Term(tf.constant([1.0]))})
    assert float(bound["information_category_0"]) == pytest.approx(np.log(10) - 1, rel=1e-5)


@pytest.mark.slow
def test_statistics_of_batch_norm_are_those_of_copies_of_real_images():
    """Black real images leave the moving mean of the first norm at that of a convolution of -1."""
    model = make(copies="crop,flip")
    model.selected_heads.assign([0])
    model.train_step(tf.zeros((6, *COLOUR), tf.uint8))
    norm = next(la for la in model.categories.trunk.layers if hasattr(la, "moving_mean"))
    fresh = make(copies="crop,flip").categories.trunk
    conv = next(la for la in fresh.layers if hasattr(la, "filters"))
    expected = 0.1 * np.array(conv(-tf.ones([1, *COLOUR]))).mean((0, 1, 2))
    np.testing.assert_allclose(norm.moving_mean, expected, rtol=1e-4, atol=1e-6)


def test_terms_of_clustering_are_losses_of_two_copies_of_each_real_image():
    model = make(clustering="iic", overclustering=7)
    (batch,) = model.batches_of(images())
    terms = model.objectives[0].terms(None, None, batch)
    assert list(terms) == ["clustering_overclustering", "clustering_category_0"]
    again = make(clustering="iic", overclustering=7)
    a, b = (again.copies(batch.x, batch.uniform, stream) for stream in streams.COPIES)
    outputs = again.categories.of_all_heads(tf.concat([a, b], 0), training=True)
    p, q = np.split(tf.nn.softmax(outputs["auxiliary"]).numpy(), 2)
    joint = (p.T @ q + q.T @ p) / 12
    information = (joint * np.log(joint / np.outer(joint.sum(1), joint.sum(0)))).sum()
    assert float(terms["clustering_overclustering"]) == pytest.approx(-information, rel=1e-3)
    assert not np.array_equal(a, b)


# Selection of a head.


def test_heads_are_selected_after_at_most_a_tenth_of_the_training():
    model = make(selection_step=20)
    for steps, start in ((1000, 20), (100, 10), (5, 1)):
        model.before_training(60, steps * 6)
        assert int(model.selection_step) == start
        assert [step for step, _ in model.milestones()] == [start]
    model.selected_heads.assign([1])
    assert not model.milestones()


def test_selected_head_has_the_highest_information_of_two_copies():
    """Head 3 predicts a category from the brightness, which crops leave; the others hardly do."""
    model = make(copies="crop,flip", categorical_codes="2", q_heads=3)

    class Brightness:
        def of_all_heads(self, x, training):
            bright = tf.reduce_mean(x, [1, 2, 3])
            logits = 50.0 * tf.stack([bright, -bright], 1)
            return {"category_0": tf.stack([0 * logits, 0.01 * logits, logits], 1)}

        codes = model.codes

    model.categories = Brightness()
    x = np.repeat(np.array([0, 255] * 5, np.uint8), np.prod(COLOUR)).reshape(10, *COLOUR)
    scalars = model.select_heads(x)
    assert list(model.selected_heads.numpy()) == [2]
    assert scalars == {
        "head_information_category_0_1": pytest.approx(0, abs=1e-5),
        "head_information_category_0_2": pytest.approx(0.023, abs=1e-3),
        "head_information_category_0_3": pytest.approx(np.log(2), abs=1e-3),
        "selected_head_category_0": 3,
    }


def test_predictions_are_those_of_the_selected_head():
    model, x = make(), images()
    outputs = model.categories.of_all_heads(tf.cast(x, tf.float32) / 127.5 - 1, training=False)
    for head in (0, 2):
        model.selected_heads.assign([head])
        expected = outputs["category_0"][:, head]
        np.testing.assert_allclose(model.code_logits(x), expected, rtol=1e-4, atol=1e-5)
        codes = model.encode(x)
        np.testing.assert_allclose(codes[:, :10], tf.nn.softmax(expected), atol=1e-5)
        assert codes.shape == (6, 12)


@pytest.mark.slow
def test_fit_without_a_selection_warns_and_with_one_does_not(capsys):
    model = make(selection_step=1)
    data = tf.data.Dataset.from_tensors(images()).repeat(4)
    model.fit(data, verbose=0)
    assert "no head is selected; call model.select_heads(images)" in capsys.readouterr().err
    model.select_heads(images().numpy())
    model.fit(data, verbose=0)
    assert capsys.readouterr().err == ""


def test_gradients_of_q_are_finite_whatever_the_loss_scale_of_the_discriminator_is(policy):
    """The gradients of a side have the smallest scale of its optimizers."""
    policy("mixed_float16")
    model = make()
    model.optimizers["discriminator"].dynamic_scale.assign(2.0**40)
    model.optimizers["q_categories"].dynamic_scale.assign(8.0)
    before = weights(model.categories.heads)
    assert np.isfinite(float(model.train_step(images())["q_categories_gradient_norm"]))
    assert not equal(before, weights(model.categories.heads))
