"""Optuna, driven through ``ask`` and ``tell`` on a study that is held in memory."""

import math
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from blindtune.core.budget import Budget
from blindtune.records.trial import Trial
from blindtune.search_space import (
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
from blindtune.tuners.base import Proposal, Tuner, TunerConfig, TunerContext, check_grid
from blindtune.tuners.optuna.pruners import NoPruner, Pruner

if TYPE_CHECKING:
    import optuna


#: Optuna's grid holds its whole product in memory.
_LARGEST_GRID = 1_000_000

#: Told as the parameters of a trial that was never built, while no other is known.
_MANY_PARAMETERS = 1_000_000_000


class OptunaConfig(TunerConfig):
    """The sampler; a trial without a score is told as the worst error, since Optuna never learns from failures."""

    library: Literal["optuna"]
    algorithm: Literal["random", "tpe", "tpe-2024", "grid", "cma-es", "gp"] = Field(
        description="sampler; tpe: with the defaults of Optuna 5, tpe-2024: with those of Optuna 3 and 4 "
        "(univariate, no constant liar); gp: a Gaussian process"
    )
    pruner: Pruner = Field(default=NoPruner(), description="ends trainings early: none, or a pruner and its arguments")
    batch: int = Field(
        default=1,
        gt=0,
        description="tpe: sets that are proposed before the first of them is scored, the others held for bad ones "
        "(constant liar); another number makes another search",
    )
    objectives: list[Literal["dev_error", "parameters"]] = Field(
        default=["dev_error"],
        description="what the sampler minimises: dev_error, or [dev_error, parameters] at once; the dev error alone "
        "decides which trial is frozen",
    )

    @field_validator("objectives")
    @classmethod
    def _check_objectives(cls, value: list[str]) -> list[str]:
        if value not in (["dev_error"], ["dev_error", "parameters"]):
            raise ValueError("must be [dev_error] or [dev_error, parameters]")
        return value

    def check(self, space: Space, budget: Budget, epochs: int) -> None:
        """Optuna's grid and Gaussian process take no conditions, CMA-ES neither conditions nor choices.

        Pruners and CMA-ES take one objective. Batches are TPE's, without a pruner.
        """
        if self.batch > 1 and self.algorithm != "tpe":
            raise ValueError(f"batch: belongs to tpe; {self.algorithm} does not take it")
        if self.batch > 1 and self.pruner.algorithm != "none":
            raise ValueError("batch: a pruner compares a trial with those before it; set it to none, or batch to 1")
        if self.algorithm == "grid":
            check_grid(space)
            _check_size(space)
        for name, dimension in space.root.items():
            if self.algorithm in ("grid", "cma-es", "gp") and (dimension.when or dimension.repeat):
                raise ValueError(f"{name}: Optuna's {self.algorithm} takes no dimension that depends on another")
            if self.algorithm == "cma-es" and _is_choice(dimension):
                raise ValueError(f"{name}: Optuna's cma-es takes numbers only, no choices")
        if len(self.objectives) > 1 and self.algorithm == "cma-es":
            raise ValueError("objectives: Optuna's cma-es takes one; leave parameters out or choose another algorithm")
        if len(self.objectives) > 1 and self.pruner.algorithm != "none":
            raise ValueError("pruner: Optuna's pruners take one objective; set it to none or leave parameters out")
        self.pruner.check(space, epochs)

    def create(self, start: TunerContext) -> Tuner:
        """A fresh study."""
        return _StudyTuner(self, start)


class _StudyTuner(Tuner):
    def __init__(self, settings: OptunaConfig, start: TunerContext) -> None:
        self._space = start.space
        self._pruner = settings.pruner
        self._batch = settings.batch
        grid = settings.algorithm == "grid"
        self._left = _size(start.space) if grid else None
        #: Whether a proposal depends on no score at all.
        self._free = settings.algorithm in ("random", "grid") and settings.pruner.algorithm == "none"
        sampler = _grid(start.space, start.seed) if grid else _sampler(settings.algorithm, start.seed)
        self._study = _study(sampler, settings.pruner.create(start.epochs), len(settings.objectives))
        self._waiting: deque[tuple[optuna.Trial, Proposal]] = deque()
        self._running: deque[optuna.Trial] = deque()
        self._largest: int | None = None

    def ask(self) -> Proposal | None:
        return next(iter(self.ask_batch(1)), None)

    def ask_batch(self, most: int) -> list[Proposal]:
        if not self._waiting:
            for _ in range(most if self._free else self._batch):
                self._propose()
        given = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        self._running.extend(trial for trial, _ in given)
        return [proposal for _, proposal in given]

    def _propose(self) -> None:
        if self._left is not None:
            if self._left == 0:
                return
            self._left -= 1
        trial = self._study.ask()
        self._waiting.append((trial, Proposal(self._space.from_library_values(suggest(trial, self._space)))))

    def report(self, epoch: int, dev_error: float) -> str | None:
        if self._pruner.algorithm == "none":
            return None
        running = self._first()
        running.report(dev_error, epoch)
        return f"Optuna's {self._pruner.algorithm} pruner" if running.should_prune() else None

    def tell(self, trial: Trial) -> None:
        from optuna.trial import TrialState

        running = self._first()
        self._running.popleft()
        if trial.status == "pruned":
            self._study.tell(running, state=TrialState.PRUNED)
        elif len(self._study.directions) == 1:
            self._study.tell(running, trial.objective_value())
        else:
            self._study.tell(running, [trial.objective_value(), self._told_parameters(trial)])

    def _told_parameters(self, trial: Trial) -> int:
        """The parameters of a trial; without a score the most so far, or a small one that fails would be optimal."""
        if trial.parameters is not None:
            self._largest = max(trial.parameters, self._largest or 0)
        if trial.parameters is None or trial.score is None:
            return _MANY_PARAMETERS if self._largest is None else self._largest
        return trial.parameters

    def _first(self) -> "optuna.Trial":
        if not self._running:
            raise RuntimeError("told before it was asked")
        return self._running[0]


def _size(space: Space) -> int:
    """Sets of a grid."""
    return math.prod(len(parameter.dimension.values() or []) for parameter in space.parameters())


def _check_size(space: Space) -> None:
    size = _size(space)
    if size > _LARGEST_GRID:
        raise ValueError(
            f"space: is a grid of {size:,} sets, of which Optuna holds at most {_LARGEST_GRID:,}; "
            "take larger steps or another algorithm"
        )


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


def _study(
    sampler: "optuna.samplers.BaseSampler", pruner: "optuna.pruners.BasePruner", objectives: int
) -> "optuna.Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # A study of a fixed name: some of Optuna's pruners decide by it.
    return optuna.create_study(
        study_name="blindtune", directions=["minimize"] * objectives, sampler=sampler, pruner=pruner
    )


def _sampler(algorithm: str, seed: int) -> "optuna.samplers.BaseSampler":
    from optuna import samplers

    match algorithm:
        case "random":
            return samplers.RandomSampler(seed=seed)
        case "tpe":
            return samplers.TPESampler(seed=seed)
        case "tpe-2024":
            return samplers.TPESampler(seed=seed, multivariate=False, constant_liar=False)
        case "gp":
            return samplers.GPSampler(seed=seed)
        case _:
            return samplers.CmaEsSampler(seed=seed)


def _grid(space: Space, seed: int) -> "optuna.samplers.GridSampler":
    import optuna

    class Grid(optuna.samplers.GridSampler):
        """Leaves the end of the search to us: the library's way works in its own loop only."""

        def after_trial(self, *told: Any) -> None:
            pass

    return Grid({parameter.name: parameter.dimension.values() or [] for parameter in space.parameters()}, seed=seed)
