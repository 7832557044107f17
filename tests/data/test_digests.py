"""Files whose sizes and times are those of the last time are not read again."""

import hashlib
import os

import pytest

from data import digests
from data.catalogue import load
from storage.cache import FILES
from tests.data.cases import SIZE, random, save


@pytest.fixture
def read(monkeypatch):
    """The number of files that were read for their SHA-256, in a list."""
    file_digest, counts = hashlib.file_digest, [0]

    def counted(*args):
        counts[0] += 1
        return file_digest(*args)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    return counts


@pytest.fixture
def settled(monkeypatch):
    """The files of a test count as older than they are."""
    monkeypatch.setattr(digests, "_SAME_TIME", -60.0)


@pytest.fixture
def photos(tmp_path):
    for k, name in enumerate(("a/1.png", "a/2.png", "b/1.png", os.fsdecode(b"b/\xff.png"))):
        save(tmp_path / "photos" / name, random(SIZE, SIZE, seed=k))
    return tmp_path / "photos"


@pytest.fixture(autouse=True)
def folder(tmp_path):
    (tmp_path / "photos").mkdir()


def records(cache):
    return list((cache / FILES).glob("*")) if (cache / FILES).exists() else []


def test_load_reads_the_bytes_of_unchanged_files_once(photos, cache, read, settled):
    first = load(str(photos))
    assert read == [4]
    assert load(str(photos)).fingerprint == first.fingerprint
    (photos / "a" / ".." / "b").touch()
    assert load(str(photos / "..") + "/photos").fingerprint == first.fingerprint
    assert read == [4]
    assert len(records(cache)) == 1


def test_load_reads_the_bytes_of_changed_files_only(photos, read, settled):
    first = load(str(photos))
    path = photos / "a" / "2.png"
    before = path.stat()
    content = random(SIZE, SIZE, seed=9)
    save(path, content, compress_level=0)
    path.write_bytes(path.read_bytes()[: before.st_size].ljust(before.st_size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert load(str(photos)).fingerprint != first.fingerprint
    assert read == [5]
    (photos / "b" / "1.png").rename(photos / "b" / "0.png")
    save(photos / "b" / "2.png", content)
    assert load(str(photos)).class_counts()["b"] == 3
    assert read == [7]


def test_load_reads_recently_changed_files_again(photos, cache, read):
    fingerprints = {load(str(photos)).fingerprint for _ in range(2)}
    assert (read, len(fingerprints), records(cache)) == ([8], 1, [])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 9999,
        b'{"a/1.png": [[1], "zz"]}',
        b'{"folder": "x", "files": {"a/1.png": [[1], "zz"]}}',
        b'{"folder": "x", "files": 3}',
        b'{"folder": 3, "files": {}}',
        b'{"folder": "x", "files": {"a/1.png": 3}}',
    ],
)
def test_load_with_a_damaged_record_reads_all_files(photos, cache, read, settled, content):
    first = load(str(photos))
    (record,) = records(cache)
    record.write_bytes(content)
    assert load(str(photos)).fingerprint == first.fingerprint
    assert read == [8]
    load(str(photos))
    assert read == [8]
