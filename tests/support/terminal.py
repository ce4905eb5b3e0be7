"""A terminal and a clock for tests of what jobs show."""

import fcntl
import os
import pty
from types import SimpleNamespace

import pytest

#: What moves the cursor to the first column and erases the line.
CLEAR = "\r\x1b[K"


class Tty:
    """A terminal in place of standard error, whose other end the test reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._other_end, self.end = pty.openpty()
        stream = os.fdopen(self.end, "w", closefd=False)
        # Not sys.stderr itself: pytest replaces it again before the test begins.
        monkeypatch.setattr("blindtune.core.progress.sys", SimpleNamespace(stderr=stream))
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "60")

    def text(self) -> str:
        """Return what was shown since the last call, with the line feeds as they were written."""
        os.write(self.end, b"\0")
        shown = b""
        while not shown.endswith(b"\0"):
            shown += os.read(self._other_end, 65536)
        return shown[:-1].decode().replace("\r\n", "\n")

    def hold(self) -> int:
        """Hold the terminal as another job of the same run does; return the file descriptor to close."""
        other = os.open(os.ttyname(self.end), os.O_RDONLY | os.O_NOCTTY)
        fcntl.flock(other, fcntl.LOCK_SH)
        return other

    def close(self) -> None:
        """Close both ends."""
        os.close(self._other_end)
        os.close(self.end)
