"""Halves: what was trained together and failed goes on in two halves, down to single trials."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeVar

from blindtune.core.errors import UserError

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")

#: Trains some trials together: from their keys, and whether they start again, to each key and its result.
Train = Callable[[Sequence[Key], bool], Iterator[tuple[Key, Result]]]


def halve(trials: Sequence[Key]) -> list[list[Key]]:
    """Return the two halves of some trials, the first one larger by one if they are odd; no half is empty."""
    half = -(-len(trials) // 2)
    return [list(part) for part in (trials[:half], trials[half:]) if part]


def train_in_halves(trials: Sequence[Key], train: Train[Key, Result]) -> Iterator[tuple[Key, Result | Exception]]:
    """Train trials together; if that fails, those that have not ended start again in two halves, down to single ones.

    Args:
        trials: their keys.
        train: trains some of them together.

    Yields:
        The key of a trial and its result or, if it failed alone, its error, as soon as it ends.

    Raises:
        UserError: it is no failure of a trial.
    """
    return _train(list(trials), train, again=False)


def _train(trials: list[Key], train: Train[Key, Result], *, again: bool) -> Iterator[tuple[Key, Result | Exception]]:
    left = dict.fromkeys(trials)
    try:
        for key, result in train(trials, again):
            del left[key]
            yield key, result
    except UserError:
        raise
    except Exception as error:  # of a single trial, any error is its result
        if len(trials) == 1 and left:
            yield trials[0], error
            return
    else:
        for key in left:
            yield key, RuntimeError("the trainer returned no outcome")
        return
    for part in halve(list(left)) if left else ():
        yield from _train(part, train, again=True)
