"""Looks of quantities: fixed by the name, distinct in a panel."""

import itertools

import pytest

from evaluation import families
from evaluation.reports.comparison_figures import look_of_metric
from plotting.looks import COLOURS, LINES, QUANTITIES, Look, in_order, look_of, marked

SCORES = ("sx", "sz", "sxz")
# Scalars that are drawn in one panel of curves.
PANELS = {
    "losses and players": [
        "discriminator", "generator", "encoder", "q", "q_categories", "autoencoder",
    ],
    "terms of D": [
        "real", "fake", "gradient", "dragan", "r1", "r2", "category_0", "category_1",
        "continuous_0", "continuous_1", "invariance_category_0", "invariance_continuous",
        "clustering_category_0", "supervised", "thickness",
    ],
    "terms of D of BigBiGAN": [f"{s}_{side}" for s in SCORES for side in ("real", "fake")],
    "terms of G": ["adversarial", "path", "reconstruction", "category_0", "continuous_0"],
    "terms of G of BigBiGAN": [*(f"{s}_adversarial" for s in SCORES), "reconstruction"],
    "codes": [f"category_{k}" for k in range(10)] + ["continuous_0", "continuous_1"],
    "heads": [f"category_0_{k}" for k in range(1, 6)],
    "equilibrium": ["k", "convergence"],
    "augmentation": ["augment_p", "d_sign_real"],
}  # fmt: skip


@pytest.mark.parametrize("panel", PANELS)
def test_quantities_of_a_panel_differ(panel):
    looks = {name: look_of(name) for name in PANELS[panel]}
    for (a, first), (b, second) in itertools.combinations(looks.items(), 2):
        assert first != second, (a, b)


def test_look_of_a_quantity_is_that_of_its_parts():
    assert look_of("d_loss") == look_of("discriminator")
    assert look_of("g_loss") == look_of("generator")
    assert look_of("sx_real").colour == look_of("real").colour
    assert look_of("sxz_fake") == look_of("fake")._replace(line=LINES[2])
    assert look_of("continuous_1") == look_of("continuous")._replace(line=LINES[1])
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
    assert look_of_metric("fd_a") == look_of_metric("fd_b") == marked(0)
    assert look_of_metric("metric of a later version") == look_of("metric of a later version")
