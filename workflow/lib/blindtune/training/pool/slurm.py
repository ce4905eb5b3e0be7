"""Starts the workers of a pool on every node of one allocation of Slurm.

On the study's own node workers start as they do without Slurm. On the others, ``srun`` starts each as a step of the
same job; the worker then connects to the study. It gets the key by its standard input, so that the key is on no command
line, in no environment and in no file.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from blindtune.core.errors import TransientError, UserError
from blindtune.training.pool.channel import Channel
from blindtune.training.pool.launcher import (
    Death,
    Launched,
    Launcher,
    LocalLauncher,
    LocalWorker,
    describe_exit,
    worker_command,
    worker_environment,
)
from blindtune.training.pool.listener import Listener
from blindtune.training.pool.shared_arrays import remove_left_arrays

#: Consecutive workers that may die on a node before they could train; after that it gets no more.
MAX_NODE_FAILURES = 3

#: Seconds in which Slurm must answer a question, and in which it must start a worker.
_ANSWER_SECONDS, _START_SECONDS = 60, 60

#: How often Slurm is asked, and the seconds between two attempts: its controller may be away while it starts again.
_ATTEMPTS, _PAUSE_SECONDS = 4, 15.0

#: Seconds in which srun must end after it was asked to end its step.
_REAP_SECONDS = 10

#: The only variables of Slurm that srun gets: the others are of the step in which the study runs, and would count for
#: the new step too.
_KEPT_VARIABLES = ("SLURM_CONF", "SLURM_CLUSTER_NAME")


@dataclass
class Node:
    """A node of the allocation.

    Attributes:
        name: as Slurm calls it; empty for the study's own.
        n_running: workers that run there.
        n_failures: consecutive workers that died there before they could train.
        left_out: whether it gets no more workers.
    """

    name: str
    n_running: int = 0
    n_failures: int = 0
    left_out: bool = False


@dataclass(frozen=True)
class Allocation:
    """The nodes that Slurm has given to the job of this process.

    Attributes:
        job: its number.
        others: names of its nodes without that of this process.
    """

    job: str
    others: Sequence[str] = field(default_factory=tuple)


def create_launcher(workers: int, folder: Path, notice: Callable[[str], None]) -> Launcher:
    """Return what starts the workers of a study on all nodes of its allocation; without one, on this machine alone.

    Args:
        workers: the most that run on a node at a time.
        folder: of the study, which all nodes see.
        notice: called with a message about a node.

    Raises:
        TransientError: Slurm does not answer.
        UserError: Slurm does not say what the nodes are, or starts nothing here.
    """
    allocation = find_allocation()
    if allocation.others:
        return SlurmLauncher(allocation, workers, folder, notice)
    notice("worker_nodes: this job has no other node of Slurm, so that its workers are all on this one")
    return LocalLauncher(workers)


def find_allocation() -> Allocation:
    """Return the nodes of the job of this process; no others if it is not in a job of Slurm.

    Raises:
        TransientError: Slurm does not answer.
        UserError: Slurm does not say, or its commands are not there.
    """
    job = os.environ.get("SLURM_JOB_ID", "")
    if not job:
        return Allocation("")
    described = _ask("show", "job", job, "--oneliner")
    found = re.search(r"(?<!\w)NodeList=(\S+)", described)
    if found is None:
        raise UserError(f"worker_nodes: scontrol show job {job} names no NodeList. Take the key out to use one node.")
    nodes = _ask("show", "hostnames", found[1]).split()
    if len(nodes) < 2:
        return Allocation(job)
    own = os.environ.get("SLURMD_NODENAME", socket.gethostname().partition(".")[0])
    if own not in nodes:
        raise UserError(
            f"worker_nodes: this process is on {own}, which is not among the nodes of its job {job} ({found[1]}): a "
            "study must run on a node of its allocation. Take the key out to use one node."
        )
    if shutil.which("srun") is None:
        raise UserError(
            "worker_nodes: srun is not found, so that no worker can start on another node, as in a container without "
            "Slurm's commands. Take the key out to use one node."
        )
    return Allocation(job, tuple(node for node in nodes if node != own))


class SlurmLauncher:
    """Starts workers on this node and, through srun, on the others of an allocation; see `Launcher`."""

    def __init__(self, allocation: Allocation, workers: int, folder: Path, notice: Callable[[str], None]) -> None:
        """Start nothing yet.

        Args:
            allocation: the nodes.
            workers: the most that run on a node at a time.
            folder: of the study, which all nodes see.
            notice: called with a message about a node.
        """
        self.workers = workers * (1 + len(allocation.others))
        self.arrays_folder: Path | None = folder.resolve()
        remove_left_arrays(self.arrays_folder)
        self._job = allocation.job
        self._per_node = workers
        self._own = Node("")
        self._nodes = [self._own, *map(Node, allocation.others)]
        self._node_of: dict[Launched, Node] = {}
        self._notice = notice
        self._listener: Listener | None = None
        self._n_started = 0

    def count_free(self) -> int:
        """Return how many workers may be started now, on all nodes that are not left out."""
        return sum(self._per_node - node.n_running for node in self._nodes if not node.left_out)

    def launch(self) -> Launched:
        """Start a worker on the node where the fewest have failed and run.

        Raises:
            TransientError: Slurm does not answer.
            UserError: this node has no address for the others.
        """
        node = min(
            (node for node in self._nodes if not node.left_out and node.n_running < self._per_node),
            key=lambda node: (node.n_failures, node.n_running),
        )
        worker: Launched = LocalWorker() if node is self._own else self._launch_on(node)
        node.n_running += 1
        self._node_of[worker] = node
        return worker

    def note_trained(self, launched: Launched) -> None:
        """Forget the failures of the node of a worker."""
        self._node_of[launched].n_failures = 0

    def release(self, launched: Launched, died: Death | None = None) -> None:
        """Take back the place of a worker; leave out its node if it is lost, or several died there early."""
        node = self._node_of.pop(launched)
        node.n_running -= 1
        worker = launched if isinstance(launched, SrunWorker) else None
        if worker is not None:
            worker.forget()
        if died is None:
            return
        node.n_failures += died == "early" or (worker is not None and worker.was_killed)
        if node is self._own or node.left_out:
            return
        if worker is not None and worker.is_lost:
            why = "it does not answer"
        elif node.n_failures >= MAX_NODE_FAILURES:
            why = f"{node.n_failures} workers ended there before they could train"
        else:
            return
        node.left_out = True
        self._notice(f"{node.name} is left out from now on: {why}. Trials are trained on the other nodes of this job.")

    def close(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.close()
        self._listener = None

    def _launch_on(self, node: Node) -> "SrunWorker":
        if self._listener is None:
            try:
                self._listener = Listener(find_own_address(node.name))
            except OSError as error:
                raise UserError(
                    f"worker_nodes: this node cannot be reached from {node.name} ({error.strerror or error}). Take "
                    "the key out to use one node."
                ) from error
        self._n_started += 1
        return SrunWorker(self._job, node.name, self._n_started, self._listener)


class SrunWorker:
    """A worker on another node; `process` is the srun that has started it. See `Launched`.

    Attributes:
        was_killed: whether Slurm had to end the step, since it was not seen to end by itself.
        is_lost: whether Slurm could not, so that srun was ended.
    """

    def __init__(self, job: str, node: str, number: int, listener: Listener) -> None:
        """Start it.

        Args:
            job: the number of the allocation.
            node: where to start it.
            number: of the worker.
            listener: where it connects.
        """
        self._number, self._listener, self._node = number, listener, node
        listener.expect(number)
        self.process = subprocess.Popen(  # noqa: S603  Slurm's command, and a module of this library
            [  # noqa: S607  wherever the site has it
                "srun",
                f"--jobid={job}",
                f"--nodelist={node}",
                "--nodes=1",
                "--ntasks=1",
                # A step next to others: it shares what the job has on that node. With --cpus-per-task or --exact, Slurm
                # could give the same core to each.
                "--overlap",
                "--cpu-bind=none",
                "--mem=0",
                "--job-name=blindtune_worker",
                f"--immediate={_START_SECONDS}",
                # One SIGINT ends the step, however the worker is.
                "--quit-on-interrupt",
                *worker_command(listener.address, str(listener.port), str(number)),
            ],
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=2,
            # Ctrl-C reaches every process of a terminal; the pool decides what it means for a worker.
            start_new_session=True,
        )
        if self.process.stdin is not None:
            with suppress(OSError), self.process.stdin as stdin:
                stdin.write(listener.key)
        self.channel: Channel | None = None
        self.name = f"worker {number} on {node}"
        self.place = f" on {node}"
        self.how_to_end = f"kill -INT {self.process.pid} on {socket.gethostname()}"
        self.is_lost = self.was_killed = False

    def connect(self) -> Channel | None:
        """Return the channel as soon as the worker has connected."""
        if self.channel is None:
            self.channel = self._listener.take(self._number)
        return self.channel

    def forget(self) -> None:
        """Send the worker away if it connects now."""
        self._listener.forget(self._number)

    def is_stopped(self) -> bool:
        """Return False: nothing is known of a process on another node but that it is silent."""
        return False

    def kill(self) -> None:
        """Let Slurm end the step."""
        self.was_killed = True
        self.process.send_signal(signal.SIGINT)

    def reap(self) -> None:
        """Wait for the end of srun; end it if Slurm cannot end the step."""
        try:
            self.process.wait(_REAP_SECONDS)
        except subprocess.TimeoutExpired:
            self.is_lost = True
            self.process.kill()
            self.process.wait()

    def describe_end(self) -> str:
        """Return how the worker ended, for records."""
        code = self.process.returncode
        if self.was_killed or self.is_lost:
            return "was lost"
        # srun ends with 128 and the number of the signal that killed the worker.
        return describe_exit(128 - code if code > 128 else code)


def find_own_address(node: str) -> str:
    """Return the address of this machine from which another node is reached.

    Args:
        node: as Slurm calls it.

    Raises:
        OSError: there is none.
        TransientError: Slurm does not answer.
    """
    found = re.search(r"(?<!\w)NodeAddr=(\S+)", _ask("show", "node", node, "--oneliner"))
    errors = []
    for name in filter(None, [found and found[1], node]):
        try:
            family, kind, _, _, address = socket.getaddrinfo(name, 9, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, kind) as probe:
                probe.connect(address)  # sends nothing: the system chooses the way
                own: str = probe.getsockname()[0]
                return own
        except OSError as error:
            errors.append(error)
    raise errors[0]


def _ask(*question: str) -> str:
    """Return what scontrol answers, after a few attempts.

    Raises:
        TransientError: it fails or does not answer in time, at each attempt.
        UserError: it cannot be started.
    """
    reason = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        try:
            answer = subprocess.run(  # noqa: S603  Slurm's command
                ["scontrol", *question],  # noqa: S607  wherever the site has it
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_ANSWER_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except OSError as error:
            raise UserError(f"{_describe(question)}: {error}. Take the key out to use one node.") from error
        except subprocess.TimeoutExpired:
            reason = f"no answer in {_ANSWER_SECONDS} seconds"
            continue
        if answer.returncode == 0:
            return answer.stdout
        reason = answer.stderr.strip()[:500]
    raise TransientError(
        f"{_describe(question)}: {reason}, at {_ATTEMPTS} attempts. Run again when Slurm answers. Take the key out to "
        "use one node."
    )


def _describe(question: Sequence[str]) -> str:
    """Return how a message begins."""
    return f"worker_nodes: scontrol {' '.join(question)}"


def _environment() -> dict[str, str]:
    """Return the environment of srun and its worker."""
    return {
        name: value
        for name, value in worker_environment().items()
        if name in _KEPT_VARIABLES or not name.startswith(("SLURM_", "SRUN_", "SBATCH_", "SALLOC_"))
    }
