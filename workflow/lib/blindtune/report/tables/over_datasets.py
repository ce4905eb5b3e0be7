"""The table of comparisons over all datasets: manual against tuned, and every pair of classifiers."""

from itertools import combinations

from blindtune.report.answer import answer_all
from blindtune.report.margin import from_points
from blindtune.report.minimised import format_margin, get_title, get_unit, to_cell
from blindtune.report.records import ReportRecords, SystemRecords
from blindtune.report.stats.comparisons import format_p
from blindtune.report.stats.over_datasets import MIN_DATASETS, OverDatasets, compare_over_datasets
from blindtune.report.stats.statistics import CONFIDENCE, adjust_holm
from blindtune.report.table import ReportTable, Row, join_paths, number_column, text_column
from blindtune.report.tables.tuner_ranks import label_data

_Pair = tuple[list[SystemRecords], list[SystemRecords]]


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per pair that was run on enough datasets; no row if there are too few."""
    metrics = sorted({dataset.metric for dataset in records.datasets if dataset.classifiers})
    rows = _rows(records) if len(metrics) == 1 and len(records.datasets) >= MIN_DATASETS else []
    unit = "points" if not metrics or get_unit(metrics[0]) else get_title(metrics[0])
    columns = [
        text_column("question", "Question"),
        text_column("first", "A"),
        text_column("second", "B"),
        text_column("data", "Data"),
        number_column("datasets", "Datasets"),
        number_column("wins", "A lower"),
        number_column("losses", "B lower"),
        number_column("median", f"A − B, median, {unit}", 2),
        number_column("adjusted_p", "adjusted p", 3),
        number_column("lower", "A lower", 2, "probability that"),
        number_column("within", "equivalent", 2, "probability that"),
        number_column("higher", "B lower", 2, "probability that"),
        text_column("verdict", "Verdict"),
    ]
    notes, findings = _notes(records, metrics, rows), [describe_over_datasets(records)] if rows else []
    return ReportTable("over_datasets", "Comparisons over all datasets", rows, columns, notes, findings)


def _rows(records: ReportRecords) -> list[Row]:
    answers = answer_all(records)
    chosen = ([answer.manual for answer in answers], [answer.tuned for answer in answers])
    question = [_row(records, "manual against tuned, by dev", "manual", "tuned", chosen)] if answers else []
    everywhere = _list_pairs(records)
    found = [_row(records, "each system", one[0].name, other[0].name, (one, other)) for one, other in everywhere]
    # The question of the study is asked once; the pairs of systems are looked through for any difference.
    return [*_decide([row for row in question if int(row["datasets"] or 0) >= MIN_DATASETS]), *_decide(found)]


def _list_pairs(records: ReportRecords) -> list[_Pair]:
    """Return every pair of classifiers that were run on every dataset, each with its records by dataset."""
    by_name = [{system.name: system for system in dataset.classifiers} for dataset in records.datasets]
    names = [name for name in by_name[0] if all(name in systems for systems in by_name)]
    return list(combinations([[systems[name] for systems in by_name] for name in names], 2))


def _row(records: ReportRecords, question: str, first: str, second: str, pair: _Pair) -> Row:
    metric = pair[0][0].metric
    differences = [one.objective("eval") - other.objective("eval") for one, other in zip(*pair, strict=True)]
    found = compare_over_datasets(differences, from_points(records.margin))
    compared = [dataset for dataset in records.datasets if any(system in dataset.systems for system in pair[0])]
    return {
        "question": question,
        "first": first,
        "second": second,
        "data": label_data(compared),
        "datasets": found.datasets,
        "wins": found.wins,
        "losses": found.losses,
        "median": to_cell(metric, found.median),
        "p": found.p,
        "favored": first if found.is_first_lower else second,
        "lower": found.lower,
        "within": found.within,
        "higher": found.higher,
        "records": join_paths([path for systems in pair for system in systems for path in system.paths]),
    }


def _decide(rows: list[Row]) -> list[Row]:
    """Adjust the p values of rows that were tested together, and add the verdicts."""
    adjusted = adjust_holm([float(row["p"] or 0) for row in rows])
    return [
        {**{key: cell for key, cell in row.items() if key != "records"}, "adjusted_p": p, "verdict": _verdict(row, p)}
        | {"records": row["records"]}
        for row, p in zip(rows, adjusted, strict=True)
    ]


def _verdict(row: Row, adjusted_p: float) -> str:
    if adjusted_p < 1 - CONFIDENCE:
        return f"{row['favored']} lower"
    return "equivalent" if float(row["within"] or 0) >= CONFIDENCE else "not distinguishable"


def describe_over_datasets(records: ReportRecords) -> str:
    """Return what the datasets together tell about manual against tuned models, in a sentence.

    Args:
        records: of the report.
    """
    answers = answer_all(records)
    metrics = {answer.manual.metric for answer in answers}
    if len(answers) < MIN_DATASETS:
        return (
            f"Too few datasets for an answer over all of them together: {len(answers)} of at least {MIN_DATASETS}. "
            "With fewer, not even a win on every dataset would be significant."
        )
    if len(metrics) > 1:
        return "There is no answer over all datasets together, since different metrics were minimised."
    scale = from_points(1.0) if get_unit(next(iter(metrics))) else 1.0
    found = compare_over_datasets([-scale * answer.difference for answer in answers], from_points(records.margin))
    return _summarize(found, next(iter(metrics)), records.margin)


def _summarize(found: OverDatasets, metric: str, margin: float) -> str:
    if found.p < 1 - CONFIDENCE:
        verdict = f"{'manual' if found.is_first_lower else 'tuned'} is better"
    elif found.is_equivalent:
        verdict = "manual and tuned are equivalent"
    else:
        verdict = "manual and tuned cannot be told apart"
    return (
        f"Over all {found.datasets} datasets together, {verdict}: manual has the lower {get_title(metric)} on "
        f"{found.wins} of them, tuned on {found.losses} (signed-rank test, p {format_p(found.p)}). Manual is better by "
        f"more than {format_margin(metric, margin)} with probability {found.lower:.2f}, tuned with {found.higher:.2f}; "
        f"with {found.within:.2f} neither is."
    )


def _notes(records: ReportRecords, metrics: list[str], rows: list[Row]) -> list[str]:
    if not rows:
        reason = (
            f"the comparisons minimised different metrics, {', '.join(map(get_title, metrics))}"
            if len(metrics) > 1
            else f"{len(records.datasets)} {'dataset is' if len(records.datasets) == 1 else 'datasets are'} too few, "
            f"it takes {MIN_DATASETS}: with fewer, not even a win on every dataset would be significant"
        )
        return [f"No comparison over datasets: {reason}."]
    return [
        "The datasets vary: each counts once, by the difference of the means over its seeds. How uncertain a "
        "difference is within its dataset is not used. p: two-sided signed-rank test (Wilcoxon), adjusted by Holm's "
        "method over all pairs of systems; manual against tuned is one question, so its p is not adjusted.",
        "Probabilities: Bayesian signed-rank test (Benavoli et al. 2014) with one imaginary dataset without a "
        f"difference; equivalent: the two differ by less than {format_margin(metrics[0], records.margin)} "
        "(report.margin). The verdict is by p, or equivalent from a probability of 0.95 on.",
    ]
