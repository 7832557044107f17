"""Version of the code and of the libraries."""

import platform
import subprocess

import keras
import numpy as np
import pytest
import tensorflow as tf

from cli import version


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_version_without_git_has_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(version, "ROOT", tmp_path.resolve())
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n")
    assert version.described().splitlines()[0] == "GAN Zoo: unreleased"
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert version.described().splitlines()[0] == f"GAN Zoo: unreleased, commit {commit}"


def test_commit_is_that_of_the_code_and_names_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(version, "ROOT", tmp_path.resolve())
    assert version.commit() == ""
    git(tmp_path, "init", "-q")
    (tmp_path / "train.py").write_text("one")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert version.commit() == commit
    (tmp_path / "train.py").write_text("two")
    assert version.commit() == f"{commit} and changes"
    (tmp_path / "train.py").write_text("one")
    (tmp_path / "notes.txt").write_text("a file that is no code")
    (tmp_path / ".gitignore").write_text("runs/")
    for folder, described in (("runs", commit), ("models", f"{commit} and changes")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "new.py").touch()
        assert version.commit() == described


@pytest.mark.parametrize("script", ["train", "evaluate", "generate", "study", "train_classifier"])
def test_version_of_a_script_is_printed_without_tensorflow(without_tensorflow, tmp_path, script):
    for outcome in without_tensorflow(script, [["--version"], ["--seed=x", "--version"]], tmp_path):
        assert (outcome.code, outcome.err) == (0, "")
        zoo, libraries = outcome.out.splitlines()
        assert zoo.startswith("GAN Zoo: unreleased")
        assert libraries == (
            f"Python {platform.python_version()}, tensorflow {tf.__version__}, "
            f"keras {keras.__version__}, numpy {np.__version__}"
        )
