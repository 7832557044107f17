"""Keras' training and evaluation methods, with checks of their arguments and first images."""

import contextlib
import functools
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from data.labels import UNKNOWN, hide_labels
from errors import UserError, warn
from models import inputs
from models.abilities import VALIDATION
from models.scalars import group_of

FIT, EVALUATE = map(inspect.signature, (keras.Model.fit, keras.Model.evaluate))
RATE_CALLBACKS = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
SEVERAL_RATES = (3, 15)  # first Keras whose RATE_CALLBACKS change the rates of several optimizers
BY_CHANCE = 1e-9  # probability of a first batch in which all labels are known by chance


class Fitting:
    """Mixin with the methods of keras.Model that take images.

    Each checks its first images and labels and raises UserError, a ValueError, if their shape, type
    or range is invalid. Sample and class weights are not supported.
    """

    @functools.wraps(keras.Model.fit, assigned=())
    def fit(self, *args, **kwargs) -> keras.callbacks.History:
        """Train the model as keras.Model.fit.

        Raises:
            UserError: the model is not compiled, an argument does not apply to it, or the first
                images or labels are invalid.
        """
        given = _arguments(FIT, self, args, kwargs)
        self._require_compiled("fit")
        self._require_no_weights(given)
        self._check_validation(given)
        given["x"] = self._checked(given.get("x"), given.get("y"), in_training=True)
        split = given.get("validation_split") or 0.0
        if isinstance(given["x"], tf.distribute.DistributedDataset):
            given["shuffle"] = False  # without Keras' warning that it is not possible
        self.check_batches(given["x"], given.get("batch_size"), split)
        self._hide_labels(given)
        given["callbacks"] = self._prepared_callbacks(given.get("callbacks"))
        start, step = getattr(given["x"], "first_step", None), int(self.step.numpy())
        if start is not None and start != step:
            warn(
                f"the batches begin at step {start}, the model is at step {step}; "
                "batches.dataset(int(model.step.numpy())) continues"
            )
        return super().fit(**given)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """Train on one batch as keras.Model.train_on_batch."""
        self._require_compiled("train_on_batch")
        self.require_fit("train_on_batch")
        self._require_no_weights({"sample_weight": sample_weight, "class_weight": class_weight})
        self._checked(x, y)
        if y is not None:
            self._require_hidden(np.asarray(y))
        return super().train_on_batch(x, y, return_dict=return_dict)

    @functools.wraps(keras.Model.evaluate, assigned=())
    def evaluate(self, *args, **kwargs):
        """Return the means of `validate` over images, as keras.Model.evaluate.

        It can run before `compile` and during `fit`, without changing the epoch's means.

        Raises:
            UserError: the model has no `validate`, or the first images are invalid.
        """
        given = _arguments(EVALUATE, self, args, kwargs)
        given |= given.pop("kwargs", {})
        self._require_validation()
        self._require_no_weights(given)
        if self.replicas > 1:
            given.pop("_use_cached_eval_dataset", None)  # which Keras has distributed
        if not given.get("_use_cached_eval_dataset"):  # `fit` has checked it
            given["x"] = self._checked(given.get("x"), given.get("y"))
        if not self.compiled:
            self.compile()
        with self._evaluation():
            return super().evaluate(**given)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Evaluate one batch as keras.Model.test_on_batch."""
        self._require_validation()
        self._require_no_weights({"sample_weight": sample_weight})
        self._checked(x, y)
        with self._evaluation():
            return super().test_on_batch(x, y, return_dict=return_dict)

    def test_step(self, data) -> dict[str, tf.Tensor]:
        """Return the means of the scalars of `validate` over all images so far."""
        with tf.control_dependencies([x for x in tf.nest.flatten(data) if x is not None]):
            scalars = self.validate(data)
            self._test_means.update_state(scalars, tf.shape(tf.nest.flatten(data)[0])[0])
            return self._test_means.result()

    @contextlib.contextmanager
    def _evaluation(self) -> Iterator[None]:
        """Reset the means of an evaluation; `metrics` omits those of the training meanwhile."""
        self._test_means.reset_state()
        self._testing = True
        try:
            yield
        finally:
            self._testing = False

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
        option = "validation_data"
        data = given.get(option)
        if data is None:
            option = "validation_split"
            if not given.get(option):
                return
        try:
            self._require_validation()
        except UserError as error:
            raise UserError(
                f"{error.message}; omit it, and measure samples with evaluate.py", option
            ) from None
        if isinstance(data, (tuple, list)):
            images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
            self._require_no_weights({"sample_weight": weights})
            self._checked(images, labels, in_training=True, option=option)
        elif data is not None:
            given[option] = self._checked(data, None, in_training=True, option=option)

    def _checked(self, x: Any, y: Any, in_training: bool = False, option: str = "") -> Any:
        """Check the first images and labels of x; return x with nothing taken from it.

        Args:
            x: images, or a data set, as for `fit`.
            y: labels, or None.
            in_training: as `inputs.check_images`.
            option: name of the argument in errors; default: x or y.
        """
        batch, x = inputs.first_batch(x, y, option or "x")
        if batch is None:
            return x
        images, labels, weights = batch
        self._require_no_weights({"sample_weight": weights})
        inputs.check_images(images, self.image_shape, in_training, option or "x")
        if labels is None:
            return x
        unknown = self.hp.labelled_fraction < 1
        inputs.check_labels(labels, images, self.num_classes, unknown, option or "y")
        if in_training and labels is not y:
            self._require_hidden(np.asarray(labels))
        return x

    def _require_hidden(self, labels: np.ndarray) -> None:
        """Check that a batch has labels of -1 if only a fraction of the labels is to be used."""
        fraction, option = self.hp.labelled_fraction, self.hp.labelled_option
        if 0 < fraction < 1 and (labels != UNKNOWN).all() and fraction**labels.size < BY_CHANCE:
            raise UserError(
                f"{fraction:g} of the labels are to be used, but all are known; set the others to "
                f"{UNKNOWN}, such as with data.Batches(labelled={fraction:g}), or pass arrays to "
                "fit",
                option,
            )

    def _hide_labels(self, given: dict) -> None:
        """Hide the labels, given as an array, that the model is not to use."""
        fraction, labels = self.hp.labelled_fraction, given.get("y")
        if labels is not None and fraction < 1 and (np.asarray(labels) != UNKNOWN).all():
            shape, labels = np.shape(labels), np.ravel(labels)
            kept = hide_labels(labels, fraction, self.seed, self.hp.labelled_option)
            given["y"] = kept.reshape(shape)

    def _prepared_callbacks(self, callbacks: Any) -> Any:
        """Return callbacks of `fit`, with those that Keras' own ones require on these models.

        Raises:
            UserError: a callback would change a learning rate that has a schedule, or, before
                SEVERAL_RATES, different rates.
        """
        in_keras = isinstance(callbacks, keras.callbacks.CallbackList)
        given = callbacks.callbacks if in_keras else callbacks
        given = list(given) if isinstance(given, Iterable) else [given] * (given is not None)
        rates = [player.learning_rate for player in self.players().values()]
        scheduled = [rate for rate in rates if rate in self.hp.scheduled]
        for callback in given:
            if not isinstance(callback, RATE_CALLBACKS):
                continue
            if scheduled:
                raise UserError(
                    f"{type(callback).__name__} would change {scheduled[0]}, which has a schedule; "
                    "use one of them",
                    "callbacks",
                )
            if tuple(map(int, keras.__version__.split(".")[:2])) < SEVERAL_RATES:
                self.optimizer.learning_rate  # noqa: B018 - raises if they differ
        nan = [c for c in given if isinstance(c, keras.callbacks.TerminateOnNaN)]
        further = [LossesForTerminateOnNaN(callback) for callback in nan]
        if in_keras:
            for callback in further:
                callback.set_model(self)
                callbacks.callbacks.append(callback)
            return callbacks
        averaged = any(getattr(o, "use_ema", False) for o in self.optimizers.values())
        return [*[AveragedWeights()] * averaged, *given, *further]


class LossesForTerminateOnNaN(keras.callbacks.Callback):
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


class AveragedWeights(keras.callbacks.Callback):
    """Callback that ends a training with the averages of optimizers with use_ema, as Keras does."""

    def on_train_end(self, logs=None):
        for name, player in self.model.players().items():
            self.model.optimizers[name].finalize_variable_values(player.variables)


def _arguments(
    signature: inspect.Signature, model: keras.Model, args: tuple, kwargs: dict
) -> dict[str, Any]:
    """Return the arguments of a call of a method by name."""
    given = signature.bind(model, *args, **kwargs).arguments
    given.pop("self")
    return given
