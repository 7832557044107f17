"""Pictures of traversals, planes, reconstructions and styles."""

import imageio.v3 as iio
import numpy as np
import pytest
import tensorflow as tf

import plotting
from errors import UserError
from models.base import GenerativeModel
from models.latents import Latents, noise, one_hot
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
    """Return cells uint8 [rows, columns, SIDE, SIDE, 1] below the labels of the columns."""
    step = CELL + PADDING
    rows = picture.shape[0] // step
    assert picture.shape[1] == PADDING + columns * step
    sheet = picture[picture.shape[0] - rows * step - PADDING :]
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


@pytest.mark.parametrize("span", [1.0, 2.0, 0.5, 0.7, 3.0, 1.3])
def test_traversal_columns_are_labelled_with_their_values(monkeypatch, span):
    labels = []
    grid = plotting.grid

    def spy(images, **how):
        labels.append(how.get("column_labels"))
        return grid(images, **how)

    monkeypatch.setattr(pictures.plotting, "grid", spy)
    list(traversals(Painter(continuous=1), span, 0))
    (found,) = [each for each in labels if each]
    np.testing.assert_allclose([float(text) for text in found], np.linspace(-span, span, POINTS),
                               atol=0.0501)  # fmt: skip
    assert "-0.0" not in found


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
    right = grid[:, -(PADDING + columns * (CELL + PADDING)) :]  # of the labels
    cells = cells_of(right, columns)
    assert cells.shape[:2] == (2 * shown // columns, columns)
    rows = images[:shown].reshape(-1, columns, SIDE, SIDE, 1)
    np.testing.assert_array_equal(cells[0::2], rows)
    np.testing.assert_allclose(cells[1::2].astype(int), 255 - rows.astype(int), atol=1)


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
        assert not shown[0, 0].any()
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


def test_save_style_pictures_of_a_model_without_styles_raises(tmp_path):
    class Plain(GenerativeModel):
        def build_networks(self):
            self.latents = Latents(noise=noise(4, "normal"))

    with pytest.raises(UserError, match="Plain has no styles"):
        pictures.save_style_pictures(Plain((SIDE, SIDE, 1)), 0, tmp_path / "styles")
    assert not (tmp_path / "styles").exists()
