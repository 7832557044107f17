"""Check of a configuration against the run that it would resume."""

import shutil

import pytest

from errors import UserError
from storage.checkpoint_files import DATA, INDEX
from storage.run_directory import RunDirectory
from training import options, resume


def config(*argv):
    return options.parse(["--model=gan", *argv])


@pytest.fixture
def trained(tmp_path):
    """A run directory with files of a checkpoint, started with config("--seed=1")."""
    run = RunDirectory(tmp_path)
    run.write_config(config("--seed=1").as_dict(), {}, {}, "first", 10)
    run.checkpoints.mkdir()
    for suffix in (INDEX, DATA):
        (run.checkpoints / f"ckpt-5{suffix}").write_bytes(b"x")
    return run


def test_resume_must_without_a_checkpoint_raises(tmp_path, trained):
    resume.check(config("--seed=1", "--resume=must"), trained)
    new = RunDirectory(tmp_path / "new")
    with pytest.raises(UserError, match=r"requires a checkpoint, .*new has none") as error:
        resume.check(config("--resume=must"), new)
    assert error.value.option == "resume"


def test_resume_never_with_a_checkpoint_raises(tmp_path, trained):
    resume.check(config("--resume=never"), RunDirectory(tmp_path / "new"))
    with pytest.raises(UserError, match=r"requires a new directory, .* has checkpoints") as error:
        resume.check(config("--seed=1", "--resume=never"), trained)
    assert error.value.option == "resume"


def test_check_of_another_configuration_raises_with_each_difference(trained):
    same = config("--seed=1", "--epochs=99", "--log_every=1", "--outdir=elsewhere")
    resume.check(same, trained)
    with pytest.raises(UserError) as error:
        resume.check(config("--seed=2", "--loss=minimax", "--epochs=99"), trained)
    assert str(error.value) == (
        f"{trained.path} was started with another configuration: seed was 1, is 2; "
        "loss was non_saturating, is minimax. Resume it with the old values, or set "
        "--outdir to a new directory"
    )


def test_check_with_a_folder_that_has_moved_names_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    run = RunDirectory(tmp_path / "run")
    run.checkpoints.mkdir(parents=True)
    for suffix in (INDEX, DATA):
        (run.checkpoints / f"ckpt-5{suffix}").write_bytes(b"x")
    run.write_config(config("--dataset=pictures").as_dict(), {}, {}, "first", 10)
    (tmp_path / "pictures").rename(tmp_path / "moved")
    with pytest.raises(UserError) as error:
        resume.check(config("--dataset=pictures"), run)
    assert str(error.value) == (
        f"{run.path}: {tmp_path}/pictures: no such folder or file; if it has moved, set --dataset"
    )


def test_check_of_another_configuration_before_the_first_checkpoint_passes(tmp_path):
    run = RunDirectory(tmp_path)
    run.write_config(config("--seed=1").as_dict(), {}, {}, "first", 10)
    resume.check(config("--seed=2"), run)


def test_check_without_config_json_passes(trained):
    trained.config.unlink()
    resume.check(config("--seed=2"), trained)


def test_check_with_a_damaged_config_json_raises_and_names_the_advice(trained):
    trained.config.write_text(trained.config.read_text()[:-20])
    with pytest.raises(UserError, match=r"cannot be read .* or delete it and repeat the command"):
        resume.check(config("--seed=1"), trained)


def test_difference_of_several_penalties_is_written_as_on_the_command_line():
    one = options.parse(["--model=dcgan", "--d_norm=none", "--penalty=r1"])
    other = options.parse(["--model=dcgan", "--d_norm=none", "--penalty=r1:5,r2"])
    assert "penalty was r1, is r1:5,r2" in resume.differences(one, other)


def test_steps_before_the_step_of_the_run_raise_without_tensorflow(trained):
    argv = ("--seed=1", "--steps=4")
    message = f"{trained.path}: at step 5, beyond the last step 4; set --steps or --epochs to"
    with pytest.raises(UserError) as error:
        resume.check(config(*argv), trained)
    assert str(error.value).startswith(message)
    resume.check(config("--seed=1", "--steps=5"), trained)
    for suffix in (INDEX, DATA):
        (trained.checkpoints / f"ckpt-3{suffix}").write_bytes(b"x")
    resume.check(config(*argv), trained)  # that of step 5 may be damaged
    trained.set_status(finished=5)
    with pytest.raises(UserError) as error:
        resume.check(config(*argv), trained)
    assert str(error.value).startswith(message)


def test_check_of_a_run_whose_checkpoints_are_missing_raises(trained):
    trained.set_status(checkpoint=5)
    for suffix in (INDEX, DATA):
        (trained.checkpoints / f"ckpt-5{suffix}").unlink()
    with pytest.raises(UserError, match="its checkpoints are missing"):
        resume.check(config("--seed=1"), trained)


@pytest.fixture
def finished(tmp_path):
    """A finished run of config("--seed=1", "--steps=5") with files of all its outputs."""
    run = RunDirectory(tmp_path / "finished")
    run.write_config(config("--seed=1", "--steps=5").as_dict(), {}, {}, "first", 5)
    names = [f"checkpoints/ckpt-5{suffix}" for suffix in (INDEX, DATA)]
    for name in (*names, "samples/step-0000005.png", *resume.OUTPUTS):
        (run.path / name).parent.mkdir(parents=True, exist_ok=True)
        (run.path / name).write_bytes(b"x")
    run.set_status(checkpoint=5, finished=5)
    return run


def test_finished_step_of_a_finished_run_is_its_last_step(finished, tmp_path):
    argv = ("--seed=1", "--steps=5")
    assert resume.finished_step(config(*argv), finished) == 5
    assert resume.finished_step(config(*argv, "--outdir=x", "--resume=must"), finished) == 5
    assert resume.finished_step(config(*argv, "--profile_steps=2,3"), finished) == 5
    for more in ("--steps=6", "--log_every=7", "--keep_checkpoints=1"):
        assert resume.finished_step(config(*argv, more), finished) is None
    assert resume.finished_step(config(*argv), RunDirectory(tmp_path / "new")) is None


@pytest.mark.parametrize("output", ["samples/step-0000005.png", *resume.OUTPUTS])
def test_finished_step_of_a_run_without_an_output_is_none(finished, output):
    (finished.path / output).unlink()
    assert resume.finished_step(config("--seed=1", "--steps=5"), finished) is None


def test_finished_step_of_a_run_that_stopped_at_its_last_step_is_none(finished):
    finished.set_status(finished=None)
    assert resume.finished_step(config("--seed=1", "--steps=5"), finished) is None


def test_finished_step_of_a_run_whose_copy_is_not_finished_is_none(finished, tmp_path):
    argv = ("--seed=1", "--steps=5", f"--outdir={finished.path}", f"--copy_to={tmp_path / 'drive'}")
    (tmp_path / "drive").mkdir()
    assert resume.finished_step(config(*argv), finished) is None
    copy = RunDirectory(shutil.copytree(finished.path, tmp_path / "drive" / "finished"))
    assert resume.finished_step(config(*argv), finished) == 5
    copy.set_status(finished=None)
    assert resume.finished_step(config(*argv), finished) is None
