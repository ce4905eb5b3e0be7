"""Small tables that tests write, and their preparation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from blindtune.config.schema import read_dataset
from blindtune.datasets.base import SPLITS, LoadedDataset
from blindtune.datasets.prepared import Prepared, open_prepared, open_split, prepare


def write_table(
    path: Path, rows: int = 60, features: int = 3, classes: Sequence[str] = ("no", "yes"), seed: int = 0
) -> Path:
    """Write a CSV with a header, named features that tell the classes apart, and the class in the last column."""
    random = np.random.default_rng(seed)
    y = np.arange(rows) % len(classes)
    x = random.normal(size=(rows, features)) * 10 ** np.arange(features) + 2 * y[:, None] * 10 ** np.arange(features)
    lines = [",".join([*(f"feature_{place}" for place in range(1, features + 1)), "class"])]
    lines += [",".join([*(f"{value:.6g}" for value in row), classes[label]]) for row, label in zip(x, y, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_table_folder(folder: Path, seed: int = 0) -> Path:
    """Write a table with columns of every role, ``rows.csv``, and a file of numbers for each split; return the folder.

    In ``rows.csv``, size and day tell the classes apart; colour, patient and part are texts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    rows = ["size,day,colour,patient,part,class"]
    for number in range(60):
        label = number % 2
        size, day = random.normal() + 2 * label, random.integers(20) + 5 * label
        colour, part = ("red", "blue")[int(random.integers(2))], ("train", "train", "dev", "eval")[number // 2 % 4]
        rows.append(f"{size:.4f},{day},{colour},p{number // 5},{part},{('no', 'yes')[label]}")
    (folder / "rows.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for number, split in enumerate(SPLITS):
        write_table(folder / f"{split}.csv", rows=30, seed=10 * seed + number)
    return folder


def load(**keys: Any) -> LoadedDataset:
    """Return what the source reads, before anything is fitted."""
    source = read_dataset({"source": "table", **keys})
    return source.load(source.user_files())


def load_final(**keys: Any) -> LoadedDataset:
    """Return what the source reads, with what is fitted on train applied."""
    loaded = load(**keys)
    return loaded if loaded.fit is None else loaded.fit(loaded)


def prepare_table(folder: Path, **keys: Any) -> tuple[Prepared, Any]:
    """Prepare a table below a folder; return train and dev, and eval."""
    source = read_dataset({"source": "table", **keys})
    manifest, seal = folder / "data" / "manifest.json", folder / "sealed" / "seal.json"
    prepare("toy", source, source.user_files(), manifest, seal)
    return open_prepared(manifest), open_split(seal.parent / "eval")
