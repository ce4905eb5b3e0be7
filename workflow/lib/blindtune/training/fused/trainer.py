"""The fused trainer: many multilayer perceptrons as one model, each bit-identical to training it alone.

It trains the models of `blindtune.training.pytorch`, from the same initial weights and in the same order of samples;
`blindtune.training.fused.forward_backward` computes their gradients. A trial's memory layout and the order of its sums
depend on the trial only, so on a CPU its numbers do not depend on the other trials of its group. CUDA's libraries
choose their algorithms by the size of the whole, and agree up to rounding. Source: horizontally fused training arrays
(HFTA, Wang et al., MLSys 2021).
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar

import numpy as np
from torch import Tensor

from blindtune.datasets.base import Split
from blindtune.training.base import Outcome, TrainingJob, TrainingOptions, TrainingTask
from blindtune.training.devices import device_name
from blindtune.training.fused.execution import plan_for
from blindtune.training.fused.group import ModelOutline, estimate_bytes, group_key, sort_key
from blindtune.training.fused.loop import FusedTrainingLoop, FusedTrial
from blindtune.training.pytorch import PyTorchTrainer, Samples, to_samples


@dataclass(frozen=True)
class _Outlined:
    """A job as `FusedTrainer.partition` groups it: no weights are built for that."""

    index: int
    model: ModelOutline


Grouped = TypeVar("Grouped", FusedTrial, _Outlined)


class FusedTrainer(PyTorchTrainer):
    """Trains multilayer perceptrons in groups; resuming is bit-identical to training without a break.

    Attributes:
        max_batch: see `blindtune.training.base.BatchTrainer`.
        benefits_from_workers: see `blindtune.training.base.BatchTrainer`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._plan = plan_for(self.device)
        self.max_batch = self._plan.max_batch
        self.benefits_from_workers = self._plan.benefits_from_workers

    def versions(self) -> dict[str, str]:
        """Return the version of PyTorch, and the device."""
        return super().versions() | {"device": device_name(self.device)}

    def train(self, task: TrainingTask, train: Split, dev: Split, options: TrainingOptions) -> Outcome:
        """Train a single task as a batch of one; see `blindtune.training.base.Trainer.train`."""
        [(_, outcome)] = self.train_batch([(task, options)], train, dev)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def train_batch(
        self, jobs: Sequence[TrainingJob], train: Split, dev: Split
    ) -> Iterator[tuple[int, Outcome | Exception]]:
        """Train jobs in groups, as large as memory and cache allow; see `blindtune.training.base.BatchTrainer`.

        Args:
            jobs: what to train.
            train: samples to train on.
            dev: samples to score.

        Yields:
            The index of a job and its outcome or error, as soon as the job ends.
        """
        loop = FusedTrainingLoop(self._load_split(train, flat=True), self._load_split(dev, flat=False))
        trials: list[FusedTrial] = []
        postponed: list[int] = []
        for index, (task, options) in enumerate(jobs):
            try:
                trials.append(FusedTrial(index, task, options, self._plan))
            except ValueError as error:
                yield index, error
            except Exception:  # the models of the others may have taken the memory
                postponed.append(index)
        groups = deque(self._create_groups(trials, len(train.y)))
        trials.clear()
        while groups:
            yield from loop.run(groups.popleft())
        for index in postponed:
            yield from self._train_alone(index, jobs[index], loop)

    def partition(self, jobs: Sequence[TrainingJob], train: Split) -> list[list[int]]:
        """Return the groups of `train_batch`, and each job that cannot be fused alone.

        Args:
            jobs: what would be trained.
            train: samples to train on.
        """
        outlines: list[_Outlined] = []
        alone: list[list[int]] = []
        for index, (task, options) in enumerate(jobs):
            try:
                outlines.append(_Outlined(index, ModelOutline(task, self._plan, options.trained_before)))
            except Exception:  # the worker that gets it meets it again, and gives its reason
                alone.append([index])
        return [[each.index for each in group] for group in self._create_groups(outlines, len(train.y))] + alone

    def _train_alone(
        self, index: int, job: TrainingJob, loop: FusedTrainingLoop
    ) -> Iterator[tuple[int, Outcome | Exception]]:
        """Build and train a single job."""
        try:
            trial = FusedTrial(index, *job, self._plan)
        except Exception as error:  # of a single job, any error is its outcome
            yield index, error
            return
        yield from loop.run([trial])

    def _load_split(self, split: Split, flat: bool) -> Samples:
        """Return a split on the device; if ``flat``, every sample is one vector, the last axis running fastest."""
        samples = to_samples(replace(split, x=np.asarray(split.x).reshape(len(split.y), -1)) if flat else split)
        x = samples.x.to(self.device) if isinstance(samples.x, Tensor) else samples.x
        weights = None if samples.weights is None else samples.weights.to(self.device)
        return Samples(x, samples.y.to(self.device), weights)

    def _create_groups(self, trials: list[Grouped], samples: int) -> list[list[Grouped]]:
        """Divide the trials into groups that fit into memory, in the order of their first trials."""
        memory = self._plan.group_memory()
        groups: list[list[Grouped]] = []
        for _, alike in groupby(sorted(trials, key=_trial_key), key=_trial_key):
            candidates = list(alike)
            size = self._group_size(len(candidates))
            used = math.inf
            for trial in candidates:
                needed = estimate_bytes(trial.model, samples)
                used += needed
                if used > memory or len(groups[-1]) == size:
                    groups.append([])
                    used = needed
                groups[-1].append(trial)
        groups.sort(key=lambda group: group[0].index)
        return [sorted(group, key=lambda trial: sort_key(trial.model)) for group in groups]

    def _group_size(self, trials: int) -> int:
        """Return the maximum size of the groups of so many trials, so that groups have about the same size."""
        if self._plan.max_group is None:
            return trials
        # Two groups of 17 are faster than one of 32 and one of two.
        return math.ceil(trials / math.ceil(trials / self._plan.max_group))


def _trial_key(trial: FusedTrial | _Outlined) -> tuple[object, ...]:
    return group_key(trial.model)
