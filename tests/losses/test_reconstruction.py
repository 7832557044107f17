"""The error of reconstructions, by hand."""

import numpy as np
import tensorflow as tf

from losses.reconstruction import squared_error

X, Y = np.random.default_rng(0).uniform(-1, 1, (2, 5, 2, 3, 1))


def test_the_squared_error_is_a_mean_over_each_image_and_so_is_its_gradient():
    y = tf.constant(Y)
    with tf.GradientTape() as tape:
        tape.watch(y)
        error = squared_error(tf.constant(X), y)
        total = tf.reduce_sum(error)
    np.testing.assert_allclose(error, [np.mean((X[k] - Y[k]) ** 2) for k in range(5)])
    np.testing.assert_allclose(tape.gradient(total, y), 2 * (Y - X) / 6)
