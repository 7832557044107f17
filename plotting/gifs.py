"""GIF animations, such as samples of fixed latents over training."""

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
    """Write frames, each uint8 [H, W, 1 or 3], as an endlessly looping GIF, atomically.

    Animations with at most 256 colours, such as gray digits, are stored exactly. Others are
    dithered to one palette for all frames, so that colours do not flicker. GIF times are in
    hundredths of a second: the start of each frame is rounded, not its duration, so that errors
    do not accumulate. Equal successive frames may be merged.

    Args:
        path: path of the file; ends in .gif.
        frames: frames of one shape.
        fps: frames per second, from 0.1 to 50; browsers slow faster GIFs down.
        hold_last_seconds: additional duration of the last frame, from 0 to 60.

    Raises:
        ValueError: there are no frames, their shapes or types are invalid, a number is out of
            range, or the path does not end in .gif.
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
        optimize=False,  # optimization changes some gray levels
        duration=milliseconds.astype(int).tolist(),
        loop=0,
    )
    write_atomically(path, buffer.getvalue())


def _in_256_colours(frames: np.ndarray) -> np.ndarray:
    """Dither frames uint8 [k, H, W, 3] to a common palette if they have more than 256 colours."""
    codes = frames.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    if len(np.unique(codes)) <= 256:
        return frames
    from PIL import Image

    # The palette is computed from about 16 evenly spaced frames.
    sample = frames[:: -(-len(frames) // 16)].reshape(-1, *frames.shape[2:])
    palette = Image.fromarray(sample).quantize(256, kmeans=1)
    dithered = (Image.fromarray(frame).quantize(palette=palette) for frame in frames)
    return np.stack([np.asarray(frame.convert("RGB")) for frame in dithered])


def compact_gif(content: bytes, limit: int = 300_000, frames: int = 24) -> bytes:
    """Return a GIF with fewer frames, colours and pixels that has at most `limit` bytes.

    Args:
        content: the GIF.
        limit: maximum size in bytes.
        frames: maximum number of frames; evenly spaced ones with the first and the last are kept.

    Raises:
        ValueError: no version of it is small enough.
    """
    from PIL import Image, ImageSequence

    with Image.open(io.BytesIO(content)) as film:
        pictures = [frame.convert("RGB") for frame in ImageSequence.Iterator(film)]
    kept = np.linspace(0, len(pictures) - 1, min(len(pictures), frames)).round().astype(int)
    pictures = [pictures[k] for k in kept]
    durations = [120] * (len(pictures) - 1) + [1500]
    for scale, colours in ((1, 64), (1, 16), (0.5, 64), (0.5, 32), (0.5, 16), (0.25, 16)):
        size = tuple(max(1, round(side * scale)) for side in pictures[0].size)
        small = [picture.resize(size, Image.Resampling.BOX) for picture in pictures]
        palette = Image.fromarray(np.concatenate(small)).quantize(colours)
        first, *others = (
            picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in small
        )
        buffer = io.BytesIO()
        first.save(
            buffer,
            "GIF",
            save_all=True,
            append_images=others,
            duration=durations,
            loop=0,
            optimize=True,
        )
        if buffer.tell() <= limit:
            return buffer.getvalue()
    raise ValueError(f"the GIF has more than {limit:,} bytes in each version")
