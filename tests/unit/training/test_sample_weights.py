"""The weights of samples have one meaning in every trainer of networks, and scikit-learn's in the others."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from blindtune.config.training import ClassWeight, Training
from blindtune.core.arrays import digest_arrays
from blindtune.core.errors import UserError
from blindtune.datasets.base import Split
from blindtune.models import mlp
from blindtune.models.forms import ModelChoice, create_form
from blindtune.training.base import Outcome, TrainingOptions, TrainingTask
from blindtune.training.class_weights import given_weights, relative_weights, sample_factors
from blindtune.training.estimator import EstimatorTrainer, select_part
from blindtune.training.registry import TRAINERS as ENTRIES
from blindtune.training.registry import check_sample_weights, create_trainer
from blindtune.views.samples import StoredSamples
from support.builders import TRAINERS

pytestmark = pytest.mark.slow


def clouds(count: int, seed: int) -> Split:
    """Return three overlapping clouds."""
    random = np.random.default_rng(seed)
    y = (np.arange(count) % 3).astype(np.int64)
    x = random.normal(size=(count, 2)) + np.stack([y == 1, y == 2], axis=1) * 1.5
    return Split(x.astype(np.float32), y)


PLAIN, DEV = clouds(240, 0), clouds(120, 1)
#: Without a pattern by class; some are 0.
DRAWN = np.random.default_rng(2).integers(4, size=240).astype(np.float64)
OF_CLASS = {"0": 1.0, "1": 4.0, "2": 0.5}


def weighed(weight: NDArray[Any] | float, split: Split = PLAIN) -> Split:
    """Return a split with weights."""
    return replace(split, weight=np.broadcast_to(np.asarray(weight, np.float64), split.y.shape).copy())


def task(class_weight: ClassWeight | None = None, **training: Any) -> TrainingTask:
    values: dict[str, Any] = {"layers": 1, "units": 6, "activation": "tanh", "output_activation": "linear"}
    settings = Training(
        **({"epochs": 3, "batch_size": 50, "learning_rate": 0.02, "class_weight": class_weight} | training)
    )
    return TrainingTask(mlp.build_architecture(values, (2,), 3), settings, values, 7, 3)


def train(trainer: Any, it: TrainingTask, split: Split) -> Outcome:
    outcome: Outcome = trainer.train(it, split, DEV, TrainingOptions("last"))
    return outcome


def distance(one: Outcome, other: Outcome) -> float:
    """Return the largest difference of two weights of a network."""
    return max(float(np.abs(array - other.weights[name]).max()) for name, array in one.weights.items())


@pytest.fixture(scope="module", params=TRAINERS)
def trainer(request: pytest.FixtureRequest) -> Any:
    return create_trainer(request.param)


def test_equal_weights_are_none(trainer: Any) -> None:
    """Weights of 1, or of any other number for all, give the model of train without weights."""
    plain = train(trainer, task(), PLAIN)
    for number in (1.0, 7.0):
        equal = train(trainer, task(), weighed(number))
        assert distance(equal, plain) < 1e-5
        assert equal.curve[-1].train_loss == pytest.approx(plain.curve[-1].train_loss, rel=1e-5)


@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
def test_weights_by_class_are_class_weights(trainer: Any, loss: str) -> None:
    """Weights that follow from the class alone train the model that the same class weights train."""
    numbers = np.array(list(OF_CLASS.values()))[PLAIN.y]
    scaled: dict[str, float] = {label: weight / float(numbers.mean()) for label, weight in OF_CLASS.items()}
    by_class = train(trainer, task(scaled, loss=loss), PLAIN)
    by_sample = train(trainer, task(loss=loss), weighed(numbers))
    assert distance(by_sample, by_class) < 1e-5
    assert distance(by_sample, train(trainer, task(loss=loss), PLAIN)) > 0.01


def test_weights_of_samples_and_classes_are_multiplied(trainer: Any) -> None:
    """Both given are their product, for weights of samples whose mean is 1."""
    drawn = DRAWN / DRAWN.mean()
    product = drawn * np.array(list(OF_CLASS.values()))[PLAIN.y]
    scale = float(product.mean())
    both = train(trainer, task({label: weight / scale for label, weight in OF_CLASS.items()}), weighed(drawn))
    one = train(trainer, task(), weighed(product))
    assert distance(both, one) < 1e-5


def test_losses_of_train_are_weighted_and_errors_are_not(trainer: Any) -> None:
    """With a rate of nearly 0 the model stays, so the losses follow from its probabilities."""
    it, split = task(learning_rate=1e-12, optimizer="sgd", epochs=1), weighed(DRAWN)
    outcome = train(trainer, it, split)
    model = trainer.rebuild(it, outcome.weights, split)
    [metrics] = outcome.curve
    for part, weights, loss, error in (
        (PLAIN, DRAWN / DRAWN.mean(), metrics.train_loss, metrics.train_error),
        (DEV, 1.0, metrics.dev_loss, metrics.dev_error),
    ):
        losses = -np.log(model.probabilities(part.x)[np.arange(len(part.y)), part.y])
        assert loss == pytest.approx(float(np.mean(losses * weights)), rel=1e-4)
        assert error == pytest.approx(float(np.mean(model.predict(part.x) != part.y)), abs=1e-9)


@pytest.mark.parametrize("name", [name for name in TRAINERS if ENTRIES[name].random_crops])
def test_weights_stay_with_the_samples_of_a_view(name: str) -> None:
    """A view of the samples, from which batches are drawn, gives the model of their array with the same weights."""
    trainer = create_trainer(name)
    views = [replace(split, x=StoredSamples(split.x, (2,))) for split in (weighed(DRAWN), PLAIN)]
    it = task(batch_size=240, epochs=4)
    of_array = train(trainer, it, weighed(DRAWN))
    assert distance(train(trainer, it, views[0]), of_array) < 1e-4
    assert distance(train(trainer, it, views[1]), of_array) > 1e-3


def test_fused_trials_with_weights_are_bit_identical_to_single_ones() -> None:
    """Trials with class weights and without are trained in one call as each is alone."""
    fused = create_trainer("fused")
    split = weighed(DRAWN)
    tasks = [task("balanced"), task({"1": 9.0}), task(), task(learning_rate=0.1)]
    together = dict(fused.train_batch([(it, TrainingOptions("last")) for it in tasks], split, DEV))
    for number, it in enumerate(tasks):
        alone, outcome = train(fused, it, split), together[number]
        assert isinstance(outcome, Outcome) and outcome.curve == alone.curve
        assert digest_arrays(outcome.weights) == digest_arrays(alone.weights)
    assert distance(train(create_trainer("pytorch"), tasks[1], split), together[1]) < 1e-4


def test_weights_are_relative_to_their_mean() -> None:
    """Neither huge nor tiny weights overflow; those of nothing but 0 are refused."""
    for scale in (1.0, 1e308, 1e-300):
        np.testing.assert_allclose(relative_weights(weighed(DRAWN / 4 * scale)), DRAWN / DRAWN.mean())
    assert relative_weights(PLAIN) is None and given_weights(PLAIN) is None
    assert sample_factors(Training(), PLAIN, 3) is None
    for function in (relative_weights, given_weights):
        with pytest.raises(UserError, match="all 240 samples that a model is trained on have weight 0"):
            function(weighed(0.0))


def estimator_task(*steps: str, parts: int = 1, **arguments: Any) -> TrainingTask:
    """Return the task of an estimator with these arguments."""
    choice = ModelChoice("estimator", steps[-1], steps=steps, arguments=json.dumps(arguments), parts=parts)
    return TrainingTask(create_form(choice).build({}, (2,), 3), Training(epochs=1), {}, 3, 3)


@pytest.mark.parametrize(
    ("steps", "arguments"),
    [
        (("logistic_regression",), {"tol": 1e-10, "max_iter": 1000}),
        (("sklearn.tree.DecisionTreeClassifier",), {"max_depth": 4}),
        (("svc",), {"tol": 1e-8}),
        (("sklearn.preprocessing.Normalizer", "sklearn.tree.DecisionTreeClassifier"), {}),
    ],
)
def test_whole_weights_of_an_estimator_are_repeated_rows(steps: tuple[str, ...], arguments: dict[str, Any]) -> None:
    """A row of weight 3 counts as three rows, one of weight 0 as none."""
    it = estimator_task(*steps, **arguments)
    rows = np.repeat(np.arange(240), DRAWN.astype(int))
    repeated = Split(PLAIN.x[rows], PLAIN.y[rows])
    fitted = [EstimatorTrainer().rebuild(it, {}, split) for split in (weighed(DRAWN), repeated, PLAIN)]
    answers = [model.predict(DEV.x) for model in fitted]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert (answers[0] != answers[2]).any(), "the weights change the answers"
    outcome = EstimatorTrainer().train(it, weighed(DRAWN), DEV, TrainingOptions("last"))
    np.testing.assert_array_equal(outcome.weights["dev_labels"], answers[0])


def test_a_part_of_train_keeps_the_weights_of_its_rows() -> None:
    """A tuner that allocates parts of train fits each part with the weights of its rows."""
    it = estimator_task("sklearn.tree.DecisionTreeClassifier", parts=2)
    half = replace(it, model=it.model.model_copy(update={"fitted_parts": 1}))  # type: ignore[union-attr]
    rows = select_part(PLAIN.y, 0.5)
    whole = EstimatorTrainer().rebuild(it, {}, weighed(DRAWN[rows], Split(PLAIN.x[rows], PLAIN.y[rows])))
    part = EstimatorTrainer().rebuild(half, {}, weighed(DRAWN))
    np.testing.assert_array_equal(part.predict(DEV.x), whole.predict(DEV.x))


def test_forests_have_the_weights_of_scikit_learn() -> None:
    """A forest is scikit-learn's with the same argument of its fit."""
    from sklearn.ensemble import RandomForestClassifier

    it = TrainingTask(None, Training(epochs=1), {"trees": 5, "max_depth": 3, "min_samples_leaf": 1}, 3, 3)
    forest = create_trainer("random_forest")
    expected = RandomForestClassifier(5, max_depth=3, random_state=3).fit(PLAIN.x, PLAIN.y, DRAWN)
    labels = forest.rebuild(it, {}, weighed(DRAWN)).predict(DEV.x)
    np.testing.assert_array_equal(labels, expected.predict(DEV.x))
    assert (forest.rebuild(it, {}, PLAIN).predict(DEV.x) != labels).any()


def test_trainers_without_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planning names what takes no weights; all of blindtune's own trainers but that of nearest neighbours do."""
    without = [name for name, entry in ENTRIES.own.items() if not entry.sample_weights]
    assert without == ["knn"]
    with pytest.raises(ValueError, match="weight: trainer knn takes no weights of samples; leave weight out"):
        check_sample_weights("knn")
    monkeypatch.setitem(ENTRIES.entries, "pytorch", replace(ENTRIES["pytorch"], sample_weights=False))
    with pytest.raises(ValueError, match="trainer pytorch"):
        check_sample_weights("pytorch")
