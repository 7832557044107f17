"""Validation losses and active units of the posterior, on the reference images."""

import math

import numpy as np

from evaluation.metric import LIKELIHOOD, LOWER, NEITHER, Family
from evaluation.reference import BATCH, in_batches, over_batches
from metrics.measurement import Measurement
from metrics.moments import finite
from models.abilities import POSTERIOR, VALIDATION

RECONSTRUCTION_LOSS, KL_LOSS, ACTIVE_UNITS = "reconstruction_loss", "kl_loss", "active_units"
POSTERIORS = Family("posteriors", order=10, table=LIKELIHOOD, seeded=False)


def losses(context) -> dict[str, float]:
    """Return the means of the model's validation losses over the reference images, by name."""
    import tensorflow as tf

    split = context.reference.images
    dataset = tf.data.Dataset.from_generator(
        lambda: in_batches(split),
        output_signature=tf.TensorSpec([None, *split.images.shape[1:]], tf.uint8),
    )
    batches = math.ceil(len(split.images) / BATCH)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(batches))
    found = context.model.evaluate(dataset, return_dict=True, verbose=0)
    return {name: float(value) for name, value in found.items()}


def protocol(context) -> dict:
    """Return the protocol entries of these metrics."""
    return {**context.reference.protocol, "seed": context.model.seed}


def loss(context, name: str) -> Measurement:
    """Return one validation loss as a measurement."""
    value = float(finite(context.shared(losses)[name]))
    codes = "as encoded" if context.model.lacks(POSTERIOR) else "draws of the posterior"
    return Measurement(value, {**protocol(context), "codes": codes})


@POSTERIORS.metric(
    RECONSTRUCTION_LOSS,
    "reconstruction loss of an autoencoder on the real images, summed over pixels and channels",
    source="Kingma and Welling 2014",
    better=LOWER,
    ability=VALIDATION,
)
def reconstruction_loss(context):
    return loss(context, RECONSTRUCTION_LOSS)


@POSTERIORS.metric(
    KL_LOSS,
    "KL divergence of the posterior of the real images from the prior, summed over latent "
    "dimensions, in nats",
    source="Kingma and Welling 2014",
    better=NEITHER,
    ability=POSTERIOR,
)
def kl_loss(context):
    return loss(context, KL_LOSS)


@POSTERIORS.metric(
    ACTIVE_UNITS,
    "number of latent dimensions with a mean KL divergence above 0.01 nats (Burda et al. 2016 use "
    "the variance of the means instead); the protocol lists the KL divergence of each",
    better=NEITHER,
    ability=POSTERIOR,
)
def active_units(context):
    from models.base import ACTIVE

    kl = finite(over_batches(context.model.posterior_kl, context.reference.images)).mean(axis=0)
    active = int((kl > ACTIVE).sum())
    collapsed = {} if active else {"collapsed": True}
    each = np.sort(kl)[::-1].round(4).tolist()
    facts = {"dimensions": len(kl), "above": ACTIVE, **collapsed, "kl_of_dimensions": each}
    return Measurement(float(active), {**protocol(context), **facts})
