"""Records of runs to publish."""

import math

import pytest

from training.publishing import scalar_ranges


def test_ranges_are_quantiles_of_the_last_third():
    records = [{"step": k, "d_loss": float(k)} for k in range(1, 304)]
    # The last third of 300 steps: 201 to 300; quantiles are interpolated linearly.
    assert scalar_ranges(records, 300) == {"d_loss": pytest.approx([205.95, 295.05], abs=0.06)}


def test_ranges_leave_out_settings_speeds_metrics_and_missing_values():
    record = {
        "step": 3, "epoch": 1.0, "kimg": 0.2, "seconds": 5.0, "images_per_second": 100.0,
        "generator_learning_rate": 1e-4, "metric_fd_digits": 3.0, "g_loss": math.nan,
        "generator_gradient_norm": 2.0, "k": 0.123456,
    }  # fmt: skip
    assert scalar_ranges([record], 3) == {
        "generator_gradient_norm": [2.0, 2.0], "k": [0.1235, 0.1235]
    }  # fmt: skip
    assert scalar_ranges([], 3) == {}
    assert scalar_ranges([record], 9) == {}
