"""Memory of trainings: it does not grow, and a lack of it is one line."""

import io
import os
import pathlib
import struct
import zlib

import pytest
from PIL import Image

import data
from benchmarks.fuzz.image_folders import PNG, chunk
from benchmarks.fuzz.limits import memory_limit
from training.events import Events

# The address space is limited, so that the test cannot take the memory of the machine.
LIMITED = """
import resource, sys
from cli import flags

resource.setrlimit(resource.RLIMIT_AS, (16 * 2**30, resource.RLIM_INFINITY))
import train

sys.exit(flags.run_script(train.main, sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "argv",
    [
        ("--model=gan", "--width=200000"),
        ("--model=gan", "--eval_every=1", "--eval_samples=2000000000"),
    ],
)
def test_training_that_exceeds_the_memory_is_one_line(python, tmp_path, argv):
    done = python("-c", LIMITED, *argv, "--steps=1", f"--outdir={tmp_path / 'run'}")
    assert done.code == 2, done
    assert "Traceback" not in done.err
    last = done.err.splitlines()[-1]
    assert last.startswith(("error: out of memory: ", "error: a number is too large: "))
    assert not (tmp_path / "run" / "config.json").exists()


def resident():
    """Return the resident memory of this process in MB."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux")
def test_summaries_of_scalars_do_not_grow_the_memory(tmp_path):
    def write(events, steps):
        for step in steps:
            events.scalars(step, {f"s{k}": step + k / 100 for k in range(50)})

    with Events(tmp_path, 0) as events:
        write(events, range(100))
        before = resident()
        write(events, range(100, 500))  # 20,000 numbers, each of which took 800 bytes
        assert resident() - before < 6


LARGEST = 9433  # pixels of a side of a square with 89 million


def png_of_16_bits():
    """A PNG file of the largest square, RGBA with 16 bits per value."""
    row, packer = b"\0" + b"\x0f\xff" * 4 * LARGEST, zlib.compressobj(1)
    pixels = b"".join(packer.compress(row) for _ in range(LARGEST)) + packer.flush()
    header = struct.pack(">IIBBBBB", LARGEST, LARGEST, 16, 6, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    return PNG + b"".join(chunk(kind, content) for kind, content in parts)


def jpeg_of_cmyk():
    """A small JPEG file whose header promises the largest square, which is filled with gray."""
    file = io.BytesIO()
    Image.new("CMYK", (8, 8)).save(file, "JPEG")
    content = file.getvalue()
    frame = content.index(b"\xff\xc0") + 5
    return content[:frame] + struct.pack(">HH", LARGEST, LARGEST) + content[frame + 4 :]


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux")
@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.png", png_of_16_bits, {"image_size": 8, "bits": 12}),
        ("a.jpg", jpeg_of_cmyk, {}),
    ],
)
def test_largest_image_takes_less_than_1900_mib(tmp_path, monkeypatch, name, content, options):
    """Arrays of 16 bits of the whole image would take 2 GiB."""
    monkeypatch.setenv("GAN_ZOO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / name).write_bytes(content())
    with memory_limit() as limited:
        images = data.load(str(tmp_path / "images"), **options)
    assert len(images.train.images) == 1
    assert limited.peak < 1900 * 2**20
