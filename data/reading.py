"""Rules by which files become images and labels."""

import dataclasses

from errors import UserError

RULES = 2
"""Version of the rules for the classes, their order, and the files that are read.

1: class folders in the order of their names as text, images directly in them, labels of an array
file as they are, and only labels of TFDS that are class labels.
"""
MAX_IMAGE_PIXELS = 89_000_000
_OF_FIRST_RULES = 178_956_970  # Pillow's limit


@dataclasses.dataclass(frozen=True)
class Reading:
    """Options of the reading of a data set.

    Attributes:
        image_size: side of the square that images are cropped and resized to; None keeps the size
            and requires squares of one size.
        gray: "convert" repeats gray images over 3 channels if a folder has colour images, and keeps
            one channel otherwise; "skip" omits gray images.
        bits: number of bits that 16-bit images use; None: all 16.
        max_image_pixels: files with more pixels are left out.
        rules: version of the rules (`RULES`), such as that of an earlier run.
        class_order: names of the classes of class folders in their order; without effect if the
            folders have other names, and by the first rules.
    """

    image_size: int | None = None
    gray: str = "convert"
    bits: int | None = None
    max_image_pixels: int = MAX_IMAGE_PIXELS
    rules: int = RULES
    class_order: tuple[str, ...] = ()

    def __post_init__(self):
        for name, lowest, highest in (
            ("image_size", 1, None),
            ("bits", 1, 16),
            ("max_image_pixels", 1, None),
            ("rules", 1, RULES),
        ):
            value = getattr(self, name)
            if value is not None and not lowest <= value <= (highest or value):
                limit = f">= {lowest}" if highest is None else f"from {lowest} to {highest}"
                raise UserError(f"expected an integer {limit}, got {value}", name)

    @property
    def uses_first_rules(self) -> bool:
        """True if the rules are those of runs that do not record their classes."""
        return self.rules == 1

    @property
    def most_pixels(self) -> int:
        """Number of pixels above which files are left out."""
        return _OF_FIRST_RULES if self.uses_first_rules else self.max_image_pixels

    @property
    def key(self) -> list:
        """JSON value of what the images of a folder depend on beside its files and their order."""
        if self.uses_first_rules:
            return [self.image_size, self.gray]
        return [self.image_size, self.gray, self.bits, self.max_image_pixels, self.rules]


DEFAULT = Reading()
