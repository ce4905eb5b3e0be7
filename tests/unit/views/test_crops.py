"""The view ``crops``."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune.core.errors import UserError
from blindtune.views.apply import apply_view
from support.views import crop_pictures, crops_config, prepared_dataset, random_pictures


def test_eval_batch_crops_an_even_grid() -> None:
    """Fixed crops form an even grid from edge to edge."""
    stored = random_pictures(2, 10)
    one = crop_pictures(stored).eval_batch(slice(0, 2))
    assert np.array_equal(one, stored[:, 3:7, 3:7])
    nine = crop_pictures(stored, n_eval_crops=9).eval_batch(np.array([1]))
    places = [(top, left) for top in (0, 3, 6) for left in (0, 3, 6)]
    expected = [stored[1, top : top + 4, left : left + 4] for top, left in places]
    assert np.array_equal(nine, np.stack(expected).astype(np.float32))


def test_eval_batch_normalises_means_of_blocks() -> None:
    """Crops are downsampled by the mean of blocks and normalised."""
    stored = random_pictures(3, 12)
    mean, deviation = np.array([1, 2, 3], np.float32), np.array([2, 4, 8], np.float32)
    view = crop_pictures(stored, mean, deviation, downsample=2)
    region = stored[:, 2:10, 2:10].astype(np.float64)
    blocks = region.reshape(3, 4, 2, 4, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(view.eval_batch(slice(0, 3)), (blocks - mean) / deviation, rtol=1e-6)


@given(st.integers(0, 2**32), st.booleans(), st.integers(1, 2))
def test_train_batch_crops_the_picture(seed: int, rotate: bool, factor: int) -> None:
    """A random crop is a square of the picture, possibly rotated or mirrored."""
    stored = random_pictures(3, 9, seed=1)
    view = crop_pictures(stored, rotate=rotate, downsample=factor)
    drawn = view.train_batch(np.array([0, 2]), np.random.default_rng(seed))
    reach = 4 * factor
    for crop, number in zip(drawn, (0, 2), strict=True):
        squares = [
            stored[number, top : top + reach, left : left + reach].reshape(4, factor, 4, factor, 3).mean(axis=(1, 3))
            for top in range(10 - reach)
            for left in range(10 - reach)
        ]
        if rotate:
            squares = [
                np.rot90(kind, turn) for square in squares for kind in (square, square[::-1]) for turn in range(4)
            ]
        assert any(np.array_equal(crop, square) for square in squares)


def test_train_batch_depends_on_the_seed() -> None:
    """Random crops differ from each other and repeat with their seed."""
    view = crop_pictures(random_pictures(1, 64), rotate=True)
    rows = np.zeros(200, np.int64)
    first, again, other = (view.train_batch(rows, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert len(np.unique(first.reshape(200, -1), axis=0)) > 150


def test_train_batch_jitters_each_colour() -> None:
    """Jitter scales and shifts each colour of a crop slightly."""
    stored = np.full((1, 4, 4, 3), 2, np.uint8)
    drawn = crop_pictures(stored, jitter=0.1).train_batch(np.zeros(500, np.int64), np.random.default_rng(0))
    assert (np.ptp(drawn, axis=(1, 2)) == 0).all(), "one factor for a whole crop"
    colours = drawn[:, 0, 0]
    assert 2 - 0.3 <= colours.min() < 1.8 and 2.2 < colours.max() <= 2 + 0.3
    assert abs(np.corrcoef(colours[:, 0], colours[:, 1])[0, 1]) < 0.2, "each colour by its own"


def test_image_crops_refuse_small_pictures() -> None:
    """A crop that is larger than the pictures is refused, and so is a number of crops that is not square."""
    with pytest.raises(ValueError, match="side 4 times downsample 3 is 12 pixels, but the pictures are 10 x 10"):
        crop_pictures(random_pictures(1, 10), downsample=3)
    with pytest.raises(ValueError, match="n_eval_crops: 8 is not a square number"):
        crops_config(n_eval_crops=8)


def test_apply_view_names_the_dataset_of_small_pictures() -> None:
    """A crop that does not fit is refused with the name of the dataset."""
    data = prepared_dataset(random_pictures(4, 10), {"source": "images"}, {"mean": [0.0] * 3, "deviation": [1.0] * 3})
    with pytest.raises(UserError, match="dataset it: view: side 4 times downsample 5 is 20 pixels"):
        apply_view(crops_config(downsample=5), data)
