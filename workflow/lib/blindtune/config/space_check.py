"""Refuses a search space with a dimension that does not change what is trained.

Such a dimension would be searched and recorded, and the record would state what the frozen model does not have. What
a model reads is found by trying, since it may come from another package: some sets are drawn, one active value of each
is changed, and the tasks are compared. The draws are fixed, so the same space always gets the same answer.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count

import numpy as np

from blindtune.config.training import OPTIONAL_SETTINGS, Training
from blindtune.models.base import ModelForm
from blindtune.models.forms import ModelChoice, create_form
from blindtune.search_space import (
    Dimension,
    FixedDimension,
    FloatDimension,
    Hyperparameters,
    HyperparameterSpec,
    Space,
    Value,
)
from blindtune.training.base import describe_error
from blindtune.training.registry import TRAINERS

#: Random sets that are drawn, and how many hyperparameters they hold in all: planning stays fast for large sets.
_MAX_DRAWS, _MIN_DRAWS, _DRAWN_VALUES = 40, 12, 800

#: Sets that are drawn at most for each that can be built.
_TRIES = 4

#: Sets that are tried of a dimension that no drawn set had: what it depends on is rare.
_RARE_DRAWS = 8

#: Completions that are tried if a change makes other dimensions active.
_COMPLETIONS = 4

#: Largest number of values of a dimension that are all compared with each other.
_FEW = 12

_DEFAULT_TRAINING = Training()


@dataclass(frozen=True)
class TaskReader:
    """Reads what is trained from a hyperparameter set.

    Attributes:
        form: what the hyperparameters build.
        ignored: the settings of training that the trainer does not read.
        samples: number of samples in train; None: unknown.
        training: the settings of which a set has no value.
    """

    form: ModelForm
    ignored: tuple[str, ...] = ()
    samples: int | None = None
    training: Training = _DEFAULT_TRAINING

    def __call__(self, values: Hyperparameters) -> tuple[object, ...]:
        """Return what a set trains; two sets that give equal results are trained in the same way.

        Raises:
            Exception: nothing can be made of the set; the form chooses the exception.
        """
        built = self.form.describe(values)
        if not self.form.trains_epochs:
            return built
        read = self.form.training_values(values)
        settings = tuple((name, value) for name, value in read.items() if name in Training.model_fields)
        # Class weights are the same for all sets, and a dictionary is no key of a cache.
        shared = self.training.model_copy(update={"class_weight": None})
        return *built, _read_training(shared, settings, self.ignored, self.samples)


#: What a set trains.
_Task = tuple[object, ...]


@lru_cache(maxsize=1024)
def _read_training(
    training: Training, settings: tuple[tuple[str, Value], ...], ignored: tuple[str, ...], samples: int | None
) -> dict[str, object]:
    return training.with_hyperparameters(dict(settings)).as_read(ignored, samples)


@dataclass(frozen=True)
class _Change:
    """One active value of a set, and another value that was tried in its place.

    Attributes:
        values: the set.
        name: the hyperparameter.
        other: its other value.
    """

    values: Hyperparameters
    name: str
    other: Value


@dataclass
class _Finding:
    """The changes of one dimension: those that changed the task, and those that did not."""

    read: list[_Change] = field(default_factory=list)
    unread: list[_Change] = field(default_factory=list)


def check_dimensions(
    space: Space,
    family: str,
    trainer: str,
    where: str,
    samples: int | None = None,
    training: Training = _DEFAULT_TRAINING,
) -> None:
    """Refuse a space of a family of architectures, as `check_model_dimensions` does.

    Args:
        space: a search space of the family.
        family: name of the family.
        trainer: name of the trainer.
        where: the file of the space, for the message.
        samples: number of samples in train, if it is known.
        training: the settings of which a set may have no value.

    Raises:
        ValueError: the message names the dimension and says what to do.
    """
    check_model_dimensions(space, ModelChoice("architecture", family), trainer, where, samples, training)


def check_model_dimensions(
    space: Space,
    choice: ModelChoice,
    trainer: str,
    where: str,
    samples: int | None = None,
    training: Training = _DEFAULT_TRAINING,
    replaced: Collection[str] = (),
) -> None:
    """Refuse a space in which the change of an active dimension alone can leave the trained task as it was.

    Args:
        space: a search space that fits the model.
        choice: what is trained.
        trainer: name of the trainer.
        where: the file of the space, for the message.
        samples: number of samples in train, if it is known.
        training: the settings of which a set may have no value.
        replaced: settings that the code of a network has in place of the trainer.

    Raises:
        ValueError: the message names the dimension and says what to do.
    """
    ignored = (*TRAINERS[trainer].unread_settings(), *replaced)
    for name, dimension in space.root.items():
        # Its only value cannot be changed to another one, which would show whether it is read.
        if choice.form == "architecture" and isinstance(dimension, FixedDimension) and name in ignored:
            raise ValueError(f"{where}: {name}: {trainer} does not read it; take the dimension out.")
    known = samples if "batch_size" in space.root else None  # else the datasets share the answer
    conditional = any(dimension.when for name, dimension in space.root.items() if name in Training.model_fields)
    # What an optional setting does depends on others, and so may what another one does.
    optional = any(name in space.root or training.given(name) for name in OPTIONAL_SETTINGS)
    # Class weights are the same for all sets, and a dictionary is no key of a cache.
    shared = training.model_copy(update={"class_weight": None})
    base = shared if conditional or optional else _DEFAULT_TRAINING
    problem = _find_problem(space.model_dump_json(), choice, ignored, known, base)
    if problem:
        raise ValueError(f"{where}: {problem}")


@lru_cache(maxsize=64)
def _find_problem(
    content: str, choice: ModelChoice, ignored: tuple[str, ...], samples: int | None, training: Training
) -> str | None:
    """Return what is wrong with a space, None if nothing is; the tuners of a comparison share the answer."""
    probe = _Probe(Space.model_validate_json(content), TaskReader(create_form(choice), ignored, samples, training))
    return probe.problem()


class _Probe:
    """Changes the values of drawn sets one by one."""

    def __init__(self, space: Space, read: TaskReader) -> None:
        self._space = space
        self._read = read
        self._specs = space.hyperparameters()
        self._by_name = {spec.name: spec for spec in self._specs}
        self._dimension_names = {spec.name: _dimension_name(space, spec) for spec in self._specs}
        self._random = np.random.default_rng(0)

    def problem(self) -> str | None:
        """Return a sentence on the first dimension that can be changed without effect, None if there is none."""
        findings = {name: _Finding() for name in self._space.root}
        wanted = min(_MAX_DRAWS, max(_MIN_DRAWS, _DRAWN_VALUES // len(self._specs)))
        wanted = min(wanted, getattr(self._read.form, "max_draws", wanted))
        if not wanted:
            return None
        reasons: list[str] = []
        n_sets = 0
        for number, values in enumerate(self._draws()):
            if number - len(reasons) == wanted or number == _TRIES * wanted:
                break
            n_sets += 1
            try:
                task = self._read(values)
            except Exception as error:  # such a set is recorded as failed; the form chooses the exception
                reasons.append(describe_error(error))
                continue
            self._try_changes(values, task, self._chosen(values), number, findings)
        if len(reasons) == n_sets:
            return f"none of {n_sets} sets of this space can be built, e.g. {reasons[0]}"
        for name, finding in findings.items():
            if not (finding.read or finding.unread) and not self._try_rare(name, findings):
                return (
                    f"{name}: is never active: no set has all the values that its `when` asks for. Change it, or take "
                    "the dimension out."
                )
        guilty = next((name for name, finding in findings.items() if finding.unread), None)
        return None if guilty is None else self._describe(guilty, findings[guilty])

    def _try_changes(
        self,
        values: Hyperparameters,
        task: _Task,
        specs: Iterable[HyperparameterSpec],
        number: int,
        findings: Mapping[str, _Finding],
    ) -> None:
        """Change some hyperparameters of a set one by one, and note which changes change the task."""
        for spec in specs:
            finding = findings[self._dimension_names[spec.name]]
            for other in self._others(spec, values[spec.name], number):
                found = finding.read if self._differs(spec, values, task, other) else finding.unread
                found.append(_Change(values, spec.name, other))

    def _try_rare(self, name: str, findings: Mapping[str, _Finding]) -> bool:
        """Try a dimension that no drawn set had, in sets that have what it depends on; return whether there are any."""
        copies = [spec for spec in self._specs if self._dimension_names[spec.name] == name]
        for number in range(_RARE_DRAWS):
            spec = copies[number % len(copies)]
            above = self._draw_above(spec)
            if above is None:
                continue
            values = self._complete(above)
            try:
                task = self._read(values)
            except Exception:  # such a set is recorded as failed  # noqa: S112
                continue
            self._try_changes(values, task, [spec], number, findings)
        return any(self._draw_above(spec) is not None for spec in copies)

    def _draw_above(self, spec: HyperparameterSpec) -> Hyperparameters | None:
        """Draw a value for each hyperparameter on which one depends, so that it is active; None if it cannot be."""
        allowed: dict[str, list[Value]] = {}
        waiting, done = [spec.name], set()
        while waiting:
            name = waiting.pop()
            if name in done:
                continue
            done.add(name)
            for parent, values in self._by_name[name].conditions.items():
                allowed[parent] = [value for value in values if value in allowed.get(parent, values)]
                waiting.append(parent)
        if not all(allowed.values()):
            return None
        return {name: values[int(self._random.integers(len(values)))] for name, values in allowed.items()}

    def _draws(self) -> Iterator[Hyperparameters]:
        """Yield sets without end: the lowest values, the highest ones, and random sets.

        Of the random sets half give all copies of a dimension one value, unless its copies have other bounds.
        """
        yield self._complete({}, lambda spec: _some_values(spec.dimension)[0])
        yield self._complete({}, lambda spec: _some_values(spec.dimension)[-1])
        for number in count():
            if number % 2:
                yield self._complete({})
                continue
            alike = {name: one for name, one in self._space.root.items() if one.n_bounds is None}
            shared = {name: dimension.draw(self._random) for name, dimension in alike.items()}
            names = {spec.name: self._dimension_names[spec.name] for spec in self._specs}
            yield self._complete({copy: shared[name] for copy, name in names.items() if name in shared})

    def _draw(self, spec: HyperparameterSpec) -> Value:
        return spec.dimension.draw(self._random)

    def _complete(
        self, values: Mapping[str, Value], missing: Callable[[HyperparameterSpec], Value] | None = None
    ) -> Hyperparameters:
        """Return the active values of ``values``; what is not among them is what ``missing`` returns, or is drawn."""
        complete: Hyperparameters = {}
        for spec in self._specs:
            if spec.is_active(complete):
                complete[spec.name] = values[spec.name] if spec.name in values else (missing or self._draw)(spec)
        return complete

    def _chosen(self, values: Hyperparameters) -> Iterator[HyperparameterSpec]:
        """Yield the active hyperparameters; of many copies the first, the last and one in between."""
        copies: dict[str, list[HyperparameterSpec]] = {}
        for spec in self._specs:
            if spec.name in values:
                copies.setdefault(self._dimension_names[spec.name], []).append(spec)
        for active in copies.values():
            places = {0, len(active) - 1, int(self._random.integers(len(active)))}
            yield from (active[place] for place in sorted(places))

    def _others(self, spec: HyperparameterSpec, value: Value, number: int) -> list[Value]:
        """Return the values to which ``value`` is changed in a set: in every eighth set several, in others one."""
        others = [other for other in _some_values(spec.dimension) if other != value]
        if not others:
            return [_outside(value)]
        if number % 8 == 0:
            return others
        drawn = self._draw(spec)
        return [drawn if drawn != value else others[int(self._random.integers(len(others)))]]

    def _differs(self, spec: HyperparameterSpec, values: Hyperparameters, task: _Task, other: Value) -> bool:
        """Return whether a change alone changes the task; with any completion if it makes other dimensions active."""
        for _ in range(_COMPLETIONS):
            changed = self._complete({**values, spec.name: other})
            try:
                if self._read(changed) != task:
                    return True
            except Exception:  # a set that fails is another task than one that does not
                return True
            if set(changed) <= set(values):
                return False
        return False

    def _describe(self, name: str, finding: _Finding) -> str:
        change = finding.unread[0]
        if not finding.read:
            return f"{name}: no value of it changes anything. {self._advise_unread(name, change)}"
        before, after = _yaml(change.values[change.name]), _yaml(change.other)
        others = {key: value for key, value in change.values.items() if key != change.name}
        example = ", ".join(f"{key}: {_yaml(value)}" for key, value in others.items())
        return (
            f"{name}: {change.name} {before} and {after} give the same model with {{{example}}}. "
            f"{self._advise_partly_read(name, finding)}"
        )

    def _advise_unread(self, name: str, change: _Change) -> str:
        repeat = self._space.root[name].repeat
        if name in self._read.ignored:
            return "The trainer does not read it; take the dimension out."
        if repeat and self._is_read_without_copies(name, change.values):
            return f"One value of it holds for all {repeat}; take `repeat: {repeat}` out."
        if name in OPTIONAL_SETTINGS:
            return "It does nothing with the other settings; take the dimension out, or add what it belongs to."
        if name in Training.model_fields and not repeat:
            return "They all mean the same to the trainer; leave one of them."
        return "Take the dimension out, or add the dimensions that it belongs to."

    def _is_read_without_copies(self, name: str, values: Hyperparameters) -> bool:
        kept = {key: value for key, value in values.items() if self._dimension_names[key] != name}
        first, last = (_some_values(self._space.root[name])[place] for place in (0, -1))
        try:
            tasks = [self._read({**kept, name: value}) for value in (first, last if last != first else _outside(last))]
        except Exception:  # no value without an index
            return False
        return tasks[0] != tasks[1]

    def _advise_partly_read(self, name: str, finding: _Finding) -> str:
        samples = self._read.samples
        if samples is not None and name == "batch_size":
            return f"Train has {samples} samples; let the largest batch size be at most that."
        for parent, dimension in self._space.root.items():
            known = _some_values(dimension)
            if parent == name or dimension.n_bounds is not None:
                continue
            if dimension.values() is None or len(known) < len(dimension.values() or []):
                continue
            unread = {value for change in finding.unread for value in self._seen(parent, change)}
            read = [set(self._seen(parent, change)) for change in finding.read]
            allowed = [value for value in known if value not in unread]
            if not unread or not allowed or not all(seen & set(allowed) for seen in read if seen):
                continue
            listed = f"[{', '.join(map(_yaml, allowed))}]"
            if name in self._ancestors(parent):
                return f"Take {', '.join(_yaml(value) for value in known if value in unread)} out of {parent}."
            repeat = dimension.repeat if dimension.repeat != self._space.root[name].repeat else None
            more = f"`repeat: {repeat}` and " if repeat else ""
            return f"Add {more}`when: {{{parent}: {listed}}}` to it."
        if repeat := self._space.root[name].repeat:
            return f"Not every copy of it is read; take `repeat: {repeat}` out, or repeat it over another dimension."
        return "Take one of the two values out, or the dimension, or add a `when` under which it counts."

    def _seen(self, parent: str, change: _Change) -> list[Value]:
        """Return the values of a dimension in a set: of copies that of the same layer, if there is one."""
        same_layer = f"{parent}{change.name.removeprefix(self._dimension_names[change.name])}"
        if same_layer in change.values:
            return [change.values[same_layer]]
        return [value for key, value in change.values.items() if self._dimension_names[key] == parent]

    def _ancestors(self, name: str) -> set[str]:
        dimension = self._space.root[name]
        above = {*(dimension.when or {}), *([dimension.repeat] if dimension.repeat else [])}
        return above.union(*(self._ancestors(parent) for parent in above))


def _dimension_name(space: Space, spec: HyperparameterSpec) -> str:
    return spec.name if spec.name in space.root else spec.name.rpartition("_")[0]


def _some_values(dimension: Dimension) -> list[Value]:
    """Return all values of a dimension, or some of many, the lowest first and the highest last."""
    if isinstance(dimension, FloatDimension) and dimension.step is None:
        return list(dict.fromkeys([dimension.lowest, (dimension.lowest + dimension.highest) / 2, dimension.highest]))
    values = dimension.values() or []
    if len(values) <= _FEW:
        return list(values)
    return [values[place] for place in (0, 1, len(values) // 2, -2, -1)]


def _outside(value: Value) -> Value:
    """Return what a dimension of a single value does not hold: whether anything reads it shows by any other value."""
    if isinstance(value, bool):
        return not value
    return value / 2 if isinstance(value, float) and value else f"not {value}" if isinstance(value, str) else value + 1


def _yaml(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
