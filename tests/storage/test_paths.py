"""Check that a folder can be written, before the work of a script."""

import os
import subprocess

import pytest

from errors import UserError
from storage import paths
from storage.paths import require_writable

ADVICE = "Choose another directory"


def message(folder):
    with pytest.raises(UserError) as error:
        require_writable(folder, "outdir")
    assert error.value.option == "outdir"
    return error.value.message


@pytest.mark.parametrize("below", ["", "a", "a/b"])
def test_require_writable_of_a_folder_that_can_be_made_writes_nothing(tmp_path, below):
    require_writable(tmp_path / below, "outdir")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("below", ["", "a", "a/b"])
def test_require_writable_names_the_file_in_the_place_of_a_folder(tmp_path, below):
    (tmp_path / "file").touch()
    expected = f"{tmp_path}/file: is a file, not a folder. {ADVICE}"
    assert message(tmp_path / "file" / below) == expected


def test_require_writable_names_a_link_to_a_missing_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "missing")
    expected = f"{tmp_path}/link: is a link to a missing folder. {ADVICE}"
    assert message(tmp_path / "link" / "run") == expected


@pytest.mark.parametrize("below", ["", "a/b"])
def test_require_writable_of_a_folder_without_permission_raises(tmp_path, monkeypatch, below):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may write
    folder = tmp_path / below
    assert message(folder) == f"{folder}: cannot be written (Permission denied). {ADVICE}"


def test_require_writable_of_a_read_only_file_system_raises(tmp_path):
    (tmp_path / "disk").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,ro", "tmpfs", str(tmp_path / "disk")]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted")
    try:
        folder = tmp_path / "disk" / "run"
        assert message(folder) == f"{folder}: cannot be written (Read-only file system). {ADVICE}"
    finally:
        subprocess.run(["umount", "-l", str(tmp_path / "disk")], check=True)


@pytest.mark.parametrize(
    ("folder", "images", "message"),
    [
        ("a", "a", "{folder} is inside the folder of the images, {images}, whose files are read"),
        ("a/b/c", "a", "{folder} is inside the folder of the images, {images}, whose files are"),
        ("link/b", "a", "{folder} is inside the folder of the images, {images}, whose files are"),
        ("a/../a/b", "a", "{folder} is inside the folder of the images, {images}, whose files are"),
        (".", "a", "{folder} contains the folder of the images, {images}; choose another"),
        ("b", "link", None),
        ("ab", "a", None),
        ("a/b", "a.npz", None),
        ("a/b", "missing", None),
    ],
)
def test_require_apart_refuses_folders_within_each_other(tmp_path, folder, images, message):
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "a.npz").touch()
    folder, images = tmp_path / folder, str(tmp_path / images)
    if message is None:
        paths.require_apart(folder, images, "outdir")
        return
    with pytest.raises(UserError) as raised:
        paths.require_apart(folder, images, "outdir")
    assert str(raised.value).startswith("outdir: " + message.format(folder=folder, images=images))
    if "contains" in message:
        paths.require_apart(folder, images, "outdir", also_around=False)


def test_require_apart_ignores_names_of_data_sets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths.require_apart(tmp_path / "runs", "MNIST", "outdir")
    paths.require_apart(tmp_path / "runs", "", "outdir")
