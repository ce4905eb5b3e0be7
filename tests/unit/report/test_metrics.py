"""The report shows the metric that was minimised next to the error, and what was answered wrongly on eval."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.core.errors import UserError
from blindtune.core.files import read_json, write_json
from blindtune.report.stats.crossed import compare_crossed, measure_errors
from blindtune.report.stats.metric_samples import compare_by_seed, compare_means, leave_parts_out
from blindtune.report.table import to_csv, to_latex, to_markdown
from blindtune.report.tables import comparisons, errors, metrics, scores, tuner_pairs, wrong_answers
from support.report_records import RecordsBuilder

SYSTEMS = ["knn", "rnf", "mlp_m1", "mlp_a1", "mlp_a2", "bayes"]


def answers(seed: int, error: float = 0.2, samples: int = 400, rare: int = 10) -> dict[str, Any]:
    """Return random answers on two classes, of which one is rare."""
    random = np.random.default_rng(seed)
    true = (np.arange(samples) % rare == 0).astype(np.int16)
    wrong = random.uniform(size=samples) < error
    predicted = np.where(wrong, 1 - true, true).astype(np.int16)
    sure = random.uniform(0.5, 1, samples)
    probabilities = np.stack([np.where(predicted == label, sure, 1 - sure) for label in (0, 1)], axis=1)
    return {"true": true, "predicted": predicted, "probabilities": probabilities.astype(np.float32)}


def test_metrics_table_has_metric_and_error(tmp_path: Path) -> None:
    """Metric and error of each system are in one row, with the difference from the lowest one."""
    records = RecordsBuilder(tmp_path / "it", systems=SYSTEMS, metric="balanced_error").write().record().read()
    table = metrics.build(records)
    assert [row["system"] for row in table.rows] == SYSTEMS[:-1], "an estimate of the Bayes error has no metric"
    for row, system in zip(table.rows, records.datasets[0].classifiers, strict=True):
        assert row["eval"] == pytest.approx(100 * np.mean([run.decode.metric_value for run in system.runs]))
        assert row["error_eval"] == pytest.approx(100 * system.error("eval"))
        assert row["dev"] == pytest.approx(100 * np.mean([run.card.dev_metric for run in system.runs]))
        assert (row["metric"], row["unit"]) == ("balanced error", "%")
    best = min(table.rows, key=lambda row: float(row["eval"] or 0))
    assert best["verdict"] == "lowest" and best["difference"] is None
    others = [row for row in table.rows if row is not best]
    assert all(float(row["low"]) < float(row["difference"]) < float(row["high"]) for row in others)  # type: ignore[arg-type]
    answer = comparisons.answer_questions(records)[0]
    assert answer.winner.startswith(f"{best['system']} has the lowest mean eval balanced error (")
    assert answer.lowest == "Lowest balanced error" and "The error was not minimised" in answer.winner
    assert "Chosen by dev balanced error" in comparisons.answer_questions(records)[0].headline


def test_reports_of_the_error_have_no_metric(tmp_path: Path) -> None:
    """Without a metric the tables are those of before, and one sentence says so."""
    records = RecordsBuilder(tmp_path / "it", systems=SYSTEMS).write().record().read()
    table = metrics.build(records)
    assert table.rows == [] and "minimises the error" in table.notes[0]
    for build in (tuner_pairs.build, comparisons.build, scores.build):
        assert not [key for key in build(records).rows[0] if "metric" in key]
    answer = comparisons.answer_questions(records)[0]
    assert answer.lowest == "Lowest error" and "minimised" not in answer.winner
    assert "Chosen by dev error" in comparisons.answer_questions(records)[0].headline
    assert errors.build(records).rows


def test_tuners_are_compared_by_metric_and_seed(tmp_path: Path) -> None:
    """Pairs of tuners have the difference of the metric, paired by seed, and how often A is lower."""
    builder = RecordsBuilder(tmp_path / "it", systems=["mlp_a1", "mlp_a2"], metric="log_loss", seeds=[1, 2, 3])
    table = tuner_pairs.build(builder.write().record().read())
    [row] = table.rows
    assert (row["metric"], row["metric_unit"]) == ("log loss", None)
    assert float(row["metric_low"]) < float(row["metric_difference"]) < float(row["metric_high"])  # type: ignore[arg-type]
    assert 0 <= float(row["metric_outperforms"] or 0) <= 1
    assert "by the metric" in to_markdown(table)


def test_a_record_with_another_metric_is_refused(tmp_path: Path) -> None:
    """A decode result that was computed for another metric than its model was chosen by is refused."""
    builder = RecordsBuilder(tmp_path / "it", systems=["knn"], metric="log_loss", seeds=[42]).write()
    path = tmp_path / "it/decodes/set_10/knn/42/result.json"
    write_json(path, {key: value for key, value in read_json(path).items() if key not in ("metric", "metric_value")})
    with pytest.raises(UserError, match=r"has the metric error, but .* was chosen by log_loss"):
        builder.read()


@pytest.mark.parametrize("metric", ["balanced_error", "macro_f1", "roc_auc", "log_loss"])
def test_jackknife_is_near_the_bootstrap(metric: str) -> None:
    """The standard error of a difference is near that of many resamples of the samples."""
    first, second = answers(1, 0.25), answers(2, 0.15)
    one, other = (leave_parts_out(metric, [each], 2) for each in (first, second))
    found = compare_means(one, other)
    random = np.random.default_rng(3)
    values = []
    for _ in range(120):
        rows = random.integers(0, 400, 400)
        pair = [
            leave_parts_out_once(metric, {name: array[rows] for name, array in each.items()})
            for each in (first, second)
        ]
        values.append(pair[0] - pair[1])
    assert found.error == pytest.approx(np.std(values), rel=0.5)
    assert found.value == pytest.approx(one.values[0] - other.values[0])
    assert compare_by_seed(one, other).value == found.value


def leave_parts_out_once(metric: str, each: dict[str, Any]) -> float:
    from blindtune.metrics.base import Answers
    from blindtune.metrics.compute import compute_metric

    return compute_metric(metric, each["true"], Answers(each["predicted"], each["probabilities"]), 2)


def test_jackknife_of_the_error_is_that_of_the_samples() -> None:
    """For a mean over samples the jackknife is near the variance that comparisons of errors use."""
    first, second = answers(1, 0.3, rare=2), answers(2, 0.2, rare=2)
    wrong = [(each["predicted"] != each["true"])[None] for each in (first, second)]
    expected = compare_crossed(*map(measure_errors, wrong)).error ** 2
    found = compare_means(*(leave_parts_out("balanced_error", [each], 2) for each in (first, second)))
    assert found.error**2 == pytest.approx(expected, rel=0.6)


def test_groups_stay_together() -> None:
    """With patients the parts are patients; a class of one patient alone leaves no interval."""
    each = answers(1, rare=2)
    group = np.arange(400) // 10
    varied = leave_parts_out("roc_auc", [each | {"group": group}], 2)
    assert varied.without is not None and varied.without.shape == (1, 20)
    few = leave_parts_out("roc_auc", [each | {"group": group // 5}], 2)
    assert few.without is not None and few.without.shape == (1, 8)
    four = leave_parts_out("roc_auc", [each | {"group": group // 10}], 2)
    assert four.without is None, "four patients tell too little"
    alone = leave_parts_out("roc_auc", [each | {"group": (each["true"] == 1) * 1}], 2)
    assert alone.without is None and not compare_means(alone, varied).has_interval
    found = compare_means(varied, few)
    assert found.value == 0 and found.p == 1, "parts of other groups cannot be compared"


def test_wrong_answers_name_sample_answer_and_origin(tmp_path: Path) -> None:
    """Each wrong eval sample of each frozen model is a row of the CSV; a few of each are displayed, escaped."""
    records = RecordsBuilder(tmp_path / "it", systems=SYSTEMS, has_details=True).write().record().read()
    table = wrong_answers.build(records)
    runs = [run for system in records.datasets[0].classifiers for run in system.runs]
    assert len(table.rows) == sum(run.decode.wrong or 0 for run in runs)
    assert len(table.displayed) == len(runs) * wrong_answers.MAX_SHOWN
    row = table.rows[0]
    sample = int(row["sample"] or 0) - 1
    run = runs[0]
    assert run.wrong is not None and run.wrong[sample] and sample == np.flatnonzero(run.wrong)[0]
    classes = records.datasets[0].manifest.classes
    assert (row["true"], row["answer"]) == (classes[sample % 2], classes[1 - sample % 2])
    assert row["origin"] == f"<file {sample}>.png"
    probabilities = run.answers["probabilities"][sample]
    assert row["probability_of_answer"] == pytest.approx(probabilities[1 - sample % 2])
    assert [row["probability_1"], row["probability_2"]] == pytest.approx(probabilities.tolist())
    assert f"{len(table.rows):,} wrong answers" in table.notes[0] and f"of {len(table.rows):,} rows" in table.notes[0]
    written = list(csv.DictReader(to_csv(table).splitlines()))
    assert len(written) == len(table.rows)
    assert "<file" not in to_markdown(table) and r"\textless{}file" in to_latex(table)
    surest = max(float(one["probability_of_answer"] or 0) for one in table.rows[: run.decode.wrong])
    assert any(one["probability_of_answer"] == surest for one in table.displayed[: wrong_answers.MAX_SHOWN])


def test_wrong_answers_of_before_have_what_is_known(tmp_path: Path) -> None:
    """Decodes without details still name sample and answer; of two classes the true one is the other."""
    table = wrong_answers.build(RecordsBuilder(tmp_path / "it", systems=["knn"]).write().record().read())
    assert table.rows and all({row["true"], row["answer"]} == {"left", "right"} for row in table.rows)
    assert all(row["origin"] is None and row["probability_of_answer"] is None for row in table.rows)
    assert "A dash" in table.notes[-1]
    many = {
        "classes": ["a", "b", "c"],
        "counts": {split: dict.fromkeys("abc", 100) for split in ("train", "dev", "eval")},
    }
    builder = RecordsBuilder(tmp_path / "many", systems=["knn"], datasets={"set_10": many}, samples=300)
    table = wrong_answers.build(builder.write().record().read())
    assert table.rows and all(row["true"] is None for row in table.rows)
