"""A worker as the pool sees it: the process, and the jobs that it trains."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import blindtune
from blindtune.core.threads import ONE_THREAD
from blindtune.core.timing import AWAKE
from blindtune.training.pool.messages import Data, Job, TrainerFactory
from blindtune.training.pool.shared_arrays import SharedPickle

#: Seconds in which a worker must end after its connection was closed.
_EXIT_TIMEOUT = 10


class WorkerProcess:
    """A worker process, connected by a pair of sockets.

    It is a new program: TensorFlow and PyTorch do not survive a fork, and ``multiprocessing`` would run the script of
    this process again.

    Attributes:
        connection: sends and receives messages; closes when the worker ends.
        idle: whether the worker waits for jobs.
        part: indices of the jobs that were sent and have not finished.
        accepted: whether the worker has received the jobs that were sent last.
        trainings: number of jobs that were sent.
        last_message: when it last sent or was sent something, by `AWAKE`: a worker is not late
            because the pool was stopped.
        named: whether a message said that it has been silent since.
    """

    def __init__(self, factory: TrainerFactory) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            descriptor = theirs.fileno()
            self._process = subprocess.Popen(  # noqa: S603  a module of this library
                [sys.executable, "-P", "-m", "blindtune.training.pool.worker", str(descriptor)],
                pass_fds=[descriptor],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                # What a library prints must not be mixed with the output of this process.
                stdout=2,
            )
        self.connection: Connection[Any, Any] = Connection(ours.detach())
        self.idle = False
        self.part: list[int] = []
        self.accepted = False
        self.trainings = 0
        self.last_message = AWAKE.now()
        self.named = False
        self._data: SharedPickle | None = None
        self.send(factory)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def silent(self) -> float:
        """Seconds since it last sent or was sent something."""
        return AWAKE.now() - self.last_message

    def touch(self) -> None:
        """Note that it is alive."""
        self.last_message, self.named = AWAKE.now(), False

    def is_stopped(self) -> bool:
        """Return whether a signal has stopped the process, so that it waits to be continued."""
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        return state.rpartition(")")[2].split()[0] in ("T", "t")

    def send(self, message: object) -> None:
        """Send a message; if the worker is dead, the next receive from `connection` fails, not this."""
        with suppress(OSError):
            self.connection.send(message)

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

    def kill(self) -> None:
        """End the worker at once, also if it is stopped or hangs."""
        self._process.kill()

    def end(self) -> str:
        """End the worker, even while it trains, unless it has ended; returns how it ended, for records."""
        end_together([self])
        code = self._process.returncode
        return f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"


def end_together(processes: Sequence[WorkerProcess]) -> None:
    """End workers at the same time, even while they train; each is killed that does not end soon, as a stopped one."""
    for process in processes:
        process.connection.close()
    deadline = time.monotonic() + _EXIT_TIMEOUT
    for process in processes:
        try:
            process._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
    for process in processes:
        process._process.wait()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _environment() -> dict[str, str]:
    """Return the environment of a worker: that of this process, this library, and one thread for every library."""
    library = str(Path(blindtune.__file__).parents[1])
    paths = [library, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(paths)}
