"""Where the workers of a pool start: the interface, and the launcher for this machine.

`blindtune.training.pool.slurm` starts them on the other nodes of an allocation of Slurm.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import blindtune
from blindtune.core.threads import ONE_THREAD
from blindtune.training.pool.channel import Channel

#: When a worker died: before it could train, or later.
Death = Literal["early", "late"]

#: The program of a worker.
WORKER_MODULE = "blindtune.training.pool.worker"


class Launched(Protocol):
    """A worker that was started, as a process of this machine: its own, or that of the command which started it.

    Attributes:
        process: the process.
        channel: to the worker; None until it has connected.
        name: of the worker, for messages.
        place: added to what is said of the worker in records, such as `` on n2``; empty for this machine.
        how_to_end: the command by which a user can end it.
    """

    process: subprocess.Popen[bytes]
    channel: Channel | None
    name: str
    place: str
    how_to_end: str

    def connect(self) -> Channel | None:
        """Return the channel to the worker as soon as there is one."""

    def is_stopped(self) -> bool:
        """Return whether a signal has stopped the worker, so that it waits to be continued."""

    def kill(self) -> None:
        """End the worker at once, also if it is stopped or hangs."""

    def reap(self) -> None:
        """Wait for the end of the process after `kill`."""

    def describe_end(self) -> str:
        """Return how the worker ended, for records; called when the process has ended."""


class Launcher(Protocol):
    """Starts the workers of a pool.

    Attributes:
        workers: the most that run at a time.
        arrays_folder: a folder that all workers see, for arrays that they share; None: they are on this machine, and
            need none.
    """

    workers: int
    arrays_folder: Path | None

    def count_free(self) -> int:
        """Return how many workers may be started now."""

    def launch(self) -> Launched:
        """Start a worker.

        Raises:
            UserError: it cannot be started.
        """

    def note_trained(self, launched: Launched) -> None:
        """Note that a worker has got as far as to train."""

    def release(self, launched: Launched, died: Death | None = None) -> None:
        """Take back the place of a worker that has ended.

        Args:
            launched: the worker.
            died: when it ended, if it was not asked to.
        """

    def close(self) -> None:
        """Start no more; called when all workers have ended."""


class LocalLauncher:
    """Starts workers on this machine; see `Launcher`."""

    arrays_folder: Path | None = None

    def __init__(self, workers: int) -> None:
        """Start nothing yet.

        Args:
            workers: the most that run at a time.
        """
        self.workers = workers
        self._n_running = 0

    def count_free(self) -> int:
        """Return how many workers may be started now."""
        return self.workers - self._n_running

    def launch(self) -> Launched:
        """Start a worker."""
        worker = LocalWorker()
        self._n_running += 1
        return worker

    def note_trained(self, launched: Launched) -> None:
        """Do nothing: there is no other place."""

    def release(self, launched: Launched, died: Death | None = None) -> None:
        """Take back the place of a worker that has ended."""
        self._n_running -= 1

    def close(self) -> None:
        """Do nothing: nothing is open."""


class LocalWorker:
    """A worker on this machine, connected by a pair of sockets; see `Launched`.

    It is a new program: TensorFlow and PyTorch do not survive a fork, and ``multiprocessing`` would run the script of
    this process again.
    """

    place = ""

    def __init__(self) -> None:
        """Start it."""
        ours, theirs = socket.socketpair()
        with theirs:
            descriptor = theirs.fileno()
            self.process = subprocess.Popen(  # noqa: S603  a module of this library
                worker_command(str(descriptor)),
                pass_fds=[descriptor],
                env=worker_environment(),
                stdin=subprocess.DEVNULL,
                # What a library prints must not be mixed with the output of this process.
                stdout=2,
            )
        self.channel: Channel | None = Channel(ours.detach())
        self.name = f"worker {self.process.pid}"
        self.how_to_end = f"kill -KILL {self.process.pid}"

    def connect(self) -> Channel | None:
        """Return the channel, which is there from the start."""
        return self.channel

    def is_stopped(self) -> bool:
        """Return whether a signal has stopped the process, so that it waits to be continued."""
        try:
            state = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False
        return state.rpartition(")")[2].split()[0] in ("T", "t")

    def kill(self) -> None:
        """End the worker at once, also if it is stopped or hangs."""
        self.process.kill()

    def reap(self) -> None:
        """Wait for the end of the process, which nothing can delay."""
        self.process.wait()

    def describe_end(self) -> str:
        """Return how the process ended, for records."""
        return describe_exit(self.process.returncode)


def worker_command(*arguments: str) -> Sequence[str]:
    """Return the command of a worker.

    Args:
        arguments: how it connects to the pool; see `blindtune.training.pool.worker`.
    """
    return [sys.executable, "-P", "-m", WORKER_MODULE, *arguments]


def worker_environment() -> dict[str, str]:
    """Return the environment of a worker: that of this process, this library, and one thread for every library."""
    library = str(Path(blindtune.__file__).parents[1])
    paths = [library, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(paths)}


def describe_exit(code: int) -> str:
    """Return how a process ended, for records.

    Args:
        code: its exit code; the negative number of the signal that killed it.
    """
    return f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
