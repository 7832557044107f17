"""Changes of the transformed copies of images, selected by `copies`, and their limits."""

import dataclasses

from fields import Choice, Choices, PerDataset, field


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change(Choice):
    """Group of changes of a copy.

    Attributes:
        colour: whether it requires images of three channels.
    """

    colour: bool = False


def _limit(default: float, help: str, **limits: float):
    return field(default, help, group="copies", **{"at_least": 0, **limits})


CHANGES = Choices(
    Change,
    Change(
        name="affine",
        options={
            "copy_rotation": _limit(0.35, "maximum rotation of a copy, in radians"),
            "copy_shear": _limit(0.3, "maximum horizontal shear of a copy, a share of the height"),
            "copy_size": _limit(
                0.1, "maximum natural logarithm of the factor of both sides of a copy"
            ),
            "copy_stretch": _limit(
                0.2,
                "maximum natural logarithm of the factors of a copy: width by one, height by its "
                "inverse",
            ),
            "copy_shift": _limit(0.07, "maximum shift of a copy, a share of each side"),
        },
    ),
    Change(
        name="crop",
        options={
            "copy_crop": _limit(
                PerDataset(0.55, FASHION_MNIST=0.7),
                "minimum side of the square that a copy is cropped to, a share of the side",
                above=0,
                at_most=1,
            ),
        },
    ),
    Change(name="flip"),
    Change(
        name="light",
        options={
            "copy_brightness": _limit(
                0.4, "maximum relative change of the brightness of a copy", at_most=1
            ),
            "copy_contrast": _limit(
                0.4, "maximum relative change of the contrast of a copy", at_most=1
            ),
        },
    ),
    Change(
        name="colour",
        colour=True,
        options={
            "copy_saturation": _limit(
                0.8, "maximum relative change of the saturation of a copy", at_most=1
            ),
            "copy_hue": _limit(0.6, "maximum change of the hue of a copy, in radians"),
            "copy_gray": _limit(0.2, "probability that a copy is gray", at_most=1),
        },
    ),
)
