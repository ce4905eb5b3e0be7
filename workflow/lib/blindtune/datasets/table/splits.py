"""Deals the rows of a table to train, dev and eval, by what they hold: their order in the file has no effect.

Rows that hold the same stay together, and so do rows of a group.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.datasets.content import DIGEST_SIZE
from blindtune.datasets.table.config import TableSplitting
from blindtune.datasets.table.content import FeatureColumn, TableContent
from blindtune.datasets.table.text import is_number

#: Number of values of which digests are computed at once.
_CHUNK = 2**22

#: From which times with a date are counted.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Part = NDArray[np.int8]


def digest_rows(values: NDArray[np.float32], columns: Sequence[FeatureColumn]) -> NDArray[np.bytes_]:
    """Return a digest of the features of each row, the same for any set of other rows.

    Args:
        values: (n_rows, n_columns) features as in `TableContent`.
        columns: the features.

    Returns:
        (n_rows,) digests, dtype ``S16``.
    """
    is_category = np.array([column.kind == "category" for column in columns])
    texts = [
        np.array([_digest_number(text) for text in column.categories] + [_digest_number(None)], np.uint64)
        for column in columns
        if column.kind == "category"
    ]
    parts: list[bytes] = []
    for first in range(0, len(values), max(1, _CHUNK // len(columns))):
        chunk = values[first : first + max(1, _CHUNK // len(columns))]
        numbers = np.ascontiguousarray(chunk[:, ~is_category], "<f4") + np.float32(0)  # -0.0 becomes 0.0
        numbers[np.isnan(numbers)] = np.nan
        codes = np.nan_to_num(chunk[:, is_category], nan=-1).astype(np.int64)
        hashed = [table[codes[:, at]] for at, table in enumerate(texts)]
        bytes_of = [numbers.view(np.uint8).reshape(len(chunk), -1)]
        bytes_of += [one.astype("<u8")[:, None].view(np.uint8) for one in hashed]
        rows = np.hstack(bytes_of)
        parts += [hashlib.blake2b(row.tobytes(), digest_size=DIGEST_SIZE).digest() for row in rows]
    return np.frombuffer(b"".join(parts), f"S{DIGEST_SIZE}")


def order_rows(
    digests: NDArray[np.bytes_], labels: NDArray[np.int64], weights: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """Return the order of rows by what they hold, features first, then label and weight, (n_rows,)."""
    order: NDArray[np.int64] = np.lexsort((labels, digests) if weights is None else (weights, labels, digests))
    return order


def deal_by_share(
    splitting: TableSplitting,
    content: TableContent,
    digests: NDArray[np.bytes_],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    *,
    with_eval: bool = True,
) -> Part:
    """Return the split of each row at random, in shares.

    Args:
        splitting: shares and seed.
        content: has the groups.
        digests: of the rows.
        labels: of the rows.
        classes: names of the labels.
        with_eval: whether some rows are eval; else only train and dev are dealt.

    Returns:
        (n_rows,) 0 for train, 1 for dev, 2 for eval.

    Raises:
        UserError: a class has too few rows or groups.
    """
    units = _Units(splitting, content, digests, labels, classes)
    share = splitting.eval if with_eval else 0.0
    part = np.zeros(units.count, np.int8)
    for members in units.strata():
        sizes = units.sizes[members]
        middle = np.cumsum(sizes) - sizes / 2
        last = len(members) - 1  # train keeps one at least
        n_eval = min(max(1, int(np.searchsorted(middle, share * sizes.sum()))), last - 1) if with_eval else 0
        n_both = int(np.searchsorted(middle, (share + splitting.dev) * sizes.sum()))
        n_both = min(max(n_eval + 1, n_both), last)
        part[members[:n_eval]] = 2
        part[members[n_eval:n_both]] = 1
    return part[units.of_row]


def deal_folds(
    splitting: TableSplitting,
    content: TableContent,
    digests: NDArray[np.bytes_],
    labels: NDArray[np.int64],
    classes: Sequence[str],
) -> Part:
    """Return the split of each row for one of several folds, see `deal_by_share`.

    Over all folds, each row is in eval once and in dev once.
    """
    units = _Units(splitting, content, digests, labels, classes)
    fold = np.zeros(units.count, np.int64)
    for number, members in enumerate(units.strata(splitting.n_folds)):
        fold[members] = (np.arange(len(members)) + number) % splitting.n_folds
    is_eval, is_dev = fold == splitting.fold_of_eval, fold == (splitting.fold_of_eval + 1) % splitting.n_folds
    part = np.where(is_eval, 2, np.where(is_dev, 1, 0)).astype(np.int8)
    return part[units.of_row]


def deal_by_time(splitting: TableSplitting, content: TableContent, *, with_eval: bool = True) -> Part:
    """Return the split of each row by its time: the last rows are eval, those before dev.

    Rows of the same time stay together.

    Args:
        splitting: shares.
        content: has the times.
        with_eval: whether some rows are eval.

    Raises:
        UserError: a time cannot be read, or there are too few different ones.
    """
    times = read_times(content)
    share = splitting.eval if with_eval else 0.0
    instants, of_row, sizes = np.unique(times, return_inverse=True, return_counts=True)
    needed = 3 if with_eval else 2
    if len(instants) < needed:
        raise UserError(f"{_where(content)}: has {len(instants)} different times; {needed} splits need {needed}.")
    middle = np.cumsum(sizes) - sizes / 2
    n_train = int(np.searchsorted(middle, (1 - share - splitting.dev) * len(times)))
    n_train = min(max(1, n_train), len(instants) - needed + 1)
    n_open = len(instants)
    if with_eval:
        n_open = min(max(n_train + 1, int(np.searchsorted(middle, (1 - share) * len(times)))), len(instants) - 1)
    part = np.zeros(len(instants), np.int8)
    part[n_train:n_open] = 1
    part[n_open:] = 2
    return part[of_row]


def read_times(content: TableContent) -> NDArray[np.float64]:
    """Return the time of each row as a number: as it is, or seconds of a date in ISO form.

    Raises:
        UserError: a time is neither, or only some dates have a time zone.
    """
    texts = content.times or []
    if all(is_number(text) for text in set(texts)):
        return np.array([float(text) for text in texts])
    found: dict[str, float] = {}
    first_with_zone: dict[bool, int] = {}
    for index, text in enumerate(texts):
        if text not in found:
            moment = _read_moment(text, content, index)
            first_with_zone.setdefault(moment.tzinfo is not None, index)
            # Without a zone the clock counts as it is: the order within one table is all that matters.
            aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            found[text] = (aware - _EPOCH).total_seconds()
    if len(first_with_zone) == 2:
        with_zone, without = first_with_zone[True], first_with_zone[False]
        raise UserError(
            f"{content.locate(with_zone)}: the time {texts[with_zone][:40]!r} has a time zone, but "
            f"{texts[without][:40]!r} ({content.locate(without)}) has none, so their order is not known. Give all "
            "times a zone, or none."
        )
    return np.array([found[text] for text in texts])


def _read_moment(text: str, content: TableContent, index: int) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(
            f"{content.locate(index)}: the time {text[:40]!r} is neither a number, as all others are, nor a date in "
            "ISO form such as 2021-03-25 or 2021-03-25T14:30. Fix it."
        ) from error


class _Units:
    """What is dealt as a whole: a group, or the rows that hold the same.

    Attributes:
        of_row: number of the unit of each row.
        sizes: number of rows of each unit.
        count: number of units.
    """

    def __init__(
        self,
        splitting: TableSplitting,
        content: TableContent,
        digests: NDArray[np.bytes_],
        labels: NDArray[np.int64],
        classes: Sequence[str],
    ) -> None:
        self._where = _where(content)
        self._what = "rows" if content.groups is None else "groups"
        self._stratified = splitting.stratified
        if content.groups is None:
            keys, self.of_row, self.sizes = np.unique(digests, return_inverse=True, return_counts=True)
            names = [key.tobytes() for key in keys]
        else:
            numbers, self.of_row, self.sizes = np.unique(content.groups, return_inverse=True, return_counts=True)
            names = [content.group_texts[number].encode() for number in numbers]
        self.count = len(self.sizes)
        seed = derive("table", splitting.seed).to_bytes(8, "big")
        ranks = np.array([hashlib.blake2b(seed + name, digest_size=8).digest() for name in names], "S8")
        self._order = np.argsort(ranks, kind="stable")
        self._label = self._rarest_label(labels)
        self._classes = classes

    def strata(self, needed: int = 3) -> list[NDArray[np.int64]]:
        """Return the units of each class in random order, or all units together.

        Args:
            needed: number of units that a class must have.

        Raises:
            UserError: a class has fewer.
        """
        label = self._label[self._order] if self._stratified else np.zeros(self.count, np.int64)
        found = [self._order[label == value] for value in np.unique(label)]
        for members in found:
            if len(members) < needed:
                of_class = f" of class {self._classes[self._label[members[0]]]!r}" if self._stratified else ""
                raise UserError(
                    f"{self._where}: has {len(members)} different {self._what}{of_class}; dealing them to the splits "
                    f"needs {needed}. Add {self._what}, or take the rows of the class out of the file."
                )
        return found

    def _rarest_label(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the label by which each unit is dealt: the rarest one that it holds, so that each split gets some."""
        counts = np.bincount(labels)
        order = np.argsort(counts, kind="stable")
        rank = np.empty(len(counts), np.int64)
        rank[order] = np.arange(len(counts))
        lowest = np.full(self.count, len(counts))
        np.minimum.at(lowest, self.of_row, rank[labels])
        found: NDArray[np.int64] = order[lowest]
        return found


def _digest_number(text: str | None) -> int:
    key = b"missing" if text is None else b"text:" + text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")


def _where(content: TableContent) -> str:
    return ", ".join(map(str, content.paths)) or "the table"
