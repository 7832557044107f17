"""Joint discriminator of pairs (image, latent): Donahue and Simonyan 2019.

It has three parts: F for the image, H for the latent, and J for the features of both.
"""

from collections.abc import Callable, Sequence

import keras

from models import layers


def discriminator(
    trunk: keras.Model,
    latent_dim: int,
    *,
    scores: Sequence[str],
    head: Callable[[str], keras.layers.Layer],
    units: int,
    depth: int,
    norm: str,
    initializer: str,
) -> keras.Model:
    """Build D for pairs of images and joined latents.

    Args:
        trunk: F, images [b, h, w, c] -> features [b, f].
        latent_dim: dimensions of the joined latents.
        scores: names of the outputs: "sx", a head on F(x); "sz", a head on H(z); "sxz" or "d", a
            head on J(F(x), H(z)). J is built only if "sxz" or "d" is among them.
        head: name of a score -> its output layer.
        units: units of each layer of H and J.
        depth: number of layers of H, and of J.
        norm: see layers.LayerFactory. As in a trunk, no norm of activations follows H's first
            layer.
        initializer: a name in INITIALIZERS.

    Returns:
        Model: [images [b, h, w, c], latents [b, latent_dim]] -> dict of the scores, each [b, 1],
        and F's "features" [b, f].
    """
    factory = layers.LayerFactory(norm, initializer)
    x = keras.Input(trunk.input.shape[1:], name="images")
    z = keras.Input((latent_dim,), name="latents")
    f = trunk(x)
    h = mlp(z, factory, units, depth, norm_first=False)
    head_inputs = {"sx": f, "sz": h}
    if set(scores) - set(head_inputs):
        j = mlp(keras.layers.Concatenate()([f, h]), factory, units, depth)
        head_inputs["sxz"] = head_inputs["d"] = j
    outputs = {name: head(name)(head_inputs[name]) for name in scores}
    return keras.Model([x, z], {**outputs, "features": f}, name="discriminator")


def mlp(h, factory: layers.LayerFactory, units: int, depth: int, norm_first: bool = True):
    """Apply `depth` dense layers with leaky ReLU to h [b, f] and return [b, units].

    A norm of activations follows every layer, the first one only if `norm_first`.
    """
    for layer in range(depth):
        h = factory.dense(h, units, normalised=norm_first or layer > 0)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
    return h
