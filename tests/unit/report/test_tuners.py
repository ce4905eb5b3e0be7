"""The tables and figures of tuners: every number computed again from the records, nothing decided without evidence."""

import csv
import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from blindtune.core.budget import Budget
from blindtune.core.files import read_json, write_json
from blindtune.records.model_card import read_card, write_card
from blindtune.records.trial import Trial, TrialLog
from blindtune.report import contents
from blindtune.report.contents import SECTIONS
from blindtune.report.figures import pareto as figure_pareto
from blindtune.report.figures import write as figures
from blindtune.report.figures.style import assign_styles
from blindtune.report.page import LONG, write_page
from blindtune.report.records import DatasetRecords, read_records
from blindtune.report.searches import accumulate_best, accumulate_epochs
from blindtune.report.table import ReportTable, Row, to_csv, to_latex, to_markdown
from blindtune.report.tables import costs
from blindtune.report.tables import write as tables
from support import builders
from support.report_records import RecordsBuilder
from support.report_searches import PARTS, TUNERS

STAND_IN = {"stand_in": True, "source": {"source": "drawing"}}
BASELINES = ["knn", "mlp_m1", "bayes"]
TUNER_TABLES = ("scores", "tuner_pairs", "tuner_ranks", "costs", "times", "libraries", "choices")
TUNER_FIGURES = ("search", "pairs", "times", "pareto")


def built(builder: RecordsBuilder, name: str) -> ReportTable:
    return tables.BUILD[name](builder.read())


def rows_by(table: ReportTable, *keys: str) -> dict[tuple[Any, ...], Row]:
    return {tuple(row[key] for key in keys): row for row in table.rows}


def logs(builder: RecordsBuilder, dataset: str, system: str) -> list[list[Trial]]:
    return [TrialLog(builder.root / f"studies/{dataset}/{system}/{seed}/trials.jsonl").read() for seed in builder.seeds]


def eval_errors(builder: RecordsBuilder, dataset: str, system: str) -> list[float]:
    return [
        float(read_json(builder.root / f"decodes/{dataset}/{system}/{seed}/result.json")["error"])
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
    """The costs are computed from the trial logs."""
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


def test_costs_count_repeated_sets() -> None:
    """A set that is tried again counts as repeated, unless it was promoted or is on another fold."""
    one, two = {"units": 8}, {"units": 16}
    trials = [
        builders.trial(0, hyperparameters=one),
        builders.trial(1, hyperparameters=two),
        builders.trial(2, None, hyperparameters=one),
        builders.trial(3, hyperparameters=one),
        builders.trial(4, hyperparameters=two, parent=1),
        builders.trial(5, hyperparameters=two, fold=0),
        builders.trial(6, hyperparameters=two, fold=1),
    ]
    assert costs.COUNTED["repeated"](SimpleNamespace(trials=trials)) == 2  # type: ignore[arg-type]


def test_times_are_those_of_the_trial_logs(many: RecordsBuilder) -> None:
    """The times are computed from the trial logs."""
    rows = rows_by(built(many, "times"), "dataset", "system")
    for system in TUNERS:
        for part in PARTS:
            for clock in ("wall", "cpu"):
                spent = [
                    sum(getattr(trial.seconds[part], clock) for trial in log) for log in logs(many, "digits", system)
                ]
                assert rows["digits", system][f"{part}_{clock}_seconds"] == pytest.approx(np.mean(spent))


def test_tables_repeat_no_number(many: RecordsBuilder) -> None:
    """No number of a study is in two tables."""
    # What names a row, and the errors, which every table of results needs, may be repeated.
    shared = {"dataset", "data", "system", "kind", "seeds", "records", "blind", "before", "what", "dev", "eval"}
    keys = [set(built(many, name).rows[0]) - shared for name in ("table3_errors", "scores", "costs", "times")]
    for first, second in combinations(keys, 2):
        assert not first & second


def test_scores_range_from_random_search_to_the_best(many: RecordsBuilder) -> None:
    """Score 0 is random search and 1 the best system."""
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


def test_scores_need_the_budget_of_random_search(many: RecordsBuilder, tmp_path: Path) -> None:
    """A tuner with another budget than random search has no score."""
    builder = RecordsBuilder(tmp_path / "tiny", systems=["opt_random", "opt_tpe", "knn"], errors={"knn": 0.1}).write()
    for seed in builder.seeds:
        path = builder.root / f"studies/set_10/opt_tpe/{seed}/card.json"
        write_card(path, read_card(path).model_copy(update={"budget": Budget(trials=500)}))
    rows = rows_by(built(builder, "scores"), "system")
    assert rows[("opt_tpe",)]["score"] is None
    assert rows[("knn",)]["score"] == pytest.approx(1)
    assert any("Not all tuners had the same budget" in note for note in built(builder, "costs").notes)


def test_scores_use_random_search_on_folds_last(tmp_path: Path) -> None:
    """Random search on folds is the zero only if there is no other."""
    both = RecordsBuilder(tmp_path / "both", systems=["opt_random", "sk_cv", "knn"], errors={"knn": 0.1}).write()
    assert any("0 is opt_random (optuna random)" in note for note in built(both, "scores").notes)
    best = RecordsBuilder(tmp_path / "best", systems=["opt_random", "knn"], errors={"knn": 0.9}).write()
    assert any("no system has a lower eval error than random search" in note for note in built(best, "scores").notes)
    alone = RecordsBuilder(tmp_path / "alone", systems=["sk_cv", "opt_tpe", "knn"], errors={"knn": 0.1}).write()
    assert any("0 is sk_cv (scikit-learn randomized-search, 2 folds)" in note for note in built(alone, "scores").notes)


def test_tuner_pairs_are_compared_by_seed(many: RecordsBuilder) -> None:
    """Every pair of tuners is compared, paired by seed."""
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
                np.load(many.root / f"decodes/{row['dataset']}/{row[key]}/{seed}/predictions.npz")["wrong"]
                for seed in many.seeds
            ])
            for key in ("better", "other")
        ]  # fmt: skip
        each = answers[1].astype(float) - answers[0]
        d = each.mean(axis=0)
        samples = (((d - d.mean()) ** 2).sum() + 2) / (len(d) - 1) / len(d)
        seeds = np.var(b - a, ddof=1) / 3
        # What one seed does on one sample is in both, so it is subtracted once.
        crossed = each - each.mean(axis=1, keepdims=True) - d + d.mean()
        shared = (crossed**2).sum() / (len(d) - 1) / len(d) / 2 / 3
        total = max(samples + seeds - shared, samples, seeds)
        freedom = 1 / ((samples / total) ** 2 / (len(d) - 1) + (seeds / total) ** 2 / 2)
        half = stats.t.ppf(0.975, freedom) * np.sqrt(total)
        assert row["low"] == pytest.approx(100 * ((b - a).mean() - half))


def test_tuner_pairs_can_be_decided_by_ten_seeds(tmp_path: Path) -> None:
    """Ten seeds can decide a pair."""
    builder = RecordsBuilder(
        tmp_path / "ten", seeds=list(range(1, 11)), systems=["opt_tpe", "kt_random"], errors={"kt_random": 0.4}
    ).write()
    row = built(builder, "tuner_pairs").rows[0]
    assert (row["better"], row["verdict"]) == ("opt_tpe", "A outperforms B")


def test_tuner_ranks_warn_of_few_datasets(many: RecordsBuilder) -> None:
    """The ranks come with a warning of how little few datasets can tell."""
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


def test_tuner_ranks_fit_a_mixed_model_to_six_datasets(tmp_path: Path) -> None:
    """With enough datasets the mixed model is fitted."""
    builder = RecordsBuilder(
        tmp_path / "six", systems=["opt_tpe", "kt_random"], datasets={f"d_{n}": {} for n in range(6)}
    ).write()
    means = [[np.mean(eval_errors(builder, name, system)) for system in builder.systems] for name in builder.datasets]
    p = stats.ttest_rel(*np.array(means).T).pvalue
    assert any(f"p = {p:.3f} for no difference between tuners" in note for note in built(builder, "tuner_ranks").notes)


def test_tuner_ranks_need_every_dataset(many: RecordsBuilder) -> None:
    """A tuner that was not run on every dataset has no rank."""
    compare = [("digits", ["opt_tpe", "kt_random", "opt_asha"]), ("drawn_10", ["opt_tpe", "kt_random"])]
    table = tables.BUILD["tuner_ranks"](read_records(many.root, compare, many.seeds))
    assert {row["tuner"] for row in table.rows} == {"opt_tpe", "kt_random"}
    assert any("without a rank: opt_asha" in note for note in table.notes)


def test_costs_note_the_drift_of_keras_tuner(tmp_path: Path, many: RecordsBuilder) -> None:
    """A note on Keras Tuner's random search appears only if it was run."""
    sentence = "never tries a configuration twice"
    assert any(sentence in note for note in built(many, "costs").notes)
    builder = RecordsBuilder(tmp_path / "tiny", systems=["opt_random", "kt_bayes"]).write()
    assert not any(sentence in note for note in built(builder, "costs").notes)


def test_libraries_have_a_column_each_if_run(tmp_path: Path, many: RecordsBuilder) -> None:
    """Libraries that were not run have no column."""
    columns = [column.title for column in built(many, "libraries").columns]
    assert [title for title in columns if title in ("keras-tuner", "optuna", "scikit-learn")] == columns[3:6]
    builder = RecordsBuilder(tmp_path / "tiny", systems=["opt_random", "opt_tpe"]).write()
    table = built(builder, "libraries")
    assert {"keras-tuner", "scikit-learn"}.isdisjoint(table.rows[0])
    assert "no other library was run" in str(table.rows[0]["optuna"])


def criterion(builder: RecordsBuilder, title: str, name: str) -> str:
    return str(rows_by(built(builder, "libraries"), "criterion")[(title,)][name])


def test_libraries_are_compared_by_their_errors(tmp_path: Path) -> None:
    """A library is called lower only if the systems are distinguishable."""
    systems = ["kt_random", "opt_tpe", "sk_sampler"]
    apart = {"kt_random": 0.6, "opt_tpe": 0.1, "sk_sampler": 0.6}
    clear = RecordsBuilder(tmp_path / "clear", seeds=[1, 2, 3, 4], systems=systems, errors=apart).write().record()
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


def test_libraries_are_judged_from_their_logs(many: RecordsBuilder) -> None:
    """The evidence for a library is counted from its trial logs."""
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


def test_choices_are_judged_in_every_way(tmp_path: Path) -> None:
    """The guide's choices are supported, contradicted or not decided."""
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
def test_unusual_reports_are_complete(tmp_path: Path, case: str) -> None:
    """Reports of unusual studies are complete: one tuner, one seed, no random search and the like."""
    builder = RecordsBuilder(tmp_path / "odd", **CASES[case]).write()
    records = builder.read()
    for name in TUNER_TABLES:
        table = tables.BUILD[name](records)
        assert len(list(csv.DictReader(to_csv(table).splitlines()))) == len(table.rows)
        for form in (to_markdown, to_latex):
            assert not re.search(r"\bnan\b|\bNone\b", form(table)), name
    of_system = assign_styles(records)
    drawn = {name: figures.DRAW[name](records.datasets[0], of_system) for name in TUNER_FIGURES}
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


def test_stand_in_data_are_marked_for_tuners(many: RecordsBuilder) -> None:
    """Stand-in data are marked in every table and figure of tuners."""
    for name in ("libraries", "tuner_ranks"):
        assert any(row["data"] == "partly stand-in" for row in built(many, name).rows)
    for name in ("libraries", "choices"):
        text = to_csv(built(many, name))
        assert text.count("drawn_10") == text.count("drawn_10 (stand-in data)") + text.count("/drawn_10/")
    records = many.read()
    for kind in TUNER_FIGURES:
        assert "drawn_10 (stand-in data)" in text_of(figures.DRAW[kind](records.datasets[1], assign_styles(records)))


def test_write_page_has_every_table_once(many: RecordsBuilder, tmp_path: Path) -> None:
    """The page has every table once, and long ones in a scrolling box."""
    placed = [name for section in SECTIONS for name in section.tables]
    assert sorted(placed) == sorted(contents.TABLES)
    records = many.read()
    tables.write_tables(records, tmp_path / "tables")
    (tmp_path / "figures").mkdir()
    for stem in contents.list_figures(list(many.datasets)):
        (tmp_path / "figures" / f"{stem}.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", encoding="utf-8")
    write_page(records, tmp_path / "tables", tmp_path / "figures", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for name in contents.TABLES:
        rows = tables.BUILD[name](records).rows
        # A table without rows is only a file.
        assert page.count(f'<section id="{name}"') == bool(rows), name
        assert f'<a href="tables/{name}.csv">' in page
        if rows:
            before = page.split(f'<section id="{name}"')[1].split("<table")[0]
            assert f'<h4 id="title-{name}">' in before and ("scroll long" in before) == (len(rows) > LONG)
    # A row made from some stand-in data is shaded like one made from nothing else.
    assert re.search(r'<tr class="stand-in">\s*<td>kt_bayes</td>', page)


def test_accumulate_best_ignores_folds(many: RecordsBuilder) -> None:
    """Search curves ignore scores on folds and count every epoch."""
    for system in TUNERS:
        for trials in logs(many, "digits", system):
            best = accumulate_best(trials)
            reached = float("inf")
            for number, trial in enumerate(trials):
                if trial.status == "completed" and trial.fold is None:
                    reached = min(reached, 100 * (trial.score or 0))
                assert (np.isnan(best[number]) and reached == float("inf")) or best[number] == pytest.approx(reached)
            assert accumulate_epochs(trials)[-1] == sum(len(trial.curve) for trial in trials)


def _dataset(builder: RecordsBuilder) -> tuple[DatasetRecords, dict[str, Any]]:
    records = builder.read()
    return records.datasets[0], assign_styles(records)


def test_times_figure_has_the_means_of_the_logs(many: RecordsBuilder) -> None:
    """The bars of the figure of times are the means of the trial logs."""
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


def test_pareto_figure_draws_fronts_of_objectives(many: RecordsBuilder) -> None:
    """A tuner with several objectives is drawn with its front, and the others are faint."""
    axes = figures.DRAW["pareto"](*_dataset(many)).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    trials = [trial for log in logs(many, "digits", "opt_two") for trial in log if trial.score is not None]
    corners = figure_pareto.find_front(np.array([(trial.n_parameters, 100 * (trial.score or 0)) for trial in trials]))
    assert lines["front of opt_two"].get_xydata()[::2] == pytest.approx(corners)
    assert not any(str(label).startswith("front of kt") for label in lines)
    faint = {line.get_alpha() for line in axes.lines if line.get_alpha() is not None}
    assert len(faint) == 2


def test_assign_styles_distinguishes_fifteen_systems(many: RecordsBuilder) -> None:
    """Fifteen systems have fifteen different styles."""
    found = assign_styles(many.read())
    assert len({(mark.color, mark.marker) for mark in found.values()}) == len(found)
    first, *_, second = list(found.values())[:9]
    assert first.color == second.color
    assert first.line != second.line


def test_libraries_mark_decodes_that_were_not_blind(tmp_path: Path) -> None:
    """Decodes that were not blind are marked next to the library."""
    builder = RecordsBuilder(tmp_path / "tiny", systems=["opt_tpe", "kt_random"], not_blind=("set_10/opt_tpe",)).write()
    builder.record()
    assert "(not blind)" in criterion(builder, "Error reached", "optuna")
    assert "(not blind)" not in criterion(builder, "Error reached", "keras-tuner")


def test_costs_count_searches_that_ended_early(tmp_path: Path) -> None:
    """A search with nothing more to propose is counted."""
    builder = RecordsBuilder(tmp_path / "tiny", systems=["kt_random"]).write()
    for seed in builder.seeds:
        path = builder.root / f"studies/set_10/kt_random/{seed}/card.json"
        write_card(path, read_card(path).model_copy(update={"exhausted": True}))
        result = builder.root / f"decodes/set_10/kt_random/{seed}/result.json"
        write_json(result, read_json(result))
    table = built(builder, "costs")
    assert table.columns[-1].text(table.rows[0]) == "2 of 2"
    assert criterion(builder, "Budget", "keras-tuner") == "2 searches ended early, with nothing more to propose"


def test_find_random_searches_excludes_pruning(tmp_path: Path) -> None:
    """Random search that prunes is not plain random search; one without folds is."""
    builder = RecordsBuilder(tmp_path / "tiny", systems=["opt_random", "sk_cv", "knn"], errors={"knn": 0.1}).write()
    changes = {"opt_random": {"pruner": {"algorithm": "median"}}, "sk_cv": {"folds": None}}
    for system, change in changes.items():
        for seed in builder.seeds:
            path = builder.root / f"studies/set_10/{system}/{seed}/card.json"
            card = read_card(path)
            tuner = {**card.settings["tuner"], **change}
            write_card(path, card.model_copy(update={"settings": {**card.settings, "tuner": tuner}}))
    assert any("0 is sk_cv (scikit-learn randomized-search)," in note for note in built(builder, "scores").notes)
    assert re.search(r"opt_random, .* against random search .sk_cv", criterion(builder, "Search algorithm", "optuna"))
    assert criterion(builder, "Search algorithm", "scikit-learn").startswith("not decided: none of its tuners")
