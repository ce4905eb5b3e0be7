"""What a job shows under each verbosity, in its log and on a terminal, alone and beside others."""

import fcntl
import os
import pty
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from blindtune.core import progress
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.core.job_log import JobLog, run_job
from blindtune.core.progress import Screen, TerminalScreen, estimate_remaining, format_bar
from blindtune.study.budget_tracker import BudgetTracker
from support.builders import trial

CLEAR = "\r\x1b[K"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, which a test moves by hand."""
    now = [1000.0]
    monkeypatch.setattr("blindtune.core.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


class Tty:
    """A terminal whose other end a test holds, in place of the standard error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._seen, self.end = pty.openpty()
        stream = os.fdopen(self.end, "w", closefd=False)
        # pytest puts its own standard error back before the test begins.
        monkeypatch.setattr("blindtune.core.progress.sys", SimpleNamespace(stderr=stream))
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "60")

    def text(self) -> str:
        """What was shown since the last call; the line feeds as they were written."""
        os.write(self.end, b"\0")
        seen = b""
        while not seen.endswith(b"\0"):
            seen += os.read(self._seen, 65536)
        return seen[:-1].decode().replace("\r\n", "\n")

    def hold(self) -> int:
        """As another job of the same run does."""
        other = os.open(os.ttyname(self.end), os.O_RDONLY | os.O_NOCTTY)
        fcntl.flock(other, fcntl.LOCK_SH)
        return other

    def close(self) -> None:
        os.close(self._seen)
        os.close(self.end)


@pytest.fixture
def tty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tty]:
    tty = Tty(monkeypatch)
    yield tty
    tty.close()


def talk(job_log: JobLog) -> None:
    job_log.info("said")
    job_log.detail("epoch 1")
    job_log.progress(0.5, "trial 1")
    job_log.progress(1.0, "trial 2")
    job_log.finish("frozen")


@pytest.mark.parametrize(
    ("verbosity", "log", "shown"),
    [
        ("quiet", ["said", "trial 1", "trial 2", "frozen"], ["frozen"]),
        ("normal", ["said", "trial 1", "trial 2", "frozen"], ["said", "trial 1", "frozen"]),
        ("verbose", ["said", "epoch 1", "trial 1", "trial 2", "frozen"], None),
    ],
)
def test_each_verbosity_shows_what_it_says(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    clock: list[float],
    verbosity: str,
    log: list[str],
    shown: list[str] | None,
) -> None:
    with run_job(tmp_path / "logs" / "a.log", {"verbosity": verbosity}) as job_log:
        talk(job_log)
    lines = (tmp_path / "logs" / "a.log").read_text(encoding="utf-8").splitlines()
    assert [re.sub(r"^[0-9-]{10} [0-9:]{8} ", "", line) for line in lines] == log
    assert capsys.readouterr().err.splitlines() == (log if shown is None else shown)


def test_a_config_without_the_key_is_normal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with run_job(tmp_path / "a.log", {}) as job_log:
        talk(job_log)
    assert capsys.readouterr().err.splitlines() == ["said", "trial 1", "frozen"]


def test_progress_is_a_line_every_five_seconds(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    lines = Screen()
    for second in range(12):
        clock[0] = 1000.0 + second
        lines.progress(second / 12, f"second {second}")
    assert capsys.readouterr().err.splitlines() == ["second 0", "second 5", "second 10"]


@pytest.mark.parametrize("verbosity", ["quiet", "normal", "verbose"])
def test_an_error_is_one_message_in_every_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verbosity: str
) -> None:
    with pytest.raises(SystemExit) as ended, run_job(tmp_path / "a.log", {"verbosity": verbosity}):
        raise UserError("x.csv: is empty.")
    assert ended.value.code == 1
    assert capsys.readouterr().err == "\nblindtune: x.csv: is empty.\n\n"
    assert (tmp_path / "a.log").read_text(encoding="utf-8") == "ERROR x.csv: is empty.\n"


def test_a_stop_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, run_job(tmp_path / "a.log", {}):
        raise KeyboardInterrupt
    assert ended.value.code == 130
    said = capsys.readouterr().err
    assert said.startswith("blindtune: stopped; run the same command again") and said.count("\n") == 1
    assert "stopped" in (tmp_path / "a.log").read_text(encoding="utf-8")


def test_a_job_alone_on_a_terminal_redraws_one_line(tty: Tty, clock: list[float]) -> None:
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


def test_the_bar_is_gone_at_the_end(tty: Tty, clock: list[float]) -> None:
    shown = TerminalScreen()
    clock[0] += 3.0
    shown.progress(0.5, "trial 1")
    tty.text()
    shown.close()
    assert tty.text() == CLEAR


def test_a_job_beside_another_writes_whole_lines(tty: Tty, clock: list[float]) -> None:
    shown, other = TerminalScreen(), tty.hold()
    for share in (0.1, 0.2, 0.3):
        clock[0] += 3.0
        shown.progress(share, f"trial {share}")
    lines = tty.text().replace(CLEAR, "").splitlines()
    assert lines == ["[##..................] 10% trial 0.1", "[######..............] 30%, 0:21 left trial 0.3"]
    os.close(other)
    clock[0] += 2.0
    shown.progress(0.4, "trial 4")
    assert tty.text() == "", "Snakemake may still say how the other ended"
    clock[0] += 3.0
    shown.progress(0.5, "trial 5")
    assert tty.text().endswith("trial 5\r")


def test_a_job_keeps_its_hold_while_it_looks_who_else_is_there(tty: Tty, clock: list[float]) -> None:
    one, two = TerminalScreen(), TerminalScreen()
    clock[0] += 9.0
    for shown in (one, two, one, two):
        shown.progress(0.5, "it")
    assert "\r" not in tty.text().replace(CLEAR, ""), "no bar: each saw the other"


def test_a_terminal_that_knows_no_codes_gets_plain_lines(tty: Tty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert type(progress.open_screen()) is Screen


def test_a_verbose_job_draws_no_bar(tty: Tty, clock: list[float], tmp_path: Path) -> None:
    with run_job(tmp_path / "a.log", {"verbosity": "verbose"}) as job_log:
        clock[0] += 9.0
        talk(job_log)
    assert tty.text().replace(CLEAR, "").splitlines() == ["said", "epoch 1", "trial 1", "trial 2", "frozen"]


def test_the_time_left_follows_from_this_session_alone() -> None:
    assert estimate_remaining(100.0, 0.5, 110.0, 0.75) == 10.0
    assert estimate_remaining(100.0, 0.5, 110.0, 0.5) is None
    assert format_bar(0.0, None) == f"[{'.' * 20}] 0%"
    assert format_bar(1.0, 0.0) == f"[{'#' * 20}] 100%, 0:00 left"
    assert format_bar(0.26, 3725.4) == f"[{'#' * 5}{'.' * 15}] 26%, 1:02:05 left"


@pytest.mark.parametrize(
    ("budget", "shares", "text"),
    [
        ({"trials": 4}, [0.25, 0.5], "trial 2 of 4"),
        ({"epochs": 10}, [0.3, 0.6], "trial 2, 6 of 10 epochs"),
        ({"seconds": 8.0}, [0.25, 0.5], "trial 2, 4 of 8 s"),
        ({"trials": 10, "epochs": 9, "seconds": 100}, [1 / 3, 2 / 3], "trial 2 of 10, 6 of 9 epochs, 4 of 100 s"),
        ({"trials": 1}, [1.0, 1.0], "trial 2 of 1"),
    ],
)
def test_progress_is_measured_by_the_limit_that_ends_the_search(
    budget: dict[str, float], shares: list[float], text: str
) -> None:
    account = BudgetTracker(Budget.model_validate(budget))
    found = []
    for number in range(2):
        account.add(trial(number, epochs=3, seconds={"train": {"wall": 2.0}}))
        found.append(account.fraction_spent())
    assert found == pytest.approx(shares)
    assert str(account) == text
