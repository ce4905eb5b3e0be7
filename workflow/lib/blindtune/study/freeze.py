"""Freeze the best trial of a finished search: rebuild it, verify it, and describe it in a card."""

from collections import Counter
from typing import Any

from numpy.typing import NDArray

from blindtune.config.systems import Tuned
from blindtune.core.errors import UserError
from blindtune.core.timing import Stopwatch
from blindtune.records.agreement import digest_trials
from blindtune.records.model_card import ModelCard, Spent, blueprint_fields
from blindtune.records.trial import WORST_ERROR, Trial, find_best, rank_on_dev
from blindtune.study.checkpoints import WeightStore, file_name
from blindtune.study.context import StudyContext
from blindtune.study.identity import card_identity
from blindtune.study.rebuild import rebuild_model, score_split
from blindtune.study.retrain import Retrainer
from blindtune.study.setup import SearchSetup
from blindtune.training.base import TrainingTask, collect_versions


def freeze(
    context: StudyContext, setup: SearchSetup, store: WeightStore, trials: list[Trial], *, exhausted: bool
) -> ModelCard:
    """Return the card of the best trial, after rebuilding and verifying its model.

    Args:
        context: the study.
        setup: its trainer, and what builds its tasks.
        store: its weights; those of the best trial are restored if they were not kept, those of others if they are
            damaged.
        trials: every trial within the budget.
        exhausted: whether the tuner had no more proposals before the budget was spent.

    Raises:
        UserError: no trial completed, or the rebuilt model does not give its recorded dev error.
    """
    study, data = context.study, context.data
    chosen = find_best(trials)
    if chosen is None:
        reasons = Counter(f"{trial.status}: {trial.reason}" for trial in trials)
        advice = "Change the system or its search space, or give it a larger budget."
        if len(reasons) == 1 and len(trials) > 1 and all(trial.status in ("failed", "invalid") for trial in trials):
            advice = "All have this reason, so remove its cause; a larger budget does not help."
        raise UserError(
            f"{study.id}: none of its {len(trials)} trials completed "
            f"({reasons.most_common(1)[0][0] if reasons else 'none was proposed'}). {advice}"
        )
    retrainer = Retrainer(context, setup, trials.__getitem__, store.load_state)
    task = retrainer.build_task(chosen)
    if task.has_weights:
        _restore_damaged(context, retrainer, store, rank_on_dev(trials)[: study.keep_best])
    model = rebuild_model(
        setup.trainer,
        task,
        _restore_weights(retrainer, store, chosen, task),
        train=data.train,
        dev=data.dev,
        dev_error=WORST_ERROR if chosen.score is None else chosen.score,
        what=f"{study.id}: trial {chosen.number}",
        metric=chosen.metric,
        dev_metric=chosen.metric_value,
    )
    train_error, train_metric = score_split(model, data.train, chosen.metric, task.classes)
    return ModelCard(
        **card_identity(context),
        budget=study.budget if isinstance(study.settings, Tuned) else None,
        trial=chosen.number,
        hyperparameters=dict(chosen.hyperparameters),
        **blueprint_fields(task.model),
        training=task.training if task.has_weights or task.training.class_weight is not None else None,
        model_seed=task.seed,
        n_parameters=chosen.n_parameters,
        train_error=train_error,
        dev_error=WORST_ERROR if chosen.score is None else chosen.score,
        metric=chosen.metric,
        train_metric=train_metric,
        dev_metric=chosen.metric_value,
        weights=f"weights/{file_name(chosen.number)}" if task.has_weights else None,
        weights_sha256=chosen.weights_sha256,
        statuses=dict(Counter(trial.status for trial in trials)),
        spent=_sum_spent(trials),
        trials_sha256=digest_trials(trials),
        exhausted=exhausted,
        versions=collect_versions(setup.trainer, task) | setup.engine_versions,
    )


def _restore_weights(
    retrainer: Retrainer, store: WeightStore, chosen: Trial, task: TrainingTask
) -> dict[str, NDArray[Any]]:
    """Return the weights of a trial by name; the trial is trained again if they were not kept."""
    if not task.has_weights:
        return {}
    weights = store.load_weights(chosen)
    if weights is None:
        outcome = retrainer.train_again(chosen)
        weights = outcome.weights
        store.save(chosen.number, outcome, scored_on_dev=True)
    return weights


def _restore_damaged(context: StudyContext, retrainer: Retrainer, store: WeightStore, kept: list[Trial]) -> None:
    """Train trials again whose weights were kept but are not what was recorded."""
    for trial in kept:
        try:
            store.load_weights(trial)
        except UserError:
            context.job_log.info(f"{context.study.id}: the weights of trial {trial.number} are damaged; trained again")
            store.save(trial.number, retrainer.train_again(trial), scored_on_dev=True)


def _sum_spent(trials: list[Trial]) -> Spent:
    total = Stopwatch()
    for trial in trials:
        for part, seconds in trial.seconds.items():
            total.add(part, seconds.wall, seconds.cpu)
    return Spent(trials=len(trials), epochs=sum(trial.epochs for trial in trials), seconds=total.seconds)
