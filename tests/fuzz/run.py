"""Feed changed files to every reader for some minutes, and keep those that end in anything but a clear message.

``python tests/fuzz/run.py --minutes 60``, from the repository's root. Each finding is a file in
``tests/fuzz/findings``, with the traceback next to it. Once mended, the file stays there:
`tests/unit/test_fuzzed_files.py` reads it again.
"""

import argparse
import hashlib
import os
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow" / "lib"), str(ROOT / "tests")]

from fuzz.targets import TARGETS, check, inputs  # noqa: E402  after the path is set

FINDINGS = Path(__file__).parent / "findings"
#: Bytes of memory that a reader may take.
MEMORY = 6 * 2**30


def main() -> int:
    """Run for the given time and print what was seen; returns 1 if there is a finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="of the choices; default: another one each time")
    parser.add_argument("--target", choices=TARGETS, action="append", help="only these readers")
    parser.add_argument("--keep", type=Path, default=FINDINGS, help="folder of the findings")
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    seed = int.from_bytes(os.urandom(4), "big") if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    seen, known = Counter[str](), set[str]()
    slowest: dict[str, float] = {}
    end = time.monotonic() + 60 * given.minutes
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "a" / "b"
        folder.mkdir(parents=True)
        os.chdir(folder)
        names = given.target or list(TARGETS)
        streams = {name: inputs(name, random.Random(f"{seed}/{name}")) for name in names}  # noqa: S311  no secret
        while time.monotonic() < end:
            for name, stream in streams.items():
                for content in (next(stream) for _ in range(20)):
                    seen[name] += 1
                    try:
                        slowest[name] = max(slowest.get(name, 0.0), check(name, content, folder))
                    except Exception as error:  # any error is a finding
                        _keep(given.keep, name, content, error, known)
    for name in streams:
        print(f"{name:12} {seen[name]:>9,} files, the slowest took {slowest.get(name, 0.0):.2f} s")
    print(f"{sum(seen.values()):,} files in {given.minutes:g} minutes, {len(known)} findings")
    return 1 if known else 0


def _keep(folder: Path, name: str, content: bytes, error: Exception, known: set[str]) -> None:
    """Keep a file unless one that failed at the same line was kept before."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{name} {type(error).__name__} {frames[-1].filename}:{frames[-1].lineno}"
    if place in known:
        return
    known.add(place)
    print(f"{place}: {str(error)[:200]!r}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    path.write_bytes(content)
    path.with_suffix(".txt").write_text("".join(traceback.format_exception(error)), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
