"""Claims: one owner at a time, whoever stops, dies or comes at once, on any file system."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blindtune.core import claims
from blindtune.core.claims import LIMIT, SILENCE, Owner, claim, identify_machine
from blindtune.core.errors import ClaimedError, LostClaimError, UserError
from blindtune.core.files import write_text
from support.claims import NO_PROCESS, claim_files, leave_claim
from support.fake_slurm import FakeSlurm
from support.workflow_runs import ROOT

Patch = pytest.MonkeyPatch

OTHER = {"machine": "other 1234 pid:[1]", "host": "other", "pid": 12}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return what is claimed."""
    return tmp_path / "studies" / "42"


@contextmanager
def child(path: Path, then: str = "input()", **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process that claims a path and prints what happens to it.

    Args:
        path: what it claims.
        then: what it does when it holds the claim.
        **environment: variables that it gets.
    """
    program = (
        "import os, sys, time\nfrom pathlib import Path\nfrom blindtune.core.claims import claim\n"
        "with claim(Path(sys.argv[1]), 'the study', wait_seconds=float(sys.argv[2]), notify=print) as held:\n"
        f"    print('held', flush=True)\n    {then}\n"
    )
    command = [sys.executable, "-c", program, str(path), "0"]
    variables = os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "lib")} | environment
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_claim_is_released_at_the_end_and_after_an_error(path: Path) -> None:
    """A claim leaves no file, neither at the end of its block nor after an error."""
    with claim(path, "the study") as held:
        held.check()
        assert claim_files(path) == [".42.claim-1"]
    assert claim_files(path) == []
    with pytest.raises(KeyError), claim(path, "the study"):
        raise KeyError
    assert claim_files(path) == []
    assert not path.exists(), "what is claimed is not touched"


@pytest.mark.parametrize("linked", ["the folder", "a folder above"])
def test_claim_is_one_for_all_paths_to_a_folder(tmp_path: Path, linked: str) -> None:
    """Two runs that reach one folder by a link, even one in another place, do not both hold its claim."""
    real = tmp_path / "disk" / "studies" / "42"
    real.mkdir(parents=True)
    other = tmp_path / "project"
    other.mkdir()
    if linked == "the folder":
        other.joinpath("42").symlink_to(real)
        path = other / "42"
    else:
        other.joinpath("studies").symlink_to(real.parent)
        path = other / "studies" / "42"
    for first, second in ((real, path), (path, real), (path, other / ".." / "disk" / "studies" / "42")):
        with claim(first, "the study"), pytest.raises(ClaimedError), claim(second, "the study"):
            pass
    with claim(path, "the study") as held:
        held.check()


def test_claim_of_a_living_process_is_refused_and_names_it(path: Path) -> None:
    """One message names process, host, job and since when, and says what to do."""
    with child(path, SLURM_JOB_ID="77") as owner:
        assert read_line(owner) == "held"
        with pytest.raises(ClaimedError) as refused, claim(path, "the study toy/near/42"):
            pass
        message = str(refused.value)
        assert message.startswith(f"{path}: the study toy/near/42 is in use by process {owner.pid} on ")
        assert re.search(r", Slurm job 77, since 20\d\d-\d\d-\d\dT[\d:]+\+00:00; last sign of life \d+ s ago", message)
        assert "Let it end, or end it (`scancel 77`), then run again, or set wait_for_owner" in message
        owner.communicate("\n")
    with claim(path, "the study"):
        pass


@pytest.mark.parametrize(
    ("variables", "job"),
    [
        ({"SLURM_JOB_ID": "1"}, "Slurm job 1"),
        ({"PBS_JOBID": "2.server"}, "PBS job 2.server"),
        ({"LSB_JOBID": "3"}, "LSF job 3"),
        ({"JOB_ID": "4", "SGE_ROOT": "/sge"}, "SGE job 4"),
        ({"JOB_ID": "4"}, ""),
    ],
)
def test_owner_has_the_job_of_its_scheduler(monkeypatch: Patch, variables: dict[str, str], job: str) -> None:
    """The job of each scheduler is known by its variables; JOB_ID alone may be anything."""
    for variable in ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "SGE_ROOT"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert Owner.this_process().job == job


@pytest.mark.parametrize(
    ("owner", "command"),
    [
        ({"pid": 12, **OTHER}, "`kill 12` on other"),
        ({"job_id": "5[9]", "scheduler": "LSF", **OTHER}, "`bkill '5[9]'`"),
        ({"job_id": "7_2", "scheduler": "Slurm", **OTHER}, "`scancel 7_2`"),
        ({}, "`kill OWN`"),
    ],
)
def test_refusal_names_the_command_that_ends_the_owner(path: Path, owner: dict[str, Any], command: str) -> None:
    """It is that of the scheduler, or kill, with the machine if it is another."""
    leave_claim(path, **owner)
    command = command.replace("OWN", str(os.getpid()))
    with pytest.raises(ClaimedError, match=re.escape(f"end it ({command}), then run again")), claim(path, "x"):
        pass


@pytest.mark.parametrize(
    ("owner", "command"),
    [
        ({}, "`kill OWN`"),
        (OTHER, "`kill 12` on other"),
        ({"job_id": "78"}, "`scancel 78`"),
        ({"cluster": "elsewhere"}, "`scancel 77`"),
    ],
)
def test_command_that_ends_the_owner_spares_the_own_job(
    path: Path, monkeypatch: Patch, owner: dict[str, Any], command: str
) -> None:
    """In a shell of salloc, scancel of the job of an owner in the same job would end the shell and all in it."""
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_CLUSTER_NAME", "here")
    leave_claim(path, **{"scheduler": "Slurm", "job_id": "77", "cluster": "here"} | owner)
    command = command.replace("OWN", str(os.getpid()))
    with pytest.raises(ClaimedError, match=re.escape(f"end it ({command}), then run again")), claim(path, "x"):
        pass


#: A job on another machine of the cluster of `FakeSlurm`.
JOB_ELSEWHERE = {"scheduler": "Slurm", "job_id": "77", "cluster": "here", **OTHER}


@pytest.mark.parametrize("state", ["NODE_FAIL", "CANCELLED", "OUT_OF_MEMORY", "TIMEOUT", "PENDING", "COMPLETED"])
def test_silent_owner_whose_job_has_ended_is_followed(
    tmp_path: Path, path: Path, monkeypatch: Patch, state: str
) -> None:
    """Slurm tells that the job has ended, and no heartbeat contradicts it: nobody waits ten minutes."""
    FakeSlurm(tmp_path / "bin", monkeypatch).say(state)
    leave_claim(path, age=SILENCE + 1, **JOB_ELSEWHERE)
    with claim(path, "the study") as held:
        held.check()


@pytest.mark.parametrize(
    ("state", "status", "owner"),
    [
        ("RUNNING", 0, {}),
        ("SUSPENDED", 0, {}),
        ("CANCELLED", 1, {}),
        ("CANCELLED", 0, {"cluster": "elsewhere"}),
        ("CANCELLED", 0, {"scheduler": "LSF"}),
        ("CANCELLED", 0, {"scheduler": "", "job_id": ""}),
    ],
    ids=["running", "suspended", "squeue fails", "another cluster", "another scheduler", "no job"],
)
def test_silent_owner_of_whom_slurm_does_not_tell_that_it_has_ended_keeps_its_claim(
    tmp_path: Path, path: Path, monkeypatch: Patch, state: str, status: int, owner: dict[str, Any]
) -> None:
    """The heartbeat decides, at its own limit."""
    FakeSlurm(tmp_path / "bin", monkeypatch).answer("squeue", f"{state} 0\n", status)
    leave_claim(path, age=LIMIT - 60, **JOB_ELSEWHERE | owner)
    with pytest.raises(ClaimedError), claim(path, "the study"):
        pass
    leave_claim(path, age=LIMIT + 5, **JOB_ELSEWHERE | owner)
    with claim(path, "the study"):
        pass


def test_owner_whose_job_has_ended_and_that_is_silent_soon_is_waited_for(
    tmp_path: Path, path: Path, monkeypatch: Patch
) -> None:
    """A job that was sent again at once waits for the silence of the first, and does not fail."""
    FakeSlurm(tmp_path / "bin", monkeypatch).say("OUT_OF_MEMORY")
    leave_claim(path, age=SILENCE - 3, **JOB_ELSEWHERE)
    said: list[str] = []
    begun = time.monotonic()
    with claim(path, "the study", notify=said.append) as held:
        held.check()
    assert 1 < time.monotonic() - begun < 30
    assert "its job has ended: waiting until 90 s have passed since its last sign of life" in said[0]
    assert "is taken over from" in said[1]


def test_owner_whose_job_has_ended_and_that_lives_on_is_not_followed(
    tmp_path: Path, path: Path, monkeypatch: Patch
) -> None:
    """A node that Slurm has lost may be alive: its heartbeats go on, and it is named with what ends it."""
    FakeSlurm(tmp_path / "bin", monkeypatch).say("NODE_FAIL")
    file = leave_claim(path, age=0.0, **JOB_ELSEWHERE)
    monkeypatch.setattr(claims, "SILENCE", 4.0)
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.5):
            os.utime(file)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(ClaimedError, match=re.escape("end it (`kill 12` on other)")), claim(path, "the study"):
            pass
    finally:
        stop.set()
        thread.join()


def test_requeued_job_follows_its_former_self_without_asking(tmp_path: Path, path: Path, monkeypatch: Patch) -> None:
    """Its own restart count tells that it was ended; its silence tells that it is dead."""
    slurm = FakeSlurm(tmp_path / "bin", monkeypatch)
    leave_claim(path, age=SILENCE + 1, **JOB_ELSEWHERE)
    variables = {"SLURM_JOB_ID": "77", "SLURM_CLUSTER_NAME": "here", "SLURM_RESTART_COUNT": "1"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with claim(path, "the study"):
        pass
    assert slurm.calls("squeue") == []


def test_claim_of_an_older_version_is_read(path: Path) -> None:
    """It has no fields of a scheduler's job."""
    old = {"token": "1", "job": "Slurm job 3", "started": None, "since": "2026-01-01", **OTHER}
    leave_claim(path, content=json.dumps(old).encode())
    with pytest.raises(ClaimedError, match=r"process 12 on other, Slurm job 3, .*`kill 12` on other"), claim(path, "x"):
        pass


def test_machine_is_known_with_its_start_and_its_container() -> None:
    """Process ids are compared only within one start of a machine and one container."""
    machine = identify_machine()
    assert Path("/proc/sys/kernel/random/boot_id").read_text().strip() in machine
    assert str(Path("/proc/self/ns/pid").readlink()) in machine


def test_claim_waits_for_a_living_owner(path: Path) -> None:
    """With time to wait, a second process gets the claim when the first releases it, and says that it waits."""
    said: list[str] = []
    with child(path) as owner:
        assert read_line(owner) == "held"
        end = threading.Timer(0.4, lambda: owner.stdin and (owner.stdin.write("\n"), owner.stdin.flush()))
        end.start()
        with claim(path, "the study", wait_seconds=60, notify=said.append):
            assert owner.wait(10) == 0
    assert len(said) == 1
    assert f"in use by process {owner.pid} on " in said[0]
    assert said[0].endswith("waiting for up to 60 s")


def test_claim_ends_waiting_in_time(path: Path) -> None:
    """After the time to wait the message says how long it was."""
    leave_claim(path, **OTHER)
    with pytest.raises(ClaimedError, match=r"this run waited for 0\.05 s"), claim(path, "x", wait_seconds=0.05):
        pass


@pytest.mark.parametrize(
    "owner",
    [
        {"pid": NO_PROCESS},
        {"started": 1},
        {"age": LIMIT + 5, **OTHER},
        {"age": LIMIT + 5, "content": b""},
        {"age": LIMIT + 5, "content": b'{"pid": 1}\n'},
    ],
    ids=["gone", "pid used again", "silent on another host", "empty", "damaged"],
)
def test_claim_of_a_dead_owner_is_taken_over(path: Path, owner: dict[str, Any]) -> None:
    """A dead owner's claim is taken over, a line says from whom, and nothing of it is left."""
    leave_claim(path, **owner)
    said: list[str] = []
    with claim(path, "the study", notify=said.append) as held:
        held.check()
        assert claim_files(path) == [".42.claim-2"]
    assert claim_files(path) == []
    [line] = said
    assert line.startswith(f"{path}: the study is taken over from ")
    assert ("an unknown process" if "content" in owner else f"process {owner.get('pid', os.getpid())} on ") in line


@pytest.mark.parametrize(
    "owner",
    [
        {"age": LIMIT + 5},
        OTHER,
        {"age": LIMIT - 60, **OTHER},
        {"age": -3600.0, **OTHER},
        {"pid": NO_PROCESS, "machine": f"{identify_machine()}0"},
        {"content": b""},
    ],
    ids=["silent but running", "other host", "not yet silent", "clock ahead", "other container", "just created"],
)
def test_claim_of_a_living_owner_is_not_taken_over(path: Path, owner: dict[str, Any]) -> None:
    """A process that runs here, or that gave a sign of life elsewhere, keeps its claim."""
    file = leave_claim(path, **owner)
    before = file.read_bytes()
    with pytest.raises(ClaimedError), claim(path, "the study"):
        pass
    assert file.read_bytes() == before
    assert claim_files(path) == [file.name]


def test_killed_owner_is_followed_at_once_even_if_nobody_collects_it(path: Path) -> None:
    """A process that was killed is dead also while its parent has not collected it."""
    with child(path) as owner:
        assert read_line(owner) == "held"
        owner.send_signal(signal.SIGKILL)
        # Without collecting it. The first thread ends before the others do.
        while os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.01)
        assert claim_files(path) == [".42.claim-1"]
        with claim(path, "the study"):
            pass


def test_stopped_owner_keeps_its_claim(path: Path) -> None:
    """A process that is stopped, but there, is not dead."""
    with child(path) as owner:
        assert read_line(owner) == "held"
        owner.send_signal(signal.SIGSTOP)
        with pytest.raises(ClaimedError), claim(path, "the study"):
            pass


def test_owner_that_lost_its_claim_stops_and_leaves_the_new_one(path: Path) -> None:
    """Who lost a claim gets an error that names the new owner, and removes and refreshes nothing of it."""
    with ExitStack() as stack:
        held = stack.enter_context(claim(path, "the study"))
        # What a process on another machine does that has taken this one for dead.
        new = leave_claim(path, number=2, age=50, **OTHER)
        path.with_name(".42.claim-1").unlink()
        with pytest.raises(LostClaimError, match="was taken over by process 12 on other"):
            held.check()
        old_file = leave_claim(path, number=1, age=50, **OTHER)
        times = [file.stat().st_mtime for file in (new, old_file)]
        held.beat()
        assert [file.stat().st_mtime for file in (new, old_file)] == times
    assert claim_files(path) == [".42.claim-1", ".42.claim-2"]


def test_removed_claim_is_lost(path: Path) -> None:
    """An owner whose claim file was removed by hand stops, too."""
    with claim(path, "the study") as held:
        path.with_name(".42.claim-1").unlink()
        with pytest.raises(LostClaimError, match="by another process"):
            held.check()
        with pytest.raises(LostClaimError):
            write_text(path.with_name("manifest.json"), "of a process that was taken for dead")
    assert not path.with_name("manifest.json").exists()
    write_text(path.with_name("manifest.json"), "of a process without claims")


def test_claim_beats_while_it_is_held(path: Path, monkeypatch: Patch) -> None:
    """The modification time of the claim file follows the clock of the file system; its content stays."""
    monkeypatch.setattr(claims, "HEARTBEAT", 0.02)
    with claim(path, "the study"):
        file = path.with_name(".42.claim-1")
        content = file.read_bytes()
        os.utime(file, (1, 1))
        deadline = time.monotonic() + 20
        while file.stat().st_mtime == 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert abs(file.stat().st_mtime - time.time()) < 60
        assert file.read_bytes() == content
    assert claim_files(path) == []


def test_fork_of_an_owner_releases_nothing(path: Path) -> None:
    """A fork that leaves the block does not release the claim of its parent."""
    with ExitStack() as stack:
        held = stack.enter_context(claim(path, "the study"))
        process = os.fork()
        if not process:
            held.release()
            os._exit(0)
        os.waitpid(process, 0)
        held.check()


def test_claim_on_a_disk_that_refuses_names_it(path: Path, monkeypatch: Patch) -> None:
    """A full or read-only disk gives one message that names the path and says what to do; nothing is left."""

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(claims.os, "fsync", refuse)
    message = r"42: cannot be claimed \(No space left on device\)\. Make room or allow writing there"
    with pytest.raises(UserError, match=message), claim(path, "x"):
        pass
    assert claim_files(path) == []


def test_old_drafts_of_killed_processes_are_removed(path: Path) -> None:
    """What a kill left before a claim was taken is removed a day later, and not earlier."""
    path.parent.mkdir(parents=True)
    old, young = (path.with_name(f".42.claim.{letter * 32}.part") for letter in "ab")
    for file in (old, young):
        file.write_text("")
    os.utime(old, (1, 1))
    with claim(path, "the study"):
        pass
    assert claim_files(path) == [young.name]


def test_claims_of_other_paths_do_not_matter(path: Path) -> None:
    """Paths with names that begin alike, or that hold special characters, do not share claims."""
    for name in ("4", "42", "420", "4.", "42.claim-1"):
        leave_claim(path.with_name(name), **OTHER) if name != "42" else None
    with claim(path, "the study"):
        assert path.with_name(".42.claim-1").exists()


# A file system where flock fails or does nothing, and one without hard links.


def _no_flock(*_: Any) -> None:
    raise OSError(37, "No locks available")


SYSTEMS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "plain": lambda patch: None,
    "flock fails": lambda patch: patch.setattr(fcntl, "flock", _no_flock),
    "flock does nothing": lambda patch: patch.setattr(fcntl, "flock", lambda *_: None),
    "no hard links": lambda patch: patch.setattr(Path, "hardlink_to", _no_flock),
}


def count_up(path: Path, counter: Path, rounds: int, kill_at: int | None) -> None:
    """Claim a path again and again, and add one to a number each time, slowly; die at one round."""
    for number in range(rounds):
        with claim(path, "the counter", wait_seconds=120) as held:
            value = int(counter.read_text())
            held.check()
            time.sleep(0.001)
            if number == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            counter.write_text(str(value + 1))


@pytest.mark.parametrize("system", SYSTEMS)
def test_processes_that_race_take_turns(path: Path, tmp_path: Path, monkeypatch: Patch, system: str) -> None:
    """Of many processes that claim at once, some of which are killed, one at a time holds the claim."""
    SYSTEMS[system](monkeypatch)
    counter, rounds = tmp_path / "counter", 8
    counter.write_text("0")
    leave_claim(path, pid=NO_PROCESS)
    children = []
    for kill_at in (None, None, None, 2, 5, 7):
        process = os.fork()
        if not process:
            with suppress(BaseException):
                count_up(path, counter, rounds, kill_at)
                os._exit(0)
            os._exit(1)
        children.append(process)
    ended = Counter(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in children)
    assert ended == {0: 3, -signal.SIGKILL: 3}
    assert int(counter.read_text()) == 3 * rounds + 2 + 5 + 7


@pytest.mark.parametrize("system", SYSTEMS)
def test_one_of_many_takeovers_wins(path: Path, tmp_path: Path, monkeypatch: Patch, system: str) -> None:
    """Of processes that take over one dead claim at the same moment, exactly one gets it; the others name it."""
    SYSTEMS[system](monkeypatch)
    for turn in range(5):
        target = path.with_name(f"{turn}")
        leave_claim(target, pid=NO_PROCESS)
        end = tmp_path / f"end-{turn}"
        waiting, begin = os.pipe()
        children = []
        for _ in range(6):
            process = os.fork()
            if not process:
                os.close(begin)
                os._exit(_race(target, waiting, end))
            children.append(process)
        os.close(waiting)
        os.close(begin)
        codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in children]
        assert sorted(codes) == [0, 3, 3, 3, 3, 3]


def _race(target: Path, begin: int, end: Path) -> int:
    """Wait until a pipe ends, claim, and hold the claim until all others have been refused."""
    os.read(begin, 1)
    try:
        with claim(target, "the study") as held:
            deadline = time.monotonic() + 60
            while not end.exists() or len(end.read_text()) < 5:
                if time.monotonic() > deadline:
                    return 4
                time.sleep(0.002)
            held.check()
            return 0
    except ClaimedError:
        with end.open("a") as stream:
            stream.write("x")
        return 3
    except BaseException:
        return 5


@pytest.mark.parametrize("system", ["plain", "no hard links"])
def test_claimant_that_was_stopped_before_it_creates_its_file_withdraws(
    path: Path, monkeypatch: Patch, system: str
) -> None:
    """A process that finds its number free only because others came and were followed meanwhile is not an owner."""
    SYSTEMS[system](monkeypatch)
    create = claims._create

    def stopped(mine: Path, draft: Path, owner: Owner) -> bool:
        # Meanwhile another took number 1, was lost, and a third on another host took number 2.
        leave_claim(path, number=2, **OTHER)
        return create(mine, draft, owner)

    monkeypatch.setattr(claims, "_create", stopped)
    with pytest.raises(ClaimedError, match="process 12 on other"), claim(path, "the study"):
        pass
    assert claim_files(path) == [".42.claim-2"]


def test_claimant_leaves_an_owner_that_woke_up(path: Path, monkeypatch: Patch) -> None:
    """An owner on another host that gives a sign of life before its claim is removed keeps it."""
    file = leave_claim(path, age=LIMIT + 5, **OTHER)
    create = claims._create

    def woken(mine: Path, draft: Path, owner: Owner) -> bool:
        os.utime(file)
        return create(mine, draft, owner)

    monkeypatch.setattr(claims, "_create", woken)
    with pytest.raises(ClaimedError, match="process 12 on other"), claim(path, "the study"):
        pass
    assert claim_files(path) == [".42.claim-1"]


def test_claimant_that_was_itself_followed_is_not_an_owner(path: Path, monkeypatch: Patch) -> None:
    """A process that was stopped after it created its file, and was followed meanwhile, refuses itself."""
    leave_claim(path, pid=NO_PROCESS)
    unlink = Path.unlink

    def stopped(file: Path, missing_ok: bool = False) -> None:
        unlink(file, missing_ok)
        if file.name == ".42.claim-1":
            unlink(path.with_name(".42.claim-2"))
            leave_claim(path, number=3, **OTHER)

    monkeypatch.setattr(Path, "unlink", stopped)
    with pytest.raises(ClaimedError, match="process 12 on other"), claim(path, "the study"):
        pass
    assert claim_files(path) == [".42.claim-3"]


# Interleavings: claimants are threads that stop before each step at the file system; hypothesis chooses who goes on.


class Schedule:
    """Lets one of several threads go on at a time, to its next step."""

    def __init__(self) -> None:
        self.waiting: dict[int, threading.Semaphore] = {}
        self.arrived = threading.Semaphore(0)
        self.number = threading.local()

    def step(self) -> None:
        """Stop this thread until it is chosen."""
        number = getattr(self.number, "value", None)
        if number is not None:
            self.arrived.release()
            self.waiting[number].acquire()

    def start(self, number: int, run: Callable[[], None]) -> None:
        """Start a thread; it stops before its first step."""
        self.waiting[number] = threading.Semaphore(0)

        def body() -> None:
            self.number.value = number
            self.step()
            run()
            del self.waiting[number]
            self.arrived.release()

        threading.Thread(target=body, daemon=True).start()
        assert self.arrived.acquire(timeout=60)

    def go(self, number: int) -> None:
        """Let a thread take its next step."""
        self.waiting[number].release()
        assert self.arrived.acquire(timeout=60)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), max_size=40), st.booleans())
def test_no_interleaving_gives_two_owners(
    tmp_path_factory: pytest.TempPathFactory, choices: list[tuple[int, int]], has_links: bool
) -> None:
    """An owner may stop at any step for any time and be taken for dead: two never hold one claim."""
    path = tmp_path_factory.mktemp("interleaved") / "42"
    schedule, silent = Schedule(), set[str]()
    inside: dict[int, claims.Claim] = {}
    tokens: dict[int, str] = {}
    create = Owner.this_process

    def known_owner() -> Owner:
        owner = create()
        tokens[schedule.number.value] = owner.token
        return owner

    def claimant(number: int) -> None:
        for _ in range(3):
            with suppress(ClaimedError), claim(path, f"{number}") as held:
                inside[number] = held
                schedule.step()
                schedule.step()
                inside.pop(number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims.os, "fsync", lambda descriptor: None)
        patch.setattr(Owner, "this_process", known_owner)
        patch.setattr(claims.Claim, "keep_alive", lambda self: None)
        patch.setattr(claims._Entry, "is_dead", lambda self: self.owner is None or self.owner.token in silent)
        patch.setattr(claims.time, "sleep", lambda seconds: schedule.step())
        if not has_links:
            patch.setattr(Path, "hardlink_to", _no_flock)
        for owner, name in ((claims, "_read_entries"), (claims, "_create"), (claims, "_holds"), (Path, "unlink")):
            patch.setattr(owner, name, _stepping(schedule, getattr(owner, name)))
        for number in range(4):
            schedule.start(number, lambda number=number: claimant(number))
        for chosen, steps in choices:
            if not steps and chosen in tokens:
                silent ^= {tokens[chosen]}  # others no longer see its signs of life, or see them again
            for _ in range(steps):
                if chosen in schedule.waiting:
                    schedule.go(chosen)
                assert sum(_passes(held) for held in list(inside.values())) <= 1
        for number in range(4):
            while number in schedule.waiting:
                schedule.go(number)
                assert sum(_passes(held) for held in list(inside.values())) <= 1
    assert claim_files(path) == [] or silent


def _stepping(schedule: Schedule, function: Callable[..., Any]) -> Callable[..., Any]:
    def stepping(*arguments: Any, **options: Any) -> Any:
        schedule.step()
        return function(*arguments, **options)

    return stepping


def _passes(held: claims.Claim) -> bool:
    try:
        held.check()
    except LostClaimError:
        return False
    return True
