"""A trainer whose tasks are trained by several processes at a time, each task as if it were alone.

A worker imports its libraries once, computes on one thread and maps the data from the disk. It may die: what it was at
is trained again elsewhere, and its record says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import wait
from typing import Any

from numpy.typing import NDArray

from blindtune.datasets.base import Split
from blindtune.training.base import BatchTrainer, Outcome, Predict, Trainer, TrainingOptions, TrainingTask
from blindtune.training.pool.job_queue import Round
from blindtune.training.pool.messages import Answer, Begun, Ended, Make, Measured, Ready
from blindtune.training.pool.scheduling import balanced, cost_of
from blindtune.training.pool.shared_arrays import Mapped
from blindtune.training.pool.worker_process import Process

#: Tasks for each worker that are taken at once where each is trained alone: at their end one worker waits for another.
AT_ONCE = 32

#: So many of them for each worker may change places: the longest first, they end more evenly.
NEAR = 4

#: So many workers in a row, for each that there may be, die before they could train.
STILLBORN = 3


class Pool:
    """Trains with another trainer, in processes of its own; `close` ends them.

    They are started when there is something to train, and kept.
    """

    benefits_from_workers = False

    def __init__(self, trainer: Trainer, make: Make, workers: int) -> None:
        """Take the place of ``trainer``.

        Args:
            trainer: trains and rebuilds single models in this process.
            make: makes another of it in each worker.
            workers: processes.
        """
        self.supports_resume = trainer.supports_resume
        self.max_batch = workers * (trainer.max_batch if isinstance(trainer, BatchTrainer) else AT_ONCE)
        self._trainer = trainer
        self._make = make
        self._workers = workers
        self._processes: list[Process] = []
        self._splits: tuple[Split, Split] | None = None
        self._data: Mapped | None = None
        self._stillborn = 0

    def versions(self) -> dict[str, str]:
        """Those of the trainer."""
        return self._trainer.versions()

    def train(self, task: TrainingTask, train: Split, dev: Split, session: TrainingOptions) -> Outcome:
        """Train a single task in this process."""
        return self._trainer.train(task, train, dev, session)

    def rebuild(self, task: TrainingTask, weights: Mapping[str, NDArray[Any]], train: Split) -> Predict:
        """The trained model again, in this process."""
        return self._trainer.rebuild(task, weights, train)

    def partition(self, jobs: Sequence[tuple[TrainingTask, TrainingOptions]], train: Split) -> list[list[int]]:
        """What the workers take, in this order.

        Single tasks nearly in their own order, so that a kill of everything loses few that have ended but wait for one
        before them; groups by their costs.
        """
        costs = [cost_of(*job) for job in jobs]
        if isinstance(self._trainer, BatchTrainer):
            return balanced(self._trainer.partition(jobs, train), costs, self._workers)
        near = NEAR * self._workers
        return [[place] for place in sorted(range(len(jobs)), key=lambda place: (place // near, -costs[place]))]

    def train_batch(
        self, jobs: Sequence[tuple[TrainingTask, TrainingOptions]], train: Split, dev: Split
    ) -> Iterator[tuple[int, Outcome | Exception]]:
        """Train every task in some worker.

        Raises:
            RuntimeError: no worker comes as far as to train.
            UserError: there is no room for data that have to be written for them.
        """
        round_ = Round(jobs, self.partition(jobs, train))
        data = self._mapped(train, dev)
        try:
            while round_.going():
                self._deal(round_, data)
                # Whatever a worker waits for comes first: whoever takes an outcome may be slow.
                if not self._listen(round_, wait_for_more=not round_.ended):
                    yield round_.ended.popleft()
        finally:
            for process in self._processes.copy():
                if process.part:
                    self._end(process)

    def close(self) -> None:
        """End every worker."""
        for process in self._processes.copy():
            self._end(process)
        if self._data is not None:
            self._data.close()
        self._splits = self._data = None

    def _mapped(self, train: Split, dev: Split) -> Mapped:
        """The splits as they are sent; the same as long as they are the same."""
        if self._data is None or self._splits is None or not (train is self._splits[0] and dev is self._splits[1]):
            if self._data is not None:
                self._data.close()
            self._splits, self._data = (train, dev), Mapped((train, dev))
        return self._data

    def _deal(self, round_: Round, data: Mapped) -> None:
        """Give every idle worker a part; start as many workers as there are parts for, and may be."""
        for process in self._processes:
            if process.idle and round_.waiting:
                process.train(round_.next_part(), data)
        # Those that start, or have not yet said that they are ready again.
        free = sum(not process.part for process in self._processes)
        for _ in range(min(self._workers - len(self._processes), len(round_.waiting) - free)):
            self._processes.append(Process(self._make))

    def _listen(self, round_: Round, wait_for_more: bool) -> bool:
        """Take a message of every worker that has sent one; whether there was any."""
        processes = {process.connection: process for process in self._processes}
        ready = wait(list(processes), None if wait_for_more else 0)
        for connection in ready:
            self._hear(processes[connection], round_)  # type: ignore[index]
        return bool(ready)

    def _hear(self, process: Process, round_: Round) -> None:
        try:
            message = process.connection.recv()
        except (EOFError, OSError):
            self._bury(process, round_)
            return
        match message:
            case Ready():
                process.idle = True
            case Begun():
                process.begun = True
                self._stillborn = 0
            case Measured(place, epoch, measures):
                process.send(Answer(round_.measured(place, epoch, measures)))
            case Ended():
                process.part.remove(message.place)
                round_.end(message)

    def _bury(self, process: Process, round_: Round) -> None:
        """A worker has died."""
        how = self._end(process)
        if process.begun:
            round_.lost(process.part, how)
            return
        round_.give_back(process.part)
        self._stillborn += 1
        if self._stillborn == STILLBORN * self._workers:
            raise RuntimeError(f"a worker {how} before it could train, as {self._stillborn - 1} others did before it")

    def _end(self, process: Process) -> str:
        self._processes.remove(process)
        return process.end()
