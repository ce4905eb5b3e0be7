"""Run every stage on a file system that becomes full, and print a tally.

``python fill_disks.py FOLDER [RUNS PER JOB] [STAGE...]``. Only jobs of the named stages are tried; the corpora are left
out unless a named stage reads them. Each job, the script of its rule, runs on a tmpfs that is
full but for some pages, and on one that takes only some more files. It must end well or in one sentence. Then room is
made and the job is started again: it must leave what an undisturbed run leaves. Ends with status 1 if anything differs.

The file system is mounted in a mount namespace of this process, so nothing else sees it. That needs root or, by
``unshare --map-root-user``, a system that allows user namespaces.
"""

import os
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from support.fault_studies import stage_config
from support.stage_jobs import StageJob, copy_tree, differences, plan_jobs, snapshot, start, wait, warm

_PAGE = 4096
_SIZE, _FILES = 96 * 2**20, 3000
#: The stages that read raw files.
_OF_CORPORA = {"simulate", "extract", "examples"}
_INSIDE = "BLINDTUNE_MOUNT_NAMESPACE"

#: The columns of the tally: runs; those that ended with an error, with one sentence as the last word, with a traceback
#: anywhere; those whose log was given up; those that ended well when there was room again.
_COLUMNS = ("runs", "failed", "sentence", "traceback", "no log", "whole after")


@dataclass
class FillingTally:
    """Counts runs by stage and column.

    Attributes:
        counts: by stage and column.
        faults: one line for each run that did not end as it must.
        last: by last word without its file, how often it was the last word.
    """

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    last: Counter[str] = field(default_factory=Counter)

    def describe(self) -> str:
        """Return the tally as a table."""
        total = sum(self.counts.values(), Counter[str]())
        rows = [
            f"{stage:<16}" + "".join(f"{count[column]:>13}" for column in _COLUMNS)
            for stage, count in [*self.counts.items(), ("all", total)]
        ]
        return "\n".join([f"{'stage':<16}" + "".join(f"{column:>13}" for column in _COLUMNS), *rows, *self.faults])


@dataclass(frozen=True)
class Disk:
    """A small file system.

    Attributes:
        folder: where it is mounted.
    """

    folder: Path

    def used(self) -> tuple[int, int]:
        """Return the pages and the files that are used."""
        found = os.statvfs(self.folder)
        return found.f_blocks - found.f_bfree, found.f_files - found.f_ffree

    def leave(self, pages: int | None, files: int | None) -> None:
        """Fill the file system but for some pages and files; None leaves all."""
        filler = self.folder / "filler"
        filler.mkdir()
        if pages is not None:
            with (filler / "pages").open("wb") as stream:
                free = os.statvfs(self.folder).f_bfree
                os.posix_fallocate(stream.fileno(), 0, max(1, free - pages) * _PAGE)
        if files is not None:
            for number in range(os.statvfs(self.folder).f_ffree - files):
                (filler / str(number)).touch()

    def make_room(self) -> None:
        """Undo `leave`."""
        shutil.rmtree(self.folder / "filler")


def main(root: Path, runs: int, stages: list[str]) -> int:
    """Run the jobs of each stage; return the exit status."""
    root.mkdir(parents=True, exist_ok=True)
    disk = Disk(root / "disk")
    disk.folder.mkdir()
    # A tmpfs of this mount namespace alone.
    assert os.system(f"mount -t tmpfs -o size={_SIZE},nr_inodes={_FILES} tmpfs {disk.folder}") == 0  # noqa: S605
    corpora = not stages or not _OF_CORPORA.isdisjoint(stages)
    jobs = _until_last(plan_jobs(root / "plan", stage_config(root, corpora)), stages)
    warm(jobs, root / "warm")
    tally, begun, tree = FillingTally(), time.monotonic(), root / "tree"
    tree.mkdir()
    for job in jobs:
        _fill_under(job, root, tree, disk, runs if not stages or job.rule in stages else 0, tally)
    print(tally.describe())
    for words, count in tally.last.most_common():
        print(f"{count:>5} x {words}")
    print(f"{time.monotonic() - begun:.0f} s")
    return 1 if tally.faults else 0


def _until_last(jobs: list[StageJob], stages: list[str]) -> list[StageJob]:
    """Return the jobs to the last one of some stages: what comes later is not needed; all if no stage is named."""
    last = max((number for number, job in enumerate(jobs) if job.rule in stages), default=len(jobs) - 1)
    return jobs[: last + 1]


def _fill_under(job: StageJob, root: Path, tree: Path, disk: Disk, runs: int, tally: FillingTally) -> None:
    """Run a job undisturbed in ``tree``, and on a disk that becomes full in copies of the tree as it was before."""
    work, said = disk.folder / "work", root / "said"
    copy_tree(tree, work)
    before = disk.used()
    status = wait(start(job, work, said))
    assert status == 0, said.read_text(encoding="utf-8")
    grown = [after - was for after, was in zip(disk.used(), before, strict=True)]
    undisturbed = snapshot(work)
    for pages, files in _points(grown[0], grown[1], runs):
        copy_tree(tree, work)
        disk.leave(pages, files)
        status = wait(start(job, work, said, whole_exit=True))
        shown = said.read_text(encoding="utf-8", errors="replace")
        disk.make_room()
        again = wait(start(job, work, said))
        where = f"{job.name}, room for {pages if files is None else files} more {'pages' if files is None else 'files'}"
        found = [] if again == 0 else [f"started again, it ended with {again}"]
        found += [] if again else [f"{place} differs" for place in differences(undisturbed, snapshot(work))]
        _count(tally, job.rule, where, status, shown, found)
    if runs:
        copy_tree(tree, work)
        assert wait(start(job, work, said)) == 0
    copy_tree(work, tree)
    print(f"{job.name}: {grown[0]} pages, {grown[1]} files\n{tally.describe()}", file=sys.stderr, flush=True)


def _count(tally: FillingTally, stage: str, where: str, status: int, shown: str, after: list[str]) -> None:
    """Count one run: its exit status, what it showed, and what was wrong once there was room."""
    count = tally.counts.setdefault(stage, Counter())
    last = (shown.strip().splitlines() or [""])[-1]
    failed, sentence = status != 0, last.startswith("blindtune: ") and "not written from here on" not in last
    count.update({"runs": 1, "failed": failed, "sentence": failed and sentence, "traceback": "Traceback" in shown})
    count.update({"no log": "not written from here on" in shown, "whole after": not after})
    wrong = after + (["a traceback"] if "Traceback" in shown else [])
    if failed and (status != 1 or not sentence):
        wrong.append(f"ended with {status}, last: {last!r}")
    tally.faults += [f"{where}: {line}" for line in wrong]
    if failed:
        tally.last[last.partition(": ")[2].partition(": ")[2][:110]] += 1


def _points(pages: int, files: int, runs: int) -> list[tuple[int | None, int | None]]:
    """Return how many pages, or how many files, are left in each run: from none to nearly as many as the job needs."""
    by_page = np.unique(np.linspace(0, max(pages, 1), (runs + 1) // 2).astype(int)).tolist()
    by_file = np.unique(np.linspace(0, max(files, 1), runs - len(by_page) + 1)[:-1].astype(int)).tolist()
    return [*[(page, None) for page in by_page], *[(None, file) for file in by_file]] if runs else []


if __name__ == "__main__":
    if _INSIDE not in os.environ:
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        os.environ[_INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--mount", *as_root, sys.executable, *sys.argv])  # noqa: S606
    given = sys.argv[2:] or ["6"]
    sys.exit(main(Path(sys.argv[1]), int(given[0]), given[1:]))
