"""Settings of Keras that change results: set by the scripts, checked for models made in Python.

The file keras.json, KERAS_BACKEND and KERAS_MAX_EPOCHS of a machine may have others.
"""

from errors import UserError

BACKEND, IMAGE_DATA_FORMAT, FLOATX, EPSILON = "tensorflow", "channels_last", "float32", 1e-7


def set_for_scripts() -> None:
    """Set image data format, floatx and epsilon, and no limit of epochs and steps.

    Raises:
        UserError: Keras has another backend than TensorFlow.
    """
    import keras

    keras.config.set_image_data_format(IMAGE_DATA_FORMAT)
    keras.config.set_floatx(FLOATX)
    keras.config.set_epsilon(EPSILON)
    keras.config.set_max_epochs(None)
    keras.config.set_max_steps_per_epoch(None)
    require()


def require() -> None:
    """Raise UserError if Keras has another backend, image data format, floatx or epsilon."""
    import keras

    config = keras.config
    for name, found, expected, setter in (
        ("backend", config.backend(), BACKEND, "the environment variable KERAS_BACKEND"),
        (
            "image_data_format",
            config.image_data_format(),
            IMAGE_DATA_FORMAT,
            "keras.config.set_image_data_format",
        ),
        ("floatx", config.floatx(), FLOATX, "keras.config.set_floatx"),
        ("epsilon", config.epsilon(), EPSILON, "keras.config.set_epsilon"),
    ):
        if found != expected:
            raise UserError(
                f"Keras has the {name} {found}, such as from keras.json, and {expected} is "
                f"required: set it with {setter}"
            )
