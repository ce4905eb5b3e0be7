"""Keep the global random states of Python and NumPy, which are everyone's, from a library that draws from them."""

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def keep_random_state() -> Iterator[None]:
    """Restore the state of `random` and of ``numpy.random`` at the end of the ``with`` block."""
    import numpy as np

    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
