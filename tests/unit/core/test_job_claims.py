"""Claims of jobs: refused jobs end with one message, and jobs that are asked to end give their claims back."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from blindtune.core.job_claims import claim_output, seconds_to_wait
from blindtune.core.job_log import JobLog, run_job
from support.builders import RecordingConsole
from support.claims import NO_PROCESS, claim_files, leave_claim
from support.workflow_runs import ROOT

OTHER = {"machine": "other", "host": "other", "pid": 12}


def test_second_job_ends_with_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A job whose output another process writes ends with status 1 and one message, before it does anything."""
    target = tmp_path / "data" / "toy"
    leave_claim(target, **OTHER)
    ran = []
    with (
        pytest.raises(SystemExit) as ended,
        run_job(tmp_path / "a.log", {}) as job_log,
        claim_output(target, "the dataset toy", {}, job_log),
    ):
        ran.append(True)
    assert (ended.value.code, ran) == (1, [])
    shown = capsys.readouterr().err
    assert shown.startswith(f"\nblindtune: {target}: the dataset toy is in use by process 12 on other")
    assert "Traceback" not in shown


def test_seconds_to_wait_are_those_of_the_config() -> None:
    """Without the key a job does not wait."""
    assert seconds_to_wait({}) == 0
    assert seconds_to_wait({"wait_for_owner": 90}) == 90


def test_job_says_that_it_takes_over(tmp_path: Path) -> None:
    """A job that follows a dead one says so in its log."""
    job_log = RecordingConsole()
    leave_claim(tmp_path / "toy", pid=NO_PROCESS)
    with claim_output(tmp_path / "toy", "the dataset toy", {}, job_log):
        pass
    assert any(f"the dataset toy is taken over from process {NO_PROCESS}" in line for line in job_log.said)


PROGRAM = """
import sys, time
from pathlib import Path
from blindtune.core.job_claims import claim_output
from blindtune.core.job_log import JobLog
with claim_output(Path(sys.argv[1]), "the dataset", {}, JobLog()):
    print("held", flush=True)
    time.sleep(600)
"""


def test_job_that_is_asked_to_end_gives_its_claim_back(tmp_path: Path) -> None:
    """After SIGTERM no claim is left, and the status is that of the signal."""
    target = tmp_path / "toy"
    job = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, target],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "lib")},
    )
    assert job.stdout is not None and job.stdout.readline() == "held\n"
    assert claim_files(target) == [".toy.claim-1"]
    job.terminate()
    assert job.wait(60) == 128 + signal.SIGTERM
    assert claim_files(target) == []


def test_claim_output_leaves_the_handler_of_signals_as_it_was(tmp_path: Path) -> None:
    """After the block SIGTERM does what it did before."""
    before = signal.getsignal(signal.SIGTERM)
    with claim_output(tmp_path / "toy", "the dataset", {}, JobLog()):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
