"""Searches whose trials are trained in batches: the same trials with the same numbers for any batch size."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from blindtune.config.systems import Tuned
from blindtune.config.training import Training
from blindtune.core.timing import total_wall_seconds
from blindtune.core.validation import load
from blindtune.datasets.prepared import Prepared
from blindtune.records.trial import Trial
from blindtune.search_space import Space
from blindtune.study import setup as plans
from blindtune.training.fused.trainer import FusedTrainer
from support.builders import build_tuner, check, finished_trial, tuner
from support.curve_trainer import BatchCurveTrainer, CurveTrainer, StudyRunner

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(currentThread|getName).*:DeprecationWarning",
    "ignore::UserWarning",
    "ignore::sklearn.exceptions.ConvergenceWarning",
)

#: Lists of numbers without conditions, which every algorithm takes; a fifth of the sets is invalid.
SPACE = """\
layers: {type: int, low: 1, high: 1}
learning_rate: {type: float, low: 0.01, high: 0.4, step: 0.01}
units: {type: int, low: 0, high: 4}
"""

#: By library and algorithm: more keys, and the largest group that the tuner hands out of 64 that are asked for.
FREE: dict[tuple[str, str], tuple[dict[str, Any], int]] = {
    ("keras-tuner", "random"): ({}, 30),
    ("keras-tuner", "hyperband"): ({}, 9),
    ("optuna", "random"): ({}, 30),
    ("optuna", "grid"): ({}, 30),
    ("scikit-learn", "parameter-sampler"): ({}, 30),
    ("scikit-learn", "parameter-grid"): ({}, 30),
    ("scikit-learn", "randomized-search"): ({}, 30),
    ("scikit-learn", "grid-search"): ({}, 30),
    ("scikit-learn", "halving-random-search"): ({}, 20),
    ("scikit-learn", "halving-grid-search"): ({}, 20),
    ("optuna", "tpe"): ({"batch": 8}, 8),
}

#: Those whose next set depends on the score of the last, or whose library waits for it.
ONE_BY_ONE: dict[tuple[str, str], dict[str, Any]] = {
    ("keras-tuner", "bayesian"): {},
    ("keras-tuner", "grid"): {},
    ("optuna", "tpe"): {},
    ("optuna", "tpe-2024"): {},
    ("optuna", "cma-es"): {},
    ("optuna", "random"): {"pruner": {"algorithm": "median"}},
}


def tuned(name: tuple[str, str], keys: dict[str, Any], **changes: Any) -> Tuned:
    library, algorithm = name
    content = {
        "kind": "tuner",
        "tuner": {"library": library, "algorithm": algorithm, **keys},
        "space": "mlp",
        "trainer": "pytorch",
        "training": Training(epochs=9, batch_size=20),
    }
    return Tuned.model_validate(content | changes)


class StudyFactory:
    """Runs studies, each in its own folder with its own trainer."""

    def __init__(self, data: Prepared, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._data, self._folder, self._patch = data, folder, patch
        self.space = folder / "space.yaml"
        self.space.write_text(SPACE, encoding="utf-8")

    def __call__(self, trainer: Any, system: Tuned, folder: str = "", **changes: Any) -> StudyRunner:
        runner = StudyRunner(self._data, self._folder / (folder or str(len(list(self._folder.iterdir())))))
        runner.files = {"space": self.space}
        self._patch.setattr(plans, "create_trainer", lambda settings, workers: trainer)
        runner(system, **({"budget": {"trials": 30}} | changes))
        return runner


@pytest.fixture
def run(data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFactory:
    return StudyFactory(data, tmp_path, monkeypatch)


@pytest.mark.parametrize("name", FREE, ids="-".join)
def test_search_records_do_not_depend_on_batch_size(run: StudyFactory, name: tuple[str, str]) -> None:
    """Batches of any size, whose trials end in any order, give the same records."""
    keys, largest = FREE[name]
    system = tuned(name, keys)
    outcomes = run(CurveTrainer(), system).outcomes()
    assert {outcome["status"] for outcome in outcomes} == {"completed", "invalid"}
    for at_once in (1, 3, 64):
        trainer = BatchCurveTrainer(at_once, seed=at_once)
        assert run(trainer, system).outcomes() == outcomes
        groups = trainer.groups
        assert max(groups) <= at_once
        invalid = sum(outcome["status"] == "invalid" for outcome in outcomes)
        assert sum(groups) == len(outcomes) - invalid
    assert largest - invalid <= max(groups) <= largest, "the tuner hands out what it can"


@pytest.mark.parametrize("name", ONE_BY_ONE, ids="-".join)
def test_search_gets_one_set_at_a_time_if_scores_decide(run: StudyFactory, name: tuple[str, str]) -> None:
    """A tuner whose next set depends on the last score gives one set at a time."""
    system, budget = tuned(name, ONE_BY_ONE[name]), {"trials": 12}
    trainer = BatchCurveTrainer(64)
    assert run(trainer, system, budget=budget).outcomes() == run(CurveTrainer(), system, budget=budget).outcomes()
    assert set(trainer.groups) == {1}


@pytest.mark.parametrize(
    "budget", [{"epochs": 40}, {"epochs": 41, "trials": 99}, {"trials": 7}, {"trials": 99, "seconds": 1000.0}]
)
@pytest.mark.parametrize("name", [("keras-tuner", "hyperband"), ("optuna", "random"), ("optuna", "tpe")], ids="-".join)
def test_search_spends_its_budget_exactly(run: StudyFactory, name: tuple[str, str], budget: dict[str, Any]) -> None:
    """Trials that end early leave epochs for others: sets of zero units cost one."""
    if name != ("keras-tuner", "hyperband"):
        epochs = "epochs: {type: int, low: 1, high: 9}\n"
        run.space.write_text(SPACE + epochs, encoding="utf-8")
    system = tuned(name, {"batch": 5} if name[1] == "tpe" else {})
    alone, many = (run(trainer, system, budget=budget) for trainer in (CurveTrainer(), BatchCurveTrainer(64)))
    assert many.outcomes() == alone.outcomes()
    spent = sum(max(1, trial.epochs) for trial in many.trials())
    assert spent <= budget.get("epochs", spent) and len(many.trials()) <= budget.get("trials", 99)


def test_budget_in_seconds_limits_the_batch_size(run: StudyFactory) -> None:
    """Within a budget in seconds, a batch has as many trials as fit by their mean seconds so far."""
    from blindtune.core.budget import Budget
    from blindtune.study.budget_tracker import BudgetTracker
    from support.builders import trial

    tracker = BudgetTracker(Budget(seconds=10))
    assert tracker.max_remaining_trials() == 1, "nothing is known yet"
    tracker.add(trial())
    assert tracker.max_remaining_trials() == int(8.5 / 1.5)
    tracker.add(trial(1).model_copy(update={"seconds": {}}))
    assert tracker.max_remaining_trials() == int(8.5 / 0.75)
    for number in range(2, 9):
        tracker.add(trial(number))
    assert tracker.max_remaining_trials() == 1
    system = tuned(("optuna", "random"), {})
    trainer = BatchCurveTrainer(64)
    runner = run(trainer, system, budget={"seconds": 1e-6})
    assert len(runner.trials()) == 1, "the group that is under way is finished, and it was one of one"


class _Killed(BaseException):
    pass


class _DyingTrainer(BatchCurveTrainer):
    """Dies in the middle of a group, after the first."""

    def train_batch(self, jobs: Any, train: Any, dev: Any) -> Any:
        for number, ended in enumerate(super().train_batch(jobs, train, dev)):
            if len(self.groups) > 1 and number == 1:
                raise _Killed
            yield ended


@pytest.mark.parametrize("name", [*FREE], ids="-".join)
def test_search_loses_at_most_one_batch_to_a_kill(run: StudyFactory, name: tuple[str, str]) -> None:
    """After a kill in the middle of a batch, the records are whole, in order, and the search ends the same."""
    system = tuned(name, FREE[name][0])
    outcomes = run(CurveTrainer(), system).outcomes()
    with pytest.raises(_Killed):
        run(_DyingTrainer(8), system, folder="killed")
    runner = StudyRunner(run._data, run._folder / "killed")
    numbers = [trial.number for trial in runner.trials()]
    assert numbers == list(range(len(numbers))) and 8 <= len(numbers) < 30, "the records are whole and in order"
    for at_once in (64, 3):
        runner = run(BatchCurveTrainer(at_once, seed=9), system, folder="killed")
        assert runner.outcomes() == outcomes
        runner.cut(runner.ends()[10] + 5)
    assert run(CurveTrainer(), system, folder="killed").outcomes() == outcomes


def test_larger_budget_goes_on_within_a_batch(run: StudyFactory) -> None:
    """A search whose budget ended within a batch goes on there when the budget is raised."""
    system = tuned(("optuna", "tpe"), {"batch": 8})
    whole = run(BatchCurveTrainer(64), system, budget={"trials": 29}).outcomes()
    run(BatchCurveTrainer(64), system, folder="grows", budget={"trials": 13})
    assert run(BatchCurveTrainer(3), system, folder="grows", budget={"trials": 29}).outcomes() == whole


def test_batch_size_changes_the_search_of_tpe_only(run: StudyFactory) -> None:
    """Another batch size of TPE makes another search; other algorithms refuse the key."""
    one, eight = (run(CurveTrainer(), tuned(("optuna", "tpe"), {"batch": size})).outcomes() for size in (1, 8))
    assert [outcome["hyperparameters"] for outcome in one] != [outcome["hyperparameters"] for outcome in eight]
    space = load(Space, run.space)
    for keys, words in (
        ({"algorithm": "random"}, "batch: belongs to tpe; random"),
        ({"algorithm": "tpe-2024"}, "batch: belongs to tpe; tpe-2024"),
        ({"algorithm": "tpe", "pruner": {"algorithm": "median"}}, "batch: a pruner compares"),
    ):
        settings = Tuned.model_validate(
            {"kind": "tuner", "tuner": {"library": "optuna", "batch": 2, **keys}, "space": "mlp"}
        ).tuner
        with pytest.raises(ValueError, match=words):
            check(settings, space)


def test_tuner_is_told_in_the_order_of_its_proposals() -> None:
    """Scores belong to proposals in the order in which they were asked for."""
    space = Space.model_validate(
        {"units": {"type": "int", "low": 1, "high": 9}, "layers": {"type": "int", "low": 1, "high": 1}}
    )
    for name in (("keras-tuner", "random"), ("optuna", "random"), ("scikit-learn", "randomized-search")):
        made = build_tuner(tuner(*name), space, 6)
        asked = made.ask_batch(4)
        assert len(asked) == 4
        for number in range(4):
            made.tell(finished_trial(0.1 * number))
        assert len(made.ask_batch(64)) == (64 if name[0] == "optuna" else 2)
    optuna: Any = build_tuner(tuner("optuna", "random"), space, 6)
    sets = [proposal.hyperparameters["units"] for proposal in optuna.ask_batch(3)]
    for number in range(3):
        optuna.tell(finished_trial(0.1 * number))
    assert [(trial.params["units"], trial.value) for trial in optuna._study.trials] == [
        (units, pytest.approx(0.1 * number)) for number, units in enumerate(sets)
    ]


# --- the fused trainer itself

NETWORKS = """\
layers: {type: int, low: 0, high: 2}
units: {type: int, low: 0, high: 20, repeat: layers}
activation: {type: choice, options: [relu, tanh, exponential], repeat: layers}
learning_rate: {type: float, low: 0.001, high: 1000.0, log: true}
dropout_rate: {type: float, low: 0.0, high: 0.5, step: 0.25}
optimizer: {type: choice, options: [adam, sgd]}
output_activation: {type: choice, options: [linear, softmax]}
"""


@pytest.mark.parametrize("name", [("optuna", "random"), ("scikit-learn", "halving-random-search")], ids="-".join)
@pytest.mark.parametrize("score_epoch", ["last", "best"])
def test_fused_study_does_not_depend_on_batch_size(run: StudyFactory, name: tuple[str, str], score_epoch: str) -> None:
    """The fused trainer gives the same records for batches of 1, 3 and 64 trials, killed or not."""
    run.space.write_text(NETWORKS, encoding="utf-8")
    system = tuned(name, {}, trainer="fused", training=Training(epochs=4, batch_size=20))
    runs = []
    for at_once in (1, 3, 64):
        trainer = FusedTrainer()
        trainer.max_batch = at_once
        runs.append(run(trainer, system, score_epoch=score_epoch, keep_best=3))
    first, *others = (runner.outcomes() for runner in runs)
    assert others == [first, first]
    assert {outcome["status"] for outcome in first} >= {"completed", "invalid", "diverged"}
    trials = runs[-1].trials()
    assert all(total_wall_seconds(trial.seconds) > 0 for trial in trials)
    assert any(trial.trained_before for trial in trials) == (name[0] == "scikit-learn")
    runs[-1].cut(runs[-1].ends()[7])
    trainer = FusedTrainer()
    assert run(trainer, system, folder=runs[-1].folder.name, score_epoch=score_epoch, keep_best=3).outcomes() == first


def test_native_and_fused_trainer_write_the_same_record(run: StudyFactory) -> None:
    """The two trainers write the same fields, and curves that agree up to rounding."""
    from blindtune.training.pytorch import PyTorchTrainer

    system = tuned(("optuna", "random"), {})
    native, fused = (run(kind(), system, budget={"trials": 6}).trials() for kind in (PyTorchTrainer, FusedTrainer))
    for one, other in zip(native, fused, strict=True):
        assert shape_of(one) == shape_of(other)
        assert one.hyperparameters == other.hyperparameters and one.seeds == other.seeds
        for epoch, same in zip(one.curve, other.curve, strict=True):
            assert epoch.model_dump() == pytest.approx(same.model_dump(), rel=1e-3, abs=1e-4)


def shape_of(trial: Trial) -> dict[str, Any]:
    """The fields of a record with the types of their values."""
    content = trial.model_dump(mode="json")
    names = {"seconds": sorted(content["seconds"]), "seeds": sorted(content["seeds"]), "epochs": len(content["curve"])}
    fields = ("status", "n_parameters", "exceptions", "scored_epoch")
    return {name: type(value).__name__ for name, value in content.items()} | names | {n: content[n] for n in fields}


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        (("keras-tuner", "hyperband"), {}),
        (("scikit-learn", "halving-random-search"), {}),
        (("optuna", "random"), {"pruner": {"algorithm": "median", "n_startup_trials": 2}}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_trials_that_end_early_are_the_same_after_a_kill(
    run: StudyFactory, name: tuple[str, str], keys: dict[str, Any]
) -> None:
    """With early stopping and a plateau, promoted and pruned trials are the same in a study that was killed."""
    space = "layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 1, high: 20, repeat: layers}\n"
    run.space.write_text(space + "learning_rate: {type: float, low: 0.01, high: 3.0, log: true}\n", encoding="utf-8")
    settings = {"epochs": 9, "batch_size": 20, "schedule": "plateau", "schedule_epochs": 1, "schedule_factor": 0.5}
    system, plain = (
        tuned(name, keys, trainer="fused", training=Training.model_validate(settings | more))
        for more in ({"early_stopping": 1}, {})
    )
    budget = {"trials": 18}
    whole = run(FusedTrainer(), system, budget=budget)
    expected, trials = whole.outcomes(), whole.trials()
    longer = run(FusedTrainer(), plain, budget=budget).trials()
    assert sum(trial.epochs for trial in trials) < sum(trial.epochs for trial in longer)
    assert any(trial.trained_before for trial in trials) == (name[0] != "optuna")
    assert any(trial.status == "pruned" for trial in trials) == (name[0] == "optuna")
    ends = whole.ends()
    for number in (4, len(ends) // 2, len(ends) - 2):
        whole.cut(ends[number])
        # The states are lost too: each is trained again from the records.
        shutil.rmtree(whole.folder / "states", ignore_errors=True)
        assert run(FusedTrainer(), system, folder=whole.folder.name, budget=budget).outcomes() == expected
