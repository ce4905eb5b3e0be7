"""Nevergrad: its own choice of an optimizer, populations, what it tells of a failed trial."""

from typing import Any

import numpy as np
import pytest

from blindtune.search_space import Space
from blindtune.tuners.nevergrad.config import NevergradConfig
from blindtune.tuners.nevergrad.tuner import build_parameters
from support.builders import build_tuner, check, finished_trial, tuner
from support.engines import SPACE, marks_of, propose

pytestmark = marks_of("nevergrad")

NUMBERS = {name: {"type": "float", "low": 0.0, "high": 1.0} for name in "abc"}


def test_ngopt_refuses_plain_numbers() -> None:
    """There it takes a meta-model that does not run; a dimension with steps is enough."""
    config = NevergradConfig(library="nevergrad", algorithm="ngopt")
    with pytest.raises(ValueError, match=r"^space: has plain numbers alone, .* NumPy 2\.4"):
        check(config, Space.model_validate(NUMBERS))
    check(config, Space.model_validate(NUMBERS | {"d": {"type": "int", "low": 1, "high": 3}}))
    check(NevergradConfig(library="nevergrad", algorithm="cma"), Space.model_validate(NUMBERS))


def test_cma_refuses_thousands_of_options() -> None:
    """Each option of a choice is a dimension, of which CMA keeps the covariances with all others."""
    space = Space.model_validate({"units": {"type": "choice", "options": list(range(5_001))}})
    with pytest.raises(ValueError, match=r"^space: has 5,001 dimensions, .* at most 5,000; .* take algorithm: de$"):
        check(NevergradConfig(library="nevergrad", algorithm="cma"), space)
    check(NevergradConfig(library="nevergrad", algorithm="de"), space)


def test_cma_takes_one_dimension_and_then_others() -> None:
    """With one dimension Nevergrad's CMA needs another package, and then for every other space too."""
    for content in ({"a": NUMBERS["a"]}, NUMBERS):
        made = build_tuner(tuner("nevergrad", "cma"), Space.model_validate(content), 20)
        for _ in range(20):
            values = made.ask().hyperparameters
            assert set(values) == set(content)
            made.tell(finished_trial(float(values["a"]), hyperparameters=values))


def test_parameters_are_those_of_the_space() -> None:
    """Logarithms, whole numbers and categories are told in Nevergrad's own terms, within their bounds."""
    build_tuner(tuner("nevergrad", "cma"), SPACE, 9)  # imports Nevergrad without Matplotlib
    parameters = build_parameters(SPACE)
    names = {name: type(parameters[name]).__name__ for name in parameters}
    assert names["layers"] == "Scalar" and names["dropout"] == "Choice"
    assert names["learning_rate"] == "Log" and names["dropout_rate"] == "Scalar"
    assert {parameters.sample().value["layers"] for _ in range(40)} <= {0, 1, 2, 3}


@pytest.mark.parametrize("name", ["cma", "ngopt", "one-plus-one"])
def test_optimizers_leave_the_middle(name: str) -> None:
    """A range of few values is explored: with mutations of a sixth of it, CMA proposed one of these sets 25 times."""
    space = Space.model_validate({axis: {"type": "int", "low": 1, "high": 3} for axis in "ab"})
    counts, n_best = [], 0
    # One seed shows little: of twelve, CMA finds the best of the nine sets with six.
    for seed in range(12):
        made = build_tuner(tuner("nevergrad", name), space, 25, seed)
        found = set()
        for _ in range(25):
            values = made.ask().hyperparameters
            found.add((values["a"], values["b"]))
            made.tell(finished_trial(0.1 * (int(values["a"]) + int(values["b"])), hyperparameters=values))
        counts.append(len(found))
        n_best += (1, 1) in found
    assert np.mean(counts) >= 4 and n_best >= 4, (counts, n_best)


@pytest.mark.parametrize("log", [False, True])
def test_swarm_leaves_the_bounds(log: bool) -> None:
    """Particles that leave the bounds of plain numbers are clipped.

    As shipped they get the opposite bound: with four such numbers the mean error of the last third of 200 sets was
    0.54, that of random sets 0.34 and that of clipped ones 0.05 (ten seeds).
    """
    bounds = {"low": 0.001, "high": 1.0, "log": log}
    space = Space.model_validate({axis: {"type": "float", **bounds} for axis in "abcd"})
    best = (0.9, 0.3, 0.5, 0.8)
    for seed in range(6):
        made = build_tuner(tuner("nevergrad", "pso", population_size=10), space, 90, seed)
        errors = []
        for _ in range(90):
            values = made.ask().hyperparameters
            shares = [1 + np.log10(float(one)) / 3 if log else float(one) for one in values.values()]
            errors.append(float(np.mean(np.abs(np.array(shares) - best))))
            made.tell(finished_trial(errors[-1], hyperparameters=values))
        assert np.mean(errors[60:]) < 0.8 * np.mean(errors[:10])


def test_dimension_of_many_values_takes_no_longer() -> None:
    """A range of a million whole numbers is one number to Nevergrad."""
    space = Space.model_validate({"units": {"type": "int", "low": 1, "high": 1_000_000}})
    made = build_tuner(tuner("nevergrad", "one-plus-one"), space, 9)
    for _ in range(9):
        values = made.ask().hyperparameters
        assert 1 <= values["units"] <= 1_000_000
        made.tell(finished_trial(0.5, hyperparameters=values))


def test_failed_trial_is_told_as_the_worst() -> None:
    """A trial without a score has the worst error; it is no number of the optimizer's own."""
    made: Any = build_tuner(tuner("nevergrad", "cma"), SPACE, 9)
    values = made.ask().hyperparameters
    made.tell(finished_trial(None, hyperparameters=values))
    [value] = made._optimizer.archive.values()
    assert value.mean == 1.0


@pytest.mark.parametrize("name", ["cma", "pso", "de", "two-points-de"])
def test_population_size_changes_when_scores_count(name: str) -> None:
    """Proposals of a small population follow from scores earlier than those of a large one."""
    small, large = (propose(tuner("nevergrad", name, population_size=size), 20) for size in (4, 20))
    assert small != large


def test_population_size_of_other_algorithms_is_refused() -> None:
    """A key that an algorithm does not take is refused by its name."""
    with pytest.raises(ValueError, match="population_size: only cma, pso, de, two-points-de take it"):
        NevergradConfig(library="nevergrad", algorithm="ngopt", population_size=9)


@pytest.mark.parametrize("algorithm", ["random", "cma", "ngopt"])
def test_space_of_one_set_is_proposed_once(algorithm: str) -> None:
    """Where nothing can vary, the one set is proposed, and then the search ends."""
    space = Space.model_validate({"layers": {"type": "fixed", "value": 2}})
    made = build_tuner(tuner("nevergrad", algorithm), space, 5)
    assert [one.hyperparameters for one in made.ask_batch(5)] == [{"layers": 2}] and made.ask() is None
