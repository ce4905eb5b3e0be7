"""Which modules of the library run code: a tracer of function calls."""

import gc
import inspect
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import blindtune

LIBRARY = Path(blindtune.__file__).resolve().parent


@contextmanager
def traced() -> Iterator[set[str]]:
    """Collect the modules of blindtune whose functions are called, in all threads, until the context ends.

    What runs while a module is imported does not count: it is part of the module that imports it.
    """
    # What an earlier test has left is closed now, not while this one is traced.
    gc.collect()
    ran: set[str] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        # Bodies of modules and classes have no fast locals.
        if event == "call" and code.co_flags & inspect.CO_OPTIMIZED and not _while_importing(frame):
            ran.add(code.co_filename)

    threading.setprofile(note)
    sys.setprofile(note)
    found: set[str] = set()
    try:
        yield found
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
        found |= {_module(Path(name)) for name in ran if Path(name).is_relative_to(LIBRARY)}


def _while_importing(frame: FrameType) -> bool:
    """Whether a call comes from the body of its own module or of a class in it."""
    caller = frame.f_back
    while caller is not None and caller.f_code.co_filename == frame.f_code.co_filename:
        if not caller.f_code.co_flags & inspect.CO_OPTIMIZED:
            return True
        caller = caller.f_back
    return False


def _module(path: Path) -> str:
    parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
