"""Clustering losses of unlabelled images, from two transformed copies of each.

For n images, a network outputs by name the logits [n, h, k] of each categorical code, from h
alternative heads, and as AUXILIARY the output [n, d] of a further head. The losses compare the
outputs for the copies a and b of the images. The assignments of a head are its probabilities p and
q [n, k] for the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

    Outputs = Mapping[str, tf.Tensor]

AUXILIARY = "auxiliary"
EPSILON = 1e-8


def info_nce(a: tf.Tensor, b: tf.Tensor, temperature: float) -> tf.Tensor:
    """Return the InfoNCE loss of pairs of vectors [n, d], [n, d]: [n].

    With the 2n vectors z, each normalised to length 1, and the partner j of i,

        -log( exp(z_i . z_j / t) / sum_{l != i} exp(z_i . z_l / t) ),

    the mean over both directions: Chen et al. 2020, "A Simple Framework for Contrastive Learning of
    Visual Representations", equation 1.
    """
    import tensorflow as tf

    n = a.shape[0] or tf.shape(a)[0]
    z = tf.math.l2_normalize(tf.cast(tf.concat([a, b], axis=0), tf.float32), axis=1)
    similarities = tf.matmul(z, z, transpose_b=True) / temperature - 1e9 * tf.eye(2 * n)
    partners = tf.concat([tf.range(n) + n, tf.range(n)], axis=0)
    nll = tf.nn.sparse_softmax_cross_entropy_with_logits(partners, similarities)
    return tf.reduce_mean(tf.reshape(nll, [2, n]), axis=0)


def entropy(p: tf.Tensor) -> tf.Tensor:
    """Return the entropy of the mean of distributions [n, k], in nats."""
    import tensorflow as tf

    mean = tf.reduce_mean(tf.cast(p, tf.float32), axis=0)
    return -tf.reduce_sum(mean * tf.math.log(tf.maximum(mean, EPSILON)))


def joint_distribution(p: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
    """Return the symmetric joint distribution of the categories of two copies, float32 [k, k].

    P = (p^T q + q^T p) / 2n: Ji et al. 2019, equation 2 and its symmetrisation.
    """
    import tensorflow as tf

    p, q = tf.cast(p, tf.float32), tf.cast(q, tf.float32)
    joint = tf.matmul(p, q, transpose_a=True) / tf.cast(tf.shape(p)[0], tf.float32)
    return (joint + tf.transpose(joint)) / 2.0


def mutual_information(joint: tf.Tensor) -> tf.Tensor:
    """Return the mutual information of a joint distribution [k, k], in nats.

    I = sum_{c, d} P(c, d) ln( P(c, d) / (P(c) P(d)) ): Ji et al. 2019, equation 3.
    """
    import tensorflow as tf

    joint = tf.maximum(joint, EPSILON)
    rows = tf.reduce_sum(joint, axis=1, keepdims=True)
    columns = tf.reduce_sum(joint, axis=0, keepdims=True)
    logarithms = tf.math.log(joint) - tf.math.log(rows) - tf.math.log(columns)
    return tf.reduce_sum(joint * logarithms)


def assignments(logits: tf.Tensor) -> tf.Tensor:
    """Return the probabilities of the categories, float32, for logits [..., k]."""
    import tensorflow as tf

    return tf.nn.softmax(tf.cast(logits, tf.float32))


def category_losses(
    a: Outputs, b: Outputs, loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Return a loss of each categorical code, the mean over its heads.

    Args:
        a: outputs for the copies a.
        b: outputs for the copies b.
        loss: (assignments p, assignments q) -> scalar.
    """
    import tensorflow as tf

    means = {}
    for name in sorted(a.keys() - {AUXILIARY}):
        heads = (tf.unstack(assignments(x[name]), axis=1) for x in (a, b))
        means[name] = tf.reduce_mean(tf.stack([loss(p, q) for p, q in zip(*heads, strict=True)]))
    return means


def contrastive(
    a: Outputs, b: Outputs, *, instance_temperature: float, cluster_temperature: float
) -> dict[str, tf.Tensor]:
    """Return the loss of contrastive clustering: Li et al. 2021, "Contrastive Clustering".

    The term "images" is the instance-level contrastive loss of the embeddings (equation 3), the
    term of a code the cluster-level one of the columns of its assignments (equation 6), minus the
    entropy of the mean of all assignments. The paper has the entropies of the means of p and of q,
    whose sum is about twice as large.
    """
    import tensorflow as tf

    def of_assignments(p: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
        columns = info_nce(tf.transpose(p), tf.transpose(q), cluster_temperature)
        return tf.reduce_mean(columns) - entropy(tf.concat([p, q], axis=0))

    of_images = info_nce(a[AUXILIARY], b[AUXILIARY], instance_temperature)
    return {"images": of_images, **category_losses(a, b, of_assignments)}


def invariant_information(a: Outputs, b: Outputs) -> dict[str, tf.Tensor]:
    """Return the loss of invariant information clustering.

    Ji et al. 2019, "Invariant Information Clustering for Unsupervised Image Classification and
    Segmentation", equation 3: minus the mutual information of the categories of two copies, for
    each code and for an auxiliary over-clustering head, both in each step.
    """

    def of_assignments(p: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
        return -mutual_information(joint_distribution(p, q))

    over = of_assignments(assignments(a[AUXILIARY]), assignments(b[AUXILIARY]))
    return {"overclustering": over, **category_losses(a, b, of_assignments)}
