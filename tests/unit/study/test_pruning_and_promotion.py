"""Studies whose trials are pruned or promoted: whole budgets, and the same records after any interruption."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from blindtune.config.systems import Tuned
from blindtune.config.training import Training
from blindtune.datasets.prepared import Prepared
from blindtune.study import setup as plans
from support.curve_trainer import CurveTrainer, StudyRunner
from support.engines import ENGINE_ALGORITHMS, marks_of

#: Keras Tuner asks for the name of its thread in an old way; Optuna calls two of its arguments experimental.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(currentThread|getName).*:DeprecationWarning",
    "ignore::UserWarning",
    "ignore::sklearn.exceptions.ConvergenceWarning",
)

#: Lists of numbers without conditions, which every algorithm takes; 0 units are invalid, and half of the sets.
HALF_INVALID = """\
layers: {type: int, low: 1, high: 1}
learning_rate: {type: float, low: 0.01, high: 0.4, step: 0.01}
units: {type: int, low: 0, high: 1}
"""

EPOCHS = 9
HYPERBAND = {"library": "keras-tuner", "algorithm": "hyperband"}
PRUNERS = ["median", "successive-halving", "hyperband"]
OPTUNA = ["random", "tpe", "tpe-2024", "grid", "cma-es", "gp"]
SEARCHES: list[dict[str, Any]] = [
    *({"library": "keras-tuner", "algorithm": name} for name in ("random", "bayesian", "grid", "hyperband")),
    *(
        {"library": "optuna", "algorithm": name, "pruner": {"algorithm": pruner}}
        for name in OPTUNA
        for pruner in ["none", *PRUNERS]
    ),
    *({"library": "optuna", "algorithm": name, "objectives": ["dev_error", "n_parameters"]} for name in ("tpe", "gp")),
    *({"library": "scikit-learn", "algorithm": name} for name in ("parameter-sampler", "parameter-grid")),
]
#: Of the optional engines; NNI's own pruner combines with what is no pruner itself.
ENGINE_SEARCHES: list[dict[str, Any]] = [
    *({"library": library, "algorithm": name} for library, names in ENGINE_ALGORITHMS.items() for name in names),
    *(
        {"library": "ray-tune", "algorithm": name, "pruner": {"algorithm": pruner}}
        for name in ("random", "hyperopt")
        for pruner in ("asha", "median")
    ),
    *({"library": "nni", "algorithm": name, "pruner": {"algorithm": "median"}} for name in ("random", "tpe")),
    {"library": "vizier", "algorithm": "nsga2", "objectives": ["dev_error", "n_parameters"]},
]


def name_of(tuner: dict[str, Any]) -> str:
    more = [tuner["pruner"]["algorithm"]] if "pruner" in tuner else ["two"] if "objectives" in tuner else []
    return "-".join([tuner["library"], tuner["algorithm"], *more])


def tuned(tuner: dict[str, Any], epochs: int = EPOCHS, **changes: Any) -> Tuned:
    training = Training(epochs=epochs, batch_size=20)
    return Tuned.model_validate({"kind": "tuner", "tuner": tuner, "space": "mlp", "training": training, **changes})


@pytest.fixture
def runner(data: Prepared, tmp_path: Path) -> StudyRunner:
    made = StudyRunner(data, tmp_path / "study")
    made.files = {"space": tmp_path / "space.yaml"}
    made.files["space"].write_text(HALF_INVALID, encoding="utf-8")
    return made


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> CurveTrainer:
    made = CurveTrainer()
    monkeypatch.setattr(plans, "create_trainer", lambda settings, workers: made)
    return made


def count_for(tuner: dict[str, Any]) -> int:
    """Gaussian processes are slow; both begin after nine or ten sets. Ray's grid has the invalid half first."""
    if (tuner["library"], tuner["algorithm"]) == ("ray-tune", "grid"):
        return 79
    return {"bayesian": 11, "gp": 11, "forest": 16}.get(tuner["algorithm"], 40)


@pytest.mark.parametrize(
    "tuner",
    [
        *(pytest.param(tuner, id=name_of(tuner)) for tuner in SEARCHES),
        *(pytest.param(tuner, id=name_of(tuner), marks=marks_of(tuner["library"])) for tuner in ENGINE_SEARCHES),
    ],
)
def test_search_spends_its_budget_on_half_invalid_sets(
    runner: StudyRunner, trainer: CurveTrainer, tuner: dict[str, Any]
) -> None:
    """The whole budget is spent although half of the sets are invalid."""
    count = count_for(tuner)
    card = runner(tuned(tuner), budget={"trials": count})
    assert card.spent.trials == count and not card.exhausted
    assert min(card.statuses["invalid"], card.statuses["completed"]) > 0
    assert sum(card.statuses.values()) == count
    assert card.dev_error == min(trial.score for trial in runner.trials() if trial.score is not None)


@pytest.mark.parametrize("budget", [{"epochs": 60}, {"trials": 12, "epochs": 200}, {"trials": 99, "seconds": 1000.0}])
@pytest.mark.parametrize("tuner", [HYPERBAND, SEARCHES[6]], ids=name_of)
def test_search_ends_at_the_first_limit(
    runner: StudyRunner, trainer: CurveTrainer, tuner: dict[str, Any], budget: dict[str, Any]
) -> None:
    """Budgets in trials, epochs, seconds and several of them end at the first limit."""
    runner(tuned(tuner), budget=budget)
    trials = runner.trials()
    spent = sum(max(1, trial.epochs) for trial in trials)
    assert len(trials) <= budget.get("trials", spent) and spent <= budget.get("epochs", spent)
    if "trials" in budget:
        assert len(trials) == budget["trials"]
    else:
        assert spent > budget["epochs"] - EPOCHS


def test_hyperband_resumes_promoted_trials(runner: StudyRunner, trainer: CurveTrainer) -> None:
    """A promoted trial continues the training of its parent."""
    runner.files["space"].write_text(HALF_INVALID.replace("low: 0, high: 1}", "low: 1, high: 9}"), encoding="utf-8")
    card = runner(tuned(HYPERBAND | {"hyperband_iterations": 1}), budget={"trials": 99})
    trials = runner.trials()
    assert card.exhausted and len(trials) == 23
    assert sum(trial.epochs for trial in trials) == 75
    promoted = [trial for trial in trials if trial.parent is not None]
    assert [trial.number for trial in promoted] == [9, 10, 11, 12, 18, 19]
    for trial in promoted:
        parent = trials[int(str(trial.parent))]
        assert trial.trained_before == parent.trained_before + parent.epochs > 0
        assert (trial.hyperparameters, trial.seeds) == (parent.hyperparameters, parent.seeds)
    assert trainer.trained == 75, "nothing is trained twice"
    assert not (runner.folder / "states").exists()


@pytest.mark.parametrize(
    "tuner", [HYPERBAND, *({"library": "optuna", "algorithm": "tpe", "pruner": {"algorithm": p}} for p in PRUNERS)]
)
def test_killed_study_ends_the_same(runner: StudyRunner, trainer: CurveTrainer, tuner: dict[str, Any]) -> None:
    """Cut after any record or within one, a study that prunes or promotes ends with the same records."""
    system, budget = tuned(tuner), {"trials": 30}
    card, outcomes, log, ends = runner(system, budget=budget), runner.outcomes(), runner.log(), runner.ends()
    pruned = {record["status"] for record in outcomes} >= {"pruned"}
    assert pruned or any(record["parent"] is not None for record in outcomes)
    for cut in [0, *ends[::3], ends[9] + 5, ends[12] - 1]:
        (runner.folder / "trials.jsonl").write_bytes(log)
        runner.cut(cut)
        assert runner(system, budget=budget).frozen_sha256() == card.frozen_sha256()
        assert runner.outcomes() == outcomes
        kept = max([0, *(end for end in ends if end <= cut)])
        assert runner.log()[:kept] == log[:kept], "no record was rewritten"


def test_pruned_trials_are_recorded_with_their_reason(runner: StudyRunner, trainer: CurveTrainer) -> None:
    """A pruned trial has its pruner as the reason, the epochs of its rung, and no score."""
    tuner = {"library": "optuna", "algorithm": "tpe", "pruner": {"algorithm": "hyperband"}}
    runner(tuned(tuner), budget={"trials": 40})
    pruned = [trial for trial in runner.trials() if trial.status == "pruned"]
    assert {trial.reason for trial in pruned} == {"Optuna's hyperband pruner"}
    assert {trial.epochs for trial in pruned} == {1, 3} and all(trial.score is None for trial in pruned)


def test_killed_hyperband_study_ends_the_same(runner: StudyRunner) -> None:
    """The real thing, small: rounds of 1, 2 and 4 epochs in PyTorch, with the states of promoted trials or without."""
    runner.files["space"].write_text(
        "layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 2, high: 9, repeat: layers}\n"
        "learning_rate: {type: float, low: 0.001, high: 0.1, log: true}\n",
        encoding="utf-8",
    )
    system = tuned(HYPERBAND | {"factor": 2, "hyperband_iterations": 1}, epochs=4, trainer="pytorch")
    card, outcomes, log = runner(system, budget={"trials": 99}), runner.outcomes(), runner.log()
    trials, ends = runner.trials(), runner.ends()
    assert [trial.trained_before + trial.epochs for trial in trials] == [1] * 4 + [2] * 2 + [4] + [2] * 3 + [4] * 5
    assert [trial.trained_before for trial in trials] == [0] * 4 + [1] * 2 + [2] + [0] * 3 + [2] * 2 + [0] * 3
    for cut in [ends[1], ends[3] + 30, ends[5], ends[6] - 1, ends[9], ends[-1]]:
        (runner.folder / "trials.jsonl").write_bytes(log)
        runner.cut(cut)
        shutil.rmtree(runner.folder / "states", ignore_errors=True)
        assert runner(system, budget={"trials": 99}).frozen_sha256() == card.frozen_sha256()
        assert runner.outcomes() == outcomes
