"""Job output: everything goes to the log file, and to the terminal what ``verbosity`` asks for."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO

from blindtune.core import library_copy
from blindtune.core.errors import UserError
from blindtune.core.progress import Screen, open_screen

Verbosity = Literal["quiet", "normal", "verbose"]

#: The verbosity if the config does not set it.
DEFAULT_VERBOSITY: Verbosity = "normal"


class JobLog:
    """Base class for job output. The default discards every message."""

    def finish(self, line: str) -> None:
        """Write the result of the job; it is shown at every verbosity."""

    def info(self, line: str) -> None:
        """Write a line; it is shown unless the run is quiet."""

    def detail(self, line: str) -> None:
        """Write a line if the run is verbose."""

    def progress(self, fraction: float, line: str) -> None:
        """Report the progress of a search.

        Args:
            fraction: Fraction of the budget that is spent, from 0 to 1.
            line: A line about the last trial.
        """


class _FileAndScreenLog(JobLog):
    """Job output to a log file and a screen."""

    def __init__(self, log: TextIO, screen: Screen, verbosity: Verbosity) -> None:
        self._log = log
        self._screen = screen
        self._verbosity = verbosity

    def finish(self, line: str) -> None:
        self._note(line)
        self._screen.line(line)

    def info(self, line: str) -> None:
        self._note(line)
        if self._verbosity != "quiet":
            self._screen.line(line)

    def detail(self, line: str) -> None:
        if self._verbosity == "verbose":
            self.info(line)

    def progress(self, fraction: float, line: str) -> None:
        if self._verbosity == "verbose":
            self.info(line)
            return
        self._note(line)
        if self._verbosity == "normal":
            self._screen.progress(fraction, line)

    def _note(self, line: str) -> None:
        self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
        self._log.flush()


@contextmanager
def run_job(log: Path, config: Mapping[str, Any]) -> Iterator[JobLog]:
    """Run the ``with`` block as a job: a `UserError` or an interrupt ends the process with one message.

    Args:
        log: The log file; it gets every line, lines about single epochs only if the run is verbose.
        config: The config of the run; only ``verbosity`` is read.

    Yields:
        The output of the job.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    screen = open_screen()
    with log.open("a", encoding="utf-8") as stream:
        try:
            library_copy.check()
            yield _FileAndScreenLog(stream, screen, config.get("verbosity", DEFAULT_VERBOSITY))
        except UserError as error:
            stream.write(f"ERROR {error}\n")
            screen.line(f"\nblindtune: {error}\n")
            sys.exit(1)
        except KeyboardInterrupt:
            stream.write("stopped by the user\n")
            screen.line(f"blindtune: stopped; run the same command again to go on from its records ({log})")
            sys.exit(130)
        finally:
            screen.close()
