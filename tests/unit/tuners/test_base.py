"""The interface of a tuner: its example runs, and its defaults suit a tuner that only asks."""

import doctest

import pytest

from blindtune.search_space import Space
from blindtune.tuners import base
from blindtune.tuners.base import FixedListTuner, Proposal, check_fidelity, check_grid
from support.builders import finished_trial


def test_tuner_example_runs() -> None:
    """The example in the docstring of `Tuner` gives what it states."""
    result = doctest.testmod(base)
    assert result.attempted >= 3 and result.failed == 0


def test_fixed_list_tuner_proposes_its_list_in_order() -> None:
    """A fixed list is proposed in order, in batches that ignore scores, and then ends."""
    sets = [{"units": number} for number in range(5)]
    tuner = FixedListTuner(sets)
    proposals = [tuner.ask(), *tuner.ask_batch(3)]
    assert tuner.report(1, 0.5) is None
    tuner.tell(finished_trial(0.5))
    proposals += [tuner.replay(finished_trial(0.5))]
    assert proposals == [Proposal({"units": number}) for number in range(5)]
    assert tuner.ask() is None and tuner.ask_batch(3) == []


def test_checks_name_the_dimension() -> None:
    """A grid names a dimension without values; a tuner that allocates epochs names `epochs`."""
    with pytest.raises(ValueError, match=r"^rate: a grid needs a list of values"):
        check_grid(Space.model_validate({"rate": {"type": "float", "low": 0.1, "high": 0.2}}))
    with pytest.raises(ValueError, match=r"^epochs: Hyperband allocates the epochs itself"):
        check_fidelity(Space.model_validate({"epochs": {"type": "int", "low": 1, "high": 2}}), "Hyperband")
