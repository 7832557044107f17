"""Validation losses of a model during training."""

from evaluation import families, runner
from evaluation.context import Context
from evaluation.families.posterior import ACTIVE_UNITS, losses
from evaluation.reference import Reference
from evaluation.subject import Subject

__all__ = ["ACTIVE_UNITS", "validation_losses"]


def validation_losses(subject: Subject, reference: Reference) -> dict[str, float]:
    """Return the validation losses of a model on the reference images, and its active units."""
    wanted = {ACTIVE_UNITS: families.named(None)[ACTIVE_UNITS]}
    context = Context(subject, reference, wanted, n=0)
    found = dict(context.shared(losses))
    active = runner.measure_one(context, ACTIVE_UNITS).value
    return found if active is None else found | {ACTIVE_UNITS: active}
