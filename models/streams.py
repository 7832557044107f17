"""Names of the random streams of training; penalties and augmentation have their own.

A draw is a function of the run's seed, the step and the name of its stream. Renaming a stream
changes the draws, and therefore the result of every seed.
"""

# Streams of adversarial models, per update.
LATENTS = "latents"
MIXING = "mixing"  # latents of the second style of style mixing
CROSSOVER = "crossover"  # layer and probability of style mixing
PATH = "path"  # image noise of path lengths

# Stream of adversarial and autoencoding models.
ENCODER = "encoder"  # draws of the posterior

# Streams of autoencoding models, per batch.
BINARISATION = "binarisation"
TRAIN = "train"
TEST = "test"
LIKELIHOOD = "likelihood"


def of_update(stream: str, update: int) -> str:
    """Return the stream of one of the discriminator updates of a step, counted from 0."""
    return f"{stream} {update}"


def of_batch(kind: str, stream: str) -> str:
    """Return the stream of a batch of an autoencoding model: TRAIN, TEST or LIKELIHOOD."""
    return f"{kind} {stream}"


def pixel_noise(layer: int) -> str:
    """Return the stream of the noise of a synthesis layer."""
    return f"noise {layer}"


def categorical_draw(code: str) -> str:
    """Return the stream of the encoder's draws of a categorical code."""
    return code


def posterior_draw(k: int) -> str:
    """Return the stream of the k-th draw of a likelihood estimate."""
    return f"{k}"
