"""What a job shows where the user looks: plain lines, and on a terminal a progress bar.

Snakemake runs many jobs at once, each a process of its own, on one terminal. A bar is redrawn in place only by a
job that has the terminal to itself; beside others its progress is a line of its own now and then.
"""

import fcntl
import os
import shutil
import sys
import time

#: Seconds between two lines about the progress of one job; its log has them all.
_PAUSE = 5.0
#: Seconds that a job must be alone before it draws: Snakemake still has to say how the last one ended.
_QUIET = 3.0
_WIDTH = 20
#: To the first column, and the rest of the line erased.
_CLEAR = "\r\x1b[K"


class Screen:
    """Plain lines on the standard error."""

    def __init__(self) -> None:
        self._shown = -_PAUSE

    def line(self, text: str) -> None:
        """Show a line."""
        # One write, or lines of jobs that run side by side would run into each other.
        self._write(f"{text}\n")

    def progress(self, share: float, text: str) -> None:
        """Show how far a search is, if the last time is long enough ago.

        Args:
            share: of the budget that is spent, from 0 to 1.
            text: one line about it.
        """
        if time.monotonic() - self._shown >= _PAUSE:
            self._shown = time.monotonic()
            self.line(text)

    def close(self) -> None:
        """Leave nothing behind that is no line."""

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


class Terminal(Screen):
    """Lines, and a bar that shows the progress."""

    def __init__(self) -> None:
        super().__init__()
        # Every job of the run holds the terminal itself, to the end of its process, so that each knows whether it is
        # alone: only then does Snakemake say that a job has ended.
        self._terminal = os.open(os.ttyname(sys.stderr.fileno()), os.O_RDONLY | os.O_NOCTTY)
        fcntl.flock(self._terminal, fcntl.LOCK_SH)
        self._drawn = False
        self._accompanied = time.monotonic()
        self._first: tuple[float, float] | None = None

    def line(self, text: str) -> None:
        """Show a line in place of the bar, this job's or another's."""
        self._drawn = False
        self._write(f"{_CLEAR}{text}\n")

    def progress(self, share: float, text: str) -> None:
        """Redraw the bar, or show it as a line now and then while other jobs run."""
        now = time.monotonic()
        self._first = self._first or (now, share)
        drawn = bar(share, remaining(*self._first, now, share))
        if not self._alone():
            self._accompanied = now
        if now - self._accompanied < _QUIET:
            super().progress(share, f"{drawn} {text}")
            return
        self._drawn = True
        columns = shutil.get_terminal_size().columns
        # The cursor goes back to the start: whatever Snakemake says next stands over the bar, not behind it.
        self._write(f"{_CLEAR}{f'{drawn} {text}'[: columns - 1]}\r")

    def close(self) -> None:
        """Erase the bar."""
        if self._drawn:
            self._write(_CLEAR)

    def _alone(self) -> bool:
        try:
            fcntl.flock(self._terminal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            fcntl.flock(self._terminal, fcntl.LOCK_SH)
        return True


def screen() -> Screen:
    """What fits the standard error of this process."""
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        try:
            return Terminal()
        except OSError:  # a terminal without a name, as in some containers
            return Screen()
    return Screen()


def bar(share: float, left: float | None) -> str:
    """``[########............] 40%, 1:20 left``.

    Args:
        share: from 0 to 1.
        left: seconds; None: not known yet.
    """
    filled = "#" * int(share * _WIDTH)
    return f"[{filled:.<{_WIDTH}}] {share:.0%}{'' if left is None else f', {_duration(left)} left'}"


def remaining(started: float, at_start: float, now: float, share: float) -> float | None:
    """Seconds until the whole is spent, if it goes on as since ``started``; None where nothing was spent yet."""
    gained = share - at_start
    return (now - started) * (1 - share) / gained if gained > 0 else None


def _duration(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
