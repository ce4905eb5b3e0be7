"""End this process with one sentence when imported if anything fails; import it before all else in a script.

`blindtune.core.job_log.run_job` does the same for what it runs, and writes the log. This is for what comes before:
a library that cannot be loaded because memory or open files are limited.
"""

import os
import sys
from types import TracebackType

from blindtune.core.failures import show_last_word
from blindtune.core.retries import ERROR_STATUS, exit_status


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show an error that nothing caught; end with its own exit status, which Python would replace by 1."""
    show_last_word(kind, error, trace)
    status = exit_status(error)
    if status != ERROR_STATUS:
        os._exit(status)


sys.excepthook = _end
