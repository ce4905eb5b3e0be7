"""The fused trainer: many multilayer perceptrons as one model, each bit-identical to training it alone.

It trains the models of `blindtune.training.pytorch`, from the same initial weights and in the same order of samples;
`blindtune.training.fused.forward_backward` computes their gradients. A trial's memory layout and the order of its sums
depend on the trial only, so on a CPU its numbers do not depend on the other trials of its group. CUDA's libraries
choose their algorithms by the size of the whole, and agree up to rounding. Source: horizontally fused training arrays
(HFTA, Wang et al., MLSys 2021).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from torch import Tensor

from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.training.base import Outcome, TrainingJob, TrainingOptions, TrainingTask
from blindtune.training.devices import device_name
from blindtune.training.fused.execution import plan_for
from blindtune.training.fused.group import estimate_bytes, group_key, sort_key
from blindtune.training.fused.loop import FusedTrainingLoop, FusedTrial
from blindtune.training.pytorch import PyTorchTrainer, Samples, to_samples


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
        trials, errors = self._create_trials(jobs)
        yield from errors
        for group in self._create_groups(trials, len(train.y)):
            yield from loop.run(group)

    def partition(self, jobs: Sequence[TrainingJob], train: Split) -> list[list[int]]:
        """Return the groups of `train_batch`, and each job that cannot be fused alone.

        Args:
            jobs: what would be trained.
            train: samples to train on.
        """
        # The worker that trains them builds them again, and measures that.
        unmeasured = [(task, replace(options, clock=Stopwatch())) for task, options in jobs]
        trials, errors = self._create_trials(unmeasured)
        groups = [[trial.index for trial in group] for group in self._create_groups(trials, len(train.y))]
        return groups + [[index] for index, _ in errors]

    def _create_trials(self, jobs: Sequence[TrainingJob]) -> tuple[list[FusedTrial], list[tuple[int, Exception]]]:
        """Return the jobs with their models, and the indices and errors of those that cannot be fused."""
        trials: list[FusedTrial] = []
        errors: list[tuple[int, Exception]] = []
        for index, (task, options) in enumerate(jobs):
            try:
                trials.append(FusedTrial(index, task, options, self._plan))
            except ValueError as error:
                errors.append((index, error))
        return trials, errors

    def _load_split(self, split: Split, flat: bool) -> Samples:
        """Return a split on the device; if ``flat``, every sample is one vector, the last axis running fastest."""
        samples = to_samples(replace(split, x=np.asarray(split.x).reshape(len(split.y), -1)) if flat else split)
        x = samples.x.to(self.device) if isinstance(samples.x, Tensor) else samples.x
        return Samples(x, samples.y.to(self.device))

    def _create_groups(self, trials: list[FusedTrial], samples: int) -> list[list[FusedTrial]]:
        """Divide the trials into groups that fit into memory, in the order of their first trials."""
        memory = self._plan.group_memory()
        groups: list[list[FusedTrial]] = []
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


def _trial_key(trial: FusedTrial) -> tuple[object, ...]:
    return group_key(trial.model)
