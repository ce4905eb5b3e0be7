"""What a dataset source hands over, and the little that every source has to offer.

A source is one module of this package. It defines one pydantic model, derived from `Source`,
whose literal field ``source`` names it in the config; ``given`` lists the files it reads (the
workflow reruns the preparation when they change) and ``load`` returns the three splits. Heavy
libraries are imported inside ``load``: the workflow imports every source while it plans.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from blindtune.core.validation import Strict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from blindtune.core.paths import ResultPaths
    from blindtune.datasets.chunked import ChunkedArray
    from blindtune.views.config import AnyView

SPLITS = ("train", "dev", "eval")


class Sizes(Strict):
    """Samples per split, over all classes."""

    train: int = Field(gt=0, description="samples in train")
    dev: int = Field(gt=0, description="samples in dev")
    eval: int = Field(gt=0, description="samples in eval")


def check_shares(dev: float, eval: float) -> None:
    """Refuse shares of dev and eval beside which nothing is left for train; raises ValueError."""
    if dev + eval >= 1:
        raise ValueError(f"dev {dev} and eval {eval} leave nothing for train; lower one of them")


def check_pattern(key: str, pattern: str | None) -> None:
    """Refuse a regular expression that does not find one text, its group in brackets; None is none.

    Raises:
        ValueError: the message begins with ``key``.
    """
    if pattern is None:
        return
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"{key}: is no regular expression: {error}") from error
    if groups != 1:
        raise ValueError(f"{key}: must have exactly one group in brackets")


@dataclass(frozen=True)
class Split:
    """One split: ``x`` (samples, ...), ``y`` (samples,) int64 from 0, ``group`` (samples,) or None.

    To a trainer ``x`` may be a `blindtune.views.base.SampleView` instead of an array.
    """

    x: Any
    y: "NDArray[np.int64]"
    group: "NDArray[np.int64] | None" = None


@dataclass(frozen=True)
class TsvTable:
    """A small table that is kept beside the data.

    Attributes:
        columns: their names.
        rows: a value for each column.
    """

    columns: tuple[str, ...]
    rows: list[tuple[str | int | float, ...]]


@dataclass(frozen=True)
class Gathered:
    """One split of more samples than memory may hold, gathered from many files.

    Attributes:
        x, y, group: as in `Split`; x is read a few samples at a time.
        origins: a row for each sample: where it was cut.
    """

    x: "ChunkedArray"
    y: "NDArray[np.int64]"
    group: "NDArray[np.int64]"
    origins: TsvTable


@dataclass(frozen=True)
class Loaded:
    """What a source read or made, before the store checks and writes it.

    Attributes:
        splits: the three splits by name.
        classes: a name per label, in the order of the labels.
        axes: a name per axis of ``x``, the sample axis included; "channel" is the one whose mean and deviation count.
        units: the unit of ``x``.
        files: every file that was read, for its sha256 in the manifest.
        parameters: what else determines the content, as plain data.
        bad_files: of a source of many files, those that give no sample and why.
    """

    splits: Mapping[str, Split | Gathered]
    classes: list[str]
    axes: list[str]
    units: str
    files: list[Path] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    bad_files: TsvTable | None = None


class Source(Strict):
    """The config of a dataset: what every source has in common."""

    published: str | None = Field(
        default=None, description="number of the published dataset whose rows stand beside ours, e.g. '10'"
    )
    stand_in: bool = Field(
        default=False, description="true where the data only look like the published ones; the report says so"
    )

    #: The views of `blindtune.views` behind which its samples can be seen.
    views: ClassVar[tuple[str, ...]] = ("samples",)

    def check_view(self, view: "AnyView") -> None:
        """Refuse a view that its samples do not have; raises ValueError."""
        if view.view not in self.views:
            raise ValueError(f"sees: there is no view {view.view!r} of this dataset, but {', '.join(self.views)}")

    def given(self) -> dict[str, Path]:
        """The user's own files, by a short name; they must be there while the workflow is planned."""
        raise NotImplementedError

    def inputs(self, layout: "ResultPaths", dataset: str) -> dict[str, Path]:
        """Every file that the preparation reads, by a short name; those that are not given are made before it.

        Args:
            layout: where everything of the config lies.
            dataset: the dataset's name.
        """
        return self.given()

    def load(self, files: dict[str, Path]) -> Loaded:
        """The three splits, read from ``files`` (the paths of `inputs`, as the workflow gives them).

        Raises:
            UserError: a file is missing or wrong; the message names it, and the row where there is one.
        """
        raise NotImplementedError
