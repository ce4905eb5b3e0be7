"""From a finished search to a frozen model: the chosen trial, rebuilt from its record and proved, and its card."""

import platform
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.config.study import Study
from blindtune.config.systems import Tuned
from blindtune.core.errors import UserError
from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.datasets.prepared import Prepared
from blindtune.records.model_card import ModelCard, Spent
from blindtune.records.trial import Trial, best
from blindtune.study.checkpoints import WeightStore, file_name
from blindtune.study.identity import card_identity
from blindtune.study.search import Search
from blindtune.study.setup import SearchSetup
from blindtune.training.base import Predict, Trainer, TrainingTask


def freeze(
    study: Study,
    data: Prepared,
    plan: SearchSetup,
    search: Search,
    store: WeightStore,
    trials: list[Trial],
    exhausted: bool,
) -> ModelCard:
    """The card of the best trial.

    Raises:
        UserError: no trial completed, or the chosen one, rebuilt, is not what was recorded.
    """
    chosen = best(trials)
    if chosen is None:
        reasons = Counter(f"{trial.status}: {trial.reason}" for trial in trials)
        raise UserError(
            f"{study.id}: none of its {len(trials)} trials completed "
            f"({reasons.most_common(1)[0][0] if reasons else 'none was proposed'}). "
            "Change the system or its search space, or give it a larger budget."
        )
    hyperparameters: Any = chosen.hyperparameters
    task = search.task_of(chosen)
    weights = _weights(search, store, chosen, task)
    predict = rebuilt(study.id, data, plan.trainer, task, weights, chosen)
    return ModelCard(
        **card_identity(study, data),
        budget=study.budget if isinstance(study.settings, Tuned) else None,
        trial=chosen.number,
        hyperparameters=hyperparameters,
        architecture=task.architecture,
        training=task.training if task.architecture is not None else None,
        model_seed=task.seed,
        parameters=chosen.parameters,
        train_error=_error(predict, data.train),
        dev_error=chosen.objective_value(),
        weights=f"weights/{file_name(chosen.number)}" if task.architecture is not None else None,
        weights_sha256=chosen.weights_sha256,
        statuses=dict(Counter(trial.status for trial in trials)),
        spent=_spent(trials),
        exhausted=exhausted,
        versions={"python": platform.python_version(), **plan.trainer.versions()},
    )


def _weights(search: Search, store: WeightStore, chosen: Trial, task: TrainingTask) -> dict[str, NDArray[Any]]:
    """The chosen trial's weights; trained again from its record where they were not kept."""
    if task.architecture is None:
        return {}
    weights = store.load(chosen)
    if weights is None:
        outcome = search.trained_again(chosen)
        weights = outcome.weights
        store.save(chosen, outcome)
    return weights


def rebuilt(
    name: str, data: Prepared, trainer: Trainer, task: TrainingTask, weights: dict[str, NDArray[Any]], trial: Trial
) -> Predict:
    """The model of a trial, built again from its record and weights, once it gave the recorded dev error again.

    Raises:
        UserError: it does not.
    """
    predict = trainer.rebuild(task, weights, data.train)
    dev_error = _error(predict, data.dev)
    if abs(dev_error - trial.objective_value()) > 0.5 / len(data.dev.y):
        raise UserError(
            f"{name}: trial {trial.number}, rebuilt from its record, has a dev error of {dev_error:.4%}, "
            f"but {trial.objective_value():.4%} was recorded. The study cannot be trusted: move its folder away and "
            "run again."
        )
    return predict


def _error(predict: Predict, split: Split) -> float:
    return float(np.mean(predict(split.x) != split.y))


def _spent(trials: list[Trial]) -> Spent:
    total = Stopwatch()
    for trial in trials:
        for part, seconds in trial.seconds.items():
            total.add(part, seconds.wall, seconds.cpu)
    return Spent(trials=len(trials), epochs=sum(trial.epochs for trial in trials), seconds=total.seconds)
