"""The engine of option classes: declarations, defaults, ranges, and options of alternatives."""

import dataclasses
import json

import pytest

import fields
from errors import UserError, either, near
from fields import Choice, Choices, PerChoice, PerDataset, choice, field, options


class Checked:
    def __post_init__(self):
        fields.check(self)


@options()
class Toy(Checked):
    """One field of each kind."""

    share: float = field(0.5, "a share", group="toy", at_least=0, below=1)
    rate: float = field(0.1, "a rate", group="toy", above=0, at_most=2)
    count: int = field(PerDataset(3, MNIST=5, CIFAR10=7), "a count", group="toy", at_least=1)
    shape: str = field("round", "a shape", group="toy", choices=("round", "square"))
    codes: int | None = field(None, "derived", group="toy", at_least=2)
    flip: bool = field(False, "a switch", group="toy")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Roof(Choice):
    """A roof with the facts that fields and tests use."""

    gutter: str | None = None
    flat: bool = False


def pitch(default):
    return field(default, "an angle", group="roofs", above=0)


def tiles(default, help="number of tiles", **limits):
    return field(default, help, group="roofs", **{"at_least": 0, **limits})


def steep_enough(pitch, tiles):
    if pitch < 0.5 and tiles:
        raise UserError("tiles slip off", "pitch")


ROOFS = Choices(
    Roof,
    Roof(name="flat", options={"pitch": pitch(0.1)}, gutter="none", flat=True, aliases=("level",)),
    Roof(
        name="gable",
        options={"pitch": pitch(1.0), "tiles": tiles(PerDataset(30, MNIST=12))},
        gutter="copper",
        validate=steep_enough,
    ),
    Roof(name="dome", options={"tiles": tiles(0, "number of shells")}),
    Roof(name="none"),
)
GUTTERS = ("none", "copper", "zinc")

WEIGHT = {"weight": field(10.0, "weight of a layer", group="layers", above=0)}
LAYERS = Choices(
    Choice,
    Choice(name="felt", options=WEIGHT, aliases=("wool",)),
    Choice(name="foil", options=WEIGHT),
    Choice(name="cork"),
)


@options()
class House(Checked):
    """Fields that depend on the roof, and any number of layers."""

    roof: str = choice(ROOFS, "flat", "the roof", group="roofs")
    gutter: str | None = field(
        None, "the gutter", group="roofs", choices=GUTTERS, follows=("roof", "gutter")
    )
    layers: tuple[str, ...] = choice(LAYERS, (), "insulation", group="layers", several=True)


@options(defaults={"roof": "gable", "pitch": 2.0, "weight": PerChoice(felt=3.0)})
class Chalet(House):
    """Another roof with a pitch of its own, and another weight of felt."""


@options(
    alternatives={"roof": ROOFS.only(lambda roof: roof.flat), "layers": LAYERS.only(lambda _: 0)},
    help={"roof": "a roof to sit on"},
    defaults={"gutter": PerDataset("zinc", MNIST="copper")},
)
class Bungalow(House):
    """Flat roofs alone, and no insulation."""


def resolve(cls, dataset="", **given):
    return fields.resolve(cls, given, dataset)


def message(cls, **given):
    with pytest.raises(UserError) as error:
        resolve(cls, **given)
    return str(error.value)


# Values.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("share", 0),
        ("share", 0.999),
        ("rate", 2),
        ("rate", 1e-9),
        ("count", 1),
        ("shape", "square"),
        ("codes", None),
        ("codes", 2),
        ("flip", True),
    ],
)
def test_check_of_values_at_the_edge_of_a_range_passes(name, value):
    assert getattr(Toy(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("share", -0.001, "a number >= 0 and < 1"),
        ("share", 1, "a number >= 0 and < 1"),
        ("share", float("nan"), "a number >= 0 and < 1"),
        ("share", "0.5", "a number >= 0 and < 1"),
        ("share", True, "a number >= 0 and < 1"),
        ("share", None, "a number >= 0 and < 1"),
        ("rate", 0, "a number > 0 and <= 2"),
        ("rate", 2.001, "a number > 0 and <= 2"),
        ("count", 0, "an integer >= 1"),
        ("count", 1.5, "an integer >= 1"),
        ("count", True, "an integer >= 1"),
        ("count", None, "an integer >= 1"),
        ("shape", "oval", "one of round, square"),
        ("shape", 1, "one of round, square"),
        ("codes", 1, "an integer >= 2"),
        ("flip", 1, "true or false"),
    ],
)
def test_check_of_values_out_of_range_raises_one_line(name, value, allowed):
    with pytest.raises(UserError) as error:
        Toy(**{name: value})
    assert str(error.value) == f"{name}: expected {allowed}, got {value}"
    assert error.value.option == name


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_check_of_infinite_numbers_without_an_upper_limit_raises(value):
    with pytest.raises(UserError, match="expected a number > 0, got"):
        resolve(House, pitch=value)


def test_options_makes_frozen_classes():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Toy().count = 4


def test_value_type_of_optional_fields_is_that_of_their_values():
    types = {s.name: fields.value_type(s) for s in dataclasses.fields(Toy)}
    assert types == {
        "share": float, "rate": float, "count": int, "shape": str, "codes": int, "flip": bool,
    }  # fmt: skip
    types = {s.name: fields.value_type(s) for s in dataclasses.fields(House)}
    assert types == {
        "roof": str, "pitch": float, "tiles": int, "gutter": str, "layers": tuple, "weight": float,
    }  # fmt: skip


# Defaults.


def test_resolve_prefers_given_values_then_data_set_then_class_defaults():
    assert resolve(Toy).count == 3
    assert resolve(Toy, "MNIST").count == 5
    assert resolve(Toy, "CIFAR10").count == 7
    assert resolve(Toy, "unheard of").count == 3
    assert resolve(Toy, "MNIST", count=9).count == 9
    assert resolve(Toy, "MNIST", count=3).count == 3
    assert resolve(Toy, "MNIST", rate=1.0) == Toy(count=5, rate=1.0)


def test_resolve_of_an_invalid_value_raises():
    assert message(Toy, count=0) == "count: expected an integer >= 1, got 0"


def test_resolve_of_an_unknown_name_raises_with_the_nearest_names():
    assert message(Toy, cuont=3) == "cuont: no such option of Toy; did you mean count?"
    assert message(Toy, zzz=3) == "zzz: no such option of Toy"
    assert message(House, rof=None) == "rof: no such option of House; did you mean roof?"


@pytest.mark.parametrize("given", [{}, {"pitch": None}, {"roof": None, "tiles": None}])
def test_resolve_of_none_uses_the_default(given):
    assert resolve(House, **given) == resolve(House) == House(pitch=0.1, gutter="none")
    assert resolve(Toy, "MNIST", count=None, share=None, flip=None).count == 5


# Options of alternatives.


def test_choice_puts_the_options_of_its_alternatives_after_itself():
    names = [spec.name for spec in dataclasses.fields(House)]
    assert names == ["roof", "pitch", "tiles", "gutter", "layers", "weight"]


@pytest.mark.parametrize(
    ("roof", "pitch", "tiles", "gutter"),
    [
        ("flat", 0.1, None, "none"),
        ("gable", 1.0, 30, "copper"),
        ("dome", None, 0, None),
        ("none", None, None, None),
    ],
)
def test_resolve_takes_defaults_and_facts_from_the_selected_alternative(roof, pitch, tiles, gutter):
    house = resolve(House, roof=roof)
    assert (house.pitch, house.tiles, house.gutter) == (pitch, tiles, gutter)
    assert fields.selected(house, "roof") is ROOFS[roof]
    shown = {"pitch": pitch, "tiles": tiles}
    assert fields.options_of(house, "roof") == {name: shown[name] for name in ROOFS[roof].options}


def test_resolve_prefers_given_options_to_those_of_the_alternative():
    assert resolve(House, pitch=0.3).pitch == 0.3
    gable = House(roof="gable", pitch=0.6, tiles=30, gutter="copper")
    assert resolve(House, roof="gable", pitch=0.6) == gable
    assert resolve(House, roof="dome", tiles=0).tiles == 0
    assert resolve(House, gutter="zinc").gutter == "zinc"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"roof": "dome", "pitch": 0.3},
            "pitch: does not apply with roof=dome, only with roof=flat or gable",
        ),
        ({"tiles": 3}, "tiles: does not apply with roof=flat, only with roof=gable or dome"),
        ({"tiles": 0}, "tiles: does not apply with roof=flat, only with roof=gable or dome"),
        # The default of another roof is invalid as well, and so is a value out of range.
        (
            {"roof": "none", "pitch": 1.0},
            "pitch: does not apply with roof=none, only with roof=flat or gable",
        ),
        (
            {"roof": "none", "pitch": -1.0},
            "pitch: does not apply with roof=none, only with roof=flat or gable",
        ),
        (
            {"roof": "dome", "gutter": "zinc"},
            "gutter: does not apply with roof=dome, only with roof=flat or gable",
        ),
        ({"weight": 1.0}, "weight: does not apply with layers=none, only with layers=felt or foil"),
        (
            {"weight": 1.0, "layers": "cork"},
            "weight: does not apply with layers=cork, only with layers=felt or foil",
        ),
        ({"roof": "gable", "pitch": 0}, "pitch: expected a number > 0, got 0"),
        ({"roof": "tent"}, "roof: expected one of flat, gable, dome, none, got tent"),
        ({"roof": "tent", "pitch": 1}, "roof: expected one of flat, gable, dome, none, got tent"),
    ],
)
def test_resolve_of_an_option_that_does_not_apply_raises_one_line(given, expected):
    assert message(House, **given) == expected


def test_resolve_prefers_the_data_set_to_the_alternative_where_the_option_applies():
    assert resolve(House, "MNIST", roof="gable").tiles == 12
    assert resolve(House, "CIFAR10", roof="gable").tiles == 30
    assert resolve(House, "MNIST", roof="gable", tiles=5).tiles == 5
    assert resolve(House, "MNIST").tiles is None
    with pytest.raises(UserError, match="tiles: does not apply with roof=flat"):
        resolve(House, "MNIST", tiles=12)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"roof": "dome"},
        {"roof": "gable", "tiles": 3},
        {"layers": "felt,foil:5"},
        {"layers": "wool:.5"},
    ],
)
def test_resolve_of_resolved_and_saved_values_returns_the_same(given):
    """Options that do not apply are None, as in config.json."""
    house = resolve(House, "MNIST", **given)
    saved = json.loads(json.dumps(dataclasses.asdict(house)))
    assert resolve(House, **saved) == house
    assert resolve(House, "CIFAR10", **saved) == house


def test_options_of_one_name_with_different_help_list_it_by_alternative():
    specs = House.__dataclass_fields__
    assert specs["pitch"].metadata["help"] == "an angle"
    assert specs["tiles"].metadata["help"] == "number of tiles (gable); number of shells (dome)"


@pytest.mark.parametrize("other", [tiles(3, at_least=1), tiles(3.0)])
def test_options_of_one_name_with_different_ranges_or_types_raise(other):
    roofs = Choices(
        Roof,
        Roof(name="gable", options={"tiles": tiles(0)}),
        Roof(name="dome", options={"tiles": other}),
    )
    with pytest.raises(ValueError, match="roof: its alternatives declare tiles differently"):

        @options()
        class Mixed:
            roof: str = choice(roofs, "dome", "the roof", group="roofs")


@pytest.mark.parametrize("name", ["weight", "share"])
def test_options_of_a_name_that_is_taken_raise(name):
    taken = Choices(Choice, Choice(name="one", options={name: field(1.0, "taken", group="toy")}))

    with pytest.raises(ValueError, match=f"second: its alternatives declare {name}, which is tak"):

        @options()
        class Twice(Toy):
            first: tuple[str, ...] = choice(LAYERS, (), "layers", group="layers", several=True)
            second: str = choice(taken, "one", "the other", group="layers")


def test_validate_of_an_alternative_is_called_with_its_options():
    assert resolve(House, roof="gable", pitch=0.4, tiles=0).tiles == 0
    assert message(House, roof="gable", pitch=0.4) == "pitch: tiles slip off"
    assert message(House, roof="gable", pitch=0.4, tiles=2) == "pitch: tiles slip off"


def test_aliases_are_replaced_by_their_names():
    assert resolve(House, roof="level") == resolve(House, roof="flat")
    assert ROOFS.aliases == {"level": "flat"}
    assert resolve(House, layers="wool").layers == ("felt",)


# Choices.


def test_add_declares_the_decorated_function_and_returns_it():
    roofs = Choices(Roof, Roof(name="none"))

    def make(pitch):
        return pitch

    assert roofs.add("gable", flat=True, options={"pitch": pitch(1.0)})(make) is make
    assert list(roofs) == ["none", "gable"]
    assert len(roofs) == 2
    assert roofs["gable"].make is make
    assert (roofs["gable"].name, roofs["gable"].flat) == ("gable", True)
    with pytest.raises(TypeError):
        roofs.add("dome", shells=3)(make)


@pytest.mark.parametrize(
    "declared", [{"name": "flat"}, {"name": "level"}, {"name": "new", "aliases": ("dome",)}]
)
def test_add_of_a_name_that_is_taken_raises(declared):
    roofs = ROOFS.only(lambda _: True)
    taken = (declared.get("aliases") or (declared["name"],))[0]
    with pytest.raises(ValueError, match=f"two alternatives have the name {taken}"):
        roofs.add(**declared)(None)
    assert list(roofs) == list(ROOFS)


def test_only_does_not_modify_the_choices():
    assert list(ROOFS.only(lambda roof: roof.gutter)) == ["flat", "gable"]
    assert list(ROOFS) == ["flat", "gable", "dome", "none"]


# Several alternatives, and their weights.


@pytest.mark.parametrize(
    ("given", "layers", "weights"),
    [
        ("", (), {}),
        ("none", (), {}),
        ([], (), {}),
        (("none",), (), {}),
        ("felt", ("felt",), {"felt": None}),
        ("felt,foil", ("felt", "foil"), {"felt": None, "foil": None}),
        (["foil", "cork"], ("foil", "cork"), {"foil": None, "cork": None}),
        ("felt:5,foil:0.5", ("felt:5", "foil:0.5"), {"felt": 5.0, "foil": 0.5}),
        (" felt : 5.0 , cork", ("felt:5", "cork"), {"felt": 5.0, "cork": None}),
        (["wool:1e-3"], ("felt:0.001",), {"felt": 0.001}),
    ],
)
def test_resolve_of_several_alternatives_returns_a_tuple_with_weights(given, layers, weights):
    house = resolve(House, layers=given)
    assert house.layers == layers
    assert fields.weighted(house.layers) == weights
    assert house.weight == (10.0 if {"felt", "foil"} & set(weights) else None)


@pytest.mark.parametrize(
    "given",
    [
        "wood", "felt,none", "none:1", "felt,felt", "felt,wool", "felt:1,felt:2", "felt:0",
        "felt:-1", "felt:nan", "felt:inf", "felt:", "felt:x", "felt:1:2", ":1",
    ],
)  # fmt: skip
def test_resolve_of_unknown_repeated_or_invalidly_weighted_alternatives_raises(given):
    kept = given.replace("wool", "felt")
    assert message(House, layers=given) == (
        "layers: expected none, or some of felt, foil, cork, each once and with an optional weight "
        f"> 0: felt,cork or felt:5,cork:0.5, got {kept}"
    )


def test_default_that_the_selected_alternatives_do_not_share_is_none():
    assert resolve(Chalet, layers="felt").weight == 3.0
    assert resolve(Chalet, layers="foil").weight == 10.0
    assert resolve(Chalet, layers="felt,foil").weight is None
    assert resolve(Chalet, layers="felt,foil", weight=2.0).weight == 2.0


# Inheritance.


def test_defaults_of_a_subclass_override_those_of_the_alternatives():
    assert resolve(Chalet) == Chalet(roof="gable", pitch=2.0, tiles=30, gutter="copper")
    assert resolve(Chalet, roof="flat").pitch == 2.0
    assert resolve(Chalet, roof="dome").pitch is None  # a dome still has none
    assert resolve(Chalet, pitch=0.5).pitch == 0.5
    with pytest.raises(UserError, match="pitch: does not apply with roof=dome"):
        resolve(Chalet, roof="dome", pitch=0.5)
    assert resolve(House).pitch == 0.1


def test_defaults_of_a_subclass_keep_the_range_and_the_help():
    spec, parent = (cls.__dataclass_fields__["pitch"] for cls in (Chalet, House))
    for key in ("help", "group", "range", "of_choice"):
        assert spec.metadata[key] == parent.metadata[key]
    assert message(Chalet, pitch=-1) == "pitch: expected a number > 0, got -1"


def test_subclass_with_other_defaults_by_data_set_has_those_alone():
    @options(defaults={"count": PerDataset(4, MNIST=6)})
    class More(Toy):
        pass

    @options(defaults={"count": 8})
    class Most(Toy):
        pass

    found = [resolve(More, dataset).count for dataset in ("", "MNIST", "CIFAR10")]
    assert found == [4, 6, 4]
    assert [resolve(Most, dataset).count for dataset in ("", "MNIST", "CIFAR10")] == [8, 8, 8]
    assert resolve(Toy, "CIFAR10").count == 7


def test_subclass_with_other_alternatives_has_their_options_alone():
    assert resolve(Bungalow) == Bungalow(roof="flat", pitch=0.1, gutter="zinc")
    assert resolve(Bungalow, "MNIST").gutter == "copper"
    assert Bungalow.__dataclass_fields__["roof"].metadata["help"] == "a roof to sit on"
    assert message(Bungalow, roof="gable") == "roof: expected one of flat, got gable"
    assert message(Bungalow, tiles=3) == "tiles: does not apply with roof=flat"
    assert message(Bungalow, layers="felt") == "layers: expected none, got felt"
    assert message(Bungalow, weight=1) == "weight: does not apply with layers=none"
    assert House.__dataclass_fields__["roof"].metadata["help"] == "the roof"


def test_subclass_that_redeclares_a_field_replaces_it():
    @options()
    class Barn(House):
        layers: str = field("straw", "one layer", group="layers")
        height: int = field(3, "metres", group="walls", at_least=1)

    assert (resolve(Barn).layers, resolve(Barn).height) == ("straw", 3)
    assert resolve(Barn, roof="gable").tiles == 30


def test_defaults_of_an_alternative_without_the_option_raise():
    with pytest.raises(ValueError, match="weight is not an option of cork, wood"):
        options(defaults={"weight": PerChoice(wood=1.0, felt=2.0, cork=1.0)})(
            type("Cabin", (House,), {})
        )


# Texts.


def test_allowed_describes_each_field_of_a_class():
    specs = {**Toy.__dataclass_fields__, **House.__dataclass_fields__}
    assert fields.allowed(specs["count"]) == "an integer >= 1"
    assert fields.allowed(specs["flip"]) == "true or false"
    assert fields.allowed(specs["roof"]) == "one of " + ", ".join(ROOFS)
    assert fields.allowed(specs["gutter"]) == "one of " + ", ".join(GUTTERS)


def test_near_suggests_close_names_only():
    assert near("nois_dim", ["noise_dim", "width"]) == "; did you mean noise_dim?"
    assert near("nois", ["noise"], prefix="--") == "; did you mean --noise?"
    assert near("zzz", ["noise_dim", "width"]) == ""
    assert near("rate", ["d_rate", "g_rate"]) in (
        "; did you mean d_rate or g_rate?",
        "; did you mean g_rate or d_rate?",
    )


def test_either_joins_names_by_or():
    assert either(["a"]) == "a"
    assert either(["a", "b"]) == "a or b"
    assert either(["a", "b", "c"]) == "a, b or c"


def test_listed_splits_at_commas():
    assert fields.listed(" a, b,,c ") == ["a", "b", "c"]
    assert fields.listed("") == []
