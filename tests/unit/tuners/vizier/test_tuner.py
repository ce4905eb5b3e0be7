"""Google Vizier: a grid that ends, two objectives."""

from typing import Any

import pytest

from blindtune.search_space import Space
from blindtune.tuners.vizier.config import VizierConfig
from blindtune.tuners.vizier.tuner import build_search_space
from support.builders import build_tuner, check, tuner
from support.engines import marks_of, propose

pytestmark = marks_of("vizier")


#: Whole numbers and choices alone.
COARSE = Space.model_validate(
    {
        "layers": {"type": "int", "low": 1, "high": 4},
        "units": {"type": "int", "low": 8, "high": 96, "step": 8},
        "activation": {"type": "choice", "options": ["relu", "tanh", "sigmoid"]},
        "learning_rate": {"type": "choice", "options": [0.001, 0.01]},
    }
)


def run(count: int, weights: int = 1, **keys: Any) -> list[list[Any]]:
    """Return the proposals of a study of NSGA2."""
    return propose(tuner("vizier", "nsga2", population_size=10, **keys), count, weights)


def test_second_objective_changes_what_nsga2_proposes() -> None:
    """NSGA2 minimises the number of parameters too, if it is told to; without, it is no matter to it."""
    two = {"objectives": ["dev_error", "n_parameters"]}
    assert run(40, 1, **two) != run(40, -1, **two)
    assert run(40, 1) == run(40, -1)


@pytest.mark.parametrize("objectives", [["dev_error"], ["dev_error", "n_parameters"]])
def test_nsga2_goes_on_to_new_sets(objectives: list[str]) -> None:
    """It changes every member of its population, by enough to reach other whole numbers and categories.

    As shipped it changes each range by a thousandth: of 180 sets after the random ones one was a new one.
    """
    found = [str(sorted(values.items())) for values, _, _ in propose(
        tuner("vizier", "nsga2", population_size=10, objectives=objectives), 120, space=COARSE
    )]  # fmt: skip
    assert len(set(found[20:]) - set(found[:20])) >= 20


def test_grid_with_conditions_ends_without_repetition() -> None:
    """A grid leaves out sets that differ in what is not active, and ends."""
    content = {
        "layers": {"type": "int", "low": 1, "high": 2},
        "units": {"type": "int", "low": 1, "high": 3, "repeat": "layers"},
    }
    made = build_tuner(VizierConfig(library="vizier", algorithm="grid"), Space.model_validate(content), 40)
    found = made.ask_batch(40)
    assert len(found) == 3 + 9 and made.ask() is None
    assert len({str(sorted(one.hyperparameters.items())) for one in found}) == 12


def test_grid_that_is_too_large_is_refused() -> None:
    """A grid is gone through with its repeated sets, of which there must not be too many."""
    space = Space.model_validate({f"rate_{name}": {"type": "int", "low": 1, "high": 999} for name in "abc"})
    with pytest.raises(ValueError, match=r"^space: is a grid of 997,002,999 sets"):
        check(VizierConfig(library="vizier", algorithm="grid"), space)


def test_whole_numbers_of_a_long_range_are_told_as_numbers() -> None:
    """Vizier lists all values of a whole number at every step, which of a billion fills the memory."""
    content = {
        "short": {"type": "int", "low": 1, "high": 100_000},
        "long": {"type": "int", "low": 1, "high": 100_001},
    }
    built = build_search_space(Space.model_validate(content))
    assert [built.get(name).type.name for name in content] == ["INTEGER", "DOUBLE"]
    assert built.get("long").bounds == (-0.5, 100_000.5)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"algorithm": "eagle", "population_size": 3}, "population_size: only nsga2 takes it"),
        ({"algorithm": "eagle", "objectives": ["dev_error", "n_parameters"]}, "objectives: only nsga2 takes two"),
        ({"algorithm": "nsga2", "objectives": ["n_parameters"]}, "must be "),
    ],
)
def test_keys_of_other_algorithms_are_refused(keys: dict[str, Any], message: str) -> None:
    """A key that an algorithm does not take is refused by its name."""
    with pytest.raises(ValueError, match=message):
        VizierConfig.model_validate({"library": "vizier", **keys})
