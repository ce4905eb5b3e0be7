"""The real set #10 and the numbers that are published about it, for the other scripts named ``claims_*``.

These scripts analyse what was published. They open eval as often as they need, choose nothing by it, and are not part
of a blind comparison.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from blindtune.datasets.base import Split

#: Train, dev and eval error in %, Table 3 of Shawki et al. 2021, #10.
PUBLISHED = {
    "mlp_m1": (8.74, 38.52, 32.80),
    "mlp_m2": (9.91, 40.88, 32.00),
    "mlp_a1": (28.95, 26.95, 42.07),
    "mlp_a2": (12.42, 40.11, 32.34),
}

Array = NDArray[Any]


def load_splits(folder: Path) -> "dict[str, Split]":
    """Return train, dev and eval of a folder with train.csv, dev.csv and eval.csv."""
    from blindtune.datasets.base import SPLITS, Split
    from blindtune.datasets.csv_folder import CsvFolderConfig
    from blindtune.datasets.registry import create_source

    source = create_source(CsvFolderConfig(source="csv_folder", folder=str(folder)))
    loaded = source.load(source.user_files()).splits
    return {name: Split(np.asarray(loaded[name].x), np.asarray(loaded[name].y)) for name in SPLITS}
