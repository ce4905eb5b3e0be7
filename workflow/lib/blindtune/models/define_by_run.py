"""Search spaces that code defines while it runs, as for Keras Tuner and Optuna.

A function asks an object for each hyperparameter. During a trial the object answers with the recorded values; while a
study is planned it notes what is asked, and `read_space` calls the function with chosen answers until it knows when
each hyperparameter is asked for. No search of a library runs.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from blindtune.core.bounds import MAX_LAYERS
from blindtune.core.validation import PARAMETER_PATTERN, parse
from blindtune.models.own_code import OwnCodeError
from blindtune.search_space import (
    BoolDimension,
    ChoiceDimension,
    Dimension,
    FloatDimension,
    Hyperparameters,
    IntDimension,
    Space,
    Value,
)

#: Calls of the function at most: planning must end.
MAX_RUNS = 2_000

#: Sets that are drawn to check the space that was read.
CHECKS = 40

#: Values of a dimension that are all tried; of more, some are.
_FEW = 12


class SpaceError(OwnCodeError):
    """What the code asks for cannot be said as a search space; the message names the hyperparameter."""


class Asker(Protocol):
    """SetAnswers what code asks for."""

    def ask(self, name: str, dimension: Dimension, default: Value, is_active: bool) -> Value:
        """Return the value of a hyperparameter; called by the objects that the code gets.

        Args:
            name: of the hyperparameter.
            dimension: its values.
            default: what an inactive hyperparameter gets.
            is_active: whether the conditions that the code names hold.
        """

    def values(self) -> Mapping[str, Value]:
        """Return the values that were answered so far, or that are known."""

    @property
    def constants(self) -> dict[str, Value]:
        """Values that the code fixes, by name."""


class SetAnswers:
    """SetAnswers with the values of a hyperparameter set."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = dict(values)
        self.constants: dict[str, Value] = {}

    def ask(self, name: str, dimension: Dimension, default: Value, is_active: bool) -> Value:
        """Return the value of the set; of an inactive hyperparameter the default."""
        if not is_active:
            return default
        if name not in self._values:
            raise SpaceError(f"{name}: the code asks for it, and the search space does not have it")
        return self._values[name]

    def values(self) -> Mapping[str, Value]:
        """Return the set."""
        return self._values


@dataclass
class Recorder:
    """Notes what is asked, and answers with chosen values.

    Attributes:
        chosen: values by name; what is missing gets its first value, or is drawn.
        random: what missing values are drawn from; None: the first.
        asked: the dimensions by name, in the order of the calls.
        answered: the values by name.
        constants: values that the code fixes, by name.
    """

    chosen: Mapping[str, Value]
    random: np.random.Generator | None = None
    asked: dict[str, Dimension] = field(default_factory=dict)
    answered: Hyperparameters = field(default_factory=dict)
    constants: dict[str, Value] = field(default_factory=dict)

    def ask(self, name: str, dimension: Dimension, default: Value, is_active: bool) -> Value:
        """Note a hyperparameter, and return its value."""
        if not is_active:
            return default
        known = self.asked.get(name)
        if known is not None:
            if known != dimension:
                raise SpaceError(f"{name}: is asked for twice in one run, with different values; give it two names")
            return self.answered[name]
        self.asked[name] = dimension
        if name in self.chosen and _holds(dimension, self.chosen[name]):
            value = self.chosen[name]
        else:
            value = _some_values(dimension)[0] if self.random is None else dimension.draw(self.random)
        self.answered[name] = value
        return value

    def values(self) -> Mapping[str, Value]:
        """Return the values that were answered so far."""
        return self.answered

    def forget(self) -> None:
        """Forget what was asked: the code is called again."""
        self.asked.clear()
        self.answered.clear()
        self.constants.clear()


class _Conditions:
    """The conditions that code names for the hyperparameters that it asks for."""

    def __init__(self, ask: Asker) -> None:
        self._ask = ask
        self._scopes: list[tuple[str, list[Value]]] = []

    @contextmanager
    def scope(self, parent: str, values: Sequence[Value] | Value) -> Iterator[None]:
        self._scopes.append((parent, _as_list(values)))
        try:
            yield
        finally:
            self._scopes.pop()

    def hold(self, parent: str | None, values: Sequence[Value] | Value | None) -> bool:
        extra = [] if parent is None else [(parent, _as_list(values))]
        known = {**self._ask.constants, **self._ask.values()}
        return all(name in known and known[name] in allowed for name, allowed in [*self._scopes, *extra])


class KerasTunerParameters:
    """What Keras Tuner's ``hp`` is to a function: it answers the calls of ``build_model(hp)``.

    A default is not used: every search proposes all values.
    """

    def __init__(self, ask: Asker) -> None:
        self._ask = ask
        self._conditions = _Conditions(ask)
        self._prefixes: list[str] = []

    def Int(  # noqa: D102, N802  Keras Tuner's names
        self,
        name: str,
        min_value: int,
        max_value: int,
        step: int | None = None,
        sampling: str | None = None,
        default: int | None = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        log = _is_log(name, sampling, step)
        content = {"type": "int", "low": min_value, "high": max_value, "step": step or 1, "log": log}
        first = min_value if default is None else default
        return self._answer(name, content, first, parent_name, parent_values)

    def Float(  # noqa: D102, N802
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str | None = None,
        default: float | None = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        log = _is_log(name, sampling, step)
        content = {"type": "float", "low": float(min_value), "high": float(max_value), "step": step, "log": log}
        first = min_value if default is None else default
        return self._answer(name, content, first, parent_name, parent_values)

    def Choice(  # noqa: D102, N802
        self,
        name: str,
        values: Sequence[Value],
        ordered: bool | None = None,
        default: Value | None = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        _check_choices(name, values)
        content = {"type": "choice", "options": list(values)}
        first = values[0] if default is None else default
        return self._answer(name, content, first, parent_name, parent_values)

    def Boolean(  # noqa: D102, N802
        self, name: str, default: bool = False, parent_name: str | None = None, parent_values: Any = None
    ) -> Any:
        return self._answer(name, {"type": "bool"}, default, parent_name, parent_values)

    def Fixed(  # noqa: D102, N802
        self, name: str, value: Value, parent_name: str | None = None, parent_values: Any = None
    ) -> Any:
        self._ask.constants[self._full(name)] = value
        return value

    @contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Any) -> Iterator[None]:
        """Make what is asked for inside depend on another hyperparameter."""
        with self._conditions.scope(self._full(parent_name), parent_values):
            yield

    @contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """Put a name before the names of what is asked for inside."""
        self._prefixes.append(name)
        try:
            yield
        finally:
            self._prefixes.pop()

    def get(self, name: str) -> Any:
        """Return the value of a hyperparameter that was asked for before."""
        known = {**self._ask.constants, **self._ask.values()}
        if self._full(name) not in known:
            raise SpaceError(f"{name}: hp.get asks for it, and it was not asked for before")
        return known[self._full(name)]

    def __contains__(self, name: str) -> bool:
        """Return whether a hyperparameter is known."""
        return self._full(name) in self._ask.values() or self._full(name) in self._ask.constants

    def __getattr__(self, name: str) -> Any:
        """Refuse what Keras Tuner's object has and no search space can say."""
        raise SpaceError(f"hp.{name} is not available: the code may ask for Int, Float, Choice, Boolean and Fixed")

    def _full(self, name: str) -> str:
        return "_".join([*self._prefixes, name])

    def _answer(
        self, name: str, content: dict[str, Any], default: Value, parent: str | None, parent_values: Any
    ) -> Value:
        full = self._full(name)
        holds = self._conditions.hold(None if parent is None else self._full(parent), parent_values)
        return _ask(self._ask, full, content, default, holds)


class OptunaTrial:
    """What Optuna's ``trial`` is to a function: it answers the calls of ``define_model(trial)``."""

    def __init__(self, ask: Asker) -> None:
        self._ask = ask

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> Any:
        """Return a whole number."""
        return _ask(self._ask, name, {"type": "int", "low": low, "high": high, "step": step, "log": log}, low, True)

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> Any:
        """Return a float."""
        content = {"type": "float", "low": float(low), "high": float(high), "step": step, "log": log}
        return _ask(self._ask, name, content, low, True)

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Any:
        """Return one of the choices."""
        _check_choices(name, choices)
        content: dict[str, Any] = {"type": "choice", "options": list(choices)}
        if all(isinstance(choice, bool) for choice in choices) and len(set(choices)) == 2:
            content = {"type": "bool"}
        return _ask(self._ask, name, content, choices[0], True)

    @property
    def params(self) -> dict[str, Value]:
        """The values that were asked for so far."""
        return dict(self._ask.values())

    def __getattr__(self, name: str) -> Any:
        """Refuse what Optuna's trial has and no search space can say."""
        raise SpaceError(
            f"trial.{name} is not available: the code may call suggest_int, suggest_float and suggest_categorical; "
            "training, scoring and pruning are the study's"
        )


def read_space(run: Callable[[Recorder], None], checks: int = CHECKS) -> Space:
    """Return the search space that code asks for.

    The code runs with its first answers, then with each answer changed, and with the answers under which it asks for
    something new; at last with random answers, which must agree with the space.

    Args:
        run: calls the code with a recorder.
        checks: sets that are drawn to look for more hyperparameters, and again to check the space.

    Raises:
        SpaceError: the space cannot be said; the message names the hyperparameter.
    """
    return _Explorer(run, checks).read()


@dataclass
class _Known:
    """What is known of a hyperparameter.

    Attributes:
        dimension: its values.
        when: for each other hyperparameter that decides whether it is asked for, the values under which it is.
    """

    dimension: Dimension
    when: dict[str, list[Value]] = field(default_factory=dict)


class _Explorer:
    """Runs the code with chosen answers."""

    def __init__(self, run: Callable[[Recorder], None], checks: int) -> None:
        self._run_code = run
        self._checks = checks
        self._n_runs = 0
        self._known: dict[str, _Known] = {}
        self._waiting: deque[tuple[Hyperparameters, list[str]]] = deque()

    def read(self) -> Space:
        self._note(self._run({}))
        self._explore()
        random = np.random.default_rng(0)
        for _ in range(self._checks):
            recorder = self._run({}, random)
            self._note(recorder)
            self._explore()
        if not self._known:
            raise SpaceError("the code asks for no hyperparameter; there is nothing to search")
        self._remove_implied()
        for _ in range(self._checks):
            self._check(self._run({}, random))
        return self._to_space()

    def _run(self, chosen: Mapping[str, Value], random: np.random.Generator | None = None) -> Recorder:
        self._n_runs += 1
        if self._n_runs > MAX_RUNS:
            raise SpaceError(
                f"after {MAX_RUNS:,} runs of the code it is not clear when it asks for what; write the space as YAML "
                "(`space:`)"
            )
        recorder = Recorder(chosen, random)
        self._run_code(recorder)
        for name, dimension in recorder.asked.items():
            known = self._known.get(name)
            if known is not None and known.dimension != dimension:
                raise SpaceError(f"{name}: its values change with {self._guilty(name, known.dimension, recorder)}; "
                                 "give each case a name, such as the number of the layer")  # fmt: skip
        return recorder

    def _guilty(self, name: str, before: Dimension, recorder: Recorder) -> str:
        """Return the hyperparameter with which the bounds of another change, if a single change shows it."""
        for other, known in self._known.items():
            for value in _some_values(known.dimension):
                if other == name or other not in recorder.answered:
                    continue
                again = Recorder({**recorder.answered, other: value})
                self._run_code(again)
                if again.asked.get(name) == before:
                    return other
        return "other hyperparameters"

    def _note(self, recorder: Recorder) -> None:
        """Note what a run asked for that no run had asked for before."""
        new = [name for name in recorder.asked if name not in self._known]
        for name in new:
            self._known[name] = _Known(recorder.asked[name])
        if new:
            self._waiting.append((dict(recorder.answered), new))

    def _explore(self) -> None:
        while self._waiting:
            base, new = self._waiting.popleft()
            for name in base:
                values = _some_values(self._known[name].dimension)
                active: dict[str, list[Value]] = {other: [] for other in new}
                changed = False
                everything = self._known[name].dimension.values()
                for value in values:
                    recorder = self._run({**base, name: value})
                    self._note(recorder)
                    for other in new:
                        if other in recorder.asked:
                            active[other].append(value)
                    changed = changed or any(other not in recorder.asked for other in new)
                if not changed:
                    continue
                if everything is None:
                    guilty = next(other for other in new if len(active[other]) < len(values))
                    raise SpaceError(
                        f"{guilty}: whether it is asked for depends on {name}, which has no list of values; give "
                        f"{name} a step or use a choice"
                    )
                if len(values) < len(everything):
                    active = self._try_all(base, name, new, list(everything))
                for other in new:
                    if other != name and len(active[other]) < len(everything):
                        self._known[other].when[name] = active[other]

    def _try_all(self, base: Hyperparameters, name: str, new: list[str], values: list[Value]) -> dict[str, list[Value]]:
        active: dict[str, list[Value]] = {other: [] for other in new}
        for value in values:
            recorder = self._run({**base, name: value})
            self._note(recorder)
            for other in new:
                if other in recorder.asked:
                    active[other].append(value)
        return active

    def _remove_implied(self) -> None:
        """Remove conditions that those of a parent imply."""
        for known in self._known.values():
            for name in list(known.when):
                for other in known.when:
                    above = self._known[other].when.get(name) if other != name else None
                    if above is not None and set(above) <= set(known.when[name]):
                        del known.when[name]
                        break

    def _check(self, recorder: Recorder) -> None:
        """Refuse a space that does not agree with a run."""
        for name, known in self._known.items():
            said = all(
                parent in recorder.answered and recorder.answered[parent] in allowed
                for parent, allowed in known.when.items()
            )
            if said != (name in recorder.asked):
                parents = ", ".join(known.when) or "nothing that one change shows"
                raise SpaceError(
                    f"{name}: when it is asked for cannot be said as a list of values for each of other "
                    f"hyperparameters (it depends on {parents}); ask for it always, or write the space as YAML"
                )

    def _to_space(self) -> Space:
        content: dict[str, Any] = {}
        copies = self._find_copies()
        for name, known in self._known.items():
            stem = name.rpartition("_")[0]
            entry = known.dimension.model_dump(exclude_none=True)
            if stem in copies:
                if stem not in content:
                    counter, shared = copies[stem]
                    bounds = self._bounds_of_copies(stem)
                    content[stem] = entry | bounds | {"repeat": counter} | ({"when": shared} if shared else {})
                continue
            content[name] = entry | ({"when": known.when} if known.when else {})
        try:
            return parse(Space, content, "the code")
        except Exception as error:
            raise SpaceError(f"what it asks for is not a search space: {error}") from error

    def _find_copies(self) -> dict[str, tuple[str, dict[str, list[Value]]]]:
        """Return the names of which ``<name>_1`` ... are asked for by a counter, each with the counter."""
        found: dict[str, tuple[str, dict[str, list[Value]]]] = {}
        for name in self._known:
            stem, _, number = name.rpartition("_")
            if number != "1" or not stem or stem in self._known:
                continue
            count = 1
            while f"{stem}_{count + 1}" in self._known:
                count += 1
            for counter, known in self._known.items():
                dimension = known.dimension
                if not isinstance(dimension, IntDimension) or dimension.lowest < 0 or known.when:
                    continue
                if dimension.highest == count <= MAX_LAYERS and self._are_copies(stem, counter, dimension):
                    found[stem] = (counter, {})
        return found

    def _bounds_of_copies(self, stem: str) -> dict[str, list[float]]:
        """Return the bounds that are not the same for all copies, a list with one for each."""
        copies: list[Dimension] = []
        while f"{stem}_{len(copies) + 1}" in self._known:
            copies.append(self._known[f"{stem}_{len(copies) + 1}"].dimension)
        if not isinstance(copies[0], IntDimension | FloatDimension):
            return {}
        bounds = {name: [getattr(copy, name) for copy in copies] for name in ("low", "high")}
        return {name: values for name, values in bounds.items() if len(set(values)) > 1}

    def _are_copies(self, stem: str, counter: str, dimension: IntDimension) -> bool:
        first = _without_bounds(self._known[f"{stem}_1"].dimension)
        for number in range(1, dimension.highest + 1):
            known = self._known[f"{stem}_{number}"]
            wanted = [value for value in dimension.values() if value >= number]
            if len(wanted) == len(dimension.values()):
                matches = not known.when
            else:
                matches = set(known.when) == {counter} and known.when[counter] == wanted
            if not matches or _without_bounds(known.dimension) != first:
                return False
        return True


def _without_bounds(dimension: Dimension) -> Dimension:
    """Return a dimension with the same bounds for all of its kind, to compare copies that have bounds of their own."""
    if isinstance(dimension, IntDimension | FloatDimension):
        return dimension.model_copy(update={"low": 1, "high": 1})
    return dimension


def _ask(ask: Asker, name: str, content: dict[str, Any], default: Value, is_active: bool) -> Value:
    """Ask for a hyperparameter that a library's call describes."""
    if not isinstance(name, str) or not re.fullmatch(PARAMETER_PATTERN, name):
        raise SpaceError(f"{name!r}: is not a name of a hyperparameter; take letters, digits and _, a letter first")
    content = {key: value for key, value in content.items() if value is not None}
    try:
        space = Space.model_validate({name: content})
    except Exception as error:
        problem = error.errors(include_url=False)[0]["msg"] if hasattr(error, "errors") else str(error)
        raise SpaceError(f"{name}: {problem.removeprefix('Value error, ')}") from error
    dimension = space.root[name]
    values = dimension.values()
    if values is not None and len(values) == 1:  # nothing to search
        ask.constants[name] = values[0]
        return values[0]
    return ask.ask(name, dimension, default, is_active)


def _check_choices(name: str, choices: Sequence[Any]) -> None:
    """Refuse choices that no search space can hold, such as None, tuples and classes."""
    if not choices:
        raise SpaceError(f"{name}: has no choices; give one at least")
    wrong = [choice for choice in choices if not isinstance(choice, bool | int | float | str)]
    if wrong:
        raise SpaceError(
            f"{name}: {wrong[0]!r} is among its choices, which must be texts, numbers, or true and false; give each a "
            "name as a text, and look up in the code what it means"
        )


def _is_log(name: str, sampling: str | None, step: object) -> bool:
    if sampling is None or str(sampling).lower() == "linear":
        return False
    if str(sampling).lower() == "log" and step is None:
        return True
    what = "log sampling with a step, which multiplies" if str(sampling).lower() == "log" else f"{sampling} sampling"
    raise SpaceError(f"{name}: {what}, cannot be said in every library; use log sampling without a step, or a choice")


def _holds(dimension: Dimension, value: Value) -> bool:
    try:
        dimension.snap(value)
    except ValueError:
        return False
    return True


def _some_values(dimension: Dimension) -> list[Value]:
    """Return all values of a dimension, or some of many."""
    if isinstance(dimension, FloatDimension) and dimension.values() is None:
        return [dimension.lowest, (dimension.lowest + dimension.highest) / 2, dimension.highest]
    values = list(dimension.values() or [])
    if isinstance(dimension, ChoiceDimension | BoolDimension) or len(values) <= _FEW:
        return values
    return [values[place] for place in (0, 1, len(values) // 2, -2, -1)]


def _as_list(values: Any) -> list[Value]:
    return list(values) if isinstance(values, list | tuple) else [values]
