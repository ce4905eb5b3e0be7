"""What a job writes to its log and shows, at each verbosity."""

import re
from pathlib import Path

import pytest

from blindtune.core.errors import UserError
from blindtune.core.job_log import JobLog, run_job
from support.terminal import CLEAR, Tty


def write_lines(job_log: JobLog) -> None:
    """Write one line of each sort and two about progress."""
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
def test_job_log_shows_what_the_verbosity_asks_for(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    clock: list[float],
    verbosity: str,
    log: list[str],
    shown: list[str] | None,
) -> None:
    """Each verbosity shows its lines; the log has all, those of epochs only if verbose."""
    with run_job(tmp_path / "logs" / "a.log", {"verbosity": verbosity}) as job_log:
        write_lines(job_log)
    lines = (tmp_path / "logs" / "a.log").read_text(encoding="utf-8").splitlines()
    assert [re.sub(r"^[0-9-]{10} [0-9:]{8} ", "", line) for line in lines] == log
    assert capsys.readouterr().err.splitlines() == (log if shown is None else shown)


def test_run_job_without_verbosity_is_normal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A config without the key is normal."""
    with run_job(tmp_path / "a.log", {}) as job_log:
        write_lines(job_log)
    assert capsys.readouterr().err.splitlines() == ["said", "trial 1", "frozen"]


@pytest.mark.parametrize("verbosity", ["quiet", "normal", "verbose"])
def test_run_job_shows_an_error_as_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verbosity: str
) -> None:
    """An error is one message, at every verbosity, and in the log."""
    with pytest.raises(SystemExit) as ended, run_job(tmp_path / "a.log", {"verbosity": verbosity}):
        raise UserError("x.csv: is empty.")
    assert ended.value.code == 1
    assert capsys.readouterr().err == "\nblindtune: x.csv: is empty.\n\n"
    assert (tmp_path / "a.log").read_text(encoding="utf-8") == "ERROR x.csv: is empty.\n"


def test_run_job_tells_how_to_continue_after_a_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An interrupt ends the job with one line that says how to continue."""
    with pytest.raises(SystemExit) as ended, run_job(tmp_path / "a.log", {}):
        raise KeyboardInterrupt
    assert ended.value.code == 130
    shown = capsys.readouterr().err
    assert shown.startswith("blindtune: stopped; run the same command again") and shown.count("\n") == 1
    assert "stopped" in (tmp_path / "a.log").read_text(encoding="utf-8")


def test_verbose_job_draws_no_bar(tty: Tty, clock: list[float], tmp_path: Path) -> None:
    """A verbose job shows each line on a terminal and draws no bar."""
    with run_job(tmp_path / "a.log", {"verbosity": "verbose"}) as job_log:
        clock[0] += 9.0
        write_lines(job_log)
    assert tty.text().replace(CLEAR, "").splitlines() == ["said", "epoch 1", "trial 1", "trial 2", "frozen"]
