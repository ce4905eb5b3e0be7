"""Optuna's pruners and several objectives, in addition to the tests of every tuner."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from blindtune.search_space import Hyperparameters, Space
from blindtune.tuners.base import Proposal, Tuner
from blindtune.tuners.optuna.config import OptunaConfig
from blindtune.tuners.optuna.pruners import PrunerConfig
from blindtune.tuners.optuna.sampler import create_sampler, suggest
from support.builders import build_tuner, check, finished_trial
from support.curve_trainer import curve_error

#: Optuna calls two of its arguments experimental.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SPACE = Space.model_validate(
    {
        "units": {"type": "int", "low": 0, "high": 31},
        "rate": {"type": "float", "low": 0.1, "high": 0.5},
        "learning_rate": {"type": "float", "low": 0.0001, "high": 0.1, "log": True},
    }
)
EPOCHS = 9
PRUNERS: dict[str, dict[str, Any]] = {
    "median": {"algorithm": "median"},
    "median-late": {"algorithm": "median", "n_startup_trials": 2, "n_warmup_steps": 4},
    "successive-halving": {"algorithm": "successive-halving"},
    "successive-halving-late": {"algorithm": "successive-halving", "min_resource": 2, "reduction_factor": 2},
    "hyperband": {"algorithm": "hyperband"},
    "hyperband-late": {"algorithm": "hyperband", "min_resource": 2, "reduction_factor": 2},
}


def make_config(algorithm: str = "tpe", pruner: dict[str, Any] | None = None, **arguments: Any) -> OptunaConfig:
    made = TypeAdapter[Any](PrunerConfig).validate_python(pruner or {"algorithm": "none"})
    return OptunaConfig(library="optuna", algorithm=algorithm, pruner=made, **arguments)  # type: ignore[arg-type]


def invalid(values: Hyperparameters) -> bool:
    return int(values["units"]) % 4 == 0


def train(tuner: Tuner, proposal: Proposal) -> Any:
    """Train as a study does: report every epoch, and stop at a pruning unless it is the last epoch."""
    values = proposal.hyperparameters
    if invalid(values):
        return finished_trial(None, curve=[], hyperparameters=values)
    curve: list[float] = []
    for epoch in range(1, EPOCHS + 1):
        curve.append(curve_error(values, epoch))
        if tuner.report(epoch, curve[-1]) and epoch < EPOCHS:
            return finished_trial(None, status="pruned", curve=curve, n_parameters=10, hyperparameters=values)
    return finished_trial(curve[-1], curve=curve, n_parameters=10, hyperparameters=values)


def search(tuner: Tuner, count: int) -> Iterator[Any]:
    for _ in range(count):
        proposal = tuner.ask()
        assert proposal is not None
        made = train(tuner, proposal)
        yield made
        tuner.tell(made)


def reproducible_fields(made: Any) -> tuple[Hyperparameters, str, list[float]]:
    return made.hyperparameters, made.status, made.curve


def plain_study(algorithm: str, pruner: Any, count: int) -> Any:
    """Run the same search as a user of Optuna writes it."""
    import optuna

    def objective(trial: Any) -> float:
        values = SPACE.snap(suggest(trial, SPACE))
        if invalid(values):
            return 1.0
        for epoch in range(1, EPOCHS + 1):
            trial.report(curve_error(values, epoch), epoch)
            if trial.should_prune() and epoch < EPOCHS:
                raise optuna.TrialPruned
        return curve_error(values, EPOCHS)

    study = optuna.create_study(
        study_name="blindtune", sampler=create_sampler(make_config(algorithm), SPACE, 42), pruner=pruner
    )
    study.optimize(objective, n_trials=count)
    return study


def library_pruner(name: str) -> Any:
    from optuna import pruners

    return {
        "median": pruners.MedianPruner(),
        "median-late": pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=4),
        "successive-halving": pruners.SuccessiveHalvingPruner(),
        "successive-halving-late": pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=2),
        "hyperband": pruners.HyperbandPruner(max_resource=EPOCHS),
        "hyperband-late": pruners.HyperbandPruner(min_resource=2, max_resource=EPOCHS, reduction_factor=2),
    }[name]


@pytest.mark.parametrize("algorithm", ["random", "tpe", "cma-es"])
@pytest.mark.parametrize("name", PRUNERS)
def test_report_prunes_like_a_plain_study(name: str, algorithm: str) -> None:
    """The tuner prunes what a plain study of Optuna prunes."""
    ours = list(search(build_tuner(make_config(algorithm, PRUNERS[name]), SPACE, 60, epochs=EPOCHS), 60))
    theirs = plain_study(algorithm, library_pruner(name), 60).trials
    assert [made.hyperparameters for made in ours] == [SPACE.snap(trial.params) for trial in theirs]
    assert [made.status == "pruned" for made in ours] == [trial.state.name == "PRUNED" for trial in theirs]
    assert [made.curve for made in ours] == [list(trial.intermediate_values.values()) for trial in theirs]
    assert {made.status for made in ours} == {"completed", "pruned", "invalid"}


@pytest.mark.parametrize("name", PRUNERS)
def test_replay_continues_with_same_prunings(name: str) -> None:
    """A study that replays any number of records goes on with the same prunings."""
    made = make_config("tpe", PRUNERS[name])
    whole = list(search(build_tuner(made, SPACE, 30, epochs=EPOCHS), 30))
    assert any(record.status == "pruned" for record in whole)
    for cut in range(0, 31, 3):
        tuner = build_tuner(made, SPACE, 30, epochs=EPOCHS)
        for record in whole[:cut]:
            assert tuner.replay(record) == Proposal(record.hyperparameters)
            for epoch, error in enumerate(record.curve, 1):
                tuner.report(epoch, error)
            tuner.tell(record)
        assert list(map(reproducible_fields, search(tuner, 30 - cut))) == list(map(reproducible_fields, whole[cut:]))


def test_report_prunes_nothing_without_pruner() -> None:
    """Without a pruner no trial is pruned."""
    assert {made.status for made in search(build_tuner(make_config(), SPACE, 30), 30)} == {"completed", "invalid"}


@pytest.mark.parametrize("name", PRUNERS)
def test_report_names_the_pruner(name: str) -> None:
    """The reason of a pruned trial names the pruner."""
    tuner = build_tuner(make_config("random", PRUNERS[name]), SPACE, 60)
    reasons = set()
    for error in [0.1] * 6 + [0.9] * 30:
        assert tuner.ask() is not None
        reasons |= {tuner.report(epoch, error) for epoch in range(1, EPOCHS + 1)}
        tuner.tell(finished_trial(error))
    assert reasons == {None, f"Optuna's {PRUNERS[name]['algorithm']} pruner"}


def test_hyperband_pruner_steps_are_epochs() -> None:
    """A step is an epoch: Hyperband prunes at its rungs."""
    pruned = [
        len(made.curve)
        for made in search(build_tuner(make_config("random", PRUNERS["hyperband"]), SPACE, 90), 90)
        if made.status == "pruned"
    ]
    assert set(pruned) == {1, 3}


def test_pruner_defaults_are_those_of_optuna() -> None:
    """Arguments that the config leaves out have Optuna's defaults."""
    from optuna import pruners

    kinds = {"median": pruners.MedianPruner, "successive-halving": pruners.SuccessiveHalvingPruner}
    for algorithm, kind in (kinds | {"hyperband": pruners.HyperbandPruner}).items():
        made = (
            TypeAdapter[Any](PrunerConfig).validate_python({"algorithm": algorithm}).model_dump(exclude={"algorithm"})
        )
        known = {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}
        for name, value in made.items():
            assert known[name] == ("auto" if value is None else value), (algorithm, name)


def test_tell_states_of_failed_and_pruned_trials() -> None:
    """A failed trial is told as complete with the worst error, a pruned one as pruned."""
    tuner: Any = build_tuner(make_config("tpe", PRUNERS["median"]), SPACE, 40)
    records = list(search(tuner, 40))
    for record, trial in zip(records, tuner._study.trials, strict=True):
        assert trial.state.name == ("PRUNED" if record.status == "pruned" else "COMPLETE")
        assert trial.value == (record.curve[-1] if record.curve else 1.0)


# --- several objectives

BOTH = ["dev_error", "n_parameters"]


@pytest.mark.parametrize("algorithm", ["random", "tpe", "tpe-2024", "gp"])
def test_tell_passes_both_objectives(algorithm: str) -> None:
    """Both of two objectives are told."""
    tuner: Any = build_tuner(make_config(algorithm, objectives=BOTH), SPACE, 12)
    expected = []
    for number in range(12):
        proposal = tuner.ask()
        if number % 3 == 0:
            tuner.tell(finished_trial(None))
        else:
            tuner.tell(finished_trial(0.1 * number, n_parameters=100 - number))
            assert tuner.report(1, 0.5) is None
        expected.append([1.0, 99] if number % 3 == 0 else [0.1 * number, 100 - number])
        assert proposal is not None
    expected[0] = [1.0, 1_000_000_000]
    assert [trial.values for trial in tuner._study.trials] == expected
    front = {trial.number for trial in tuner._study.best_trials}
    assert front == {number for number in range(12) if number % 3}, "nothing that failed is on it"


def test_small_failed_network_is_not_optimal() -> None:
    """A failed network is not Pareto-optimal because it is small."""
    tuner: Any = build_tuner(make_config("tpe", objectives=BOTH), SPACE, 3)
    for record in (
        finished_trial(0.5, n_parameters=1000),
        finished_trial(None, status="diverged", n_parameters=1),
        finished_trial(0.4, n_parameters=900),
    ):
        tuner.ask()
        tuner.tell(record)
    assert [trial.values for trial in tuner._study.trials] == [[0.5, 1000], [1.0, 1000], [0.4, 900]]
    assert [trial.number for trial in tuner._study.best_trials] == [2]


def test_second_objective_steers() -> None:
    """The second objective changes the proposals."""

    def run(weight: int) -> list[Hyperparameters]:
        tuner = build_tuner(make_config("tpe", objectives=BOTH), SPACE, 60)
        made = []
        for _ in range(60):
            proposal = tuner.ask()
            assert proposal is not None
            values = proposal.hyperparameters
            made.append(values)
            tuner.tell(finished_trial(0.3, n_parameters=500 + weight * int(values["units"])))
        return made

    fewer, more = run(1), run(-1)
    assert sum(int(values["units"]) for values in fewer[20:]) < sum(int(values["units"]) for values in more[20:])


@pytest.mark.parametrize("wrong", [[], ["n_parameters"], ["n_parameters", "dev_error"], ["dev_error", "dev_error"]])
def test_objectives_refuse_other_lists(wrong: list[str]) -> None:
    """Other lists of objectives are refused."""
    with pytest.raises(ValidationError, match=r"must be \[dev_error\] or \[dev_error, n_parameters\]"):
        make_config(objectives=wrong)


# --- refusals


def test_check_refuses_two_objectives() -> None:
    """CMA-ES, random search and pruners refuse two objectives."""
    check(make_config("tpe", objectives=BOTH), SPACE)
    with pytest.raises(ValueError, match=r"^objectives: Optuna's cma-es"):
        check(make_config("cma-es", objectives=BOTH), SPACE)
    with pytest.raises(ValueError, match=r"^objectives: random proposes the same sets"):
        check(make_config("random", objectives=BOTH), SPACE)
    for pruner in PRUNERS.values():
        with pytest.raises(ValueError, match=r"^pruner: Optuna's pruners"):
            check(make_config("tpe", pruner, objectives=BOTH), SPACE)


def test_check_refuses_searched_epochs_for_hyperband() -> None:
    """The Hyperband pruner refuses searched epochs and a first rung beyond the training."""
    searched = Space.model_validate({"epochs": {"type": "int", "low": 1, "high": 9}})
    for name, pruner in PRUNERS.items():
        if name.startswith("hyperband"):
            with pytest.raises(ValueError, match=r"^epochs: "):
                check(make_config("tpe", pruner), searched)
        else:
            check(make_config("tpe", pruner), searched)
    with pytest.raises(ValueError, match=r"^pruner: min_resource: 10 is above the 9 epochs"):
        check(make_config("tpe", {"algorithm": "hyperband", "min_resource": 10}), SPACE)


def test_check_refuses_grid_too_large_for_memory() -> None:
    """A grid too large for memory is refused with its size."""
    axis = {"type": "int", "low": 1, "high": 100}
    check(make_config("grid"), Space.model_validate({"a": axis, "b": axis, "c": axis}))
    larger = Space.model_validate({"a": axis, "b": axis, "c": axis, "d": {"type": "bool"}})
    with pytest.raises(ValueError, match=r"^space: is a grid of 2,000,000 sets, .* at most 1,000,000"):
        check(make_config("grid"), larger)


def test_suggest_takes_a_grid_of_one_value() -> None:
    """The one value of a grid may be below its start in the last digit, as 0.18 is below 0.18000000000000002."""
    import optuna

    ends = {"type": "float", "low": 0.18000000000000002, "high": 0.18000000000000002, "step": 0.01}
    space = Space.model_validate({"da": ends})
    trial = optuna.create_study().ask()
    assert suggest(trial, space) == {"da": pytest.approx(0.18)}
