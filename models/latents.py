"""Priors of what a generator is given: noise, and later codes and labels, by name."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from models.abilities import CONTINUOUS

tfd = tfp.distributions
CATEGORY = "category_"  # begins the names of categorical codes
SHOWN_CLASSES = 20  # of many classes or categories, how many a picture has rows for


def noise(dim: int, prior: str) -> tfd.Distribution:
    """Independent noise [dim]: N(0, 1) for "normal", uniform on [-1, 1) for "uniform"."""
    one = {"normal": tfd.Normal(0.0, 1.0), "uniform": tfd.Uniform(-1.0, 1.0)}[prior]
    return tfd.Sample(one, sample_shape=[dim])


def one_hot(num_classes: int) -> tfd.Distribution:
    """One of the classes, each as likely, as a vector [num_classes] of zeros and a one."""
    return tfd.OneHotCategorical(logits=tf.zeros(num_classes), dtype=tf.float32)


class Latents:
    """The joint prior of a generator's named inputs, each with an event shape [d].

    Args:
        parts: name -> distribution; the parts are independent.
    """

    def __init__(self, **parts: tfd.Distribution):
        self.parts = parts
        self.prior = tfd.JointDistributionNamed(parts)

    @property
    def dim(self) -> int:
        """The dimensions of all parts together."""
        return sum(part.event_shape[0] for part in self.parts.values())

    def draw(self, n: int, seed) -> dict[str, tf.Tensor]:
        """n independent draws, name -> float32 [n, d].

        Args:
            n: how many.
            seed: an int, or an int32 [2] stateless seed; the same seed gives the same draws.
        """
        if np.ndim(seed) == 0:
            seed = tf.constant([0, int(seed)], tf.int32)
        return self.prior.sample(n, seed=seed)

    def path(self, name: str) -> str:
        """The path of `between` that stays where draws of a part are: "spherical" of normal noise,
        else "linear"."""
        part = self.parts[name]
        normal = isinstance(part, tfd.Sample) and isinstance(part.distribution, tfd.Normal)
        return "spherical" if normal else "linear"

    def join(self, latents: dict[str, tf.Tensor]) -> tf.Tensor:
        """The parts side by side in the order of their declaration, [n, dim]."""
        return tf.concat([latents[name] for name in self.parts], axis=-1)


def with_each(latents: dict[str, tf.Tensor], name: str, values: tf.Tensor) -> dict[str, tf.Tensor]:
    """All draws with one part set to each of the values [k, d]: name -> [k n, d], the n draws with
    the first value, then those with the second."""
    n = len(latents[name])
    tiled = {part: tf.tile(x, [len(values), 1]) for part, x in latents.items()}
    return tiled | {name: tf.repeat(tf.cast(values, tf.float32), n, axis=0)}


def with_value(
    latents: dict[str, tf.Tensor], name: str, dimension: int, value: float
) -> dict[str, tf.Tensor]:
    """The same draws but for one dimension of a part, which is the same in all."""
    part = np.array(latents[name])
    part[:, dimension] = value
    return latents | {name: tf.constant(part)}


def with_code(latents: dict[str, tf.Tensor], code: int, value: float) -> dict[str, tf.Tensor]:
    """The same draws but for one continuous code, which is the same in all."""
    return with_value(latents, CONTINUOUS, code, value)


def plane(latent: tf.Tensor, span: float, points: int) -> tf.Tensor:
    """A latent [d] with its first two dimensions set to a square of points^2 points, from -span to
    span each: [points^2, d], a row of the square after the other, the first dimension down."""
    axis = tf.cast(tf.linspace(-span, span, points), latent.dtype)
    first, second = (tf.reshape(x, [-1, 1]) for x in tf.meshgrid(axis, axis, indexing="ij"))
    rest = tf.repeat(latent[None, 2:], points**2, axis=0)
    return tf.concat([first, second, rest], axis=1)


def truncate(w: tf.Tensor, mean: tf.Tensor, psi: float) -> tf.Tensor:
    """mean + psi (w - mean), of styles w [n, layers, d] and their mean [layers, d]: Karras et al.
    2019, appendix B. 1 leaves them as they are, 0 gives the mean."""
    return mean + psi * (w - mean)


def interpolate(start: tf.Tensor, end: tf.Tensor, steps: int, path: str) -> tf.Tensor:
    """Points between latents, both ends included.

    Args:
        start, end: [n, d].
        steps: how many points, at least 2.
        path: as `between`.

    Returns:
        [n, steps, d].
    """
    t = tf.linspace(0.0, 1.0, steps)[None, :, None]
    return between(start[:, None], end[:, None], t, path)


def between(start: tf.Tensor, end: tf.Tensor, t: tf.Tensor, path: str) -> tf.Tensor:
    """The point at t, from 0 to 1, on the way from one latent to another.

    Args:
        start, end: [..., d].
        t: of a shape that fits theirs.
        path: "linear", along the chord; or "spherical", along the great circle, so that the norm
            of a Gaussian latent is kept (Shoemake 1985; White 2016, 2.1). Where the two ends are
            parallel the chord is taken.
    """
    chord = (1.0 - t) * start + t * end
    if path == "linear":
        return chord
    cosine = tf.reduce_sum(
        tf.math.l2_normalize(start, -1) * tf.math.l2_normalize(end, -1), -1, keepdims=True
    )
    angle = tf.acos(tf.clip_by_value(cosine, -1.0, 1.0))
    arc = (tf.sin((1.0 - t) * angle) * start + tf.sin(t * angle) * end) / tf.sin(angle)
    return tf.where(tf.sin(angle) > 1e-4, arc, chord)
