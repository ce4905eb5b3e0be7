"""k-nearest neighbours with the predictions of scikit-learn, queried in an order that is faster.

The neighbours of a sample are those that `sklearn.neighbors.KNeighborsClassifier` finds with its default arguments,
ties included: the same tree, or all distances if there are many features. Consecutive queries of samples that are close
together visit the same nodes of the tree, which are then in the CPU's cache.
"""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.baselines.parallel import run_in_chunks
from blindtune.core.light_imports import leave_out
from blindtune.metrics.base import Answers, as_probabilities

Rows = NDArray[np.int64]
Labels = NDArray[np.int64]
#: From samples to the rows of their nearest neighbours, (n_samples, k).
Query = Callable[[NDArray[np.float32]], Rows]
#: From the rows of the neighbours of each sample of a chunk, (n_chunk, k), and the rows of the chunk itself,
#: (n_chunk,), to labels, (n_chunk,).
Vote = Callable[[Rows, Rows], Labels]

#: Number of samples of a query; a multiple of scikit-learn's own chunks of 256, so that no distance changes.
CHUNK = 4096
#: With more features a tree is slower than all distances; scikit-learn's own limit.
TREE_FEATURES = 15
#: Number of samples in a leaf. It decides between equal distances, so it is scikit-learn's.
LEAF = 30


class NeighborIndex:
    """Samples among which nearest neighbours are searched, by Euclidean distance.

    Attributes:
        x: the samples, (n_samples, n_features).
    """

    def __init__(self, x: NDArray[np.float32], jobs: int = 1) -> None:
        """Index samples.

        Args:
            x: the samples, (n_samples, n_features).
            jobs: number of cores to use; changes no label.
        """
        self.x = x
        self._jobs = jobs

    def label(self, x: NDArray[np.float32], k: int, vote: Vote) -> Labels:
        """Return a label for each sample, by its nearest neighbours.

        Args:
            x: samples, (n_samples, n_features).
            k: number of neighbours, at most the number of indexed samples.
            vote: gets the neighbours in any order.
        """
        return self._label(x, self._order(x, k), self._query(k, k), vote)

    def find_neighbors(self, x: NDArray[np.float32], k: int, receive: Callable[[Rows, Rows], None]) -> None:
        """Find the nearest neighbours of samples, chunk by chunk.

        Args:
            x: samples, (n_samples, n_features).
            k: number of neighbours, at most the number of indexed samples.
            receive: gets the rows of the neighbours in any order, (n_chunk, k), and the rows of the chunk, (n_chunk,).
        """
        self._visit(x, self._order(x, k), self._query(k, k), receive)

    def label_own(self, vote: Vote) -> Labels:
        """Return a label for each indexed sample, by its two nearest indexed samples, the nearer one first.

        As a rule one of the two is the sample itself.

        Args:
            vote: from neighbours to labels.
        """
        return self._label(self.x, self._order(self.x, 1), self._query(1, 2, nearest_first=True), vote)

    def _label(self, x: NDArray[np.float32], order: Rows, query: Query, vote: Vote) -> Labels:
        labels = np.empty(len(x), np.int64)

        def keep(nearest: Rows, rows: Rows) -> None:
            labels[rows] = vote(nearest, rows)

        self._visit(x, order, query, keep)
        return labels

    def _visit(self, x: NDArray[np.float32], order: Rows, query: Query, receive: Callable[[Rows, Rows], None]) -> None:
        def process(chunk: slice) -> None:
            rows = order[chunk]
            receive(query(x[rows]), rows)

        run_in_chunks(process, len(x), CHUNK, self._jobs)

    def _query(self, k: int, n_found: int, nearest_first: bool = False) -> Query:
        """Return a query for ``n_found`` neighbours that searches as scikit-learn does for ``k``."""
        if self._uses_tree(k):
            return partial(self._tree.query, k=n_found, return_distance=False, sort_results=nearest_first)
        with leave_out("pandas"):
            from sklearn.neighbors import NearestNeighbors

        brute = NearestNeighbors(n_neighbors=n_found, algorithm="brute").fit(self.x)
        return partial(brute.kneighbors, return_distance=False)

    def _order(self, x: NDArray[np.float32], k: int) -> Rows:
        """Return the rows of ``x`` in the order of the queries; close samples follow each other if a tree is used."""
        if not self._uses_tree(k):
            return np.arange(len(x))
        tree = self._tree if x is self.x else _build_tree(x)
        return np.asarray(tree.get_arrays()[1])

    def _uses_tree(self, k: int) -> bool:
        """Return whether scikit-learn's ``algorithm="auto"`` uses a tree."""
        return self.x.shape[1] <= TREE_FEATURES and k < len(self.x) // 2

    @cached_property
    def _tree(self) -> Any:
        return _build_tree(self.x)


class KnnClassifier:
    """k-nearest neighbours, each with one vote; of labels with equal votes the lowest."""

    def __init__(self, index: NeighborIndex, y: Labels, k: int) -> None:
        """Take the samples that vote.

        Args:
            index: the samples.
            y: their labels, (n_samples,), from 0.
            k: number of neighbours; all samples if there are fewer.
        """
        self._index = index
        self._y = y
        self._k = min(k, len(index.x))
        self._classes = int(y.max()) + 1

    def predict(self, x: NDArray[np.float32]) -> Labels:
        """Return the label of each sample.

        Args:
            x: samples, (n_samples, n_features).

        Returns:
            Labels, (n_samples,).
        """
        return self._index.label(x, self._k, self._majority)

    def answer(self, x: NDArray[np.float32], classes: int) -> Answers:
        """Return the label of each sample and the share of the votes of each class.

        Args:
            x: samples, (n_samples, n_features).
            classes: number of classes.
        """
        labels = np.empty(len(x), np.int64)
        shares = np.zeros((len(x), classes))

        def keep(nearest: Rows, rows: Rows) -> None:
            votes = self._count_votes(nearest)
            labels[rows] = votes.argmax(axis=1)
            shares[rows, : self._classes] = votes / self._k

        self._index.find_neighbors(x, self._k, keep)
        return Answers(labels, as_probabilities(shares))

    def estimator(self) -> Any:
        """Return scikit-learn's own classifier, fitted on the same samples."""
        with leave_out("pandas"):
            from sklearn.neighbors import KNeighborsClassifier

        return KNeighborsClassifier(n_neighbors=self._k).fit(self._index.x, self._y)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return k, which determines the predictions together with the samples."""
        return {"neighbours": np.array([self._k])}

    def _majority(self, nearest: Rows, _: Rows) -> Labels:
        labels: Labels = self._count_votes(nearest).argmax(axis=1)
        return labels

    def _count_votes(self, nearest: Rows) -> NDArray[np.int64]:
        """Return the number of neighbours of each class, (n_chunk, n_classes)."""
        ballots = self._y[nearest] + self._classes * np.arange(len(nearest))[:, None]
        votes = np.bincount(ballots.ravel(), minlength=self._classes * len(nearest))
        return votes.reshape(-1, self._classes)


def leave_one_out(index: NeighborIndex, y: Labels) -> Labels:
    """Return the label of the nearest other sample of each indexed sample.

    Args:
        index: the samples.
        y: their labels, (n_samples,).

    Returns:
        Labels, (n_samples,).
    """

    def label_of_other(nearest: Rows, rows: Rows) -> Labels:
        # Among many equal samples the nearest two need not contain the sample itself; scikit-learn then drops the
        # first.
        first, second = nearest.T
        labels: Labels = y[np.where(second == rows, first, second)]
        return labels

    return index.label_own(label_of_other)


def _build_tree(x: NDArray[np.float32]) -> Any:
    with leave_out("pandas"):
        from sklearn.neighbors import KDTree

    return KDTree(x, leaf_size=LEAF)
