"""Claims of jobs: refused jobs end with one message, and jobs that are asked to end give their claims back."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from blindtune.core import claims
from blindtune.core.errors import ClaimedError
from blindtune.core.job_claims import claim_output, refuse_outputs_in_use, seconds_to_wait
from blindtune.core.job_log import JobLog, run_job
from support.builders import RecordingConsole
from support.claims import NO_PROCESS, claim_files, leave_claim
from support.workflow_runs import ROOT

OTHER = {"machine": "other", "host": "other", "pid": 12}


def test_second_job_ends_with_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A job whose output another process writes ends with one message and a status that another attempt may change."""
    target = tmp_path / "data" / "toy"
    leave_claim(target, **OTHER)
    ran = []
    with (
        pytest.raises(SystemExit) as ended,
        run_job(tmp_path / "a.log", {}) as job_log,
        claim_output(target, "the dataset toy", {}, job_log),
    ):
        ran.append(True)
    assert (ended.value.code, ran) == (75, [])
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


@pytest.mark.parametrize("claimed", ["studies/toy/near/42", "studies/toy/near/42/card.json", "studies"])
def test_run_is_refused_while_a_job_of_another_writes_what_it_would(tmp_path: Path, claimed: str) -> None:
    """The claim may be on the file or on a folder above it; nothing is written."""
    root = tmp_path / "results"
    leave_claim(root / claimed, **OTHER)
    before = sorted(tmp_path.rglob("*"))
    outputs = [root / "studies/toy/near/41/card.json", root / "studies/toy/near/42/card.json"]
    with pytest.raises(ClaimedError, match=f"{claimed}: what this run would write is in use by process 12 on other"):
        refuse_outputs_in_use(outputs, root, {}, lambda line: None)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("claimed", "owner"),
    [("studies/toy/near/43", OTHER), ("studies/toy/near/42", {"pid": NO_PROCESS}), ("studies/toy/near/4", OTHER)],
    ids=["another study", "dead owner", "prefix"],
)
def test_run_is_not_refused_for_the_claims_of_others(tmp_path: Path, claimed: str, owner: dict[str, Any]) -> None:
    """A dead owner, and one that writes elsewhere, refuse nothing."""
    leave_claim(tmp_path / claimed, **owner)
    refuse_outputs_in_use([tmp_path / "studies/toy/near/42/card.json"], tmp_path, {}, lambda line: None)


def test_run_waits_for_the_owner_as_long_as_the_config_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on as soon as the claim is given back, and says once that it waits."""
    file = leave_claim(tmp_path / "toy", **OTHER)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            file.unlink()

    monkeypatch.setattr(claims.time, "sleep", pause)
    said: list[str] = []
    refuse_outputs_in_use([tmp_path / "toy" / "manifest.json"], tmp_path, {"wait_for_owner": 90}, said.append)
    assert len(pauses) == 2
    assert len(said) == 1 and "waiting for up to 90 s" in said[0]


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


@pytest.mark.parametrize(("ignored", "status"), [(False, 130), (True, 0)], ids=["terminal", "nohup"])
def test_hangup_ends_a_run_as_an_interrupt_does(ignored: bool, status: int) -> None:
    """A closed terminal interrupts a run, which then cancels its jobs; one that was started with nohup goes on."""
    program = (
        "import os, signal, sys\nfrom blindtune.core.job_claims import end_on_hangup\n"
        f"signal.signal(signal.SIGHUP, signal.{'SIG_IGN' if ignored else 'SIG_DFL'})\n"
        "end_on_hangup()\ntry:\n    os.kill(os.getpid(), signal.SIGHUP)\nexcept KeyboardInterrupt:\n    sys.exit(130)"
    )
    variables = os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "lib")}
    ended = subprocess.run([sys.executable, "-c", program], env=variables, check=False)
    assert ended.returncode == status


def test_claim_output_leaves_the_handler_of_signals_as_it_was(tmp_path: Path) -> None:
    """After the block SIGTERM does what it did before."""
    before = signal.getsignal(signal.SIGTERM)
    with claim_output(tmp_path / "toy", "the dataset", {}, JobLog()):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_claim_output_takes_any_handler_of_signals_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that was not set from Python cannot be set again; the default takes its place."""
    handlers: list[Any] = []
    monkeypatch.setattr(signal, "signal", lambda number, handler: handlers.append(handler))
    with claim_output(tmp_path / "toy", "the dataset toy", {}, JobLog()):
        pass
    assert handlers[1:] == [signal.SIG_DFL]
