"""Keras Tuner's Hyperband, Gaussian process and default set, in addition to the tests of every tuner."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from blindtune.search_space import Hyperparameters, Space
from blindtune.tuners.base import Proposal, Tuner
from blindtune.tuners.keras_tuner.config import KerasTunerConfig
from support.builders import build_tuner, check, finished_trial
from support.curve_trainer import curve_error

#: Keras Tuner reads the name of its thread in an old way; a Gaussian process cut short does not converge.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(currentThread|getName).*:DeprecationWarning", "ignore::sklearn.exceptions.ConvergenceWarning"
)

SPACE = Space.model_validate(
    {
        "units": {"type": "int", "low": 8, "high": 64, "log": True},
        "rate": {"type": "float", "low": 0.1, "high": 0.5},
        "dropout": {"type": "bool"},
    }
)


def make_config(algorithm: str, **arguments: Any) -> KerasTunerConfig:
    return KerasTunerConfig(library="keras-tuner", algorithm=algorithm, **arguments)  # type: ignore[arg-type]


def invalid(values: Hyperparameters) -> bool:
    return bool(values["dropout"])


def make_record(proposal: Proposal, fail: Any = lambda values: False) -> Any:
    values = proposal.hyperparameters
    score = None if fail(values) else curve_error(values, proposal.epochs or 1)
    return finished_trial(score, hyperparameters=values, parent=proposal.parent)


def search(tuner: Tuner, most: int, fail: Any = lambda values: False) -> Iterator[tuple[Proposal, Any]]:
    """Yield what a tuner proposes, and the records that it is told."""
    for _ in range(most):
        proposal = tuner.ask()
        if proposal is None:
            return
        made = make_record(proposal, fail)
        yield proposal, made
        tuner.tell(made)


# --- Hyperband

#: New sets and promoted ones by the epochs they end at, bracket by bracket, for 9 epochs and a factor of 3.
PUBLISHED = [(False, 1)] * 9 + [(True, 3)] * 3 + [(True, 9)] + [(False, 3)] * 5 + [(True, 9)] * 2 + [(False, 9)] * 3


@pytest.mark.parametrize("fail", [lambda values: False, invalid, lambda values: True])
def test_hyperband_has_documented_brackets(fail: Any) -> None:
    """Hyperband has the documented brackets even if sets fail: told a failure, it would promote none."""
    made = [p for p, _ in search(build_tuner(make_config("hyperband", hyperband_iterations=1), SPACE, 5), 99, fail)]
    assert [(proposal.parent is not None, proposal.epochs) for proposal in made] == PUBLISHED
    before = [made[p.parent].epochs if p.parent is not None else 0 for p in made]
    assert sum((p.epochs or 0) - (done or 0) for p, done in zip(made, before, strict=True)) == 75


def test_hyperband_promotes_best_of_each_round() -> None:
    """Hyperband promotes the best sets of each round."""
    pairs = list(search(build_tuner(make_config("hyperband", hyperband_iterations=1), SPACE, 5), 99))
    scores = [made.score for _, made in pairs]
    rounds = [(range(9), range(9, 12)), (range(9, 12), range(12, 13)), (range(13, 18), range(18, 20))]
    for past, promoted in rounds:
        best = sorted(past, key=lambda number: scores[number])[: len(promoted)]
        assert [pairs[number][0].parent for number in promoted] == best
    for proposal, _ in pairs:
        assert set(proposal.hyperparameters) == {"units", "rate", "dropout"}
        if proposal.parent is not None:
            assert proposal.hyperparameters == pairs[proposal.parent][0].hyperparameters


def test_hyperband_ends_after_its_iterations() -> None:
    """Hyperband ends after its iterations; without a limit it goes on."""
    endless = build_tuner(make_config("hyperband"), SPACE, 5)
    assert len(list(search(endless, 60))) == 60
    twice = build_tuner(make_config("hyperband", hyperband_iterations=2), SPACE, 5)
    assert len(list(search(twice, 99))) == 46 and twice.ask() is None


def test_hyperband_rounds_follow_epochs_and_factor() -> None:
    """The rounds follow from the epochs and the factor."""
    shorter = build_tuner(make_config("hyperband", hyperband_iterations=1, max_epochs=4, factor=2), SPACE, 5)
    made = [(p.parent is not None, p.epochs) for p, _ in search(shorter, 99)]
    assert made == [
        *([(False, 1)] * 4 + [(True, 2)] * 2 + [(True, 4)]),
        *([(False, 2)] * 3 + [(True, 4)] * 2),
        *([(False, 4)] * 3),
    ]
    whole = build_tuner(make_config("hyperband"), SPACE, 5, epochs=27)
    assert max(p.epochs or 0 for p, _ in search(whole, 60)) == 27


def test_resumes_trials_only_with_hyperband() -> None:
    """Only Hyperband promotes trials."""
    kinds = ("random", "bayesian", "grid", "hyperband", "default")
    assert [kind for kind in kinds if make_config(kind).resumes_trials] == ["hyperband"]


# --- the Gaussian process

FEW = Space.model_validate({name: SPACE.root[name] for name in ("units", "dropout")})
TRIALS = 6
BAYESIAN = make_config("bayesian", num_initial_points=3)


@pytest.fixture
def short_optimisations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop each of the some seventy optimisations of a suggestion after two steps, since they take seconds."""
    import scipy.optimize

    monkeypatch.setattr(scipy.optimize, "minimize", partial(scipy.optimize.minimize, options={"maxiter": 2}))


def replay(records: list[Any], most: int) -> tuple[list[Proposal], list[Proposal]]:
    """Return what a tuner replays for its records, and what it proposes after them."""
    tuner = build_tuner(BAYESIAN, FEW, TRIALS)
    again = []
    for made in records:
        proposal = tuner.replay(made)
        assert proposal is not None
        again.append(proposal)
        tuner.tell(made)
    return again, [proposal for proposal, _ in search(tuner, most, invalid)]


@pytest.mark.usefixtures("short_optimisations")
def test_replay_continues_from_any_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Gaussian process that replays any number of records goes on exactly as without the interruption."""
    import keras_tuner

    pairs = list(search(build_tuner(BAYESIAN, FEW, TRIALS), TRIALS, invalid))
    proposals, records = [proposal for proposal, _ in pairs], [made for _, made in pairs]
    assert len({str(proposal) for proposal in proposals}) > 3
    kind, computed = keras_tuner.oracles.BayesianOptimizationOracle, []
    populate = kind.populate_space
    monkeypatch.setattr(
        kind, "populate_space", lambda self, trial_id: (computed.append(trial_id), populate(self, trial_id))[1]
    )
    for cut in range(TRIALS + 1):
        computed.clear()
        again, after = replay(records[:cut], TRIALS - cut)
        assert again == proposals[:cut], "recorded sets are adopted"
        assert after == proposals[cut:]
        assert len(computed) == TRIALS - cut, "and none of them is computed again"


@pytest.mark.usefixtures("short_optimisations")
def test_replayable_oracle_stores_trained_values() -> None:
    """The Gaussian process stores the trained whole number; its records know nothing of the continuous draw."""
    tuner: Any = build_tuner(BAYESIAN, FEW, TRIALS)
    pairs = list(search(tuner, TRIALS))
    for (proposal, _), trial in zip(pairs, tuner._oracle.trials.values(), strict=True):
        units = int(proposal.hyperparameters["units"])
        assert trial.hyperparameters.values["units"] == pytest.approx((units * (units + 1)) ** 0.5)
        assert FEW.from_library_values(trial.hyperparameters.values) == proposal.hyperparameters


def test_replay_ignores_record_of_another_space() -> None:
    """A recorded set outside the space is not adopted."""
    tuner = build_tuner(BAYESIAN, FEW, TRIALS)
    first = tuner.replay(finished_trial(0.5, hyperparameters={"units": 999, "dropout": True}))
    assert first == build_tuner(BAYESIAN, FEW, TRIALS).ask()


@pytest.mark.usefixtures("short_optimisations")
def test_num_initial_points_sets_start_of_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of initial points decides when the Gaussian process is used."""
    import keras_tuner

    kind, random = keras_tuner.oracles.BayesianOptimizationOracle, []
    draw = kind._random_populate_space
    monkeypatch.setattr(kind, "_random_populate_space", lambda self: (random.append(1), draw(self))[1])
    for points, expected in ((2, 2), (4, 4), (None, 6)):
        random.clear()
        list(search(build_tuner(make_config("bayesian", num_initial_points=points), FEW, 7), expected + 1))
        assert len(random) == expected


# --- the default set


def test_default_proposes_every_entry_at_its_default() -> None:
    """The default set holds every active entry at its default."""
    space = Space.model_validate(
        {
            "layers": {"type": "int", "low": 1, "high": 3},
            "units": {"type": "int", "low": 8, "high": 64, "log": True, "repeat": "layers"},
            "activation": {"type": "choice", "options": ["tanh", "relu"]},
            "dropout": {"type": "bool"},
            "dropout_rate": {"type": "float", "low": 0.1, "high": 0.5, "when": {"dropout": [True]}},
            "learning_rate": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
        }
    )
    tuner = build_tuner(make_config("default"), space, 9)
    expected = {"layers": 1, "units_1": 8, "activation": "tanh", "dropout": False, "learning_rate": 0.001}
    assert tuner.ask() == Proposal(expected)
    assert tuner.ask() is None


# --- refusals


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        ("max_epochs", "hyperband"),
        ("factor", "hyperband"),
        ("hyperband_iterations", "hyperband"),
        ("num_initial_points", "bayesian"),
    ],
)
def test_check_names_argument_of_another_algorithm(key: str, algorithm: str) -> None:
    """An argument of another algorithm is refused by its name."""
    for other in ("random", "bayesian", "hyperband", "default"):
        check(make_config(other, **{key: None}), SPACE)
        if other == algorithm:
            check(make_config(other, **{key: 4}), SPACE)
        else:
            with pytest.raises(ValueError, match=rf"^{key}: only {algorithm} takes it"):
                check(make_config(other, **{key: 4}), SPACE)
