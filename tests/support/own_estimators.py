"""Estimators of a user: one that ignores its parameter, ones that warn or fail, and ones that are no classifiers."""

import warnings
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning


class Majority(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Answers the most frequent label, shifted; warns or fails if it is told to."""

    def __init__(self, shift: int = 0, warn: bool = False, fail: bool = False) -> None:
        self.shift = shift
        self.warn = warn
        self.fail = fail

    def fit(self, x: Any, y: Any) -> Self:
        """Count the labels."""
        if self.fail:
            raise FloatingPointError("the fit overflows")
        if self.warn:
            warnings.warn("3 iterations were not enough", ConvergenceWarning, stacklevel=2)
            warnings.warn("3 iterations were not enough", ConvergenceWarning, stacklevel=2)
            warnings.warn("an old name", DeprecationWarning, stacklevel=2)
        self.classes_, counts = np.unique(y, return_counts=True)
        self.label_ = int(self.classes_[counts.argmax()])
        return self

    def predict(self, x: Any) -> Any:
        """Return the same label for each sample."""
        return np.full(len(x), (self.label_ + self.shift) % len(self.classes_))


class Deaf(Majority):
    """Has a parameter that changes nothing."""

    def __init__(self, degree: int = 1) -> None:
        super().__init__()
        self.degree = degree

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return nothing of what was set."""
        return {}


class Plain(BaseEstimator):  # type: ignore[misc]
    """Does not say that it is a classifier."""

    def __init__(self, degree: int = 1) -> None:
        self.degree = degree

    def fit(self, x: Any, y: Any) -> Self:
        """Do nothing."""
        return self

    def predict(self, x: Any) -> Any:
        """Return the first label."""
        return np.zeros(len(x), int)


class Untagged:
    """Has the methods of an estimator and no tags."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return no parameters."""
        return {}

    def set_params(self, **values: Any) -> Self:
        """Set nothing."""
        return self

    def fit(self, x: Any, y: Any) -> Self:
        """Do nothing."""
        return self

    predict = Plain.predict


class NoPredict(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Cannot answer."""

    fit = Plain.fit


class Exits(Plain):
    """Ends the process when it is created."""

    def __init__(self) -> None:
        raise SystemExit(3)
