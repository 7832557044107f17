"""Backbones: functions from an image shape to a generator or to a discriminator's trunk.

A generator maps joined latents [b, d] to images [b, h, w, c] in [-1, 1]; a trunk maps images to
features [b, f], on which a model puts its heads.
"""


class ImageShapeError(ValueError):
    """Images of a size that a backbone cannot be built for; the message says which it can."""
