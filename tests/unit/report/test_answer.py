"""The answer of a report: manual against tuned on each dataset."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blindtune.report.answer import DatasetAnswer, answer_all, headline, list_names
from support.report_records import RecordsBuilder


def _answer(path: Path, **changes: Any) -> DatasetAnswer:
    [found] = answer_all(RecordsBuilder(path, **changes).write().read())
    return found


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ({"mlp_m1": 0.1, "mlp_a1": 0.4}, "manual better"),
        ({"mlp_m1": 0.4, "mlp_a1": 0.1}, "tuned better"),
        ({"mlp_m1": 0.3, "mlp_a1": 0.3}, "cannot be told apart"),
    ],
)
def test_answer_is_positive_where_manual_is_better(tmp_path: Path, errors: dict[str, float], verdict: str) -> None:
    """The difference is tuned minus manual in points, and the verdict follows its sign."""
    found = _answer(tmp_path / "study", systems=["mlp_m1", "mlp_a1"], seeds=[1, 2, 3], errors=errors)
    assert found.verdict == verdict
    assert (found.manual.name, found.tuned.name) == ("mlp_m1", "mlp_a1")
    assert found.difference == pytest.approx(100 * (found.tuned.error("eval") - found.manual.error("eval")))
    assert found.low is not None and found.high is not None and found.low < found.difference < found.high
    if verdict != "cannot be told apart":
        assert (found.difference > 0) == (verdict == "manual better")
    assert "over eval samples and seeds" in found.sentence and found.no_interval == ""


def test_answer_takes_the_lowest_on_dev(tmp_path: Path) -> None:
    """Among several models of a kind, dev chooses, not eval."""
    found = _answer(tmp_path / "study", errors={"mlp_m1": 0.1, "mlp_m2": 0.4, "mlp_a1": 0.1, "mlp_a2": 0.4})
    records = RecordsBuilder(tmp_path / "study").read().datasets[0]
    for chosen, kind in ((found.manual, "manual"), (found.tuned, "tuner")):
        assert chosen.error("dev") == min(system.error("dev") for system in records.systems_of_kind(kind))


def test_answer_of_a_single_seed_names_no_winner(tmp_path: Path) -> None:
    """Samples alone can not tell what another seed would give."""
    errors = {"mlp_m1": 0.1, "mlp_a1": 0.4}
    found = _answer(tmp_path / "study", systems=["mlp_m1", "mlp_a1"], seeds=[1], errors=errors)
    assert found.p < 0.001 and found.verdict == "not decided" and found.varies == "eval samples"


@pytest.mark.parametrize(
    ("number", "difference", "systems"),
    [("10", 9.27, "MLP-M1 and MLP-A1"), ("08", 0.99, "MLP-M and MLP-A"), ("12", 13.92, "Manual and Auto")],
)
def test_answer_has_the_published_difference_by_dev(
    tmp_path: Path, number: str, difference: float, systems: str
) -> None:
    """The published difference is that of the models that the published dev errors choose."""
    found = _answer(tmp_path / "study", systems=["mlp_m1", "mlp_a1"], datasets={"one": {"published": number}})
    assert found.published == pytest.approx(difference) and found.published_systems == systems


def test_answer_without_a_kind_is_none(tmp_path: Path) -> None:
    """Without a tuned model there is no question."""
    records = RecordsBuilder(tmp_path / "study", systems=["knn", "mlp_m1"]).write().read()
    assert answer_all(records) == []
    assert "cannot be compared" in headline(records)


def test_answer_all_adjusts_for_the_datasets(tmp_path: Path) -> None:
    """The p values of several datasets are adjusted, and the headline names every dataset."""
    builder = RecordsBuilder(
        tmp_path / "study", systems=["mlp_m1", "mlp_a1"], datasets={"one": {}, "two": {}, "three": {"stand_in": True}}
    )
    records = builder.write().read()
    found = answer_all(records)
    assert [each.adjusted_p >= each.p for each in found] == [True] * 3
    assert (
        max(each.adjusted_p / each.p for each in found) == pytest.approx(3)
        or max(each.adjusted_p for each in found) == 1
    )
    assert all(title in headline(records) for title in ("one", "two", "three (stand-in data)"))
    assert [each.stand_in for each in found] == [False, False, True]


def test_headline_of_few_datasets_says_what_its_numbers_are(tmp_path: Path) -> None:
    """Which of the two is subtracted, and what the interval is, can be read in the first sentences."""
    errors = {"mlp_m1": 0.1, "mlp_a1": 0.4}
    builder = RecordsBuilder(tmp_path / "study", systems=["mlp_m1", "mlp_a1"], seeds=[1, 2, 3], errors=errors)
    found = headline(builder.write().record().read())
    assert found.endswith("). Differences on eval are tuned minus manual, with 95% intervals.")
    one_patient = {"one": {"parameters": {"groups": ["p1"]}}}
    builder = RecordsBuilder(tmp_path / "none", systems=["mlp_m1", "mlp_a1"], datasets=one_patient)
    assert "interval)." in (found := headline(builder.write().record().read())) and "minus" not in found


def test_headline_of_many_datasets_counts_them(tmp_path: Path) -> None:
    """With more than a few datasets the sentence has counts and names; the intervals are in the picture."""
    datasets = {f"set_{letter}": {"stand_in": letter == "a"} for letter in "abcd"}
    builder = RecordsBuilder(tmp_path / "study", systems=["mlp_m1", "mlp_a1"], seeds=[1, 2, 3], datasets=datasets)
    builder.errors |= {"mlp_m1": 0.1, "mlp_a1": 0.4}
    assert headline(builder.write().record().read()) == (
        "The manual model is better on 4 of 4 datasets (set_a, set_b, set_c and set_d). 1 of the 4 has stand-in data."
    )


@pytest.mark.parametrize(
    ("not_blind", "recorded", "end"),
    [
        ((), True, "."),
        (("two/knn",), True, "."),
        (("two/mlp_a1",), True, ". Not every decode is known to be blind on two."),
        ((), False, ". Not every decode is known to be blind on one and two."),
    ],
    ids=["all blind", "another system", "one of the two", "not in the ledger"],
)
def test_headline_claims_no_blindness_that_is_not_known(
    tmp_path: Path, not_blind: tuple[str, ...], recorded: bool, end: str
) -> None:
    """The first sentence of the report says so if a model that it compares was decoded with a look at eval before."""
    systems, datasets = ["knn", "mlp_m1", "mlp_a1"], dict[str, dict[str, Any]](one={}, two={})
    builder = RecordsBuilder(tmp_path / "study", systems=systems, datasets=datasets, not_blind=not_blind).write()
    found = headline((builder.record() if recorded else builder).read())
    assert "a look at eval" not in found and found.endswith(end)
    assert found.count("blind") == (0 if end == "." else 1)


def test_answer_without_interval_says_why(tmp_path: Path) -> None:
    """With the samples of one patient there is no interval and no verdict, but the reason."""
    one_patient = {"parameters": {"groups": ["p1"]}}
    found = _answer(tmp_path / "study", systems=["mlp_m1", "mlp_a1"], datasets={"one": one_patient})
    assert (found.low, found.high, found.verdict) == (None, None, "not decided")
    assert "fewer than 5 patients" in found.no_interval and found.no_interval in found.sentence
    assert found.varies == "patients and seeds"


def test_answer_of_equal_models_is_equivalent(tmp_path: Path) -> None:
    """A difference that is shown to be below the margin is called so, and the margin is that of the config."""
    found = _answer(tmp_path / "study", systems=["mlp_m1", "mlp_a1"], errors={"mlp_m1": 0.3, "mlp_a1": 0.3})
    assert not found.equivalent and found.equal_within is not None and found.equal_within > 1
    records = RecordsBuilder(tmp_path / "study", systems=["mlp_m1", "mlp_a1"]).read()
    [wide] = answer_all(replace(records, margin=60.0))
    assert wide.equivalent and "less than 60 points" in wide.sentence


def test_list_names_is_short() -> None:
    """A sentence names the first datasets of many and counts the others; the number of words has a bound."""
    assert [list_names(names) for names in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert list_names("abcdefgh") == "a, b, c, d, e, f, g and h"
    assert list_names("abcdefghijkl") == "a, b, c, d, e, f, g and 5 more"
