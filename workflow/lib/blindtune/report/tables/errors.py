"""Table 3: error rates, published and ours."""

from math import isinf

from blindtune.core.sums import add_in_order
from blindtune.metrics.registry import is_error
from blindtune.report.minimised import list_metrics
from blindtune.report.published import PublishedErrors, load_published
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.settings import compare_settings
from blindtune.report.stats.comparisons import NO_INTERVAL
from blindtune.report.stats.statistics import Difference, VarianceComponent, compare_with_published, compute_sd
from blindtune.report.table import (
    ABSENT,
    Column,
    ReportTable,
    Row,
    format_number,
    join_paths,
    number_column,
    text_column,
    to_percent,
)
from blindtune.report.tables.datasets import SPLITS, STAND_IN_NOTE, shared_notes
from blindtune.report.tables.decode_cells import decode_cells, decode_column

GAP = "ours − published, eval"

SETTINGS_NOTE = (
    "Settings: 'differ' marks a row whose settings are not those of the published row, so their errors need not agree; "
    "'as published': all settings that are printed are the same; 'as reproduced': the paper prints none, and ours give "
    "its error on the real set; 'not printed': the paper prints none, and none are known to give its error. The notes "
    "below list them."
)

#: Estimates of the Bayes error that are listed below the published closed loop, with their descriptions.
UNBIASED = {
    "nearest_neighbour": "leave-one-out nearest neighbour",
    "lower_bound": "Cover-Hart lower bound",
}


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per dataset and system, and one per further estimate of the Bayes error."""
    rows = [row for dataset in records.datasets for system in dataset.systems for row in _rows(dataset, system)]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("system", "System", wide=True),
        text_column("published_system", "row", "published"),
        *(number_column(f"published_{split}", split, 2, "published") for split in SPLITS),
        *(_measured(split) for split in SPLITS),
        decode_column("decode", "ours"),
        text_column("settings", "settings", "ours"),
        number_column("difference", "difference", 2, GAP),
        Column("95% interval", _interval, GAP, numeric=True),
        text_column("verdict", "verdict", GAP, wide=True),
    ]
    return ReportTable("table3_errors", "Table 3. Error rates in %", rows, columns, _notes(records))


def _notes(records: ReportRecords) -> list[str]:
    several = len(records.seeds) > 1
    notes = [
        f"Ours: mean over the seeds {', '.join(map(str, records.seeds))}, ± their standard deviation."
        if several
        else f"Ours: a single seed, {records.seeds[0]}; the variance over seeds is unknown.",
        "Verdict: the difference exceeds the sampling error if its two-sided 95% interval excludes 0. The interval "
        "uses the binomial standard errors of both error rates"
        + (
            " and our variance over the seeds, assumed for the published run too (t quantile, Welch-Satterthwaite)."
            if several
            else " only, since a single seed has no variance over seeds."
        ),
        "If the data are the published ones, both error rates are from the same eval samples. The published "
        "predictions are not available per sample, so the two rates are treated as independent, which makes the "
        "interval too wide rather than too narrow. 'Within' therefore means not shown to differ, not shown to be "
        "equal.",
        "BER, the estimate of the Bayes error: 'closed loop' is the published kind, fitted and scored on the same "
        "samples, which is optimistic. The leave-one-out error of the nearest neighbor and the Cover-Hart lower bound "
        "derived from it do not have this bias; with many samples, the Bayes error is between the two.",
    ]
    if any(system.clustered_variance() for dataset in records.datasets for system in dataset.systems):
        notes.append(
            "If eval samples belong to patients, the patients are the sampling units: the sampling error is that over "
            "patients. The published samples are assumed to be clustered as much; the published patients are unknown "
            "and differ from ours."
        )
    others = [dataset for dataset in records.datasets if not is_error(dataset.metric)]
    if others:
        notes.append(
            f"Not chosen by the error: the models of {list_metrics(others)}. Their errors are shown here, and what "
            "was minimised in the table of metrics."
        )
    alone = [
        dataset.title
        for dataset in records.datasets
        if any((part := system.clustered_variance()) and isinf(part.variance) for system in dataset.systems)
    ]
    if alone:
        notes.append(f"{', '.join(alone)}: {NO_INTERVAL}.")
    if any(dataset.stand_in for dataset in records.datasets):
        notes.append(STAND_IN_NOTE + " No verdict is given for them.")
    notes += [note for dataset in records.datasets for note in shared_notes(dataset)]
    settings = [
        f"{dataset.title}, {system.name} next to {system.paper_row}: {compared.describe()}"
        for dataset in records.datasets
        for system in dataset.systems
        if (compared := compare_settings(dataset, system))
    ]
    if settings:
        notes.append(SETTINGS_NOTE)
    notes += settings
    if any(not run.decode.blind for run in records.runs):
        notes.append(
            "Rows marked 'not blind': another model of the same study was decoded on the same eval data before."
        )
    if any(system.precedents for dataset in records.datasets for system in dataset.systems):
        notes.append(
            "Rows marked 'after': models that the rows of this dataset do not show were decoded before, on the same "
            "eval or on its raw data prepared in another way, or samples of it were drawn. The tables of decodes list "
            "them."
        )
    return notes


def _rows(dataset: DatasetRecords, system: SystemRecords) -> list[Row]:
    known = load_published().errors.get((dataset.manifest.published or "", system.paper_row or ""))
    if system.kind != "bayes":
        errors = {split: system.errors(split) for split in SPLITS}
        return [_row(dataset, system, system.name, errors, known)]
    closed = {split: system.errors(split) for split in SPLITS}
    rows = [_row(dataset, system, f"{system.name}: closed loop", closed, known)]
    for key, what in UNBIASED.items():
        rows.append(_row(dataset, system, f"{system.name}: {what}", _estimates(system, key), None))
    return rows


def _estimates(system: SystemRecords, key: str) -> dict[str, list[float]]:
    own = {split: [run.card.estimates[split][key] for run in system.runs] for split in ("train", "dev")}
    return own | {"eval": [run.decode.estimates[key] for run in system.runs]}


def _row(
    dataset: DatasetRecords,
    system: SystemRecords,
    name: str,
    errors: dict[str, list[float]],
    known: PublishedErrors | None,
) -> Row:
    found = _against(dataset, errors["eval"], known, system.clustered_variance())
    row: Row = {
        "dataset": dataset.name,
        "data": dataset.data,
        "system": name,
        "kind": system.kind,
        "published_dataset": f"#{known.dataset}" if known else None,
        "published_system": known.system if known else None,
    }
    for split in SPLITS:
        row[f"published_{split}"] = getattr(known, split, None)
    for split in SPLITS:
        row[split] = to_percent(add_in_order(errors[split]) / len(errors[split]))
        row[f"{split}_sd"] = to_percent(compute_sd(errors[split]))
    row |= {
        "seeds": len(system.runs),
        "eval_samples": dataset.samples,
        **decode_cells(system),
        "settings": compared.mark if (compared := compare_settings(dataset, system)) and known else None,
        "difference": to_percent(found.value) if found else None,
    }
    judged = found if found and found.has_interval and not dataset.stand_in and system.kind != "bayes" else None
    row |= {
        "difference_low": to_percent(judged.low) if judged else None,
        "difference_high": to_percent(judged.high) if judged else None,
        "verdict": _verdict(dataset, system, found),
        "records": join_paths(system.paths),
    }
    return row


def _against(
    dataset: DatasetRecords, errors: list[float], known: PublishedErrors | None, clustered: VarianceComponent | None
) -> Difference | None:
    if known is None:
        return None
    eval_samples = load_published().sizes[known.dataset].eval
    return compare_with_published(known.eval / 100, eval_samples, errors, dataset.samples, clustered)


def _verdict(dataset: DatasetRecords, system: SystemRecords, found: Difference | None) -> str | None:
    if found is None:
        return None
    if dataset.stand_in:
        return "not judged: stand-in data"
    if system.kind == "bayes":
        return "not judged: an estimate"
    if not found.has_interval:
        return "not judged: too few patients"
    verdict = "exceeds sampling error" if found.excludes_zero() else "within sampling error"
    return "; ".join(filter(None, [verdict, system.qualification]))


def _measured(split: str) -> Column:
    def text(row: Row) -> str:
        spread = row[f"{split}_sd"]
        return format_number(row[split], 2) + ("" if spread is None else f" ± {format_number(spread, 2)}")

    return Column(split, text, "ours", numeric=True)


def _interval(row: Row) -> str:
    low, high = row["difference_low"], row["difference_high"]
    return ABSENT if low is None else f"{format_number(low, 2)} to {format_number(high, 2)}"
