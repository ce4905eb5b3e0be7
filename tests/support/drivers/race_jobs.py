"""Start each job of the workflow twice, the second one at a random moment of the first, and print a tally.

``python race_jobs.py FOLDER [RACES PER JOB]``. So it happens after a killed run whose jobs live on. One of the two must
end well. The other one may end well too, or with the message that names the first. What they leave must be what one
job alone leaves. Ends with status 1 if not.
"""

import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from blindtune.core.retries import TRY_AGAIN_STATUS
from support.fault_studies import stage_config
from support.stage_jobs import StageJob, copy_tree, differences, plan_jobs, snapshot, start, wait, warm


def main(root: Path, races: int) -> int:
    """Race the jobs of each stage; return the exit status."""
    root.mkdir(parents=True)
    jobs = plan_jobs(root / "plan", stage_config(root))
    warm(jobs, root / "warm")
    refused: Counter[str] = Counter()
    raced: Counter[str] = Counter()
    faults: list[str] = []
    moments = np.random.default_rng(12)
    for job in jobs:
        before, tree = root / "before", root / "tree"
        tree.mkdir(exist_ok=True)
        copy_tree(tree, before)
        begun = time.monotonic()
        assert wait(start(job, tree, root / "said")) == 0, (root / "said").read_text(encoding="utf-8")
        seconds, undisturbed = time.monotonic() - begun, snapshot(tree)
        for _ in range(races):
            copy_tree(before, root / "raced")
            statuses, found = _race(job, root, moments.uniform(0, seconds))
            raced[job.rule] += 1
            refused[job.rule] += TRY_AGAIN_STATUS in statuses
            faults += [f"{job.name}: {line}" for line in found]
            faults += [f"{job.name}: {place} differs" for place in differences(undisturbed, snapshot(root / "raced"))]
    print(f"{'raced':<20} {'races':>6} {'refused':>8}")
    print("\n".join([f"{rule:<20} {count:>6} {refused[rule]:>8}" for rule, count in raced.items()]))
    print(f"{'all':<20} {raced.total():>6} {refused.total():>8} {len(faults)}")
    print("\n".join(faults))
    return 1 if faults else 0


def _race(job: StageJob, root: Path, delay: float) -> tuple[list[int], list[str]]:
    """Run a job twice at once in ``raced``; return the exit statuses, and what was wrong with how they ended."""
    said = [root / "said_first", root / "said_second"]
    first = start(job, root / "raced", said[0])
    time.sleep(delay)
    # Snakemake removes outputs only after it has seen that no job of another run writes them.
    second = start(replace(job, outputs=()), root / "raced", said[1])
    statuses = [wait(first), wait(second)]
    faults = []
    for status, shown in zip(statuses, said, strict=True):
        text = shown.read_text(encoding="utf-8").strip()
        if status not in (0, TRY_AGAIN_STATUS) or "Traceback" in text:
            faults.append(f"ended with {status}: {text[-400:]}")
    if 0 not in statuses:
        faults.append(f"none of the two ended well: {statuses}")
    return statuses, faults


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3))
