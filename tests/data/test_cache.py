"""List of the entries of the cache, and their deletion: python -m data.cache."""

import json
import os
import pathlib
import re
import shutil
import time

import numpy as np
import pytest

from data import ImageData, Split, decoded, digests
from data import cache as command
from data.catalogue import load
from data.image_data import fingerprint
from evaluation.features import Extractor, classifier
from evaluation.reference import Reference
from storage import packages
from storage.files import write_npz
from tests.data.cases import SIZE, random, save

HEX = "0123456789abcdef" * 4
DAY = 24 * 3600


@pytest.fixture
def photos(tmp_path, monkeypatch, cache):
    """A folder of three images, which is loaded: the cache has its pixels and its files."""
    monkeypatch.setattr(digests, "_SAME_TIME", -60.0)
    for k in range(3):
        save(tmp_path / "photos" / f"{k}.png", random(SIZE, SIZE, seed=k))
    load(str(tmp_path / "photos"))
    return tmp_path / "photos"


@pytest.fixture
def statistics(cache):
    """The statistics of three images by their pixels."""
    split = Split(np.arange(48, dtype=np.uint8).reshape(3, 4, 4, 1))
    data = ImageData("Set", split, None, (), fingerprint(split, None))
    network = Extractor("pixels", "00", "none", 16, lambda x: (np.float32(x).reshape(-1, 16), None))
    assert Reference(data, "test", network).statistics.n == 3
    (path,) = (cache / "statistics").iterdir()
    return path


@pytest.fixture
def of_birds(cache):
    """The file of a classifier; the list reads its description only."""
    path = classifier.cached_file(HEX)
    write_npz(path, {"description": json.dumps({"dataset": "birds", "gray": False})})
    return path


@pytest.fixture
def run(call):
    """run("--prune") -> the lines of the output without sizes and days."""

    def run(*argv):
        done = call("data.cache", *argv)
        assert (done.code, done.err) == (0, "")
        lines = done.out.splitlines()
        return [re.sub(r"^ +[\d.,]+ \w+  \d{4}-\d\d-\d\d  ", "  ", line) for line in lines]

    return run


def titles(lines):
    """The titles of the output with their numbers, without sizes."""
    return [line.rpartition(", ")[0] for line in lines if not line.startswith("  ")]


def files(folder):
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def age(path, days):
    os.utime(path, (time.time() - days * DAY,) * 2)


def test_list_names_each_entry_and_deletes_none(cache, photos, statistics, of_birds, run, call):
    (cache / "features").mkdir()
    (cache / "features" / "pt_inception-2015-12-05-6726825d.pth").write_bytes(b"x" * 2048)
    before = files(cache)
    lines = run()
    assert titles(lines) == [f"{cache}: 5 entries", "to be deleted by --prune: 0 entries"]
    assert lines[1:-1] == [
        f"  decoded images of photos, {SIZE} x {SIZE} x 1 ({photos})",
        "  classifier of birds",
        "  downloaded feature network pt_inception-2015-12-05-6726825d.pth",
        f"  sizes and times of 3 files of {photos}",
        "  statistics of pixels features of Set, train",
    ]
    total = sum(path.stat().st_size for path in before)
    out = call("data.cache").out
    assert out.startswith(f"{cache}: 5 entries, {total / 1024:.1f} KiB\n")
    assert f"\n       2.0 KiB  {time.strftime('%Y-%m-%d')}  downloaded feature network" in out
    assert titles(run("--prune")) == [f"{cache}: 5 entries", "deleted: 0 entries"]
    assert files(cache) == before


def test_list_of_no_cache_is_empty(cache, run):
    for _ in range(2):
        assert run("--prune", "--all") == [
            f"{cache}: 0 entries, 0 bytes left",
            "deleted: 0 entries, 0 bytes",
        ]
        cache.mkdir(exist_ok=True)


def test_prune_deletes_the_entries_of_a_folder_that_is_gone(cache, photos, statistics, run):
    copy = shutil.copytree(photos, photos.parent / "copy")
    load(str(copy))
    shutil.rmtree(photos)
    lines = run("--prune")
    assert titles(lines) == [f"{cache}: 3 entries", "deleted: 1 entry"]
    assert lines[1] == f"  decoded images of photos, {SIZE} x {SIZE} x 1 ({copy})"
    assert lines[-1] == f"  sizes and times of files: {photos} is gone"
    shutil.rmtree(copy)
    assert run()[-2:] == [
        f"  decoded images: {copy} is gone", f"  sizes and times of files: {copy} is gone",
    ]  # fmt: skip
    run("--prune")
    assert files(cache) == [statistics]
    assert [path.name for path in cache.iterdir() if path.name != "files"] == ["statistics"]


def cut(path):
    content = path.read_bytes()
    path.unlink()  # truncating a mapped file in place would end the process
    path.write_bytes(content[:-1])


def edited(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda entry, record, _: cut(entry / "images.npy"), "decoded images"),
        (lambda entry, record, _: (entry / "meta.json").unlink(), "decoded images"),
        (lambda entry, record, _: edited(entry / "meta.json", format=0), "decoded images"),
        (lambda entry, record, _: record.write_text('{"1.png": []}'), "sizes and times of files"),
        (lambda entry, record, statistics: cut(statistics), "statistics of features"),
        (lambda entry, record, statistics: write_npz(statistics, {"count": 3}),
         "statistics of features"),
    ],
)  # fmt: skip
def test_prune_deletes_what_is_damaged_or_of_another_version(
    cache, photos, statistics, run, damage, text
):
    (record,) = (cache / "files").iterdir()
    (entry,) = (path for path in cache.iterdir() if path.name not in command.KINDS)
    damage(entry, record, statistics)
    assert run()[-1] == f"  {text}: damaged or of another version"
    assert run("--prune")[-1] == f"  {text}: damaged or of another version"
    assert titles(run()) == [f"{cache}: 2 entries", "to be deleted by --prune: 0 entries"]
    assert load(str(photos)).train.images.shape == (3, SIZE, SIZE, 1)


def test_statistics_of_another_version_are_deleted_and_older_ones_without_a_name_kept(
    cache, statistics, run
):
    with np.load(statistics) as archive:
        arrays = dict(archive)
    write_npz(statistics.with_name(f"{HEX}.npz"), arrays | {"description": '{"format": 0}'})
    del arrays["description"]
    write_npz(statistics, arrays)
    assert run("--prune")[1] == "  statistics of features of images that are not recorded"
    assert files(cache) == [statistics]


def test_entries_of_an_earlier_version_are_kept_and_named_at_their_next_use(cache, photos, run):
    (entry,) = (path for path in cache.iterdir() if path.name not in command.KINDS)
    meta = json.loads((entry / "meta.json").read_text())
    new = {"format": meta.pop("format"), "name": meta.pop("name"), "sources": meta.pop("sources")}
    assert new == {"format": decoded.FORMAT, "name": "photos", "sources": [str(photos)]}
    (entry / "meta.json").write_text(json.dumps(meta))
    text = f"  decoded images of a data set that is not recorded, {SIZE} x {SIZE} x 1"
    assert run("--prune")[1] == text
    load(str(photos))
    assert run()[1] == f"{text} ({photos})"


def test_older_than_counts_the_days_since_the_last_use(cache, photos, statistics, of_birds, run):
    for path in files(cache):
        age(path, 40)
    for path in cache.iterdir():
        age(path, 40)
    load(str(photos))
    assert titles(run("--older_than=41"))[1] == "to be deleted by --prune: 0 entries"
    assert titles(run())[1] == "to be deleted by --prune: 0 entries"
    lines = run("--prune", "--older_than=39")
    assert lines[-2:] == ["  classifier of birds", "  statistics of pixels features of Set, train"]
    assert titles(lines) == [f"{cache}: 2 entries", "deleted: 2 entries"]


def test_all_deletes_all_entries_but_nothing_that_is_not_of_the_cache(
    cache, photos, statistics, of_birds, run, tmp_path
):
    outside = tmp_path / "outside"
    for name in (f"{HEX}.npz", "meta.json", "images.npy"):
        (outside / name).parent.mkdir(exist_ok=True)
        (outside / name).write_text("mine")
    before = files(outside)
    mine = [
        cache / "notes.txt", cache / "statistics" / "mine.npz", cache / HEX / "mine.txt",
        cache / "classifiers" / "sub" / "a", cache / "weights" / "other.safetensors",
        cache / "features" / "mine.pth",
    ]  # fmt: skip
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    (cache / "files" / f"{HEX}.json").symlink_to(outside / "meta.json")
    (cache / f"{'0' * 64}").symlink_to(outside)
    (cache / f"{'1' * 64}").mkdir()
    (cache / f"{'1' * 64}" / "meta.json").symlink_to(outside / "meta.json")
    lines = run("--prune", "--all")
    assert titles(lines)[:2] == [f"{cache}: 0 entries", "deleted: 4 entries"]
    assert lines[-1] == (
        f"not of the cache, and kept: {'0' * 64}, {HEX}, {'1' * 64}, classifiers/sub, "
        f"features/mine.pth, files/{HEX}.json, notes.txt, statistics/mine.npz, "
        "weights/other.safetensors"
    )
    assert [path for path in files(cache) if not path.is_symlink()] == sorted(mine)
    assert files(outside) == before


def test_cache_whose_folder_of_a_kind_is_a_link_is_not_followed(cache, statistics, run, tmp_path):
    moved = (cache / "statistics").rename(tmp_path / "elsewhere")
    (cache / "statistics").symlink_to(moved)
    assert run("--prune", "--all")[-1] == "not of the cache, and kept: statistics"
    assert len(files(moved)) == 1


def test_temporary_files_are_kept_for_a_day(cache, statistics, run):
    leftovers = [
        cache / ".unfinished-1" / "images.npy",
        statistics.with_name(f".0123abcd.tmp.{HEX}.npz"),
        cache / "features" / ".download-x" / "part",
    ]
    for path in leftovers:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"part")
    lines = run("--prune", "--all")
    assert titles(lines) == [f"{cache}: 3 entries", "deleted: 1 entry"]
    assert {*lines[1:4]} == {f"  {command.WRITTEN}"}
    for path in leftovers:
        age(path, 1.01)
        age(path.parent, 1.01)
    lines = run("--prune")
    assert titles(lines)[1] == "deleted: 3 entries"
    assert lines[-1] == "  unfinished: left by a killed process"
    assert files(cache) == []


def test_process_that_reads_an_entry_keeps_its_images(cache, photos, run):
    images = load(str(photos)).train.images
    before = np.array(images)
    run("--prune", "--all")
    assert files(cache) == []
    np.testing.assert_array_equal(images, before)
    assert isinstance(images, np.memmap)
    load(str(photos))
    assert titles(run())[0] == f"{cache}: 2 entries"


def test_weights_of_a_shipped_model_are_named_and_deleted_if_damaged(cache, run, monkeypatch):
    monkeypatch.setattr(packages, "index", lambda: {"small": {"sha256": HEX, "bytes": 5}})
    path = cache / "weights" / "small.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"12345")
    assert run("--prune")[1] == "  weights of small"
    path.write_bytes(b"1234")
    assert run("--prune")[-1] == "  weights: damaged or of another version"
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may delete everything")
def test_prune_without_permission_is_one_line_after_the_list(cache, statistics, call):
    statistics.parent.chmod(0o500)
    done = call("data.cache", "--prune", "--all")
    statistics.parent.chmod(0o700)
    assert done.refusal() == f"--prune: cannot delete {statistics} (Permission denied)"
    assert done.out.splitlines()[-1] == "deleted: 0 entries, 0 bytes"


def test_prune_of_a_file_system_that_refuses_is_one_line_after_the_list(
    cache, statistics, of_birds, call, monkeypatch
):
    def refuse(path, *_, **__):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(pathlib.Path, "unlink", refuse)
    done = call("data.cache", "--prune", "--all")
    assert done.refusal() == (
        f"--prune: cannot delete {of_birds}, and 1 more (Read-only file system)"
    )
    assert titles(done.out.splitlines()) == [f"{cache}: 2 entries", "deleted: 0 entries"]


def test_cache_that_is_a_file_is_one_line(tmp_path, call, monkeypatch):
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    message = call("data.cache").refusal()
    assert message == f"{tmp_path}/file: cannot read it (Not a directory)"


def test_names_are_printed_without_control_characters(cache, of_birds, run):
    write_npz(of_birds, {"description": json.dumps({"dataset": "\x1b[31mred"})})
    assert run()[1] == "  classifier of \\x1b[31mred"


def test_older_than_with_all_is_one_line(call):
    assert call("data.cache", "--all", "--older_than=3").refusal() == (
        "--older_than: has no effect with --all; omit one of them"
    )


def test_module_runs_without_a_warning(python, tmp_path):
    done = python("-W", "error", "-m", "data.cache", GAN_ZOO_CACHE=str(tmp_path / "none"))
    assert (done.code, done.err) == (0, "")
