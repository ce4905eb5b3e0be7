"""The source `csv_folder`: ``train.csv``, ``dev.csv`` and ``eval.csv`` in one folder.

The files have no header and one sample per row, ``label,x,y`` with labels from 0. The ISIP course sets #08 to #10 are
such files. They are public (Shawki et al. 2021, section III); `blindtune.datasets.downloads` has their addresses.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from blindtune.core.errors import UserError
from blindtune.core.files import read_regular_file
from blindtune.core.paths import ResultPaths
from blindtune.core.validation import UserPath
from blindtune.datasets.base import SPLITS, DatasetConfig, LoadedDataset, NewSamples, Source, Split
from blindtune.datasets.content import digest_rows
from blindtune.datasets.downloads import get_download

COLUMNS = ("label", "x", "y")

#: Predictions are stored as 16-bit labels; a larger one is a mistake in the file.
MAX_LABEL = 2**15 - 1

_MAX_VALUE = float(np.finfo(np.float32).max)


class CsvFolderConfig(DatasetConfig):
    """The config of CSV files in a folder, or downloaded."""

    source: Literal["csv_folder"]
    folder: UserPath | None = Field(
        default=None, description="folder that holds train.csv, dev.csv and eval.csv; null: download them"
    )
    fetch: str | None = Field(
        default=None,
        description="a set of resources/datasets.yaml to download, e.g. set_10; null: use folder",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.folder is None) == (self.fetch is None):
            raise ValueError("give either folder (your own copy) or fetch (the name of a registered set)")
        if self.fetch is not None:
            get_download(self.fetch)
        return self


class CsvFolderSource(Source):
    """Samples of two features from three CSV files."""

    config: CsvFolderConfig

    def user_files(self) -> dict[str, Path]:
        """Return the three CSV files of the folder; nothing if they are downloaded."""
        folder = self.config.folder
        return {} if folder is None else {split: Path(folder) / f"{split}.csv" for split in SPLITS}

    def inputs(self, paths: ResultPaths, dataset: str) -> dict[str, Path]:
        """Return the files of the folder, or the downloaded ones.

        Args:
            paths: paths of all results of the config.
            dataset: name of the dataset.
        """
        fetch = self.config.fetch
        if fetch is None:
            return self.user_files()
        files = get_download(fetch).sha256
        return {file.removesuffix(".csv"): Path(paths.download(fetch, file)) for file in files}

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        """Return the three splits.

        Args:
            files: the CSV file of each split.

        Raises:
            UserError: a file is wrong; the message names the file and the row of the first fault.
        """
        lines = {split: _read_lines(files[split]) for split in SPLITS}
        splits = {split: Split(*_to_samples(files[split], found)) for split, found in lines.items()}
        labels = max(int(part.y.max()) for part in splits.values())
        return LoadedDataset(
            splits=splits,
            classes=[str(label) for label in range(labels + 1)],
            axes=["sample", "feature"],
            units="arbitrary",
            files=[files[split] for split in SPLITS],
            origin_digests={
                split: digest_rows(line.split(",") for line in found if line.strip()) for split, found in lines.items()
            },
        )

    def read_new(self, path: Path, manifest: Mapping[str, Any]) -> NewSamples:
        """Return the samples of a CSV file of rows ``label,x,y``, whose label is not used, or ``x,y``.

        Args:
            path: the file.
            manifest: not used: nothing is fitted on train.
        """
        return read_new_rows(path)


def read_csv(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the samples of one file.

    Args:
        path: the CSV file.

    Returns:
        Features, (n_samples, 2) float32, and labels, (n_samples,) int64.

    Raises:
        UserError: the file is missing, unreadable or empty, or a row is wrong: it has not three fields, a field is
            missing, not a number or not finite, or the label is not a whole number from 0.
    """
    return _to_samples(path, _read_lines(path))


def read_new_rows(path: Path) -> NewSamples:
    """Return new samples from rows ``label,x,y``, whose label is not used, or ``x,y``.

    Args:
        path: the CSV file.

    Raises:
        UserError: the file is missing, unreadable or empty, or a row is wrong.
    """
    lines = _read_lines(path)
    fields = next((line.count(",") + 1 for line in lines if line.strip()), 0)
    notes = []
    if fields == len(COLUMNS):
        for row, line in enumerate(lines, 1):
            if line.strip() and line.count(",") + 1 != fields:
                raise UserError(_describe_length(path, row, line, COLUMNS))
        lines = [line.partition(",")[2] for line in lines]
        notes.append("the first column is taken for the label, which is not used")
    table = _parse(path, lines, COLUMNS[1:])
    rows = [row for row, line in enumerate(lines, 1) if line.strip()]
    return NewSamples(table.astype(np.float32), "row", rows, notes)


def _to_samples(path: Path, lines: list[str]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    table = _parse(path, lines, COLUMNS)
    return table[:, 1:].astype(np.float32), table[:, 0].astype(np.int64)


def _parse(path: Path, lines: list[str], columns: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the numbers of all rows, (n_rows, n_columns); a column ``label`` holds labels."""
    if not any(line.strip() for line in lines):
        raise UserError(f"{path}: is empty. It must hold rows {','.join(columns)}.")
    try:
        table = np.loadtxt(
            [line for line in lines if line.strip()], delimiter=",", dtype=np.float64, comments=None, ndmin=2
        )
    except ValueError:
        table = None
    if table is None or table.shape[1] != len(columns) or not _is_clean(table, columns):
        raise UserError(_describe_first_fault(path, lines, columns))
    return table


def _read_lines(path: Path) -> list[str]:
    try:
        return read_regular_file(path).decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: cannot be read (not a text file). It must be a CSV file with rows label,x,y."
        ) from error


def _is_clean(table: NDArray[np.float64], columns: tuple[str, ...]) -> bool:
    label = table[:, 0] if columns[0] == "label" else np.zeros(len(table))
    whole = (label >= 0) & (label <= MAX_LABEL) & (label == np.floor(label))
    return bool((np.abs(table) <= _MAX_VALUE).all() and whole.all())


def _describe_first_fault(path: Path, lines: list[str], columns: tuple[str, ...]) -> str:
    for row, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fields = line.split(",")
        if len(fields) != len(columns):
            return _describe_length(path, row, line, columns)
        for name, field in zip(columns, fields, strict=True):
            fault = _find_fault(name, field)
            if fault:
                return f"{path}, row {row}: {name} {fault}. Fix or remove the row."
    return f"{path}: cannot be parsed as rows {','.join(columns)}."


def _describe_length(path: Path, row: int, line: str, columns: tuple[str, ...]) -> str:
    names = ",".join(columns)
    return f"{path}, row {row}: has {line.count(',') + 1} fields, not the {len(columns)} of {names}: {line[:60]!r}."


def _find_fault(name: str, field: str) -> str | None:
    if not field.strip():
        return "is missing"
    try:
        value = float(field)
        # Python reads more than files should hold: 1_000, digits of other scripts.
        if "_" in field or not field.strip().isascii():
            raise ValueError
    except ValueError:
        return f"is not a number: {field.strip()[:40]!r}"
    if not np.isfinite(value):
        return f"is not finite: {field.strip()[:40]!r}"
    if abs(value) > _MAX_VALUE:
        return f"is too large for 32 bits: {field.strip()[:40]!r}"
    return _find_label_fault(value, field) if name == "label" else None


def _find_label_fault(value: float, field: str) -> str | None:
    if value < 0 or value != int(value):
        return f"is not a whole number from 0: {field.strip()[:40]!r}"
    if value > MAX_LABEL:
        return f"is above {MAX_LABEL}: {field.strip()[:40]!r}"
    return None
