"""Train steps on two replicas, against the same steps on one device."""

import json

import pytest

WEIGHTS = 1e-6  # largest difference of a weight
NORMALISED = {"dcgan": 1e-3, "contrastive": 1e-5, "iic": 1e-5}  # batch norm of the global batch
ADDED = {"float16": 1e-3}  # 16-bit activations are summed in another order
# Largest difference of a scalar, relative above 1.
LOGS = {"dcgan": 1e-3, "float16": 1e-3, "contrastive": 1e-4, "iic": 1e-4}
FAST = ("gan", "vae")
SLOW = (
    "began", "dcgan", "stylegan2", "wgan_gp critic", "dragan lazy", "ada", "relativistic average",
    "free bits", "contrastive",
)  # fmt: skip
# benchmarks/distribution.py runs all cases, and tests/docs/test_distribution.py checks its record.
OF_REPLICAS = "norm of each replica"  # is meant to differ
OF_WORKERS = ("dcgan without norm", "wgan_gp", "infogan", "bigbigan", "vae")
GROUPS = [FAST, SLOW[:4], SLOW[4:]]


def results(done):
    """Return the printed lines of steps.py by the name of their case."""
    assert done.code == 0, done
    lines = [line.removeprefix("0: ") for line in done.out.splitlines()]
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return {line["case"]: line for line in found}


def assert_equal(name, found):
    allowed = {**NORMALISED, **ADDED}.get(name, WEIGHTS)
    assert found["weights"] <= allowed, found
    assert found["logs"] <= LOGS.get(name, 1e-5), found
    assert found["integers"], found
    assert found["learned"], found
    assert found["replicas equal"], found


@pytest.mark.parametrize(
    "names",
    [pytest.param(g, marks=() if g == FAST else pytest.mark.slow, id=g[0]) for g in GROUPS],
)
def test_steps_on_two_replicas_equal_those_on_one_device(python, names):
    found = results(python("-m", "tests.distribution.steps", *names))
    assert list(found) == list(names)
    for name in names:
        assert_equal(name, found[name])


@pytest.mark.slow
def test_steps_of_two_workers_equal_those_on_one_device(python):
    launch = ("-m", "training.launch", "--workers", "2", "--")
    found = results(python(*launch, "-m", "tests.distribution.steps", *OF_WORKERS))
    assert list(found) == list(OF_WORKERS)
    for name in OF_WORKERS:
        assert_equal(name, found[name])


@pytest.mark.slow
def test_batch_norm_of_each_replica_differs_but_has_the_same_moving_statistics(python):
    found = results(python("-m", "tests.distribution.steps", OF_REPLICAS))[OF_REPLICAS]
    assert found["weights"] > 1e-3
    assert found["replicas equal"]
