"""Finds out which column of a table is what: the label, the features, the group, the time, the split and the weight."""

from dataclasses import dataclass
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.validation import suggest_name
from blindtune.datasets.table.config import ColumnKey, TableConfig

#: Names of a column that is the label if the config names none; upper and lower case are the same.
LABEL_NAMES = frozenset(["label", "class", "target"])
#: A name that is a label in the last place only, since it is a coordinate elsewhere.
LAST_LABEL_NAME = "y"


@dataclass(frozen=True)
class Roles:
    """The columns of a table by what they are; places are from 0.

    Attributes:
        names: of all columns.
        label: place of the label.
        features: places of the features.
        categorical: places of the features that are categories in any case.
        group: place of the group, or None.
        time: place of the time, or None.
        split: place of the column of the split, or None.
        unused: places of the columns that the config leaves out.
        weight: place of the weight, or None.
    """

    names: list[str]
    label: int
    features: list[int]
    categorical: list[int]
    group: int | None
    time: int | None
    split: int | None
    unused: list[int]
    weight: int | None = None

    def others(self) -> list[int]:
        """Return the places of label, group, time, split and weight."""
        places = (self.label, self.group, self.time, self.split, self.weight)
        return [place for place in places if place is not None]


def column_names(names: list[str] | None, n_columns: int) -> list[str]:
    """Return a name for each column: its own, or ``column_<place>`` without a header."""
    return names or [f"column_{place}" for place in range(1, n_columns + 1)]


def find_roles(
    path: Path, names: list[str] | None, n_columns: int, config: TableConfig, label: int | None = None
) -> Roles:
    """Return the roles of the columns of a file.

    Args:
        path: of the file, for messages.
        names: of the columns; None without a header.
        n_columns: number of columns.
        config: names columns.
        label: place of the label from 0, if the file itself tells it and the config does not.

    Raises:
        UserError: the config names a column that is not there or has two roles, or the label is not clear.
    """

    def find(key: ColumnKey, what: str) -> int:
        return find_column(path, names, n_columns, key, what)

    def find_all(keys: list[ColumnKey], what: str) -> list[int]:
        return list(dict.fromkeys(find(key, what) for key in keys))

    shown = column_names(names, n_columns)
    if config.label is not None:
        label = find(config.label, "label")
    elif label is None:
        label = _find_label(path, names, n_columns)
    group, time, split, weight = (
        None if key is None else find(key, what)
        for key, what in (
            (config.group, "group"),
            (config.time, "time"),
            (config.split, "split"),
            (config.weight, "weight"),
        )
    )
    leave_out = find_all(config.leave_out, "leave_out")
    taken = [place for place in (label, group, time, split, weight, *leave_out) if place is not None]
    for place in taken:
        if taken.count(place) > 1:
            raise UserError(f"{path}: the column {shown[place]!r} has two roles in the config. Give it one.")
    features = [place for place in range(n_columns) if place not in taken]
    if config.features is not None:
        features = find_all(config.features, "features")
        for place in features:
            if place in taken:
                raise UserError(f"{path}: the column {shown[place]!r} is among features and has another role.")
    if not features:
        raise UserError(f"{path}: has no column left that is a feature. Give a table with features.")
    categorical = find_all(config.categorical, "categorical")
    for place in categorical:
        if place not in features:
            raise UserError(f"{path}: categorical names {shown[place]!r}, which is not a feature. Take it out.")
    unused = [place for place in range(n_columns) if place not in {*features, *taken} or place in leave_out]
    return Roles(shown, label, features, categorical, group, time, split, unused, weight)


def find_column(path: Path, names: list[str] | None, n_columns: int, key: ColumnKey, what: str) -> int:
    """Return the place of a column, from 0.

    Args:
        path: of the file, for messages.
        names: of the columns; None without a header.
        n_columns: number of columns.
        key: its name, or its place from 1, or from the end below 0.
        what: the key of the config, for messages.

    Raises:
        UserError: there is no such column.
    """
    if isinstance(key, int):
        place = key - 1 if key > 0 else n_columns + key
        if key == 0 or not 0 <= place < n_columns:
            raise UserError(
                f"{path}: {what}: there is no column {key}; columns are 1 to {n_columns}, or -1 for the last one."
            )
        return place
    if names is not None and key in names:
        return names.index(key)
    if key in (generic := column_names(None, n_columns)):
        return generic.index(key)
    if names is None:
        raise UserError(
            f"{path}: {what}: {key!r} is a name, but the file has no header. Give the place of the column, such as 1 "
            "for the first or -1 for the last; if the first row is a header, set header: true."
        )
    raise UserError(f"{path}: {what}: there is no column {key!r}: {suggest_name(key, names)}")


def _find_label(path: Path, names: list[str] | None, n_columns: int) -> int:
    advice = "Set label: to its name, or to its place (1: first, -1: last)."
    if names is None:
        raise UserError(f"{path}: has {n_columns} columns without names; which one is the label? {advice}")
    found = [place for place, name in enumerate(names) if name.casefold() in LABEL_NAMES]
    if not found and names[-1].casefold() == LAST_LABEL_NAME:
        found.append(len(names) - 1)
    if len(found) == 1:
        return found[0]
    if found:
        called = " and ".join(repr(names[place]) for place in found)
        raise UserError(f"{path}: the columns {called} may both be the label. {advice}")
    shown = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
    raise UserError(f"{path}: no column is called label, class or target ({shown}). {advice}")
