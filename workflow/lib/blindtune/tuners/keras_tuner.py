"""Keras Tuner, driven through its oracles (Shawki et al. 2021, Table 2)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from blindtune.budgets import Budget
from blindtune.spaces import (
    BoolDimension,
    ChoiceDimension,
    Dimension,
    FloatDimension,
    IntDimension,
    Parameter,
    Space,
    Value,
)
from blindtune.trials import Trial
from blindtune.tuners.base import Proposal, Start, Tuner, TunerSettings, check_grid

if TYPE_CHECKING:
    import keras_tuner


class KerasTunerSettings(TunerSettings):
    """Arguments of Keras Tuner; its ``max_trials`` is the study's budget, its seed the study's."""

    library: Literal["keras-tuner"]
    algorithm: Literal["random", "bayesian", "grid"] = Field(
        description="random: RandomSearch; bayesian: BayesianOptimization, a Gaussian process; grid: GridSearch"
    )
    allow_new_entries: bool = Field(
        default=True, description="Table 2; every entry is declared up front, so none is ever new"
    )
    tune_new_entries: bool = Field(default=True, description="Table 2; see allow_new_entries")

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """A grid needs lists of values."""
        if self.algorithm == "grid":
            check_grid(space)

    def start(self, start: Start) -> Tuner:
        """A fresh oracle; Keras Tuner takes a seed of 0 for none, so seeds start at 1."""
        return _OracleTuner(start.space, _oracle(self, start))


class _OracleTuner(Tuner):
    def __init__(self, space: Space, oracle: "keras_tuner.Oracle") -> None:
        self._space = space
        self._oracle = oracle
        self._running: Any = None

    def ask(self) -> Proposal | None:
        trial = self._oracle.create_trial("blindtune")
        if trial.status == "STOPPED":
            return None
        self._running = trial
        return Proposal(self._space.uncut(trial.hyperparameters.values))

    def tell(self, trial: Trial) -> None:
        self._oracle.update_trial(self._running.trial_id, {_OBJECTIVE: trial.told()})
        self._running.status = "COMPLETED"
        self._oracle.end_trial(self._running)


_OBJECTIVE = "dev_error"


def _oracle(settings: KerasTunerSettings, start: Start) -> "keras_tuner.Oracle":
    import keras_tuner

    kinds = {
        "random": keras_tuner.oracles.RandomSearchOracle,
        "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
        "grid": keras_tuner.oracles.GridSearchOracle,
    }
    kind: Any = kinds[settings.algorithm]

    class InMemory(kind):  # type: ignore[misc]
        """Keeps nothing on disk: our own log is the record, and Keras Tuner's files do not survive a kill."""

        def save(self) -> None:
            pass

        def _save_trial(self, trial: Any) -> None:
            pass

    oracle = InMemory(
        objective=keras_tuner.Objective(_OBJECTIVE, "min"),
        max_trials=start.budget.most_trials(),
        seed=start.seed,
        hyperparameters=hyperparameters(start.space),
        allow_new_entries=settings.allow_new_entries,
        tune_new_entries=settings.tune_new_entries,
    )
    oracle.verbose = 0
    return oracle


def hyperparameters(space: Space) -> "keras_tuner.HyperParameters":
    """``space`` as Keras Tuner's own, every entry under the conditions that make it active.

    Entries found while a model is built would begin at their defaults instead of a draw.
    """
    import keras_tuner

    declared = keras_tuner.HyperParameters()
    dimensions = {parameter.name: parameter.dimension for parameter in space.parameters()}
    declared.merge([_entry(parameter, dimensions) for parameter in space.parameters()])
    return declared


class _Cut(list[float]):
    """The values of a condition on a logarithmic whole number, of which Keras Tuner holds the uncut draw."""

    def __init__(self, dimension: IntDimension, allowed: tuple[Value, ...]) -> None:
        # Floats, since Keras Tuner copies lists of whole numbers into plain ones.
        super().__init__(float(value) for value in allowed)
        self._dimension = dimension

    def __contains__(self, value: Any) -> bool:
        return super().__contains__(self._dimension.cut(value))


def _allowed(dimension: Dimension, allowed: tuple[Value, ...]) -> list[Any]:
    return _Cut(dimension, allowed) if isinstance(dimension, IntDimension) and dimension.log else list(allowed)


def _entry(parameter: Parameter, dimensions: Mapping[str, Dimension]) -> Any:
    from keras_tuner.engine import hyperparameters as kinds
    from keras_tuner.src.engine.conditions import Parent

    name, dimension = parameter.name, parameter.dimension
    # Not by conditional_scope: that takes a second condition only if the parent has the first one too.
    conditions = [
        Parent(parent, _allowed(dimensions[parent], allowed)) for parent, allowed in parameter.conditions.items()
    ]
    match dimension:
        case IntDimension(log=True):
            relaxed = dimension.relaxed()
            return kinds.Float(name, relaxed.low, relaxed.high, sampling="log", conditions=conditions)
        case IntDimension():
            return kinds.Int(name, dimension.low, dimension.high, dimension.step, conditions=conditions)
        case FloatDimension(step=None) if dimension.low < dimension.high:
            sampling = "log" if dimension.log else "linear"
            return kinds.Float(name, dimension.low, dimension.high, sampling=sampling, conditions=conditions)
        case FloatDimension():
            # Keras Tuner's Float would miss the last value where (high - low) / step rounds down, as 0.45 / 0.05 does.
            return kinds.Choice(name, dimension.values(), ordered=True, conditions=conditions)
        case ChoiceDimension(options=[bool() as first, *others]):
            # Keras Tuner's Choice would turn them into 0 and 1.
            return (
                kinds.Boolean(name, conditions=conditions)
                if others
                else kinds.Fixed(name, first, conditions=conditions)
            )
        case ChoiceDimension():
            return kinds.Choice(name, dimension.options, conditions=conditions)
        case BoolDimension():
            return kinds.Boolean(name, conditions=conditions)
