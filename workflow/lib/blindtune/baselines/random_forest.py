"""Random forests of scikit-learn that predict the same on any number of cores."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blindtune.baselines.parallel import run_in_chunks

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
        samples = np.ascontiguousarray(x, np.float32)
        labels = np.empty(len(x), np.int64)

        def process(rows: slice) -> None:
            trees = (tree.predict_proba(samples[rows], check_input=False) for tree in self._fitted.estimators_)
            labels[rows] = self._fitted.classes_[(sum(trees) / len(self._fitted.estimators_)).argmax(axis=1)]

        run_in_chunks(process, len(x), CHUNK, self._jobs)
        return labels

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the nodes of every tree, which determine what the forest predicts."""
        arrays: dict[str, NDArray[Any]] = {}
        for number, tree in enumerate(self._fitted.estimators_):
            nodes = tree.tree_
            for name in ("children_left", "children_right", "feature", "threshold", "value"):
                arrays[f"{number}.{name}"] = getattr(nodes, name)
        return arrays
