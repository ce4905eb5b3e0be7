"""Imputation, one-hot encoding and scaling: scikit-learn's own results, fitted on train, plain data in between."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from blindtune.core.errors import UserError
from blindtune.datasets.table.content import FeatureColumn
from blindtune.datasets.table.encoding import TableEncoding
from blindtune.datasets.table.scaling import Scaling

TEXTS = ("blue", "green", "grey", "red")
COLUMNS = [
    FeatureColumn("a", "number"),
    FeatureColumn("b", "number"),
    FeatureColumn("colour", "category", TEXTS),
]
NUMBER = st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6, width=32))
ROW = st.tuples(NUMBER, NUMBER, st.sampled_from([0, 1, 2, 3, float("nan")]))


def as_objects(values: np.ndarray) -> np.ndarray:
    """Return rows as scikit-learn gets them: numbers, and the texts of categories or None."""
    rows = np.empty(values.shape, object)
    rows[:, :2] = values[:, :2].astype(np.float32)
    rows[:, 2] = [None if np.isnan(code) else TEXTS[int(code)] for code in values[:, 2]]
    return rows


def sklearn_result(train: np.ndarray, values: np.ndarray, missing: str, min_frequency: int) -> np.ndarray:
    """Return what a pipeline of scikit-learn gives for values, fitted on train."""
    encode = OneHotEncoder(
        min_frequency=min_frequency, handle_unknown="infrequent_if_exist", sparse_output=False, dtype=np.float32
    )
    fill = SimpleImputer(missing_values=None, strategy="most_frequent")
    numbers = SimpleImputer(strategy=missing).fit(train[:, :2])
    absent = [at for at in range(3) if np.isnan(train[:, at]).any()]
    categories = ColumnTransformer([("colour", make_pipeline(fill, encode), [2])]).fit(as_objects(train))
    return np.hstack(
        [
            numbers.transform(values[:, :2]),
            np.isnan(values[:, absent]).astype(np.float32),
            categories.transform(as_objects(values)).astype(np.float32),
        ]
    )


@pytest.mark.filterwarnings("ignore:Found unknown categories")
@settings(deadline=None, max_examples=60)
@given(
    st.lists(ROW, min_size=3, max_size=20),
    st.lists(ROW, min_size=1, max_size=6),
    st.sampled_from(["median", "most_frequent"]),
    st.integers(1, 4),
)
def test_encoding_gives_what_scikit_learn_gives(
    train: list[tuple[float, ...]], others: list[tuple[float, ...]], missing: str, min_frequency: int
) -> None:
    """After a way through JSON, any rows are encoded as by scikit-learn's pipeline that was fitted on train."""
    rows, more = np.array(train, np.float32), np.array(others, np.float32)
    if np.isnan(rows).all(axis=0).any():
        with pytest.raises(UserError, match="has no value in train"):
            TableEncoding.fit(COLUMNS, rows, missing, min_frequency)
        return
    fitted = TableEncoding.fit(COLUMNS, rows, missing, min_frequency)
    encoding = TableEncoding.from_plain(json.loads(json.dumps(fitted.to_plain(), sort_keys=True)))
    for values in (rows, more):
        encoded = encoding.apply(COLUMNS, values)
        np.testing.assert_array_equal(encoded, sklearn_result(rows, values, missing, min_frequency))
        assert encoded.shape[1] == len(encoding.names)
        assert np.isfinite(encoded).all()


def test_encoding_merges_rare_categories_and_counts_unknown_ones() -> None:
    """Categories with few rows are one feature, and texts that train does not have are counted and go there."""
    codes = np.array([[0]] * 5 + [[1]] * 2 + [[2]], np.float32)
    columns = [FeatureColumn("colour", "category", TEXTS)]
    encoding = TableEncoding.fit(columns, codes, "refuse", 5)
    assert encoding.names == ["colour = blue", "colour = other"]
    others = np.array([[0], [2], [3], [3]], np.float32)
    assert encoding.apply(columns, others).tolist() == [[1, 0], [0, 1], [0, 1], [0, 1]]
    assert encoding.count_unknown(columns, others) == {"colour": 2}
    without_rare = TableEncoding.fit(columns, codes[:7], "refuse", 1)
    assert without_rare.apply(columns, others).tolist() == [[1, 0], [0, 0], [0, 0], [0, 0]]
    assert without_rare.count_unknown(columns, others) == {"colour": 3}


def test_encoding_applies_to_new_rows_by_name() -> None:
    """New rows may have their columns and categories in another order, as a new file has."""
    train = np.array([[1, 2, 0], [3, 4, 3], [5, 7, 0]], np.float32)
    encoding = TableEncoding.fit(COLUMNS, train, "refuse", 1)
    columns = [FeatureColumn("colour", "category", ("pink", "red")), COLUMNS[1], COLUMNS[0]]
    assert encoding.apply(columns, np.array([[1, 9, 8]], np.float32)).tolist() == [[8, 9, 0, 1]]
    assert encoding.apply(columns, np.array([[0, 9, 8]], np.float32)).tolist() == [[8, 9, 0, 0]]
    with pytest.raises(UserError, match="no column 'a', which train has"):
        encoding.apply(columns[:2], np.array([[1, 9]], np.float32))


@pytest.mark.parametrize("columns", [COLUMNS[:2], COLUMNS])
def test_encoding_refuses_missing_values(columns: list[FeatureColumn]) -> None:
    """Where missing values are refused, new rows with one are too, with row and column."""
    train = np.array([[1, 2, 0], [3, 4, 1]], np.float32)[:, : len(columns)]
    encoding = TableEncoding.fit(columns, train, "refuse", 1)
    wrong = train.copy()
    wrong[1, 1] = np.nan
    with pytest.raises(UserError, match=r"sample 2, column 'b': the value is missing"):
        encoding.apply(columns, wrong)


def test_encoding_fills_booleans_with_the_most_frequent() -> None:
    """The median of true and false would be neither."""
    column = [FeatureColumn("flag", "boolean")]
    encoding = TableEncoding.fit(column, np.array([[0], [1], [0], [1], [np.nan], [1]], np.float32), "median", 1)
    assert encoding.apply(column, np.array([[np.nan]], np.float32)).tolist() == [[1, 1]]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 3), min_size=2, max_size=30))
def test_scaling_gives_what_scikit_learn_gives(rows: list[tuple[float, ...]]) -> None:
    """After a way through JSON, numbers are scaled as by `StandardScaler` fitted on train, and the rest stays."""
    train = np.array(rows, np.float32)
    scaling = Scaling.from_plain(json.loads(json.dumps(Scaling.fit(train, 2).to_plain())))
    scaled = scaling.apply(train)
    expected = StandardScaler().fit(train[:, :2].astype(np.float64)).transform(train[:, :2].astype(np.float64))
    np.testing.assert_array_equal(scaled[:, :2], expected.astype(np.float32))
    np.testing.assert_array_equal(scaled[:, 2], train[:, 2])
    assert scaled.dtype == np.float32


@pytest.mark.parametrize("count", [0, 1])
def test_scaling_leaves_constants_and_categories(count: int) -> None:
    """A constant becomes 0, not infinite; without numbers nothing is scaled; no samples give none."""
    x = np.full((4, 2), 7, np.float32)
    scaling = Scaling.fit(x, count)
    assert scaling.apply(x).tolist() == [[0.0 if count else 7.0, 7.0]] * 4
    assert scaling.apply(x[:0]).shape == (0, 2)


def test_scaling_does_not_change_what_is_stored() -> None:
    """The stored samples stay as they are; a memory-mapped array could not even be written."""
    x: Any = np.arange(6, dtype=np.float32).reshape(3, 2)
    x.flags.writeable = False
    assert abs(float(Scaling.fit(x, 2).apply(x).mean())) < 1e-6
    assert x.tolist() == [[0, 1], [2, 3], [4, 5]]
