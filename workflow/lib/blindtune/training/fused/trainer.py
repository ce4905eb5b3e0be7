"""The fused trainer: many multilayer perceptrons as one model, each bit-identical to training it alone.

It trains what `blindtune.training.pytorch` trains, from the same weights and in the same order of samples; forward and
backward pass are written out (`blindtune.training.fused.forward_backward`). The memory layout of a trial and the order
of its sums depend on the trial alone, so on a CPU its numbers do not depend on the other trials of its group. CUDA's
libraries choose their algorithms by the size of the whole, and agree up to rounding. Horizontally fused training is
known from HFTA (Wang et al., MLSys 2021).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.training.base import Outcome, TrainingOptions, TrainingTask
from blindtune.training.devices import name_of
from blindtune.training.fused.execution import way_of
from blindtune.training.fused.group import bytes_of, kind_of, order_of
from blindtune.training.fused.loop import Course, Trial
from blindtune.training.pytorch import PyTorchTrainer, Samples, samples_of

#: Bytes that the groups of a processor may take, beside the data.
MEMORY = 2**30

#: The same of a CUDA device, as a share of what is free there.
SHARE = 0.5

#: Most trials of a group on a processor: what more of them work on does not fit into its cache.
MOST = 32


class FusedTrainer(PyTorchTrainer):
    """Trains multilayer perceptrons, many at once; a training that goes on equals one that never stopped."""

    def __init__(self) -> None:
        super().__init__()
        self._cuda = self.device.type == "cuda"
        #: So many that nearly whole groups of each depth and batch size are among them.
        self.max_batch = 512 if self._cuda else 4 * MOST
        self.benefits_from_workers = not self._cuda

    def versions(self) -> dict[str, str]:
        """The version of PyTorch, and the device."""
        return super().versions() | {"device": name_of(self.device)}

    def train(self, task: TrainingTask, train: Split, dev: Split, session: TrainingOptions) -> Outcome:
        """Train a single task to its last epoch, scoring dev after each; ends early when a loss is not finite."""
        [(_, outcome)] = self.train_batch([(task, session)], train, dev)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def train_batch(
        self, jobs: Sequence[tuple[TrainingTask, TrainingOptions]], train: Split, dev: Split
    ) -> Iterator[tuple[int, Outcome | Exception]]:
        """Train tasks in groups of one kind, as large as memory and cache allow."""
        course = Course(self._samples(train, flat=True), self._samples(dev, flat=False))
        trials, wrong = self._trials(jobs)
        yield from wrong
        for group in self._groups(trials, len(train.y)):
            yield from course.run(group)

    def partition(self, jobs: Sequence[tuple[TrainingTask, TrainingOptions]], train: Split) -> list[list[int]]:
        """The groups of `train_batch`, and alone what cannot be fused."""
        # Whoever trains them builds them again, and books that.
        unbooked = [(task, replace(session, clock=Stopwatch())) for task, session in jobs]
        trials, wrong = self._trials(unbooked)
        groups = [[trial.place for trial in group] for group in self._groups(trials, len(train.y))]
        return groups + [[place] for place, _ in wrong]

    def _trials(
        self, jobs: Sequence[tuple[TrainingTask, TrainingOptions]]
    ) -> tuple[list[Trial], list[tuple[int, Exception]]]:
        """The tasks, built, and the places of those that cannot be fused, with the reasons."""
        trials: list[Trial] = []
        wrong: list[tuple[int, Exception]] = []
        for place, (task, session) in enumerate(jobs):
            try:
                trials.append(Trial(place, task, session, way_of(self.device)))
            except ValueError as error:
                wrong.append((place, error))
        return trials, wrong

    def _samples(self, split: Split, flat: bool) -> Samples:
        """A split where it is computed on; ``flat``: every sample as one vector, the last axis running fastest."""
        samples = samples_of(replace(split, x=np.asarray(split.x).reshape(len(split.y), -1)) if flat else split)
        x = samples.x.to(self.device) if isinstance(samples.x, Tensor) else samples.x
        return Samples(x, samples.y.to(self.device))

    def _groups(self, trials: list[Trial], samples: int) -> list[list[Trial]]:
        """The trials, those of one kind together, as many as fit; who came first, goes first."""
        memory = SHARE * torch.cuda.mem_get_info()[0] if self._cuda else MEMORY
        groups: list[list[Trial]] = []
        for _, alike in groupby(sorted(trials, key=_kind), key=_kind):
            kin = list(alike)
            # As even as can be: two groups of seventeen are faster than one of 32 and one of two.
            most = len(kin) if self._cuda else math.ceil(len(kin) / math.ceil(len(kin) / MOST))
            taken = math.inf
            for trial in kin:
                needed = bytes_of(trial.member, samples)
                taken += needed
                if taken > memory or len(groups[-1]) == most:
                    groups.append([])
                    taken = needed
                groups[-1].append(trial)
        groups.sort(key=lambda group: group[0].place)
        return [sorted(group, key=lambda trial: order_of(trial.member)) for group in groups]


def _kind(trial: Trial) -> tuple[object, ...]:
    return kind_of(trial.member)
