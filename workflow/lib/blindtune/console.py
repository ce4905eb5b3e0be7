"""What a job says: every line to its log file, the ones worth seeing to the terminal."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from blindtune.errors import UserError

#: Seconds between two lines of one job on the terminal; its log has them all.
_PAUSE = 5.0


class Console:
    """Takes what a job has to say; this one hears nothing."""

    def say(self, line: str) -> None:
        """A line worth reading."""

    def detail(self, line: str) -> None:
        """A line that only a talkative run shows."""

    def progress(self, done: int, total: int | None, line: str) -> None:
        """How far a search is: ``done`` of ``total`` trials (None: not known beforehand), and a line about the last."""


class _Lines(Console):
    """Every line to a log file, one now and then to the terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._said = -_PAUSE

    def say(self, line: str) -> None:
        self._stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
        self._stream.flush()
        if time.monotonic() - self._said >= _PAUSE:
            self._said = time.monotonic()
            print(line, file=sys.stderr, flush=True)

    def progress(self, done: int, total: int | None, line: str) -> None:
        self.say(line)


@contextmanager
def job(log: Path) -> Iterator[Console]:
    """Run a job; an error that the user can mend ends it with one message."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream:
        try:
            yield _Lines(stream)
        except UserError as error:
            stream.write(f"ERROR {error}\n")
            print(f"\nblindtune: {error}\n", file=sys.stderr, flush=True)
            sys.exit(1)
