"""Measuring a model: its samples beside real images, its codes beside labels."""

import collections
import contextlib
import functools
import hashlib
import json
import math
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence

import keras
import numpy as np
import scipy.ndimage
import tensorflow as tf

import plotting
from data import ImageData, Split
from errors import UserError
from evaluation import features
from evaluation.features import NAMES, Extractor
from evaluation.features.statistics import FeatureStatistics
from fields import near
from metrics import (
    factors,
    likelihood,
    neighbours,
    path_length,
    reconstruction,
    representation,
)
from metrics.comparison import Comparison, compare, metrics_in
from metrics.measurement import Measurement, MetricError
from metrics.moments import finite
from metrics.pixels import PixelStatistics, pixel_statistics
from models.abilities import (
    CATEGORICAL_CODE,
    CLASS_CONDITIONAL,
    CONTINUOUS_CODES,
    ENCODE,
    LIKELIHOOD,
    POSTERIOR,
    RECONSTRUCT,
    STYLES,
    VALIDATION,
    Ability,
)
from models.base import ACTIVE, GenerativeModel, to_unit_range
from models.latents import CATEGORY, CONTINUOUS, between, with_code
from storage.cache import cache_directory

PIXELS = ("pixel_mean", "pixel_std", "pixel_distance", "distinct_share", "copied_share")
CONDITIONS = ("conditional_accuracy",)
STROKES = ("slant_correlation", "thickness_correlation")
FACTORS = (*STROKES, "class_change", "mutual_information_gap")
RECONSTRUCTIONS = (
    "reconstruction_error",
    "reconstruction_feature_distance",
    "reconstruction_accuracy",
)
CODES = ("knn1_accuracy", "knn3_accuracy", "linear_probe_accuracy")
CLUSTERS = ("cluster_accuracy", "nmi", "ari")
LOSSES = ("reconstruction_loss", "kl_loss")
POSTERIORS = (*LOSSES, "active_units")
LIKELIHOODS = ("elbo", "importance_weighted_bound", "bits_per_dimension")
ANYWHERE = (*CODES, *CLUSTERS, *POSTERIORS, *LIKELIHOODS)  # of any images, without features
OTHERS = (*CONDITIONS, *FACTORS, *RECONSTRUCTIONS, *ANYWHERE)  # than of samples
PATHS = 1000  # paths between latents whose length is measured
SHOWN = 1000  # samples whose nearest training images are looked for
BATCH = 250
FORMAT = 1  # of the cached statistics: raise it when they change

Draw = Callable[[int, int], Iterable[np.ndarray]]
"""(n, seed) -> batches of uint8 images [b, h, w, c], n in all."""


def sample_metrics(extractor: Extractor | None) -> tuple[str, ...]:
    """The metrics of samples, in the order of the table; without an extractor those of pixels."""
    return (*(metrics_in(extractor.name) if extractor else ()), *PIXELS)


def all_metrics(extractor: Extractor | None) -> tuple[str, ...]:
    """Those of samples, and OTHERS; without an extractor, those that need none."""
    if extractor:
        return (*sample_metrics(extractor), *path_metrics(extractor), *OTHERS)
    return (*sample_metrics(extractor), *STROKES, RECONSTRUCTIONS[0], *ANYWHERE)


def path_metrics(extractor: Extractor | None) -> tuple[str, ...]:
    """The one of paths between latents, which is named after the features."""
    return (f"path_length_{extractor.name}",) if extractor else ()


def load_extractor(flag: str, name: str, data: ImageData) -> Extractor:
    """The feature network that a flag names, for a data set.

    Raises:
        UserError: it cannot be had.
    """
    try:
        return features.load(name, data.name, data.fingerprint, data.image_shape)
    except UserError as error:
        raise UserError(f"{flag}={name}: {error}") from None


def check_metrics(
    flag: str, wanted: Sequence[str], known: Sequence[str], extractor: Extractor | None
) -> None:
    """Raises UserError if a metric that a flag names is not among the known ones."""
    for name in wanted:
        if name in known:
            continue
        networks = [
            network
            for network in NAMES
            if name in metrics_in(network) and network not in ("auto", "classifier")
        ]
        if networks and extractor:
            raise UserError(
                f"{flag}={name}: it is measured in the features {networks[0]}, and these are "
                f"{extractor.name}; take {flag.replace('metrics', 'features')}={networks[0]}"
            )
        raise UserError(
            f"{flag}={name}: no such metric"
            + (near(name, known) or f"; there are {', '.join(known)}")
        )


class Stopwatch:
    """Seconds spent by stage."""

    def __init__(self):
        self.seconds = collections.Counter()

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


class RealImages:
    """What samples are held against: a split of a data set, train where there is no test.

    Attributes:
        split: its name, "test" or "train".
        images: the split.
        train: the training split, which no sample should copy.
    """

    def __init__(self, data: ImageData, split: str, extractor: Extractor | None):
        self.data, self.extractor = data, extractor
        self.split = split if data.test else "train"
        self.images = data.test if self.split == "test" else data.train

    @functools.cached_property
    def pixels(self) -> PixelStatistics:
        pixels = PixelStatistics()
        for batch in in_batches(self.images):
            pixels.update(batch)
        return pixels

    @functools.cached_property
    def statistics(self) -> FeatureStatistics:
        """What the extractor sees in the split; from the cache if it has been there before."""
        content = [FORMAT, self.data.fingerprint, self.split, list(self.images.images.shape)]
        content += [self.extractor.name, self.extractor.sha256, self.extractor.resizing]
        key = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        path = cache_directory() / "statistics" / f"{key}.npz"
        damaged = (EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile)
        with contextlib.suppress(OSError, *damaged):
            return FeatureStatistics.load(self.extractor, path)

        # In random order: of a large split the first features stand for all.
        statistics = FeatureStatistics(self.extractor, len(self.images.images))
        for batch in in_batches(self.images, seed=0):
            statistics.update(batch)
        with contextlib.suppress(OSError, MetricError):  # of one image there is no covariance
            statistics.save(path)
        return statistics


def in_batches(
    split: Split, seed: int | None = None, most: int | None = None
) -> Iterator[np.ndarray]:
    """The images of a split, or the first `most` of them, in their order or that of a seed."""
    order = np.arange(len(split.images))
    if seed is not None:
        order = np.random.default_rng(seed).permutation(order)
    order = order[:most]
    for start in range(0, len(order), BATCH):
        yield np.asarray(split.images[order[start : start + BATCH]])


def samples_of(model: GenerativeModel) -> Draw:
    """A model's samples as `Draw`."""
    return lambda n, seed: map(plotting.to_uint8, model.sample_batches(n, seed))


def baselines(train: Split) -> dict[str, Draw]:
    """What samples may be held beside, by name: training images, blurred ones, and noise."""

    def images(n: int, seed: int) -> Iterator[np.ndarray]:
        return in_batches(Split(train.images), seed, n)

    def blurred(n: int, seed: int) -> Iterator[np.ndarray]:
        return (scipy.ndimage.gaussian_filter(batch, (0, 1, 1, 0)) for batch in images(n, seed))

    def noise(n: int, seed: int) -> Iterator[np.ndarray]:
        random, shape = np.random.default_rng(seed), train.images.shape[1:]
        for start in range(0, n, BATCH):
            yield random.integers(0, 256, (min(BATCH, n - start), *shape), np.uint8)

    return {"training images": images, "blurred": blurred, "uniform noise": noise}


def neighbours_grid(samples: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Ten samples, each before its nearest training images: uint8 [H, W, c]."""
    samples = samples[:10]
    indices, _ = neighbours.nearest(samples, train, min(8, len(train)))
    rows = [
        np.concatenate([samples[k : k + 1], train[nearest]]) for k, nearest in enumerate(indices)
    ]
    labels = ["sample", *range(1, indices.shape[1] + 1)]
    return plotting.grid(np.concatenate(rows), columns=len(labels), column_labels=labels)


def measure_samples(
    draw: Draw, n: int, seed: int, real: RealImages, wanted: Sequence[str], watch: Stopwatch
) -> tuple[dict[str, Measurement], np.ndarray]:
    """The wanted ones of the metrics of n samples, and the first SHOWN samples."""
    apart = (*OTHERS, *PIXELS, *path_metrics(real.extractor))
    in_features = [name for name in wanted if name not in apart]
    if in_features:
        with watch.stage("features of real images"):
            statistics, known = FeatureStatistics(real.extractor, n), real.statistics
    pixels, shown = PixelStatistics(), []
    batches = iter(draw(n, seed))
    while True:
        with watch.stage("sampling"):
            images = next(batches, None)
        if images is None:
            break
        if in_features:
            with watch.stage("features of samples"):
                statistics.update(images)
        with watch.stage("pixels"):
            pixels.update(images)
        if sum(map(len, shown)) < SHOWN:
            shown.append(images)
    shown = np.concatenate(shown)[:SHOWN]
    found = {}
    if in_features:
        with watch.stage("distances"):
            found |= compare(Comparison(statistics, known, seed), in_features)
    if set(wanted) & set(PIXELS):
        with watch.stage("pixels"):
            found |= pixel_statistics(pixels, real.pixels)
    if "copied_share" in wanted:
        with watch.stage("neighbours"):
            found["copied_share"] = copied_share(shown, real)
    protocol = {"split": real.split, "n_real": len(real.images.images), "n_fake": n}
    metrics = {
        name: Measurement(
            metric.value, {**protocol, **features_protocol(name, real), **metric.protocol}
        )
        for name, metric in found.items()
        if name in wanted
    }
    return metrics, shown


def features_protocol(name: str, real: RealImages) -> dict[str, str]:
    """What a metric in features says of their network."""
    if name in PIXELS:
        return {}
    extractor = real.extractor
    return {
        "features": extractor.name,
        "features_sha256": extractor.sha256,
        "resizing": extractor.resizing,
    }


def copied_share(shown: np.ndarray, real: RealImages) -> Measurement:
    """The share of samples that copy a training image, if there are images not learnt from."""
    try:
        if real.split == "train":
            raise MetricError("needs images that were not learnt from")
        unseen = np.concatenate(list(in_batches(real.images, seed=0, most=SHOWN)))
        return neighbours.copied_share(shown, real.data.train.images, unseen)
    except MetricError as error:
        return Measurement(None, {"reason": str(error)})


def measure_conditions(
    model: GenerativeModel, n: int, seed: int, real: RealImages, watch: Stopwatch
) -> dict[str, Measurement]:
    """How many of n samples, as many of each class, a classifier takes for the class that was asked
    for; without a value, and with the reason, where the model is told none."""
    name, classes = CONDITIONS[0], real.data.num_classes
    try:
        labels = np.arange(n) % max(classes, 1)
        refuse_without(CLASS_CONDITIONAL, model)
        latents = model.draw_latents(n, seed, labels)
        refuse_without_classes(name, real)
        right = 0
        with watch.stage("samples of classes"):
            for images in map(plotting.to_uint8, model.generate_batches(latents)):
                asked, labels = labels[: len(images)], labels[len(images) :]
                right += int((real.extractor.classes(images) == asked).sum())
    except MetricError as error:
        return {name: Measurement(None, {"reason": str(error)})}
    return {name: Measurement(right / n, {"n_fake": n, **features_protocol(name, real)})}


def measure_paths(
    model: GenerativeModel, seed: int, real: RealImages, watch: Stopwatch
) -> dict[str, Measurement]:
    """The perceptual path length, of PATHS pairs of latents: in w, straight, of a model with
    styles; else in the noise, on the great circle if that is normal, all other latents being the
    first ones'. In float32: the step is below the rounding of 16 bits."""
    (name,) = path_metrics(real.extractor)
    model = in_float32(model)
    starts, ends = (model.latents.draw(PATHS, [seed, k]) for k in (0, 1))
    t = tf.random.stateless_uniform([PATHS, 1], [seed, 2])
    if not model.lacks(STYLES):
        w, w_end = model.styles(starts), model.styles(ends)

        def images_at(t):
            return model.images_of_styles(between(w, w_end, t[..., None], "linear"))

        space = "w"
    else:
        path = model.latents.path("noise")

        def images_at(t):
            z = between(starts["noise"], ends["noise"], t, path)
            return model.generate(starts | {"noise": z})

        space = "z"
    try:
        with watch.stage("paths"):
            # Rounded to bytes most images would be the same at both ends.
            found = [
                real.extractor(127.5 * (images_at(place) + 1.0))[0]
                for place in (t, t + path_length.EPSILON)
            ]
            metric = path_length.path_length(*found)
    except MetricError as error:
        return {name: Measurement(None, {"reason": str(error)})}
    told = {"space": space, "precision": "off", **features_protocol(name, real)}
    return {name: Measurement(metric.value, {**metric.protocol, **told})}


def in_float32(model: GenerativeModel) -> GenerativeModel:
    """The model, or of one that computes in 16 bits a copy that does not."""
    if model.compute_dtype == "float32":
        return model
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        copy = type(model).from_config(model.get_config())
    finally:
        keras.config.set_dtype_policy(policy)
    state = model.state()
    for name, part in copy.state().items():
        for own, given in zip(tf.nest.flatten(part), tf.nest.flatten(state[name]), strict=True):
            own.assign(given)
    return copy


def measure_factors(
    model: GenerativeModel,
    n: int,
    seed: int,
    real: RealImages,
    wanted: Sequence[str],
    watch: Stopwatch,
) -> dict[str, Measurement]:
    """The wanted ones of what n samples say of the meaning of the continuous codes; without a
    value, and with the reason, where there are no codes, or a factor cannot be measured."""
    chosen = [name for name in wanted if name in FACTORS]
    if reason := model.lacks(CONTINUOUS_CODES):
        return {name: Measurement(None, {"reason": reason}) for name in chosen}
    latents, metrics = model.latents.draw(n, seed), {}
    with watch.stage("factors"):
        measured = factors_of_samples(model, latents, real, chosen)
        measures = {
            "slant_correlation": functools.partial(best_correlation, latents, measured, "slant"),
            "thickness_correlation": functools.partial(
                best_correlation, latents, measured, "thickness"
            ),
            "class_change": functools.partial(class_change, model, latents, real),
            "mutual_information_gap": functools.partial(information_gap, latents, measured, real),
        }
        for name in chosen:
            try:
                metrics[name] = measures[name]()
            except MetricError as error:
                metrics[name] = Measurement(None, {"reason": str(error)})
    return metrics


def has_classes(real: RealImages) -> bool:
    """Whether the feature network is a classifier of the data set."""
    return real.extractor is not None and real.extractor.classes_of == real.data.name


def refuse_without(ability: Ability, model: GenerativeModel) -> None:
    """Raises MetricError if the model lacks an ability."""
    if reason := model.lacks(ability):
        raise MetricError(reason)


def refuse_without_classes(name: str, real: RealImages) -> None:
    """Raises MetricError unless the feature network is a classifier of the data set."""
    if not has_classes(real):
        raise MetricError(
            f"{name} needs a classifier of {real.data.name}; take --features=classifier"
        )


def factors_of_samples(
    model: GenerativeModel,
    latents: dict[str, tf.Tensor],
    real: RealImages,
    chosen: Sequence[str],
) -> dict[str, np.ndarray]:
    """What of the samples of some latents the chosen metrics need, [n] each, of what there is: the
    slant and the thickness of gray images, and the class."""
    gap = "mutual_information_gap" in chosen
    measures = {
        name: measure
        for name, measure in factors.FACTORS.items()
        if real.data.image_shape[-1] == 1 and (gap or f"{name}_correlation" in chosen)
    }
    if gap and has_classes(real):
        measures["class"] = real.extractor.classes
    found = collections.defaultdict(list)
    for images in map(plotting.to_uint8, model.generate_batches(latents) if measures else ()):
        for name, measure in measures.items():
            found[name].append(measure(images))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def best_correlation(
    latents: dict[str, tf.Tensor], measured: dict[str, np.ndarray], factor: str
) -> Measurement:
    """The largest absolute rank correlation of a code with a factor."""
    if factor not in measured:
        raise MetricError(f"the {factor} is measured in gray images, light on dark")
    each = factors.rank_correlations(np.asarray(latents[CONTINUOUS]), measured[factor])
    best = int(np.argmax(np.abs(each)))
    return Measurement(
        abs(each[best]), {"n_fake": len(measured[factor]), "code": best, "correlations": each}
    )


def information_gap(
    latents: dict[str, tf.Tensor], measured: dict[str, np.ndarray], real: RealImages
) -> Measurement:
    """The mutual information gap of the codes and what was measured in their images."""
    codes = np.asarray(latents[CONTINUOUS])
    known = {n: np.argmax(part, 1) for n, part in latents.items() if n.startswith(CATEGORY)}
    known |= {f"code {k}": factors.binned(code) for k, code in enumerate(codes.T)}
    if len(known) < 2:
        raise MetricError("mutual_information_gap needs two codes")
    if not measured:
        raise MetricError("mutual_information_gap needs gray images or a classifier of them")
    told = {n: v if n == "class" else factors.binned(v) for n, v in measured.items()}
    gap, gaps = factors.mutual_information_gap(known, told)
    network = features_protocol("class", real) if "class" in measured else {}
    return Measurement(gap, {"n_fake": len(codes), "bins": factors.BINS, **network, "gaps": gaps})


def class_change(
    model: GenerativeModel, latents: dict[str, tf.Tensor], real: RealImages
) -> Measurement:
    """The share of samples whose class is another when a continuous code goes from -1 to 1, all
    else fixed: the mean over the codes, of up to SHOWN samples each."""
    refuse_without_classes("class_change", real)
    few = {name: part[:SHOWN] for name, part in latents.items()}
    n, codes = few[CONTINUOUS].shape

    def classes(code: int, value: float) -> np.ndarray:
        images = plotting.to_uint8(model.generate(with_code(few, code, value)))
        return real.extractor.classes(images)

    shares = [float((classes(k, -1.0) != classes(k, 1.0)).mean()) for k in range(codes)]
    protocol = {"n_fake": n, **features_protocol("class_change", real), "shares": shares}
    return Measurement(float(np.mean(shares)), protocol)


def measure_reconstructions(
    model: GenerativeModel, real: RealImages, wanted: Sequence[str], watch: Stopwatch
) -> dict[str, Measurement]:
    """The wanted ones of how near the model's reconstructions are to the real images; without a
    value, and with the reason, where it makes none, or there are no such features or labels."""
    chosen = [name for name in wanted if name in RECONSTRUCTIONS]
    labels, lacking = real.images.labels, {}
    if "reconstruction_accuracy" in chosen:
        try:
            refuse_without_classes("reconstruction_accuracy", real)
            if labels is None:
                raise MetricError(f"{real.data.name} has no labelled {real.split} images")
        except MetricError as error:
            chosen.remove("reconstruction_accuracy")
            lacking = {"reconstruction_accuracy": Measurement(None, {"reason": str(error)})}
    found = collections.defaultdict(list)
    try:
        if chosen or lacking:
            refuse_without(RECONSTRUCT, model)
        with watch.stage("reconstructions"):
            for images in in_batches(real.images) if chosen else ():
                y = np.asarray(model.reconstruct(to_unit_range(tf.constant(images))))
                for name, values in compare_reconstructions(images, y, chosen, real).items():
                    found[name].append(values)
    except MetricError as error:
        return dict.fromkeys([*chosen, *lacking], Measurement(None, {"reason": str(error)}))
    metrics = {}
    protocol = {"split": real.split, "n_real": len(real.images.images)}
    for name, parts in found.items():
        values = np.concatenate(parts)
        if name == "reconstruction_accuracy":
            values = values == labels
        network = {} if name == "reconstruction_error" else features_protocol(name, real)
        metrics[name] = Measurement(float(np.mean(values)), {**protocol, **network})
    return metrics | lacking


def compare_reconstructions(
    images: np.ndarray, y: np.ndarray, chosen: Sequence[str], real: RealImages
) -> dict[str, np.ndarray]:
    """For each chosen metric of reconstructions y in [-1, 1] of uint8 images: [n]; for their
    accuracy the classes that they are taken for.

    Raises:
        MetricError: a reconstruction is not finite.
    """
    x = to_unit_range(tf.constant(images)).numpy()
    found = {"reconstruction_error": reconstruction.squared_errors(x, y)}
    if set(chosen) - set(found):
        features, logits = real.extractor(plotting.to_uint8(y))
        if "reconstruction_feature_distance" in chosen:
            found["reconstruction_feature_distance"] = reconstruction.feature_distances(
                real.extractor(images)[0], features
            )
        if "reconstruction_accuracy" in chosen:
            found["reconstruction_accuracy"] = logits.argmax(1)
    return {name: found[name] for name in chosen}


def measure_codes(
    model: GenerativeModel, data: ImageData, wanted: Sequence[str], watch: Stopwatch
) -> dict[str, Measurement]:
    """The wanted ones of the metrics of codes, beside the labels of the test images; without a
    value, and with the reason, where the model gives no such code or the images no labels."""
    metrics = {}
    for group, measure in ((CODES, code_metrics), (CLUSTERS, cluster_metrics)):
        chosen = [name for name in wanted if name in group]
        if not chosen:
            continue
        try:
            if not data.test or data.test.labels is None:
                raise MetricError(f"{data.name} has no labelled test images")
            with watch.stage("codes"):
                metrics |= measure(model, data, chosen)
        except MetricError as error:
            metrics |= {name: Measurement(None, {"reason": str(error)}) for name in chosen}
    return metrics


def code_metrics(
    model: GenerativeModel, data: ImageData, chosen: Sequence[str]
) -> dict[str, Measurement]:
    """How well labels can be read off the encodings: of the test images, from those of the
    training images."""
    refuse_without(ENCODE, model)
    test = over_batches(model.encode, data.test)
    train = over_batches(model.encode, data.train)
    measures = {
        "knn1_accuracy": functools.partial(representation.knn_accuracy, k=1),
        "knn3_accuracy": functools.partial(representation.knn_accuracy, k=3),
        "linear_probe_accuracy": representation.linear_probe_accuracy,
    }
    protocol = {"n_train": len(train), "n_test": len(test), "code_dimension": train.shape[1]}
    metrics = {}
    for name in chosen:
        metric = measures[name](train, data.train.labels, test, data.test.labels)
        metrics[name] = Measurement(metric.value, {**protocol, **metric.protocol})
    return metrics


def cluster_metrics(
    model: GenerativeModel, data: ImageData, chosen: Sequence[str]
) -> dict[str, Measurement]:
    """How the categorical code of the test images agrees with their labels."""
    refuse_without(CATEGORICAL_CODE, model)
    logits = over_batches(model.code_logits, data.test)
    found = representation.clustering(
        logits.argmax(1), data.test.labels, logits.shape[1], data.num_classes
    )
    return {
        name: Measurement(found[name].value, {"n_test": len(logits), **found[name].protocol})
        for name in chosen
    }


def losses_of(model: GenerativeModel, split: Split) -> dict[str, float]:
    """The means of `validate` over the images of a split, by name."""
    dataset = tf.data.Dataset.from_generator(
        lambda: in_batches(split),
        output_signature=tf.TensorSpec([None, *split.images.shape[1:]], tf.uint8),
    )
    batches = math.ceil(len(split.images) / BATCH)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(batches))
    return {k: float(v) for k, v in model.evaluate(dataset, return_dict=True, verbose=0).items()}


def measure_posteriors(
    model: GenerativeModel, real: RealImages, wanted: Sequence[str], watch: Stopwatch
) -> dict[str, Measurement]:
    """The wanted ones of the losses of the real images and of what their posterior says of its
    dimensions; without a value, and with the reason, where there are none."""
    chosen = [name for name in wanted if name in POSTERIORS]
    if not chosen:
        return {}
    metrics = {}
    protocol = {"split": real.split, "n_real": len(real.images.images), "seed": model.seed}
    with watch.stage("posteriors"):
        found, reason = {}, model.lacks(VALIDATION)
        if not reason:
            found = losses_of(model, real.images) if set(chosen) & set(LOSSES) else {}
            reason = model.lacks(POSTERIOR)
        codes = {"codes": "draws of the posterior" if "kl_loss" in found else "as encoded"}
        for name in (name for name in chosen if name in LOSSES):
            try:
                if name not in found:
                    raise MetricError(reason)
                metrics[name] = Measurement(float(finite(found[name])), protocol | codes)
            except MetricError as error:
                metrics[name] = Measurement(None, {"reason": str(error)})
        if "active_units" in chosen:
            metrics["active_units"] = active_units(model, real.images, protocol)
    return metrics


def active_units(model: GenerativeModel, split: Split, protocol: dict) -> Measurement:
    """How many dimensions of a posterior have a KL divergence above ACTIVE, on average over the
    images; the protocol has those of all, the greatest first."""
    try:
        refuse_without(POSTERIOR, model)
        kl = finite(over_batches(model.posterior_kl, split)).mean(axis=0)
    except MetricError as error:
        return Measurement(None, {"reason": str(error)})
    active = int((kl > ACTIVE).sum())
    collapsed = {} if active else {"collapsed": True}
    each = np.sort(kl)[::-1].round(4).tolist()
    boundary = {"dimensions": len(kl), "above": ACTIVE}
    return Measurement(
        float(active), {**protocol, **boundary, **collapsed, "kl_of_dimensions": each}
    )


def measure_likelihoods(
    model: GenerativeModel,
    real: RealImages,
    samples: int,
    seed: int,
    wanted: Sequence[str],
    watch: Stopwatch,
) -> dict[str, Measurement]:
    """The wanted ones of the bounds of the real images' likelihood, from so many draws of each
    code; without a value, and with the reason, where the model has none."""
    chosen, lacking = [name for name in wanted if name in LIKELIHOODS], {}
    if chosen and (reason := model.lacks(LIKELIHOOD)):
        return dict.fromkeys(chosen, Measurement(None, {"reason": reason}))
    if "bits_per_dimension" in chosen and not model.likelihood_is_density:
        chosen.remove("bits_per_dimension")
        reason = "bits_per_dimension is of densities, and a Bernoulli variable has none"
        lacking = {"bits_per_dimension": Measurement(None, {"reason": reason})}
    if not chosen:
        return lacking
    try:
        with watch.stage("likelihoods"):
            parts = [
                np.asarray(model.log_weights(to_unit_range(tf.constant(b)), samples, seed))
                for b in in_batches(real.images)
            ]
        weights = np.concatenate(parts, axis=1)
        found = {
            "elbo": likelihood.elbo(weights),
            "importance_weighted_bound": likelihood.importance_weighted_bound(weights),
        }
    except MetricError as error:
        return dict.fromkeys([*chosen, *lacking], Measurement(None, {"reason": str(error)}))
    protocol = {"split": real.split, "n_real": weights.shape[1], "samples": samples, "seed": seed}
    protocol["likelihood"] = model.likelihood
    metrics = {
        n: Measurement(float(v.mean()), {**protocol, "unit": "nats"}) for n, v in found.items()
    }
    bits = likelihood.bits_per_dimension(
        found["importance_weighted_bound"], math.prod(real.data.image_shape)
    )
    metrics["bits_per_dimension"] = Measurement(
        float(bits.mean()), {**protocol, "dequantisation": "none"}
    )
    return {name: metrics[name] for name in chosen} | lacking


def over_batches(function: Callable, split: Split) -> np.ndarray:
    """What a model's function makes of all images of a split: float32 [n, d]."""
    parts = [np.asarray(function(to_unit_range(tf.constant(b)))) for b in in_batches(split)]
    return np.concatenate(parts)
