"""Diagrams of the adversarial models without an encoder."""

from docs.diagrams.drawing import ROW, Arrow, Box, Diagram, Frame

NOISE, G_X, IMAGE, D_X, SCORE, LOSS = 0.55, 1.95, 3.58, 5.2, 6.72, 8.72  # columns
GENERATOR, DISCRIMINATOR = "generator G", "discriminator\nD"
OF_GAN = ("loss of D\n−log D(x)\n−log(1 − D(G(z)))", "loss of G\n−log D(G(z))")
WASSERSTEIN = ("loss of D\nD(G(z)) − D(x)", "loss of G\n−D(G(z))")
PENALTY = "loss of D\nD(G(z)) − D(x)\n+ λ (∥∇D(x\u0302)∥ − 1)²"


def pair(x: str, z: str, rows: tuple[float, float], losses: tuple[str, str]) -> list[Box]:
    """Return the boxes of a generator, images and losses; D and its scores follow.

    Args:
        x: text of the real images.
        z: text of the noise.
        rows: those of the real and of the generated images.
        losses: texts of the losses of D and of G.
    """
    real, fake = rows
    return [
        Box("z", NOISE, fake, z),
        Box("x", IMAGE, real, x),
        Box("fake", IMAGE, fake, "generated\nimage G(z)"),
        Box("d_loss", LOSS, real + 0.1, losses[0], "D", "loss"),
        Box("g_loss", LOSS, fake + 0.1, losses[1], "G", "loss"),
    ]


def scored(d: str, rows: tuple[float, float]) -> tuple[list[Box], list[Arrow]]:
    """Return D with its scores, and the arrows from images to losses."""
    real, fake = rows
    middle, moved = (real + fake) / 2, (fake - real) / 2 * ROW
    boxes = [
        Box("d", D_X, middle, d, "D", height=round(2 * moved) + 66),
        Box("d_real", SCORE, real, "D(x)", "D"),
        Box("d_fake", SCORE, fake, "D(G(z))", "D"),
    ]
    arrows = [
        Arrow("z", "g"),
        Arrow("g", "fake"),
        Arrow("x", "d", enter=-moved),
        Arrow("fake", "d", enter=moved),
        Arrow("d", "d_real", leave=-moved),
        Arrow("d", "d_fake", leave=moved),
        Arrow("d_real", "d_loss", enter=-0.1 * ROW),
        Arrow("d_fake", "d_loss", "tl", enter=16),
        Arrow("d_fake", "g_loss", enter=-0.1 * ROW),
    ]
    return boxes, arrows


def plain(
    name: str,
    title: str,
    losses: tuple[str, str] = OF_GAN,
    *,
    g: str = f"{GENERATOR}\ntransposed\nconvolutions",
    d: str = f"{DISCRIMINATOR}\n\nconvolutions",
    note: str = "",
) -> Diagram:
    """Return the diagram of a generator, a discriminator and their losses."""
    rows = (0.62, 1.9)
    boxes, arrows = scored(d, rows)
    boxes += [*pair("real image x", "noise z", rows, losses), Box("g", G_X, rows[1], g, "G")]
    return Diagram(name, title, boxes, arrows, note=note)


def conditional() -> Diagram:
    """Return the diagram of cGAN: the class y of the real image is an input of both networks."""
    rows = (0.62, 1.9)
    losses = ("loss of D\n−log D(x, y)\n−log(1 − D(G, y))", "loss of G\n−log D(G, y)")
    boxes, arrows = scored(f"{DISCRIMINATOR}\n\nconvolutions", rows)
    texts = {"d_real": "D(x, y)", "d_fake": "D(G, y)"}
    boxes = [Box(b.key, b.x, b.y, texts.get(b.key, b.text), b.player, b.shape, b.width, b.height)
             for b in boxes]  # fmt: skip
    boxes += [
        *(box for box in pair("real image x", "noise z", rows, losses) if box.key != "fake"),
        Box("fake", IMAGE, rows[1], "generated\nimage\nG = G(z, y)"),
        Box("g", G_X, rows[1], f"{GENERATOR}\ntransposed\nconvolutions", "G"),
        Box("y", NOISE, 3.0, "class y\nof x"),
    ]
    arrows += [
        Arrow("y", "g", "rb", leave=-14),
        Arrow("y", "d", "rb", "as further channels of the image", leave=14),
    ]
    title = "cGAN: generator and discriminator have the class of the real image as an input."
    return Diagram("cgan", title, boxes, arrows)


def penalised(
    name: str,
    title: str,
    point: str,
    norm: str,
    losses: tuple[str, str],
    *,
    d: str = DISCRIMINATOR,
    of_fake: bool,
    note: str = "",
) -> Diagram:
    """Return the diagram of a GAN with a gradient penalty.

    Args:
        name: name of the diagram.
        title: its text.
        point: text of the point at which the gradient is taken.
        norm: text of the gradient norm.
        losses: texts of the losses of D and of G.
        d: name of D.
        of_fake: whether the point depends on the generated image.
        note: line below the legend.
    """
    rows = (0.62, 2.9)
    middle = sum(rows) / 2
    boxes, arrows = scored(f"{d}\n\nconvolutions,\nlayer norm", rows)
    boxes += [
        *pair("real image x", "noise z", rows, losses)[:-1],
        Box("g_loss", LOSS, rows[1] + 0.75, losses[1], "G", "loss"),
        Box("g", G_X, rows[1], f"{GENERATOR}\ntransposed\nconvolutions", "G"),
        Box("point", IMAGE, middle, point, shape="operation"),
        Box("norm", SCORE, middle, norm, "D"),
    ]
    arrows = [arrow for arrow in arrows if arrow.start != "d_fake"]
    arrows += [
        Arrow("x", "point", "bt"),
        *([Arrow("fake", "point", "tb")] if of_fake else []),
        Arrow("point", "d"),
        Arrow("d", "norm"),
        Arrow("norm", "d_loss", "rb", "penalty", enter=-30),
        Arrow("d_fake", "d_loss", "rb", enter=45),
        Arrow("d_fake", "g_loss", "bl"),
    ]
    return Diagram(name, title, boxes, arrows, note=note)


def began() -> Diagram:
    """Return the diagram of BEGAN: D is an autoencoder, its score a reconstruction error."""
    boxes = [
        Box("z", NOISE, 1.75, "noise z"),
        Box("g", G_X, 1.75, f"{GENERATOR}\ntransposed\nconvolutions", "G"),
        Box("x", IMAGE, 0.72, "real image x"),
        Box("fake", IMAGE, 1.75, "generated\nimage G(z)"),
        Box("encoder", 5.25, 1.235, "encoder", "D", height=110),
        Box("code", 6.27, 1.235, "code", "D"),
        Box("decoder", 7.3, 1.235, "decoder", "D", height=110),
        Box("error", 8.9, 1.235, "error\nL(v) = |v − D(v)|\nof v = x, G(z)", "D"),
        Box("g_loss", G_X, 3.45, "loss of G\nL(G(z))", "G", "loss"),
        Box("balance", 4.9, 3.45, "balance\nk ← k + λ (γ L(x) − L(G(z)))\nwithin [0, 1]",
            shape="operation"),
        Box("d_loss", 8.9, 3.45, "loss of D\nL(x) − k L(G(z))", "D", "loss"),
    ]  # fmt: skip
    arrows = [
        Arrow("z", "g"),
        Arrow("g", "fake"),
        Arrow("x", "encoder", enter=-0.515 * ROW),
        Arrow("fake", "encoder", enter=0.515 * ROW),
        Arrow("encoder", "code"),
        Arrow("code", "decoder"),
        Arrow("decoder", "error"),
        Arrow("error", "g_loss", "bt", bend=2.55, leave=-40),
        Arrow("error", "balance", "bt", bend=2.75, leave=-26),
        Arrow("error", "d_loss", "bt", leave=12, enter=12),
        Arrow("balance", "d_loss", label="k"),
    ]
    frames = [Frame("d", ["encoder", "code", "decoder"], "discriminator D", "D")]
    title = (
        "BEGAN: the discriminator is an autoencoder, its score the reconstruction error; the "
        "weight k balances the errors of real and generated images."
    )
    return Diagram("began", title, boxes, arrows, frames)


def infogan() -> Diagram:
    """Return the diagram of InfoGAN: Q predicts the codes from the features of D's trunk."""
    boxes = [
        Box("z", NOISE, 1.55, "noise z"),
        Box("c", NOISE, 2.25, "codes c"),
        Box("g", G_X, 1.9, f"{GENERATOR}\ntransposed\nconvolutions", "G", height=100),
        Box("x", IMAGE, 0.72, "real image x"),
        Box("fake", IMAGE, 1.9, "generated\nimage\nG = G(z, c)"),
        Box("trunk", D_X, 1.45, "trunk of D\n\nconvolutions", "D", height=170),
        Box("score", 6.86, 0.95, "D(x), D(G)", "D"),
        Box("q", 6.86, 2.4, "Q\nhidden layer,\nQ(c | G)", "Q"),
        Box("d_loss", LOSS, 0.62, "loss of D\n−log D(x)\n−log(1 − D(G))", "D", "loss"),
        Box("g_loss", LOSS, 1.55, "loss of G\n−log D(G)", "G", "loss"),
        Box("i_loss", 8.8, 2.4, "of G, D and Q\nλ (−log Q(c | G))", "GDQ", "loss"),
    ]
    arrows = [
        Arrow("z", "g", enter=-0.35 * ROW),
        Arrow("c", "g", enter=0.35 * ROW),
        Arrow("g", "fake"),
        Arrow("x", "trunk", enter=-0.73 * ROW),
        Arrow("fake", "trunk", enter=0.45 * ROW),
        Arrow("trunk", "score", leave=-0.5 * ROW),
        Arrow("trunk", "q", leave=0.8 * ROW, enter=-0.15 * ROW),
        Arrow("score", "d_loss", leave=-8),
        Arrow("score", "g_loss", leave=8),
        Arrow("q", "i_loss"),
        Arrow("c", "i_loss", "bb", "c", bend=3.25),
    ]
    title = "InfoGAN: Q predicts the codes of a generated image from the features of D's trunk."
    return Diagram("infogan", title, boxes, arrows)


def infogan_clustering() -> Diagram:
    """Return the diagram of InfoGAN with a categorical code that is learnt from real images."""
    boxes = [
        Box("z", NOISE, 2.05, "noise z"),
        Box("c", NOISE, 2.75, "codes c"),
        Box("g", G_X, 2.4, f"{GENERATOR}\ntransposed\nconvolutions", "G", height=100),
        Box("fake", IMAGE, 2.4, "generated\nimage\nG = G(z, c)"),
        Box("x", IMAGE, 0.72, "real image x"),
        Box("copies", 5.2, 0.72, "two random\ncopies", shape="operation"),
        Box("copy", 5.2, 1.8, "weaker\ncopy", shape="operation"),
        Box("q", 6.72, 1.26, "Q\n\ntrunk,\n3 heads per\ncode", "Q", height=140),
        Box("c_loss", LOSS, 0.72, "clustering loss of Q\nof the two copies", "Q", "loss"),
        Box("i_loss", LOSS, 1.8, "loss of G\nλ (−log Q(c | G))", "G", "loss"),
        Box("x2", IMAGE, 3.85, "real image x"),
        Box("d", 5.2, 3.55, f"{DISCRIMINATOR}\nconvolutions", "D", height=100),
        Box("losses", 8.0, 3.55, "losses of D and G as in GAN;\nthose of the continuous\n"
            "codes as in InfoGAN", "DG", "loss"),
    ]  # fmt: skip
    arrows = [
        Arrow("z", "g", enter=-0.35 * ROW),
        Arrow("c", "g", enter=0.35 * ROW),
        Arrow("g", "fake"),
        Arrow("x", "copies"),
        Arrow("copies", "q", enter=-0.54 * ROW),
        Arrow("fake", "copy", "rb", leave=-10),
        Arrow("copy", "q", enter=0.54 * ROW),
        Arrow("q", "c_loss", leave=-0.54 * ROW),
        Arrow("q", "i_loss", leave=0.54 * ROW),
        Arrow("fake", "d", "rt", leave=10),
        Arrow("x2", "d", enter=0.3 * ROW),
        Arrow("d", "losses"),
    ]
    title = (
        "InfoGAN on colour images: Q learns the categories from copies of real images, and the "
        "generator learns to generate images of each category."
    )
    note = "The loss of G on the categories starts when a head is selected, see --selection_step."
    return Diagram("infogan_clustering", title, boxes, arrows, note=note)


LSGAN = ("loss of D\n½ (D(x) − 1)²\n+ ½ D(G(z))²", "loss of G\n½ (D(G(z)) − 1)²")
HINGE = ("loss of D\nmax(0, 1 − D(x)) +\nmax(0, 1 + D(G(z)))", "loss of G\n−D(G(z))")
DRAGAN = "loss of D\n−log D(x)\n−log(1 − D(G(z)))\n+ λ (∥∇D∥ − 1)²"
DIAGRAMS = [
    plain(
        "gan",
        "GAN: the discriminator scores real and generated images, the generator learns from it.",
        g=f"{GENERATOR}\ndense layers",
        d=f"{DISCRIMINATOR}\n\ndense layers",
        note="D(x) is the sigmoid of the score that the network outputs.",
    ),
    plain("dcgan", "DCGAN: GAN of convolutional networks."),
    plain("lsgan", "LSGAN: DCGAN whose losses are squared errors of the scores.", LSGAN),
    plain(
        "wgan",
        "WGAN: the critic's loss is a difference of scores, and its weights are clipped.",
        WASSERSTEIN,
        d="critic D\n\nconvolutions,\nweights\nclipped to\n[−c, c]",
        note="D has five updates per update of G.",
    ),
    plain(
        "sngan",
        "SNGAN: the discriminator's kernels are divided by their spectral norm; hinge loss.",
        HINGE,
        d=f"{DISCRIMINATOR}\n\nconvolutions,\nkernels\nW / σ(W)",
    ),
    conditional(),
    penalised(
        "wgan_gp",
        "WGAN-GP: the gradient norm of the critic is penalised at interpolates of real and "
        "generated images.",
        "interpolate\nx\u0302 = ε x +\n(1 − ε) G(z)",
        "∥∇D(x\u0302)∥",
        (PENALTY, WASSERSTEIN[1]),
        d="critic D",
        of_fake=True,
        note="One ε, uniform on (0, 1), per image. D has five updates per update of G.",
    ),
    penalised(
        "dragan",
        "DRAGAN: the gradient norm of the discriminator is penalised around real images.",
        "perturbed\nimage\nx + δ",
        "∥∇D(x + δ)∥",
        (DRAGAN, OF_GAN[1]),
        of_fake=False,
    ),
    began(),
    infogan(),
    infogan_clustering(),
]
