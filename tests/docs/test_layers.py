"""Tables of layers in the pages of the models."""

import math

import pytest

from docs import layers
from docs.layer_rows import Row, grouped, rows_of
from errors import UserError
from evaluation.reports import pages
from tests.evaluate.cases import rows

PAGES = {
    path.stem: path for path in (pages.ROOT / "docs" / "models").glob("*.md")
    if path.stem in pages.HEADLINES
}  # fmt: skip
MARKS = "<!-- layers: gan_mnist -->\n<!-- end of layers -->\n"


def check(model):
    """Assert that the tables of a page are those of its flagfiles, and that their sums agree."""
    text = PAGES[model].read_text()
    assert layers.fill(text, PAGES[model].parent) == text
    for name in layers.flagfiles(text):
        of_layers, (_, of_players) = layers.content(name)
        assert sum(row[-1] for row in of_layers) == sum(row[1] for row in of_players), name


def test_tables_of_one_page_match_its_model():
    check("wgan_gp")


@pytest.mark.slow
def test_tables_of_all_pages_match_their_models():
    for model in PAGES:
        check(model)


@pytest.mark.parametrize("model", pages.HEADLINES)
def test_page_of_a_model_has_the_layers_of_its_flagfile(model):
    assert layers.flagfiles(PAGES[model].read_text())[0] == pages.HEADLINES[model][0]


def test_tables_have_layers_shapes_parameters_and_optimizers():
    filled = layers.fill(MARKS)
    assert filled.startswith("<!-- layers: gan_mnist -->\n\nLayers of [gan_mnist](configs/gan")
    assert filled.endswith("\n\n<!-- end of layers -->\n")
    assert layers.fill(filled) == filled
    found = rows(filled)
    assert found[0] == ["network", "layer", "output shape", "parameters"]
    dense = 784 * 512 + 512 + 2 * (512 * 512 + 512)
    assert found[2] == ["discriminator", "3 times dense 512, leaky ReLU", "512", f"{dense:,}"]
    assert found[3] == ["", "dense 1 (score)", "1", "513"]
    assert found[5] == ["", "dense 784, tanh", "28x28x1", f"{512 * 784 + 784:,}"]
    players = found[6:]
    assert players[0][:3] == ["player", "parameters", "optimizer"]
    assert players[2] == [
        "discriminator", f"{dense + 513:,}", "Adam", "0.0002", "constant", "0.5", "0.999"
    ]  # fmt: skip


def test_tables_have_updates_per_step_and_schedules_where_they_differ():
    header, players = layers.content("wgan_gp_mnist")[1]
    assert header[-1] == "updates per step"
    assert [row[-1] for row in players] == [5, 1]
    header, players = layers.content("infogan_cifar10")[1]
    assert header[-1] == "beta_2"
    scheduled = {row[0]: row[3:5] for row in players}
    linear = "linear between 60% and 100% of the training"
    assert scheduled["generator"] == ["0.0002 to 2e-05", linear]
    assert scheduled["q categories"] == ["0.002 to 0", "cosine"]
    assert scheduled["q"] == ["0.001", "constant"]


def test_rows_of_a_residual_network_have_all_its_parameters():
    from models.networks import resnet

    options = {"width": 4, "attention": 7, "initializer": "he"}
    trunk = resnet.trunk((28, 28, 1), norm="spectral", **options)
    total = sum(math.prod(variable.shape) for variable in trunk.trainable_variables)
    found = rows_of(trunk)
    assert sum(row.parameters for row in found) == total
    assert Row("convolution 3x3, 4, spectral norm, ReLU", (28, 28, 4), 40) in found
    assert Row("3 times convolution 1x1, 1, spectral norm", (49, 1), 12) in found


def test_equal_layers_and_pairs_of_layers_share_a_row():
    one, two, other = Row("dense 8", (8,), 72), Row("dense 2", (2,), 18), Row("dense 8", (9,), 5)
    assert list(grouped([one, one, two], 1)) == [Row("2 times dense 8", (8,), 144), two]
    pairs = [one, two, one, two, other]
    assert list(grouped(pairs, 1)) == pairs
    assert list(grouped(pairs, 2)) == [Row("2 times dense 8; dense 2", (2,), 180), other]


def test_table_of_a_set_of_unknown_shape_is_an_error():
    with pytest.raises(UserError, match=r"study_gan_birds: the shape of .*birds.npz is not known"):
        layers.content("study_gan_birds")
