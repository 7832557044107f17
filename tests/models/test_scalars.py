"""Groups of scalars: each logged scalar belongs to one that its emitter declares."""

import numpy as np
import pytest

from models.scalars import group_of

CASES = {
    "began": {},
    "beta_vae": {},
    "infogan": {"augment": "ada"},
    "stylegan": {"growing_kimg": 1.0},
    "stylegan2": {},
    "wgan_gp": {},
}


@pytest.mark.parametrize("name", CASES)
def test_scalars_of_a_step_belong_to_groups(name, tiny, batches, take_step):
    images, _ = batches(1)
    model = tiny(name, **CASES[name])
    model.compile(run_eagerly=True)
    scalars = take_step(model, images[0])
    assert np.isfinite([*scalars.values()]).all()
    assert [scalar for scalar in scalars if group_of(scalar) is None] == []
