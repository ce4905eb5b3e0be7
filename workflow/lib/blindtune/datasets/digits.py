"""The source `digits`: real pictures of handwritten digits that ship with scikit-learn.

They are the test part of UCI optdigits, 8 x 8 pixels. The file does not name the writers, so the splits cannot be
separated by writer: dev and eval may have digits of a writer who is in train too.
"""

from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from blindtune.core.bounds import MAX_SEED
from blindtune.core.light_imports import leave_out
from blindtune.core.seeds import derive
from blindtune.datasets.base import SPLITS, DatasetConfig, LoadedDataset, Source, Split, check_shares


class DigitsConfig(DatasetConfig):
    """The config of 1,797 pictures of ten classes, split at random within each class."""

    source: Literal["digits"]
    dev: float = Field(default=0.2, gt=0, lt=1, description="share of each class in dev, from 0 to 1")
    eval: float = Field(default=0.2, gt=0, lt=1, description="share of each class in eval, from 0 to 1")
    seed: int = Field(default=1, ge=0, le=MAX_SEED, description="seed of the assignment to splits")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_shares(self.dev, self.eval)
        return self


class DigitsSource(Source):
    """The digits of scikit-learn."""

    config: DigitsConfig

    def user_files(self) -> dict[str, Path]:
        """Return nothing: the pictures ship with scikit-learn."""
        return {}

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        """Return the pictures, (n_samples, 8, 8, 1) float32 from 0 to 1, and their labels.

        Args:
            files: empty.
        """
        with leave_out("pandas"):
            from sklearn.datasets import load_digits

        bunch = load_digits()
        x = (bunch.images / 16.0).astype(np.float32)[..., None]
        y = bunch.target.astype(np.int64)
        part = self._assign_splits(y)
        return LoadedDataset(
            splits={name: Split(x[part == number], y[part == number]) for number, name in enumerate(SPLITS)},
            classes=[str(digit) for digit in range(10)],
            axes=["sample", "row", "column", "channel"],
            units="share of the darkest ink",
        )

    def _assign_splits(self, y: "np.typing.NDArray[np.int64]") -> "np.typing.NDArray[np.int64]":
        """Return the number of the split of each sample, (n_samples,)."""
        random = np.random.default_rng(derive("digits", self.config.seed))
        part = np.zeros(len(y), dtype=np.int64)
        for label in np.unique(y):
            members = random.permutation(np.flatnonzero(y == label))
            dev, evaluation = round(self.config.dev * len(members)), round(self.config.eval * len(members))
            part[members[:dev]] = 1
            part[members[dev : dev + evaluation]] = 2
        return part
