"""What the report says of tuners: every number again from the raw records, and nothing decided that is not."""

import csv
import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy import stats

from blindtune.core.budget import Budget
from blindtune.core.files import read_json, write_json
from blindtune.records.model_card import read_card, write_card
from blindtune.records.trial import Trial, TrialLog
from blindtune.report import contents
from blindtune.report.contents import SECTIONS
from blindtune.report.figures import pareto as figure_pareto
from blindtune.report.figures import search as figure_search
from blindtune.report.figures import write as figures
from blindtune.report.figures.style import assign_styles, new_figure, set_log_axis
from blindtune.report.page import LONG, write_page
from blindtune.report.records import DatasetRecords, ReportRecords, read_records
from blindtune.report.searches import accumulate_best, accumulate_epochs
from blindtune.report.table import ReportTable, Row, to_csv, to_latex, to_markdown
from blindtune.report.tables import write as tables
from support.report_records import RecordsBuilder
from support.report_searches import PARTS, TUNERS

STAND_IN = {"stand_in": True, "source": {"source": "drawn"}}
BASELINES = ["knn", "mlp_m1", "bayes"]
NEW_TABLES = ("scores", "tuner_pairs", "tuner_ranks", "costs", "times", "libraries", "choices")
NEW_FIGURES = ("search", "pairs", "times", "pareto")


def records_of(builder: RecordsBuilder) -> ReportRecords:
    return read_records(builder.root, builder.compare, builder.seeds)


def built(builder: RecordsBuilder, name: str) -> ReportTable:
    return tables.BUILD[name](records_of(builder))


def rows_by(table: ReportTable, *keys: str) -> dict[tuple[Any, ...], Row]:
    return {tuple(row[key] for key in keys): row for row in table.rows}


def logs(builder: RecordsBuilder, dataset: str, system: str) -> list[list[Trial]]:
    return [TrialLog(builder.root / f"studies/{dataset}/{system}/{seed}/trials.jsonl").read() for seed in builder.seeds]


def eval_errors(builder: RecordsBuilder, dataset: str, system: str) -> list[float]:
    return [
        float(read_json(builder.root / f"decodes/{dataset}/{system}/{seed}/look.json")["error"])
        for seed in builder.seeds
    ]


def dev_errors(builder: RecordsBuilder, dataset: str, system: str) -> list[float]:
    return [
        read_card(builder.root / f"studies/{dataset}/{system}/{seed}/card.json").dev_error for seed in builder.seeds
    ]


def text_of(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text")))  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> RecordsBuilder:
    """Every kind of tuner, three seeds, one real and one stand-in dataset."""
    return RecordsBuilder(
        tmp_path_factory.mktemp("results") / "many",
        seeds=[42, 43, 44],
        systems=[*BASELINES, *TUNERS],
        datasets={"digits": {"published": None}, "drawn_10": STAND_IN},
        trials=20,
        budget=Budget(trials=20, epochs=60, seconds=3600.0),
    ).write()


def test_costs_are_those_of_the_trial_logs(many: RecordsBuilder) -> None:
    rows = rows_by(built(many, "costs"), "dataset", "system")
    for dataset in many.datasets:
        for system in TUNERS:
            row, trials = rows[dataset, system], logs(many, dataset, system)
            statuses = [Counter(trial.status for trial in log) for log in trials]
            for status in ("completed", "pruned", "invalid", "failed", "diverged"):
                assert row[status] == pytest.approx(np.mean([count[status] for count in statuses]))  # type: ignore[arg-type]
            expected = {
                "trials": [len(log) for log in trials],
                "trials_valid": [sum(trial.status != "invalid" for trial in log) for log in trials],
                "epochs": [sum(len(trial.curve) for trial in log) for log in trials],
                "wall_seconds": [sum(trial.seconds[part].wall for trial in log for part in PARTS) for log in trials],
                "cpu_seconds": [sum(trial.seconds[part].cpu for trial in log for part in PARTS) for log in trials],
                "promoted": [len([trial for trial in log if trial.parent is not None]) for log in trials],
                "continued": [len([trial for trial in log if trial.trained_before]) for log in trials],
                "on_folds": [len([trial for trial in log if trial.fold is not None]) for log in trials],
            }
            for key, values in expected.items():
                assert row[key] == pytest.approx(np.mean(values)), key
            assert [row[f"given_{unit}"] for unit in ("trials", "epochs", "seconds")] == [20, 60, 3600]
    hyperband, halving, folds = (rows["digits", name] for name in ("kt_hyperband", "sk_halving", "sk_cv"))
    assert hyperband["promoted"] == hyperband["continued"] == halving["promoted"] == 5
    assert halving["continued"] == 0
    assert folds["on_folds"] == 19
    assert rows["digits", "opt_asha"]["pruned"]
    assert rows["digits", "mlp_m1"]["given_trials"] is None


def test_times_are_those_of_the_trial_logs(many: RecordsBuilder) -> None:
    rows = rows_by(built(many, "times"), "dataset", "system")
    for system in TUNERS:
        for part in PARTS:
            for clock in ("wall", "cpu"):
                spent = [
                    sum(getattr(trial.seconds[part], clock) for trial in log) for log in logs(many, "digits", system)
                ]
                assert rows["digits", system][f"{part}_{clock}_seconds"] == pytest.approx(np.mean(spent))


def test_no_number_of_a_study_stands_in_two_tables(many: RecordsBuilder) -> None:
    # What names a row, and the errors, which every table of results needs, may be repeated.
    shared = {"dataset", "data", "system", "kind", "seeds", "records", "blind", "what", "dev", "eval"}
    keys = [set(built(many, name).rows[0]) - shared for name in ("table3_errors", "scores", "costs", "times")]
    for first, second in combinations(keys, 2):
        assert not first & second


def test_scores_run_from_random_search_to_the_best_known(many: RecordsBuilder) -> None:
    table = built(many, "scores")
    rows = rows_by(table, "dataset", "system")
    for dataset in many.datasets:
        found = {system: np.mean(eval_errors(many, dataset, system)) for system in many.systems if system != "bayes"}
        zero = np.mean([found[system] for system in ("kt_random", "opt_random", "sk_sampler")])
        one = min(found.values())
        for system, error in found.items():
            row = rows[dataset, system]
            assert row["score"] == pytest.approx((zero - error) / (zero - one))
            assert row["gap"] == pytest.approx(100 * (error - np.mean(dev_errors(many, dataset, system))))
        best = min(found, key=lambda system: found[system])
        assert rows[dataset, best]["score"] == pytest.approx(1)
        note = next(note for note in table.notes if note.startswith(dataset) and "0 is the mean of" in note)
        assert all(name in note for name in ("kt_random", "opt_random", "sk_sampler", best, f"{100 * zero:.2f}%"))
        dev = [np.mean(dev_errors(many, dataset, system)) for system in found]
        rank = stats.pearsonr(stats.rankdata(dev), stats.rankdata(list(found.values()))).statistic
        assert any(f"over the {len(found)} systems is {rank:.2f}".replace("-", "−") in note for note in table.notes)
    assert not any("first" in note and "share" in note for note in table.notes)
    assert any("is unknown: only the selected model is decoded on eval" in note for note in table.notes)


def test_a_tuner_with_another_budget_has_no_score(many: RecordsBuilder, tmp_path: Path) -> None:
    builder = RecordsBuilder(tmp_path / "tiny", systems=["opt_random", "opt_tpe", "knn"], errors={"knn": 0.1}).write()
    for seed in builder.seeds:
        path = builder.root / f"studies/set_10/opt_tpe/{seed}/card.json"
        write_card(path, read_card(path).model_copy(update={"budget": Budget(trials=500)}))
    rows = rows_by(built(builder, "scores"), "system")
    assert rows[("opt_tpe",)]["score"] is None
    assert rows[("knn",)]["score"] == pytest.approx(1)
    assert any("Not all tuners had the same budget" in note for note in built(builder, "costs").notes)


def test_random_search_on_folds_is_the_zero_only_where_there_is_no_other(tmp_path: Path) -> None:
    both = RecordsBuilder(tmp_path / "both", systems=["opt_random", "sk_cv", "knn"], errors={"knn": 0.1}).write()
    assert any("0 is opt_random (optuna random)" in note for note in built(both, "scores").notes)
    best = RecordsBuilder(tmp_path / "best", systems=["opt_random", "knn"], errors={"knn": 0.9}).write()
    assert any("no system has a lower eval error than random search" in note for note in built(best, "scores").notes)
    alone = RecordsBuilder(tmp_path / "alone", systems=["sk_cv", "opt_tpe", "knn"], errors={"knn": 0.1}).write()
    assert any("0 is sk_cv (scikit-learn randomized-search, 2 folds)" in note for note in built(alone, "scores").notes)


def test_every_pair_of_tuners_is_compared_by_seed(many: RecordsBuilder) -> None:
    table = built(many, "tuner_pairs")
    assert len(table.rows) == len(many.datasets) * 45
    for row in table.rows:
        a, b = (np.array(eval_errors(many, str(row["dataset"]), str(row[key]))) for key in ("better", "other"))
        assert a.mean() <= b.mean()
        assert row["difference"] == pytest.approx(100 * (b - a).mean())
        assert row["outperforms"] == pytest.approx((np.sum(a < b) + 0.5 * np.sum(a == b)) / 3)
        assert row["verdict"] == "not decided: too few seeds"
        # The interval holds at least what the seeds alone give: the sampling of eval comes on top.
        assert float(row["high"]) - float(row["low"]) > 0  # type: ignore[arg-type]
        answers = [
            np.stack([
                np.load(many.root / f"decodes/{row['dataset']}/{row[key]}/{seed}/answers.npz")["wrong"]
                for seed in many.seeds
            ])
            for key in ("better", "other")
        ]  # fmt: skip
        d = answers[1].mean(axis=0) - answers[0].mean(axis=0)
        samples = (((d - d.mean()) ** 2).sum() + 2) / (len(d) - 1) / len(d)
        seeds = np.var(b - a, ddof=1) / 3
        freedom = (samples + seeds) ** 2 / (samples**2 / (len(d) - 1) + seeds**2 / 2)
        half = stats.t.ppf(0.975, freedom) * np.sqrt(samples + seeds)
        assert row["low"] == pytest.approx(100 * ((b - a).mean() - half))


def test_ten_seeds_can_decide_a_pair(tmp_path: Path) -> None:
    builder = RecordsBuilder(
        tmp_path / "ten", seeds=list(range(1, 11)), systems=["opt_tpe", "kt_random"], errors={"kt_random": 0.4}
    ).write()
    row = built(builder, "tuner_pairs").rows[0]
    assert (row["better"], row["verdict"]) == ("opt_tpe", "A outperforms B")


def test_ranks_come_with_the_warning_how_little_so_few_datasets_say(many: RecordsBuilder) -> None:
    table = built(many, "tuner_ranks")
    errors = {name: [np.mean(eval_errors(many, dataset, name)) for dataset in many.datasets] for name in TUNERS}
    expected = stats.rankdata(np.array(list(errors.values())), axis=0).mean(axis=1)
    rows = rows_by(table, "tuner")
    for name, rank in zip(errors, expected, strict=True):
        assert rows[(name,)]["rank"] == pytest.approx(rank)
        assert rows[(name,)]["data"] == "partly stand-in"
    # q of 10 systems is 3.164 (Demšar 2006, Table 5).
    critical = 3.164 * np.sqrt(10 * 11 / 12)
    assert any(f"differ by {critical:.1f} of a possible 9" in note for note in table.notes)
    assert any("No outcome could show a difference" in note for note in table.notes)
    assert any("needs 6 datasets; here are 2" in note for note in table.notes)


def test_with_enough_datasets_the_mixed_model_is_fitted(tmp_path: Path) -> None:
    builder = RecordsBuilder(
        tmp_path / "six", systems=["opt_tpe", "kt_random"], datasets={f"d_{n}": {} for n in range(6)}
    ).write()
    means = [[np.mean(eval_errors(builder, name, system)) for system in builder.systems] for name in builder.datasets]
    p = stats.ttest_rel(*np.array(means).T).pvalue
    assert any(f"p = {p:.3f} for no difference between tuners" in note for note in built(builder, "tuner_ranks").notes)


def test_a_tuner_that_is_missing_somewhere_has_no_rank(many: RecordsBuilder) -> None:
    compare = [("digits", ["opt_tpe", "kt_random", "opt_asha"]), ("drawn_10", ["opt_tpe", "kt_random"])]
    table = tables.BUILD["tuner_ranks"](read_records(many.root, compare, many.seeds))
    assert {row["tuner"] for row in table.rows} == {"opt_tpe", "kt_random"}
    assert any("without a rank: opt_asha" in note for note in table.notes)


def test_the_drift_of_keras_tuners_random_search_is_told_where_it_was_run(tmp_path: Path, many: RecordsBuilder) -> None:
    told = "never tries a configuration twice"
    assert any(told in note for note in built(many, "costs").notes)
    builder = RecordsBuilder(tmp_path / "tiny", systems=["opt_random", "kt_bayes"]).write()
    assert not any(told in note for note in built(builder, "costs").notes)


def test_libraries_that_were_not_run_have_no_column(tmp_path: Path, many: RecordsBuilder) -> None:
    columns = [column.title for column in built(many, "libraries").columns]
    assert [title for title in columns if title in ("keras-tuner", "optuna", "scikit-learn")] == columns[3:6]
    builder = RecordsBuilder(tmp_path / "tiny", systems=["opt_random", "opt_tpe"]).write()
    table = built(builder, "libraries")
    assert {"keras-tuner", "scikit-learn"}.isdisjoint(table.rows[0])
    assert "no other library was run" in str(table.rows[0]["optuna"])


def criterion(builder: RecordsBuilder, title: str, name: str) -> str:
    return str(rows_by(built(builder, "libraries"), "criterion")[(title,)][name])


def test_a_library_is_called_lower_only_where_the_data_tell(tmp_path: Path) -> None:
    systems = ["kt_random", "opt_tpe", "sk_sampler"]
    apart = {"kt_random": 0.6, "opt_tpe": 0.1, "sk_sampler": 0.6}
    clear = RecordsBuilder(tmp_path / "clear", seeds=[1, 2, 3, 4], systems=systems, errors=apart).write()
    error = 100 * np.mean(eval_errors(clear, "set_10", "opt_tpe"))
    assert criterion(clear, "Error reached", "optuna") == f"set_10: lowest: opt_tpe, {error:.2f}%"
    assert criterion(clear, "Error reached", "keras-tuner").startswith("set_10: higher than optuna: kt_random")
    assert criterion(clear, "Search algorithm", "optuna").startswith("set_10: better: opt_tpe")
    assert criterion(clear, "Search algorithm", "keras-tuner").startswith("not decided: none of its tuners")
    single = RecordsBuilder(tmp_path / "single", seeds=[1], systems=systems, errors=apart).write()
    assert "not decided" in criterion(single, "Error reached", "optuna")
    assert "a single seed" in criterion(single, "Error reached", "optuna")
    equal = RecordsBuilder(
        tmp_path / "equal", seeds=[1, 2, 3, 4], systems=systems, errors=dict.fromkeys(systems, 0.3)
    ).write()
    for name in ("optuna", "keras-tuner", "scikit-learn"):
        assert criterion(equal, "Error reached", name).startswith("set_10: not decided")


def test_the_evidence_for_a_library_is_counted_from_its_logs(many: RecordsBuilder) -> None:
    trials = [
        trial
        for dataset in many.datasets
        for system, tuner in TUNERS.items()
        if tuner["library"] == "optuna"
        for log in logs(many, dataset, system)
        for trial in log
    ]
    statuses = Counter(trial.status for trial in trials)
    bad = criterion(many, "Bad configurations, handled by blindtune", "optuna")
    expected = (
        f"{statuses['invalid']} invalid, {statuses['failed']} failed, {statuses['diverged']} diverged of {len(trials)}"
    )
    assert bad.startswith(expected)
    epochs = np.mean([len(trial.curve) for trial in trials])
    assert f"{statuses['pruned']} pruned and 0 promoted" in criterion(many, "Pruning and promotion", "optuna")
    assert f"{epochs:.1f} epochs per trial" in criterion(many, "Pruning and promotion", "optuna")
    assert "30 of the promoted trials continued" in criterion(many, "Pruning and promotion", "keras-tuner")
    assert "configurations of 3 to 5 active hyperparameters" in criterion(
        many, "Conditions in the space", "scikit-learn"
    )
    suggested = [
        trial.seconds["suggest"].wall for d in many.datasets for log in logs(many, d, "kt_bayes") for trial in log
    ]
    assert f"{np.mean(suggested):.1f} s (bayesian)" in criterion(many, "Overhead", "keras-tuner")
    assert "opt_two found a front of" in criterion(many, "Several objectives", "optuna")
    assert "not decided" in criterion(many, "Several objectives", "scikit-learn")
    assert criterion(many, "Budget", "optuna") == "100% of the limit that was reached first"


def choice(builder: RecordsBuilder, complexity: str, keras: str, irregular: str = "No") -> str:
    table = rows_by(built(builder, "choices"), "complexity", "keras", "irregular", "proof")
    return str(next(row["verdict"] for key, row in table.items() if key[:3] == (complexity, keras, irregular)))


def test_the_guides_choices_are_supported_contradicted_or_left_open(tmp_path: Path) -> None:
    seeds, systems = [1, 2, 3, 4], ["mlp_m1", "kt_random", "opt_tpe"]
    lower = {"mlp_m1": 0.9, "kt_random": 0.5, "opt_tpe": 0.1}
    high = RecordsBuilder(tmp_path / "high", seeds=seeds, systems=systems, errors=lower).write()
    assert choice(high, "Medium", "Yes").startswith("set_10: contradicted: lowest is optuna (opt_tpe")
    assert choice(high, "High", "Yes", "Yes").startswith("set_10: not decided: only the guide's choice was run")
    assert choice(high, "Medium", "No").startswith(
        "not decided: this report has no dataset of medium or high complexity"
    )
    assert choice(high, "Low", "N/A").startswith("not decided: this report has no dataset of low complexity")
    turned = lower | {"kt_random": 0.1, "opt_tpe": 0.5}
    supported = RecordsBuilder(tmp_path / "supported", seeds=seeds, systems=systems, errors=turned).write()
    assert choice(supported, "Medium", "Yes").startswith("set_10: supported: lowest is keras-tuner (kt_random")
    simple = RecordsBuilder(
        tmp_path / "low", seeds=seeds, systems=systems, errors=dict.fromkeys(systems, 0.6) | {"mlp_m1": 0.05}
    ).write()
    assert choice(simple, "Low", "N/A").startswith("set_10: supported: lowest is manual (mlp_m1")
    single = RecordsBuilder(tmp_path / "single", seeds=[1], systems=systems, errors=lower).write()
    assert "not decided: the complexity is unknown" in choice(single, "Medium", "Yes")


CASES: dict[str, dict[str, Any]] = {
    "one tuner": {"systems": ["mlp_m1", "opt_tpe"]},
    "only tuners": {"systems": ["opt_tpe", "kt_random"]},
    "one seed": {"systems": ["mlp_m1", "kt_random", "opt_tpe"], "seeds": [42]},
    "no random tuner": {"systems": ["knn", "kt_bayes", "opt_tpe"]},
    "no tuner": {"systems": ["knn", "mlp_m1", "bayes"]},
    "one fold tuner": {"systems": ["sk_cv"], "seeds": [42]},
    "one trial": {"systems": ["opt_tpe", "opt_two"], "trials": 1},
}


@pytest.mark.parametrize("case", CASES)
def test_odd_reports_are_whole(tmp_path: Path, case: str) -> None:
    builder = RecordsBuilder(tmp_path / "odd", **CASES[case]).write()
    records = records_of(builder)
    for name in NEW_TABLES:
        table = tables.BUILD[name](records)
        assert len(list(csv.DictReader(to_csv(table).splitlines()))) == len(table.rows)
        for form in (to_markdown, to_latex):
            assert not re.search(r"\bnan\b|\bNone\b", form(table)), name
    of_system = assign_styles(records)
    drawn = {name: figures.DRAW[name](records.datasets[0], of_system) for name in NEW_FIGURES}
    for figure in drawn.values():
        figure.draw_without_rendering()
    if case == "no tuner":
        assert all("No tuner" in text_of(drawn[name]) for name in ("search", "times", "pareto"))
        assert not tables.BUILD["libraries"](records).rows
    if case in ("one tuner", "no tuner", "one fold tuner"):
        assert "no pair to compare" in text_of(drawn["pairs"])
        assert not tables.BUILD["tuner_pairs"](records).rows
    if case == "no random tuner":
        scores = tables.BUILD["scores"](records)
        assert all(row["score"] is None for row in scores.rows)
        assert any("no random search was run" in note for note in scores.notes)
    if case == "one seed":
        pair = tables.BUILD["tuner_pairs"](records).rows[0]
        assert pair["verdict"] == "not decided: too few seeds"


def test_stand_in_data_are_marked_in_every_new_table_and_figure(many: RecordsBuilder) -> None:
    for name in ("libraries", "tuner_ranks"):
        assert any(row["data"] == "partly stand-in" for row in built(many, name).rows)
    for name in ("libraries", "choices"):
        text = to_csv(built(many, name))
        assert text.count("drawn_10") == text.count("drawn_10 (stand-in data)") + text.count("/drawn_10/")
    records = records_of(many)
    for kind in NEW_FIGURES:
        assert "drawn_10 (stand-in data)" in text_of(figures.DRAW[kind](records.datasets[1], assign_styles(records)))


def test_the_page_holds_every_table_once_and_folds_long_ones(many: RecordsBuilder, tmp_path: Path) -> None:
    placed = [name for section in SECTIONS for name in section.tables]
    assert sorted(placed) == sorted(contents.TABLES)
    records = records_of(many)
    tables.write_tables(records, tmp_path / "tables")
    (tmp_path / "figures").mkdir()
    for stem in contents.list_figures(list(many.datasets)):
        (tmp_path / "figures" / f"{stem}.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", encoding="utf-8")
    write_page(records, tmp_path / "tables", tmp_path / "figures", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for name in contents.TABLES:
        assert page.count(f'<section id="{name}">') == 1
        long = len(tables.BUILD[name](records).rows) > LONG
        assert (f'<section id="{name}">\n<h3>' in page) and (
            ('<div class="scroll long">' in page.split(f'<section id="{name}">')[1].split("<table>")[0]) == long
        )
    # A row made from some stand-in data is shaded like one made from nothing else.
    assert re.search(r'<tr class="stand-in">\s*<td class="narrow">kt_bayes</td>', page)


def test_search_curves_leave_out_scores_on_folds_and_count_every_epoch(many: RecordsBuilder) -> None:
    for system in TUNERS:
        for trials in logs(many, "digits", system):
            best = accumulate_best(trials)
            reached = float("inf")
            for number, trial in enumerate(trials):
                if trial.status == "completed" and trial.fold is None:
                    reached = min(reached, 100 * (trial.score or 0))
                assert (np.isnan(best[number]) and reached == float("inf")) or best[number] == pytest.approx(reached)
            assert accumulate_epochs(trials)[-1] == sum(len(trial.curve) for trial in trials)


curves = st.lists(
    st.lists(st.tuples(st.integers(1, 5), st.one_of(st.just(np.nan), st.floats(0, 100))), min_size=1, max_size=6),
    min_size=1,
    max_size=4,
)


@settings(deadline=None)
@given(curves)
def test_the_band_is_what_the_seeds_had_reached(seeds: list[list[tuple[int, float]]]) -> None:
    spent = [np.cumsum([float(step) for step, _ in seed]) for seed in seeds]
    best = [np.fmin.accumulate(np.array([score for _, score in seed])) for seed in seeds]
    points, band = figure_search.compute_median_and_band(spent, best)
    for point in sorted({float(each) for seed in spent for each in seed}):
        had = [
            [score for at, score in zip(at_seed, reached, strict=True) if at <= point and not np.isnan(score)]
            for at_seed, reached in zip(spent, best, strict=True)
        ]
        if not all(had):
            assert point not in points
            continue
        lowest = [min(scores) for scores in had]
        found = band[:, list(points).index(point)]
        assert found == pytest.approx([min(lowest), np.median(lowest), max(lowest)])


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_the_front_is_what_no_other_trial_beats(trials: list[tuple[int, int]]) -> None:
    found = {(int(size), int(error)) for size, error in figure_pareto.find_front(np.array(trials, dtype=float))}
    beaten = {
        (size, error)
        for size, error in trials
        if any(s <= size and e <= error and (s, e) != (size, error) for s, e in trials)
    }
    assert found == set(trials) - beaten


def _dataset(builder: RecordsBuilder) -> tuple[DatasetRecords, dict[str, Any]]:
    records = records_of(builder)
    return records.datasets[0], assign_styles(records)


def test_the_bars_of_the_time_split_are_the_means_of_the_logs(many: RecordsBuilder) -> None:
    panels = figures.DRAW["times"](*_dataset(many)).axes
    by_tuner = [logs(many, "digits", name) for name in TUNERS]
    expected = np.array([
        [np.mean([sum(trial.seconds[part].wall for trial in log) for log in found]) for found in by_tuner]
        for part in PARTS
    ])  # fmt: skip
    drawn = np.array([[bar.get_width() for bar in bars] for bars in panels[0].containers])
    assert drawn == pytest.approx(expected)
    shares = np.array([[bar.get_width() for bar in bars] for bars in panels[1].containers])
    assert shares.sum(axis=0) == pytest.approx(np.full(len(TUNERS), 100.0))


def test_a_tuner_with_several_objectives_is_drawn_out_with_its_front(many: RecordsBuilder) -> None:
    axes = figures.DRAW["pareto"](*_dataset(many)).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    trials = [trial for log in logs(many, "digits", "opt_two") for trial in log if trial.score is not None]
    corners = figure_pareto.find_front(np.array([(trial.parameters, 100 * (trial.score or 0)) for trial in trials]))
    assert lines["front of opt_two"].get_xydata()[::2] == pytest.approx(corners)
    assert not any(str(label).startswith("front of kt") for label in lines)
    faint = {line.get_alpha() for line in axes.lines if line.get_alpha() is not None}
    assert len(faint) == 2


def test_fifteen_systems_have_fifteen_looks(many: RecordsBuilder) -> None:
    found = assign_styles(records_of(many))
    assert len({(mark.color, mark.marker) for mark in found.values()}) == len(found)
    first, *_, second = list(found.values())[:9]
    assert first.color == second.color
    assert first.line != second.line


def test_looks_that_were_not_blind_are_told_with_a_library(tmp_path: Path) -> None:
    builder = RecordsBuilder(tmp_path / "tiny", systems=["opt_tpe", "kt_random"], not_blind=("set_10/opt_tpe",)).write()
    assert "(not blind)" in criterion(builder, "Error reached", "optuna")
    assert "(not blind)" not in criterion(builder, "Error reached", "keras-tuner")


def test_a_search_that_ran_out_of_sets_is_told(tmp_path: Path) -> None:
    builder = RecordsBuilder(tmp_path / "tiny", systems=["kt_random"]).write()
    for seed in builder.seeds:
        path = builder.root / f"studies/set_10/kt_random/{seed}/card.json"
        write_card(path, read_card(path).model_copy(update={"exhausted": True}))
        look = builder.root / f"decodes/set_10/kt_random/{seed}/look.json"
        write_json(look, read_json(look))
    table = built(builder, "costs")
    assert table.columns[-1].text(table.rows[0]) == "2 of 2"
    assert criterion(builder, "Budget", "keras-tuner") == "2 searches ended early, with nothing more to propose"


@pytest.mark.parametrize(("low", "high"), [(1, 3), (0.2, 5), (4, 60), (8, 11), (24, 43), (10, 30000)])
def test_ticks_of_a_logarithmic_axis_read_as_what_they_are(low: float, high: float) -> None:
    with new_figure() as figure:
        axes = figure.subplots()
        axes.set_xlim(low, high)
        axes.set_xscale("log")
        set_log_axis(axes.xaxis, low, high)
        figure.draw_without_rendering()
    shown = {tick.get_loc(): tick.label1.get_text() for tick in axes.xaxis.get_major_ticks()}
    assert len(shown) >= 2
    assert [float(text.replace(",", "")) for text in shown.values()] == pytest.approx(list(shown))


def test_random_search_that_prunes_is_not_plain_and_one_without_folds_is(tmp_path: Path) -> None:
    builder = RecordsBuilder(tmp_path / "tiny", systems=["opt_random", "sk_cv", "knn"], errors={"knn": 0.1}).write()
    changes = {"opt_random": {"pruner": {"algorithm": "median"}}, "sk_cv": {"folds": None}}
    for system, change in changes.items():
        for seed in builder.seeds:
            path = builder.root / f"studies/set_10/{system}/{seed}/card.json"
            card = read_card(path)
            tuner = {**card.settings["tuner"], **change}
            write_card(path, card.model_copy(update={"settings": {**card.settings, "tuner": tuner}}))
    assert any("0 is sk_cv (scikit-learn randomized-search)," in note for note in built(builder, "scores").notes)
    assert re.search(r"opt_random, .* against sk_cv", criterion(builder, "Search algorithm", "optuna"))
    assert criterion(builder, "Search algorithm", "scikit-learn").startswith("not decided: none of its tuners")
