"""Configuration of a training that was saved in a JSON file: options, hyperparameters, data."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from errors import UserError

Parsed = TypeVar("Parsed")

# Types of the entries of the file; those of `data` are read by its users.
CONFIG = {
    "commands": list,
    "options": dict,
    "hyperparameters": dict,
    "data": dict,
    "total_steps": int,
}
DATA = {
    "name": str,
    "fingerprint": str,
    "image_shape": list,
    "num_classes": int,
}


class SavedConfig:
    """Reader of the configuration of a training.

    Attributes:
        label: name in tables.
        outputs: folder of what is made with the trained model.
        path: folder or file that an error about a missing configuration names.
        config: the JSON file.
        advice: end of the error of a damaged file: what to do.
        missing: error of a missing file.
    """

    label: str
    outputs: Path
    path: Path
    config: Path
    advice: str
    missing: str

    def read_config(self) -> dict:
        """Return the content of the file.

        Raises:
            UserError: it is missing or cannot be read.
        """
        try:
            saved = json.loads(self.config.read_bytes())
            require_types(saved, CONFIG)
            if not saved["commands"] or {type(command) for command in saved["commands"]} != {str}:
                raise TypeError("commands are no list of command lines")
            require_types(saved, {"environment": dict} if "environment" in saved else {})
            return saved
        except FileNotFoundError:
            raise UserError(f"{self.path}: {self.missing}") from None
        except NotADirectoryError:
            raise UserError(f"{self.path}: a file, not a run directory") from None
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise self.unreadable(error) from None

    def read_data(self) -> dict:
        """Return the description of the data set.

        Raises:
            UserError: the file is missing or cannot be read.
        """
        data = self.read_config()["data"]
        try:
            require_types(data, DATA)
            sides = data["image_shape"]
            if len(sides) != 3 or not all(type(n) is int and 0 < n < 2**16 for n in sides):
                raise TypeError(f"image_shape is {sides}")
            require_types(data, {"classes": dict} if "classes" in data else {})
            if data["num_classes"] < 0:
                raise TypeError(f"num_classes is {data['num_classes']}")
        except TypeError as error:
            raise self.unreadable(f"data: {error}") from None
        return data

    def parsed_config(self, parse: Callable[[dict], Parsed]) -> Parsed:
        """Return parse(content of the file).

        Raises:
            UserError: the file is missing or cannot be read, or another version of the code wrote
                it, so that `parse` raises LookupError, TypeError or ValueError.
        """
        saved = self.read_config()
        try:
            return parse(saved)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            reason = f"it lacks the entry {error}" if isinstance(error, KeyError) else error
            raise UserError(
                f"{self.config}: damaged or written by another version of the code ({reason})"
            ) from None

    def unreadable(self, reason: Exception | str) -> UserError:
        """Return the error of a damaged file."""
        return UserError(f"{self.config}: cannot be read ({reason}); {self.advice}")


def require_types(values: Any, types: dict[str, type]) -> None:
    """Raise TypeError unless `values` is a dictionary with entries of these types."""
    if not isinstance(values, dict):
        raise TypeError(f"an object is expected, not {type(values).__name__}")
    if missing := types.keys() - values.keys():
        raise TypeError(f"{', '.join(sorted(missing))} missing")
    for name, kind in types.items():
        if type(values[name]) is not kind:
            raise TypeError(f"{name} is not of the type {kind.__name__}")
