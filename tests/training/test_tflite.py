"""Conversion of exported generators to TFLite, as docs/python-api.md describes it."""

import numpy as np
import pytest
import tensorflow as tf

import models
from models import layers
from training.finishing import export


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "hyperparameters"),
    [
        ("dcgan", {"network": "mlp"}),
        ("dcgan", {}),
        ("cgan", {"network": "resnet", "attention": 14, "g_conditioning": "batch_norm"}),
        ("stylegan2", {}),
    ],
)
def test_exported_generator_of_each_network_is_converted_to_tflite(
    tmp_path, model, hyperparameters
):
    built = models.build(model, "MNIST", width=4, **hyperparameters)
    network = layers.plain(built.generator_network())
    random = np.random.default_rng(0)
    for variable in network.variables:  # initial images are nearly gray
        if variable.dtype == "float32":
            variable.assign(variable + 0.05 * random.normal(size=variable.shape))
    export(network, tmp_path)
    exported = tf.saved_model.load(str(tmp_path / "saved_model"))
    dimensions = network.input_shape[-1]
    of_one = tf.function(exported.serve, input_signature=[tf.TensorSpec([1, dimensions])])
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [of_one.get_concrete_function()], exported
    )
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    latents = random.normal(size=(1, dimensions)).astype(np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], latents)
    interpreter.invoke()
    image = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert np.ptp(image) > 0.05
    np.testing.assert_allclose(image, network(latents), atol=1e-3)
