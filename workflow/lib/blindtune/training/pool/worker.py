"""The program of a worker: a process that trains jobs for `blindtune.training.pool.trainer` until the study ends.

``python -m blindtune.training.pool.worker DESCRIPTOR``, where the descriptor is the inherited end of a socket pair, or
``... ADDRESS PORT NUMBER``, where a study listens on another node and the key of 32 bytes comes by the standard input.
"""

import os
import pickle
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from blindtune.core.errors import UserError
from blindtune.core.timing import AWAKE, Stopwatch
from blindtune.datasets.base import Split
from blindtune.records.trial import EpochMetrics
from blindtune.training.base import (
    WAITING_PARTS,
    AfterEpoch,
    Outcome,
    Trainer,
    TrainingOptions,
    outcome_from_error,
    train_each,
)
from blindtune.training.pool.channel import DIGEST_BYTES, Channel
from blindtune.training.pool.handshake import connect_to_study
from blindtune.training.pool.messages import (
    Data,
    EpochReport,
    Job,
    JobFinished,
    JobsAccepted,
    PruneDecision,
    Ready,
    TrainerFactory,
)

#: The part of a clock that counts the wait for a decision, which is not part of the trial's time.
_WAITING = "waiting"

#: Added to the score by which the system chooses a process to end when memory runs out: a worker, not its study.
_FIRST_TO_END = "500"

#: Seconds in which a worker on another node must have its key and its connection.
_CONNECT_SECONDS = 120


class WorkerConnection:
    """A worker's end of the channel to the pool.

    A thread receives at all times. When the other end is closed, on purpose or because its process or node is dead,
    this process exits at once, even while it trains.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._received: SimpleQueue[bytes] = SimpleQueue()
        Thread(target=self._receive_all, daemon=True).start()

    def receive(self) -> Any:
        """Return the next message; waits for it."""
        return pickle.loads(self._received.get())  # noqa: S301  only the pool sends to this channel

    def send(self, message: object) -> None:
        """Send a message; if the pool is gone, so is this process."""
        try:
            self._channel.send(message)
        except OSError:
            os._exit(0)

    def _receive_all(self) -> None:
        while True:
            try:
                self._received.put(self._channel.receive_bytes())
            except (EOFError, OSError):
                os._exit(0)


def open_channel(arguments: Sequence[str]) -> Channel:
    """Return the channel to the pool; a process that cannot connect in time is ended.

    Args:
        arguments: of the command line.

    Raises:
        SystemExit: nothing listens there, or it is not the study of this worker.
    """
    if len(arguments) == 1:
        return Channel(int(arguments[0]))
    address, port, number = arguments
    signal.alarm(_CONNECT_SECONDS)
    key = sys.stdin.buffer.read(DIGEST_BYTES)
    if len(key) != DIGEST_BYTES:
        sys.exit("worker: got no key from its study")
    try:
        channel = connect_to_study(address, int(port), int(number), key)
    except OSError as error:
        sys.exit(f"worker: cannot connect to its study at {address}:{port} ({error})")
    signal.alarm(0)
    return channel


def main(arguments: Sequence[str]) -> None:
    """Train jobs until the other end of the channel is closed.

    Args:
        arguments: of the command line.
    """
    # Ctrl-C reaches every process of a terminal; the pool decides what it means for a worker.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    AWAKE.watch()
    connection = WorkerConnection(open_channel(arguments))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_END, encoding="ascii")
    factory: TrainerFactory = connection.receive()
    trainer = factory()
    splits: tuple[Split, Split]
    connection.send(Ready())
    while True:
        message = connection.receive()
        if isinstance(message, Data):
            splits = pickle.loads(message.pickled)  # noqa: S301  as above
        else:
            connection.send(JobsAccepted())
            _train(trainer, message, splits, connection)
            connection.send(Ready())


def _train(trainer: Trainer, jobs: Sequence[Job], splits: tuple[Split, Split], connection: WorkerConnection) -> None:
    pairs = [(job.task, _options(job, connection)) for job in jobs]
    for place, outcome in train_each(trainer, pairs, *splits):
        clock = pairs[place][1].clock
        seconds = {part: spent for part, spent in clock.seconds.items() if part != _WAITING}
        sendable = _to_sendable(outcome)
        if isinstance(sendable, Outcome):
            sendable = replace(sendable, host=socket.gethostname())
        connection.send(JobFinished(jobs[place].index, sendable, seconds))


def _options(job: Job, connection: WorkerConnection) -> TrainingOptions:
    clock = Stopwatch()
    after_epoch = _reporter(job.index, clock, connection)
    return TrainingOptions(job.score_epoch, clock, after_epoch, job.state, job.keep_state, job.limit, metric=job.metric)


def _reporter(index: int, clock: Stopwatch, connection: WorkerConnection) -> AfterEpoch:
    """Return a function that sends an epoch to the pool and waits for its decision."""

    def after_epoch(epoch: int, metrics: EpochMetrics) -> str | None:
        spent = clock.spent(without=WAITING_PARTS)
        with clock.measure(_WAITING):
            connection.send(EpochReport(index, epoch, metrics, spent))
            decision: PruneDecision = connection.receive()
            return decision.reason

    return after_epoch


def _to_sendable(outcome: Outcome | Exception) -> Outcome | Exception:
    """Return an outcome, that of an error too, or an error that ends the search and can be pickled.

    Some errors of libraries cannot be pickled.
    """
    if isinstance(outcome, Outcome):
        return outcome
    try:
        return outcome_from_error(outcome)
    except UserError as error:
        return UserError(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
