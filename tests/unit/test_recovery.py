"""``blindtune recover``: what still runs is named and ended on demand; a lock is removed only when nothing runs."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from blindtune import recovery
from blindtune.cli import main
from blindtune.core.claims import LIMIT
from blindtune.core.errors import UserError
from blindtune.core.schedulers import SchedulerJob
from support.claims import NO_PROCESS, leave_claim
from support.fake_slurm import FakeSlurm
from support.workflow_runs import ROOT

OTHER = {"machine": "other", "host": "other", "pid": 12}

#: This user and another one, as squeue names them.
OWN, ADA = f"{os.getuid()}\tme", f"{os.getuid() + 1}\tada"

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a run, which is the current one, with commands of Slurm that know no job."""
    FakeSlurm(tmp_path / "bin", monkeypatch).answer("squeue", "")
    folder = tmp_path / "run"
    (folder / "results").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def unlocked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the folders that were unlocked; Snakemake itself is not started."""
    folders: list[Path] = []
    monkeypatch.setattr(recovery, "_unlock", lambda snakefile, folder: folders.append(folder))
    return folders


def test_recover_removes_the_lock_when_nothing_runs(folder: Path, unlocked: list[Path], capsys: Capture) -> None:
    """Claims of dead owners do not matter, and stay for the next run to take over."""
    file = leave_claim(folder / "results" / "toy" / "studies" / "42", pid=NO_PROCESS)
    leave_claim(folder / "results" / "toy" / "data" / "digits", age=LIMIT + 5, **OTHER)
    assert main(["recover"]) == 0
    assert len(unlocked) == 1
    assert "Start the run with the same command" in capsys.readouterr().out
    assert file.exists()


@pytest.mark.parametrize(
    ("claimed", "owner", "named"),
    [
        ("results/toy/studies/a/b/42", OTHER, "to end it: kill 12 on other"),
        ("results/toy", OTHER, "results/toy: is in use by process 12 on other"),
        ("resources/a.csv", OTHER, "resources/a.csv: is in use by process 12 on other"),
        # Below the prefix of a module.
        ("tuned/results/toy", OTHER, "tuned/results/toy: is in use by process 12 on other"),
        ("a/b/tuned/results/toy", OTHER, "a/b/tuned/results/toy: is in use by process 12 on other"),
        ("results/toy/studies/a/b/42", {"scheduler": "Slurm", "job_id": "7", **OTHER}, "to end it: scancel 7"),
        ("results/toy/studies/a/b/42", {"scheduler": "LSF", "job_id": "7[1]", **OTHER}, "to end it: bkill '7[1]'"),
        ("results/toy/studies/a/b/42", {"content": b"{}"}, "unknown process"),
    ],
)
def test_recover_names_what_still_runs(
    folder: Path, unlocked: list[Path], capsys: Capture, claimed: str, owner: dict[str, Any], named: str
) -> None:
    """Each living owner is named with the command that ends it, and nothing is unlocked."""
    leave_claim(folder / claimed, **owner)
    assert main(["recover"]) == 1
    shown = capsys.readouterr()
    assert named in shown.out
    assert "still running. Let them end, or end them (blindtune recover --stop)" in shown.err
    assert unlocked == []


def test_recover_finds_claims_through_links(folder: Path, unlocked: list[Path], capsys: Capture) -> None:
    """A folder of results may be a link to another disk, also one that leads to itself."""
    leave_claim(folder.parent / "disk" / "data" / "toy", **OTHER)
    (folder / "results" / "x").symlink_to(folder.parent / "disk")
    (folder / "results" / "y").symlink_to(folder / "results")
    assert main(["recover"]) == 1
    assert capsys.readouterr().out.count("results/x/data/toy: is in use") == 1


def test_recover_leaves_runs_alone_that_were_started_elsewhere(
    folder: Path, unlocked: list[Path], capsys: Capture
) -> None:
    """A folder below that has its own folder of Snakemake is another run's."""
    (folder / "other" / ".snakemake").mkdir(parents=True)
    leave_claim(folder / "other" / "results" / "toy", **OTHER)
    assert main(["recover"]) == 0
    assert len(unlocked) == 1 and "in use" not in capsys.readouterr().out


def test_recover_names_jobs_that_wait_in_the_queue(
    tmp_path: Path, folder: Path, unlocked: list[Path], capsys: Capture
) -> None:
    """A job that was not started yet has no claim: Slurm alone knows of it. A job with a claim is named once."""
    rows = [f"7\tRUNNING\t{OWN}\t{folder}\trule_study\tx", f"8\tPENDING\t{OWN}\t{folder}\trule_prepare\tx"]
    (tmp_path / "bin" / "squeue.answer").write_text("0\n" + "\n".join(rows) + "\n")
    leave_claim(folder / "results" / "toy" / "42", scheduler="Slurm", job_id="7", **OTHER)
    assert main(["recover"]) == 1
    shown = capsys.readouterr().out
    assert shown.count("scancel 7") == 1
    assert "Slurm job 8, PENDING (rule_prepare)\n    to end it: scancel 8" in shown
    assert unlocked == []


def test_recover_names_jobs_of_a_colleague_and_leaves_them_alone(
    tmp_path: Path, folder: Path, unlocked: list[Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a shared folder, jobs of another user may wait after their run was killed, too."""
    monkeypatch.setattr(recovery, "_PATIENCE", 0.0)
    rows = [f"7\tRUNNING\t{ADA}\t{folder}\trule_study\tx", f"8\tPENDING\t{ADA}\t{folder}\trule_prepare\tx"]
    (tmp_path / "bin" / "squeue.answer").write_text("0\n" + "\n".join(rows) + "\n")
    leave_claim(folder / "results" / "toy" / "42", scheduler="Slurm", job_id="7", **OTHER)
    assert main(["recover", "--stop"]) == 1
    shown = capsys.readouterr().out
    assert "to end it: scancel 7, by ada" in shown
    assert "Slurm job 8 of ada, PENDING (rule_prepare)\n    to end it: scancel 8, by ada" in shown
    calls = (tmp_path / "bin" / "calls").read_text().splitlines()
    assert [line for line in calls if line.startswith("scancel")] == []
    assert unlocked == []


def test_recover_keeps_the_lock_while_slurm_does_not_answer(
    tmp_path: Path, folder: Path, unlocked: list[Path], capsys: Capture
) -> None:
    """Jobs may wait in its queue, which would write next to those of a new run."""
    (tmp_path / "bin" / "squeue.answer").write_text("1\nslurm_load_jobs error: Unable to contact slurm controller\n")
    assert main(["recover"]) == 1
    shown = capsys.readouterr()
    assert "Unable to contact slurm controller). Run this again when it answers" in shown.err
    assert "remove the lock with 'snakemake --unlock --cores 1 -s " in shown.err
    assert "nothing of an earlier run" not in shown.out.lower()
    assert unlocked == []


def test_recover_names_processes_while_slurm_does_not_answer(
    tmp_path: Path, folder: Path, unlocked: list[Path], capsys: Capture
) -> None:
    """What claims is known without Slurm; nobody is told to remove the lock while it runs."""
    (tmp_path / "bin" / "squeue.answer").write_text("1\nslurm_load_jobs error: Unable to contact slurm controller\n")
    leave_claim(folder / "results" / "toy", **OTHER)
    assert main(["recover"]) == 1
    shown = capsys.readouterr()
    assert "to end it: kill 12 on other" in shown.out and "--unlock" not in shown.err
    assert unlocked == []


def test_recover_waits_through_a_moment_in_which_slurm_does_not_answer(
    folder: Path, unlocked: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was told to end is looked at again and again: one failure in seven minutes does not end that."""
    runs = [recovery.Running("x", "kill 1", None, SchedulerJob())]
    answers = [(runs, [], None), ([], [], UserError("away")), ([], [], None)]
    monkeypatch.setattr(recovery, "list_running", lambda folder: answers.pop(0))
    assert main(["recover", "--stop"]) == 0
    assert len(unlocked) == 1


def test_recover_ends_processes_of_this_machine(
    folder: Path, unlocked: list[Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that lives on gets SIGTERM, gives its claim back, and the lock is removed."""
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom blindtune.core.job_claims import claim_output\n"
        "from blindtune.core.job_log import JobLog\n"
        "with claim_output(Path('results/toy'), 'x', {}, JobLog()):\n    print('held', flush=True)\n    time.sleep(99)"
    )
    variables = os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "lib")}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=variables, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            assert main(["recover"]) == 1
            assert f"to end it: kill {process.pid}" in capsys.readouterr().out
            assert main(["recover", "--stop"]) == 0
            assert process.wait(10) == 128 + 15
        finally:
            process.kill()
    assert len(unlocked) == 1


def test_recover_in_the_job_of_what_runs_ends_the_process_alone(
    tmp_path: Path, folder: Path, unlocked: list[Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run in a shell of salloc is ended by kill: scancel would end the shell."""
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    killed: list[int] = []
    monkeypatch.setattr("os.kill", lambda pid, number: killed.append(pid) if number else None)
    monkeypatch.setattr(recovery, "_PATIENCE", 0.0)
    leave_claim(folder / "results" / "toy" / "42", scheduler="Slurm", job_id="77")
    assert main(["recover", "--stop"]) == 1
    assert f"to end it: kill {os.getpid()}" in capsys.readouterr().out
    assert killed == [os.getpid()]
    calls = (tmp_path / "bin" / "calls").read_text().splitlines()
    assert [line for line in calls if line.startswith("scancel")] == []


def test_recover_ends_jobs_of_the_scheduler_and_names_those_that_stay(
    tmp_path: Path, folder: Path, unlocked: list[Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm is told to end its jobs; a process of another machine is left to the user, and so is the lock."""
    monkeypatch.setattr(recovery, "_PATIENCE", 0.0)
    (tmp_path / "bin" / "squeue.answer").write_text(
        f"0\n8\tPENDING\t{OWN}\t{folder}\t(null)\tblindtune-8f3a\n9\tRUNNING\t{OWN}\t{folder}\tmy notebook\tjupyter\n"
    )
    leave_claim(folder / "results" / "toy" / "42", **OTHER)
    assert main(["recover", "--stop"]) == 1
    calls = (tmp_path / "bin" / "calls").read_text().splitlines()
    assert [line for line in calls if line.startswith("scancel")] == ["scancel 8"]
    shown = capsys.readouterr()
    assert "ending Slurm job 8" in shown.out
    assert "Slurm job 9, RUNNING, was started here too, but not by Snakemake: it is left alone" in shown.out
    assert "2 processes or jobs of it are still running: results/toy/42: is in use by process 12 on other" in shown.err
    assert unlocked == []


def test_recover_refuses_a_folder_without_a_run(
    tmp_path: Path, unlocked: list[Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another folder it would find nothing, and say that nothing runs."""
    monkeypatch.chdir(tmp_path)
    assert main(["recover"]) == 1
    assert "no run was started here" in capsys.readouterr().err
    assert unlocked == []


def test_recover_unlocks_as_snakemake_does(folder: Path, capsys: Capture) -> None:
    """The lock files are gone, and nothing else is done."""
    lock = folder / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("results/toy/report/report.html\n")
    assert main(["recover"]) == 0
    assert not lock.exists()
    assert list((folder / "results").iterdir()) == []
