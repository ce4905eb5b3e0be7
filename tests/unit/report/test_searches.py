"""Searches: best error so far, and which tuners are plain random search."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from blindtune.report.searches import accumulate_best, accumulate_seconds
from support.report_records import RecordsBuilder


def test_accumulate_best_ignores_incomplete_trials(tmp_path: Path) -> None:
    """The best error so far ignores trials that did not complete."""
    builder = RecordsBuilder(tmp_path / "tiny", systems=["mlp_a1"], seeds=[42]).write()
    trials = builder.read().runs[0].trials
    best = accumulate_best(trials)
    assert len(best) == len(trials) == len(accumulate_seconds(trials))
    assert all(later <= earlier for earlier, later in pairwise(best))
    assert best[-1] == pytest.approx(100 * min(trial.score for trial in trials if trial.score is not None))
    assert np.isnan(accumulate_best(trials[3:4])).all()
