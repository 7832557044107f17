"""Models, and variants of models, over which the contracts run."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import fields
from losses.penalties import PENALTIES
from models import REGISTRY
from models.conditional import ClassConditional
from models.declarations.adversarial import AdversarialHyperparameters
from models.optimizers import OPTIMIZERS

NAMES = list(REGISTRY)
ADVERSARIAL = [
    name
    for name, entry in REGISTRY.items()
    if issubclass(entry.hyperparameters, AdversarialHyperparameters)
]

OF_EACH_KIND = ("gan", "infogan", "vae")


def slow_unless_of_each_kind(names):
    """Return the names as parameters; all but one model of each kind are marked slow."""
    return [pytest.param(name, marks=unless_of_each_kind(name)) for name in names]


def unless_of_each_kind(name, variant=()):
    return () if name in OF_EACH_KIND and not variant else pytest.mark.slow


# Errors of the base class are tested of GAN in each run, and of the other models with --slow.
SLOW_BUT_GAN = [
    pytest.param(name, marks=() if name == "gan" else pytest.mark.slow) for name in ADVERSARIAL
]

# Adversarial models whose steps or networks differ.
OF_EACH_STEP = ("gan", "cgan", "infogan", "began", "bigan", "stylegan2")

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
CONVOLUTIONS = {"network": "dcgan", "width": 4, "depth": None, "q_width": 2, "q_head_units": 4}
CLUSTERED = {"clustering": "contrastive", "copies": "crop,flip,light", **CONVOLUTIONS}
GROWING = {"growing_kimg": 0.003}  # with 4 images per step, the second step fades a size in
ALL_TERMS_OF_PAIRS = ALL_TERMS | {"continuous_codes": 2, "reconstruction_weight": 1.0}
VARIANTS = {
    "dcgan-spectral": ("dcgan", {"d_norm": "spectral"}),
    "cgan-projection": ("cgan", CONDITIONED_OTHERWISE),
    "wgan_gp-critic-twice": ("wgan_gp", {"n_critic": 2}),
    "infogan-all-terms": ("infogan", ALL_TERMS),
    "infogan-clustering": ("infogan", CLUSTERED),
    "info_bigbigan-clustering": ("info_bigbigan", CLUSTERED),
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

# Steps that are compared eagerly, in a graph and by XLA: of every model and with every penalty and
# optimizer. The script benchmarks/xla.py compiles larger ones.
SLOWER = {"clustering_learning_rate": 1e-5}  # Adam's first steps amplify differences of rounding
UNMIXED = {"style_mixing": 0.0}  # the second latents are drawn
COMPUTED_WITH = {
    "infogan": ALL_TERMS,
    "info_bigbigan": ALL_TERMS_OF_PAIRS,
    "wgan_gp": {"network": "dcgan", "n_critic": 2},
    "dragan": {"augment": "diffaug", "penalty_interval": 2},
    "beta_vae": {"schedule": "beta:cyclical:0:4"},
    "stylegan": UNMIXED,
    "stylegan2": UNMIXED,
}
COMPUTED = [
    *(
        pytest.param(
            name,
            COMPUTED_WITH.get(name, {}),
            id=name,
            marks=() if name in ("gan", "vae") else pytest.mark.slow,
        )
        for name in NAMES
    ),
    *(
        pytest.param(
            "gan",
            {"network": "mlp", "penalty": penalty, "d_norm": "layer", "augment": "diffaug"},
            id=f"gan-{penalty}",
            marks=pytest.mark.slow,
        )
        for penalty in PENALTIES
    ),
    *(
        pytest.param("gan", {"optimizer": optimizer}, id=f"gan-{optimizer}", marks=pytest.mark.slow)
        for optimizer in OPTIMIZERS
    ),
    *(
        pytest.param(
            "infogan",
            CLUSTERED | changes | SLOWER,
            id="-".join(("infogan", *changes.values())),
            marks=pytest.mark.slow,
        )
        for changes in ({"clustering": "contrastive"}, {"clustering": "iic", "q_trunk": "shared"})
    ),
]


# Each value of each declared choice, in the first model that has it.
BESIDES_OF = {  # what a choice requires
    ("continuous_loss", "gaussian"): {"continuous_codes": 2},
    ("clustering", "contrastive"): CONVOLUTIONS,
    ("clustering", "iic"): CONVOLUTIONS,
    **{
        ("copies", change): {"clustering": "contrastive", **CONVOLUTIONS}
        for change in ("crop", "flip", "light")
    },
    ("copies", "colour"): {
        "clustering": "contrastive", **CONVOLUTIONS, "image_shape": (28, 28, 3)
    },
}  # fmt: skip


def chosen():
    """Yield (model, hyperparameters) for each value of each declared choice."""
    found = set()
    for name, entry in REGISTRY.items():
        for spec in dataclasses.fields(entry.hyperparameters):
            new = [a for a in spec.metadata["alternatives"] or () if (spec.name, a) not in found]
            for value in new:
                found.add((spec.name, value))
                yield name, {spec.name: value, **BESIDES_OF.get((spec.name, value), {})}


CHOSEN = [
    pytest.param(name, variant, id="-".join(next(iter(variant.items()))), marks=pytest.mark.slow)
    for name, variant in chosen()
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
