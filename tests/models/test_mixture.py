"""Mode coverage on a mixture of 8 Gaussians on a circle."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import GAN, WGANGP

STD = 0.03
ANGLES = np.arange(8) * np.pi / 4
CENTRES = 0.7 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
SETTINGS = {
    "network": "mlp",
    "width": 64,
    "depth": 2,
    "d_norm": "none",
    "noise_dim": 2,
    "g_learning_rate": 1e-3,
    "d_learning_rate": 1e-3,
    "ema_decay": 0.99,
}


def points(n, seed=0):
    """Return n draws of the mixture as images [n, 1, 1, 2]."""
    rng = np.random.default_rng(seed)
    drawn = CENTRES[rng.integers(0, 8, n)] + rng.normal(0, STD, (n, 2))
    return drawn.astype(np.float32).reshape(n, 1, 1, 2)


def modes(drawn):
    """Return the numbers of samples within 4 standard deviations of each of the 8 centres."""
    distances = np.linalg.norm(drawn.reshape(-1, 1, 2) - CENTRES, axis=-1)
    near = distances.min(axis=1) < 4 * STD
    return np.bincount(distances.argmin(axis=1)[near], minlength=8)


def covered(counts, n):
    """Return the number of modes with at least 2 % of n samples, of the expected 12.5 %."""
    return int(np.sum(counts >= 0.02 * n))


def samples_after(model_class, steps, batch=128, **hyperparameters):
    """Return 2000 samples of a model after training."""
    keras.utils.set_random_seed(0)
    model = model_class((1, 1, 2), **SETTINGS, **hyperparameters)
    model.compile()
    data = tf.data.Dataset.from_tensor_slices(points(20_000)).shuffle(20_000, seed=0).repeat()
    data = data.batch(batch, drop_remainder=True)
    if model.hp.n_critic > 1:
        data = data.batch(model.hp.n_critic, drop_remainder=True)
    model.fit(data, steps_per_epoch=steps, verbose=0)
    return model.sample(2000)


@pytest.mark.parametrize(("lost", "left"), [([], 8), ([3], 7), ([0, 1, 2, 3, 4, 6, 7], 1)])
def test_covered_of_a_mixture_without_some_modes_counts_the_others(lost, left):
    drawn = points(4000)
    nearest = np.linalg.norm(drawn.reshape(-1, 1, 2) - CENTRES, axis=-1).argmin(axis=1)
    drawn = drawn[~np.isin(nearest, lost)]
    counts = modes(drawn)
    assert covered(counts, len(drawn)) == left
    assert counts.sum() > 0.99 * len(drawn)
    assert covered(modes(0.5 * drawn), len(drawn)) == 0


@pytest.mark.slow
def test_wgan_gp_after_600_steps_covers_all_modes():
    found = {
        "WGAN-GP": samples_after(WGANGP, 600, penalty_weight=1.0),
        "minimax GAN": samples_after(GAN, 2000, loss="minimax"),
    }
    counts = {name: modes(drawn) for name, drawn in found.items()}
    for name, of_modes in counts.items():
        print(f"{name}: {covered(of_modes, 2000)} of 8 modes, samples of each {of_modes.tolist()}")
    assert covered(counts["WGAN-GP"], 2000) == 8
    assert counts["WGAN-GP"].sum() > 0.4 * 2000
    assert 1 <= covered(counts["minimax GAN"], 2000) <= 8
