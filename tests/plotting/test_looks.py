"""Looks of quantities: fixed by the name, distinct in a panel."""

import dataclasses
import itertools

import models
from evaluation import families
from evaluation.reports.comparison_figures import look_of_metric
from models import scalars
from plotting.looks import COLOURS, LINES, QUANTITIES, Look, in_order, look_of, look_with_marker
from training import callbacks

SCORES = ("sx", "sz", "sxz")
PLAYERS = ("discriminator", "generator", "encoder", "q", "q_categories", "autoencoder")
CATEGORIES = ("category_0", "category_1")
CODES = (*CATEGORIES, "continuous_0", "continuous_1", "continuous_2")
OF_Q = (
    *CODES, *(f"invariance_{name}" for name in CATEGORIES), "invariance_continuous",
    *(f"clustering_{name}" for name in (*CATEGORIES, "images", "overclustering")),
    "supervised", "thickness",
)  # fmt: skip
OF_D = (*("gradient", "dragan", "r1", "r2"), *OF_Q)
OF_G = (*("path", "reconstruction"), *OF_Q)


def scores(*names):
    return [f"{score}_{name}" for score in SCORES for name in names]


def schedulable():
    """Names of the hyperparameters that can follow a schedule, but for learning rates."""
    fields = (dataclasses.fields(entry.hyperparameters) for entry in models.REGISTRY.values())
    names = {f.name for each in fields for f in each if f.metadata.get("schedulable")}
    return sorted(name for name in names if not name.endswith("learning_rate"))


# Title of a group of scalars with composed names -> the labels of each of its panels.
LABELS = {
    "terms of the discriminator's loss": [
        [*("real", "fake", "relative"), *OF_D], [*scores("real", "fake", "relative"), *OF_D],
    ],
    "terms of the generator's loss": [
        [*("adversarial", "encoder"), *OF_G], [*scores("adversarial", "encoder"), *OF_G],
    ],
    "accuracy of the discriminator": [["real", "fake"], scores("real", "fake")],
    "lower bound of the mutual information": [CODES],
    "mutual information of each head": [[f"{c}_{k}" for c in CATEGORIES for k in range(1, 9)]],
    "selected heads": [CATEGORIES],
    "scheduled hyperparameters": [schedulable()],
    "gradient norms": [PLAYERS],
    "share of updates skipped because of overflow": [PLAYERS],
    "loss scales": [PLAYERS],
    "learning rates": [PLAYERS],
}  # fmt: skip


def test_quantities_of_a_panel_differ():
    for entry in models.REGISTRY.values():
        entry.load()
    for group in (g for g in scalars.groups() if g is not callbacks.PROGRESS):
        of_names = [group.labels or group.names]
        for labels in of_names if group.names else LABELS[group.title]:
            looks = {label: look_of(label) for label in labels}
            for (a, first), (b, second) in itertools.combinations(looks.items(), 2):
                assert first != second, (group.title, a, b)


def test_quantities_of_ten_categorical_codes_differ():
    names = [*(f"category_{k}" for k in range(10)), "continuous_0", "continuous_1"]
    assert len({look_of(name) for name in names}) == len(names)


def test_look_of_a_quantity_is_that_of_its_parts():
    assert look_of("d_loss") == look_of("discriminator")
    assert look_of("g_loss") == look_of("generator")
    assert look_of("sx_real").colour == look_of("real").colour
    assert look_of("sxz_fake") == look_of("fake")._replace(line=LINES[2])
    assert look_of("continuous_1") == look_of("continuous")._replace(line=LINES[1])
    assert look_of("category_1_2").line == look_of("category_0_2").line
    assert look_of("invariance_weight") == look_of("invariance")
    assert look_of("kl_loss") == look_of("kl_weight") == QUANTITIES["kl"]


def test_look_of_a_name_that_is_not_declared_is_a_function_of_it():
    names = [f"my_quantity_{letter}" for letter in "abcdefgh"]
    looks = [look_of(name) for name in names]
    assert looks == [look_of(name) for name in names]
    assert len({*looks}) > 4
    reserved = {look_of(name).colour for name in ("discriminator", "generator", "real", "fake")}
    assert not reserved & {look.colour for look in looks}


def test_looks_in_order_repeat_the_colours_with_other_lines():
    looks = in_order(range(2 * len(COLOURS)))
    assert looks[0] == Look(COLOURS[0])
    assert looks[len(COLOURS)] == Look(COLOURS[0], LINES[1])
    assert len({*looks.values()}) == len(looks)


def test_each_metric_has_a_look_of_its_own():
    names = [metric.name_in("digits") for metric in families.declared()]
    looks = [look_of_metric(name) for name in names]
    assert len({*looks}) == len(names)
    assert all(look.marker for look in looks)
    reserved = {look_of(name).colour for name in ("discriminator", "generator", "real", "fake")}
    assert not reserved & {look.colour for look in looks}
    assert look_of_metric("fd_a") == look_of_metric("fd_b") == look_with_marker(0)
    assert look_of_metric("metric of a later version") == look_of("metric of a later version")
