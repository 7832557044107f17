"""Presets: declarations of models that differ from their base in defaults alone."""

import pytest

from models import presets
from models.declaration import preset
from models.declarations.wgan import WGANHyperparameters
from models.wgan import WGAN


def clipped(**base):
    """Return the declaration of a WGAN with another default of `clip`."""
    return preset(
        "clipped",
        "Clipped",
        paper="",
        year=2017,
        doc="Clipped.",
        of=WGANHyperparameters,
        defaults={"clip": 0.5},
        **base,
    )


def test_class_of_a_preset_is_its_base_with_other_defaults():
    cls = presets.class_of(clipped(base="models.wgan:WGAN"))
    assert issubclass(cls, WGAN)
    assert cls.Hyperparameters.resolve().clip == 0.5
    assert cls.__name__ == "Clipped"
    assert cls.__doc__.startswith("Clipped.\n\nHyperparameters:\n    epochs (20): ")


def test_class_of_a_preset_with_the_options_of_another_base_raises():
    message = "^preset clipped: of=WGANHyperparameters is not the option class of base=models.adv"
    with pytest.raises(ValueError, match=message):
        presets.class_of(clipped())
