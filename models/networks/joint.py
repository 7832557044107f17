"""A discriminator of pairs of an image and a latent, of three parts: F of images, H of latents, and
J of what both see (Donahue and Simonyan 2019, figure 1)."""

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
    """D: images [b, h, w, c] and joined latents [b, latent_dim] -> by name, scores [b, 1] and F's
    "features" [b, f].

    H is `depth` layers of `units`, and so is J, on F's and H's features side by side.

    Args:
        trunk: F.
        scores: some of "sx", of F(x); "sz", of H(z); "sxz" or "d", of J. J is there only for these.
        head: name of a score -> its layer.
        norm: as in layers.Kit; as in a trunk, H's first layer has none of activations.
    """
    kit = layers.Kit(norm, initializer)
    x = keras.Input(trunk.input.shape[1:], name="images")
    z = keras.Input((latent_dim,), name="latents")
    f = trunk(x)
    h = mlp(z, kit, units, depth, norm_first=False)
    seen = {"sx": f, "sz": h}
    if set(scores) - set(seen):
        seen["sxz"] = seen["d"] = mlp(keras.layers.Concatenate()([f, h]), kit, units, depth)
    outputs = {name: head(name)(seen[name]) for name in scores}
    return keras.Model([x, z], {**outputs, "features": f}, name="discriminator")


def mlp(h, kit: layers.Kit, units: int, depth: int, norm_first: bool = True):
    """`depth` dense layers with leaky ReLU on h [b, f]; with `norm_first` the first has a norm of
    activations, too."""
    for layer in range(depth):
        h = kit.dense(h, units, normalised=norm_first or layer > 0)
        h = keras.layers.LeakyReLU(negative_slope=0.2)(h)
    return h
