"""Steps of other implementations, compared with gradient steps written by hand.

The optimizers are SGD with a learning rate of RATE, and the noise is the same in each draw.
"""

import dataclasses
import importlib.util
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.compare import cases, keras_documentation, networks, project, tutorial
from benchmarks.compare.multiplications import gan
from tests.benchmarks.cases import TINY, TINY_WGAN_GP

RATE = 0.1
NOISE = np.random.default_rng(1).standard_normal((4, 3)).astype("float32")


@pytest.fixture(autouse=True)
def _sgd_and_fixed_noise(monkeypatch):
    def optimizers(hp):
        return keras.optimizers.SGD(RATE), keras.optimizers.SGD(RATE)

    monkeypatch.setattr(tutorial, "optimizers", optimizers)
    monkeypatch.setattr(tf.random, "normal", lambda shape: tf.constant(NOISE))
    monkeypatch.setattr(tf.random, "uniform", lambda shape: 0.5 * tf.ones(shape))
    monkeypatch.setattr(keras.random, "normal", lambda shape: tf.constant(NOISE))


def networks_twice(case):
    """Return G and D of a case, and copies of them for the steps by hand."""
    keras.utils.set_random_seed(3)
    pairs = networks.plain_networks(case), networks.plain_networks(case)
    for network, copy in zip(*pairs, strict=True):
        copy.set_weights(network.get_weights())
    return pairs


@pytest.fixture
def pair():
    return networks_twice(TINY)


@pytest.fixture
def wgan_gp_pair():
    return networks_twice(TINY_WGAN_GP)


def images():
    return tf.constant(TINY.float_images())


def move(loss, tape, network):
    """Take a step of SGD."""
    for v, g in zip(
        network.trainable_variables,
        tape.gradient(loss, network.trainable_variables),
        strict=True,
    ):
        v.assign_sub(RATE * g)


def discriminator_step(g, d, loss=lambda real, fake: softplus(-real) + softplus(fake)):
    with tf.GradientTape() as tape:
        value = loss(d(images(), training=True), d(g(NOISE, training=True), training=True))
    move(value, tape, d)
    return float(value)


def generator_step(g, d, loss=lambda fake: softplus(-fake)):
    with tf.GradientTape() as tape:
        value = loss(d(g(NOISE, training=True), training=True))
    move(value, tape, g)
    return float(value)


def critic_step(g, d, real):
    """Take the step of a critic with a penalty of 10 (|grad D| - 1)² halfway between the images."""
    fake = g(NOISE, training=True)
    with tf.GradientTape() as tape:
        halfway = (real + fake) / 2.0
        with tf.GradientTape() as inner:
            inner.watch(halfway)
            scores = d(halfway, training=True)
        slopes = tf.reshape(inner.gradient(scores, halfway), [len(real), -1])
        penalty = 10.0 * tf.reduce_mean((tf.norm(slopes, axis=1) - 1.0) ** 2)
        difference = tf.reduce_mean(d(fake, training=True)) - tf.reduce_mean(d(real, training=True))
        value = difference + penalty
    move(value, tape, d)
    return float(value)


def wgan_gp_steps(g, d):
    """Take a step of D on each batch of TINY_WGAN_GP, then one of G; return their losses."""
    d_losses = [critic_step(g, d, real) for real in tf.constant(TINY_WGAN_GP.float_images())]
    return generator_step(g, d, lambda fake: -tf.reduce_mean(fake)), d_losses


def softplus(scores):
    return tf.reduce_mean(tf.nn.softplus(scores))


def assert_trained_equally(networks, expected):
    for network, other in zip(networks, expected, strict=True):
        for v, w in zip(network.trainable_variables, other.trainable_variables, strict=True):
            np.testing.assert_allclose(v, w, rtol=1e-4, atol=1e-6, err_msg=v.path)


def test_tutorial_updates_both_networks_at_their_old_weights(pair):
    (g, d), (g_expected, d_expected) = pair
    g_loss, d_loss = tutorial.dcgan_step(TINY, g, d)(images())
    old = keras.models.clone_model(d_expected)
    old.set_weights(d_expected.get_weights())
    assert float(d_loss) == pytest.approx(discriminator_step(g_expected, d_expected), rel=1e-5)
    assert float(g_loss) == pytest.approx(generator_step(g_expected, old), rel=1e-5)
    assert_trained_equally((g, d), (g_expected, d_expected))


def test_keras_documentation_updates_d_with_noisy_labels_then_g(pair):
    (g, d), (g_expected, d_expected) = pair
    losses = keras_documentation.make(TINY, g, d).train_step(images())

    def noisy(real, fake):
        # Targets of 1 + 0.025 for generated images and 0.025 for real ones.
        fake_loss = tf.reduce_mean(tf.nn.softplus(fake) - 1.025 * fake)
        return (fake_loss + tf.reduce_mean(tf.nn.softplus(real) - 0.025 * real)) / 2

    d_loss = discriminator_step(g_expected, d_expected, noisy)
    g_loss = generator_step(g_expected, d_expected, lambda fake: softplus(fake))
    assert float(losses["d_loss"]) == pytest.approx(d_loss, rel=1e-5)
    assert float(losses["g_loss"]) == pytest.approx(g_loss, rel=1e-5)
    assert_trained_equally((g, d), (g_expected, d_expected))


def test_gradient_penalty_of_a_linear_critic():
    critic = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten()])
    critic.add(keras.layers.Dense(1, use_bias=False))
    critic.set_weights([np.array([[3.0], [0.0], [4.0], [0.0]])])
    x = tf.ones([6, 2, 2, 1])
    assert float(tutorial.gradient_penalty(critic, x, -x)) == pytest.approx((5.0 - 1.0) ** 2)


def test_wgan_gp_in_the_style_of_the_tutorial_equals_the_steps_by_hand(wgan_gp_pair):
    (g, d), by_hand = wgan_gp_pair
    losses = tutorial.wgan_gp_step(TINY_WGAN_GP, g, d)(tf.constant(TINY_WGAN_GP.float_images()))
    g_loss, (_, d_loss) = wgan_gp_steps(*by_hand)
    np.testing.assert_allclose(losses, (g_loss, d_loss), rtol=1e-4)
    assert_trained_equally((g, d), by_hand)


def test_wgan_gp_of_the_keras_documentation_equals_the_steps_by_hand(wgan_gp_pair):
    (g, d), by_hand = wgan_gp_pair
    model = keras_documentation.make(TINY_WGAN_GP, g, d)
    losses = model.train_step(tf.constant(TINY_WGAN_GP.float_images()))
    g_loss, d_losses = wgan_gp_steps(*by_hand)
    assert float(losses["g_loss"]) == pytest.approx(g_loss, rel=1e-4)
    assert float(losses["d_loss"]) == pytest.approx(d_losses[-1], rel=1e-4)
    assert_trained_equally((g, d), by_hand)


@pytest.mark.parametrize(
    "case", [cases.STYLEGAN2_32, cases.MLP, cases.RESNET], ids=lambda case: case.name
)
def test_networks_of_the_product_are_those_of_other_implementations(case, monkeypatch):
    monkeypatch.setattr(tf.random, "normal", tf.zeros)
    case = dataclasses.replace(case, hyperparameters={**case.hyperparameters, "width": 2})
    g, d = networks.plain_networks(case)
    assert not networks.has_batch_norm(g)
    assert not networks.has_batch_norm(d)
    scores = d(networks.generate(g, tf.ones([2, case.hp.noise_dim])), training=True)
    assert scores.shape == (2, 1)


@pytest.mark.slow
def test_project_runs_with_and_without_each_measure(monkeypatch):
    monkeypatch.setitem(cases.CASES, TINY.name, TINY)
    models, build = [], networks.model_of
    monkeypatch.setattr(
        networks, "model_of", lambda *arguments: models.append(build(*arguments)) or models[-1]
    )
    arguments = {"case": TINY.name, "batch_size": 4, "precision": "float32"}
    own = project.build(**arguments)
    changed = project.build(
        **arguments,
        keras_batch_norm=True,
        keras_adam=True,
        step_logs=True,
        steps_per_execution=2,
    )
    assert changed.multiple == 2
    assert own.multiplications == changed.multiplications > 0
    assert own.images == 4
    changed.run(2)
    assert int(models[1].step) == 2
    norms = [x for x in models[1].generator.layers if "norm" in x.name]
    assert {type(norm) for norm in norms} == {keras.layers.BatchNormalization}
    assert {type(one) for one in models[1].optimizers.values()} == {keras.optimizers.Adam}


TORCH = """
import json, sys, numpy as np, torch
from benchmarks.compare import pytorch
from benchmarks.compare.multiplications import gan
from tests.benchmarks.cases import TINY, TINY_WGAN_GP

given = dict(np.load(sys.argv[1]))

def networks(case, prefix):
    made = pytorch.networks(case)
    for name, network in zip("gd", made, strict=True):
        for k, parameter in enumerate(network.parameters()):
            parameter.data.copy_(torch.from_numpy(given[f"{prefix}_{name}{k}"]))
    return made

def weights(made):
    return [[p.detach().numpy().tolist() for p in network.parameters()] for network in made]

torch.randn = lambda *shape: torch.from_numpy(given["noise"])
torch.rand = lambda *shape: torch.full(shape, 0.5)
pytorch.optimizers = lambda hp, *both: [torch.optim.SGD(n.parameters(), 0.1) for n in both]
plain, critical = networks(TINY, "dcgan"), networks(TINY_WGAN_GP, "wgan_gp")
images, batches = (torch.from_numpy(given[name]) for name in ("images", "batches"))
linear = [pytorch.linear_layers(n, x) for n, x in zip(plain, (torch.randn(), images))]
dcgan = pytorch.dcgan_step(TINY, *plain)([images])
wgan_gp = pytorch.wgan_gp_step(TINY_WGAN_GP, *critical)(batches.unbind())
print(json.dumps({
    "multiplications": gan(1, True).of(*linear, 1),
    "losses": [[loss.item() for loss in losses] for losses in (dcgan, wgan_gp)],
    "weights": [weights(plain), weights(critical)],
}))
"""
MAPS = (2, 2, 4), (2, 2, 3)  # behind G's dense layer, before that of D


def in_torch(network, maps):
    """Weights of a Keras network in the layout of PyTorch: maps are [c, h, w]."""
    order = np.arange(np.prod(maps)).reshape(maps).transpose(2, 0, 1).ravel()
    made = []
    for variable in network.trainable_variables:
        value = np.asarray(variable)
        if value.ndim == 4:  # a transposed kernel has its outputs before its inputs
            value = value.transpose(3, 2, 0, 1)
        elif value.ndim == 2:
            value = (value[:, order] if value.shape[1] == len(order) else value[order]).T
        elif value.shape[0] == len(order):
            value = value[order]
        made.append(np.ascontiguousarray(value))
    return made


def test_pytorch_steps_equal_the_steps_by_hand(pair, wgan_gp_pair, python, tmp_path):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    plain, critical = pair[1], wgan_gp_pair[1]
    arrays = {"noise": NOISE}
    for name, case in (("images", TINY), ("batches", TINY_WGAN_GP)):
        arrays[name] = np.ascontiguousarray(np.moveaxis(case.float_images(), -1, -3))
    for prefix, made in (("dcgan", plain), ("wgan_gp", critical)):
        for name, network, maps in zip("gd", made, MAPS, strict=True):
            for k, value in enumerate(in_torch(network, maps)):
                arrays[f"{prefix}_{name}{k}"] = value
    path = tmp_path / "weights.npz"
    np.savez(path, **arrays)
    done = python("-c", TORCH, path)
    assert done.code == 0, done.err
    found = json.loads(done.out)

    counted = gan(1, True).of(*map(networks.linear_layers, plain), 1)
    assert found["multiplications"] == counted
    d_loss = discriminator_step(*plain)
    g_loss, d_losses = wgan_gp_steps(*critical)
    expected = ((generator_step(*plain), d_loss), (g_loss, d_losses[-1]))
    np.testing.assert_allclose(found["losses"], expected, rtol=1e-4)
    for made, weights in zip((plain, critical), found["weights"], strict=True):
        for network, maps, values in zip(made, MAPS, weights, strict=True):
            for value, other in zip(values, in_torch(network, maps), strict=True):
                np.testing.assert_allclose(value, other, rtol=1e-3, atol=1e-5)
