"""Pickles for workers: large arrays are mapped from files."""

from pathlib import Path
from pickle import loads
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from blindtune.core.arrays import open_array
from blindtune.core.errors import UserError
from blindtune.datasets.base import Split
from blindtune.training.pool import shared_arrays
from blindtune.training.pool.shared_arrays import SharedPickle
from blindtune.views.samples import StoredSamples


def test_memory_map_is_pickled_as_its_file(tmp_path: Path) -> None:
    """A memory map is pickled as the name of its file."""
    np.save(tmp_path / "x.npy", np.arange(400_000, dtype=np.int16).reshape(-1, 4))
    x = open_array(tmp_path / "x.npy", "Remove it.")
    shared = SharedPickle((Split(StoredSamples(x, (4,)), x[:, 0].copy()), x))
    assert len(shared.pickled) < 2_000_000, "labels and the rows that are seen, but no samples"
    split, again = loads(shared.pickled)
    assert isinstance(again, np.memmap) and not again.flags.writeable and again.filename == x.filename
    assert isinstance(split.x.stored, np.memmap)
    rows = np.array([5, 3])
    assert np.array_equal(split.x[rows].eval_batch(slice(0, 2)), x[rows].astype(np.float32))


def test_slice_of_a_memory_map_is_written(tmp_path: Path) -> None:
    """A slice of a memory map is written to a file of its values."""
    np.save(tmp_path / "x.npy", np.arange(600_000, dtype=np.float64))
    x = open_array(tmp_path / "x.npy", "Remove it.")
    for part in (x[1000:], x[::2], x[::-1]):
        shared = SharedPickle(part)
        assert len(shared.pickled) < 1000
        assert np.array_equal(loads(shared.pickled), part)
        shared.close()


def test_mapped_array_stays_valid_after_close() -> None:
    """A mapped array stays valid after the file is removed, and cannot be mapped again."""
    whole = np.arange(300_000, dtype=np.int64)
    shared = SharedPickle({"one": whole, "two": whole, "few": whole[:10]})
    again = loads(shared.pickled)
    assert again["one"] is again["two"] and type(again["few"]) is np.ndarray
    shared.close()
    assert np.array_equal(again["one"], whole) and not again["one"].flags.writeable
    with pytest.raises(FileNotFoundError):
        loads(shared.pickled)


@settings(deadline=None, max_examples=60)
@given(
    arrays.arrays(
        st.sampled_from([np.int8, np.int64, np.float32, np.float64, np.bool_]),
        arrays.array_shapes(max_dims=4, max_side=5),
    ),
    st.booleans(),
)
def test_array_round_trip_is_exact(array: Any, turned: bool) -> None:
    """Any array, transposed or not, arrives with its values and type."""
    value = array.T if turned else array
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_arrays, "MIN_MAPPED_BYTES", 0)
        shared = SharedPickle(value)
    again = loads(shared.pickled)
    shared.close()
    assert isinstance(again, np.memmap) and again.dtype == value.dtype
    assert np.array_equal(again, value, equal_nan=value.dtype.kind == "f")


def test_no_room_is_a_user_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full temporary folder is a UserError that names TMPDIR."""
    monkeypatch.setattr(shared_arrays.tempfile, "TemporaryFile", lambda: Path("/dev/full").open("wb"))  # noqa: SIM115
    with pytest.raises(UserError, match=r"MiB that workers share cannot be written .* Set TMPDIR"):
        SharedPickle(np.zeros(2**18))
