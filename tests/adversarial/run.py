"""Play every attack and write the tally: ``python tests/adversarial/run.py``.

Prints the attacks that were lost, with their names, and a table for docs/project/reliability.md. Ends with 1 if one was
lost.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "workflow/lib"), str(HERE.parent)]
# The processes of an attack import the same copy.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "workflow/lib"), str(HERE.parent)])
os.environ.setdefault("OMP_NUM_THREADS", "1")

from adversarial.attack import Attack, Family, Outcome, Theatre  # noqa: E402
from adversarial.families import FAMILIES  # noqa: E402


def play(family: Family, attacks: list[Attack], folder: Path) -> list[tuple[Attack, Outcome]]:
    """Play attacks of a family; print those that were lost."""
    theatre, found = Theatre(folder), []
    for attack in attacks:
        outcome = theatre.play(attack)
        if not outcome.survived:
            print(f"lost: {family.name}: {attack.id}: {' '.join(outcome.why.split())[:300]}", flush=True)
        found.append((attack, outcome))
    return found


def table(results: dict[str, list[tuple[Attack, Outcome]]]) -> str:
    """Return the tally as a Markdown table."""
    rows = ["| Attacks | tried | survived | refused | without effect | shown | lost |", "|---|--:|--:|--:|--:|--:|--:|"]
    total: Counter[str] = Counter()
    for family in FAMILIES:
        if family.name not in results:
            continue
        counts = Counter(outcome.verdict for _, outcome in results[family.name])
        total += counts
        rows.append(_row(f"{family.name}: {family.title}", counts))
    return "\n".join([*rows, _row("all", total)])


def _row(name: str, counts: Counter[str]) -> str:
    tried = sum(counts.values())
    numbers = [tried, tried - counts["lost"], *(counts[verdict] for verdict in ("refused", "honest", "shown", "lost"))]
    return f"| {name} | " + " | ".join(f"{number:,}" for number in numbers) + " |"


def main() -> int:
    """Play the attacks and write the tally."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help="names of families (default: all)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only attacks whose name holds this")
    parser.add_argument("--to", type=Path, metavar="FILE", help="write the outcome of each attack as JSON")
    parser.add_argument("--folder", type=Path, help="where the scenes are built (default: the temporary folder)")
    given = parser.parse_args()
    results, started = {}, time.monotonic()
    for family in FAMILIES:
        attacks = [attack for attack in family.attacks if given.only in attack.id]
        if (given.families and family.name not in given.families) or not attacks:
            continue
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            results[family.name] = play(family, attacks, Path(folder))
        print(f"{family.name}: {len(attacks):,} attacks, {time.monotonic() - started:.0f} s", flush=True)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    print(f"\ncommit {commit.stdout.strip() or 'unknown'}\n\n{table(results)}")
    if given.to is not None:
        listed = {
            name: {attack.id: [outcome.verdict, outcome.why] for attack, outcome in found}
            for name, found in results.items()
        }
        given.to.write_text(json.dumps(listed, indent=1), encoding="utf-8")
    return int(any(not outcome.survived for found in results.values() for _, outcome in found))


if __name__ == "__main__":
    sys.exit(main())
