"""Summaries for TensorBoard's HParams: the values of a run, and the columns of the table.

TensorBoard takes the columns from one of the runs that it shows, whichever comes first. Each run
therefore declares the hyperparameters and metrics of all models.
"""

import dataclasses
import typing
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import summary, summary_v2
from tensorboard.plugins.hparams.api_pb2 import (
    DATA_TYPE_BOOL,
    DATA_TYPE_FLOAT64,
    DATA_TYPE_STRING,
    STATUS_SUCCESS,
    Experiment,
    HParamInfo,
    MetricInfo,
    MetricName,
)
from tensorboard.plugins.hparams.metadata import (
    EXPERIMENT_TAG,
    NULL_TENSOR,
    create_summary_metadata,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from data import ImageData
from evaluation import families, features
from models import REGISTRY
from models.adversarial import LOSSES
from models.autoencoding import LOSS
from models.scalars import TEST, groups
from training.callbacks import PROGRESS
from training.events import EVALUATION, METRICS, tag_of
from training.options import Config, fixed_specs
from training.run_options import RunOptions

IDENTITY = ("model", "dataset", "seed")
DEFAULT_COLUMNS = ("batch_size", "width")  # if less is given
VISIBLE = 5  # columns of hyperparameters in the table before the user selects others


def start_summaries(
    config: Config, images: ImageData, evaluated: Sequence[str]
) -> Iterator[Summary]:
    """Yield the summaries of the start of a run.

    Args:
        config: the configuration.
        images: the data set.
        evaluated: names of the metrics that are measured during the training.
    """
    yield summary_v2.hparams_pb(values_of(config, images.name), trial_id="")  # a row per run
    metrics = [*final_metrics(images, evaluated)]
    experiment = Experiment(hparam_infos=hyperparameters(config.given), metric_infos=metrics)
    metadata = create_summary_metadata(HParamsPluginData(experiment=experiment))
    value = Summary.Value(tag=EXPERIMENT_TAG, metadata=metadata, tensor=NULL_TENSOR)
    yield Summary(value=[value])


def end_summaries() -> Iterator[Summary]:
    """Yield the summary of the end of a finished run."""
    yield summary.session_end_pb(STATUS_SUCCESS)


def values_of(config: Config, dataset: str) -> dict[str, Any]:
    """Return the values that a resumed run keeps, by name, without those that do not apply."""
    values = config.fixed() | {"dataset": dataset}
    texts = {n: ",".join(v) or "none" for n, v in values.items() if isinstance(v, tuple)}
    return {name: value for name, value in (values | texts).items() if value not in (None, "")}


def hyperparameters(given: Iterable[str]) -> list[HParamInfo]:
    """Return the columns of all models. Those of given values come first, after the identity."""
    classes = [RunOptions, *(entry.hyperparameters for entry in REGISTRY.values())]
    specs = {spec.name: spec for cls in classes for spec in fixed_specs(cls)}
    names = [name for name in (*IDENTITY, *given, *DEFAULT_COLUMNS) if name in specs]
    first = [*dict.fromkeys(names)][:VISIBLE]
    return [column(spec, name in first) for name, spec in specs.items()]


def column(spec: dataclasses.Field, first: bool) -> HParamInfo:
    """Return the column of an option; TensorBoard puts those with `differs` first."""
    kinds = {spec.type, *typing.get_args(spec.type)}
    if bool in kinds:
        info = HParamInfo(name=spec.name, type=DATA_TYPE_BOOL, differs=first)
        info.domain_discrete.extend([False, True])
        return info
    kind = DATA_TYPE_FLOAT64 if kinds & {int, float} else DATA_TYPE_STRING
    return HParamInfo(name=spec.name, type=kind, differs=first)


def final_metrics(images: ImageData, evaluated: Sequence[str]) -> Iterator[MetricInfo]:
    """Yield the columns of the last values of scalars, those that TensorBoard shows first.

    They are the first metric that is measured during the training, or else the Fréchet distance;
    the same metric of evaluate.py; and the losses of adversarial models and of autoencoders.
    """
    for entry in REGISTRY.values():
        entry.load()  # declares its losses
    losses = [name for group in groups() if group.is_loss for name in group.names]
    tested = [f"{TEST}{name}" for name in losses if name not in LOSSES.names]
    network = features.DIGITS if features.is_mnist(images) else features.general_network()
    networks = dict.fromkeys((network, *features.fixed_names()))
    metrics = {name: m for each in networks for name, m in families.named(each).items()}
    first = (*evaluated, *(name for name, metric in metrics.items() if metric.default))[0]
    declared = (*evaluated, *metrics)  # a resumed run may measure others
    tags = [
        f"{METRICS}/{first}",
        f"{EVALUATION}/{first}",
        *map(tag_of, (*LOSSES.names, *LOSS.names, *losses, *tested, *PROGRESS.names)),
        *(f"{METRICS}/{name}" for name in declared),
        *(f"{EVALUATION}/{name}" for name in declared),
    ]
    for tag in dict.fromkeys(tags):
        folder = EVALUATION if tag.startswith(f"{EVALUATION}/") else ""  # below that of the run
        yield MetricInfo(name=MetricName(group=folder, tag=tag), display_name=tag)
