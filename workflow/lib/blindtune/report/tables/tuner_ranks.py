"""The table of tuner ranks over all datasets, with what so few datasets can tell."""

import numpy as np

from blindtune.metrics.registry import is_error
from blindtune.report.minimised import format_change, get_title, get_unit, has_other_metric, list_metrics
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.searches import describe_tuner
from blindtune.report.stats.seed_statistics import MIN_DATASETS, Floats, RankTest, fit_mixed_model, rank_systems
from blindtune.report.stats.statistics import mean
from blindtune.report.table import ReportTable, Row, join_paths, number_column, text_column
from blindtune.report.tables.scores import build_scale

#: The records of each tuner, one per dataset.
TunersByDataset = list[list[SystemRecords]]


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per tuner that was run on every dataset."""
    tuners = _everywhere(records.datasets)
    found = _ranks(tuners)
    rows = [
        _row(records, systems, rank)
        for systems, rank in zip(tuners, found.mean if found else [1.0] * len(tuners), strict=True)
    ]
    rows.sort(key=lambda row: float(row["rank"] or 0))
    columns = [
        text_column("tuner", "Tuner"),
        text_column("what", "What it is"),
        text_column("data", "Data"),
        number_column("datasets", "Datasets"),
        number_column("rank", "Mean rank", 2),
        number_column("score", "Mean score", 2),
    ]
    notes = [
        "Ranks by mean eval error: 1 is the lowest, ties share their rank. Only tuners that were run on every "
        "dataset are ranked. Mean score: the mean over the datasets that have one in the table of scores.",
        *(_minimised(records)),
        *(_left_out(records.datasets, tuners)),
        *(_warnings(found, tuners) if found else ["There are fewer than two tuners to rank."]),
    ]
    return ReportTable("tuner_ranks", "The tuners over all datasets", rows, columns, notes)


def _everywhere(datasets: list[DatasetRecords]) -> TunersByDataset:
    """Return the records of each tuner that was run on every dataset."""
    by_name = [{system.name: system for system in dataset.systems_of_kind("tuner")} for dataset in datasets]
    return [[names[name] for names in by_name] for name in by_name[0] if all(name in names for names in by_name)]


def _ranks(tuners: TunersByDataset) -> RankTest | None:
    return rank_systems(_means(tuners)) if len(tuners) > 1 else None


def _means(tuners: TunersByDataset) -> Floats:
    """Return the means on eval of what was minimised, ``(n_datasets, n_tuners)``."""
    return np.array([[system.objective("eval") for system in systems] for systems in tuners]).T


def _row(records: ReportRecords, systems: list[SystemRecords], rank: float) -> Row:
    scales = [build_scale(dataset) for dataset in records.datasets]
    scores = [scale.score(system) if scale else None for scale, system in zip(scales, systems, strict=True)]
    known = [score for score in scores if score is not None]
    return {
        "tuner": systems[0].name,
        "what": describe_tuner(systems[0]),
        "data": label_data(records.datasets),
        "datasets": len(systems),
        "rank": rank,
        "score": mean(known) if known else None,
        "records": join_paths([path for system in systems for path in system.paths]),
    }


def label_data(datasets: list[DatasetRecords]) -> str:
    """Return the mark of a row from several datasets: "real", "stand-in" or "partly stand-in"."""
    stand_in = [dataset.stand_in for dataset in datasets]
    return "stand-in" if all(stand_in) else "partly stand-in" if any(stand_in) else "real"


def _minimised(records: ReportRecords) -> list[str]:
    """Return a note on what was minimised in the place of the error; nothing if it was the error everywhere."""
    if not has_other_metric(records):
        return []
    return [f"By what each comparison minimised, in the place of the error: {list_metrics(records.datasets)}."]


def _name_values(metric: str) -> str:
    return "errors" if is_error(metric) else f"values of {get_title(metric)}"


def _left_out(datasets: list[DatasetRecords], tuners: TunersByDataset) -> list[str]:
    kept = {systems[0].name for systems in tuners}
    rest = sorted({system.name for dataset in datasets for system in dataset.systems_of_kind("tuner")} - kept)
    return [f"Not run on every dataset and therefore without a rank: {', '.join(rest)}."] if rest else []


def _warnings(found: RankTest, tuners: TunersByDataset) -> list[str]:
    widest = len(tuners) - 1
    p = f"p = {found.p:.3f}" if found.p is not None else "no p: it needs three tuners and two datasets"
    counted = f"{found.datasets} {'dataset' if found.datasets == 1 else 'datasets'}"
    return [
        f"Friedman's test of the ranks: {p}. It is approximate with few datasets: for {len(tuners)} tuners on "
        f"{counted}, two mean ranks must differ by {found.critical:.1f} of a possible {widest} to be distinguishable "
        "(Nemenyi, 5%). " + _reading(found, widest),
        _mixed_sentence(tuners),
    ]


def _reading(found: RankTest, widest: int) -> str:
    if found.critical >= widest:
        return "No outcome could show a difference: these are too few datasets."
    largest = max(found.mean) - min(found.mean)
    return f"The largest difference here is {largest:.1f}{'' if largest > found.critical else ', which is not enough'}."


def _mixed_sentence(tuners: TunersByDataset) -> str:
    means = _means(tuners)
    if len(means) < MIN_DATASETS:
        return (
            f"A linear mixed model (tuner fixed; dataset and seed random) needs {MIN_DATASETS} datasets; "
            f"here are {len(means)}, too few to estimate the variance between datasets."
        )
    metrics = sorted({system.metric for systems in tuners for system in systems})
    if len(metrics) > 1:
        return (
            "A linear mixed model cannot be fitted: the comparisons minimised different metrics, "
            f"{', '.join(map(get_title, metrics))}, whose values cannot be averaged. Ranks can."
        )
    found = fit_mixed_model(means)
    if found is None:
        return "A linear mixed model cannot be fitted: the residual is 0."
    return (
        f"Linear mixed model (tuner fixed; dataset, seed and tuner by dataset random): p = {found.p:.3f} for no "
        f"difference between tuners; two mean eval {_name_values(metrics[0])} must differ by "
        f"{format_change(metrics[0], found.half)}{' points' if get_unit(metrics[0]) else ''} for a 95% interval to "
        "exclude 0, not adjusted for the number of pairs."
    )
