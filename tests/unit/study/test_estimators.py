"""Searches over estimators: with every library, resumed, cross-validated, frozen as a recipe and rebuilt."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from blindtune.config.systems import System, Tuned
from blindtune.core.errors import UserError
from blindtune.core.job_log import JobLog
from blindtune.datasets.prepared import Prepared
from blindtune.decoding.frozen_model import FrozenModel
from blindtune.records.model_card import ModelCard, read_card, write_card
from blindtune.records.trial import TrialLog
from blindtune.study.run import run_study
from support.builders import prepared, study

#: One tuner of each library, and a list of sets.
TUNERS: dict[str, dict[str, Any]] = {
    "optuna": {"library": "optuna", "algorithm": "tpe"},
    "keras-tuner": {"library": "keras-tuner", "algorithm": "bayesian"},
    "scikit-learn": {"library": "scikit-learn", "algorithm": "randomized-search"},
    "hyperband": {"library": "keras-tuner", "algorithm": "hyperband"},
    "halving": {"library": "scikit-learn", "algorithm": "halving-random-search"},
    "list": {"library": "scikit-learn", "algorithm": "parameter-sampler"},
}

pytestmark = pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Return a prepared toy dataset."""
    return prepared(tmp_path_factory.mktemp("toy"), train=60, dev=30)


def tuned(tuner: str, **changes: Any) -> Tuned:
    """Return a tuner of support vector machines."""
    content = {"kind": "tuner", "tuner": TUNERS[tuner], "space": "svc", "estimator": "svc", **changes}
    return Tuned.model_validate(content)


def run(settings: Tuned, data: Prepared, folder: Path, trials: int = 7, workers: int = 1) -> ModelCard:
    """Run a study and return its card."""
    return run_study(
        study(settings, budget={"trials": trials}),
        data,
        files=settings.files(),
        code="code",
        folder=folder,
        job_log=JobLog(),
        workers=workers,
    )


def records(folder: Path) -> list[dict[str, object]]:
    """Return what the records of a study say that must not differ from run to run."""
    return [trial.reproducible_fields() for trial in TrialLog(folder / "trials.jsonl").read()]


@pytest.mark.parametrize("folds", [None, 2])
@pytest.mark.parametrize("tuner", ["optuna", "keras-tuner", "scikit-learn", "list"])
def test_estimator_is_searched_and_frozen(data: Prepared, tmp_path: Path, tuner: str, folds: int | None) -> None:
    """Every library searches an estimator on dev or on folds; the recipe gives the frozen model again."""
    settings = tuned(tuner, folds=folds)
    card = run(settings, data, tmp_path)
    trials = TrialLog(tmp_path / "trials.jsonl").read()
    assert [trial.fold for trial in trials] == ([0, 1] * 3 + [None] if folds else [None] * 7)
    assert card.estimator is not None and card.architecture is None and card.training is None and card.weights is None
    assert card.estimator.steps == ("sklearn.svm.SVC",)
    assert card.estimator.parameters == card.hyperparameters
    assert card.versions["scikit-learn"] == card.estimator.libraries["scikit-learn"]
    model = FrozenModel(read_card(tmp_path / "card.json"), tmp_path, data)
    assert np.mean(model.predict(data.dev.x) != data.dev.y) == card.dev_error
    if folds:
        means = [np.mean([trial.score for trial in trials[at : at + 2]]) for at in (0, 2, 4)]
        assert trials[-1].hyperparameters == trials[2 * int(np.argmin(means))].hyperparameters


@pytest.mark.parametrize("folds", [None, 2])
@pytest.mark.parametrize("tuner", ["optuna", "keras-tuner"])
def test_resumed_search_ends_with_the_same_records(
    data: Prepared, tmp_path: Path, tuner: str, folds: int | None
) -> None:
    """A search that lost its last records, in the middle of a set too, ends with the same ones."""
    settings = tuned(tuner, folds=folds)
    run(settings, data, tmp_path)
    expected = records(tmp_path)
    path = tmp_path / "trials.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for kept in (3, 6):
        path.write_text("".join(lines[:kept]), encoding="utf-8")
        run(settings, data, tmp_path)
        assert records(tmp_path) == expected


@pytest.mark.parametrize("tuner", ["hyperband", "halving"])
def test_parts_of_train_are_allocated(data: Prepared, tmp_path: Path, tuner: str) -> None:
    """Hyperband and halving fit many sets on a part of train and the better ones on more; each fit starts anew."""
    settings = tuned(tuner, parts=9)
    card = run(settings, data, tmp_path, 13)
    trials = TrialLog(tmp_path / "trials.jsonl").read()
    assert {trial.epochs for trial in trials} >= {1, 3}
    assert all(trial.trained_before == 0 for trial in trials)
    assert any(trial.parent is not None and trial.epochs > trials[trial.parent].epochs for trial in trials)
    assert card.spent.epochs == sum(trial.epochs for trial in trials)
    chosen = trials[card.trial or 0]
    assert card.estimator is not None
    assert (card.estimator.parts, card.estimator.fitted_parts) == (9, chosen.epochs)
    model = FrozenModel(read_card(tmp_path / "card.json"), tmp_path, data)
    assert np.mean(model.predict(data.dev.x) != data.dev.y) == card.dev_error
    expected, path = records(tmp_path), tmp_path / "trials.jsonl"
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:10]), encoding="utf-8")
    run(settings, data, tmp_path, 13)
    assert records(tmp_path) == expected


def test_halving_plans_what_it_spends(data: Prepared, tmp_path: Path) -> None:
    """A budget in epochs, here parts of train, covers the whole search, though nothing is resumed."""
    settings = tuned("halving", parts=9)
    it = study(settings, budget={"epochs": 40})
    card = run_study(it, data, files=settings.files(), code="code", folder=tmp_path, job_log=JobLog())
    trials = TrialLog(tmp_path / "trials.jsonl").read()
    assert card.spent.epochs <= 40 and trials[-1].epochs == 9


def test_workers_change_no_record(data: Prepared, tmp_path: Path) -> None:
    """Two workers give the records of one, for an estimator that could use several cores itself."""
    settings = tuned("list", estimator="random_forest", space="random_forest")
    cards = [run(settings, data, tmp_path / str(workers), 4, workers) for workers in (1, 2)]
    assert records(tmp_path / "1") == records(tmp_path / "2")
    assert cards[0].frozen_sha256() == cards[1].frozen_sha256()


def test_failures_and_warnings_are_recorded(data: Prepared, tmp_path: Path) -> None:
    """A set whose fit fails is recorded with its reason, one that warns with its warning; the search goes on."""
    path = tmp_path / "space.yaml"
    path.write_text(
        "fail: {type: bool}\nwarn: {type: bool, when: {fail: [false]}}\n"
        "shift: {type: int, low: 0, high: 3, when: {fail: [false]}}\n",
        encoding="utf-8",
    )
    settings = tuned("optuna", estimator="support.own_estimators.Majority", space=str(path))
    card = run(settings, data, tmp_path / "study", 12)
    trials = TrialLog(tmp_path / "study" / "trials.jsonl").read()
    failed = [trial for trial in trials if trial.status == "failed"]
    assert failed and {trial.reason for trial in failed} == {"FloatingPointError: the fit overflows"}
    for trial in trials:
        warned = ["ConvergenceWarning: 3 iterations were not enough"] if trial.hyperparameters.get("warn") else []
        assert trial.exceptions == warned
    assert card.statuses["failed"] == len(failed)


def test_identity_holds_the_recipe(data: Prepared, tmp_path: Path) -> None:
    """Another class, argument or version of the library is another frozen model."""
    card = run(tuned("list"), data, tmp_path, 2)
    assert card.estimator is not None
    recipe = card.estimator
    others = [
        recipe.model_copy(update={"steps": ("sklearn.svm.NuSVC",)}),
        recipe.model_copy(update={"parameters": {**recipe.parameters, "tol": 0.1}}),
        recipe.model_copy(update={"libraries": {"scikit-learn": "1.0"}}),
    ]
    identities = {card.model_copy(update={"estimator": other}).frozen_sha256() for other in others}
    assert len(identities | {card.frozen_sha256()}) == 4


def test_other_version_is_refused_by_decode(data: Prepared, tmp_path: Path) -> None:
    """A model that another version of its library fitted is not decoded."""
    card = run(tuned("list"), data, tmp_path, 2)
    assert card.estimator is not None
    other = card.estimator.model_copy(update={"libraries": {"scikit-learn": "1.0"}})
    write_card(tmp_path / "card.json", card.model_copy(update={"estimator": other}))
    with pytest.raises(UserError, match=r"was fitted with scikit-learn 1\.0"):
        _ = FrozenModel(read_card(tmp_path / "card.json"), tmp_path, data).model


def test_network_records_have_no_new_fields(data: Prepared, tmp_path: Path) -> None:
    """The settings, protocol and card of a network are what they were before there were estimators."""
    content = {"kind": "tuner", "tuner": TUNERS["list"], "space": "mlp", "trainer": "fused", "training": {"epochs": 1}}
    settings = Tuned.model_validate(content)
    assert not {"estimator", "arguments", "folds"} & set(settings.model_dump())
    card = run(settings, data, tmp_path, 1)
    text = (tmp_path / "protocol.json").read_text(encoding="utf-8") + card.model_dump_json()
    assert not any(f'"{key}"' in text for key in ("estimator", "arguments"))
    assert '"folds"' not in card.model_copy(update={"settings": {}}).model_dump_json()


@pytest.mark.parametrize("settings", [tuned("optuna", folds=3, arguments={"tol": 0.01}), tuned("list")])
def test_settings_survive_a_round_trip(settings: Tuned) -> None:
    """What a card or a job holds of a system is read back as the same system."""
    content = settings.model_dump(mode="json")
    assert TypeAdapter[System](System).validate_python(content) == settings
    assert not {"family", "trainer", "training", "invalid_layers"} & set(content)
