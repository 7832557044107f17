"""UserError, helpers for messages, warnings, and the check of names of packages."""

import difflib
import importlib.util
import pathlib
import sys
from collections.abc import Iterable, Sequence
from typing import Any

PACKAGES = ("augmentation", "data", "fields", "losses", "metrics", "models", "storage", "waiting")


def require_own_packages() -> None:
    """Check that the packages that `import models` requires are those beside this file.

    Raises:
        ImportError: another installed package has the name of one of them.
    """
    here = pathlib.Path(__file__).resolve().parent
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        place = pathlib.Path((spec and spec.origin) or here / name).resolve()
        if here not in place.parents:
            raise ImportError(
                f"{name} would be imported from {place}, not from {here}; put {here} before it on "
                "sys.path"
            )


require_own_packages()

from waiting import cleared, printable  # noqa: E402, after the check


class UserError(ValueError):
    """Error that the user can correct, such as an invalid flag or a damaged file.

    The command line prints it in one line, with the option as a flag, and exits with code 2;
    in Python it is a ValueError. Messages that Python can also raise name options without dashes.

    Args:
        message: what is wrong and what to do, in one line.
        option: name of the invalid option: a flag of the scripts, an argument in Python; empty if
            the error concerns no option, such as a damaged file.

    Attributes:
        message: as given, in one line (see `one_line`).
        option: as given.
    """

    def __init__(self, message: str, option: str = ""):
        self.message, self.option = one_line(message), one_line(option, 60)
        super().__init__(f"{self.option}: {self.message}" if option else self.message)


def one_line(text: str, longest: int = 400) -> str:
    """Return a text as one line: control characters escaped, the middle of a long one left out."""
    if len(text) > longest:
        tail = longest // 3
        text = f"{text[: longest - tail - 5]} ... {text[-tail:]}"
    return printable(text)


def warn(message: str) -> None:
    """Print a warning to stderr, in one line."""
    with cleared():
        print(f"warning: {one_line(message)}", file=sys.stderr)


def near(name: str, names: Iterable[str], prefix: str = "", cutoff: float = 0.5) -> str:
    """Return "; did you mean x?" with the closest names in any case, or an empty string.

    Args:
        name: the name that was given.
        names: the names that there are.
        prefix: text before each name in the result.
        cutoff: lowest similarity, from 0 to 1, of a name that is listed.
    """
    by_lower = {name.lower(): name for name in names}
    found = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=cutoff)
    return f"; did you mean {either([prefix + by_lower[x] for x in found])}?" if found else ""


def either(names: Sequence[str]) -> str:
    """Return "a", "a or b" or "a, b or c"."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def as_text(value: Any) -> str:
    """Return the value of a field as it is written on the command line."""
    return ",".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
