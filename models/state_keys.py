"""Keys of a model's state; changing a key makes earlier checkpoints unreadable.

The state is name of a part -> its variables: the networks, the optimizer of each player, and OWN,
the model's own variables by their names.
"""

# Networks; GENERATOR, DISCRIMINATOR, ENCODER, Q and Q_CATEGORIES are names of players too.
GENERATOR = "generator"
GENERATOR_EMA = "generator_ema"
DISCRIMINATOR = "discriminator"
ENCODER = "encoder"
ENCODER_EMA = "encoder_ema"
DECODER = "decoder"
Q = "q"
Q_CATEGORIES = "q_categories"
Q_TRUNK = "q_trunk"

AUTOENCODER = "autoencoder"  # the player of ENCODER and DECODER

OWN = "own"

# Names of own variables.
STEP = "step"
K = "k"
PATH_MEAN = "path_mean"
AUGMENT_P = "augment_p"
CODE_MEAN = "code_mean"
CODE_COVARIANCE = "code_covariance"
DIMENSION_KL = "dimension_kl"
IMAGES = "images"
SELECTED_HEADS = "selected_heads"
SELECTION_STEP = "selection_step"

# Old checkpoints store the model's own variables by position, in this order; variables added by
# subclasses come last.
OWN_ORDER = (STEP, K, PATH_MEAN, AUGMENT_P, CODE_MEAN, CODE_COVARIANCE, DIMENSION_KL, IMAGES)


def optimizer(player: str) -> str:
    """Return the key of a player's optimizer."""
    return f"{player}_optimizer"


def own_order(name: str) -> int:
    """Return the sort key of an own variable."""
    return OWN_ORDER.index(name) if name in OWN_ORDER else len(OWN_ORDER)
