"""How hyperparameters become an estimator, and which search spaces fit it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from blindtune.core.validation import suggest_name
from blindtune.models.base import ModelForm
from blindtune.models.estimator import EstimatorBlueprint
from blindtune.models.estimator_classes import (
    MANAGED,
    create_estimator,
    is_managed,
    library_versions,
    load_class,
    parameter_names,
    resolve,
    to_parameters,
)
from blindtune.models.forms import ModelChoice
from blindtune.search_space import Dimension, FloatDimension, Hyperparameters, Space, Value


@dataclass(frozen=True)
class EstimatorForm(ModelForm):
    """Makes blueprints of one estimator.

    Attributes:
        steps: import paths; several make a pipeline.
        arguments: constructor arguments that are not searched.
        parts: number of parts of train by which a tuner allocates.
    """

    trains_epochs = False
    steps: tuple[str, ...]
    arguments: Mapping[str, Any]
    parts: int = 1

    def check_space(self, space: Space, where: str) -> None:
        """Refuse names that are not parameters of the estimator, and values that it does not take."""
        known = parameter_names(self.steps)
        for name, dimension in space.root.items():
            place = f"{where}: {name}"
            if dimension.repeat is not None:
                raise ValueError(f"{place}: an estimator has no layers; take `repeat: {dimension.repeat}` out")
            _check_name(place, name, known)
            if name in self.arguments:
                raise ValueError(f"{place}: is among the arguments too; take it out of one of the two")
            for value in _ends(dimension):
                self._check_value(place, {name: value})

    def check_arguments(self) -> None:
        """Refuse steps that are not what they must be, and arguments that the estimator does not take.

        Raises:
            ValueError: the message names the step or the argument.
        """
        from sklearn.base import is_classifier

        for path in self.steps[:-1]:
            if not callable(getattr(load_class(path), "transform", None)):
                raise ValueError(f"estimator: {path} cannot be a step before the last: it has no transform")
        load_class(self.steps[-1])
        known = parameter_names(self.steps)
        for name in self.arguments:
            _check_name(f"arguments.{name}", name, known)
        try:
            estimator = create_estimator(self.steps, self.arguments)
        except Exception as error:  # of the estimator's own constructor
            raise ValueError(f"arguments: {self.steps[-1]} does not take them: {error}") from error
        if not is_classifier(estimator) or not callable(getattr(estimator, "predict", None)):
            raise ValueError(f"estimator: {self.steps[-1]} is not a classifier")
        _validate(estimator, "arguments")

    def build(self, values: Hyperparameters, input_shape: tuple[int, ...], classes: int) -> EstimatorBlueprint:
        """Return the recipe of a hyperparameter set; it depends on neither the shape nor the number of classes."""
        parameters = {**self.arguments, **to_parameters(values)}
        return EstimatorBlueprint(
            steps=self.steps,
            parameters=parameters,
            libraries=library_versions(self.steps),
            parts=self.parts,
            fitted_parts=self.parts,
        )

    def describe(self, values: Mapping[str, Any]) -> tuple[object, ...]:
        """Return the parameters of the estimator that a set builds."""
        estimator = create_estimator(self.steps, {**self.arguments, **to_parameters(values)})
        return tuple((name, _comparable(value)) for name, value in sorted(estimator.get_params(deep=True).items()))

    def _check_value(self, place: str, values: dict[str, Value]) -> None:
        try:
            estimator = create_estimator(self.steps, {**self.arguments, **to_parameters(values)})
        except Exception as error:  # of the estimator's own constructor
            raise ValueError(f"{place}: {error}") from error
        _validate(estimator, place)


def create_form(choice: ModelChoice) -> EstimatorForm:
    """Create the form of an estimator.

    Args:
        choice: names the steps and the fixed arguments.

    Raises:
        ValueError: a step cannot be loaded, or an argument is not one of the estimator.
    """
    form = EstimatorForm(tuple(map(resolve, choice.steps)), json.loads(choice.arguments), choice.parts)
    form.check_arguments()
    return form


def _check_name(place: str, name: str, known: list[str]) -> None:
    if is_managed(name):
        raise ValueError(f"{place}: cannot be set: {MANAGED[name.rpartition('__')[2]]}")
    if name not in known:
        hint = suggest_name(name, [one for one in known if not is_managed(one)])
        raise ValueError(f"{place}: is not a parameter of the estimator: {hint}")


def _ends(dimension: Dimension) -> Iterator[Value]:
    """Yield the values of a dimension that may be refused: every word, and the ends of a range."""
    values = dimension.values()
    if values is None:
        yield from (dimension.lowest, dimension.highest) if isinstance(dimension, FloatDimension) else ()
        return
    yield from values if isinstance(values[0], str) else dict.fromkeys([values[0], values[-1]])


def _validate(estimator: Any, place: str) -> None:
    """Refuse values that scikit-learn's own declaration of the parameters excludes; other libraries have none."""
    for part in [estimator, *estimator.get_params(deep=True).values()]:
        check = getattr(part, "_validate_params", None)
        # A class of another package inherits the check without a declaration to check against.
        if isinstance(part, type) or not callable(check) or not hasattr(part, "_parameter_constraints"):
            continue
        try:
            check()
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error


def _comparable(value: object) -> object:
    if isinstance(value, bool | int | float | str | None):
        return value
    return type(value).__name__ if hasattr(value, "get_params") else repr(value)
