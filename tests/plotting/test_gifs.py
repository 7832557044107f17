"""GIFs, read back with Pillow: frames, colours, timing, loop."""

import numpy as np
import pytest
from PIL import Image

from plotting import compact_gif, gifs, save_gif


def read(path):
    """The frames as uint8 [H, W, 3], their durations in milliseconds, and the loop count."""
    frames, durations = [], []
    with Image.open(path) as film:
        for k in range(film.n_frames):
            film.seek(k)
            frames.append(np.asarray(film.convert("RGB")))
            durations.append(film.info["duration"])
        return frames, durations, film.info["loop"]


def noise(n, channels=1, colours=256):
    draw = np.random.default_rng(0).integers(0, colours, (n, 12, 16, channels))
    return list((draw * (255 // (colours - 1))).astype(np.uint8))


@pytest.mark.parametrize("channels", [1, 3])
def test_save_gif_of_few_colours_keeps_them_exactly_and_in_order(tmp_path, channels):
    frames = noise(5, channels, colours=256 if channels == 1 else 6)
    save_gif(tmp_path / "film.gif", frames)
    read_back, _, loop = read(tmp_path / "film.gif")
    assert loop == 0  # for ever
    assert len(read_back) == 5
    for frame, original in zip(read_back, frames, strict=True):
        np.testing.assert_array_equal(frame, np.broadcast_to(original, frame.shape))


def test_save_gif_of_gray_frames_with_an_unused_level_is_exact(tmp_path):
    # An optimizing writer takes the free palette entry for "unchanged" and shifts other levels.
    frames = list(np.random.default_rng(0).integers(0, 256, (3, 64, 64, 1)).astype(np.uint8))
    for frame in frames[1:]:
        frame[frame == 100] = 5
    save_gif(tmp_path / "film.gif", frames)
    for got, original in zip(read(tmp_path / "film.gif")[0], frames, strict=True):
        np.testing.assert_array_equal(got, np.broadcast_to(original, got.shape))


def test_save_gif_of_many_colours_stays_close_and_keeps_white(tmp_path):
    y, x = np.mgrid[0:255:64j, 0:255:64j]
    frame = np.stack([x, y, (x + y) / 2], axis=-1).astype(np.uint8)
    frame[:8] = 255
    frames = [frame, frame[:, ::-1]]
    save_gif(tmp_path / "film.gif", frames)
    for got, original in zip(read(tmp_path / "film.gif")[0], frames, strict=True):
        assert (got[:8] == 255).all()
        error = got.astype(float) - original
        assert np.abs(error).mean() < 8
        assert np.abs(error.mean(axis=(0, 1))).max() < 1.5


@pytest.mark.parametrize(
    ("fps", "hold", "expected"),
    [
        (10, 0, [100, 100, 100, 100]),
        (10, 1.5, [100, 100, 100, 1600]),
        (50, 0, [20, 20, 20, 20]),
        (30, 0.25, [30, 40, 30, 280]),  # starts at 0, 33, 67, 100 ms, rounded to hundredths
        (0.5, 0, [2000, 2000, 2000, 2000]),
    ],
)
def test_save_gif_durations_follow_fps_and_hold_last_seconds(tmp_path, fps, hold, expected):
    save_gif(tmp_path / "film.gif", noise(4), fps=fps, hold_last_seconds=hold)
    assert read(tmp_path / "film.gif")[1] == expected


def test_save_gif_of_many_frames_keeps_the_total_duration(tmp_path):
    save_gif(tmp_path / "film.gif", noise(48), fps=24, hold_last_seconds=0)
    assert sum(read(tmp_path / "film.gif")[1]) == 2000


@pytest.mark.parametrize("channels", [1, 3])
def test_save_gif_of_a_single_frame_has_its_duration(tmp_path, channels):
    save_gif(tmp_path / "film.gif", noise(1, channels, 6), fps=10, hold_last_seconds=2)
    frames, durations, loop = read(tmp_path / "film.gif")
    assert (len(frames), durations, loop) == (1, [2100], 0)


def test_save_gif_of_equal_frames_keeps_their_duration(tmp_path):
    a, b = noise(2)
    save_gif(tmp_path / "film.gif", iter([a, a, a, b, b]), fps=10, hold_last_seconds=1)
    assert sum(read(tmp_path / "film.gif")[1]) == 1500


@pytest.mark.parametrize("channels", [1, 3])
def test_save_gif_within_a_limit_keeps_frames_size_and_times(tmp_path, channels):
    y, x = np.mgrid[0:4:40j, 0:4:40j]
    waves = [127.5 + 127.5 * np.sin(x * y + k / 4 + np.arange(channels)[:, None, None])
             for k in range(6)]  # fmt: skip
    frames = [np.moveaxis(wave, 0, -1).astype(np.uint8) for wave in waves]
    save_gif(tmp_path / "best.gif", frames, fps=4, hold_last_seconds=0)
    best = (tmp_path / "best.gif").stat().st_size
    if channels == 1:  # exact, so that the best version is kept
        save_gif(tmp_path / "same.gif", frames, fps=4, hold_last_seconds=0, limit=best)
        assert (tmp_path / "same.gif").read_bytes() == (tmp_path / "best.gif").read_bytes()
    save_gif(tmp_path / "small.gif", frames, fps=4, hold_last_seconds=0, limit=best * 2 // 3)
    assert (tmp_path / "small.gif").stat().st_size <= best * 2 // 3
    found, durations, loop = read(tmp_path / "small.gif")
    assert (durations, loop) == ([250] * 6, 0)
    for frame, original in zip(found, frames, strict=True):
        assert frame.shape == (40, 40, 3)
        assert np.abs(frame.astype(float) - original).mean() < 8
    with pytest.raises(ValueError, match="more than 100 bytes"):
        save_gif(tmp_path / "none.gif", frames, limit=100)
    assert not (tmp_path / "none.gif").exists()


@pytest.mark.parametrize("limit", [60_000, 4_000])
def test_save_gif_of_any_frames_is_within_the_limit(tmp_path, limit):
    """Noise has about one byte per pixel and frame, 16 times the largest of these limits."""
    frames = np.random.default_rng(0).integers(0, 256, (20, 36, 342, 1)).astype(np.uint8)
    save_gif(tmp_path / "film.gif", frames, fps=8, hold_last_seconds=0, limit=limit)
    assert limit / 8 < (tmp_path / "film.gif").stat().st_size <= limit
    found, durations, _ = read(tmp_path / "film.gif")
    assert len(found) == 20
    assert sum(durations) == 2500


def test_save_gif_of_large_frames_makes_few_versions(tmp_path, monkeypatch):
    """The sizes of versions are estimated from few frames; those that are too large are skipped."""
    lengths, original = [], gifs._quantized

    def counted(frames, *given, **options):
        lengths.append(len(frames))
        return original(frames, *given, **options)

    monkeypatch.setattr(gifs, "_quantized", counted)
    random = np.random.default_rng(0)
    frames = random.normal(128, 8, (20, 132, 4 * 130, 1)).clip(0, 255).astype(np.uint8)
    save_gif(tmp_path / "film.gif", frames, limit=200_000)
    assert 100_000 < (tmp_path / "film.gif").stat().st_size <= 200_000
    assert 1 <= lengths.count(20) <= 2
    assert {*lengths} == {3, 20}


def test_save_gif_twice_writes_the_same_bytes(tmp_path):
    for name in ("a.gif", "b.gif"):
        save_gif(tmp_path / name, noise(3, 3))
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


@pytest.mark.parametrize(
    ("name", "frames", "options", "message"),
    [
        ("film.mp4", noise(2), {}, "must end in .gif"),
        ("film.gif", [], {}, "at least one frame"),
        ("film.gif", [np.zeros((4, 4, 1))], {}, "frame 0 must be uint8, got float64"),
        ("film.gif", [*noise(2), np.zeros((4, 4), np.uint8)], {}, "frame 2 must be"),
        ("film.gif", [noise(1)[0], noise(1, 3)[0]], {}, "one shape"),
        ("film.gif", noise(2), {"fps": 0}, "fps=0"),
        ("film.gif", noise(2), {"fps": 60}, "fps=60"),
        ("film.gif", noise(2), {"hold_last_seconds": -1}, "hold_last_seconds=-1"),
        ("film.gif", noise(2), {"fps": float("nan")}, "fps=nan"),
    ],
)
def test_save_gif_of_invalid_arguments_raises_and_writes_nothing(
    tmp_path, name, frames, options, message
):
    with pytest.raises(ValueError, match=message):
        save_gif(tmp_path / name, frames, **options)
    assert list(tmp_path.iterdir()) == []


def test_compact_gif_keeps_first_and_last_frame_below_the_limit(tmp_path):
    random = np.random.default_rng(0)
    frames = [np.full((40, 40, 3), (6 * k, 255 - 6 * k, 90), np.uint8) for k in range(40)]
    save_gif(tmp_path / "film.gif", frames)
    small = compact_gif((tmp_path / "film.gif").read_bytes(), frames=5)
    (tmp_path / "small.gif").write_bytes(small)
    found, _, _ = read(tmp_path / "small.gif")
    assert np.shape(found) == (5, 40, 40, 3)
    for frame, k in ((found[0], 0), (found[-1], 39)):
        np.testing.assert_allclose(frame[20, 20], frames[k][20, 20], atol=12)
    noise = random.integers(0, 256, (6, 64, 64, 3)).astype(np.uint8)
    save_gif(tmp_path / "noise.gif", noise)
    content = (tmp_path / "noise.gif").read_bytes()
    halved = compact_gif(content, limit=len(content) // 4)
    assert len(halved) <= len(content) // 4
    with pytest.raises(ValueError, match="more than 100 bytes"):
        compact_gif(content, limit=100)
