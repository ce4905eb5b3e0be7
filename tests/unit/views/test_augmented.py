"""The view ``augmented``."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune.core.errors import UserError
from blindtune.views.apply import make_view
from blindtune.views.augmented import AugmentedPictures
from blindtune.views.config import AugmentedView
from support.views import prepared_dataset, random_pictures

ZERO, ONE = np.zeros(3, np.float32), np.ones(3, np.float32)


def augment(stored: Any, mean: Any = ZERO, deviation: Any = ONE, **keys: Any) -> AugmentedPictures:
    """Return a view of pictures; nothing is changed unless a key says so."""
    still = {"mirror": False, "upside_down": False, "shift": 0, "jitter": 0.0}
    return AugmentedPictures(stored, AugmentedView(kind="augmented", **(still | keys)), mean, deviation)


def test_eval_batch_is_the_whole_picture_normalised() -> None:
    """Pictures that are scored are changed by the statistics of train alone."""
    stored = random_pictures(3, 7)
    mean, deviation = np.array([1, 2, 3], np.float32), np.array([2, 4, 8], np.float32)
    view = augment(stored, mean, deviation, mirror=True, shift=2, jitter=0.2)
    np.testing.assert_allclose(view.eval_batch(slice(0, 3)), (stored - mean) / deviation, rtol=1e-6)
    assert view.sample_shape == stored.shape[1:] and view.is_random


def test_train_batch_without_changes_is_the_eval_batch() -> None:
    """With every change switched off, training sees what scoring sees."""
    view = augment(random_pictures(4, 6))
    rows = np.array([2, 0])
    assert np.array_equal(view.train_batch(rows, np.random.default_rng(1)), view.eval_batch(rows))


@given(st.integers(0, 2**32), st.booleans(), st.booleans(), st.integers(0, 3))
def test_train_batch_is_a_mirrored_and_shifted_picture(seed: int, mirror: bool, upside_down: bool, shift: int) -> None:
    """Each picture is one of its mirrored forms, shifted by at most the given pixels."""
    stored = random_pictures(2, 6)
    view = augment(stored, mirror=mirror, upside_down=upside_down, shift=shift)
    drawn = view.train_batch(np.array([1, 0]), np.random.default_rng(seed))
    for picture, number in zip(drawn, (1, 0), strict=True):
        forms = [stored[number].astype(np.float32)]
        forms += [form[:, ::-1] for form in forms] if mirror else []
        forms += [form[::-1] for form in forms] if upside_down else []
        margins = [np.pad(form, ((shift, shift), (shift, shift), (0, 0)), mode="reflect") for form in forms]
        assert any(
            np.array_equal(picture, margin[top : top + 6, left : left + 6])
            for margin in margins
            for top in range(2 * shift + 1)
            for left in range(2 * shift + 1)
        )


def test_train_batch_uses_every_change() -> None:
    """Over many draws each change is seen, and the same seed gives the same pictures."""
    rows = np.zeros(200, np.int64)
    stored = random_pictures(1, 8)
    for keys, kinds in (({"mirror": True}, 2), ({"upside_down": True}, 2), ({"shift": 1}, 9), ({"jitter": 0.1}, 200)):
        first, again = (augment(stored, **keys).train_batch(rows, np.random.default_rng(3)) for _ in range(2))
        assert np.array_equal(first, again)
        assert len(np.unique(first.reshape(200, -1), axis=0)) == kinds


def test_view_refuses_a_shift_as_large_as_the_picture() -> None:
    """A shift that leaves nothing of a picture is refused by its key and the name of the dataset."""
    statistics = {"mean": [0.0] * 3, "deviation": [1.0] * 3}
    data = prepared_dataset(random_pictures(4, 6), {"source": "images"}, statistics)
    view = make_view(AugmentedView(kind="augmented", shift=6), data)
    with pytest.raises(UserError, match="view: shift 6 is not smaller than the pictures, 6 x 6"):
        view(data.train.x)
