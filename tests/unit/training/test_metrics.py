"""Every trainer gives the probabilities of the classes, and the metric of a comparison on dev after each epoch."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from blindtune.config.training import Training
from blindtune.core.errors import UserError
from blindtune.metrics.base import Answers
from blindtune.records.trial import EpochMetrics
from blindtune.training.base import EpochTracker, Model, TrainingOptions, TrainingTask, as_model
from blindtune.training.registry import TRAINERS as ENTRIES
from blindtune.training.registry import create_trainer
from support.builders import TRAINERS
from support.training_tasks import DEV, TRAIN, create_task, train_task

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=TRAINERS)
def trainer(request: pytest.FixtureRequest) -> Any:
    return create_trainer(request.param)


def train_for(trainer: Any, task: TrainingTask, metric: str, score_epoch: Any = "last") -> Any:
    return trainer.train(task, TRAIN, DEV, TrainingOptions(score_epoch, metric=metric))


@pytest.mark.parametrize("activation", ["linear", "softmax", "sigmoid"])
def test_rebuilt_models_have_the_probabilities_of_their_metric(trainer: Any, activation: str) -> None:
    """The metric after the last epoch is that of the rebuilt model, whose labels are the most probable classes."""
    task = create_task(hyperparameters={"output_activation": activation})
    outcome = train_for(trainer, task, "log_loss")
    model = trainer.rebuild(task, outcome.weights, TRAIN)
    answers = model.answer(DEV.x)
    assert answers.probabilities.shape == (len(DEV.y), 2) and answers.probabilities.dtype == np.float32
    np.testing.assert_allclose(answers.probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(answers.labels, answers.probabilities.argmax(axis=1))
    np.testing.assert_array_equal(model.predict(DEV.x), answers.labels)
    np.testing.assert_array_equal(model.probabilities(DEV.x), answers.probabilities)
    np.testing.assert_array_equal(model(DEV.x), answers.labels)
    assert outcome.curve[-1].dev_metric == pytest.approx(log_loss(DEV.y, answers.probabilities), abs=1e-6)
    # The loss of the training, from its own code: on these data both are the cross-entropy.
    assert outcome.curve[-1].dev_metric == pytest.approx(outcome.curve[-1].dev_loss, abs=1e-4)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_outputs_of_the_squared_error_are_probabilities(trainer: Any, activation: str) -> None:
    """Outputs that the squared error trained towards 0 and 1 are probabilities, up to their sum; no softmax follows."""
    task = create_task(hyperparameters={"output_activation": activation}, loss="mean_squared_error", epochs=2)
    outcome = train_for(trainer, task, "log_loss")
    model = trainer.rebuild(task, outcome.weights, TRAIN)
    network: Any = model.get_network()
    if hasattr(network, "predict"):
        scores = network.predict(DEV.x, verbose=0)
    else:
        import torch

        with torch.no_grad():
            scores = network(torch.from_numpy(DEV.x)).numpy()
    assert ((scores > 0) & (scores < 1)).all()
    np.testing.assert_allclose(model.probabilities(DEV.x), scores / scores.sum(axis=1, keepdims=True), atol=1e-6)
    assert outcome.curve[-1].dev_metric == pytest.approx(log_loss(DEV.y, model.probabilities(DEV.x)), abs=1e-6)


def test_the_metric_changes_no_training(trainer: Any) -> None:
    """Another metric is one more number of each epoch; the error alone is the curve of before."""
    plain, other = train_task(trainer, create_task()), train_for(trainer, create_task(), "roc_auc")
    assert [replaced(epoch) for epoch in other.curve] == plain.curve
    assert all(epoch.dev_metric is None for epoch in plain.curve)
    assert all(0 <= float(epoch.dev_metric or -1) <= 1 for epoch in other.curve)
    for name, array in plain.weights.items():
        np.testing.assert_array_equal(other.weights[name], array)


def replaced(epoch: EpochMetrics) -> EpochMetrics:
    return epoch.model_copy(update={"dev_metric": None})


def test_the_best_epoch_is_that_of_the_metric(trainer: Any) -> None:
    """With ``score_epoch: best`` the weights of the epoch with the lowest metric are kept."""
    task = create_task(learning_rate=0.3, epochs=6)
    outcome = train_for(trainer, task, "log_loss", "best")
    values = [epoch.dev_metric for epoch in outcome.curve]
    assert outcome.scored_epoch == values.index(min(values)) + 1
    probabilities = trainer.rebuild(task, outcome.weights, TRAIN).probabilities(DEV.x)
    assert log_loss(DEV.y, probabilities) == pytest.approx(min(values), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "values", "same"),
    [
        ("knn", {"neighbours": 7}, KNeighborsClassifier(7)),
        (
            "random_forest",
            {"trees": 5, "max_depth": 3, "min_samples_leaf": 1},
            RandomForestClassifier(5, max_depth=3, random_state=3),
        ),
    ],
)
def test_reference_models_have_the_probabilities_of_scikit_learn(name: str, values: Any, same: Any) -> None:
    """They are those of ``predict_proba``, and the labels stay those of before."""
    task = TrainingTask(None, Training(epochs=1), values, 3, 2)
    trainer = create_trainer(name)
    model = trainer.rebuild(task, {}, TRAIN)
    same.fit(TRAIN.x, TRAIN.y)
    np.testing.assert_allclose(model.probabilities(DEV.x), same.predict_proba(DEV.x), atol=1e-7)
    np.testing.assert_array_equal(model.answer(DEV.x).labels, same.predict(DEV.x))
    np.testing.assert_array_equal(model.predict(DEV.x), same.predict(DEV.x))
    outcome = train_for(trainer, task, "roc_auc")
    area = roc_auc_score(DEV.y, same.predict_proba(DEV.x)[:, 1])
    assert outcome.curve[0].dev_metric == pytest.approx(1 - area, abs=1e-6)
    assert train_task(trainer, task).curve == [replaced(outcome.curve[0])]


def test_a_class_that_a_forest_never_saw_has_probability_0() -> None:
    """A part of train may lack a class; its column is there."""
    split = replace(TRAIN, y=np.where(TRAIN.y == 1, 2, 0))
    task = TrainingTask(None, Training(epochs=1), {"trees": 3, "max_depth": 0, "min_samples_leaf": 1}, 3, 4)
    for name, values in (("random_forest", task.hyperparameters), ("knn", {"neighbours": 3})):
        model = create_trainer(name).rebuild(replace(task, hyperparameters=values), {}, split)
        answers = as_model(model).answer(DEV.x)
        assert answers.probabilities is not None
        assert answers.probabilities.shape[1] == 4 and not answers.probabilities[:, [1, 3]].any()
        np.testing.assert_allclose(answers.probabilities.sum(axis=1), 1, atol=1e-6)


def test_a_function_is_a_model_without_probabilities() -> None:
    """A trainer of another package may return a function from samples to labels."""
    model = as_model(lambda x: np.ones(len(x), np.int64))
    assert model.predict(DEV.x).sum() == len(DEV.y) and model.probabilities(DEV.x) is None
    known = Model(lambda x: Answers(np.zeros(len(x), np.int64)))
    assert as_model(known) is known


def test_a_trainer_without_metrics_is_refused() -> None:
    """A trainer that computes no metric says so at its first epoch; planning refuses it by its entry."""
    tracker = EpochTracker(2, TrainingOptions("last", metric="macro_f1"))
    with pytest.raises(UserError, match="metric: macro_f1 is not computed by this trainer"):
        tracker.add(EpochMetrics(train_loss=1, train_error=0, dev_loss=1, dev_error=0), dict)
    assert all(entry.metrics for entry in ENTRIES.own.values())
