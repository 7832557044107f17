"""Command lines made from dataclasses: one flag a field, checked before the slow imports.

Flags live in a private absl FlagValues, so that a script can be run any number of times in one
process, as by %run in a notebook.
"""

import dataclasses
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from errors import UserError
from metrics.report import MetricError
from models.hyperparameters import allowed, check_value, near, value_type


class UnknownFlagError(UserError):
    """A flag that none of the dataclasses has."""

    def __init__(self, flag: str, known):
        super().__init__(f"--{flag}: no such flag{near(flag, known, prefix='--')}")
        self.flag = flag


class _Parser(flags.ArgumentParser):
    """Reads the text of a flag as a value that its field may have."""

    syntactic_help = ""

    def __init__(self, spec: dataclasses.Field):
        super().__init__()
        self.spec = spec

    def parse(self, argument: Any) -> Any:
        try:
            value = value_type(self.spec)(argument)
        except ValueError:
            value = argument
        try:
            check_value(self.spec, value)
        except UserError as error:
            raise UserError(str(error)) from None
        return value


def _define(values: flags.FlagValues, cls: type) -> None:
    for spec in dataclasses.fields(cls):
        if value_type(spec) is bool:
            flags.DEFINE_boolean(spec.name, None, spec.metadata["help"], values)
        else:
            flags.DEFINE(_Parser(spec), spec.name, None, spec.metadata["help"], values)


def given(argv: Sequence[str], *classes: type, partial: bool = False) -> dict[str, Any]:
    """What the command line says of the fields of some dataclasses, as name -> value.

    Args:
        argv: the arguments after the program's name; --flagfile=F stands for those in the file F.
        partial: leave flags of others alone instead of refusing them.

    Raises:
        UserError: an unknown flag, a value that it may not have, an argument that is no flag.
    """
    values = flags.FlagValues()
    for cls in classes:
        _define(values, cls)
    try:
        rest = values(["", *argv], known_only=partial)[1:]
    except flags.UnrecognizedFlagError as error:
        raise UnknownFlagError(error.flagname, values) from None
    except (flags.Error, ValueError) as error:  # ValueError: --noflag=value
        message = str(error).replace("ERROR:: Unable to open flagfile", "--flagfile: cannot open")
        raise UserError(message) from None
    if rest and not partial:
        raise UserError(f"{rest[0]}: not a flag; flags are --name=value")
    return {name: values[name].value for name in values if values[name].present}


def describe(*classes: type) -> str:
    """The flags of some dataclasses under the headings of their groups, with their defaults."""
    groups: dict[str, list[str]] = {}
    for cls in classes:
        for spec in dataclasses.fields(cls):
            meta = spec.metadata
            default = "" if spec.default in (None, "") else f"  [{spec.default}]"
            defaults = {} if default else meta["by"][1]
            special = ", ".join(f"{k}: {v}" for k, v in {**defaults, **meta["by_dataset"]}.items())
            text = (
                meta["help"]
                if spec.type is str and not meta["choices"]
                else (f"{meta['help']}; {allowed(spec)}")
            )
            groups.setdefault(meta["group"], []).extend(
                [
                    f"  --{spec.name}{default}" + (f"  ({special})" if special else ""),
                    textwrap.fill(text, 96, initial_indent=" " * 6, subsequent_indent=" " * 6),
                ]
            )
    return "\n\n".join("\n".join([f"{group}:", *lines]) for group, lines in groups.items())


def listed(value: str) -> list[str]:
    """The names in a flag's value, with commas between them."""
    return [name.strip() for name in value.split(",") if name.strip()]


def wants_help(argv: Sequence[str]) -> bool:
    return any(argument in ("-h", "-help", "--help", "--helpfull") for argument in argv)


Main = Callable[[Sequence[str]], int]


def run_script(main: Main, argv: Sequence[str] | None = None) -> int:
    """Runs a script's main on the arguments; errors of the user's end as one line and code 2.

    An OSError is one of them: a full disk, a folder that cannot be written. A reader of the output
    that has gone away, as `head` does, is none.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # not all that TF 2.21 says obeys it
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # which TF does on some CPUs only
    try:
        code = main(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (UserError, MetricError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
