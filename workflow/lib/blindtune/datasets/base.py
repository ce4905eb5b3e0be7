"""The interface of a dataset source, and the data that a source returns.

A source is a config model and a class. The config model derives from `DatasetConfig` and is pure data; its literal
field ``source`` is the name by which a config selects it. The class derives from `Source` and does the work. A small
source keeps both in one module. `blindtune.datasets.registry` lists all sources and creates them.

Heavy libraries are imported inside functions, because the workflow imports every source while it plans.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from blindtune.core.bounds import MAX_SAMPLES
from blindtune.core.errors import UserError
from blindtune.core.validation import Strict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from blindtune.core.paths import ResultPaths
    from blindtune.datasets.chunked import ChunkedArray
    from blindtune.datasets.corpus.recordings import WholeRecording
    from blindtune.views.config import ViewConfig

SPLITS = ("train", "dev", "eval")


class Sizes(Strict):
    """Number of samples in each split, over all classes."""

    train: int = Field(gt=0, le=MAX_SAMPLES, description="number of samples in train")
    dev: int = Field(gt=0, le=MAX_SAMPLES, description="number of samples in dev")
    eval: int = Field(gt=0, le=MAX_SAMPLES, description="number of samples in eval")


def check_shares(dev: float, eval: float) -> None:
    """Refuse shares of dev and eval that leave nothing for train.

    Args:
        dev: share of dev, from 0 to 1.
        eval: share of eval, from 0 to 1.

    Raises:
        ValueError: the shares add up to 1 or more.
    """
    if dev + eval >= 1:
        raise ValueError(f"dev {dev} and eval {eval} leave nothing for train; lower one of them")


def check_pattern(key: str, pattern: str | None) -> None:
    """Refuse a regular expression that does not have exactly one group.

    Args:
        key: config key of the pattern, with which the message begins.
        pattern: the regular expression; None is accepted.

    Raises:
        ValueError: the expression is invalid, or has no group or several.
    """
    if pattern is None:
        return
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"{key}: is not a regular expression: {error}") from error
    if groups != 1:
        raise ValueError(f"{key}: must have exactly one group in brackets")


def list_some(names: Sequence[str], most: int = 10) -> str:
    """Return names for a message: all of them or, of many, the first and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@dataclass(frozen=True)
class Split:
    """One split of a dataset.

    Attributes:
        x: samples, (n_samples, ...). A trainer may get a `blindtune.views.base.SampleView` instead of an array.
        y: labels from 0, (n_samples,) int64.
        group: a number for each sample that names its group, such as its patient, (n_samples,) int64; or None.
        origins: a row for each sample that says where it comes from, written as ``origins.tsv``; None: not known. Its
            first columns are ``sample`` (the number from 0), ``class``, ``group`` and ``file``.
        weight: of each sample in training, (n_samples,) float64, finite and not negative; None: all are equal. Train
            alone has weights: dev and eval count every sample once.
    """

    x: Any
    y: "NDArray[np.int64]"
    group: "NDArray[np.int64] | None" = None
    origins: "TsvTable | None" = None
    weight: "NDArray[np.float64] | None" = None


#: Columns of the table of what is not used: a kind (file, region, slide, patient or label), its name, and why.
UNUSED_COLUMNS = ("kind", "name", "reason")


@dataclass(frozen=True)
class TsvTable:
    """A small table that is written next to the arrays.

    Attributes:
        columns: names of the columns.
        rows: rows with a value for each column.
    """

    columns: tuple[str, ...]
    rows: list[tuple[str | int | float, ...]]


@dataclass(frozen=True)
class ChunkedSplit:
    """One split that may not fit into memory, collected from many files.

    Attributes:
        x: samples, (n_samples, ...), read in chunks.
        y: labels, as in `Split`.
        group: groups, as in `Split`; never None.
        origins: a row for each sample that says where it was cut.
    """

    x: "ChunkedArray"
    y: "NDArray[np.int64]"
    group: "NDArray[np.int64]"
    origins: TsvTable


@dataclass(frozen=True)
class LoadedDataset:
    """The data of a source, before `blindtune.datasets.prepared` checks and writes them.

    Attributes:
        splits: the three splits by name.
        classes: a name for each label, in the order of the labels.
        axes: a name for each axis of ``x``, the sample axis included; statistics are computed along "channel".
        units: the unit of ``x``.
        files: every file that was read; the manifest stores their sha256.
        parameters: everything else that determines the content, as plain data.
        bad_files: files that give no sample and the reasons, for a source of many files; else None.
        unused: what of the raw files is not used without being bad, and the reasons; None: nothing, or not known.
        notes: sentences about the data, for the log.
        locate: says in a message where a sample comes from, from its split and its row; None: by its number.
        origin_digests: by split, a digest of each piece of raw material that the split was made of: a recording, a
            slide, a picture, a row of a table, as it was before any preparation (all columns of a row, all pixels in
            their first size). (n_pieces,) of dtype S16, in any order, as `blindtune.datasets.content` makes them; a
            piece may give several samples or none. By those of eval the ledger knows the raw material again when it is
            prepared in another way. A split that is left out is not known; None: none is.
        fit: fits preprocessing on train and applies it to all splits; called once, after leaks were removed; None:
            the samples are final.
        fitted: what was fitted on train, as plain data; the manifest stores it and views may take it.
        recordings: whole recordings of eval for event-based scores, sealed with it: path below the corpus, patient,
            what was written, and the path of the array.
    """

    splits: Mapping[str, Split | ChunkedSplit]
    classes: list[str]
    axes: list[str]
    units: str
    files: list[Path] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    bad_files: TsvTable | None = None
    unused: TsvTable | None = None
    notes: Sequence[str] = ()
    locate: Callable[[str, int], str] | None = None
    origin_digests: "Mapping[str, NDArray[np.bytes_]] | None" = None
    fit: "Callable[[LoadedDataset], LoadedDataset] | None" = None
    fitted: dict[str, Any] | None = None
    recordings: "Sequence[tuple[str, str, WholeRecording, Path]]" = ()


@dataclass(frozen=True)
class NewSamples:
    """Samples without a split, which a frozen model is to answer.

    Attributes:
        x: samples as the dataset stores them, (n_samples, ...).
        column: what `places` are: ``row`` or ``file``.
        places: where each sample comes from: the number of a row, or the path of a file below the folder.
        notes: sentences about how they were read, such as that a column of labels is not used.
        origin_digests: digests of their raw material, as those of `LoadedDataset`; None: not known.
    """

    x: "NDArray[Any]"
    column: Literal["row", "file"]
    places: Sequence[int | str]
    notes: Sequence[str] = ()
    origin_digests: "NDArray[np.bytes_] | None" = None


class DatasetConfig(Strict):
    """The config of a dataset: the keys that all sources have in common."""

    source: str
    published: str | None = Field(
        default=None,
        description="number of the published dataset whose results the report shows next to ours, e.g. '10'; "
        "null: none",
    )
    stand_in: bool = Field(
        default=False, description="true: the data only resemble the published ones; the report says so"
    )
    leaks: Literal["refuse", "remove", "report"] = Field(
        default="refuse",
        description="equal samples in two splits: refuse: the run stops if eval shares one with train or dev; remove: "
        "train and dev lose what eval has, and train what dev has; report: they are only counted",
    )


class Source:
    """Base class of all sources: reads or generates the data of one dataset.

    Life cycle:

    1. `blindtune.datasets.registry.create_source` creates a source from its config, while the workflow is planned and
       again in each job.
    2. While the workflow is planned, `check_view` is called for each system that is compared on the dataset, and
       `user_files` for the files that the user must provide.
    3. `inputs` names every file that the preparation reads. Snakemake prepares the dataset again if one changes.
       `unwatched_files` names those whose paths Snakemake would expand; a digest of them does the same.
    4. The prepare job calls `load` once, with the paths of `inputs`. `blindtune.datasets.prepared.prepare` checks and
       writes what it returns.

    5. ``blindtune predict`` calls `read_new` with a file or folder of new samples, long after the preparation.

    A subclass overrides `user_files` and `load`, and sets `views` if its samples have other views. A new source is one
    module and one entry of the registry:

    Examples:
        >>> from typing import Literal
        >>> import numpy as np
        >>> class CoinsConfig(DatasetConfig):
        ...     source: Literal["coins"]
        ...     size: int = Field(description="samples of each split")
        >>> class CoinsSource(Source):
        ...     config: CoinsConfig
        ...     def user_files(self) -> dict[str, Path]:
        ...         return {}
        ...     def load(self, files: dict[str, Path]) -> LoadedDataset:
        ...         y = np.arange(self.config.size) % 2
        ...         splits = {name: Split(y[:, None] + number / 10, y) for number, name in enumerate(SPLITS)}
        ...         return LoadedDataset(splits, classes=["tail", "head"], axes=["sample", "feature"], units="none")
        >>> source = CoinsSource(CoinsConfig(source="coins", size=4))
        >>> source.load(source.user_files()).splits["dev"].x.ravel().tolist()
        [0.1, 1.1, 0.1, 1.1]

    Attributes:
        config: the config of the dataset; a subclass narrows the type.
        views: names of the views in `blindtune.views` that the samples support, but for those that fit all.
    """

    config: DatasetConfig
    views: ClassVar[tuple[str, ...]] = ("samples",)

    def __init__(self, config: DatasetConfig) -> None:
        """Keep the config; nothing is read yet."""
        self.config = config

    def check_view(self, view: "ViewConfig") -> None:
        """Refuse a view that the samples do not support; called while the workflow is planned.

        Raises:
            ValueError: the samples have no such view.
        """
        from blindtune.views.registry import VIEWS

        if view.kind not in self.views and not VIEWS[view.kind].fits_all:
            raise ValueError(f"view: there is no view {view.kind!r} of this dataset, but {', '.join(self.views)}")

    def default_view(self, *, depends_on_scale: bool) -> "ViewConfig":
        """Return the view of a system whose config names none; called while the workflow is planned.

        Args:
            depends_on_scale: whether the unit of a feature matters to the system; false for forests.

        Returns:
            Samples as they are stored, unless a source overrides this method.
        """
        from blindtune.views.config import SamplesView

        return SamplesView(kind="samples")

    def train_size(self) -> int | None:
        """Return the number of samples in train if the config says it, else None; called while planning."""
        sizes = getattr(self.config, "sizes", None)
        return sizes.train if isinstance(sizes, Sizes) else None

    @property
    def has_sample_weights(self) -> bool:
        """Whether the samples of train have weights; a system that cannot take them is refused while planning."""
        return False

    def user_files(self) -> dict[str, Path]:
        """Return the files that the user provides, by a short name; called while the workflow is planned.

        Raises:
            UserError: a file or folder is missing, or the files cannot be used.
        """
        raise NotImplementedError

    def is_other_fold(self, source: Mapping[str, Any]) -> bool:
        """Return whether another dataset is another fold of the same samples, so that its eval may be open in this one.

        Args:
            source: the config of the other dataset, as its manifest holds it.
        """
        return False

    def unwatched_files(self) -> dict[str, Path]:
        """Return the files that Snakemake cannot watch, since it would expand their paths; called while planning.

        Returns:
            The files by name; if a name or the content of a file changes, the dataset is prepared again.
        """
        return {}

    def inputs(self, paths: "ResultPaths", dataset: str) -> dict[str, Path]:
        """Return every file that `load` reads, by a short name; other rules create those that are not the user's.

        Args:
            paths: paths of all results of the config.
            dataset: name of the dataset.

        Returns:
            The user's files, unless a source overrides this method.
        """
        return self.user_files()

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        """Return the three splits; called once, by the prepare job.

        Args:
            files: the paths of `inputs`, by the same names.

        Raises:
            UserError: a file is missing or wrong; the message names the file, and the row if there is one.
        """
        raise NotImplementedError

    def read_new(self, path: Path, manifest: Mapping[str, Any]) -> NewSamples:
        """Return new samples, read and preprocessed exactly as train was; called by ``blindtune predict``.

        Args:
            path: a file or a folder in the format of the source. Labels in it are not used.
            manifest: of the prepared dataset: its config, and what was found or fitted on train.

        Raises:
            UserError: the source has no such format, or the samples are wrong; the message names file and row.
        """
        raise UserError(
            f"{path}: new data of the source {self.config.source} cannot be read. Prepare them as a dataset and use "
            "`blindtune rescore`."
        )
