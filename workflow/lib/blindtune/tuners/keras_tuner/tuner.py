"""Creates tuners of Keras Tuner, which are driven through its oracles."""

from typing import TYPE_CHECKING, Any

from blindtune.core.light_imports import leave_out
from blindtune.training.keras.backend import is_light_backend
from blindtune.tuners.base import FixedListTuner, Tuner, TunerContext
from blindtune.tuners.keras_tuner.config import KerasTunerConfig
from blindtune.tuners.keras_tuner.oracles import (
    HyperbandTuner,
    IndependentOracleTuner,
    OracleTuner,
    ReplayableTuner,
    make_in_memory,
    make_replayable,
)
from blindtune.tuners.keras_tuner.space import declare_hyperparameters

if TYPE_CHECKING:
    import keras_tuner


def create(config: KerasTunerConfig, context: TunerContext) -> Tuner:
    """Create the tuner that a config of Keras Tuner describes.

    Args:
        config: algorithm and arguments.
        context: search space, budget and seed. Keras Tuner replaces a seed of 0 by a random one, so seeds start at 1.
    """
    _load_keras_tuner()
    import keras_tuner

    space, oracles, max_trials = context.space, keras_tuner.oracles, context.budget.max_trials()
    match config.algorithm:
        case "default":
            return FixedListTuner([space.from_library_values(declare_hyperparameters(space).values)])
        case "random":
            oracle = _create_oracle(oracles.RandomSearchOracle, config, context, max_trials=max_trials)
            return IndependentOracleTuner(space, oracle)
        case "grid":
            oracle = _create_oracle(oracles.GridSearchOracle, config, context, max_trials=max_trials)
            return OracleTuner(space, oracle)
        case "bayesian":
            oracle = _create_oracle(
                make_replayable(oracles.BayesianOptimizationOracle, space, context.seed),
                config,
                context,
                max_trials=max_trials,
                num_initial_points=config.num_initial_points,
            )
            return ReplayableTuner(space, oracle)
        case "hyperband":
            oracle = _create_oracle(
                oracles.HyperbandOracle,
                config,
                context,
                max_epochs=config.max_epochs or context.epochs,
                factor=config.factor or 3,
                hyperband_iterations=config.hyperband_iterations,
            )
            return HyperbandTuner(space, oracle)


def _load_keras_tuner() -> None:
    """Import Keras Tuner; where Keras computes nothing, without libraries that only functions of Keras need.

    scikit-learn is needed: the Bayesian oracle has its Gaussian process from there.
    """
    with leave_out(*(("matplotlib", "pandas") if is_light_backend() else ())):
        import keras_tuner  # noqa: F401


def _create_oracle(
    oracle_class: Any, config: KerasTunerConfig, context: TunerContext, **arguments: Any
) -> "keras_tuner.Oracle":
    import keras_tuner

    oracle = make_in_memory(oracle_class)(
        objective=keras_tuner.Objective(OracleTuner.OBJECTIVE, "min"),
        seed=context.seed,
        hyperparameters=declare_hyperparameters(context.space),
        allow_new_entries=config.allow_new_entries,
        tune_new_entries=config.tune_new_entries,
        **arguments,
    )
    oracle.verbose = 0
    return oracle
