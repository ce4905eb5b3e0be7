"""What the report computes from recorded trials: the worth of an expert, importance, curves, outcomes and ranks."""

import math
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.core.budget import Budget
from blindtune.records.trial import EpochMetrics, Trial
from blindtune.report.curves import compute_median, follow_curve
from blindtune.report.figures.outcomes import COLORS, PARTS, count_outcomes
from blindtune.report.figures.slices import compute_medians, place_values
from blindtune.report.figures.style import assign_styles
from blindtune.report.importance import MIN_SETS, rank_hyperparameters, select_final_sets, thin
from blindtune.report.ranks import SHARES, compute_spent_share, rank_over_time
from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.stats.statistics import mean
from blindtune.report.table import to_csv, to_latex, to_markdown
from blindtune.report.tables import expert_worth, importance, ranks_over_time
from blindtune.report.worth import Needed, list_searches
from blindtune.study.budget_tracker import BudgetTracker
from support.report_records import RecordsBuilder
from support.report_trials import make_trial, replace_trials

SYSTEMS = ["knn", "mlp_m1", "kt_random", "opt_tpe", "sk_cv"]
#: The kinds of figures that are drawn from trials.
KINDS = ("worth", "importance", "slices", "learning", "trial_curves", "outcomes", "ranks")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> ReportRecords:
    """Records of two seeds with four trials of each tuner."""
    root: Path = tmp_path_factory.mktemp("results") / "tiny"
    return RecordsBuilder(root, systems=SYSTEMS, trials=4).write().read()


def _with(records: ReportRecords, scores: dict[str, list[list[float | None]]]) -> ReportRecords:
    """Return the records with trials of these scores, per system and seed."""
    trials = {
        name: [[make_trial(at, score) for at, score in enumerate(seed)] for seed in seeds]
        for name, seeds in scores.items()
    }
    return replace(records, datasets=[replace_trials(records.datasets[0], trials)])


def _random_sets(count: int, seed: int) -> list[Trial]:
    """Return sets whose value is that of `rate` alone; `noise` is of no use, and `extra` is there in half of them."""
    random = np.random.default_rng(seed)
    trials = []
    for number in range(count):
        rate = float(random.uniform(0.1, 0.9))
        layers = int(random.integers(1, 3))
        values: dict[str, Any] = {"rate": rate, "noise": str(random.choice(["a", "b"])), "layers": layers, "one": 1}
        values |= {"extra": int(random.integers(1, 30))} if layers == 2 else {}
        trials.append(make_trial(number, round(abs(rate - 0.5), 4), values))
    return trials


def _of_random_sets(records: ReportRecords, count: int) -> DatasetRecords:
    trials = [_random_sets(count, seed) for seed in (1, 2)]
    few = [[], []]
    return replace_trials(records.datasets[0], {"kt_random": trials, "opt_tpe": few, "sk_cv": few})


def test_list_searches_resamples_only_independent_draws(records: ReportRecords) -> None:
    """Random search may be put in any order, TPE may not, and scores on folds are no dev errors."""
    found = {search.system.name: search.resampled for search in list_searches(records.datasets[0])}
    assert found == {"kt_random": True, "opt_tpe": False}


def test_search_of_independent_draws_has_exact_values(records: ReportRecords) -> None:
    """Three of six trials are as good as the expert, one has no score: all choices of two are counted by hand."""
    dataset = _with(records, {"kt_random": [[0.3, 0.1, 0.2], [0.4, 0.2, None]]}).datasets[0]
    search = list_searches(dataset)[0]
    values = [0.1, 0.2, 0.2, 0.3, 0.4]
    # Fifteen pairs; with the one that has no score, the other one counts.
    lowest = [min(one, other) for at, one in enumerate(values) for other in values[at + 1 :]] + values
    assert search.expect_lowest(np.array([2]))[0] == pytest.approx(np.mean(lowest))
    assert search.match_probability(0.2, np.array([1, 2, 4])) == pytest.approx([0.5, 1 - 3 / 15, 1.0])
    assert search.need(0.2, 0.5) == Needed(1, 1, 6.0)
    assert search.need(0.05, 0.5).count is None


def test_search_in_recorded_order_has_exact_values(records: ReportRecords) -> None:
    """The seeds match the expert with their third and first trial: half of them by the first, all by the third."""
    dataset = _with(records, {"opt_tpe": [[0.3, None, 0.1, 0.4], [0.2, 0.3, 0.3, 0.3]]}).datasets[0]
    search = list_searches(dataset)[1]
    assert search.expect_lowest(np.array([1, 3])) == pytest.approx([0.25, 0.15])
    assert search.match_probability(0.2, np.array([1, 2, 3])) == pytest.approx([0.5, 0.5, 1.0])
    assert (search.need(0.2, 0.5), search.need(0.2, 0.95)) == (Needed(1), Needed(3))
    assert search.need(0.15, 0.95) == Needed(None)


def test_search_matches_a_mean_that_equals_a_trial(records: ReportRecords) -> None:
    """The mean of three equal errors may be lower than each by a rounding error: the trial is as good all the same."""
    target = mean([0.35, 0.35, 0.35])
    assert target < 0.35
    scores: list[list[float | None]] = [[0.4, 0.35, 0.5], [0.4, 0.35, 0.5]]
    for search in list_searches(_with(records, {"kt_random": scores, "opt_tpe": scores}).datasets[0]):
        assert search.count_good(target) == 2
        assert search.need(target, 0.5).count == 2
        assert search.match_probability(target, np.array([3]))[0] > 0.5


def test_expert_worth_says_how_many_random_sets(records: ReportRecords) -> None:
    """The sentence under the table has the number with its interval, or a lower end where no trial is as good."""
    dev = records.datasets[0].systems[1].objective("dev")
    good = _with(records, {"kt_random": [[dev, 0.99, 0.99, 0.99]] * 2})
    [sentence] = expert_worth.build(good).findings
    assert "is worth 3 random sets of kt_random (95% interval 1 to 22)" in sentence
    row = expert_worth.build(good).rows[0]
    assert (row["good"], row["half_count"], row["half_seconds"]) == (25.0, 3, pytest.approx(3 * _mean_seconds(good)))
    bad = _with(records, {"kt_random": [[0.99] * 4] * 2})
    [sentence] = expert_worth.build(bad).findings
    assert "none of the 8 random sets" in sentence
    assert "takes at least 2 of them (95% confidence)" in sentence


def _mean_seconds(records: ReportRecords) -> float:
    system = next(system for system in records.datasets[0].systems if system.name == "kt_random")
    spent = [part.wall for run in system.runs for part in run.card.spent.seconds.values()]
    return sum(spent) / sum(len(run.trials) for run in system.runs)


def test_rank_hyperparameters_finds_the_one_that_matters(records: ReportRecords) -> None:
    """What decides the value comes first and is more than chance; what does not is no more than chance."""
    [group] = [group for group in rank_hyperparameters(_of_random_sets(records, 120)) if group.found]
    found = {one.name: one for one in group.found}
    assert group.found[0].name == "rate"
    assert set(found) == {"rate", "noise", "layers", "extra"}
    assert found["rate"].mean > 0.8
    assert [name for name, one in found.items() if one.mean > one.chance] == ["rate"]
    assert sum(one.mean for one in group.found) == pytest.approx(1.0)


def test_rank_hyperparameters_says_the_share_of_sets_that_have_one(records: ReportRecords) -> None:
    """A hyperparameter that half of the sets have is compared among those, and its share is recorded exactly."""
    dataset = _of_random_sets(records, 120)
    [group] = [group for group in rank_hyperparameters(dataset) if group.found]
    shares = [np.mean(["extra" in trial.hyperparameters for trial in seed]) for seed in group.seeds]
    assert next(one for one in group.found if one.name == "extra").active == pytest.approx(np.mean(shares))


def test_rank_hyperparameters_names_what_one_seed_alone_has(records: ReportRecords) -> None:
    """A hyperparameter that the first seed lacks, or has with one value, is left out by name and not passed over."""
    first, second = (_random_sets(60, seed) for seed in (1, 2))
    first = [_with_set(trial, {"constant": 1}) for trial in first]
    second = [_with_set(trial, {"late": place % 7, "constant": place % 5}) for place, trial in enumerate(second)]
    dataset = replace_trials(
        records.datasets[0], {"kt_random": [first, second], "opt_tpe": [[], []], "sk_cv": [[], []]}
    )
    [group] = [group for group in rank_hyperparameters(dataset) if group.found]
    assert sorted(group.left_out) == ["constant", "late"]
    assert {one.name for one in group.found} == {"rate", "noise", "layers", "extra"}
    [note] = [
        note for note in importance.build(replace(records, datasets=[dataset])).notes if "left out, since" in note
    ]
    assert "constant" in note and "late" in note


def _with_set(trial: Trial, values: dict[str, int]) -> Trial:
    return trial.model_copy(update={"hyperparameters": trial.hyperparameters | values})


def test_rank_hyperparameters_gives_the_same_every_time(records: ReportRecords) -> None:
    """Nothing is drawn but the shuffles, whose seeds follow from what they are for."""
    dataset = _of_random_sets(records, 60)
    assert [group.found for group in rank_hyperparameters(dataset)] == [
        group.found for group in rank_hyperparameters(dataset)
    ]


def test_rank_hyperparameters_agrees_with_optuna(records: ReportRecords) -> None:
    """The importance of one seed is that of a study of Optuna with the same sets."""
    import optuna
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    dataset = _of_random_sets(records, 100)
    [group] = [group for group in rank_hyperparameters(dataset) if group.found]
    rates = [trial.hyperparameters["rate"] for seed in group.seeds for trial in seed]
    distributions: dict[str, Any] = {
        "rate": FloatDistribution(min(rates), max(rates)),
        "noise": CategoricalDistribution(["a", "b"]),
        "layers": IntDistribution(1, 2),
        "extra": IntDistribution(1, 29),
    }
    study = optuna.create_study()
    for trial in group.seeds[0]:
        params = {name: value for name, value in trial.hyperparameters.items() if name in distributions}
        chosen = {name: distributions[name] for name in params}
        study.add_trial(optuna.create_trial(params=params, distributions=chosen, value=trial.score))
    expected = optuna.importance.get_param_importances(study)
    assert {one.name: one.of_seeds[0] for one in group.found} == pytest.approx(expected)


def test_rank_hyperparameters_refuses_few_sets(records: ReportRecords) -> None:
    """With fewer sets in a seed nothing is ranked, and the reason is said; a table of none has no rows."""
    dataset = _of_random_sets(records, MIN_SETS - 1)
    found = rank_hyperparameters(dataset)
    assert not any(group.found for group in found)
    assert f"{MIN_SETS - 1} sets scored on dev in a seed, {MIN_SETS} are needed" in [group.refused for group in found]
    assert importance.build(replace(records, datasets=[dataset])).rows == []


def test_select_final_sets_takes_the_last_of_promoted_ones() -> None:
    """A promoted set counts once, with its last training; a fold and an invalid set do not count."""
    trials = [
        make_trial(0, 0.4),
        make_trial(1, None),
        make_trial(2, 0.3, parent=0),
        make_trial(3, 0.5, fold=1),
        make_trial(4, 0.2, parent=2),
        make_trial(5, 0.6),
    ]
    assert [trial.number for trial in select_final_sets(trials)] == [4, 5]


def test_thin_keeps_the_order_and_both_ends() -> None:
    """Of more trials than wanted, evenly spaced ones are taken."""
    trials = [make_trial(number, 0.1) for number in range(11)]
    assert [trial.number for trial in thin(trials, 3)] == [0, 5, 10]
    assert thin(trials, 11) == trials


def test_rank_over_time_is_exact(records: ReportRecords) -> None:
    """One tuner leads until the other finds more with its third of four trials; the other seed is a tie all along."""
    changed = _with(records, {"kt_random": [[0.3, 0.3, 0.1, 0.1], [0.2] * 4], "opt_tpe": [[0.2] * 4, [0.2] * 4]})
    found = rank_over_time(changed.datasets[0])
    assert found is not None
    assert [system.name for system in found.tuners] == ["kt_random", "opt_tpe"]
    at = [int(np.argmin(np.abs(SHARES - share))) for share in (0.2, 0.5, 0.75, 1.0)]
    # Before the first trial ends, nobody has anything.
    assert found.mean[0, at].tolist() == [1.5, 1.75, 1.25, 1.25]
    assert found.mean[1, at].tolist() == [1.5, 1.25, 1.75, 1.75]
    rows = {row["tuner"]: row for row in ranks_over_time.build(changed).rows}
    assert rows["kt_random"]["rank_100"] == 1.25
    assert rows["kt_random"]["rank_50"] == 1.75


def test_ranks_over_time_finds_tuners_by_name(records: ReportRecords) -> None:
    """The rows of all datasets take each tuner by its name where the datasets list them in different orders."""
    [first] = _with(records, {"kt_random": [[0.1] * 4] * 2, "opt_tpe": [[0.2] * 4] * 2}).datasets
    second = replace(first, name="set_11", systems=first.systems[::-1])
    rows = ranks_over_time.build(replace(records, datasets=[first, second])).rows
    found = {row["tuner"]: (row["rank_100"], row["sd"], row["of"]) for row in rows if row["dataset"] == "all datasets"}
    assert found == {"kt_random": (1.0, 0.0, 2), "opt_tpe": (2.0, 0.0, 2)}


def test_rank_over_time_needs_two_tuners(records: ReportRecords) -> None:
    """A single tuner has no rank, and the table has no rows."""
    dataset = records.datasets[0]
    single = replace(dataset, systems=[one for one in dataset.systems if one.name != "opt_tpe"])
    assert rank_over_time(single) is None
    assert ranks_over_time.build(replace(records, datasets=[single])).rows == []


def test_compute_spent_share_charges_an_invalid_trial(records: ReportRecords) -> None:
    """By epochs, an invalid trial costs one; the share never exceeds 1."""
    run = next(system for system in records.datasets[0].systems if system.name == "kt_random").runs[0]
    trials = [make_trial(0, 0.3), make_trial(1, None), make_trial(2, 0.3), make_trial(3, 0.3)]
    budget = replace(run, trials=trials).card.budget
    assert budget is not None
    card = run.card.model_copy(update={"budget": budget.model_copy(update={"trials": None, "epochs": 5})})
    found = compute_spent_share(replace(run, card=card, trials=trials))
    assert found.tolist() == pytest.approx([0.4, 0.6, 1.0, 1.0])


def test_compute_spent_share_charges_as_the_search_did(records: ReportRecords) -> None:
    """Every trial without an epoch is charged one with any status, as the budget of a search counts it."""
    trials = [
        make_trial(0, None, status="failed"),
        make_trial(1, 0.3),
        make_trial(2, None),
        make_trial(3, 0.2, epochs=0),
    ]
    budget, tracker, shares = Budget(epochs=10), BudgetTracker(Budget(epochs=10)), []
    for trial in trials:
        tracker.add(trial)
        shares.append(tracker.fraction_spent())
    run = next(system for system in records.datasets[0].systems if system.name == "opt_tpe").runs[0]
    run = replace(run, trials=trials, card=run.card.model_copy(update={"budget": budget}))
    assert compute_spent_share(run).tolist() == shares


def test_count_outcomes_of_both_seeds_together(records: ReportRecords) -> None:
    """Twenty trials of two seeds: one of four in the first tenth is invalid, one of four in the last is pruned."""
    seed = [make_trial(at, 0.2) for at in range(20)]
    first = [make_trial(0, None), *seed[1:]]
    last = [*seed[:19], make_trial(19, None, status="pruned")]
    dataset = replace_trials(records.datasets[0], {"kt_random": [first, last]})
    found = count_outcomes(next(system for system in dataset.systems if system.name == "kt_random"))
    expected = np.zeros((len(COLORS), PARTS))
    expected[list(COLORS).index("invalid"), 0] = expected[list(COLORS).index("pruned"), -1] = 0.25
    assert found.tolist() == expected.tolist()


def test_follow_curve_begins_with_the_trials_that_it_continues() -> None:
    """A promoted trial has the epochs of its parents first, as far as it continues them."""

    def curve(*errors: float) -> list[EpochMetrics]:
        return [EpochMetrics(train_loss=None, train_error=None, dev_loss=None, dev_error=error) for error in errors]

    trials = [
        make_trial(0, 0.4, curve=curve(0.6, 0.5, 0.4)),
        make_trial(1, 0.3, parent=0, trained_before=2, curve=curve(0.35, 0.3)),
        make_trial(2, 0.2, parent=1, trained_before=4, curve=curve(0.2)),
        make_trial(3, 0.2, parent=1, trained_before=0, curve=curve(0.1)),
    ]
    assert [one.dev_error for one in follow_curve(trials, trials[2])] == [0.6, 0.5, 0.35, 0.3, 0.2]
    assert [one.dev_error for one in follow_curve(trials, trials[3])] == [0.1]


def test_compute_median_ends_where_half_of_the_curves_do() -> None:
    """The median is over the curves that are so long, and no longer than half of them."""
    curves = [np.array([4.0, 3.0, 9.0]), np.array([2.0, 1.0]), np.array([6.0, np.nan])]
    assert compute_median(curves).tolist() == [4.0, 2.0]


def test_compute_medians_and_places_of_slices() -> None:
    """Few values have a median each; many are put into parts; categories have a place each."""
    places, labels = place_values([True, "b", "b"])
    assert (places.tolist(), labels) == ([0.0, 1.0, 1.0], ["True", "b"])
    centers, medians = compute_medians(places, np.array([1.0, 2.0, 4.0]))
    assert (centers.tolist(), medians.tolist()) == ([0.0, 1.0], [1.0, 3.0])
    many = np.arange(80.0)
    centers, medians = compute_medians(many, many)
    assert len(centers) == 10
    assert medians.tolist() == [float(part.mean()) for part in np.array_split(many, 10)]


@pytest.mark.parametrize("kind", KINDS)
def test_figure_is_drawn_where_it_applies_and_says_why_where_not(records: ReportRecords, kind: str) -> None:
    """With enough trials every figure has panels; without any trial it is a sentence."""
    draw = import_module(f"blindtune.report.figures.{kind}").draw
    styles = assign_styles(records)
    sets = [[*_random_sets(60, seed), make_trial(60, None)] for seed in (1, 2)]
    full = replace_trials(records.datasets[0], {"kt_random": sets, "opt_tpe": sets, "sk_cv": sets})
    assert draw(full, styles).axes
    none = replace(full, systems=[system for system in full.systems if system.name == "knn"])
    figure = draw(none, styles)
    assert not figure.axes
    assert none.name in figure.texts[0].get_text()


def test_figures_of_trials_leave_out_searches_without_a_value(records: ReportRecords) -> None:
    """Curves without a dev error, and a seed whose first value comes after another seed has ended, are no crash."""
    blank = [EpochMetrics(train_loss=None, train_error=None, dev_loss=None, dev_error=None)] * 2
    short = [make_trial(number, 0.3, curve=blank) for number in range(8)]
    late = [*(make_trial(number, None) for number in range(30)), make_trial(30, 0.2, curve=blank)]
    kept = [system for system in records.datasets[0].systems if system.name == "opt_tpe"]
    dataset = replace_trials(replace(records.datasets[0], systems=kept), {"opt_tpe": [short, late]})
    for kind in ("trial_curves", "worth"):
        assert not import_module(f"blindtune.report.figures.{kind}").draw(dataset, assign_styles(records)).axes


def test_tables_of_trials_can_be_written(records: ReportRecords) -> None:
    """Every format takes the rows, displayed or not."""
    full = replace(records, datasets=[_of_random_sets(records, 60)])
    for module in (expert_worth, importance, ranks_over_time):
        table = module.build(full)
        for form in (to_csv, to_markdown, to_latex):
            assert form(table)
        assert not any(isinstance(cell, float) and math.isnan(cell) for row in table.rows for cell in row.values())
