"""Colour and line style of each quantity, the same in every picture.

A quantity is found by its whole name, else by the longest declared name that its name begins
with, else by the longest one that it ends with: `continuous_1`, `sx_real`. The last word of the
rest of the name selects the line style. The look of any other name is a function of the name.
Declared quantities that are drawn in one panel have different looks.
"""

import zlib
from collections.abc import Iterable
from typing import NamedTuple

# Okabe and Ito's palette for colour-blind readers, without yellow, and three darker colours.
COLOURS = (BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, INK, BROWN, VIOLET, OLIVE) = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#333333"),
    *("#8C510A", "#6A3D9A", "#808000"),
)
FREE = COLOURS[4:]  # without those of D, G, real and generated images
LINES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


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
    "encoder": Look(OLIVE),
    "q": Look(BROWN),
    "q_categories": Look(BROWN, "--"),
    "autoencoder": Look(BROWN, ":"),
    "real": Look(GREEN),
    "fake": Look(PINK, "--"),
    "relative": Look(BLUE),
    "adversarial": Look(VERMILION, "--"),
    "gradient": Look(INK, "--"),
    "dragan": Look(INK, "-."),
    "r1": Look(INK),
    "r2": Look(INK, ":"),
    "path": Look(BLUE, ":"),
    **dict.fromkeys(("category", "categorical"), Look(ORANGE)),
    "continuous": Look(SKY),
    "invariance": Look(VIOLET),
    "invariance_continuous": Look(VIOLET, "-."),
    "clustering": Look(BROWN),
    "clustering_images": Look(BROWN, "-."),
    "clustering_overclustering": Look(BROWN, ":"),
    "supervised": Look(GREEN, "-."),
    "thickness": Look(OLIVE, "-."),
    "reconstruction": Look(GREEN),
    "kl": Look(VIOLET),
    "loss": Look(BLUE),
    "images_per_second": Look(INK),
    "train": Look(INK),
    "test": Look(INK, "--"),
}
QUALIFIERS = {"sx": 0, "sz": 1, "sxz": 2}  # numbers of line styles


def look_of(name: str) -> Look:
    """Return the look of a quantity."""
    if name in QUANTITIES:
        return QUANTITIES[name]
    for found in (_beginning(name), _end(name)):
        if found:
            return _qualified(QUANTITIES[found], name.replace(found, "", 1).strip("_"))
    number = zlib.crc32(name.encode())
    return Look(FREE[number % len(FREE)], LINES[number // len(FREE) % len(LINES)])


def in_order(names: Iterable[str]) -> dict[str, Look]:
    """Return looks of names without a meaning of their own, such as runs, by their order."""
    return {
        name: Look(COLOURS[k % len(COLOURS)], LINES[k // len(COLOURS) % len(LINES)])
        for k, name in enumerate(dict.fromkeys(names))
    }


def look_with_marker(number: int) -> Look:
    """Return a look with markers, a different one for each number from 0 to 47."""
    return Look(FREE[number % len(FREE)], marker=MARKERS[number // len(FREE) % len(MARKERS)])


def _beginning(name: str) -> str:
    return max((q for q in QUANTITIES if name.startswith(f"{q}_")), key=len, default="")


def _end(name: str) -> str:
    return max((q for q in QUANTITIES if name.endswith(f"_{q}")), key=len, default="")


def _qualified(look: Look, qualifier: str) -> Look:
    """Return the look of a quantity with a qualifier, such as "1", "sx", "category_0" or "0_1"."""
    *others, last = qualifier.split("_")
    number = int(last) if last.isdecimal() else QUALIFIERS.get(last)
    if number is None:
        return look
    turns, line = divmod(number, len(LINES))
    shift = 3 * turns + sum(int(word) for word in others if word.isdecimal())
    colour = COLOURS[(COLOURS.index(look.colour) + shift) % len(COLOURS)]
    return look._replace(colour=colour, line=LINES[line])
