"""A tiny installed package that adds a source through the entry point group ``blindtune.datasets``."""

from pathlib import Path

from support.plugins import install_package

_SOURCE = """\
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from blindtune.datasets.base import SPLITS, DatasetConfig, LoadedDataset, Source, Split
from coins.toss import toss


class CoinsConfig(DatasetConfig):
    source: Literal["coins"]
    count: int = Field(description="samples of each split")


class CoinsSource(Source):
    config: CoinsConfig

    def user_files(self) -> dict[str, Path]:
        return {}

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        y = toss(self.config.count)
        splits = {name: Split((y + number / 10).astype(np.float32)[:, None], y) for number, name in enumerate(SPLITS)}
        return LoadedDataset(splits, classes=["tail", "head"], axes=["sample", "feature"], units="none")
"""

_TOSS = """\
import numpy as np


def toss(count):
    return np.arange(count, dtype=np.int64) % 2
"""

_ENTRY = """\
from blindtune.datasets.registry import SourceEntry

COINS = SourceEntry(create="coins.source:CoinsSource", config="coins.source:CoinsConfig")
"""


def install(folder: Path, name: str = "coins", value: str = "coins:COINS", entry: str = _ENTRY) -> Path:
    """Install the package below `folder`, as pip does for a target folder.

    Args:
        folder: to be put on the path.
        name: name of the entry point, the value of ``source``.
        value: object of the entry point.
        entry: text of the package's ``__init__.py``.

    Returns:
        The package's folder.
    """
    modules = {"__init__": entry, "source": _SOURCE, "toss": _TOSS}
    return install_package(folder, "coins", modules, "blindtune.datasets", f"{name} = {value}")
