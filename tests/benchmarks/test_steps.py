"""Steps of other implementations, compared with gradient steps written by hand.

The optimizers are SGD with a learning rate of RATE, and the noise is the same in each draw.
"""

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


@pytest.fixture
def pair():
    """G and D of TINY with large weights, and copies of them for the steps by hand."""
    keras.utils.set_random_seed(3)
    pairs = networks.plain_networks(TINY), networks.plain_networks(TINY)
    for network, copy in zip(*pairs, strict=True):
        copy.set_weights(network.get_weights())
    return pairs


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


@pytest.mark.parametrize("implementation", ["tutorial", "keras_documentation"])
def test_wgan_gp_updates_the_critic_n_critic_times_and_g_once(monkeypatch, implementation):
    optimizers = keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0)
    monkeypatch.setattr(tutorial, "optimizers", lambda hp: optimizers)
    g, d = networks.plain_networks(TINY_WGAN_GP)
    batches = tf.constant(TINY_WGAN_GP.float_images())
    if implementation == "tutorial":
        g_loss, d_loss = tutorial.wgan_gp_step(TINY_WGAN_GP, g, d)(batches)
    else:
        losses = keras_documentation.make(TINY_WGAN_GP, g, d).train_step(batches)
        g_loss, d_loss = losses["g_loss"], losses["d_loss"]
    assert [int(one.iterations) for one in optimizers] == [1, 2]
    fake = g(NOISE, training=True)
    scores = tf.reduce_mean(d(fake)), tf.reduce_mean(d(batches[1]))
    penalty = tutorial.gradient_penalty(d, batches[1], fake)
    assert float(g_loss) == pytest.approx(-float(scores[0]), abs=1e-5)
    if implementation == "tutorial":  # the documentation's is a mean over the updates
        expected = float(scores[0] - scores[1] + 10.0 * penalty)
        assert float(d_loss) == pytest.approx(expected, rel=1e-4)


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
        keep_memory=False,
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
networks = pytorch.networks(TINY)

def parameters(name, network):
    weights = [given[f"{name}{k}"] for k in range(len(list(network.parameters())))]
    return list(zip(network.parameters(), map(torch.from_numpy, weights), strict=True))

for name, network in zip("gd", networks, strict=True):
    for parameter, weight in parameters(name, network):
        parameter.data.copy_(weight)
torch.randn = lambda *shape: torch.from_numpy(given["noise"])
pytorch.optimizers = lambda hp, *both: [torch.optim.SGD(n.parameters(), 0.1) for n in both]
images = torch.from_numpy(given["images"])
g_loss, d_loss = pytorch.dcgan_step(TINY, *networks)([images])
linear = [pytorch.linear_layers(n, x) for n, x in zip(networks, (torch.randn(), images))]
critic = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 1, bias=False))
critic[1].weight.data.copy_(torch.tensor([[3.0, 0.0, 4.0, 0.0]]))
x = torch.ones(6, 1, 2, 2)
batches = torch.stack([images] * 2).unbind()
wgan_gp = pytorch.wgan_gp_step(TINY_WGAN_GP, *pytorch.networks(TINY_WGAN_GP))(batches)
print(json.dumps({
    "g_loss": g_loss.item(),
    "d_loss": d_loss.item(),
    "multiplications": gan(1, True).of(*linear, 1),
    "penalty": pytorch.gradient_penalty(critic, x, -x).item(),
    "wgan_gp": [loss.item() for loss in wgan_gp],
    **{
        name: [p.detach().numpy().tolist() for p in network.parameters()]
        for name, network in zip("gd", networks, strict=True)
    },
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


def test_pytorch_step_equals_the_step_by_hand(pair, python, tmp_path):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    g, d = pair[1]
    arrays = {"noise": NOISE, "images": np.moveaxis(TINY.float_images(), -1, 1)}
    for name, network, maps in zip("gd", (g, d), MAPS, strict=True):
        for k, value in enumerate(in_torch(network, maps)):
            arrays[f"{name}{k}"] = value
    path = tmp_path / "weights.npz"
    np.savez(path, **arrays)
    done = python("-c", TORCH, path)
    assert done.code == 0, done.err
    found = json.loads(done.out)

    assert found["d_loss"] == pytest.approx(discriminator_step(g, d), rel=1e-4)
    assert found["g_loss"] == pytest.approx(generator_step(g, d), rel=1e-4)
    for name, network, maps in zip("gd", (g, d), MAPS, strict=True):
        expected = in_torch(network, maps)
        for value, other in zip(found[name], expected, strict=True):
            np.testing.assert_allclose(value, other, rtol=1e-3, atol=1e-5)
    counted = gan(1, True).of(*map(networks.linear_layers, (g, d)), 1)
    assert found["multiplications"] == counted
    assert found["penalty"] == pytest.approx(16.0)
    assert np.isfinite(found["wgan_gp"]).all()
