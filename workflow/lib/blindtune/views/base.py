"""The interface of views: samples are computed when a trainer asks for them, so no dataset need fit into memory."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]

#: Maximum number of values in a batch outside of training, which bounds the memory.
MAX_BATCH_VALUES = 2**22


class SplitFeatures(Protocol):
    """Features of train and dev that were computed once, for all models of a view."""

    def identity(self) -> dict[str, Any]:
        """Return what identifies them and what computes them, as plain data."""

    def statistics(self) -> dict[str, list[float]]:
        """Return the mean and the deviation of each feature over train, as plain data; for exports."""


@dataclass(frozen=True)
class ViewInputs:
    """What a view takes of a dataset besides the samples; it is part of the identity of every model that uses the view.

    Attributes:
        dataset: name of the dataset, for messages.
        source: the keys of the dataset's config that the view declares in `blindtune.views.registry`, and no others.
        statistics: mean and deviation of each channel over train; None unless the view declares that it uses them.
        fitted: what the source fitted on train, by the keys that the view declares, and no others.
        features: those of train and dev that the view declares that it opens; None: none.
    """

    dataset: str
    source: Mapping[str, Any]
    statistics: Mapping[str, list[float]] | None
    fitted: Mapping[str, Any] = field(default_factory=dict)
    features: SplitFeatures | None = None

    def identity(self) -> dict[str, Any]:
        """Return all that can change what the view gives for a sample, as plain data."""
        statistics = None if self.statistics is None else dict(self.statistics)
        identity: dict[str, Any] = {"source": dict(self.source), "statistics": statistics}
        # Left out where nothing is fitted: models that were frozen before keep their identity.
        identity |= {"fitted": dict(self.fitted)} if self.fitted else {}
        return identity | ({} if self.features is None else {"features": self.features.identity()})


class SampleView:
    """Samples as a model gets them, computed from the stored ones on request.

    Life cycle:

    1. A study calls `blindtune.views.apply.apply_view` once; a `SampleView` replaces ``x`` of train and of dev.
       Decoding does the same with eval, through `blindtune.views.apply.make_view`.
    2. A trainer may select samples at any time: ``view[rows]`` is the same view of fewer samples.
    3. In every epoch, the trainer calls `train_batch` once per batch with the random generator of the trial. If
       `is_random`, the same rows give other values each time.
    4. To score a split, the trainer calls `eval_batch` for each slice of `batches`. It gets `n_eval_crops` rows per
       sample and averages the class probabilities of each sample.
    5. Trainers that take whole arrays call ``np.asarray(view)``, which needs `n_eval_crops` to be 1.

    A subclass implements `eval_batch`; one with random crops also implements `train_batch` and sets `is_random`.

    Examples:
        >>> class Halves(SampleView):
        ...     def eval_batch(self, rows):
        ...         return (self.stored[self.selected[rows]] / 2).astype(np.float32)
        >>> view = Halves(np.array([[2, 4], [6, 8], [0, 2]]), (2,))
        >>> view.shape
        (3, 2)
        >>> view.train_batch(np.array([2, 0]), np.random.default_rng(0)).tolist()
        [[0.0, 1.0], [1.0, 2.0]]
        >>> fold = view[np.array([1, 2])]
        >>> [fold.eval_batch(batch).tolist() for batch in fold.batches()]
        [[[3.0, 4.0], [0.0, 1.0]]]

    Attributes:
        stored: (n_stored, ...) the array on disk, memory-mapped or not.
        selected: (n_samples,) int64, the rows of ``stored`` that belong to the view.
        sample_shape: shape of one sample as a model gets it.
        n_eval_crops: rows per sample that `eval_batch` returns; the probabilities of one sample's rows are averaged.
        is_random: whether `train_batch` returns other values for the same samples each time.
    """

    n_eval_crops = 1
    is_random = False

    def __init__(self, stored: NDArray[Any], sample_shape: tuple[int, ...]) -> None:
        self.stored = stored
        self.sample_shape = sample_shape
        self.selected: Rows = np.arange(len(stored))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape ``(n_samples, ...)`` as a model gets the samples."""
        return (len(self), *self.sample_shape)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.selected)

    def __getitem__(self, rows: Rows) -> Self:
        """Return the same view of some of the samples."""
        part = copy(self)
        part.selected = self.selected[rows]
        return part

    def eval_batch(self, rows: Rows | slice) -> Floats:
        """Return samples to be scored; called by trainers for each batch of a split that is scored.

        Args:
            rows: which samples of the view.

        Returns:
            (n_rows * n_eval_crops, ...) float32; the rows of one sample follow each other.
        """
        raise NotImplementedError

    def train_batch(self, rows: Rows, random: np.random.Generator) -> Floats:
        """Return samples to be trained on; called by trainers for each batch of each epoch.

        Args:
            rows: which samples of the view.
            random: what random crops are drawn from; not used unless `is_random`.

        Returns:
            (n_rows, ...) float32.
        """
        return self.eval_batch(rows)

    def batches(self, max_values: int = MAX_BATCH_VALUES) -> list[slice]:
        """Return slices that cover all samples in order, each small enough for one call of `eval_batch`.

        Args:
            max_values: maximum number of values in a batch; a sample that has more is a batch by itself.
        """
        count = max(1, max_values // (int(np.prod(self.sample_shape)) * self.n_eval_crops))
        return [slice(first, min(first + count, len(self))) for first in range(0, len(self), count)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all samples as one array, for a trainer that takes whole arrays.

        Raises:
            TypeError: a sample has several crops.
        """
        if self.n_eval_crops > 1:
            raise TypeError("a view with several crops per sample cannot be converted to an array")
        whole = np.empty(self.shape, dtype or np.float32)
        for part in self.batches():
            whole[part] = self.eval_batch(part)
        return whole


#: From stored samples, (n_samples, ...), to what a model gets.
ViewFunction = Callable[[NDArray[Any]], Floats | SampleView]


class StoredView(ABC):
    """A `ViewFunction` that takes long, so that what it gives of a split is computed once and kept.

    A study gets train and dev through `show_split`, which opens no other split. Only a decode has eval, and keeps what
    it computes of it in the sealed folder through `show_sealed`.
    """

    @abstractmethod
    def __call__(self, x: NDArray[Any]) -> Floats | SampleView:
        """Return what a model gets of stored samples that are in no split, such as new ones; nothing is kept."""

    @abstractmethod
    def show_split(self, name: str) -> Floats | SampleView:
        """Return what a model gets of a split.

        Args:
            name: ``train`` or ``dev``.
        """

    @abstractmethod
    def show_sealed(self, x: NDArray[Any], sha256: str, folder: Path) -> Floats | SampleView:
        """Return what a model gets of eval; called by a decode after its ledger has its line.

        Args:
            x: the samples of eval, (n_samples, ...).
            sha256: identifies eval.
            folder: in the sealed folder, where it is kept.
        """

    @abstractmethod
    def check(self) -> None:
        """Refuse what would compute other values now; called by a decode before it begins.

        Raises:
            UserError: it fails, or it computes other values of train.
        """
