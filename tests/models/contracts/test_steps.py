"""Contracts of a step: the variables that it moves, the updates of D, the data of a step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from errors import UserError
from models import REGISTRY
from tests.models.contracts.cases import (
    ADVERSARIAL,
    CODED,
    CONDITIONAL,
    NAMES,
    SLOW_BUT_GAN,
    can_move,
    each_moved,
    slow_unless_of_each_kind,
    values,
)
from training import loading, options


@pytest.mark.smoke
@pytest.mark.parametrize("name", NAMES)
def test_step_moves_every_variable_of_every_player(name, tiny, batches, take_step):
    model = tiny(name)
    model.compile()
    images, labels = batches(1)
    before = {player: values(p.variables) for player, p in model.players().items()}
    scalars = take_step(model, images[0], labels[0])
    for player, p in model.players().items():
        assert len(p.variables) > 0
        assert each_moved(before[player], values(p.variables)) == can_move(name, p)
        assert int(model.optimizers[player].iterations) == 1
    assert scalars
    assert np.isfinite(list(scalars.values())).all(), scalars
    assert int(model.step) == 1


@pytest.mark.parametrize("name", NAMES)
def test_players_partition_the_trainable_variables(name, tiny):
    model = tiny(name)
    owned = [id(v) for player in model.players().values() for v in player.variables]
    assert len(owned) == len(set(owned))
    assert set(owned) == {id(v) for v in model.trainable_variables}


@pytest.mark.parametrize("name", slow_unless_of_each_kind(NAMES))
def test_optimizer_of_a_player_moves_its_networks_alone(name, tiny, batches, take_step):
    """A step in which one player has a learning rate above 0 moves that player alone, compared with
    a step in which none has.
    """
    images, labels = batches(1)

    can = {player: can_move(name, p) for player, p in tiny(name).players().items()}

    def after_a_step(learner):
        keras.utils.set_random_seed(1)
        model = tiny(name)
        rates = {player: 0.1 if player == learner else 0.0 for player in model.players()}
        optimizers = {player: keras.optimizers.SGD(rate) for player, rate in rates.items()}
        model.compile(optimizers=optimizers)
        take_step(model, images[0], labels[0])
        return {player: values(p.variables) for player, p in model.players().items()}

    still = after_a_step(None)
    for learner in still:
        for player, found in after_a_step(learner).items():
            moved = each_moved(still[player], found)
            assert moved == (can[player] if player == learner else [False] * len(moved))


@pytest.mark.parametrize("name", slow_unless_of_each_kind(ADVERSARIAL))
def test_generator_ema_after_a_step_equals_its_formula(name, tiny, batches, take_step):
    """Batch norm statistics too; the decay is min(ema_decay, (1 + t) / (10 + t))."""
    model = tiny(name, ema_decay=0.9)
    model.compile()
    images, labels = batches(5)
    take_step(model, images[0], labels[0])
    decays = {0: 0.1, 1: 2 / 11, 40: 41 / 50, 10**6: 0.9}
    for k, (t, decay) in enumerate(decays.items()):
        model.step.assign(t)
        before = values(model.generator_ema.weights)
        take_step(model, images[k + 1], labels[k + 1])
        pairs = zip(before, values(model.generator.weights), strict=True)
        mixed = [decay * old + (1 - decay) * goal for old, goal in pairs]
        after = values(model.generator_ema.weights)
        for old, new, expected in zip(before, after, mixed, strict=True):
            np.testing.assert_allclose(new, expected, rtol=1e-5, atol=1e-7)
            assert not np.array_equal(old, new)
    assert not model.generator_ema.trainable_variables
    assert len(model.generator_ema.weights) == len(model.generator.weights)


@pytest.mark.parametrize("name", slow_unless_of_each_kind(ADVERSARIAL))
def test_generator_ema_with_decay_0_equals_the_generator(name, tiny, batches, take_step):
    model = tiny(name, ema_decay=0.0)
    model.compile()
    images, labels = batches(1)
    before = values(model.generator_ema.weights)
    take_step(model, images[0], labels[0])
    assert all(each_moved(before, values(model.generator_ema.weights)))
    pairs = zip(values(model.generator_ema.weights), values(model.generator.weights), strict=True)
    for mean, weight in pairs:
        np.testing.assert_allclose(mean, weight, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", slow_unless_of_each_kind(ADVERSARIAL))
def test_step_of_n_critic_updates_d_on_new_images_and_latents_each_time(
    name, tiny, batches, take_step
):
    inputs_of_d, drawn, labels_seen = [], [], []

    def spy(cls):
        class Spy(cls):
            def real_inputs(self, batch):
                labels_seen.append(np.array(batch.labels))
                return super().real_inputs(batch)

            def draw(self, batch):
                drawn.append(super().draw(batch))
                return drawn[-1]

            def discriminate(self, inputs, batch):
                parts = tf.nest.flatten(inputs)
                inputs_of_d.extend(np.array(p) for p in parts if p.shape[1:] == self.image_shape)
                return super().discriminate(inputs, batch)

        return Spy

    n = 3
    model = tiny(name, spy, n_critic=n)
    model.compile()
    images, labels = batches(2, n_critic=n)
    for step in range(2):
        inputs_of_d.clear(), drawn.clear(), labels_seen.clear()
        take_step(model, images[step], labels[step])
        reals = images[step].astype(np.float32) / 127.5 - 1
        seen = [
            k for x in inputs_of_d for k in range(n) if x.shape == reals[k].shape
            if np.allclose(x, reals[k], atol=1e-6)
        ]  # fmt: skip
        assert sorted(set(seen)) == list(range(n))
        assert seen == sorted(seen)
        np.testing.assert_array_equal(labels_seen, labels[step])
        assert len(drawn) == n
        noise = [np.array(latents["noise"]) for latents in drawn]
        assert not any(np.isclose(noise[j], noise[k]).any() for j in range(n) for k in range(j))
        for player, p in model.players().items():
            times = n if p.side == "discriminator" else 1
            assert int(model.optimizers[player].iterations) == times * (step + 1)
    assert int(model.step) == 2


@pytest.mark.parametrize("name", SLOW_BUT_GAN)
def test_step_of_n_critic_with_a_batch_of_another_rank_raises(name, tiny, batches, take_step):
    model = tiny(name, n_critic=2)
    model.compile()
    images, labels = batches(3)
    message = r"^n_critic=2 requires batches \[2, b, h, w, c\], got \(.*\)$"
    with pytest.raises(ValueError, match=message):
        take_step(model, images[0], labels[0])
    with pytest.raises(ValueError, match=message):
        take_step(model, images, labels)  # three batches for two updates
    take_step(model, images[:2], labels[:2])
    assert int(model.step) == 1


@pytest.mark.parametrize("name", SLOW_BUT_GAN)
def test_step_of_one_update_with_stacked_batches_raises(name, tiny, batches, take_step):
    model = tiny(name)
    model.compile()
    with pytest.raises(
        ValueError, match="n_critic=1 requires batches"
    ):  # two batches for one update
        take_step(model, *batches(2))
    assert int(model.step) == 0


@pytest.mark.parametrize("name", slow_unless_of_each_kind(NAMES))
def test_step_on_uint8_and_on_equal_floats_is_the_same(
    name, tiny, batches, take_step, state_of, assert_same
):
    images, labels = batches(1)

    def after_a_step(x):
        keras.utils.set_random_seed(1)
        model = tiny(name)
        model.compile()
        return take_step(model, x, labels[0]), state_of(model)

    scalars, state = after_a_step(images[0])
    as_floats = np.asarray(images[0], np.float32) / np.float32(127.5) - np.float32(1)
    same, same_state = after_a_step(as_floats)
    assert scalars == same
    assert_same(state, same_state)
    other, _ = after_a_step(255 - images[0])
    assert other != scalars


@pytest.mark.parametrize(
    "name", slow_unless_of_each_kind([name for name in NAMES if name not in CONDITIONAL])
)
def test_step_without_labels_is_finite(name, tiny, batches, take_step):
    images, _ = batches(1)
    model = tiny(name)
    model.compile()
    assert np.isfinite(list(take_step(model, images[0]).values())).all()
    assert int(model.step) == 1


@pytest.mark.parametrize("name", CONDITIONAL)
def test_class_conditional_model_of_a_data_set_without_labels_raises(name, tiny, tmp_path):
    message = f"dataset: {REGISTRY[name].class_name} requires images with labels"
    with pytest.raises(UserError, match=f"^{message}$"):
        tiny(name, num_classes=0)
    config = options.parse([f"--model={name}", "--dataset=CIFAR10", f"--outdir={tmp_path}"])
    with pytest.raises(UserError) as refusal:
        loading.build_model(config, (32, 32, 3), num_classes=0)
    assert str(refusal.value) == message


@pytest.mark.parametrize("name", CONDITIONAL)
def test_step_of_a_class_conditional_model_without_labels_raises(name, tiny, batches, take_step):
    images, _ = batches(1)
    model = tiny(name)
    model.compile()
    message = f"^{REGISTRY[name].class_name} requires batches of images and labels$"
    with pytest.raises(UserError, match=message) as error:
        take_step(model, images[0])
    assert error.value.option == ""
    assert int(model.step) == 0


@pytest.mark.parametrize("name", CONDITIONAL)
def test_step_of_a_class_conditional_model_depends_on_the_labels(
    name, tiny, batches, take_step, state_of
):
    images, labels = batches(1)

    def after_a_step(y):
        keras.utils.set_random_seed(1)
        model = tiny(name)
        model.compile()
        return take_step(model, images[0], y), model.players()

    (right, players), (same, _) = after_a_step(labels[0]), after_a_step(labels[0].copy())
    assert right == same
    wrong, others = after_a_step((labels[0] + 1) % 10)
    assert wrong["d_loss_real"] != right["d_loss_real"]
    assert wrong["g_loss"] != right["g_loss"]
    for player, other in zip(players.values(), others.values(), strict=True):
        assert any(each_moved(values(player.variables), values(other.variables)))


@pytest.mark.parametrize(
    "name", slow_unless_of_each_kind([name for name in NAMES if name not in (*CONDITIONAL, *CODED)])
)
def test_picture_latents_of_a_model_without_codes_are_draws(name, tiny):
    model = tiny(name)
    latents, columns = model.picture_latents()
    np.testing.assert_array_equal(latents["noise"], model.latents.draw(64, 0)["noise"])
    assert (list(latents), columns) == (["noise"], 8)


@pytest.mark.parametrize("name", ["gan", pytest.param("dcgan", marks=pytest.mark.slow), "infogan"])
def test_step_of_an_unconditional_model_ignores_labels(
    name, tiny, batches, take_step, state_of, assert_same
):
    images, labels = batches(1)

    def after_a_step(*data):
        keras.utils.set_random_seed(1)
        model = tiny(name)
        model.compile()
        take_step(model, *data)
        return state_of(model)

    assert_same(after_a_step(images[0]), after_a_step(images[0], labels[0]))
