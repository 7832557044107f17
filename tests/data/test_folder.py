"""Folders of images made on the fly, with every odd kind of file."""

import io

import numpy as np
import pytest
from PIL import Image

from data import folder
from data.catalogue import check, load
from errors import UserError
from tests.data.cases import SIZE, png_16_bit, random, save


def over_white(values, alpha):
    return values * (alpha / 255) + 255 * (1 - alpha / 255)


def test_load_of_a_flat_folder_has_no_labels(tmp_path):
    images = [random(SIZE, SIZE, 3, seed=seed) for seed in range(3)]
    for name, image in zip(("b.PNG", "a.png", "c.Png"), images, strict=True):
        save(tmp_path / name, image)
    save(tmp_path / ".hidden.png", images[0])
    check(str(tmp_path))
    data = load(str(tmp_path))
    assert data.name == tmp_path.name
    np.testing.assert_array_equal(data.train.images, [images[1], images[0], images[2]])
    assert (data.train.labels, data.test, data.class_names, data.notes) == (None, None, (), ())


def test_load_of_class_folders_sorts_the_classes(tmp_path):
    for k, name in enumerate(("zebra/1.png", "ape/2.png", "ape/1.jpeg", "yak/1.JPG", ".git/1.png")):
        save(tmp_path / name, np.full((SIZE, SIZE, 3), 10 * k, np.uint8))
    data = load(str(tmp_path))
    assert data.class_names == ("ape", "yak", "zebra")
    assert data.train.labels.tolist() == [0, 0, 1, 2]
    assert data.train.labels.dtype == np.int64
    assert data.train.images[:, 0, 0, 0].tolist() == [20, 10, 30, 0]
    assert data.notes == ()


def test_load_of_a_gray_folder_has_one_channel(tmp_path):
    gray = random(SIZE, SIZE)
    deep = random(SIZE, SIZE, dtype=np.uint16)
    alpha = random(SIZE, SIZE, seed=1)
    bits = gray > 127
    save(tmp_path / "1.png", gray)
    save(tmp_path / "2.png", deep)
    save(tmp_path / "3.png", np.dstack([gray, alpha]))
    save(tmp_path / "4.png", Image.fromarray(bits))
    (tmp_path / "5.png").write_bytes(png_16_bit(np.dstack([deep, deep * 0 + 65535])))
    save(tmp_path / "6.png", deep, transparency=int(deep[0, 0]))
    data = load(str(tmp_path))
    assert data.image_shape == (SIZE, SIZE, 1)
    one, two, three, four, five, six = data.train.images[..., 0].astype(float)
    np.testing.assert_array_equal(one, gray)
    np.testing.assert_array_equal(two, np.rint(deep / 257))
    np.testing.assert_allclose(three, over_white(gray, alpha), atol=1)
    np.testing.assert_array_equal(four, bits * 255)
    np.testing.assert_allclose(five, deep / 257, atol=1)
    np.testing.assert_array_equal(six, np.where(deep == deep[0, 0], 255, two))
    assert data.notes == (
        "3 16-bit images scaled to 8 bits",
        "3 LA images composited over white",
        "1 1-bit image converted to gray",
    )


def test_load_of_a_colour_folder_converts_each_kind_of_file(tmp_path):
    rgb, gray = random(SIZE, SIZE, 3), random(SIZE, SIZE)
    alpha = random(SIZE, SIZE, seed=1)
    rgba = np.dstack([rgb, alpha])
    deep = random(SIZE, SIZE, dtype=np.uint16)
    deep_rgb = random(SIZE, SIZE, 3, dtype=np.uint16)
    cmyk = np.full((SIZE, SIZE, 4), (0, 255, 255, 0), np.uint8)
    palette = Image.fromarray(np.uint8(np.arange(SIZE * SIZE).reshape(SIZE, SIZE) % 2), "P")
    palette.putpalette([200, 100, 50, 0, 0, 0])
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    halves = np.zeros((SIZE, SIZE, 3), np.uint8)
    halves[: SIZE // 2] = 255

    files = {
        "01 rgb.png": (rgb, {}),
        "02 rgba.png": (rgba, {}),
        "03 rgba.png": (rgba, {}),
        "04 palette.png": (palette, {"transparency": 1}),
        "05 palette.png": (palette, {}),
        "06 la.png": (np.dstack([gray, alpha]), {}),
        "07 l.png": (gray, {}),
        "08 deep gray.png": (deep, {}),
        "10 cmyk.jpg": (Image.fromarray(cmyk, "CMYK"), {"quality": 100}),
        "11 turned.jpg": (halves, {"exif": exif, "quality": 100}),
        "12 odd size.png": (np.full((20, 12, 3), 77, np.uint8), {}),
        "13 large.jpg": (np.full((32, 32, 3), 77, np.uint8), {"quality": 100}),
        "16 l.jpg": (np.full((SIZE, SIZE), 55, np.uint8), {"quality": 100}),
    }
    for name, (content, options) in files.items():
        save(tmp_path / name, content, **options)
    (tmp_path / "09 deep rgb.png").write_bytes(png_16_bit(deep_rgb))
    whole = io.BytesIO()
    Image.fromarray(random(64, 64, 3)).save(whole, "PNG")
    (tmp_path / "14 truncated.png").write_bytes(whole.getvalue()[:2000])
    (tmp_path / "15 text.png").write_text("not an image")
    (tmp_path / "readme.txt").write_text("a text")

    data = load(str(tmp_path), image_size=SIZE)
    images = data.train.images.astype(float)
    expected = [
        rgb,
        over_white(rgb, alpha[..., None]),
        over_white(rgb, alpha[..., None]),
        np.tile([[[200, 100, 50], [255, 255, 255]]], (SIZE, SIZE // 2, 1)),
        np.tile([[[200, 100, 50], [0, 0, 0]]], (SIZE, SIZE // 2, 1)),
        over_white(gray, alpha)[..., None].repeat(3, 2),
        gray[..., None].repeat(3, 2),
        np.rint(deep / 257)[..., None].repeat(3, 2),
        deep_rgb / 257,
        np.full((SIZE, SIZE, 3), (255, 0, 0)),
        np.rot90(halves, -1),
        np.full((SIZE, SIZE, 3), 77),
        np.full((SIZE, SIZE, 3), 77),
        np.full((SIZE, SIZE, 3), 55),
    ]
    names = sorted([*files, "09 deep rgb.png"])
    for name, image, wanted in zip(names, images, expected, strict=True):
        lossy = ".jpg" in name
        np.testing.assert_allclose(image, wanted, atol=3 if lossy else 1, err_msg=name)
    np.testing.assert_array_equal(images[7], expected[7])
    assert data.notes == (
        "4 gray images repeated over 3 channels",
        "2 16-bit images scaled to 8 bits",
        "2 RGBA images composited over white",
        f"2 images resized to {SIZE} x {SIZE} (Lanczos)",
        "1 CMYK image converted to RGB",
        "1 LA image composited over white",
        "1 image cropped to the centre square",
        "1 image rotated by the EXIF orientation",
        "1 palette image converted to RGB",
        "1 transparent palette image composited over white",
        "1 file left out, neither PNG nor JPEG: 15 text.png",
        "1 file left out, truncated: 14 truncated.png",
        "1 file ignored: not named .png, .jpg or .jpeg",
    )


def test_load_with_broken_files_keeps_labels_with_their_images(tmp_path):
    for name in ("a/1.png", "a/3.png", "b/1.png", "b/3.png"):
        save(tmp_path / name, np.full((SIZE, SIZE), len(name) + ord(name[0]), np.uint8))
    for name in ("a/2.png", "b/2.png"):
        (tmp_path / name).write_bytes(b"")
    data = load(str(tmp_path))
    assert data.train.labels.tolist() == [0, 0, 1, 1]
    values = data.train.images[:, 0, 0, 0]
    assert values[0] == values[1] != values[2] == values[3]
    assert data.notes == ("2 files left out, empty: a/2.png, b/2.png",)


def test_load_with_many_broken_files_names_the_first_ten(tmp_path):
    save(tmp_path / "good.png", random(SIZE, SIZE))
    for k in range(12):
        (tmp_path / f"bad{k:02}.png").write_bytes(b"")
    (note,) = load(str(tmp_path)).notes
    assert note.startswith("12 files left out, empty: bad00.png")
    assert note.endswith("bad09.png, ...")


def test_load_of_more_files_than_a_chunk_keeps_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "_CHUNK", 4)
    for k in range(11):
        save(tmp_path / f"{k:02}.png", np.full((SIZE, SIZE), k, np.uint8))
    assert load(str(tmp_path)).train.images[:, 0, 0, 0].tolist() == list(range(11))


@pytest.mark.parametrize(
    ("shapes", "line"),
    [
        ([(8, 8), (8, 8), (16, 16)], r"8 x 8 \(2\), 16 x 16 \(1\); set image_size=64"),
        ([(8, 12), (8, 12)], r"12 x 8 \(2\); set image_size=64"),
    ],
)
def test_load_of_images_that_are_no_squares_of_one_size_requires_image_size(tmp_path, shapes, line):
    for k, shape in enumerate(shapes):
        save(tmp_path / f"{k}.png", random(*shape))
    with pytest.raises(UserError, match=line):
        load(str(tmp_path))
    assert load(str(tmp_path), image_size=4).image_shape == (4, 4, 1)


def test_load_of_images_beside_class_folders_raises(tmp_path):
    save(tmp_path / "a.png", random(SIZE, SIZE))
    save(tmp_path / "cats" / "a.png", random(SIZE, SIZE))
    for call in (load, check):
        with pytest.raises(UserError, match="1 image beside the class folders cats"):
            call(str(tmp_path))


def test_load_with_a_folder_without_images_adds_a_note(tmp_path):
    save(tmp_path / "a.png", random(SIZE, SIZE))
    (tmp_path / "papers").mkdir()
    assert load(str(tmp_path)).notes == ("1 folder without images: papers",)


def test_load_of_broken_files_alone_raises(tmp_path, cache):
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(
        UserError, match=r"cannot read any of its 1 PNG and JPEG files \(1 neither PNG nor JPEG\)"
    ):
        load(str(tmp_path))
    whole = io.BytesIO()
    Image.fromarray(random(64, 64, 3)).save(whole, "PNG")
    (tmp_path / "a.png").write_bytes(whole.getvalue()[:1000])
    with pytest.raises(UserError, match=r"cannot read any of its 1 .* \(1 truncated\)"):
        load(str(tmp_path))
    assert list(cache.iterdir()) == []


# Gray images among colour images.


def gray_palette(values, alien=None):
    """An image with a palette of 16 grays, the last of which may be a colour that no pixel has."""
    image = Image.fromarray(np.uint8(values % 15), "P")
    grays = [level for k in range(16) for level in (17 * k, 17 * k, 17 * k)]
    image.putpalette(grays[:-3] + list(alien or grays[-3:]))
    return image


@pytest.fixture
def mixed(tmp_path):
    """A folder of two classes: 4 colour files, one of which only looks gray, and 6 gray ones."""
    gray, rgb = random(SIZE, SIZE), random(SIZE, SIZE, 3)
    contents = {
        "a/1 rgb.png": rgb,
        "a/2 l.png": gray,
        "a/3 la.png": np.dstack([gray, gray]),
        "a/4 deep.png": random(SIZE, SIZE, dtype=np.uint16),
        "a/5 looks gray.png": gray[..., None].repeat(3, 2),
        "b/1 bits.png": Image.fromarray(gray > 127),
        "b/2 gray palette.png": gray_palette(gray),
        "b/3 palette.png": gray_palette(gray, alien=(1, 2, 3)),
        "b/4 rgb.jpg": rgb,
        "b/5 l.jpg": gray,
    }
    path = tmp_path / "mixed"
    path.mkdir()
    for name, content in contents.items():
        save(path / name, content)
    return path


def test_load_repeats_gray_images_among_colour_images_over_the_channels(mixed):
    data = load(str(mixed))
    assert len(data.train.images) == 10
    assert data.image_shape == (SIZE, SIZE, 3)
    gray = data.train.images[[1, 2, 3, 5, 6, 9]]
    assert (gray == gray[..., :1]).all()
    np.testing.assert_array_equal(gray[0, ..., 0], random(SIZE, SIZE))
    np.testing.assert_array_equal(gray[4, ..., 0], random(SIZE, SIZE) % 15 * 17)
    assert data.notes[0] == "6 gray images repeated over 3 channels"
    assert load(str(mixed), gray="convert").fingerprint == data.fingerprint


def test_gray_skip_omits_gray_images_and_their_labels(mixed, cache):
    whole = load(str(mixed))
    data = load(str(mixed), gray="skip")
    np.testing.assert_array_equal(data.train.images, whole.train.images[[0, 4, 7, 8]])
    assert data.train.labels.tolist() == [0, 0, 1, 1]
    assert data.notes == (
        "1 palette image converted to RGB",
        "6 gray images left out: a/2 l.png, a/3 la.png, a/4 deep.png, b/1 bits.png, "
        "b/2 gray palette.png, b/5 l.jpg",
    )
    assert data.fingerprint != whole.fingerprint
    assert len(list(cache.iterdir())) == 2


def test_gray_of_each_choice_is_cached_separately(mixed, monkeypatch):
    choices = ("convert", "skip")
    decoded = [load(str(mixed), gray=choice) for choice in choices]
    monkeypatch.setattr(folder, "_decode", None)
    for choice, data in zip(choices, decoded, strict=True):
        again = load(str(mixed), gray=choice)
        np.testing.assert_array_equal(again.train.images, data.train.images)
        assert (again.notes, again.fingerprint) == (data.notes, data.fingerprint)


def test_gray_skip_ignores_the_size_of_omitted_images(mixed):
    save(mixed / "a" / "6 large.png", random(2 * SIZE, SIZE))
    with pytest.raises(UserError, match=r"not squares of one size .* set image_size=64"):
        load(str(mixed))
    assert load(str(mixed), gray="skip").image_shape == (SIZE, SIZE, 3)


def test_gray_skip_notes_gray_and_broken_files_separately(mixed):
    (mixed / "b" / "0 text.png").write_text("text")
    notes = load(str(mixed), gray="skip").notes
    assert notes[-2].startswith("6 gray images left out: ")
    assert notes[-1] == "1 file left out, neither PNG nor JPEG: b/0 text.png"


def test_gray_without_gray_images_returns_the_same_for_each_choice(tmp_path):
    save(tmp_path / "1.png", random(SIZE, SIZE, 3))
    data = [load(str(tmp_path), gray=choice) for choice in ("convert", "skip")]
    assert data[0].fingerprint == data[1].fingerprint
    assert data[0].notes == data[1].notes == ()


def test_load_of_gray_palettes_has_one_channel(tmp_path):
    gray = random(SIZE, SIZE)
    save(tmp_path / "1.png", gray_palette(gray))
    save(tmp_path / "2.png", gray_palette(gray), transparency=3)
    data = load(str(tmp_path))
    assert data.image_shape == (SIZE, SIZE, 1)
    plain, transparent = data.train.images[..., 0]
    np.testing.assert_array_equal(plain, gray % 15 * 17)
    np.testing.assert_array_equal(transparent, np.where(gray % 15 == 3, 255, plain))
    assert data.notes == (
        "1 palette image converted to gray",
        "1 transparent palette image composited over white",
    )


def test_gray_skip_of_gray_images_alone_raises_one_line(tmp_path, cache):
    for k in range(3):
        save(tmp_path / f"{k}.png", random(SIZE, SIZE, seed=k))
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(
        UserError, match=r"^gray: skip leaves no image: all 3 images of .* are gray"
    ) as refusal:
        load(str(tmp_path), gray="skip")
    assert str(tmp_path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert list(cache.iterdir()) == []
    assert load(str(tmp_path)).image_shape == (SIZE, SIZE, 1)


def test_load_by_the_first_rules_has_the_pixels_of_earlier_versions(tmp_path):
    """The fingerprint is that of the version before the second rules."""
    blocks = np.kron(np.array([[10, 90], [170, 250]], np.uint8), np.ones((8, 8), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    palette = Image.fromarray(random(16, 16) % 4, "P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 9, 80, 200])
    whole = io.BytesIO()
    Image.fromarray(random(16, 16, 3)).save(whole, "PNG")
    for name in ("1", "2", "10"):
        (tmp_path / name).mkdir()
    save(tmp_path / "10" / "turned.jpg", blocks, exif=exif, quality=100)
    save(tmp_path / "10" / "la.png", Image.fromarray(random(16, 16, 2), "LA"))
    save(tmp_path / "10" / "palette.png", palette, transparency=1)
    (tmp_path / "2" / "gray.png").write_bytes(png_16_bit(random(16, 16, 1, dtype=np.uint16)))
    (tmp_path / "2" / "colour.png").write_bytes(png_16_bit(random(16, 16, 3, dtype=np.uint16)))
    (tmp_path / "2" / "cut.png").write_bytes(whole.getvalue()[:400])
    save(tmp_path / "1" / "whole.png", random(16, 16, 3, seed=1))
    old = load(str(tmp_path), rules=1)
    assert old.class_names == ("1", "10", "2")
    assert old.fingerprint == "11bf5ebe83d87f0a005102aeed6314ce7bb15e45280fdf8cfacfa9cd7f0dec52"
    assert load(str(tmp_path)).fingerprint != old.fingerprint
