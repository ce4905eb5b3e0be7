"""The trainer of estimators: one model for one task, warnings and failures in the record."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, log_loss

from blindtune.config.training import Training
from blindtune.core.errors import UserError
from blindtune.datasets.base import Split
from blindtune.models.estimator import EstimatorBlueprint
from blindtune.models.estimator_classes import SHIPPED
from blindtune.models.forms import ModelChoice, create_form
from blindtune.training.base import (
    Outcome,
    TrainingOptions,
    TrainingTask,
    as_model,
    outcome_from_error,
    train_each,
)
from blindtune.training.estimator import EstimatorTrainer, select_part
from support.builders import points

TRAIN, DEV = Split(*points(60, 1)), Split(*points(30, 2))
OWN = "support.own_estimators.Majority"


def create_task(step: str, seed: int = 3, **arguments: Any) -> TrainingTask:
    """Return the task of an estimator with these arguments."""
    form = create_form(ModelChoice("estimator", step, steps=(step,), arguments=json.dumps(arguments)))
    return TrainingTask(form.build({}, (2,), 2), Training(epochs=1), {}, seed, 2)


def train(task: TrainingTask) -> Outcome:
    """Return the outcome of a task, that of an error too."""
    [(_, outcome)] = train_each(EstimatorTrainer(), [(task, TrainingOptions("last"))], TRAIN, DEV)
    return outcome_from_error(outcome) if isinstance(outcome, Exception) else outcome


@pytest.mark.parametrize("name", SHIPPED)
def test_rebuilt_estimator_answers_as_when_it_was_scored(name: str) -> None:
    """Fitted again, an estimator gives the dev error and the answers of its record."""
    task = create_task(name)
    first, second = train(task), train(task)
    assert first.status == "completed" and first.scored_epoch == 1 and first.n_parameters is None
    assert (first.curve, first.warnings) == (second.curve, second.warnings)
    labels = EstimatorTrainer().rebuild(task, {}, TRAIN)(DEV.x)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, first.weights["dev_labels"])
    assert first.curve[0].dev_error == np.mean(labels != DEV.y)


def test_seed_of_the_task_decides() -> None:
    """A forest of another seed is another forest."""
    tasks = [create_task("random_forest", seed, n_estimators=2) for seed in (1, 1, 2)]
    answers = [train(task).weights["dev_labels"].tolist() for task in tasks]
    assert answers[0] == answers[1] != answers[2]


def test_samples_of_several_axes_are_flattened() -> None:
    """Pictures are vectors of their pixels."""
    x = np.repeat(TRAIN.x[:, :, None], 3, axis=2)
    split = Split(x, TRAIN.y)
    [(_, outcome)] = train_each(EstimatorTrainer(), [(create_task("svc"), TrainingOptions("last"))], split, split)
    assert isinstance(outcome, Outcome) and outcome.status == "completed"


def test_warnings_of_a_fit_are_recorded_once() -> None:
    """What a fit warns of is in the outcome, once for each text; deprecations depend on the process and are not."""
    assert train(create_task(OWN, warn=True)).warnings == ("ConvergenceWarning: 3 iterations were not enough",)
    lines = train(create_task("logistic_regression", max_iter=1)).warnings
    assert any(line.startswith("ConvergenceWarning: lbfgs failed to converge") for line in lines), lines


def test_select_part_keeps_classes_even() -> None:
    """Each part has the shares of the classes, at least one sample of each, and holds every smaller part."""
    y = np.repeat([0, 1, 2], [60, 30, 3])
    parts = [set(select_part(y, share / 9).tolist()) for share in range(1, 10)]
    assert all(smaller < larger for smaller, larger in pairwise(parts))
    assert parts[-1] == set(range(93))
    for number, rows in enumerate(parts, 1):
        counts = np.bincount(y[sorted(rows)], minlength=3)
        assert counts.min() >= 1 and np.all(np.abs(counts - np.array([60, 30, 3]) * number / 9) <= 1)


def test_weights_of_classes_are_by_label() -> None:
    """Labels that are texts in a config are labels of the classes."""
    even, uneven = (
        train(create_task("logistic_regression", class_weight=weights)).weights["dev_labels"]
        for weights in ({"0": 1.0, "1": 1.0}, {"0": 0.01, "1": 1.0})
    )
    assert even.sum() < uneven.sum()


def test_failed_fit_is_the_outcome_of_its_trial() -> None:
    """An error of the library on one set is recorded with its reason."""
    outcome = train(create_task(OWN, fail=True))
    assert (outcome.status, outcome.reason) == ("failed", "FloatingPointError: the fit overflows")


def test_impossible_combination_is_the_outcome_of_its_trial() -> None:
    """Arguments that exclude each other fail in the fit, and the search goes on."""
    outcome = train(create_task("logistic_regression", solver="lbfgs", l1_ratio=0.5, penalty="elasticnet"))
    assert outcome.status == "failed" and "lbfgs" in str(outcome.reason)


def test_other_version_of_the_library_is_refused() -> None:
    """A recipe of another version is not fitted: its answers might differ."""
    task = create_task("svc")
    assert isinstance(task.model, EstimatorBlueprint)
    old = task.model.model_copy(update={"libraries": {"scikit-learn": "0.1"}})
    with pytest.raises(UserError, match=r"fitted with scikit-learn 0\.1, and .*pip install scikit-learn==0\.1"):
        EstimatorTrainer().rebuild(replace(task, model=old), {}, TRAIN)


def test_estimators_have_metrics_and_probabilities() -> None:
    """An estimator with ``predict_proba`` has every metric; one without has those of labels, and others are refused."""
    task, trainer = create_task("logistic_regression"), EstimatorTrainer()
    outcome = trainer.train(task, TRAIN, DEV, TrainingOptions("last", metric="log_loss"))
    answers = as_model(trainer.rebuild(task, {}, TRAIN)).answer(DEV.x)
    assert answers.probabilities is not None and answers.probabilities.shape == (30, 2)
    np.testing.assert_array_equal(answers.labels, outcome.weights["dev_labels"])
    np.testing.assert_array_equal(answers.probabilities.argmax(axis=1), answers.labels)
    assert outcome.curve[0].dev_metric == pytest.approx(log_loss(DEV.y, answers.probabilities))
    bare = create_task("sklearn.svm.LinearSVC")
    found = trainer.train(bare, TRAIN, DEV, TrainingOptions("last", metric="balanced_error"))
    assert found.curve[0].dev_metric == pytest.approx(1 - balanced_accuracy_score(DEV.y, found.weights["dev_labels"]))
    with pytest.raises(UserError, match="roc_auc needs class probabilities, and this model gives labels alone"):
        trainer.train(bare, TRAIN, DEV, TrainingOptions("last", metric="roc_auc"))
