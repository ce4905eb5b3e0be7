"""The content of a table: its features as one array of numbers, and its labels, groups, times and splits.

A category is a number here too, the place of its text in the sorted list of all texts of its column.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.validation import suggest_name
from blindtune.datasets.content import concatenate_digests
from blindtune.datasets.table.config import TableConfig
from blindtune.datasets.table.opening import RowTable, open_table
from blindtune.datasets.table.roles import Roles, column_names, find_roles
from blindtune.datasets.table.text import Chunk, TextTable, is_number

if TYPE_CHECKING:
    import pandas as pd

ColumnKind = Literal["number", "boolean", "category"]

_MAX_VALUE = float(np.finfo(np.float32).max)
#: Whole numbers up to here are exact in 32 bits.
_EXACT = 2.0**24
_BOOLEANS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class FeatureColumn:
    """A feature as it is in the file.

    Attributes:
        name: of the column.
        kind: number, boolean (0 and 1) or category.
        categories: the texts of a category, sorted; a value is the place of its text here.
    """

    name: str
    kind: ColumnKind
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableContent:
    """All rows of a table, of one file or of several.

    Attributes:
        columns: the features.
        values: (n_rows, n_columns) float32; NaN is a missing value.
        labels: the text of the label of each row, as places in `label_texts`, (n_rows,) int64.
        label_texts: the different labels, sorted.
        groups: the same for groups, or None.
        group_texts: the different groups, sorted.
        times: the text of the time of each row, or None.
        splits: the text of the split of each row, as places in `split_texts`, or None.
        split_texts: the different splits, sorted.
        file: number of the file of each row, (n_rows,) int8.
        row: number of the row in its file, (n_rows,) int64.
        origins: a digest of each row as its file has it, all columns, (n_rows,) of dtype S16.
        paths: the files.
        classes: the classes that a file names in a comment, or None.
        unused: names of columns that are not used.
        notes: sentences on how the files were read.
        weights: the weight of each row, (n_rows,) float64, or None.
    """

    columns: list[FeatureColumn]
    values: NDArray[np.float32]
    labels: NDArray[np.int64]
    label_texts: list[str]
    groups: NDArray[np.int64] | None
    group_texts: list[str]
    times: list[str] | None
    splits: NDArray[np.int64] | None
    split_texts: list[str]
    file: NDArray[np.int8]
    row: NDArray[np.int64]
    origins: NDArray[np.bytes_]
    paths: list[Path]
    classes: list[str] | None = None
    unused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    weights: NDArray[np.float64] | None = None

    def locate(self, index: int) -> str:
        """Return where a row comes from, for messages."""
        return f"{self.paths[int(self.file[index])]}, row {int(self.row[index])}"


class _Texts:
    """The texts of a column, each with a code in the order in which they came."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    def add(self, values: "pd.Series[Any]", missing: set[str]) -> NDArray[np.float64]:
        """Return the code of each value; NaN where it is missing."""
        import pandas as pd

        places, found = pd.factorize(values)
        codes = np.full(len(found) + 1, np.nan)
        for place, value in enumerate(found):
            text = str(value).strip()
            if text not in missing:
                codes[place] = self.codes.setdefault(text, len(self.codes))
        # A place of -1 is a missing value too, and takes the last code.
        of_rows: NDArray[np.float64] = codes[places]
        return of_rows

    def sorted(self) -> tuple[list[str], NDArray[np.int64]]:
        """Return all texts, sorted, and the place of each code there."""
        texts = sorted(self.codes)
        places = np.empty(len(texts), np.int64)
        places[[self.codes[text] for text in texts]] = np.arange(len(texts))
        return texts, places


class _Reader:
    """Collects the rows of one file after the other."""

    def __init__(self, config: TableConfig, paths: Sequence[Path]) -> None:
        self.config = config
        self.paths = list(paths)
        self.missing = set(config.missing_values)
        self.kinds: list[ColumnKind] = []
        self.texts: dict[str, _Texts] = {}
        self.values: list[NDArray[np.float32]] = []
        self.codes: dict[str, list[NDArray[np.float64]]] = {"label": [], "group": [], "split": []}
        self.times: list[str] = []
        self.weights: list[NDArray[np.float64]] = []
        self.rows: list[NDArray[np.int64]] = []
        self.files: list[NDArray[np.int8]] = []
        self.origins: list[NDArray[np.bytes_]] = []
        #: How files are written: the names of the files by a sentence.
        self.written: dict[str, list[str]] = {}
        #: Columns of which 32 bits make different numbers equal.
        self.rounded: list[str] = []
        self.classes: list[str] | None = None
        self.roles: Roles | None = None
        self._decimal = "."

    def read(self, number: int) -> None:
        """Read one file."""
        path = self.paths[number]
        table = open_table(path, self.config)
        self._decimal = table.dialect.decimal if isinstance(table, TextTable) else "."
        first = next(iter(table.chunks()), None)
        if first is None:
            raise UserError(f"{path}: has no row. It must hold one row for each sample.")
        roles = self._find_roles(table, first.frame)
        if not self.kinds:
            self.roles = roles
            self.kinds = [self._find_kind(path, roles, place, first) for place in roles.features]
        numbers = [place for place, kind in zip(roles.features, self.kinds, strict=True) if kind == "number"]
        numbers += [] if roles.weight is None else [roles.weight]
        del first
        for chunk in table.chunks(numbers):
            self._add(path, roles, chunk.frame, chunk.rows)
            self.files.append(np.full(len(chunk.rows), number, np.int8))
            self.origins.append(chunk.origins)
        self._note(table)

    def _find_roles(self, table: RowTable, frame: "pd.DataFrame") -> Roles:
        path, names = table.path, table.names
        label = None
        if isinstance(table, TextTable) and table.dialect.classes:
            self.classes = table.dialect.classes
            label = _find_named_label(self.classes, frame, self.missing)
        if self.roles is None:
            return find_roles(path, names, table.n_columns, self.config, label)
        first = self.roles
        if table.n_columns != len(first.names):
            raise UserError(
                f"{path}: has {table.n_columns} columns, but {self.paths[0]} has {len(first.names)}. All files of a "
                "dataset must have the same columns."
            )
        own = column_names(names, table.n_columns)
        if names is None or own == first.names:
            return first
        absent = [name for name in first.names if name not in own]
        if absent:
            raise UserError(
                f"{path}: has no column {absent[0]!r}, which {self.paths[0]} has. All files of a dataset must have the "
                "same columns."
            )
        return _moved(first, own)

    def _find_kind(self, path: Path, roles: Roles, place: int, chunk: Chunk) -> ColumnKind:
        if place in roles.categorical:
            return "category"
        column = chunk.frame[place]
        texts = {text for text in map(str.strip, map(str, column.unique())) if text not in self.missing}
        decimal = self._decimal
        if all(is_number(text, decimal) for text in texts):
            return "number"
        if all(text.casefold() in _BOOLEANS for text in texts):
            return "boolean"
        if any(is_number(text, decimal) for text in texts):
            is_text = [not is_number(text, decimal) and text not in self.missing for text in column.str.strip()]
            at = int(np.argmax(is_text))
            raise self._mixed(path, chunk.rows[at], roles.names[place], str(column.iloc[at]))
        return "category"

    #: What can be done about a value that is not of its column's kind, and about a missing one.
    _FIX_NUMBER = (
        "Fix it, add it to missing_values if it means that the value is missing, or list the column under categorical "
        "if its values are names."
    )
    _FIX_BOOLEAN = "Fix it, add it to missing_values, or list the column under categorical."
    _FIX_MISSING = (
        "Fix or remove the row, leave the column out (leave_out), or set missing: median or missing: most_frequent."
    )

    def _mixed(self, path: Path, row: int, name: str, text: str) -> UserError:
        return UserError(
            f"{path}, row {row}, column {name!r}: {text.strip()[:40]!r} is not a number, but other values of the "
            f"column are. {self._FIX_NUMBER}"
        )

    def _add(self, path: Path, roles: Roles, frame: "pd.DataFrame", rows: list[int]) -> None:
        values = np.empty((len(rows), len(roles.features)), np.float32)
        for at, (place, kind) in enumerate(zip(roles.features, self.kinds, strict=True)):
            name = roles.names[place]
            if kind == "number":
                column = self._numbers(path, frame[place], rows, name)
            elif kind == "boolean":
                column = self._booleans(path, frame[place], rows, name)
            else:
                column = self.texts.setdefault(str(at), _Texts()).add(frame[place], self.missing)
            if self.config.missing == "refuse":
                self._refuse_missing(path, column, rows, name)
            values[:, at] = column
        self.values.append(values)
        for key, other in self._coded_roles(roles):
            if other is not None:
                codes = self.texts.setdefault(key, _Texts()).add(frame[other], self.missing)
                absent = np.isnan(codes)
                if absent.any():
                    raise UserError(
                        f"{path}, row {rows[int(np.argmax(absent))]}, column {roles.names[other]!r}: the {key} is "
                        "missing. Fix or remove the row."
                    )
                self.codes[key].append(codes)
        if roles.time is not None:
            self.times += [str(text).strip() for text in frame[roles.time]]
        if roles.weight is not None:
            self.weights.append(self._read_weights(path, frame[roles.weight], rows, roles.names[roles.weight]))
        self.rows.append(np.asarray(rows, np.int64))

    def _coded_roles(self, roles: Roles) -> "list[tuple[str, int | None]]":
        """Return the columns that become places in lists of texts, and where they are."""
        return [("label", roles.label), ("group", roles.group), ("split", roles.split)]

    def _numbers(self, path: Path, column: "pd.Series[Any]", rows: list[int], name: str) -> NDArray[np.float64]:
        if column.dtype == np.float64:
            values = np.asarray(column.to_numpy(), np.float64)
        else:
            values = np.empty(len(column))
            for at, cell in enumerate(column):
                text = str(cell).strip()
                if text in self.missing:
                    values[at] = math.nan
                elif is_number(text, self._decimal):
                    values[at] = float(text.replace(",", "."))
                else:
                    raise self._mixed(path, rows[at], name, text)
        large = np.abs(values) > _MAX_VALUE  # infinite ones too
        if large.any():
            at = int(np.argmax(large))
            raise UserError(
                f"{path}, row {rows[at]}, column {name!r}: {values[at]} is not finite or too large for 32 bits. Fix or "
                "remove the row."
            )
        self._note_rounding(values, name)
        return values

    def _read_weights(self, path: Path, column: "pd.Series[Any]", rows: list[int], name: str) -> NDArray[np.float64]:
        """Return the weights of some rows; none is filled in, for that would be a choice of the user."""
        is_read = column.dtype == np.float64
        values = np.array(column, np.float64) if is_read else np.empty(len(column))
        for at, cell in enumerate(() if is_read else column):
            text = str(cell).strip()
            if text not in self.missing and not is_number(text, self._decimal):
                raise self._wrong_weight(path, rows[at], name, f"{text[:40]!r} is not a number")
            values[at] = math.nan if text in self.missing else float(text.replace(",", "."))
        wrong = ~(np.isfinite(values) & (values >= 0))
        if wrong.any():
            at = int(np.argmax(wrong))
            value = values[at]
            what = "is missing" if np.isnan(value) else f"{value:g} is {'negative' if value < 0 else 'not finite'}"
            raise self._wrong_weight(path, rows[at], name, what)
        return values

    def _wrong_weight(self, path: Path, row: int, name: str, what: str) -> UserError:
        return UserError(
            f"{path}, row {row}, column {name!r}: the weight {what}. A weight is a finite number of 0 or more. Fix or "
            "remove the row, or leave weight out."
        )

    def _note_rounding(self, values: NDArray[np.float64], name: str) -> None:
        """Remember a column of large numbers of which 32 bits make different ones equal, such as times in seconds."""
        if name in self.rounded or not np.nanmax(np.abs(values), initial=0) >= _EXACT:
            return
        if len(np.unique(values.astype(np.float32))) < len(np.unique(values)):
            self.rounded.append(name)

    def _booleans(self, path: Path, column: "pd.Series[Any]", rows: list[int], name: str) -> NDArray[np.float64]:
        values = np.empty(len(column))
        for at, cell in enumerate(column):
            text = str(cell).strip()
            known = _BOOLEANS.get(text.casefold())
            if known is None and text not in self.missing:
                raise UserError(
                    f"{path}, row {rows[at]}, column {name!r}: {text[:40]!r} is not true or false, as other values of "
                    f"the column are. {self._FIX_BOOLEAN}"
                )
            values[at] = math.nan if known is None else known
        return values

    def _refuse_missing(self, path: Path, column: NDArray[np.float64], rows: list[int], name: str) -> None:
        absent = np.isnan(column)
        if absent.any():
            raise UserError(
                f"{path}, row {rows[int(np.argmax(absent))]}, column {name!r}: the value is missing. "
                f"{self._FIX_MISSING}"
            )

    def _note(self, table: RowTable) -> None:
        if isinstance(table, TextTable):
            lines = "line" if table.n_comments == 1 else "lines"
            comments = f", {table.n_comments} comment {lines}" if table.n_comments else ""
            self.written.setdefault(table.dialect.describe() + comments, []).append(table.path.name)

    def content(self) -> TableContent:
        """Return all that was read."""
        roles = self.roles
        if roles is None:
            raise ValueError("no file was read")
        values = self.values[0] if len(self.values) == 1 else np.concatenate(self.values)
        self.values = []
        columns = []
        for at, (place, kind) in enumerate(zip(roles.features, self.kinds, strict=True)):
            name = roles.names[place]
            texts: list[str] = []
            if kind == "category":
                texts, places = self.texts[str(at)].sorted()
                self._check_categories(name, texts, is_declared=place in roles.categorical)
                known = ~np.isnan(values[:, at])
                values[known, at] = places[values[known, at].astype(np.int64)]
            columns.append(FeatureColumn(name, kind, tuple(texts)))
        coded = {key: self._coded(key) for key in self.codes}
        labels = coded["label"][0]
        if labels is None:
            raise ValueError("no label was read")
        return TableContent(
            columns=columns,
            values=values,
            labels=labels,
            label_texts=coded["label"][1],
            groups=coded["group"][0],
            group_texts=coded["group"][1],
            times=self.times or None,
            splits=coded["split"][0],
            split_texts=coded["split"][1],
            file=np.concatenate(self.files),
            row=np.concatenate(self.rows),
            origins=concatenate_digests(self.origins),
            paths=self.paths,
            classes=self.classes,
            unused=[roles.names[place] for place in roles.unused],
            notes=[
                *(f"{', '.join(names)}: {written}" for written, names in self.written.items()),
                *self._describe_weights(roles),
                *(f"{name}: some different numbers are equal in 32 bits; subtract an offset" for name in self.rounded),
            ],
            weights=np.concatenate(self.weights) if self.weights else None,
        )

    def _describe_weights(self, roles: Roles) -> list[str]:
        if roles.weight is None:
            return []
        weights = np.concatenate(self.weights)
        name = roles.names[roles.weight]
        return [f"weights in training: column {name}, {weights.min():g} to {weights.max():g}; errors have none"]

    def _coded(self, key: str) -> tuple[NDArray[np.int64] | None, list[str]]:
        if not self.codes[key]:
            return None, []
        texts, places = self.texts[key].sorted()
        return places[np.concatenate(self.codes[key]).astype(np.int64)], texts

    def _check_categories(self, name: str, texts: list[str], *, is_declared: bool) -> None:
        where = ", ".join(map(str, self.paths))
        if len(texts) > self.config.max_categories:
            raise UserError(
                f"{where}: the column {name!r} has {len(texts):,} different texts, such as {texts[0][:40]!r}, more "
                f"than max_categories: {self.config.max_categories}. If it is a name or a free text, leave it out "
                "(leave_out); if these are categories, raise max_categories."
            )
        numbers = [text for text in texts if is_number(text, self._decimal)]
        if numbers and not is_declared:
            raise UserError(
                f"{where}: the column {name!r} has texts such as {texts[-1][:40]!r} and numbers such as "
                f"{numbers[0][:40]!r}. Fix them, or list the column under categorical if its values are names."
            )


def read_tables(config: TableConfig, paths: Iterable[Path]) -> TableContent:
    """Return the content of one file, or of several files with the same columns.

    Args:
        config: how the files are read, and which columns are used.
        paths: the files.

    Raises:
        UserError: a file cannot be read, or a value is wrong; the message names file, row and column.
    """
    reader = _Reader(config, list(paths))
    for number in range(len(reader.paths)):
        reader.read(number)
    return reader.content()


@dataclass(frozen=True)
class NewRows:
    """Rows without a split, of which the features of a table are known already.

    Attributes:
        columns: the features, as they were given.
        values: (n_rows, n_columns) as in `TableContent`.
        row: number of each row in its file.
        origins: as in `TableContent`.
        unused: names of the other columns, such as the label.
        notes: sentences on how the file was read.
    """

    columns: list[FeatureColumn]
    values: NDArray[np.float32]
    row: list[int]
    origins: NDArray[np.bytes_]
    unused: list[str]
    notes: list[str]


def read_new_rows(
    config: TableConfig, path: Path, features: Sequence[tuple[str, ColumnKind]], n_columns: int
) -> NewRows:
    """Return new rows of a table whose features are known; labels and other columns may be missing.

    Args:
        config: how the file is read.
        path: of the file.
        features: name and kind of each feature of the table.
        n_columns: number of columns of the table.

    Raises:
        UserError: the file cannot be read, lacks a feature, or a value is wrong; the message names row and column.
    """
    reader = _NewReader(config, path, features, n_columns)
    try:
        reader.read(0)
    except _NamesInRowsError:
        reader = _NewReader(config.model_copy(update={"header": True}), path, features, n_columns)
        reader.read(0)
    return reader.new_rows()


class _NamesInRowsError(Exception):
    """The first row has the names of all features, though it does not look like a header."""


class _NewReader(_Reader):
    """Collects new rows of a table whose features are known; a frozen model takes no other kinds of columns."""

    _FIX_NUMBER = "Fix the cell, or leave the row out; the model knows this column as numbers."
    _FIX_BOOLEAN = "Fix the cell, or leave the row out; the model knows this column as true and false."
    _FIX_MISSING = "Fill the cell, or leave the row out; the model was trained without missing values."

    def __init__(
        self, config: TableConfig, path: Path, features: Sequence[tuple[str, ColumnKind]], n_columns: int
    ) -> None:
        super().__init__(config, [path])
        self.kinds = [kind for _, kind in features]
        self._names = [name for name, _ in features]
        self._n_columns = n_columns
        self._unused: list[str] = []

    def new_rows(self) -> NewRows:
        """Return all that was read."""
        values, columns = np.concatenate(self.values), []
        for at, (name, kind) in enumerate(zip(self._names, self.kinds, strict=True)):
            texts = list(self.texts[str(at)].codes) if kind == "category" else []
            columns.append(FeatureColumn(name, kind, tuple(texts)))
        written = [f"{', '.join(names)}: {how}" for how, names in self.written.items()]
        row = np.concatenate(self.rows).tolist()
        return NewRows(columns, values, row, concatenate_digests(self.origins), self._unused, written)

    def _find_roles(self, table: RowTable, frame: "pd.DataFrame") -> Roles:
        if table.names is None and {*self._names} <= {str(text).strip() for text in frame.iloc[0]}:
            raise _NamesInRowsError
        names = column_names(table.names, table.n_columns)
        places = self._find_places(table, names)
        others = [place for place in range(table.n_columns) if place not in places]
        self._unused = [names[place] for place in others]
        categorical = [place for place, kind in zip(places, self.kinds, strict=True) if kind == "category"]
        self.roles = Roles(names, -1, places, categorical, None, None, None, others)
        return self.roles

    def _find_places(self, table: RowTable, names: list[str]) -> list[int]:
        """Return where each feature is: by its name or, if neither file has names, by its place."""
        places = [names.index(name) for name in self._names if name in names]
        by_place = self._names == [name for name in self._names if name.removeprefix("column_").isdecimal()]
        if table.names is None and not by_place:
            raise UserError(
                f"{table.path}: has no names of columns, but the table of the dataset has. Begin with a row of them: "
                f"{', '.join(self._names[:10])}{', ...' if len(self._names) > 10 else ''}."
            )
        if table.names is None and table.n_columns == len(self._names) != self._n_columns:
            return list(range(table.n_columns))  # the features alone, in their order
        if table.names is None and table.n_columns != self._n_columns:
            raise UserError(
                f"{table.path}: has {table.n_columns} columns, but the table of the dataset has {self._n_columns}, of "
                f"which {len(self._names)} are features. Give all of them or the features alone."
            )
        for name in self._names:
            if name not in names:
                raise UserError(
                    f"{table.path}: has no column {name!r}, which the table of the dataset has: "
                    f"{suggest_name(name, names)}"
                )
        return places

    def _coded_roles(self, roles: Roles) -> "list[tuple[str, int | None]]":
        return []


def _find_named_label(classes: list[str], frame: "pd.DataFrame", missing: set[str]) -> int | None:
    """Return the only column whose values are all classes that a comment names; None if there is none."""
    known = {*classes, *missing}
    found = [place for place in frame.columns if all(str(text).strip() in known for text in frame[place].unique())]
    return int(found[0]) if len(found) == 1 else None


def _moved(roles: Roles, names: list[str]) -> Roles:
    """Return the same roles for a file whose columns are in another order."""
    places = [names.index(name) for name in roles.names]
    group, time, split, weight = (
        None if place is None else places[place] for place in (roles.group, roles.time, roles.split, roles.weight)
    )
    return Roles(
        names=names,
        label=places[roles.label],
        features=[places[place] for place in roles.features],
        categorical=[places[place] for place in roles.categorical],
        group=group,
        time=time,
        split=split,
        unused=[places[place] for place in roles.unused],
        weight=weight,
    )
