"""Options of evaluate.py and study.py: ranges, published values and the protocol hash."""

import types

import pytest

from errors import UserError
from evaluation.options import EvaluateOptions, MeasureOptions, published_values
from evaluation.record import protocol_hash


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"run": "x", "num_samples": -5}, "num_samples"),
        ({"run": "x", "split": "nonsense"}, "split"),
        ({"run": "x", "image_size": 3, "images": "", "dataset": ""}, "image_size"),
        ({"run": ","}, "run"),
        ({"run": " "}, "run"),
    ],
)
def test_evaluate_options_with_an_invalid_value_raise_under_its_name(wrong, option):
    with pytest.raises(UserError) as raised:
        EvaluateOptions(**wrong)
    assert raised.value.option == option


def test_published_values_are_defaults_of_the_protocol_and_three_repeats():
    assert published_values() == {
        "metrics": "", "repeats": 3, "num_samples": 10000, "likelihood_samples": 200, "seed": 0,
        "features": "auto", "split": "test",
    }  # fmt: skip
    MeasureOptions(publish=True, repeats=3)
    with pytest.raises(UserError, match="publish: requires num_samples=10000"):
        MeasureOptions(publish=True, repeats=3, num_samples=9)


def test_protocol_hash_of_existing_records_is_unchanged():
    subject = types.SimpleNamespace(identity=["hp", 0, 1, ""])
    reference = types.SimpleNamespace(extractor=None)

    def hashed(**options):
        return protocol_hash(subject, reference, MeasureOptions(**options))

    assert hashed() == "39918a9c91061ac0"
    assert hashed(metrics="nmi", data_dir="x", baselines=True, outdir="y") == hashed()
    assert (
        hashed(
            repeats=3, num_samples=7, likelihood_samples=5, seed=2, features="digits", split="train"
        )
        == "3945e1cc20ae7537"
    )
