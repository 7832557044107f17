"""Classes of a folder and their order, images at any depth, links."""

import functools

import numpy as np
import pytest

from data import listing
from data.catalogue import check, load
from data.listing import find, natural_order
from errors import UserError
from tests.data.cases import SIZE, random, save


def gray(value):
    return np.full((SIZE, SIZE), value, np.uint8)


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["10", "9", "1", "2"], ["1", "2", "9", "10"]),
        (["1", "-1", "0.25", "0.5", "+2"], ["-1", "0.25", "0.5", "1", "+2"]),
        (["1", "01", "002"], ["01", "1", "002"]),
        (["class_10", "class_9", "class_1b"], ["class_1b", "class_9", "class_10"]),
        (["b", "A", "a", "10"], ["10", "A", "a", "b"]),
        (["²", "1", "٣"], ["1", "²", "٣"]),
    ],
)
def test_natural_order_sorts_numbers_by_their_value(names, ordered):
    assert natural_order(names) == ordered
    assert natural_order(reversed(names)) == ordered


@pytest.fixture
def numbers(tmp_path):
    """Folders 1 to 10 with an image each, whose pixels have the value of the name."""
    for k in range(1, 11):
        save(tmp_path / str(k) / "a.png", gray(k))
    return tmp_path


def test_load_of_class_folders_named_by_numbers_has_the_order_of_numbers(numbers):
    data = load(str(numbers))
    assert data.class_names == tuple(map(str, range(1, 11)))
    assert data.train.labels.tolist() == list(range(10))
    assert data.train.images[:, 0, 0, 0].tolist() == list(range(1, 11))
    assert data.class_counts() == {str(k): 1 for k in range(1, 11)}


def test_load_by_the_first_rules_has_the_order_of_text(numbers):
    old = load(str(numbers), rules=1)
    assert old.class_names == ("1", "10", *map(str, range(2, 10)))
    assert old.train.images[:, 0, 0, 0].tolist() == [1, 10, *range(2, 10)]


def test_load_in_the_order_of_a_run_gives_its_labels(numbers):
    order = ("3", "10", "1", "2", "4", "5", "6", "7", "8", "9")
    data = load(str(numbers), class_order=order)
    assert data.class_names == order
    assert data.train.images[:, 0, 0, 0].tolist() == [int(name) for name in order]
    assert load(str(numbers), class_order=order[1:]).fingerprint == load(str(numbers)).fingerprint


def test_names_of_classes_keep_their_characters(tmp_path):
    """A space of Japanese is no printable character of Python."""
    names = ("b\u3000c", "a")
    for k, name in enumerate(names):
        save(tmp_path / name / "a.png", gray(k))
    for _ in ("decoded", "cached"):
        data = load(str(tmp_path), class_order=names)
        assert data.class_names == names
        assert data.train.images[:, 0, 0, 0].tolist() == [0, 1]


def test_images_below_a_class_folder_are_of_its_class_at_any_depth(tmp_path):
    for k, name in enumerate(("cat/a.png", "cat/more/b.png", "cat/more/x/y/a.jpg", "dog/in/c.png")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, gray(k))
    save(tmp_path / "cat" / ".hidden" / "d.png", gray(9))
    (tmp_path / "dog" / "in" / "notes.txt").touch()
    data = load(str(tmp_path))
    assert data.class_names == ("cat", "dog")
    assert data.train.labels.tolist() == [0, 0, 0, 1]
    assert data.train.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert data.notes == ("1 file ignored: not named .png, .jpg or .jpeg",)
    old = load(str(tmp_path), rules=1)
    assert (old.class_names, len(old.train.images)) == (("cat",), 1)
    assert old.notes == ("1 folder without images: dog",)


def test_images_beside_class_folders_with_deep_images_raise(tmp_path):
    save(tmp_path / "a.png", gray(0))
    (tmp_path / "cats" / "more").mkdir(parents=True)
    save(tmp_path / "cats" / "more" / "a.png", gray(0))
    for call in (load, check):
        with pytest.raises(UserError, match="1 image beside the class folders cats"):
            call(str(tmp_path))
        call(str(tmp_path), rules=1)


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (
            ("test", "train", "val"),
            "the classes test, train, val have the names of splits; for the images of one split "
            "set dataset={}/train",
        ),
        (
            ("Testing", "other", "valid"),
            "the classes Testing, valid have the names of splits; for the images of one split set "
            "dataset={}/Testing",
        ),
        (
            ("train",),
            "the class train has the name of a split; for the images of one split set "
            "dataset={}/train",
        ),
        (("train", "bus"), None),
    ],
)
def test_classes_with_the_names_of_splits_are_noted_with_what_to_set(tmp_path, names, note):
    for name in names:
        (tmp_path / name / "cats").mkdir(parents=True)
        save(tmp_path / name / "cats" / "a.png", random(SIZE, SIZE))
    assert find(tmp_path).notes == ([note.format(tmp_path)] if note else [])
    assert load(str(tmp_path / names[0])).class_names == ("cats",)


def test_links_without_a_target_cost_only_themselves(tmp_path):
    save(tmp_path / "cat" / "a.png", gray(1))
    (tmp_path / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "cat" / "self.png").symlink_to("self.png")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    save(tmp_path.parent / "elsewhere" / "b.png", gray(2))
    (tmp_path / "cat" / "c.png").symlink_to(tmp_path.parent / "elsewhere" / "b.png")
    (tmp_path / "dog").symlink_to(tmp_path.parent / "elsewhere")
    data = load(str(tmp_path))
    assert data.train.images[:, 0, 0, 0].tolist() == [1, 2, 2]
    assert data.class_names == ("cat", "dog")
    assert data.notes == ("3 links without a target: gone, cat/gone.png, cat/self.png",)


def test_loops_of_links_cost_only_themselves(tmp_path):
    save(tmp_path / "cat" / "a.png", gray(1))
    save(tmp_path / "dog" / "b.png", gray(2))
    (tmp_path / "all").symlink_to(tmp_path)
    (tmp_path / "cat" / "up").symlink_to(tmp_path)
    (tmp_path / "cat" / "again").symlink_to(tmp_path / "cat")
    (tmp_path / "dog" / "cats").symlink_to(tmp_path / "cat")
    data = load(str(tmp_path))
    assert data.class_names == ("cat", "dog")
    assert data.train.images[:, 0, 0, 0].tolist() == [1, 2, 1]
    assert data.notes == (
        "5 links to a folder that is read already: all, cat/again, cat/up, dog/cats/again, "
        "dog/cats/up",
    )


def test_folder_is_read_before_links_to_it_in_any_order(tmp_path, monkeypatch):
    (tmp_path / "cat").mkdir()
    save(tmp_path / "cat" / "real" / "a.png", gray(1))
    (tmp_path / "cat" / "a-link").symlink_to("real")
    (tmp_path / "cat" / "z-link").symlink_to("real")
    entries = listing._entries
    for reverse in (False, True):
        ordered = functools.partial(sorted, key=lambda entry: entry.name, reverse=reverse)
        monkeypatch.setattr(listing, "_entries", lambda path, by=ordered: by(entries(path)))
        found = listing.find(tmp_path)
        assert found.files == ["cat/real/a.png"]
        assert found.notes == [
            "2 links to a folder that is read already: cat/a-link, cat/z-link",
        ]


def test_class_without_a_readable_image_is_noted(tmp_path):
    save(tmp_path / "a" / "a.png", gray(1))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "b.png").touch()
    data = load(str(tmp_path))
    assert data.class_counts() == {"a": 1, "b": 0}
    assert data.notes[-1] == "1 class without training images: b"
