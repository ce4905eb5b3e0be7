"""``blindtune describe``: a first look at a table before any job, and a config that runs it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from blindtune.config.defaults import DEFAULT
from blindtune.config.schema import merge, read
from blindtune.core.errors import UserError
from blindtune.core.files import write_text
from blindtune.core.paths import RESERVED_NAMES
from blindtune.core.validation import parse
from blindtune.datasets.base import SPLITS, LoadedDataset
from blindtune.datasets.content import digest_samples
from blindtune.datasets.leaks import find_equal_samples
from blindtune.datasets.table.config import TableConfig
from blindtune.datasets.table.opening import RowTable, open_table
from blindtune.datasets.table.roles import Roles, column_names, find_roles
from blindtune.datasets.table.source import TableSource
from blindtune.datasets.table.text import TextTable, is_number

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

_BOOLEANS = {"true", "false"}
#: Names of columns that say which rows belong together.
_OWNER = re.compile(
    r"(patient|subject|participant|person|specimen|donor|animal|batch)s?[_\W]*(id|no|nr|num|number|name|code)?",
    re.IGNORECASE,
)
_ID = re.compile(r"(^|[_\W])id$|^(id|index|row|unnamed: 0)$", re.IGNORECASE)


@dataclass
class ColumnSummary:
    """What one column of a table holds.

    Attributes:
        name: of the column.
        rows: number of rows.
        missing: number of missing values.
        numbers: number of values that are numbers.
        counts: rows by value; not all if there are more than `MAX_COUNTED`.
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


@dataclass(frozen=True)
class TableDescription:
    """What a table holds, and the config that runs it.

    Attributes:
        lines: what is shown, for people.
        config: the config as YAML with comments.
    """

    lines: list[str]
    config: str


def describe(path: Path, keys: Mapping[str, Any]) -> TableDescription:
    """Return what a table holds, and a config that runs it.

    Args:
        path: of the table.
        keys: keys of the dataset that are given: the label, and how the file is read.

    Raises:
        UserError: the file cannot be read, the label is not clear, or the table cannot be split.
    """
    given = parse(TableConfig, {"source": "table", "file": str(path), **keys}, str(path))
    table = open_table(path, given)
    columns = _summarize(table, given)
    lines = [f"{path}: {_written(table)}", f"{columns[0].rows:,} rows, {len(columns):,} columns", ""]
    roles = _find_roles(table, given, columns)
    left_out = _choose_left_out(roles, columns, given)
    lines += _show_columns(roles, columns, left_out)
    settings = _settings(path, keys, roles, columns, left_out, given)
    config = parse(TableConfig, {"source": "table", **settings}, str(path))
    loaded = TableSource(config).load({"file": path})
    lines += ["", *_show_classes(roles, loaded)]
    final = loaded if loaded.fit is None else loaded.fit(loaded)
    lines += [note for note in final.notes if note not in loaded.notes]
    if find_equal_samples(final).shared("eval", "train", "dev").any():
        # Rows that differ in rare categories alone, or in digits that 32 bits do not hold.
        settings["leaks"] = "remove"
    content = _config(path, settings, loaded)
    read(merge(DEFAULT, content), "the config")
    return TableDescription(lines, _as_yaml(path, content, left_out))


def write_config(path: Path, text: str, *, replace: bool) -> None:
    """Write a config.

    Args:
        path: of the config.
        text: the config.
        replace: whether a file that is there is replaced.

    Raises:
        UserError: there is a file, or it cannot be written.
    """
    if path.exists() and not replace:
        raise UserError(f"{path}: exists and is left as it is. Give another name, or add --replace.")
    write_text(path, text)


def _summarize(table: RowTable, config: TableConfig) -> list[ColumnSummary]:
    names = column_names(table.names, table.n_columns)
    columns = [ColumnSummary(name) for name in names]
    decimal = table.dialect.decimal if isinstance(table, TextTable) else "."
    missing = set(config.missing_values)
    for chunk in table.chunks():
        for place, column in enumerate(columns):
            column.add(chunk.frame[place], missing, decimal)
    if columns[0].rows == 0:
        raise UserError(f"{table.path}: has no row. It must hold one row for each sample.")
    return columns


def _written(table: RowTable) -> str:
    return table.dialect.describe() if isinstance(table, TextTable) else "columns with types"


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
        elif kind == "date":
            left_out[place] = "dates; for a split by time see docs/tables.md"
        elif _OWNER.fullmatch(column.name.strip()) and n_values < column.rows - column.missing:
            left_out[place] = "tells which rows belong together: --group keeps those in one split"
        elif column.steps_by_one and column.rows >= FEW_NUMBERS:
            left_out[place] = "counts the rows"
        elif _ID.search(column.name) and n_values >= FEW_NUMBERS and (column.is_cut or n_values == column.rows):
            left_out[place] = "a number of the row, by its name"
        elif kind in ("text", "mixed") and (column.is_cut or n_values > config.max_categories):
            left_out[place] = "a name or a free text"
    return left_out


def _show_columns(roles: Roles, columns: list[ColumnSummary], left_out: Mapping[int, str]) -> list[str]:
    special = {roles.label: "label", roles.group: "group", roles.time: "time", roles.split: "split"}
    width = min(40, max(len(column.name) for column in columns))
    lines = [f"{'column':{width}}  kind      different  missing  values"]
    for place, column in enumerate(columns[:MAX_SHOWN]):
        role = special.get(place) or (f"left out: {left_out[place]}" if place in left_out else "")
        shown = f"{column.name[:40]:{width}}  {column.kind:8}  {column.n_values:>9}  {column.missing:>7,}"
        lines.append(f"{shown}  {column.example()}{f'  <- {role}' if role else ''}")
    if len(columns) > MAX_SHOWN:
        lines.append(f"... and {len(columns) - MAX_SHOWN:,} more columns")
    return [line.encode("ascii", "backslashreplace").decode() if not line.isprintable() else line for line in lines]


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
    settings: dict[str, Any] = {"file": str(path), **keys}
    settings["label"] = columns[roles.label].name if has_names else roles.label + 1
    features = [place for place in roles.features if place not in left_out]
    if not features:
        raise UserError(f"{path}: has no column left that could be a feature. Name some: --features.")
    if given.features is None and left_out:
        settings["leave_out"] = [columns[place].name if has_names else place + 1 for place in sorted(left_out)]
    mixed = [place for place in features if columns[place].kind == "mixed"]
    if mixed:
        settings["categorical"] = [columns[place].name if has_names else place + 1 for place in mixed]
    if any(columns[place].missing for place in features):
        settings["missing"] = given.missing if given.missing != "refuse" else "median"
    return settings


def _show_classes(roles: Roles, loaded: LoadedDataset) -> list[str]:
    counts = np.stack([np.bincount(loaded.splits[split].y, minlength=len(loaded.classes)) for split in SPLITS])
    lines = [f"label {roles.names[roles.label]!r}: {len(loaded.classes)} classes"]
    for number, name in enumerate(loaded.classes[:MAX_SHOWN]):
        parts = " / ".join(f"{int(count):,}" for count in counts[:, number])
        lines.append(f"  {name}: {int(counts[:, number].sum()):,} rows, {parts} in train / dev / eval")
    if len(loaded.classes) > MAX_SHOWN:
        lines.append(f"  ... and {len(loaded.classes) - MAX_SHOWN:,} more classes")
    repeated = _count_repeated(loaded)
    if repeated:
        lines.append(f"{repeated:,} rows repeat the features of another row; equal rows stay in one split")
    return lines


def _count_repeated(loaded: LoadedDataset) -> int:
    digests = np.concatenate([digest_samples(part.x) for part in loaded.splits.values()])
    return len(digests) - len(np.unique(digests))


def _config(path: Path, settings: Mapping[str, Any], loaded: LoadedDataset) -> dict[str, Any]:
    """Return the config that is merged into config.yaml."""
    name, n_train = _name(path), len(loaded.splits["train"].y)
    comparison: dict[str, Any] = {
        "dataset": name,
        "systems": ["knn", "rnf", "mlp_m1", "mlp_a1"],
        "budget": {"trials": 20},
    }
    content: dict[str, Any] = {"name": name, "seeds": [1, 2, 3], "compare": [comparison]}
    content["datasets"] = {name: {"source": "table", **settings}}
    if n_train < FEW_ROWS:
        comparison["tuner_overrides"] = {"training": {"batch_size": 32, "epochs": 30}}
        neighbors = [k for k in (1, 5, 20, 100) if k <= n_train]
        content["systems"] = {"knn": {"n_neighbors": neighbors}}
    return content


def _as_yaml(path: Path, content: Mapping[str, Any], left_out: Mapping[int, str]) -> str:
    why: dict[str, Callable[[], str]] = {
        "compare": lambda: "# Two reference models, an expert's network and a tuner; config.yaml has more systems.",
        "datasets": lambda: "# docs/tables.md describes every key.",
    }
    lines = [f"# Written by `blindtune describe {path}`.", "# It is merged into config.yaml. Change it as you like."]
    for key, value in content.items():
        if key in why:
            lines.append(why[key]())
        style = None if isinstance(value, dict | list) else False
        dumped = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, default_flow_style=style, width=110)
        lines.append(dumped.rstrip())
    return "\n".join(lines) + "\n"


def _name(path: Path) -> str:
    """Return a name for config and dataset from that of the file."""
    stem = path.name.split(".")[0].lower()
    name = re.sub(r"[^a-z0-9_]+", "_", stem).strip("_")[:40]
    if not name or not name[0].isalpha() or name in RESERVED_NAMES or name in DEFAULT["datasets"]:
        name = f"table_{name}".rstrip("_")
    return name


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return len(text) >= len("2021-01-01")
