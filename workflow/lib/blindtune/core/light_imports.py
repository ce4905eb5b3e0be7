"""Import a library without those that it imports only because they are installed, in less time."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from blindtune.core.garbage import pause_collection


@contextmanager
def leave_out(*libraries: str) -> Iterator[None]:
    """Let the imports of the ``with`` block do without some optional libraries, as if these were not installed.

    scikit-learn imports pandas, and Keras imports pandas and Matplotlib, if they are installed, for functions that no
    study calls. Libraries that were imported before stay, and they can be imported after the block.

    Args:
        *libraries: top-level names.
    """
    hidden = [name for name in libraries if name not in sys.modules]
    # Python's own way to say that a module cannot be imported.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        with pause_collection():
            yield
    finally:
        for name in hidden:
            del sys.modules[name]
