"""Leaks: equal samples in two splits, or in one split, found by content.

An error on eval is that of unseen data only if no sample of eval is in train or dev. Equal samples are found by their
digests, in any order, file or class.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.datasets.base import SPLITS, ChunkedSplit, LoadedDataset, Split, TsvTable, list_some
from blindtune.datasets.content import digest_samples

#: Number of equal samples that a message names for each pair of splits.
MAX_EXAMPLES = 3

LeakRule = Literal["refuse", "remove", "report"]


@dataclass(frozen=True)
class Leaks:
    """How many samples are equal to others.

    Attributes:
        shared: by split and other split, the samples of the split that equal a sample of the other.
        repeated: by split, the samples that equal an earlier one of the split.
        repeated_in_class: the same, but of samples with the same label.
        other_label: by split, the samples that equal one of the split with another label.
    """

    shared: dict[str, dict[str, int]]
    repeated: dict[str, int]
    repeated_in_class: dict[str, int]
    other_label: dict[str, int]

    def record(self, rule: LeakRule, removed: Mapping[str, int]) -> dict[str, Any]:
        """Return the leaks as plain data, for the manifest.

        Args:
            rule: what the config says about leaks.
            removed: number of samples that were removed, by split.
        """
        return {"rule": rule, "removed": dict(removed), **asdict(self)}

    def summary(self, sizes: Mapping[str, int]) -> str:
        """Return what was found, for the log; empty if there is nothing to say.

        Args:
            sizes: number of samples, by split.
        """
        pairs = [
            f"{count:,} of {sizes[one]:,} samples of {one} are also in {other}"
            for one, other in (("eval", "train"), ("eval", "dev"), ("dev", "train"))
            if (count := self.shared[one][other])
        ]
        within = [
            f"{count:,} samples of {split} {what}"
            for counts, what in (
                (self.repeated, "repeat an earlier one"),
                (self.other_label, "equal one with another label"),
            )
            for split, count in counts.items()
            if count
        ]
        return "; ".join(pairs + within)


class EqualSamples:
    """Which samples of a dataset are equal to which."""

    def __init__(self, digests: Mapping[str, NDArray[np.bytes_]], labels: Mapping[str, NDArray[np.int64]]) -> None:
        """Compare all samples: equal ones get the same number.

        Args:
            digests: of the samples of each split, as `blindtune.datasets.content.digest_samples` returns them.
            labels: of the samples of each split.
        """
        ends = np.cumsum([len(digests[split]) for split in SPLITS])[:-1]
        _, numbers = np.unique(np.concatenate([digests[split] for split in SPLITS]), return_inverse=True)
        self._numbers = dict(zip(SPLITS, np.split(numbers, ends), strict=True))
        self._labels = {split: np.asarray(labels[split]) for split in SPLITS}
        self._n_contents = int(numbers.max(initial=-1)) + 1

    def shared(self, split: str, *others: str) -> NDArray[np.bool_]:
        """Return whether each sample of a split equals one of the other splits, (n_samples,)."""
        known = np.zeros(self._n_contents, dtype=np.bool_)
        for other in others:
            known[self._numbers[other]] = True
        return known[self._numbers[split]]

    def count(self) -> Leaks:
        """Return how many samples are equal to others."""
        pairs = {one: [other for other in SPLITS if other != one] for one in SPLITS}
        return Leaks(
            shared={
                one: {other: int(self.shared(one, other).sum()) for other in others} for one, others in pairs.items()
            },
            repeated={split: len(numbers) - len(np.unique(numbers)) for split, numbers in self._numbers.items()},
            repeated_in_class={
                split: len(labelled) - len(np.unique(labelled))
                for split, labelled in ((split, self._with_labels(split)) for split in SPLITS)
            },
            other_label={split: self._count_other_labels(split) for split in SPLITS},
        )

    def examples(self, split: str, other: str) -> list[tuple[int, int]]:
        """Return a few samples of a split, each with the first sample of the other that equals it."""
        found = np.flatnonzero(self.shared(split, other))[:MAX_EXAMPLES]
        return [(int(row), int(np.argmax(self._numbers[other] == self._numbers[split][row]))) for row in found]

    def _with_labels(self, split: str) -> NDArray[np.int64]:
        """Return a number for each sample of a split that only equal samples with the same label share."""
        labels = self._labels[split]
        numbers: NDArray[np.int64] = self._numbers[split] * (int(labels.max(initial=0)) + 1) + labels
        return numbers

    def _count_other_labels(self, split: str) -> int:
        numbers, labels = self._numbers[split], self._labels[split]
        lowest = np.full(self._n_contents, np.iinfo(np.int64).max)
        highest = np.full(self._n_contents, -1)
        np.minimum.at(lowest, numbers, labels)
        np.maximum.at(highest, numbers, labels)
        return int((lowest[numbers] != highest[numbers]).sum())


def find_equal_samples(loaded: LoadedDataset, digests: Mapping[str, NDArray[np.bytes_]] | None = None) -> EqualSamples:
    """Return which samples of a dataset are equal.

    Args:
        loaded: the data.
        digests: of the samples of each split; None: they are computed here.
    """
    known = digests or {split: digest_samples(loaded.splits[split].x) for split in SPLITS}
    return EqualSamples(known, {split: loaded.splits[split].y for split in SPLITS})


def refuse_leaks(name: str, loaded: LoadedDataset, equal: EqualSamples) -> None:
    """Refuse a dataset whose eval shares samples with train or dev.

    Samples that train and dev share make dev errors too good, but no error on eval: they are reported alone.

    Args:
        name: name of the dataset.
        loaded: the data.
        equal: which of its samples are equal.

    Raises:
        UserError: it does; the message says how many, names a few, and says what can be done.
    """
    sizes = {split: len(loaded.splits[split].y) for split in SPLITS}
    found = [(other, int(equal.shared("eval", other).sum())) for other in ("train", "dev")]
    lines = [
        f"  - {count:,} of {sizes['eval']:,} samples of eval are also in {other}: {_name_pairs(loaded, equal, other)}"
        for other, count in found
        if count
    ]
    if not lines:
        return
    removed = [
        f"{int(equal.shared(split, 'eval').sum()):,} of {sizes[split]:,} of {split}" for split in ("train", "dev")
    ]
    raise UserError(
        "\n".join(
            [
                f"dataset {name}: eval shares samples with other splits, so an error on it is not that of unseen data:",
                *lines,
                f"Take them out of the files, or set datasets.{name}.leaks in the config: 'remove' leaves the samples "
                f"that eval has out of the other splits ({' and '.join(removed)}), and out of train what dev has; "
                "'report' keeps them all, and the report says how many there are.",
            ]
        )
    )


def remove_leaks(name: str, loaded: LoadedDataset, equal: EqualSamples) -> tuple[LoadedDataset, dict[str, int]]:
    """Remove from train and dev what eval has, and from train what dev has; eval is never changed.

    Args:
        name: name of the dataset.
        loaded: the data.
        equal: which of its samples are equal.

    Returns:
        The data, and the number of samples that were removed, by split.

    Raises:
        UserError: a class of a split would be left without samples.
    """
    leaked = {"train": equal.shared("train", "dev", "eval"), "dev": equal.shared("dev", "eval")}
    for split, rows in leaked.items():
        left = np.bincount(loaded.splits[split].y[~rows], minlength=len(loaded.classes))
        if not left.all():
            empty = list_some([loaded.classes[label] for label in np.flatnonzero(left == 0)])
            raise UserError(
                f"dataset {name}, {split}: leaks: remove would remove {int(rows.sum()):,} of its {len(rows):,} samples "
                f"and leave class {empty} without any. Give each split samples of its own."
            )
    splits = {split: _keep(part, ~leaked[split]) if split in leaked else part for split, part in loaded.splits.items()}
    return replace(loaded, splits=splits), {split: int(rows.sum()) for split, rows in leaked.items()}


def _keep(part: Split | ChunkedSplit, rows: NDArray[np.bool_]) -> Split | ChunkedSplit:
    if rows.all():
        return part
    if isinstance(part, ChunkedSplit):
        return ChunkedSplit(part.x.select(rows), part.y[rows], part.group[rows], _keep_rows(part.origins, rows))
    group = None if part.group is None else part.group[rows]
    weight = None if part.weight is None else part.weight[rows]
    origins = None if part.origins is None else _keep_rows(part.origins, rows)
    return Split(part.x[rows], part.y[rows], group, origins, weight)


def _keep_rows(origins: TsvTable, rows: NDArray[np.bool_]) -> TsvTable:
    """Return some rows of a table of origins, whose first column is the number of the sample."""
    kept = [row for row, keep in zip(origins.rows, rows, strict=True) if keep]
    return TsvTable(origins.columns, [(number, *row[1:]) for number, row in enumerate(kept)])


def _name_pairs(loaded: LoadedDataset, equal: EqualSamples, other: str) -> str:
    locate: Callable[[str, int], str] = loaded.locate or (lambda split, row: _origin(loaded.splits[split], split, row))
    pairs = [f"{locate('eval', row)} equals {locate(other, same)}" for row, same in equal.examples("eval", other)]
    return "; ".join(pairs)


def _origin(part: Split | ChunkedSplit, split: str, row: int) -> str:
    """Return where a sample comes from: its raw file and its place there, or its number in its split, from 1."""
    if part.origins is None or "file" not in part.origins.columns:
        return f"sample {row + 1} of {split}"
    values = dict(zip(part.origins.columns, part.origins.rows[row], strict=True))
    place = ", ".join(
        f"{key} {value}" for key, value in values.items() if key not in ("sample", "class", "group", "file")
    )
    return f"{values['file']} at {place}" if place else str(values["file"])
