"""The table of event-based scores of whole eval recordings."""

import math

from blindtune.metrics.events import f1, false_alarms_per_day, precision, sensitivity
from blindtune.records.decode_result import DecodeResult, EventCounts
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.table import (
    ReportTable,
    Row,
    format_number,
    join_paths,
    number_column,
    text_column,
    to_percent,
)
from blindtune.report.tables.datasets import STAND_IN_NOTE


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per system on a dataset with event-based scores; the CSV lists every patient."""
    datasets = [dataset for dataset in records.datasets if dataset.manifest.eval_recordings is not None]
    rows = [_row(dataset, system) for dataset in datasets for system in dataset.classifiers]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("system", "System"),
        number_column("recordings", "recordings", 0, "eval"),
        number_column("hours", "hours", 2, "eval"),
        number_column("events", "events", 0, "eval"),
        number_column("sensitivity", "sensitivity %", 2, "whole recordings"),
        number_column("precision", "precision %", 2, "whole recordings"),
        number_column("f1", "F1 %", 2, "whole recordings"),
        number_column("false_alarms", "false alarms a day", 2, "whole recordings"),
        number_column("error", "error %", 2, "samples"),
    ]
    return ReportTable("event_scores", "Event-based scores on eval", rows, columns, _notes(records, datasets, rows))


def _notes(records: ReportRecords, datasets: list[DatasetRecords], rows: list[Row]) -> list[str]:
    if not datasets:
        return ["No dataset of this report has event-based scores; the key event_step of recordings asks for them."]
    seeds = "the single seed" if len(records.seeds) == 1 else f"the {len(records.seeds)} seeds together"
    notes = [
        "Each frozen model answered the whole recordings of eval in windows, in its one decode. Windows of seizures "
        "that overlap or touch are one alarm. Events and alarms are compared by timescoring as SzCORE "
        "does: less than 90 s apart they are one, longer ones are divided every 5 minutes, and an event is "
        "detected by any alarm from 30 s before it to 60 s after it. Their number may differ from that of seizures.",
        f"Scores are over all events and alarms of {seeds}. The column by_patient of the CSV lists each patient. The "
        "quality rules of samples do not hold for windows: whole recordings have bad parts too.",
    ]
    for dataset in datasets:
        found = dataset.manifest.eval_recordings or {}
        notes.append(
            f"{dataset.name}: windows of {found['window_seconds']:g} s, one every {found['step_seconds']:g} s."
        )
    if any(row["recordings"] is None for row in rows):
        notes.append(
            "A dash: a model was decoded before event-based scores were asked for, or on other recordings or with "
            "another event_step than the present preparation has. It is not asked again."
        )
    if any(dataset.stand_in for dataset in datasets):
        notes.append(STAND_IN_NOTE)
    return notes


def _row(dataset: DatasetRecords, system: SystemRecords) -> Row:
    by_seed = [events for run in system.runs if (events := _events(dataset, run.decode)) is not None]
    counts = [one for patients in by_seed for one in patients] if len(by_seed) == len(system.runs) else []
    first = by_seed[0] if counts else []
    return {
        "dataset": dataset.name,
        "data": dataset.data,
        "system": system.name,
        "seeds": len(system.runs),
        "recordings": sum(one.recordings for one in first) or None,
        "hours": math.fsum(one.seconds for one in first) / 3600 if first else None,
        "events": sum(one.events for one in first) if first else None,
        **_scores(counts),
        "error": to_percent(system.error("eval")),
        "by_patient": "; ".join(
            _describe(dataset, number, counts) for number in sorted({one.patient for one in first})
        ),
        "records": join_paths([dataset.path, *system.paths]),
    }


def _events(dataset: DatasetRecords, result: DecodeResult) -> list[EventCounts] | None:
    """Return what a decode counted in the recordings that the manifest names; None if it has answered others."""
    told = dataset.manifest.eval_recordings or {}
    if result.events is None or result.recordings_sha256 != told["sha256"]:
        return None
    return result.events if all(one.patient < len(told["patients"]) for one in result.events) else None


def _scores(counts: list[EventCounts]) -> dict[str, float | None]:
    """Return the scores over some recordings, in the units of the table."""
    events, detected, alarms = (
        sum(getattr(one, name) for one in counts) for name in ("events", "detected", "false_alarms")
    )
    return {
        "sensitivity": to_percent(sensitivity(events, detected)),
        "precision": to_percent(precision(detected, alarms)),
        "f1": to_percent(f1(events, detected, alarms)),
        "false_alarms": false_alarms_per_day(alarms, math.fsum(one.seconds for one in counts)),
    }


def _describe(dataset: DatasetRecords, patient: int, counts: list[EventCounts]) -> str:
    name = (dataset.manifest.eval_recordings or {})["patients"][patient]
    scores = _scores([one for one in counts if one.patient == patient])
    shown = [format_number(scores[score], 2) for score in ("sensitivity", "false_alarms")]
    return f"{name}: sensitivity {shown[0]}%, {shown[1]} false alarms a day"
