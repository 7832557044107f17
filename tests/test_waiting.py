"""Notes about work that takes long: when they are written, where, and how they are erased."""

import io
import re
import sys
import threading
import time

import pytest

import waiting
from errors import warn


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def notes(monkeypatch):
    """Return notes(live) -> the notes, without their thread, and the stderr they are written to."""
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setenv("COLUMNS", "80")

    def notes(live):
        made = waiting.Notes()
        made.thread = threading.current_thread()  # no other one writes
        monkeypatch.setattr(waiting, "_notes", made)
        monkeypatch.setattr(sys, "stderr", Terminal() if live else io.StringIO())
        return made, sys.stderr

    return notes


def test_control_characters_in_the_title_of_work_are_escaped():
    work = waiting.Work("loading a\x1b]0;title\x07\u202e\n\udcff")
    assert str(work) == r"loading a\x1b]0;title\x07\u202e\n\udcff"


def test_notes_at_a_terminal_begin_after_two_seconds_and_are_erased(notes):
    made, stderr = notes(live=True)
    with waiting.waiting("decoding", total=1200) as work:
        made.write(work.since + 1.9)
        assert stderr.getvalue() == ""
        work.done = 1000
        made.write(work.since + 2.0)
        note = "decoding, 1,000 of 1,200, 2 s, 0 s left"
        assert stderr.getvalue() == "\r" + note.ljust(79) + "\r"
        made.write(work.since + 2.4)
        assert stderr.getvalue().count("\r") == 2
        made.write(work.since + 61)
        assert stderr.getvalue().endswith(
            "\r" + "decoding, 1,000 of 1,200, 61 s, 12 s left".ljust(79) + "\r"
        )
    assert stderr.getvalue().endswith("\r" + " " * 79 + "\r")
    made.write(work.since + 90)
    assert stderr.getvalue().endswith("\r" + " " * 79 + "\r")


def test_note_covers_a_progress_line(notes):
    made, stderr = notes(live=True)
    with waiting.waiting("writing") as work:
        made.write(work.since + 3)
    note, erased = re.findall("\r([^\r]+)", stderr.getvalue())
    assert (note.rstrip(), len(note), erased) == ("writing, 3 s", 79, " " * 79)


def test_end_of_a_work_leaves_another_one_of_the_same_title(notes):
    made, _ = notes(live=True)
    with waiting.waiting("loading") as first, waiting.waiting("loading") as second:
        second.end()
        assert [work is first for work in made.works] == [True]


def test_notes_elsewhere_are_a_line_every_half_minute(notes):
    made, stderr = notes(live=False)
    with waiting.waiting("loading") as work:
        for seconds in (2, 29, 30, 45, 60, 89):
            made.write(work.since + seconds)
    assert stderr.getvalue() == "loading, 30 s\nloading, 60 s\n"


@pytest.mark.parametrize(("live", "text"), [(True, ""), (False, "decoding, 0 of 3\n")])
def test_announced_work_has_a_note_at_once_where_it_cannot_be_erased(notes, live, text):
    _, stderr = notes(live)
    with waiting.waiting("decoding", 3, announced=True):
        assert stderr.getvalue() == text
    assert stderr.getvalue() == text


def test_notes_about_work_at_the_same_time_share_a_line_that_fits(notes, monkeypatch):
    made, stderr = notes(live=True)
    with waiting.waiting("decoding") as first, waiting.waiting("loading") as second:
        made.write(max(first.since, second.since) + 3)
        assert stderr.getvalue() == "\r" + "decoding, 3 s; loading, 3 s".ljust(79) + "\r"
        monkeypatch.setenv("COLUMNS", "10")
        made.write(max(first.since, second.since) + 4)
        assert stderr.getvalue().endswith("\rdecoding,".ljust(80) + "\r")


def test_warning_and_other_text_replace_a_note(notes):
    made, stderr = notes(live=True)
    with waiting.waiting("loading") as work:
        for say in (lambda: warn("no GPU"), lambda: print("line", file=sys.stderr)):
            stderr.truncate(0)
            made.write(work.since + 3)
            with waiting.cleared():
                say()
            note, _, erased, text = stderr.getvalue().strip("\x00").lstrip("\r").split("\r")
            assert (note.rstrip(), erased.strip()) == ("loading, 3 s", "")
            assert text in ("warning: no GPU\n", "line\n")
            work.noted = -1e9


def test_work_that_ends_before_its_context_has_no_further_notes(notes):
    made, stderr = notes(live=True)
    with waiting.waiting("first step") as work:
        work.end()
        made.write(work.since + 60)
    assert stderr.getvalue() == ""


def test_notes_are_written_by_a_thread_that_ends_with_the_work(monkeypatch):
    monkeypatch.setattr(waiting, "PATIENCE", {True: 0.1, False: 0.1})
    monkeypatch.setattr(sys, "stderr", Terminal())
    with waiting.waiting("loading"):
        deadline = time.monotonic() + 20
        while "loading, 0 s" not in sys.stderr.getvalue() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "loading, 0 s" in sys.stderr.getvalue()
        thread = waiting._notes.thread
    thread.join(20)
    assert not thread.is_alive()
    assert waiting._notes.thread is None


def test_notes_to_a_terminal_that_is_gone_are_left_out(notes, monkeypatch):
    made, _ = notes(live=True)

    class Gone(Terminal):
        def write(self, text):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stderr", Gone())
    with waiting.waiting("loading") as work:
        made.write(work.since + 3)
