"""Show the messages of a job: plain lines, and on a terminal a progress bar.

Snakemake runs several jobs, each in a separate process, on one terminal. A job redraws its bar in place only while
no other job uses the terminal; otherwise it prints a line about its progress every few seconds.
"""

import fcntl
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TextIO
from weakref import WeakKeyDictionary

#: Seconds between two lines about the progress of one job; its log has all of them.
_PAUSE = 5.0
#: Seconds that a job must be alone before it draws: Snakemake still has to report how the last one ended.
_QUIET = 3.0
_WIDTH = 20
#: Moves to the first column and erases the line.
_CLEAR = "\r\x1b[K"


class Screen:
    """Plain lines on standard error."""

    def __init__(self) -> None:
        self._last_shown = -_PAUSE

    def line(self, text: str) -> None:
        """Show a line."""
        # A single write: otherwise lines of concurrent jobs could be mixed.
        self._write(f"{text}\n")

    def progress(self, fraction: float, text: str) -> None:
        """Show the progress of a search, at most once every few seconds.

        Args:
            fraction: Fraction of the budget that is spent, from 0 to 1.
            text: One line about it.
        """
        if time.monotonic() - self._last_shown >= _PAUSE:
            self._last_shown = time.monotonic()
            self.line(text)

    def close(self) -> None:
        """Erase anything that is not a complete line."""

    def _write(self, text: str) -> None:
        """Write to standard error, which may be closed or a full disk: what cannot be shown ends no job."""
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            replace_stderr()


class TerminalScreen(Screen):
    """Lines and a progress bar on a terminal."""

    def __init__(self) -> None:
        super().__init__()
        # Every job holds a shared lock on the terminal until its process ends, so that each can tell whether it is
        # alone. Snakemake reports the end of a job only after its process has ended.
        self._terminal = os.open(os.ttyname(sys.stderr.fileno()), os.O_RDONLY | os.O_NOCTTY)
        self._lock(fcntl.LOCK_SH)
        self._drawn = False
        self._last_other_job = time.monotonic()
        self._first: tuple[float, float] | None = None

    def line(self, text: str) -> None:
        """Show a line in place of the bar, which may be this job's or another's."""
        self._drawn = False
        self._write(f"{_CLEAR}{text}\n")

    def progress(self, fraction: float, text: str) -> None:
        """Redraw the bar, or show it as a line every few seconds while other jobs run."""
        now = time.monotonic()
        self._first = self._first or (now, fraction)
        drawn = format_bar(fraction, estimate_remaining(*self._first, now, fraction))
        if not self._is_alone():
            self._last_other_job = now
        if now - self._last_other_job < _QUIET:
            super().progress(fraction, f"{drawn} {text}")
            return
        self._drawn = True
        columns = shutil.get_terminal_size().columns
        # The cursor returns to the first column, so that Snakemake's next message overwrites the bar.
        self._write(f"{_CLEAR}{f'{drawn} {text}'[: columns - 1]}\r")

    def close(self) -> None:
        """Erase the bar; a search that uses this screen next begins its own."""
        if self._drawn:
            self._write(_CLEAR)
        self._drawn = False
        self._first = None

    def _is_alone(self) -> bool:
        alone = self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB)
        return self._lock(fcntl.LOCK_SH) and alone

    def _lock(self, kind: int) -> bool:
        """Lock the terminal; return whether that worked. Without locks a job never takes itself for the only one."""
        try:
            fcntl.flock(self._terminal, kind)
        except OSError:
            return False
        return True


def replace_stderr() -> None:
    """Replace standard error after it failed.

    What it could not write stays in its buffer. At the exit it would fail once more, and the process would end with
    status 120 though its job is done.
    """
    try:
        os.fstat(2)
        sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    except OSError:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  for the rest of the process


def flush_streams() -> None:
    """Write what standard output and error still hold, or drop it: at the exit it would be the process's last word.

    A stream that cannot be written would also end the process with status 120. From Python 3.13 on, standard error may
    hold a line of Python itself: that a stream which it replaced could not be written.
    """
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except (OSError, ValueError, AttributeError):
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  for the rest of the process


#: The screen of each stream: a second one on the same terminal would count as another job.
_OPEN: WeakKeyDictionary[TextIO, Screen] = WeakKeyDictionary()


def open_screen() -> Screen:
    """Return the screen for the standard error of this process."""
    if sys.stderr is None or sys.stderr.closed:  # the process was started without one
        replace_stderr()
    if sys.stderr not in _OPEN:
        _OPEN[sys.stderr] = _create_screen()
    return _OPEN[sys.stderr]


def _create_screen() -> Screen:
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        try:
            return TerminalScreen()
        except OSError:  # a terminal without a name, as in some containers
            return Screen()
    return Screen()


def format_bar(fraction: float, left: float | None) -> str:
    """Return a bar such as ``[########............] 40%, 1:20 left``.

    Args:
        fraction: Fraction that is done, from 0 to 1.
        left: Seconds left; None: not known yet.
    """
    filled = "#" * int(fraction * _WIDTH)
    return f"[{filled:.<{_WIDTH}}] {fraction:.0%}{'' if left is None else f', {_format_duration(left)} left'}"


def estimate_remaining(started: float, at_start: float, now: float, fraction: float) -> float | None:
    """Return the seconds until everything is done at the speed since ``started``; None if nothing was done since.

    Args:
        started: When measuring began, in seconds.
        at_start: The fraction that was done then, from 0 to 1.
        now: The time now, in seconds.
        fraction: The fraction that is done now.
    """
    gained = fraction - at_start
    return (now - started) * (1 - fraction) / gained if gained > 0 else None


def _format_duration(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
