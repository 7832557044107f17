"""TensorBoard shows each step of a resumed run once, and nothing of a lost future."""

import json
import math
import time
import types

import numpy as np
import pytest

from storage.run_directory import RunDirectory
from training.evaluating import show_in_tensorboard
from training.events import Events
from training.restoring import first_step_to_restore, restore_summaries

SPEED = "progress/images_per_second"  # tag
ENTRY = {"value": 3.0, "protocol": {}}  # of a metric in evaluation.json


def written(folder, start, steps, names=("images_per_second",)):
    """Write scalars and pictures of steps as a training does that is killed."""
    events = Events(folder, start).__enter__()
    for step in steps:
        events.scalars(step, {name: float(step) for name in names})
        events.images(step, {"samples": np.full((4, 4, 1), step, np.uint8)})
    events.flush()
    time.sleep(1.1)  # event files are named and read by their second


def of_accumulator(folder):
    """Return the steps of each tag as TensorBoard's loader in Python has them."""
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    everything = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    everything.Reload()
    tags = everything.Tags()["tensors"]
    return {tag: [event.step for event in everything.Tensors(tag)] for tag in tags}


def of_server(folder):
    """Return the steps of each tag as TensorBoard's data server has them."""
    from tensorboard.context import RequestContext
    from tensorboard.data import server_ingester
    from tensorboard.util import grpc_util

    server = server_ingester.SubprocessServerDataIngester(
        server_ingester.get_server_binary(),
        str(folder),
        reload_interval=0,
        channel_creds_type=grpc_util.ChannelCredsType.LOCAL,
        samples_per_plugin={"scalars": 0},
    )
    server.start()
    found = {}
    for _ in range(50):
        shown = server.data_provider.read_scalars(
            RequestContext(), experiment_id="", plugin_name="scalars", downsample=1000
        )
        found = {tag: [e.step for e in points] for tag, points in shown.get(".", {}).items()}
        if found:
            break
        time.sleep(0.1)
    return found


@pytest.fixture(params=[of_accumulator, of_server], ids=["python", "server"])
def steps_in(request):
    if request.param is of_server:
        pytest.importorskip("tensorboard_data_server")
    return request.param


def test_events_of_a_resumed_run_have_each_step_once(tmp_path, steps_in):
    written(tmp_path, 0, range(1, 11))
    written(tmp_path, 5, range(5, 9))  # that of the checkpoint is written again
    written(tmp_path, 7, range(7, 13))
    assert steps_in(tmp_path)[SPEED] == list(range(1, 13))


def test_events_of_a_lost_future_are_forgotten(tmp_path):
    written(tmp_path, 0, range(1, 11), names=("images_per_second", "metric_fid"))
    written(tmp_path, 5, [])
    found = of_accumulator(tmp_path)
    assert sorted(found) == ["Samples/samples", "metric/fid", SPEED]
    assert list(found.values()) == [[1, 2, 3, 4]] * 3


def test_restored_summaries_are_those_of_the_records_and_pictures_of_the_step(tmp_path):
    import plotting

    run, shown = RunDirectory(tmp_path), {}
    position = {"epoch": 0.5, "kimg": 0.1, "seconds": 1.5}
    for step in (5, 6):
        run.log({"step": step, **position, "metric_fid": 3.5})
        run.log({"step": step, **position, "images_per_second": 8.0, "loss": math.nan})
        for folder, name in (("samples", ""), ("reconstructions", ""), ("planes", "span-1-")):
            path = tmp_path / folder / f"{name}step-{step:07}.png"
            plotting.save_image(path, np.full((4, 4, 1 + 2 * (folder == "planes")), step, np.uint8))
    events = types.SimpleNamespace(
        scalars=lambda step, values: shown.setdefault(step, []).append(values),
        images=lambda step, pictures: shown.setdefault(step, []).append(pictures),
    )
    assert restore_summaries(run, events, 5, 5)
    evaluation, log, pictures = shown.pop(5)
    assert shown == {}
    assert evaluation == {"metric_fid": 3.5}
    assert math.isnan(log.pop("loss"))
    assert log == {**position, "images_per_second": 8.0}
    shapes = {title: pixels.shape for title, pixels in pictures.items()}
    gray = (4, 4, 1)
    assert shapes == {"reconstructions": gray, "plane 1": (4, 4, 3), "generated": gray}
    assert all((pixels == 5).all() for pixels in pictures.values())


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_pictures_without_their_sample_grid_are_not_restored(tmp_path, damage, capsys):
    import plotting

    run = RunDirectory(tmp_path)
    plotting.save_image(run.reconstructions / "step-0000005.png", np.zeros((4, 4, 1), np.uint8))
    if damage == "damaged":
        run.samples.mkdir()
        (run.samples / "step-0000005.png").write_bytes(b"half")
    with Events(tmp_path, 5) as events:
        assert not restore_summaries(run, events, 5, 5)
    assert of_accumulator(tmp_path) == {}
    assert capsys.readouterr().err.count("step-0000005.png: left out (") == (damage == "damaged")


def test_events_of_a_run_killed_before_its_first_checkpoint_are_forgotten(tmp_path):
    written(tmp_path, 0, [0, 1, 2])
    written(tmp_path, 0, [0, 1])
    assert of_accumulator(tmp_path)[SPEED] == [0, 1]


def test_run_of_an_earlier_version_gets_all_summaries_with_folders(tmp_path, steps_in):
    """Tags of those versions have no folder; a run that was copied has no event files."""
    import plotting

    run = RunDirectory(tmp_path)
    with Events(tmp_path, 0, ".v2") as events:
        for step in range(5):
            events.scalars(step, {"of_old": step})
    time.sleep(1.1)  # event files are named and read by their second
    for step in range(2, 7, 2):
        run.log({"step": step, "images_per_second": 2.0})
        plotting.save_image(run.samples / f"step-{step:07}.png", np.zeros((4, 4, 1), np.uint8))
    assert first_step_to_restore(run, 6) == 0
    with Events(tmp_path, 6) as events:
        assert restore_summaries(run, events, 0, 6)
    found = steps_in(tmp_path)
    assert (found[SPEED], found["other/of_old"]) == ([2, 4, 6], [0, 1, 2, 3, 4])
    assert of_accumulator(tmp_path)["Samples/generated"] == [2, 4, 6]
    assert first_step_to_restore(run, 6) == 6


def test_events_of_a_run_that_starts_again_replace_those_of_the_killed_one(tmp_path):
    """HParams has the first values of a run in any of its event files."""
    written(tmp_path, 0, [0, 1])
    other = tmp_path / "events.out.tfevents.1.other"
    other.write_bytes(b"")
    (killed,) = tmp_path.glob("*.grouped")
    assert first_step_to_restore(RunDirectory(tmp_path), 0) == 0
    assert other.exists()
    assert not killed.exists()


def test_training_goes_on_to_be_shown_after_an_evaluation(tmp_path):
    """TensorBoard's loader in Python reads only the newest event file of a folder further."""
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

    run, shown = RunDirectory(tmp_path / "run"), EventMultiplexer()

    def reload():
        shown.AddRunsFromDirectory(str(tmp_path))
        shown.Reload()

    with Events(run.path, 0) as events:
        events.scalars(1, {"images_per_second": 1.0})
        events.flush()
        time.sleep(1.1)  # event files are named and read by their second
        record = {"name": "run", "dataset": "MNIST", "seconds": {}, "metrics": {"fid": ENTRY}}
        (run.path / "evaluation.json").write_text(json.dumps(record))
        show_in_tensorboard(run, 1, run.path)
        reload()
        events.scalars(2, {"images_per_second": 2.0})
        events.flush()
        reload()
    assert sorted(shown.Runs()) == ["run", "run/evaluation"]
    assert [event.step for event in shown.Tensors("run", SPEED)] == [1, 2]
    assert [event.step for event in shown.Tensors("run/evaluation", "evaluation/fid")] == [1]


def test_events_that_cannot_be_written_give_one_warning(capsys):
    with Events("/dev/null/run", 0) as events:
        events.scalars(1, {"loss": 1.0})
        events.scalars(2, {"loss": 1.0})
        events.flush()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: /dev/null/run: TensorBoard's summaries end here (")
