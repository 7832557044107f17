"""Perceptual path length of a generator."""

from evaluation.metric import LOWER, SAMPLES, Family, Features
from metrics import path_length
from metrics.measurement import Measurement
from models.abilities import STYLES

PATHS = Family("paths", order=50, table=SAMPLES, published=False)
COUNT = 1000  # number of paths


@PATHS.metric(
    "path_length_{features}",
    "perceptual path length in the normalised features of the network, not of VGG16: squared "
    "distance over epsilon² with epsilon = 1e-4 on 1,000 paths, in w of models with styles, else "
    "in z; the highest and lowest 1 % are dropped",
    source="Karras et al. 2019, section 4.1",
    better=LOWER,
    features=Features.ANY,
)
def perceptual_path_length(context):
    """Measure on linear paths in w, or on paths of the noise that match its prior.

    Other latents are fixed at those of the start. Computed in float32, since epsilon is smaller
    than the rounding error of 16 bits.
    """
    import tensorflow as tf

    model, seed = in_float32(context.model), context.seed
    starts, ends = (model.latents.draw(COUNT, [seed, k]) for k in (0, 1))
    t = tf.random.stateless_uniform([COUNT, 1], [seed, 2])
    space, images_at = ("z", noise_path) if model.lacks(STYLES) else ("w", style_path)
    images_at = images_at(model, starts, ends)
    # Not rounded to uint8: most images would then be equal at both ends.
    features = [
        context.extractor(127.5 * (images_at(place) + 1.0))[0]
        for place in (t, t + path_length.EPSILON)
    ]
    metric = path_length.path_length(*features)
    protocol = {"space": space, "precision": "off", **context.features_protocol}
    return Measurement(metric.value, {**metric.protocol, **protocol})


def style_path(model, starts, ends):
    """Return a function of t in [n, 1] that generates images on linear paths of styles."""
    from models.latents import between

    w, w_end = model.styles(starts), model.styles(ends)
    return lambda t: model.images_of_styles(between(w, w_end, t[..., None], "linear"))


def noise_path(model, starts, ends):
    """Return a function of t in [n, 1] that generates images on paths of the noise."""
    from models.latents import between

    path = model.latents.path("noise")

    def images_at(t):
        z = between(starts["noise"], ends["noise"], t, path)
        return model.generate(starts | {"noise": z})

    return images_at


def in_float32(model):
    """Return the model, or a float32 copy of a model in mixed precision."""
    import tensorflow as tf

    if model.compute_dtype == "float32":
        return model
    copy = type(model).from_config(model.get_config() | {"dtype": "float32"})
    state = model.state()
    for name, own in copy.state().items():  # the copy has no optimizers
        for variable, given in zip(*map(tf.nest.flatten, (own, state[name])), strict=True):
            variable.assign(given)
    return copy
