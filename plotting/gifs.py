"""Animations, such as the same latents drawn by a generator as it learns."""

import io
import os
from collections.abc import Iterable

import numpy as np

from plotting.images import check_picture
from plotting.paths import check_ending
from storage.files import write_atomically


def save_gif(
    path: str | os.PathLike,
    frames: Iterable,
    fps: float = 10.0,
    hold_last_seconds: float = 1.0,
) -> None:
    """Writes frames, each uint8 [H, W, 1 or 3], as a GIF that loops for ever, whole or not at all.

    A film of at most 256 colours, such as gray digits, is kept exactly. Another gets one palette
    that suits all its frames, so that its colours do not flicker, and is dithered. GIF counts in
    hundredths of a second: the frames' starts are rounded to it, not their lengths, so that the
    film keeps its pace. Equal frames in succession may be stored as one that lasts as long.

    Args:
        fps: frames a second, from 0.1 to 50, above which browsers slow a GIF down.
        hold_last_seconds: how much longer the last frame is shown, from 0 to 60.

    Raises:
        ValueError: no frames, frames of several shapes, another type, a number out of range, or a
            path that does not end in .gif.
    """
    path = check_ending(path, ".gif")
    frames = [check_picture(f"frame {k}", frame) for k, frame in enumerate(frames)]
    if not frames:
        raise ValueError("a GIF needs at least one frame")
    if len({frame.shape for frame in frames}) > 1:
        shapes = sorted({frame.shape for frame in frames})
        raise ValueError(f"frames must have one shape, got {shapes}")
    if not 0.1 <= fps <= 50 or not 0 <= hold_last_seconds <= 60:
        raise ValueError(
            "fps must be from 0.1 to 50 and hold_last_seconds from 0 to 60, "
            f"got fps={fps}, hold_last_seconds={hold_last_seconds}"
        )
    import imageio.v3 as iio

    starts = np.round(np.arange(len(frames) + 1) * 100 / fps)
    milliseconds = 10 * np.diff(starts)
    milliseconds[-1] += 10 * round(100 * hold_last_seconds)
    pixels = np.stack(frames)
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else _in_256_colours(pixels)
    buffer = io.BytesIO()
    iio.imwrite(
        buffer,
        pixels,
        extension=".gif",
        plugin="pillow",
        is_batch=True,
        save_all=True,
        optimize=False,  # it recodes some frames' gray levels, and not exactly
        duration=milliseconds.astype(int).tolist(),
        loop=0,
    )
    write_atomically(path, buffer.getvalue())


def _in_256_colours(frames: np.ndarray) -> np.ndarray:
    """Frames uint8 [k, H, W, 3] dithered to the 256 colours that suit them, if they have more."""
    codes = frames.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    if len(np.unique(codes)) <= 256:
        return frames
    from PIL import Image

    # Some frames, evenly spread and one above the other, stand for all.
    sample = frames[:: -(-len(frames) // 16)].reshape(-1, *frames.shape[2:])
    palette = Image.fromarray(sample).quantize(256, kmeans=1)
    dithered = (Image.fromarray(frame).quantize(palette=palette) for frame in frames)
    return np.stack([np.asarray(frame.convert("RGB")) for frame in dithered])
