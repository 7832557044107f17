"""Tags of TensorBoard."""

import importlib
import pkgutil

import pytest

import models
from models.scalars import groups
from training import callbacks  # noqa: F401, declares the learning rates
from training.events import tag_of

TAGS = {
    "d_loss": "loss/d_loss",
    "g_loss": "loss/g_loss",
    "d_loss_real": "loss/d_loss_real",
    "g_loss_adversarial": "loss/g_loss_adversarial",
    "loss": "loss/loss",
    "test_loss": "loss/test_loss",
    "kl_loss": "loss/kl_loss",
    "test_kl_loss": "loss/test_kl_loss",
    "reconstruction_loss": "loss/reconstruction_loss",
    "d_accuracy_fake": "accuracy/d_accuracy_fake",
    "generator_gradient_norm": "gradient_norm/generator",
    "q_learning_rate": "learning_rate/q",
    "generator_loss_scale": "loss_scale/generator",
    "generator_skipped_updates": "loss_scale/generator_skipped_updates",
    "information_category_0": "information/category_0",
    "head_information_3": "information/head_information_3",
    "selected_head_0": "information/selected_head_0",
    "active_units": "information/active_units",
    "test_active_units": "information/test_active_units",
    "scheduled_beta": "scheduled/beta",
    "kl_weight": "scheduled/kl_weight",
    "growth": "scheduled/growth",
    "k": "equilibrium/k",
    "augment_p": "augmentation/augment_p",
    "path_length_mean": "path_length/path_length_mean",
    "images_per_second": "progress/images_per_second",
    "epoch": "progress/epoch",
    "kimg": "progress/kimg",
    "seconds": "progress/seconds",
    "metric_fid": "metric/fid",
    "metric_cluster_accuracy": "metric/cluster_accuracy",
    "of_a_new_model": "other/of_a_new_model",
}


@pytest.fixture(scope="module", autouse=True)
def declared():
    """Import all modules that declare groups."""
    for module in pkgutil.iter_modules(models.__path__):
        importlib.import_module(f"models.{module.name}")


@pytest.mark.parametrize("name", TAGS)
def test_tag_of_a_scalar_has_the_folder_of_its_group(name):
    assert tag_of(name) == TAGS[name]


def test_folders_are_single_small_words():
    """Capitals are for the pictures, which TensorBoard then shows first."""
    folders = {group.folder for group in groups()}
    assert folders == {
        "accuracy", "augmentation", "equilibrium", "gradient_norm", "information", "learning_rate",
        "loss", "loss_scale", "path_length", "progress", "scheduled",
    }  # fmt: skip
