"""What was trained together and failed goes on in two halves, down to the trials that fail alone."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune.core.errors import UserError
from blindtune.training.halves import halve, train_in_halves


@given(st.lists(st.integers(), unique=True))
def test_halves_hold_each_trial_once_in_order(trials: list[int]) -> None:
    """Nothing is lost, and no half is empty or larger than the other by more than one."""
    halves = halve(trials)
    assert [trial for half in halves for trial in half] == trials
    assert all(halves) and len({len(half) for half in halves} | {len(trials) // 2}) <= 2


@given(st.integers(0, 12), st.sets(st.integers(0, 11)), st.integers(0, 3))
def test_only_trials_that_fail_alone_have_failed(count: int, bad: set[int], before: int) -> None:
    """Each trial ends once; those that had ended before a failure are not trained again."""
    calls: list[tuple[list[int], bool]] = []

    def train(part: Sequence[int], again: bool) -> Iterator[tuple[int, str]]:
        calls.append((list(part), again))
        for done, trial in enumerate(part):
            if set(part) & bad and (trial in bad or done == before):
                raise MemoryError("no room")
            yield trial, "trained"

    ended = list(train_in_halves(range(count), train))
    assert sorted(trial for trial, _ in ended) == list(range(count))
    assert {trial for trial, result in ended if isinstance(result, MemoryError)} == bad & set(range(count))
    assert [again for _, again in calls] == [False] + [True] * (len(calls) - 1)


def test_error_of_the_user_is_no_failure_of_a_trial() -> None:
    """It would meet the next one too."""

    def train(part: Sequence[int], again: bool) -> Iterator[tuple[int, str]]:
        yield part[0], "trained"
        raise UserError("the disk is full")

    ended = train_in_halves([1, 2], train)
    assert next(ended) == (1, "trained")
    with pytest.raises(UserError):
        next(ended)


def test_trial_without_a_result_has_failed() -> None:
    """A trainer that forgets a trial does not let the search wait for it."""

    def train(part: Sequence[int], again: bool) -> Iterator[tuple[int, str]]:
        yield part[0], "trained"

    (_, first), (key, second) = train_in_halves([1, 2], train)
    assert (first, key, str(second)) == ("trained", 2, "the trainer returned no outcome")
