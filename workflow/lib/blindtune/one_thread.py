"""Import it before NumPy: the program's linear algebra then has one thread, see `blindtune.threads`."""

import os

from blindtune.threads import ONE_THREAD

os.environ.update(ONE_THREAD)
