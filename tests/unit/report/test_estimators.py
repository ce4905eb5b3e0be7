"""The report on estimators: what was fitted, with which arguments, and what the fits warned of."""

from dataclasses import replace
from pathlib import Path

import pytest

from blindtune.models.estimator import EstimatorBlueprint
from blindtune.report.records import ReportRecords, RunRecords, SystemRecords
from blindtune.report.searches import describe_trainer, describe_tuner, get_folds
from blindtune.report.tables import write as tables
from support.report_records import RecordsBuilder

STEPS = ("sklearn.preprocessing.StandardScaler", "sklearn.svm.SVC")
WARNING = "ConvergenceWarning: not converged"


def as_estimator(run: RunRecords) -> RunRecords:
    """Return the records of a run as those of an estimator, whose first two trials warned."""
    parameters = {"svc__C": 3.25 + run.card.seed, "svc__kernel": "rbf"}
    recipe = EstimatorBlueprint(steps=STEPS, parameters=parameters, libraries={"scikit-learn": "1.9.1"})
    settings = {name: value for name, value in run.card.settings.items() if name not in ("trainer", "training")}
    changes = {
        "architecture": None,
        "training": None,
        "n_parameters": None,
        "weights": None,
        "estimator": recipe,
        "hyperparameters": {"svc__C": parameters["svc__C"]},
        "settings": settings | {"estimator": list(STEPS), "folds": 4},
    }
    trials = [
        trial.model_copy(update={"n_parameters": None, "exceptions": [WARNING] if number < 2 else []})
        for number, trial in enumerate(run.trials)
    ]
    return replace(run, card=run.card.model_copy(update=changes), trials=trials)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> ReportRecords:
    """Return records of a manual model, of a tuner of networks and of a tuner of an estimator."""
    folder: Path = tmp_path_factory.mktemp("report") / "small"
    records = RecordsBuilder(folder, systems=["knn", "mlp_m1", "mlp_a1", "mlp_a2"]).write().read()
    [dataset] = records.datasets
    systems = [
        replace(one, runs=list(map(as_estimator, one.runs))) if one.name == "mlp_a2" else one for one in dataset.systems
    ]
    return replace(records, datasets=[replace(dataset, systems=systems)])


def find(records: ReportRecords) -> SystemRecords:
    """Return the system that tunes an estimator."""
    return next(one for one in records.datasets[0].systems if one.name == "mlp_a2")


def test_every_table_is_built(records: ReportRecords) -> None:
    """No table needs the layers, the training or the number of parameters of an estimator."""
    for name, build in tables.BUILD.items():
        assert build(records).name == name


def test_architectures_list_the_estimator(records: ReportRecords) -> None:
    """The table of architectures has a row with its classes and the arguments that were set."""
    rows = {row["network"]: row for row in tables.BUILD["table4_architectures"](records).rows}
    [row] = [row for name, row in rows.items() if str(name).startswith("mlp_a2")]
    best = min(find(records).runs, key=lambda run: run.card.dev_error).card
    assert row["output_layer"] == f"StandardScaler + SVC (svc__C {3.25 + best.seed:.4g}, svc__kernel rbf)"
    assert row["input_layer"] is None and row["parameters"] is None


def test_arguments_are_those_of_the_estimator(records: ReportRecords) -> None:
    """The table of arguments states the classes, what the tuner chose and what was fixed, and nothing of training."""
    rows = [
        row for row in tables.BUILD["table2_arguments"](records).rows if "mlp_a2" in str(row["systems"])
    ]  # fmt: skip
    ours = {row["argument"]: (row["meaning"], row["ours"]) for row in rows}
    assert ours["estimator"] == ("class that is fitted (scikit-learn 1.9.1)", ", ".join(STEPS))
    assert ours["svc__C"] == ("chosen by the tuner", ", ".join(f"{3.25 + seed:.6g}" for seed in records.seeds))
    assert ours["svc__kernel"] == ("fixed argument", "rbf")
    assert not {"batch_size", "epochs", "optimizer", "loss"} & set(ours)


def test_warnings_are_counted(records: ReportRecords) -> None:
    """The notes of the table of costs say how many trials warned, and of what."""
    notes = " ".join(tables.BUILD["costs"](records).notes)
    total = sum(len(run.trials) for run in find(records).runs)
    assert f"mlp_a2 in 4 of {total} trials (most often, 4: {WARNING})" in notes
    assert "mlp_a1 in" not in notes


def test_searches_name_estimator_and_folds(records: ReportRecords) -> None:
    """A tuner of an estimator is described with the estimator and with the folds of its system."""
    system = find(records)
    assert get_folds(system) == 4
    assert describe_tuner(system).endswith(f", 4 folds, {' + '.join(STEPS)}")
    assert describe_trainer(system.runs[0].card) == f"estimator {', '.join(STEPS)}"
