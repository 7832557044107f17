"""models.build against the command line."""

import dataclasses

import numpy as np
import pytest

import models
from data.catalogue import KNOWN, ImageData, Split
from errors import UserError
from training import options


@pytest.fixture
def resolved(monkeypatch):
    """resolved(name, data, **hyperparameters): constructor arguments of models.build."""

    class Recorded:
        def __init__(self, image_shape, **arguments):
            self.arguments = {"image_shape": image_shape, **arguments}

    monkeypatch.setattr("models.declaration.Model.load", lambda self: Recorded)
    return lambda *args, **kwargs: models.build(*args, **kwargs).arguments


@pytest.mark.parametrize("data", KNOWN)
@pytest.mark.parametrize("name", models.REGISTRY)
def test_build_of_a_known_data_set_resolves_as_the_command_line(name, data, resolved):
    config = options.parse([f"--model={name}", f"--dataset={data}", "--seed=3"])
    assert resolved(name, data, seed=3) == {
        "image_shape": KNOWN[data].image_shape,
        "num_classes": KNOWN[data].num_classes,
        "seed": 3,
        "dtype": None,
        **dataclasses.asdict(config.hp),
    }


@pytest.mark.parametrize(("known_set", "g_norm"), [("MNIST", "batch"), ("", "none")])
def test_build_of_loaded_data_has_defaults_of_the_known_set_not_of_its_name(
    known_set, g_norm, resolved
):
    split = Split(np.zeros((3, 28, 28, 1), np.uint8))
    data = ImageData("MNIST", split, None, (), "f1", known_set=known_set)
    assert resolved("began", data)["g_norm"] == g_norm


def test_build_with_hyperparameters_overrides_the_defaults(resolved):
    assert resolved("infogan", "cifar-10", noise_dim=7)["noise_dim"] == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dcgn",), r"^name: no such model: dcgn; did you mean dcgan"),
        (("dcgan", "birds"), r"^data: expected one of MNIST, .*, or a loaded data set, got b"),
    ],
)
def test_build_of_an_unknown_name_raises_one_line(arguments, message):
    with pytest.raises(UserError, match=message) as error:
        models.build(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("cgan", (28, 28, 1), "data: CGAN requires images with labels"),
        ("dcgan", (30, 30, 1), "data: expected a square image with a side of .*, got 30x30"),
    ],
)
def test_build_of_data_that_the_model_cannot_have_names_the_data(name, shape, message):
    data = dataclasses.replace(KNOWN["MNIST"], image_shape=shape, num_classes=0)
    with pytest.raises(UserError, match=f"^{message}$") as error:
        models.build(name, data)
    assert error.value.option == "data"


def test_build_returns_a_model_that_samples():
    model = models.build("gan", "MNIST", width=4, depth=1)
    assert model.sample(2).shape == (2, 28, 28, 1)
