"""Verdicts as sentences: one for every decision, with the clauses whose facts are known."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from blindtune.report import library_verdicts
from blindtune.report.names import join_names
from blindtune.report.records import read_records
from blindtune.report.tables import choices
from blindtune.report.verdict import SENTENCES, Question, Span, Verdict, render_verdicts
from support.report_records import RecordsBuilder


def test_render_verdicts_leaves_out_clauses_without_facts() -> None:
    """A clause is written only if all facts that it names are known."""
    facts: dict[str, Any] = {"counts": "3 invalid", "trials": 12, "studies": 2}
    short = render_verdicts([Verdict("bad configurations", "measured", facts)])
    assert short == "3 invalid of 12 trials; 2 of 2 studies finished"
    longer = render_verdicts([Verdict("bad configurations", "measured", facts | {"exhausted": 1})])
    assert longer == f"{short}, 1 of them with nothing more to propose"


def test_render_verdicts_joins_datasets_and_formats_facts() -> None:
    """Verdicts follow the title of their dataset; spans and seconds are written with their units."""
    facts: dict[str, Any] = {"seconds": {"tpe": 0.5, "grid": 120.0}, "shares": Span([0.1, 0.25], digits=1)}
    verdicts = [Verdict("overhead", "measured", facts, "digits"), Verdict("objectives", "not decided: none", {})]
    assert render_verdicts(verdicts) == (
        "digits: suggesting took 0.50 s (tpe), 120 s (grid) per trial; 10.0% to 25.0% of a study was neither training "
        "nor scoring. not decided: no tuner with several objectives was run"
    )
    assert render_verdicts([Verdict("budget", "measured", {"shares": Span([1.0])})]) == (
        "100% of the limit that was reached first"
    )


@pytest.mark.parametrize(("question", "decision"), SENTENCES)
def test_sentences_are_whole(question: Question, decision: str) -> None:
    """Every question is known, and the first clause of an undecided answer begins with "not decided"."""
    first = SENTENCES[question, decision][0]
    assert question in get_args(Question)
    assert first.startswith("not decided") == decision.startswith("not decided")
    assert re.sub(r"{\w+}", "", "".join(SENTENCES[question, decision])).isprintable()


def test_verdicts_hold_systems_as_data(tmp_path: Path) -> None:
    """A verdict has systems and numbers as facts, not text about them."""
    builder = RecordsBuilder(tmp_path / "tiny", seeds=[1, 2, 3, 4], systems=["mlp_m1", "kt_random", "opt_tpe"]).write()
    datasets = library_verdicts.compare_datasets(read_records(builder.root, builder.compare, builder.seeds))
    [verdict] = library_verdicts.judge_algorithm(datasets, "optuna")
    own, random = datasets[0].dataset.systems[2], datasets[0].dataset.systems[1]
    assert (verdict.facts, verdict.dataset) == ({"own": own, "random": [random]}, "set_10")
    [budget] = library_verdicts.measure_budget(datasets, "optuna")
    assert budget.facts == {"shares": Span([1.0] * 4)}
    assert choices.classify_complexity(datasets[0]) in ("low", "medium or high")


def test_many_random_searches_are_given_by_their_range(tmp_path: Path) -> None:
    """A few systems are named with their errors; more are a number and a range, as ten names hide the answer."""
    builder = RecordsBuilder(tmp_path / "tiny", seeds=[1, 2], systems=["mlp_m1", "kt_random", "opt_tpe"]).write()
    records = read_records(builder.root, builder.compare, builder.seeds)
    [random] = [one for one in records.datasets[0].systems if one.name == "kt_random"]
    facts: dict[str, Any] = {"own": "x"}
    few = render_verdicts([Verdict("algorithm", "better", facts | {"random": [random]})])
    many = render_verdicts([Verdict("algorithm", "better", facts | {"random": [random] * 5})])
    error = few.removeprefix("better: x against random search (kt_random, ").split(" (")[0]
    assert error.endswith("%")
    assert many == f"better: x against random search (5 of them, {error} to {error})"


def test_names_are_joined_as_in_a_sentence() -> None:
    """Three libraries are "a, b and c"."""
    assert [join_names(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
