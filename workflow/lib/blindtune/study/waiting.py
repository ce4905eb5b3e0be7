"""Keep trials that ended before an earlier one, until their turn comes.

Records are written in the order of the trials. With workers, or with many networks trained at once, a trial may end
long before one with a lower number. Until that one has ended too, ``waiting/`` in the folder of the study keeps its
record and its weights, in the format of the file of a shard. So a kill loses what was being trained, and nothing that
had ended.
"""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.files import read_regular_file, write_bytes
from blindtune.core.jsonl import append_line
from blindtune.records.trial import Trial
from blindtune.study.checkpoints import WeightStore
from blindtune.study.shards import RecordedTrial, format_line, parse_line
from blindtune.training.base import Outcome

#: A trial that took fewer seconds is not kept: it would be written as long as it takes to train it again.
MIN_SECONDS = 0.05


class WaitingTrials:
    """The trials that have ended, and wait for an earlier one.

    Attributes:
        count: how many an earlier process left.
    """

    def __init__(self, folder: Path, recorded: int, check_claim: Callable[[], None]) -> None:
        """Read what an earlier process left.

        A line that is damaged, or was cut off by a kill, is dropped: its trial is trained again.

        Args:
            folder: the folder of the study.
            recorded: number of recorded trials; those with a lower number do not wait any more.
            check_claim: called before each write; raises an error if another process writes there.
        """
        self._folder = folder / "waiting"
        self._path = self._folder / "trials.jsonl"
        self._check_claim = check_claim
        self._store = WeightStore(self._folder, 0, check_claim)
        self._trials = {trial.number: trial for trial in self._read() if trial.number >= recorded}
        self._last = max(self._trials, default=-1)
        self.count = len(self._trials)

    def find(self, number: int) -> RecordedTrial | None:
        """Return a trial; None if none of this number waits, or if its weights are damaged."""
        trial = self._trials.get(number)
        if trial is None:
            return None
        recorded = RecordedTrial(trial, self._store, number)
        return recorded if not _has_weights(trial) or recorded.has_whole_weights() else None

    def is_owner_of(self, recorded: RecordedTrial) -> bool:
        """Return whether a trial was found here."""
        return recorded.store is self._store

    def keep(self, trial: Trial, outcome: Outcome) -> bool:
        """Write a trial, after its weights and state, unless it took less than `MIN_SECONDS`.

        Args:
            trial: its record.
            outcome: what its training returned.

        Returns:
            Whether it was written.

        Raises:
            LostClaimError: another process writes to the study's folder by now.
            UserError: the disk refuses.
        """
        if sum(spent.wall for spent in trial.seconds.values()) < MIN_SECONDS:
            return False
        self._store.save(trial.number, outcome, scored_on_dev=is_scored_on_dev(trial))
        self._check_claim()
        append_line(self._path, f"{format_line(trial)}\n".encode(), f"trial {trial.number}")
        self._last = max(self._last, trial.number)
        return True

    def clear(self, recorded: int | None = None) -> None:
        """Remove all files, if no trial waits any more.

        Args:
            recorded: number of recorded trials; None: the search is over.
        """
        if recorded is not None and not 0 <= self._last < recorded:
            return
        self._trials.clear()
        self._last = -1
        if self._folder.exists():
            self._check_claim()
            with suppress(OSError):  # what is left is of recorded trials, and is not read
                shutil.rmtree(self._folder)

    def _read(self) -> list[Trial]:
        try:
            content = read_regular_file(self._path) if self._path.exists() else b""
        except UserError:
            return []
        lines = content.split(b"\n")
        found = [(line, trial) for line in lines[:-1] if (trial := parse_line(line)) is not None]
        whole = b"".join(line + b"\n" for line, _ in found)
        if whole != content:  # the next line must not follow a part of one
            self._check_claim()
            write_bytes(self._path, whole)
        return [trial for _, trial in found]


def is_scored_on_dev(trial: Trial) -> bool:
    """Return whether a trial has a score on dev, not on a fold; without one it has no weights to keep."""
    return trial.score is not None and trial.fold is None


def _has_weights(trial: Trial) -> bool:
    return is_scored_on_dev(trial) and trial.n_parameters is not None
