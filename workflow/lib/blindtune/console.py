"""What a job says: every line to its log file, the ones worth seeing to the terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from blindtune.errors import UserError

#: Seconds between two lines of one job on the terminal; its log has them all.
_PAUSE = 5.0


@contextmanager
def job(log: Path) -> Iterator[Callable[[str], None]]:
    """Run a job that reports by lines; an error that the user can mend ends it with one message.

    Yields:
        A function that takes a line about the progress.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream:
        said = -_PAUSE

        def say(line: str) -> None:
            nonlocal said
            stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
            stream.flush()
            if time.monotonic() - said >= _PAUSE:
                said = time.monotonic()
                print(line, file=sys.stderr, flush=True)

        try:
            yield say
        except UserError as error:
            stream.write(f"ERROR {error}\n")
            print(f"\nblindtune: {error}\n", file=sys.stderr, flush=True)
            sys.exit(1)
