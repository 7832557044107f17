"""Conversion of CUB-200-2011, of a small folder of its layout."""

import numpy as np
import pytest
from PIL import Image

from data import cub, load

CLASSES = ("001.Albatross", "002.Auklet", "003.Cowbird")
BLUE, RED = (20, 40, 200), (220, 30, 10)
LISTS = (
    "images.txt", "classes.txt", "image_class_labels.txt", "train_test_split.txt",
    "bounding_boxes.txt",
)  # fmt: skip
# Of each image: class, training image, box.
BIRDS = [
    (0, 1, "30.0 20.0 40.0 20.0"),
    (0, 0, "30.0 20.0 40.0 20.0"),
    (1, 1, "30.0 20.0 40.0 20.0"),
    (1, 0, "30.0 20.0 40.0 20.0"),
    (2, 1, "30.0 20.0 40.0 20.0"),
    (2, 1, "30.0 20.0 40.0 20.0"),
]
FILES = [f"{CLASSES[bird[0]]}/bird_{k}.jpg" for k, bird in enumerate(BIRDS)]


def bird():
    """A picture of 120 by 90 pixels: red inside the box of BIRDS, blue outside."""
    pixels = np.empty((90, 120, 3), np.uint8)
    pixels[:] = BLUE
    pixels[20:40, 30:70] = RED
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path):
    """A folder of the layout of the archive, with six images of three classes."""
    folder = tmp_path / "CUB_200_2011"
    lines = {
        "classes.txt": CLASSES,
        "images.txt": FILES,
        "image_class_labels.txt": [str(label + 1) for label, _, _ in BIRDS],
        "train_test_split.txt": [str(train) for _, train, _ in BIRDS],
        "bounding_boxes.txt": [box for _, _, box in BIRDS],
    }
    for file in FILES:
        (folder / "images" / file).parent.mkdir(parents=True, exist_ok=True)
        bird().save(folder / "images" / file, quality=95)
    for name, values in lines.items():
        (folder / name).write_text("".join(f"{k} {v}\n" for k, v in enumerate(values, 1)))
    return folder


@pytest.fixture
def run(folder, call):
    """run("--size=8") -> the outcome, and the arrays of the file or None."""

    def run(*flags):
        done = call("data.cub", folder, target(folder), *flags)
        if not target(folder).exists():
            return done, None
        with np.load(target(folder), allow_pickle=False) as arrays:
            return done, dict(arrays)

    return run


def target(folder):
    return folder.parent / "birds.npz"


def box(folder, text, number=2):
    """Replace the box of an image, by default of a test image."""
    path = folder / "bounding_boxes.txt"
    lines = path.read_text().splitlines()
    lines[number - 1] = f"{number} {text}"
    path.write_text("\n".join(lines) + "\n")


def test_convert_writes_both_splits_with_classes_and_their_names(folder, run):
    done, arrays = run("--size=16")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        f"{target(folder)}: 4 training and 2 test images of 3 classes, 16 x 16\n"
        "6 images resized to 16 x 16 (Lanczos)\n"
    )
    assert arrays["x_train"].shape == (4, 16, 16, 3)
    assert arrays["x_test"].shape == (2, 16, 16, 3)
    assert arrays["x_train"].dtype == np.uint8
    assert arrays["y_train"].tolist() == [0, 1, 2, 2]
    assert arrays["y_test"].tolist() == [0, 1]
    assert tuple(arrays["class_names"]) == CLASSES
    read = load(str(target(folder)))
    np.testing.assert_array_equal(read.test.images, arrays["x_test"])
    np.testing.assert_array_equal(read.train.labels, arrays["y_train"])


@pytest.mark.parametrize(
    ("box", "part"),
    [
        # Centre (50, 30) and half a side of int(40 * 0.75) = 30.
        ((30, 20, 40, 20), (20, 0, 80, 60)),
        ((31, 20, 41, 20), (21, 0, 81, 60)),
        # Cut off at the edges, as in StackGAN: not moved into the image.
        ((0, 0, 20, 10), (0, 0, 25, 20)),
        ((100, 70, 20, 20), (95, 65, 120, 90)),
        ((-10, 80, 30, 30), (0, 73, 27, 90)),
        ((0, 0, 120, 90), (0, 0, 120, 90)),
    ],
)
def test_around_is_the_square_of_stackgan_within_the_image(box, part):
    assert cub.around(box, bird()) == part


def test_convert_crops_to_the_box_with_its_margin(run):
    """The crop is 60 x 60 pixels at (20, 0): red from 10 to 50 across and from 20 to 40 down."""
    _, arrays = run("--size=60")
    image = arrays["x_train"][0].astype(int)
    red = image[..., 0] > image[..., 2]
    rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (20, 39, 10, 49)


def test_convert_without_boxes_uses_the_centre_square_and_reads_no_boxes(folder, run):
    (folder / "bounding_boxes.txt").unlink()
    _, arrays = run("--noboxes", "--size=90")
    image = arrays["x_train"][0].astype(int)
    columns = np.flatnonzero((image[..., 0] > image[..., 2]).any(0))
    assert (columns[0], columns[-1]) == (30 - 15, 70 - 15 - 1)


def test_convert_of_gray_images_repeats_the_channel(folder, run):
    bird().convert("L").save(folder / "images" / FILES[0])
    done, arrays = run()
    assert "1 gray image repeated over 3 channels\n" in done.out
    gray = arrays["x_train"][0]
    assert arrays["x_train"].shape == (4, 32, 32, 3)
    assert (gray[..., :1] == gray).all()


MISSING = "no such file or directory"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: path.unlink(), MISSING),
        (lambda path: path.write_bytes(path.read_bytes()[:500]), "truncated"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(b"GIF89a"), "GIF inside"),
    ],
)
def test_convert_names_images_that_cannot_be_read_and_goes_on(folder, run, change, reason):
    for file in (FILES[1], FILES[4]):
        change(folder / "images" / file)
    done, arrays = run()
    assert done.code == 0
    assert f"2 files left out, {reason}: {FILES[1]}, {FILES[4]}\n" in done.out
    assert "3 training and 1 test images of 3 classes" in done.out
    assert (arrays["y_train"].tolist(), arrays["y_test"].tolist()) == ([0, 1, 2], [1])


def test_convert_leaves_out_files_outside_the_folder_of_the_images(folder, run):
    bird().save(folder / "bird.jpg")
    lines = [
        f"1 {folder / 'bird.jpg'}",
        "2 ../bird.jpg",
        *(f"{k} {FILES[k - 1]}" for k in range(3, 7)),
    ]
    (folder / "images.txt").write_text("\n".join(lines))
    done, arrays = run()
    expected = f"2 files left out, outside the folder images: ../bird.jpg, {folder / 'bird.jpg'}\n"
    assert done.out.endswith(expected)
    assert (arrays["y_train"].tolist(), arrays["y_test"].tolist()) == ([1, 2, 2], [1])


@pytest.mark.parametrize(
    "text",
    [
        "120.0 20.0 40.0 20.0", "30.0 90.0 40.0 20.0", "-40.0 20.0 40.0 20.0",  # outside
        "30.0 20.0 0.0 20.0", "30.0 20.0 40.0 -5.0", "30.0 20.0 0.5 0.5",  # without an area
        "30.0 20.0 wide 20.0", "30.0 20.0 nan 20.0", "30.0 20.0 1e999 20.0", "30.0 20.0 40.0", "",
        "-1.0 20.0 1.5 1.0",  # the square around it is empty
    ],
)  # fmt: skip
def test_convert_leaves_images_with_a_broken_box_out(folder, run, text):
    box(folder, text)
    done, arrays = run()
    expected = f"1 file left out, no valid bounding box inside the image: {FILES[1]}\n"
    assert done.out.endswith(expected)
    assert arrays["y_test"].tolist() == [1]


def test_convert_with_a_box_of_no_image_ignores_it_and_needs_one_of_each(folder, run):
    path = folder / "bounding_boxes.txt"
    path.write_text("99 1 1 5 5\n" + "".join(path.read_text().splitlines(keepends=True)[1:]))
    done, arrays = run()
    assert f"1 file left out, no valid bounding box inside the image: {FILES[0]}" in done.out
    assert arrays["y_train"].tolist() == [1, 2, 2]


def test_convert_without_any_training_image_raises_and_writes_nothing(folder, run):
    for file in FILES:
        (folder / "images" / file).unlink()
    done, arrays = run()
    assert done.refusal().startswith(
        f"--folder: {folder}: no training image can be used (6 no such file"
    )
    assert arrays is None


def test_convert_without_test_images_writes_one_split(folder, run):
    path = folder / "train_test_split.txt"
    path.write_text(path.read_text().replace(" 0\n", " 1\n"))
    done, arrays = run()
    assert "6 training and 0 test images" in done.out
    assert arrays.keys() == {"x_train", "y_train", "class_names"}


@pytest.mark.parametrize("name", LISTS)
def test_convert_without_a_list_of_the_layout_raises_one_line(folder, run, name):
    (folder / name).unlink()
    done, arrays = run()
    assert done.refusal() == (
        f"--folder: {folder / name}: no such file; expected the folder CUB_200_2011 of the "
        "extracted archive"
    )
    assert arrays is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("images.txt", "1 a.jpg\n1 b.jpg\n", ", line 2: expected a new number and a value, got "
         "'1 b.jpg'; extract the archive again"),
        ("images.txt", "1 a b.jpg\n", ", line 1: expected a new number and a value, got "
         "'1 a b.jpg'; extract the archive again"),
        ("images.txt", "", ": empty; expected the folder CUB_200_2011 of the extracted archive"),
        ("images.txt", "\n", ", line 1: expected a new number and a value, got ''; extract the "
         "archive again"),
        ("classes.txt", "x 001.Albatross\n", ", line 1: expected a new number and a value, got "
         "'x 001.Albatross'; extract the archive again"),
        ("image_class_labels.txt", "1 7\n", ": expected a class of classes.txt for image 1, got "
         "7; extract the archive again"),
        ("image_class_labels.txt", "2 1\n", ": expected a class of classes.txt for image 1, got "
         "none; extract the archive again"),
        ("train_test_split.txt", "1 yes\n", ": expected 0 or 1 for image 1, got yes; extract the "
         "archive again"),
        ("bounding_boxes.txt", "1 1 2 3 4\n1 1 2 3 4\n", ", line 2: expected a new number and a "
         "value, got '1 1 2 3 4'; extract the archive again"),
        ("images.txt", b"1 \xff.jpg\n", ": cannot read it ('utf-8' codec can't decode byte 0xff "
         "in position 2: invalid start byte); expected the folder CUB_200_2011 of the extracted "
         "archive"),
    ],
)  # fmt: skip
def test_convert_with_a_damaged_list_raises_one_line(folder, run, name, content, message):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done, arrays = run()
    assert done.refusal() == f"--folder: {path}{message}"
    assert arrays is None


def test_convert_names_at_most_ten_images_and_escapes_their_names(folder, run):
    files = [f"{CLASSES[0]}/\x1b[31m{k}.jpg" for k in range(12)]
    for name, values in {
        "images.txt": [*files, FILES[0]],
        "image_class_labels.txt": ["1"] * 13,
        "train_test_split.txt": ["1"] * 13,
        "bounding_boxes.txt": ["30 20 40 20"] * 13,
    }.items():
        (folder / name).write_text("".join(f"{k} {v}\n" for k, v in enumerate(values, 1)))
    done, _ = run()
    named = ", ".join(file.replace("\x1b", "\\x1b") for file in sorted(files)[:10])
    assert done.out.endswith(f"\n12 files left out, no such file or directory: {named}, ...\n")


def test_convert_replaces_no_file(folder, call):
    target(folder).write_bytes(b"mine")
    done = call("data.cub", folder, target(folder))
    assert done.refusal() == f"--to: {target(folder)} exists; choose another name, or delete it"
    assert target(folder).read_bytes() == b"mine"


def test_command_line_takes_flags_or_two_arguments(folder, call, tmp_path):
    for k, argv in enumerate(
        [
            lambda to: (folder, to, "--size", "8"),
            lambda to: (folder, f"--to={to}", "--size=8"),
            lambda to: ("--size=8", "--folder", folder, "--to", to),
        ]
    ):
        to = tmp_path / f"{k}.npz"
        assert call("data.cub", *argv(to)).code == 0
        assert to.exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "no flags are given. Type, for example: python -m data.cub CUB_200_2011 birds.npz. "
         "--help lists the flags"),
        (["birds"], "--to: expected a file that ends in .npz, got none"),
        (["birds", "birds.npy"], "--to: expected a file that ends in .npz, got birds.npy"),
        (["birds", "a.npz", "--to=b.npz"], "--to: given twice"),
        (["birds", "a.npz", "c"], "c: not a flag; flags are --name=value"),
        (["--to=a.npz"], "--folder: expected the folder CUB_200_2011 of the extracted archive"),
    ],
)  # fmt: skip
def test_command_line_that_is_invalid_raises_one_line(call, argv, message):
    assert call("data.cub", *argv).refusal() == message


def test_convert_of_the_archive_itself_raises_one_line(tmp_path, call):
    archive = tmp_path / "CUB_200_2011.tgz"
    archive.write_bytes(b"x")
    message = call("data.cub", archive, tmp_path / "a.npz").refusal()
    assert message.endswith(
        "no such file; expected the folder CUB_200_2011 of the extracted archive"
    )
