"""generate.py from outside: its outputs for tiny runs, and its errors."""

import json
import pathlib
import shutil

import imageio.v3 as iio
import numpy as np
import pytest

import plotting
from tests.generate.cases import drawn_in, pixels


@pytest.fixture(scope="module")
def model(tiny_run):
    from training.loading import load_run

    return load_run(tiny_run.path)[2]


@pytest.fixture
def draw(call, tiny_run, tmp_path):
    """Return draw("--output=grid", ...) -> the files drawn of the tiny run, by name."""

    def draw(*argv, folder="drawn"):
        outdir = tmp_path / folder
        done = call("generate", f"--run={tiny_run.path}", f"--outdir={outdir}", *argv)
        assert (done.code, done.err) == (0, ""), done
        made = {path.name: path for path in drawn_in(outdir)}
        assert all(line.endswith(str(outdir)) or pathlib.Path(line).is_file()
                   for line in done.out.splitlines())  # fmt: skip
        assert done.out
        return made

    return draw


def test_images_and_npz_of_a_seed_have_the_same_pixels(draw, model):
    images = draw("--output=images", "--n=5", "--seed=2")
    assert list(images) == [f"tiny-images-n5-seed2-step6-{k:05}.png" for k in range(5)]
    arrays = draw("--output=npz", "--n=5", "--seed=2", folder="npz")
    assert list(arrays) == ["tiny-npz-n5-seed2-step6.npz"]
    with np.load(arrays["tiny-npz-n5-seed2-step6.npz"]) as archive:
        assert archive.files == ["images"]
        stored = archive["images"]
    assert stored.dtype == np.uint8
    np.testing.assert_array_equal(stored, plotting.to_uint8(model.sample(5, seed=2)))
    np.testing.assert_array_equal(stored, [pixels(path) for path in images.values()])


@pytest.mark.slow
def test_fewer_images_leave_none_of_an_earlier_call_but_those_of_other_options(draw):
    five = [f"tiny-images-n5-seed2-step6-{k:05}.png" for k in range(5)]
    assert list(draw("--output=images", "--n=5", "--seed=2")) == five
    (one,) = draw("--output=images", "--n=1", "--seed=3", "--step=4").keys() - set(five)
    made = draw("--output=images", "--n=2", "--seed=2")
    assert set(made) == {one, *(f"tiny-images-n2-seed2-step6-{k:05}.png" for k in range(2))}
    assert set(draw("--output=images", "--n=5", "--seed=2")) == {one, *five}


def test_npz_of_more_than_one_batch_has_all_images(draw):
    many = np.load(draw("--output=npz", "--n=260")["tiny-npz-n260-seed0-step6.npz"])["images"]
    assert many.shape == (260, 28, 28, 1)
    assert len({image.tobytes() for image in many}) > 200


def test_grid_has_the_samples_in_reading_order(draw, model, cells):
    made = draw("--output=grid", "--n=7", "--seed=4")
    assert list(made) == ["tiny-grid-n7-seed4-step6.png"]
    sheet = pixels(made["tiny-grid-n7-seed4-step6.png"])
    np.testing.assert_array_equal(sheet, plotting.grid(model.sample(7, seed=4)))
    shown = cells(sheet, columns=3).reshape(-1, 28, 28, 1)
    np.testing.assert_array_equal(shown[:7], plotting.to_uint8(model.sample(7, seed=4)))


@pytest.mark.parametrize("output", ["images", "npz", "grid", "interpolation"])
def test_same_command_writes_the_same_bytes_and_another_seed_other_files(draw, output):
    def drawn(seed, folder):
        made = draw(f"--output={output}", "--n=2", f"--seed={seed}", folder=folder)
        return {name: path.read_bytes() for name, path in made.items()}

    first = drawn(1, "first")
    assert drawn(1, "again") == first
    other = drawn(2, "other")
    assert not {*other} & {*first}
    assert not {*other.values()} & {*first.values()}


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_interpolation_runs_from_one_latent_to_the_other(draw, model, path, cells):
    argv = ("--output=interpolation", "--n=3", "--frames=5", "--seed=1", f"--path={path}")
    made = draw(*argv)
    name = f"tiny-interpolation-{path}-n3-frames5-seed1-step6"
    assert list(made) == [f"{name}.gif", f"{name}.png"]
    shown = cells(pixels(made[f"{name}.png"]), columns=5).astype(int)
    assert shown.shape == (3, 5, 28, 28, 1)
    ends = plotting.to_uint8(model.generate(model.latents.draw(6, 1))).astype(int)
    # A batch of another size may round differently: by one level at most.
    assert abs(shown[:, 0] - ends[:3]).max() <= 1
    assert abs(shown[:, -1] - ends[3:]).max() <= 1
    for k in range(4):
        assert abs(shown[:, k] - shown[:, k + 1]).max(axis=(1, 2, 3)).min() > 1
    middle = abs(shown[:, 2] - shown[:, 0]).sum(), abs(shown[:, 2] - shown[:, 4]).sum()
    assert max(middle) < abs(shown[:, 4] - shown[:, 0]).sum()


def test_linear_and_spherical_interpolations_differ_between_their_ends_only(draw, cells):
    sheets = []
    for path in ("linear", "spherical"):
        made = draw("--output=interpolation", "--n=2", "--frames=3", f"--path={path}", folder=path)
        picture = made[f"tiny-interpolation-{path}-n2-frames3-seed0-step6.png"]
        sheets.append(cells(pixels(picture), columns=3).astype(int))
    difference = abs(sheets[0] - sheets[1]).max(axis=(0, 2, 3, 4))
    assert difference[0] <= 1
    assert difference[2] <= 1
    assert difference[1] > 1


@pytest.mark.slow
def test_interpolation_of_a_class_conditional_model_mixes_classes_linearly(
    call, told_run, tmp_path, cells
):
    from models.latents import interpolate
    from training.loading import load_run

    argv = (f"--run={told_run.path}", f"--outdir={tmp_path}", "--output=interpolation")
    assert call("generate", *argv, "--n=4", "--frames=3", "--path=spherical").code == 0
    name = "told-interpolation-spherical-n4-frames3-seed0-step6.png"
    shown = cells(pixels(tmp_path / name), columns=3)[:, 1].astype(int)
    model = load_run(told_run.path)[2]
    ends = model.latents.draw(8, 0)
    middle = {
        "noise": interpolate(ends["noise"][:4], ends["noise"][4:], 3, "spherical")[:, 1],
        "label": (ends["label"][:4] + ends["label"][4:]) / 2,
    }
    assert (np.max(middle["label"], axis=1) < 1).any()
    assert abs(shown - plotting.to_uint8(model.generate(middle))).max() <= 1


def test_gif_of_an_interpolation_plays_forwards_and_backwards(draw, cells):
    made = draw("--output=interpolation", "--n=2", "--frames=4")
    name = "tiny-interpolation-spherical-n2-frames4-seed0-step6"
    frames = iio.imread(made[f"{name}.gif"], mode="L")
    assert len(frames) == 6
    np.testing.assert_array_equal(frames[1:3], frames[:3:-1])
    sheet = cells(pixels(made[f"{name}.png"]), columns=4)
    for k in range(4):
        shown = cells(frames[k][..., None], columns=2)[0]
        np.testing.assert_array_equal(shown, sheet[:, k])


def test_plane_varies_the_first_two_latent_dimensions(draw, model, cells):
    made = draw("--output=plane", "--span=1.5", "--seed=3")
    assert list(made) == ["tiny-plane-span1.5-seed3-step6.png"]
    shown = cells(pixels(made["tiny-plane-span1.5-seed3-step6.png"]), columns=10)
    noise = np.repeat(model.latents.draw(1, 3)["noise"], 100, axis=0)
    axis = np.linspace(-1.5, 1.5, 10)
    noise[:, 0], noise[:, 1] = axis.repeat(10), np.tile(axis, 10)
    expected = plotting.to_uint8(model.generate({"noise": noise}))
    assert abs(shown.reshape(expected.shape).astype(int) - expected).max() <= 1


@pytest.fixture(scope="module")
def coded_model(coded_run):
    from training.loading import load_run

    return load_run(coded_run.path)[2]


@pytest.mark.parametrize(("argv", "span"), [([], 1), (["--span=2.5"], 2.5), (["--span=1"], 1)])
def test_traversal_writes_a_picture_and_a_gif_per_code(
    call, coded_run, coded_model, cells, tmp_path, argv, span
):
    argv = (f"--run={coded_run.path}", f"--outdir={tmp_path}", "--output=traversal", *argv)
    done = call("generate", *argv, "--seed=3")
    assert (done.code, done.err) == (0, ""), done
    names = [
        f"coded-traversal-span{span:g}-seed3-step4-code-{k}.{kind}"
        for k in (0, 1)
        for kind in ("png", "gif")
    ]
    assert done.out.splitlines() == [str(tmp_path / name) for name in names]
    assert [path.name for path in drawn_in(tmp_path)] == sorted(names)
    drawn = coded_model.latents.draw(10, 3)
    for code in (0, 1):
        sheet = pixels(tmp_path / f"coded-traversal-span{span:g}-seed3-step4-code-{code}.png")
        sheet = sheet[len(sheet) - 4 * 58 - 2 :]  # below the labels of the columns
        shown = cells(sheet, columns=11).astype(int)
        for k, value in enumerate(np.linspace(-span, span, 11)):
            continuous = np.repeat(drawn["continuous"][:1], 4, axis=0)
            continuous[:, code] = value
            latents = {
                "noise": np.repeat(drawn["noise"][:1], 4, axis=0),
                "category_0": np.eye(4, dtype=np.float32),
                "continuous": continuous,
            }
            expected = plotting.to_uint8(coded_model.generate(latents))
            assert abs(shown[:, k] - expected).max() <= 1
        assert abs(shown[:, 0] - shown[:, -1]).max() > 1


def test_traversal_is_a_function_of_the_seed(call, coded_run, tmp_path):
    def drawn(seed, folder):
        argv = (f"--run={coded_run.path}", f"--outdir={tmp_path / folder}", "--output=traversal")
        assert call("generate", *argv, f"--seed={seed}").code == 0
        return [path.read_bytes() for path in drawn_in(tmp_path / folder)]

    first = drawn(1, "first")
    assert drawn(1, "again") == first
    assert not set(drawn(2, "other")) & set(first)


def test_traversal_of_a_model_without_codes_or_ordered_dimensions_is_invalid(
    call, tiny_run, tmp_path
):
    folder = tmp_path / "none"
    argv = (f"--run={tiny_run.path}", f"--outdir={folder}", "--output=traversal")
    refusal = call("generate", *argv).refusal()
    assert refusal == (
        "--output: traversal: GAN has no continuous codes; "
        "GAN has no order of its latent dimensions"
    )
    assert not folder.exists()
    refusal = call("generate", *argv, "--span=0").refusal()
    assert refusal == "--span: expected a number > 0, got 0.0"


@pytest.mark.parametrize(
    ("output", "option", "having"),
    [
        ("plane", "n=3", "images, npz, grid or interpolation"),
        ("traversal", "truncation=0.5", "images, npz, grid or interpolation"),
        ("grid", "path=linear", "interpolation"),
        ("styles", "frames=3", "interpolation"),
        ("grid", "span=2", "plane or traversal"),
    ],
)
def test_option_of_another_output_is_invalid(output, option, having, call, tiny_run):
    done = call("generate", f"--run={tiny_run.path}", f"--output={output}", f"--{option}")
    name = option.split("=")[0]
    message = f"--{name}: does not apply with output={output}, only with output={having}"
    assert done.refusal() == message


@pytest.mark.slow
def test_category_of_a_model_with_codes_draws_one_category(
    call, coded_run, coded_model, tmp_path, cells
):
    argv = (f"--run={coded_run.path}", f"--outdir={tmp_path}", "--category=2", "--seed=3")
    assert call("generate", *argv, "--n=4").code == 0
    sheet = pixels(tmp_path / "coded-grid-n4-seed3-category2-step4.png")
    shown = cells(sheet, columns=2).reshape(-1, 28, 28, 1)
    code = {"category_0": np.eye(4, dtype=np.float32)[[2] * 4]}
    expected = plotting.to_uint8(coded_model.generate(coded_model.latents.draw(4, 3) | code))
    np.testing.assert_array_equal(shown, expected)
    assert call("generate", *argv, "--output=traversal").code == 0
    sheet = pixels(tmp_path / "coded-traversal-span1-seed3-category2-step4-code-1.png")
    shown = cells(sheet[len(sheet) - 10 * 58 - 2 :], columns=11)  # one row per draw
    latents = coded_model.draw_latents(10, 3, category=2)
    continuous = latents["continuous"].numpy()
    continuous[:, 1] = 1.0
    expected = plotting.to_uint8(coded_model.generate(latents | {"continuous": continuous}))
    assert abs(shown[:, -1].astype(int) - expected).max() <= 1
    refusal = call("generate", *argv[:2], "--category=4").refusal()
    assert refusal == "--category: expected a category from 0 to 3, got 4"


def test_label_of_an_unconditional_model_is_invalid_with_every_output(call, coded_run, tmp_path):
    argv = (f"--run={coded_run.path}", f"--outdir={tmp_path}")
    for output in ("grid", "plane", "traversal"):
        done = call("generate", *argv, f"--output={output}", "--label=2")
        assert done.refusal() == "--label: InfoGAN is not class-conditional", output


def test_interpolation_of_a_model_with_categories_mixes_them_linearly(
    call, coded_run, coded_model, tmp_path, monkeypatch
):
    from models.infogan import InfoGAN

    given = []
    generate = InfoGAN.generate_batches
    monkeypatch.setattr(
        InfoGAN, "generate_batches", lambda model, z: given.append(z) or generate(model, z)
    )
    argv = (f"--run={coded_run.path}", f"--outdir={tmp_path}", "--output=interpolation")
    assert call("generate", *argv, "--n=4", "--frames=3", "--path=spherical").code == 0
    (latents,) = given
    np.testing.assert_allclose(np.sum(latents["category_0"], axis=1), 1, atol=1e-5)


def test_plane_of_a_model_with_codes_varies_its_noise(
    call, coded_run, coded_model, tmp_path, cells
):
    argv = (f"--run={coded_run.path}", f"--outdir={tmp_path}", "--output=plane", "--seed=3")
    assert call("generate", *argv).code == 0
    shown = cells(pixels(tmp_path / "coded-plane-span3-seed3-step4.png"), columns=10)
    latents = {
        name: np.repeat(part, 100, axis=0) for name, part in coded_model.latents.draw(1, 3).items()
    }
    axis = np.linspace(-3, 3, 10)
    latents["noise"][:, 0], latents["noise"][:, 1] = axis.repeat(10), np.tile(axis, 10)
    expected = plotting.to_uint8(coded_model.generate(latents))
    assert abs(shown.reshape(expected.shape).astype(int) - expected).max() <= 1


@pytest.mark.slow
def test_label_of_a_class_conditional_model_draws_one_class(call, told_run, tmp_path, cells):
    from training.loading import load_run

    model = load_run(told_run.path)[2]
    argv = (f"--run={told_run.path}", f"--outdir={tmp_path}", "--n=4")
    assert call("generate", *argv, "--label=7").code == 0
    shown = cells(pixels(tmp_path / "told-grid-n4-seed0-label7-step6.png"), columns=2).reshape(
        -1, 28, 28, 1
    )
    np.testing.assert_array_equal(shown, plotting.to_uint8(model.sample(4, label=7)))
    assert not np.array_equal(shown, plotting.to_uint8(model.sample(4, label=6)))
    refusal = call("generate", *argv, "--label=10").refusal()
    assert refusal == "--label: expected a class from 0 to 9, got 10"


def test_label_of_an_unconditional_model_is_invalid(call, tiny_run, tmp_path):
    argv = (f"--run={tiny_run.path}", f"--outdir={tmp_path}")
    assert call("generate", *argv, "--label=7").refusal() == "--label: GAN is not class-conditional"


def test_files_without_outdir_are_in_the_run(call, copied_run):
    done = call("generate", f"--run={copied_run}", "--n=1")
    assert done.code == 0, done
    assert done.out == f"{copied_run / 'generated' / 'grid-n1-seed0-step6.png'}\n"
    assert (copied_run / "generated" / "grid-n1-seed0-step6.png").is_file()


def test_generate_leaves_the_run_unchanged(call, copied_run, tmp_path):
    def state():
        return {p: p.stat().st_mtime_ns for p in copied_run.rglob("*") if p.is_file()}

    before = state()
    assert call("generate", f"--run={copied_run}", f"--outdir={tmp_path}", "--n=1").code == 0
    assert state() == before


def test_missing_run_is_invalid_and_not_created(call, tmp_path):
    refusal = call("generate", f"--run={tmp_path / 'nothing'}").refusal()
    assert f"{tmp_path / 'nothing'}: no run found" in refusal
    assert list(tmp_path.iterdir()) == []


def test_run_without_a_checkpoint_is_invalid(call, copied_run):
    shutil.rmtree(copied_run / "checkpoints")
    refusal = call("generate", f"--run={copied_run}").refusal()
    assert f"{copied_run}: its checkpoints are missing" in refusal
    (copied_run / "status.json").write_text('{"checkpoint": null, "finished": null}')
    refusal = call("generate", f"--run={copied_run}").refusal()
    assert f"{copied_run}: no checkpoint found" in refusal


def test_run_of_another_version_is_invalid(call, copied_run):
    saved = json.loads((copied_run / "config.json").read_text())
    saved["options"]["an_option_of_old"] = 1
    (copied_run / "config.json").write_text(json.dumps(saved))
    assert "an_option_of_old" in call("generate", f"--run={copied_run}").refusal()


def test_outdir_that_cannot_be_written_is_invalid(call, tiny_run, tmp_path):
    (tmp_path / "file").write_text("")
    outdir = tmp_path / "file" / "below"
    refusal = call("generate", f"--run={tiny_run.path}", f"--outdir={outdir}", "--n=1").refusal()
    assert refusal == (
        f"--outdir: {tmp_path}/file: is a file, not a folder. Set --outdir to a directory that "
        "can be written"
    )


def test_outdir_and_checkpoints_are_checked_without_tensorflow(
    without_tensorflow, copied_run, tmp_path
):
    (tmp_path / "file").write_text("")
    (copied_run / "generated").write_text("")
    lines = [[f"--run={copied_run}", *more] for more in ([f"--outdir={tmp_path}/file/a"], [])]
    outcomes = without_tensorflow("generate", lines, tmp_path)
    advice = "is a file, not a folder. Set --outdir to a directory that can be written"
    assert [outcome.refusal() for outcome in outcomes] == [
        f"--outdir: {tmp_path}/file: {advice}",
        f"--run: {copied_run}/generated: {advice}",
    ]
    shutil.rmtree(copied_run / "checkpoints")
    (outcome,) = without_tensorflow("generate", [[f"--run={copied_run}"]], tmp_path)
    assert outcome.refusal().startswith(f"--run: {copied_run}: its checkpoints are missing. ")


def test_help_and_invalid_flags_leave_tensorflow_unimported(without_tensorflow, tmp_path):
    lines = [
        ["--help"], [], ["--runs=x"], ["--run=x", "--output=film"], ["--run=x", "--n=0"],
        ["--run=x"],
    ]  # fmt: skip
    help_, *refused = without_tensorflow("generate", lines, tmp_path)
    assert (help_.code, help_.err) == (0, "")
    assert help_.out.startswith("usage: python generate.py --run DIR")
    assert "\n  --output  [grid]\n" in help_.out
    assert "\n  --frames  (interpolation: 10)\n" in help_.out
    messages = [outcome.refusal() for outcome in refused]
    assert messages[0].startswith(
        "no flags are given. Type, for example: python generate.py --run "
    )
    assert messages[1] == "--runs: no such flag; did you mean --run?"
    assert messages[2].startswith("--output: expected one of images, npz, grid, ")
    assert messages[3] == "--n: expected an integer >= 1, got 0"
    assert messages[4].startswith("x: no run found")


def test_file_names_contain_the_label(call, told_run, tmp_path):
    for label in ("--label=1", "--label=2"):
        assert call("generate", f"--run={told_run.path}", f"--outdir={tmp_path}", label).code == 0
    names = ["told-grid-n64-seed0-label1-step6.png", "told-grid-n64-seed0-label2-step6.png"]
    assert [path.name for path in drawn_in(tmp_path)] == names


def test_invalid_label_leaves_no_folder(call, copied_run, tmp_path):
    argv = (f"--run={copied_run}", f"--outdir={tmp_path / 'new'}", "--label=1")
    assert call("generate", *argv).refusal() == "--label: GAN is not class-conditional"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--output=styles"], "--output: styles: GAN has no styles"),
        (["--output=interpolation", "--path=styles"], "--path: GAN has no styles"),
        (["--truncation=0.5"], "--truncation: GAN has no styles"),
    ],
)
def test_styles_of_a_model_without_styles_are_invalid(argv, message, call, tiny_run, tmp_path):
    done = call("generate", f"--run={tiny_run.path}", f"--outdir={tmp_path / 'no'}", *argv)
    assert done.refusal() == message
    assert not (tmp_path / "no").exists()


def test_outdir_with_a_tilde_is_in_the_home_directory(call, copied_run, monkeypatch):
    monkeypatch.setenv("HOME", str(copied_run.parent))
    argv = (f"--run=~/{copied_run.name}", "--output=npz", "--n=1")
    assert call("generate", *argv, "--outdir=~/out").code == 0
    assert (copied_run.parent / "out" / "copied-npz-n1-seed0-step6.npz").exists()
    assert call("generate", *argv).code == 0
    assert (copied_run / "generated" / "npz-n1-seed0-step6.npz").exists()


def test_more_images_than_the_disk_can_take_are_an_error_before_tensorflow(
    without_tensorflow, tiny_run, tmp_path
):
    argv = [f"--run={tiny_run.path}", "--output=images", "--n=2147483647", "--outdir=x/y"]
    (done,) = without_tensorflow("generate", [argv], tmp_path)
    refusal = done.refusal()
    assert refusal.startswith("--n: the images take up to 8.0 TiB, and ")
    assert refusal.endswith("free in x/y; use a smaller number, or another outdir")
    assert list(tmp_path.iterdir()) == []


def test_picture_that_is_too_large_is_an_error_before_tensorflow(
    without_tensorflow, tiny_run, tmp_path
):
    run = f"--run={tiny_run.path}"
    lines = [[run, "--n=400000"], [run, "--output=interpolation", "--n=4000", "--frames=100"]]
    for done in without_tensorflow("generate", lines, tmp_path):
        assert done.refusal() == (
            "--n: a picture of 400,000 images would have 1.3 GiB of pixels, at most 1.0 GiB; use "
            "output=npz, or a smaller number"
        )


def test_npz_that_cannot_be_finished_leaves_no_file(call, tiny_run, tmp_path, monkeypatch):
    def full(fd):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    argv = (f"--run={tiny_run.path}", "--output=npz", "--n=1", f"--outdir={tmp_path}")
    assert call("generate", *argv).refusal().startswith("disk full: no space left")
    assert list(tmp_path.iterdir()) == []
