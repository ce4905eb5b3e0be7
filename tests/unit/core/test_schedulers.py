"""Jobs of schedulers: which one a process runs in, what ends it, and what Slurm tells of it."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from blindtune.core import schedulers
from blindtune.core.errors import UserError
from blindtune.core.schedulers import QueuedJob, SchedulerJob, has_ended, list_slurm_jobs
from support.fake_slurm import FORGOTTEN, FakeSlurm

Patch = pytest.MonkeyPatch

JOB = SchedulerJob("Slurm", "77", 1, "here", "n1")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: Patch) -> FakeSlurm:
    """Return commands of Slurm."""
    return FakeSlurm(tmp_path / "bin", monkeypatch)


@pytest.mark.parametrize(
    ("variables", "job", "command"),
    [
        ({}, SchedulerJob(), ""),
        ({"SLURM_JOB_ID": "7"}, SchedulerJob("Slurm", "7"), "scancel 7"),
        (
            {
                "SLURM_JOB_ID": "8",
                "SLURM_ARRAY_JOB_ID": "7",
                "SLURM_ARRAY_TASK_ID": "2",
                "SLURM_RESTART_COUNT": "3",
                "SLURM_CLUSTER_NAME": "here",
                "SLURMD_NODENAME": "n4",
            },
            SchedulerJob("Slurm", "7_2", 3, "here", "n4"),
            "scancel 7_2",
        ),
        ({"PBS_JOBID": "12[3].server"}, SchedulerJob("PBS", "12[3].server"), "qdel '12[3].server'"),
        ({"LSB_JOBID": "5", "LSB_JOBINDEX": "0"}, SchedulerJob("LSF", "5"), "bkill 5"),
        ({"LSB_JOBID": "5", "LSB_JOBINDEX": "9"}, SchedulerJob("LSF", "5[9]"), "bkill '5[9]'"),
        (
            {"JOB_ID": "6", "SGE_ROOT": "/sge", "SGE_TASK_ID": "undefined"},
            SchedulerJob("SGE", "6"),
            "qdel 6",
        ),
        ({"JOB_ID": "6", "SGE_ROOT": "/sge", "SGE_TASK_ID": "4"}, SchedulerJob("SGE", "6.4"), "qdel 6 -t 4"),
        ({"JOB_ID": "6"}, SchedulerJob(), ""),
        ({"SLURM_JOB_ID": "7; rm -rf ~"}, SchedulerJob(), ""),
    ],
)
def test_scheduler_job_is_that_of_the_environment(variables: dict[str, str], job: SchedulerJob, command: str) -> None:
    """Each scheduler tells its job by variables; an id that is no id is not taken into a command."""
    found = SchedulerJob.of_environment(variables)
    assert found == job
    assert found.end_command() == command
    assert found.is_valid()


@pytest.mark.parametrize(
    "job",
    [
        replace(JOB, id="7; rm -rf ~"),
        replace(JOB, id="--all"),
        replace(JOB, scheduler="Other"),
        replace(JOB, restart="1"),
        replace(JOB, node=5),
    ],
)
def test_scheduler_job_of_a_file_may_hold_anything_and_is_not_valid(job: SchedulerJob, slurm: FakeSlurm) -> None:
    """What is not as the environment gives it is not valid, and no command is run with it."""
    assert not job.is_valid()
    assert has_ended(job) is None
    assert slurm.calls("squeue") == []


@pytest.mark.parametrize("state", sorted(schedulers._ENDED))
def test_has_ended_is_true_in_each_final_state(slurm: FakeSlurm, state: str) -> None:
    """A job that has ended, or waits to be started again, has ended."""
    slurm.say(state, 1)
    assert has_ended(JOB) is True
    assert slurm.calls("squeue") == ["--noheader --states=all --jobs=77 --Format=State:40,RestartCnt:20"]


@pytest.mark.parametrize("state", sorted(schedulers._LIVING))
def test_has_ended_is_false_while_processes_may_run(slurm: FakeSlurm, state: str) -> None:
    """A job that runs, ends or is suspended has not ended."""
    slurm.say(state, 1)
    assert has_ended(JOB) is False


def test_has_ended_is_true_of_a_job_that_was_started_again(slurm: FakeSlurm) -> None:
    """What runs now is the job after its restart."""
    slurm.say("RUNNING", 2)
    assert has_ended(JOB) is True


def test_has_ended_is_true_of_a_job_that_slurm_has_forgotten(slurm: FakeSlurm) -> None:
    """Slurm forgets a job some minutes after its end."""
    slurm.answer("squeue", FORGOTTEN, 1)
    assert has_ended(JOB) is True


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n", 1),
        ("", 0),
        ("RUNNING\n", 0),
        ("NEW_STATE 1\n", 0),
        ("RUNNING one\n", 0),
        ("RUNNING 1\nCOMPLETED 1\n", 0),
    ],
)
def test_has_ended_is_unknown_after_any_other_answer(slurm: FakeSlurm, text: str, status: int) -> None:
    """A command that fails, or answers what is not known, tells nothing."""
    slurm.answer("squeue", text, status)
    assert has_ended(JOB) is None


@pytest.mark.parametrize(
    "job",
    [replace(JOB, cluster="elsewhere"), replace(JOB, scheduler="LSF"), SchedulerJob()],
)
def test_has_ended_is_unknown_of_jobs_that_this_slurm_does_not_have(slurm: FakeSlurm, job: SchedulerJob) -> None:
    """Two clusters have jobs of the same number."""
    slurm.say("COMPLETED")
    assert has_ended(job) is None
    assert slurm.calls("squeue") == []


def test_forgotten_job_of_a_cluster_without_name_is_unknown(slurm: FakeSlurm) -> None:
    """It may be a job of another cluster."""
    slurm.answer("squeue", FORGOTTEN, 1)
    assert has_ended(replace(JOB, cluster="")) is None


def test_has_ended_is_unknown_without_slurm(monkeypatch: Patch, tmp_path: Path) -> None:
    """Without its commands nothing is known, and nothing fails."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(schedulers, "_answers", {})
    assert has_ended(JOB) is None
    assert list_slurm_jobs(tmp_path) == []


def test_has_ended_gives_up_a_command_that_hangs(slurm: FakeSlurm, tmp_path: Path, monkeypatch: Patch) -> None:
    """A controller that does not answer does not hold up a job for long."""
    (tmp_path / "bin" / "squeue").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(schedulers, "_TIMEOUT", 0.1)
    assert has_ended(JOB) is None


def test_has_ended_asks_seldom(slurm: FakeSlurm, monkeypatch: Patch) -> None:
    """A process that waits looks each second; Slurm is asked once a minute, and not again once a job has ended."""
    now = [0.0]
    monkeypatch.setattr(schedulers.time, "monotonic", lambda: now[0])
    slurm.say("RUNNING", 1)
    for second in range(100):
        now[0] = float(second)
        assert has_ended(JOB) is False
    assert len(slurm.calls("squeue")) == 2
    slurm.say("FAILED", 1)
    for second in range(200, 500):
        now[0] = float(second)
        assert has_ended(JOB) is True
    assert len(slurm.calls("squeue")) == 3
    assert len(slurm.calls("scontrol")) == 1


@pytest.mark.parametrize(
    ("job", "is_before"),
    [
        (replace(JOB, restart=0), True),
        (JOB, False),
        (replace(JOB, restart=2), False),
        (replace(JOB, restart=0, node="n2"), True),
        (replace(JOB, restart=0, id="78"), False),
        (replace(JOB, restart=0, cluster="elsewhere"), False),
        (SchedulerJob(), False),
    ],
)
def test_was_before_knows_the_former_self_of_a_job(job: SchedulerJob, is_before: bool) -> None:
    """It is the same job of the same cluster, started less often, on any node."""
    assert job.was_before(JOB) is is_before


def test_list_slurm_jobs_lists_those_of_the_folder(slurm: FakeSlurm, tmp_path: Path, monkeypatch: Patch) -> None:
    """Jobs of other folders, and the job that asks, are left out; those of other users have their names."""
    monkeypatch.setenv("SLURM_JOB_ID", "3")
    (tmp_path / "link").symlink_to(tmp_path)
    own, other = f"{os.getuid()}\tme", f"{os.getuid() + 1}\tada"
    rows = [
        f"1\tPENDING\t{own}\t{tmp_path}\trule_study\t8f3a",
        f"2_1\tRUNNING\t{own}\t{tmp_path}/link\t\tblindtune-8f3a",
        f"3\tRUNNING\t{own}\t{tmp_path}\trule_study\thead",
        f"4\tRUNNING\t{own}\t{tmp_path}/elsewhere\trule_study\tx",
        f"5\tRUNNING\t{own}\t{tmp_path}\tmy notebook\tjupyter",
        f"6\tPENDING\t{other}\t{tmp_path}\trule_study\t8f3a",
        "damaged",
    ]
    slurm.answer("squeue", "\n".join(rows) + "\n")
    found = list_slurm_jobs(tmp_path)
    assert found == [
        QueuedJob("1", "PENDING", "rule_study", "8f3a"),
        QueuedJob("2_1", "RUNNING", "", "blindtune-8f3a"),
        QueuedJob("5", "RUNNING", "my notebook", "jupyter"),
        QueuedJob("6", "PENDING", "rule_study", "8f3a", "ada"),
    ]
    assert [job.is_of_a_run() for job in found] == [True, True, False, True]
    assert ["--all" in call for call in slurm.calls("squeue")] == [False, True]


def test_list_slurm_jobs_takes_no_text_of_another_user_for_an_own_job(slurm: FakeSlurm, tmp_path: Path) -> None:
    """A comment with line feeds looks like rows; what is this user's own is asked for by itself."""
    own, other = f"{os.getuid()}\tme", f"{os.getuid() + 1}\tada"
    forged = f"6\tPENDING\t{other}\t{tmp_path}\tx\n7\tRUNNING\t{own}\t{tmp_path}\trule_a\tblindtune"
    program = f"#!/bin/sh\ncase \"$*\" in *--all*) printf '{forged}\\n';; esac\n".replace("\t", "\\t")
    (tmp_path / "bin" / "squeue").write_text(program.replace("x\n7", "x\\n7"))
    assert [row[0] for row in schedulers._ask_queue(tmp_path, "--all")] == ["7"]
    assert list_slurm_jobs(tmp_path) == []


@pytest.mark.parametrize("status", [1, 126])
def test_list_slurm_jobs_refuses_to_take_silence_for_an_empty_queue(
    slurm: FakeSlurm, tmp_path: Path, status: int
) -> None:
    """A controller that is away says nothing of jobs that wait."""
    slurm.answer("squeue", "slurm_load_jobs error: Unable to contact slurm controller\n", status)
    with pytest.raises(UserError, match=r"squeue: slurm_load_jobs error.*Run this again when it answers"):
        list_slurm_jobs(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "squeue: error: DNS SRV lookup failed\nsqueue: fatal: Could not establish a configuration source\n",
        "squeue: error: s_p_parse_file: unable to status file /etc/slurm/slurm.conf: No such file or directory\n",
    ],
)
def test_list_slurm_jobs_knows_a_machine_of_no_cluster(slurm: FakeSlurm, tmp_path: Path, text: str) -> None:
    """The commands alone are installed: nothing waits in a queue, unless a run of the folder has used Slurm."""
    slurm.answer("squeue", text, 1)
    assert list_slurm_jobs(tmp_path) == []
    (tmp_path / ".snakemake" / "slurm_logs").mkdir(parents=True)
    with pytest.raises(UserError, match="Run this again when it answers"):
        list_slurm_jobs(tmp_path)


def test_list_slurm_jobs_names_a_command_that_hangs(slurm: FakeSlurm, tmp_path: Path, monkeypatch: Patch) -> None:
    """It is given up, and says nothing."""
    (tmp_path / "bin" / "squeue").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(schedulers, "_TIMEOUT", 0.1)
    with pytest.raises(UserError, match="squeue: nothing within"):
        list_slurm_jobs(tmp_path)
