"""The ranks of the tuners of a dataset while their budgets are spent, by the lowest value on dev so far."""

from dataclasses import dataclass

import numpy as np

from blindtune.report.records import DatasetRecords, RunRecords, SystemRecords
from blindtune.report.searches import (
    Floats,
    accumulate_best,
    accumulate_seconds,
    get_folds,
)
from blindtune.report.stats.seed_statistics import rank_values

#: The shares of the budget at which ranks are computed.
SHARES = np.linspace(0.05, 1.0, 20)


@dataclass(frozen=True)
class RanksOverTime:
    """The ranks of tuners at each of `SHARES`; 1 is the lowest on dev so far, ties share their rank.

    Attributes:
        tuners: the tuners.
        ranks: of each seed, ``(n_seeds, n_tuners, n_shares)``.
    """

    tuners: list[SystemRecords]
    ranks: Floats

    @property
    def mean(self) -> Floats:
        """The mean ranks over the seeds, ``(n_tuners, n_shares)``."""
        found: Floats = self.ranks.mean(axis=0)
        return found


def rank_over_time(dataset: DatasetRecords, names: frozenset[str] | None = None) -> RanksOverTime | None:
    """Rank the tuners of a dataset that score on dev, seed by seed.

    Args:
        dataset: its records.
        names: the tuners to rank; None: all.

    Returns:
        The ranks; None for fewer than two tuners.
    """
    tuners = [
        system
        for system in dataset.systems_of_kind("tuner")
        if not get_folds(system) and (names is None or system.name in names)
    ]
    if len(tuners) < 2:
        return None
    reached = np.array([[_reach(run) for run in system.runs] for system in tuners])
    return RanksOverTime(tuners, np.moveaxis(np.apply_along_axis(rank_values, 0, reached), 0, 1))


def compute_spent_share(run: RunRecords) -> Floats:
    """Return the share of the budget that was spent up to the end of each trial, from 0 to 1, ``(n_trials,)``.

    Of a budget with several limits, the one that is nearest counts. The last trial may end after its limit.
    """
    budget, trials = run.card.budget, run.trials
    spent = {
        "trials": np.arange(1.0, len(trials) + 1),
        # A trial without an epoch, such as an invalid one, is charged one.
        "epochs": np.cumsum([float(max(1, trial.epochs)) for trial in trials]),
        "seconds": accumulate_seconds(trials),
    }
    given = {unit: getattr(budget, unit, None) for unit in spent}
    shares = [spent[unit] / limit for unit, limit in given.items() if limit] or [spent["trials"] / max(1, len(trials))]
    most: Floats = np.minimum(np.max(shares, axis=0), 1.0)
    return most


def _reach(run: RunRecords) -> Floats:
    """Return the lowest value on dev by each of `SHARES`; infinite before the first one."""
    best = accumulate_best(run.trials)
    # A search that ended early keeps its best.
    places = np.searchsorted(compute_spent_share(run), SHARES + 1e-9, side="right") - 1
    reached = np.where(places >= 0, best[places], np.inf) if len(best) else np.full(len(SHARES), np.inf)
    found: Floats = np.where(np.isnan(reached), np.inf, reached)
    return found
