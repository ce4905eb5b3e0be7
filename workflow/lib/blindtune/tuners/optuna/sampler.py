"""Optuna's samplers and pruners, and its suggestions for a search space."""

from typing import TYPE_CHECKING, Any

from blindtune.search_space import (
    BoolDimension,
    ChoiceDimension,
    FixedDimension,
    FloatDimension,
    Hyperparameters,
    HyperparameterSpec,
    IntDimension,
    Space,
    Value,
)
from blindtune.tuners.optuna.config import OptunaConfig
from blindtune.tuners.optuna.pruners import (
    HyperbandPrunerConfig,
    MedianPrunerConfig,
    NoPrunerConfig,
    PrunerConfig,
    SuccessiveHalvingPrunerConfig,
)

if TYPE_CHECKING:
    import optuna


def create_sampler(config: OptunaConfig, space: Space, seed: int) -> "optuna.samplers.BaseSampler":
    """Create the sampler of Optuna that a config names.

    Args:
        config: names the algorithm.
        space: the search space, of which a grid holds every set.
        seed: seed of the sampler.
    """
    from optuna import samplers

    match config.algorithm:
        case "random":
            return samplers.RandomSampler(seed=seed)
        case "tpe":
            return samplers.TPESampler(seed=seed)
        case "tpe-2024":
            return samplers.TPESampler(seed=seed, multivariate=False, constant_liar=False)
        case "gp":
            return samplers.GPSampler(seed=seed)
        case "cma-es":
            return samplers.CmaEsSampler(seed=seed)
        case "grid":
            return _create_grid_sampler(space, seed)


def _create_grid_sampler(space: Space, seed: int) -> "optuna.samplers.GridSampler":
    from optuna import samplers

    class AskTellGridSampler(samplers.GridSampler):
        """Does not end the search after its last set: the library's way to do so works in its own loop only."""

        def after_trial(self, *arguments: Any) -> None:
            pass

    lists = {spec.name: spec.dimension.values() or [] for spec in space.hyperparameters()}
    return AskTellGridSampler(lists, seed=seed)


def create_pruner(config: PrunerConfig, epochs: int) -> "optuna.pruners.BasePruner":
    """Create the pruner of Optuna that a config names.

    Args:
        config: names the algorithm.
        epochs: epochs of one complete training.
    """
    from optuna import pruners

    match config:
        case NoPrunerConfig():
            return pruners.NopPruner()
        case MedianPrunerConfig():
            return pruners.MedianPruner(config.n_startup_trials, config.n_warmup_steps)
        case SuccessiveHalvingPrunerConfig():
            return pruners.SuccessiveHalvingPruner(config.min_resource or "auto", config.reduction_factor)
        case HyperbandPrunerConfig():
            return pruners.HyperbandPruner(config.min_resource, epochs, config.reduction_factor)


def suggest(trial: "optuna.Trial", space: Space) -> Hyperparameters:
    """Suggest one hyperparameter set: each active hyperparameter, parents first.

    Args:
        trial: what suggests.
        space: the search space.

    Returns:
        Optuna's values; logarithmic whole numbers are continuous draws, see `IntDimension.to_continuous`.
    """
    values: Hyperparameters = {}
    parents: Hyperparameters = {}
    for spec in space.hyperparameters():
        if spec.is_active(parents):
            values[spec.name] = _suggest_value(trial, spec)
            parents[spec.name] = _to_space_value(spec, values[spec.name])
    return values


def _to_space_value(spec: HyperparameterSpec, value: Value) -> Value:
    dimension = spec.dimension
    if isinstance(dimension, IntDimension) and isinstance(value, float):
        return dimension.from_continuous(value)
    return dimension.snap(value)


def _suggest_value(trial: "optuna.Trial", spec: HyperparameterSpec) -> Any:
    name, dimension = spec.name, spec.dimension
    match dimension:
        case IntDimension(log=True):
            continuous = dimension.to_continuous()
            return trial.suggest_float(name, continuous.lowest, continuous.highest, log=True)
        case IntDimension():
            # Optuna warns if the step does not divide the range: give it the last value that is reached.
            return trial.suggest_int(name, dimension.lowest, max(dimension.values()), step=dimension.step)
        case FloatDimension(step=None):
            return trial.suggest_float(name, dimension.lowest, dimension.highest, log=dimension.log)
        case FloatDimension():
            # Of one value, the last digit of the end of the grid may be below that of its start.
            highest = max(dimension.values() or [])
            return trial.suggest_float(name, min(dimension.lowest, highest), highest, step=dimension.step)
        case ChoiceDimension() | BoolDimension() | FixedDimension():
            return trial.suggest_categorical(name, dimension.values())
