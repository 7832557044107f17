"""Models in the scope of a user's own strategy."""

import json

import pytest


@pytest.fixture(scope="module")
def found(python):
    """Printed values of scopes.py."""
    done = python("-m", "tests.distribution.scopes")
    assert done.code == 0, done
    return json.loads(done.out.splitlines()[-1])


pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("model", "GAN was made outside of strategy.scope(); make it, and call compile, within"),
        ("divided", "x: divided among replicas; make the model in strategy.scope()"),
        ("growing", "growing_kimg: must be 0 on several replicas"),
        (
            "optimizer",
            "optimizers: the optimizer of generator was made outside of strategy",
        ),
        ("compile", "optimizers: the optimizer of discriminator was made outside of"),
        ("n_critic", "x: with n_critic=2, Keras would divide the batches of a step among the"),
        ("train_on_batch", "train_on_batch() does not divide a batch among replicas; use fit()"),
        ("array", "x: on 2 replicas each batch must divide by 2, got batches of 8 and a last one"),
        ("styles", "x: on 2 replicas each batch must divide by 8, got batches of 12; pass data."),
        ("batches", "batch_size: expected a multiple of 8 (2 replicas, times groups of 4 images)"),
        ("data set", "x: on 2 replicas each batch must divide by 2, got batches of 9; pass data."),
    ],
)
def test_fit_on_replicas_refuses_unsuitable_data_in_one_line(found, case, message):
    assert found[case].startswith(message)
    assert "\n" not in found[case]


def test_fit_counts_the_images_of_all_replicas_and_does_without_xla(found):
    assert found["images"] == 20 + 24 + 24
    assert found["xla"] is False
    assert found["saved"] is True


def test_evaluate_on_replicas_equals_that_on_one_device(found):
    assert found["evaluated"] == pytest.approx(found["alone"], rel=1e-6)
    assert found["in scope"] == found["evaluated"]
    assert found["validated"] == pytest.approx(found["after"], rel=1e-6)


def test_sample_in_a_scope_has_the_images_asked_for(found):
    assert found["samples"] == [3, 28, 28, 1]
