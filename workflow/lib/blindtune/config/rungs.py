"""The rungs of the search of a system, known from its config alone."""

from pathlib import Path

from blindtune.config.systems import System, Tuned, read_model_space
from blindtune.core.budget import Budget
from blindtune.tuners.folds import plan_folds
from blindtune.tuners.rungs import RungPlan, plan_rungs


def plan_system_rungs(settings: System, budget: Budget | None, files: dict[str, Path]) -> RungPlan | None:
    """Return the trials of a search by their rungs; None: its tuner has no rungs that are known before it begins.

    Args:
        settings: the system.
        budget: what its search may spend.
        files: its data files, by the names of its ``files()``.

    Raises:
        UserError: a file is wrong.
        ValueError: the budget does not cover one set.
    """
    if not isinstance(settings, Tuned) or budget is None or not settings.tuner.plans_rungs:
        return None
    space = read_model_space(files.get("space"), settings.model_choice)
    plan = plan_folds(settings.search_config, space, budget, settings.folds, settings.epochs)
    rungs = plan.config.list_rungs(space, plan.budget, settings.epochs)
    # Every trainer of networks resumes; an estimator is fitted again.
    resumes = plan.config.resumes_trials and settings.estimator is None
    return plan_rungs(rungs, plan.budget, resumes=resumes)
