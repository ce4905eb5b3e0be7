"""End the process of a job at once, when all of its work is done.

Before Python ends, it takes every module apart. After large libraries were imported, that takes up to half a second of
CPU time for each job, and nothing depends on it.
"""

import atexit
import os
import threading

from blindtune.core.progress import flush_streams


def leave() -> None:
    """End this process with the exit status 0, after everything that was registered for its end; the last statement.

    If a thread is still at work, it returns, and Python ends as usual: it waits for the thread.
    """
    waited_for = [one for one in threading.enumerate() if one is not threading.main_thread() and not one.daemon]
    if waited_for:
        return
    # As the standard library ends a process that was forked.
    atexit._run_exitfuncs()
    flush_streams()
    os._exit(0)
