"""Pictures of traversals, planes, reconstructions and styles."""

import imageio.v3 as iio
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import plotting
from errors import UserError
from models.base import GenerativeModel
from models.latents import Latents, noise, one_hot, with_each
from storage.files import write_json
from storage.run_directory import RunDirectory
from training import pictures
from training.pictures import POINTS, save_traversals, traversals

SIDE = 8
CELL, PADDING = 64, 2  # pixels, as the grid enlarges them


class Painter:
    """A model whose images are their latents, one pixel each; it records the latents.

    Args:
        categories: sizes of the categorical codes.
        continuous: number of continuous codes.
    """

    def __init__(self, categories=(3,), continuous=2):
        codes = {f"category_{k}": one_hot(size) for k, size in enumerate(categories)}
        if continuous:
            codes["continuous"] = noise(continuous, "uniform")
        self.latents = Latents(noise=noise(4, "normal"), **codes)
        self.step = 7
        self.given = []

    def draw_latents(self, n, seed, label=None, category=None):
        return self.latents.draw(n, seed)

    def lacks(self, ability):
        return "none" if ability.methods else None

    def generate(self, latents):
        self.given.append({name: np.array(part) for name, part in latents.items()})
        pixels = np.tanh(np.array(self.latents.join(latents)) / 2)
        padded = np.zeros((len(pixels), SIDE, SIDE, 1), np.float32)
        padded.reshape(len(pixels), -1)[:, : pixels.shape[1]] = pixels
        return padded


def cells_of(picture, columns):
    """Return cells uint8 [rows, columns, SIDE, SIDE, 1] below and right of the labels."""
    step = CELL + PADDING
    rows = picture.shape[0] // step
    sheet = picture[-rows * step - PADDING :, -columns * step - PADDING :]
    scale = CELL // SIDE
    return np.array(
        [
            [
                sheet[PADDING + i * step :, PADDING + j * step :][:CELL:scale, :CELL:scale]
                for j in range(columns)
            ]
            for i in range(rows)
        ]
    )


def painted(model, latents):
    return plotting.to_uint8(model.generate(latents))


@pytest.mark.parametrize(
    ("categories", "rows"),
    [((3,), 3), ((), 10), ((5,), 5), ((3, 2), 3)],
)
@pytest.mark.parametrize("span", [1.0, 2.5])
def test_traversal_varies_one_code_and_fixes_all_other_latents(categories, rows, span):
    model = Painter(categories)
    names = [name for name, *_ in traversals(model, span, seed=4)]
    assert names == ["code-0", "code-1"]
    assert len(model.given) == 2 * POINTS
    drawn = {name: part.numpy() for name, part in model.latents.draw(10, 4).items()}
    held = drawn
    if categories:
        held = {name: np.repeat(part[:1], rows, axis=0) for name, part in drawn.items()}
        held["category_0"] = np.eye(rows, dtype=np.float32)
    for k, given in enumerate(model.given):
        code, point = divmod(k, POINTS)
        assert set(given) == set(held)
        expected = held["continuous"].copy()
        expected[:, code] = np.linspace(-span, span, POINTS)[point]
        np.testing.assert_allclose(given.pop("continuous"), expected, atol=1e-7)
        for name, part in given.items():
            np.testing.assert_array_equal(part, held[name], err_msg=name)


def test_traversal_picture_has_one_row_per_category_and_one_column_per_value():
    model = Painter((3,))
    found = list(traversals(model, 1.0, seed=4))
    first = {name: part[:1] for name, part in model.latents.draw(10, 4).items()}
    for code, (_, picture, _) in enumerate(found):
        assert picture.dtype == np.uint8
        assert picture.shape[0] > PADDING + 3 * (CELL + PADDING)  # the values stand above
        cells = cells_of(picture, POINTS)
        assert cells.shape == (3, POINTS, SIDE, SIDE, 1)
        for row, category in enumerate(np.eye(3, dtype=np.float32)):
            for column, value in enumerate(np.linspace(-1, 1, POINTS)):
                continuous = first["continuous"].numpy().copy()
                continuous[0, code] = value
                chosen = {"category_0": category[None], "continuous": continuous}
                expected = painted(model, first | chosen)[0]
                np.testing.assert_array_equal(cells[row, column], expected)


def test_traversal_picture_without_categories_has_one_row_per_draw():
    model = Painter(())
    for code, (_, picture, _) in enumerate(traversals(model, 2.0, seed=1)):
        cells = cells_of(picture, POINTS)
        assert cells.shape == (10, POINTS, SIDE, SIDE, 1)
        latents = model.latents.draw(10, 1)
        for column, value in enumerate(np.linspace(-2, 2, POINTS)):
            continuous = latents["continuous"].numpy().copy()
            continuous[:, code] = value
            expected = painted(model, latents | {"continuous": continuous})
            np.testing.assert_array_equal(cells[:, column], expected)


@pytest.mark.parametrize("categories", [(3,), ()])
def test_traversal_frame_has_a_column_of_the_picture(categories):
    for _, picture, frames in traversals(Painter(categories), 1.0, seed=4):
        assert len(frames) == POINTS
        column = cells_of(picture, POINTS)
        for k, frame in enumerate(frames):
            np.testing.assert_array_equal(cells_of(frame, len(column))[0], column[:, k])


def test_traversal_frame_of_more_than_ten_categories_has_rows_of_ten():
    ((_, picture, frames),) = traversals(Painter((12,), continuous=1), 1.0, seed=4)
    shown = cells_of(frames[3], 10).reshape(20, SIDE, SIDE, 1)
    np.testing.assert_array_equal(shown[:12], cells_of(picture, POINTS)[:, 3])
    assert (shown[12:] == 255).all()


def test_traversals_are_a_function_of_the_seed():
    def pictures_of(seed):
        return [picture.tobytes() for _, picture, _ in traversals(Painter(), 1.0, seed)]

    assert pictures_of(1) == pictures_of(1)
    assert not set(pictures_of(1)) & set(pictures_of(2))


@pytest.fixture
def labels(monkeypatch):
    """The labels of the grids that are drawn: (corner, of the rows, of the columns), in order."""
    found, grid = [], plotting.grid

    def spy(images, *given, row_labels=None, column_labels=None, corner="", **how):
        if row_labels is not None or column_labels is not None:
            found.append((corner, list(map(str, row_labels)), list(map(str, column_labels or ()))))
        texts = {"row_labels": row_labels, "column_labels": column_labels, "corner": corner}
        return grid(images, *given, **texts, **how)

    monkeypatch.setattr(pictures.plotting, "grid", spy)
    return found


@pytest.mark.parametrize("span", [1.0, 2.0, 0.5, 0.7, 0.9, 3.0, 1.3])
def test_traversal_columns_are_labelled_with_their_values(labels, span):
    list(traversals(Painter(continuous=1), span, 0))
    ((_, _, columns),) = labels
    np.testing.assert_allclose([float(text) for text in columns], np.linspace(-span, span, POINTS),
                               atol=0.0501)  # fmt: skip
    assert columns[POINTS // 2] == "0"


@pytest.mark.parametrize(
    ("value", "digits", "label"),
    [
        (-1.4e-17, 2, "0"), (-0.6667, 2, "-0.67"), (1.3333, 2, "1.3"), (9.96, 2, "10"),
        (67.4, 2, "67"), (100.0, 2, "100"), (1234.6, 2, "1235"),
        (0.0512, 3, "0.0512"), (1.30, 3, "1.3"), (12.5, 3, "12.5"), (99.96, 3, "100"),
        (1234.0, 3, "1234"), (2e6, 3, "2000000"),
    ],
)  # fmt: skip
def test_number_label_has_neither_an_exponent_nor_rounding_errors(value, digits, label):
    assert pictures.number_label(value, digits) == label


NUMBERS = [*"0123456789"]


@pytest.mark.parametrize(
    ("model", "names", "corner", "rows"),
    [
        (Painter((3,), 1), None, "category", ["0", "1", "2"]),
        (Painter((3,), 1), ["0 (b)", "1 (a)", "2 (none)"], "category (class)",
         ["0 (b)", "1 (a)", "2 (none)"]),
        (Painter((3,), 1), ["0 (b)"], "category", ["0", "1", "2"]),
        (Painter((), 1), None, "draw", NUMBERS),
    ],
)  # fmt: skip
def test_traversal_rows_are_labelled_with_the_categories(labels, model, names, corner, rows):
    list(traversals(model, 1.0, 0, names=names))
    ((found, row_labels, _),) = labels
    assert (found, row_labels) == (corner, rows)


def test_plane_is_labelled_with_its_values(labels):
    model = Painter()
    pictures.plane_grid(model, model.latents.draw(1, 3), 3.0)
    ((corner, rows, columns),) = labels
    assert corner == "z0 ↓, z1 →"  # the first dimension is constant within a row
    assert rows == columns
    assert [float(text) for text in rows] == pytest.approx(np.linspace(-3, 3, 10), abs=0.051)


# Categories.


class Conditional(Painter):
    """A model of three classes, with the sample grid of class-conditional models."""

    def __init__(self):
        super().__init__((), 0)
        self.latents = Latents(noise=noise(4, "normal"), label=one_hot(3))

    def picture_latents(self):
        return with_each(self.latents.draw(10, 0), "label", tf.eye(3)), 10


class Grouped(Painter):
    """A model of three categories, with the sample grid of models with a categorical code."""

    def picture_latents(self):
        return with_each(self.latents.draw(10, 0), "category_0", tf.eye(3)), 10


@pytest.mark.parametrize(
    ("model", "names", "corner", "rows"),
    [
        (Grouped(), None, "category", ["0", "1", "2"]),
        (Grouped(), ["0 (b)", "1 (a)", "2 (c)"], "category (class)", ["0 (b)", "1 (a)", "2 (c)"]),
        (Conditional(), ["cat", "dog", "bird"], "class", ["cat", "dog", "bird"]),
    ],
)
def test_categories_are_the_sample_grid_with_labels(tmp_path, labels, model, names, corner, rows):
    (path,) = pictures.save_categories(model, tmp_path, names)
    assert labels == [(corner, rows, [])]
    latents, columns = model.picture_latents()
    expected = painted(model, latents).reshape(3, columns, SIDE, SIDE, 1)
    np.testing.assert_array_equal(cells_of(iio.imread(path)[..., None], columns), expected)


def test_categories_of_a_model_without_rows_are_not_drawn(tmp_path):
    class Plain(Painter):
        def picture_latents(self):
            return self.latents.draw(64, 0), 8

    assert pictures.save_categories(Plain((), 1), tmp_path) == []
    assert not list(tmp_path.iterdir())


def evaluated(folder, step=7, mapping=(1, 0, None)):
    """Write an evaluation.json with the classes of three categories."""
    protocol = {"mapping": list(mapping), "class_names": ["a", "b"], "checkpoint_step": step}
    metrics = {"cluster_accuracy": {"value": 0.5, "protocol": protocol}}
    folder.mkdir(exist_ok=True)
    write_json(
        folder / "evaluation.json", {"name": "", "dataset": "", "seconds": {}, "metrics": metrics}
    )


CLASSES = ["0 (b)", "1 (a)", "2 (none)"]


def test_names_of_categories_are_those_of_the_step(tmp_path):
    run = RunDirectory(tmp_path)
    assert pictures.names_of_categories(run, 7) is None
    evaluated(tmp_path, step=7)
    evaluated(tmp_path / "evaluation-step-3", step=3, mapping=(None, 0, 1))
    assert pictures.names_of_categories(run, 7) == CLASSES
    assert pictures.names_of_categories(run, 3) == ["0 (none)", "1 (a)", "2 (b)"]
    assert pictures.names_of_categories(run, 5) is None
    (tmp_path / "evaluation.json").write_text("damaged")
    assert pictures.names_of_categories(run, 7) is None


@pytest.mark.parametrize(
    ("elsewhere", "finished", "redrawn"),
    [(False, 7, True), (True, 7, False), (False, 5, False), (False, None, False),
     (False, "no status", True)],
)  # fmt: skip
def test_label_matches_labels_the_pictures_of_a_run(tmp_path, labels, elsewhere, finished, redrawn):
    """Traversals are those of the end of the run, which may be another step than that measured."""
    model, run = Grouped((3,), 1), RunDirectory(tmp_path / "run")
    folder = tmp_path / "out" if elsewhere else run.path
    run.path.mkdir()
    if finished != "no status":
        run.set_status(finished=finished)
    for span in (1, 2):
        save_traversals(model, span, 0, run.path / "traversals")
    before = {path.name: path.read_bytes() for path in (run.path / "traversals").iterdir()}
    pictures.label_matches(model, run, run.path)  # not evaluated
    del labels[:]
    evaluated(folder)
    pictures.label_matches(model, run, folder)
    assert [rows for corner, rows, _ in labels] == [CLASSES] * (3 if redrawn else 1)
    after = {path.name: path.read_bytes() for path in (run.path / "traversals").iterdir()}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == ({"code-0-span-1.png", "code-0-span-2.png"} if redrawn else set())
    assert (folder / "categories.png").exists()
    del labels[:]
    pictures.label_matches(model, run, folder)  # drawn after the evaluation
    assert labels == []


@pytest.mark.parametrize(
    ("n", "count", "kept"),
    [
        (0, 12, []),
        (1, 12, [0]),
        (3, 12, [0, 1, 2]),
        (12, 12, [*range(12)]),
        (13, 12, [0, 2, 4, 6, 8, 10, 12]),
        (51, 12, [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50]),
        (24, 12, [0, 3, 6, 9, 12, 15, 18, 21, 23]),
    ],
)
def test_evenly_spaced_has_the_first_and_the_last(n, count, kept):
    assert pictures.evenly_spaced(range(n), count) == kept


def test_save_traversals_writes_pictures_and_gifs_that_play_back_and_forth(tmp_path):
    model = Painter()
    paths = save_traversals(model, 1.5, 0, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == [
        f"code-{code}-span-1.5.{kind}" for code in (0, 1) for kind in ("png", "gif")
    ]
    assert sorted((tmp_path / "new" / "folder").iterdir()) == sorted(paths)
    for k, (_, picture, frames) in enumerate(traversals(model, 1.5, 0)):
        np.testing.assert_array_equal(iio.imread(paths[2 * k]), picture[..., 0])
        film = iio.imread(paths[2 * k + 1], mode="L")
        assert len(film) == 2 * POINTS - 2
        np.testing.assert_array_equal(film[:POINTS], np.stack(frames)[..., 0])
        np.testing.assert_array_equal(film[POINTS:], film[POINTS - 2 : 0 : -1])


def test_save_traversals_of_colours_has_small_films(tmp_path):
    class Colourful(Painter):
        def generate(self, latents):
            self.given.append(latents)
            random = np.random.default_rng(len(self.given))
            return random.uniform(-1, 1, (len(latents["noise"]), 32, 32, 3)).astype(np.float32)

    _, film = save_traversals(Colourful((10,), continuous=1), 1.0, 0, tmp_path)
    assert 50_000 < film.stat().st_size <= 500_000
    assert iio.imread(film).shape[0] == 2 * POINTS - 2


def test_save_traversals_without_codes_writes_nothing(tmp_path):
    model = Painter(continuous=0)
    assert save_traversals(model, 1.0, 0, tmp_path / "folder") == []
    assert not (tmp_path / "folder").exists()
    assert model.given == []


def test_plane_of_a_model_with_codes_varies_its_noise(tmp_path):
    model = Painter()
    latents = model.latents.draw(1, 3)
    pictures.plane_grid(model, latents, 2.0)
    (given,) = model.given
    axis = np.linspace(-2, 2, 10)
    np.testing.assert_allclose(given["noise"][:, :2], np.stack(
        np.meshgrid(axis, axis, indexing="ij"), -1).reshape(100, 2), atol=1e-6)  # fmt: skip
    for name, part in given.items():
        fixed = part[:, 2:] if name == "noise" else part
        expected = latents[name][:, 2:] if name == "noise" else latents[name]
        np.testing.assert_array_equal(fixed, tf.repeat(expected, 100, axis=0))


# Reconstructions.


class Inverter:
    """A model whose reconstruction is the negative of each image."""

    def reconstruct(self, x):
        return -x


@pytest.mark.parametrize(("n", "shown", "columns"), [(40, 40, 10), (25, 20, 10), (3, 3, 3)])
def test_reconstruction_grid_has_images_above_their_reconstructions(n, shown, columns):
    images = np.random.default_rng(0).integers(0, 256, (n, SIDE, SIDE, 1), np.uint8)
    grid = pictures.reconstruction_grid(Inverter(), images)
    cells = cells_of(grid, columns)
    assert cells.shape[:2] == (2 * shown // columns, columns)
    rows = images[:shown].reshape(-1, columns, SIDE, SIDE, 1)
    np.testing.assert_array_equal(cells[0::2], rows)
    np.testing.assert_allclose(cells[1::2].astype(int), 255 - rows.astype(int), atol=1)


@pytest.mark.parametrize("damaged", [False, True])
def test_reconstructions_by_epoch_has_a_row_per_measurement(tmp_path, labels, damaged):
    run = RunDirectory(tmp_path)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, SIDE, SIDE, 1), np.uint8)
    again = random.integers(0, 256, (4, 40, SIDE, SIDE, 1), np.uint8)
    for k, step in enumerate((0, 5, 10, 13)):

        class Known:
            def reconstruct(self, x, k=k):
                return again[k]

        path = run.reconstructions / f"step-{step:07}.png"
        plotting.save_image(path, pictures.reconstruction_grid(Known(), images))
    shown = [0, 1, 2, 3]
    if damaged:
        (run.reconstructions / "step-0000005.png").write_bytes(b"half")
        one_row = plotting.grid(images[:10], 10)
        plotting.save_image(run.reconstructions / "step-0000010.png", one_row)
        shown = [0, 3]
    del labels[:]
    rows = cells_of(pictures.reconstructions_by_epoch(run, images, 10), 10)
    np.testing.assert_array_equal(rows, np.concatenate([images[None, :10], again[shown, :10]]))
    names = ["real", "0", "0.5", "1", "1.3"]
    assert labels == [("epoch", ["real", *(names[1 + k] for k in shown)], [])]


def test_reconstructions_by_epoch_without_pictures_is_none(tmp_path):
    images = np.zeros((40, SIDE, SIDE, 1), np.uint8)
    assert pictures.reconstructions_by_epoch(RunDirectory(tmp_path), images, 10) is None


# Styles.


class Stylist:
    """A model of 6 layers whose images show the styles: row k of the image is the style of layer k;
    the last row but one is the noise, the same in all places of an image.
    """

    image_shape = (SIDE, SIDE, 1)

    def __init__(self):
        self.latents = Latents(noise=noise(4, "normal"))

    def draw_latents(self, n, seed, label=None, category=None):
        return self.latents.draw(n, seed)

    def styles(self, latents):
        return tf.repeat(tf.tanh(latents["noise"])[:, None] / 2, 6, axis=1)

    def mean_style(self):
        return tf.fill([6, 4], 0.25)

    def images_of_styles(self, w, noise_seed=None, noise=True, batch_size=250):
        images = np.zeros((len(w), *self.image_shape), np.float32)
        images[:, :6, :4, 0] = w
        if noise:
            random = np.random.default_rng(99 if noise_seed is None else noise_seed)
            draws = random.uniform(-1, 1, (len(w), 1))
            images[:, 6, :, 0] = 0.1 if noise_seed is None else draws
        return images


def test_truncation_sweep_runs_from_the_mean_style_to_the_draws():
    model = Stylist()
    columns = len(pictures.PSIS)
    shown = cells_of(pictures.truncation_sweep(model, seed=2), columns)
    w = model.styles(model.draw_latents(8, 2))
    assert {0.0, 1.0} <= set(pictures.PSIS)
    for k, psi in enumerate(pictures.PSIS):
        expected = model.images_of_styles(0.25 + psi * (w - 0.25))
        np.testing.assert_array_equal(shown[:, k], plotting.to_uint8(expected))


def test_mixing_tables_use_styles_of_the_top_row_in_some_layers():
    model = Stylist()
    w = model.styles(model.draw_latents(14, 2)).numpy()
    sources = plotting.to_uint8(model.images_of_styles(w))
    layers = {"coarse": [0, 1], "middle": [2, 3], "fine": [4, 5]}
    for name, picture in pictures.mixing_tables(model, seed=2):
        shown = cells_of(picture, 9)
        np.testing.assert_array_equal(shown[1:, 0], sources[:6])
        np.testing.assert_array_equal(shown[0, 1:], sources[6:])
        assert (shown[0, 0] == 255).all()  # blank
        for i in range(6):
            for j in range(8):
                mixed = w[i : i + 1].copy()
                mixed[:, layers[name]] = w[6 + j, layers[name]]
                expected = plotting.to_uint8(model.images_of_styles(mixed))[0]
                np.testing.assert_array_equal(shown[1 + i, 1 + j], expected)
        del layers[name]
    assert not layers


def test_noise_picture_has_draws_their_standard_deviation_and_no_noise():
    model = Stylist()
    shown = cells_of(pictures.noise_picture(model, seed=2), 6)
    w = model.styles(model.draw_latents(6, 2))
    draws = [model.images_of_styles(w, noise_seed=k) for k in range(pictures.DRAWS)]
    expected = [model.images_of_styles(w), *draws[:3]]
    for k, images in enumerate(expected):
        np.testing.assert_array_equal(shown[:, k], plotting.to_uint8(images))
    np.testing.assert_array_equal(
        shown[:, 5], plotting.to_uint8(model.images_of_styles(w, noise=False))
    )
    deviation = shown[:, 4]
    assert deviation.max() == 255
    assert (deviation[:, 6] > 200).all()
    assert not np.delete(deviation, 6, axis=1).any()


def test_style_pictures_are_labelled(labels):
    model = Stylist()
    pictures.truncation_sweep(model, seed=2)
    pictures.noise_picture(model, seed=2)
    list(pictures.mixing_tables(model, seed=2))
    sweep, noises, *tables = labels
    assert sweep[:2] == ("draw ↓, psi →", NUMBERS[:8])
    assert [float(text) for text in sweep[2]] == list(pictures.PSIS)
    assert noises[:2] == ("latent ↓, noise →", NUMBERS[:6])
    for part, (corner, rows, columns) in zip(("coarse", "middle", "fine"), tables, strict=True):
        assert corner == "A: other layers"
        assert rows == [f"B: {part} layers", *(f"A{k}" for k in range(6))]
        assert columns == ["A", *(f"B{k}" for k in range(8))]


def test_save_style_pictures_of_a_model_without_styles_raises(tmp_path):
    class Plain(GenerativeModel):
        def build_networks(self):
            self.latents = Latents(noise=noise(4, "normal"))

    with pytest.raises(UserError, match="Plain has no styles"):
        pictures.save_style_pictures(Plain((SIDE, SIDE, 1)), 0, tmp_path / "styles")
    assert not (tmp_path / "styles").exists()


def test_picture_of_another_format_is_left_out(tmp_path, capsys):
    """Pillow would run Ghostscript, which interprets PostScript, for a file of that format."""
    path = tmp_path / "samples.png"
    Image.new("RGB", (4, 4)).save(path, "EPS")
    assert pictures.picture(path) is None
    warning = capsys.readouterr().err
    assert warning.startswith(f"warning: {path}: left out (cannot identify image file")
