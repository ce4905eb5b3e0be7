"""Results that are computed once for the same records."""

import gc
import weakref
from dataclasses import dataclass, replace

from blindtune.report.once import once


@dataclass(frozen=True)
class Thing:
    """Records: they do not change, and have a list, so they have no hash."""

    values: list[int]


def test_once_computes_once_for_each_object() -> None:
    """The same object gives the same result; an equal one, a changed one and another pair have their own."""
    asked = []

    @once
    def add(first: Thing, second: Thing, weight: int = 1) -> list[int]:
        asked.append((first, second, weight))
        return [sum(first.values) + weight * sum(second.values)]

    one, other = Thing([1, 2]), Thing([1, 2])
    assert add(one, other) is add(one, other) and add(one, other) == [6]
    assert add(other, one) is not add(one, other) and add(one, one) == [6]
    assert add(one, other, weight=2) == [9] and add(one, other, weight=2) is not add(one, other)
    assert add(replace(one, values=[5]), other) == [8]
    assert len(asked) == 5


def test_once_keeps_results_as_long_as_their_object() -> None:
    """A result goes with the object that it is of."""

    class Result:
        pass

    @once
    def make(thing: Thing) -> Result:
        return Result()

    thing = Thing([1])
    made = weakref.ref(make(thing))
    assert made() is make(thing)
    del thing
    gc.collect()
    assert made() is None
