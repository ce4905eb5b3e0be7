"""What a job says: to its log file, and to the terminal as much as the run is asked for."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO

from blindtune.core import library_copy
from blindtune.core.errors import UserError
from blindtune.core.progress import Screen, screen

Verbosity = Literal["quiet", "normal", "verbose"]

#: Where the config does not say.
DEFAULT_VERBOSITY: Verbosity = "normal"


class Console:
    """Takes what a job has to say; this one hears nothing."""

    def done(self, line: str) -> None:
        """What a job ends with; every run shows it."""

    def say(self, line: str) -> None:
        """A line worth reading."""

    def detail(self, line: str) -> None:
        """A line that only a talkative run shows."""

    def progress(self, share: float, line: str) -> None:
        """How far a search is.

        Args:
            share: of the budget that is spent, from 0 to 1.
            line: about the last trial.
        """


class _Job(Console):
    """A log file and a screen."""

    def __init__(self, log: TextIO, shown: Screen, verbosity: Verbosity) -> None:
        self._log = log
        self._screen = shown
        self._verbosity = verbosity

    def done(self, line: str) -> None:
        self._note(line)
        self._screen.line(line)

    def say(self, line: str) -> None:
        self._note(line)
        if self._verbosity != "quiet":
            self._screen.line(line)

    def detail(self, line: str) -> None:
        if self._verbosity == "verbose":
            self.say(line)

    def progress(self, share: float, line: str) -> None:
        if self._verbosity == "verbose":
            self.say(line)
            return
        self._note(line)
        if self._verbosity == "normal":
            self._screen.progress(share, line)

    def _note(self, line: str) -> None:
        self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
        self._log.flush()


@contextmanager
def job(log: Path, config: Mapping[str, Any]) -> Iterator[Console]:
    """Run a job; an error that the user can mend, or a stop, ends it with one message.

    Args:
        log: takes every line, those of single epochs only in a talkative run.
        config: the config of the run, of which only ``verbosity`` is read.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    shown = screen()
    with log.open("a", encoding="utf-8") as stream:
        try:
            library_copy.check()
            yield _Job(stream, shown, config.get("verbosity", DEFAULT_VERBOSITY))
        except UserError as error:
            stream.write(f"ERROR {error}\n")
            shown.line(f"\nblindtune: {error}\n")
            sys.exit(1)
        except KeyboardInterrupt:
            stream.write("stopped by the user\n")
            shown.line(f"blindtune: stopped; run the same command again to go on from its records ({log})")
            sys.exit(130)
        finally:
            shown.close()
