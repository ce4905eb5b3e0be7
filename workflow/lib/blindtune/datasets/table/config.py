"""The config of a table: pure data. docs/data/tables.md describes every key."""

import codecs
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from blindtune.core.bounds import MAX_FACTOR, MAX_SAMPLES, MAX_SEED
from blindtune.core.validation import Strict, UserPath, is_none
from blindtune.datasets.base import DatasetConfig, check_shares

#: Columns of a table; samples of more features do not fit into memory in useful numbers.
MAX_COLUMNS = 100_000

#: Texts that mean that a value is missing.
MISSING_VALUES = ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "?"]

_SHARE = 0.2

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Place = Annotated[int, Field(ge=-MAX_COLUMNS, le=MAX_COLUMNS)]
#: A column by its name, or by its place: 1 is the first, -1 the last.
ColumnKey = Text | Place


def _check_encoding(name: str) -> str:
    try:
        known = codecs.lookup(name)
    except (LookupError, ValueError):
        known = None
    if known is None or not getattr(known, "_is_text_encoding", True):
        raise ValueError(f"{name!r} is not an encoding of text; such as utf-8, latin-1, cp1252, utf-16")
    return name


class TableFiles(Strict):
    """A file for each split, under any names."""

    train: UserPath = Field(description="file of train")
    dev: UserPath | None = Field(default=None, description="file of dev; null: a share of train (splitting.dev)")
    eval: UserPath | None = Field(default=None, description="file of eval, often called test; must be given")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.eval is None:
            raise ValueError(
                "files.eval: is missing. A blind comparison needs rows that no system has seen: give their file, or "
                "give one file (file: ...) and let splitting take eval from it"
            )
        named = [path for path in (self.train, self.dev, self.eval) if path is not None]
        if len(set(named)) < len(named):
            raise ValueError("files: names one file twice. Each split needs rows of its own")
        return self


class SplitValues(Strict):
    """The values of the column of the split; upper and lower case are the same."""

    train: list[Text] = Field(default=["train", "training"], min_length=1, description="values of rows of train")
    dev: list[Text] = Field(
        default=["dev", "development", "val", "valid", "validation"], min_length=1, description="values of rows of dev"
    )
    eval: list[Text] = Field(
        default=["eval", "evaluation", "test", "testing"], min_length=1, description="values of rows of eval"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        values = [value.casefold() for _, part in self for value in part]
        if len(set(values)) < len(values):
            raise ValueError("split_values: a value is there twice. Each value belongs to one split")
        return self


class TableSplitting(Strict):
    """How the rows of one file are dealt to train, dev and eval; by what they hold, not by their order."""

    by: Literal["share", "time", "fold"] = Field(
        default="share",
        description="share: at random; time: the last rows by the column time are eval, those before dev; fold: eval "
        "is one of several folds, dev the next one",
    )
    stratified: bool = Field(
        default=True, description="share, fold: each split gets the same share of every class; time: without effect"
    )
    dev: float = Field(default=_SHARE, gt=0, lt=1, description="share, time: share of the rows in dev")
    eval: float = Field(default=_SHARE, gt=0, lt=1, description="share, time: share of the rows in eval")
    folds: int | None = Field(default=None, ge=3, le=MAX_FACTOR, description="fold: number of folds; null: 5")
    fold: int | None = Field(
        default=None,
        ge=0,
        lt=MAX_FACTOR,
        description="fold: the fold that is eval, from 0, so each fold is a dataset of its own; null: 0",
    )
    seed: int = Field(default=1, ge=0, le=MAX_SEED, description="share, fold: seed of the assignment")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_shares(self.dev, self.eval)
        if self.by == "fold":
            if (self.dev, self.eval) != (_SHARE, _SHARE):
                raise ValueError("dev, eval: are not used where by is fold: both are one fold. Take them out")
            if self.fold_of_eval >= self.n_folds:
                raise ValueError(f"fold {self.fold}: there are folds 0 to {self.n_folds - 1}")
        elif self.folds is not None or self.fold is not None:
            raise ValueError(f"folds, fold: are not used where by is {self.by}. Take them out, or set by: fold")
        return self

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return 5 if self.folds is None else self.folds

    @property
    def fold_of_eval(self) -> int:
        """The fold that is eval, from 0."""
        return self.fold or 0


class TableConfig(DatasetConfig):
    """The config of a table: where it is, how it is read, which columns are used, and how it is split."""

    source: Literal["table"]
    file: UserPath | None = Field(default=None, description="one file with all rows; null: files or bundled")
    files: TableFiles | None = Field(default=None, description="a file for each split; null: file or bundled")
    bundled: Literal["breast_cancer", "wine"] | None = Field(
        default=None, description="a real table that ships with scikit-learn; null: file or files"
    )
    format: Literal["csv", "parquet", "feather", "excel"] | None = Field(
        default=None, description="csv: any text with a separator; null: by the suffix of the file"
    )
    separator: Literal[",", ";", "\t", "|", ":", " "] | None = Field(
        default=None, description="between the fields of a row; ' ': any white space; null: found from the first rows"
    )
    decimal: Literal[".", ","] | None = Field(
        default=None, description="decimal sign of numbers; null: found from the first rows"
    )
    quote: Literal['"', "'"] = Field(default='"', description="sign around fields that hold a separator")
    encoding: Annotated[str, AfterValidator(_check_encoding)] | None = Field(
        default=None,
        description="encoding of a text file, such as latin-1; null: by the byte-order mark, else utf-8",
    )
    comment: Annotated[str, StringConstraints(min_length=1, max_length=3)] | None = Field(
        default=None, description="beginning of lines that are comments; null: '#', before the first row alone"
    )
    header: bool | None = Field(
        default=None, description="whether the first row names the columns; null: found from the first rows"
    )
    sheet: Text | None = Field(default=None, description="sheet of an Excel file; null: its only one")
    label: ColumnKey | None = Field(
        default=None,
        description="column of the class, by name or place (1: first, -1: last); null: the column called label, class "
        "or target, or the last one if it is called y",
    )
    features: list[ColumnKey] | None = Field(
        default=None, min_length=1, description="columns that are features; null: all that have no other role"
    )
    leave_out: list[ColumnKey] = Field(default=[], description="columns that are not used")
    categorical: list[ColumnKey] = Field(
        default=[], description="features whose values are names of categories, though they may be numbers"
    )
    group: ColumnKey | None = Field(
        default=None, description="column of the patient, subject or batch, whose rows stay in one split; null: none"
    )
    time: ColumnKey | None = Field(
        default=None, description="column of numbers or dates for splitting by time; null: none"
    )
    weight: ColumnKey | None = Field(
        default=None,
        exclude_if=is_none,
        description="column of the weight of each row in training, 0 or more; errors count every row once; null: none",
    )
    split: ColumnKey | None = Field(
        default=None, description="column of the split of each row; null: by files or splitting"
    )
    split_values: SplitValues = Field(default=SplitValues(), description="the values of the column split")
    missing: Literal["refuse", "median", "most_frequent"] = Field(
        default="refuse",
        description="missing values of features: refuse: the run stops and names row and column; median: the median of "
        "train (of categories the most frequent) and one more feature that marks it; most_frequent: the same for all",
    )
    missing_values: list[Annotated[str, StringConstraints(max_length=200)]] = Field(
        default=MISSING_VALUES, description="texts that mean that a value is missing"
    )
    min_frequency: int = Field(
        default=5,
        ge=1,
        le=MAX_SAMPLES,
        description="categories with fewer rows of train than this are one feature together; 1: each has its own",
    )
    max_categories: int = Field(
        default=100,
        ge=2,
        le=MAX_COLUMNS,
        description="a feature with more different texts than this is refused: it is rather a name than a category",
    )
    splitting: TableSplitting = Field(
        default=TableSplitting(), description="how rows are dealt to splits that neither files nor a column give"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(value is not None for value in (self.file, self.files, self.bundled)) != 1:
            raise ValueError("give one of file (all rows), files (one for each split) and bundled (a table that ships)")
        if self.features is not None and self.leave_out:
            raise ValueError("features, leave_out: give one of the two")
        if self.bundled is not None:
            self._refuse_unused(_READING, "the table that ships with scikit-learn has no file to read")
        if self.files is not None:
            self._refuse_unused({"split": None}, "each split has a file")
        if self.split is None:
            self._refuse_unused({"split_values": SplitValues()}, "no column split is given")
        self._check_splitting()
        return self

    def _check_splitting(self) -> None:
        files = self.files
        is_given = self.split is not None or (files is not None and files.dev is not None)
        if is_given:
            self._refuse_unused({"splitting": TableSplitting()}, "the splits are given")
        if files is not None and self.splitting.by == "fold":
            raise ValueError("splitting.by: fold needs all rows in one file, since eval has a file")
        if (self.splitting.by == "time") != (self.time is not None):
            raise ValueError("time, splitting.by: a split by time needs both: time: <column> and by: time")
        if self.splitting.by == "time" and self.group is not None:
            raise ValueError("group, splitting.by: a group may be on both sides of a time; leave out one of the two")

    def _refuse_unused(self, defaults: dict[str, Any], reason: str) -> None:
        for key, default in defaults.items():
            if getattr(self, key) != default:
                raise ValueError(f"{key}: is not used, because {reason}. Take it out")


#: Keys that say how a file is read, with the values of files that need none.
_READING: dict[str, Any] = {
    "format": None,
    "separator": None,
    "decimal": None,
    "quote": '"',
    "encoding": None,
    "comment": None,
    "header": None,
    "sheet": None,
    "label": None,
    "split": None,
    "group": None,
    "time": None,
    "weight": None,
}
