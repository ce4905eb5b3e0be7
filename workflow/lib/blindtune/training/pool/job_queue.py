"""The jobs of one call of a pool: which wait, which are trained, and which have ended."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from blindtune.records.trial import EpochMetrics
from blindtune.training.base import Outcome, TrainingJob, too_long
from blindtune.training.halves import halve
from blindtune.training.pool.messages import EpochReport, Job, JobFinished


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
        self._retries: list[list[str]] = [[] for _ in jobs]
        self._started: dict[int, str] = {}
        self._died_alone: set[int] = set()
        self._curves: list[list[EpochMetrics]] = [[] for _ in jobs]
        self._spent = [0.0 for _ in jobs]

    def has_more(self) -> bool:
        """Return whether there is anything left to train or to yield."""
        return bool(self._unfinished or self.finished)

    def take_part(self) -> list[Job]:
        """Remove the next part from the queue and return its jobs, as a worker gets them."""
        part = self.waiting.popleft()
        self._started |= dict.fromkeys(part, datetime.now(UTC).isoformat(timespec="milliseconds"))
        for index in part:
            self._curves[index], self._spent[index] = [], 0.0
        return [self._job(index) for index in part]

    def report_epoch(self, report: EpochReport) -> str | None:
        """Report an epoch of a job to the search; returns why the job is pruned, or None."""
        self._curves[report.index].append(report.metrics)
        self._spent[report.index] = report.spent
        return self._jobs[report.index][1].after_epoch(report.epoch, report.metrics)

    def seconds_left(self, part: list[int]) -> float | None:
        """Return the seconds that a worker may still take for jobs that it has not finished; None: no limit.

        Args:
            part: indices of the jobs. Those of a group share its time, so their limits add up.
        """
        limits = [self._jobs[index][1].limit for index in part]
        if not part or None in limits:
            return None
        return sum(max(0.0, limit - self._spent[index]) for index, limit in zip(part, limits, strict=True) if limit)

    def name(self, part: list[int]) -> str:
        """Return what a worker trains, for a message: the name of its job, or of the first of several."""
        first = self._jobs[part[0]][1].name or f"job {part[0] + 1}"
        return first if len(part) == 1 else f"{first} and {len(part) - 1} more"

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

    def on_worker_death(self, part: list[int], how: str, place: str = "") -> None:
        """Requeue the jobs of a worker that has died, in two halves; a job that was alone twice has failed.

        Args:
            part: indices of the jobs that the worker had not finished.
            how: how it died, for the records.
            place: where it was, such as `` on n2``; empty: on this machine.
        """
        if not part:
            return
        if len(part) == 1 and part[0] in self._died_alone:
            hint = ", as the system does when memory runs out" if how.endswith("SIGKILL") else ""
            self._finish(part[0], Outcome("failed", f"two workers died of it; the last {how}{hint}", [], None, None))
            return
        if len(part) == 1:
            self._died_alone.add(part[0])
        others = f", which trained {len(part)} trials at once" if len(part) > 1 else ""
        for index in part:
            self._retries[index].append(f"its worker{place} {how}{others}; trained again")
        self.waiting.extendleft(reversed(halve(part)))

    def on_worker_timeout(self, part: list[int], seconds: float) -> None:
        """Requeue the jobs of a worker that was ended since it took too long, in two halves; a single one has failed.

        Args:
            part: indices of the jobs that the worker had not finished.
            seconds: since the worker last told anything.
        """
        if len(part) > 1:
            for index in part:
                self._retries[index].append(f"its group of {len(part)} took longer than its trials may; trained again")
            self.waiting.extendleft(reversed(halve(part)))
            return
        [index] = part
        task, options = self._jobs[index]
        n_parameters = task.model.number_of_parameters() if task.model else None
        options.clock.add("train", self._spent[index] + seconds, 0.0)
        reason = too_long(options.limit or 0.0)
        self._finish(index, Outcome("failed", reason, self._curves[index], None, n_parameters))

    def _job(self, index: int) -> Job:
        task, options = self._jobs[index]
        return Job(index, task, options.score_epoch, options.state, options.keep_state, options.limit, options.metric)

    def _finish(self, index: int, outcome: Outcome | Exception) -> None:
        self._unfinished.remove(index)
        if isinstance(outcome, Outcome):
            outcome = replace(outcome, retries=self._retries[index], started=self._started[index])
        self.finished.append((index, outcome))
