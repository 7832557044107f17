"""Diagrams of the models with an encoder: BiGAN and its kin, and the autoencoders."""

from docs.diagrams.drawing import ROW, Arrow, Box, Diagram, Frame

TOP, MIDDLE, BOTTOM = 0.95, 2.1, 3.25  # rows


def bidirectional(
    name: str,
    title: str,
    *,
    scores: dict[str, str],
    losses: tuple[str, str],
    latents: tuple[str, str] = ("latents\nE(x)", "noise z"),
    coded: bool = False,
    note: str = "",
) -> Diagram:
    """Return the diagram of G, E and D on pairs of an image and latents.

    Args:
        name: name of the diagram.
        title: its text.
        scores: key of the network F, J or H -> text of its score.
        losses: texts of the losses of D, and of G and E.
        latents: texts of the latents of real and of generated pairs.
        coded: whether Q predicts codes from the features of F.
        note: line below the legend.
    """
    down = 1.15 if coded else 0.0
    top, middle, bottom = (row + down for row in (TOP, MIDDLE, BOTTOM))
    rows = {"f": top, "j": middle, "h": bottom}
    boxes = [
        Box("x", 0.89, top, "real\nimage x"),
        Box("e", 0.89, middle, "encoder E\nconvolutions", "E"),
        Box("ex", 0.89, bottom, latents[0]),
        Box("fake", 2.62, top, f"generated\nimage {'G(z, c)' if coded else 'G(z)'}"),
        Box("g", 2.62, middle, "generator G\ntransposed\nconvolutions", "G"),
        Box("z", 2.62, bottom, latents[1]),
        Box("f", 4.45, top, "F: convolutions\nF(x)", "D"),
        Box("h", 4.45, bottom, "H: dense layers\nH(z)", "D"),
        Box("j", 4.8, middle, "J: dense layers\nJ(F(x), H(z))", "D"),
        *(Box(f"s{key}", 6.22, rows[key], text, "D") for key, text in scores.items()),
        Box("d_loss", 8.5, (top + middle) / 2 - 0.02, losses[0], "D", "loss"),
        Box("ge_loss", 8.5, (middle + bottom) / 2 + 0.02, losses[1], "GE", "loss"),
    ]
    d = ["f", "h", "j", *(f"s{key}" for key in scores)]
    arrows = [
        Arrow("x", "e", "bt"),
        Arrow("e", "ex", "bt"),
        Arrow("z", "g", "tb"),
        Arrow("g", "fake", "tb"),
        Arrow("x", "f", "tt", bend=top - 0.75, leave=24, enter=-20),
        Arrow("fake", "f"),
        Arrow("ex", "h", "bb", bend=bottom + 0.7),
        Arrow("z", "h"),
        Arrow("f", "j", "bt", bend=(top + middle) / 2),
        Arrow("h", "j", "tb", bend=(middle + bottom) / 2),
        *(Arrow(key, f"s{key}") for key in scores),
        Arrow("d", "d_loss", leave=None),
        Arrow("d", "ge_loss", leave=None),
    ]
    if coded:
        boxes += [
            Box("q", 4.9, 0.7, "Q\nhidden layer", "Q"),
            Box("i_loss", 7.7, 0.7, "of G, D and Q\nλ (−log Q(c | G(z, c)))", "GDQ", "loss"),
        ]
        arrows += [Arrow("f", "q", "tb", leave=None, enter=-14), Arrow("q", "i_loss")]
    frames = [
        Frame("real", ["x", "e", "ex"], "real pair", ""),
        Frame("generated", ["fake", "g", "z"], "generated pair", ""),
        Frame("d", d, "discriminator D", "D", right=True),
    ]
    return Diagram(name, title, boxes, arrows, frames, note)


def autoencoding(
    name: str, title: str, *, kl: str = "", total: str, sampled: str, note: str = ""
) -> Diagram:
    """Return the diagram of an encoder, a decoder and their loss.

    Args:
        name: name of the diagram.
        title: its text.
        kl: text of the divergence; empty: the code has no distribution.
        total: text of the loss.
        sampled: text of the distribution that codes of samples are drawn from.
        note: line below the legend.
    """
    row = 0.7
    boxes = [
        Box("x", 0.65, row, "image x"),
        Box("encoder", 2.25, row, "encoder\nconvolutions", "E"),
        Box("decoder", 7.0, row, "decoder\ntransposed\nconvolutions", "A"),
        Box("y", 9.0, row, "reconstruc-\ntion y"),
        Box("loss", 8.6, 2.4, total, "EA", "loss"),
    ]
    arrows = [
        Arrow("x", "encoder"),
        Arrow("decoder", "y"),
        Arrow("y", "loss", "bt", enter=0.4 * ROW),
        Arrow("x", "loss", "bb", bend=3.0),
        Arrow("prior", "decoder", "rb", "samples", dashed=True, leave=-6),
    ]
    if not kl:
        boxes += [Box("z", 4.6, row, "code z"), Box("prior", 4.6, 2.0, sampled)]
        arrows += [Arrow("encoder", "z"), Arrow("z", "decoder")]
        arrows.append(Arrow("z", "prior", "bt", dashed=True))
        return Diagram(name, title, boxes, arrows, note=note)
    boxes += [
        Box("posterior", 3.95, row, "mean m,\nvariance v"),
        Box("z", 5.4, row, "z = m\n+ √v ε", shape="operation"),
        Box("prior", 5.4, 1.62, sampled),
        Box("kl", 3.95, 2.4, kl, "E", "loss"),
    ]
    arrows += [
        Arrow("encoder", "posterior"),
        Arrow("posterior", "z"),
        Arrow("posterior", "kl", "bt"),
        Arrow("prior", "z", "tb", "ε"),
        Arrow("z", "decoder"),
        Arrow("kl", "loss"),
    ]
    return Diagram(name, title, boxes, arrows, note=note)


SCORES = {"f": "sx", "j": "sxz", "h": "sz"}
HINGE = (
    "loss of D: of each score s\nreal: max(0, 1 − s)\ngenerated: max(0, 1 + s)",
    "loss of G and E: of each s\nreal: s\ngenerated: −s",
)
DIAGRAMS = [
    bidirectional(
        "bigan",
        "BiGAN: the discriminator scores pairs of an image and a latent code; the encoder maps "
        "images to codes, the generator codes to images.",
        scores={"j": "D(x, z)"},
        losses=(
            "loss of D\n−log D(x, E(x))\n−log(1 − D(G(z), z))",
            "loss of G and E\n−log D(G(z), z)\n−log(1 − D(x, E(x)))",
        ),
        latents=("latents\nE(x)", "noise z"),
    ),
    bidirectional(
        "bigbigan",
        "BigBiGAN: BiGAN with a score of the image, sx, of the latent code, sz, and of the pair, "
        "sxz.",
        scores=SCORES,
        losses=HINGE,
        latents=("z drawn from\nN(m(x), σ(x)²)", "noise z"),
        note="E outputs the mean m and the standard deviation σ of the latents of an image.",
    ),
    bidirectional(
        "info_bigbigan",
        "InfoGAN on BigBiGAN: the latents include codes, which the encoder predicts from real "
        "images and Q from generated ones.",
        scores=SCORES,
        losses=HINGE,
        latents=("z and codes c\ndrawn from E", "noise z,\ncodes c"),
        coded=True,
    ),
    autoencoding(
        "autoencoder",
        "Autoencoder: an encoder, a code, a decoder, and the error of the reconstruction.",
        total="loss of both\nΣ (x − y)²",
        sampled="Gaussian fitted to\nthe codes, for samples",
    ),
    autoencoding(
        "vae",
        "VAE: the encoder outputs a Gaussian of the code; the loss is the reconstruction error "
        "plus the divergence from the prior.",
        kl="KL(N(m, v) ∥ N(0, 1))",
        total="loss of both\n−log p(x | z) + KL",
        sampled="prior N(0, 1)",
    ),
    autoencoding(
        "beta_vae",
        "beta-VAE: VAE whose divergence has the weight beta.",
        kl="KL(N(m, v) ∥ N(0, 1))",
        total="loss of both\n−log p(x | z) + β KL",
        sampled="prior N(0, 1)",
    ),
]
