"""What an expert is worth in trials: how many sets a search needs to match the manual model on dev.

A search whose sets are independent draws (random search without pruning) could have tried its sets in any order, so
every choice of n of them is a search of n sets: `blindtune.report.stats.order_statistics` has the exact mean over all
choices. The sets of other searches depend on the order, so there only the recorded order counts, one search per seed.
"""

import math
from dataclasses import dataclass

import numpy as np

from blindtune.records.trial import Trial
from blindtune.report.minimised import raise_to_equal
from blindtune.report.records import DatasetRecords, SystemRecords
from blindtune.report.searches import (
    RANDOM_ALGORITHMS,
    Floats,
    get_folds,
    get_tuner_settings,
    is_adaptive,
    sum_study_seconds,
)
from blindtune.report.stats.order_statistics import (
    Ints,
    bound_needed,
    count_needed,
    expected_lowest,
    probability_of_any,
)

#: A curve has at most this many points.
MOST_POINTS = 60


@dataclass(frozen=True)
class Needed:
    """How many sets a search needs to be at least as good as the manual model with some probability.

    Attributes:
        count: the number; None if no search of the records got there.
        low: the lower end of the 95% interval; for a recorded order, None.
        high: the upper end; infinite if the records give none; for a recorded order, None.
    """

    count: int | None
    low: int | None = None
    high: float | None = None


@dataclass(frozen=True)
class RecordedSearch:
    """The recorded trials of a tuner, one search per seed.

    Attributes:
        system: the tuner.
        values: what was minimised on dev by each trial, ``(n_trials,)`` per seed; infinite for a trial without it.
        resampled: whether the sets are independent draws, so that any n of them are a search.
    """

    system: SystemRecords
    values: list[Floats]
    resampled: bool

    @property
    def pooled(self) -> Floats:
        """The values of all seeds together."""
        return np.concatenate(self.values)

    @property
    def most(self) -> int:
        """The largest n that the records tell about."""
        return len(self.pooled) if self.resampled else min(map(len, self.values))

    def count_good(self, target: float) -> int:
        """Return the number of trials of all seeds that are at least as good as ``target``."""
        return int((self.pooled <= raise_to_equal(target)).sum())

    def expect_lowest(self, counts: Ints) -> Floats:
        """Return the expected lowest value of n trials; NaN before the first one of any seed.

        Args:
            counts: each n, up to `most`.
        """
        if self.resampled:
            return expected_lowest(self.pooled, counts)
        found: Floats = np.mean(self.lowest_by_seed(counts), axis=0)
        return found

    def lowest_by_seed(self, counts: Ints) -> list[Floats]:
        """Return the expected lowest value of n trials of each seed alone, NaN where the seed does not tell.

        Args:
            counts: each n.
        """
        return [_lowest_of_seed(values, counts, self.resampled) for values in self.values]

    def match_probability(self, target: float, counts: Ints) -> Floats:
        """Return the probability that the lowest of n trials is at least as good as ``target``.

        Args:
            target: what was minimised on dev by the manual model.
            counts: each n, up to `most`.
        """
        if self.resampled:
            return probability_of_any(self.count_good(target), len(self.pooled), counts)
        # A comparison with NaN is False, as it has to be.
        found: Floats = np.mean([lowest <= raise_to_equal(target) for lowest in self.lowest_by_seed(counts)], axis=0)
        return found

    def need(self, target: float, probability: float) -> Needed:
        """Return how many trials it takes to be at least as good as ``target``.

        Args:
            target: what was minimised on dev by the manual model.
            probability: with which the search shall get there; of a recorded order, the share of seeds that do.
        """
        if not self.resampled:
            firsts = sorted(_first_at(values, target) for values in self.values)
            found = firsts[math.ceil(probability * len(firsts) - 1e-9) - 1]
            return Needed(int(found) if math.isfinite(found) else None)
        good, recorded = self.count_good(target), len(self.pooled)
        return Needed(count_needed(good, recorded, probability), *bound_needed(good, recorded, probability))


def list_searches(dataset: DatasetRecords) -> list[RecordedSearch]:
    """Return the searches of a dataset whose trials are scored on dev; scores on folds are other numbers."""
    return [
        RecordedSearch(system, values, _is_exchangeable(system))
        for system in dataset.systems_of_kind("tuner")
        if not get_folds(system) and np.isfinite(np.concatenate(values := _read_values(system))).any()
    ]


def space_counts(most: int) -> Ints:
    """Return up to `MOST_POINTS` numbers of trials from 1 to ``most``, evenly spaced on a logarithmic axis."""
    return np.unique(np.round(np.geomspace(1, most, MOST_POINTS)).astype(np.int64))


def mean_trial_seconds(system: SystemRecords) -> float:
    """Return the mean wall seconds of a trial, over all trials of all seeds."""
    trials = sum(len(run.trials) for run in system.runs)
    return sum(map(sum_study_seconds, system.runs)) / max(1, trials)


def _read_values(system: SystemRecords) -> list[Floats]:
    return [np.array([_value(trial) for trial in run.trials], dtype=float) for run in system.runs]


def _value(trial: Trial) -> float:
    return math.inf if trial.score is None or trial.fold is not None else trial.objective_value()


def _is_exchangeable(system: SystemRecords) -> bool:
    """Return whether the tuner draws every set at random and prunes none by what others reached."""
    return get_tuner_settings(system)["algorithm"] in RANDOM_ALGORITHMS and not is_adaptive(system)


def _lowest_of_seed(values: Floats, counts: Ints, resampled: bool) -> Floats:
    known = counts[counts <= len(values)]
    if resampled:
        found = expected_lowest(values, known)
    else:
        best = np.minimum.accumulate(values)[known - 1]
        found = np.where(np.isfinite(best), best, np.nan)
    return np.concatenate([found, np.full(len(counts) - len(known), np.nan)])


def _first_at(values: Floats, target: float) -> float:
    """Return the number of the first trial, from 1, that is at least as good as ``target``; infinite without one."""
    reached = np.flatnonzero(values <= raise_to_equal(target))
    return float(reached[0]) + 1 if len(reached) else math.inf
