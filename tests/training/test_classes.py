"""Labels of generate.py: names and numbers of classes."""

import json
import types

import pytest

from errors import UserError
from storage.run_directory import RunDirectory
from training import options
from training.classes import Classes

DIGITS = Classes(10, tuple("0123456789"))
ANIMALS = Classes(3, ("cat", "dog", "newt"))
YEARS = Classes(3, ("1", "2", "10"))
UNNAMED = Classes(3)


@pytest.mark.parametrize(
    ("classes", "label", "number"),
    [
        (DIGITS, "7", 7),
        (ANIMALS, "dog", 1),
        (ANIMALS, "2", 2),
        (YEARS, "2", 1),
        (YEARS, "10", 2),
        (UNNAMED, "2", 2),
        (Classes(2, ("1", "cat")), "1", 0),
        (Classes(2, ("1", "cat")), "0", 0),
        (ANIMALS, "", ""),
    ],
)
def test_number_of_a_label_is_that_of_its_name_first(classes, label, number):
    assert classes.number(label) == number


@pytest.mark.parametrize(
    ("classes", "label", "line"),
    [
        (DIGITS, "10", "expected a class from 0 to 9, got 10"),
        (DIGITS, "-1", "expected a class from 0 to 9, got -1"),
        (UNNAMED, "cat", "expected a class from 0 to 2, got cat"),
        (
            ANIMALS,
            "dgo",
            "expected a class from 0 to 2, or its name (cat, dog, newt), got dgo; did you mean "
            "dog?",
        ),
        (ANIMALS, "3", "expected a class from 0 to 2, or its name (cat, dog, newt), got 3"),
        (YEARS, "0", "expected the name of a class (1, 2, 10), got 0"),
        (ANIMALS, "9" * 5000, None),
    ],
)
def test_number_of_an_unknown_label_raises(classes, label, line):
    with pytest.raises(UserError) as refusal:
        classes.number(label)
    assert refusal.value.option == "label"
    assert line is None or refusal.value.message == line
    assert len(str(refusal.value)) < 500


def test_explained_is_a_line_about_a_name_that_is_another_number():
    assert YEARS.explained("2") == ["label 2 is the class named 2, number 1 from 0"]
    assert DIGITS.explained("2") == ANIMALS.explained("cat") == ANIMALS.explained("2") == []
    assert YEARS.explained("") == []


@pytest.mark.parametrize(
    ("described", "rules", "order"),
    [
        (None, 2, ()),
        ({}, 1, ()),
        ({"rules": 1, "classes": {"1": 5, "10": 5, "2": 5}}, 1, ("1", "10", "2")),
        ({"rules": 2, "classes": {"b": 1, "a": 2}}, 2, ("b", "a")),
    ],
)
def test_configuration_of_a_run_reads_its_images_by_its_rules(described, rules, order):
    saved = options.parse(["--model=gan"]).as_dict() | ({"data": described} if described else {})
    if described == {}:
        saved["data"] = {}
    config = options.Config.from_dict(json.loads(json.dumps(saved)))
    assert (config.rules, config.class_order) == (rules, order)
    arguments = config.data_arguments
    assert (arguments["rules"], arguments["class_order"]) == (rules, order)


@pytest.mark.parametrize("described", [{"rules": 3}, {"rules": "1"}, {"classes": ["a"]}])
def test_configuration_with_invalid_rules_or_classes_raises(described):
    saved = options.parse(["--model=gan"]).as_dict() | {"data": described}
    with pytest.raises(TypeError, match=r"rules|classes"):
        options.Config.from_dict(saved)


def test_configuration_of_a_resumed_run_has_the_order_of_its_config_json(tiny_run):
    config = options.parse(tiny_run.argv)
    assert (config.rules, config.class_order) == (2, ())
    assert config.for_run(RunDirectory(tiny_run.path)).class_order == tuple("0123456789")


def test_classes_of_a_run_without_names_have_their_number():
    def of(**data):
        return Classes.of(types.SimpleNamespace(read_data=lambda: {"num_classes": 3, **data}))

    assert of() == UNNAMED
    assert of(classes={"cat": 1, "dog": 2, "newt": 0}) == ANIMALS
    assert of(classes={"cat": 1}) == UNNAMED
