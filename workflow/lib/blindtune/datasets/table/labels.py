"""The classes of a table, from the texts of its label column."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.datasets.table.content import TableContent
from blindtune.datasets.table.text import is_number

#: Predictions are stored as 16-bit labels.
MAX_CLASSES = 2**15 - 1
_LONGEST_NAME = 100


def find_classes(content: TableContent) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names of the classes, in the order of their labels, and the label of each row from 0.

    Numbers are in their order, other texts in that of the alphabet, unless a comment of the file gives an order. Whole
    numbers with a decimal point, such as 1.0, are the same class as without.

    Args:
        content: of the table.

    Raises:
        UserError: the labels are not classes.
    """
    texts = content.label_texts
    where = ", ".join(map(str, content.paths))
    names = _as_names(content, texts)
    for name in names:
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise UserError(f"{where}: the label {name[:40]!r} is too long or not printable. Give classes short names.")
    classes = _sorted(list(dict.fromkeys(names)))
    if content.classes is not None:
        for name in classes:
            if name not in content.classes:
                raise UserError(
                    f"{where}: the label {name!r} is not one of the classes that a comment of the file names "
                    f"({', '.join(content.classes[:10])}). Fix the label or the comment."
                )
        classes = list(dict.fromkeys(content.classes))
    if len(classes) < 2:
        raise UserError(f"{where}: all labels are {classes[0]!r}. A classifier needs two classes or more.")
    if len(classes) > MAX_CLASSES or 2 * len(classes) > len(content.labels):
        raise UserError(
            f"{where}: the label has {len(classes):,} different values in {len(content.labels):,} rows, so it is "
            "rather a name or a measured value than a class. Set label: to the column of the class."
        )
    place = {name: number for number, name in enumerate(classes)}
    labels: NDArray[np.int64] = np.array([place[name] for name in names], np.int64)[content.labels]
    return classes, labels


def refuse_absent_classes(
    paths: Sequence[Path], splits: Sequence[str], classes: list[str], counts: NDArray[np.int64], advice: str
) -> None:
    """Refuse splits that lack rows of a class.

    Args:
        paths: the files, for messages.
        splits: names of the splits.
        classes: names of the classes.
        counts: (n_splits, n_classes) number of rows.
        advice: what to do.

    Raises:
        UserError: a split lacks a class.
    """
    for split, of_split in zip(splits, counts, strict=True):
        absent = np.flatnonzero(of_split == 0)
        if len(absent):
            names = ", ".join(classes[label] for label in absent[:5]) + (", ..." if len(absent) > 5 else "")
            total = ", ".join(f"{classes[label]}: {int(counts[:, label].sum()):,}" for label in absent[:5])
            raise UserError(
                f"{', '.join(map(str, paths))}: {split} has no row of class {names} (rows in all: {total}). Each split "
                f"needs rows of every class: {advice}"
            )


def _as_names(content: TableContent, texts: list[str]) -> list[str]:
    """Return the name of the class of each text."""
    if content.classes is not None or not all(is_number(text) for text in texts):
        return texts
    for number, text in enumerate(texts):
        if float(text) != int(float(text)):
            at = int(np.argmax(content.labels == number))
            raise UserError(
                f"{content.locate(at)}: the label {text!r} is not a whole number, so it is a measured value and not a "
                "class. Set label: to the column of the class; numbers to be predicted (regression) are not supported."
            )
    if any(text.lstrip("+-").startswith("0") and text.lstrip("+-").isdigit() and len(text) > 1 for text in texts):
        return texts  # codes such as 007, which are not numbers
    return [str(int(text)) if text.lstrip("+-").isdigit() else str(int(float(text))) for text in texts]


def _sorted(names: list[str]) -> list[str]:
    is_whole = all(name.lstrip("-").isdigit() for name in names)
    return sorted(names, key=lambda name: (int(name), name)) if is_whole else sorted(names)
