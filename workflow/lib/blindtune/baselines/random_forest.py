"""Random forests of scikit-learn, which say the same for any number of cores."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blindtune.baselines.parallel import in_chunks

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

#: Samples that go through all trees at once.
CHUNK = 2**14


class Forest:
    """A fitted random forest."""

    def __init__(self, fitted: "RandomForestClassifier", jobs: int = 1) -> None:
        """Take it.

        Args:
            fitted: by scikit-learn.
            jobs: cores to use; changes no answer.
        """
        self._fitted = fitted
        self._jobs = jobs

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.int64]:
        """The label of each of ``x`` (samples, features).

        As scikit-learn's own with one job. With more, it adds up the trees as they happen to end, and the rounding of
        the sum may decide between two labels; here the samples are shared out, not the trees.
        """
        samples = np.ascontiguousarray(x, np.float32)
        labels = np.empty(len(x), np.int64)

        def work(chunk: slice) -> None:
            trees = (tree.predict_proba(samples[chunk], check_input=False) for tree in self._fitted.estimators_)
            labels[chunk] = self._fitted.classes_[(sum(trees) / len(self._fitted.estimators_)).argmax(axis=1)]

        in_chunks(work, len(x), CHUNK, self._jobs)
        return labels

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The nodes of every tree, which determine what the forest predicts."""
        arrays: dict[str, NDArray[Any]] = {}
        for number, tree in enumerate(self._fitted.estimators_):
            inner = tree.tree_
            for name in ("children_left", "children_right", "feature", "threshold", "value"):
                arrays[f"{number}.{name}"] = getattr(inner, name)
        return arrays
