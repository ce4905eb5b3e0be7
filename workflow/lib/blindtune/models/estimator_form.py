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
    missing_arguments,
    own_modules,
    parameter_names,
    resolve,
    takes_weights,
    to_parameters,
)
from blindtune.models.forms import ModelChoice
from blindtune.search_space import (
    BoolDimension,
    ChoiceDimension,
    Dimension,
    FloatDimension,
    Hyperparameters,
    Space,
    Value,
)


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
        for path in self.steps[:-1]:
            if not callable(getattr(load_class(path), "transform", None)):
                raise ValueError(f"estimator: {path} cannot be a step before the last: it has no transform")
        load_class(self.steps[-1])
        known = parameter_names(self.steps)
        for name in self.arguments:
            _check_name(f"arguments.{name}", name, known)
        for name in missing_arguments(self.steps, self.arguments):
            raise ValueError(
                f"arguments.{name}: is missing: {self.steps[-1]} has no default for it; give it here, or a default in "
                "the class if it is searched"
            )
        try:
            estimator = create_estimator(self.steps, self.arguments)
        except (Exception, SystemExit) as error:  # of the estimator's own constructor
            raise ValueError(f"arguments: {self.steps[-1]} does not take them: {error}") from error
        _check_is_classifier(estimator, self.steps[-1])
        _validate(estimator, "arguments")

    def check_probabilities(self, space: Space, metric: str) -> None:
        """Refuse an estimator that gives labels alone with some set of a space, for a metric that needs more.

        Args:
            space: the search space.
            metric: the name of the metric.

        Raises:
            ValueError: the message names the metric, the set and what to do.
        """
        for values in _some_sets(space):
            try:
                estimator = create_estimator(self.steps, {**self.arguments, **to_parameters(values)})
            except Exception:  # such a set is recorded as failed  # noqa: S112
                continue
            if callable(getattr(estimator, "predict_proba", None)):
                continue
            raise ValueError(
                f"metric: {metric} needs class probabilities, and {self.steps[-1]} gives labels alone with "
                f"{_describe_set(values)}. {self._advise_probabilities(values)}take the metric error, balanced_error "
                "or macro_f1, or another estimator."
            )

    def check_weights(self) -> None:
        """Refuse an estimator whose last step takes no weights of samples."""
        path = self.steps[-1]
        if not takes_weights(path):
            raise ValueError(
                f"weight: the fit of {path} has no sample_weight; leave weight out of the dataset, or take another "
                "estimator"
            )

    def _advise_probabilities(self, values: Mapping[str, Value]) -> str:
        """Return the argument, or the values of the set, by which the estimator gives probabilities."""
        for name in parameter_names(self.steps):
            if name.rpartition("__")[2] == "probability":
                return f"Give `arguments: {{{name}: true}}`, or "
        for name, value in values.items():
            if isinstance(value, str):
                return f"If {name} {value} is the cause, take it out; or "
        return "Give an argument under which it has predict_proba; or "

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


def _check_is_classifier(estimator: Any, path: str) -> None:
    """Refuse what is not a classifier by scikit-learn's own test, which reads the tags of a class."""
    from sklearn.base import is_classifier

    try:
        found = is_classifier(estimator)
    except Exception:  # a class without tags
        found = False
    if not found:
        advice = "give a classifier"
        if own_modules([path]):
            name = path.rpartition(".")[2]
            advice = f"declare it as one: class {name}(ClassifierMixin, BaseEstimator), of sklearn.base in this order"
        raise ValueError(f"estimator: {path} is not a classifier; {advice}")
    if not callable(getattr(estimator, "predict", None)):
        raise ValueError(f"estimator: {path} has no method predict; add it, or give another classifier")


#: Sets that are drawn to find one with which an estimator gives no probabilities.
_DRAWN = 32


def _some_sets(space: Space) -> Iterator[Mapping[str, Value]]:
    """Yield drawn sets of a space, the same each time, then one for each word of a choice."""
    import numpy as np

    random = np.random.default_rng(0)
    for _ in range(_DRAWN):
        yield space.draw(random)
    for name, dimension in space.root.items():
        for value in dimension.values() or () if isinstance(dimension, BoolDimension | ChoiceDimension) else ():
            drawn = {spec.name: spec.dimension.draw(random) for spec in space.hyperparameters()}
            yield space.snap({**drawn, name: value})


def _describe_set(values: Mapping[str, Value]) -> str:
    """Return the words of a set, which decide what an estimator can do; without any, all of the set."""
    words = {name: value for name, value in values.items() if isinstance(value, str | bool)}
    return f"{{{', '.join(f'{name}: {value}' for name, value in (words or values).items())}}}"


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
