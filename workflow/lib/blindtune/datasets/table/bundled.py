"""Real tables that ship with scikit-learn: breast cancer (UCI WDBC) and wine (UCI)."""

from pathlib import Path

import numpy as np

from blindtune.datasets.content import digest_rows
from blindtune.datasets.table.content import FeatureColumn, TableContent


def load_bundled(name: str) -> TableContent:
    """Return the content of a table that ships with scikit-learn.

    Args:
        name: breast_cancer (569 rows, 30 features, 2 classes) or wine (178 rows, 13 features, 3 classes).
    """
    from sklearn import datasets

    bunch = {"breast_cancer": datasets.load_breast_cancer, "wine": datasets.load_wine}[name]()
    names = [str(label) for label in bunch.target_names]
    order = sorted(names)
    place = np.array([order.index(label) for label in names], np.int64)
    return TableContent(
        columns=[FeatureColumn(str(column), "number") for column in bunch.feature_names],
        values=bunch.data.astype(np.float32),
        labels=place[bunch.target],
        label_texts=order,
        groups=None,
        group_texts=[],
        times=None,
        splits=None,
        split_texts=[],
        file=np.zeros(len(bunch.data), np.int8),
        row=np.arange(1, len(bunch.data) + 1),
        origins=digest_rows(
            [*map(repr, row), names[label]] for row, label in zip(bunch.data.tolist(), bunch.target, strict=True)
        ),
        paths=[Path(name)],
    )
