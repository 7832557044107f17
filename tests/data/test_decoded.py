"""Cache entries: written once and atomically."""

import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from data import decoded, folder
from data.catalogue import load
from errors import UserError
from storage import memory


@pytest.fixture
def photos(tmp_path):
    path = tmp_path / "photos"
    for k, name in enumerate(("a", "a", "b")):
        (path / name).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(k).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path / name / f"{k}.png")
    return path


@pytest.fixture
def no_decoding(monkeypatch):
    """no_decoding() makes any further decoding fail."""

    def refuse(*_, **__):
        raise AssertionError("decoded again")

    def forbid():
        monkeypatch.setattr(folder, "_header", refuse)
        monkeypatch.setattr(folder, "_decode", refuse)

    return forbid


def assert_same(a, b):
    np.testing.assert_array_equal(a.train.images, b.train.images)
    np.testing.assert_array_equal(a.train.labels, b.train.labels)
    assert (a.class_names, a.notes, a.fingerprint) == (b.class_names, b.notes, b.fingerprint)


def test_cache_hit_decodes_nothing_and_maps_the_file(photos, cache, no_decoding):
    (photos / "a" / "broken.png").write_text("text")
    first = load(str(photos))
    no_decoding()
    second = load(str(photos))
    assert_same(first, second)
    assert second.notes == ("1 file left out, neither PNG nor JPEG: a/broken.png",)
    assert isinstance(second.train.images, np.memmap)
    assert not second.train.images.flags.writeable
    (entry,) = cache.iterdir()
    assert sorted(f.name for f in entry.iterdir()) == ["images.npy", "labels.npy", "meta.json"]


def test_cache_of_the_same_content_elsewhere_is_a_hit(photos, tmp_path, no_decoding):
    first = load(str(photos))
    copy = shutil.copytree(photos, tmp_path / "copy")
    (copy / "notes.txt").write_text("not a part of the content")
    no_decoding()
    second = load(str(copy))
    np.testing.assert_array_equal(first.train.images, second.train.images)
    assert second.fingerprint == first.fingerprint
    assert second.name == "copy"
    assert second.notes == ("1 file ignored: not named .png, .jpg or .jpeg",)


def test_cache_of_other_content_is_another_entry(photos, cache):
    prints = [load(str(photos)).fingerprint]
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(photos / "a" / "0.png")
    prints.append(load(str(photos)).fingerprint)
    prints.append(load(str(photos), image_size=4).fingerprint)
    (photos / "b").rename(photos / "A")  # the same images with other labels
    prints.append(load(str(photos)).fingerprint)
    assert len(set(prints)) == 4
    assert len(list(cache.iterdir())) == 4


def replaced(path, content):
    """Replace a file; truncating a mapped file in place would end the process."""
    path.unlink()
    path.write_bytes(content)


def cut(path):
    replaced(path, path.read_bytes()[:-1])


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "meta.json"])
@pytest.mark.parametrize("harm", [cut, os.remove, lambda path: replaced(path, b"")])
def test_cache_with_a_damaged_entry_warns_and_decodes_again(
    photos, cache, no_decoding, name, harm, capsys
):
    first = load(str(photos))
    (entry,) = cache.iterdir()
    harm(entry / name)
    capsys.readouterr()
    assert_same(first, load(str(photos)))
    assert re.match(r"warning: .*: damaged .*; decoding again\n", capsys.readouterr().err)
    no_decoding()
    assert_same(first, load(str(photos)))
    assert list(cache.iterdir()) == [entry]


def test_cache_of_a_killed_process_has_no_entry(photos, cache, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(decoded, "_publish", killed)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            load(str(photos))
    (unfinished,) = cache.iterdir()
    assert unfinished.name.startswith(".unfinished-")
    os.utime(unfinished, (0, 0))
    load(str(photos))
    (entry,) = cache.iterdir()
    assert entry != unfinished


def test_cache_written_by_two_processes_has_one_entry(photos, cache, monkeypatch):
    publish, raced = decoded._publish, []

    def publish_after_another(*args):
        monkeypatch.setattr(decoded, "_publish", publish)
        raced.append(load(str(photos)))
        publish(*args)

    monkeypatch.setattr(decoded, "_publish", publish_after_another)
    late = load(str(photos))
    assert_same(raced[0], late)
    assert_same(late, load(str(photos)))
    assert len(list(cache.iterdir())) == 1


def test_cache_that_cannot_be_written_keeps_images_in_memory(photos, tmp_path, monkeypatch):
    first = load(str(photos))
    (tmp_path / "file").touch()
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "file" / "cache"))
    second = load(str(photos))
    np.testing.assert_array_equal(first.train.images, second.train.images)
    assert second.fingerprint == first.fingerprint
    assert not isinstance(second.train.images, np.memmap)
    assert len(second.notes) == 1
    assert second.notes[0].startswith("kept in memory: cannot write the cache ")


def test_cache_on_a_full_disk_writes_nothing_and_adds_a_note(photos, cache, monkeypatch):
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(total=10, used=10, free=0)
    )
    assert "No space left" in load(str(photos)).notes[0]
    assert list(cache.iterdir()) == []


def test_images_that_fit_neither_disk_nor_memory_raise(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(total=10, used=10, free=0)
    )
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    memory.MEMINFO.write_text("MemAvailable: 1 kB\n")
    decoder = decoded.Decoder(1000, (1024, 1024, 3), (), pytest.fail)
    with pytest.raises(UserError, match=r"1,000 images take 2\.9 GiB, more than the 1\.0 KiB of"):
        decoded.cached("x", ["x"], lambda: decoder, tmp_path)
    assert not cache.exists() or list(cache.iterdir()) == []


def test_size_of_images_above_that_of_an_integer_is_not_taken_as_small(cache, tmp_path):
    decoder = decoded.Decoder(2**62, (8, 8, 3), (), pytest.fail)
    with pytest.raises(UserError, match=r"4,611,686,018,427,387,904 images take .* TiB, more than"):
        decoded.cached("x", ["x"], lambda: decoder, tmp_path)
