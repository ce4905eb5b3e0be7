"""Go on after a run was killed: name what still runs, end it on demand, and remove the lock that the run left."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from blindtune.core.claims import LivingClaim, Owner, find_living, identify_machine
from blindtune.core.errors import UserError
from blindtune.core.schedulers import QueuedJob, SchedulerJob, list_slurm_jobs
from blindtune.start import find_snakefile

#: Folders of a run in which its jobs claim what they write, and the folders that the prefix of a module has at most.
FOLDERS = ("results", "resources")
_MAX_PREFIX = 3
#: The folder in which Snakemake was started has one of this name.
_OWN = ".snakemake"

#: Seconds to wait for the end of what was told to end: a job of Slurm may take half a minute. Snakemake ends when it
#: has seen the end of its jobs; it looks at those of Slurm every three minutes at most, and was seen to take 281 s.
_PATIENCE = 420.0


@dataclass(frozen=True)
class Running:
    """What still runs of a run that was killed.

    Attributes:
        what: names it, with what it writes.
        command: ends it, as a person types it.
        owner: the process; None if only Slurm knows of it, or if its claim cannot be read.
        job: the job that it is; without scheduler if it is in none.
        user: the user whose job it is, who alone can end it; empty if it is this user's own, or unknown.
    """

    what: str
    command: str
    owner: Owner | None
    job: SchedulerJob
    user: str = ""


def recover(folder: Path, *, stop: bool, notify: Callable[[str], None]) -> None:
    """Remove the lock of a run that was killed, if nothing of it runs any more.

    Args:
        folder: where the run was started.
        stop: whether to end what still runs.
        notify: takes lines about what is found and done.

    Raises:
        UserError: something still runs, or Slurm does not tell whether, or no run was started in the folder.
    """
    if not (folder / _OWN).is_dir() and not any(_find_roots(folder)):
        raise UserError(
            f"{folder.resolve()}: no run was started here, since there is no folder results. Change to the folder in "
            "which snakemake or 'blindtune run' was started, and run this again."
        )
    snakefile = find_snakefile(folder)
    running, others, silence = list_running(folder)
    for queued in others:
        notify(f"{_name(queued)}, {queued.state}, was started here too, but not by Snakemake: it is left alone")
    for one in running:
        notify(f"{one.what}\n    to end it: {one.command}" + (f", by {one.user}" if one.user else ""))
    if running and stop:
        for one in running:
            _end(one, notify)
        running, _, silence = _wait_for_end(folder)
    if running:
        raise UserError(_explain(running, stop))
    if silence is not None:
        raise UserError(
            f"{silence} No process of a run is known here. If you know that no job waits either, or if this machine is "
            f"no part of a cluster, remove the lock with 'snakemake --unlock --cores 1 -s {snakefile}'."
        )
    _unlock(snakefile, folder)
    notify("Nothing of an earlier run is running here, and its lock is removed. Start the run with the same command.")


def list_running(folder: Path) -> tuple[list[Running], list[QueuedJob], UserError | None]:
    """Return what runs of the runs that were started in a folder, those in charge first.

    Args:
        folder: where they were started.

    Returns:
        What is known to run, the jobs that Snakemake did not submit, and an error if Slurm does not tell what waits in
        its queue.
    """
    claims = [claim for root in _find_roots(folder) for claim in find_living(root)]
    # Who is in charge comes first: it would start again what is ended before it.
    found = {_key(claim): _describe(claim, folder) for claim in sorted(claims, key=lambda one: len(one.path.parts))}
    try:
        jobs = list_slurm_jobs(folder)
    except UserError as error:
        return list(found.values()), [], error
    named = {one.job.id for one in found.values() if one.job.scheduler == "Slurm"}
    for queued in jobs:
        if queued.id in named:
            same = {key: one for key, one in found.items() if one.job.id == queued.id}
            found |= {key: replace(one, user=queued.other_user) for key, one in same.items()}
        elif queued.is_of_a_run():
            job = SchedulerJob("Slurm", queued.id)
            comment = f" ({queued.comment})" if queued.comment.isprintable() and queued.comment != "(null)" else ""
            what = f"{_name(queued)}, {queued.state}{comment}"
            found[queued.id] = Running(what, job.end_command(), None, job, queued.other_user)
    return list(found.values()), [queued for queued in jobs if not queued.is_of_a_run()], None


def _name(queued: QueuedJob) -> str:
    return f"Slurm job {queued.id}" + (f" of {queued.other_user}" if queued.other_user else "")


def _find_roots(folder: Path) -> Iterator[Path]:
    """Yield the folders below ``folder`` in which jobs claim what they write: a module may have moved them."""
    level = [folder]
    for depth in range(_MAX_PREFIX + 1):
        yield from (path for place in level for name in FOLDERS if (path := place / name).is_dir())
        if depth < _MAX_PREFIX:
            level = [path for place in level for path in _list_folders(place) if path.name not in FOLDERS]


def _list_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder that are neither hidden nor of runs that were started there."""
    found = []
    with suppress(OSError), os.scandir(folder) as entries:
        found = sorted(Path(entry) for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    return [path for path in found if not (path / _OWN).is_dir()]


def _key(claim: LivingClaim) -> str:
    """Return what is equal for all claims of one process."""
    return str(claim.path) if claim.owner is None else f"{claim.owner.machine} {claim.owner.pid} {claim.owner.started}"


def _describe(claim: LivingClaim, folder: Path) -> Running:
    path = claim.path.relative_to(folder)
    if claim.owner is None:
        command = f"nobody knows whom; if nothing runs, wait ten minutes or remove the claim next to {path}"
        return Running(f"{path}: is in use by an unknown process", command, None, SchedulerJob())
    what = f"{path}: is in use by {claim.owner}; last sign of life {max(0.0, claim.age):.0f} s ago"
    return Running(what, claim.owner.end_command().replace("`", ""), claim.owner, claim.owner.scheduler_job)


def _end(one: Running, notify: Callable[[str], None]) -> None:
    """End a process of this machine, or a job whose scheduler is here; others are left to the user."""
    program = one.command.split()[0]
    if one.user:
        return
    if one.owner is not None and program == "kill":
        if one.owner.machine == identify_machine():
            notify(f"ending process {one.owner.pid}")
            with suppress(ProcessLookupError, PermissionError):
                os.kill(one.owner.pid, signal.SIGTERM)
    elif one.job.scheduler and shutil.which(program) is not None:
        notify(f"ending {one.job.scheduler} job {one.job.id}")
        with suppress(OSError, subprocess.SubprocessError):
            arguments = [part.strip("'") for part in one.command.split()]
            subprocess.run(arguments, stdin=subprocess.DEVNULL, timeout=30, check=False)  # noqa: S603


def _wait_for_end(folder: Path) -> tuple[list[Running], list[QueuedJob], UserError | None]:
    """Return what `list_running` does, once nothing runs and Slurm has answered, or after a while."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        running, others, silence = list_running(folder)
        if time.monotonic() >= deadline or not (running or silence):
            return running, others, silence
        time.sleep(1.0)


def _explain(running: list[Running], stop: bool) -> str:
    count = f"{len(running)} {'process or job of it is' if len(running) == 1 else 'processes or jobs of it are'}"
    advice = (
        "End what is named above by its command" if stop else "Let them end, or end them (blindtune recover --stop)"
    )
    named = f": {'; '.join(one.what for one in running)}" if stop else ""
    return f"{count} still running{named}. {advice}, then run 'blindtune recover' again."


def _unlock(snakefile: Path, folder: Path) -> None:
    """Remove Snakemake's lock by Snakemake's own command."""
    command = [sys.executable, "-P", "-m", "snakemake", "--unlock", "--cores", "1", "-s", str(snakefile)]
    ended = subprocess.run(  # noqa: S603  the arguments are our own
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        raise UserError(f"{folder.resolve()}: snakemake --unlock failed:\n{ended.stderr.strip()[-2000:]}")
