"""Generators that are conditioned on the class of the real images."""

import tensorflow as tf

from errors import UserError
from models.abilities import LABEL
from models.latents import SHOWN_CLASSES, Latents, one_hot, with_each


class ClassConditional:
    """Mixin that adds a one-hot class to the latents; it precedes an adversarial model.

    In training, the classes of generated images are those of the real images.

    Raises:
        UserError: the images have no labels.
    """

    def build_latents(self):
        if not self.num_classes:
            raise UserError(f"{type(self).__name__} requires images with labels", "dataset")
        return Latents(**super().build_latents().parts, **{LABEL: one_hot(self.num_classes)})

    def draw(self, batch):
        """Return noise, and the classes of the real images."""
        if batch.labels is None:
            raise UserError(f"{type(self).__name__} requires batches of images and labels")
        return super().draw(batch) | {LABEL: tf.one_hot(batch.labels, self.num_classes)}

    def picture_latents(self):
        """Return one row per class, up to SHOWN_CLASSES, with the same noise in each column."""
        columns, classes = 10, tf.eye(min(self.num_classes, SHOWN_CLASSES), self.num_classes)
        return with_each(self.latents.draw(columns, 0), LABEL, classes), columns
