"""The interface of views: selection of samples, batches, and the example of its docstring."""

import doctest

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from blindtune.views import base
from blindtune.views.base import MAX_BATCH_VALUES
from blindtune.views.samples import StoredSamples


def test_sample_view_example_runs() -> None:
    """The example in the docstring of the interface gives what it shows."""
    result = doctest.testmod(base)
    assert result.attempted > 0 and result.failed == 0


@given(st.integers(1, 50), st.lists(st.integers(0, 1000), max_size=5))
def test_sample_view_getitem_selects_samples(count: int, picks: list[int]) -> None:
    """Indexing a view gives the same view of the selected samples."""
    rows = np.array([pick % count for pick in picks], np.int64)
    stored = np.arange(2 * count, dtype=np.int64).reshape(count, 2)
    part = StoredSamples(stored, (2,))[rows]
    assert part.shape == (len(rows), 2)
    assert np.array_equal(np.asarray(part), stored[rows])
    assert np.array_equal(np.asarray(part[np.arange(len(rows))[::-1]]), stored[rows][::-1])


def test_sample_view_batches_cover_and_are_bounded() -> None:
    """Batches contain every sample once and no more values than allowed."""
    view = StoredSamples(np.empty((100, MAX_BATCH_VALUES // 30), np.uint8), (MAX_BATCH_VALUES // 30,))
    parts = view.batches()
    assert np.concatenate([np.arange(100)[part] for part in parts]).tolist() == list(range(100))
    assert max(part.stop - part.start for part in parts) * MAX_BATCH_VALUES // 30 <= MAX_BATCH_VALUES
    huge = StoredSamples(np.empty((2, 2 * MAX_BATCH_VALUES), np.uint8), (2 * MAX_BATCH_VALUES,))
    assert [part.stop - part.start for part in huge.batches()] == [1, 1], "one at a time, where one is too many already"
    assert [part.stop - part.start for part in view.batches(MAX_BATCH_VALUES // 10)] == [3] * 33 + [1], "its own bound"
