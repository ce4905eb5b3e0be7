"""The table of eval samples that were answered wrongly, made from the answers of the decodes; eval is not opened."""

import numpy as np

from blindtune.report.records import DatasetRecords, ReportRecords, RunRecords, SystemRecords
from blindtune.report.table import ReportTable, Row, join_paths, number_column, text_column
from blindtune.report.tables.decode_cells import decode_cells, decode_column

#: Rows that are displayed of each frozen model; the CSV has all.
MAX_SHOWN = 5


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per frozen model and wrong eval sample; of each model the surest ones are displayed."""
    width = max((len(dataset.manifest.classes) for dataset in records.datasets), default=0)
    rows: list[Row] = []
    shown: list[Row] = []
    counts: list[str] = []
    for dataset in records.datasets:
        of_dataset = 0
        for system in dataset.classifiers:
            for seed, run in zip(records.seeds, system.runs, strict=True):
                found = _rows(dataset, system, seed, run, width)
                rows += found
                shown += _choose_shown(found)
                of_dataset += len(found)
        counts.append(f"{dataset.title}: {of_dataset:,} wrong answers of all its frozen models")
    columns = [
        text_column("dataset", "Dataset"),
        text_column("data", "Data"),
        text_column("system", "System"),
        number_column("seed", "Seed"),
        number_column("sample", "Sample"),
        text_column("origin", "Origin", wide=True),
        text_column("true", "True class"),
        text_column("answer", "Answer"),
        number_column("probability_of_answer", "of the answer", 3, "probability"),
        number_column("probability_of_true", "of the true class", 3, "probability"),
        decode_column("Decodes"),
    ]
    return ReportTable(
        "wrong_answers", "Wrong answers on eval", rows, columns, _notes(rows, shown, counts), shown=shown
    )


def _rows(dataset: DatasetRecords, system: SystemRecords, seed: int, run: RunRecords, width: int) -> list[Row]:
    if run.wrong is None:
        return []
    wrong = np.flatnonzero(run.wrong)
    return [_row(dataset, system, seed, run, int(sample), at, width) for at, sample in enumerate(wrong)]


def _row(
    dataset: DatasetRecords, system: SystemRecords, seed: int, run: RunRecords, sample: int, at: int, width: int
) -> Row:
    answers, classes = run.answers, dataset.manifest.classes
    answer = int(answers["predicted"][sample])
    true = int(answers["true"][sample]) if "true" in answers else _only_other(answer, len(classes))
    known = answers["probabilities"][sample].tolist() if "probabilities" in answers else []
    return {
        "dataset": dataset.name,
        "data": dataset.data,
        "system": system.name,
        "seed": seed,
        "sample": sample + 1,
        "group": dataset.group_name(int(answers["group"][sample])) if _has_group(dataset, run) else None,
        "origin": answers["origin"][at].decode(errors="replace") if "origin" in answers else None,
        "true": None if true is None else classes[true],
        "answer": classes[answer],
        "probability_of_answer": _rounded(known[answer]) if known else None,
        "probability_of_true": _rounded(known[true]) if known and true is not None else None,
        **{
            f"probability_{label + 1}": _rounded(known[label]) if label < len(known) else None for label in range(width)
        },
        **decode_cells(system),
        "records": join_paths([run.paths[1]]),
    }


def _has_group(dataset: DatasetRecords, run: RunRecords) -> bool:
    return dataset.has_groups and "group" in run.answers


def _only_other(answer: int, classes: int) -> int | None:
    """Return the true class of a wrong answer where the decode did not record it: of two classes, the other."""
    return 1 - answer if classes == 2 else None


def _rounded(value: float) -> float:
    return round(value, 7)  # what a float32 tells


def _choose_shown(rows: list[Row]) -> list[Row]:
    """Return the rows with the highest probability of the wrong answer, in the order of their samples."""
    surest = sorted(rows, key=lambda row: -float(row["probability_of_answer"] or 0))[:MAX_SHOWN]
    return sorted(surest, key=lambda row: int(row["sample"] or 0))


def _notes(rows: list[Row], shown: list[Row], counts: list[str]) -> list[str]:
    notes = [
        f"{'; '.join(counts)}. Shown are {len(shown):,} of {len(rows):,} rows: of each frozen model at most "
        f"{MAX_SHOWN}, those with the highest probability of the wrong answer. The CSV has all of them, with the "
        "probability of each class; probability_1 is that of the first class of the dataset.",
        "Made from the answers that each decode recorded; no eval sample was looked at again. Sample: its number in "
        "eval, from 1. Origin: its file and the place in it, where the preparation knows them.",
        "Who changes a system after reading this table has seen eval: the next decode of that system is not blind.",
    ]
    if any(row["probability_of_answer"] is None for row in rows):
        notes.append("A dash: the model gives no probabilities, or the decode was made before they were recorded.")
    return notes
