"""Kill every stage of the workflow and a study of every tuner at random moments, and print a tally.

``python kill_jobs.py FOLDER [KILLS PER STAGE JOB] [KILLS PER TUNER]``. Each job is the script of its rule, killed with
SIGKILL up to three times in a row and started again until it ends. What it leaves must be what an undisturbed run
leaves: records but for times, and every other file byte by byte. Ends with status 1 if any differs.
"""

import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from support.fault_studies import stage_config, tuner_config
from support.stage_jobs import (
    StageJob,
    copy_tree,
    differences,
    kill_after,
    plan_jobs,
    snapshot,
    stages_of,
    start,
    wait,
    warm,
)

#: Largest number of kills in a row.
_IN_A_ROW = 3


class KillingTally:
    """Counts the kills that hit a running job, and those after which the job left what it must.

    Attributes:
        kills: by stage, the kills that hit a running job.
        survived: by stage, those of them after which everything was as in an undisturbed run.
        faults: one line for each job that did not end well.
    """

    def __init__(self) -> None:
        self.kills: Counter[str] = Counter()
        self.survived: Counter[str] = Counter()
        self.faults: list[str] = []

    def add(self, group: str, kills: int, faults: list[str]) -> None:
        """Add the kills of one round, and what was wrong after it."""
        self.kills[group] += kills
        self.survived[group] += 0 if faults else kills
        self.faults += faults

    def describe(self) -> str:
        """Return the tally as a table."""
        rows = [f"{group:<40} {count:>6} {self.survived[group]:>9}" for group, count in self.kills.items()]
        total = f"{'all':<40} {self.kills.total():>6} {self.survived.total():>9}"
        return "\n".join([f"{'killed':<40} {'kills':>6} {'survived':>9}", *rows, total, *self.faults])


def main(root: Path, per_stage: int, per_tuner: int) -> int:
    """Kill the jobs of both configs; return the exit status."""
    root.mkdir(parents=True)
    tally, moments, begun = KillingTally(), np.random.default_rng(11), time.monotonic()
    if per_stage:
        jobs = plan_jobs(root / "plan", stage_config(root))
        warm(jobs, root / "warm")
        for job in jobs:
            # Jobs of one stage differ in their data only: all of them but those of studies and decodes are few.
            _kill_job(job, root, root / "stages", per_stage, job.rule, tally, moments)
        assert set(stages_of(jobs)) <= tally.kills.keys()
    if per_tuner:
        planned = plan_jobs(root / "plan", tuner_config(root))
        prepared, *jobs = [job for job in planned if job.rule in ("prepare", "study")]
        warm([prepared], root / "tuners")
        warm([prepared, *jobs], root / "warm_tuners")
        for job in jobs:
            _kill_job(job, root, root / "tuners", per_tuner, job.name, tally, moments)
    print(tally.describe())
    print(f"{time.monotonic() - begun:.0f} s")
    return 1 if tally.faults else 0


def _kill_job(
    job: StageJob, root: Path, tree: Path, kills: int, group: str, tally: KillingTally, moments: np.random.Generator
) -> None:
    """Run a job undisturbed in ``tree``, and kill it in copies of the tree as it was before."""
    before, killed = root / "before", root / "killed"
    tree.mkdir(exist_ok=True)
    copy_tree(tree, before)
    begun = time.monotonic()
    status = wait(start(job, tree, root / "said"))
    assert status == 0, (root / "said").read_text(encoding="utf-8")
    seconds, undisturbed = time.monotonic() - begun, snapshot(tree)
    hit, rounds = 0, 0
    while hit < kills and rounds < 5 * kills:
        rounds += 1
        copy_tree(before, killed)
        in_a_row = int(moments.integers(1, _IN_A_ROW + 1))
        hits = [kill_after(start(job, killed, root / "said"), moments.uniform(0, seconds)) for _ in range(in_a_row)]
        faults = _check(job, root, killed, undisturbed)
        tally.add(group, sum(hits), faults)
        hit += sum(hits)
    total, survived = tally.kills.total(), tally.survived.total()
    said = f"{job.name}: {seconds:.2f} s undisturbed, {hit} kills; of {total} in all, {survived} survived"
    print("\n".join([said, *tally.faults]), file=sys.stderr, flush=True)


def _check(job: StageJob, root: Path, killed: Path, undisturbed: dict[str, object]) -> list[str]:
    """Start a killed job once more; return what is wrong with what it leaves."""
    status = wait(start(job, killed, root / "said"))
    if status != 0:
        last = (root / "said").read_text(encoding="utf-8").strip().splitlines()[-1:]
        return [f"{job.name}: ended with {status}: {''.join(last)}"]
    return [f"{job.name}: {place} differs" for place in differences(undisturbed, snapshot(killed))]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *[int(number) for number in (*sys.argv[2:], "6", "4")[:2]]))
