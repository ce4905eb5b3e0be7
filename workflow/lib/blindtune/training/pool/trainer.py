"""A trainer that divides its jobs among worker processes; each job is bit-identical to training it alone.

A worker imports its libraries once, computes on one thread and maps the data from the disk. A launcher says where
workers start: on this machine, or on the nodes of an allocation. If a worker dies, its jobs are retried in another
worker and each retry is recorded in `blindtune.records.trial.Trial.retries`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import wait
from typing import Any

from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.timing import AWAKE
from blindtune.datasets.base import Split
from blindtune.training.base import (
    BatchTrainer,
    Model,
    Outcome,
    Predict,
    Trainer,
    TrainingJob,
    TrainingOptions,
    TrainingTask,
)
from blindtune.training.pool.channel import Channel
from blindtune.training.pool.job_queue import JobQueue
from blindtune.training.pool.launcher import Death, Launcher, LocalLauncher
from blindtune.training.pool.messages import (
    EpochReport,
    JobFinished,
    JobsAccepted,
    PruneDecision,
    Ready,
    TrainerFactory,
)
from blindtune.training.pool.scheduling import balance, estimate_cost
from blindtune.training.pool.shared_arrays import SharedPickle
from blindtune.training.pool.worker_process import WorkerProcess, end_together

#: Jobs in a batch for each worker, of a trainer that trains one at a time: at the end of a batch, workers wait.
JOBS_PER_WORKER = 32

#: Consecutive jobs for each worker that are sorted by cost: workers end more evenly if the longest come first.
SORTED_PER_WORKER = 4

#: Seconds without a message after which a worker is named: one that is stopped, and one that runs.
STOPPED_AFTER, SILENT_AFTER = 10.0, 300.0

#: Seconds in which a worker on another node must connect: its libraries may be read from a slow file system.
START_SECONDS = 300.0

#: Seconds between two looks at workers that say nothing.
_LOOK_EVERY = 0.5

#: Seconds that a training gets beyond its limit to end by itself, after an epoch, before its worker is killed.
GRACE = 1.0

#: Consecutive workers, for each worker of the pool, that may die before they could train.
MAX_STARTUP_FAILURES = 3


class Pool:
    """Trains with another trainer, in worker processes; `close` ends them.

    Workers are started when there are jobs, and kept for the next batch.
    """

    benefits_from_workers = False

    def __init__(
        self,
        trainer: Trainer,
        factory: TrainerFactory,
        workers: int,
        notice: Callable[[str], None] = lambda line: None,
        max_trainings: int | None = None,
        launcher: Launcher | None = None,
    ) -> None:
        """Take the place of a trainer.

        Args:
            trainer: trains and rebuilds single models in this process.
            factory: creates an equal trainer in each worker.
            workers: maximum number of worker processes on this machine.
            notice: called with a message about a worker that is stopped or silent.
            max_trainings: trainings after which a worker is replaced by a new one; None: never.
            launcher: starts the workers, in place of ``workers``; `close` closes it.
        """
        self._launcher = LocalLauncher(workers) if launcher is None else launcher
        workers = self._launcher.workers
        self.supports_resume = trainer.supports_resume
        self.max_batch = workers * (trainer.max_batch if isinstance(trainer, BatchTrainer) else JOBS_PER_WORKER)
        self._trainer = trainer
        self._factory = factory
        self._workers = workers
        self._notice = notice
        self._max_trainings = max_trainings
        self._processes: list[WorkerProcess] = []
        self._splits: tuple[Split, Split] | None = None
        self._data: SharedPickle | None = None
        self._startup_failures = 0
        AWAKE.watch()

    def versions(self) -> dict[str, str]:
        """Return the versions of the trainer."""
        return self._trainer.versions()

    def train(self, task: TrainingTask, train: Split, dev: Split, options: TrainingOptions) -> Outcome:
        """Train a single task in this process; see `blindtune.training.base.Trainer.train`."""
        return self._trainer.train(task, train, dev, options)

    def rebuild(self, task: TrainingTask, weights: Mapping[str, NDArray[Any]], train: Split) -> Model | Predict:
        """Rebuild a trained model in this process; see `blindtune.training.base.Trainer.rebuild`."""
        return self._trainer.rebuild(task, weights, train)

    def partition(self, jobs: Sequence[TrainingJob], train: Split) -> list[list[int]]:
        """Return the parts that workers train, in the order in which they get them.

        Jobs that are trained alone stay nearly in their own order: a search records outcomes in order, and a kill loses
        those that have ended but wait for one before them.

        Args:
            jobs: what would be trained.
            train: samples to train on.
        """
        costs = [estimate_cost(*job) for job in jobs]
        if isinstance(self._trainer, BatchTrainer):
            try:
                parts = self._trainer.partition(jobs, train)
            except UserError:
                raise
            except Exception:  # of one set: the worker that gets it alone meets it again, and gives its reason
                parts = [[index] for index in range(len(jobs))]
            return balance(parts, costs, self._workers)
        size = SORTED_PER_WORKER * self._workers
        return [[index] for index in sorted(range(len(jobs)), key=lambda index: (index // size, -costs[index]))]

    def train_batch(
        self, jobs: Sequence[TrainingJob], train: Split, dev: Split
    ) -> Iterator[tuple[int, Outcome | Exception]]:
        """Train every job in a worker; see `blindtune.training.base.BatchTrainer.train_batch`.

        Args:
            jobs: what to train.
            train: samples to train on.
            dev: samples to score.

        Yields:
            The index of a job and its outcome or error, as soon as the job ends.

        Raises:
            UserError: workers die before they can train, or there is no room for arrays that must be written for them.
        """
        queue = JobQueue(jobs, self.partition(jobs, train))
        data = self._share(train, dev)
        try:
            while queue.has_more():
                self._dispatch(queue, data)
                # Messages first, since workers wait for answers; whoever takes an outcome may be slow.
                if not self._poll(queue, block=not queue.finished) and queue.finished:
                    yield queue.finished.popleft()
        finally:
            self._end_all([process for process in self._processes if process.part])

    def close(self) -> None:
        """End every worker."""
        self._end_all(self._processes.copy())
        self._launcher.close()
        if self._data is not None:
            self._data.close()
        self._splits = self._data = None

    def _share(self, train: Split, dev: Split) -> SharedPickle:
        """Return the splits as workers get them; the same object as long as the splits are the same."""
        if self._data is None or self._splits is None or not (train is self._splits[0] and dev is self._splits[1]):
            if self._data is not None:
                self._data.close()
            self._splits, self._data = (train, dev), SharedPickle((train, dev), self._launcher.arrays_folder)
        return self._data

    def _dispatch(self, queue: JobQueue, data: SharedPickle) -> None:
        """Send a part to every idle worker; start more workers if more parts wait."""
        for process in self._processes:
            if process.idle and queue.waiting:
                process.train(queue.take_part(), data)
        # Workers without a part are those that start, or have not sent yet that they are ready again.
        free = sum(not process.part for process in self._processes)
        for _ in range(min(self._launcher.count_free(), len(queue.waiting) - free)):
            self._processes.append(WorkerProcess(self._launcher.launch(), self._factory))

    def _poll(self, queue: JobQueue, block: bool) -> bool:
        """Handle one message of every worker that has sent one; return whether there was any."""
        for process in self._processes.copy():
            if process.channel is None:
                self._check_start(process, queue)
        processes = {process.channel: process for process in self._processes if process.channel is not None}
        # It takes everything that has a `fileno`, but its annotation does not say so.
        channels: list[Any] = list(processes)
        ready: list[Any] = wait(channels, _LOOK_EVERY if block else 0)
        for channel in ready:
            process = processes[channel]
            self._handle(process, channel, queue)
            process.touch()
        # Those that have sent something are not late, however long this process was busy.
        for process in self._processes.copy():
            if not process.idle and process.channel is not None and process.channel not in ready:
                self._check_silent(process, queue)
        return bool(ready)

    def _check_start(self, process: WorkerProcess, queue: JobQueue) -> None:
        """Let a worker connect, or give up one that has ended before, or does not come."""
        if not process.connect() and (process.has_exited() or process.silent > START_SECONDS):
            self._on_worker_exit(process, queue)

    def _check_silent(self, process: WorkerProcess, queue: JobQueue) -> None:
        """End a worker that has used up the seconds of its jobs; name one that is stopped or silent."""
        silent, left = process.silent, queue.seconds_left(process.part)
        if left is not None and silent > left + GRACE:
            process.launched.kill()
            self._end(process)
            queue.on_worker_timeout(process.part, silent)
        elif not process.named and silent > STOPPED_AFTER and (silent > SILENT_AFTER or process.launched.is_stopped()):
            process.named = True
            trains = f", which trains {queue.name(process.part)}," if process.part else ""
            state = "has not finished an epoch" if process.part else "is not ready"
            if process.launched.is_stopped():
                state = f"is stopped (kill -CONT {process.launched.process.pid} lets it go on)"
            self._notice(f"{process.launched.name}{trains} {state} since {silent:.0f} s.{_advise(process)}")

    def _handle(self, process: WorkerProcess, channel: Channel, queue: JobQueue) -> None:
        try:
            message = channel.receive()
        except (EOFError, OSError):
            self._on_worker_exit(process, queue)
            return
        match message:
            case Ready():
                process.idle = True
                if self._max_trainings is not None and process.trainings >= self._max_trainings:
                    self._end(process)
            case JobsAccepted():
                process.accepted = True
                self._startup_failures = 0
                self._launcher.note_trained(process.launched)
            case EpochReport():
                process.send(PruneDecision(queue.report_epoch(message)))
            case JobFinished():
                process.part.remove(message.index)
                queue.finish(message)

    def _on_worker_exit(self, process: WorkerProcess, queue: JobQueue) -> None:
        how = self._end(process, "late" if process.accepted else "early")
        place = process.launched.place
        if process.accepted:
            queue.on_worker_death(process.part, how, place)
            return
        queue.requeue(process.part)
        self._startup_failures += 1
        fewer = f", or set workers to less than {self._workers}" if self._workers > 1 else ""
        if self._startup_failures == MAX_STARTUP_FAILURES * self._workers:
            raise UserError(
                f"a worker{place} {how} before it could train, as {self._startup_failures - 1} others did before it. "
                f"What they printed says why; if nothing does, give them more memory{fewer}."
            )

    def _end(self, process: WorkerProcess, died: Death | None = None) -> str:
        self._processes.remove(process)
        how = process.end()
        self._launcher.release(process.launched, died)
        return how

    def _end_all(self, processes: list[WorkerProcess]) -> None:
        end_together(processes)
        for process in processes:
            self._launcher.release(process.launched)
        self._processes = [process for process in self._processes if process not in processes]


def _advise(process: WorkerProcess) -> str:
    """Return what a user can do about a worker that is silent."""
    if not process.part:
        return ""
    return (
        f" {process.launched.how_to_end} ends it: what it trains is trained once more, and has failed if that is ended "
        "too. budget.trial_seconds would limit each trial, but it is part of the study: with another limit its search "
        "begins again, and its records are moved aside."
    )
