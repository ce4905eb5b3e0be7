"""Comparisons over datasets: the signed-rank test and its Bayesian form."""

from pathlib import Path

import pytest

from blindtune.report.stats.over_datasets import MIN_DATASETS, compare_over_datasets
from blindtune.report.tables import comparisons, over_datasets
from support.report_records import RecordsBuilder


def test_compare_over_datasets_finds_a_win_on_all() -> None:
    """A clear win on six datasets is significant, and on five it is not."""
    found = compare_over_datasets([-0.05, -0.04, -0.06, -0.03, -0.07, -0.045], 0.01)
    assert found.p < 0.05 and found.lower > 0.95 and (found.wins, found.losses) == (6, 0)
    assert compare_over_datasets([-0.05, -0.04, -0.06, -0.03, -0.07], 0.01).p > 0.05
    assert found.lower + found.within + found.higher == pytest.approx(1)


def test_compare_over_datasets_turns_with_the_sign() -> None:
    """The other order gives the same p and the other side's probability, each time again."""
    values = [0.03, -0.01, 0.02, 0.04, -0.005, 0.011]
    one, other = compare_over_datasets(values, 0.01), compare_over_datasets([-value for value in values], 0.01)
    assert one.p == other.p and one.lower == pytest.approx(other.higher, abs=0.01)
    assert compare_over_datasets(values, 0.01) == one


#: A system that wins a little on 21 datasets and loses a lot on 19.
FEW_LARGE_LOSSES = [*(-0.001 * number for number in range(1, 22)), *(0.1 + 0.001 * number for number in range(19))]


def test_verdict_over_datasets_is_of_the_side_that_the_test_favors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The better system is the one with the larger rank sum, even if it has fewer wins."""
    found = compare_over_datasets(FEW_LARGE_LOSSES, 0.01)
    assert found.p < 0.05 and found.wins > found.losses and not found.is_first_lower
    datasets: dict[str, dict[str, object]] = {f"set_{number}": {} for number in range(MIN_DATASETS)}
    builder = RecordsBuilder(
        tmp_path / "study", systems=["mlp_m1", "mlp_a1"], seeds=[1], samples=60, trials=2, datasets=datasets
    )
    records = builder.write().read()
    monkeypatch.setattr(over_datasets, "compare_over_datasets", lambda differences, margin: found)
    assert [row["verdict"] for row in over_datasets.build(records).rows] == ["tuned lower", "mlp_a1 lower"]
    assert "together, tuned is better" in over_datasets.describe_over_datasets(records)


def test_table_over_datasets_has_the_margin_in_the_unit_of_the_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A margin of 1 point is 0.01 of a log loss, and a tiny p is not written as 0."""
    clear = compare_over_datasets([-0.05 - 0.001 * number for number in range(40)], 0.01)
    monkeypatch.setattr(over_datasets, "compare_over_datasets", lambda differences, margin: clear)
    datasets: dict[str, dict[str, object]] = {f"set_{number}": {} for number in range(MIN_DATASETS)}
    builder = RecordsBuilder(
        tmp_path / "study", systems=["mlp_m1", "mlp_a1"], seeds=[1], samples=60, trials=2, datasets=datasets,
        metric="log_loss",
    )  # fmt: skip
    records = builder.write().read()
    table = over_datasets.build(records)
    assert "less than 0.01 (report.margin)" in table.notes[1]
    assert any("less than 0.01 (report.margin)" in note for note in comparisons.build(records).notes)
    assert "p < 0.001" in table.findings[0] and "better by more than 0.01 with" in table.findings[0]


def test_compare_over_datasets_of_equals_is_equivalent() -> None:
    """Without a difference anywhere the two are equivalent, and p is 1."""
    found = compare_over_datasets([0.0] * 6, 0.01)
    assert found.p == 1 and found.within == 1 and found.is_equivalent


@pytest.mark.parametrize("count", [MIN_DATASETS - 1, MIN_DATASETS])
def test_table_over_datasets_needs_enough(tmp_path: Path, count: int) -> None:
    """With too few datasets there is no row, and the reason is given."""
    datasets: dict[str, dict[str, object]] = {f"set_{number}": {} for number in range(count)}
    builder = RecordsBuilder(
        tmp_path / "study", systems=["mlp_m1", "mlp_a1"], seeds=[1], samples=60, trials=2, datasets=datasets,
        errors={"mlp_m1": 0.1, "mlp_a1": 0.4},
    )  # fmt: skip
    records = builder.write().read()
    table, sentence = over_datasets.build(records), over_datasets.describe_over_datasets(records)
    if count < MIN_DATASETS:
        assert table.rows == [] and "too few" in table.notes[0] and "Too few" in sentence
    else:
        assert [row["question"] for row in table.rows] == ["manual against tuned, by dev", "each system"]
        assert all((row["wins"], row["verdict"].split()[-1]) == (count, "lower") for row in table.rows)
        assert f"Over all {count} datasets together, manual is better" in sentence and table.findings == [sentence]
        assert "by more than 1 point with probability" in sentence


def test_compare_over_datasets_takes_rounding_errors_for_ties() -> None:
    """Differences of a rounding error are none, and equal differences share their rank."""
    tied = compare_over_datasets([1e-17, -1e-17, 0.1 + 0.2 - 0.3, 0.3 - 0.2, 0.4 - 0.3, 0.1], 0.01)
    assert (tied.wins, tied.losses) == (0, 3)
    assert tied == compare_over_datasets([0.0, 0.0, 0.0, 0.1, 0.1, 0.1], 0.01)
