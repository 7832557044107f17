"""Keras' training and evaluation methods, with checks of their arguments and first images."""

import inspect
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from data.labels import UNKNOWN, hide_labels
from errors import UserError, warn
from models import inputs
from models.abilities import VALIDATION
from models.scalars import group_of

RATE_CALLBACKS = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
UNLIKELY = 1e-3  # probability of a first batch in which all labels are known by chance


class Fitting:
    """Mixin with the methods of keras.Model that take images.

    Each looks at its first images and labels and raises UserError, a ValueError, if their shape,
    type or range is invalid. Sample and class weights are not supported.
    """

    def fit(self, *args, **kwargs) -> keras.callbacks.History:
        """Train the model as keras.Model.fit.

        Raises:
            UserError: the model is not compiled, an argument does not apply to it, or the first
                images or labels are invalid.
        """
        given = inspect.signature(keras.Model.fit).bind(self, *args, **kwargs).arguments
        given.pop("self")
        self._require_compiled("fit")
        self._require_no_weights(given)
        self._check_validation(given)
        callbacks = given.get("callbacks")
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            given["callbacks"] = self._suited(callbacks)
        given["x"] = self._checked(given.get("x"), given.get("y"), in_training=True)
        self._hide_labels(given)
        start = getattr(given["x"], "first_step", None)
        if start is not None and start != int(self.step):
            warn(
                f"the batches begin at step {start}, the model is at step {int(self.step)}; "
                "batches.dataset(int(model.step)) continues"
            )
        history = super().fit(**given)
        for name, player in self.players().items():  # the averages of optimizers with use_ema
            self.optimizers[name].finalize_variable_values(player.variables)
        return history

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """Train on one batch as keras.Model.train_on_batch."""
        self._require_compiled("train_on_batch")
        self._require_no_weights({"sample_weight": sample_weight, "class_weight": class_weight})
        self._checked(x, y, in_training=True)
        return super().train_on_batch(x, y, return_dict=return_dict)

    def evaluate(self, x=None, y=None, **kwargs):
        """Return the means of `validate` over images, as keras.Model.evaluate.

        It can run before `compile` and during `fit`, without changing the epoch's means.

        Raises:
            UserError: the model has no `validate`, or the first images are invalid.
        """
        self._require_validation()
        self._require_no_weights(kwargs)
        x = self._checked(x, y)
        if not self.compiled:
            self.compile()
        self._test_means.reset_state()
        training = self.running_means()
        try:
            return super().evaluate(x, y, **kwargs)
        finally:
            self.restore_means(training)

    def test_step(self, data) -> dict[str, tf.Tensor]:
        """Return the means of the scalars of `validate` over all images so far."""
        with tf.control_dependencies([x for x in tf.nest.flatten(data) if x is not None]):
            scalars = self.validate(data)
            self._test_means.update_state(scalars, tf.shape(tf.nest.flatten(data)[0])[0])
            return self._test_means.result()

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Evaluate one batch as keras.Model.test_on_batch."""
        self._require_validation()
        self._require_no_weights({"sample_weight": sample_weight})
        self._checked(x, y)
        return super().test_on_batch(x, y, return_dict=return_dict)

    def _require_compiled(self, method: str) -> None:
        if not self.optimizers:
            raise UserError(f"call compile() before {method}()")

    def _require_no_weights(self, given: dict) -> None:
        for name in ("sample_weight", "class_weight"):
            if given.get(name) is not None:
                raise UserError(f"not supported by {type(self).__name__}; omit it", name)

    def _require_validation(self) -> None:
        if type(self).test_step is Fitting.test_step:
            self.require(VALIDATION)

    def _check_validation(self, given: dict) -> None:
        """Check the validation arguments of `fit`."""
        data = given.get("validation_data")
        if data is None and not given.get("validation_split"):
            return
        try:
            self._require_validation()
        except UserError as error:
            raise UserError(
                f"{error.message}; omit it, and measure samples with evaluate.py or "
                "train.py --eval_every",
                "validation_data",
            ) from None
        if isinstance(data, tuple):
            images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
            self._require_no_weights({"sample_weight": weights})
            self._checked(images, labels)
        elif data is not None:
            self._checked(data, None)

    def _checked(self, x: Any, y: Any, in_training: bool = False) -> Any:
        """Check the first images and labels of x; return x with nothing taken from it."""
        batch, x = inputs.first_batch(x, y)
        if batch is None:
            return x
        images, labels, weights = batch
        self._require_no_weights({"sample_weight": weights})
        inputs.check_images(images, self.image_shape, in_training)
        if labels is not None:
            unknown = self.hp.labelled_fraction < 1
            inputs.check_labels(labels, images, self.num_classes, unknown)
        if in_training and labels is not None and labels is not y:
            self._require_hidden(np.asarray(labels))
        return x

    def _require_hidden(self, labels: np.ndarray) -> None:
        """Check that a batch of a data set has labels of -1 if only a fraction is to be known."""
        fraction, option = self.hp.labelled_fraction, self.hp.labelled_option
        if 0 < fraction < 1 and (labels != UNKNOWN).all() and fraction**labels.size < UNLIKELY:
            raise UserError(
                f"{fraction:g} of the labels are to be used, but all are known; set the others to "
                f"{UNKNOWN}, such as with data.Batches(labelled={fraction:g}), or pass arrays",
                option,
            )

    def _hide_labels(self, given: dict) -> None:
        """Hide the labels, given as an array, that the model is not to use."""
        fraction, labels = self.hp.labelled_fraction, given.get("y")
        if labels is not None and fraction < 1 and (np.asarray(labels) != UNKNOWN).all():
            labels = np.reshape(labels, [-1])
            given["y"] = hide_labels(labels, fraction, self.seed, self.hp.labelled_option)

    def _suited(self, callbacks: Any) -> list[keras.callbacks.Callback]:
        """Return callbacks of `fit`; those that require a `loss` get all losses of the model."""
        several = isinstance(callbacks, Iterable)
        callbacks = list(callbacks) if several else [callbacks] * (callbacks is not None)
        scheduled = [p.learning_rate for p in self.players().values()]
        scheduled = [rate for rate in scheduled if rate in self.hp.scheduled]
        for callback in callbacks:
            if isinstance(callback, RATE_CALLBACKS) and scheduled:
                raise UserError(
                    f"{type(callback).__name__} would change {scheduled[0]}, which has a schedule; "
                    "use one of them",
                    "callbacks",
                )
        of_losses = [c for c in callbacks if isinstance(c, keras.callbacks.TerminateOnNaN)]
        return [*callbacks, *map(EachLoss, of_losses)]


class EachLoss(keras.callbacks.Callback):
    """Callback that passes the losses of a model without `loss` to TerminateOnNaN as `loss`."""

    def __init__(self, callback: keras.callbacks.TerminateOnNaN):
        super().__init__()
        self.callback = callback

    def on_train_batch_end(self, batch, logs=None):
        if "loss" in (logs or {}):
            return
        for name, value in (logs or {}).items():
            group = group_of(name)
            if group and group.is_loss and not np.isfinite(value):
                self.callback.on_batch_end(batch, {"loss": value})
                return
