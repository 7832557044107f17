"""Abilities: each model of the registry has the methods of those that it does not lack."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from errors import UserError
from models import REGISTRY, abilities
from models.abilities import Ability
from models.base import GenerativeModel
from models.latents import Latents, noise

ABILITIES = {name: a for name, a in vars(abilities).items() if isinstance(a, Ability)}
ASKED = {
    "active_dimensions": lambda model, x: model.active_dimensions(),
    "log_weights": lambda model, x: model.log_weights(x, 2),
    "validate": lambda model, x: list(model.validate(x).values()),
    "styles": lambda model, x: model.styles(model.draw_latents(4)),
    "mean_style": lambda model, x: model.mean_style(),
    "images_of_styles": lambda model, x: model.images_of_styles(
        model.styles(model.draw_latents(4))
    ),
}
OF_IMAGES = ("encode", "reconstruct", "code_logits", "posterior_kl", "log_weights")


def ask(model, method, x):
    """Return the result of a method of an ability for four images."""
    ask = ASKED.get(method, lambda model, x: getattr(model, method)(x))
    return np.asarray(ask(model, x))


BUILT = {}


@pytest.fixture
def built(tiny):
    """(name) -> a tiny model, which all tests of this file share and do not change."""

    def build(name):
        if name not in BUILT:
            BUILT[name] = tiny(name)
        return BUILT[name]

    return build


@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("ability", ABILITIES.values(), ids=ABILITIES)
def test_lacks_of_an_ability_agrees_with_the_methods_of_the_model(name, ability, built, batches):
    model = built(name)
    reason = model.lacks(ability)
    if reason is None:
        x = tf.cast(batches(1)[0][0], tf.float32) / 127.5 - 1
        for method in ability.methods:
            assert np.isfinite(ask(model, method, x)).all(), method
        assert not ability.latent or ability.latent in model.draw_latents(4)
        model.require(ability)
    else:
        assert "\n" not in reason
        with pytest.raises(UserError) as refusal:
            model.require(ability, "flag")
        assert str(refusal.value) == f"flag: {reason}"
        assert not all(hasattr(model, m) for m in ability.methods) or ability.latent


@pytest.mark.parametrize("name", REGISTRY)
def test_hyperparameters_show_whether_a_model_has_an_ability_with_an_option(name, built):
    model = built(name)
    for ability in (ability for ability in ABILITIES.values() if ability.option):
        assert ability.is_possible(model.hp) == (model.lacks(ability) is None), ability


def assert_draws_of_raise(model, reason, **part):
    """Check that samples and latents of a label or a category raise UserError for a reason."""
    (option,) = part
    for ask in (model.sample, model.draw_latents):
        with pytest.raises(UserError) as refusal:
            ask(3, **part)
        assert str(refusal.value) == f"{option}: {reason}"


@pytest.mark.parametrize("name", REGISTRY)
def test_category_of_a_model_draws_it_or_raises(name, built):
    model = built(name)
    if reason := model.lacks(abilities.CATEGORIES):
        assert_draws_of_raise(model, reason, category=1)
    else:
        drawn, free = model.draw_latents(3, seed=4, category=1), model.draw_latents(3, seed=4)
        code = drawn.pop(abilities.FIRST_CATEGORY)
        size = free.pop(abilities.FIRST_CATEGORY).shape[1]
        np.testing.assert_array_equal(code, np.eye(size)[[1, 1, 1]])
        for part in free:
            np.testing.assert_array_equal(drawn[part], free[part])
        with pytest.raises(UserError, match=f"category: .* from 0 to {size - 1}, got {size}"):
            model.draw_latents(3, category=size)


@pytest.mark.parametrize("name", REGISTRY)
def test_label_of_a_model_that_is_not_class_conditional_raises(name, built):
    model = built(name)
    if reason := model.lacks(abilities.CLASS_CONDITIONAL):
        assert_draws_of_raise(model, reason, label=7)
    else:
        np.testing.assert_array_equal(model.draw_latents(3, label=7)["label"][:, 7], np.ones(3))


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (method, name)
        for method in OF_IMAGES
        for name, entry in REGISTRY.items()
        if hasattr(entry.load(), method)
    ],
)
def test_method_on_uint8_and_on_equal_floats_returns_the_same(method, name, built, batches):
    model, images = built(name), batches(1)[0][0]
    floats = images.astype(np.float32) / np.float32(127.5) - 1
    np.testing.assert_array_equal(ask(model, method, images), ask(model, method, floats))
    with pytest.raises(ValueError, match=r"^(x: )?images must be uint8"):
        ask(model, method, images.astype(np.int32))


class Bare(GenerativeModel):
    """A model of noise alone."""

    def build_networks(self):
        self.latents = Latents(noise=noise(2, "normal"))


def test_base_class_lacks_every_ability():
    assert all(Bare((4, 4, 1)).lacks(ability) for ability in ABILITIES.values())


def test_lacks_of_a_new_ability_follows_its_methods():
    upscale = Ability("does not upscale images", ("upscale",))

    class Upscaling(Bare):
        def upscale(self, x):
            return keras.ops.repeat(x, 2, axis=1)

    assert Bare((4, 4, 1)).lacks(upscale) == "Bare does not upscale images"
    assert Upscaling((4, 4, 1)).lacks(upscale) is None


@pytest.mark.parametrize(("prior", "path"), [("normal", "spherical"), ("uniform", "linear")])
def test_latents_path_is_spherical_for_normal_noise(prior, path):
    assert Latents(noise=noise(2, prior)).path("noise") == path
