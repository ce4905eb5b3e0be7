"""Optuna, driven through ``ask`` and ``tell`` on a study that is held in memory."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from blindtune.budgets import Budget
from blindtune.spaces import (
    BoolDimension,
    ChoiceDimension,
    Dimension,
    FloatDimension,
    Hyperparameters,
    IntDimension,
    Parameter,
    Space,
    Value,
)
from blindtune.trials import Trial
from blindtune.tuners.base import Proposal, Start, Tuner, TunerSettings, check_grid

if TYPE_CHECKING:
    import optuna


class OptunaSettings(TunerSettings):
    """The sampler; a trial without a score is told as the worst error, since Optuna never learns from failures."""

    library: Literal["optuna"]
    algorithm: Literal["random", "tpe", "tpe-2024", "grid", "cma-es"] = Field(
        description="sampler; tpe: with the defaults of Optuna 5, tpe-2024: with those of Optuna 3 and 4 "
        "(univariate, no constant liar)"
    )

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """Optuna's grid takes no conditions, CMA-ES neither conditions nor choices."""
        if self.algorithm == "grid":
            check_grid(space)
        for name, dimension in space.root.items():
            if self.algorithm in ("grid", "cma-es") and (dimension.when or dimension.repeat):
                raise ValueError(f"{name}: Optuna's {self.algorithm} takes no dimension that depends on another")
            if self.algorithm == "cma-es" and _is_choice(dimension):
                raise ValueError(f"{name}: Optuna's cma-es takes numbers only, no choices")

    def start(self, start: Start) -> Tuner:
        """A fresh study."""
        return _StudyTuner(self.algorithm, start.space, start.seed)


class _StudyTuner(Tuner):
    def __init__(self, algorithm: str, space: Space, seed: int) -> None:
        self._space = space
        self._grid = _grid(space, seed) if algorithm == "grid" else None
        self._study = _study(self._grid or _sampler(algorithm, seed))
        self._running: optuna.Trial | None = None

    def ask(self) -> Proposal | None:
        if self._grid is not None and self._grid.is_exhausted(self._study):
            return None
        self._running = self._study.ask()
        return Proposal(self._space.uncut(suggest(self._running, self._space)))

    def tell(self, trial: Trial) -> None:
        if self._running is None:
            raise RuntimeError("told before it was asked")
        self._study.tell(self._running, trial.told())


def _is_choice(dimension: Dimension) -> bool:
    return isinstance(dimension, ChoiceDimension | BoolDimension) and len(dimension.values()) > 1


def suggest(trial: "optuna.Trial", space: Space) -> Hyperparameters:
    """One hyperparameter set, each active parameter suggested by ``trial``, parents first.

    Logarithmic whole numbers are draws from their relaxed dimension, see `IntDimension.relaxed`.
    """
    values: Hyperparameters = {}
    seen: Hyperparameters = {}
    for parameter in space.parameters():
        if parameter.active(seen):
            values[parameter.name] = _suggest(trial, parameter)
            seen[parameter.name] = _settled(parameter, values[parameter.name])
    return values


def _settled(parameter: Parameter, value: Value) -> Value:
    dimension = parameter.dimension
    if isinstance(dimension, IntDimension) and isinstance(value, float):
        return dimension.cut(value)
    return dimension.snap(value)


def _suggest(trial: "optuna.Trial", parameter: Parameter) -> Any:
    name, dimension = parameter.name, parameter.dimension
    match dimension:
        case IntDimension(log=True):
            relaxed = dimension.relaxed()
            return trial.suggest_float(name, relaxed.low, relaxed.high, log=True)
        case IntDimension():
            # Optuna warns where the step does not divide the range: give it the last value that is reached.
            return trial.suggest_int(name, dimension.low, max(dimension.values()), step=dimension.step)
        case FloatDimension(step=None):
            return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)
        case FloatDimension():
            return trial.suggest_float(name, dimension.low, max(dimension.values() or []), step=dimension.step)
        case ChoiceDimension() | BoolDimension():
            return trial.suggest_categorical(name, dimension.values())


def _study(sampler: "optuna.samplers.BaseSampler") -> "optuna.Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # A study of a fixed name: some of Optuna's pruners decide by it.
    return optuna.create_study(study_name="blindtune", direction="minimize", sampler=sampler)


def _sampler(algorithm: str, seed: int) -> "optuna.samplers.BaseSampler":
    from optuna import samplers

    match algorithm:
        case "random":
            return samplers.RandomSampler(seed=seed)
        case "tpe":
            return samplers.TPESampler(seed=seed)
        case "tpe-2024":
            return samplers.TPESampler(seed=seed, multivariate=False, constant_liar=False)
        case _:
            return samplers.CmaEsSampler(seed=seed)


def _grid(space: Space, seed: int) -> "optuna.samplers.GridSampler":
    import optuna

    class Grid(optuna.samplers.GridSampler):
        """Leaves the end of the search to us: the library's way works in its own loop only."""

        def after_trial(self, *told: Any) -> None:
            pass

    return Grid({parameter.name: parameter.dimension.values() or [] for parameter in space.parameters()}, seed=seed)
