"""Searches: best error so far, and which tuners are plain random search."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from blindtune.report.searches import accumulate_best, accumulate_seconds, describe_view
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


def test_describe_view_names_files_without_their_folders(tmp_path: Path) -> None:
    """A view of a user's code is described by its files, arguments and scaling, and no folder of anybody."""
    [card, *_] = [
        run.card for run in RecordsBuilder(tmp_path / "tiny", systems=["mlp_a1"], seeds=[42]).write().read().runs
    ]
    view = {
        "kind": "extracted",
        "build": "/home/me/own.py:net",
        "weights": "/home/me/net.pt",
        "arguments": {"side": 64},
    }
    view |= {"batch_size": 32, "standardize": True}
    shown = describe_view(card.model_copy(update={"settings": card.settings | {"view": view}}))
    assert shown == "extracted (own.py:net, weights net.pt, side 64, standardized)"
