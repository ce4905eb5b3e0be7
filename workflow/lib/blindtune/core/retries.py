"""Which failed jobs are worth another attempt: not those that end with an error that the next attempt would meet too.

An engine that repeats failed jobs sees no difference between a killed job and a wrong table. A job that ends with an
error leaves its message next to its log, since an executor on a cluster passes neither the exit status nor the terminal
on. A `UserError`, and an error of a program that nobody foresaw, are final. A `TransientError`, such as the claim of
another process, and an error of the machine may be gone at the next attempt. A kill leaves nothing.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from blindtune.core.errors import TransientError, UserError

#: Exit status of a job that another attempt cannot mend; EX_DATAERR of sysexits.h, which no shell uses.
USER_ERROR_STATUS = 65
#: Exit status of a job that ends with a `TransientError`; EX_TEMPFAIL of sysexits.h.
TRY_AGAIN_STATUS = 75
#: Exit status of any other error.
ERROR_STATUS = 1

#: In place of the suffix of a log: the message of an error that ends the attempts, and of one that may pass.
_FINAL, _PASSING = ".final_error", ".passing_error"

#: Where the profiles keep what jobs printed, with the names of the files there.
_CLUSTER_LOGS = {".snakemake/slurm_logs": "/<rule or group>/<wildcards>", ".snakemake/cluster_logs": ""}


def exit_status(error: BaseException) -> int:
    """Return the exit status of a job that ends with an error."""
    if isinstance(error, TransientError):
        return TRY_AGAIN_STATUS
    return USER_ERROR_STATUS if isinstance(error, UserError) else ERROR_STATUS


def leave_message(log: Path, message: str, *, is_final: bool) -> None:
    """Leave the message that a job ends with next to its log.

    Args:
        log: the log file of the job.
        message: what happened, and what to do.
        is_final: whether the job must not be repeated.
    """
    with suppress(OSError):
        path = log.with_suffix(_FINAL if is_final else _PASSING)
        path.write_text(f"{message}\n", encoding="utf-8", errors="backslashreplace")


def clear_message(log: Path) -> None:
    """Remove the message of an attempt before, if there is one.

    Args:
        log: the log file of the job.
    """
    for suffix in (_FINAL, _PASSING):
        with suppress(OSError):
            log.with_suffix(suffix).unlink(missing_ok=True)


def has_final_message(log: Path) -> bool:
    """Return whether the last attempt of a job ended with an error that another attempt would meet too.

    Args:
        log: the log file of the job.
    """
    return _read(log.with_suffix(_FINAL)) is not None


def read_message(log: Path) -> str | None:
    """Return the message that the last attempt of a job ended with; None if it ended well, or was killed.

    Args:
        log: the log file of the job.
    """
    final = _read(log.with_suffix(_FINAL))
    return _read(log.with_suffix(_PASSING)) if final is None else final


def _read(path: Path) -> str | None:
    try:
        # The folder is listed, since a network file system may remember for a while that a file was not there.
        if path.name not in os.listdir(path.parent):  # noqa: PTH208
            return None
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def explain_unstarted(jobs: Iterable[Sequence[Path]]) -> str | None:
    """Return what to do if a cluster ran none of the attempts of some failed jobs.

    Args:
        jobs: the log files of each failed job of the cluster: one, or one for each of a group. What was started writes
            into its log at once; else there is none, or an empty one.

    Returns:
        A sentence; None if something of every job was started.
    """
    missing = sorted(str(min(logs).with_suffix("")) for logs in jobs if logs and not any(map(_has_content, logs)))
    if not missing:
        return None
    return (
        f"Failed jobs that wrote nothing: {len(missing)}, such as {missing[0]}. "
        "If the cluster refused such a job, then it or its group asks for more than a node has: "
        "set mem_mb below `resources` of the profile to the memory of a node in MB, or grouped to 1."
    )


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def list_cluster_logs() -> str:
    """Return where the profiles keep what jobs of a cluster printed, below the current folder; empty if nowhere."""
    return " or ".join(f"{folder}{names}" for folder, names in _CLUSTER_LOGS.items() if Path(folder).is_dir())
