"""Resizing of the clean-fid protocol, for `clean_fid`.

Parmar et al. 2022, "On Aliased Resizing and Surprising Subtleties in GAN Evaluation", and the mode
"clean" of its package clean-fid (`cleanfid/resize.py`, `make_resizer("PIL", False, "bicubic")`).
"""

import numpy as np

SIZE = 299
RESIZING = (
    f"clean-fid: each channel of 8-bit images to {SIZE} x {SIZE} by Pillow's bicubic filter "
    "(antialiased) in 32-bit floats, then clipped to 0 to 255 and not quantized"
)


def resize(images: np.ndarray) -> np.ndarray:
    """Resize images as clean-fid does, bit for bit.

    The package converts gray files to RGB; here their one channel is resized once, and the network
    repeats it, with the same result.

    Args:
        images: [n, h, w, c], from 0 to 255.

    Returns:
        float32 [n, 299, 299, c], from 0 to 255, not rounded.
    """
    from PIL import Image

    resized = np.empty((len(images), SIZE, SIZE, images.shape[-1]), np.float32)
    for k, image in enumerate(images):
        for c in range(images.shape[-1]):
            channel = Image.fromarray(image[..., c].astype(np.float32))
            resized[k, ..., c] = channel.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return resized.clip(0, 255)
