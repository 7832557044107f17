"""Sizes of the outputs of generate.py."""

import types

import pytest

from errors import UserError
from training import sizes


@pytest.mark.parametrize(
    ("size", "bytes", "text"), [("of_pixels", 784, "765.6 KiB"), ("of_files", 4096, "3.9 MiB")]
)
def test_files_of_an_output_may_take_what_is_free_on_the_disk(
    tmp_path, monkeypatch, size, bytes, text
):
    size, options = getattr(sizes, size), types.SimpleNamespace(n=1000)
    place = tmp_path / "missing" / "folder"
    free = types.SimpleNamespace(free=1000 * bytes)
    monkeypatch.setattr(sizes.shutil, "disk_usage", lambda path: free)
    sizes.require_space(size, options, (28, 28, 1), place)
    free.free -= 1
    with pytest.raises(UserError, match=f"the images take up to {text}, and .* in {place}"):
        sizes.require_space(size, options, (28, 28, 1), place)


def test_size_of_an_interpolation_has_the_rows_of_its_seeds_and_a_gif():
    side = 28 * sizes.readable_scale(28, 28) + sizes.PADDING
    grid = types.SimpleNamespace(n=64, frames=None, seeds="")
    assert sizes.of_picture(grid, (28, 28, 1)) == 64 * side**2
    path = types.SimpleNamespace(n=64, frames=10, seeds="3,7,12")
    assert sizes.of_picture(path, (28, 28, 3)) == 20 * side**2 * (3 + 2)
    path.frames = 10**6
    with pytest.raises(UserError, match=r"^seeds: a picture of 2,000,000 images would have "):
        sizes.of_picture(path, (28, 28, 3))
