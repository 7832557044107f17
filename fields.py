"""Options as dataclass fields with a default, a range and a help text.

An option class is a frozen dataclass made by `options`. `field` declares an option, `choice` one
that selects among `Choices` with further options. Flags, validation and tests derive from these.
"""

import contextlib
import dataclasses
import inspect
import math
import operator
import typing
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from errors import UserError, as_text, either, near

COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
KINDS = {int: "an integer", float: "a number", bool: "true or false", str: "a string"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """One alternative of an option.

    Subclasses add facts, such as `LossChoice.has_threshold`, so that code compares no names.

    Attributes:
        name: the value of the option that selects it.
        make: function that builds it from its options; None if there is nothing to build.
        options: its further options, name -> `field`.
        aliases: other accepted names, replaced by `name` when they are read.
        validate: function of its options that raises UserError if they contradict each other.
    """

    name: str
    make: Callable | None = None
    options: Mapping[str, dataclasses.Field] = dataclasses.field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    validate: Callable[..., None] | None = None

    def __post_init__(self):
        if bad := {n: o for n, o in self.options.items() if not hasattr(o, "metadata")}:
            raise TypeError(f"{self.name}: declare its options by fields.field, got {bad}")


class Choices(dict[str, Choice]):
    """The alternatives of an option by name, in the order of their declaration.

    Args:
        kind: the class of the alternatives.
        *alternatives: the first of them; `add` and `append` declare others.
    """

    def __init__(self, kind: type[Choice], *alternatives: Choice):
        super().__init__()
        self.kind = kind
        for alternative in alternatives:
            self.append(alternative)

    def add(self, name: str, **declared) -> Callable[[Callable], Callable]:
        """Return a decorator that declares the decorated function as an alternative."""

        def decorator(make: Callable) -> Callable:
            self.append(self.kind(name=name, make=make, **declared))
            return make

        return decorator

    def append(self, alternative: Choice) -> None:
        """Declare an alternative."""
        if doubled := {*self, *self.aliases} & {alternative.name, *alternative.aliases}:
            raise ValueError(f"two alternatives have the name {min(doubled)}")
        self[alternative.name] = alternative

    def only(self, predicate: Callable[[Choice], bool]) -> "Choices":
        """Return the alternatives for which the predicate is true."""
        return Choices(self.kind, *filter(predicate, self.values()))

    @property
    def aliases(self) -> dict[str, str]:
        """Map each alias to the name that replaces it."""
        return {alias: choice.name for choice in self.values() for alias in choice.aliases}


class PerDataset:
    """Default by data set or kind of images, such as PerDataset(1e-4, MNIST=5e-4, colour=2e-4)."""

    def __init__(self, default: Any, **datasets: Any):
        self.default, self.datasets = default, datasets


class PerChoice:
    """New defaults of a further option by alternative, such as PerChoice(r1=1.0)."""

    def __init__(self, **defaults: Any):
        self.defaults = defaults


def field(
    default: Any,
    help: str,
    *,
    group: str,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    follows: tuple[str, str] | None = None,
    **facts: Any,
) -> Any:
    """Return a dataclass field that can describe and check itself.

    Args:
        default: a value or a `PerDataset`; its type is the type of the option. None means
            "derived from other options" and requires an annotation such as `int | None`.
        help: one sentence with the unit and the source (paper, section).
        group: the heading in help texts.
        at_least: minimum of a number.
        above: excluded minimum.
        at_most: maximum.
        below: excluded maximum.
        choices: the values of a string.
        follows: (name of a `choice`, name of a fact): the default is that fact of the selected
            alternative; if the fact is None, the option does not apply and is None.
        **facts: further metadata for the code that uses the class, such as may_change=True.
    """
    limits = ((">=", at_least), (">", above), ("<=", at_most), ("<", below))
    per = default if isinstance(default, PerDataset) else PerDataset(default)
    return dataclasses.field(
        default=per.default,
        metadata={
            "help": help,
            "group": group,
            "range": {sign: limit for sign, limit in limits if limit is not None},
            "choices": choices,
            "alternatives": None,
            "several": False,
            "owner": None,
            "of_choice": {},
            "follows": follows,
            "by_dataset": per.datasets,
            **facts,
        },
    )


def choice(
    alternatives: Choices, default: Any, help: str, *, group: str, several: bool = False, **more
) -> Any:
    """Return a field that selects an alternative; the alternatives' options become fields too.

    Args:
        alternatives: the values to select from.
        default: name of an alternative; None with `follows`; a tuple of names if `several`.
        help: as `field`.
        group: as `field`.
        **more: as `field`.
        several: whether any number can be selected, as in "r1,r2" or "r1:5,r2:0.5" with weights;
            "none" selects none.
    """
    made = field(default, help, group=group, **more)
    return _changed(made, alternatives=alternatives, several=several)


def options(
    *,
    defaults: Mapping[str, Any] = MappingProxyType({}),
    alternatives: Mapping[str, Choices] = MappingProxyType({}),
    help: Mapping[str, str] = MappingProxyType({}),
):
    """Return a decorator that turns a class with fields and choices into a frozen dataclass.

    Args:
        defaults: name of an inherited field -> its new default: a value, a `PerDataset` or, for a
            further option of an alternative, a `PerChoice`.
        alternatives: name of an inherited `choice` -> its new alternatives.
        help: name of an inherited field -> its new help text.

    Raises:
        ValueError: the declarations contradict each other.
    """

    def decorator(cls: type) -> type:
        inherited = {}
        for base in cls.__mro__[-1:0:-1]:
            inherited |= getattr(base, "__dataclass_fields__", {})
        specs = dict(inherited)
        for name, kind in inspect.get_annotations(cls).items():
            specs[name] = _changed(cls.__dict__[name], kind=kind)
        for name, new in alternatives.items():
            specs[name] = _changed(specs[name], alternatives=new)
        changed = [n for n, spec in specs.items() if spec is not inherited.get(n)]
        specs = _with_further_options(specs, changed)
        specs = {n: _with_facts(spec, specs) for n, spec in specs.items()}
        specs |= {n: _changed(specs[n], help=text) for n, text in help.items()}
        specs |= {n: _with_default(specs[n], default) for n, default in defaults.items()}
        changed = {n: spec for n, spec in specs.items() if spec is not inherited.get(n)}
        cls.__annotations__ = {name: spec.type for name, spec in changed.items()}
        for name, spec in changed.items():
            setattr(cls, name, dataclasses.field(default=spec.default, metadata=spec.metadata))
        return dataclasses.dataclass(frozen=True)(cls)

    return decorator


def _changed(
    spec: dataclasses.Field, default: Any = ..., kind: Any = None, **metadata
) -> dataclasses.Field:
    """Return a copy of a field with another default, type or metadata, where given."""
    default = spec.default if default is ... else default
    made = dataclasses.field(default=default, metadata={**spec.metadata, **metadata})
    made.name, made.type = spec.name, kind or spec.type
    return made


def _with_default(spec: dataclasses.Field, default: Any) -> dataclasses.Field:
    if isinstance(default, PerChoice):
        if unknown := set(default.defaults) - set(spec.metadata["of_choice"]):
            raise ValueError(f"{spec.name} is not an option of {', '.join(sorted(unknown))}")
        return _changed(spec, of_choice={**spec.metadata["of_choice"], **default.defaults})
    if isinstance(default, PerDataset):
        return _changed(spec, default.default, by_dataset=default.datasets)
    return _changed(spec, default, by_dataset={})


def _with_facts(spec: dataclasses.Field, specs: dict[str, dataclasses.Field]) -> dataclasses.Field:
    """Return the field; one that `follows` a fact gets its defaults by alternative."""
    if not spec.metadata["follows"]:
        return spec
    owner, fact = spec.metadata["follows"]
    facts = {c.name: getattr(c, fact) for c in specs[owner].metadata["alternatives"].values()}
    of_choice = {name: value for name, value in facts.items() if value is not None}
    if (owner, of_choice) == (spec.metadata["owner"], spec.metadata["of_choice"]):
        return spec
    return _changed(spec, owner=owner, of_choice=of_choice)


def _with_further_options(
    specs: dict[str, dataclasses.Field], owners: list[str]
) -> dict[str, dataclasses.Field]:
    """Return the fields; each owner is followed by the options that its alternatives declare.

    An option that no alternative declares any more is kept, with the default None.
    """
    found = {}
    for owner, spec in specs.items():
        found.setdefault(owner, spec)
        if owner not in owners or spec.metadata["alternatives"] is None:
            continue
        declared: dict[str, dict[str, dataclasses.Field]] = {}
        for alternative in spec.metadata["alternatives"].values():
            for name, option in alternative.options.items():
                declared.setdefault(name, {})[alternative.name] = option
        for name, earlier in specs.items():
            if earlier.metadata["owner"] == owner and not earlier.metadata["follows"]:
                found[name] = _changed(earlier, None, of_choice={}, by_dataset={})
        for name, of_choice in declared.items():
            earlier = found.get(name, specs.get(name))
            if earlier and earlier.metadata["owner"] != owner:
                raise ValueError(f"{owner}: its alternatives declare {name}, which is taken")
            found[name] = _merged(owner, name, of_choice)
    return found


def _merged(owner: str, name: str, options: dict[str, dataclasses.Field]) -> dataclasses.Field:
    """Merge the declarations of one option by several alternatives into one field."""
    first, *others = options.values()
    for other in others:
        same = all(first.metadata[key] == other.metadata[key] for key in ("range", "choices"))
        if not same or type(first.default) is not type(other.default):
            raise ValueError(f"{owner}: its alternatives declare {name} differently")
    texts: dict[str, list[str]] = {}
    for alternative, option in options.items():
        texts.setdefault(option.metadata["help"], []).append(alternative)
    help = "; ".join(
        text if len(texts) == 1 else f"{text} ({', '.join(of)})" for text, of in texts.items()
    )
    made = _changed(
        first,
        None,
        type(first.default) | None,
        help=help,
        owner=owner,
        of_choice={alternative: option.default for alternative, option in options.items()},
        by_dataset={k: v for o in options.values() for k, v in o.metadata["by_dataset"].items()},
    )
    made.name = name
    return made


def value_type(spec: dataclasses.Field) -> type:
    """Return the plain type of a field: that of `int | None` is int, of `tuple[str, ...]` tuple."""
    if typing.get_origin(spec.type) is tuple:
        return tuple
    kinds = typing.get_args(spec.type) or (spec.type,)
    return next(kind for kind in kinds if kind is not type(None))


def names_of(spec: dataclasses.Field) -> tuple[str, ...]:
    """Return the names that a field selects from; empty for other fields."""
    alternatives = spec.metadata["alternatives"]
    return spec.metadata["choices"] if alternatives is None else tuple(alternatives)


def allowed(spec: dataclasses.Field) -> str:
    """Describe the values of a field: "one of a, b" or "a number >= 0 and < 1"."""
    names = names_of(spec)
    if spec.metadata["several"] and names:
        example = f"{names[0]},{names[-1]} or {names[0]}:5,{names[-1]}:0.5"
        some = f"some of {', '.join(names)}, each once and with an optional weight > 0"
        return f"none, or {some}: {example}"
    if names or spec.metadata["several"]:
        return "one of " + ", ".join(names) if names else "none"
    limits = [f"{sign} {limit}" for sign, limit in spec.metadata["range"].items()]
    return " ".join([KINDS[value_type(spec)], " and ".join(limits)]).strip()


def normalised(spec: dataclasses.Field, value: Any) -> Any:
    """Return the stored form of a value: aliases replaced, "r1, r2: 5.0" as ("r1", "r2:5")."""
    alternatives = spec.metadata["alternatives"]
    aliases = {} if alternatives is None else alternatives.aliases
    if not spec.metadata["several"]:
        return aliases.get(value, value) if isinstance(value, str) else value
    value = listed(value) if isinstance(value, str) else value
    if not isinstance(value, (list, tuple)):
        return value
    parts = () if list(value) == ["none"] else value
    return tuple(_normalised_part(str(part), aliases) for part in parts)


def _normalised_part(part: str, aliases: Mapping[str, str]) -> str:
    """Return one part of the value of a `several` field, such as "r1" or "r1:5"."""
    name, colon, weight = (text.strip() for text in part.partition(":"))
    with contextlib.suppress(ValueError):
        weight = str(float(weight)).removesuffix(".0")
    return aliases.get(name, name) + colon + weight


def weighted(selected: tuple[str, ...]) -> dict[str, float | None]:
    """Map the names in a `several` value to their weights, or None; ValueError if not a number."""
    parts = [part.partition(":") for part in selected]
    return {name.strip(): float(weight) if colon else None for name, colon, weight in parts}


def check_value(spec: dataclasses.Field, value: Any) -> None:
    """Raise UserError unless a field may have the value."""
    large = type(value) is int and abs(value) >= 2**31
    if large or not _is_valid(spec, value):
        expected = "an integer below 2^31" if large else allowed(spec)
        raise UserError(f"expected {expected}, got {as_text(value)}", spec.name)


def _is_valid(spec: dataclasses.Field, value: Any) -> bool:
    if value is None and type(None) in typing.get_args(spec.type):
        return True
    kind = value_type(spec)
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        return False
    if kind is tuple:
        try:
            weights = weighted(value)
        except ValueError:
            return False
        good = all(w is None or 0 < w < math.inf for w in weights.values())
        return good and len(weights) == len(value) and set(weights) <= set(names_of(spec))
    if value not in (names_of(spec) or [value]) or (kind is float and not math.isfinite(value)):
        return False
    return all(COMPARE[sign](value, limit) for sign, limit in spec.metadata["range"].items())


def check(instance: Any) -> None:
    """Raise UserError unless all values of an option class are valid."""
    for spec in dataclasses.fields(instance):
        check_value(spec, getattr(instance, spec.name))
    for spec in dataclasses.fields(instance):
        for selected in _selected(spec, getattr(instance, spec.name)):
            if selected.validate:
                selected.validate(**{o: getattr(instance, o) for o in selected.options})


def resolve(cls: type, given: Mapping[str, Any], *datasets: str) -> Any:
    """Return options: the given values, else the data set's defaults, else the class's defaults.

    Args:
        cls: option class, decorated with `options`.
        given: name -> value; None counts as not given.
        *datasets: name of the data set and kind of its images, keys of `PerDataset` by priority.

    Raises:
        UserError: an unknown name, an invalid value, or an option that does not apply.
    """
    specs = {spec.name: spec for spec in dataclasses.fields(cls)}
    if unknown := [name for name in given if name not in specs]:
        of = cls.__name__.removesuffix("Hyperparameters")
        raise UserError(f"no such option of {of}{near(unknown[0], specs)}", unknown[0])
    given = {n: normalised(specs[n], v) for n, v in given.items() if v is not None}
    values: dict[str, Any] = {}
    for name, spec in specs.items():
        by_dataset = spec.metadata["by_dataset"]
        default = next((by_dataset[d] for d in datasets if d in by_dataset), spec.default)
        if owner := spec.metadata["owner"]:
            check_value(specs[owner], values[owner])
            applies, derived = _derived(spec, _selected(specs[owner], values[owner]))
            if not applies:
                if name in given:
                    having = list(spec.metadata["of_choice"])
                    only = f", only with {owner}={either(having)}" if having else ""
                    shown = as_text(values[owner])
                    raise UserError(f"does not apply with {owner}={shown}{only}", name)
                values[name] = None
                continue
            default = derived if default is None else default
        values[name] = given.get(name, default)
    return cls(**values)


def _selected(spec: dataclasses.Field, value: Any) -> list[Choice]:
    """Return the alternatives that a value selects; empty if the field is not a `choice`."""
    alternatives = spec.metadata["alternatives"]
    if alternatives is None or value is None:
        return []
    names = weighted(value) if spec.metadata["several"] else [value]
    return [alternatives[name] for name in names]


def _derived(spec: dataclasses.Field, selected: list[Choice]) -> tuple[bool, Any]:
    """Return whether a selected alternative has the option, and their common default or None."""
    of_choice = spec.metadata["of_choice"]
    defaults = [of_choice[choice.name] for choice in selected if choice.name in of_choice]
    return bool(defaults), defaults[0] if len(set(defaults)) == 1 else None


def selected(instance: Any, name: str) -> Choice:
    """Return the one alternative that a field of an option class selects."""
    (choice,) = _selected(instance.__dataclass_fields__[name], getattr(instance, name))
    return choice


def options_of(instance: Any, name: str) -> dict[str, Any]:
    """Return the further options of the one alternative that a field selects, name -> value."""
    return {option: getattr(instance, option) for option in selected(instance, name).options}


def listed(value: str) -> list[str]:
    """Split a comma-separated text into non-empty names without surrounding blanks."""
    return [name.strip() for name in value.split(",") if name.strip()]
