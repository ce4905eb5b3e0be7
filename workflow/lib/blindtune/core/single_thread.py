"""Import it before NumPy: the program's linear algebra then has one thread, see `blindtune.core.threads`."""

import os

from blindtune.core.threads import ONE_THREAD

os.environ.update(ONE_THREAD)
