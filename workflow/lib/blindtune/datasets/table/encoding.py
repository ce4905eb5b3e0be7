"""From the features of a table to the numbers that models get: imputation and one-hot encoding, fitted on train.

`TableEncoding` is plain data, so that the manifest can hold it and new rows can be encoded as train was. It applies
scikit-learn's own transformers, which are fitted again on a few rows that give them the same state.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.datasets.table.content import FeatureColumn

#: Number of values that are encoded at once.
_CHUNK = 2**22


@dataclass(frozen=True)
class CategoryEncoding:
    """How one category is encoded.

    Attributes:
        frequent: texts that have a feature each.
        rare: texts that have one feature together; a text that train does not have goes there too.
        fill: the text that is taken for a missing value; None if missing values are refused.
    """

    frequent: tuple[str, ...]
    rare: tuple[str, ...] = ()
    fill: str | None = None


@dataclass(frozen=True)
class TableEncoding:
    """How the features of a table become numbers.

    The numbers come first, then for each of `indicators` whether its value was missing, then the categories.

    Attributes:
        numbers: names of the features that are numbers or booleans.
        fills: by name, the number that is taken for a missing value; empty if missing values are refused.
        indicators: names of features that had missing values in train.
        categories: by name, how each category is encoded.
    """

    numbers: tuple[str, ...]
    fills: dict[str, float] = field(default_factory=dict)
    indicators: tuple[str, ...] = ()
    categories: dict[str, CategoryEncoding] = field(default_factory=dict)

    @classmethod
    def fit(
        cls, columns: Sequence[FeatureColumn], train: NDArray[np.float32], missing: str, min_frequency: int
    ) -> Self:
        """Fit imputation and encoding on train.

        Args:
            columns: the features.
            train: (n_samples, n_columns) values of train, as in `blindtune.datasets.table.content.TableContent`.
            missing: refuse, median or most_frequent.
            min_frequency: categories with fewer samples are one feature together.

        Raises:
            UserError: a feature has no value in train.
        """
        fills: dict[str, float] = {}
        categories = {}
        indicators = []
        for at, column in enumerate(columns):
            values = train[:, at]
            is_missing = np.isnan(values)
            if is_missing.all():
                raise UserError(f"the column {column.name!r} has no value in train. Leave it out (leave_out).")
            if missing != "refuse" and is_missing.any():
                indicators.append(column.name)
            if column.kind == "category":
                categories[column.name] = _fit_category(column, values, missing, min_frequency)
            elif missing != "refuse":
                strategy = "most_frequent" if column.kind == "boolean" else missing
                fills[column.name] = _fit_fill(values[:, None], strategy)
        numbers = tuple(column.name for column in columns if column.kind != "category")
        return cls(numbers, fills, tuple(indicators), categories)

    @property
    def names(self) -> list[str]:
        """The names of the encoded features."""
        named = [*self.numbers, *(f"{name} is missing" for name in self.indicators)]
        for name, category in self.categories.items():
            named += [f"{name} = {text}" for text in category.frequent]
            named += [f"{name} = other"] if category.rare else []
        return named

    def to_plain(self) -> dict[str, Any]:
        """Return the encoding as plain data."""
        return {
            "numbers": list(self.numbers),
            "fills": dict(self.fills),
            "indicators": list(self.indicators),
            # A list, since JSON of a manifest is sorted by key and the order of features is not.
            "categories": [
                {"name": name, "frequent": list(one.frequent), "rare": list(one.rare), "fill": one.fill}
                for name, one in self.categories.items()
            ],
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """Return the encoding that `to_plain` described."""
        return cls(
            tuple(plain["numbers"]),
            dict(plain["fills"]),
            tuple(plain["indicators"]),
            {
                one["name"]: CategoryEncoding(tuple(one["frequent"]), tuple(one["rare"]), one["fill"])
                for one in plain["categories"]
            },
        )

    def apply(self, columns: Sequence[FeatureColumn], values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return encoded samples, (n_samples, n_features) float32.

        Args:
            columns: the features, of any order; all that were fitted must be there.
            values: (n_samples, n_columns) as in `blindtune.datasets.table.content.TableContent`.

        Raises:
            UserError: a feature is not there, or a value is missing although missing values are refused.
        """
        place = self._places(columns)
        order = [place[name] for name in self.numbers]
        if not self.categories and not self.fills and order == list(range(values.shape[1])):
            self._refuse_missing(columns, values)
            return values
        encoded = np.empty((len(values), len(self.names)), np.float32)
        step = max(1, _CHUNK // max(1, values.shape[1]))
        for first in range(0, len(values), step):
            chunk = values[first : first + step]
            if not self.fills and not any(one.fill for one in self.categories.values()):
                self._refuse_missing(columns, chunk)
            encoded[first : first + step] = self._encode(columns, chunk, place)
        return encoded

    def count_unknown(self, columns: Sequence[FeatureColumn], values: NDArray[np.float32]) -> dict[str, int]:
        """Return by name of a category how many samples have a text that train does not have.

        Args:
            columns: the features.
            values: (n_samples, n_columns) as in `blindtune.datasets.table.content.TableContent`.
        """
        place = self._places(columns)
        found = {}
        for name, category in self.categories.items():
            column, codes = columns[place[name]], values[:, place[name]]
            known = {*category.frequent, *category.rare}
            unknown = [code for code, text in enumerate(column.categories) if text not in known]
            found[name] = int(np.isin(codes, unknown).sum())
        return {name: count for name, count in found.items() if count}

    def _places(self, columns: Sequence[FeatureColumn]) -> dict[str, int]:
        place = {column.name: at for at, column in enumerate(columns)}
        for name in (*self.numbers, *self.categories):
            if name not in place:
                raise UserError(f"there is no column {name!r}, which train has. Give it.")
        return place

    def _refuse_missing(self, columns: Sequence[FeatureColumn], values: NDArray[np.float32]) -> None:
        is_missing = np.isnan(values)
        if is_missing.any():
            row, at = (int(found[0]) for found in np.nonzero(is_missing))
            raise UserError(
                f"sample {row + 1}, column {columns[at].name!r}: the value is missing. Fix or remove the row, or set "
                "missing: median."
            )

    def _encode(
        self, columns: Sequence[FeatureColumn], values: NDArray[np.float32], place: dict[str, int]
    ) -> NDArray[np.float32]:
        numbers = values[:, [place[name] for name in self.numbers]]
        if self._imputer is not None:
            numbers = self._imputer.transform(numbers)
        is_missing = np.isnan(values[:, [place[name] for name in self.indicators]]).astype(np.float32)
        parts = [numbers, is_missing]
        for name, category in self.categories.items():
            known = np.array([*columns[place[name]].categories, category.fill], object)
            texts = known[np.nan_to_num(values[:, place[name]], nan=-1).astype(np.int64)]
            parts.append(_transform_quietly(self._encoders[name], texts[:, None]))
        return np.hstack(parts)

    @cached_property
    def _imputer(self) -> Any:
        """scikit-learn's imputer with the fills, or None."""
        from sklearn.impute import SimpleImputer

        if not self.fills:
            return None
        fills = np.array([[self.fills[name] for name in self.numbers]], np.float32)
        return SimpleImputer(strategy="most_frequent").fit(fills)

    @cached_property
    def _encoders(self) -> dict[str, Any]:
        """scikit-learn's encoder of each category, fitted on so few rows as give it the same categories."""
        found = {}
        for name, category in self.categories.items():
            # Twice for a frequent text, once for a rare one.
            texts = [text for text in category.frequent for _ in range(2)] + list(category.rare)
            found[name] = _create_encoder(2).fit(np.array(texts, object)[:, None])
        return found


def _fit_fill(values: NDArray[Any], strategy: str) -> Any:
    """Return what scikit-learn's imputer puts in place of missing values of one column, (n_samples, 1)."""
    from sklearn.impute import SimpleImputer

    missing = None if values.dtype == object else np.nan
    fill = SimpleImputer(missing_values=missing, strategy=strategy).fit(values).statistics_[0]
    return fill if values.dtype == object else float(np.float32(fill))


def _fit_category(
    column: FeatureColumn, codes: NDArray[np.float32], missing: str, min_frequency: int
) -> CategoryEncoding:
    known = np.array([*column.categories, None], object)
    texts = known[np.nan_to_num(codes, nan=-1).astype(np.int64)][:, None]
    fill = None
    if missing != "refuse":
        fill = _fit_fill(texts, "most_frequent")
        texts[np.isnan(codes)] = fill
    encoder = _create_encoder(min_frequency).fit(texts)
    rare = encoder.infrequent_categories_[0]
    rare = () if rare is None else tuple(rare.tolist())
    frequent = tuple(text for text in encoder.categories_[0].tolist() if text not in set(rare))
    return CategoryEncoding(frequent, rare, fill)


def _transform_quietly(encoder: Any, texts: NDArray[Any]) -> NDArray[np.float32]:
    """Encode texts without scikit-learn's warning of unknown ones: they are counted and named elsewhere."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Found unknown categories", category=UserWarning)
        encoded: NDArray[np.float32] = encoder.transform(texts)
    return encoded


def _create_encoder(min_frequency: int) -> Any:
    from sklearn.preprocessing import OneHotEncoder

    return OneHotEncoder(
        min_frequency=min_frequency,
        handle_unknown="infrequent_if_exist",
        sparse_output=False,
        dtype=np.float32,
    )
