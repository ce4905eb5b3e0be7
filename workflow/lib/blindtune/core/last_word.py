"""End this process with one sentence when imported if anything fails; import it before all else in a script.

`blindtune.core.job_log.run_job` does the same for what it runs, and writes the log. This is for what comes before:
a library that cannot be loaded because memory or open files are limited.
"""

import sys
import traceback
from types import TracebackType

from blindtune.core.failures import describe_bug, explain


def show_last_word(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show an error that nothing caught: its traceback unless the machine caused it, and one sentence as the last."""
    try:
        if issubclass(kind, KeyboardInterrupt):
            sys.stderr.write("blindtune: stopped; run the same command again\n")
            return
        sentence = explain(error)
        if sentence is None:
            traceback.print_exception(kind, error, trace)
            sentence = describe_bug(error, "above")
        sys.stderr.write(f"\nblindtune: {sentence}\n\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError, MemoryError):
        pass  # there is nowhere to show it


sys.excepthook = show_last_word
