"""The weights of many models in few pieces of memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from blindtune.training.fused.layers import ALIGNED, Stage
from blindtune.training.fused.ops import MOMENTS, Values, update


@dataclass(frozen=True)
class Run:
    """Neighbouring trials of the same widths at one layer: one product of matrices serves them all.

    Attributes:
        first, last: places of the trials, the last excluded.
        inputs, units: units of memory before and behind the layer.
        weights: where the weights of ``first`` begin, (inputs, units) for each trial.
        biases: where the biases of ``first`` begin.
        by_units: whether they lie as (units, inputs) instead.
    """

    first: int
    last: int
    inputs: int
    units: int
    weights: int
    biases: int
    by_units: bool

    @property
    def step(self) -> int:
        """Biases of one trial to those of the next."""
        return _up(self.units)

    def within(self, first: int, last: int) -> "Run":
        """Those of its trials that lie from ``first`` to before ``last``."""
        begin = max(first, self.first)
        return Run(
            begin,
            min(last, self.last),
            self.inputs,
            self.units,
            self.weights + (begin - self.first) * self.inputs * self.units,
            self.biases + (begin - self.first) * self.step,
            self.by_units,
        )

    @property
    def trials(self) -> int:
        """How many."""
        return self.last - self.first

    def weights_of(self, flat: Tensor) -> Tensor:
        """(trials, inputs, units) of ``flat``."""
        lying = flat[self.weights : self.weights + self.trials * self.inputs * self.units]
        if self.by_units:
            return lying.view(self.trials, self.units, self.inputs).transpose(1, 2)
        return lying.view(self.trials, self.inputs, self.units)

    def biases_of(self, flat: Tensor) -> Tensor:
        """(trials, units) of ``flat``."""
        size = self.trials * self.step
        return flat[self.biases : self.biases + size].view(self.trials, self.step)[:, : self.units]


class Parameters:
    """Weights, their derivatives and what the optimizer keeps, layer by layer, trial by trial within each.

    Attributes:
        runs: of each layer.
        masked: as given.
        weights, gradient: all values in a row; those that are padding are 0 behind `step`.
        moments: as many more as the optimizer needs.
        near: weights and moments on the processor; the same memory, where they are computed there.
    """

    def __init__(
        self,
        widths: Sequence[tuple[int, ...]],
        stages: Sequence[tuple[Stage, ...]],
        optimizer: str,
        rates: Sequence[float],
        step: int,
        masked: bool,
        device: torch.device,
    ) -> None:
        """Make room.

        Args:
            widths, stages: of each trial.
            optimizer: of all.
            rates: the step size of each.
            step: steps of the optimizer that lie behind all of them.
            masked: whether `step` keeps padding out of the gradient, so that values there may be any finite ones.
            device: where.
        """
        self.runs: list[list[Run]] = []
        self._stages = stages
        self._optimizer = optimizer
        self.masked = masked
        size = 0
        for layer in range(len(stages[0])):
            size = self._lay(layer, [(each[layer], each[layer + 1]) for each in widths], size)
        # Whole vectors of the processor, so that no value is computed otherwise than the others.
        size += -size % (2 * ALIGNED)
        self.weights, self.gradient, *moments = (
            torch.zeros(size, device=device) for _ in range(2 + len(MOMENTS[optimizer]))
        )
        self.moments: list[Tensor] = moments
        flats = [self.weights, *moments]
        self.near = [each if each.is_cpu else torch.zeros_like(each, device="cpu") for each in flats]
        self._pairs = list(zip(flats, self.near, strict=True))
        self._mask = self._real() if masked else None
        self._values = [self._of(rate, [each == rate for each in rates], step) for rate in dict.fromkeys(rates)]

    def _real(self) -> Tensor:
        """1 where a value is no padding."""
        mask = torch.zeros(len(self.weights))
        for place in range(len(self._stages)):
            for part in self.parts(place, mask):
                part.fill_(1)
        return mask.to(self.weights.device)

    def _of(self, rate: float, has: Sequence[bool], step: int) -> Values:
        """What belongs to the trials with one step size, in as few pieces as possible."""
        places: list[list[int]] = []
        for run in (run for layer in self.runs for run in layer):
            for first, unit in ((run.weights, run.inputs * run.units), (run.biases, run.step)):
                for place in range(run.trials):
                    if not has[run.first + place]:
                        continue
                    begin, end = first + place * unit, first + _up((place + 1) * unit)
                    if places and places[-1][1] == begin:
                        places[-1][1] = end
                    else:
                        places.append([begin, end])

        def pieces(flat: Tensor) -> list[Tensor]:
            return [flat[begin:end] for begin, end in places]

        steps = [torch.tensor(float(step), device=self.weights.device) for _ in places]
        moments = [pieces(flat) for flat in self.moments]
        return Values(rate, pieces(self.weights), pieces(self.gradient), moments, steps)

    def _lay(self, layer: int, shapes: list[tuple[int, int]], size: int) -> int:
        runs: list[Run] = []
        first = 0
        while first < len(shapes):
            inputs, units = shapes[first]
            last = first + 1
            # A block that ends between two of the places where blocks may begin has no neighbour.
            while last < len(shapes) and shapes[last] == shapes[first] and inputs * units % ALIGNED == 0:
                last += 1
            biases = size + _up((last - first) * inputs * units)
            # Few scores of many units: products of matrices that lie so are four times as fast.
            by_units = layer + 1 == len(self._stages[0])
            runs.append(Run(first, last, inputs, units, size, biases, by_units))
            size = biases + (last - first) * _up(units)
            first = last
        self.runs.append(runs)
        return size

    def runs_of(self, layer: int, first: int, last: int) -> list[Run]:
        """The runs of the trials from ``first`` to before ``last`` alone."""
        return [run.within(first, last) for run in self.runs[layer] if run.first < last and run.last > first]

    def parts(self, place: int, flat: Tensor) -> list[Tensor]:
        """What of ``flat`` belongs to a trial, without padding: for each layer (inputs, units) and (units,)."""
        found: list[Tensor] = []
        for runs, stage in zip(self.runs, self._stages[place], strict=True):
            run = next(run for run in runs if run.first <= place < run.last)
            weights, biases = run.weights_of(flat)[place - run.first], run.biases_of(flat)[place - run.first]
            found += [weights[: stage.inputs, : stage.units], biases[: stage.units]]
        return found

    def send(self) -> None:
        """Take weights and moments from `near`."""
        for there, near in self._pairs:
            there.copy_(near)

    def fetch(self) -> None:
        """Put weights and moments into `near`."""
        for there, near in self._pairs:
            near.copy_(there)

    def step(self) -> None:
        """One step of the optimizer."""
        if self._mask is not None:
            self.gradient.mul_(self._mask)
        for values in self._values:
            update(self._optimizer, values)


def _up(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED
