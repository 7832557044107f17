"""InfoGAN: the codes, their prediction by Q, and the networks that each term trains."""

import math

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from errors import UserError
from losses.adversarial import AdversarialLoss
from losses.guidance import stroke_thickness_target
from losses.information import CODE_LOSSES, LOG_STD
from models import InfoGAN
from models.abilities import CATEGORICAL_CODE, CLASS_CONDITIONAL, RECONSTRUCT
from models.adversarial import G_LOSS, GENERATOR_TERMS
from models.declarations.infogan import InfoGANHyperparameters
from models.terms import total
from training import loading, options

SHAPE = (6, 6, 1)
SMALL = {
    "network": "mlp", "width": 12, "depth": 2, "noise_dim": 5, "q_units": 7,
    "categorical_codes": "3,2", "initializer": "he",
}  # fmt: skip
NETWORKS = ("trunk", "score", "q", "generator")


def make(cls=InfoGAN, num_classes=3, rates=None, **changes):
    """Return a compiled tiny model, trained by gradient descent of `rates` if they are given."""
    keras.utils.set_random_seed(0)
    model = cls(SHAPE, num_classes=num_classes, seed=3, **{**SMALL, **changes})
    sgd = keras.optimizers.SGD
    model.compile(optimizers=rates and {name: sgd(rate) for name, rate in rates.items()})
    return model


def pictures(b=8, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (b, *SHAPE)).astype(np.float32)


def parts_of(model):
    """Return the trainable variables of each network, by its name."""
    parts = (model.parts.trunk, model.parts.score, model.q, model.generator)
    networks = zip(NETWORKS, parts, strict=True)
    return {name: network.trainable_variables for name, network in networks}


def values(model):
    return {name: [v.numpy() for v in variables] for name, variables in parts_of(model).items()}


def which_moved(before, after):
    """Return the names of the networks that moved: all of their variables, or none."""
    moved = set()
    for name in NETWORKS:
        each = [not np.array_equal(x, y) for x, y in zip(before[name], after[name], strict=True)]
        assert len(set(each)) == 1, (name, each)
        if each[0]:
            moved.add(name)
    return moved


def batch_of(model, images, labels=None):
    (batch,) = model.batches_of((images, labels) if labels is not None else images)
    return batch


def information_of(model):
    """Return the objective of generated images."""
    return model.objectives[0]


def real_image_losses_of(model):
    """Return the objective of real images."""
    return model.objectives[1]


def weighted(terms):
    """Return weight x value of each term, by name."""
    return {name: term.weight * term.value for name, term in terms.items()}


# Hyperparameters.

OF_COLOUR = {"batch_size": 128, "categorical_weight": 0.5, "g_learning_rate": 2e-4}


@pytest.mark.parametrize(
    ("dataset", "own"),
    [
        ("MNIST", {"epochs": 50, "noise_dim": 62, "continuous_weight": 0.5, "dense_units": 1024}),
        ("CIFAR10", {"epochs": 150, "noise_dim": 64, "g_learning_rate": 2e-4}),
        ("CIFAR10", {"continuous_weight": 1.0, "dense_units": 0}),
        ("FASHION_MNIST", {"epochs": 50, "batch_size": 128, "categorical_weight": 0.5}),
        ("/tmp/birds.npz", {"epochs": 50, "noise_dim": 62, "continuous_weight": 0.5}),
    ],
)
def test_defaults_by_data_set_are_those_of_the_paper(dataset, own):
    hp = options.parse(["--model=infogan", f"--dataset={dataset}"]).hp
    assert type(hp) is InfoGANHyperparameters
    expected = {
        "batch_size": 256, "categorical_codes": "10", "categories": (10,), "continuous_codes": 2,
        "categorical_weight": 1.0, "continuous_loss": "mse", "information_trains": "trunk",
        "g_learning_rate": 1e-3, "d_learning_rate": 2e-4, "q_learning_rate": 1e-3, "beta_1": 0.5,
        "q_units": 128, "supervised_fraction": 0.0, "thickness_guidance": False,
        "invariance_weight": 0.0, "continuous_warmup": 0, "n_critic": 1,
        "loss": "non_saturating", "network": "dcgan", "d_norm": "batch",
        **(OF_COLOUR if dataset == "CIFAR10" else {}), **own,
    }  # fmt: skip
    assert {name: getattr(hp, name) for name in expected} == expected


@pytest.mark.parametrize("codes", ["1", "0", "10,1", "10,", ",", "ten", "-3", "2.5", "10;4", "1e1"])
def test_categorical_codes_without_a_valid_size_raise(codes):
    with pytest.raises(UserError) as refusal:
        options.parse(["--model=infogan", f"--categorical_codes={codes}"])
    assert str(refusal.value) == (
        "categorical_codes: expected integers >= 2 separated by commas, or an empty text, got "
        f"{codes}"
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--supervised_fraction=0.1", "--categorical_codes="],
            "supervised_fraction: requires a categorical code, and categorical_codes is empty",
        ),
        (
            ["--categorical_weight=2", "--categorical_codes="],
            "categorical_weight: requires a categorical code, and categorical_codes is empty",
        ),
        (
            ["--continuous_loss=gaussian", "--continuous_codes=0"],
            "continuous_loss: requires a continuous code, and continuous_codes is 0",
        ),
        (
            ["--continuous_weight=3", "--continuous_codes=0"],
            "continuous_weight: requires a continuous code, and continuous_codes is 0",
        ),
        (["--invariance_weight=-1"], "invariance_weight: expected a number >= 0, got -1.0"),
        (
            ["--continuous_warmup=9", "--continuous_codes=0"],
            "continuous_warmup: requires a continuous code, and continuous_codes is 0",
        ),
        (["--continuous_warmup=-1"], "continuous_warmup: expected an integer >= 0, got -1"),
        (
            ["--thickness_guidance", "--continuous_codes=0"],
            "thickness_guidance: requires a continuous code, and continuous_codes is 0",
        ),
        (["--supervised_fraction=1.1"],
         "supervised_fraction: expected a number >= 0 and <= 1, got 1.1"),
        (["--supervised_fraction=-0.1"],
         "supervised_fraction: expected a number >= 0 and <= 1, got -0.1"),
        (["--continuous_codes=-1"], "continuous_codes: expected an integer >= 0, got -1"),
        (["--categorical_weight=0"], "categorical_weight: expected a number > 0, got 0.0"),
        (["--continuous_loss=l1"], "continuous_loss: expected one of mse, gaussian, got l1"),
        (["--information_trains=g"], "information_trains: expected one of trunk, heads, got g"),
    ],
)  # fmt: skip
def test_invalid_options_raise_with_their_name(argv, message):
    with pytest.raises(UserError) as refusal:
        options.parse(["--model=infogan", *argv])
    assert str(refusal.value) == message


@pytest.mark.parametrize("num_classes", [0, 4])
def test_supervised_fraction_without_a_code_for_each_class_raises(num_classes):
    message = (
        "supervised_fraction: requires images with labels of at most 3 classes (the size of the "
        f"first of categorical_codes), there are {num_classes}"
    )
    with pytest.raises(UserError) as refusal:
        make(num_classes=num_classes, supervised_fraction=0.1)
    assert str(refusal.value) == message
    argv = ["--dataset=CIFAR10", "--categorical_codes=3", "--supervised_fraction=0.1"]
    config = options.parse(["--model=infogan", "--network=mlp", *argv])
    with pytest.raises(UserError) as refusal:
        loading.build_model(config, SHAPE, num_classes)
    assert str(refusal.value) == message


@pytest.mark.parametrize("num_classes", [1, 2, 3])
def test_supervised_fraction_with_a_code_for_each_class_adds_an_objective(num_classes):
    model = make(num_classes=num_classes, supervised_fraction=0.1)
    assert [objective.uses_real for objective in model.objectives] == [False, True]
    assert [objective.uses_real for objective in make(num_classes=0).objectives] == [False]


# Latents.


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [
        ({}, {"noise": 5, "category_0": 3, "category_1": 2, "continuous": 2}),
        ({"categorical_codes": "4"}, {"noise": 5, "category_0": 4, "continuous": 2}),
        ({"categorical_codes": ""}, {"noise": 5, "continuous": 2}),
        ({"continuous_codes": 0}, {"noise": 5, "category_0": 3, "category_1": 2}),
        ({"continuous_codes": 7}, {"noise": 5, "category_0": 3, "category_1": 2, "continuous": 7}),
    ],
)
def test_latents_are_in_the_order_noise_categories_continuous(changes, sizes):
    model = make(**changes)
    assert {n: p.event_shape[0] for n, p in model.latents.parts.items()} == sizes
    assert list(model.latents.parts) == list(sizes)
    assert model.latents.dim == model.generator.input_shape[1] == sum(sizes.values())
    drawn = model.latents.draw(4, 0)
    joined = np.split(model.latents.join(drawn), np.cumsum(list(sizes.values()))[:-1], axis=1)
    for name, part in zip(sizes, joined, strict=True):
        np.testing.assert_array_equal(part, drawn[name])
    assert model.sample(2).shape == (2, *SHAPE)


def test_drawn_codes_have_their_prior_and_are_independent():
    drawn = make(prior="normal").latents.draw(20_000, 0)
    continuous = drawn["continuous"].numpy()
    assert continuous.min() >= -1
    assert continuous.max() < 1
    np.testing.assert_allclose(np.cov(continuous.T), np.eye(2) / 3, atol=0.02)
    assert np.abs(drawn["noise"]).max() > 3
    categories = [drawn[f"category_{k}"].numpy() for k in (0, 1)]
    together = categories[0].T @ categories[1] / 20_000
    np.testing.assert_allclose(together, np.full((3, 2), 1 / 6), atol=0.02)
    for each in (*categories, drawn["noise"].numpy()):
        np.testing.assert_allclose(each.T @ continuous / 20_000, 0, atol=0.03)


# Prediction of the codes.


def softplus(x):
    return np.logaddexp(0, x)


def numpy_heads(q, features):
    """Return the outputs of Q: a hidden layer without a norm, leaky by 0.2, and the heads."""
    named = {layer.name: [w.numpy() for w in layer.weights] for layer in q.layers if layer.weights}
    (hidden,) = (w for name, w in named.items() if name.startswith("dense"))
    h = features @ hidden[0] + hidden[1]
    h = np.where(h > 0, h, 0.2 * h)
    return {n: h @ w + b for n, (w, b) in named.items() if not n.startswith("dense")}


def numpy_losses(heads, codes, gaussian):
    """Return the unweighted loss [b] of each code, by name."""
    losses = {}
    for name in ("category_0", "category_1"):
        if name in heads:
            log_q = heads[name] - np.logaddexp.reduce(heads[name], axis=1, keepdims=True)
            losses[name] = -np.sum(codes[name] * log_q, 1)
    off = (codes["continuous"] - heads["continuous"]) ** 2
    if gaussian:
        low, high = LOG_STD
        log_std = low + softplus(high - softplus(high - heads["log_std"]) - low)
        off = 0.5 * math.log(2 * math.pi) + log_std + 0.5 * off / np.exp(2 * log_std)
    return losses | {f"continuous_{k}": off[:, k] for k in range(off.shape[1])}


@pytest.mark.parametrize("loss", CODE_LOSSES)
@pytest.mark.parametrize("codes", ["3,2", "4", ""])
def test_q_outputs_a_prediction_of_each_code(codes, loss):
    model = make(categorical_codes=codes, continuous_loss=loss, continuous_codes=4)
    sizes = {f"category_{k}": int(size) for k, size in enumerate(filter(None, codes.split(",")))}
    sizes |= {"continuous": 4} | ({"log_std": 4} if loss == "gaussian" else {})
    features = np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32)
    heads = model.q(features)
    assert {name: part.shape for name, part in heads.items()} == {
        name: (5, size) for name, size in sizes.items()
    }
    for name, expected in numpy_heads(model.q, features).items():
        np.testing.assert_allclose(heads[name], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("d_norm", "norms", "spectral"),
    [
        ("none", [], False),
        ("batch", ["BatchNorm"], False),
        ("both", ["BatchNorm"], False),
        ("layer", ["LayerNorm"], False),
        ("spectral", [], False),
    ],
)
def test_q_has_the_norm_of_activations_of_the_discriminator(d_norm, norms, spectral):
    model = make(d_norm=d_norm)
    kinds = [type(layer).__name__ for layer in model.q.layers]
    assert [kind for kind in kinds if kind.endswith(("Normalization", "Norm"))] == norms
    assert any(kind.startswith("Spectral") for kind in kinds) == spectral


@pytest.mark.parametrize("gaussian", [False, True])
def test_step_logs_a_weighted_term_of_each_code(gaussian, take_step):
    """No network learns, so that the generator's update has the outputs of the first networks."""
    loss = "gaussian" if gaussian else "mse"
    still = dict.fromkeys(("discriminator", "generator", "q"), 0.0)
    model = make(rates=still, continuous_loss=loss, categorical_weight=0.7, continuous_weight=0.3)
    batch = batch_of(model, tf.constant(pictures()))
    fake = model.discriminate(model.fake_inputs(batch), batch)
    heads = numpy_heads(model.q, np.array(fake["features"], np.float64))
    codes = {name: np.array(part) for name, part in batch.latents.items()}
    expected = numpy_losses(heads, codes, gaussian)
    terms = information_of(model).terms(None, fake, batch)
    scalars = take_step(model, pictures())
    names = ["category_0", "category_1", "continuous_0", "continuous_1"]
    assert list(terms) == list(expected) == names
    total = scalars["g_loss_adversarial"]
    for name in names:
        weight, loss = 0.3 if name.startswith("continuous") else 0.7, expected[name]
        assert loss.shape == (8,)
        assert terms[name].weight == weight
        np.testing.assert_allclose(terms[name].value, loss, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(scalars[f"g_loss_{name}"], weight * loss.mean(), rtol=1e-4)
        assert np.std(loss) > 0.01
        total += weight * loss.mean()
    np.testing.assert_allclose(scalars["g_loss"], total, rtol=1e-5)


@pytest.mark.parametrize("gaussian", [False, True])
@pytest.mark.parametrize("side", ["heads", "trunk"])
def test_bounds_with_any_weight_are_logged_in_nats(gaussian, side, take_step):
    loss = "gaussian" if gaussian else "mse"
    model = make(
        continuous_loss=loss, categorical_weight=0.7, continuous_weight=0.3, information_trains=side
    )
    scalars = take_step(model, pictures())
    cost = {
        name: scalars[f"g_loss_{name}"] / (0.3 if name.startswith("continuous") else 0.7)
        for name in ("category_0", "category_1", "continuous_0", "continuous_1")
    }
    expected = {f"category_{k}": math.log(n) - cost[f"category_{k}"] for k, n in ((0, 3), (1, 2))}
    for k in range(2):
        nll = cost[f"continuous_{k}"]
        if not gaussian:
            nll = 0.5 * math.log(2 * math.pi * math.e * nll)
        expected[f"continuous_{k}"] = math.log(2) - nll
    found = {n: scalars[n] for n in scalars if n.startswith("information_")}
    assert list(found) == [f"information_{name}" for name in expected]
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("loss", CODE_LOSSES)
def test_terms_of_continuous_codes_in_a_warmup_rise_with_the_steps(loss):
    """Terms of categorical codes, and the bounds, do not change."""
    guided = {"thickness_guidance": True, "invariance_weight": 1.0, "continuous_loss": loss}
    plain, model = make(**guided), make(continuous_warmup=8, **guided)
    x = pictures()
    for step, share in ((0, 1 / 8), (3, 1 / 2), (7, 1), (8, 1), (1000, 1)):
        found = []
        for each in (plain, model):
            each.step.assign(step)
            batch = batch_of(each, tf.constant(x))
            fake = each.discriminate(each.fake_inputs(batch), batch)
            real = each.discriminate(batch.x, batch)
            terms = information_of(each).terms(real, fake, batch)
            bounds = each.after_generator_update(terms, batch)
            terms |= real_image_losses_of(each).terms(real, fake, batch)
            found.append((weighted(terms), bounds))
        (expected, bounds), (terms, same) = found
        assert list(terms) == list(expected)
        for name, term in terms.items():
            rises = "continuous" in name or name == "thickness"
            np.testing.assert_allclose(
                term, (share if rises else 1) * expected[name], rtol=1e-4, atol=1e-6
            )
        np.testing.assert_allclose(list(same.values()), list(bounds.values()), rtol=1e-4, atol=1e-5)


def test_step_without_codes_of_a_kind_has_no_terms_of_it(take_step):
    scalars = take_step(make(categorical_codes=""), pictures())
    assert not any("category" in name for name in scalars)
    assert {"information_continuous_0", "information_continuous_1"} < set(scalars)
    scalars = take_step(make(continuous_codes=0), pictures())
    assert not any("continuous" in name for name in scalars)
    assert {"information_category_0", "information_category_1"} < set(scalars)


@pytest.mark.slow
def test_fit_of_300_steps_raises_the_information(fit):
    """Images have one gray level each, so that D soon separates them from generated ones."""
    rng = np.random.default_rng(0)
    x = np.broadcast_to(rng.uniform(-0.8, 0.8, (300, 16, 1, 1, 1)), (300, 16, *SHAPE))
    model = make(g_learning_rate=3e-3, q_learning_rate=3e-3)
    logs = fit(model, x.astype(np.float32), np.zeros((300, 16), int))
    first, last = (np.mean([log["information_category_0"] for log in part])
                   for part in (logs[:10], logs[-50:]))  # fmt: skip
    assert first < 0.2
    assert 0.75 * math.log(3) < last <= math.log(3)
    blind = 0.5 * math.log(6 / (math.pi * math.e))  # of the best constant
    assert np.mean([log["information_continuous_0"] for log in logs[-50:]]) > blind + 0.08


# Networks that the information trains.


class Silent(InfoGAN):
    """InfoGAN whose adversarial loss is 0, so that the objectives alone train it."""

    def make_loss(self):
        return AdversarialLoss(
            lambda real, fake: {"real": 0.0 * real, "fake": 0.0 * fake},
            lambda real, fake: {"adversarial": 0.0 * fake},
        )


LEARNERS = {
    # the only player with a learning rate above 0: the networks that move
    "heads": {"discriminator": set(), "generator": {"generator"}, "q": {"q"}},
    "trunk": {"discriminator": {"trunk"}, "generator": {"generator"}, "q": {"q"}},
}


ONE_LOSS = [pytest.param("mse"), pytest.param("gaussian", marks=pytest.mark.slow)]


@pytest.mark.slow
@pytest.mark.parametrize("loss", ONE_LOSS)
@pytest.mark.parametrize("side", ["heads", "trunk"])
def test_information_moves_q_and_g_and_the_trunk_only_if_selected(side, loss, take_step):
    """With a learning rate for one player alone, and for all."""
    players = {"discriminator": 0.1, "generator": 0.1, "q": 0.1}
    for learner, expected in {
        **LEARNERS[side],
        "all": set().union(*LEARNERS[side].values()),
    }.items():
        rates = {p: rate if learner in (p, "all") else 0.0 for p, rate in players.items()}
        model = make(Silent, rates=rates, information_trains=side, continuous_loss=loss)
        before = values(model)
        take_step(model, pictures())
        assert which_moved(before, values(model)) == expected, learner


@pytest.mark.parametrize("side", ["heads", "trunk"])
def test_step_of_the_information_alone_is_along_its_gradient(side, take_step):
    """The gradient is of all weighted terms; G's is taken after the update of D and Q."""
    model = make(Silent, rates={"discriminator": 0.2, "generator": 0.2, "q": 0.2},
                 information_trains=side)  # fmt: skip
    x = pictures()
    start = values(model)
    take_step(model, x)
    found = values(model)

    def gradient_of(*names):
        """Return the gradients at the current weights."""
        batch = batch_of(model, tf.constant(x))
        variables = parts_of(model)
        with tf.GradientTape() as tape:
            fake = model.discriminate(model.fake_inputs(batch), batch)
            loss, _ = total(information_of(model).terms(None, fake, batch), G_LOSS, GENERATOR_TERMS)
        return tape.gradient(loss, {name: variables[name] for name in names})

    def put(name, arrays):
        for v, array in zip(parts_of(model)[name], arrays, strict=True):
            v.assign(array)

    model.step.assign(0)
    for name in NETWORKS:
        put(name, start[name])
    order = {"heads": [("q", "generator")], "trunk": [("q", "trunk"), ("generator",)]}[side]
    for names in order:
        gradients = gradient_of(*names)
        for name in names:
            stepped = [
                w - 0.2 * g.numpy() for w, g in zip(start[name], gradients[name], strict=True)
            ]
            for one, other in zip(found[name], stepped, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
            put(name, stepped)
    assert which_moved(start, found) == {name for names in order for name in names}


@pytest.mark.parametrize("side", ["heads", "trunk"])
def test_players_have_their_sides_and_learning_rates(side):
    model = make(
        information_trains=side, g_learning_rate=0.3, d_learning_rate=0.2, q_learning_rate=0.1
    )
    players = model.players()
    of_q = "generator" if side == "heads" else "discriminator"
    assert {name: (player.side, player.learning_rate) for name, player in players.items()} == {
        "discriminator": ("discriminator", "d_learning_rate"),
        "generator": ("generator", "g_learning_rate"),
        "q": (of_q, "q_learning_rate"),
    }
    assert players["q"].networks == (model.q,)
    for name, rate in (("discriminator", 0.2), ("generator", 0.3), ("q", 0.1)):
        assert float(model.optimizers[name].learning_rate) == pytest.approx(rate)


@pytest.mark.parametrize("side", ["heads", "trunk"])
def test_discriminator_loss_has_terms_of_codes_only_if_the_trunk_learns(side, take_step):
    scalars = take_step(make(information_trains=side), pictures())
    of_d = [name for name in scalars if name.startswith("d_loss_")]
    codes = ["category_0", "category_1", "continuous_0", "continuous_1"]
    further = [f"d_loss_{name}" for name in codes] if side == "trunk" else []
    assert of_d == ["d_loss_real", "d_loss_fake", *further]
    assert {f"g_loss_{name}" for name in codes} < set(scalars)


@pytest.mark.parametrize("penalty", ["gradient", "r1"])
def test_penalty_of_a_discriminator_with_features_is_of_the_score_alone(penalty, take_step):
    model = make(penalty=penalty, d_norm="layer")
    scalars = take_step(model, pictures())
    assert scalars[f"d_loss_{penalty}"] > 0
    assert np.isfinite(list(scalars.values())).all()


# Objectives of real images.


def of_real_images(model, images, labels=None):
    """Return weighted terms, gradients of their sum at Q and at the trunk, and Q's outputs."""
    batch = batch_of(model, tf.constant(images), None if labels is None else tf.constant(labels))
    trunk = model.parts.trunk
    with tf.GradientTape(persistent=True) as tape:
        real = model.discriminate(model.real_inputs(batch), batch)
        terms = weighted(real_image_losses_of(model).terms(real, None, batch))
        loss = tf.add_n([tf.reduce_sum(term) for term in terms.values()])
    q = {
        "/".join(v.path.split("/")[-2:]): tape.gradient(loss, v.value)
        for v in model.q.trainable_variables
    }
    of_trunk = tape.gradient(loss, trunk.trainable_variables)
    return terms, q, of_trunk, numpy_heads(model.q, np.array(trunk(images), np.float64))


def test_supervision_is_the_likelihood_of_known_classes_and_0_of_others():
    model = make(supervised_fraction=0.25, categorical_weight=0.7)
    labels = np.array([-1, 2, -1, 0, -1, -1, 1, 2])
    terms, q, of_trunk, heads = of_real_images(model, pictures(), labels)
    assert list(terms) == ["supervised"]
    log_q = heads["category_0"] - np.logaddexp.reduce(heads["category_0"], axis=1, keepdims=True)
    known = labels >= 0
    nll = np.where(known, -log_q[np.arange(8), labels], 0)
    # With a fraction of 1/4 each label counts twice: the variance of the gradient stays the same.
    np.testing.assert_allclose(terms["supervised"], 0.7 / 0.5 * nll, rtol=1e-4, atol=1e-6)
    gradient = 0.7 / 0.5 * ((np.exp(log_q) - np.eye(3)[labels]) * known[:, None]).sum(0)
    np.testing.assert_allclose(q["category_0/bias"], gradient, rtol=1e-4, atol=1e-5)
    assert np.abs(gradient).max() > 0.1
    for name in ("category_1/kernel", "continuous/kernel"):
        assert q[name] is None or not np.any(q[name])
    assert all(np.any(gradient) for gradient in of_trunk)


def test_supervision_without_a_known_class_has_no_gradient():
    model = make(supervised_fraction=0.25)
    terms, q, of_trunk, _ = of_real_images(model, pictures(), np.full(8, -1))
    np.testing.assert_array_equal(terms["supervised"], np.zeros(8))
    for gradient in (*q.values(), *of_trunk):
        assert gradient is None or not np.any(gradient)
    _, q, _, _ = of_real_images(model, pictures(), np.array([-1] * 7 + [0]))
    assert np.any(q["category_0/kernel"])


@pytest.mark.parametrize("gaussian", [False, True])
def test_thickness_guidance_is_the_loss_against_the_rank_of_the_thickness(gaussian):
    loss = "gaussian" if gaussian else "mse"
    model = make(thickness_guidance=True, continuous_weight=0.3, continuous_loss=loss)
    x = np.full((5, *SHAPE), -1, np.float32)
    for image, width in zip(x, (3, 1, 4, 2, 5), strict=True):  # the ranks 2, 0, 3, 1, 4
        image[1:5, :width] = 1
    assert (np.argsort(np.argsort(stroke_thickness_target(x))) == [2, 0, 3, 1, 4]).all()
    terms, q, of_trunk, heads = of_real_images(model, x)
    assert list(terms) == ["thickness"]
    code = np.tile(np.array([0.0, -0.8, 0.4, -0.4, 0.8])[:, None], (1, 2))
    heads = {name: heads[name] for name in ("continuous", "log_std") if name in heads}
    expected = 0.3 * numpy_losses(heads, {"continuous": code}, gaussian)["continuous_0"]
    np.testing.assert_allclose(terms["thickness"], expected, rtol=1e-4, atol=1e-5)
    of_kernel = q["continuous/kernel"].numpy()
    assert np.any(of_kernel[:, 0])
    assert not np.any(of_kernel[:, 1])
    assert all(np.any(gradient) for gradient in of_trunk)
    if not gaussian:
        gradient = 2 * 0.3 * (heads["continuous"] - code)[:, 0].sum()
        np.testing.assert_allclose(q["continuous/bias"], [gradient, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gaussian", [False, True])
def test_consistency_is_the_loss_between_copies_and_a_fixed_target(gaussian, monkeypatch):
    """Lambda times -sum_k Q(k | x) log Q(k | T(x)), and the squared error of the means; Q(x) is a
    stop-gradient target. Here T(x) is -x, and x / 2 if upright.
    """

    def copies(x, uniform, limits, upright):
        return x / 2 if upright else -x

    monkeypatch.setattr("models.objectives.affine_copies", copies)
    loss = "gaussian" if gaussian else "mse"
    model = make(invariance_weight=0.7, continuous_loss=loss)
    x = pictures()
    terms, q, of_trunk, heads = of_real_images(model, x)
    trunk = model.parts.trunk
    assert list(terms) == [f"invariance_{n}" for n in ("category_0", "category_1", "continuous")]
    turned = numpy_heads(model.q, np.array(trunk(-x), np.float64))
    for name in ("category_0", "category_1"):
        p, r = scipy.special.softmax(heads[name], 1), scipy.special.softmax(turned[name], 1)
        expected = -0.7 * (p * np.log(r)).sum(1)
        np.testing.assert_allclose(terms[f"invariance_{name}"], expected, rtol=1e-4)
        gradient = 0.7 * (r - p).sum(0)
        np.testing.assert_allclose(q[f"{name}/bias"], gradient, rtol=1e-3, atol=1e-5)
    upright = numpy_heads(model.q, np.array(trunk(x / 2), np.float64))
    off = upright["continuous"] - heads["continuous"]
    expected = 0.7 * (off**2).sum(1)
    np.testing.assert_allclose(terms["invariance_continuous"], expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(q["continuous/bias"], 2 * 0.7 * off.sum(0), rtol=1e-3, atol=1e-5)
    assert all(np.any(gradient) for gradient in of_trunk)


def test_consistency_draws_new_copies_in_each_step():
    model = make(invariance_weight=1.0)
    x, seen = pictures(), []
    for step in (0, 0, 1):
        model.step.assign(step)
        batch = batch_of(model, tf.constant(x))
        real = model.discriminate(batch.x, batch)
        seen.append(weighted(real_image_losses_of(model).terms(real, None, batch)))
    for name in ("invariance_category_0", "invariance_continuous"):
        first, again, other = (terms[name].numpy() for terms in seen)
        np.testing.assert_array_equal(first, again)
        assert np.abs(other - first).max() > 1e-6


def test_consistency_without_codes_of_a_kind_has_no_terms_of_it():
    for codes, expected in (
        ({"categorical_codes": ""}, ["invariance_continuous"]),
        ({"continuous_codes": 0}, ["invariance_category_0", "invariance_category_1"]),
    ):
        terms, *_ = of_real_images(make(invariance_weight=1.0, **codes), pictures())
        assert list(terms) == expected


GUIDES = {
    "invariance_category_1": {"invariance_weight": 0.5},
    "invariance_continuous": {"invariance_weight": 0.5},
    "supervised": {"supervised_fraction": 0.5},
    "thickness": {"thickness_guidance": True},
}

# The steps of one objective in each run, those of the others with --slow.
ONE_GUIDE = [
    pytest.param(guide, marks=() if guide == "supervised" else pytest.mark.slow) for guide in GUIDES
]


@pytest.mark.parametrize("guide", GUIDES)
@pytest.mark.parametrize("side", ["heads", "trunk"])
def test_objectives_of_real_images_are_logged_on_the_side_that_trains_q(guide, side, take_step):
    model = make(information_trains=side, **GUIDES[guide])
    scalars = take_step(model, pictures(), np.array([0, 1, 2, -1] * 2))
    of, other = ("g", "d") if side == "heads" else ("d", "g")
    assert scalars[f"{of}_loss_{guide}"] > 0
    assert f"{other}_loss_{guide}" not in scalars
    assert np.isfinite(list(scalars.values())).all()


@pytest.mark.parametrize("guide", ONE_GUIDE)
@pytest.mark.parametrize("side", ["heads", "trunk"])
def test_objectives_of_real_images_move_q_and_the_trunk_only_if_selected(guide, side, take_step):
    """Compared with the step without it; G has the learning rate 0."""
    rates = {"discriminator": 0.1, "generator": 0.0, "q": 0.1}

    def after_a_step(**guided):
        model = make(rates=rates, information_trains=side, **guided)
        take_step(model, pictures(), np.array([0, 1, 2, -1] * 2))
        return values(model)

    plain, guided = after_a_step(), after_a_step(**GUIDES[guide])
    moved = {
        name
        for name in NETWORKS
        if any(not np.array_equal(x, y) for x, y in zip(plain[name], guided[name], strict=True))
    }
    assert moved == ({"q"} if side == "heads" else {"q", "trunk"})


@pytest.mark.parametrize("guide", ONE_GUIDE)
def test_objectives_of_real_images_do_not_move_the_generator(guide, take_step):
    """D and Q have the learning rate 0."""
    rates = {"discriminator": 0.0, "generator": 0.1, "q": 0.0}

    def after_a_step(**guided):
        model = make(rates=rates, information_trains="heads", **guided)
        before = values(model)["generator"]
        take_step(model, pictures(), np.array([0, 1, 2, -1] * 2))
        return before, values(model)["generator"]

    (before, plain), (_, guided) = after_a_step(), after_a_step(**GUIDES[guide])
    assert not np.array_equal(before[0], plain[0])
    for one, other in zip(plain, guided, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_step_without_supervision_ignores_labels(take_step):
    def after_a_step(num_classes, *labels):
        model = make(num_classes=num_classes, thickness_guidance=True)
        return take_step(model, pictures(), *labels), values(model)

    scalars, plain = after_a_step(0)
    same_scalars, same = after_a_step(3, np.array([0, 1, 2, -1, 7, 7, -1, 0]))
    assert same_scalars == scalars
    assert which_moved(plain, same) == set()


def test_step_with_supervision_and_without_labels_raises(take_step):
    model = make(supervised_fraction=0.5)
    with pytest.raises(
        UserError, match=r"^supervised_fraction: requires batches of images and labels$"
    ):
        take_step(model, pictures())


@pytest.mark.slow
def test_fit_with_half_of_the_labels_makes_each_class_the_code_of_its_number(fit):
    """The classes are dark, gray and bright images; half of the labels are known. After training
    Q classifies all images, and generated images of a code are of its class.
    """
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (400, 16))
    x = np.array([-0.8, 0.0, 0.8])[labels][..., None, None, None]
    x = (x + rng.normal(0, 0.03, (400, 16, *SHAPE))).astype(np.float32)
    known = np.where(rng.random((400, 16)) < 0.5, labels, -1)
    model = make(
        supervised_fraction=0.5, categorical_codes="3", continuous_codes=0, ema_decay=0.9,
        g_learning_rate=2e-3, d_learning_rate=2e-3, q_learning_rate=2e-3,
        information_trains="heads",
    )  # fmt: skip
    fit(model, x, known)
    found = np.argmax(model.code_logits(tf.constant(x[:5].reshape(-1, *SHAPE))), 1)
    assert (found == labels[:5].ravel()).mean() > 0.97
    latents, columns = model.picture_latents()
    levels = model.generate(latents).reshape(3, columns, -1).mean((1, 2))
    assert (np.diff(levels) > 0.3).all(), levels


# Abilities.


def features_of(model, x):
    return np.array(model.parts.trunk(x, training=False), np.float64)


def test_code_logits_are_those_of_the_first_categorical_code():
    model, x = make(), tf.constant(pictures())
    logits = model.code_logits(x)
    assert logits.shape == (8, 3)
    expected = numpy_heads(model.q, features_of(model, x))["category_0"]
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("codes", "n", "settings"),
    [
        ("3,2", 2, {"continuous_loss": "mse"}),
        ("3,2", 2, {"continuous_loss": "gaussian"}),
        ("3", 0, {}),
        ("", 4, {"continuous_loss": "gaussian"}),
    ],
)
def test_encode_returns_probabilities_then_means(codes, n, settings):
    model = make(categorical_codes=codes, continuous_codes=n, **settings)
    x = tf.constant(pictures())
    found = model.encode(x)
    heads = numpy_heads(model.q, features_of(model, x))
    sizes = [int(size) for size in codes.split(",") if size]
    assert found.shape == (8, sum(sizes) + n)
    start = 0
    for k, size in enumerate(sizes):
        part = found[:, start : start + size]
        np.testing.assert_allclose(part.sum(1), 1, rtol=1e-5)
        expected = np.exp(heads[f"category_{k}"])
        np.testing.assert_allclose(part, expected / expected.sum(1, keepdims=True), rtol=1e-4)
        assert part.std(0).max() > 1e-3
        start += size
    if n:
        np.testing.assert_allclose(found[:, start:], heads["continuous"], rtol=1e-4, atol=1e-5)


def test_encode_of_an_image_does_not_depend_on_its_batch(take_step):
    """D and Q have batch norm, which averages over a batch in training only."""
    model = make(d_norm="batch")
    for k in range(3):
        take_step(model, pictures(seed=k))
    x = pictures()
    whole = model.encode(tf.constant(x))
    each = np.concatenate([model.encode(tf.constant(x[k : k + 1])) for k in range(8)])
    np.testing.assert_allclose(whole, each, rtol=1e-4, atol=1e-5)
    before = [w.numpy() for w in (*model.q.weights, *model.discriminator.weights)]
    model.encode(tf.constant(x))
    after = [w.numpy() for w in (*model.q.weights, *model.discriminator.weights)]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_lacks_of_a_missing_ability_returns_the_reason():
    without = make(categorical_codes="")
    reason = "InfoGAN has no categorical code (categorical_codes is empty)"
    assert without.lacks(CATEGORICAL_CODE) == reason
    with pytest.raises(UserError) as refusal:
        without.code_logits(tf.constant(pictures()))
    assert str(refusal.value) == reason
    model = make()
    assert model.lacks(CATEGORICAL_CODE) is None
    assert model.lacks(RECONSTRUCT) == "InfoGAN does not reconstruct images"
    assert model.lacks(CLASS_CONDITIONAL) == "InfoGAN is not class-conditional"
    with pytest.raises(UserError, match=r"^label: InfoGAN is not class-conditional$"):
        model.sample(3, label=1)


@pytest.mark.parametrize(("codes", "rows"), [("3,2", 3), ("10", 10), ("4,3,2", 4)])
def test_picture_latents_have_one_category_per_row(codes, rows):
    model = make(categorical_codes=codes)
    latents, columns = model.picture_latents()
    assert columns == 10
    assert set(latents) == set(model.latents.parts)
    rows_of = {name: np.reshape(part, (rows, 10, -1)) for name, part in latents.items()}
    expected = np.broadcast_to(np.eye(rows)[:, None], (rows, 10, rows))
    np.testing.assert_array_equal(rows_of.pop("category_0"), expected)
    for part in rows_of.values():
        np.testing.assert_array_equal(part, np.broadcast_to(part[0], part.shape))
    for name in ("noise", "continuous"):
        assert len(np.unique(rows_of[name][0, :, 0])) == 10
    again, _ = model.picture_latents()
    for name, part in latents.items():
        np.testing.assert_array_equal(part, again[name])
    assert model.generate(latents).shape == (rows * 10, *SHAPE)


def test_picture_latents_without_categories_are_draws():
    model = make(categorical_codes="")
    latents, columns = model.picture_latents()
    assert columns == 8
    for name, part in model.latents.draw(64, 0).items():
        np.testing.assert_array_equal(latents[name], part)
