"""Digests of samples: equal values give equal digests in any file, order or chunks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from blindtune.core.arrays import write_array
from blindtune.datasets import chunked
from blindtune.datasets.chunked import ChunkedArray, FileRows
from blindtune.datasets.content import DIGEST_SIZE, concatenate_digests, digest_content, digest_samples, find_among

FLOATS = arrays.arrays(np.float32, (6, 2), elements=st.sampled_from([0.0, -0.0, 1.0, 2.5]))


@given(FLOATS)
def test_digests_are_equal_where_samples_are(x: Any) -> None:
    """Two samples have the same digest if and only if their values are the same; -0.0 is 0.0."""
    digests = digest_samples(x)
    assert digests.shape == (6,) and digests.dtype == f"S{DIGEST_SIZE}"
    for one in range(6):
        for other in range(6):
            assert (digests[one] == digests[other]) == bool((x[one] == x[other]).all())


@pytest.mark.parametrize("dtype", [">f4", "<f8", ">f8"])
def test_digests_take_floats_as_models_do(dtype: str) -> None:
    """Floats count with the precision of float32, in any byte order."""
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    assert digest_samples(x.astype(dtype)).tolist() == digest_samples(x).tolist()
    below = x.astype(np.float64) * (1 + 1e-12)
    assert digest_samples(below).tolist() == digest_samples(x).tolist()


def test_digests_of_whole_numbers_depend_on_no_byte_order() -> None:
    """Whole numbers give the same digests in both byte orders, and others than as another type."""
    x = np.arange(12).reshape(4, 3).astype("<i2")
    assert digest_samples(x.astype(">i2")).tolist() == digest_samples(x).tolist()
    assert not set(digest_samples(x.astype(np.int64)).tolist()) & set(digest_samples(x).tolist())


def test_digests_tell_shapes_apart() -> None:
    """The same bytes in another shape are another sample."""
    x = np.arange(24, dtype=np.float32)
    assert digest_samples(x.reshape(2, 3, 4))[0] != digest_samples(x.reshape(2, 4, 3))[0]


def test_digests_ignore_the_order_in_memory() -> None:
    """An array that is not contiguous has the digests of its values."""
    x = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    turned = np.asfortranarray(x)
    assert digest_samples(turned).tolist() == digest_samples(x).tolist()
    assert digest_samples(x[::-1])[::-1].tolist() == digest_samples(x).tolist()


@pytest.mark.parametrize("chunk", [1, 50, 2**24])
def test_digests_of_chunks_are_those_of_the_whole(tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples of several files give the digests of one array."""
    x = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    write_array(tmp_path / "a.npy", x)
    monkeypatch.setattr(chunked, "MAX_CHUNK_BYTES", chunk)
    found = ChunkedArray([FileRows(tmp_path / "a.npy", [6, 0, 3]), FileRows(tmp_path / "a.npy", [1, 1])])
    assert digest_samples(found).tolist() == digest_samples(x[[6, 0, 3, 1, 1]]).tolist()
    parts = [digest_samples(x[:3]), digest_samples(x[3:])]
    assert concatenate_digests(parts).tolist() == digest_samples(x).tolist()
    assert concatenate_digests([]).shape == (0,)


@given(st.permutations(range(6)))
def test_content_depends_on_no_order(order: list[int]) -> None:
    """The same samples in any order are the same content; one sample more, less or twice is not."""
    digests = digest_samples(np.arange(12, dtype=np.float32).reshape(6, 2))
    assert digest_content(digests[order]) == digest_content(digests)
    others = [digests[:5], np.concatenate([digests, digests[:1]]), np.concatenate([digests[:5], digests[:1]])]
    assert len({digest_content(one) for one in [digests, *others]}) == 4


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
def test_find_among_is_that_of_a_set(one: list[int], other: list[int]) -> None:
    """A sample is found if and only if it is among the others."""
    digests, known = (digest_samples(np.array(values, np.float32).reshape(-1, 1)) for values in (one, other))
    assert find_among(digests, np.sort(known)).tolist() == [value in other for value in one]
