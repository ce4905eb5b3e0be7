"""Which library when: what the guide weighs, answered from the records where they can, and stated where not."""

from blindtune.report.library_facts import FACTS
from blindtune.report.library_verdicts import CRITERIA, judged, libraries
from blindtune.report.records import Records
from blindtune.report.table import Row, Table, joined, plain
from blindtune.report.tables.tuner_ranks import data_of


def build(records: Records) -> Table:
    """One row per criterion, one column per library that was run."""
    names = libraries(records)
    columns = [
        plain("criterion", "Criterion", wide=True),
        plain("guide", "The guide says", wide=True),
        plain("basis", "Basis"),
        *(plain(name, name, "what was found", wide=True) for name in names),
        plain("evidence", "Evidence", wide=True),
        plain("data", "Data"),
    ]
    rows = [*_measured(records, names), *_stated(names)] if names else []
    notes = [
        "The guide is Fairbanks, A Guide to Hyperparameter Tuning Libraries (2024), sections 7 and 8. Measured: "
        "computed from the records of this report, and true of its datasets, spaces and budgets only. Stated: no "
        "record can answer it; what is said was tried with Keras Tuner 1.4.8, Optuna 5.0.0 and scikit-learn 1.9.1.",
        "A library stands for its tuner with the lowest mean dev error, and is called lower or higher only where the "
        "p value, adjusted over all pairs of the dataset, is below 5%. All libraries only propose sets here; training, "
        "logs and recovery are blindtune's, the same for all.",
        "Not answered: how easy a library is to set up and to learn, its documentation, its pictures, and how it "
        "spreads over machines. Nothing of that was measured.",
    ]
    return Table("libraries", "Which library when: what was measured", rows, columns, notes)


def _measured(records: Records, names: list[str]) -> list[Row]:
    datasets = judged(records)
    tuners = [system for dataset in records.datasets for system in dataset.of_kind("tuner")]
    paths = joined([path for system in tuners for path in system.paths])
    data = data_of([each.dataset for each in datasets])
    return [
        {
            "criterion": criterion.title,
            "guide": criterion.guide,
            "basis": "measured",
            **{name: criterion.verdict(datasets, name) for name in names},
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
            **{name: fact.of.get(name) for name in names},
            "evidence": fact.source,
            "data": None,
            "records": "",
        }
        for fact in FACTS
    ]
