"""Array file of the birds of CUB-200-2011: python -m data.cub FOLDER FILE.

    python -m data.cub CUB_200_2011 birds.npz --size 64

Reads the extracted archive (Wah et al. 2011, "The Caltech-UCSD Birds-200-2011 Dataset") and writes
an .npz file for --dataset, with the training and test images of train_test_split.txt, their classes
and class_names. Each image is cropped to its bounding box with the margin of StackGAN. Images that
are missing, cannot be read or have no valid box are left out and named. Flags, with their defaults
in brackets:
"""

import collections
import contextlib
import dataclasses
import itertools
import math
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

import fields
from cli import flags
from data import conversion, opening
from data.folder import LeftOutFiles
from data.opening import LeftOut
from data.reading import MAX_IMAGE_PIXELS
from errors import UserError
from fields import field
from storage.files import write_npz
from storage.paths import one_path, require_writable
from waiting import waiting

if TYPE_CHECKING:
    from PIL import Image

MARGIN = 0.75  # half the side of the crop over the longer side of the box
_LAYOUT = "expected the folder CUB_200_2011 of the extracted archive"
_OUTSIDE = "outside the folder images"
_BROKEN_BOX = "no valid bounding box inside the image"


@fields.options()
class CubOptions:
    """Options of the conversion."""

    folder: str = field(
        "", "folder CUB_200_2011 of the extracted archive; as the first argument also without "
        "--folder", group="conversion", convert=one_path,
    )  # fmt: skip
    to: str = field(
        "", "the .npz file; as the second argument also without --to", group="conversion",
        convert=one_path,
    )  # fmt: skip
    size: int = field(32, "side of the images in pixels", group="conversion", at_least=4)
    boxes: bool = field(
        True, "crop to the bounding boxes; --noboxes: to the centre squares of whole images",
        group="conversion",
    )  # fmt: skip

    def __post_init__(self):
        fields.check(self)
        if not self.folder:
            raise UserError(_LAYOUT, "folder")
        if pathlib.Path(self.to).suffix != ".npz":
            raise UserError(f"expected a file that ends in .npz, got {self.to or 'none'}", "to")


Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """Image in the lists of the archive.

    Attributes:
        file: path relative to the folder `images`.
        label: index of its class.
        train: True for a training image.
        box: bounding box; None if it is missing or invalid.
    """

    file: str
    label: int
    train: bool
    box: Box | None


def convert(options: CubOptions) -> str:
    """Write the array file; return lines about its content and the images that are left out.

    Raises:
        UserError: the file exists or cannot be written, a file of the archive is missing or
            damaged, or no training image can be used.
    """
    folder, to = pathlib.Path(options.folder), pathlib.Path(options.to)
    if to.exists():
        raise UserError(f"{to} exists; choose another name, or delete it", "to")
    require_writable(to.parent, "to")
    entries, class_names = read_lists(folder, options.boxes)
    counts = collections.Counter(entry.train for entry in entries)
    shape = (options.size, options.size, 3)
    images = {train: np.empty((counts[train], *shape), np.uint8) for train in (True, False)}
    conversions, left_out = conversion.Conversions(), LeftOutFiles()
    kept = {True: [], False: []}  # train -> labels
    with waiting("decoding the birds", len(entries)) as work:
        for entry in entries:
            try:
                converted = square(path_of(folder, entry), entry.box, options)
                images[entry.train][len(kept[entry.train])] = conversions.add(converted)
                kept[entry.train].append(entry.label)
            except LeftOut as reason:
                left_out.add(entry.file, reason)
            work.done += 1
    if not kept[True]:
        raise UserError(f"{folder}: no training image can be used ({left_out.summary()})", "folder")
    arrays = {"class_names": np.array(class_names)}
    for name, train in {"train": True, "test": False}.items():
        if labels := kept[train]:
            arrays |= {f"x_{name}": images[train][: len(labels)], f"y_{name}": np.int64(labels)}
    with waiting(f"writing {to}"):
        write_npz(to, arrays)
    return "\n".join([
        f"{to}: {len(kept[True]):,} training and {len(kept[False]):,} test images of "
        f"{len(class_names)} classes, {options.size} x {options.size}",
        *conversions.notes(),
        *left_out.notes(),
    ])  # fmt: skip


# The lists of the archive


def read_lists(folder: pathlib.Path, boxes: bool) -> tuple[list[Entry], list[str]]:
    """Return the images in the order of images.txt, and the names of the classes.

    Args:
        folder: the extracted archive.
        boxes: whether bounding boxes are read.

    Raises:
        UserError: a list is missing, or a line of it is invalid.
    """
    files, classes = _rows(folder, "images.txt"), _rows(folder, "classes.txt")
    labels, splits = (_rows(folder, f"{x}.txt") for x in ("image_class_labels", "train_test_split"))
    given = _rows(folder, "bounding_boxes.txt", columns=None) if boxes else {}
    indices = {str(number): index for index, number in enumerate(sorted(classes))}
    trained = {"0": False, "1": True}
    entries = []
    for number, (file,) in files.items():
        label, train = (
            _value(folder, name, rows, number, values)
            for name, rows, values in (
                ("image_class_labels.txt", labels, indices),
                ("train_test_split.txt", splits, trained),
            )
        )
        entries.append(Entry(file, label, train, _box(given.get(number, []))))
    if not entries:
        raise UserError(f"{folder / 'images.txt'}: empty; {_LAYOUT}", "folder")
    return entries, [name for _, (name,) in sorted(classes.items())]


def _rows(folder: pathlib.Path, name: str, columns: int | None = 1) -> dict[int, list[str]]:
    """Return the words of each line of a list after its first one, by this number.

    Args:
        folder: the extracted archive.
        name: name of the list.
        columns: number of words after the first one; None for any number.
    """
    path = folder / name
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no such file; {_LAYOUT}", "folder") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot read it ({reason}); {_LAYOUT}", "folder") from None
    rows = {}
    for place, line in enumerate(lines, 1):
        first, *others = line.split() or [""]
        number = None
        with contextlib.suppress(ValueError):
            number = int(first)
        wrong = columns is not None and len(others) != columns
        if number is None or number in rows or wrong:
            raise UserError(
                f"{path}, line {place}: expected a new number and a value, got {line[:60]!r}; "
                "extract the archive again",
                "folder",
            )
        rows[number] = others
    return rows


def _value(folder: pathlib.Path, name: str, rows: dict, number: int, values: dict):
    """Return the value of an image in a list."""
    text = rows.get(number, ["none"])[0]
    if text not in values:
        kind = "a class of classes.txt" if len(values) != 2 else "0 or 1"
        raise UserError(
            f"{folder / name}: expected {kind} for image {number}, got {text[:60]}; extract the "
            "archive again",
            "folder",
        )
    return values[text]


def _box(words: Sequence[str]) -> Box | None:
    """Return the box of four words, rounded down to pixels as by StackGAN; None if it is none."""
    try:
        values = [float(word) for word in words]
    except ValueError:
        return None
    if len(values) != 4 or not all(map(math.isfinite, values)) or min(values[2:]) < 1:
        return None
    left, top, width, height = map(int, values)
    return left, top, width, height


# The images


def path_of(folder: pathlib.Path, entry: Entry) -> pathlib.Path:
    """Return the path of the file of an image.

    Raises:
        LeftOut: it is outside the folder `images`.
    """
    file = pathlib.PurePath(entry.file)
    if file.is_absolute() or ".." in file.parts:
        raise LeftOut(_OUTSIDE)
    return folder / "images" / file


def square(path: pathlib.Path, box: Box | None, options: CubOptions) -> conversion.Converted:
    """Return the converted image of a file, of size x size.

    Raises:
        LeftOut: the image cannot be used.
    """
    if options.boxes and box is None:
        raise LeftOut(_BROKEN_BOX)

    def converted(image: "Image.Image", reopen: Callable) -> conversion.Converted:
        part = image.crop(around(box, image)) if options.boxes else image
        return conversion.convert(part, 3, options.size)

    return opening.read(path, converted, MAX_IMAGE_PIXELS)


def around(box: Box, image: "Image.Image") -> tuple[int, int, int, int]:
    """Return the part of an image around a bounding box: left, top, right and bottom.

    The square around the centre of the box whose side is 1.5 times the longer side of the box, cut
    off at the edges of the image: `custom_crop` of StackGAN (Zhang et al. 2017, `misc/utils.py`),
    which others use as well.

    Raises:
        LeftOut: the box is outside the image.
    """
    left, top, width, height = box
    if not (-width < left < image.width and -height < top < image.height):
        raise LeftOut(_BROKEN_BOX)
    x, y, half = (2 * left + width) // 2, (2 * top + height) // 2, int(max(width, height) * MARGIN)
    part = (
        max(0, x - half),
        max(0, y - half),
        min(image.width, x + half),
        min(image.height, y + half),
    )
    if part[0] >= part[2] or part[1] >= part[3]:
        raise LeftOut(_BROKEN_BOX)
    return part


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv`; return the exit code."""
    if flags.wants_help(argv):
        print(__doc__.strip(), "", flags.describe(CubOptions), "", flags.ENDING, sep="\n")
        return 0
    flags.require_some(argv, "python -m data.cub CUB_200_2011 birds.npz")
    words = itertools.takewhile(lambda word: not word.startswith("-"), argv[:2])
    first = [f"--{name}={word}" for name, word in zip(("folder", "to"), words, strict=False)]
    given = flags.given(argv[len(first) :], CubOptions)
    positional = flags.given(first, CubOptions)
    if twice := positional.keys() & given.keys():
        raise UserError("given twice", min(twice))
    print(convert(CubOptions(**positional, **given)))
    return 0


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)
