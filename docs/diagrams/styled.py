"""Diagrams of StyleGAN and StyleGAN2."""

import itertools

from docs.diagrams.drawing import Arrow, Box, Diagram, Frame

MAPPING, STYLE, SYNTHESIS = 0.85, 2.42, 4.15  # columns
LATENTS = [
    Box("z", MAPPING, 0.7, "noise z"),
    Box("mapping", MAPPING, 2.0, "mapping\nnetwork\nz / rms(z),\ndense layers", "G"),
]
D_LOSS = "loss of D\n−log D(x)\n−log(1 − D(G(z)))\n+ γ / 2 ∥∇D(x)∥²"


def stylegan() -> Diagram:
    """Return the diagram of StyleGAN: mapping, and synthesis with adaptive normalisation."""
    layers = {
        "constant": (0.62, "learned constant"),
        "noise_0": (1.28, "+ noise, leaky ReLU"),
        "adain_0": (1.94, "AdaIN"),
        "noise_1": (2.72, "conv 3×3, + noise,\nleaky ReLU"),
        "adain_1": (3.5, "AdaIN"),
        "noise_2": (4.75, "upsample, conv 3×3,\n+ noise, leaky ReLU"),
        "adain_2": (5.53, "AdaIN"),
        "noise_3": (6.31, "conv 3×3, + noise,\nleaky ReLU"),
        "adain_3": (7.09, "AdaIN"),
        "image": (7.95, "conv 1×1"),
    }
    names = list(layers)
    boxes = [
        *LATENTS,
        Box("w", STYLE, 4.52, "w", height=430),
        *(Box(key, SYNTHESIS, y, text, "G") for key, (y, text) in layers.items()),
        Box("noise", 6.33, 3.85, "noise\nper pixel", height=440),
        Box("fake", 7.65, 6.7, "generated\nimage"),
        Box("x", 9.1, 6.7, "real\nimage x"),
        Box("d", 8.45, 5.0, "discriminator D\ntwo conv 3×3 per size,\nminibatch standard\n"
            "deviation", "D", width=190),
        Box("g_loss", 8.2, 3.3, "loss of G\n−log D(G(z))", "G", "loss"),
        Box("d_loss", 8.5, 1.5, D_LOSS, "D", "loss", width=190),
    ]  # fmt: skip
    arrows = [
        Arrow("z", "mapping", "bt"),
        Arrow("mapping", "w", enter=None),
        *(Arrow(one, two, "bt") for one, two in itertools.pairwise(names)),
        *(Arrow("w", key, "rl", "A", leave=None) for key in names if "adain" in key),
        *(Arrow("noise", key, "lr", "B", leave=None) for key in names if "noise" in key),
        Arrow("image", "fake", "rb"),
        Arrow("fake", "d", "tb", enter=None),
        Arrow("x", "d", "tb", enter=None),
        Arrow("d", "g_loss", "tb", leave=None),
        Arrow("d", "d_loss", "tb", leave=82, enter=None),
    ]
    frames = [
        Frame("first", names[:5], "smallest size", "G"),
        Frame("next", names[5:9], "next sizes", "G"),
    ]
    title = (
        "StyleGAN: the mapping network maps z to w, whose affine maps A are the styles of the "
        "adaptive normalisations of the synthesis network; B scales the noise per pixel."
    )
    note = (
        "A: affine map of w to a scale and a bias per channel. B: a learned strength per channel.\n"
        "Growing (--growing_kimg): sizes are added one by one, each with a conv 1×1 of its own."
    )
    return Diagram("stylegan", title, boxes, arrows, frames, note)


def stylegan2() -> Diagram:
    """Return the diagram of StyleGAN2: modulated convolutions and the sum of images."""
    layers = {
        "constant": (0.7, "learned constant"),
        "conv_0": (1.4, "modulated conv 3×3,\n+ noise, leaky ReLU"),
        "up_1": (2.75, "upsample,\nmodulated conv 3×3,\n+ noise, leaky ReLU"),
        "conv_1": (3.75, "modulated conv 3×3,\n+ noise, leaky ReLU"),
        "up_2": (5.1, "upsample,\nmodulated conv 3×3,\n+ noise, leaky ReLU"),
        "conv_2": (6.1, "modulated conv 3×3,\n+ noise, leaky ReLU"),
    }
    names = list(layers)
    convs = [name for name in names if name.startswith("conv")]
    boxes = [
        *LATENTS,
        Box("w", STYLE - 0.15, 3.75, "w", height=424),
        *(Box(key, SYNTHESIS, y, text, "G") for key, (y, text) in layers.items()),
        *(Box(f"to_{k}", 6.25, layers[key][0], "conv 1×1", "G") for k, key in enumerate(convs)),
        Box("up_image_1", 7.16, 2.28, "upsample", shape="operation"),
        Box("sum_1", 7.16, 3.75, "+", shape="operation"),
        Box("up_image_2", 7.16, 4.9, "upsample", shape="operation"),
        Box("sum_2", 7.16, 6.1, "+", shape="operation"),
        Box("fake", 8.28, 6.1, "generated\nimage"),
        Box("x", 9.42, 6.1, "real\nimage x"),
        Box(
            "d",
            8.93,
            4.6,
            "discriminator D\nresidual blocks,\nminibatch standard\ndeviation",
            "D",
            width=154,
        ),
        Box("g_loss", 8.62, 3.0, "loss of G\n−log D(G(z))\n+ path length", "G", "loss"),
        Box("d_loss", 8.84, 1.3, D_LOSS, "D", "loss", width=170),
    ]
    arrows = [
        Arrow("z", "mapping", "bt"),
        Arrow("mapping", "w", enter=None),
        *(Arrow(one, two, "bt") for one, two in itertools.pairwise(names)),
        *(Arrow("w", key, "rl", "A", leave=None) for key in names[1:]),
        *(Arrow(key, f"to_{k}", "rl") for k, key in enumerate(convs)),
        Arrow("to_0", "up_image_1", "rt"),
        Arrow("up_image_1", "sum_1", "bt"),
        Arrow("to_1", "sum_1"),
        Arrow("sum_1", "up_image_2", "bt"),
        Arrow("up_image_2", "sum_2", "bt"),
        Arrow("to_2", "sum_2"),
        Arrow("sum_2", "fake"),
        Arrow("fake", "d", "tb", enter=None),
        Arrow("x", "d", "tb", enter=None),
        Arrow("d", "g_loss", "tb", leave=None),
        Arrow("d", "d_loss", "tb", leave=55, enter=None),
    ]
    frames = [
        Frame("first", names[:2], "smallest size", "G"),
        Frame("second", names[2:4], "next size", "G"),
        Frame("third", names[4:], "last size", "G"),
    ]
    title = (
        "StyleGAN2: w modulates the kernels of the convolutions; the image is the sum of the "
        "images of all sizes."
    )
    note = "A: affine map of w to a factor per input channel; the conv 1×1 have one as well."
    return Diagram("stylegan2", title, boxes, arrows, frames, note)


DIAGRAMS = [stylegan(), stylegan2()]
