"""Priors of a generator's inputs (noise, codes, labels), and edits and paths of latents."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from errors import UserError
from models.abilities import CONTINUOUS
from models.priors import LINEAR, NORMAL, UNIFORM, Prior

tfd = tfp.distributions
CATEGORY = "category_"  # prefix of the names of categorical codes
SHOWN_CLASSES = 20  # maximum number of rows, one per class or category, in a sample grid


def noise(dim: int, prior: str) -> tfd.Distribution:
    """Return the distribution of independent noise [dim].

    Args:
        dim: number of dimensions.
        prior: "normal" for N(0, 1), "uniform" for U[-1, 1).

    Raises:
        KeyError: if `prior` is unknown.
    """
    one = {NORMAL.name: tfd.Normal(0.0, 1.0), UNIFORM.name: tfd.Uniform(-1.0, 1.0)}[prior]
    return tfd.Sample(one, sample_shape=[dim])


def one_hot(num_classes: int) -> tfd.Distribution:
    """Return the uniform distribution of one-hot vectors [num_classes], float32."""
    return tfd.OneHotCategorical(logits=tf.zeros(num_classes), dtype=tf.float32)


class Latents:
    """Joint prior of a generator's named, independent inputs.

    Args:
        **parts: name -> distribution with an event shape [d].

    Attributes:
        prior: the joint distribution of all parts.
    """

    def __init__(self, **parts: tfd.Distribution):
        self.parts = parts
        self.prior = tfd.JointDistributionNamed(parts)

    @property
    def dim(self) -> int:
        """Total number of dimensions of all parts."""
        return sum(part.event_shape[0] for part in self.parts.values())

    @property
    def categorical(self) -> list[str]:
        """Names of the categorical codes."""
        return [name for name in self.parts if name.startswith(CATEGORY)]

    def draw(self, n: int, seed) -> dict[str, tf.Tensor]:
        """Return n independent draws, name -> float32 [n, d].

        Args:
            n: number of draws.
            seed: int, or int32 [2] stateless seed. The draws are a function of it.
        """
        if np.ndim(seed) == 0:
            seed = tf.constant([0, int(seed)], tf.int32)
        return self.prior.sample(n, seed=seed)

    def in_category(self, n: int, category: int) -> dict[str, tf.Tensor]:
        """Return n times a category of the first categorical code, by its name: one-hot [n, k].

        Raises:
            UserError: there is no such category.
        """
        name = self.categorical[0]
        size = self.parts[name].event_shape[0]
        if not 0 <= category < size:
            raise UserError(f"expected a category from 0 to {size - 1}, got {category}", "category")
        return {name: tf.one_hot([category] * n, size)}

    def prior_of(self, name: str) -> Prior:
        """Return the prior of a part; that of a one-hot part has the range of a uniform one."""
        part = self.parts[name]
        normal = isinstance(part, tfd.Sample) and isinstance(part.distribution, tfd.Normal)
        return NORMAL if normal else UNIFORM

    def path(self, name: str) -> str:
        """Return the path of `between` that suits a part: "spherical" for normal noise."""
        return self.prior_of(name).path

    def limit(self, name: str) -> float:
        """Return the largest absolute value of a part: infinity for normal noise, else 1."""
        return self.prior_of(name).limit

    def join(self, latents: dict[str, tf.Tensor]) -> tf.Tensor:
        """Concatenate the parts of latents in the order of their declaration: [n, dim]."""
        return tf.concat([latents[name] for name in self.parts], axis=-1)


def with_each(latents: dict[str, tf.Tensor], name: str, values: tf.Tensor) -> dict[str, tf.Tensor]:
    """Return all combinations of the latents with the values of one part.

    Args:
        latents: name -> [n, d].
        name: the part that is replaced.
        values: [k, d], its new values.

    Returns:
        name -> [k n, d]: the n latents with the first value, then with the second, and so on.
    """
    n = len(latents[name])
    tiled = {part: tf.tile(x, [len(values), 1]) for part, x in latents.items()}
    return tiled | {name: tf.repeat(tf.cast(values, tf.float32), n, axis=0)}


def with_value(
    latents: dict[str, tf.Tensor], name: str, dimension: int, value: float
) -> dict[str, tf.Tensor]:
    """Return a copy of the latents with one dimension of one part set to a value.

    Args:
        latents: name -> [n, d].
        name: the part.
        dimension: index of the dimension, less than d.
        value: new value, the same for all n.

    Raises:
        IndexError: if the part has no such dimension.
    """
    part = np.array(latents[name])
    part[:, dimension] = value
    return latents | {name: tf.constant(part)}


def with_code(latents: dict[str, tf.Tensor], code: int, value: float) -> dict[str, tf.Tensor]:
    """Return a copy of the latents with continuous code number `code` set to a value."""
    return with_value(latents, CONTINUOUS, code, value)


def plane(latent: tf.Tensor, span: float, points: int) -> tf.Tensor:
    """Return copies of a latent whose first two dimensions form a regular grid.

    Args:
        latent: [d] with d >= 2.
        span: both dimensions range over [-span, span].
        points: number of grid points per dimension.

    Returns:
        [points^2, d], row by row. The first dimension is constant within a row.
    """
    axis = tf.cast(tf.linspace(-span, span, points), latent.dtype)
    first, second = (tf.reshape(x, [-1, 1]) for x in tf.meshgrid(axis, axis, indexing="ij"))
    rest = tf.repeat(latent[None, 2:], points**2, axis=0)
    return tf.concat([first, second, rest], axis=1)


def truncate(w: tf.Tensor, mean: tf.Tensor, psi: float) -> tf.Tensor:
    """Truncate styles towards their mean: Karras et al. 2019, appendix B.

    Args:
        w: styles [n, layers, d].
        mean: mean style [layers, d].
        psi: truncation; 1 leaves w unchanged, 0 returns the mean.

    Returns:
        mean + psi (w - mean), [n, layers, d].
    """
    return mean + psi * (w - mean)


def interpolate(start: tf.Tensor, end: tf.Tensor, steps: int, path: str) -> tf.Tensor:
    """Interpolate between pairs of latents at equal steps, both ends included.

    Args:
        start: [n, d].
        end: [n, d].
        steps: number of points, at least 2.
        path: "linear" or "spherical", see `between`.

    Returns:
        [n, steps, d].
    """
    t = tf.linspace(0.0, 1.0, steps)[None, :, None]
    return between(start[:, None], end[:, None], t, path)


def between(start: tf.Tensor, end: tf.Tensor, t: tf.Tensor, path: str) -> tf.Tensor:
    """Interpolate between latents at a position t.

    Args:
        start: [..., d], returned at t = 0.
        end: [..., d], returned at t = 1.
        t: in [0, 1], of a shape that broadcasts to that of `start`.
        path: "linear" (lerp) or "spherical" (slerp: Shoemake 1985; White 2016). Slerp
            preserves the norm that is typical of Gaussian latents. It falls back to lerp where the
            two ends are parallel.

    Returns:
        [..., d].
    """
    chord = (1.0 - t) * start + t * end
    if path == LINEAR:
        return chord
    cosine = tf.reduce_sum(
        tf.math.l2_normalize(start, -1) * tf.math.l2_normalize(end, -1), -1, keepdims=True
    )
    angle = tf.acos(tf.clip_by_value(cosine, -1.0, 1.0))
    arc = (tf.sin((1.0 - t) * angle) * start + tf.sin(t * angle) * end) / tf.sin(angle)
    return tf.where(tf.sin(angle) > 1e-4, arc, chord)
