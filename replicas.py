"""Values of the global batch in a train step that runs on several replicas.

A tf.distribute strategy runs the step once for each replica, on its rows of the global batch: the
first replica has the first b images, the second the next b, and so on. The functions combine the
values of the replicas. They are differentiable, for a loss that is the sum of those of the
replicas. With one replica, and outside a step, they return the local value.

They must not be called within tf.cond or tf.while_loop: TensorFlow cannot communicate there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf


def count() -> int:
    """Return the number of replicas that run the present step; 1 outside a step."""
    context = _context()
    return context.num_replicas_in_sync if context else 1


def mean(values):
    """Return the mean over replicas of a tensor, or of each tensor of a structure.

    The mean of the means of the replicas' rows is that of the global batch.
    """
    return _reduced("MEAN", values)


def total(values):
    """Return the sum over replicas of a tensor, or of each tensor of a structure."""
    return _reduced("SUM", values)


def gathered(values):
    """Return the rows of all replicas, [N b, ...], of a tensor [b, ...] or a structure of them."""
    import tensorflow as tf

    if count() == 1:
        return values

    def all_rows(x: tf.Tensor) -> tf.Tensor:
        rows = _context().all_gather(x, axis=0)
        return tf.ensure_shape(rows, [x.shape[0] and x.shape[0] * count(), *x.shape[1:]])

    return tf.nest.map_structure(all_rows, values)


def rows(values):
    """Return this replica's rows, [b, ...], of a tensor [N b, ...] or a structure of them."""
    import tensorflow as tf

    if count() == 1:
        return values
    context = _context()

    def own(x: tf.Tensor) -> tf.Tensor:
        parts = tf.reshape(x, tf.concat([[count(), -1], tf.shape(x)[1:]], axis=0))
        own = parts[context.replica_id_in_sync_group]
        return tf.ensure_shape(own, [x.shape[0] and x.shape[0] // count(), *x.shape[1:]])

    return tf.nest.map_structure(own, values)


def check_divides(batch_size: int, replicas: int, group: int = 1) -> None:
    """Raise UserError, with the nearest valid sizes, if a batch does not divide by the replicas.

    Args:
        batch_size: images of the global batch.
        replicas: number of replicas.
        group: the images of a replica must be a multiple of it.
    """
    unit = replicas * group
    if replicas > 1 and batch_size % unit:
        below = batch_size - batch_size % unit
        valid = " or ".join(str(size) for size in (below, below + unit) if size)
        groups = f", times groups of {group} images" if group > 1 else ""
        raise UserError(
            f"expected a multiple of {unit} ({replicas} replicas{groups}), such as {valid}, got "
            f"{batch_size}",
            "batch_size",
        )


def _context():
    """Return TensorFlow's context of this replica if there are several, else None."""
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context if context and context.num_replicas_in_sync > 1 else None


def _reduced(operation: str, values):
    import tensorflow as tf

    context, flat = _context(), tf.nest.flatten(values)
    if not context or not flat:
        return values
    reduced = context.all_reduce(operation, flat)
    return tf.nest.pack_sequence_as(values, reduced)
