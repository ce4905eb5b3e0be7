"""The table of libraries: the guide's criteria, answered from the records, or stated where no record can tell."""

from blindtune.report.library_facts import FACTS
from blindtune.report.library_verdicts import CRITERIA, compare_datasets, list_libraries
from blindtune.report.minimised import has_other_metric, list_metrics
from blindtune.report.records import ReportRecords
from blindtune.report.table import ReportTable, Row, join_paths, text_column
from blindtune.report.tables.tuner_ranks import label_data
from blindtune.report.verdict import render_verdicts
from blindtune.tuners.engines import ENGINES


def build(records: ReportRecords) -> ReportTable:
    """Build the table: one row per criterion, one column per library that was run."""
    names = list_libraries(records)
    columns = [
        text_column("criterion", "Criterion", wide=True),
        text_column("guide", "The guide says", wide=True),
        text_column("basis", "Basis"),
        *(text_column(name, name, "what was found", wide=True) for name in names),
        text_column("evidence", "Evidence", wide=True),
        text_column("data", "Data"),
    ]
    rows = [*_measured(records, names), *_stated(names)] if names else []
    notes = [
        "The guide is Fairbanks, A Guide to Hyperparameter Tuning Libraries (2024), sections 7 and 8. Measured: "
        "computed from the records of this report, valid only for its datasets, spaces and budgets. Stated: no record "
        "can answer it; the statements were checked with Keras Tuner 1.4.8, Optuna 5.0.0 and scikit-learn 1.9.1.",
        "Each library is represented by its tuner with the lowest mean dev error; in the row of the search algorithm, "
        "by that of its tuners whose proposals or pruning depend on earlier scores. It is called lower or higher only "
        "if the p value, adjusted over all pairs of all datasets, is below 5%. The libraries only propose "
        "configurations here. Training, logs and recovery are blindtune's and the same for all.",
        "Not measured: how easy a library is to install and to learn, its documentation, its plots, and how it scales "
        "over several machines.",
    ]
    if any(name in ENGINES for name in names):
        notes.append(
            "What is stated of the optional engines was checked with SMAC 2.4.1, Google Vizier 0.1.24, Ray 2.60.0 with "
            "HyperOpt 0.3.0, NNI 2.10, which is no longer maintained, and Nevergrad 1.0.12. Where nothing is stated, "
            "nothing was tried."
        )
    if has_other_metric(records):
        notes.append(f"By what each comparison minimised, in the place of the error: {list_metrics(records.datasets)}.")
    return ReportTable("libraries", "Which library to use when: what was measured", rows, columns, notes)


def _measured(records: ReportRecords, names: list[str]) -> list[Row]:
    datasets = compare_datasets(records)
    tuners = [system for dataset in records.datasets for system in dataset.systems_of_kind("tuner")]
    paths = join_paths([path for system in tuners for path in system.paths])
    data = label_data([each.dataset for each in datasets])
    return [
        {
            "criterion": criterion.title,
            "guide": criterion.guide,
            "basis": "measured",
            **{name: render_verdicts(criterion.judge(datasets, name)) for name in names},
            "evidence": criterion.evidence,
            "data": data,
            "records": paths,
        }
        for criterion in CRITERIA
    ]


def _stated(names: list[str]) -> list[Row]:
    return [
        {
            "criterion": fact.criterion,
            "guide": fact.guide,
            "basis": "stated",
            **{name: fact.by_library.get(name) for name in names},
            "evidence": fact.source,
            "data": None,
            "records": "",
        }
        for fact in FACTS
    ]
