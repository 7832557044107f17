"""The order of the images: a permutation per epoch, a function of (seed, epoch) alone."""

import itertools

import numpy as np
import pytest

from data.image_data import Split
from data.pipeline import Batches
from errors import UserError


def numbered(n=23, labelled=True, side=2, channels=1):
    """N images, each full of its own number; the label of number k is k % 7."""
    numbers = np.arange(n)
    images = np.broadcast_to(numbers[:, None, None, None], (n, side, side, channels))
    return Split(images.astype(np.uint8), (numbers % 7).astype(np.int64) if labelled else None)


def numbers(images):
    """The numbers of images that `numbered` made, in their order."""
    return np.asarray(images)[..., 0, 0, 0].ravel().tolist()


def epoch(batches, k):
    """The numbers of the images of an epoch, in order."""
    steps = range(k * batches.steps_per_epoch, (k + 1) * batches.steps_per_epoch)
    return [number for step in steps for number in numbers(batches.batch(step)[0])]


def first(batches, count, start=0):
    """The first batches of the tf.data pipeline, as tuples of arrays (or lone arrays)."""
    return list(itertools.islice(batches.dataset(start).as_numpy_iterator(), count))


def assert_same(ones, others):
    """The same batches of images and labels."""
    assert ones
    for (images, labels), (x, y) in zip(ones, others, strict=True):
        np.testing.assert_array_equal(images, x)
        np.testing.assert_array_equal(labels, y)


def test_batches_of_an_epoch_contain_each_image_once_in_shuffled_order():
    batches = Batches(numbered(24), 4)
    assert batches.steps_per_epoch == 6
    for k in range(3):
        assert sorted(epoch(batches, k)) == list(range(24))
        assert epoch(batches, k) != list(range(24))


def test_batches_omit_an_incomplete_last_batch_in_that_epoch_only():
    batches = Batches(numbered(23), 4)
    assert batches.steps_per_epoch == 5
    shown = [epoch(batches, k) for k in range(30)]
    assert all(len(set(one)) == len(one) == 20 for one in shown)
    assert set().union(*shown) == set(range(23))


def test_batches_of_another_epoch_or_seed_have_another_order():
    orders = [
        tuple(epoch(Batches(numbered(24), 4, seed=seed), k)) for seed in range(3) for k in range(4)
    ]
    assert len(set(orders)) == len(orders)


def test_batches_have_an_order_that_is_a_function_of_seed_and_epoch():
    later_first = Batches(numbered(), 4, seed=3)
    np.random.seed(0)
    backwards = [epoch(later_first, k) for k in (5, 1, 5, 0)]
    np.random.seed(1)
    forwards = [epoch(Batches(numbered(), 4, seed=3), k) for k in (5, 1, 5, 0)]
    assert backwards == forwards
    assert epoch(Batches(numbered(), 2, seed=3), 1)[:20] == epoch(later_first, 1)


@pytest.mark.parametrize("start", [0, 1, 5, 7, 15])
def test_dataset_started_at_any_step_continues_the_uninterrupted_stream(start):
    batches = Batches(numbered(), 4, seed=1)
    assert_same(first(batches, 17)[start:], first(batches, 17 - start, start))


def test_dataset_yields_the_batches_of_the_steps():
    batches = Batches(numbered(channels=3), 4, seed=1)
    for step, (images, labels) in enumerate(first(batches, 12)):
        x, y = batches.batch(step)
        assert images.dtype == np.uint8
        assert images.shape == (4, 2, 2, 3)
        assert labels.dtype == np.int32
        np.testing.assert_array_equal(images, x)
        np.testing.assert_array_equal(labels, y)


@pytest.mark.parametrize("n_critic", [2, 3])
def test_batch_with_n_critic_splits_the_images_of_a_flat_batch(n_critic):
    deep = Batches(numbered(24), 4, seed=1, n_critic=n_critic)
    flat = Batches(numbered(24), 4 * n_critic, seed=1)
    assert deep.images_per_step == flat.images_per_step == 4 * n_critic
    assert deep.steps_per_epoch == flat.steps_per_epoch == 24 // (4 * n_critic)
    for step in range(3 * deep.steps_per_epoch):
        (images, labels), (x, y) = deep.batch(step), flat.batch(step)
        assert images.shape == (n_critic, 4, 2, 2, 1)
        assert labels.shape == (n_critic, 4)
        assert numbers(images) == numbers(x)
        assert labels.ravel().tolist() == y.tolist()


def test_batch_of_a_critic_step_equals_that_of_the_same_step_without_n_critic():
    deep, flat = Batches(numbered(24), 4, n_critic=3), Batches(numbered(24), 4)
    for step, k in itertools.product(range(deep.steps_per_epoch), range(3)):
        assert numbers(deep.batch(step)[0][k]) == numbers(flat.batch(3 * step + k)[0])


def test_dataset_with_n_critic_has_an_axis_of_critic_steps():
    (images, labels), *_ = first(Batches(numbered(24), 4, n_critic=3), 1)
    assert images.shape == (3, 4, 2, 2, 1)
    assert labels.shape == (3, 4)


def test_dataset_keeps_labels_with_their_images():
    for images, labels in first(Batches(numbered(), 5, seed=2), 8):
        assert [number % 7 for number in numbers(images)] == labels.tolist()


def test_dataset_without_labels_yields_images_alone():
    batches = Batches(numbered(labelled=False), 4)
    assert len(batches.batch(0)) == 1
    images, *_ = first(batches, 1)
    assert images.dtype == np.uint8
    assert images.shape == (4, 2, 2, 1)
    assert numbers(images) == numbers(batches.batch(0)[0])


def test_batches_without_labels_have_the_same_order():
    assert epoch(Batches(numbered(), 4), 1) == epoch(Batches(numbered(labelled=False), 4), 1)


def test_batch_keeps_all_256_levels():
    levels = np.arange(256, dtype=np.uint8).reshape(4, 8, 8, 1)
    images, _ = Batches(Split(levels, np.zeros(4, np.int64)), 4).batch(0)
    assert sorted(images.ravel().tolist()) == list(range(256))


def test_dataset_of_a_read_only_memory_map_equals_that_of_an_array(tmp_path):
    split = numbered()
    np.save(tmp_path / "images.npy", split.images)
    mapped = Split(np.load(tmp_path / "images.npy", mmap_mode="r"), split.labels)
    assert_same(first(Batches(mapped, 4), 7), first(Batches(split, 4), 7))


def test_batch_size_above_the_number_of_images_raises():
    assert sorted(epoch(Batches(numbered(23), 23), 0)) == list(range(23))
    with pytest.raises(UserError, match=r"^batch_size: 24 exceeds the 23 training images") as error:
        Batches(numbered(23), 24)
    assert "\n" not in str(error.value)


def test_batch_size_times_n_critic_above_the_number_of_images_raises():
    assert Batches(numbered(23), 7, n_critic=3).steps_per_epoch == 1
    with pytest.raises(UserError, match=r"^batch_size: 8 x n_critic=3 exceeds the 23"):
        Batches(numbered(23), 8, n_critic=3)


# Mirrored images.


def photographs(n=64, seed=0, shape=(4, 6, 3)):
    """N images of random pixels with labels, none of which is its own mirror image."""
    images = np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)
    return Split(images, np.arange(n) % 7)


def mirrored(flipped, plain):
    """Return the mask of mirrored images; check that the others equal the plain batch."""
    mirror = (flipped == plain[..., ::-1, :]).all((-3, -2, -1))
    same = (flipped == plain).all((-3, -2, -1))
    assert (mirror != same).all()
    return mirror


def flips(batches, plain, steps):
    """Return the mask of mirrored images in some steps."""
    return np.array([mirrored(batches.batch(s)[0], plain.batch(s)[0]) for s in steps])


def test_flip_mirrors_half_of_the_images_left_to_right():
    split = photographs()
    shown = flips(Batches(split, 32, seed=1, flip=True), Batches(split, 32, seed=1), range(200))
    assert abs(shown.mean() - 0.5) < 4 * 0.5 / shown.size**0.5
    assert np.abs(shown.mean(0) - 0.5).max() < 5 * 0.5 / 200**0.5
    assert len({step.tobytes() for step in shown}) == 200


def test_flip_reverses_columns_and_keeps_rows_and_channels():
    image = np.arange(12, dtype=np.uint8).reshape(2, 3, 2)
    batches = Batches(Split(image[None]), 1, flip=True)
    shown = {tuple(batches.batch(step)[0].ravel().tolist()) for step in range(20)}
    assert shown == {tuple(range(12)), (4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7)}


def test_flip_is_a_function_of_seed_and_step():
    one, plain = photographs(seed=0), photographs(seed=1, shape=(6, 6, 1))
    forwards = flips(Batches(one, 8, seed=3, flip=True), Batches(one, 8, seed=3), range(20))
    np.random.seed(0)
    others = Batches(plain, 8, seed=3, flip=True), Batches(plain, 8, seed=3)
    backwards = flips(*others, reversed(range(20)))
    np.testing.assert_array_equal(backwards[::-1], forwards)
    other_seed = flips(Batches(one, 8, seed=4, flip=True), Batches(one, 8, seed=4), range(20))
    assert (other_seed != forwards).any()


def test_flip_of_an_image_differs_between_epochs():
    batches = Batches(photographs(8), 8, flip=True)
    shown = {}
    for step in range(20):
        for image, label in zip(*batches.batch(step), strict=True):
            shown.setdefault(label, set()).add(image.tobytes())
    assert all(len(images) >= 2 for images in shown.values())


@pytest.mark.parametrize("start", [1, 8, 11])
@pytest.mark.parametrize("n_critic", [1, 2])
def test_flip_started_at_any_step_mirrors_the_same_images(start, n_critic):
    batches = Batches(photographs(), 8, seed=1, n_critic=n_critic, flip=True)
    whole = first(batches, 13)
    again = Batches(photographs(), 8, seed=1, n_critic=n_critic, flip=True)
    assert_same(whole[start:], first(again, 13 - start, start))


def test_flip_with_n_critic_mirrors_each_critic_step_independently():
    split = photographs()
    deep = Batches(split, 8, seed=1, n_critic=3, flip=True)
    plain = Batches(split, 8, seed=1, n_critic=3)
    shown = flips(deep, plain, range(30))
    assert shown.shape == (30, 3, 8)
    assert abs(shown.mean() - 0.5) < 4 * 0.5 / shown.size**0.5
    assert len({row.tobytes() for row in shown.reshape(90, 8)}) > 60


def test_flip_keeps_the_order_the_labels_and_the_source():
    split = photographs()
    before = split.images.copy()
    flipped, plain = Batches(split, 8, seed=2, flip=True), Batches(split, 8, seed=2)
    for step in range(20):
        (images, labels), (x, y) = flipped.batch(step), plain.batch(step)
        mirrored(images, x)
        np.testing.assert_array_equal(labels, y)
    np.testing.assert_array_equal(split.images, before)


def test_flip_of_a_read_only_memory_map_equals_that_of_an_array(tmp_path):
    split = photographs()
    np.save(tmp_path / "images.npy", split.images)
    mapped = Split(np.load(tmp_path / "images.npy", mmap_mode="r"), split.labels)
    assert_same(first(Batches(mapped, 8, flip=True), 9), first(Batches(split, 8, flip=True), 9))


def test_batch_without_flip_is_a_slice_of_the_permutation():
    split = photographs(20)
    for step in range(8):
        order = np.random.Generator(np.random.Philox(key=[5, step // 2])).permutation(20)
        chosen = order[8 * (step % 2) :][:8]
        images, labels = Batches(split, 8, seed=5).batch(step)
        np.testing.assert_array_equal(images, split.images[chosen])
        np.testing.assert_array_equal(labels, split.labels[chosen])


# Labels that are kept.


def kept(batches):
    """Return the mask of the images of the split that keep their label."""
    return batches.split.labels >= 0


@pytest.mark.parametrize(
    ("labelled", "count"), [(0.0, 0), (0.1, 20), (0.5, 100), (0.333, 67), (0.999, 200)]
)
def test_labelled_keeps_that_share_of_labels_and_sets_the_others_to_minus_1(labelled, count):
    split = numbered(200)
    batches = Batches(split, 10, seed=1, labelled=labelled)
    found = kept(batches)
    assert found.sum() == count
    np.testing.assert_array_equal(batches.split.labels, np.where(found, split.labels, -1))


def test_labelled_of_1_keeps_all_labels():
    split = numbered(50)
    for batches in (Batches(split, 10), Batches(split, 10, labelled=1.0)):
        np.testing.assert_array_equal(batches.split.labels, np.arange(50) % 7)


def test_labelled_is_a_function_of_the_seed():
    found = {}
    for seed in (1, 1, 2, 3):
        np.random.seed(seed)
        found.setdefault(seed, []).append(kept(Batches(numbered(200), 10, seed=seed, labelled=0.5)))
    np.testing.assert_array_equal(*found[1])
    assert len({each[0].tobytes() for each in found.values()}) == 3
    for first, *_ in found.values():  # from all over the set
        assert 20 < first[:100].sum() < 80


def test_labelled_of_a_larger_share_includes_the_smaller():
    few, many = (kept(Batches(numbered(200), 10, seed=1, labelled=share)) for share in (0.2, 0.6))
    assert (many | ~few).all()


def test_labelled_keeps_the_images_their_order_and_the_split():
    split = numbered(24)
    plain, few = Batches(split, 4, seed=1), Batches(split, 4, seed=1, labelled=0.25)
    assert few.split.images is split.images
    for step in range(12):
        (images, labels), (x, y) = plain.batch(step), few.batch(step)
        np.testing.assert_array_equal(images, x)
        np.testing.assert_array_equal(y, np.where(y >= 0, labels, -1))
        assert y.dtype == np.int32
        of_image = kept(few)[numbers(x)]  # the same ones in every epoch
        np.testing.assert_array_equal(y >= 0, of_image)
    np.testing.assert_array_equal(split.labels, np.arange(24) % 7)


def test_dataset_with_labelled_yields_the_kept_labels():
    batches = Batches(numbered(24), 4, seed=1, n_critic=2, labelled=0.5)
    assert_same(first(batches, 5), [batches.batch(step) for step in range(5)])
    labels = np.concatenate([y.ravel() for _, y in first(batches, 3)])
    assert (labels == -1).sum() == 12


def test_labelled_without_labels_changes_nothing():
    batches = Batches(numbered(labelled=False), 4, labelled=0.5)
    assert batches.split.labels is None
    assert len(batches.batch(0)) == 1


def test_labelled_of_less_than_one_image_raises():
    with pytest.raises(UserError) as refusal:
        Batches(numbered(), 4, labelled=0.02, labelled_option="share")
    assert str(refusal.value) == (
        "share: 0.02 of 23 images is less than one image; set a larger fraction, or 0"
    )


def test_dataset_is_not_tuned():
    # The thread that tunes a dataset delays its end, and so that of a training, by up to a minute.
    split = Split(np.zeros((4, 2, 2, 1), np.uint8), None)
    assert Batches(split, 2).dataset().options().autotune.enabled is False
