"""profile_steps: the range, and the profile of its steps."""

import types

import pytest
import tensorflow as tf

from errors import UserError
from training.profiling import Profiler
from training.step_range import step_range


@pytest.mark.parametrize(
    ("text", "total", "steps"),
    [("", 5, None), ("2,3", 5, (2, 3)), ("1,1", None, (1, 1)), ("5, 5", 5, (5, 5))],
)
def test_step_range_is_the_first_and_the_last_step(text, total, steps):
    assert step_range(text, total, "profile_steps") == steps


@pytest.mark.parametrize("text", ["3,2", "0,2", "3", "a,b", "1,2,3", "-1,2", "1,9" + "9" * 20])
def test_invalid_step_range_is_one_line(text):
    with pytest.raises(UserError) as error:
        step_range(text, None, "profile_steps")
    expected = f"expected A,B with 1 <= A <= B, such as 20,30, got {text}"
    assert (error.value.message, error.value.option) == (expected, "profile_steps")


def test_step_range_beyond_the_last_step_is_invalid():
    with pytest.raises(UserError, match=r"expected steps up to 8, the last one, got 7,9$"):
        step_range("7,9", 8, "profile_steps")


@pytest.fixture
def profiled(tmp_path, capsys):
    """profiled(range, first=0, last=8, per_execution=1, stopped=None) -> steps, pauses, output."""
    from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

    def profiled(steps, first=0, last=8, per_execution=1, stopped=None):
        paused = []
        log = types.SimpleNamespace(pause=lambda: paused.append(profiler.step))
        profiler = Profiler(tmp_path, steps, log)
        profiler.set_model(
            types.SimpleNamespace(step=tf.constant(first), steps_per_execution=per_execution)
        )
        profiler.set_params({"steps": last - first})
        profiler.on_train_begin()
        for batch in range(0, last - first, per_execution):
            if first + batch == stopped:
                break
            profiler.on_train_batch_begin(batch)
            tf.random.normal([8, 8]) @ tf.random.normal([8, 8])
            profiler.on_train_batch_end(batch + per_execution - 1)
        profiler.on_train_end()
        found = set()
        for path in tmp_path.glob("plugins/profile/*/*.xplane.pb"):
            space = XSpace.FromString(path.read_bytes())
            for plane in space.planes:
                names = {n: stat.name for n, stat in plane.stat_metadata.items()}
                events = {n: event.name for n, event in plane.event_metadata.items()}
                found |= {
                    stat.int64_value
                    for line in plane.lines
                    for event in line.events
                    if events[event.metadata_id] == "train"
                    for stat in event.stats
                    if names[stat.metadata_id] == "step_num"
                }
        return sorted(found), paused, capsys.readouterr()

    return profiled


@pytest.mark.parametrize(
    ("options", "steps", "paused"),
    [
        ({}, [3, 4], [2, 4]),
        ({"first": 3}, [4], [3, 4]),
        ({"stopped": 3}, [3], [2, 3]),
        ({"first": 4}, [], []),
        ({"per_execution": 4}, [1], [0, 4]),
    ],
    ids=["whole", "resumed within", "stopped within", "resumed after", "executions"],
)
def test_profile_has_the_steps_of_the_range(profiled, tmp_path, options, steps, paused):
    found, at, written = profiled((3, 4), **options)
    assert (found, at) == (steps, paused)
    last = paused[-1] if paused else None
    line = f"profile of steps {paused[0] + 1} to {last}: {tmp_path}/plugins\n" if steps else ""
    assert (written.out, written.err) == (line, "")


def test_training_without_a_profile_writes_none(profiled, tmp_path):
    assert profiled(None)[:2] == ([], [])
    assert not (tmp_path / "plugins").exists()


def test_profile_that_cannot_be_written_is_one_warning(profiled, tmp_path):
    (tmp_path / "plugins").write_text("a file")
    found, _, written = profiled((3, 4))
    (line,) = written.err.splitlines()
    assert line.startswith(f"warning: {tmp_path}: no profile is written (")
    assert (found, written.out) == ([], "")
