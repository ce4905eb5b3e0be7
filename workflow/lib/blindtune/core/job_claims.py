"""Claims of jobs: no two jobs write the same files at once, and one that is asked to end gives its claim back."""

import atexit
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from blindtune.core.claims import Claim, claim, refuse_held
from blindtune.core.job_log import JobLog

#: Seconds to wait for another run that writes to the same place, if the config does not set them.
DEFAULT_WAIT_FOR_OWNER = 0.0


def seconds_to_wait(config: Mapping[str, Any]) -> float:
    """Return how long a job waits for another run that writes to the same place.

    Args:
        config: The config of the run; only ``wait_for_owner`` is read.
    """
    return float(config.get("wait_for_owner", DEFAULT_WAIT_FOR_OWNER))


@contextmanager
def claim_output(path: Path, what: str, config: Mapping[str, Any], job_log: JobLog) -> Iterator[Claim]:
    """Hold the claim on what a job writes during a ``with`` block.

    Args:
        path: The file or folder that the job writes.
        what: Names it in messages.
        config: The config of the run; only ``wait_for_owner`` is read.
        job_log: Takes a line if the claim is taken over or waited for.

    Yields:
        The claim.

    Raises:
        ClaimedError: Another process writes there.
    """
    wait = seconds_to_wait(config)
    with release_on_termination(), claim(path, what, wait_seconds=wait, notify=job_log.info) as held:
        yield held


def refuse_outputs_in_use(
    outputs: Iterable[Path], root: Path, config: Mapping[str, Any], notify: Callable[[str], None]
) -> None:
    """Refuse a run that would write what a job of another run still writes, before any of its jobs starts.

    Snakemake removes the outputs of a job before it starts and after it has failed, also those that another run has
    written there; and it remembers the config of the job that failed for what the other run writes later. So the claim
    of the job itself comes too late.

    Args:
        outputs: The files that the run will write.
        root: The folder of all results, by which the outputs are named; nothing above it is claimed.
        config: The config of the run; only ``wait_for_owner`` is read.
        notify: Takes a line if another run is waited for.

    Raises:
        ClaimedError: A living process writes there.
    """
    paths: set[Path] = set()
    for output in outputs:
        path = output
        while path.is_relative_to(root) and path not in paths:
            paths.add(path)
            path = path.parent
    refuse_held(sorted(paths), "what this run would write", wait_seconds=seconds_to_wait(config), notify=notify)


def hold_run(root: Path, what: str, config: Mapping[str, Any], notify: Callable[[str], None]) -> None:
    """Hold the claim on all results of a run until this process ends.

    Between two jobs of a run, and while they wait in the queue of a cluster, no job has a claim. This one lets a second
    run of the same results, on any machine, name the process that is in charge of the first.

    Args:
        root: The folder of the results.
        what: Names them in messages.
        config: The config of the run; only ``wait_for_owner`` is read.
        notify: Takes a line if the claim is taken over or waited for.

    Raises:
        ClaimedError: A living process holds it.
    """
    held = claim(root, what, wait_seconds=seconds_to_wait(config), notify=notify)
    held.__enter__()
    atexit.register(held.__exit__, None, None, None)


def end_on_hangup() -> None:
    """Let SIGHUP, which a closed terminal sends, end this process as Ctrl-C does, unless it is ignored (nohup).

    By default it ends the process where it is. That of a run would leave its jobs on the cluster and its lock.
    """
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, signal.default_int_handler)


@contextmanager
def release_on_termination() -> Iterator[None]:
    """Let SIGTERM, with which schedulers end a job, end the ``with`` block like an error.

    By default it ends the process where it is. Its claims would remain, and on another machine the next run would have
    to wait until they count as lost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        # None: it was set by a program that is not Python, and cannot be set again.
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
