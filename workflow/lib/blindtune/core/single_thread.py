"""Limit linear algebra to one thread when imported; import it before NumPy. See `blindtune.core.threads`."""

import os

from blindtune.core.threads import ONE_THREAD

os.environ.update(ONE_THREAD)
