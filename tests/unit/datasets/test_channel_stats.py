"""Mean and deviation of channels, for any order and size of the parts."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune.datasets.channel_stats import ChannelStatistics


def counted(x: np.ndarray, axis: int, cuts: list[int]) -> dict[str, list[float]]:
    channels = ChannelStatistics(axis)
    for first, last in itertools.pairwise([0, *sorted(cuts), len(x)]):
        channels.add(x[first:last])
    return channels.result()


@given(
    st.sampled_from(["uint8", "int16", "float32", "float64"]),
    st.integers(1, 3),
    st.integers(0, 1000),
    st.lists(st.integers(0, 11), max_size=11),
)
def test_result_is_bit_identical_for_any_chunks(dtype: str, axis: int, seed: int, cuts: list[int]) -> None:
    """Mean and deviation are bit-identical for any chunks."""
    x = np.random.default_rng(seed).normal(100, 30, (11, 4, 5, 3)).astype(dtype)
    found = counted(x, axis, cuts)
    assert found == counted(x, axis, []) == counted(np.asfortranarray(x), axis, list(range(11)))
    others = tuple(number for number in range(4) if number != axis)
    np.testing.assert_allclose(found["mean"], x.mean(axis=others, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(found["deviation"], x.std(axis=others, dtype=np.float64), rtol=1e-12)


def test_result_is_exact_far_from_zero() -> None:
    """A mean far from zero loses no digits."""
    x = 1e9 + np.random.default_rng(0).normal(size=(50, 2, 100))
    np.testing.assert_allclose(counted(x, 1, [7])["deviation"], (x - 1e9).std(axis=(0, 2)), rtol=1e-7)


def test_result_of_a_constant_channel() -> None:
    """A constant channel has a deviation of zero."""
    for dtype in (np.uint8, np.float32):
        assert counted(np.full((3, 2, 4), 7, dtype), 1, []) == {"mean": [7.0, 7.0], "deviation": [0.0, 0.0]}


def test_result_needs_samples() -> None:
    """Without samples there is no result."""
    with pytest.raises(ValueError, match="no samples"):
        ChannelStatistics(1).result()
