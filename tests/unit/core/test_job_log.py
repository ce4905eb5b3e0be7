"""What a job writes to its log and shows, at each verbosity."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blindtune.core import job_log as job_logs
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
    assert ended.value.code == 65
    assert capsys.readouterr().err == "\nblindtune: x.csv: is empty.\n\n"
    assert (tmp_path / "a.log").read_text(encoding="utf-8") == "ERROR x.csv: is empty.\n"


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "weights.npz")


def passed_on() -> UserError:
    try:
        raise full_disk()
    except OSError as error:
        refused = UserError("a trial cannot be trained")
        refused.__cause__ = error
    return refused


@pytest.mark.parametrize(
    ("create", "sentence"),
    [
        (full_disk, "weights.npz: cannot be used (No space left on device)"),
        (MemoryError, "the machine refused: Cannot allocate memory"),
        (passed_on, "a trial cannot be trained"),
    ],
)
def test_run_job_logs_the_traceback_of_an_error_of_the_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], create: Callable[[], Exception], sentence: str
) -> None:
    """It is one sentence on the terminal; where it happened is in the log, before the sentence."""
    with pytest.raises(SystemExit), run_job(tmp_path / "a.log", {}):
        raise create()
    shown, log = capsys.readouterr().err, (tmp_path / "a.log").read_text(encoding="utf-8")
    assert shown.startswith(f"\nblindtune: {sentence}") and len(shown.strip().splitlines()) == 1
    assert "Traceback (most recent call last):\n" in log
    assert log.splitlines()[-1].startswith(f"ERROR {sentence}")


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


def run_script(
    tmp_path: Path, body: str, log: Path | str, **streams: Any
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run ``body`` as a job in a process, as a script of a rule; return it and a file that it makes at its end."""
    reached = tmp_path / "reached"
    script = [
        "import blindtune.core.last_word, errno, os, resource, sys",
        "from pathlib import Path",
        "from blindtune.core.job_log import run_job",
        f"with run_job(Path({str(log)!r}), {{}}) as job_log:",
        *(f"    {line}" for line in body.splitlines()),
        f"    Path({str(reached)!r}).touch()",
    ]
    arguments = streams or {"capture_output": True}
    command = [sys.executable, "-c", "\n".join(script)]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(command, text=True, check=False, env=buffered, **arguments), reached


def last_word(ended: subprocess.CompletedProcess[str]) -> str:
    """Return the last line that a process wrote."""
    return (ended.stdout + ended.stderr).strip().splitlines()[-1]


def _as_a_folder(path: Path) -> Path:
    path.mkdir()
    return path


def _below_a_file(path: Path) -> Path:
    path.write_text("", encoding="utf-8")
    return path / "a.log"


def _on_a_full_disk(path: Path) -> Path:
    path.symlink_to("/dev/full")
    return path


@pytest.mark.parametrize("make", [_as_a_folder, _below_a_file, _on_a_full_disk])
def test_log_that_cannot_be_written_ends_no_job(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """The job goes on, and one line says that the log is not written."""
    log = make(tmp_path / "a.log")
    ended, reached = run_script(tmp_path, "for line in ('one', 'two', 'three'): job_log.info(line)", log)
    assert (ended.returncode, reached.exists()) == (0, True)
    lines = ended.stderr.splitlines()
    assert [line for line in lines if not line.startswith("blindtune:")] == ["one", "two", "three"]
    assert len([line for line in lines if f"{log}: this log is not written from here on" in line]) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO, errno.EMFILE])
@pytest.mark.parametrize("call", ["open", "write"])
def test_log_refused_by_the_disk_ends_no_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    """Whichever call fails with whichever error, the job goes on."""

    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    fakes = {name: getattr(os, name) for name in dir(os)} | {call: refuse}
    monkeypatch.setattr(job_logs, "os", SimpleNamespace(**fakes))
    with run_job(tmp_path / "a.log", {}) as job_log:
        write_lines(job_log)
    shown = capsys.readouterr().err
    assert shown.count("not written from here on") == 1
    assert os.strerror(number) in shown
    assert shown.splitlines()[-1] == "frozen"


RAISES = {
    "a full disk": "raise OSError(errno.ENOSPC, 'No space left on device', 'results/x')",
    "a read-only file system": "raise OSError(errno.EROFS, 'Read-only file system', 'results/x')",
    "too many open files": "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)); open('/dev/null')",
    "little memory": "resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28)); bytearray(2**32)",
    "a message": "from blindtune.core.errors import UserError; raise UserError('x.csv: is empty.')",
}


@pytest.mark.parametrize("log", ["a.log", "/dev/full"])
@pytest.mark.parametrize("name", RAISES)
def test_error_of_the_machine_is_one_sentence_as_the_last_word(tmp_path: Path, name: str, log: str) -> None:
    """With or without a log, the last word is one sentence, without a traceback."""
    ended, reached = run_script(tmp_path, RAISES[name], tmp_path / log)
    assert (ended.returncode, reached.exists()) == (65 if name == "a message" else 1, False)
    assert last_word(ended).startswith("blindtune: ")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("writable", [True, False])
def test_bug_ends_with_one_sentence_that_names_its_traceback(tmp_path: Path, writable: bool) -> None:
    """The traceback of a bug is in the log, or above the sentence if there is no log."""
    log = tmp_path / "a.log" if writable else _as_a_folder(tmp_path / "a.log")
    ended, _ = run_script(tmp_path, "[][1]", log)
    assert ended.returncode == 1
    assert last_word(ended).startswith("blindtune: this is a bug in blindtune (IndexError: list index out of range)")
    assert ("Traceback" in ended.stderr) is not writable
    if writable:
        assert "Traceback" in log.read_text(encoding="utf-8")
        assert f"which is in {log}" in last_word(ended)


@pytest.mark.parametrize("lines", [1, 2000])
@pytest.mark.parametrize("error", [False, True])
def test_full_standard_error_changes_no_exit_status(tmp_path: Path, lines: int, error: bool) -> None:
    """A job whose terminal output goes to a full disk ends with the status that it would have."""
    body = f"for _ in range({lines}): job_log.info('line')\nprint('what a library shows')"
    if error:
        body += f"\n{RAISES['a message']}"
    with Path("/dev/full").open("w") as full:
        ended, reached = run_script(tmp_path, body, tmp_path / "a.log", stdout=full, stderr=full)
    assert (ended.returncode, reached.exists()) == ((65, False) if error else (0, True))
    logged = (tmp_path / "a.log").read_text(encoding="utf-8").splitlines()
    assert len(logged) == lines + error


def test_closed_standard_error_changes_no_exit_status(tmp_path: Path) -> None:
    """A job that is started without standard error runs to its end."""
    ended, reached = run_script(tmp_path, "job_log.info('line')", tmp_path / "a.log", preexec_fn=lambda: os.close(2))
    assert (ended.returncode, reached.exists()) == (0, True)
    assert "line" in (tmp_path / "a.log").read_text(encoding="utf-8")


def test_library_that_cannot_be_loaded_is_one_sentence() -> None:
    """An import that fails for the machine's sake, before the job begins, ends in one sentence too."""
    script = (
        "import blindtune.core.last_word, resource\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "import blindtune.core.job_log, numpy"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert last_word(ended).startswith("blindtune: ") and "ulimit -n" in last_word(ended)
    assert "Traceback" not in ended.stderr
