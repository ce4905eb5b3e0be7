"""Learning curves of trials: what a trial reached after each epoch, with the epochs of the trials that it continues."""

import numpy as np

from blindtune.metrics.registry import ERROR
from blindtune.records.trial import EpochMetrics, Trial
from blindtune.report.minimised import get_scale
from blindtune.report.records import RunRecords
from blindtune.report.searches import Floats


def follow_curve(trials: list[Trial], trial: Trial) -> list[EpochMetrics]:
    """Return the metrics of all epochs of a trial, those of the trials that it continues first.

    Args:
        trials: of the study.
        trial: one of them.
    """
    before: list[EpochMetrics] = []
    if trial.parent is not None and trial.trained_before:
        before = follow_curve(trials, trials[trial.parent])[: trial.trained_before]
    return [*before, *trial.curve]


def read_dev(curve: list[EpochMetrics], metric: str | None) -> Floats:
    """Return what was minimised on dev after each epoch, ``(n_epochs,)``; NaN where it is not known.

    Args:
        curve: the metrics of the epochs.
        metric: of the comparison; None: the error. A share is in %.
    """
    values = [epoch.objective(metric or ERROR) for epoch in curve]
    return get_scale(metric or ERROR) * np.array([np.nan if value is None else value for value in values], dtype=float)


def read_train_error(curve: list[EpochMetrics]) -> Floats:
    """Return the error on train of each epoch in %, ``(n_epochs,)``; NaN where it is not known."""
    return 100 * np.array([np.nan if one.train_error is None else one.train_error for one in curve], dtype=float)


def find_chosen(run: RunRecords) -> Trial | None:
    """Return the trial of the frozen model; None for an estimate."""
    number = run.card.trial
    return None if number is None or number >= len(run.trials) else run.trials[number]


def compute_median(curves: list[Floats]) -> Floats:
    """Return the median of curves at each epoch that at least half of them have, ``(n_epochs,)``."""
    longest = max(map(len, curves))
    padded = np.full((len(curves), longest), np.nan)
    for place, curve in enumerate(curves):
        padded[place, : len(curve)] = curve
    enough = (~np.isnan(padded)).sum(axis=0) * 2 >= len(curves)
    last = int(np.flatnonzero(enough)[-1]) + 1 if enough.any() else 0
    known = [column[~np.isnan(column)] for column in padded[:, :last].T]
    return np.array([np.median(values) if len(values) else np.nan for values in known])
