"""Players: networks with one optimizer each, and the updates of their weights."""

import dataclasses
from collections.abc import Iterable, Mapping

import keras
import tensorflow as tf

import replicas
from errors import UserError, warn
from models.scalars import ScalarGroup
from models.scheduled import inner

GRADIENT_NORMS = ScalarGroup(
    title="gradient norms", folder="gradient_norm", suffix="_gradient_norm", order=60, log=True
)
SKIPPED = ScalarGroup(
    title="share of updates skipped because of overflow",
    folder="loss_scale",
    suffix="_skipped_updates",
    order=61,
)
LOSS_SCALES = ScalarGroup(
    title="loss scales", folder="loss_scale", suffix="_loss_scale", order=62, log=True
)
COMPILE_ARGUMENTS = ("run_eagerly", "steps_per_execution")  # of keras.Model.compile


@dataclasses.dataclass(frozen=True)
class Player:
    """Networks trained by one optimizer.

    Attributes:
        networks: the networks; each belongs to one player only.
        learning_rate: name of the hyperparameter with the learning rate.
        side: update step and loss of the player: "discriminator" or "generator" in an adversarial
            model.
    """

    networks: tuple[keras.Layer, ...]
    learning_rate: str
    side: str

    @property
    def variables(self) -> list[keras.Variable]:
        """Trainable variables of the networks."""
        return [v for network in self.networks for v in network.trainable_variables]


class PlayerOptimizers:
    """All optimizers of a model in the place of `model.optimizer`, for Keras' callbacks.

    LearningRateScheduler and ReduceLROnPlateau change the rate of each one in `optimizers`. Those
    of Keras before 3.15 change `learning_rate`, which requires the same rate for all.

    Args:
        optimizers: the optimizers.
        step: number of train steps.
    """

    built = True

    def __init__(self, optimizers: Iterable[keras.optimizers.Optimizer], step: keras.Variable):
        self.optimizers, self.iterations = list(optimizers), step

    def build(self, variables) -> None:
        """Do nothing: each optimizer is built for the variables of its player."""

    @property
    def variables(self) -> list[keras.Variable]:
        """Variables of all optimizers."""
        return [v for optimizer in self.optimizers for v in optimizer.variables]

    @property
    def learning_rate(self) -> keras.Variable:
        """The learning rate of all players.

        Raises:
            UserError: they differ.
        """
        rates = {o.name: float(tf.convert_to_tensor(o.learning_rate)) for o in self.optimizers}
        if len(set(rates.values())) > 1:
            found = ", ".join(f"{rate:g} of {name}" for name, rate in rates.items())
            raise UserError(
                f"learning rates of the players differ ({found}): use Keras >= 3.15, equal rates "
                "or the hyperparameter schedule"
            )
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        for optimizer in self.optimizers:
            optimizer.learning_rate = rate


class WithPlayers:
    """Mixin that gives a model an optimizer for each of its `players`.

    Attributes:
        optimizers: name of a player -> its optimizer; empty before `compile`.
        optimizer: all of them, for Keras' callbacks.
    """

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer | None = None,
        *,
        optimizers: Mapping[str, str | keras.optimizers.Optimizer] | None = None,
        jit_compile: bool | str = "auto",
        sync_batch_norm: bool = True,
        **kwargs,
    ):
        """Make the optimizers.

        Args:
            optimizer: name of a Keras optimizer, or one of which each player gets a copy. Its
                learning rate replaces those of the model's hyperparameters.
            optimizers: name of a player -> Keras optimizer, or its name, that replaces its default
                one. An optimizer belongs to one player of one model.
            jit_compile: whether XLA compiles the step; "auto" does so with an accelerator. It does
                not on several replicas.
            sync_batch_norm: whether batch norm in training has the statistics of the global batch
                rather than of the images of a replica.
            **kwargs: run_eagerly and steps_per_execution of keras.Model.compile.

        Raises:
            UserError: the model has no player of a given name, a given optimizer is another's or
                cannot have scheduled values, the argument does not apply, as the losses and metrics
                of keras.Model.compile, or the model cannot be trained on several replicas.
        """
        kwargs = {name: value for name, value in kwargs.items() if value is not None}
        for name in kwargs.keys() - set(COMPILE_ARGUMENTS):
            raise UserError(
                f"does not apply to {type(self).__name__}; hyperparameters select its losses",
                name,
            )
        distributed = self.replicas > 1
        if distributed:
            self.check_scope()
            self.check_distributed()
            self.set_batch_norm(sync_batch_norm)
            if jit_compile is True:
                warn(f"jit_compile: XLA does not compile the sums over {self.replicas} replicas")
        self.check_networks()
        players = self.players()
        given = self._optimizers_by_player(optimizer, optimizers, players)
        made = {}
        for name, player in players.items():
            one = given.get(name) or self.make_optimizer(player)
            if not one.built:
                one.name = name
            if self.compute_dtype == "float16" and not _scales_loss(one):
                one = keras.optimizers.LossScaleOptimizer(one, name=name)
            self.check_schedulable(one, player.learning_rate)
            if distributed:
                self.check_optimizer(inner(one), name)
                _take_total_gradients(inner(one))
            _build(one, name, player.variables)
            made[name] = one
        super().compile(optimizer=None, jit_compile=False if distributed else jit_compile, **kwargs)
        own = {"jit_compile": jit_compile, "sync_batch_norm": sync_batch_norm}
        self._compile_arguments = own | kwargs
        self.optimizers = made
        self.optimizer = PlayerOptimizers(made.values(), self.step)

    def check_networks(self) -> None:
        """Raise UserError if the networks do not suit the losses."""

    def _optimizers_by_player(self, optimizer, optimizers, players: Mapping[str, Player]) -> dict:
        """Return the given optimizers by player."""
        if optimizer is None:
            optimizers = dict(optimizers or {})
            if unknown := optimizers.keys() - players.keys():
                raise UserError(
                    f"no player {', '.join(sorted(unknown))}; there are {', '.join(players)}",
                    "optimizers",
                )
            return {name: keras.optimizers.get(one) for name, one in optimizers.items()}
        if optimizers or isinstance(optimizer, Mapping):
            raise UserError(
                "expected one optimizer for all players; pass a dictionary of them as "
                "optimizers={...}",
                "optimizer",
            )
        one = keras.optimizers.get(optimizer)
        copies = {name: type(one).from_config(one.get_config()) for name in players}
        free = [name for name, p in players.items() if p.learning_rate not in self.hp.scheduled]
        if free:
            rate = float(tf.convert_to_tensor(one.learning_rate))
            warn(
                f"{type(one).__name__} with the learning rate {rate:g} "
                f"replaces the optimizers and learning rates of {type(self).__name__} "
                f"({', '.join(free)})"
            )
        return copies

    def get_compile_config(self) -> dict:
        """Return the optimizers and arguments of `compile`, and the length of the training."""
        if not self.optimizers:
            return {}
        optimizers = {n: keras.optimizers.serialize(one) for n, one in self.optimizers.items()}
        length = self.training_length
        return {"optimizers": optimizers, "training_length": length, **self._compile_arguments}

    def compile_from_config(self, config: Mapping) -> None:
        """Compile with the content of `get_compile_config`.

        The model of a file without optimizers, of an earlier version, stays uncompiled.
        """
        config = dict(config)
        if length := config.pop("training_length", None):
            self.before_training(*length)
        given = config.pop("optimizers", None)
        if given is None:
            return
        given = {name: keras.optimizers.deserialize(one) for name, one in given.items()}
        self.compile(optimizers=given, **config)

    def minimise(
        self,
        loss: tf.Tensor,
        tape: tf.GradientTape,
        side: str,
        unconnected=tf.UnconnectedGradients.NONE,
    ) -> dict[str, tf.Tensor]:
        """Take a gradient step of every player of a side; return scalars to log.

        On several replicas the loss is the mean of theirs, and so are the gradients.

        These are the gradient norms and, with a loss scale, the scale and whether the update was
        skipped because of overflow.

        With float16 each optimizer has its own loss scale: gradients are computed with the smallest
        one and rescaled for the other optimizers.

        Args:
            loss: the loss, a scalar.
            tape: the tape that recorded it.
            side: side of the players.
            unconnected: gradient of weights that the loss does not depend on.
        """
        players = {name: p for name, p in self.players().items() if p.side == side}
        optimizers = [self.optimizers[name] for name in players]
        scales = [optimizer.scale_loss(tf.ones(())) for optimizer in optimizers]
        smallest = scales[0] if len(scales) == 1 else tf.reduce_min(tf.stack(scales))
        gradients = tape.gradient(
            loss,
            [[v.value for v in p.variables] for p in players.values()],
            output_gradients=smallest / replicas.count(),
            unconnected_gradients=unconnected,
        )
        gradients = replicas.total(gradients)
        norms, scaled = {}, {}
        for name, optimizer, scale, own in zip(players, optimizers, scales, gradients, strict=True):
            norms[name] = tf.linalg.global_norm(own) / smallest
            if _scales_loss(optimizer):
                scaled[name] = scale
            if scale is not smallest:
                own = [g * (scale / smallest) for g in own]
            with self.scheduled_values(optimizer, players[name].learning_rate):
                optimizer.apply(own)
        skipped = {n: tf.cast(~tf.math.is_finite(norms[n]), tf.float32) for n in scaled}
        return GRADIENT_NORMS.named(norms) | SKIPPED.named(skipped) | LOSS_SCALES.named(scaled)

    def _overflowing(self, scalars: Iterable[str]) -> list[str]:
        """Return the gradient norms among scalars if there is a loss scale.

        Where gradients overflow, Keras skips the update and lowers the scale.
        """
        if not any(map(_scales_loss, self.optimizers.values())):
            return []
        return [name for name in scalars if GRADIENT_NORMS.label_of(name) is not None]


def _take_total_gradients(optimizer: keras.optimizers.Optimizer) -> None:
    """Let an optimizer apply gradients as they are, without another sum over replicas."""
    optimizer._all_reduce_sum_gradients = lambda pairs: pairs


def _scales_loss(optimizer: keras.optimizers.Optimizer) -> bool:
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def _build(
    optimizer: keras.optimizers.Optimizer, name: str, variables: list[keras.Variable]
) -> None:
    """Build an optimizer for the variables of a player.

    Raises:
        UserError: it is built for others.
    """
    own = inner(optimizer)
    if own.built and {id(v) for v in own._trainable_variables} != {id(v) for v in variables}:
        raise UserError(
            f"the optimizer of {name} is in use for other networks; an optimizer belongs to one "
            "player of one model, make a new one",
            "optimizers",
        )
    if not optimizer.built:
        optimizer.build(variables)
