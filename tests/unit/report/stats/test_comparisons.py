"""Comparisons of systems in sentences."""

from pathlib import Path

import numpy as np

from blindtune.report.answer import answer_all
from blindtune.report.overview import rank_systems
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


def test_what_has_no_interval_is_not_decided(tmp_path: Path) -> None:
    """Of a single patient, no sentence says that two systems were compared and not distinguished."""
    patient = {"set_10": {"parameters": {"groups": ["one"]}}}
    records = RecordsBuilder(tmp_path / "it", systems=["mlp_m1", "mlp_m2", "mlp_a1"], datasets=patient).write().read()
    [(dataset, found)] = comparisons.compare_report(records)
    winner, answer = comparisons.describe_winner(dataset, found), comparisons.describe_manual_and_tuned(dataset, found)
    assert "Whether it is better than" in winner and "is not decided; no interval" in winner
    assert "Which of them is better is not decided" in answer
    assert "0 are not distinguishable, and 2 are not decided" in answer
    assert "not distinguishable" not in winner
    assert [system.untested for system in rank_systems(records)[0].systems] == [False, True, True]


def test_sentences_about_the_same_models_have_their_direction(tmp_path: Path) -> None:
    """The answer is tuned minus manual; where the other sentence has the other sign, it says minus what."""
    errors = {"mlp_m1": 0.3, "mlp_a1": 0.1}
    records = RecordsBuilder(tmp_path / "it", systems=["mlp_m1", "mlp_a1"], errors=errors).write().read()
    [(dataset, found)], [answer] = comparisons.compare_report(records), answer_all(records)
    assert answer.difference < 0 < found[0].difference.value
    assert "(mlp_m1 minus mlp_a1: " in comparisons.describe_manual_and_tuned(dataset, found)


def test_equal_systems_share_the_lowest_error(tmp_path: Path) -> None:
    """A system with the same error as the first is not below it."""
    errors = {"mlp_m1": -1.0, "mlp_m2": -1.0, "mlp_a1": 0.4}
    records = RecordsBuilder(tmp_path / "it", systems=list(errors), errors=errors).write().read()
    [(dataset, found)] = comparisons.compare_report(records)
    winner = comparisons.describe_winner(dataset, found)
    assert winner.startswith("mlp_m1 has the lowest mean eval error (0.00%") and " mlp_m2 has the same. " in winner


def test_describe_published_gap_on_10() -> None:
    """The published difference on #10 is computed from the printed numbers."""
    text = comparisons.describe_published_gap("10")
    assert "0.34 points on 10,000 eval samples, lies within the sampling error" in text
    half = 1.959964 * np.sqrt((0.32 * 0.68 + 0.3234 * 0.6766) / 10_000)
    assert f"more than {100 * half:.2f} points" in text
    assert "at most 300 disagreements" in text  # (34 / 1.96)^2
