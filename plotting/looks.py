"""Colour and line style of each quantity, the same in every picture.

A quantity is found by its whole name, else by the longest declared name that its name begins or
ends with: `continuous_1`, `sx_real`. The last word of such a name selects the line style. The look
of any other name is a function of the name.
"""

import zlib
from collections.abc import Iterable
from typing import NamedTuple

# Okabe and Ito's palette for colour-blind readers, without yellow, and three darker colours.
COLOURS = (BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, INK, BROWN, VIOLET, OLIVE) = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#333333"),
    *("#8C510A", "#6A3D9A", "#808000"),
)
LINES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v")


class Look(NamedTuple):
    """Look of a curve.

    Attributes:
        colour: such as "#0072B2".
        line: line style of matplotlib.
        marker: marker of matplotlib at each point; "" for none.
    """

    colour: str
    line: str = "-"
    marker: str = ""


# Players of the optimizers, sides of D, terms of the losses, and single quantities.
QUANTITIES = {
    **dict.fromkeys(("discriminator", "d_loss"), Look(BLUE)),
    **dict.fromkeys(("generator", "g_loss"), Look(VERMILION)),
    "encoder": Look(VIOLET),
    "q": Look(BROWN),
    "q_categories": Look(BROWN, "--"),
    "autoencoder": Look(BROWN, ":"),
    "real": Look(GREEN),
    "fake": Look(PINK, "--"),
    "relative": Look(OLIVE),
    "adversarial": Look(VERMILION, "--"),
    "gradient": Look(INK, "--"),
    "dragan": Look(INK, "-."),
    "r1": Look(INK),
    "r2": Look(INK, ":"),
    "path": Look(BLUE, ":"),
    "category": Look(ORANGE),
    "continuous": Look(SKY),
    "invariance": Look(VIOLET),
    "clustering": Look(BROWN),
    "supervised": Look(OLIVE, ":"),
    "thickness": Look(OLIVE, "--"),
    "reconstruction": Look(GREEN),
    "kl": Look(VIOLET),
    "loss": Look(BLUE),
    "images_per_second": Look(INK),
    "train": Look(INK),
    "test": Look(INK, "--"),
}
QUALIFIERS = {"sx": 0, "sz": 1, "sxz": 2, "continuous": 1}  # numbers of line styles


def look_of(name: str) -> Look:
    """Return the look of a quantity."""
    if name in QUANTITIES:
        return QUANTITIES[name]
    for found in (_beginning(name), _end(name)):
        if found:
            return _qualified(QUANTITIES[found], name.replace(found, "", 1).strip("_"))
    number, free = zlib.crc32(name.encode()), COLOURS[4:]  # not those of D, G, real and fake
    return Look(free[number % len(free)], LINES[number // len(free) % len(LINES)])


def in_order(names: Iterable[str]) -> dict[str, Look]:
    """Return looks of names without a meaning of their own, such as runs, by their order."""
    return {
        name: Look(COLOURS[k % len(COLOURS)], LINES[k // len(COLOURS) % len(LINES)])
        for k, name in enumerate(dict.fromkeys(names))
    }


def marked(number: int) -> Look:
    """Return the look with markers of a number from 0."""
    marker = MARKERS[number // len(COLOURS) % len(MARKERS)]
    return Look(COLOURS[number % len(COLOURS)], marker=marker)


def _beginning(name: str) -> str:
    return max((q for q in QUANTITIES if name.startswith(f"{q}_")), key=len, default="")


def _end(name: str) -> str:
    return max((q for q in QUANTITIES if name.endswith(f"_{q}")), key=len, default="")


def _qualified(look: Look, qualifier: str) -> Look:
    """Return the look of a quantity with a qualifier, such as "1", "sx" or "category_0"."""
    last = qualifier.split("_")[-1]
    number = int(last) if last.isdecimal() else QUALIFIERS.get(last)
    if number is None:
        return look
    turns, line = divmod(number, len(LINES))
    colour = COLOURS[(COLOURS.index(look.colour) + 3 * turns) % len(COLOURS)]
    return look._replace(colour=colour, line=LINES[line])
