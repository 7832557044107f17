"""Training of a model on several replicas of a tf.distribute strategy."""

import itertools

import keras
import tensorflow as tf
from tensorflow.python.distribute.distribute_lib import _get_default_strategy

from errors import UserError
from models import layers
from replicas import check_divides


class Distributed:
    """Mixin for models that are made in the scope of a strategy.

    A train step runs on each replica. Evaluations run on the first one, with all images.
    """

    group = 1  # the images of a replica are a multiple of it

    @property
    def replicas(self) -> int:
        """Number of replicas that a train step runs on."""
        return super().distribute_strategy.num_replicas_in_sync

    @property
    def distribute_strategy(self) -> tf.distribute.Strategy:
        """The strategy of the model; within an evaluation that outside of any scope."""
        return _get_default_strategy() if self._testing else super().distribute_strategy

    def check_distributed(self) -> None:
        """Raise UserError if the model cannot be trained on several replicas."""

    def require_fit(self, method: str) -> None:
        """Raise UserError if another training method of Keras is called on several replicas."""
        if self.replicas > 1:
            raise UserError(f"{method}() does not divide a batch among replicas; use fit()")

    def check_scope(self) -> None:
        """Raise UserError if the model was made outside of the strategy's scope."""
        if not self.distribute_strategy.extended.variable_created_in_scope(self.step.value):
            raise UserError(
                f"{type(self).__name__} was made outside of strategy.scope(); make it, and call "
                "compile, within"
            )

    def check_optimizer(self, optimizer: keras.optimizers.Optimizer, player: str) -> None:
        """Raise UserError unless the optimizer of a player was made in the strategy's scope."""
        if optimizer._distribution_strategy is not self.distribute_strategy:
            raise UserError(
                f"the optimizer of {player} was made outside of strategy.scope(); make it, and "
                "call compile, within",
                "optimizers",
            )

    def set_batch_norm(self, of_global_batch: bool) -> None:
        """Set whether batch norm has the statistics of the global batch or of a replica."""
        for network in self.networks().values():
            for layer in network._flatten_layers():
                if isinstance(layer, layers.BatchNorm):
                    layer.of_global_batch = of_global_batch

    def check_batches(self, x, batch_size: int | None, validation_split: float = 0.0) -> None:
        """Check that Keras divides the data of `fit` into equal rows for the replicas.

        Data of other kinds are checked in the step.

        Args:
            x: array, tf.data.Dataset or other data of `fit`.
            batch_size: images of an array in a batch; None: 32, as in Keras.
            validation_split: fraction of an array that `fit` does not train on.

        Raises:
            UserError: it does not.
        """
        divided = isinstance(x, tf.distribute.DistributedDataset)
        if self.replicas == 1:
            if getattr(x, "replicas", 1) > 1:
                raise UserError("divided among replicas; make the model in strategy.scope()", "x")
            return
        if divided:
            if size := getattr(x, "batch_size", None):
                check_divides(size, self.replicas, self.group)
            return
        advice = "pass data.Batches(...).distributed(strategy)"
        if self.hp.n_critic > 1:
            raise UserError(
                f"with n_critic={self.hp.n_critic}, Keras would divide the batches of a step among "
                f"the replicas, not the images of a batch; {advice}",
                "x",
            )
        rest = 0
        if isinstance(x, tf.data.Dataset):
            size = tf.nest.flatten(x.element_spec)[0].shape[0] or 0
        elif hasattr(x, "shape"):
            size = min(batch_size or 32, trained := int(len(x) * (1 - validation_split)))
            rest = trained % size
        else:
            return
        unit = self.replicas * self.group
        if size % unit or rest % unit:
            last = f" and a last one of {rest}" if rest else ""
            raise UserError(
                f"on {self.replicas} replicas each batch must divide by {unit}, got batches of "
                f"{size}{last}; {advice}",
                "x",
            )

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Do nothing: networks are built with the model.

        Keras would take the mean of the first images over replicas, which fails for uint8.
        """

    def make_train_function(self, force=False):
        """Make the function of `fit`; that of Keras fails with several workers."""
        if self.replicas == 1:
            super().make_train_function(force)
            return
        if self.train_function is not None and not force:
            return
        strategy = self.distribute_strategy

        def steps(iterator):
            for _ in range(self.steps_per_execution):
                scalars = strategy.run(self.train_step, (next(iterator),))
            return {n: strategy.experimental_local_results(x)[0] for n, x in scalars.items()}

        self.train_function = steps if self.run_eagerly else tf.function(steps)

    def make_test_function(self, force=False):
        """Make the function of `evaluate`, which runs on the first replica, also within a scope."""
        if self.replicas == 1:
            super().make_test_function(force)
        elif self.test_function is None or force:
            step = self.test_step
            if not self.run_eagerly:
                step = tf.function(step, reduce_retracing=True)

            def steps(iterator):
                batches = itertools.islice(iterator, self.steps_per_execution)
                scalars = step(next(batches))
                for batch in batches:
                    scalars = step(batch)
                return scalars

            self.test_function = steps
