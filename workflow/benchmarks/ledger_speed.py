"""Measure what a ledger of many entries and an eval of many samples take.

    python workflow/benchmarks/ledger_speed.py [entries] [samples]

Prints the CPU milliseconds of checking the chain, of one entry more, and of comparing two evals.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from blindtune.core.files import canonical_json, write_json
from blindtune.datasets.content import digest_content, digest_samples
from blindtune.decoding import chain
from blindtune.decoding.known_evals import EvalIdentity, compare_evals
from blindtune.decoding.ledger import Ledger


def main(entries: int, samples: int) -> None:
    """Print the CPU milliseconds of each use.

    Args:
        entries: of the ledger.
        samples: of an eval.
    """
    with tempfile.TemporaryDirectory() as folder:
        ledger = _write(Path(folder), entries)
        size = ledger.path.stat().st_size / 1e6
        print(f"{entries:,} entries, {size:.1f} MB")
        _time("check the chain", ledger.verify)
        _time("one entry more", lambda: ledger.begin("a/b/more/1", "f", EvalIdentity("e"), allow_repeats=True))
    x = np.random.default_rng(0).normal(size=(samples, 26)).astype(np.float32)
    digests = np.sort(digest_samples(x))
    print(f"an eval of {samples:,} samples of 26 values")
    _time("digests and content", lambda: digest_content(np.sort(digest_samples(x))))
    _time("compare two evals", lambda: compare_evals(digests, digests[: samples // 2]))


def _write(folder: Path, entries: int) -> Ledger:
    """Write a ledger as so many decodes leave it, without the time that each entry takes."""
    result = {"confusion": [[100, 20], [30, 90]], "groups": [{"group": 1, "samples": 240, "wrong": 50}] * 5}
    lines: list[str] = []
    place: dict[str, Any] = {"number": 1, "previous": None}
    for number in range(entries):
        entry = {"event": ("begun", "done")[number % 2], "study": f"a/b/{number // 2}/1", "time": "2026"}
        keys = {"frozen_sha256": "f" * 64, "eval_sha256": "e" * 64, "result": result}
        lines.append(canonical_json(entry | keys | place))
        place = {"number": number + 2, "previous": chain.digest_line(lines[-1])}
    (folder / "ledger.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    write_json(folder / "head.json", vars(chain.head_of(lines)))
    return Ledger(folder)


def _time(what: str, call: Callable[[], object]) -> None:
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        call()
        best = min(best, time.process_time() - began)
    print(f"  {what:20s} {1000 * best:8.1f} ms")


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:3] + ["5000", "500000"][len(sys.argv[1:3]) :]))
