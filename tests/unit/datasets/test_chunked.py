"""Samples of many files as one array, of which a part is held at a time."""

import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blindtune.core.arrays import write_array
from blindtune.core.errors import UserError
from blindtune.datasets import chunked
from blindtune.datasets.base import SPLITS, ChunkedSplit, DatasetConfig, LoadedDataset, Source, TsvTable
from blindtune.datasets.chunked import ChunkedArray, FileRows, iterate_chunks
from blindtune.datasets.prepared import open_split, prepare

SAMPLE = (20, 30)
BYTES = 20 * 30 * 4


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=9), min_size=1, max_size=4), st.integers(1, 100))
def test_chunks_concatenate_the_files(tmp_path: Path, rows: list[list[int]], chunk: int) -> None:
    """Chunks give the samples of all files in order, none larger than allowed."""
    arrays = [np.random.default_rng(number).normal(size=(7, 2, 3)).astype(np.float32) for number in range(len(rows))]
    for number, array in enumerate(arrays):
        write_array(tmp_path / f"{number}.npy", array)
    found = ChunkedArray([FileRows(tmp_path / f"{number}.npy", chosen) for number, chosen in enumerate(rows)])
    expected = np.concatenate([array[chosen] for array, chosen in zip(arrays, rows, strict=True)])
    assert (found.shape, found.dtype, len(found)) == (expected.shape, expected.dtype, len(expected))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunked, "MAX_CHUNK_BYTES", chunk)
        for x in (found, expected):
            parts = list(iterate_chunks(x))
            assert all(part.nbytes <= max(chunk, 24) for part in parts)
            np.testing.assert_array_equal(np.concatenate(parts), expected)


@given(st.lists(st.booleans(), min_size=9, max_size=9).filter(any))
def test_select_takes_samples_of_all_files(tmp_path_factory: pytest.TempPathFactory, taken: list[bool]) -> None:
    """Some of the samples are those of the whole array, in their order; a file of which none is taken is left out."""
    folder = tmp_path_factory.mktemp("select")
    for name in "ab":
        write_array(folder / f"{name}.npy", np.arange(10).reshape(5, 2) + 100 * (name == "b"))
    found = ChunkedArray([FileRows(folder / "a.npy", [4, 0, 0, 2]), FileRows(folder / "b.npy", [3, 1, 0, 2, 3])])
    whole = np.concatenate(list(found.chunks()))
    part = found.select(np.array(taken))
    np.testing.assert_array_equal(np.concatenate(list(part.chunks())), whole[taken])
    assert part.shape == (sum(taken), 2)


@pytest.mark.parametrize("other", [np.zeros((4, 2)), np.zeros((4, 3), np.float32), np.zeros((2, 3))])
def test_chunks_refuse_other_samples(tmp_path: Path, other: Any) -> None:
    """A file with other samples is refused by its name."""
    write_array(tmp_path / "a.npy", np.zeros((4, 3)))
    write_array(tmp_path / "b.npy", other)
    found = ChunkedArray([FileRows(tmp_path / "a.npy", [0]), FileRows(tmp_path / "b.npy", [2])])
    with pytest.raises(UserError, match=r"b\.npy: holds other samples than it should"):
        list(found.chunks())
    (tmp_path / "b.npy").unlink()
    with pytest.raises(UserError, match=r"b\.npy: cannot be read"):
        list(found.chunks())


class Counted:
    """A file of many samples, which counts the bytes that are alive of what was read."""

    shape, dtype = (500, *SAMPLE), np.dtype(np.float32)
    alive = most = read = 0

    def __len__(self) -> int:
        return 500

    def __getitem__(self, rows: list[int]) -> Any:
        part = np.full((len(rows), *SAMPLE), 1.0, np.float32) * np.array(rows, np.float32)[:, None, None]
        Counted.alive += part.nbytes
        Counted.read += part.nbytes
        Counted.most = max(Counted.most, Counted.alive)
        weakref.finalize(part, self._gone, part.nbytes)
        return part

    @staticmethod
    def _gone(size: int) -> None:
        Counted.alive -= size


class Many(Source):
    """A source of six files of 500 samples, of which all are drawn."""

    def __init__(self, label: int = 1) -> None:
        super().__init__(DatasetConfig(source="many", leaks="report"))  # its three splits hold the same samples
        self.label = label

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        splits = {}
        for number, split in enumerate(SPLITS):
            order = np.random.default_rng(number).permutation(500).tolist()
            x = ChunkedArray([FileRows(Path(f"{split}-{file}"), order) for file in range(2)])
            labels = np.arange(1000) % 2 * self.label
            origins = TsvTable(("sample",), [(row,) for row in range(1000)])
            splits[split] = ChunkedSplit(x, labels, np.full(1000, number), origins)
        return LoadedDataset(splits, ["a", "b"], ["sample", "channel", "time"], "none")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[Counted]:
    monkeypatch.setattr(chunked, "open_array", lambda path, remedy: Counted())
    monkeypatch.setattr(chunked, "MAX_CHUNK_BYTES", 16 * BYTES)
    Counted.most = Counted.read = 0
    return Counted


def test_prepare_holds_at_most_two_chunks(tmp_path: Path, counted: type[Counted]) -> None:
    """At most two chunks are in memory, and everything is read once."""
    prepare("it", Many(), {}, tmp_path / "data/m.json", tmp_path / "sealed/s.json")
    assert counted.read == 3000 * BYTES
    assert 0 < counted.most <= 2 * 16 * BYTES
    assert counted.alive == 0
    x = open_split(tmp_path / "data/train").x
    order = np.random.default_rng(0).permutation(500)
    np.testing.assert_array_equal(x[:, 0, 0], np.concatenate([order, order]))


def test_prepare_checks_labels_before_reading(tmp_path: Path, counted: type[Counted]) -> None:
    """What can be checked without samples is checked before any is read."""
    source = Many(label=0)
    with pytest.raises(UserError, match="class b has no sample"):
        prepare("it", source, {}, tmp_path / "data/m.json", tmp_path / "sealed/s.json")
    assert counted.read == 0
    assert not list(tmp_path.iterdir())
