"""The weights of many models in a few contiguous tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from blindtune.training.fused.layers import ALIGNMENT, DenseLayer
from blindtune.training.fused.ops import MOMENTS, ParamGroup, update
from blindtune.training.pytorch import clip


@dataclass(frozen=True)
class StepSettings:
    """How the weights of one trial are updated.

    Attributes:
        learning_rate: the step size, at first.
        weight_decay: as `blindtune.config.training.Training` gives it.
        clip_norm: as `blindtune.config.training.Training` gives it.
        has_schedule: whether the learning rate changes between epochs.
    """

    learning_rate: float
    weight_decay: float | None = None
    clip_norm: float | None = None
    has_schedule: bool = False


@dataclass(frozen=True)
class TrialSpan:
    """Consecutive trials with the same widths at one layer: one batched matrix product computes them all.

    Attributes:
        first: index of the first trial.
        last: index after the last trial.
        inputs: units in memory before the layer.
        units: units in memory after the layer.
        weights: offset of the first trial's weights, (inputs, units) for each trial.
        biases: offset of the first trial's biases.
        transposed: whether the weights are stored as (units, inputs) instead.
    """

    first: int
    last: int
    inputs: int
    units: int
    weights: int
    biases: int
    transposed: bool

    @property
    def bias_stride(self) -> int:
        """Distance between the biases of two trials."""
        return _align(self.units)

    def clip(self, first: int, last: int) -> "TrialSpan":
        """Return the part of the span between two trials.

        Args:
            first: index of the first trial.
            last: index after the last trial.
        """
        begin = max(first, self.first)
        return TrialSpan(
            begin,
            min(last, self.last),
            self.inputs,
            self.units,
            self.weights + (begin - self.first) * self.inputs * self.units,
            self.biases + (begin - self.first) * self.bias_stride,
            self.transposed,
        )

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return self.last - self.first

    def view_weights(self, flat: Tensor) -> Tensor:
        """Return the weights in ``flat``, (n_trials, inputs, units)."""
        stored = flat[self.weights : self.weights + self.n_trials * self.inputs * self.units]
        if self.transposed:
            return stored.view(self.n_trials, self.units, self.inputs).transpose(1, 2)
        return stored.view(self.n_trials, self.inputs, self.units)

    def view_biases(self, flat: Tensor) -> Tensor:
        """Return the biases in ``flat``, (n_trials, units)."""
        size = self.n_trials * self.bias_stride
        return flat[self.biases : self.biases + size].view(self.n_trials, self.bias_stride)[:, : self.units]


class Parameters:
    """Weights of all trials, their gradient and the moments of the optimizer, ordered by layer, then by trial.

    Attributes:
        spans: of each layer.
        mask_gradients: as given.
        weights: all values in one tensor; padding is 0 after `step`, unless gradients are masked.
        gradient: of each weight.
        moments: one tensor for each array that the optimizer keeps.
        host: weights and moments on the CPU; the same memory if they are computed there.
    """

    def __init__(
        self,
        widths: Sequence[tuple[int, ...]],
        layers: Sequence[tuple[DenseLayer, ...]],
        optimizer: str,
        settings: Sequence[StepSettings],
        steps: int,
        mask_gradients: bool,
        device: torch.device,
    ) -> None:
        """Allocate the memory, filled with 0.

        Args:
            widths: of each trial, in memory.
            layers: of each trial.
            optimizer: of all trials.
            settings: of each trial.
            steps: steps of the optimizer that all trials have done.
            mask_gradients: whether `step` masks padding in the gradient, so that it may have any finite value there.
            device: where the trials are trained.
        """
        self.spans: list[list[TrialSpan]] = []
        self._layers = layers
        self._optimizer = optimizer
        self.mask_gradients = mask_gradients
        size = 0
        for layer in range(len(layers[0])):
            size = self._allocate(layer, [(each[layer], each[layer + 1]) for each in widths], size)
        # Whole vector registers, so that the last values are computed as all others.
        size += -size % (2 * ALIGNMENT)
        self.weights, self.gradient, *moments = (
            torch.zeros(size, device=device) for _ in range(2 + len(MOMENTS[optimizer]))
        )
        self.moments: list[Tensor] = moments
        flats = [self.weights, *moments]
        self.host = [each if each.is_cpu else torch.zeros_like(each, device="cpu") for each in flats]
        self._copies = list(zip(flats, self.host, strict=True))
        self._mask = self._create_mask() if mask_gradients else None
        self._clipped = [
            (self.trial_views(trial, self.gradient), each.clip_norm)
            for trial, each in enumerate(settings)
            if each.clip_norm is not None
        ]
        keys = [
            (each.learning_rate, each.weight_decay, trial if each.has_schedule else None)
            for trial, each in enumerate(settings)
        ]
        self._groups = [self._create_group(*key, [each == key for each in keys], steps) for key in dict.fromkeys(keys)]

    def _create_mask(self) -> Tensor:
        """Return a tensor that is 0 for padding and else 1."""
        mask = torch.zeros(len(self.weights))
        for trial in range(len(self._layers)):
            for view in self.trial_views(trial, mask):
                view.fill_(1)
        return mask.to(self.weights.device)

    def _create_group(
        self, learning_rate: float, weight_decay: float | None, trial: int | None, selected: Sequence[bool], steps: int
    ) -> ParamGroup:
        """Return the parameters of the selected trials, in as few pieces as possible."""
        pieces: list[list[int]] = []
        for span in (span for layer in self.spans for span in layer):
            for offset, stride in ((span.weights, span.inputs * span.units), (span.biases, span.bias_stride)):
                for number in range(span.n_trials):
                    if not selected[span.first + number]:
                        continue
                    begin, end = offset + number * stride, offset + _align((number + 1) * stride)
                    if pieces and pieces[-1][1] == begin:
                        pieces[-1][1] = end
                    else:
                        pieces.append([begin, end])

        def cut(flat: Tensor) -> list[Tensor]:
            return [flat[begin:end] for begin, end in pieces]

        step_counts = [torch.tensor(float(steps), device=self.weights.device) for _ in pieces]
        moments = [cut(flat) for flat in self.moments]
        return ParamGroup(
            learning_rate, weight_decay, trial, cut(self.weights), cut(self.gradient), moments, step_counts
        )

    def _allocate(self, layer: int, shapes: list[tuple[int, int]], size: int) -> int:
        """Lay out a layer after the first ``size`` values, and return the new size."""
        spans: list[TrialSpan] = []
        first = 0
        while first < len(shapes):
            inputs, units = shapes[first]
            last = first + 1
            # The next trial's weights must be aligned without a gap.
            while last < len(shapes) and shapes[last] == shapes[first] and inputs * units % ALIGNMENT == 0:
                last += 1
            biases = size + _align((last - first) * inputs * units)
            # Few scores of many units: matrix products in this layout are four times as fast.
            transposed = layer + 1 == len(self._layers[0])
            spans.append(TrialSpan(first, last, inputs, units, size, biases, transposed))
            size = biases + (last - first) * _align(units)
            first = last
        self.spans.append(spans)
        return size

    def spans_between(self, layer: int, first: int, last: int) -> list[TrialSpan]:
        """Return the spans of some trials.

        Args:
            layer: number of the layer.
            first: index of the first trial.
            last: index after the last trial.
        """
        return [span.clip(first, last) for span in self.spans[layer] if span.first < last and span.last > first]

    def trial_views(self, trial: int, flat: Tensor) -> list[Tensor]:
        """Return views of one trial's values, without padding.

        Args:
            trial: index of the trial.
            flat: a tensor with the layout of the weights.

        Returns:
            (inputs, units) and (units,), for each layer.
        """
        views: list[Tensor] = []
        for spans, layer in zip(self.spans, self._layers[trial], strict=True):
            span = next(span for span in spans if span.first <= trial < span.last)
            weights, biases = span.view_weights(flat)[trial - span.first], span.view_biases(flat)[trial - span.first]
            views += [weights[: layer.inputs, : layer.units], biases[: layer.units]]
        return views

    def to_device(self) -> None:
        """Copy weights and moments from `host` to the device."""
        for on_device, on_host in self._copies:
            on_device.copy_(on_host)

    def to_host(self) -> None:
        """Copy weights and moments from the device to `host`."""
        for on_device, on_host in self._copies:
            on_host.copy_(on_device)

    def set_learning_rates(self, rates: Sequence[float | None]) -> None:
        """Set the learning rates of the next epoch, for each trial; None: as it was."""
        for group in self._groups:
            rate = None if group.trial is None else rates[group.trial]
            if rate is not None:
                group.learning_rate = rate

    def step(self) -> None:
        """Do one step of the optimizer."""
        if self._mask is not None:
            self.gradient.mul_(self._mask)
        for gradients, clip_norm in self._clipped:
            clip(gradients, clip_norm)
        for group in self._groups:
            update(self._optimizer, group)


def _align(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
