"""Creates tuners of scikit-learn: fixed lists of sets, or searchers."""

from blindtune.tuners.base import FixedListTuner, Tuner, TunerContext
from blindtune.tuners.sklearn.config import SklearnConfig
from blindtune.tuners.sklearn.grid import draw_sets, list_grid
from blindtune.tuners.sklearn.search import create_searcher_tuner


def create(config: SklearnConfig, context: TunerContext) -> Tuner:
    """Create the tuner that a config of scikit-learn describes; a searcher begins when it is first asked.

    Args:
        config: algorithm and arguments.
        context: search space, budget, epochs, seed and train's labels and groups.

    Raises:
        UserError: train cannot be divided into the folds that the config wants.
    """
    match config.algorithm:
        case "parameter-grid":
            return FixedListTuner(list_grid(context.space))
        case "parameter-sampler":
            return FixedListTuner(draw_sets(context.space, context.budget.max_trials(), context.seed))
        case _:
            return create_searcher_tuner(config, context)
