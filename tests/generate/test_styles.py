"""generate.py for a model with styles."""

import pathlib

import numpy as np
import pytest

import plotting
from tests.generate.cases import pixels

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def styled(styled_run):
    from training.loading import load_run

    return load_run(styled_run.path)[2]


@pytest.fixture
def draw_styled(call, styled_run, tmp_path):
    """Return draw_styled("--output=grid", ...) -> the files drawn of the run, by name."""

    def draw(*argv):
        outdir = tmp_path / "styled"
        done = call("generate", f"--run={styled_run.path}", f"--outdir={outdir}", *argv)
        assert (done.code, done.err) == (0, ""), done
        return {path.name: path for path in map(pathlib.Path, done.out.splitlines())}

    return draw


STYLES = ["truncation", "noise", "mixing-coarse", "mixing-middle", "mixing-fine"]


def test_styles_output_repeats_the_pictures_at_the_end_of_training(styled_run, draw_styled):
    made = draw_styled("--output=styles", "--seed=0")
    assert list(made) == [f"{name}.png" for name in STYLES]
    for name, path in made.items():
        ended = styled_run.path / "styles" / name
        np.testing.assert_array_equal(pixels(path), pixels(ended))
    assert "styles/" in styled_run.outcome.out.splitlines()[-1]


def test_styles_of_another_seed_are_written_to_another_folder(styled_run, draw_styled):
    for name, path in draw_styled("--output=styles", "--seed=1").items():
        assert path.parent.name == "styled-styles-seed1-step3"
        assert path.read_bytes() != (styled_run.path / "styles" / name).read_bytes()


def test_grid_with_truncation_draws_truncated_styles(draw_styled, styled, cells):
    from models.latents import truncate

    made = draw_styled("--output=grid", "--n=4", "--seed=4", "--truncation=0.5")
    assert list(made) == ["styled-grid-n4-truncation0.5-seed4-step3.png"]
    w = truncate(styled.styles(styled.draw_latents(4, 4)), styled.mean_style(), 0.5)
    sheet = pixels(made["styled-grid-n4-truncation0.5-seed4-step3.png"])
    np.testing.assert_array_equal(sheet, plotting.grid(styled.images_of_styles(w)))
    made = draw_styled("--output=grid", "--n=4", "--seed=4")
    plain = pixels(made["styled-grid-n4-seed4-step3.png"])
    np.testing.assert_array_equal(plain, plotting.grid(styled.sample(4, seed=4)))
    mean = cells(pixels(draw_styled("--output=grid", "--n=4", "--truncation=0")
                        ["styled-grid-n4-truncation0-seed0-step3.png"]), columns=2)  # fmt: skip
    assert (mean == mean[0, 0]).all()


def test_interpolation_of_styles_is_linear_in_w(draw_styled, styled, cells):
    made = draw_styled("--output=interpolation", "--path=styles", "--n=2", "--frames=4")
    name = "styled-interpolation-{}-n2-frames4-seed0-step3.{}"
    assert list(made) == [name.format("styles", kind) for kind in ("png", "gif")]
    shown = cells(pixels(made[name.format("styles", "png")]), columns=4)
    w = styled.styles(styled.draw_latents(4, 0)).numpy()
    for k in range(4):
        t = k / 3
        expected = styled.images_of_styles((1 - t) * w[:2] + t * w[2:])
        distance = shown[:, k].astype(int) - plotting.to_uint8(expected).astype(int)
        assert np.abs(distance).max() <= 1
    latents = draw_styled("--output=interpolation", "--path=linear", "--n=2", "--frames=4")
    other = cells(pixels(latents[name.format("linear", "png")]), columns=4)
    np.testing.assert_array_equal(shown[:, [0, 3]], other[:, [0, 3]])
    assert (shown[:, 1:3] != other[:, 1:3]).any()


def test_truncation_of_a_plane_is_invalid(call, styled_run, tmp_path):
    argv = [f"--run={styled_run.path}", f"--outdir={tmp_path / 'no'}"]
    done = call("generate", *argv, "--output=plane", "--truncation=0.5")
    assert done.refusal().startswith("--truncation: does not apply with output=plane, only with ")
    assert not (tmp_path / "no").exists()
