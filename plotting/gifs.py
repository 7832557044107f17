"""GIF animations, such as samples of fixed latents over training."""

import functools
import io
import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from plotting.images import check_picture
from plotting.paths import check_ending
from storage.files import write_atomically

PALETTE_PIXELS = 10_000  # random pixels from which a palette is computed
# Scale and colours of smaller versions, from the best one on; further ones have half the scale
# each. Without dithering, equal pixels of neighbours and of successive frames compress well.
SMALLER = ((1, 255), (1, 128), (1, 64), (1, 32), (0.5, 128), (0.5, 64), (0.5, 32), (0.25, 64))
SAMPLE = 3  # frames from which the size of a version is estimated
SLACK = 1.25  # a version is tried if its estimated size is below SLACK times the limit

Version = Callable[[np.ndarray, list[int]], bytes]  # frames, durations in milliseconds -> GIF


def save_gif(
    path: str | os.PathLike,
    frames: Iterable,
    fps: float = 10.0,
    hold_last_seconds: float = 1.0,
    limit: int | None = None,
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
        limit: maximum size in bytes. A larger GIF, or one that would be dithered, has fewer
            colours without dithering, and if necessary fewer pixels. None: any size.

    Raises:
        ValueError: there are no frames, their shapes or types are invalid, a number is out of
            range, the path does not end in .gif, or the limit is too small for one pixel per frame.
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
    starts = np.round(np.arange(len(frames) + 1) * 100 / fps)
    milliseconds = 10 * np.diff(starts)
    milliseconds[-1] += 10 * round(100 * hold_last_seconds)
    durations = milliseconds.astype(int).tolist()
    pixels = np.stack(frames)
    exact = pixels.shape[-1] == 1 or _has_few_colours(pixels)
    best = _exact if exact else functools.partial(_quantized, colours=256, dithered=True)
    if limit:
        versions = [best] if exact else []
        content = _within(pixels, durations, limit, [*versions, *_smaller(*pixels.shape[1:3])])
    else:
        content = best(pixels, durations)
    write_atomically(path, content)


def _has_few_colours(frames: np.ndarray) -> bool:
    """Return whether frames uint8 [k, H, W, 3] have at most 256 colours."""
    pixels = frames.reshape(-1, 3)
    for some in (pixels[:: 1 + len(pixels) // PALETTE_PIXELS], pixels):  # most have more at once
        codes = some.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
        if len(np.unique(codes)) > 256:
            return False
    return True


def _exact(frames: np.ndarray, durations: list[int]) -> bytes:
    """Return the GIF of frames uint8 [k, H, W, 1 or 3] of at most 256 colours, without loss."""
    import imageio.v3 as iio

    buffer = io.BytesIO()
    iio.imwrite(
        buffer,
        frames[..., 0] if frames.shape[-1] == 1 else frames,
        extension=".gif",
        plugin="pillow",
        is_batch=True,
        save_all=True,
        optimize=False,  # optimization changes some gray levels
        duration=durations,
        loop=0,
    )
    return buffer.getvalue()


def _quantized(
    frames: np.ndarray,
    durations: list[int],
    colours: int,
    scale: float = 1.0,
    dithered: bool = False,
) -> bytes:
    """Return the GIF of frames uint8 [k, H, W, 1 or 3] in a palette that is common to all.

    Args:
        frames: the frames.
        durations: of each frame, in milliseconds.
        colours: size of the palette.
        scale: factor of the height and the width, at most 1.
        dithered: whether to dither, which keeps shades and makes the GIF larger.
    """
    from PIL import Image

    frames = np.broadcast_to(frames, (*frames.shape[:3], 3))
    pictures = [Image.fromarray(frame) for frame in frames]
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in pictures[0].size)
        pictures = [picture.resize(size, Image.Resampling.BOX) for picture in pictures]
    pixels = np.concatenate([np.asarray(picture).reshape(-1, 3) for picture in pictures])
    if len(pixels) > PALETTE_PIXELS:
        pixels = pixels[np.random.default_rng(0).integers(0, len(pixels), PALETTE_PIXELS)]
    palette = Image.fromarray(pixels[:, None]).quantize(colours, kmeans=1)
    dither = Image.Dither.FLOYDSTEINBERG if dithered else Image.Dither.NONE
    first, *others = (picture.quantize(palette=palette, dither=dither) for picture in pictures)
    buffer = io.BytesIO()
    first.save(
        buffer,
        "GIF",
        save_all=True,
        append_images=others,
        duration=durations,
        loop=0,
        optimize=not dithered,  # draws changed pixels only, which needs an unused colour
    )
    return buffer.getvalue()


def _smaller(height: int, width: int) -> Iterator[Version]:
    """Yield smaller versions of a GIF of frames [k, height, width, 3], the last of one pixel."""
    for scale, colours in SMALLER:
        yield functools.partial(_quantized, colours=colours, scale=scale)
    while scale * max(height, width) > 1:
        scale /= 2
        yield functools.partial(_quantized, colours=colours, scale=scale)


def _within(
    frames: np.ndarray, durations: list[int], limit: int, versions: Iterable[Version]
) -> bytes:
    """Return the first version of a GIF that has at most `limit` bytes.

    A version is made only if its size, as estimated from a few successive frames, may be small
    enough.

    Raises:
        ValueError: no version is small enough.
    """
    start = (len(frames) - SAMPLE) // 2
    some = slice(max(0, start), max(0, start) + SAMPLE)
    for version in versions:
        estimate = len(version(frames[some], durations[some])) * len(frames) / SAMPLE
        if estimate <= SLACK * limit and len(content := version(frames, durations)) <= limit:
            return content
    raise ValueError(f"a GIF of {len(frames)} frames has more than {limit:,} bytes in each version")


def compact_gif(content: bytes, limit: int = 300_000, frames: int = 24) -> bytes:
    """Return a GIF with fewer frames, colours and pixels that has at most `limit` bytes.

    Args:
        content: the GIF.
        limit: maximum size in bytes.
        frames: maximum number of frames; evenly spaced ones with the first and the last are kept.

    Raises:
        ValueError: the limit is too small for one pixel per frame.
    """
    from PIL import Image, ImageSequence

    with Image.open(io.BytesIO(content)) as film:
        pictures = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
    kept = np.linspace(0, len(pictures) - 1, min(len(pictures), frames)).round().astype(int)
    durations = [120] * (len(kept) - 1) + [1500]
    few = np.stack([pictures[k] for k in kept])
    return _within(few, durations, limit, _smaller(*few.shape[1:3]))
