"""The jobs of one call of a pool: which wait, which are trained, and which have ended."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from blindtune.records.trial import EpochMetrics
from blindtune.training.base import Outcome, TrainingJob, report_each_epoch_once
from blindtune.training.pool.messages import Job, JobFinished
from blindtune.training.pool.scheduling import halve


class JobQueue:
    """Jobs, divided into parts; one worker trains a part.

    Attributes:
        waiting: parts that no worker has; each is a list of indices of jobs.
        finished: indices and outcomes of jobs that the pool has not yielded yet.
    """

    def __init__(self, jobs: Sequence[TrainingJob], parts: list[list[int]]) -> None:
        """Queue jobs.

        Args:
            jobs: what to train.
            parts: indices of jobs, part by part, in the order in which workers get them.
        """
        self.waiting = deque(parts)
        self.finished: deque[tuple[int, Outcome | Exception]] = deque()
        self._jobs = jobs
        self._unfinished = set(range(len(jobs)))
        # A training that starts again must not report the same epochs twice.
        self._after_epoch = [report_each_epoch_once(options.after_epoch) for _, options in jobs]
        self._retries: list[list[str]] = [[] for _ in jobs]
        self._started: dict[int, str] = {}
        self._died_alone: set[int] = set()

    def has_more(self) -> bool:
        """Return whether there is anything left to train or to yield."""
        return bool(self._unfinished or self.finished)

    def take_part(self) -> list[Job]:
        """Remove the next part from the queue and return its jobs, as a worker gets them."""
        part = self.waiting.popleft()
        self._started |= dict.fromkeys(part, datetime.now(UTC).isoformat(timespec="milliseconds"))
        return [self._job(index) for index in part]

    def report_epoch(self, index: int, epoch: int, metrics: EpochMetrics) -> str | None:
        """Report an epoch of a job to the search.

        Args:
            index: of the job.
            epoch: its number.
            metrics: of the epoch.

        Returns:
            Why the job is pruned, or None.
        """
        return self._after_epoch[index](epoch, metrics)

    def finish(self, message: JobFinished) -> None:
        """Record that a job has ended, and add its seconds to its clock."""
        clock = self._jobs[message.index][1].clock
        for part, spent in message.seconds.items():
            clock.add(part, spent.wall, spent.cpu)
        self._finish(message.index, message.outcome)

    def requeue(self, part: list[int]) -> None:
        """Put jobs back at the front that were sent to a worker which was dead already; that is no retry."""
        if part:
            self.waiting.appendleft(part)

    def on_worker_death(self, part: list[int], how: str) -> None:
        """Requeue the jobs of a worker that has died, in two halves; a job that was alone twice has failed.

        Args:
            part: indices of the jobs that the worker had not finished.
            how: how it died, for the records.
        """
        if not part:
            return
        if len(part) == 1 and part[0] in self._died_alone:
            self._finish(part[0], Outcome("failed", f"two workers died of it; the last {how}", [], None, None))
            return
        if len(part) == 1:
            self._died_alone.add(part[0])
        others = f", which trained {len(part)} trials at once" if len(part) > 1 else ""
        for index in part:
            self._retries[index].append(f"its worker {how}{others}; trained again")
        self.waiting.extendleft(reversed(halve(part)))

    def _job(self, index: int) -> Job:
        task, options = self._jobs[index]
        return Job(index, task, options.score_epoch, options.state, options.keep_state)

    def _finish(self, index: int, outcome: Outcome | Exception) -> None:
        self._unfinished.remove(index)
        if isinstance(outcome, Outcome):
            outcome = replace(outcome, retries=self._retries[index], started=self._started[index])
        self.finished.append((index, outcome))
