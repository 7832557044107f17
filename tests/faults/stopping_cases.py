"""Runs that are stopped or killed at a point of the code, and what is compared afterwards."""

import contextlib
import os

import pytest

from benchmarks.same_run import differences
from tests.train.cases import records

# All kinds of records, at steps of their own.
SCHEDULE = (
    "--steps=24", "--checkpoint_every=6", "--log_every=4", "--sample_every=6", "--eval_every=12",
    "--eval_metrics=pixel_mean", "--eval_samples=20",
)  # fmt: skip

# A training that sends itself a signal before or after a method of an object at a step.
KILLED = """
import importlib, os, sys
import train
from cli import flags

name, when, step, number = sys.argv[1:5]
module, kind, method = name.rsplit(".", 2)
kind = getattr(importlib.import_module(module), kind)
original = getattr(kind, method)

def at(this, *arguments, **options):
    here = int(this.step) == int(step)
    if here and when == "before":
        os.kill(os.getpid(), int(number))
    result = original(this, *arguments, **options)
    if here and when == "after":
        os.kill(os.getpid(), int(number))
    return result

setattr(kind, method, at)
if code := flags.run_script(train.main, sys.argv[5:]):
    sys.exit(code)
"""

# A training that kills itself in a method of a callback, before the method writes an event.
KILLED_BEFORE_EVENTS = """
import importlib, os, signal, sys
import train
from cli import flags
from training.events import Events

module, kind, method = sys.argv[1].rsplit(".", 2)
kind = getattr(importlib.import_module(module), kind)
original = getattr(kind, method)

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def at(this, *arguments, **options):
    Events.images = Events.scalars = kill
    return original(this, *arguments, **options)

setattr(kind, method, at)
sys.exit(flags.run_script(train.main, sys.argv[2:]))
"""


@contextlib.contextmanager
def signalled(kind, method, step, *numbers):
    """Send signals to this process before a method of a class runs at a step."""
    original = getattr(kind, method)

    def at(this, *arguments, **options):
        if int(this.step) == step:
            for number in numbers:
                os.kill(os.getpid(), number)
        return original(this, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, method, at)
        yield


def assert_same_run(path, whole):
    """Assert that a run has the files of another, and that its seconds increase."""
    assert list(differences(path, whole)) == []
    seconds = [record["seconds"] for record in records(path)]
    assert seconds == sorted(seconds)
