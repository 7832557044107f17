"""Groups of logged scalars, each declared by the code that emits it.

A group composes the names of its scalars and takes them apart again, so that curves of any run,
also of one that trains elsewhere, find the group, the unit and the scale of a name.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

TEST = "test_"  # prefix of a scalar of test images

_GROUPS: list["ScalarGroup"] = []


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalarGroup:
    """Scalars that one panel of curves shows.

    Attributes:
        title: title of the panel.
        names: names of the scalars; empty if they are composed of prefix, label and suffix.
        prefix, suffix: of the names.
        order: place of the panel.
        unit: unit of the values; empty for numbers.
        log: whether the axis is logarithmic.
        is_loss: whether they are whole losses, which the line of progress and the curves of
            several runs show.
    """

    title: str
    names: tuple[str, ...] = ()
    prefix: str = ""
    suffix: str = ""
    order: int = 0
    unit: str = ""
    log: bool = False
    is_loss: bool = False

    def __post_init__(self):
        _GROUPS.append(self)

    @property
    def heading(self) -> str:
        """Title with the unit."""
        return f"{self.title}, in {self.unit}" if self.unit else self.title

    def named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values by label as values by name."""
        return {f"{self.prefix}{label}{self.suffix}": value for label, value in values.items()}

    def single(self, value: Any) -> dict[str, Any]:
        """Return the value of the one scalar of the group, by its name."""
        (name,) = self.names
        return {name: value}

    def label_of(self, name: str) -> str | None:
        """Return the label of a name in the panel, None if it is not of this group."""
        if self.names:
            plain = name.removeprefix(TEST)
            if plain not in self.names:
                return None
            if len(self.names) > 1:
                return name
            return "train" if plain == name else "test"
        label = name.removeprefix(self.prefix).removesuffix(self.suffix)
        composed = label and name == f"{self.prefix}{label}{self.suffix}"
        return label if composed else None


def groups() -> Iterator[ScalarGroup]:
    """Yield the groups that have been declared, in the order of their panels."""
    yield from sorted(_GROUPS, key=lambda group: group.order)


def group_of(name: str) -> ScalarGroup | None:
    """Return the group of a scalar, one with names of its own first; None if it has none."""
    found = [group for group in groups() if group.label_of(name) is not None]
    return max(found, key=lambda group: bool(group.names), default=None)
