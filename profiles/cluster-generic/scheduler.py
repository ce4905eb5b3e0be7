"""The commands of a scheduler, for submit.py, status.py and cancel.py. Adapt `SCHEDULERS` to yours.

The environment variable BLINDTUNE_SCHEDULER names the entry. Without it, jobs run in the background of this machine.
That alone was tried; the entries of LSF, PBS Pro and Grid Engine follow their manuals.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Where the terminal output of jobs goes.
LOGS = Path(".snakemake/cluster_logs")

#: Seconds after which a job that the scheduler does not know, and that left no record of its end, counts as failed. The
#: record of a job that has just ended comes late, and a new job may not be known at once.
GONE_SECONDS = 120


@dataclass(frozen=True)
class Scheduler:
    """The commands of a scheduler; words in braces are replaced.

    Attributes:
        submit: submits {script} with {name}, {cores}, {mem_mb}, {mb_per_core}, {minutes} or {clock}, {gpus} and {log}.
        job_id: finds the id of the job in what it prints, as the first group.
        gpus: what {gpus} is for a job with {number} GPUs; without GPUs it is nothing.
        status: commands that print the state of the job {id}; each is asked only if those before do not know it.
        success: found in the state of a job that ended well.
        failed: found in the state of a job that did not.
        gone: found in what a command prints, errors too, of a job that it does not know, or that ended without a
            result. With none of the three, the job waits or runs, or the scheduler does not answer.
        cancel: ends the job {id}.
        no_history: found in what a command prints of a scheduler that keeps no record of how jobs ended.
    """

    submit: str
    job_id: str
    gpus: str
    status: tuple[str, ...]
    success: str
    failed: str
    gone: str
    cancel: str
    no_history: str | None = None


SCHEDULERS = {
    # Without a unit LSF counts KB, or what LSF_UNIT_FOR_LIMITS in lsf.conf says. It takes units from 10.1.0.2 on; give
    # both numbers in its own unit to an older one. Memory is reserved for the host, the only one of a job; where
    # RESOURCE_RESERVE_PER_TASK=Y in lsb.params, take {mb_per_core} in rusage.
    "lsf": Scheduler(
        submit="bsub -J {name} -n {cores} -R span[hosts=1] -R rusage[mem={mem_mb}MB] -M {mem_mb}MB -W {minutes} {gpus} "
        "-o {log} {script}",
        job_id=r"Job <(\d+)>",
        gpus="-gpu num={number}",
        status=("bjobs -noheader -o stat {id}",),
        success=r"\bDONE\b",
        failed=r"\bEXIT\b",
        gone=r"is not found",
        cancel="bkill {id}",
    ),
    "pbs": Scheduler(
        submit="qsub -N {name} -l select=1:ncpus={cores}:mem={mem_mb}mb{gpus} -l walltime={clock} -j oe -o {log} "
        "{script}",
        job_id=r"(\S+)",
        gpus=":ngpus={number}",
        status=("qstat -x -f {id}",),
        success=r"Exit_status = 0\b",
        failed=r"Exit_status = (?!0\b)",
        # F without an exit status: it was deleted before it ran.
        gone=r"job_state = F\b|Unknown Job Id",
        cancel="qdel {id}",
        no_history=r"not configured to maintain job history|job_history_enable",
    ),
    "sge": Scheduler(
        submit="qsub -terse -cwd -V -N {name} -pe smp {cores} -l h_vmem={mb_per_core}M,h_rt={clock} {gpus} -j y "
        "-o {log} {script}",
        job_id=r"(\d+)",
        gpus="-l gpu={number}",
        # qstat knows the jobs that wait or run, qacct those that ended.
        status=("qstat -j {id}", "qacct -j {id}"),
        success=r"exit_status\s+0\b",
        # A job that could not be started waits in the state Eqw until somebody ends it.
        failed=r"exit_status\s+[1-9]|(?m:^error reason)",
        gone=r"do not exist|not found",
        cancel="qdel {id}",
    ),
}


def submit(script: str) -> str:
    """Submit a job and return its id, which names no file of another job.

    Args:
        script: as Snakemake writes it; its second line says what the job needs.
    """
    lines = Path(script).read_text(encoding="utf-8").splitlines()
    job = json.loads(next(line for line in lines if line.startswith("# properties = ")).partition(" = ")[2])
    LOGS.mkdir(parents=True, exist_ok=True)
    wildcards = list(job.get("wildcards", {}).values())
    name = "blindtune_" + re.sub(r"\W+", "_", "_".join([job.get("rule") or job["groupid"], *wildcards]))
    log = LOGS.resolve() / f"{name}_{os.getpid()}.log"
    scheduler = _find()
    if scheduler is None:
        return _start(script, log)
    output, _ = _run(scheduler.submit, check=True, **_describe_needs(job, scheduler), name=name, log=log, script=script)
    found = re.search(scheduler.job_id, output)
    if found is None:
        raise SystemExit(f"no job id in what the scheduler printed: {output}")
    _find_gone_file(found[1]).unlink(missing_ok=True)  # of an earlier job with this id
    return found[1]


def status(job_id: str) -> str:
    """Return ``running``, ``success`` or ``failed``.

    Args:
        job_id: as `submit` returned it.
    """
    scheduler = _find()
    if scheduler is None:
        return _read_state(job_id)
    for command in scheduler.status:
        output, errors = _run(command, check=False, id=job_id)
        if scheduler.no_history and re.search(scheduler.no_history, errors):
            raise SystemExit(
                f"{command.format(id=job_id)}: {errors.strip()}\nWithout a history it cannot be known how a job ended. "
                "Ask for it to be enabled (for PBS: qmgr -c 'set server job_history_enable = true')."
            )
        ended = next((end for end in ("success", "failed") if re.search(getattr(scheduler, end), output)), None)
        if ended or not re.search(scheduler.gone, f"{output}\n{errors}"):
            _find_gone_file(job_id).unlink(missing_ok=True)
            return ended or "running"
    return _wait_for_record(job_id)


def cancel(job_ids: list[str]) -> None:
    """End jobs.

    Args:
        job_ids: as `submit` returned them.
    """
    scheduler = _find()
    for job_id in job_ids:
        if scheduler is None:
            _stop(job_id)
        else:
            _run(scheduler.cancel, check=False, id=job_id)


def _wait_for_record(job_id: str) -> str:
    """Return ``failed`` if the scheduler has not known a job for `GONE_SECONDS`."""
    path, now = _find_gone_file(job_id), time.time()
    try:
        since = float(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it is seen for the first time, or the file was cut off
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(now), encoding="utf-8")
        return "running"
    if now - since < GONE_SECONDS:
        return "running"
    path.unlink(missing_ok=True)
    print(f"The scheduler does not know the job {job_id} and has no record of its end: it failed.", file=sys.stderr)
    return "failed"


def _find_gone_file(job_id: str) -> Path:
    """Return the file with the time at which a job was not known for the first time."""
    return LOGS / f"{re.sub(r'[^A-Za-z0-9.-]', '_', job_id)}.gone"


def _find() -> Scheduler | None:
    name = os.environ.get("BLINDTUNE_SCHEDULER", "background")
    if name != "background" and name not in SCHEDULERS:
        raise SystemExit(f"BLINDTUNE_SCHEDULER: {name!r} is not one of background, {', '.join(SCHEDULERS)}")
    return SCHEDULERS.get(name)


def _describe_needs(job: dict[str, Any], scheduler: Scheduler) -> dict[str, Any]:
    resources = job["resources"]
    cores, mem_mb, minutes = job["threads"], resources["mem_mb"], resources["runtime"]
    gpus = resources.get("gpu", 0)
    return {
        "cores": cores,
        "mem_mb": mem_mb,
        "mb_per_core": -(-mem_mb // cores),
        "minutes": minutes,
        "clock": f"{minutes // 60}:{minutes % 60:02}:00",
        "gpus": scheduler.gpus.format(number=gpus) if gpus else "",
    }


def _run(command: str, *, check: bool, **values: Any) -> tuple[str, str]:
    """Run a command and return what it printed: output and errors."""
    words = [word.format(**values) for word in command.split()]
    # What asks for GPUs may be nothing, or several words.
    flat = [part for word, given in zip(words, command.split(), strict=True) for part in _split(word, given)]
    ended = subprocess.run(flat, capture_output=True, text=True, check=False)
    if check and ended.returncode != 0:
        raise SystemExit(f"{shlex.join(flat)}: {ended.stderr or ended.stdout}")
    return ended.stdout, ended.stderr


def _split(word: str, given: str) -> list[str]:
    return word.split() if given == "{gpus}" else [word]


# In the background of this machine: a job is a process group, and leaves its exit status in a file next to its log.


def _start(script: str, log: Path) -> str:
    Path(f"{log}.status").unlink(missing_ok=True)  # of an earlier job, whose submit.py had this process id
    ended, part = shlex.quote(f"{log}.status"), shlex.quote(f"{log}.part")
    command = f"sh {shlex.quote(script)}; echo $? > {part}; mv {part} {ended}"
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(["sh", "-c", command], stdout=stream, stderr=stream, start_new_session=True)
    return f"{process.pid}:{log.name}"


def _read_state(job_id: str) -> str:
    number, _, log = job_id.partition(":")
    path = LOGS / f"{log}.status"
    if not path.exists() and _is_alive(int(number)):
        return "running"
    # It may have ended since it was looked for.
    return "success" if path.exists() and path.read_text(encoding="utf-8").strip() == "0" else "failed"


def _stop(job_id: str) -> None:
    number = int(job_id.partition(":")[0])
    if _is_alive(number):
        os.killpg(number, signal.SIGTERM)


def _is_alive(number: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(number, os.WNOHANG)
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def main(action: str) -> None:
    """Do what submit.py, status.py or cancel.py is called for.

    Args:
        action: one of ``submit``, ``status`` and ``cancel``.
    """
    match action:
        case "submit":
            print(submit(sys.argv[1]))
        case "status":
            print(status(sys.argv[1]))
        case "cancel":
            cancel(sys.argv[1:])
