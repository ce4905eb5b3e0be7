"""Jobs of schedulers: the one that this process runs in, the command that ends one, and what Slurm tells of one."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from blindtune.core.errors import UserError

#: Seconds after which a command of Slurm is given up. Its own limit for an answer of the controller is 10 s by default.
_TIMEOUT = 15.0

#: Seconds for which an answer of Slurm counts. A process that waits for a claim looks at it every second.
_REMEMBERED = 60.0

#: By scheduler, the environment variables that hold the number of a job and of its task, and one that must exist too.
_VARIABLES = {
    "Slurm": ("SLURM_JOB_ID", "", "SLURM_JOB_ID"),
    "PBS": ("PBS_JOBID", "", "PBS_JOBID"),  # with its task: 12[3].server
    "LSF": ("LSB_JOBID", "LSB_JOBINDEX", "LSB_JOBID"),
    "SGE": ("JOB_ID", "SGE_TASK_ID", "SGE_ROOT"),
}

#: What ends a job.
_COMMANDS = {"Slurm": "scancel", "PBS": "qdel", "LSF": "bkill", "SGE": "qdel"}

#: An id is shown in commands that people copy, and is an argument of squeue.
_ID = re.compile(r"[0-9][0-9A-Za-z_.\[\]-]{0,99}")

#: States in which Slurm still has processes of a job, or may have them.
_LIVING = frozenset(
    {"RUNNING", "COMPLETING", "CONFIGURING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED"}
)

#: States of a job that has ended, or waits to be started again.
_ENDED = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
        *("TIMEOUT", "PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "REVOKED", "SPECIAL_EXIT"),
    }
)

#: Status of a command that is not there, as that of a shell.
_NO_COMMAND = 127

#: What commands of Slurm write on a machine of no cluster: they are installed and know of no controller.
_NOT_CONFIGURED = re.compile(r"configuration source|slurm\.conf.*No such file", re.DOTALL)

#: Where the executor for Slurm keeps what the jobs of a folder printed.
_SLURM_LOGS = Path(".snakemake/slurm_logs")

#: What squeue writes of a job that Slurm has forgotten: some minutes after its end (``MinJobAge``).
_FORGOTTEN = "Invalid job id specified"


@dataclass(frozen=True)
class SchedulerJob:
    """A job of a scheduler.

    Attributes:
        scheduler: ``Slurm``, ``PBS``, ``LSF`` or ``SGE``; empty if there is no job.
        id: as the command takes it that ends the job; that of a task of an array names the task.
        restart: how often Slurm has started it again; 0 for other schedulers.
        cluster: name of the Slurm cluster, since each counts its own jobs.
        node: name of the node, as Slurm calls it.
    """

    scheduler: str = ""
    id: str = ""
    restart: int = 0
    cluster: str = ""
    node: str = ""

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Self:
        """Return the job that a process with these environment variables runs in."""
        for scheduler, (variable, task_variable, sign) in _VARIABLES.items():
            number, task = environment.get(variable, ""), environment.get(task_variable, "")
            if not (_ID.fullmatch(number) and environment.get(sign)):
                continue
            if scheduler == "Slurm":
                return cls._of_slurm(number, environment)
            has_task = task.isdecimal() and task != "0"
            name = f"{number}[{task}]" if has_task and scheduler == "LSF" else number
            name = f"{number}.{task}" if has_task and scheduler == "SGE" else name
            return cls(scheduler, name)
        return cls()

    @classmethod
    def _of_slurm(cls, number: str, environment: Mapping[str, str]) -> Self:
        array, task = environment.get("SLURM_ARRAY_JOB_ID", ""), environment.get("SLURM_ARRAY_TASK_ID", "")
        restart = environment.get("SLURM_RESTART_COUNT", "")
        return cls(
            "Slurm",
            f"{array}_{task}" if array.isdecimal() and task.isdecimal() else number,
            int(restart) if restart.isdecimal() else 0,
            environment.get("SLURM_CLUSTER_NAME", ""),
            environment.get("SLURMD_NODENAME", ""),
        )

    def is_valid(self) -> bool:
        """Return whether all of it is as `of_environment` makes it; a file may hold anything."""
        texts = (self.scheduler, self.id, self.cluster, self.node)
        if not all(isinstance(text, str) for text in texts) or type(self.restart) is not int:
            return False
        return not self.scheduler or (self.scheduler in _COMMANDS and bool(_ID.fullmatch(self.id)))

    def end_command(self) -> str:
        """Return the command that ends the job; empty if there is no job."""
        if self.scheduler == "SGE" and "." in self.id:
            number, _, task = self.id.partition(".")
            return f"qdel {number} -t {task}"
        # A shell would take brackets for a pattern.
        name = f"'{self.id}'" if "[" in self.id else self.id
        return f"{_COMMANDS[self.scheduler]} {name}" if self.scheduler else ""

    def was_before(self, other: "SchedulerJob") -> bool:
        """Return whether ``other`` is this job, which Slurm has started again since."""
        same = (self.scheduler, self.id, self.cluster) == (other.scheduler, other.id, other.cluster)
        return bool(self.scheduler) and same and self.restart < other.restart

    def __str__(self) -> str:
        """Name the job, for a message."""
        node = f" on node {self.node}" if self.node else ""
        return f"{self.scheduler} job {self.id}{node}" if self.scheduler else ""


_answers: dict[SchedulerJob, tuple[float, bool | None]] = {}


def has_ended(job: SchedulerJob) -> bool | None:
    """Ask Slurm whether a job has ended, or was started again, by its own account.

    That a job has ended does not say that its processes have: Slurm ends the job of a node that it has lost, and the
    processes there may go on.

    Args:
        job: of any scheduler.

    Returns:
        None if it is unknown: it is a job of another scheduler or of another cluster, Slurm's commands are not there,
        or they fail. An answer is remembered for a minute.
    """
    if job.scheduler != "Slurm" or not job.is_valid():
        return None
    known = _answers.get(job)
    if known is None or (not known[1] and time.monotonic() - known[0] > _REMEMBERED):
        known = _answers[job] = time.monotonic(), _ask_slurm(job)
    return known[1]


def _ask_slurm(job: SchedulerJob) -> bool | None:
    if job.cluster and _own_cluster() not in ("", job.cluster):
        return None
    options = ["--noheader", "--states=all", f"--jobs={job.id}", "--Format=State:40,RestartCnt:20"]
    status, output, errors = _run("squeue", *options)
    if status != 0:
        return True if _FORGOTTEN in errors and job.cluster == _own_cluster() else None
    rows = [line.split() for line in output.splitlines() if line.strip()]
    if not rows or any(len(row) != 2 or not row[1].isdecimal() for row in rows):
        return None
    verdicts = {_has_row_ended(job, state, int(restarts)) for state, restarts in rows}
    return verdicts.pop() if len(verdicts) == 1 else None


def _has_row_ended(job: SchedulerJob, state: str, restarts: int) -> bool | None:
    if restarts > job.restart or state in _ENDED:
        return True
    return False if state in _LIVING else None


@cache
def _own_cluster() -> str:
    """Return the name of the cluster whose commands are on the PATH; empty if it is unknown."""
    status, output, _ = _run("scontrol", "show", "config")
    found = re.search(r"^ClusterName\s*=\s*(\S+)", output, re.MULTILINE) if status == 0 else None
    return found[1] if found else ""


@dataclass(frozen=True)
class QueuedJob:
    """A job of Slurm, as squeue lists it.

    Attributes:
        id: as scancel takes it.
        state: such as ``PENDING``.
        comment: that it was submitted with.
        name: its name.
        other_user: name of the user whose it is; empty if it is this user's own.
    """

    id: str
    state: str
    comment: str
    name: str = ""
    other_user: str = ""

    def is_of_a_run(self) -> bool:
        """Return whether Snakemake submitted it: by the names of the profile, or the comments of the executor."""
        return self.name.startswith("blindtune") or re.match(r"(rule|group)_[A-Za-z]", self.comment) is not None


def list_slurm_jobs(folder: Path) -> list[QueuedJob]:
    """Return the jobs of all users that Slurm has not ended and whose working folder is ``folder``.

    A job that waits to be started has no process yet, so that Slurm alone knows of it. The job that this process runs
    in is left out. A Slurm that shows users their own jobs alone (``PrivateData``) tells of no others. This user's own
    are asked for by themselves: the texts of another user's job may look like rows of this user's.

    Args:
        folder: compared with links resolved.

    Returns:
        Nothing if there is no Slurm, or if its commands know of no cluster and no run of the folder used one.

    Raises:
        UserError: Slurm does not answer, so that nobody knows what waits in its queue.
    """
    user = str(os.getuid())
    here = SchedulerJob.of_environment(os.environ).id
    asked = _ask_queue(folder, f"--user={user}")
    own = {row[0]: QueuedJob(row[0], row[1], row[5], row[6]) for row in asked if row[2] == user}
    others = [row for row in _ask_queue(folder, "--all") if row[2] != user and row[0] not in own]
    found = [*own.values(), *(QueuedJob(row[0], row[1], row[5], row[6], row[3]) for row in others)]
    return [one for one in found if one.id != here]


def _ask_queue(folder: Path, users: str) -> list[list[str]]:
    """Return id, state, uid, user, working folder, comment and name of the jobs in the queue that are of a folder."""
    status, output, errors = _run("squeue", "--noheader", users, "--format=%i\t%T\t%U\t%u\t%Z\t%k\t%j")
    if status not in (0, _NO_COMMAND):
        # On a cluster without configuration files the same is said while its names cannot be looked up.
        if _NOT_CONFIGURED.search(errors) and not (folder / _SLURM_LOGS).exists():
            return []
        said = " ".join(errors.split())[:500] or f"nothing within {_TIMEOUT:.0f} s, or with status {status}"
        raise UserError(
            f"{folder.resolve()}: Slurm does not tell which jobs of this folder wait in its queue (squeue: {said}). "
            "Run this again when it answers."
        )
    rows = [line.split("\t") for line in output.splitlines()]
    return [
        row
        for row in rows
        if len(row) == 7 and _ID.fullmatch(row[0]) and os.path.realpath(row[4]) == str(folder.resolve())
    ]


def _run(program: str, *arguments: str) -> tuple[int, str, str]:
    """Return status, output and errors of a command of Slurm; a status above 0 if it cannot be run."""
    found = shutil.which(program)
    if found is None:
        return _NO_COMMAND, "", ""
    # The names of states are read, so they must not be translated; a user's format of squeue would replace ours.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SQUEUE_")}
    try:
        ended = subprocess.run(  # noqa: S603  no shell; the arguments were checked
            [found, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
            env=environment | {"LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return 126, "", ""
    return ended.returncode, ended.stdout, ended.stderr
