"""Models as Keras models: calls, saved files, signatures and docstrings."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from models import GAN, REGISTRY, VAE, Autoencoder
from models.base import GenerativeModel
from tests.models.make_saved import FOLDER, pictures, trained

SHAPE = (4, 4, 1)
SMALL = {"network": "mlp", "width": 2, "depth": 1}


def gan(**hyperparameters):
    return GAN(SHAPE, noise_dim=3, **{**SMALL, **hyperparameters})


def vae(**hyperparameters):
    return VAE(SHAPE, latent_dim=2, **{**SMALL, **hyperparameters})


def inputs_of(model, n=3):
    """Return inputs of `call`: joined latents, or images."""
    if hasattr(model, "generator_ema"):
        return model.latents.join(model.draw_latents(n))
    return np.random.default_rng(0).uniform(-1, 1, (n, *model.image_shape)).astype(np.float32)


# Calls.


@pytest.mark.parametrize("name", REGISTRY)
def test_call_of_a_model_generates_or_reconstructs(name, tiny):
    model = tiny(name)
    x = inputs_of(model)
    found = model(x, training=True)
    expected = (
        model.generate(model.draw_latents(3))
        if hasattr(model, "generator_ema")
        else model.reconstruct(x)
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)
    spec = keras.Input(x.shape[1:])
    assert model(spec).shape == (None, *model.image_shape)
    assert model.compute_output_shape((7, *x.shape[1:])) == (7, *model.image_shape)
    names = [layer.name for layer in model.layers]
    assert len(set(names)) == len(names), names
    assert not hasattr(model, "generator_ema") or {"generator", "generator_ema"} <= set(names)


@pytest.mark.parametrize("build", [gan, vae])
def test_functional_model_and_predict_equal_the_call(build):
    model = build()
    x = np.asarray(inputs_of(model, 5))
    expected = model(x)
    np.testing.assert_allclose(model.predict(x, batch_size=2, verbose=0), expected, atol=1e-6)
    given = keras.Input(x.shape[1:])
    functional = keras.Model(given, keras.layers.Rescaling(2.0)(model(given)))
    np.testing.assert_allclose(functional(x), 2 * expected, atol=1e-6)


def test_call_in_mixed_precision_takes_latents_in_float32():
    model = gan(dtype="mixed_float16")
    z = inputs_of(model)
    assert model(z).dtype == tf.float32
    np.testing.assert_array_equal(model(z), model.generator_ema(z))


@pytest.mark.slow
@pytest.mark.smoke
@pytest.mark.parametrize("build", [gan, vae])
def test_exported_model_equals_the_call(build, tmp_path):
    model = build()
    model.export(str(tmp_path / "exported"), verbose=False)
    x = tf.constant(inputs_of(model, 5))
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(exported.serve(x), model(x), atol=1e-5)


def test_call_of_an_autoencoder_has_a_gradient():
    model, x = vae(), tf.constant(inputs_of(vae()))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = model(x)
    assert tf.is_tensor(y)
    assert np.abs(tape.gradient(y, x)).max() > 0


def test_input_of_another_width_raises():
    with pytest.raises(ValueError, match=r"expected inputs \(None, 3\), got \(None, 7\)"):
        gan()(keras.Input((7,)))


def test_codes_and_reconstructions_of_several_batches_equal_those_of_one():
    model = vae()
    x = np.random.default_rng(0).integers(0, 256, (7, *SHAPE), dtype=np.uint8)
    for method in (model.encode, model.reconstruct, model.posterior_kl):
        found = method(x, batch_size=3)
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, method(x), atol=1e-6)
    assert model.encode(x[:0]).shape == (0, 2)
    with pytest.raises(ValueError, match=r"^x: expected images \[n, 4, 4, 1\], got \[7, 1, 4, 4\]"):
        model.encode(np.moveaxis(x, -1, 1))
    with pytest.raises(ValueError, match=r"^x: expected images .*; add the axis of the channel"):
        model.predict(x[..., 0])


# Saved files.


@pytest.mark.slow
@pytest.mark.smoke
@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.keras")), ids=lambda file: file.stem)
def test_training_of_a_saved_file_equals_an_uninterrupted_one(file):
    """The files were written by the Keras in their names."""
    loaded, whole = keras.saving.load_model(file), trained()
    assert int(loaded.step) == 2
    for model in (loaded, whole):
        model.fit(pictures(), batch_size=4, shuffle=False, verbose=0)
    assert [int(one.iterations) for one in loaded.optimizers.values()] == [4, 4]
    pairs = [(whole, loaded)]
    pairs += [(one, loaded.optimizers[name]) for name, one in whole.optimizers.items()]
    for one, other in pairs:
        for a, b in zip(one.variables, other.variables, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=a.path)


def test_saved_float16_model_has_its_policy_and_loss_scales(tmp_path):
    model = gan(dtype="mixed_float16")
    model.compile()
    model.optimizers["generator"].dynamic_scale.assign(64.0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.compute_dtype == loaded.generator.layers[1].compute_dtype == "float16"
    assert keras.config.dtype_policy().name == "float32"
    scales = [float(one.dynamic_scale) for one in loaded.optimizers.values()]
    assert scales == [2.0**15, 64.0]
    inner = [one.inner_optimizer for one in loaded.optimizers.values()]
    assert not any(isinstance(one, keras.optimizers.LossScaleOptimizer) for one in inner)


def test_building_a_model_of_a_precision_leaves_that_of_keras():
    assert gan(dtype="mixed_bfloat16").generator.layers[1].compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"


# Signature and docstring.


def test_classes_are_listed_and_show_their_hyperparameters():
    classes = {model.class_name for model in REGISTRY.values()}
    assert set(dir(models)) == {"REGISTRY", "build", "load", "load_pretrained", *classes}
    parameters = inspect.signature(models.DCGAN).parameters
    assert list(parameters)[:5] == ["image_shape", "num_classes", "seed", "name", "dtype"]
    assert parameters["noise_dim"].default == 100
    assert parameters["beta_1"].default == 0.5
    assert "kwargs" not in parameters
    assert "\n    noise_dim (100): " in models.DCGAN.__doc__
    assert models.DCGAN.__doc__.startswith("DCGAN.")


def test_subclass_with_arguments_of_its_own_has_its_own_signature():
    class Own(GAN):
        def __init__(self, size):
            super().__init__((size, size, 1), noise_dim=3, **SMALL)

    class WithNoise(GAN):
        def __init__(self, noise_dim, **hyperparameters):
            super().__init__(SHAPE, noise_dim=noise_dim, **hyperparameters)

    assert list(inspect.signature(Own).parameters) == ["size"]
    parameters = inspect.signature(WithNoise).parameters
    assert [*parameters][:2] == ["noise_dim", "epochs"]
    assert parameters["noise_dim"].default is inspect.Parameter.empty
    assert Own(4).sample(2).shape == (2, 4, 4, 1)
    assert issubclass(Autoencoder, GenerativeModel)
