"""Multiplications of a step, compared with numbers worked out by hand."""

import keras
import pytest

from benchmarks.compare import multiplications, networks
from benchmarks.compare.multiplications import Linear, Passes
from tests.benchmarks.cases import TINY, TINY_WGAN_GP

# G of TINY: noise [3] -> dense to 2 x 2 x 4, transposed 4 x 4 kernels: 4 -> 2 channels at 2 x 2
# positions, 2 -> 1 channels at 4 x 4 positions.
G = [3 * 16, 2 * 2 * (4 * 4) * 4 * 2, 4 * 4 * (4 * 4) * 2 * 1]
# D of TINY: images 8 x 8 x 1, convolutions to 4 x 4 x 2 and 2 x 2 x 3, then a dense layer.
D = [4 * 4 * (4 * 4) * 1 * 2, 2 * 2 * (4 * 4) * 2 * 3, 2 * 2 * 3]


def linear(counts):
    return [Linear(count, first=k == 0) for k, count in enumerate(counts)]


def test_linear_layers_of_both_networks():
    g, d = networks.plain_networks(TINY)
    assert networks.linear_layers(g) == linear(G)
    assert networks.linear_layers(d) == linear(D)


def test_linear_layers_of_nested_networks_with_a_shortcut():
    x = keras.Input((4, 4, 3))
    pooled = keras.layers.AveragePooling2D(2)(x)
    main = keras.layers.Conv2D(5, 3, strides=2, padding="same")(x)
    main = keras.layers.Conv2D(5, 1)(keras.layers.ReLU()(keras.layers.BatchNormalization()(main)))
    trunk = keras.Model(x, keras.layers.Add()([main, keras.layers.Conv2D(5, 1)(pooled)]))
    network = keras.Sequential([trunk, keras.layers.Flatten(), keras.layers.Dense(1)])
    found = networks.linear_layers(network)
    expected = [(4 * 9 * 15, True), (4 * 25, False), (4 * 15, True), (20, False)]
    assert sorted((one.multiplications, one.first) for one in found) == sorted(expected)


def test_linear_layers_of_an_unknown_layer_with_a_matrix():
    network = keras.Sequential([keras.Input((3,)), keras.layers.Embedding(4, 2)])
    assert networks.linear_layers(network) is None
    assert multiplications.gan(1, True).of(linear(G), None, 4) is None


def test_passes_do_not_need_gradients_of_the_network_inputs():
    layers = [Linear(100, first=True), Linear(10, first=False)]
    assert Passes(forward=1, weights=0, inputs=0).of(layers) == 110
    assert Passes(forward=0, weights=0, inputs=1).of(layers) == 10
    assert Passes(forward=0, weights=0, inputs=3, to_input=1).of(layers) == 130


def test_multiplications_of_the_tutorial_and_of_the_project():
    g = 3 * sum(G) - G[0]  # outputs, gradients of weights and of the inputs of layers
    d = 2 * (3 * sum(D) - D[0])  # real and generated images in the update of D
    to_image = sum(D)  # gradient of the generator's loss with respect to its images
    again = sum(D)  # scores after the update of D
    assert multiplications.gan(1, scored_again=False).of(linear(G), linear(D), 1) == (
        g + d + to_image
    )
    assert multiplications.project(TINY.hp).of(linear(G), linear(D), 5) == (
        5 * (g + d + to_image + again)
    )


def test_multiplications_of_gradient_penalties():
    critic = 2 * (3 * sum(D) - D[0])  # real and generated images
    penalty = 2 * sum(D)  # scores of interpolates and their gradients
    penalty += 2 * sum(D)  # the gradients of these with respect to the weights
    generator = 3 * sum(G) - G[0] + 2 * sum(D)
    expected = 5 * (sum(G) + critic + penalty) - sum(G) + generator
    found = multiplications.wgan_gp(5, 5).of(linear(G), linear(D), 1)
    assert found == pytest.approx(expected, rel=0)


def test_passes_of_other_implementations_generate_once_more_for_wgan_gp():
    hp = TINY_WGAN_GP.hp
    assert multiplications.project(hp) == multiplications.wgan_gp(2, 2)
    assert multiplications.other(hp, 1, True) == multiplications.wgan_gp(3, 2)
    assert multiplications.other(TINY.hp, 2, True) == multiplications.gan(2, True)
