"""Full disks for the tests of faults."""

import subprocess

import pytest


@pytest.fixture
def small_disk(tmp_path):
    """small_disk(kilobytes) -> the folder of a file system of this size."""
    mounted = []

    def small_disk(kilobytes: int):
        path = tmp_path / f"disk-{len(mounted)}"
        path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(path)]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            pytest.skip(f"no file system can be mounted: {error}")
        if done.returncode:
            pytest.skip(f"no file system can be mounted: {done.stderr.strip()}")
        mounted.append(path)
        return path

    yield small_disk
    for path in mounted:
        subprocess.run(["umount", "-l", str(path)], capture_output=True)
