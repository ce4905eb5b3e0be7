"""k-nearest neighbours: the answers of scikit-learn, asked for in an order in which they come faster.

Which samples are nearest is what `sklearn.neighbors.KNeighborsClassifier` finds by its defaults, ties included: the
same tree, or every distance where there are many features. Asked one after the other, samples that lie close together
walk the same nodes of the tree, which then are in the processor's cache.
"""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.baselines.parallel import in_chunks

Rows = NDArray[np.int64]
Labels = NDArray[np.int64]
#: From samples to the rows of those that are nearest to each, (samples, k).
Query = Callable[[NDArray[np.float32]], Rows]
#: From the rows nearest to each sample of a chunk, (chunk, k), and the places of the chunk, (chunk,), to labels.
Answer = Callable[[Rows, Rows], Labels]

#: Samples asked about at once; a multiple of scikit-learn's own chunks of 256, so that ours change no distance.
CHUNK = 4096
#: With more features a tree is slower than every distance; where scikit-learn draws the line.
TREE_FEATURES = 15
#: Samples in a leaf; decides between equal distances, so it is scikit-learn's.
LEAF = 30


class Index:
    """Samples among which the nearest are looked for, by Euclidean distance.

    Attributes:
        x: the samples, (samples, features).
    """

    def __init__(self, x: NDArray[np.float32], jobs: int = 1) -> None:
        """Take samples; ``jobs`` is the number of cores to use and changes no answer."""
        self.x = x
        self._jobs = jobs

    def ask(self, x: NDArray[np.float32], count: int, answer: Answer) -> Labels:
        """A label for each of ``x`` by its nearest samples.

        Args:
            x: (samples, features).
            count: how many are the nearest, at most all.
            answer: is given the nearest in any order.
        """
        return self._asked(x, self._order(x, count), self._query(count, count), answer)

    def ask_itself(self, answer: Answer) -> Labels:
        """As `ask`, of each of its own samples, by the two nearest of all: one of them is as a rule the sample itself.

        The nearer of the two comes first.
        """
        return self._asked(self.x, self._order(self.x, 1), self._query(1, 2, nearest_first=True), answer)

    def _asked(self, x: NDArray[np.float32], order: Rows, query: Query, answer: Answer) -> Labels:
        labels = np.empty(len(x), np.int64)

        def work(chunk: slice) -> None:
            rows = order[chunk]
            labels[rows] = answer(query(x[rows]), rows)

        in_chunks(work, len(x), CHUNK, self._jobs)
        return labels

    def _query(self, count: int, found: int, nearest_first: bool = False) -> Query:
        """How ``found`` samples are looked for where a user asks for ``count``."""
        if self._in_tree(count):
            return partial(self._tree.query, k=found, return_distance=False, sort_results=nearest_first)
        from sklearn.neighbors import NearestNeighbors

        every = NearestNeighbors(n_neighbors=found, algorithm="brute").fit(self.x)
        return partial(every.kneighbors, return_distance=False)

    def _order(self, x: NDArray[np.float32], count: int) -> Rows:
        """The places of ``x``, close ones behind each other where a tree is asked."""
        if not self._in_tree(count):
            return np.arange(len(x))
        tree = self._tree if x is self.x else _tree(x)
        return np.asarray(tree.get_arrays()[1])

    def _in_tree(self, count: int) -> bool:
        """Whether scikit-learn's ``algorithm="auto"`` takes a tree."""
        return self.x.shape[1] <= TREE_FEATURES and count < len(self.x) // 2

    @cached_property
    def _tree(self) -> Any:
        return _tree(self.x)


class Neighbours:
    """k-nearest neighbours, each with one vote; of labels with as many votes the lowest."""

    def __init__(self, index: Index, y: Labels, count: int) -> None:
        """Take the samples that vote.

        Args:
            index: the samples.
            y: their labels, (samples,), from 0.
            count: k; all samples where there are fewer.
        """
        self._index = index
        self._y = y
        self._count = min(count, len(index.x))
        self._classes = int(y.max()) + 1

    def predict(self, x: NDArray[np.float32]) -> Labels:
        """The label of each of ``x`` (samples, features)."""
        return self._index.ask(x, self._count, self._elected)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What it predicts by, beside the samples: k."""
        return {"neighbours": np.array([self._count])}

    def _elected(self, nearest: Rows, _: Rows) -> Labels:
        ballots = self._y[nearest] + self._classes * np.arange(len(nearest))[:, None]
        votes = np.bincount(ballots.ravel(), minlength=self._classes * len(nearest))
        elected: Labels = votes.reshape(-1, self._classes).argmax(axis=1)
        return elected


def leave_one_out(index: Index, y: Labels) -> Labels:
    """The label of the nearest other sample of each sample.

    Args:
        index: the samples.
        y: their labels, (samples,).
    """

    def other(nearest: Rows, rows: Rows) -> Labels:
        # Of many equal samples the nearest two need not contain the sample itself; scikit-learn then drops the first.
        first, second = nearest.T
        labels: Labels = y[np.where(second == rows, first, second)]
        return labels

    return index.ask_itself(other)


def _tree(x: NDArray[np.float32]) -> Any:
    from sklearn.neighbors import KDTree

    return KDTree(x, leaf_size=LEAF)
