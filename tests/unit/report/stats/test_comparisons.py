"""Comparisons of systems in sentences."""

from pathlib import Path

import numpy as np

from blindtune.report.stats import comparisons
from support.report_records import RecordsBuilder


def test_describe_winner_separates_winners_from_ties(tmp_path: Path) -> None:
    """A clear winner is called better, and a tie is not."""
    systems = ["mlp_m1", "mlp_a1"]
    clear = RecordsBuilder(tmp_path / "clear", systems=systems, errors={"mlp_m1": 0.1, "mlp_a1": 0.4}).write()
    [(dataset, found)] = comparisons.compare_report(clear.read())
    assert "It is better than all others." in comparisons.describe_winner(dataset, found)
    assert "The manual one is better" in comparisons.describe_manual_and_tuned(dataset, found)
    tie = RecordsBuilder(tmp_path / "tie", systems=systems, errors={"mlp_m1": 0.3, "mlp_a1": 0.3}).write()
    [(dataset, found)] = comparisons.compare_report(tie.read())
    assert "not distinguishable" in comparisons.describe_winner(dataset, found)
    assert "The two are not distinguishable" in comparisons.describe_manual_and_tuned(dataset, found)


def test_describe_published_gap_on_10() -> None:
    """The published difference on #10 is computed from the printed numbers."""
    text = comparisons.describe_published_gap("10")
    assert "0.34 points on 10,000 eval samples, lies within the sampling error" in text
    half = 1.959964 * np.sqrt((0.32 * 0.68 + 0.3234 * 0.6766) / 10_000)
    assert f"more than {100 * half:.2f} points" in text
    assert "at most 300 disagreements" in text  # (34 / 1.96)^2
