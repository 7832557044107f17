"""Check of a configuration against the run that it would resume."""

import pytest

from errors import UserError
from storage.run_directory import RunDirectory
from training import options, resume


def config(*argv):
    return options.parse(["--model=gan", *argv])


@pytest.fixture
def trained(tmp_path):
    """A run directory with a checkpoint's index, started with config("--seed=1")."""
    run = RunDirectory(tmp_path)
    run.write_config(config("--seed=1").as_dict(), {}, {}, "first", 10)
    run.checkpoints.mkdir()
    (run.checkpoints / "ckpt-5.index").touch()
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
        "loss was non_saturating, is minimax. Resume it with the old values, or choose another "
        "outdir"
    )


def test_check_of_another_configuration_before_the_first_checkpoint_passes(tmp_path):
    run = RunDirectory(tmp_path)
    run.write_config(config("--seed=1").as_dict(), {}, {}, "first", 10)
    resume.check(config("--seed=2"), run)


def test_difference_of_several_penalties_is_written_as_on_the_command_line():
    one = options.parse(["--model=dcgan", "--d_norm=none", "--penalty=r1"])
    other = options.parse(["--model=dcgan", "--d_norm=none", "--penalty=r1:5,r2"])
    assert "penalty was r1, is r1:5,r2" in resume.differences(one, other)
