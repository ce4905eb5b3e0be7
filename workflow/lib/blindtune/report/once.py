"""Compute what several tables and figures show once for each object that it is of."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def once(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Make a function of records compute its result once for the same records.

    The result is kept with the first of them, and as long as that; another object with equal fields has its own. All
    callers get the same result, so none may change it.

    Args:
        function: of one or more objects that do not change, the first given by position.
    """
    name = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def remembered(*given: _Parameters.args, **named: _Parameters.kwargs) -> _Result:
        kept: dict[Any, Any] = vars(given[0]).setdefault("_once", {})
        place = (name, *map(id, given), *((key, id(value)) for key, value in sorted(named.items())))
        if place not in kept:
            # With the others that it is of: while they are kept, no other object gets their ids.
            kept[place] = (given[1:], named, function(*given, **named))
        result: _Result = kept[place][-1]
        return result

    return remembered
