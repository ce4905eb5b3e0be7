"""Jobs that came to the pool together, on their way."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from blindtune.records.trial import EpochMetrics
from blindtune.training.base import Outcome, TrainingOptions, TrainingTask, report_each_epoch_once
from blindtune.training.pool.messages import Ended, Job
from blindtune.training.pool.scheduling import halves


class Round:
    """Jobs, in parts; a part is trained by one worker.

    Attributes:
        waiting: places of those that no worker has, part by part.
        ended: places and outcomes of those that nobody has taken yet.
    """

    def __init__(self, jobs: Sequence[tuple[TrainingTask, TrainingOptions]], parts: list[list[int]]) -> None:
        self.waiting = deque(parts)
        self.ended: deque[tuple[int, Outcome | Exception]] = deque()
        self._jobs = jobs
        self._under_way = set(range(len(jobs)))
        # A training that begins again does not tell the same epochs twice.
        self._after_epoch = [report_each_epoch_once(session.after_epoch) for _, session in jobs]
        self._retries: list[list[str]] = [[] for _ in jobs]
        self._started: dict[int, str] = {}
        self._died_alone: set[int] = set()

    def going(self) -> bool:
        """Whether there is anything left to be trained or taken."""
        return bool(self._under_way or self.ended)

    def next_part(self) -> list[Job]:
        """Take the part that comes next: what a worker needs to know of its jobs."""
        part = self.waiting.popleft()
        self._started |= dict.fromkeys(part, datetime.now(UTC).isoformat(timespec="milliseconds"))
        return [self._job(place) for place in part]

    def measured(self, place: int, epoch: int, measures: EpochMetrics) -> str | None:
        """An epoch of a job; why it is to be stopped."""
        return self._after_epoch[place](epoch, measures)

    def end(self, ended: Ended) -> None:
        """A job has ended."""
        clock = self._jobs[ended.place][1].clock
        for part, spent in ended.seconds.items():
            clock.add(part, spent.wall, spent.cpu)
        self._ended(ended.place, ended.outcome)

    def give_back(self, part: list[int]) -> None:
        """These jobs were sent to a worker that was dead already."""
        if part:
            self.waiting.appendleft(part)

    def lost(self, part: list[int], how: str) -> None:
        """The worker of these jobs has died: they begin again, in halves; one that was alone twice has failed."""
        if not part:
            return
        if len(part) == 1 and part[0] in self._died_alone:
            self._ended(part[0], Outcome("failed", f"two workers died of it; the last {how}", [], None, None))
            return
        if len(part) == 1:
            self._died_alone.add(part[0])
        others = f", which trained {len(part)} trials at once" if len(part) > 1 else ""
        for place in part:
            self._retries[place].append(f"its worker {how}{others}; trained again")
        self.waiting.extendleft(reversed(halves(part)))

    def _job(self, place: int) -> Job:
        task, session = self._jobs[place]
        return Job(place, task, session.scoring, session.state, session.keep_state)

    def _ended(self, place: int, outcome: Outcome | Exception) -> None:
        self._under_way.remove(place)
        if isinstance(outcome, Outcome):
            outcome = replace(outcome, retries=self._retries[place], started=self._started[place])
        self.ended.append((place, outcome))
