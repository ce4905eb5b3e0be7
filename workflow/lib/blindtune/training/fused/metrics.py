"""What comes of the batches of a group: loss and wrong samples, summed over several batches at once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from blindtune.training.fused.forward_backward import Batch, Model, alike, output_of
from blindtune.training.fused.layers import rows_of
from blindtune.training.fused.ops import measured


class Tally:
    """Sums of an epoch so far."""

    def __init__(self, models: Sequence[Model], rows: int, slots: int, device: torch.device) -> None:
        """Make room for ``slots`` batches of ``rows`` rows of memory, which are then summed."""
        self._inputs = models[0].widths[0]
        self._runs = alike(models, output_of)
        self._slots = slots
        shape = (len(models), slots, rows)
        self._scores = torch.zeros(len(models), models[0].widths[-1], *shape[1:], device=device)
        self._labels = torch.zeros(shape, dtype=torch.int64, device=device)
        self._counts = torch.zeros(shape[1:], dtype=torch.float32, device=device)
        self._used = 0
        self._loss = torch.zeros(len(models), dtype=torch.float64, device=device)
        self._wrong = torch.zeros(len(models), dtype=torch.int64, device=device)

    def batch(self, inputs: Tensor, ones: Tensor, samples: int) -> Batch:
        """Room for a batch of so many samples of each trial.

        Args:
            inputs, ones: memory for the whole of a `Batch`, in a row.
            samples: not more than there is room for.
        """
        trials, classes = self._scores.shape[:2]
        rows = rows_of(samples, classes)
        shares = torch.zeros(rows, device=ones.device)
        shares[:samples] = 1 / samples
        values = self._inputs
        return Batch(
            inputs[: trials * rows * values].view(trials, rows, values),
            ones[: trials * classes * rows].view(trials, classes, rows),
            shares,
            [self._scores[:, :, slot, :rows] for slot in range(self._slots)],
        )

    @property
    def slot(self) -> int:
        """Where the scores of the next batch are to be put."""
        return self._used

    def add(self, labels: Tensor, samples: int) -> None:
        """Take note that the scores of a batch stand in its slot.

        Args:
            labels: (trials, rows of memory).
            samples: rows that count; those behind them are padding.
        """
        self._labels[:, self._used, : labels.shape[1]] = labels
        self._counts[self._used] = 0
        self._counts[self._used, :samples] = 1
        self._used += 1
        if self._used == self._slots:
            self._sum()

    def end(self, samples: int) -> list[tuple[float, float]]:
        """For each trial its mean loss and its share of wrong samples over an epoch of so many; begin another."""
        self._sum()
        pairs = zip((self._loss / samples).tolist(), self._wrong.tolist(), strict=True)
        found = [(loss, wrong / samples) for loss, wrong in pairs]
        self._loss.zero_()
        self._wrong.zero_()
        return found

    def _sum(self) -> None:
        # Always over all slots: how a trial's sums are ordered must not depend on how many are used.
        self._counts[self._used :] = 0
        counts = self._counts.view(-1)
        for (activation, loss), run in self._runs:
            places = slice(run.start, run.stop)
            scores, labels = self._scores[places].flatten(2), self._labels[places].flatten(1)
            each, wrong = measured(scores, labels, activation, loss)
            self._loss[places] += each.mul_(counts).sum(1, dtype=torch.float64)
            self._wrong[places] += (wrong & (counts > 0)).sum(1)
        self._used = 0
