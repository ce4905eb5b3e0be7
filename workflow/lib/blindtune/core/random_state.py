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


class OwnRandomState:
    """Global random states of Python and NumPy that belong to one user, for a library that takes no seed.

    Args:
        seed: of both, from 0 to 2**32 - 1.
    """

    def __init__(self, seed: int) -> None:
        import numpy as np

        self._python = random.Random(seed).getstate()  # noqa: S311  no secret follows from it
        self._numpy = np.random.RandomState(seed).get_state()

    @contextmanager
    def use(self) -> Iterator[None]:
        """Put these states in the place of the global ones in the ``with`` block; they go on from its end."""
        import numpy as np

        with keep_random_state():
            random.setstate(self._python)
            np.random.set_state(self._numpy)
            yield
            self._python, self._numpy = random.getstate(), np.random.get_state()
