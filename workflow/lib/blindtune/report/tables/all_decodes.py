"""The table of all decodes of each eval: those of the report, and those of any other study."""

from blindtune.report.decodes import EvalAnalysis, EvalDecode, EvalSampling, came_after, describe_eval
from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.table import ReportTable, Row, join_paths, number_column, text_column

#: The mark of a row whose decode is not one of the report.
OTHER = "other"


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per decoded model, one per drawing of samples, and one per post-mortem."""
    rows = [row for dataset in records.datasets for row in _rows(records, dataset)]
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("study", "Decoded by", wide=True),
        text_column("report", "Report"),
        text_column("eval", "Eval", wide=True),
        text_column("begun", "Begun (UTC)"),
        text_column("writer", "By"),
        text_column("decode", "Decode"),
        text_column("model", "Model"),
        number_column("entry", "Entry"),
    ]
    notes = [
        "All decodes of the eval of each dataset that the ledger holds: from any config, under any name of the "
        "dataset, of any seed. An eval is known by its content, in any order of its samples, and by the raw data that "
        "it was made of.",
        "Report: 'yes' marks the decodes of this report. 'other' ones may be models of seeds or systems that the "
        "config no longer has, earlier models of the same study, or those of other configs.",
        "Decode: 'blind' if no other model of the same study had been decoded on the same eval before, and no "
        "post-mortem had shown it. Model: the first digits of the sha256 of the frozen model. Entry: the line of the "
        "ledger. By: the user and the machine that wrote the line, if it names them.",
        records.ledger_line,
    ]
    return ReportTable("all_decodes", "All decodes of each eval", rows, columns, notes)


def _rows(records: ReportRecords, dataset: DatasetRecords) -> list[Row]:
    paths = {run.card.study: run.paths[1] for system in dataset.systems for run in system.runs}
    rows = [_decode_row(dataset, one, paths) for one in dataset.uses.decodes]
    rows += [_sampling_row(dataset, one) for one in dataset.uses.samplings]
    rows += [_analysis_row(dataset, one) for one in dataset.uses.analyses]
    rows.sort(key=lambda row: int(row["entry"] or 0))
    return rows + [_unrecorded_row(dataset, study, paths) for study in dataset.uses.unrecorded]


def _decode_row(dataset: DatasetRecords, one: EvalDecode, paths: dict[str, str]) -> Row:
    recorded = one.recorded
    return _row(
        dataset,
        study=recorded.study,
        report="yes" if one.in_report else OTHER,
        eval=one.eval,
        begun=recorded.begun,
        writer=recorded.writer,
        done=recorded.done,
        decode=_outcome(dataset, one),
        model=recorded.frozen_sha256[:12],
        entry=recorded.line,
        frozen_sha256=recorded.frozen_sha256,
        records=join_paths([paths[recorded.study]] if one.in_report else []),
    )


def _outcome(dataset: DatasetRecords, one: EvalDecode) -> str:
    """Return what became of a decode; one after a post-mortem is not blind, and says why."""
    outcome = one.recorded.outcome
    after = [analysis for analysis in dataset.uses.analyses if came_after(one.recorded, analysis.recorded)]
    if not after:
        return outcome
    return f"{outcome.replace('not blind', 'blind').replace('blind', 'not blind')}, after a post-mortem"


def _analysis_row(dataset: DatasetRecords, one: EvalAnalysis) -> Row:
    recorded = one.recorded
    return _row(
        dataset,
        study=f"all trials of {recorded.study}, after the fact",
        eval=describe_eval(one.overlap),
        begun=recorded.begun,
        writer=recorded.writer,
        done=recorded.done,
        decode=recorded.outcome,
        model=recorded.frozen_sha256[:12],
        entry=recorded.line,
        frozen_sha256=recorded.frozen_sha256,
    )


def _sampling_row(dataset: DatasetRecords, one: EvalSampling) -> Row:
    return _row(
        dataset,
        study=f"samples drawn for a figure ({one.recorded.dataset})",
        eval=describe_eval(one.overlap),
        begun=one.recorded.time,
        writer=one.recorded.writer,
        entry=one.recorded.line,
    )


def _unrecorded_row(dataset: DatasetRecords, study: str, paths: dict[str, str]) -> Row:
    return _row(dataset, study=study, report="yes", decode="not in the ledger", records=join_paths([paths[study]]))


def _row(dataset: DatasetRecords, **cells: str | int | None) -> Row:
    empty: Row = dict.fromkeys(
        ("study", "report", "eval", "begun", "writer", "done", "decode", "model", "entry", "frozen_sha256", "records")
    )
    return {"dataset": dataset.name, "data": dataset.data} | empty | cells
