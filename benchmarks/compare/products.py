"""Matrix products, whose speed is the peak of a machine."""

from benchmarks.compare.contestants import Built


def tensorflow(side: int, precision: str) -> Built:
    """Return products of square matrices in TensorFlow."""
    import tensorflow as tf

    x = tf.cast(tf.random.stateless_uniform([side, side], [0, 0]), precision)
    product = tf.function(lambda: tf.matmul(x, x))

    def run(steps: int) -> None:
        for _ in range(steps):
            y = product()
        y[0, 0].numpy()

    return Built(run, multiplications=side**3)


def pytorch(side: int, precision: str) -> Built:
    """Return products of square matrices in PyTorch."""
    import torch

    x = torch.rand(side, side).to(getattr(torch, precision))

    def run(steps: int) -> None:
        for _ in range(steps):
            x @ x

    return Built(run, multiplications=side**3)
