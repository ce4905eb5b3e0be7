"""Loss and error of a group over an epoch, computed for several batches at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor

from blindtune.training.fused.forward_backward import Batch, ModelSpec, find_spans, output_key
from blindtune.training.fused.layers import pad_rows
from blindtune.training.fused.ops import sample_losses


class MetricAccumulator:
    """Sums of losses and errors since the epoch began.

    Scores are kept in slots, one for each batch; when all slots are used, all their losses are computed.
    """

    def __init__(
        self,
        models: Sequence[ModelSpec],
        n_rows: int,
        slots: int,
        device: torch.device,
        *,
        is_weighted: bool = False,
    ) -> None:
        """Allocate the slots.

        Args:
            models: of the group.
            n_rows: rows in memory of the largest batch.
            slots: batches whose scores are kept.
            device: where.
            is_weighted: whether the loss of each sample has a factor.
        """
        self._n_inputs = models[0].widths[0]
        self._spans = find_spans(models, output_key)
        self._slots = slots
        shape = (len(models), slots, n_rows)
        self._scores = torch.zeros(len(models), models[0].widths[-1], *shape[1:], device=device)
        self._labels = torch.zeros(shape, dtype=torch.int64, device=device)
        self._factors = torch.zeros(shape, device=device) if is_weighted else None
        self._counts = torch.zeros(shape[1:], dtype=torch.float32, device=device)
        self._used = 0
        self._loss = torch.zeros(len(models), dtype=torch.float64, device=device)
        self._n_wrong = torch.zeros(len(models), dtype=torch.int64, device=device)

    def create_batch(self, inputs: Tensor, targets: Tensor, samples: int) -> Batch:
        """Return the memory of a batch.

        Args:
            inputs: flat memory for the inputs of the largest batch.
            targets: flat memory for its targets.
            samples: of each trial in the batch.
        """
        trials, classes = self._scores.shape[:2]
        n_rows = pad_rows(samples, classes)
        row_weights = torch.zeros(n_rows, device=targets.device)
        row_weights[:samples] = 1 / samples
        values = self._n_inputs
        return Batch(
            inputs[: trials * n_rows * values].view(trials, n_rows, values),
            targets[: trials * classes * n_rows].view(trials, classes, n_rows),
            row_weights,
            [self._scores[:, :, slot, :n_rows] for slot in range(self._slots)],
            None if self._factors is None else torch.zeros(trials, n_rows, device=targets.device),
        )

    @property
    def slot(self) -> int:
        """The slot for the scores of the next batch."""
        return self._used

    def add(self, labels: Tensor, samples: int, factors: Tensor | None = None) -> None:
        """Count a batch whose scores have been written to its slot.

        Args:
            labels: (n_trials, n_rows) int64.
            samples: number of rows before the padding.
            factors: (n_trials, n_rows) of the losses; given if they are weighted.
        """
        if self._factors is not None and factors is not None:
            self._factors[:, self._used, : labels.shape[1]] = factors
        self._labels[:, self._used, : labels.shape[1]] = labels
        self._counts[self._used] = 0
        self._counts[self._used, :samples] = 1
        self._used += 1
        if self._used == self._slots:
            self._sum()

    def finish_epoch(self, samples: int) -> list[tuple[float, float]]:
        """Return mean loss and error of each trial, and start a new epoch.

        Args:
            samples: number of samples in the epoch.
        """
        self._sum()
        pairs = zip((self._loss / samples).tolist(), self._n_wrong.tolist(), strict=True)
        means = [(loss, n_wrong / samples) for loss, n_wrong in pairs]
        self._loss.zero_()
        self._n_wrong.zero_()
        return means

    def _sum(self) -> None:
        # Always over all slots: the order of a trial's sums must not depend on how many are used.
        self._counts[self._used :] = 0
        counts = self._counts.view(-1)
        for (activation, loss), span in self._spans:
            trials = slice(span.start, span.stop)
            scores, labels = self._scores[trials].flatten(2), self._labels[trials].flatten(1)
            losses, wrong = sample_losses(scores, labels, activation, loss)
            if self._factors is not None:
                losses = losses.mul_(self._factors[trials].flatten(1))
            self._loss[trials] += losses.mul_(counts).sum(1, dtype=torch.float64)
            self._n_wrong[trials] += (wrong & (counts > 0)).sum(1)
        self._used = 0
