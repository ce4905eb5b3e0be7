"""What a table holds, column by column, and the config that runs it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blindtune.config.defaults import DEFAULT
from blindtune.config.schema import merge, read
from blindtune.core.errors import UserError
from blindtune.core.validation import parse
from blindtune.datasets.base import SPLITS, LoadedDataset
from blindtune.datasets.leaks import find_equal_samples
from blindtune.datasets.picture_files import COLUMN_NAMES
from blindtune.datasets.table.config import SplitValues, TableConfig
from blindtune.datasets.table.opening import RowTable, open_table
from blindtune.datasets.table.roles import Roles, column_names, find_roles
from blindtune.datasets.table.source import TableSource
from blindtune.datasets.table.text import TextTable, is_number
from blindtune.describe.config import (
    Description,
    choose_neighbors,
    count_repeated,
    name_study,
    show_classes,
    write_as_yaml,
)

if TYPE_CHECKING:
    import pandas as pd

#: Different values of a column that are counted; of more, only that there are more.
MAX_COUNTED = 10_000
#: The most values of a column that is proposed as the label.
MAX_PROPOSED_CLASSES = 20
#: Columns that are shown one by one.
MAX_SHOWN = 60
#: Train with fewer rows than this gets smaller batches and more epochs, so that a network takes enough steps.
FEW_ROWS = 5000
#: Fewest rows at which a column of different whole numbers is taken for a number of the row.
FEW_NUMBERS = 20

#: A column of texts and of more different numbers than this holds numbers, not categories.
FEW_DIFFERENT = 10
#: Texts other than numbers that are counted for each column.
MAX_ODD = 100

#: Texts that people and programs write where a value is missing, in lower case; more than the config takes by default.
_MARKERS = frozenset(
    {"-", "--", "---", ".", "..", "*", "none", "nil", "na", "n/a", "n.a.", "nan", "-nan", "<na>", "nat", "null", "nd"}
    | {
        "#n/a",
        "#na",
        "#null!",
        "#div/0!",
        "#num!",
        "#value!",
        "#ref!",
        "missing",
        "unknown",
        "n/d",
        "1.#qnan",
        "-1.#ind",
    }
)
_GROUPED = re.compile(r"[+-]?\d{1,3}([ ,.'\u2019\u00a0\u202f]\d{3})+([.,]\d+)?")
_SIGNED = re.compile(r"[^\w.,+-]*[+-]?\d[\d.,]*\s*([^\w\s]|[A-Za-z]{1,4})?|[<>~=]+\s*[+-]?\d[\d.,]*")
_OTHER_DATE = re.compile(
    r"\d{1,4}([./-])\d{1,2}\1\d{1,4}([ T]\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?"
)
#: Numbers that mean a missing value in some files.
_SENTINELS = re.compile(r"-?9{3,5}(\.0*)?")
_BOOLEANS = {"true", "false"}
#: Names of columns that say which rows belong together.
_OWNER = re.compile(
    r"(patient|subject|participant|person|specimen|donor|animal|batch)s?[_\W]*(id|no|nr|num|number|name|code)?",
    re.IGNORECASE,
)
_SPLITS = {value for _, known in SplitValues() for value in known}
_ID = re.compile(r"(?i:(^|[_\W])(id|uuid|guid|identifier)$|^(index|row|unnamed: 0|no\.?|nr\.?)$)|[a-z](Id|ID)$")


@dataclass
class ColumnSummary:
    """What one column of a table holds.

    Attributes:
        name: of the column.
        rows: number of rows.
        missing: number of missing values.
        numbers: number of values that are numbers.
        counts: rows by value; not all if there are more than `MAX_COUNTED`.
        odd: rows by value that is not a number; at most `MAX_ODD` of them.
        is_cut: whether there are more values than are counted.
        low: the smallest number.
        high: the largest number.
        steps_by_one: whether all values so far are whole numbers that rise by one from row to row.
        last: the last number.
    """

    name: str
    rows: int = 0
    missing: int = 0
    numbers: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    odd: dict[str, int] = field(default_factory=dict)
    is_cut: bool = False
    low: float = float("inf")
    high: float = float("-inf")
    steps_by_one: bool = True
    last: float | None = None

    def add(self, values: "pd.Series[Any]", missing: set[str], decimal: str) -> None:
        """Add the values of some rows."""
        import pandas as pd

        texts = [str(value).strip() for value in values]
        self.rows += len(texts)
        for text, count in pd.Series(texts).value_counts(sort=False).items():
            self._count(str(text), int(count), missing, decimal)
        if self.steps_by_one:
            self._follow(texts)

    @property
    def kind(self) -> str:
        """What the values are: number, boolean, category, date, text, mixed or empty."""
        present = self.rows - self.missing
        if present == 0:
            return "empty"
        if self.numbers == present:
            return "number"
        if {text.casefold() for text in self.counts} <= _BOOLEANS:
            return "boolean"
        if all(_is_date(text) for text in list(self.counts)[:100]):
            return "date"
        if self.numbers:
            return "mixed"
        return "text"

    @property
    def holds_numbers(self) -> bool:
        """Whether it is mixed, but holds numbers with some other texts rather than names of categories."""
        return self.kind == "mixed" and (self.is_cut or len(self.counts) - len(self.odd) >= FEW_DIFFERENT)

    def markers(self) -> list[str]:
        """Return its texts if all of them commonly mean that a number is missing, else none."""
        if self.holds_numbers and all(text.casefold() in _MARKERS for text in self.odd):
            return sorted(self.odd)
        return []

    def strange_numbers(self) -> str | None:
        """Return why its values are numbers that cannot be read; None if they are none, or all can."""
        if self.kind == "text":
            if len(self.odd) < FEW_DIFFERENT or not all(map(_looks_like_number, self.odd)):
                return None
        elif not self.holds_numbers:
            return None
        text, count = next(iter(self.odd.items()))
        if _GROUPED.fullmatch(text):
            return f"numbers, but thousands are separated, as in {text!r}"
        if "\u2212" in text:
            return f"numbers, but with another sign than - for minus, as in {text!r}"
        if self.kind == "text":
            return f"numbers with other signs, as in {text!r}"
        return f"numbers, but also {text[:30]!r} in {count:,} {'row' if count == 1 else 'rows'}"

    def sentinel(self) -> str | None:
        """Return a number such as -999 that is far from all others, several times there, and may mean a missing one."""
        if self.kind != "number" or self.is_cut:
            return None
        for text, count in self.counts.items():
            value = float(text.replace(",", "."))
            if count > 1 and _SENTINELS.fullmatch(text.replace(",", ".")):
                others = [abs(float(other.replace(",", "."))) for other in self.counts if other != text]
                if others and max(others) < abs(value) / 2:
                    return text
        return None

    @property
    def n_values(self) -> str:
        """Number of different values, as text."""
        return f"over {MAX_COUNTED:,}" if self.is_cut else f"{len(self.counts):,}"

    def example(self) -> str:
        """Return the range of numbers, or some values."""
        if self.kind == "number":
            return f"{self.low:g} to {self.high:g}"
        shown = ", ".join(text[:20] for text in list(self.counts)[:4])
        return shown + (", ..." if len(self.counts) > 4 else "")

    def _count(self, text: str, count: int, missing: set[str], decimal: str) -> None:
        if text in missing:
            self.missing += count
            return
        if is_number(text, decimal):
            self.numbers += count
            value = float(text.replace(",", "."))
            self.low, self.high = min(self.low, value), max(self.high, value)
        elif text in self.odd or len(self.odd) < MAX_ODD:
            self.odd[text] = self.odd.get(text, 0) + count
        if text in self.counts or len(self.counts) < MAX_COUNTED:
            self.counts[text] = self.counts.get(text, 0) + count
        else:
            self.is_cut = True

    def _follow(self, texts: list[str]) -> None:
        for text in texts:
            value = float(text) if text.lstrip("-").isascii() and text.lstrip("-").isdigit() else None
            if value is None or (self.last is not None and value != self.last + 1):
                self.steps_by_one = False
                return
            self.last = value


def describe(files: Mapping[str, Path], keys: Mapping[str, Any], named: Path) -> Description:
    """Return what a table holds, and a config that runs it.

    Args:
        files: the file of all rows, ``file``, or a file for each split.
        keys: keys of the dataset that are given: the label, and how the files are read.
        named: the file or folder that names the config.

    Raises:
        UserError: a file cannot be read, the label is not clear, or the table cannot be split.
    """
    place: dict[str, Any] = {split: str(path) for split, path in files.items()}
    place = place if "file" in files else {"files": place}
    where = next(iter(files.values()))
    given = parse(TableConfig, {"source": "table", **place, **keys}, str(where))
    tables = [open_table(path, given) for path in files.values()]
    columns = _summarize(tables, given)
    first = tables[0]
    lines = [f"{table.path}: {_written(table)}" for table in tables]
    lines += [f"{columns[0].rows:,} rows, {len(columns):,} columns", ""]
    split = _find_split(columns, given)
    if split is not None:
        given = given.model_copy(update={"split": split + 1})
    roles = _find_roles(first, given, columns)
    left_out = _choose_left_out(roles, columns, given)
    lines += _show_columns(roles, columns, left_out)
    settings = {**place, **_settings(where, keys, roles, columns, left_out, given)}
    config = parse(TableConfig, {"source": "table", **settings}, str(where))
    loaded = TableSource(config).load(dict(files))
    lines += ["", f"label {roles.names[roles.label]!r}: {len(loaded.classes)} classes", *show_classes(loaded, "rows")]
    repeated = count_repeated(loaded)
    if repeated:
        lines.append(f"{repeated:,} rows repeat the features of another row")
    lines += _advise(roles, columns, left_out)
    final = loaded if loaded.fit is None else loaded.fit(loaded)
    lines += [note for note in final.notes if note not in loaded.notes]
    if find_equal_samples(final).shared("eval", "train", "dev").any():
        # Rows that differ in rare categories alone, or in digits that 32 bits do not hold, or that two files share.
        settings["leaks"] = "remove"
        lines.append("rows of eval are equal to others of train or dev: leaks: remove takes them out of these")
    content = _config(name_study(named, "table"), settings, loaded)
    read(merge(DEFAULT, content), "the config")
    head = [
        f"Written by `blindtune describe {' '.join(map(str, files.values()))}`.",
        "It is merged into config.yaml. Change it as you like.",
    ]
    comments = {
        "compare": "Reference models, an expert's network and a tuner; config.yaml has more systems.",
        "datasets": "docs/data/tables.md describes every key.",
    }
    return Description(lines, write_as_yaml(content, head, comments))


def _summarize(tables: Sequence[RowTable], config: TableConfig) -> list[ColumnSummary]:
    """Return what each column holds, over all files."""
    names = column_names(tables[0].names, tables[0].n_columns)
    columns = [ColumnSummary(name) for name in names]
    missing = set(config.missing_values)
    for table in tables:
        own = column_names(table.names, table.n_columns)
        if len(own) != len(names) or (table.names is not None and set(own) != set(names)):
            _refuse_other_columns(table, tables[0], own, names)
        decimal = table.dialect.decimal if isinstance(table, TextTable) else "."
        rows = 0
        for column in columns:
            column.last = None
        for chunk in table.chunks():
            rows += len(chunk.rows)
            for place, name in enumerate(own):
                at = place if table.names is None else names.index(name)
                columns[at].add(chunk.frame[place], missing, decimal)
        if rows == 0:
            raise UserError(f"{table.path}: has no row. It must hold one row for each sample.")
    return columns


def _refuse_other_columns(table: RowTable, first: RowTable, own: list[str], names: list[str]) -> None:
    lacking, more = [name for name in names if name not in own], [name for name in own if name not in names]
    parts = [f"no column {name!r}" for name in lacking[:3]] + [f"a column {name!r} more" for name in more[:3]]
    raise UserError(
        f"{table.path}: has {' and '.join(parts)}, other than {first.path}. All files must have the same columns. If "
        f"it has no labels, it cannot be used here: describe {first.path} alone, from which eval is taken then."
    )


def _written(table: RowTable) -> str:
    return table.dialect.describe() if isinstance(table, TextTable) else "columns with types"


def _find_split(columns: list[ColumnSummary], config: TableConfig) -> int | None:
    """Return the place of a column that says the split of each row, if it names all three."""
    if config.files is not None:
        return None
    values = {value: split for split, known in SplitValues() for value in known}
    for place, column in enumerate(columns):
        if column.name.casefold() in COLUMN_NAMES["split"] and not column.is_cut and not column.missing:
            found = {values.get(text.casefold()) for text in column.counts}
            if found == set(SPLITS):
                return place
    return None


def _find_roles(table: RowTable, config: TableConfig, columns: list[ColumnSummary]) -> Roles:
    label = None
    if isinstance(table, TextTable) and table.dialect.classes:
        named = set(table.dialect.classes)
        found = [place for place, column in enumerate(columns) if set(column.counts) <= named]
        label = found[0] if len(found) == 1 else None
    try:
        return find_roles(table.path, table.names, table.n_columns, config, label)
    except UserError as error:
        if config.label is not None:
            raise
        near = [
            f"{column.name!r} ({len(column.counts)} values)"
            for column in columns
            if 2 <= len(column.counts) <= MAX_PROPOSED_CLASSES
        ]
        hint = f" Columns of few values: {', '.join(near[:8])}." if near else ""
        if table.names is None and isinstance(table, TextTable) and table.dialect.comments:
            last = table.dialect.comments[-1]
            hint += f" If the comment {last[:60]!r} is the header, remove the sign before it."
        message = str(error).replace("Set label: to its name, or to its place", "Give --label NAME, or its place")
        raise UserError(f"{message}{hint}") from error


def _choose_left_out(roles: Roles, columns: list[ColumnSummary], config: TableConfig) -> dict[int, str]:
    """Return the columns that should be no features, by their place, and why."""
    left_out: dict[int, str] = dict.fromkeys(roles.unused, "left out by you")
    if config.features is not None:
        return {}
    for place in roles.features:
        column, kind = columns[place], columns[place].kind
        n_values = len(column.counts)
        if kind == "empty":
            left_out[place] = "has no value"
        elif column.name.casefold() in COLUMN_NAMES["split"] and {text.casefold() for text in column.counts} <= _SPLITS:
            left_out[place] = "names splits, but not all of train, dev and eval"
        elif kind == "date":
            left_out[place] = "dates; for a split by time see docs/data/tables.md"
        elif _OWNER.fullmatch(column.name.strip()) and n_values < column.rows - column.missing:
            left_out[place] = "tells which rows belong together: --group keeps those in one split"
        elif column.steps_by_one and column.rows >= FEW_NUMBERS:
            left_out[place] = "counts the rows"
        elif _ID.search(column.name) and n_values >= FEW_NUMBERS and (column.is_cut or n_values == column.rows):
            left_out[place] = "a number of the row, by its name"
        elif (strange := column.strange_numbers()) and not column.markers():
            left_out[place] = strange
        elif kind in ("text", "mixed") and not column.holds_numbers and _is_name(column, config.max_categories):
            left_out[place] = "a name or a free text"
    return left_out


def _is_name(column: ColumnSummary, max_categories: int) -> bool:
    """Return whether a column of texts has too many different ones to be categories."""
    n_values = len(column.counts)
    is_own = n_values >= FEW_NUMBERS and 2 * n_values > column.rows - column.missing
    return column.is_cut or n_values > max_categories or is_own


def _show_columns(roles: Roles, columns: list[ColumnSummary], left_out: Mapping[int, str]) -> list[str]:
    special = {roles.label: "label", roles.group: "group", roles.time: "time", roles.split: "split"}
    special[roles.weight] = "weight"
    width = min(40, max(len(column.name) for column in columns))
    lines = [f"{'column':{width}}  kind      different  missing  values"]
    for place, column in enumerate(columns[:MAX_SHOWN]):
        role = special.get(place) or (f"left out: {left_out[place]}" if place in left_out else "")
        shown = f"{column.name[:40]:{width}}  {column.kind:8}  {column.n_values:>9}  {column.missing:>7,}"
        lines.append(f"{shown}  {column.example()}{f'  <- {role}' if role else ''}")
    if len(columns) > MAX_SHOWN:
        lines.append(f"... and {len(columns) - MAX_SHOWN:,} more columns")
    return ["".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line) for line in lines]


def _settings(
    path: Path,
    keys: Mapping[str, Any],
    roles: Roles,
    columns: list[ColumnSummary],
    left_out: Mapping[int, str],
    given: TableConfig,
) -> dict[str, Any]:
    """Return the keys of the dataset."""
    has_names = columns[roles.label].name != f"column_{roles.label + 1}"
    settings: dict[str, Any] = dict(keys)
    settings["label"] = columns[roles.label].name if has_names else roles.label + 1
    if given.split is not None:
        settings["split"] = roles.names[roles.split or 0] if has_names else given.split
    features = [place for place in roles.features if place not in left_out]
    if not features:
        why = "; ".join(f"{columns[place].name!r}: {reason}" for place, reason in list(left_out.items())[:5])
        raise UserError(
            f"{path}: has no column left that could be a feature ({why}). Give a table with features, or write the "
            "config yourself: docs/data/tables.md."
        )
    if given.features is None and left_out:
        settings["leave_out"] = [columns[place].name if has_names else place + 1 for place in sorted(left_out)]
    markers = sorted({text for place in features for text in columns[place].markers()})
    if markers:
        settings["missing_values"] = list(dict.fromkeys([*given.missing_values, *markers]))
        settings["missing"] = given.missing if given.missing != "refuse" else "median"
    mixed = [place for place in features if columns[place].kind == "mixed" and not columns[place].markers()]
    if mixed:
        settings["categorical"] = [columns[place].name if has_names else place + 1 for place in mixed]
    if any(columns[place].missing for place in features):
        settings["missing"] = given.missing if given.missing != "refuse" else "median"
    return settings


def _config(name: str, settings: Mapping[str, Any], loaded: LoadedDataset) -> dict[str, Any]:
    """Return the config that is merged into config.yaml."""
    n_train = len(loaded.splits["train"].y)
    comparison: dict[str, Any] = {
        "dataset": name,
        # Nearest neighbours take no weights of rows.
        "systems": [*([] if "weight" in settings else ["knn"]), "rnf", "mlp_m1", "mlp_a1"],
        "budget": {"trials": 20},
    }
    content: dict[str, Any] = {"name": name, "seeds": [1, 2, 3], "compare": [comparison]}
    content["datasets"] = {name: {"source": "table", **settings}}
    if n_train < FEW_ROWS:
        comparison["tuner_overrides"] = {"training": {"batch_size": 32, "epochs": 30}}
        if "weight" not in settings:
            content["systems"] = {"knn": {"n_neighbors": choose_neighbors(n_train)}}
    return content


def _advise(roles: Roles, columns: list[ColumnSummary], left_out: Mapping[int, str]) -> list[str]:
    """Return what to look at: columns of numbers that cannot be used, or that may hold missing values."""
    lines = []
    for place in roles.features:
        column = columns[place]
        if place in left_out and column.strange_numbers() == left_out[place]:
            lines.append(
                f"column {column.name!r} is left out: {left_out[place]}. To use it, write plain numbers; if the text "
                "means that a value is missing, add --missing-values TEXT."
            )
        elif place not in left_out and column.markers():
            lines.append(f"column {column.name!r}: {', '.join(map(repr, column.markers()))} taken for missing values")
        elif place not in left_out and (text := column.sentinel()) is not None:
            lines.append(
                f"column {column.name!r}: {text} is there {column.counts[text]:,} times and far from all others. If it "
                f"means that a value is missing, add --missing-values {text}."
            )
    return lines


def _looks_like_number(text: str) -> bool:
    plain = text.replace("\u2212", "-")
    return bool(_GROUPED.fullmatch(plain) or _SIGNED.fullmatch(plain))


def _is_date(text: str) -> bool:
    if _OTHER_DATE.fullmatch(text):
        return True
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return len(text) >= len("2021-01-01")
