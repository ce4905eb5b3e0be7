"""The prepared dataset: what every source writes and every study reads.

Train and dev are in ``data/<dataset>``, eval is in ``sealed/<dataset>``. Both folders have one .npy for each array,
which can be memory-mapped, and a small JSON of hashes. Later stages depend on the JSON only, never on gigabytes.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.arrays import digest_arrays, open_array
from blindtune.core.errors import UserError
from blindtune.core.files import FileTransaction, digest_file, read_json, write_json
from blindtune.datasets.base import SPLITS, ChunkedSplit, LoadedDataset, Source, Split
from blindtune.datasets.channel_stats import ChannelStatistics
from blindtune.datasets.split_writer import write_split, write_table


@dataclass(frozen=True)
class Prepared:
    """Train and dev of a prepared dataset.

    Attributes:
        name: name of the dataset.
        train: the split that models are trained on, memory-mapped.
        dev: the split that models are chosen by, memory-mapped.
        classes: a name for each label.
        sha256: digest of the content of both splits.
        manifest: the whole manifest, as plain data.
    """

    name: str
    train: Split
    dev: Split
    classes: list[str]
    sha256: str
    manifest: dict[str, Any]

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.train.x.shape[1:])


def prepare(name: str, source: Source, files: dict[str, Path], manifest: Path, seal: Path) -> str:
    """Load a dataset from its source, check it and write it; eval goes into the sealed folder.

    Samples are read, checked, hashed and written in chunks, so that a split need not fit into memory.

    Args:
        name: name of the dataset.
        source: the source.
        files: the files that the source reads, by the names of `Source.inputs`.
        manifest: path of ``data/<dataset>/manifest.json``; train and dev are written next to it.
        seal: path of ``sealed/<dataset>/seal.json``; eval is written next to it.

    Returns:
        A line about the prepared dataset, for the log.

    Raises:
        UserError: the data are wrong or cannot be written; nothing was changed. Data are wrong if `check` refuses them,
            if a value is not finite, or if two splits are the same.
    """
    loaded = _load(name, source, files)
    check(name, loaded)
    folders = dict(zip(SPLITS, (manifest.parent, manifest.parent, seal.parent), strict=True))
    statistics = ChannelStatistics(loaded.axes.index("channel")) if "channel" in loaded.axes else None
    with FileTransaction() as transaction:
        hashes = {
            split: write_split(
                transaction,
                folder / split,
                f"dataset {name}, {split}",
                loaded.splits[split],
                statistics if split == "train" else None,
            )
            for split, folder in folders.items()
        }
        _check_same_data(name, hashes)
        write_table(transaction, manifest.parent / "bad_files.tsv", loaded.bad_files)
    write_json(seal, {"dataset": name, "sha256": hashes["eval"], "samples": len(loaded.splits["eval"].y)})
    moments = statistics.result() if statistics is not None else None
    write_json(manifest, _manifest(name, source, loaded, hashes) | {"statistics": moments})
    return _summary(name, loaded, manifest.parent)


def check(name: str, loaded: LoadedDataset) -> None:
    """Refuse data on which no blind study can be run.

    Args:
        name: name of the dataset.
        loaded: the data.

    Raises:
        UserError: there are fewer than two classes, an empty split, a class without samples, a label outside the
            classes, or a group in two splits.
    """
    if len(loaded.classes) < 2:
        raise UserError(f"dataset {name}: has one class. A classifier needs samples of two or more.")
    for split in SPLITS:
        _check_split(f"dataset {name}, {split}", loaded.splits[split], loaded.classes)
    _check_groups(name, loaded)


def open_prepared(manifest: Path) -> Prepared:
    """Return train and dev of the dataset of a manifest, memory-mapped.

    Raises:
        UserError: a file of the dataset is missing or unreadable.
    """
    content = read_json(manifest)
    train, dev = (open_split(manifest.parent / split) for split in ("train", "dev"))
    return Prepared(content["dataset"], train, dev, content["classes"], content["sha256"], content)


def open_split(folder: Path) -> Split:
    """Return one written split, memory-mapped.

    Raises:
        UserError: an array of the split is missing or unreadable.
    """
    group = folder / "group.npy"
    record = "manifest.json" if (folder.parent / "manifest.json").exists() else "seal.json"
    remedy = f"Remove {folder.parent / record} and run again."
    x, y = (open_array(folder / f"{name}.npy", remedy) for name in ("x", "y"))
    return Split(x, y, open_array(group, remedy) if group.exists() else None)


def digest_of_split(split: Split) -> str:
    """Return the sha256 over the arrays of a split."""
    arrays: dict[str, NDArray[Any]] = {"x": split.x, "y": split.y}
    if split.group is not None:
        arrays["group"] = split.group
    return digest_arrays(arrays)


def _check_split(where: str, split: Split | ChunkedSplit, classes: list[str]) -> None:
    if len(split.y) == 0:
        raise UserError(f"{where}: is empty. Each split needs samples of every class.")
    if len(split.x) != len(split.y):
        raise UserError(f"{where}: {len(split.x)} samples but {len(split.y)} labels.")
    if split.y.min() < 0 or split.y.max() >= len(classes):
        wrong = int(split.y.min() if split.y.min() < 0 else split.y.max())
        raise UserError(f"{where}: label {wrong} is not one of the {len(classes)} classes 0 to {len(classes) - 1}.")
    counts = np.bincount(split.y, minlength=len(classes))
    if not counts.all():
        absent = ", ".join(classes[label] for label in np.flatnonzero(counts == 0))
        raise UserError(f"{where}: class {absent} has no sample. Each split needs samples of every class.")


def _check_groups(name: str, loaded: LoadedDataset) -> None:
    split_of: dict[int, str] = {}
    for split in SPLITS:
        group = loaded.splits[split].group
        for value in () if group is None else np.unique(group):
            if int(value) in split_of:
                raise UserError(
                    f"dataset {name}: group {int(value)} is in {split_of[int(value)]} and in {split}. "
                    "A group (patient, slide) belongs to one split only."
                )
            split_of[int(value)] = split


def _check_same_data(name: str, hashes: dict[str, str]) -> None:
    for first, second in (("train", "dev"), ("train", "eval"), ("dev", "eval")):
        if hashes[first] == hashes[second]:
            raise UserError(f"dataset {name}: {first} and {second} hold the same samples. Give each split its own.")


def _load(name: str, source: Source, files: dict[str, Path]) -> LoadedDataset:
    try:
        return source.load(files)
    except UserError as error:
        raise UserError(f"dataset {name}: {error}") from error


def _summary(name: str, loaded: LoadedDataset, folder: Path) -> str:
    sizes = " / ".join(f"{len(loaded.splits[split].y):,}" for split in SPLITS)
    bad = len(loaded.bad_files.rows) if loaded.bad_files is not None else 0
    listed = f"; bad files: {bad}, listed in {folder / 'bad_files.tsv'}" if bad else ""
    return f"{name}: {sizes} samples of {len(loaded.classes)} classes in train / dev / eval{listed}"


def _manifest(name: str, source: Source, loaded: LoadedDataset, hashes: dict[str, str]) -> dict[str, Any]:
    counts = {
        split: dict(zip(loaded.classes, np.bincount(part.y, minlength=len(loaded.classes)).tolist(), strict=True))
        for split, part in loaded.splits.items()
    }
    sample = loaded.splits["train"].x
    return {
        "dataset": name,
        "classes": loaded.classes,
        "counts": counts,
        "axes": loaded.axes,
        "sample_shape": list(sample.shape[1:]),
        "dtype": str(sample.dtype),
        "units": loaded.units,
        "published": source.config.published,
        "stand_in": source.config.stand_in,
        "source": source.config.model_dump(mode="json"),
        "parameters": loaded.parameters,
        "files": _digests(loaded.files),
        "sha256": digest_arrays({split: np.frombuffer(hashes[split].encode(), np.uint8) for split in ("train", "dev")}),
        "splits": hashes,
        "versions": {"python": sys.version.split()[0], "numpy": np.__version__},
    }


def _digests(files: list[Path]) -> dict[str, str]:
    """Return the sha256 of each file, by its path below the common folder: names may repeat."""
    folder = os.path.commonpath([path.parent for path in files]) if files else ""
    return {path.relative_to(folder).as_posix(): digest_file(path) for path in files}
