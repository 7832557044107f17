"""Dependence of measured factors of the samples, and of their class, on the continuous codes."""

import collections
import functools

import numpy as np

import plotting
from evaluation.metric import CODES, HIGHER, NEITHER, Family, Features
from evaluation.reference import counted
from metrics import factors
from metrics.measurement import Measurement, MetricError
from models.abilities import CONTINUOUS_CODES

FACTORS = Family("factors", order=10, table=CODES, ability=CONTINUOUS_CODES)
CHANGED = 1000  # maximum number of samples whose codes are changed
CORRELATIONS = {name: f"{name}_correlation" for name in factors.FACTORS}  # metric of each factor
REQUIRED = {1: "gray images with light strokes on a dark background", 3: "colour images"}
CLASS_CHANGE, GAP = "class_change", "mutual_information_gap"


def latents(context) -> dict:
    """Return the latents of the samples, name -> [n, d]."""
    return context.model.latents.draw(context.n, context.seed)


def measured(context) -> dict[str, np.ndarray]:
    """Return the factors of the samples that the wanted metrics require, name -> [n].

    Each factor requires gray or colour images, the class a classifier of the data set.
    """
    gap, channels = context.wants(GAP), context.reference.data.image_shape[-1]
    measures = {
        name: factor.measure
        for name, factor in factors.FACTORS.items()
        if factor.channels == channels and (gap or context.wants(CORRELATIONS[name]))
    }
    if gap and context.reference.has_classifier:
        measures["class"] = context.extractor.classes
    found = collections.defaultdict(list)
    drawn = context.shared(latents)
    batches = context.model.generate_batches(drawn) if measures else ()
    batches = counted(batches, context.n, "samples")
    for images in map(plotting.to_uint8, batches):
        for name, measure in measures.items():
            found[name].append(measure(images))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def best_correlation(context, name: str) -> Measurement:
    """Return the largest absolute correlation of a code with a factor."""
    values, factor = context.shared(measured), factors.FACTORS[name]
    if name not in values:
        raise MetricError(f"{name} requires {REQUIRED[factor.channels]}")
    codes = np.asarray(context.shared(latents)[CONTINUOUS_CODES.latent])
    correlations = factors.circular_correlations if factor.angle else factors.rank_correlations
    each = correlations(codes, values[name])
    best = int(np.argmax(np.abs(each)))
    protocol = {"n_fake": len(values[name]), "code": best, "correlations": each}
    return Measurement(abs(each[best]), protocol)


for _name, _factor in factors.FACTORS.items():
    FACTORS.metric(
        CORRELATIONS[_name],
        f"largest absolute {_factor.correlation} of a continuous code with the {_factor.meaning}; "
        "codes.png shows each code",
        better=HIGHER,
    )(functools.partial(best_correlation, name=_name))


@FACTORS.metric(
    CLASS_CHANGE,
    "share of samples whose class changes when a continuous code changes from -1 to 1",
    better=NEITHER,
    features=Features.CLASSIFIER,
)
def class_change(context):
    """Measure the mean over the codes, for up to CHANGED samples, with other latents fixed."""
    from models.latents import with_code

    few = {name: part[:CHANGED] for name, part in context.shared(latents).items()}
    n, codes = few[CONTINUOUS_CODES.latent].shape

    def classes(code: int, value: float) -> np.ndarray:
        images = plotting.to_uint8(context.model.generate(with_code(few, code, value)))
        return context.extractor.classes(images)

    shares = [float((classes(k, -1.0) != classes(k, 1.0)).mean()) for k in range(codes)]
    protocol = {"n_fake": n, **context.features_protocol, "shares": shares}
    return Measurement(float(np.mean(shares)), protocol)


@FACTORS.metric(
    GAP,
    "(I(best code; factor) - I(second-best code; factor)) / H(factor), mean over the factors of "
    "these correlations and, with a classifier of the data set, class",
    source="Chen et al. 2018",
    better=HIGHER,
    features=Features.OPTIONAL,
)
def mutual_information_gap(context):
    drawn, values = context.shared(latents), context.shared(measured)
    codes = np.asarray(drawn[CONTINUOUS_CODES.latent])
    known = {name: np.argmax(drawn[name], 1) for name in context.model.latents.categorical}
    known |= {f"code {k}": factors.binned(code) for k, code in enumerate(codes.T)}
    if len(known) < 2:
        raise MetricError("requires two codes")
    if not values:
        raise MetricError("requires gray or colour images, or a classifier of the data set")
    targets = {n: v if n == "class" else factors.binned(v) for n, v in values.items()}
    gap, gaps = factors.mutual_information_gap(known, targets)
    network = context.features_protocol if "class" in values else {}
    return Measurement(gap, {"n_fake": len(codes), "bins": factors.BINS, **network, "gaps": gaps})
