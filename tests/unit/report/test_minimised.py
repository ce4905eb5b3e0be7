"""With another metric than the error, every table, verdict and figure ranks by it and names it rightly.

The data are unbalanced: a tuner that always answers the frequent class has the lowest error and the highest balanced
error, and the metric on dev prefers the trials with the highest error. So a number that is ranked or labelled by the
wrong one of the two is found.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from blindtune.core.errors import UserError
from blindtune.metrics.registry import METRICS
from blindtune.records.trial import Trial
from blindtune.report.figures import cost, pairs, pareto, search, surfaces
from blindtune.report.figures.style import assign_styles
from blindtune.report.figures.write import describe_figure
from blindtune.report.minimised import format_change, format_metric
from blindtune.report.records import ReportRecords, SystemRecords, read_records
from blindtune.report.searches import accumulate_best, compare_minimised_by_seed
from blindtune.report.stats.metric_samples import estimate_over_samples, leave_parts_out
from blindtune.report.table import ReportTable, Row, format_number, to_csv, to_latex, to_markdown, to_percent
from blindtune.report.tables import (
    architectures,
    arguments,
    choices,
    comparisons,
    errors,
    libraries,
    metrics,
    scores,
    tuner_pairs,
    tuner_ranks,
)
from support.report_records import RecordsBuilder

SYSTEMS = ["knn", "mlp_m1", "kt_random", "kt_bayes", "opt_tpe"]
#: Nearly sure of the frequent class for every sample: error 10%, balanced error 50%, log loss 0.92.
LAZY = "opt_tpe"
SEEDS = [1, 2, 3, 4, 5, 6]


def build_records(root: Path, metric: str | None, **more: Any) -> RecordsBuilder:
    """Write records of unbalanced data, on which the metric and the error rank trials and systems differently."""
    settings: dict[str, Any] = {"seeds": SEEDS, "systems": SYSTEMS, "rare": 10, "majority": (LAZY,)} | more
    return RecordsBuilder(root, metric=metric, dev_metric=lambda error: 0.9 - error, **settings).write().record()


@pytest.fixture(scope="module", params=["balanced_error", "log_loss"])
def records(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ReportRecords:
    """Records of a metric that is a share, and of one that is not."""
    return build_records(tmp_path_factory.mktemp(request.param) / "it", request.param).read()


def by(table: ReportTable, key: str) -> dict[Any, Row]:
    return {row[key]: row for row in table.rows}


def shown(metric: str, value: float) -> float:
    return 100 * value if METRICS[metric].is_share else value


def ranked(records: ReportRecords, tuners: bool = False) -> list[str]:
    systems = [one for one in records.datasets[0].classifiers if not tuners or one.kind == "tuner"]
    return [one.name for one in sorted(systems, key=lambda system: float(np.mean(system.metric_values("eval"))))]


def texts(figure: Figure) -> str:
    return " ".join(part.get_text() for part in figure.findobj(lambda part: hasattr(part, "get_text")))  # type: ignore[attr-defined]


def test_metric_and_error_rank_differently(records: ReportRecords) -> None:
    """The records are such that no test below could pass by the error."""
    systems = {system.name: system for system in records.datasets[0].classifiers}
    assert min(systems.values(), key=lambda system: system.error("eval")).name == LAZY
    assert ranked(records)[-1] == LAZY
    for system in systems.values():
        scored = [trial for trial in system.runs[0].trials if trial.score is not None and trial.fold is None]
        assert system.runs[0].card.dev_error == max(trial.score or 0 for trial in scored)


def test_comparisons_rank_by_the_metric(records: ReportRecords) -> None:
    """The best system, the differences and the verdicts are by the metric; the error is next to it."""
    dataset, metric = records.datasets[0], records.datasets[0].metric
    systems, order = {system.name: system for system in dataset.classifiers}, ranked(records)
    table = comparisons.build(records)
    best = [row for row in table.rows if row["question"] == "best against the others"]
    assert {row["better"] for row in best} == {order[0]} and [row["other"] for row in best] == order[1:]
    for row in best:
        better, other = systems[str(row["better"])], systems[str(row["other"])]
        found = np.mean(other.metric_values("eval")) - np.mean(better.metric_values("eval"))
        assert row["metric_difference"] == pytest.approx(shown(metric, float(found)), abs=1e-8)
        assert float(row["metric_low"]) < float(row["metric_difference"]) < float(row["metric_high"])  # type: ignore[arg-type]
        assert row["difference"] == pytest.approx(100 * (other.error("eval") - better.error("eval")), abs=1e-8)
        assert (row["verdict"] == "distinguishable") == (float(row["metric_adjusted_p"]) < 0.05)  # type: ignore[arg-type]
        assert (row["metric"], row["metric_unit"]) == (METRICS[metric].title, "%" if METRICS[metric].is_share else None)
    lazy = next(row for row in best if row["other"] == LAZY)
    assert float(lazy["difference"] or 0) < 0, "the system that is worse by the metric has the lower error"
    assert by(metrics.build(records), "system")[LAZY]["verdict"] == lazy["verdict"], "two tables, one verdict"
    headings = [column.heading for column in table.columns]
    assert "A: lower" in headings and "by the metric: B − A" in headings and "lower error" not in headings
    for form in (to_csv, to_markdown, to_latex):
        assert METRICS[metric].title in form(table)


def test_sentences_name_the_metric(records: ReportRecords) -> None:
    """The answers at the top of the page are about the metric, and say the error with it."""
    title, order = METRICS[records.datasets[0].metric].title, ranked(records)
    [answer] = comparisons.answer_questions(records)
    assert answer.lowest == f"Lowest {title}"
    assert answer.winner.startswith(f"{order[0]} has the lowest mean eval {title} (") and ", error " in answer.winner
    assert f"The error was not minimised; the lowest mean eval error is that of {LAZY} (10.00%)." in answer.winner
    assert answer.headline.startswith(f"Chosen by dev {title}, as in a blind study, the manual model is mlp_m1 (")
    assert ("points" in answer.winner) == METRICS[records.datasets[0].metric].is_share


def test_tuners_are_ranked_by_the_metric(records: ReportRecords) -> None:
    """Pairs, ranks, scores and the verdicts on libraries take the metric; errors keep their columns."""
    metric, order = records.datasets[0].metric, ranked(records, tuners=True)
    systems = {system.name: system for system in records.datasets[0].classifiers}
    table = tuner_pairs.build(records)
    assert [(row["better"], row["other"]) for row in table.rows] == [
        (one, other) for at, one in enumerate(order) for other in order[at + 1 :]
    ]
    for row in table.rows:
        first, second = (systems[str(row[key])].metric_values("eval") for key in ("better", "other"))
        share = np.mean(np.where(np.equal(first, second), 0.5, np.less(first, second)))
        assert row["metric_outperforms"] == pytest.approx(share)
        assert float(row["metric_difference"] or 0) >= 0
    assert "A: lower on eval" in [column.title for column in table.columns]
    ranks = tuner_ranks.build(records)
    assert [row["tuner"] for row in ranks.rows] == order and METRICS[metric].title in " ".join(ranks.notes)
    rows, zero = by(scores.build(records), "system"), np.mean(systems["kt_random"].metric_values("eval"))
    one = min(np.mean(system.metric_values("eval")) for system in systems.values())
    for name, system in systems.items():
        value = np.mean(system.metric_values("eval"))
        assert rows[name]["metric_eval"] == pytest.approx(shown(metric, float(value)))
        assert rows[name]["metric_dev"] == pytest.approx(shown(metric, float(np.mean(system.metric_values("dev")))))
        assert rows[name]["eval"] == pytest.approx(100 * system.error("eval"))
        expected = None if zero <= one else pytest.approx((zero - value) / (zero - one))
        assert rows[name]["score"] == expected


def test_verdicts_are_by_the_metric(tmp_path: Path) -> None:
    """A library whose tuner has the lowest error but the highest metric is called higher, and its values are named."""
    records = build_records(tmp_path / "it", "balanced_error").read()
    found = by(libraries.build(records), "criterion")["Error reached"]
    assert f"higher than keras-tuner: {LAZY}, balanced error 50.00%, error 10.00%" in str(found["optuna"])
    assert "lowest: kt_" in str(found["keras-tuner"])
    table = choices.build(records)
    verdicts = [str(row["verdict"]) for row in table.rows]
    assert not any(f"lowest is optuna ({LAZY}" in verdict for verdict in verdicts)
    for each in (libraries.build(records), table):
        assert "By what each comparison minimised, in the place of the error: set_10: balanced error." in each.notes


def test_best_on_dev_is_by_the_metric(tmp_path: Path) -> None:
    """The tuner that represents a library is the one a blind user of the metric takes, not that of the dev error."""
    from blindtune.report.library_verdicts import best_on_dev

    dataset = build_records(tmp_path / "it", "balanced_error").read().datasets[0]
    tuners = dataset.systems_of_kind("tuner")
    found = best_on_dev(tuners)
    assert found.name == min(tuners, key=lambda system: float(np.mean(system.metric_values("dev")))).name
    assert found.name == max(tuners, key=lambda system: system.error("dev")).name


def test_arguments_name_what_was_minimised(records: ReportRecords) -> None:
    """Table 2 calls the objective by its name; the tables of networks and of errors say how models were chosen."""
    title = METRICS[records.datasets[0].metric].title
    table = arguments.build(records)
    assert by(table, "argument")["objective"]["ours"] == f"dev {title}, last epoch"
    assert "minimize the dev error" not in " ".join(table.notes)
    assert f"set_10: {title}" in " ".join(errors.build(records).notes)
    assert f"lowest on dev by the metric is shown: set_10: {title}" in " ".join(architectures.build(records).notes)


def test_pairs_without_a_metric_sample_are_not_pairs_of_errors(
    records: ReportRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A difference by the metric is never filled with that of the errors."""
    # Copies, for which nothing was computed yet.
    first, second = map(replace, records.datasets[0].systems_of_kind("tuner")[:2])
    monkeypatch.setattr(SystemRecords, "metric_sample", None)
    found = compare_minimised_by_seed(first, second)
    assert found.value == pytest.approx(first.objective("eval") - second.objective("eval"))
    assert not found.has_interval


def test_figure_of_very_many_pairs_has_a_scale_in_place_of_numbers(
    records: ReportRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers that would overlap are left to the table."""
    styles = assign_styles(records)
    assert len(pairs.draw(records.datasets[0], styles).axes) == 1
    monkeypatch.setattr(pairs, "MOST_NUMBERED", 1)
    squares, scale = pairs.draw(records.datasets[0], styles).axes
    assert not squares.texts and scale.get_ylabel().startswith("difference")


def test_figures_show_the_metric(records: ReportRecords) -> None:
    """Axes, titles and captions name the metric, and their points are its values."""
    dataset, metric = records.datasets[0], records.datasets[0].metric
    title, unit = METRICS[metric].title, " (%)" if METRICS[metric].is_share else ""
    styles = assign_styles(records)
    for module, split in ((search, "dev"), (pareto, "dev"), (cost, "eval"), (pairs, "eval")):
        figure = module.draw(dataset, styles)
        assert f"{split} {title}" in texts(figure) and f"{split} error" not in texts(figure)
        if module is not pairs:
            assert figure.axes[0].get_ylabel() == f"{split} {title}{unit}"
    kinds = {"search": "Dev", "pareto": "dev", "pairs": "eval", "surfaces": "dev"}
    for kind, split in kinds.items():
        assert f"{split} {title}" in describe_figure(kind, dataset)
        assert f"{split} error" not in describe_figure(kind, dataset)
    assert describe_figure("cost", dataset).startswith(f"{title[0].upper()}{title[1:]} on eval")
    assert (", in points," in describe_figure("pairs", dataset)) == bool(unit)
    assert surfaces.draw(dataset, styles).axes


def test_points_of_figures_are_values_of_the_metric(records: ReportRecords) -> None:
    """What the fronts and the searches are computed from are the metrics of the trials, in % if they are shares."""
    metric = records.datasets[0].metric
    system = next(system for system in records.datasets[0].classifiers if system.name == "kt_bayes")
    trials = [trial for trial in system.runs[0].trials if trial.score is not None]
    points = pareto.collect_points(system)[: len(trials)]
    np.testing.assert_allclose(points[:, 1], [shown(metric, trial.metric_value or 0) for trial in trials])
    reached = accumulate_best(system.runs[0].trials)
    assert reached[-1] == pytest.approx(shown(metric, system.runs[0].card.dev_metric or 0))
    assert reached[-1] == pytest.approx(shown(metric, min(map(Trial.objective_value, trials))))


def test_cost_has_the_interval_of_the_metric(records: ReportRecords) -> None:
    """The bars of a model are those of its metric over the samples, and begin at its value."""
    system = records.datasets[0].classifiers[0]
    for run, bars in zip(system.runs, cost._bars(system), strict=True):
        found = estimate_over_samples(leave_parts_out(records.datasets[0].metric, [run.answers], 2), 0)
        assert found.value == pytest.approx(run.decode.metric_value) and 0 <= found.low < found.value < found.high
        expected = [found.value - found.low, found.high - found.value]
        assert list(bars) == pytest.approx([shown(records.datasets[0].metric, each) for each in expected])


def test_reports_may_have_several_metrics(tmp_path: Path) -> None:
    """Each dataset has its own metric: ranks are by each, values are never averaged, rows of the error stay."""
    tuners = ["kt_random", "kt_bayes", "opt_tpe"]
    names = {f"set_{number}": "log_loss" if number % 2 else None for number in range(6)}
    for name, metric in names.items():
        build_records(tmp_path / "it", metric, systems=tuners, seeds=[1, 2], datasets={name: {}})
    records = read_records(tmp_path / "it", [(name, tuners) for name in names], [1, 2])
    notes = " ".join(tuner_ranks.build(records).notes)
    assert "minimised different metrics, error, log loss, whose values cannot be averaged" in notes
    pairs_of = [row for row in tuner_pairs.build(records).rows if row["dataset"] == "set_0"]
    assert all(row["metric"] is None and float(row["difference"] or 0) >= 0 for row in pairs_of)
    rows = [row for row in comparisons.build(records).rows if row["dataset"] == "set_0"]
    assert all(row["metric"] == "error" and row["metric_difference"] == row["difference"] for row in rows)
    lowest = [answer.lowest for answer in comparisons.answer_questions(records)]
    assert lowest == ["Lowest error", "Lowest log loss"] * 3
    alone = build_records(tmp_path / "alone/it", None, systems=tuners, seeds=[1, 2], datasets={"set_0": {}}).read()
    # p is adjusted over all datasets, so only what is compared is the same.
    own, among = (comparisons.answer_questions(one)[0].winner.split(". ")[0] for one in (alone, records))
    assert own == among


def test_systems_of_different_metrics_are_refused(tmp_path: Path) -> None:
    """Cards of one dataset that were chosen by different metrics cannot be ranked together."""
    for system, metric in (("knn", None), ("kt_random", "log_loss")):
        build_records(tmp_path / "it", metric, systems=[system], seeds=[1])
    with pytest.raises(UserError, match=r"set_10: .* different metrics: error \(.*/knn/1/card.json\), log_loss \(.*"):
        read_records(tmp_path / "it", [("set_10", ["knn", "kt_random"])], [1])


def test_a_metric_without_an_interval_says_why(tmp_path: Path) -> None:
    """If a class has a single sample, no part can be left out: no interval, no verdict, and the reason in words."""
    tuners = ["kt_random", "kt_bayes"]
    records = build_records(tmp_path / "it", "balanced_error", systems=["knn", *tuners], seeds=[1, 2], rare=400).read()
    reason = "a class has no sample"
    table = comparisons.build(records)
    for row in table.rows:
        assert (row["metric_low"], row["metric_high"], row["metric_p"]) == (None, None, 1.0)
        assert row["verdict"] == "not decided" and row["low"] is not None, "the error has its interval"
    assert any(note.startswith("set_10, by the metric: no interval") and reason in note for note in table.notes)
    assert reason in comparisons.answer_questions(records)[0].winner
    pair = tuner_pairs.build(records)
    assert pair.rows[0]["metric_low"] is None and any(reason in note for note in pair.notes)
    assert cost._bars(records.datasets[0].classifiers[0]) == [(0.0, 0.0)] * 2


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("error", -0.00001, "0.00"),
        ("error", -0.0, "0.00"),
        ("error", -0.00006, "−0.01"),
        ("log_loss", -0.00001, "0.0000"),
        ("log_loss", -0.5, "−0.5000"),
    ],
)
def test_format_change_has_no_negative_zero(metric: str, value: float, text: str) -> None:
    """A difference that is written as 0 has no sign."""
    assert format_change(metric, value) == text


@pytest.mark.parametrize("half", [0.05375, 0.03255, 0.00125, 0.26625])
def test_halves_of_the_last_digit_are_rounded_as_in_tables(half: float) -> None:
    """The first screen, the sentences and the tables have the same number."""
    shown = format_number(to_percent(half), 2)
    assert format_change("error", half) == shown
    assert format_metric("error", half) == f"{shown}%"
