"""Ray Tune: schedulers end trials as Ray's do, nothing is started, what is not offered is refused with the reason."""

import random
from typing import Any

import numpy as np
import pytest

from blindtune.tuners.base import Tuner
from blindtune.tuners.pruned import PrunedTuner
from blindtune.tuners.ray_tune.config import RayTuneConfig
from blindtune.tuners.ray_tune.pruners import RayAshaPrunerConfig
from blindtune.tuners.ray_tune.schedulers import SchedulerRule
from support.builders import build_tuner, check, trial, tuner
from support.engines import SPACE, marks_of, propose

pytestmark = marks_of("ray-tune")

#: Dev errors of trials that stay the same over their epochs.
ERRORS = [0.5, 0.6, 0.4, 0.3, 0.42, 0.55, 0.2, 0.7, 0.25, 0.35, 0.1, 0.9]


def train(pruner: dict[str, Any], errors: list[float], seed: int = 3, **keys: Any) -> list[tuple[int, Any]]:
    """Return the epochs and the hyperparameters of trials of nine epochs at most."""
    config = tuner("ray-tune", pruner=pruner, **({"algorithm": "random"} | keys))
    return follow(build_tuner(config, SPACE, len(errors), seed), pruner["algorithm"], errors)


def follow(made: Tuner, rule: str, errors: list[float]) -> list[tuple[int, Any]]:
    """Return the epochs and the hyperparameters of trials that a rule of Ray may end."""
    found = []
    for number, error in enumerate(errors):
        [proposal] = made.ask_batch(5)
        epoch, reason = 0, None
        while epoch < 9 and reason is None:
            epoch += 1
            reason = made.report(epoch, error)
        metrics = {"train_loss": 0.5, "train_error": 0.5, "dev_loss": 0.5, "dev_error": error}
        score, status = (error, "completed") if reason is None else (None, "pruned")
        made.tell(trial(number, score, status=status, curve=[metrics] * epoch, reason=reason))
        assert reason in (None, f"Ray Tune's {rule} scheduler")
        found.append((epoch, proposal.hyperparameters))
    return found


def test_asha_ends_trials_at_its_rungs() -> None:
    """A trial that is not among the best third at epoch 1 or 3 ends there; the best so far goes to the end."""
    found = [epochs for epochs, _ in train({"algorithm": "asha", "reduction_factor": 3}, ERRORS)]
    assert set(found) <= {1, 3, 9} and found[0] == 9
    best = [number for number, error in enumerate(ERRORS) if error <= min(ERRORS[: number + 1])]
    assert all(found[number] == 9 for number in best) and found[1] == found[-1] == 1
    late = [epochs for epochs, _ in train({"algorithm": "asha", "grace_period": 2, "reduction_factor": 4}, ERRORS)]
    assert set(late) == {2, 9}


def test_brackets_of_asha_follow_from_the_seed() -> None:
    """Trials get a bracket at random, the same in every run with a seed, for any global state."""
    pruner = {"algorithm": "asha", "reduction_factor": 3, "brackets": 3}
    before = np.random.get_state()[1].tolist(), random.getstate()
    first = train(pruner, ERRORS)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before
    np.random.seed(7)
    assert train(pruner, ERRORS) == first
    assert {epochs for epochs, _ in first} == {1, 3, 9}


def test_median_rule_ends_trials_worse_than_the_others() -> None:
    """From the fourth trial on one ends if it is worse than the median of the others."""
    found = [epochs for epochs, _ in train({"algorithm": "median"}, ERRORS)]
    assert found == [9, 9, 9, 9, 9, 1, 9, 1, 9, 9, 9, 1]
    late = [epochs for epochs, _ in train({"algorithm": "median", "grace_period": 4}, ERRORS)]
    assert late == [4 if epochs == 1 else 9 for epochs in found]
    assert train({"algorithm": "median", "min_samples_required": 12}, ERRORS)[-1][0] == 9


@pytest.mark.parametrize("pair", [("optuna", "tpe"), ("keras-tuner", "random"), ("scikit-learn", "randomized-search")])
def test_rule_combines_with_tuners_of_other_libraries(pair: tuple[str, str]) -> None:
    """In code any tuner can have Ray's rules: the same trials end, no matter what proposes them."""
    rule = SchedulerRule(RayAshaPrunerConfig(algorithm="asha", reduction_factor=3), 9, 3)
    found = follow(PrunedTuner(build_tuner(tuner(*pair), SPACE, len(ERRORS)), rule), "asha", ERRORS)
    expected = train({"algorithm": "asha", "reduction_factor": 3}, ERRORS)
    assert [epochs for epochs, _ in found] == [epochs for epochs, _ in expected]


def test_n_initial_sets_are_random() -> None:
    """HyperOpt begins with random sets, as many as are wanted."""
    few, many = (propose(tuner("ray-tune", "hyperopt", n_initial=count), 12) for count in (4, 8))
    assert few[:4] == many[:4] and few[4:8] != many[4:8]


def test_ray_is_not_started() -> None:
    """No cluster is started."""
    import ray

    propose(tuner("ray-tune", "hyperopt"), 3)
    assert not ray.is_initialized()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"algorithm": "random", "n_initial": 3}, "n_initial: only hyperopt takes it"),
        ({"algorithm": "hyperband"}, r"hyperband is not offered: .*ray-project/ray#12536"),
        ({"algorithm": "bohb"}, "bohb is not offered: .*take library: smac"),
        ({"algorithm": "random", "pruner": {"algorithm": "hyperband"}}, r"hyperband is not offered: .*#12536"),
        ({"algorithm": "random", "pruner": {"algorithm": "pbt"}}, "pbt is not offered: .*out of their bounds"),
    ],
)
def test_what_is_not_offered_is_refused_by_name(keys: dict[str, Any], message: str) -> None:
    """A part of Ray that is not offered is refused with the reason."""
    with pytest.raises(ValueError, match=message):
        RayTuneConfig.model_validate({"library": "ray-tune", **keys})


@pytest.mark.parametrize(
    ("pruner", "message"),
    [
        ({"grace_period": 10}, "pruner: grace_period: 10 is above the 9 epochs of training"),
        ({"reduction_factor": 3, "brackets": 4}, "pruner: brackets: 4 is above the 3 epochs at which it can decide"),
    ],
)
def test_asha_that_could_not_decide_is_refused(pruner: dict[str, Any], message: str) -> None:
    """Each bracket of ASHA must decide once within a training."""
    config = tuner("ray-tune", "random", pruner={"algorithm": "asha", **pruner})
    with pytest.raises(ValueError, match=message):
        check(config, SPACE)
