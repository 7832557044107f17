"""Links, pictures and generated tables of README.md and docs/."""

import re

import pytest

from evaluation.reports import pages, publishing

PAGES = {str(page.relative_to(pages.ROOT)): page for page in pages.pages()}
# Files in assets/ that are data, not pictures.
DATA = ("digits.npz", "mnist.npz", "mnist-LICENCE.md")


def anchors(text):
    """Return the anchors of the headings, as GitHub makes them."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files_and_headings(name):
    page = PAGES[name]
    broken = []
    for link in pages.links(page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve()
        heading = not anchor or (target.suffix == ".md" and anchor in anchors(target.read_text()))
        if not target.exists() or not heading:
            broken.append(link)
    for anchor in re.findall(r"\]\(#([^)]+)\)", page.read_text()):
        if anchor not in anchors(page.read_text()):
            broken.append(f"#{anchor}")
    assert broken == []


@pytest.mark.parametrize("name", PAGES)
def test_generated_blocks_match_their_source(name):
    text = PAGES[name].read_text()
    assert pages.fill(text, publishing.read_results(), PAGES[name].parent) == text


@pytest.mark.parametrize("name", PAGES)
def test_named_flagfiles_exist(name):
    named = re.findall(r"configs/[\w./-]+\.txt", PAGES[name].read_text())
    missing = [f for f in named if not (pages.ROOT / f).is_file() and f != "configs/NAME.txt"]
    assert missing == []


def test_readme_is_short():
    text = (pages.ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 200
    assert len(text.encode()) <= 12 * 1024


def test_assets_are_linked_and_small():
    assets = pages.ROOT / "assets"
    linked = pages.linked_files()
    files = [f for f in assets.rglob("*") if f.is_file() and "weights" not in f.parts]
    pictures = [f for f in files if f.name not in DATA]
    assert [str(f) for f in pictures if f.resolve() not in linked] == []
    assert sum(f.stat().st_size for f in pictures) <= 20e6
    films = [f for f in pictures if f.suffix == ".gif"]
    assert [str(f) for f in films if f.stat().st_size > 300_000] == []
    assert all(name in {f.name for f in files} for name in DATA)


def test_model_pages_show_at_most_one_film():
    for page in (pages.ROOT / "docs" / "models").glob("*.md"):
        films = [link for link in pages.links(page.read_text()) if link.endswith(".gif")]
        assert len(films) <= 1, page
