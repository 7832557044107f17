"""PNG and JPEG files of any origin: what can be read is read, the rest has a reason."""

import io
import os
import zlib

import numpy as np
import pytest
from PIL import Image

from data import folder, opening
from data.catalogue import load
from errors import UserError
from tests.data.cases import SIGNATURE, SIZE, chunk, png_16_bit, random, save


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def with_chunk(content, extra, at_end=False):
    """A PNG file with a further chunk, after its header or before its end."""
    position = len(content) - 12 if at_end else len(SIGNATURE) + 25
    return content[:position] + extra + content[position:]


def text(size):
    return chunk(b"zTXt", b"comment\0\0" + zlib.compress(b"x" * size))


def profile(size):
    return chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"x" * size))


def bad_checksum():
    return chunk(b"tEXt", b"comment\0hello")[:-4] + b"\0\0\0\0"


@pytest.mark.parametrize("extra", [text(2**21), profile(2**21), bad_checksum()])
@pytest.mark.parametrize("at_end", [False, True])
def test_load_reads_the_pixels_of_a_png_with_chunks_that_are_too_large_or_damaged(
    tmp_path, extra, at_end
):
    pixels = random(SIZE, SIZE, 3)
    (tmp_path / "a.png").write_bytes(with_chunk(encoded(pixels), extra, at_end))
    data = load(str(tmp_path))
    np.testing.assert_array_equal(data.train.images, [pixels])
    assert data.notes == ()


def test_large_file_with_an_error_is_not_read_as_a_whole(tmp_path, monkeypatch):
    save(tmp_path / "a.png", random(SIZE, SIZE))
    content = with_chunk(encoded(random(SIZE, SIZE)), text(2**21))
    (tmp_path / "b.png").write_bytes(content)
    (tmp_path / "c.png").write_bytes(content[:-20])
    monkeypatch.setattr(opening, "_REPAIRED", len(content) - 21)
    assert load(str(tmp_path)).notes == (
        "1 file left out, damaged: b.png",
        "1 file left out, truncated: c.png",
    )


def test_file_that_exceeds_the_memory_is_left_out(tmp_path, monkeypatch):
    save(tmp_path / "a.png", random(SIZE, SIZE))
    (tmp_path / "b.png").write_bytes(with_chunk(encoded(random(SIZE, SIZE)), text(2**21)))

    def essential(content):
        raise MemoryError

    monkeypatch.setattr(opening, "_essential", essential)
    assert load(str(tmp_path)).notes == ("1 file left out, too large for the memory: b.png",)


def test_load_by_the_first_rules_leaves_out_a_png_with_a_large_text(tmp_path):
    save(tmp_path / "a.png", random(SIZE, SIZE))
    (tmp_path / "b.png").write_bytes(with_chunk(encoded(random(SIZE, SIZE)), text(2**21)))
    assert len(load(str(tmp_path)).train.images) == 2
    old = load(str(tmp_path), rules=1)
    assert len(old.train.images) == 1
    assert old.notes == ("1 file left out, damaged: b.png",)


def test_load_applies_the_orientation_of_a_png_with_a_large_text(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    pixels = random(SIZE, SIZE)
    (tmp_path / "a.png").write_bytes(with_chunk(encoded(pixels, exif=exif), text(2**21)))
    np.testing.assert_array_equal(load(str(tmp_path)).train.images[0, ..., 0], pixels[::-1, ::-1])


def test_load_counts_the_files_that_are_left_out_by_reason(tmp_path):
    pixels = random(64, 64, 3)
    whole = encoded(pixels)
    damaged = bytearray(whole)
    damaged[len(SIGNATURE) + 12] ^= 255  # in the header, which has a checksum
    files = {
        "bmp.png": encoded(pixels, "BMP"),
        "cut.jpg": encoded(pixels, "JPEG")[:1500],
        "cut.png": whole[:2000],
        "cut header.png": whole[:20],
        "damaged.png": bytes(damaged),
        "empty.png": b"",
        "gif 1.png": encoded(pixels[..., 0], "GIF"),
        "gif 2.jpg": encoded(pixels[..., 0], "GIF"),
        "heic.jpg": b"\0\0\0\x18ftypheic" + bytes(100),
        "html.jpg": b"<!DOCTYPE html><html>404</html>",
        "tiff.png": encoded(pixels, "TIFF"),
        "webp.png": encoded(pixels, "WEBP"),
        "words.png": b"no image",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "jpeg inside.png").write_bytes(encoded(pixels, "JPEG"))
    data = load(str(tmp_path))
    assert data.train.images.shape == (1, 64, 64, 3)
    assert data.notes == (
        "3 files left out, truncated: cut header.png, cut.jpg, cut.png",
        "2 files left out, GIF inside: gif 1.png, gif 2.jpg",
        "1 file left out, BMP inside: bmp.png",
        "1 file left out, HEIC inside: heic.jpg",
        "1 file left out, HTML inside: html.jpg",
        "1 file left out, TIFF inside: tiff.png",
        "1 file left out, WebP inside: webp.png",
        "1 file left out, damaged: damaged.png",
        "1 file left out, empty: empty.png",
        "1 file left out, neither PNG nor JPEG: words.png",
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_load_names_files_without_permission(tmp_path):
    save(tmp_path / "a.png", random(SIZE, SIZE))
    save(tmp_path / "b.png", random(SIZE, SIZE))
    (tmp_path / "b.png").chmod(0)
    assert load(str(tmp_path)).notes == ("1 file left out, permission denied: b.png",)


def test_load_leaves_out_files_with_too_many_pixels_before_it_decodes_them(tmp_path):
    save(tmp_path / "a.png", random(SIZE, SIZE))
    save(tmp_path / "b.png", random(SIZE, SIZE + 1))
    # 16 GB of pixels if it were decoded.
    bomb = chunk(b"IHDR", b"\0\1\0\0\0\1\0\0\x08\x06\0\0\0") + chunk(b"IDAT", zlib.compress(b""))
    (tmp_path / "bomb.png").write_bytes(SIGNATURE + bomb + chunk(b"IEND", b""))
    data = load(str(tmp_path), max_image_pixels=SIZE * SIZE)
    assert len(data.train.images) == 1
    assert data.notes == (
        "2 files left out, with more than 64 pixels; raise max_image_pixels: b.png, bomb.png",
    )
    few = load(str(tmp_path), image_size=SIZE)
    assert few.notes[-1] == (
        "1 file left out, with more than 89,000,000 pixels; raise max_image_pixels: bomb.png"
    )
    with pytest.raises(
        UserError, match=r"cannot read any of its 3 .* \(3 with more than 1 pixels; raise"
    ):
        load(str(tmp_path), max_image_pixels=1)


def test_load_with_more_pixels_than_those_of_pillow_reads_them(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    pixels = random(SIZE, 3 * SIZE, 4)
    pixels[..., 3] = 255
    save(tmp_path / "a.png", pixels)
    data = load(str(tmp_path), image_size=SIZE)
    assert data.notes == (
        "1 RGBA image composited over white",
        "1 image cropped to the centre square",
    )
    np.testing.assert_array_equal(data.train.images[0], pixels[:, SIZE : 2 * SIZE, :3])


@pytest.mark.parametrize("options", [{"max_image_pixels": 10}, {"bits": 12}])
def test_options_of_folders_raise_for_other_data_sets(tmp_path, options):
    np.savez(tmp_path / "a.npz", x_train=random(3, SIZE, SIZE))
    for name in ("MNIST", str(tmp_path / "a.npz")):
        with pytest.raises(UserError, match=r"^(bits|max_image_pixels): requires "):
            load(name, **options)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [None, 12])
def test_load_of_12_bits_in_16_stretches_them(tmp_path, channels, bits):
    values = random(SIZE, SIZE, channels, dtype=np.uint16) % 4096
    values[0, 0] = 4095
    if channels in (2, 4):
        values[..., -1] = 65535
    (tmp_path / "a.png").write_bytes(png_16_bit(values))
    data = load(str(tmp_path), bits=bits)
    gray = values[..., :1] if channels < 3 else values[..., :3]
    # Without `bits`, Pillow takes the upper byte of colours.
    expected = np.rint(gray / 4095 * 255) if bits else gray / 257
    np.testing.assert_allclose(data.train.images[0], expected, atol=0 if bits else 1)
    note = (
        "the 16-bit images have values below 4,096 (12 bits); if they are of 12 bits, set bits=12"
    )
    assert (note in data.notes) == (bits is None)


def test_bits_without_16_bit_images_raises_before_they_are_decoded(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(folder, "_decode", lambda *args, **kwargs: pytest.fail("decoded"))
    save(tmp_path / "a.png", random(SIZE, SIZE))
    with pytest.raises(UserError, match=r"^bits: has no effect: .* has no image of 16 bits"):
        load(str(tmp_path), bits=12)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("orientation", range(10))
def test_load_turns_images_of_the_orientations_2_to_8_only(tmp_path, orientation):
    pixels = random(SIZE, SIZE)
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / "a.png", pixels, exif=exif)
    turned = [pixels[:, ::-1], pixels[::-1, ::-1], pixels[::-1], pixels.T, np.rot90(pixels, -1),
              pixels[::-1, ::-1].T, np.rot90(pixels)]  # fmt: skip
    data = load(str(tmp_path))
    expected = turned[orientation - 2] if 2 <= orientation <= 8 else pixels
    np.testing.assert_array_equal(data.train.images[0, ..., 0], expected)
    notes = ("1 image rotated by the EXIF orientation",) if 2 <= orientation <= 8 else ()
    assert data.notes == notes
