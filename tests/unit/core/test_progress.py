"""The progress of a job on a terminal, alone and with other jobs."""

import os

import pytest

from blindtune.core import progress
from blindtune.core.budget import Budget
from blindtune.core.progress import Screen, TerminalScreen, estimate_remaining, format_bar
from blindtune.study.budget_tracker import BudgetTracker
from support.builders import trial
from support.terminal import CLEAR, Tty


def test_screen_progress_is_a_line_every_five_seconds(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal, progress is one line every five seconds."""
    lines = Screen()
    for second in range(12):
        clock[0] = 1000.0 + second
        lines.progress(second / 12, f"second {second}")
    assert capsys.readouterr().err.splitlines() == ["second 0", "second 5", "second 10"]


def test_terminal_screen_redraws_one_line_if_alone(tty: Tty, clock: list[float]) -> None:
    """A job that is alone on a terminal redraws one line, never wider than the terminal."""
    shown = progress.open_screen()
    assert isinstance(shown, TerminalScreen)
    clock[0] += 3.0
    shown.progress(0.25, "trial 1")
    clock[0] += 10.0
    shown.progress(0.5, f"trial 2 {'x' * 100}")
    first, second = tty.text().split(CLEAR)[1:]
    assert first == "[#####...............] 25% trial 1\r"
    assert second.startswith("[##########..........] 50%, 0:20 left trial 2 xxx")
    assert len(second.rstrip("\r")) == 59, "never wider than the terminal, where it would wrap"
    shown.line("frozen")
    assert tty.text() == f"{CLEAR}frozen\n"
    shown.close()
    assert tty.text() == "", "the line took the place of the bar"


def test_terminal_screen_erases_the_bar_at_the_end(tty: Tty, clock: list[float]) -> None:
    """The bar is erased at the end."""
    shown = TerminalScreen()
    clock[0] += 3.0
    shown.progress(0.5, "trial 1")
    tty.text()
    shown.close()
    assert tty.text() == CLEAR


def test_terminal_screen_writes_lines_with_another_job(tty: Tty, clock: list[float]) -> None:
    """While another job runs, and shortly after, a job writes whole lines only."""
    shown, other = TerminalScreen(), tty.hold()
    for fraction in (0.1, 0.2, 0.3):
        clock[0] += 3.0
        shown.progress(fraction, f"trial {fraction}")
    lines = tty.text().replace(CLEAR, "").splitlines()
    assert lines == ["[##..................] 10% trial 0.1", "[######..............] 30%, 0:21 left trial 0.3"]
    os.close(other)
    clock[0] += 2.0
    shown.progress(0.4, "trial 4")
    assert tty.text() == "", "Snakemake may still report how the other ended"
    clock[0] += 3.0
    shown.progress(0.5, "trial 5")
    assert tty.text().endswith("trial 5\r")


def test_terminal_screen_without_locks_writes_lines(
    tty: Tty, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where flock fails a job cannot know whether it is alone: it never draws over what another may write."""

    def fail(*arguments: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", fail)
    shown = TerminalScreen()
    clock[0] += 10.0
    shown.progress(0.5, "trial 1")
    assert tty.text().endswith("trial 1\n")


def test_terminal_screen_keeps_its_lock_while_it_checks(tty: Tty, clock: list[float]) -> None:
    """A job keeps its lock on the terminal while it checks for others."""
    one, two = TerminalScreen(), TerminalScreen()
    clock[0] += 9.0
    for shown in (one, two, one, two):
        shown.progress(0.5, "it")
    assert "\r" not in tty.text().replace(CLEAR, ""), "no bar: each found the other"


def test_open_screen_of_two_studies_in_one_job_is_one(tty: Tty, clock: list[float]) -> None:
    """The second study of a job draws a bar too, whose time left is its own."""
    shown = progress.open_screen()
    shown.progress(0.9, "trial 9")
    shown.close()
    shown = progress.open_screen()
    clock[0] += 3.0
    tty.text()
    shown.progress(0.0, "trial 0")
    clock[0] += 10.0
    shown.progress(0.5, "trial 5")
    assert tty.text().split(CLEAR)[1:] == [
        "[....................] 0% trial 0\r",
        "[##########..........] 50%, 0:10 left trial 5\r",
    ]


def test_open_screen_on_a_dumb_terminal_is_plain(tty: Tty, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that knows no control codes gets plain lines."""
    monkeypatch.setenv("TERM", "dumb")
    assert type(progress.open_screen()) is Screen


def test_estimate_remaining_uses_this_session_only() -> None:
    """The time left follows from the speed of this session."""
    assert estimate_remaining(100.0, 0.5, 110.0, 0.75) == 10.0
    assert estimate_remaining(100.0, 0.5, 110.0, 0.5) is None
    assert format_bar(0.0, None) == f"[{'.' * 20}] 0%"
    assert format_bar(1.0, 0.0) == f"[{'#' * 20}] 100%, 0:00 left"
    assert format_bar(0.26, 3725.4) == f"[{'#' * 5}{'.' * 15}] 26%, 1:02:05 left"


@pytest.mark.parametrize(
    ("budget", "fractions", "text"),
    [
        ({"trials": 4}, [0.25, 0.5], "trial 2 of 4"),
        ({"epochs": 10}, [0.3, 0.6], "trial 2, 6 of 10 epochs"),
        ({"seconds": 8.0}, [0.25, 0.5], "trial 2, 4 of 8 s"),
        ({"trials": 10, "epochs": 9, "seconds": 100}, [1 / 3, 2 / 3], "trial 2 of 10, 6 of 9 epochs, 4 of 100 s"),
        ({"trials": 1}, [1.0, 1.0], "trial 2 of 1"),
    ],
)
def test_fraction_spent_follows_the_limit_that_ends_first(
    budget: dict[str, float], fractions: list[float], text: str
) -> None:
    """Progress is measured by the limit that is reached first."""
    tracker = BudgetTracker(Budget.model_validate(budget))
    found = []
    for number in range(2):
        tracker.add(trial(number, epochs=3, seconds={"train": {"wall": 2.0}}))
        found.append(tracker.fraction_spent())
    assert found == pytest.approx(fractions)
    assert str(tracker) == text
