"""Settings of Keras: set by the scripts, checked where a model is built."""

import keras
import pytest

import models
from errors import UserError
from models import keras_settings


@pytest.fixture(autouse=True)
def restored():
    yield
    keras_settings.set_for_scripts()


def test_settings_of_a_keras_json_are_replaced_by_those_of_the_scripts():
    keras.config.set_floatx("float16")
    keras.config.set_epsilon(1e-3)
    keras.config.set_image_data_format("channels_first")
    keras.config.set_max_epochs(1)
    keras.config.set_max_steps_per_epoch(2)
    keras_settings.set_for_scripts()
    config = keras.config
    assert (config.floatx(), config.epsilon()) == ("float32", 1e-7)
    assert config.image_data_format() == "channels_last"
    assert (config.max_epochs(), config.max_steps_per_epoch()) == (None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [("floatx", "float16"), ("image_data_format", "channels_first"), ("epsilon", 1e-3)],
)
def test_model_is_not_built_with_other_settings(name, value):
    setter = getattr(keras.config, f"set_{name}")
    setter(value)
    with pytest.raises(UserError) as raised:
        models.build("gan", "MNIST")
    assert str(raised.value) == (
        f"Keras has the {name} {value}, such as from keras.json, and "
        f"{getattr(keras_settings, name.upper())} is required: set it with keras.config.set_{name}"
    )
