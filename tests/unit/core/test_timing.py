"""The clock that leaves out the seconds in which a process was stopped."""

import signal
import subprocess
import sys
import time

import pytest

from blindtune.core import timing
from blindtune.core.timing import AwakeClock, Stopwatch


class Hands:
    """The hands of the clocks of a process, moved by a test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.cpu = 100.0, 7.0
        monkeypatch.setattr(timing.time, "perf_counter", lambda: self.wall)
        monkeypatch.setattr(timing.time, "process_time", lambda: self.cpu)

    def move(self, wall: float, cpu: float = 0.0) -> None:
        self.wall += wall
        self.cpu += cpu


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    monkeypatch.setattr(AwakeClock, "_keep_looking", lambda self: None)
    return Hands(monkeypatch)


@pytest.mark.parametrize(
    ("cpu", "counted"), [(0.0, 0.0), (0.5, 0.0), (30.0, 60.0)], ids=["stopped", "just went on", "computed"]
)
def test_seconds_in_which_the_process_was_stopped_do_not_count(hands: Hands, cpu: float, counted: float) -> None:
    """A minute without a look at the clock counts only if the process computed meanwhile."""
    clock = AwakeClock()
    clock.watch()
    before = clock.now()
    hands.move(60.0, cpu)
    assert clock.now() - before == counted
    hands.move(1.0)
    assert clock.now() - before == counted + 1.0


def test_waiting_counts(hands: Hands) -> None:
    """A process that waits looks at the clock all the time."""
    clock = AwakeClock()
    clock.watch()
    before = clock.now()
    for _ in range(120):
        hands.move(0.5)
        clock.now()
    assert clock.now() - before == 60.0


def test_every_second_counts_without_a_watch(hands: Hands) -> None:
    """Nobody looks at the clock then, so a gap tells nothing."""
    clock = AwakeClock()
    before = clock.now()
    hands.move(60.0)
    assert clock.now() - before == 60.0


def test_stopwatch_leaves_out_what_the_process_was_stopped(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a trial is not too long, and a budget not spent, because somebody stopped the job for a while."""
    monkeypatch.setattr(timing, "AWAKE", AwakeClock())
    timing.AWAKE.watch()
    watch = Stopwatch()
    with watch.measure("train"):
        hands.move(2.0, 2.0)
        hands.move(3600.0)
        assert watch.spent() == 0.0
        hands.move(3.0, 3.0)
        assert watch.spent() == 3.0
    assert watch.seconds["train"].wall == 3.0


PROGRAM = """
import sys, time
from blindtune.core import timing
timing._TICK, timing._STOPPED = 0.05, 1.0
timing.AWAKE.watch()
first, awake = time.perf_counter(), timing.AWAKE.now()
print("ready", flush=True)
sys.stdin.readline()
print(time.perf_counter() - first - (timing.AWAKE.now() - awake), flush=True)
"""


def test_process_that_is_stopped_stops_its_clock() -> None:
    """SIGSTOP, as of Ctrl-Z or a scheduler, is seen when the process goes on."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.0)
    process.send_signal(signal.SIGCONT)
    said, _ = process.communicate("go on\n")
    assert float(said) > 1.5
