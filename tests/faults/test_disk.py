"""Full disks, missing permissions and vanished run directories: one line, or one warning."""

import errno
import os
import shutil
import stat
import subprocess

import numpy as np
import pytest

from cli import failures, flags
from data import decoded
from data.decoded import Decoded, Decoder, cached
from tests.train.cases import files, steps_saved


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x")


class OpError(Exception):
    """Error of TensorFlow by its names."""

    def __init__(self, message):
        super().__init__(message)
        self.message = message


class ResourceExhaustedError(OpError):
    pass


class InvalidArgumentError(OpError):
    pass


NODE = "{{function_node __wrapped__X_device_/job:localhost/replica:0/task:0/device:CPU:0}} "


@pytest.mark.parametrize(
    ("error", "beginning"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a"), "disk full: "),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk full: "),
        (OSError(errno.EROFS, "Read-only file system"), "no permission: "),
        (PermissionError(errno.EACCES, "Permission denied"), "no permission: "),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out of memory: "),
        (OSError("something"), "something"),
        (MemoryError(), "out of memory: MemoryError; "),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply: "),
        (OverflowError("Python int too large to convert to C long"), "a number is too large: "),
        (ResourceExhaustedError("a/b; No space left on device"), "disk full: a/b; No space"),
        (
            ResourceExhaustedError(NODE + "OOM when allocating tensor with shape[2] [Op:Mul]\nx"),
            "out of memory: OOM when allocating tensor with shape[2]; ",
        ),
        (InvalidArgumentError(NODE + "Encountered overflow when multiplying"), "a number is too"),
        (ValueError("array is too big; `arr.size * arr.dtype.itemsize`"), "a number is too large"),
        (RuntimeError("Unable to allocate 3 GiB"), "out of memory: "),
    ],
)
def test_explained_error_of_the_machine_begins_with_its_kind(error, beginning):
    reason = failures.explained(error)
    assert reason.startswith(beginning)
    assert "\n" not in reason
    assert "function_node" not in reason


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            OSError(errno.ENOSPC, "No space left", "/r/checkpoints/.0123abcd.tmp.ckpt-9/ckpt-9"),
            "disk full: /r/checkpoints: No space left",
        ),
        (
            ResourceExhaustedError(
                "/r/checkpoints/.0123abcd.tmp.ckpt-9/a_temp/b; No space left on"
            ),
            "disk full: /r/checkpoints; No space left on",
        ),
        (OSError(errno.EROFS, "Read-only", "r/a.png"), "no permission: r/a.png: Read-only"),
        (OSError(errno.EIO, "Input/output error", "r/a.png"), "r/a.png: Input/output error"),
    ],
)
def test_explained_error_names_the_folder_of_a_temporary_file(error, expected):
    assert failures.explained(error, advice=False) == expected
    advised = failures.explained(error)
    assert advised.startswith(expected)
    assert (advised == expected) == (error.args[0] == errno.EIO)


@pytest.mark.parametrize(
    "error",
    [TypeError("x"), ValueError("shapes differ"), KeyError("x"), AssertionError(),
     InvalidArgumentError("Incompatible shapes: [2] vs. [3]"), RuntimeError("x")],
)  # fmt: skip
def test_explained_error_of_the_code_is_none(error, capsys):
    assert failures.explained(error) is None

    def main(argv):
        raise error

    with pytest.raises(type(error)):
        flags.run_script(main, [])


OF_FILES = ("NotFoundError", "AlreadyExistsError", "FailedPreconditionError", "UnknownError")


@pytest.mark.parametrize("name", OF_FILES)
def test_explained_error_that_code_may_cause_requires_a_path(name, tmp_path):
    import tensorflow as tf

    def explained(message, *argv):
        return failures.explained(getattr(tf.errors, name)(None, None, message), argv)

    for message in (
        "Could not find variable generator/dense/kernel. This could mean that it has been deleted",
        "Resource localhost/iterator/N10tensorflow does not exist. [Op:IteratorGetNext]",
        "TypeError: f() takes 0 arguments and/or keywords",
        f"{tmp_path}/missing/file; No such file or directory",
    ):
        assert explained(message, "--model=gan", "--steps=4") is None
    message = f"{tmp_path}; Input/output error"
    assert explained(message) == message
    message = f"{tmp_path}/a b/file; No such file or directory"
    assert explained(message, "--model=gan", f"--outdir={tmp_path}/a b") == message
    assert explained(message, "--outdir", f"{tmp_path}/a b") == message
    assert explained("x/y; Read-only file system").startswith("no permission: ")


def test_explained_errors_of_tensorflow_are_recognised():
    import tensorflow as tf

    for cls, message, kind in (
        (tf.errors.ResourceExhaustedError, "x; No space left on device", "disk full: "),
        (tf.errors.PermissionDeniedError, "x; Permission denied", "no permission: "),
        (tf.errors.FailedPreconditionError, "x; Read-only file system", "no permission: "),
        (tf.errors.ResourceExhaustedError, "OOM when allocating tensor", "out of memory: "),
    ):
        assert failures.explained(cls(None, None, message)).startswith(kind)
    assert failures.explained(tf.errors.InvalidArgumentError(None, None, "shapes")) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"--width=8\0", "expected a text file of flags, got binary data"),
        (b"\xff\xfe-\0-\0", "has the byte-order mark of UTF-16; save it as UTF-8"),
        (
            b"# \xc3\xa9\r\n--outdir=\x96",
            "line 2: the byte 0x96 is no UTF-8; save the file as UTF-8",
        ),
        (b"#" * (2**20 + 1), "larger than 1 MB, expected a text file of flags"),
        (b"--flagfile={}", "flagfiles name each other"),
        (b"--flagfile=", "expected a file"),
    ],
)
def test_flagfile_of_other_content_is_one_line(call, tmp_path, content, message):
    file = tmp_path / "flags"
    file.write_bytes(content.replace(b"{}", str(file).encode()))
    refusal = call("train", f"--flagfile={file}").refusal()
    assert refusal.startswith("--flagfile: ")
    assert refusal.endswith(message)


def test_flagfile_that_is_no_file_is_one_line(call, tmp_path):
    for path in (tmp_path, "/dev/zero", "/dev/full", tmp_path / "a" / "b"):
        assert call("train", f"--flagfile={path}").refusal().startswith("--flagfile: ")
    assert call("train", "--flagfile").refusal() == "--flagfile: expected a file"


def test_flagfile_may_be_a_pipe(call, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = subprocess.Popen(["sh", "-c", f"echo '--model=gan\n--width=0' > {pipe}"])
    refusal = call("train", f"--flagfile={pipe}").refusal()
    writer.wait()
    assert refusal == "--width: expected an integer >= 1, got 0"


@pytest.mark.parametrize("digits", [20, 5000])
def test_integer_of_many_digits_is_one_line(call, digits):
    for script, flag in (("train", "width"), ("train", "steps"), ("evaluate", "repeats")):
        argv = ["--model=gan"] if script == "train" else ["--run=x"]
        refusal = call(script, *argv, f"--{flag}={'9' * digits}").refusal()
        assert refusal.startswith(f"--{flag}: expected an integer")
        assert len(refusal) < 500


def test_depth_beyond_the_limit_is_one_line(call):
    refusal = call("train", "--model=gan", "--depth=5000").refusal()
    assert refusal == "--depth: expected an integer >= 1 and <= 1000, got 5000"


def decoder(n: int, side: int = 64):
    """Return the decoder of n images of random pixels."""

    def decode(images, labels, work):
        images[:] = np.random.default_rng(0).integers(0, 256, images.shape, dtype=np.uint8)
        labels[:] = np.arange(n) % 10
        return Decoded(train=n)

    return Decoder(n, (side, side, 3), tuple("0123456789"), decode)


@pytest.fixture
def lying_disk(small_disk, monkeypatch):
    """A disk of 1 MiB that says that it has space, as if another process filled it meanwhile."""
    path = small_disk(1024)
    monkeypatch.setenv("GAN_ZOO_CACHE", str(path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 0, 2**40))
    return path


@pytest.mark.parametrize("platform", ["with posix_fallocate", "without it"])
def test_cache_on_a_disk_that_fills_up_is_kept_in_memory(lying_disk, monkeypatch, platform):
    if platform == "without it":
        monkeypatch.delattr(os, "posix_fallocate")
    found = cached("x", ["x"], lambda: decoder(200), "/x")
    (note,) = found.notes
    assert note.startswith("kept in memory: cannot write the cache ")
    assert "No space left" in note
    assert found.train.images.shape == (200, 64, 64, 3)
    assert list(lying_disk.iterdir()) == []


def test_cache_reserves_the_space_of_its_images(tmp_path, monkeypatch):
    for fallocate in (True, False):
        monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / str(fallocate)))
        if not fallocate:
            monkeypatch.delattr(os, "posix_fallocate")
        _, images = decoded._begin(tmp_path / str(fallocate) / "x", (100, 64, 64, 3))
        (file,) = (tmp_path / str(fallocate)).rglob("images.npy")
        assert file.stat().st_blocks * 512 >= 100 * 64 * 64 * 3
        assert not images.any()


def test_cache_on_a_disk_that_is_full_at_the_end_is_kept_in_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path))
    expected = cached("x", ["a"], lambda: decoder(20), "/x")
    monkeypatch.setattr(np, "save", no_space)
    found = cached("x", ["b"], lambda: decoder(20), "/x")
    assert "No space left" in found.notes[0]
    np.testing.assert_array_equal(found.train.images, expected.train.images)
    np.testing.assert_array_equal(found.train.labels, expected.train.labels)
    assert found.fingerprint == expected.fingerprint
    assert len(list(tmp_path.iterdir())) == 1


@pytest.fixture
def train(call, tiny_run):
    """train(outdir, *argv) -> Outcome of the training of the tiny run in another folder."""

    def train(outdir, *argv):
        return call("train", *tiny_run.argv, f"--outdir={outdir}", *argv)

    return train


def fill(path):
    """Fill the disk of a folder."""
    with open(path.parent / "filler", "wb", buffering=0) as file:
        try:
            for size in (2**16, 1):
                while True:
                    file.write(bytes(size))
        except OSError:
            pass


@pytest.mark.parametrize("resumes", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_disk_full_in_mid_training_is_one_line_and_the_run_resumes(
    train, at_step, small_disk, tiny_run, checkpoint, assert_same_bits, resumes
):
    disk = small_disk(16384)
    at_step(3, fill)
    done = train(disk / "run", "--log_every=6")
    assert done.code == 2, done
    last = done.err.splitlines()[-1]
    assert last.startswith(f"error: disk full: {disk / 'run' / 'checkpoints'}")
    assert ".tmp." not in last
    advice = "free some space and run the same command again"
    assert last.endswith(f"; {advice}. The checkpoint of step 2 is intact")
    assert "Traceback" not in done.err
    assert steps_saved(disk / "run") == [2]
    assert not [name for name in files(disk / "run") if ".tmp." in name]
    if not resumes:
        return
    (disk / "filler").unlink()
    at_step(0, fill)
    done = train(disk / "run")
    assert (done.code, done.err) == (0, "")
    ends = [checkpoint(run / "checkpoints" / "ckpt-6") for run in (disk / "run", tiny_run.path)]
    assert_same_bits(*ends)


@pytest.mark.slow
@pytest.mark.parametrize("failing", ["plotting.save_image", "plotting.save_curves"])
def test_pictures_that_cannot_be_written_are_one_warning(
    train, tmp_path, monkeypatch, failing, tiny_run, checkpoint, assert_same_bits
):
    from training import callbacks

    in_mid_training = callbacks.Pictures.act

    def act(pictures):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(failing, no_space)
            in_mid_training(pictures)

    monkeypatch.setattr(callbacks.Pictures, "act", act)
    done = train(tmp_path / "run", "--sample_every=1")
    assert done.code == 0, done
    reason = "pictures cannot be written (No space left on device)"
    assert done.err == f"warning: {tmp_path / 'run'}: {reason}\n"
    ends = [checkpoint(p / "checkpoints" / "ckpt-6") for p in (tmp_path / "run", tiny_run.path)]
    assert_same_bits(*ends)


LIMITED = """
import resource, signal, sys
import train
from cli import flags
from training import events

scalars = events.Events.scalars

def limited(self, *arguments):  # the event file cannot grow any more
    for _ in range(2000):
        scalars(self, *arguments)

events.Events.scalars = limited
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
sys.exit(flags.run_script(train.main, sys.argv[1:]))
"""


SMALL_FILES = """
import resource, sys
import train
from cli import flags

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
sys.exit(flags.run_script(train.main, sys.argv[1:]))
"""


@pytest.mark.slow
def test_checkpoint_beyond_the_limit_of_a_file_ends_in_one_line(python, tiny, tmp_path):
    argv = (*tiny, "--steps=6", "--checkpoint_every=2", "--sample_every=100")
    done = python("-c", SMALL_FILES, *argv, "--width=64", f"--outdir={tmp_path / 'run'}")
    assert done.code == 2, done
    (line,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert "File too large" in line
    assert "Traceback" not in done.err
    assert steps_saved(tmp_path / "run") == []


@pytest.mark.slow
def test_events_that_cannot_be_written_are_one_warning(python, tiny_run, tmp_path):
    done = python("-c", LIMITED, *tiny_run.argv, f"--outdir={tmp_path / 'run'}")
    lines = [line for line in done.err.splitlines() if line.startswith(("warning", "error"))]
    assert done.code == 0, done
    assert len(lines) == 1, lines
    (line,) = lines
    assert "TensorBoard's summaries end here (" in line
    assert steps_saved(tmp_path / "run") == [4, 6]


@pytest.mark.slow
@pytest.mark.parametrize(
    "due", ["--checkpoint_every=4", "--sample_every=4", "--log_every=4", "--steps=4"]
)
def test_run_directory_removed_in_mid_training_is_one_line(train, at_step, tmp_path, due):
    never = ("--checkpoint_every=100", "--sample_every=100", "--log_every=100")
    at_step(3, shutil.rmtree)
    done = train(tmp_path / "run", *never, due)
    assert done.code == 2, done
    (line,) = [line for line in done.err.splitlines() if not line.startswith("warning: ")]
    assert line.startswith(f"error: {tmp_path / 'run'}: the run directory is gone")
    assert not (tmp_path / "run").exists()
    assert len(done.err.splitlines()) <= 2


@pytest.mark.slow
def test_run_directory_on_an_unmounted_drive_is_one_line(train, at_step, small_disk):
    disk = small_disk(16384)
    at_step(3, lambda path: subprocess.run(["umount", "-l", str(disk)], check=True))
    done = train(disk / "run")
    assert done.code == 2, done
    assert "the run directory is gone" in done.err.splitlines()[-1]
    assert list(disk.iterdir()) == []


@pytest.mark.slow
def test_checkpoint_folder_without_permission_is_one_line(python, tiny_run, tmp_path):
    if os.getuid() == 0:
        pytest.skip("root may write everywhere")
    shutil.copytree(tiny_run.path, tmp_path / "run")
    os.chmod(tmp_path / "run" / "checkpoints", stat.S_IRUSR | stat.S_IXUSR)
    done = python("train.py", *tiny_run.argv, "--steps=8", f"--outdir={tmp_path / 'run'}")
    os.chmod(tmp_path / "run" / "checkpoints", stat.S_IRWXU)
    assert done.code == 2, done
    assert done.err.splitlines()[-1].startswith("error: no permission: ")
