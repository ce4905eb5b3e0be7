"""The jobs of a plan, run one by one without Snakemake: what a job is killed or runs out of space in."""

import gc
import importlib
import json
import os
import runpy
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import chdir, redirect_stderr, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from snakemake.iocontainers import Snakemake

from support import dag
from support.workflow_runs import RECORDS, ledger, read_record

SCRIPTS = dag.ROOT / "workflow" / "scripts"


@dataclass(frozen=True)
class StageJob:
    """One job with all that its script gets.

    Attributes:
        rule: the rule, which is a stage.
        name: rule and wildcards.
        script: the file that runs.
        snakemake: what Snakemake gives to the script.
        outputs: declared outputs, below the working directory.
        runs: whether it would run, given what is in the working directory.
    """

    rule: str
    name: str
    script: Path
    snakemake: Any
    outputs: tuple[str, ...]
    runs: bool

    def start_here(self) -> None:
        """Run the script in this process and in the current folder, after removing its outputs as Snakemake does."""
        for output in self.outputs:
            Path(output).unlink(missing_ok=True)
            Path(output).parent.mkdir(parents=True, exist_ok=True)
        # The last statement of a script would end this process.
        with patch("blindtune.core.quick_exit.leave"):
            runpy.run_path(str(self.script), {"snakemake": self.snakemake}, "__main__")


def plan_jobs(directory: Path, config: dict[str, Any]) -> list[StageJob]:
    """Return every job of the report, each after those that it needs."""
    directory.mkdir(parents=True, exist_ok=True)
    with redirect_stderr(StringIO()):
        found = dag.plan_in_order(directory, config)
    return [_stage_job(job, runs, settings) for job, runs, settings in found if job.rule.name != "all"]


def _stage_job(job: Any, runs: bool, settings: dict[str, Any]) -> StageJob:
    handed = Snakemake(
        job.input,
        job.output,
        job.params,
        job.wildcards,
        job.threads,
        job.resources,
        job.log,
        settings,
        job.rule.name,
        None,
        str(SCRIPTS),
    )
    name = " ".join([job.rule.name, "/".join(job.wildcards_dict.values())]).strip()
    script = SCRIPTS / Path(str(job.rule.script)).name
    return StageJob(job.rule.name, name, script, handed, tuple(map(str, job.output)), runs)


def run_needed(
    directory: Path, config: dict[str, Any], skipped: Container[str] = (), imported: Path | None = None
) -> tuple[int, str]:
    """Run what a plan says must run, each job in a fork, until one fails.

    Args:
        directory: the working directory.
        config: the config.
        skipped: rules that are not run.
        imported: gets the names of all modules that the jobs imported, for `import_of_jobs`; None: not written.

    Returns:
        The exit status, and all that the jobs showed.
    """
    shown = ""
    for job in plan_jobs(directory, config):
        if job.runs and job.rule not in skipped:
            said = directory / "said"
            status = wait(start(job, directory, said, imported=imported))
            shown += said.read_text(encoding="utf-8")
            said.unlink()
            if status != 0:
                return status, shown
    return 0, shown


def warm(jobs: list[StageJob], folder: Path) -> None:
    """Run jobs in this process, so that a fork of it has all that libraries import or build at their first use."""
    folder.mkdir(parents=True, exist_ok=True)
    with chdir(folder):
        for job in jobs:
            job.start_here()
    # A fork need not look through what is there already, and copies fewer pages.
    gc.collect()
    gc.freeze()


def import_of_jobs(imported: Path) -> None:
    """Import in this process what jobs imported in theirs, so that later forks need not: it takes seconds."""
    for name in dict.fromkeys(imported.read_text(encoding="utf-8").split()):
        # Some names are none of a module that can be imported by it.
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def start(
    job: StageJob,
    folder: Path,
    said: Path,
    before: Callable[[], None] = lambda: None,
    *,
    whole_exit: bool = False,
    imported: Path | None = None,
) -> int:
    """Start a job in a fork of this process, which leads a process group; returns its process id.

    The fork has every library loaded, so that a fault hits the job.

    Args:
        job: the job.
        folder: its working directory.
        said: file that gets what it writes to standard output and error.
        before: called in the fork first.
        whole_exit: whether the fork ends as an interpreter does, with its hooks for errors and all that runs at its
            exit, which takes seconds; the caller must then hold no ``with`` or ``finally``, which would run in it too.
        imported: gets the names of all modules that the job imported, after those of other jobs.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    os.setpgid(0, 0)
    handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    # Not the streams of the parent, which a test runner may have replaced.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    os.chdir(folder)
    before()
    if whole_exit:
        job.start_here()
        sys.exit(0)
    known = set(sys.modules)
    try:
        job.start_here()
        if imported is not None:
            with imported.open("a", encoding="utf-8") as stream:
                stream.writelines(f"{name}\n" for name in list(sys.modules) if name not in known)
        os._exit(0)
    except SystemExit as ended:
        os._exit(int(ended.code or 0))
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def wait(process: int) -> int:
    """Wait for a job; return its exit status, negative for a signal."""
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def kill_after(process: int, seconds: float) -> bool:
    """Kill a job with all its processes after some time; return whether it was running still."""
    time.sleep(seconds)
    with suppress(ProcessLookupError):
        # The process has ended only once it was waited for, so the group is there; it may not yet have its own.
        os.killpg(process, signal.SIGKILL)
    os.kill(process, signal.SIGKILL)
    return wait(process) == -signal.SIGKILL


def copy_tree(source: Path, target: Path) -> None:
    """Make ``target`` an exact copy, with the times of the files."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)


def snapshot(folder: Path) -> dict[str, Any]:
    """Return what a folder of results must hold whenever and however often its jobs were started.

    Records without times, the ledger's results by study, and the bytes of every other file. Logs and torn records are
    left out.
    """
    found: dict[str, Any] = {}
    for path in sorted(_files(folder)):
        place = path.relative_to(folder).as_posix()
        if path.name in RECORDS:
            found[place] = read_record(path)
        elif path.name == "side_files.json":  # of a study, whose trials have times in them, and so other sizes
            found[place] = sorted(json.loads(path.read_bytes())["sizes"])
        elif path.parent.name == "side_files":  # also how often files were lost and made again
            found[place] = json.loads(path.read_bytes())["sizes"]
        elif path.name != "ledger.jsonl":
            found[place] = path.read_bytes()
    done = [entry for entry in ledger(folder) if entry["event"] == "done"]
    found["ledger"] = sorted(
        (entry["study"], entry["result"]["error"], entry["result"]["predictions_sha256"] or "") for entry in done
    )
    return found


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Return the places at which two snapshots differ."""
    return sorted(place for place in first.keys() | second.keys() if first.get(place) != second.get(place))


#: Parts of the names of files that depend on when jobs ran: torn records, claims, and what was verified when.
_PASSING = (".torn-", ".claim", "verified.json", "head.json", "head.part.json")


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        passing = any(mark in path.name for mark in _PASSING)
        if path.is_file() and "logs" not in parts and ".snakemake" not in parts and not passing:
            yield path


def stages_of(jobs: Iterable[StageJob]) -> list[str]:
    """Return the stages of some jobs, each once, in their order."""
    return list(dict.fromkeys(job.rule for job in jobs))
