"""The source `csv_folder`: ``train.csv``, ``dev.csv`` and ``eval.csv`` in one folder.

The files have no header and one sample per row, ``label,x,y`` with labels from 0. The ISIP course sets #08 to #10 are
such files. They are public (Shawki et al. 2021, section III); `blindtune.datasets.downloads` has their addresses.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from blindtune.core.paths import ResultPaths
from blindtune.core.validation import UserPath
from blindtune.datasets.base import SPLITS, DatasetConfig, LoadedDataset, NewSamples, Source, Split
from blindtune.datasets.content import digest_rows
from blindtune.datasets.csv_rows import read_lines, read_new_rows, to_samples
from blindtune.datasets.downloads import get_download


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
        lines = {split: read_lines(files[split]) for split in SPLITS}
        splits = {split: Split(*to_samples(files[split], found)) for split, found in lines.items()}
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
