"""Check of a configuration against the run that it would resume."""

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
        "outdir=... to a new directory"
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
