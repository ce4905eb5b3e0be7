"""A worker as the pool sees it: the process and what is being trained there."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import blindtune
from blindtune.core.threads import ONE_THREAD
from blindtune.training.pool.messages import Data, Job, Make
from blindtune.training.pool.shared_arrays import Mapped

#: Seconds in which a worker that has nobody to talk to must have ended.
_PATIENCE = 10


class Process:
    """A worker.

    It is a new program and no fork, which TensorFlow and PyTorch do not survive, and none that runs the script of this
    process again, as ``multiprocessing`` does.

    Attributes:
        connection: where it is heard; ends as the worker does.
        idle: whether it waits for something to train.
        part: places of the jobs that it was sent and that have not ended.
        begun: whether it has said that it took them.
    """

    def __init__(self, make: Make) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            descriptor = theirs.fileno()
            self._process = subprocess.Popen(  # noqa: S603  this library itself
                [sys.executable, "-P", "-m", "blindtune.training.pool.worker", str(descriptor)],
                pass_fds=[descriptor],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                # Whatever a library prints is no result of this process.
                stdout=2,
            )
        self.connection: Connection[Any, Any] = Connection(ours.detach())
        self.idle = False
        self.part: list[int] = []
        self.begun = False
        self._data: Mapped | None = None
        self.send(make)

    def send(self, message: object) -> None:
        """Send a message; that the worker is dead is noticed where it is heard."""
        with suppress(OSError):
            self.connection.send(message)

    def train(self, jobs: Sequence[Job], data: Mapped) -> None:
        """Have it train ``jobs`` on ``data``, which it is sent once."""
        self.idle, self.begun, self.part = False, False, [job.place for job in jobs]
        if data is not self._data:
            self.send(Data(data.pickled))
            self._data = data
        self.send(list(jobs))

    def end(self) -> str:
        """End it, whatever it is at, unless it is dead; how it came to its end, for people."""
        self.connection.close()
        try:
            code = self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        return f"was killed by {_name(-code)}" if code < 0 else f"ended with exit code {code}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _environment() -> dict[str, str]:
    """That of this process, with the library among its modules, and one thread, set before a library is imported."""
    library = str(Path(blindtune.__file__).parents[1])
    paths = [library, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(paths)}
