"""Job output: everything goes to the log file, and to the terminal what ``verbosity`` asks for."""

import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from blindtune.core import library_copy
from blindtune.core.errors import UserError
from blindtune.core.failures import describe_bug, explain, may_pass
from blindtune.core.progress import Screen, flush_streams, open_screen
from blindtune.core.retries import ERROR_STATUS, USER_ERROR_STATUS, clear_message, exit_status, leave_message

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


class _LogFile:
    """The log file of a job. A log that cannot be written is given up with one line and never ends the job."""

    def __init__(self, path: Path, screen: Screen) -> None:
        self.path = path
        self.failed = False
        self._screen = screen
        self._handle = -1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            self._give_up(error)

    def write(self, text: str) -> None:
        """Append a text, if the log can be written."""
        if self.failed:
            return
        # Not a buffered stream: what it could not write, it would try to write again at the exit, and fail there.
        rest = memoryview(text.encode("utf-8", errors="backslashreplace"))
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Close the file."""
        if self._handle >= 0:
            with suppress(OSError):
                os.close(self._handle)
            self._handle = -1

    def _give_up(self, error: OSError) -> None:
        self.failed = True
        self.close()
        reason = error.strerror or str(error)
        self._screen.line(f"blindtune: {self.path}: this log is not written from here on ({reason}); the job goes on")


class _FileAndScreenLog(JobLog):
    """Job output to a log file and a screen."""

    def __init__(self, log: _LogFile, screen: Screen, verbosity: Verbosity) -> None:
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


#: Exit codes above this are those of a signal.
_SIGNALLED = 128


@contextmanager
def run_job(log: Path, config: Mapping[str, Any]) -> Iterator[JobLog]:
    """Run the ``with`` block as a job: any error or an interrupt ends the process with one message as the last word.

    An error that the user or the machine caused is one sentence. Of any other, the terminal gets one sentence that
    names the log. The log gets the traceback of all but the user's. A log that cannot be written does not end the job.
    `blindtune.core.retries` says which exit status an error has, and which job may be repeated.

    Args:
        log: The log file; it gets every line, one for each epoch only if the run is verbose.
        config: The config of the run; only ``verbosity`` is read.

    Yields:
        The output of the job.
    """
    screen = open_screen()
    stream = _LogFile(log, screen)
    clear_message(log)
    try:
        library_copy.check()
        yield _FileAndScreenLog(stream, screen, config.get("verbosity", DEFAULT_VERBOSITY))
    except SystemExit as error:
        if isinstance(error.code, int) and error.code > _SIGNALLED:
            stream.write("ended by a signal\n")
            screen.line(f"blindtune: ended by a signal; run the same command again to go on from its records ({log})")
        raise
    except KeyboardInterrupt:
        stream.write("stopped by the user\n")
        screen.line(f"blindtune: stopped; run the same command again to go on from its records ({log})")
        sys.exit(130)
    except Exception as error:
        message = _explain(error, stream, screen)
        stream.write(f"ERROR {message}\n")
        screen.line(f"\nblindtune: {message}\n")
        # An error of the machine may hide in one of the user's: a full disk is worth another attempt.
        status = exit_status(error)
        if status == USER_ERROR_STATUS and explain(error) is not None:
            status = ERROR_STATUS
        is_bug = status == ERROR_STATUS and not may_pass(error)
        leave_message(log, message, is_final=is_bug or status == USER_ERROR_STATUS)
        sys.exit(status)
    finally:
        stream.close()
        screen.close()
        flush_streams()


def _explain(error: Exception, log: _LogFile, screen: Screen) -> str:
    """Return an error as one message; its traceback goes to the log, unless the user caused it.

    The traceback of a bug is shown if there is no log.
    """
    sentence = str(error) if isinstance(error, UserError) else explain(error)
    if isinstance(error, UserError) and explain(error) is None:
        return sentence or ""
    trace = ""
    with suppress(MemoryError):
        trace = "".join(traceback.format_exception(error))
    log.write(trace)
    if sentence is not None:
        return sentence
    if log.failed:
        screen.line(trace)
    return describe_bug(error, "above" if log.failed else f"in {log.path}")
