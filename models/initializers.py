"""Initializers of kernels by name."""

from fields import Choice, Choices

INITIALIZERS = Choices(Choice)


@INITIALIZERS.add("normal")
def normal():
    """Return the initializer N(0, 0.02): Radford et al. 2016, section 4."""
    import keras

    return keras.initializers.RandomNormal(stddev=0.02)


@INITIALIZERS.add("xavier")
def xavier():
    """Return Glorot's normal initializer: Glorot and Bengio 2010."""
    import keras

    return keras.initializers.GlorotNormal()


@INITIALIZERS.add("he")
def he():
    """Return He's normal initializer: He et al. 2015, equation 10."""
    import keras

    return keras.initializers.HeNormal()
