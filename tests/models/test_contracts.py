"""Contracts of every model of the registry."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import fields
from errors import UserError
from losses.penalties import PENALTIES
from models import REGISTRY
from models.conditional import ClassConditional
from models.declarations.adversarial import AdversarialHyperparameters
from models.networks.backbones import BACKBONES
from models.norms import NORMS
from models.randomness import Batch
from training import loading, options

NAMES = list(REGISTRY)
ADVERSARIAL = [
    name
    for name, entry in REGISTRY.items()
    if issubclass(entry.hyperparameters, AdversarialHyperparameters)
]

OF_EACH_KIND = ("gan", "cgan", "wgan_gp", "infogan", "vae")


def slow_unless_of_each_kind(names):
    """Return the names as parameters; all but one model of each kind are marked slow."""
    return [pytest.param(name, marks=unless_of_each_kind(name)) for name in names]


def unless_of_each_kind(name, variant=()):
    return () if name in OF_EACH_KIND and not variant else pytest.mark.slow


# Errors of the base class are tested of GAN in each run, and of the other models with --slow.
SLOW_BUT_GAN = [
    pytest.param(name, marks=() if name == "gan" else pytest.mark.slow) for name in ADVERSARIAL
]

# Models with networks of their own.
STYLED = ("stylegan", "stylegan2")
ANY_NETWORK = [name for name in ADVERSARIAL if name not in STYLED]

# Models with a penalty by default, but STYLED, whose D has minibatch standard deviation.
PENALISED = [name for name in ANY_NETWORK if REGISTRY[name].hyperparameters.resolve().penalty]

# Models with a decision threshold, which adaptive augmentation requires.
ADAPTIVE = [
    name
    for name in ADVERSARIAL
    if fields.selected(REGISTRY[name].hyperparameters.resolve(), "loss").has_threshold
]

# Models that cannot train without labels.
CONDITIONAL = [name for name in NAMES if issubclass(REGISTRY[name].load(), ClassConditional)]

# Models without random draws in training.
WITHOUT_DRAWS = {"autoencoder"}

# Models with codes beside the noise.
CODED = {"infogan", "info_bigbigan"}

# Of a difference of scores, or a hinge loss before its bend, D's last bias has no gradient.
IDLE = {name: ("score/bias",) for name in ADVERSARIAL if name == "sngan" or name not in ADAPTIVE}

# Saved models: all of them, and their variants with other variables.
CONDITIONED_OTHERWISE = {
    "g_conditioning": "batch_norm",
    "d_conditioning": "projection",
    "network": "dcgan",
    "width": 4,
    "depth": None,
}
ALL_TERMS = {
    "invariance_weight": 1.0,
    "continuous_warmup": 4,
    "continuous_loss": "gaussian",
    "thickness_guidance": True,
}
GROWING = {"growing_kimg": 0.003}  # with 4 images per step, the second step fades a size in
ALL_TERMS_OF_PAIRS = ALL_TERMS | {"continuous_codes": 2, "reconstruction_weight": 1.0}
VARIANTS = {
    "dcgan-spectral": ("dcgan", {"d_norm": "spectral"}),
    "cgan-projection": ("cgan", CONDITIONED_OTHERWISE),
    "wgan_gp-critic-twice": ("wgan_gp", {"n_critic": 2}),
    "infogan-all-terms": ("infogan", ALL_TERMS),
    "info_bigbigan-all-terms": ("info_bigbigan", ALL_TERMS_OF_PAIRS),
    "vae-bernoulli": ("vae", {"reconstruction": "bernoulli"}),
    "stylegan-growing": ("stylegan", GROWING),
    "gan-ada": ("gan", {"augment": "ada", "augment_kimg": 0.05}),
}
SAVED = [
    pytest.param(name, variant, id=key, marks=unless_of_each_kind(name, variant))
    for key, (name, variant) in ({name: (name, {}) for name in NAMES} | VARIANTS).items()
]

# Models that are resumed in graphs, which are slow to build; the others are resumed eagerly.
IN_GRAPHS = ("gan", "dcgan", "began")

# Steps that are compared with and without XLA; those of the other models take minutes.
LAZY = {"penalty": "r2", "penalty_interval": 2}
DIFFERENT = ("gan", "vae")
UNMIXED = {"style_mixing": 0.0}  # the second latents are drawn
COMPUTED = [
    *(pytest.param(name, {}, id=name) for name in DIFFERENT),
    pytest.param("infogan", ALL_TERMS, id="infogan-all-terms", marks=pytest.mark.slow),
    pytest.param(
        "gan", LAZY | {"augment": "diffaug"}, id="gan-lazy-r2-diffaug", marks=pytest.mark.slow
    ),
    *(pytest.param(name, UNMIXED, id=name, marks=pytest.mark.slow) for name in STYLED),
    pytest.param("stylegan", UNMIXED | GROWING, id="stylegan-growing", marks=pytest.mark.slow),
    *(
        pytest.param(name, {}, id=name, marks=pytest.mark.slow)
        for name in NAMES
        if name not in (*DIFFERENT, *STYLED, "wgan_gp", "infogan", "info_bigbigan")
    ),
    pytest.param(
        "info_bigbigan",
        ALL_TERMS_OF_PAIRS,
        id="info_bigbigan-all-terms",
        marks=pytest.mark.slow,
    ),
    pytest.param(
        "wgan_gp",
        {"network": "dcgan", "n_critic": 2},
        id="wgan_gp-convolutions",
        marks=pytest.mark.slow,
    ),
    pytest.param("gan", LAZY, id="gan-lazy-r2", marks=pytest.mark.slow),
    pytest.param(
        "dcgan", {"penalty": "r1", "d_norm": "none"}, id="dcgan-r1", marks=pytest.mark.slow
    ),
]


def values(variables):
    return [np.array(tf.convert_to_tensor(v)) for v in variables]


def each_moved(before, after):
    return [not np.array_equal(x, y) for x, y in zip(before, after, strict=True)]


def updates_of_d(model):
    """Return the number of batches per step."""
    return getattr(model.hp, "n_critic", 1)


def can_move(name, player):
    """Return for each of a player's variables if the loss has a gradient there, by its theory."""
    return [not v.path.endswith(IDLE.get(name, ())) for v in player.variables]


# Variables that a step moves.


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
        model.compile({player: keras.optimizers.SGD(rate) for player, rate in rates.items()})
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


# The updates of D in a step.


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


# Any network, any penalty.


# Networks and models that the other tests do not combine.
FURTHER = {
    "mlp": ["dcgan"],
    "dcgan": [name for name in ANY_NETWORK if name != "dcgan"],
    "resnet": ANY_NETWORK,
}

# Models whose parts of a ResNet differ: a conditional G, a D of features, a decoder in D.
WITH_RESNET = ("cgan", "bigbigan", "began")


@pytest.mark.parametrize(
    ("network", "name"),
    [
        pytest.param(
            network,
            name,
            marks=pytest.mark.slow
            if network == "resnet" and name not in WITH_RESNET
            else unless_of_each_kind(name),
        )
        for network, names in FURTHER.items()
        for name in names
    ],
)
def test_step_with_another_network_moves_the_model(network, name, tiny, batches, take_step):
    """A step moves most variables of the model."""
    model = tiny(name, network=network, width=4, depth=2 if network == "mlp" else None)
    model.compile()
    assert model.hp.network == network
    images, labels = batches(1)
    before = {player: values(p.variables) for player, p in model.players().items()}
    scalars = take_step(model, images[0], labels[0])
    assert np.isfinite(list(scalars.values())).all(), scalars
    for player, p in model.players().items():
        # Some rectified linear units are 0 on all four images.
        assert np.mean(each_moved(before[player], values(p.variables))) > 0.7
    assert model.sample(2).shape == (2, *model.image_shape)


@pytest.mark.slow
def test_model_with_every_network_is_built(tiny):
    for network, names in FURTHER.items():
        for name in set(ANY_NETWORK) - set(names):
            assert tiny(name).hp.network == network


@pytest.mark.parametrize(
    ("network", "penalty"),
    [
        pytest.param(network, penalty, marks=() if network == "mlp" or k == 0 else pytest.mark.slow)
        for network in BACKBONES
        for k, penalty in enumerate(PENALTIES)
    ],
)
def test_penalty_of_each_network_has_gradients_at_every_kernel_of_d(
    network, penalty, tiny, batches
):
    """The penalty has a gradient at every kernel of D and at no variable of G."""
    model = tiny("dcgan", network=network, penalty=penalty, d_norm="layer")
    batch = model.batches_of(tf.constant(batches(1)[0][0]))[0]
    kernels = [v for v in model.discriminator.trainable_variables if v.path.endswith("kernel")]
    of_g = model.generator.trainable_variables
    with tf.GradientTape() as tape:
        fake = tf.stop_gradient(model.fake_inputs(batch))
        penalties = model.penalties()[penalty].function(model.real_inputs(batch), fake, batch)
    assert penalties.shape == (4,)
    assert (penalties.numpy() > 0).all()
    gradients = tape.gradient(penalties, [*kernels, *of_g])
    assert gradients[len(kernels) :] == [None] * len(of_g)
    for v, gradient in zip(kernels, gradients, strict=False):
        assert np.isfinite(gradient).all(), v.path
        assert np.any(gradient), v.path


@pytest.mark.parametrize("name", PENALISED)
def test_discriminator_with_a_penalty_scores_each_image_independently(name, tiny, batches):
    """The score of an image does not depend on the other images of its batch."""
    model = tiny(name)
    assert not NORMS[model.hp.d_norm].batch
    x = batches(1)[0][0].astype(np.float32) / 127.5 - 1
    together = model.discriminator(x, training=True)
    alone = [model.discriminator(x[k : k + 1], training=True)[0] for k in range(4)]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-6)


# Any augmentation.


@pytest.mark.parametrize(
    ("augment", "name"),
    [
        pytest.param(augment, *param.values, marks=param.marks)
        for augment, names in (("diffaug", ADVERSARIAL), ("ada", ADAPTIVE))
        for param in slow_unless_of_each_kind(names)
    ],
)
def test_step_with_augmentation_changes_the_losses_and_not_the_samples(
    augment, name, tiny, batches, take_step
):
    """The losses differ from those without augmentation, and the samples do not."""
    images, labels = batches(1)

    def after_a_step(augment):
        keras.utils.set_random_seed(1)
        model = tiny(name, augment=augment)
        if augment == "ada":
            model.augmenter.p.assign(0.8)
        first = model.sample(2)
        model.compile()
        return first, take_step(model, images[0], labels[0])

    (plain, losses), (first, augmented) = after_a_step("none"), after_a_step(augment)
    np.testing.assert_array_equal(plain, first)
    assert np.isfinite(list(augmented.values())).all(), augmented
    assert augmented["d_loss"] != losses["d_loss"]
    assert augmented["g_loss"] != losses["g_loss"]
    assert set(augmented) - set(losses) == (
        {"augment_p", "d_sign_real"} if augment == "ada" else set()
    )


# Data of a step.


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


# Precision and compilation.


@pytest.mark.parametrize(("name", "variant"), COMPUTED)
def test_fit_with_xla_equals_fit_without(name, variant, tiny, batches, fit, monkeypatch):
    """The draws are fixed, since XLA may draw other numbers."""
    rng = np.random.default_rng(0)
    shapes = {"epsilon": (4, 1, 1, 1), "alpha": (4, 1, 1, 1), "perturbation": (4, 28, 28, 1)}
    shapes |= {"affine copies": (4, 6), "upright copies": (4, 6), "category_0": (4, 10)}
    drawn_of = ("real", "fake", "fake of generator", "penalty")
    changes = {"colour": 4, "translation": 3, "cutout": 3}
    shapes |= {f"augment {x} {c}": (4, n) for x in drawn_of for c, n in changes.items()}
    given = {purpose: rng.uniform(size=shape) for purpose, shape in shapes.items()}
    given["encoder"] = rng.normal(size=(4, 5))
    given["path"] = rng.normal(size=(2, 28, 28, 1))
    noise = enumerate((7, 7, 14, 14, 28, 28) if name == "stylegan" else (7, 14, 14, 28, 28))
    given |= {f"noise {k}": rng.normal(size=(4, side, side, 1)) for k, side in noise}
    for draws in ("uniform", "normal"):
        monkeypatch.setattr(
            Batch, draws, lambda _, purpose, shape: tf.constant(given[purpose], tf.float32)
        )
    latents = {}

    def with_fixed_draws(cls):
        class Fixed(cls):
            def draw(self, batch):
                return super().draw(batch) | {n: tf.constant(z) for n, z in latents.items()}

        return Fixed

    logs = {}
    for jit in (False, True):
        keras.utils.set_random_seed(1)
        model = tiny(name, with_fixed_draws, **variant)
        drawn = model.latents.draw(4, 0)
        latents |= {n: z.numpy() for n, z in drawn.items() if n != "label"}
        model.compile(jit_compile=jit)
        assert model.jit_compile == jit
        logs[jit] = fit(model, *batches(3, updates_of_d(model)))
    assert len(logs[True]) == 3
    for plain, compiled in zip(logs[False], logs[True], strict=True):
        assert plain.keys() == compiled.keys()
        for scalar in plain:
            np.testing.assert_allclose(
                compiled[scalar], plain[scalar], rtol=1e-4, atol=1e-4, err_msg=scalar
            )
    assert logs[True][0] != logs[True][1]
    for penalty in model.hp.penalty_weights() if name in ADVERSARIAL else ():
        values = [log[f"d_loss_{penalty}"] for log in logs[True]]
        due = [step % model.hp.penalty_interval == 0 for step in range(3)]
        assert [value > 0 for value in values] == due


def scaled(model):
    kind = keras.optimizers.LossScaleOptimizer
    return [isinstance(optimizer, kind) for optimizer in model.optimizers.values()]


@pytest.mark.parametrize("name", slow_unless_of_each_kind(NAMES))
def test_step_in_bfloat16_is_finite_and_moves_the_weights(name, policy, tiny, batches, take_step):
    policy("mixed_bfloat16")
    model = tiny(name)
    model.compile()
    assert not any(scaled(model))
    images, labels = batches(1)
    before = {player: values(p.variables) for player, p in model.players().items()}
    scalars = take_step(model, images[0], labels[0])
    assert np.isfinite(list(scalars.values())).all(), scalars
    for player, p in model.players().items():
        after = values(p.variables)
        assert all(v.dtype == np.float32 and np.isfinite(v).all() for v in after)
        assert each_moved(before[player], after) == can_move(name, p)
    assert model.sample(2).dtype == np.float32


@pytest.mark.parametrize("name", slow_unless_of_each_kind(NAMES))
def test_steps_in_float16_halve_the_loss_scale_until_finite(name, policy, tiny, batches, take_step):
    """Losses are finite from the first step; gradients that overflow are skipped."""
    policy("mixed_float16")
    model = tiny(name)
    model.compile()
    assert all(scaled(model))
    images, labels = batches(1)
    first = {player: values(p.variables) for player, p in model.players().items()}
    for _ in range(15):
        before = {player: values(p.variables) for player, p in model.players().items()}
        counts = {player: int(o.iterations) for player, o in model.optimizers.items()}
        scalars = take_step(model, images[0], labels[0])
        losses = [x for scalar, x in scalars.items() if not scalar.endswith("_gradient_norm")]
        assert np.isfinite(losses).all(), scalars
        steps = {p: int(o.iterations) - counts[p] for p, o in model.optimizers.items()}
        for player, p in model.players().items():
            assert any(each_moved(before[player], values(p.variables))) == (steps[player] > 0)
            assert np.isfinite(scalars[f"{player}_gradient_norm"]) or not steps[player]
        if all(steps.values()):
            break
    assert np.isfinite(list(scalars.values())).all(), scalars
    for player, p in model.players().items():
        after = values(p.variables)
        assert all(v.dtype == np.float32 and np.isfinite(v).all() for v in after)
        assert each_moved(first[player], after) == can_move(name, p)
    assert model.sample(2).dtype == np.float32


@pytest.mark.parametrize("name", slow_unless_of_each_kind(NAMES))
def test_gradient_norms_in_float16_are_logged_without_the_loss_scale(
    name, policy, tiny, batches, take_step
):
    images, labels = batches(1)
    found = {}
    for precision in ("float32", "mixed_float16"):
        policy(precision)
        keras.utils.set_random_seed(1)
        model = tiny(name)
        model.compile()
        if precision == "mixed_float16":
            for optimizer in model.optimizers.values():
                optimizer.dynamic_scale.assign(8.0)
        found[precision] = take_step(model, images[0], labels[0])
    norms = [scalar for scalar in found["float32"] if scalar.endswith("_gradient_norm")]
    assert len(norms) == len(model.players())
    for norm in norms:
        assert found["float32"][norm] > 0
        np.testing.assert_allclose(
            found["mixed_float16"][norm], found["float32"][norm], rtol=0.1, err_msg=norm
        )


# Samples.


@pytest.mark.parametrize("name", slow_unless_of_each_kind(NAMES))
def test_sample_returns_images_determined_by_the_seed(name, tiny, batches, take_step):
    model = tiny(name)
    model.compile()
    images, labels = batches(1)
    take_step(model, images[0], labels[0])
    sample = model.sample(6, seed=1)
    assert sample.shape == (6, *model.image_shape)
    assert sample.dtype == np.float32
    assert np.abs(sample).max() <= 1
    tf.random.normal([3])  # moves TensorFlow's own state
    np.testing.assert_array_equal(sample, model.sample(6, seed=1))
    assert not np.allclose(sample, model.sample(6, seed=2), atol=1e-3 * sample.std())
    assert int(model.step) == 1


@pytest.mark.parametrize("name", slow_unless_of_each_kind(ADVERSARIAL))
def test_sample_uses_the_generator_ema(name, tiny, batches, take_step):
    model = tiny(name)
    model.compile()
    images, labels = batches(2)
    for step in range(2):
        take_step(model, images[step], labels[step])
    z = model.latents.join(model.latents.draw(6, 1))
    expected = model.generator_ema(z, training=False)
    np.testing.assert_allclose(model.sample(6, seed=1), expected, atol=1e-6)
    assert not np.allclose(expected, model.generator(z, training=False), atol=1e-5)


@pytest.mark.parametrize("name", slow_unless_of_each_kind(NAMES))
def test_generate_does_not_depend_on_the_batch_size(name, tiny):
    model = tiny(name)
    latents = model.latents.draw(7, 1)
    whole = model.generate(latents)
    np.testing.assert_array_equal(whole, model.sample(7, seed=1))
    for size in (1, 3, 7):
        np.testing.assert_allclose(model.generate(latents, batch_size=size), whole, atol=1e-5)
    assert not np.allclose(whole[:-1], whole[1:], atol=1e-3 * whole.std())


@pytest.mark.parametrize("name", slow_unless_of_each_kind(NAMES))
def test_sample_batches_concatenated_equal_sample(name, tiny):
    model = tiny(name)
    whole = model.sample(260, seed=1)
    batches = list(model.sample_batches(260, seed=1))
    assert [len(batch) for batch in batches] == [250, 10]
    np.testing.assert_array_equal(np.concatenate(batches), whole)

    batches = list(model.generate_batches(model.latents.draw(260, 1), batch_size=100))
    assert [len(batch) for batch in batches] == [100, 100, 60]
    assert all(batch.dtype == np.float32 for batch in batches)
    np.testing.assert_allclose(np.concatenate(batches), whole, atol=1e-5)


# Saving and resuming.


@pytest.mark.filterwarnings("ignore:.*compile.*was not called as part of model loading")
@pytest.mark.parametrize(("name", "variant"), SAVED)
def test_saved_model_loaded_generates_the_same_images(
    name, variant, tiny, batches, take_step, tmp_path
):
    model = tiny(name, **variant)
    model.compile()
    images, labels = batches(1, updates_of_d(model))
    take_step(model, images[0], labels[0])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    assert loaded.hp == model.hp
    assert loaded.get_config() == model.get_config()
    assert int(loaded.step) == 1
    np.testing.assert_array_equal(loaded.sample(5, seed=2), model.sample(5, seed=2))
    assert not np.allclose(tiny(name, **variant).sample(5, seed=2), model.sample(5, seed=2))

    # Training can continue.
    loaded.compile()
    take_step(loaded, images[0], labels[0])
    assert int(loaded.step) == 2


@pytest.mark.parametrize(
    ("name", "variant", "compiled"),
    [
        *(pytest.param(*param.values, False, id=param.id, marks=param.marks) for param in SAVED),
        pytest.param("gan", {}, True, id="gan-compiled"),
        pytest.param("dcgan", {"d_norm": "both"}, True, id="dcgan-both-compiled"),
    ],
)
def test_saved_weights_loaded_generate_the_same_images(
    name, variant, compiled, tiny, batches, take_step, tmp_path
):
    model = tiny(name, **variant)
    model.compile()
    images, labels = batches(1, updates_of_d(model))
    take_step(model, images[0], labels[0])
    model.save_weights(tmp_path / "model.weights.h5")
    other = tiny(name, **variant)
    if compiled:
        other.compile()
    assert not np.allclose(other.sample(5, seed=2), model.sample(5, seed=2))
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other.sample(5, seed=2), model.sample(5, seed=2))
    pairs = zip(values(other.variables), values(model.variables), strict=False)
    assert not any(each_moved(*zip(*pairs, strict=True)))
    assert int(other.step) == 1


def go_on(build, directory, batches, fit, state_of, assert_same, eagerly=False):
    """Compare 4 steps with 2 steps, a restored checkpoint and 2 further steps."""
    model = build()
    model.compile(run_eagerly=eagerly)
    images, labels = batches(4, updates_of_d(model))
    fit(model, images[:2], labels[:2])
    path = tf.train.Checkpoint(**model.state()).save(str(directory / "second"))
    second = state_of(model)
    fit(model, images[2:], labels[2:])

    keras.utils.set_random_seed(99)
    fresh = build()
    fresh.compile(run_eagerly=eagerly)
    assert not np.allclose(fresh.sample(3), model.sample(3))
    tf.train.Checkpoint(**fresh.state()).restore(path).assert_consumed()
    assert_same(state_of(fresh), second)
    fit(fresh, images[2:], labels[2:])
    assert int(fresh.step) == 4
    assert_same(state_of(fresh), state_of(model))
    np.testing.assert_array_equal(fresh.sample(3), model.sample(3))
    assert any(not np.array_equal(state_of(fresh)[key], second[key]) for key in second)


@pytest.mark.parametrize(("name", "variant"), SAVED)
def test_training_resumed_after_two_steps_equals_four_steps(
    name, variant, tiny, batches, fit, state_of, assert_same, tmp_path
):
    eagerly = name not in IN_GRAPHS
    go_on(lambda: tiny(name, **variant), tmp_path, batches, fit, state_of, assert_same, eagerly)


@pytest.mark.smoke
def test_training_resumed_in_float16_equals_four_steps(
    policy, tiny, batches, fit, state_of, assert_same, tmp_path
):
    """The loss scales are part of the state."""
    policy("mixed_float16")
    go_on(lambda: tiny("gan"), tmp_path, batches, fit, state_of, assert_same)


@pytest.mark.parametrize(
    "name", slow_unless_of_each_kind([name for name in NAMES if name not in WITHOUT_DRAWS])
)
def test_step_with_another_seed_has_other_losses(name, tiny, batches, take_step):
    """From the same initial weights the draws differ, and with them the losses."""
    images, labels = batches(1)
    found = []
    for seed in (3, 3, 4):
        keras.utils.set_random_seed(1)
        model = tiny(name)
        model.seed = seed
        model.compile()
        found.append(take_step(model, images[0], labels[0]))
    assert found[0] == found[1] != found[2]
