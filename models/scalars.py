"""Groups of logged scalars, each declared by the code that emits it.

A group builds the names of its scalars and recognises them, so that figures of any run find the
panel, the unit and the scale of a logged name, and TensorBoard its folder.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

TEST = "test_"  # prefix of a scalar of test images

_GROUPS: list["ScalarGroup"] = []


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalarPanel:
    """Panel of curves of scalars, without their values.

    Attributes:
        title: title without the unit.
        order: place of the panel.
        unit: unit of the values; empty for numbers.
        log: whether the axis is logarithmic.
        settings: whether the values are settings, which are written in one line unless they change.
    """

    title: str
    order: int = 0
    unit: str = ""
    log: bool = False
    settings: bool = False

    @property
    def heading(self) -> str:
        """Title with the unit."""
        return f"{self.title}, in {self.unit}" if self.unit else self.title


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalarGroup(ScalarPanel):
    """Scalars that are drawn in one panel of curves, and in one folder of TensorBoard.

    Attributes:
        folder: first part of their tags in TensorBoard; several groups may share one.
        names: names of the scalars; empty if they are composed of prefix, label and suffix.
        labels: labels of the names in the panel; by default the names.
        prefix, suffix: first and last part of the names.
        is_loss: whether the progress line and the curves of several runs include them.
    """

    folder: str
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    prefix: str = ""
    suffix: str = ""
    is_loss: bool = False

    def __post_init__(self):
        _GROUPS.append(self)

    def named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Map values by label to values by name."""
        return {f"{self.prefix}{label}{self.suffix}": value for label, value in values.items()}

    def single(self, value: Any) -> dict[str, Any]:
        """Return the value of the one scalar of the group, by its name."""
        (name,) = self.names
        return {name: value}

    def tag(self, name: str) -> str:
        """Return the tag of one of these scalars: the folder, and the name without a repetition.

        A prefix or suffix that is the folder is left out: generator_learning_rate has the tag
        learning_rate/generator.
        """
        inner = name
        if not self.names:
            inner = name.removeprefix(f"{self.folder}_").removesuffix(f"_{self.folder}")
        return f"{self.folder}/{inner}"

    def label_of(self, name: str) -> str | None:
        """Return the label of a name in the panel, None if it is not of this group."""
        if self.names:
            plain = name.removeprefix(TEST)
            if plain not in self.names:
                return None
            if len(self.names) > 1:
                return dict(zip(self.names, self.labels, strict=False)).get(name, name)
            return "train" if plain == name else "test"
        label = name.removeprefix(self.prefix).removesuffix(self.suffix)
        composed = label and name == f"{self.prefix}{label}{self.suffix}"
        return label if composed else None


def groups() -> Iterator[ScalarGroup]:
    """Yield the groups that have been declared, in the order of their panels."""
    yield from sorted(_GROUPS, key=lambda group: group.order)


def group_of(name: str) -> ScalarGroup | None:
    """Return the group of a scalar, or None; groups with explicit names take precedence."""
    found = [group for group in groups() if group.label_of(name) is not None]
    return max(found, key=lambda group: bool(group.names), default=None)
