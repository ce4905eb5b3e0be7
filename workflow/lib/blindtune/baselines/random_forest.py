"""Random forests of scikit-learn that predict the same on any number of cores."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blindtune.baselines.parallel import run_in_chunks
from blindtune.metrics.base import Answers, as_probabilities

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

#: Number of samples that go through all trees together.
CHUNK = 2**14


class ForestClassifier:
    """A fitted random forest."""

    def __init__(self, fitted: "RandomForestClassifier", jobs: int = 1) -> None:
        """Wrap a forest of scikit-learn.

        Args:
            fitted: the fitted forest.
            jobs: number of cores to use; changes no prediction.
        """
        self._fitted = fitted
        self._jobs = jobs

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the label of each sample, as scikit-learn's own forest does with one job.

        With several jobs scikit-learn sums the trees in the order in which they end, and the rounding of the sum may
        decide between two labels. Here the samples are divided among the cores, not the trees.

        Args:
            x: samples, (n_samples, n_features).

        Returns:
            Labels, (n_samples,).
        """
        labels = np.empty(len(x), np.int64)

        def keep(means: NDArray[np.float64], rows: slice) -> None:
            labels[rows] = self._fitted.classes_[means.argmax(axis=1)]

        self._visit(x, keep)
        return labels

    def answer(self, x: NDArray[np.float32], classes: int) -> Answers:
        """Return the label of each sample and the mean of the probabilities of all trees.

        Args:
            x: samples, (n_samples, n_features).
            classes: number of classes.
        """
        labels = np.empty(len(x), np.int64)
        probabilities = np.zeros((len(x), classes))

        def keep(means: NDArray[np.float64], rows: slice) -> None:
            labels[rows] = self._fitted.classes_[means.argmax(axis=1)]
            probabilities[rows, self._fitted.classes_] = means

        self._visit(x, keep)
        return Answers(labels, as_probabilities(probabilities))

    def _visit(self, x: NDArray[np.float32], receive: Callable[[NDArray[np.float64], slice], None]) -> None:
        """Call a function with the mean of the trees, (n_chunk, n_known_classes), and the rows of each chunk."""
        samples = np.ascontiguousarray(x, np.float32)

        def process(rows: slice) -> None:
            trees = (tree.predict_proba(samples[rows], check_input=False) for tree in self._fitted.estimators_)
            receive(sum(trees) / len(self._fitted.estimators_), rows)

        run_in_chunks(process, len(x), CHUNK, self._jobs)

    def estimator(self) -> "RandomForestClassifier":
        """Return the forest of scikit-learn."""
        return self._fitted

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the nodes of every tree, which determine what the forest predicts."""
        arrays: dict[str, NDArray[Any]] = {}
        for number, tree in enumerate(self._fitted.estimators_):
            nodes = tree.tree_
            for name in ("children_left", "children_right", "feature", "threshold", "value"):
                arrays[f"{number}.{name}"] = getattr(nodes, name)
        return arrays
