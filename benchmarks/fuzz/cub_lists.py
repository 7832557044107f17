"""Fuzz of the lists of an archive of CUB-200-2011."""

import tempfile
from pathlib import Path

from hypothesis import strategies as st
from PIL import Image

from benchmarks.fuzz.examples import IN_MEMORY, NUMBERS, has_value_or_error
from data import cub

CUB = {  # lists of an archive of one image
    "images.txt": b"1 1",
    "classes.txt": b"1 a",
    "image_class_labels.txt": b"1 1",
    "train_test_split.txt": b"1 1",
    "bounding_boxes.txt": b"1 2 2 5 5",
}


def cub_lists() -> st.SearchStrategy[tuple[str, bytes]]:
    """Return the name of a list of CUB-200-2011 with arbitrary content."""
    words = st.lists(st.one_of(NUMBERS.map(str), st.text(max_size=4)), max_size=5)
    lines = st.lists(st.one_of(words.map(" ".join), st.just("1 1")), max_size=3).map("\n".join)
    content = st.one_of(
        lines.map(lambda text: text.encode(errors="replace")), st.binary(max_size=9)
    )
    return st.tuples(st.sampled_from(list(CUB)), content)


def check_cub(example: tuple[str, bytes]) -> None:
    """Convert a folder of CUB-200-2011 with one image, of which one list is replaced."""
    name, content = example
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        (Path(folder) / "images").mkdir()
        Image.new("RGB", (9, 9)).save(Path(folder) / "images" / "1", "PNG")
        for one, text in {**CUB, name: content}.items():
            (Path(folder) / one).write_bytes(text)
        to = Path(folder) / "birds.npz"
        written = has_value_or_error(cub.convert, cub.CubOptions(folder=folder, to=str(to)))
        assert to.exists() == bool(written)
