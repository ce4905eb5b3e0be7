"""The export to an Optuna database, read back with Optuna."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from blindtune.config.systems import Knn
from blindtune.core.errors import UserError
from blindtune.core.validation import parse
from blindtune.exports import optuna
from blindtune.exports.folders import export
from blindtune.exports.stored_study import find_studies
from blindtune.records.trial import find_best
from blindtune.search_space import Space
from blindtune.tuners.keras_tuner.config import KerasTunerConfig
from blindtune.tuners.optuna.config import OptunaConfig
from blindtune.tuners.sklearn.config import SklearnConfig
from support.builders import study, trial
from support.stored_studies import store, store_knn, store_tuned, tuned_system

TUNERS = [
    KerasTunerConfig(library="keras-tuner", algorithm="random"),
    OptunaConfig(library="optuna", algorithm="tpe"),
    SklearnConfig(library="scikit-learn", algorithm="parameter-sampler"),
]


@pytest.mark.parametrize("tuner", TUNERS, ids=lambda tuner: tuner.library)
def test_optuna_write_is_read_by_optuna(tmp_path: Path, tuner: Any) -> None:
    """Optuna itself reads the trials of every tuner, with the same best trial."""
    import optuna as library

    (study,) = find_studies([store_tuned(tmp_path / "results", tuned_system(tuner))])
    export("optuna", [study], tmp_path / "out", optuna.write)
    loaded = library.load_study(
        study_name="test/toy/tuned/42", storage=f"sqlite:///{tmp_path / 'out' / optuna.DATABASE}"
    )
    ours = find_best(study.trials)
    assert ours is not None and (ours.number, ours.score) == (2, 0.125), "the earlier of two equals"
    assert (loaded.best_trial.number, loaded.best_value) == (ours.number, ours.score)
    assert loaded.best_params == ours.hyperparameters
    states = [trial.state.name for trial in loaded.trials]
    assert states == ["COMPLETE"] * 5 + ["PRUNED", "FAIL", "FAIL", "FAIL", "PRUNED", "COMPLETE"]
    space = parse(Space, study.files["space"], "space")
    names = {spec.name: spec.dimension for spec in space.hyperparameters()}
    for record, found in zip(study.trials, loaded.trials, strict=True):
        assert found.params == record.hyperparameters
        assert {name: type(distribution).__name__ for name, distribution in found.distributions.items()} == {
            name: _kind(names[name]) for name in record.hyperparameters
        }
        errors = enumerate((epoch.dev_error for epoch in record.curve), record.trained_before + 1)
        assert found.intermediate_values == {number: error for number, error in errors if error is not None}
        assert (found.user_attrs["status"], found.user_attrs.get("reason")) == (record.status, record.reason)
        assert (found.user_attrs["seconds"], found.user_attrs["told"]) == (1.5, record.objective_value())
        assert found.datetime_start == _local(record.started)
        assert found.duration is not None and found.duration.total_seconds() == 1.5
    assert (loaded.trials[9].user_attrs["fold"], loaded.trials[10].user_attrs["parent"]) == (1, 0)


def test_optuna_write_without_a_search_space(tmp_path: Path) -> None:
    """Systems without a search space are exported too."""
    import optuna as library

    results = tmp_path / "results"
    store_knn(results)
    layers = [{"kind": "dense", "units": 4, "activation": "linear"}]
    record = trial(0, 0.25, hyperparameters={"epochs": 5}, layers=layers)
    it = study(Knn(kind="knn", n_neighbors=[1]), system="expert")
    store(results / "test" / "studies" / "toy" / "expert" / "42", it, [record])
    export("optuna", find_studies([results]), tmp_path / "out", optuna.write)
    storage = f"sqlite:///{tmp_path / 'out' / optuna.DATABASE}"
    assert library.get_all_study_names(storage=storage) == ["test/toy/expert/42", "test/toy/near/42"]
    candidates = library.load_study(study_name="test/toy/near/42", storage=storage)
    assert [found.params for found in candidates.trials] == [{"neighbours": 1}, {"neighbours": 5}]
    (expert,) = library.load_study(study_name="test/toy/expert/42", storage=storage).trials
    assert (expert.params, expert.user_attrs["layers"]) == ({"epochs": 5}, layers)


def test_optuna_write_refuses_a_record_outside_its_space(folder: Path, tmp_path: Path) -> None:
    """A record that does not fit its search space ends in one message, and nothing is written."""
    path = folder / "trials.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"learning_rate"', '"learning_rat"', 1), encoding="utf-8")
    with pytest.raises(UserError, match="trial 0 does not fit the study's search space"):
        export("optuna", find_studies([folder]), tmp_path / "out", optuna.write)
    assert not (tmp_path / "out").exists()


def _kind(dimension: Any) -> str:
    if dimension.type == "int":
        return "FloatDistribution" if dimension.log else "IntDistribution"
    return {"float": "FloatDistribution"}.get(dimension.type, "CategoricalDistribution")


def _local(started: str) -> datetime:
    return datetime.fromisoformat(started).astimezone().replace(tzinfo=None)
