"""Handwritten digits: real pictures that ship with scikit-learn (UCI optdigits, test part, 8 x 8 pixels).

The file names no writers, so the splits cannot be kept apart by writer: dev and eval may hold digits of a
hand that train has seen too.
"""

from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from blindtune.core.seeds import derive
from blindtune.datasets.base import SPLITS, Loaded, Source, Split, check_shares


class Digits(Source):
    """1,797 pictures of ten classes, split at random within each class."""

    source: Literal["digits"]
    dev: float = Field(default=0.2, gt=0, lt=1, description="share of each class that goes to dev")
    eval: float = Field(default=0.2, gt=0, lt=1, description="share of each class that goes to eval")
    seed: int = Field(default=1, description="another seed gives another split")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_shares(self.dev, self.eval)
        return self

    def given(self) -> dict[str, Path]:
        """None: the pictures come with scikit-learn."""
        return {}

    def load(self, files: dict[str, Path]) -> Loaded:
        """Pictures (samples, 8, 8, 1) scaled to 0..1, and their labels."""
        from sklearn.datasets import load_digits

        bunch = load_digits()
        x = (bunch.images / 16.0).astype(np.float32)[..., None]
        y = bunch.target.astype(np.int64)
        part = self._assign(y)
        return Loaded(
            splits={name: Split(x[part == number], y[part == number]) for number, name in enumerate(SPLITS)},
            classes=[str(digit) for digit in range(10)],
            axes=["sample", "row", "column", "channel"],
            units="share of the darkest ink",
        )

    def _assign(self, y: "np.typing.NDArray[np.int64]") -> "np.typing.NDArray[np.int64]":
        """The number of its split for each sample, (samples,)."""
        random = np.random.default_rng(derive("digits", self.seed))
        part = np.zeros(len(y), dtype=np.int64)
        for label in np.unique(y):
            members = random.permutation(np.flatnonzero(y == label))
            dev, evaluation = round(self.dev * len(members)), round(self.eval * len(members))
            part[members[:dev]] = 1
            part[members[dev : dev + evaluation]] = 2
        return part
