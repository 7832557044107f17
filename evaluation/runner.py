"""Runner of the metrics, for evaluate.py, study.py and evaluations during training."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

import fields
from data import ImageData
from errors import UserError, near
from evaluation import families, features
from evaluation.context import Context, Stopwatch
from evaluation.features import Extractor
from evaluation.metric import Features, Metric
from evaluation.options import MeasureOptions
from evaluation.reference import Reference, clean_feature_statistics, feature_statistics
from evaluation.subject import Subject
from metrics.measurement import Measurement, MetricError
from waiting import waiting


def load_reference(data: ImageData, request: MeasureOptions, prefix: str = "") -> Reference:
    """Return the reference images and, if a wanted metric requires it, the feature network.

    Args:
        data: the data set.
        request: options of the measurement.
        prefix: prefix of the option names in errors.

    Raises:
        UserError: the metrics, the features or the baselines are invalid for the data set.
    """
    if request.baselines and (request.split == "train" or data.test is None):
        raise UserError(
            "requires test images; set --split=test and a data set with test images", "baselines"
        )
    if request.baselines and request.num_samples > len(data.train.images):
        raise UserError(
            f"expected at most {len(data.train.images)}, the number of training images, with "
            f"baselines, got {request.num_samples}",
            "num_samples",
        )
    extractor, wanted = None, fields.listed(request.metrics)
    if not wanted or set(wanted) - set(families.named(None)):
        extractor = load_extractor(data, request.features, f"{prefix}features")
    reference = Reference(data, request.split, extractor, prefix)
    wanted_metrics(request, reference)
    return reference


def load_extractor(data: ImageData, name: str, option: str) -> Extractor:
    """Load a feature network; report an error under `option`."""
    try:
        with waiting("loading the feature network"):
            return features.load(name, data)
    except UserError as error:
        raise UserError(f"{name}: {error}", option) from None


def wanted_metrics(request: MeasureOptions, reference: Reference) -> dict[str, Metric]:
    """Return the selected metrics, by default all, by name.

    Raises:
        UserError: a metric is unknown or belongs to another feature network.
    """
    network = reference.extractor.name if reference.extractor else None
    prefix = reference.prefix
    known = families.named(network)
    wanted = fields.listed(request.metrics) or list(known)
    for name in wanted:
        if name in known:
            continue
        if networks := families.networks_of(name):
            raise UserError(
                f"{name} requires {prefix}features={networks[0]}, got {network}",
                f"{prefix}metrics",
            )
        hint = near(name, known) or f"; there are {', '.join(known)}"
        raise UserError(f"no such metric: {name}{hint}", f"{prefix}metrics")
    return {name: known[name] for name in wanted}


def count_of_real_features(reference: Reference, wanted: Iterable[Metric]) -> int:
    """Compute the features of the reference images for the metrics; return the number of images.

    Raises:
        UserError: a feature is not finite.
    """
    of_features = (metric for metric in wanted if metric.features is not Features.NONE)
    clean = {metric.features is Features.CLEAN for metric in of_features}
    try:
        if False in clean:
            reference.shared(feature_statistics)
        if True in clean:
            reference.shared(clean_feature_statistics)
        return len(reference.images.images)
    except MetricError as error:
        option = f"{reference.prefix}features"
        raise UserError(f"{reference.extractor.name}: {error}", option) from None


def measure(
    subject: Subject,
    reference: Reference,
    wanted: Mapping[str, Metric],
    request: MeasureOptions,
    watch: Stopwatch | None = None,
) -> tuple[dict[str, Measurement], Context]:
    """Return the measurements by name, and the context of the first evaluation seed.

    Samples are drawn once per evaluation seed; metrics independent of it are measured once.
    """
    watch = watch or Stopwatch()
    of_seeds: dict[str, list[Measurement]] = {name: [] for name in wanted}
    n = min(request.num_samples, subject.count or request.num_samples)
    first, number = None, 0
    total = sum(1 + (len(request.seeds) - 1) * metric.seeded for metric in wanted.values())
    for seed in request.seeds:
        context = Context(
            subject,
            reference,
            wanted,
            n=n,
            seed=seed,
            likelihood_samples=request.likelihood_samples,
            watch=watch,
        )
        for name, metric in wanted.items():
            if metric.seeded or first is None:
                number += 1
                with waiting(f"{subject.name}: {name} ({number} of {total})"):
                    of_seeds[name].append(measure_one(context, name))
        first = first or context
    measured = {
        name: over_seeds(found, request.seeds) if wanted[name].seeded else found[0]
        for name, found in of_seeds.items()
    }
    return measured, first


def measure_one(context: Context, name: str) -> Measurement:
    """Measure one metric; if it is not defined, return None as the value, with the reason."""
    metric, reference = context.wanted[name], context.reference
    try:
        if reason := context.missing(name):
            raise MetricError(reason)
        with context.watch.stage(metric.stage):
            found = metric.measure(context)
    except MetricError as error:
        found = Measurement(None, {"reason": str(error)})
    if not metric.samples:
        return found
    network = context.extractor_of(metric)
    about = network.protocol if network else {}
    protocol = {**reference.protocol, "n_fake": context.n, **about}
    return Measurement(found.value, {**protocol, **found.protocol})


def undefined(measured: Mapping[str, Measurement]) -> dict[str, str]:
    """Return the reasons of the metrics without a value, by name."""
    return {n: m.protocol["reason"] for n, m in measured.items() if m.value is None}


def over_seeds(measurements: Sequence[Measurement], seeds: Sequence[int]) -> Measurement:
    """Return the median over evaluation seeds.

    The protocol lists the values of all seeds, and other entries that differ between seeds, with
    None for a missing entry. The median is None if the value of a seed is missing.
    """
    if len(measurements) == 1:
        return Measurement(measurements[0].value, {**measurements[0].protocol, "seed": seeds[0]})
    values = [measurement.value for measurement in measurements]
    if None in values:
        lacking = measurements[values.index(None)]
        return Measurement(None, {**lacking.protocol, "seeds": list(seeds)})
    protocol = {}
    for key in dict.fromkeys(key for m in measurements for key in m.protocol):
        found = [measurement.protocol.get(key) for measurement in measurements]
        protocol[key] = found[0] if all(x == found[0] for x in found) else found
    protocol |= {"seeds": list(seeds), "values": values}
    return Measurement(statistics.median(values), protocol)
