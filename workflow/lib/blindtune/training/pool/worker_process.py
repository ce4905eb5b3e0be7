"""A worker as the pool sees it: what was started, and the jobs that it trains."""

import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

from blindtune.core.timing import AWAKE
from blindtune.training.pool.channel import Channel
from blindtune.training.pool.launcher import Launched
from blindtune.training.pool.messages import Data, Job, TrainerFactory
from blindtune.training.pool.shared_arrays import SharedPickle

#: Seconds in which a worker must end after its connection was closed.
EXIT_TIMEOUT = 10


class WorkerProcess:
    """A worker, from its start to its end.

    Attributes:
        launched: what was started.
        idle: whether the worker waits for jobs.
        part: indices of the jobs that were sent and have not finished.
        accepted: whether the worker has received the jobs that were sent last.
        trainings: number of jobs that were sent.
        last_message: when it last sent or was sent something, by `AWAKE`: a worker is not late
            because the pool was stopped.
        named: whether a message said that it has been silent since.
    """

    def __init__(self, launched: Launched, factory: TrainerFactory) -> None:
        """Watch a worker.

        Args:
            launched: as a launcher has started it.
            factory: creates its trainer; sent as soon as the worker has connected.
        """
        self.launched = launched
        self.idle = False
        self.part: list[int] = []
        self.accepted = False
        self.trainings = 0
        self.last_message = AWAKE.now()
        self.named = False
        self._data: SharedPickle | None = None
        self._factory = factory
        self._has_factory = False
        self.connect()

    @property
    def channel(self) -> Channel | None:
        """Sends and receives messages; None until the worker has connected."""
        return self.launched.channel

    def connect(self) -> bool:
        """Return whether the worker has connected; what it needs first is sent to it then."""
        if self.launched.connect() is None:
            return False
        if not self._has_factory:
            self._has_factory = True
            self.touch()
            self.send(self._factory)
        return True

    def has_exited(self) -> bool:
        """Return whether its process has ended."""
        return self.launched.process.poll() is not None

    @property
    def silent(self) -> float:
        """Seconds since it last sent or was sent something."""
        return AWAKE.now() - self.last_message

    def touch(self) -> None:
        """Note that it is alive."""
        self.last_message, self.named = AWAKE.now(), False

    def send(self, message: object) -> None:
        """Send a message; if the worker is dead, the next receive from `channel` fails, not this."""
        if self.channel is not None:
            with suppress(OSError):
                self.channel.send(message)

    def train(self, jobs: Sequence[Job], data: SharedPickle) -> None:
        """Send jobs to train.

        Args:
            jobs: of one part.
            data: train and dev, which are sent only if they are not those that were sent last.
        """
        self.idle, self.accepted, self.part = False, False, [job.index for job in jobs]
        self.trainings += len(jobs)
        self.touch()
        if data is not self._data:
            self.send(Data(data.pickled))
            self._data = data
        self.send(list(jobs))

    def end(self) -> str:
        """End the worker, even while it trains, unless it has ended; returns how it ended, for records."""
        end_together([self])
        return self.launched.describe_end()


def end_together(processes: Sequence[WorkerProcess]) -> None:
    """End workers at the same time, even while they train; each is killed that does not end soon, as a stopped one."""
    for process in processes:
        if process.channel is None:
            process.launched.kill()  # it would wait for a pool that does not listen
        else:
            process.channel.close()
    deadline = time.monotonic() + EXIT_TIMEOUT
    for process in processes:
        try:
            process.launched.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.launched.kill()
    for process in processes:
        process.launched.reap()
