"""Keras Tuner, driven through its oracles (Shawki et al. 2021, Table 2)."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from blindtune.spaces import BoolDimension, ChoiceDimension, FloatDimension, IntDimension, Parameter, Space
from blindtune.tuners.base import Proposal, Tuner, TunerSettings

if TYPE_CHECKING:
    import keras_tuner


class KerasTunerSettings(TunerSettings):
    """Arguments of Keras Tuner; its ``max_trials`` is the study's budget, its seed the study's."""

    library: Literal["keras-tuner"]
    algorithm: Literal["random"] = Field(description="random: RandomSearch")
    allow_new_entries: bool = Field(
        default=True, description="Table 2; every entry is declared up front, so none is ever new"
    )
    tune_new_entries: bool = Field(default=True, description="Table 2; see allow_new_entries")

    def start(self, space: Space, trials: int, seed: int) -> Tuner:
        """A fresh oracle; Keras Tuner takes a seed of 0 for none, so seeds start at 1."""
        return _OracleTuner(space, _random_oracle(self, space, trials, seed))


class _OracleTuner:
    def __init__(self, space: Space, oracle: "keras_tuner.Oracle") -> None:
        self._space = space
        self._oracle = oracle
        self._running: Any = None

    def ask(self) -> Proposal | None:
        trial = self._oracle.create_trial("blindtune")
        if trial.status == "STOPPED":
            return None
        self._running = trial
        return Proposal(self._space.snap(trial.hyperparameters.values))

    def tell(self, proposal: Proposal, error: float) -> None:
        self._oracle.update_trial(self._running.trial_id, {_OBJECTIVE: error})
        self._running.status = "COMPLETED"
        self._oracle.end_trial(self._running)


_OBJECTIVE = "dev_error"


def _random_oracle(settings: KerasTunerSettings, space: Space, trials: int, seed: int) -> "keras_tuner.Oracle":
    import keras_tuner

    class InMemory(keras_tuner.oracles.RandomSearchOracle):  # type: ignore[misc]
        """Keeps nothing on disk: our own log is the record, and Keras Tuner's files do not survive a kill."""

        def save(self) -> None:
            pass

        def _save_trial(self, trial: Any) -> None:
            pass

    oracle = InMemory(
        objective=keras_tuner.Objective(_OBJECTIVE, "min"),
        max_trials=trials,
        seed=seed,
        hyperparameters=hyperparameters(space),
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
    declared.merge([_entry(parameter) for parameter in space.parameters()])
    return declared


def _entry(parameter: Parameter) -> Any:
    from keras_tuner.engine import hyperparameters as kinds
    from keras_tuner.src.engine.conditions import Parent

    name, dimension = parameter.name, parameter.dimension
    # Not by conditional_scope: that takes a second condition only if the parent has the first one too.
    conditions = [Parent(parent, list(allowed)) for parent, allowed in parameter.conditions.items()]
    match dimension:
        case IntDimension():
            step, sampling = (None, "log") if dimension.log else (dimension.step, "linear")
            return kinds.Int(name, dimension.low, dimension.high, step, sampling, conditions=conditions)
        case FloatDimension(step=None):
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
