"""End this process with one sentence when imported if anything fails; import it before all else in a script.

`blindtune.core.job_log.run_job` does the same for what it runs, and writes the log. This is for what comes before:
a library that cannot be loaded because memory or open files are limited.
"""

import sys

from blindtune.core.failures import show_last_word

sys.excepthook = show_last_word
