"""The address of the repository in README, notebook, CITATION.cff and mkdocs.yml."""

import json
import shutil

import pytest

from docs import address

GITHUB = "https://github.com/someone/gan-zoo"


@pytest.fixture
def copies(tmp_path):
    """Return a folder with copies of the files that have the address."""
    for name in address.FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(address.ROOT / name, tmp_path / name)
    address.write("", tmp_path)
    return tmp_path


def texts(folder):
    return {name: (folder / name).read_text() for name in address.FILES}


def test_write_of_a_github_address_adds_badge_and_links(copies):
    address.write(f"{GITHUB}.git", copies)
    found = texts(copies)
    notebook = f"{GITHUB.replace('github.com', 'colab.research.google.com/github')}/blob/HEAD"
    assert f"({notebook}/{address.NOTEBOOK})" in found["README.md"]
    assert f"\n`git clone {GITHUB} && cd gan-zoo`\n" in found["README.md"]
    assert f"\nrepo_url: {GITHUB}\n" in found["mkdocs.yml"]
    assert f"\nrepository-code: {GITHUB}\n" in found["CITATION.cff"]
    cells = json.loads(found[address.NOTEBOOK])["cells"]
    assert f'repository = "{GITHUB}"' in "".join("".join(cell["source"]) for cell in cells)


def test_write_of_a_file_address_links_it_without_a_badge(copies):
    address.write("file:///srv/gan-zoo", copies)
    assert "[Repository](file:///srv/gan-zoo)" in texts(copies)["README.md"]
    assert "colab-badge" not in texts(copies)["README.md"]


def test_write_replaces_and_removes_an_address(copies):
    before = texts(copies)
    address.write("file:///srv/gan-zoo", copies)
    address.write(GITHUB, copies)
    assert all("/srv/" not in text for text in texts(copies).values())
    address.write("", copies)
    assert texts(copies) == before
    assert "colab-badge" not in before["README.md"]
    assert "git clone" not in before["README.md"]


def test_write_of_another_scheme_raises(copies):
    before = texts(copies)
    with pytest.raises(ValueError, match="expected https://"):
        address.write("git@github.com:someone/gan-zoo", copies)
    assert texts(copies) == before
