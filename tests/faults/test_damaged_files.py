"""Damaged and foreign files in a run directory: named, and the run goes on where it can."""

import json
import pathlib
import shutil
import zipfile

import pytest
from PIL import Image

from storage.checkpoint_files import steps_of
from tests.train.cases import files, records


@pytest.mark.slow
def test_stray_files_change_nothing(run, resume, warnings_of, assert_same_end):
    index = (run / "checkpoints" / "ckpt-6.index").read_bytes()
    stray = (
        "checkpoints/ckpt-6 (1).index", "checkpoints/ckpt-20 (1).index", "checkpoints/ckpt-x.index",
        "checkpoints/ckpt-.index", "checkpoints/.ckpt-90.index.icloud", "samples/step-x.png",
        "samples/step-0000009 (1).png", "samples/Thumbs.db", "metrics (1).jsonl", ".DS_Store",
    )  # fmt: skip
    for name in stray:
        (run / name).write_bytes(index)
    (run / "samples" / "step-0000004.png").mkdir()
    outcome = resume(run)
    (warning,) = warnings_of(outcome)
    assert warning.startswith(f"{run}/samples/step-0000004.png: left out (")
    assert "steps 6 to 9" in outcome.out
    assert_same_end(run)
    assert all((run / name).read_bytes() == index for name in stray)


@pytest.mark.slow
def test_damaged_sample_pictures_are_named_and_left_out(run, resume, warnings_of):
    pictures = [run / "samples" / f"step-{step:07}.png" for step in (0, 3, 6)]
    whole = pictures[0].read_bytes()
    for picture, content in zip(pictures, (whole[:100], b"", b"no picture"), strict=True):
        picture.write_bytes(content)
    for picture, warning in zip(pictures, sorted(warnings_of(resume(run))), strict=True):
        assert warning.startswith(f"{picture}: left out (")
    assert (run / "progress.gif").exists()
    assert json.loads((run / "status.json").read_text())["finished"] == 9


@pytest.mark.slow
def test_sample_picture_of_another_shape_is_left_out(run, resume, warnings_of, end):
    Image.open(run / "real.png").crop((0, 0, 50, 40)).save(run / "samples" / "step-0000002.png")
    assert warnings_of(resume(run)) == []
    assert (run / "progress.gif").read_bytes() == (end / "progress.gif").read_bytes()


CONFIG = {
    "data is a list": lambda saved: {**saved, "data": []},
    "data is empty": lambda saved: {**saved, "data": {}},
    "commands is a number": lambda saved: {**saved, "commands": 7},
    "commands is empty": lambda saved: {**saved, "commands": []},
    "options is empty": lambda saved: {**saved, "options": {}},
    "environment is a list": lambda saved: {**saved, "environment": []},
    "truncated": lambda saved: json.dumps(saved)[:200].encode(),
    "empty": lambda saved: b"",
    "NULs": lambda saved: bytes(300),
    "not UTF-8": lambda saved: b"\xff" + json.dumps(saved).encode(),
}


@pytest.mark.parametrize("damage", CONFIG)
def test_damaged_config_json_is_one_line_and_leaves_the_run_unchanged(run, call, resume, damage):
    config = run / "config.json"
    content = CONFIG[damage](json.loads(config.read_text()))
    config.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    before = files(run)
    for outcome in (
        resume(run),
        call("evaluate", f"--run={run}"),
        call("generate", f"--run={run}"),
    ):
        refusal = outcome.refusal()
        assert refusal.startswith(f"{config}: ")
        assert "cannot be read (" in refusal or "written by another version" in refusal
        assert "delete it and repeat the command of the training" in refusal or "options" in damage
    assert files(run) == before


@pytest.mark.slow
def test_missing_config_json_is_written_again(run, resume, warnings_of, assert_same_end, end):
    (run / "config.json").unlink()
    (warning,) = warnings_of(resume(run))
    assert warning == f"{run}/config.json is missing; written again, with this command only"
    assert_same_end(run)
    saved, expected = (json.loads((p / "config.json").read_text()) for p in (run, end))
    assert saved["data"] == expected["data"]
    assert len(saved["commands"]) == 1


@pytest.mark.parametrize(
    "change",
    [
        "--seed=6",
        *(pytest.param(f, marks=pytest.mark.slow) for f in ("--width=5", "--loss=minimax")),
    ],
)
def test_missing_config_json_with_another_configuration_is_invalid(run, resume, change):
    (run / "config.json").unlink()
    before = files(run)
    name = change.strip("-").partition("=")[0]
    outcome = resume(run, change)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("error: ")
    assert f"belongs to another run ({name} is " in outcome.err.splitlines()[-1]
    assert "Traceback" not in outcome.err
    assert files(run) == before


NO_RECORDS = (b'{"step": 3, "\xff": 1}', b"5", b"{}", b'{"step": 3, "epo', b"", bytes(512))


def test_many_damaged_and_foreign_files_at_once_lose_nothing(
    run, resume, warnings_of, assert_same_end
):
    log, orphan = run / "metrics.jsonl", run / "checkpoints" / "ckpt-7.index"
    first, *others = log.read_bytes().splitlines()
    log.write_bytes(b"\n".join([first, *NO_RECORDS, *others, b'{"step": 6, "l']))
    picture = run / "samples" / "step-0000003.png"
    picture.write_bytes(picture.read_bytes()[:100])
    orphan.touch()
    stray = ("checkpoints/ckpt-20 (1).index", "checkpoints/ckpt-x.index", "samples/step-x.png")
    for name in stray:
        (run / name).write_bytes(b"copy")
    left = (".01234abc.tmp.config.json", "samples/.step-0000003.png.ab39f29c.tmp")
    for name in left:
        (run / name).write_bytes(b"half")
    (run / "checkpoints" / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/ckpt-4"')
    for name in ("status.json", "config.json", "real.png"):
        (run / name).unlink()
    outcome = resume(run)
    found = warnings_of(outcome)
    for expected in (
        f"{run}/config.json is missing; written again, with this command only",
        f"{log}: 6 damaged lines are left out (line 2, 3, 4, 5, 6, ...)",
        f"{orphan}: file of an incomplete checkpoint; deleted",
    ):
        assert found.count(expected) == 1
    (other,) = (line for line in found if str(picture) in line)
    assert "left out (" in other
    assert len(found) == 4
    assert "steps 6 to 9" in outcome.out
    assert steps_of(run / "checkpoints") == [9, 8, 6]
    assert_same_end(run)
    assert all((run / name).read_bytes() == b"copy" for name in stray)
    assert not any((run / name).exists() for name in left)
    assert "elsewhere" not in (run / "checkpoints" / "checkpoint").read_text()


@pytest.mark.slow
def test_log_cut_off_in_its_last_line_loses_nothing_else(run, resume, warnings_of, end):
    log = run / "metrics.jsonl"
    log.write_bytes(log.read_bytes()[:-30])
    assert warnings_of(resume(run)) == []
    assert [line["step"] for line in records(run)] == [3, 9]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "from_step"),
    [
        (("metrics.jsonl", "samples", "real.png", "status.json", "checkpoints/checkpoint"), 6),
        (("samples", "checkpoints/checkpoint"), 0),
    ],
    ids=["all", "some"],
)
def test_deleted_files_do_not_stop_the_run(
    run, resume, warnings_of, assert_same_end, names, from_step
):
    paths = [run / name for name in names]
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert warnings_of(resume(run)) == []
    assert_same_end(run, from_step)
    assert all(path.exists() for path in paths)
    assert (run / "progress.gif").exists()


@pytest.mark.slow
def test_finished_run_without_its_outputs_writes_them_again(finished, resume, warnings_of, end):
    names = ("curves.png", "progress.gif", "samples.png", "samples/step-0000009.png")
    before = {name: (finished / name).read_bytes() for name in names if "curves" not in name}
    shutil.rmtree(finished / "samples")
    for name in names[:3]:
        (finished / name).unlink()
    assert warnings_of(resume(finished)) == []
    assert all((finished / name).exists() for name in names)
    for name in ("samples.png", "samples/step-0000009.png"):
        assert (finished / name).read_bytes() == before[name]
    assert files(finished / "checkpoints") == files(end / "checkpoints")


@pytest.mark.slow
def test_finished_run_without_its_log_is_still_finished(finished, resume, warnings_of):
    (finished / "metrics.jsonl").unlink()
    (finished / "curves.png").unlink()
    assert warnings_of(resume(finished)) == []
    assert json.loads((finished / "status.json").read_text())["finished"] == 9


@pytest.mark.parametrize("round_trip", ["copy", "zip"])
def test_finished_run_with_other_file_times_is_finished(end, tmp_path, round_trip):
    from storage.run_directory import RunDirectory

    path = tmp_path / "copied"
    if round_trip == "copy":
        for file in sorted(p for p in end.rglob("*") if p.is_file())[::-1]:  # in another order
            target = path / file.relative_to(end)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    else:
        with zipfile.ZipFile(tmp_path / "run.zip", "w") as archive:
            for file in end.rglob("*"):
                archive.write(file, file.relative_to(end))
        zipfile.ZipFile(tmp_path / "run.zip").extractall(path)
    assert RunDirectory(path).finished
    (path / "status.json").write_text('{"checkpoint": 2, "finished": null}')
    assert not RunDirectory(path).finished


@pytest.mark.slow
def test_finished_run_with_a_damaged_last_checkpoint_is_trained_again(
    finished, resume, warnings_of, assert_same_end
):
    data = finished / "checkpoints" / "ckpt-9.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-100])
    outcome = resume(finished)
    (warning,) = warnings_of(outcome)
    assert "ckpt-9 is damaged (" in warning
    assert "steps 8 to 9" in outcome.out
    assert_same_end(finished)


@pytest.mark.slow
def test_leftovers_of_kills_are_swept_at_the_next_start(run, resume, warnings_of, assert_same_end):
    left = (
        ".config.json.ab39f29c.tmp", ".01234abc.tmp.metrics.jsonl",
        "samples/.89abcdef.tmp.step-0000009.png", "checkpoints/.01234567.tmp.checkpoint",
    )  # fmt: skip
    for name in left:
        (run / name).write_bytes(b"half")
    for name in (
        "checkpoints/.01234567.tmp.ckpt-8",
        "checkpoints/ckpt-8_temp",
        "export/.0abcdef0.tmp.saved_model",
    ):
        (run / name).mkdir(parents=True)
        (run / name / "part").write_bytes(b"half")
    orphan = run / "checkpoints" / "ckpt-7.data-00000-of-00001"
    orphan.write_bytes(b"half")
    (warning,) = warnings_of(resume(run))
    assert warning == f"{orphan}: file of an incomplete checkpoint; deleted"
    names = [path.name for path in run.rglob("*")]
    assert not [name for name in names if "tmp" in name or "_temp" in name or "ckpt-7" in name]
    assert_same_end(run)


def first_checkpoint_killed(run, index: bytes | None, status: bool):
    """Turn a run into one that was killed while it wrote its first checkpoint."""
    for step in (4, 6):
        for suffix in ("index", "data-00000-of-00001"):
            (run / "checkpoints" / f"ckpt-{step}.{suffix}").unlink()
    (run / "checkpoints" / "checkpoint").unlink()
    if index is None:
        (run / "checkpoints" / "ckpt-2.index").unlink()
    else:
        (run / "checkpoints" / "ckpt-2.index").write_bytes(index)
    (run / "metrics.jsonl").unlink()
    if status:
        (run / "status.json").write_text('{"checkpoint": null, "finished": null}')
    else:
        (run / "status.json").unlink()


KILLED = pytest.mark.parametrize(
    ("index", "status"),
    [(None, True), (b"", True), (None, False), (b"", False)],
    ids=["no index", "empty index", "no index, earlier version", "empty index, earlier version"],
)


@KILLED
def test_kill_inside_the_first_checkpoint_counts_as_none(run, capsys, index, status):
    import tensorflow as tf

    from storage.checkpoints import Checkpoints
    from storage.run_directory import RunDirectory
    from training import loop

    first_checkpoint_killed(run, index, status)
    step = tf.Variable(0, dtype=tf.int64)
    with RunDirectory(run) as directory:
        checkpoints = Checkpoints({"own": {"step": step}}, step, directory.checkpoints)
        assert loop.resume(directory, checkpoints, "f", every=2, total=9) == (0, {})
    assert list((run / "checkpoints").iterdir()) == []
    assert list((run / "samples").iterdir()) == []
    assert json.loads((run / "status.json").read_text()) == {"checkpoint": None, "finished": None}
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == (1 if index is None else 2)
    assert all("file of an incomplete checkpoint; deleted" in line for line in warnings)


@pytest.mark.slow
def test_kill_inside_the_first_checkpoint_starts_afresh(run, resume, warnings_of, assert_same_end):
    first_checkpoint_killed(run, index=b"", status=True)
    outcome = resume(run)
    assert all("file of an incomplete checkpoint; deleted" in line for line in warnings_of(outcome))
    assert "steps 0 to 9" in outcome.out
    assert_same_end(run)


@pytest.mark.slow
def test_kill_before_the_first_checkpoint_then_another_schedule_starts_afresh(
    run, resume, warnings_of, assert_same_end
):
    shutil.rmtree(run / "checkpoints")
    (run / "status.json").write_text('{"checkpoint": null, "finished": null}')
    outcome = resume(run, "--checkpoint_every=1", "--keep_checkpoints=1")
    assert warnings_of(outcome) == []
    assert "steps 0 to 9" in outcome.out
    assert steps_of(run / "checkpoints") == [9]
    assert_same_end(run)


def test_lost_checkpoints_are_one_line_and_leave_the_log(run, resume):
    shutil.rmtree(run / "checkpoints")
    before = files(run)
    for flag in ("--checkpoint_every=2", "--checkpoint_every=100"):
        assert "its checkpoints are missing" in resume(run, flag).refusal()
    assert files(run) == before


@pytest.mark.slow
def test_list_of_checkpoints_with_absolute_paths_is_not_followed(
    run, stopped, resume, warnings_of, assert_same_end
):
    other = pathlib.Path(shutil.copytree(stopped, run.parent / "other")) / "checkpoints"
    names = [f'all_model_checkpoint_paths: "{other}/ckpt-{k}"\n' for k in (2, 4, 6)]
    (run / "checkpoints" / "checkpoint").write_text(
        f'model_checkpoint_path: "{other}/ckpt-2"\n{"".join(names)}'
    )
    assert warnings_of(resume(run)) == []
    assert steps_of(run / "checkpoints") == [9, 8, 6]
    assert files(other) == files(stopped / "checkpoints")
    assert str(other) not in (run / "checkpoints" / "checkpoint").read_text()
    assert_same_end(run)
