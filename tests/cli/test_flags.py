"""Command lines made from option classes."""

import os
import pathlib
import subprocess
import sys

import pytest

from cli import flags
from errors import UserError
from fields import Choice, Choices, PerDataset, choice, field, options

WEIGHT = {"weight": field(2.5, "weight of a layer", group="third", above=0)}
LAYERS = Choices(
    Choice, Choice(name="felt", options=WEIGHT, aliases=("wool",)), Choice(name="foil")
)
SKINS = Choices(Choice, Choice(name="felt", aliases=("wool",)), Choice(name="foil"))


@options()
class Toy:
    """One field of each kind."""

    number: int = field(3, "a count", group="first", at_least=1, at_most=9)
    rate: float = field(0.5, "a share", group="first", above=0, below=1)
    smooth: bool = field(True, "a switch", group="second")
    sort: str = field("a", "a choice", group="second", choices=("a", "b"))
    word: str = field("", "any text", group="second")
    maybe: int | None = field(None, "a count or what follows from the rest", group="second")


@options()
class Other:
    depth: int = field(PerDataset(1, CIFAR10=5, MNIST=2), "a depth", group="first")


@options()
class Layered:
    layers: tuple[str, ...] = choice(LAYERS, (), "layers", group="third", several=True)
    outer: str = choice(SKINS, "foil", "the last layer", group="third")
    inner: tuple[str, ...] = choice(
        SKINS, ("felt", "foil:2"), "layers", group="third", several=True
    )


def given(*argv, **kwargs):
    return flags.given(argv, Toy, **kwargs)


def test_given_returns_the_flags_of_the_command_line_alone():
    assert given() == {}
    assert given("--number=4", "--word=x") == {"number": 4, "word": "x"}
    assert given("--number=3") == {"number": 3}  # given explicitly, equal to the default


@pytest.mark.parametrize(
    "argv", [["--number=4"], ["--number", "4"], ["-number=4"], ["--number=7", "--number=4"]]
)
def test_given_of_each_form_of_a_flag_returns_the_last_value(argv):
    assert given(*argv) == {"number": 4}


def test_given_returns_values_of_the_types_of_their_fields():
    values = given("--number=4", "--rate=.25", "--maybe=-7", "--sort=b", "--word=5")
    assert values == {"number": 4, "rate": 0.25, "maybe": -7, "sort": "b", "word": "5"}
    assert {name: type(value) for name, value in values.items()} == {
        "number": int, "rate": float, "maybe": int, "sort": str, "word": str,
    }  # fmt: skip
    assert given("--rate=1e-3") == {"rate": 0.001}


@pytest.mark.parametrize(
    ("argument", "value"),
    [("--smooth", True), ("--nosmooth", False), ("--smooth=true", True), ("--smooth=0", False)],
)
def test_given_of_a_boolean_flag_is_true_by_name_and_false_with_no_prefix(argument, value):
    assert given(argument) == {"smooth": value}


def test_given_of_a_boolean_flag_does_not_consume_the_next_word():
    assert given("--smooth", "--number=4") == {"smooth": True, "number": 4}
    with pytest.raises(UserError, match="false: not a flag"):
        given("--smooth", "false")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--number=0", "number: expected an integer >= 1 and <= 9, got 0"),
        ("--number=10", "number: expected an integer >= 1 and <= 9, got 10"),
        ("--number=1.5", "number: expected an integer >= 1 and <= 9, got 1.5"),
        ("--number=x", "number: expected an integer >= 1 and <= 9, got x"),
        ("--rate=0", "rate: expected a number > 0 and < 1, got 0.0"),
        ("--rate=nan", "rate: expected a number > 0 and < 1, got nan"),
        ("--sort=c", "sort: expected one of a, b, got c"),
        ("--maybe=x", "maybe: expected an integer, got x"),
        ("--numbr=4", "numbr: no such flag; did you mean --number?"),
        ("--nonumber", "nonumber: no such flag; did you mean --number?"),
        ("word", "word: not a flag; flags are --name=value"),
    ],
)
def test_given_of_an_invalid_argument_raises_one_line(argument, message):
    with pytest.raises(UserError) as error:
        given(argument)
    assert str(error.value) == message


@pytest.mark.parametrize("argument", ["--smooth=perhaps", "--nosmooth=true", "--number"])
def test_given_with_an_absl_error_raises_one_line_with_the_flag(argument):
    with pytest.raises(UserError) as error:
        given(argument)
    assert argument.split("=")[0].removeprefix("--no").removeprefix("--") in str(error.value)
    assert "\n" not in str(error.value)


def test_flagfile_is_replaced_by_its_lines(tmp_path):
    (tmp_path / "inner.txt").write_text("--rate=0.125\n")
    outer = tmp_path / "outer.txt"
    outer.write_text(f"# a comment\n\n--number=4\n// another\n--flagfile={tmp_path}/inner.txt\n")
    assert given(f"--flagfile={outer}") == {"number": 4, "rate": 0.125}
    assert given("--flagfile", str(outer)) == {"number": 4, "rate": 0.125}


def test_flagfile_with_a_byte_order_mark_is_read(tmp_path):
    file = tmp_path / "flags.txt"
    file.write_bytes(b"\xef\xbb\xbf--number=4\r\n--rate=0.125\r\n")
    assert given(f"--flagfile={file}") == {"number": 4, "rate": 0.125}


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("\u2013number=4", "U+2013 (en dash)"),
        ("\u2014number=4", "U+2014 (em dash)"),
        ("-\u2013number=4", "U+2013 (en dash)"),
        ("\u2212\u2212number=4", "U+2212 (minus sign)"),
        ("--\u2011number=4", "U+2011 (non-breaking hyphen)"),
    ],
)
def test_typographic_dash_is_named_with_its_line(tmp_path, argument, name):
    file = tmp_path / "flags.txt"
    file.write_text(f"# a comment\n\n--rate=0.5\n  {argument}\n", encoding="utf-8")
    reason = f"{argument} begins with {name}; write -- before a flag"
    with pytest.raises(UserError) as of_file:
        given(f"--flagfile={file}")
    assert str(of_file.value) == f"flagfile: {file}, line 4: {reason}"
    if argument.startswith("-"):
        return  # absl reads it as a flag of an unknown name
    with pytest.raises(UserError) as of_argument:
        given("--rate=0.5", argument)
    assert str(of_argument.value) == reason


def test_byte_order_mark_within_a_flagfile_is_named_with_its_line(tmp_path):
    file = tmp_path / "flags.txt"
    file.write_text("--rate=0.5\n\ufeff--number=4\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"line 2: .* begins with U\+FEFF \(zero width no-break"):
        given(f"--flagfile={file}")


def test_flag_and_value_on_a_line_of_a_flagfile_are_named_with_the_line(tmp_path):
    file = tmp_path / "flags.txt"
    file.write_text("--rate=0.5\n--number 4\n")
    with pytest.raises(UserError) as error:
        given(f"--flagfile={file}")
    assert str(error.value) == (
        f"flagfile: {file}, line 2: --number 4: expected one flag per line, as --name=value"
    )


def test_flagfile_and_flag_together_use_the_later_value(tmp_path):
    file = tmp_path / "flags.txt"
    file.write_text("--number=4\n--nosmooth\n")
    assert given(f"--flagfile={file}", "--number=5") == {"number": 5, "smooth": False}
    assert given("--number=5", f"--flagfile={file}") == {"number": 4, "smooth": False}


def test_flagfile_that_cannot_be_opened_raises_user_error(tmp_path):
    with pytest.raises(UserError, match=r"^flagfile: cannot open .*nothing.txt") as error:
        given(f"--flagfile={tmp_path}/nothing.txt")
    assert "ERROR" not in str(error.value)


def test_given_of_a_second_command_line_has_no_flags_of_the_first():
    assert given("--number=4", "--nosmooth", "--word=x") == {
        "number": 4, "smooth": False, "word": "x",
    }  # fmt: skip
    assert given("--rate=0.25") == {"rate": 0.25}
    assert given() == {}


def test_given_of_several_classes_parses_one_command_line():
    assert flags.given(["--depth=2", "--number=4"], Toy, Other) == {"depth": 2, "number": 4}


@pytest.mark.parametrize(
    "argv",
    [
        ["--depth=5", "--number=4"],
        ["--number=4", "--depth=5"],
        ["--number", "4", "--depth", "5"],
        ["--depth", "5", "--number", "4"],
        ["--deep", "--number=4", "rest"],
    ],
)
def test_given_partial_ignores_flags_of_other_classes_in_any_order(argv):
    assert given(*argv, partial=True) == {"number": 4}


@options()
class Repeated:
    every: str = field("", "lines", group="first", repeated=True)


def test_given_of_a_repeated_flag_has_a_line_per_occurrence(tmp_path):
    (tmp_path / "flags.txt").write_text("--every=a=1,2\n")
    argv = [f"--flagfile={tmp_path}/flags.txt", "--every", "b=3"]
    assert flags.given(argv, Repeated) == {"every": "a=1,2\nb=3"}
    assert flags.given(["--every=a"], Repeated) == {"every": "a"}
    assert flags.given([], Repeated) == {}


def test_given_partial_reads_a_flagfile_after_flags_of_other_classes(tmp_path):
    (tmp_path / "flags.txt").write_text("--number=4\n")
    argv = ["--depth", "5", f"--flagfile={tmp_path}/flags.txt"]
    assert given(*argv, partial=True) == {"number": 4}


def test_describe_lists_flags_by_group_with_defaults_and_values():
    assert flags.describe(Toy, Other) == "\n".join(
        [
            "first:",
            "  --number  [3]",
            "      a count; an integer >= 1 and <= 9",
            "  --rate  [0.5]",
            "      a share; a number > 0 and < 1",
            "  --depth  [1]  (CIFAR10: 5, MNIST: 2)",
            "      a depth; an integer",
            "",
            "second:",
            "  --smooth  [True]",
            "      a switch; true or false",
            "  --sort  [a]",
            "      a choice; one of a, b",
            "  --word",
            "      any text",
            "  --maybe",
            "      a count or what follows from the rest; an integer",
        ]
    )


def test_describe_lists_options_of_alternatives_with_their_defaults():
    names = (
        "      layers; none, or some of felt, foil, each once and with an optional weight > 0: "
        "felt,foil\n      or felt:5,foil:0.5"
    )
    assert flags.describe(Layered) == "\n".join(
        [
            "third:",
            "  --layers  [none]",
            names,
            "  --weight  (felt: 2.5)",
            "      weight of a layer; a number > 0",
            "  --outer  [foil]",
            "      the last layer; one of felt, foil",
            "  --inner  [felt,foil:2]",
            names,
        ]
    )


def test_describe_omits_options_of_alternatives_that_a_class_does_not_offer():
    @options(alternatives={"layers": LAYERS.only(lambda layer: layer.name == "foil")})
    class Foiled(Layered):
        pass

    assert "--weight" not in flags.describe(Foiled)
    assert "--outer" in flags.describe(Foiled)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--layers=felt,foil:0.50"], {"layers": ("felt", "foil:0.5")}),
        (["--layers=none"], {"layers": ()}),
        (["--layers=wool", "--outer=wool"], {"layers": ("felt",), "outer": "felt"}),
        (["--weight=3"], {"weight": 3.0}),
    ],
)
def test_given_of_choices_returns_their_stored_form(argv, expected):
    assert flags.given(argv, Layered) == expected


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--outer=wood", "outer: expected one of felt, foil, got wood"),
        (
            "--layers=felt,felt",
            "layers: expected none, or some of felt, foil, each once and with an optional weight "
            "> 0: felt,foil or felt:5,foil:0.5, got felt,felt",
        ),
    ],
)
def test_given_of_an_invalid_choice_raises_one_line(argument, message):
    with pytest.raises(UserError) as error:
        flags.given([argument], Layered)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("argument", "wants_all"),
    [
        ("-h", False),
        ("--help", False),
        ("-help", False),
        ("--helpfull", True),
        ("--help=all", True),
    ],
)
def test_wants_help_of_each_form_is_true(argument, wants_all):
    assert flags.wants_help(["--model=gan", argument])
    assert flags.wants_all(["--model=gan", argument]) == wants_all


def test_wants_help_of_a_value_with_the_word_in_it_is_false():
    assert not flags.wants_help(["--outdir=help", "helpful", "--width=-h"])


@pytest.mark.parametrize("kind", [UserError, OSError])
def test_run_script_with_a_user_error_prints_one_line_and_returns_2(kind, capsys):
    def main(argv):
        raise kind(f"what is wrong with {argv[0]}")

    assert flags.run_script(main, ["it"]) == 2
    assert capsys.readouterr() == ("", "error: what is wrong with it\n")


def test_run_script_with_a_user_error_prints_its_option_as_a_flag(capsys):
    def main(argv):
        raise UserError("expected an integer >= 1, got -3", "width")

    assert flags.run_script(main, []) == 2
    assert capsys.readouterr().err == "error: --width: expected an integer >= 1, got -3\n"


def test_run_script_returns_the_code_of_main_and_reads_sys_argv(monkeypatch):
    monkeypatch.setattr("sys.argv", ["script.py", "a", "b"])
    assert flags.run_script(lambda argv: len(argv)) == 2
    assert flags.run_script(lambda argv: len(argv), ["a"]) == 1


def test_run_script_leaves_the_lines_of_tensorflow_as_they_are(monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    assert flags.run_script(lambda argv: 0, []) == 0
    assert "TF_CPP_MIN_LOG_LEVEL" not in os.environ


def test_run_script_interrupted_prints_no_traceback_and_returns_130(capfd):
    def interrupted(argv):
        raise KeyboardInterrupt

    assert flags.run_script(interrupted, []) == 130
    assert capfd.readouterr().err == "stopped\n"


def test_run_script_interrupted_prints_the_message_of_the_interrupt(capfd):
    def interrupted(argv):
        raise KeyboardInterrupt("the last checkpoint is of step 3")

    assert flags.run_script(interrupted, []) == 130
    assert capfd.readouterr().err == "stopped; the last checkpoint is of step 3\n"


IMPORTING = """
import runpy, sys
from importlib.abc import MetaPathFinder

class Interrupting(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("numpy", "training"):
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
script, *sys.argv[1:] = sys.argv[1:]
runpy.run_path(script, run_name="__main__")
"""


@pytest.mark.parametrize("script", ["train", "evaluate", "generate", "study", "train_classifier"])
def test_script_interrupted_in_its_imports_prints_one_line_and_returns_130(python, script):
    done = python("-c", IMPORTING, f"{script}.py", "--seed=1")
    assert (done.code, done.out, done.err) == (130, "", "stopped\n")


def test_script_with_a_closed_stdout_prints_nothing_and_returns_141():
    root = pathlib.Path(__file__).resolve().parents[2]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "train.py", "--help"], cwd=root, **pipes) as script:
        script.stdout.close()
        assert script.stderr.read() == b""
    assert script.returncode == 141


ARROW = "from cli import flags; flags.run_script(lambda argv: print('fid \u2193 \xe9'), [])"


CLOSED = """
import os, sys
os.close(1)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def test_script_without_a_stdout_ends_well_and_writes_to_no_other_file(python, root):
    done = python("-c", CLOSED, root / "train.py", "--version")
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.parametrize("script", ["train", "evaluate"])
def test_help_is_printed_on_an_ascii_terminal(python, script):
    environment = {"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}
    done = python(f"{script}.py", "--help=all", **environment)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("usage: ")
    assert done.out.isascii()


@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict"])
def test_script_with_a_stdout_that_cannot_encode_a_character_prints_its_escape(python, encoding):
    done = python("-c", ARROW, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert (done.out, done.err) == ("fid \\u2193 \\xe9\n", "")


@pytest.mark.parametrize("script", ["train", "evaluate", "generate", "study", "train_classifier"])
def test_script_under_a_safe_path_finds_its_packages_before_those_of_the_user(
    python, root, tmp_path, script
):
    """As with python -P, which leaves the folder of the script out of sys.path."""
    (tmp_path / "models.py").write_text("raise SystemExit('of the user')")
    (tmp_path / "cli.py").write_text("raise SystemExit('of the user')")
    environment = {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(tmp_path)}
    done = python(root / f"{script}.py", "--help", cwd=tmp_path, zoo=False, **environment)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"usage: python {script}.py --")


def test_run_script_raises_other_errors():
    def main(argv):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        flags.run_script(main, [])


ENDING = """
import atexit, os, signal, sys

def late():  # runs after the handlers that the script registers
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(os.getpid(), number)

atexit.register(late)
from cli import flags

if code := flags.run_script(lambda argv: 130, []):
    sys.exit(code)
"""


def test_signals_while_the_interpreter_ends_do_not_change_the_exit_code(python):
    done = python("-c", ENDING)
    assert (done.code, done.err) == (130, "")
