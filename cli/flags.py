"""Flags of the scripts, built from option classes and checked before TensorFlow is imported.

Each call parses into a new absl FlagValues, so that a script can run several times in one process,
such as with %run in a notebook.
"""

import atexit
import contextlib
import dataclasses
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from cli import version
from cli.failures import explained
from cli.flagfiles import reason_of_typographic_dash, with_flagfiles
from errors import UserError, as_text, near, one_line
from fields import allowed, check_value, names_of, normalised, value_type


class _Parser(flags.ArgumentParser):
    """Parser of a flag's text into a valid value of its field."""

    syntactic_help = ""

    def __init__(self, spec: dataclasses.Field):
        super().__init__()
        self.spec = spec

    def parse(self, argument: Any) -> Any:
        value = argument
        if value_type(self.spec) in (int, float):
            with contextlib.suppress(ValueError):
                value = value_type(self.spec)(argument)
        if convert := self.spec.metadata.get("convert"):
            try:
                value = convert(value)
            except UserError as error:
                raise UserError(error.message, self.spec.name) from None
        value = normalised(self.spec, value)
        check_value(self.spec, value)
        return value


def _define(values: flags.FlagValues, cls: type) -> None:
    for spec in dataclasses.fields(cls):
        if spec.name in values:
            continue
        if value_type(spec) is bool:
            flags.DEFINE_boolean(spec.name, None, spec.metadata["help"], values)
        elif spec.metadata.get("repeated"):
            serializer = flags.ArgumentSerializer()
            help = spec.metadata["help"]
            flags.DEFINE_multi(_Parser(spec), serializer, spec.name, None, help, values)
        else:
            flags.DEFINE(_Parser(spec), spec.name, None, spec.metadata["help"], values)


def given(argv: Sequence[str], *classes: type, partial: bool = False) -> dict[str, Any]:
    """Parse a command line into values of the fields of option classes, by name.

    Args:
        argv: the arguments after the program's name; --flagfile=F inserts those of the file F.
        *classes: option classes, whose fields are the flags; of fields of one name the first
            counts. The value of a flag whose field has the fact `repeated` has a line per
            occurrence; of any other flag the last one counts.
        partial: ignore the flags of other classes.

    Raises:
        UserError: a flag is unknown, a value is invalid, an argument is not a flag, or a flagfile
            cannot be read.
    """
    argv = with_flagfiles(argv)
    values = flags.FlagValues()
    for cls in classes:
        _define(values, cls)
    try:
        rest = values(["", *argv], known_only=partial)[1:]
    except flags.UnrecognizedFlagError as error:
        hint = near(error.flagname, values, prefix="--")
        raise UserError(f"no such flag{hint}", error.flagname) from None
    except (flags.Error, ValueError) as error:  # ValueError: --noflag=value
        if isinstance(error.__context__, UserError):  # of a flag's parser
            raise error.__context__ from None
        raise UserError(str(error)) from None
    if rest and not partial:
        raise UserError(
            reason_of_typographic_dash(rest[0]) or f"{rest[0]}: not a flag; flags are --name=value"
        )
    found = {name: values[name].value for name in values if values[name].present}
    return {name: "\n".join(v) if isinstance(v, list) else v for name, v in found.items()}


def describe(*classes: type) -> str:
    """Return the help text of option classes: flags by group, with defaults and valid values."""
    groups: dict[str, list[str]] = {}
    for cls in classes:
        for spec in dataclasses.fields(cls):
            if _never_applies(spec):
                continue
            groups.setdefault(spec.metadata["group"], []).append(describe_flag(spec))
    return "\n\n".join("\n".join([f"{group}:", *lines]) for group, lines in groups.items())


def describe_flag(spec: dataclasses.Field, default: str | None = None) -> str:
    """Return the help text of one flag.

    Args:
        spec: field of an option class.
        default: text in place of the defaults.
    """
    text = spec.metadata["help"]
    if value_type(spec) is not str or names_of(spec):
        text = f"{text}; {allowed(spec)}"
    if spec.metadata.get("schedulable"):
        text = f"{text}; schedulable"
    shown = _defaults(spec) if default is None else f"  [{default}]"
    indent = " " * 6
    lines = textwrap.fill(text, 96, initial_indent=indent, subsequent_indent=indent)
    return f"  --{spec.name}{shown}\n{lines}"


def _never_applies(spec: dataclasses.Field) -> bool:
    """Return whether an option belongs to alternatives that its class does not offer."""
    owned = spec.metadata["owner"] and not spec.metadata["of_choice"]
    return bool(owned) and spec.default is None


def _defaults(spec: dataclasses.Field) -> str:
    """Return the default of a field, and those for an alternative or a data set."""
    special = dict(spec.metadata["by_dataset"])
    default = "" if spec.default in (None, "") else f"  [{as_text(spec.default)}]"
    if not default:
        special = {**spec.metadata["of_choice"], **special}
    special = {name: as_text(value) for name, value in special.items() if value != ""}
    exceptions = ", ".join(f"{name}: {text}" for name, text in special.items())
    return default + (f"  ({exceptions})" if exceptions else "")


ALL = ("-help=all", "--help=all", "-helpfull", "--helpfull")
HELP = ("-h", "-help", "--help", *ALL)
VERSION = ("-version", "--version")
# Last lines of the help text of each script.
ENDING = """\
--flagfile=FILE: flags from a file, one per line, as in configs/; flags after it override it
--version: the commit and the versions of the libraries"""


def wants_help(argv: Sequence[str]) -> bool:
    """Return whether a command line asks for help."""
    return any(argument in HELP for argument in argv)


def wants_all(argv: Sequence[str]) -> bool:
    """Return whether a command line asks for help about all flags."""
    return any(argument in ALL for argument in argv)


def require_some(argv: Sequence[str], example: str) -> None:
    """Raise UserError with an example of what to type if a command line is empty."""
    if not argv:
        raise UserError(f"no flags are given. Type, for example: {example}. --help lists the flags")


Main = Callable[[Sequence[str]], int]


def run_script(main: Main, argv: Sequence[str] | None = None) -> int:
    """Run the main function of a script; print a UserError in one line and return exit code 2.

    --version prints the version instead. Errors of the machine, such as a full disk, are handled
    in the same way (`cli.failures`). If the reader of the output closes the pipe, such as `head`,
    the script ends without an error message; without any stdout or stderr nothing is printed there.
    Characters that they cannot encode are printed as escapes.
    Ctrl-C gives one line; `main` does the imports that take long, so that it does from the start.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # the default on some CPUs only
    os.environ.update(KERAS_BACKEND="tensorflow", MPLBACKEND="agg")  # of a notebook, perhaps
    argv = sys.argv[1:] if argv is None else argv
    _make_streams_usable()
    try:
        if any(argument in VERSION for argument in argv):
            print(version.described())
            code = 0
        else:
            code = main(argv)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as stop:
        print(f"stopped; {stop}" if str(stop) else "stopped", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except UserError as error:
        print(f"error: {'--' if error.option else ''}{error}", file=sys.stderr)
        return 2
    except Exception as error:
        if not (reason := explained(error, argv)):
            raise
        print(f"error: {one_line(reason)}", file=sys.stderr)
        return 2
    finally:
        atexit.unregister(_ignore_stops)
        atexit.register(_ignore_stops)  # the last to be registered is the first to run


def _make_streams_usable() -> None:
    """Open streams that were closed when the process began; print what they cannot encode."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, until the process ends
        with contextlib.suppress(AttributeError):  # of a stream that a notebook or a test replaced
            getattr(sys, name).reconfigure(errors="backslashreplace")


def _ignore_stops() -> None:
    """Ignore further signals of a stop while the interpreter ends: the exit code is decided."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
