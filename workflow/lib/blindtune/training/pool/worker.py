"""A worker of `blindtune.training.pool.trainer`: a process that trains what it is sent until the study ends.

``python -m blindtune.training.pool.worker DESCRIPTOR``, the end of a pair of sockets that it inherits.
"""

import os
import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any

from blindtune.core.errors import UserError
from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.records.trial import EpochMetrics
from blindtune.study.pending import outcome_from_error
from blindtune.training.base import Outcome, Trainer, TrainingOptions, train_each
from blindtune.training.pool.messages import Answer, Begun, Data, Ended, Job, Make, Measured, Ready

#: What a trial waits for an answer is no part of its time.
_WAITING = "waiting"


class Line:
    """What a worker hears and says.

    Once the other end is closed, by intention or since its process is dead, this process ends at once, whatever it is
    at: a thread listens all the time.
    """

    def __init__(self, descriptor: int) -> None:
        self._connection: Connection[Any, Any] = Connection(descriptor)
        self._heard: SimpleQueue[bytes] = SimpleQueue()
        Thread(target=self._listen, daemon=True).start()

    def hear(self) -> Any:
        """The next message; waits for it."""
        return pickle.loads(self._heard.get())  # noqa: S301  only the pool writes to this socket

    def say(self, message: object) -> None:
        """Send a message."""
        self._connection.send(message)

    def _listen(self) -> None:
        while True:
            try:
                self._heard.put(self._connection.recv_bytes())
            except (EOFError, OSError):
                os._exit(0)


def main(descriptor: int) -> None:
    """Work until the other end of the socket is closed."""
    # A user's stop reaches every process of a terminal; what it means here is for the pool to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = Line(descriptor)
    make: Make = line.hear()
    trainer = make()
    splits: tuple[Split, Split]
    line.say(Ready())
    while True:
        message = line.hear()
        if isinstance(message, Data):
            splits = pickle.loads(message.pickled)  # noqa: S301  as above
        else:
            line.say(Begun())
            _train(trainer, message, splits, line)
            line.say(Ready())


def _train(trainer: Trainer, jobs: Sequence[Job], splits: tuple[Split, Split], line: Line) -> None:
    sessions = [_session(job, line) for job in jobs]
    pairs = [(job.task, session) for job, session in zip(jobs, sessions, strict=True)]
    for place, outcome in train_each(trainer, pairs, *splits):
        seconds = {part: spent for part, spent in sessions[place].clock.seconds.items() if part != _WAITING}
        line.say(Ended(jobs[place].place, _sent(outcome), seconds))


def _session(job: Job, line: Line) -> TrainingOptions:
    clock = Stopwatch()
    return TrainingOptions(job.scoring, clock, _asking(job.place, clock, line), job.state, job.keep_state)


def _asking(place: int, clock: Stopwatch, line: Line) -> Callable[[int, EpochMetrics], str | None]:
    """What tells an epoch to the search and waits for what it says."""

    def after_epoch(epoch: int, measures: EpochMetrics) -> str | None:
        with clock.measure(_WAITING):
            line.say(Measured(place, epoch, measures))
            answer: Answer = line.hear()
            return answer.reason

    return after_epoch


def _sent(outcome: Outcome | Exception) -> Outcome | Exception:
    """An outcome that can be sent: of an error what it makes of its trial, or of the search.

    Not every error that a library raises can be pickled.
    """
    if isinstance(outcome, Outcome):
        return outcome
    try:
        return outcome_from_error(outcome)
    except (MemoryError, UserError) as error:
        kind = MemoryError if isinstance(error, MemoryError) else UserError
        return kind(str(error))


if __name__ == "__main__":
    main(int(sys.argv[1]))
