"""Diagrams of docs/: the committed files, and the places of boxes, arrows and texts."""

import itertools

import matplotlib
import pytest
from PIL import ImageFont

from docs.diagrams import architecture, drawing, models
from evaluation.reports import pages
from models import REGISTRY

DIAGRAMS = {diagram.name: diagram for diagram in models.DIAGRAMS}
PAGES = pages.ROOT / "docs" / "models"
# Diagrams beside that of the same name, by model.
MORE = {"infogan": ["infogan_clustering"]}


@pytest.mark.parametrize("path", models.pictures(), ids=lambda path: path.name)
def test_diagrams_of_models_match_their_description(path):
    assert path.read_text("utf-8") == models.pictures()[path]


def test_diagram_of_the_architecture_matches_the_docstrings():
    assert architecture.FILE.read_text() == architecture.diagram()


def test_folder_of_diagrams_has_no_other_file():
    assert set(models.FOLDER.iterdir()) == set(models.pictures())


@pytest.mark.parametrize("model", REGISTRY)
def test_page_of_a_model_embeds_its_diagrams(model):
    links = pages.links((PAGES / f"{model}.md").read_text())
    found = [link for link in links if link.startswith("diagrams/")]
    assert found == [f"diagrams/{name}.svg" for name in (model, *MORE.get(model, []))]


def crosses(points, rectangle, margin=1):
    """Return whether a line with right angles has a point within a rectangle."""
    left, top, right, bottom = rectangle
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        beside = max(x, to_x) < left + margin or min(x, to_x) > right - margin
        apart = max(y, to_y) < top + margin or min(y, to_y) > bottom - margin
        if not (beside or apart):
            return True
    return False


def overlap(one, other):
    left, top, right, bottom = one
    return left < other[2] and other[0] < right and top < other[3] and other[1] < bottom


def labels_of(diagram):
    """Map each text beside boxes to its rectangle."""
    found = {}
    for arrow in diagram.arrows:
        if arrow.label:
            x, y, anchor = diagram.label_place(arrow)
            width = drawing.text_width(arrow.label)
            left = x - width / 2 if anchor == "middle" else x
            found[arrow.start, arrow.end] = (left, y - 10, left + width, y + 3)
    for frame in diagram.frames:
        left, top, right, _ = diagram.rectangle(frame.key)
        width = drawing.text_width(frame.label) + drawing.PAD
        x = right - width if frame.right else left + drawing.PAD
        found[frame.key] = (x, top + 4, x + width - drawing.PAD, top + drawing.LINE + 2)
    return found


@pytest.mark.parametrize("name", DIAGRAMS)
def test_arrows_cross_neither_boxes_nor_texts(name):
    diagram = DIAGRAMS[name]
    crossed = [
        (arrow.start, arrow.end, key)
        for arrow in diagram.arrows
        for key, rectangle in [
            *((box.key, box.rectangle) for box in diagram.boxes), *labels_of(diagram).items()
        ]
        if crosses(diagram.points(arrow), rectangle)
    ]  # fmt: skip
    assert crossed == []


@pytest.mark.parametrize("name", DIAGRAMS)
def test_boxes_and_texts_are_apart_and_within_the_picture(name):
    diagram = DIAGRAMS[name]
    parts = {box.key: box.rectangle for box in diagram.boxes}
    assert len(parts) == len(diagram.boxes)
    parts |= labels_of(diagram)
    pairs = itertools.combinations(parts, 2)
    assert [pair for pair in pairs if overlap(*(parts[key] for key in pair))] == []
    everything = parts | {frame.key: diagram.rectangle(frame.key) for frame in diagram.frames}
    for key, (left, top, right, bottom) in everything.items():
        assert left >= 2, key
        assert top >= 2, key
        assert right <= drawing.WIDTH - 2, key
        assert bottom <= diagram.height - drawing.LEGEND, key
    for arrow in diagram.arrows:
        assert len({*diagram.points(arrow)}) >= 2, arrow
        for x, y in diagram.points(arrow):
            assert 2 <= x <= drawing.WIDTH - 2, arrow
            assert 2 <= y <= diagram.height - drawing.LEGEND, arrow


@pytest.mark.parametrize("name", DIAGRAMS)
def test_texts_fit_into_their_boxes(name):
    path = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
    font = ImageFont.truetype(path, drawing.FONT)
    for box in DIAGRAMS[name].boxes:
        left, top, right, bottom = box.rectangle
        points = drawing.POINT if box.shape == "loss" else 0
        assert max(map(font.getlength, box.lines)) <= right - left - 2 * points, box.key
        assert len(box.lines) * drawing.LINE <= bottom - top, box.key
    for line in DIAGRAMS[name].note.split("\n"):
        assert font.getlength(line) <= drawing.WIDTH - 2 * drawing.PAD, line


def test_letters_have_at_least_13_pixels_at_a_width_of_760():
    assert (drawing.FONT, drawing.WIDTH) == (13, 760)
    for text in models.pictures().values():
        assert text.count("font-size") == 1
        assert 'width="100%" height="100%" fill="white"' in text
