"""The table of post-mortems: failure of selection and of search, overtuning, and rank correlations, by search."""

from blindtune.report.minimised import format_cell, format_change, format_metric, get_unit, raise_to_equal, to_cell
from blindtune.report.post_mortem import SearchAutopsy, find_autopsies
from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.stats.comparisons import compare_report
from blindtune.report.stats.statistics import mean
from blindtune.report.table import Column, ReportTable, Row, join_paths, number_column, text_column

#: What a search lost by.
NOTHING, SEARCH, SELECTION = "it did not", "search", "selection"


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per search; no rows without a post-mortem."""
    rows = [_row(dataset, autopsy) for dataset in records.datasets for autopsy in find_autopsies(dataset)]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("system", "System"),
        number_column("seed", "Seed"),
        number_column("evaluated", "on eval", 0, "trials"),
        number_column("unmatched", "not restored", 0, "trials"),
        _value("chosen_eval", "chosen", "eval"),
        _value("best_eval", "best it had met", "eval"),
        number_column("best_dev_rank", "its rank on dev", 0, "eval"),
        _value("selection", "at most", "failure of selection"),
        _value("cross_selection", "without luck", "failure of selection"),
        text_column("manual", "best manual", "failure of search"),
        _value("search", "at least", "failure of search"),
        _value("cross_search", "without luck", "failure of search"),
        text_column("lost_by", "Lost by"),
        number_column("relative_overtuning", "Relative overtuning", 2),
        number_column("rank_correlation", "dev and eval", 2, "rank correlation"),
        number_column("size_correlation", "size and gap", 2, "rank correlation"),
    ]
    title = "Why did it lose? All trials on eval, after the fact"
    return ReportTable("post_mortem", title, rows, columns, [*_conclusions(records), *_notes()] if rows else [])


def _value(key: str, title: str, group: str) -> Column:
    return Column(title, lambda row: format_cell(row["unit"], row[key]), group, numeric=True)


def _row(dataset: DatasetRecords, autopsy: SearchAutopsy) -> Row:
    manual = dataset.lowest_on_dev("manual")
    value = _manual_value(dataset, autopsy)
    metric, overtuning, best = dataset.metric, autopsy.overtuning, autopsy.best
    return {
        "dataset": dataset.name,
        "data": dataset.data,
        "system": autopsy.system.name,
        "seed": autopsy.run.card.seed,
        "metric": metric,
        "unit": get_unit(metric),
        "trials": len(autopsy.found.trials),
        "evaluated": len(autopsy.evaluated),
        "unmatched": len(autopsy.unmatched),
        "other_weights": len(autopsy.other_weights),
        "chosen_trial": autopsy.found.chosen,
        "chosen_eval": to_cell(metric, autopsy.chosen),
        "best_trial": None if best is None else best.trial,
        "best_eval": to_cell(metric, autopsy.best_value),
        "best_dev_rank": autopsy.dev_rank,
        "selection": to_cell(metric, autopsy.selection),
        "cross_chosen": to_cell(metric, autopsy.found.cross_chosen_error),
        "cross_selection": to_cell(metric, autopsy.cross_selection),
        "manual": None if manual is None else manual.name,
        "manual_eval": to_cell(metric, value),
        "search": to_cell(metric, autopsy.search(value)),
        "cross_search": to_cell(metric, autopsy.cross_search(value)),
        "lost_by": _lost_by(autopsy.chosen, autopsy.best_value, autopsy.found.cross_chosen_error, value),
        "overtuning": None if overtuning is None else to_cell(metric, overtuning.loss),
        "relative_overtuning": None if overtuning is None else overtuning.relative,
        "incumbents": None if overtuning is None else overtuning.incumbents,
        "rank_correlation": autopsy.dev_and_eval,
        "size_correlation": autopsy.size_and_gap,
        "analysed": autopsy.found.analysed,
        "records": join_paths([*autopsy.run.paths, *filter(None, [autopsy.run.post_mortem_path])]),
    }


def _manual_value(dataset: DatasetRecords, autopsy: SearchAutopsy) -> float | None:
    """Return the value on eval of the best manual model of the same seed."""
    manual = dataset.lowest_on_dev("manual")
    if manual is None:
        return None
    seed = autopsy.run.card.seed
    decode = next(run.decode for run in manual.runs if run.card.seed == seed)
    return decode.error if decode.metric_value is None else decode.metric_value


def _conclusions(records: ReportRecords) -> list[str]:
    found = []
    for dataset, compared in compare_report(records):
        by_system: dict[str, list[SearchAutopsy]] = {}
        for autopsy in find_autopsies(dataset):
            by_system.setdefault(autopsy.system.name, []).append(autopsy)
        differing = {frozenset((pair.better.name, pair.other.name)) for pair in compared if pair.differs}
        for autopsies in by_system.values():
            found.append(_explain(dataset, autopsies, differing))
            found += [sentence for autopsy in autopsies for sentence in _list_differences(dataset, autopsy)]
    return found


def _explain(dataset: DatasetRecords, autopsies: list[SearchAutopsy], differing: set[frozenset[str]]) -> str:
    """Return in words where the searches of a system lost: by what they met, or by what they chose of it.

    Args:
        dataset: that they searched on.
        autopsies: of the system, one for each seed.
        differing: the pairs of systems whose difference on eval is more than chance.
    """
    metric, name = dataset.metric, autopsies[0].system.name
    known = [one for one in autopsies if one.best_value is not None]
    if not known:
        return f"{name} on {dataset.title}: none of its trials could be evaluated."
    points = " points" if get_unit(metric) else ""
    seeds = "one seed" if len(known) == 1 else f"mean of {len(known)} seeds"
    chosen = mean([one.chosen for one in known])
    met = mean([one.best_value for one in known if one.best_value is not None])
    text = (
        f"{name} on {dataset.title}, {seeds}: it chose {format_metric(metric, chosen)} on eval and had met "
        f"{format_metric(metric, met)}"
    )
    crossed = [one.found.cross_chosen_error for one in known if one.found.cross_chosen_error is not None]
    expected = mean(crossed) if len(crossed) == len(known) else None
    if expected is not None:
        text += f" ({format_metric(metric, expected)} without the luck of being the lowest of many)"
    manual = dataset.lowest_on_dev("manual")
    values = [value for one in known if (value := _manual_value(dataset, one)) is not None]
    if manual is None or len(values) < len(known):
        return f"{text}."
    level = mean(values)
    best = f"the best manual model, {manual.name}, has {format_metric(metric, level)}"
    if chosen <= raise_to_equal(level):
        return f"{text}; {best}. It did not lose."
    reached = met if expected is None else expected
    chance = "" if frozenset((name, manual.name)) in differing else " (not distinguishable from no difference)"
    by_selection, by_search = format_change(metric, chosen - reached), format_change(metric, reached - level)
    luck = "" if expected is None else ", without luck"
    return (
        f"{text}; {best}. It lost {format_change(metric, chosen - level)}{points}{chance}: {by_selection} by selection "
        f"and {by_search} by search{luck}."
    )


def _lost_by(chosen: float, met: float | None, cross_chosen: float | None, manual: float | None) -> str | None:
    """Return what a search lost by against a manual model; None if there is none, or nothing was evaluated.

    The loss is the sum of two parts: what selection cost, and what the best model that the search had met lacks.

    Args:
        chosen: the chosen model on eval.
        met: the lowest value that the search had met.
        cross_chosen: the same without luck; None: not known, and ``met`` counts.
        manual: the manual model on eval.
    """
    if manual is None or met is None:
        return None
    if chosen <= manual:
        return NOTHING
    reached = met if cross_chosen is None else cross_chosen
    by_selection, by_search = chosen - reached, reached - manual
    if min(by_selection, by_search) <= 0:
        return SELECTION if by_search <= 0 else SEARCH
    return f"mostly {SELECTION if by_selection > by_search else SEARCH}"


def _list_differences(dataset: DatasetRecords, autopsy: SearchAutopsy) -> list[str]:
    """Return sentences on trials that are not what was recorded: nothing of that is silent."""
    who = f"{autopsy.system.name} on {dataset.title}, seed {autopsy.run.card.seed}"
    found = []
    if autopsy.unmatched:
        numbers = ", ".join(str(trial.trial) for trial in autopsy.unmatched)
        found.append(f"{who}: not evaluated, since they could not be restored as they were recorded: trials {numbers}.")
    if autopsy.other_weights:
        numbers = ", ".join(str(trial.trial) for trial in autopsy.other_weights)
        found.append(
            f"{who}: restored with other weights than were recorded, but the same dev error, as on another kind of "
            f"machine: trials {numbers}."
        )
    if autopsy.decoded_otherwise:
        found.append(f"{who}: the chosen trial, restored, has another eval error than its decode, which counts here.")
    return found


def _notes() -> list[str]:
    return [
        "This is an analysis after the fact. It was made when every model of the dataset had been decoded, and nothing "
        "was chosen by it: no number here is what a search would reach on new data. Whatever is decoded on this eval "
        "later is marked as not blind.",
        "Lost by: the loss against that manual model is the sum of both failures, without luck where it is known; the "
        "larger part is named. A loss may be chance: see the comparisons.",
        "Failure of selection: eval of the chosen model minus the lowest one of all evaluated trials. Failure of "
        "search: that lowest one minus eval of the best manual model (lowest on dev) of the same seed; positive: "
        "nothing that the search had met is as good. The lowest of many values on one eval is lower than it would be "
        "on new data, so that the first is an upper bound and the second a lower one. Without luck: the trial that is "
        "lowest on a random half of eval (of its groups, if it has any) counts with its error on the other half, "
        "averaged over 50 halves; chosen by half of eval, it is a little worse than the best one, so the truth is "
        "between the two columns of each failure.",
        "Overtuning (Schneider, Bischl and Feurer 2025): eval of the last incumbent minus the lowest eval of all "
        "incumbents, an incumbent being the lowest on dev so far; relative: divided by what the first incumbent could "
        "have gained. 0: the end was the best; above 1: the search ended with a model worse than its first. "
        "Empty where an incumbent could not be restored, and where the first incumbent was the best on eval of all, so "
        "that there was nothing to gain and the search only lost: the CSV has that loss.",
        "Rank correlation: Spearman's, over the evaluated trials: of dev with eval; and of the number of parameters "
        "with the gap (eval minus dev). A gap that grows with the size: larger models generalise worse.",
        "Not evaluated: trials that were invalid, failed, pruned or diverged, or scored on a fold. Not restored: "
        "trials whose model, trained again with the same seed, does not give its recorded dev error.",
    ]
