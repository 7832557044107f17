"""Files: atomic writes, JSON, and the cache directory."""

import json
import os
import tracemalloc

import numpy as np
import pytest

from storage.cache import cache_directory
from storage.files import replacing, write_atomically, write_json, write_npz, write_npz_in_parts


@pytest.mark.parametrize(
    ("content", "read"), [("two\nlines, ü", "two\nlines, ü".encode()), (b"\x00\xff\r\n", None)]
)
def test_write_atomically_writes_text_and_bytes_unchanged(tmp_path, content, read):
    write_atomically(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == (content if read is None else read)


def test_write_atomically_makes_missing_folders(tmp_path):
    write_atomically(str(tmp_path / "a" / "b" / "file"), "x")
    assert (tmp_path / "a" / "b" / "file").read_text() == "x"


def test_write_atomically_leaves_open_readers_of_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, "old")
    with path.open() as reader:
        write_atomically(path, "new and longer")
        assert reader.read() == "old"
    assert path.read_text() == "new and longer"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_write_atomically_that_fails_keeps_the_old_file_only(tmp_path, monkeypatch, failing):
    path = tmp_path / "file"
    write_atomically(path, "old")

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_write_atomically_interrupted_leaves_no_file(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", "new")
    assert os.listdir(tmp_path) == []


def test_write_atomically_syncs_before_it_replaces(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    write_atomically(tmp_path / "file", "x")
    assert calls == ["fsync", "replace"]


def test_write_json_indents_and_keeps_the_order(tmp_path):
    value = {"b": [1, 2.5, None], "a": {"text": "x"}}
    write_json(tmp_path / "value.json", value)
    text = (tmp_path / "value.json").read_text()
    assert json.loads(text) == value
    assert text.index('"b"') < text.index('"a"')
    assert text.startswith('{\n  "b"')
    assert text.endswith("}\n")


def test_write_json_of_an_unsupported_value_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "value.json", [1])
    with pytest.raises(TypeError):
        write_json(tmp_path / "value.json", [object()])
    assert json.loads((tmp_path / "value.json").read_text()) == [1]
    assert os.listdir(tmp_path) == ["value.json"]


def test_cache_directory_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_ZOO_CACHE", "/elsewhere")
    assert str(cache_directory()) == "/elsewhere"
    monkeypatch.delenv("GAN_ZOO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert str(cache_directory()) == "/xdg/gan-zoo"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "gan-zoo"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_replacing_that_fails_leaves_the_old_content_only(tmp_path, kind):
    path = tmp_path / "result.keras"

    def write(target, text):
        if kind == "folder":
            target.mkdir()
            target = target / "part"
        target.write_text(text)

    with replacing(path) as temporary:
        write(temporary, "old")
        assert temporary.name.endswith("result.keras")
        assert not path.exists()

    def fail():
        with replacing(path) as temporary:
            write(temporary, "half")
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        fail()
    assert os.listdir(tmp_path) == ["result.keras"]
    assert (path / "part" if kind == "folder" else path).read_text() == "old"
    with replacing(path) as temporary:
        write(temporary, "new")
    assert (path / "part" if kind == "folder" else path).read_text() == "new"


def in_parts(path, arrays):
    """Write the arrays, uint8, each in parts of two rows."""
    ((name, array),) = arrays.items()
    array = array.astype(np.uint8)
    write_npz_in_parts(path, name, array.shape, (array[k : k + 2] for k in range(0, len(array), 2)))


@pytest.mark.parametrize("write", [write_npz, in_parts])
def test_write_npz_that_fails_leaves_the_old_arrays(tmp_path, monkeypatch, write):
    path = tmp_path / "arrays.npz"
    write(path, {"a": np.arange(3)})
    monkeypatch.setattr(os, "fsync", lambda fd: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(path, {"a": np.arange(4)})
    assert os.listdir(tmp_path) == ["arrays.npz"]
    with np.load(path) as arrays:
        np.testing.assert_array_equal(arrays["a"], np.arange(3))


def test_npz_in_parts_is_that_of_numpy_and_has_one_part_in_memory(tmp_path):
    part = np.random.default_rng(0).integers(0, 256, (1, 2**20), np.uint8)
    tracemalloc.start()
    write_npz_in_parts(tmp_path / "a.npz", "images", (24, 2**20), (part for _ in range(24)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 2**20
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert arrays.files == ["images"]
        np.testing.assert_array_equal(arrays["images"], part.repeat(24, axis=0))


@pytest.mark.parametrize("shape", [(5, 3), (3, 3), (4, 2)])
def test_npz_in_parts_of_another_shape_raises_and_leaves_no_file(tmp_path, shape):
    with pytest.raises(ValueError, match="expected"):
        write_npz_in_parts(tmp_path / "a.npz", "a", shape, [np.zeros((2, 3), np.uint8)] * 2)
    assert os.listdir(tmp_path) == []
