"""HParams: the rows and columns of the table that TensorBoard shows of several runs."""

import pytest

import data
from evaluation import families
from training import hparams, options
from training.events import EVALUATION, Events

RUNS = {
    "gan": ("--model=gan", "--seed=3", "--g_learning_rate=0.5", "--penalty=r1,r2"),
    "vae": ("--model=vae", "--epochs=7", "--flip", "--width=8"),
}


def started(argv):
    """Return the configuration of a command line, and the summaries of the start of its run."""
    config = options.parse(argv)
    images = data.catalogue.known(config.options.dataset)
    config = config.for_images(images.image_shape)
    return hparams.start_summaries(config, images, ())


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Return the answers of TensorBoard's plugin about two runs: the experiment and the rows."""
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, list_session_groups
    from tensorboard.plugins.hparams.backend_context import Context

    folder = tmp_path_factory.mktemp("runs")
    for name, argv in RUNS.items():
        with Events(folder / name, 0) as events:
            events.hparams(0, started(argv))
            for step in (10, 20):
                events.scalars(step, {"d_loss": step / 4, "metric_fd_digits": step / 2})
            if name == "vae":
                events.hparams(20, hparams.end_summaries())
    with Events(folder / "gan" / EVALUATION, None, ".step-20") as events:
        events.evaluation(20, {"fd_digits": 3.0, "precision": 0.5}, {})

    multiplexer = EventMultiplexer(tensor_size_guidance={"scalars": 100})
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    backend, request = Context(TBContext(data_provider=provider)), RequestContext()
    tags = backend.hparams_metadata(request, "")
    columns = backend.experiment_from_metadata(request, "", True, tags, None)
    wanted = api_pb2.ListSessionGroupsRequest(
        slice_size=10, allowed_statuses=[api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS]
    )
    rows = list_session_groups.Handler(request, backend, "", wanted).run().session_groups
    return columns, {row.name: row for row in rows}


def test_first_columns_are_the_model_the_data_set_the_seed_and_what_was_given(shown):
    columns, _ = shown
    first = {info.name for info in columns.hparam_infos[: hparams.VISIBLE]}
    both = {"model", "dataset", "seed"}
    assert first in ({*both, "g_learning_rate", "penalty"}, {*both, "width", "batch_size"})
    names = {info.name for info in columns.hparam_infos}
    assert {"g_learning_rate", "latent_dim", "growing_kimg", "beta", "mixed_precision"} <= names
    assert not {"epochs", "steps", "outdir", "profile_steps"} & names


def test_rows_are_the_runs_with_the_values_that_apply(shown):
    _, rows = shown
    assert sorted(rows) == ["gan", "vae"]
    values = {
        run: {n: v.string_value or v.number_value for n, v in row.hparams.items() if n != "flip"}
        for run, row in rows.items()
    }
    gan, vae = values["gan"], values["vae"]
    assert [gan[name] for name in ("model", "dataset", "seed")] == ["gan", "MNIST", 3.0]
    assert (gan["g_learning_rate"], gan["penalty"], vae["width"]) == (0.5, "r1,r2", 8.0)
    assert (vae["model"], vae["seed"], vae["latent_dim"]) == ("vae", 0.0, 128.0)
    assert (rows["gan"].hparams["flip"].bool_value, rows["vae"].hparams["flip"].bool_value) == (
        False, True,
    )  # fmt: skip
    assert not {"schedule", "image_size", "label_smoothing"} & vae.keys()


def test_columns_of_metrics_have_the_last_values(shown):
    columns, rows = shown
    tags = [info.name.tag for info in columns.metric_infos]
    assert [info.display_name for info in columns.metric_infos] == tags
    assert tags[: hparams.VISIBLE] == [
        "metric/fd_digits", "evaluation/fd_digits", "loss/d_loss", "loss/g_loss", "loss/loss",
    ]  # fmt: skip
    assert len(set(tags)) == len(tags)
    assert {"loss/kl_loss", "loss/test_loss", "progress/epoch", "metric/fid"} <= {*tags}
    assert "loss/test_d_loss" not in tags
    found = {
        run: {v.name.tag: (v.value, v.training_step) for v in row.metric_values}
        for run, row in rows.items()
    }
    assert found["vae"] == {"loss/d_loss": (5.0, 20), "metric/fd_digits": (10.0, 20)}
    evaluated = {"evaluation/fd_digits": (3.0, 20), "evaluation/precision": (0.5, 20)}
    assert found["gan"] == {**found["vae"], **evaluated}


def test_metrics_that_are_measured_during_the_training_have_columns():
    columns = hparams.final_metrics(data.catalogue.known("MNIST"), ("precision", "fd_mine"))
    tags = [info.name.tag for info in columns]
    assert tags[:2] == ["metric/precision", "evaluation/precision"]
    assert {"metric/fd_mine", "evaluation/fd_mine", "metric/fd_digits"} <= {*tags}


def test_metrics_that_a_resumed_run_may_measure_have_columns():
    columns = hparams.final_metrics(data.catalogue.known("MNIST"), ())
    tags = {info.name.tag for info in columns}
    measured = families.named("digits") | families.named("inception")
    assert {f"metric/{name}" for name in measured} <= tags


def test_finished_run_has_a_status(shown):
    from tensorboard.plugins.hparams import api_pb2

    _, rows = shown
    status = {run: row.sessions[0].status for run, row in rows.items()}
    assert status == {"gan": api_pb2.STATUS_UNKNOWN, "vae": api_pb2.STATUS_SUCCESS}
