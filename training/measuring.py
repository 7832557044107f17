"""Evaluations within a training: metrics of samples, and validation losses."""

import time
from collections.abc import Callable

from data import ImageData, Split
from errors import UserError, warn
from evaluation import runner, subject
from evaluation.metric import LOGGED
from evaluation.options import MeasureOptions
from evaluation.reference import Reference
from evaluation.validation import ACTIVE_UNITS, validation_losses
from models.base import ACTIVE, GenerativeModel
from models.scalars import TEST
from training.run_options import RunOptions
from waiting import waiting


def sample_measure(
    options: RunOptions, images: ImageData, model: GenerativeModel, train: Split | None = None
) -> tuple[tuple[str, ...], Callable]:
    """Return the metrics of `eval_every`, and a function without arguments -> value by logged name.

    A trial on the untrained model shows its time and raises an error if a metric is not defined. A
    metric that is not defined later is left out, with a warning. Every call uses the same latents.

    Args:
        options: options of the run.
        images: the data set.
        model: the untrained model.
        train: images that the model is trained on, if they are a part of the training images.

    Raises:
        UserError: a metric or the feature network is unknown, or a metric is not defined.
    """
    request = MeasureOptions(
        metrics=options.eval_metrics,
        features=options.eval_features,
        num_samples=options.eval_samples,
        seed=options.seed,
    )
    reference = runner.load_reference(images, request, prefix="eval_")
    wanted = runner.wanted_metrics(request, reference)
    if not options.eval_metrics:
        wanted = {name: metric for name, metric in wanted.items() if metric.default}
    if reference.extractor:
        start = time.perf_counter()
        count = runner.count_of_real_features(reference, wanted.values())
        print(
            f"{images.name}: {reference.extractor.name} features of {count:,} real images, "
            f"{time.perf_counter() - start:.1f} s"
        )

    measured = subject.of_model("evaluation", model, {}, train=train)
    start = time.perf_counter()
    trial, _ = runner.measure(measured, reference, wanted, request)
    for name, reason in runner.undefined(trial).items():
        count = f" (eval_samples={request.num_samples})" if wanted[name].samples else ""
        raise UserError(f"{name}: {reason}{count}", "eval_metrics")
    seconds = time.perf_counter() - start
    print(f"evaluation takes {seconds:.1f} s, every {options.eval_every:,} steps")
    warned = set()

    def values() -> dict[str, float]:
        found, _ = runner.measure(measured, reference, wanted, request)
        lacking = runner.undefined(found)
        for name, reason in sorted(lacking.items() - warned):
            warn(f"{name} is not logged: {reason}")
        warned.update(lacking.items())
        return {f"{LOGGED}{name}": found[name].value for name in found if name not in lacking}

    return tuple(wanted), values


def validation(model: GenerativeModel, reference: Reference) -> dict[str, float]:
    """Return validation losses and active units; log a warning if the posterior has collapsed."""
    with waiting("validation losses"):
        losses = validation_losses(subject.of_model("", model, {}), reference)
    if losses.get(ACTIVE_UNITS) == 0:
        warn(
            "the posterior has collapsed: no latent dimension has a KL divergence above "
            f"{ACTIVE} nats. Try {model.against_collapse}"
        )
    return {f"{TEST}{name}": value for name, value in losses.items()}
