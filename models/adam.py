"""Adam whose update of a variable is one kernel."""

import keras
import tensorflow as tf

from models.layers import PACKAGE

FUSED = {"CPU", "GPU"}  # types of devices that have the kernel


@keras.saving.register_keras_serializable(PACKAGE)
class FusedAdam(keras.optimizers.Adam):
    """Keras' Adam (Kingma and Ba 2015) with the kernel of TensorFlow, without temporary arrays.

    Updates equal those of Keras but for rounding, and so do the variables in checkpoints. Where the
    kernel is missing, as on a TPU, Keras' own operations run.
    """

    def update_step(self, gradient, variable, learning_rate):
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices) or not has_kernel():
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        dtype = variable.dtype
        beta_1, beta_2 = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        step = tf.cast(self.iterations.value + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )


def has_kernel() -> bool:
    """Return whether all devices have the kernel of Adam."""
    return {device.device_type for device in tf.config.list_logical_devices()} <= FUSED
