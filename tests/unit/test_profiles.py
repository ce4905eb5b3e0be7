"""The profiles: every key is one of Snakemake, and the commands of cluster-generic know how jobs end."""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from blindtune.core.claims import HEARTBEAT, LIMIT

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "profiles"
SCRIPT = """\
#!/bin/sh
# properties = {"rule": "study", "wildcards": {"system": "knn"}, "threads": 3, "resources": %s}
%s
"""
RESOURCES = '{"mem_mb": 1000, "runtime": 90, "gpu": %d}'


@pytest.fixture
def scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the module of the commands; the working directory is a new folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BLINDTUNE_SCHEDULER", raising=False)
    spec = importlib.util.spec_from_file_location("scheduler", PROFILES / "cluster-generic" / "scheduler.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "scheduler", module)
    spec.loader.exec_module(module)
    return module


def read_profile(name: str) -> dict[str, Any]:
    """Return what a profile says."""
    content: dict[str, Any] = yaml.safe_load((PROFILES / name / "config.yaml").read_text(encoding="utf-8"))
    return content


def write_script(folder: Path, command: str, gpu: int = 0) -> str:
    """Write a script as Snakemake hands it to a submit command; return its path."""
    path = folder / "job.sh"
    path.write_text(SCRIPT % (RESOURCES % gpu, command), encoding="utf-8")
    return str(path)


def wait_for_end(status: Callable[[str], str], job_id: str) -> str:
    """Return the status of a job that does not run any more."""
    for _ in range(500):
        if (found := status(job_id)) != "running":
            return found
        time.sleep(0.02)
    raise AssertionError("the job does not end")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put commands of a scheduler on the PATH that record what they are called with; yield the record."""
    folder, record = tmp_path / "bin", tmp_path / "called"
    folder.mkdir()
    for name in ("bsub", "bjobs", "bkill", "qsub", "qstat", "qacct", "qdel"):
        tool = folder / name
        answer = f"cat {tmp_path}/{name}.error >&2 2>/dev/null; cat {tmp_path}/{name}.answer || cat {tmp_path}/answer"
        tool.write_text(f'#!/bin/sh\necho {name} "$@" >> {record}\n{answer}\n', encoding="utf-8")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    yield record


@pytest.mark.parametrize(("command", "state"), [("true", "success"), ("exit 3", "failed"), ("kill -9 $$", "failed")])
def test_background_job_ends_as_its_script(scheduler: ModuleType, tmp_path: Path, command: str, state: str) -> None:
    """A job that ended well, badly or by a signal is told from one that runs."""
    job_id = scheduler.submit(write_script(tmp_path, f"echo in the log; {command}"))
    assert wait_for_end(scheduler.status, job_id) == state
    (log,) = (tmp_path / ".snakemake" / "cluster_logs").glob("blindtune_study_knn_*.log")
    assert "in the log" in log.read_text(encoding="utf-8")


def test_background_job_is_not_ended_by_the_status_of_an_earlier_one(scheduler: ModuleType, tmp_path: Path) -> None:
    """The log is named after the process that submits, whose id may have been that of an earlier one."""
    left = tmp_path / ".snakemake" / "cluster_logs" / f"blindtune_study_knn_{os.getpid()}.log.status"
    left.parent.mkdir(parents=True)
    left.write_text("0\n", encoding="utf-8")
    job_id = scheduler.submit(write_script(tmp_path, "sleep 600"))
    assert scheduler.status(job_id) == "running"
    scheduler.cancel([job_id])
    assert wait_for_end(scheduler.status, job_id) == "failed"


def test_background_job_is_cancelled_with_its_children(scheduler: ModuleType, tmp_path: Path) -> None:
    """A job runs until it is cancelled, and then has failed."""
    job_id = scheduler.submit(write_script(tmp_path, "sleep 600"))
    assert scheduler.status(job_id) == "running"
    scheduler.cancel([job_id])
    assert wait_for_end(scheduler.status, job_id) == "failed"
    scheduler.cancel([job_id])


@pytest.mark.parametrize(
    ("name", "answer", "job_id", "gpu", "words"),
    [
        (
            "lsf",
            "Job <17> is submitted to queue <normal>.",
            "17",
            0,
            ["bsub", "-n 3 -R span[hosts=1]", "-M 1000MB -W 90 -o"],
        ),
        ("lsf", "Job <17> is submitted to queue <normal>.", "17", 2, ["-R rusage[mem=1000MB]", "-W 90 -gpu num=2 -o"]),
        ("pbs", "17.server", "17.server", 0, ["qsub", "ncpus=3:mem=1000mb -l walltime=1:30:00"]),
        ("pbs", "17.server", "17.server", 2, ["mem=1000mb:ngpus=2"]),
        ("sge", "17", "17", 0, ["qsub -terse", "-pe smp 3", "h_vmem=334M,h_rt=1:30:00 -j y"]),
        ("sge", "17", "17", 1, ["h_rt=1:30:00 -l gpu=1 -j y"]),
    ],
)
def test_submit_asks_a_scheduler_for_what_the_job_needs(
    scheduler: ModuleType,
    tools: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    answer: str,
    job_id: str,
    gpu: int,
    words: list[str],
) -> None:
    """Cores, memory, time and GPUs reach the submit command; the id is found in its answer."""
    monkeypatch.setenv("BLINDTUNE_SCHEDULER", name)
    (tools.parent / "answer").write_text(f"{answer}\n", encoding="utf-8")
    assert scheduler.submit(write_script(tools.parent, "true", gpu)) == job_id
    called = tools.read_text(encoding="utf-8")
    assert all(word in called for word in ["blindtune_study_knn", *words]), called


@pytest.mark.parametrize(
    ("name", "answer", "state"),
    [
        ("lsf", "PEND", "running"),
        ("lsf", "RUN", "running"),
        ("lsf", "DONE", "success"),
        ("lsf", "EXIT", "failed"),
        ("pbs", "    job_state = R", "running"),
        ("pbs", "    job_state = F\n    Exit_status = 0", "success"),
        ("pbs", "    job_state = F\n    Exit_status = 271", "failed"),
        ("pbs", "    job_state = F\n    Exit_status = -29", "failed"),
        ("pbs", "    job_state = Q\n    comment = Not Running", "running"),
        ("sge", "exit_status  0", "success"),
        ("sge", "exit_status  137", "failed"),
        ("sge", "job_number: 17\nsubmit_cmd: true # error reason", "running"),
        ("sge", "job_number: 17\nerror reason    1: 11/29/2026 21:00:00 [1:2]: can't open the log", "failed"),
    ],
)
def test_status_reads_the_answer_of_a_scheduler(
    scheduler: ModuleType, tools: Path, monkeypatch: pytest.MonkeyPatch, name: str, answer: str, state: str
) -> None:
    """A job that waits, runs, ended or failed is told from what the scheduler says of it."""
    monkeypatch.setenv("BLINDTUNE_SCHEDULER", name)
    (tools.parent / "answer").write_text(f"{answer}\n", encoding="utf-8")
    assert scheduler.status("17") == state
    scheduler.cancel(["17", "18"])
    assert tools.read_text(encoding="utf-8").splitlines()[-1].endswith(" 18")


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("lsf", {"bjobs.error": "Job <17> is not found"}),
        ("pbs", {"qstat.error": "qstat: Unknown Job Id 17.server"}),
        ("pbs", {"qstat.answer": "    job_state = F\n    comment = job deleted"}),
        ("sge", {"qstat.error": "Following jobs do not exist:\n17", "qacct.error": "error: job id 17 not found"}),
    ],
)
def test_job_that_is_gone_fails_after_a_while(
    scheduler: ModuleType,
    tools: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
    answers: dict[str, str],
) -> None:
    """A job that left no record of its end has failed two minutes after it was first not known, and not before."""
    monkeypatch.setenv("BLINDTUNE_SCHEDULER", name)
    now = 1000.0
    monkeypatch.setattr(scheduler.time, "time", lambda: now)

    def answer(texts: dict[str, str]) -> None:
        for tool in ("bjobs", "qstat", "qacct"):
            for kind in ("answer", "error"):
                (tools.parent / f"{tool}.{kind}").write_text(texts.get(f"{tool}.{kind}", ""), encoding="utf-8")

    answer(answers)
    assert scheduler.status("17") == "running"
    now += 200
    answer({})  # the scheduler knows it again, or does not answer
    assert scheduler.status("17") == "running"
    answer(answers)
    for passed, state in ((0, "running"), (119, "running"), (1, "failed")):
        now += passed
        assert scheduler.status("17") == state
    assert "does not know the job 17" in capfd.readouterr().err


def test_record_of_a_job_may_come_late(scheduler: ModuleType, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grid Engine's records are read only of a job that does not wait or run, and count when they come."""
    monkeypatch.setenv("BLINDTUNE_SCHEDULER", "sge")
    folder = tools.parent
    (folder / "qstat.answer").write_text("job_number: 17\n", encoding="utf-8")
    assert scheduler.status("17") == "running"
    assert tools.read_text(encoding="utf-8") == "qstat -j 17\n"
    (folder / "qstat.answer").write_text("", encoding="utf-8")
    (folder / "qstat.error").write_text("Following jobs do not exist:\n17\n", encoding="utf-8")
    (folder / "qacct.answer").write_text("", encoding="utf-8")
    (folder / "qacct.error").write_text("error: job id 17 not found\n", encoding="utf-8")
    assert scheduler.status("17") == "running"
    (folder / "qacct.answer").write_text("exit_status  0\n", encoding="utf-8")
    (folder / "qacct.error").unlink()
    assert scheduler.status("17") == "success"
    assert list((folder / ".snakemake" / "cluster_logs").iterdir()) == []


def test_scheduler_without_a_history_is_refused(
    scheduler: ModuleType, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs of a PBS that forgets them at once would run for ever, or count as failed when they ended well."""
    monkeypatch.setenv("BLINDTUNE_SCHEDULER", "pbs")
    (tools.parent / "qstat.answer").write_text("", encoding="utf-8")
    (tools.parent / "qstat.error").write_text(
        "qstat: PBS is not configured to maintain job history\n", encoding="utf-8"
    )
    with pytest.raises(SystemExit, match="job_history_enable = true"):
        scheduler.status("17.server")


def test_time_of_another_job_with_the_same_id_does_not_count(
    scheduler: ModuleType, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new job gets its two minutes, though an earlier run left a time; a time that was cut off counts as none."""
    monkeypatch.setenv("BLINDTUNE_SCHEDULER", "lsf")
    left = tools.parent / ".snakemake" / "cluster_logs" / "17.gone"
    left.parent.mkdir(parents=True)
    left.write_text("0", encoding="utf-8")
    (tools.parent / "answer").write_text("Job <17> is submitted to queue <normal>.", encoding="utf-8")
    assert scheduler.submit(write_script(tools.parent, "true")) == "17"
    assert not left.exists()
    (tools.parent / "answer").write_text("Job <17> is not found", encoding="utf-8")
    left.write_text("", encoding="utf-8")
    assert scheduler.status("17") == "running"


def test_unknown_scheduler_is_named(scheduler: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong name of a scheduler ends with the names that there are."""
    monkeypatch.setenv("BLINDTUNE_SCHEDULER", "lfs")
    with pytest.raises(SystemExit, match="'lfs' is not one of background, lsf, pbs, sge"):
        scheduler.submit(write_script(tmp_path, "true"))


@pytest.mark.parametrize("profile", sorted(path.parent.name for path in PROFILES.glob("*/config.yaml")))
def test_profile_has_options_of_snakemake_alone(profile: str) -> None:
    """Each key of a profile is an option of Snakemake or of its executor."""
    helped = subprocess.run(
        [sys.executable, "-m", "snakemake", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert [key for key in read_profile(profile) if f"--{key}" not in helped] == []


def test_profiles_of_clusters_group_the_same_jobs() -> None:
    """The two profiles of clusters run as many light jobs in one job, by names that the rules have."""
    slurm, generic = read_profile("slurm"), read_profile("cluster-generic")
    assert slurm["group-components"] == generic["group-components"]
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    for entry in slurm["group-components"]:
        name = entry.partition("=")[0]
        assert f'    group:\n        "{name}"' in rules or f'light("{name}"' in rules or f'kind="{name}"' in rules


def test_slurm_is_asked_by_a_command_that_shows_cancelled_jobs() -> None:
    """The plugin takes what sacct writes of a cancelled job, ``CANCELLED by 0``, for a job that runs."""
    assert read_profile("slurm")["slurm-status-command"] == "squeue"


def test_other_schedulers_wait_until_a_lost_job_counts_as_dead() -> None:
    """A job that is sent again does not fail on the claim of the one that was lost with its node."""
    settings = dict(entry.split("=") for entry in read_profile("cluster-generic")["config"])
    assert float(settings["wait_for_owner"]) >= LIMIT + 2 * HEARTBEAT
