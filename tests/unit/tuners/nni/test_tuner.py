"""NNI: rungs of Hyperband, the median assessor, seeds of what takes none, refusals with the reason."""

from typing import Any

import pytest

from blindtune.search_space import Space
from blindtune.tuners.nni.config import NniConfig
from support.builders import build_tuner, finished_trial, tuner
from support.engines import SPACE, marks_of, propose, score_of

pytestmark = marks_of("nni")


def run(algorithm: str, count: int, **keys: Any) -> list[list[Any]]:
    """Return the proposals of a study whose scores follow from the sets."""
    return propose(tuner("nni", algorithm, **keys), count)


def test_hyperband_promotes_the_three_best_of_nine() -> None:
    """The rung of three epochs has the best of the first one; another eta makes other rungs."""
    found = run("hyperband", 22)
    ranked = sorted(range(9), key=lambda number: score_of(found[number][0], number) or 1.0)
    assert [parent for _, parent, _ in found[9:12]] == ranked[:3]
    assert [epochs for _, _, epochs in run("hyperband", 8, eta=2)] == [1] * 8


@pytest.mark.parametrize("algorithm", ["anneal", "evolution"])
def test_seed_decides_what_takes_none(algorithm: str) -> None:
    """NNI gives these two no seed; here each has one."""
    made = [build_tuner(tuner("nni", algorithm), SPACE, 5, seed) for seed in (3, 3, 4)]
    first, same, other = ([one.ask() for _ in range(3)] for one in made)
    assert first == same != other


@pytest.mark.parametrize(("algorithm", "key"), [("tpe", "n_initial"), ("evolution", "population_size")])
def test_first_sets_are_random(algorithm: str, key: str) -> None:
    """As many random sets come first as the config says."""
    few, many = (run(algorithm, 14, **{key: count}) for count in (4, 10))
    assert few[:4] == many[:4] and few[4:10] != many[4:10]


def test_order_of_steps_is_told() -> None:
    """A step of the list of values is told as a number, each with the same probability."""
    space = Space.model_validate({"units": {"type": "int", "low": 10, "high": 40, "step": 10}})
    made = build_tuner(tuner("nni", "random"), space, 800)
    found = [proposal.hyperparameters["units"] for proposal in made.ask_batch(800)]
    assert all(150 < found.count(value) < 250 for value in (10, 20, 30, 40))


def test_median_assessor_ends_trials_worse_than_the_others() -> None:
    """A trial ends if it is worse than the median of the completed ones; one without a score is no part of it."""
    made = build_tuner(tuner("nni", "random", pruner={"algorithm": "median", "start_step": 2}), SPACE, 9)
    found = []
    for error in (0.5, 0.6, None, 0.4, 0.45, 0.55, 0.2):
        [proposal] = made.ask_batch(5)
        reasons = [made.report(epoch, 0.9 if error is None else error) for epoch in (1, 2, 3)]
        assert reasons[0] is None
        found.append(reasons[1])
        status = "invalid" if error is None else "completed" if reasons[1] is None else "pruned"
        made.tell(finished_trial(error, status=status, hyperparameters=proposal.hyperparameters))
    reason = "NNI's median assessor"
    assert found == [None, reason, reason, None, None, reason, None]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"algorithm": "random", "n_initial": 3}, "n_initial: only tpe takes it"),
        ({"algorithm": "tpe", "population_size": 3}, "population_size: only evolution takes it"),
        ({"algorithm": "tpe", "eta": 3}, "eta: only hyperband takes it"),
        ({"algorithm": "hyperband", "pruner": {"algorithm": "median"}}, "pruner: hyperband ends trainings itself"),
        ({"algorithm": "metis"}, "metis is not offered: .*SciPy"),
        ({"algorithm": "bohb"}, "bohb is not offered: .*ConfigSpace"),
        ({"algorithm": "smac"}, "smac is not offered: .*library: smac"),
        ({"algorithm": "dngo"}, "dngo is not offered: .*pybnn"),
        ({"algorithm": "Metis"}, "Metis is not offered: .*SciPy"),
        ({"algorithm": "random", "pruner": {"algorithm": "Curvefitting"}}, r"not offered: .*microsoft/nni#5604"),
        ({"algorithm": "random", "pruner": {"algorithm": "curve-fitting"}}, r"not offered: .*microsoft/nni#5604"),
    ],
)
def test_what_is_not_offered_is_refused_by_name(keys: dict[str, Any], message: str) -> None:
    """A part of NNI that does not work is refused with the reason."""
    with pytest.raises(ValueError, match=message):
        NniConfig.model_validate({"library": "nni", **keys})
