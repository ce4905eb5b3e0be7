"""Class weights have scikit-learn's meaning in every trainer that has them, and the same effect in all of them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score
from sklearn.utils.class_weight import compute_class_weight

from blindtune.config.training import ClassWeight, Training
from blindtune.core.arrays import digest_arrays
from blindtune.core.errors import UserError
from blindtune.datasets.base import Split
from blindtune.models import mlp
from blindtune.training.base import Outcome, TrainingOptions, TrainingTask
from blindtune.training.class_weights import compute_class_weights, number_classes
from blindtune.training.registry import TRAINERS as ENTRIES
from blindtune.training.registry import check_class_weights, create_trainer
from support.builders import TRAINERS

pytestmark = pytest.mark.slow


def unbalanced(count: int, seed: int) -> Split:
    """Return three overlapping clouds, of which two are rare."""
    random = np.random.default_rng(seed)
    y = np.where(np.arange(count) % 12 == 0, 1, np.where(np.arange(count) % 20 == 1, 2, 0)).astype(np.int64)
    x = random.normal(size=(count, 2)) + np.stack([y == 1, y == 2], axis=1) * 1.5
    return Split(x.astype(np.float32), y)


TRAIN, DEV = unbalanced(480, 0), unbalanced(240, 1)


def task(class_weight: ClassWeight | None, **training: Any) -> TrainingTask:
    values: dict[str, Any] = {"layers": 1, "units": 6, "activation": "tanh", "output_activation": "linear"}
    settings = Training(
        **({"epochs": 4, "batch_size": 60, "learning_rate": 0.02, "class_weight": class_weight} | training)
    )
    return TrainingTask(mlp.build_architecture(values, (2,), 3), settings, values, 7, 3)


def train(trainer: Any, it: TrainingTask) -> Outcome:
    outcome: Outcome = trainer.train(it, TRAIN, DEV, TrainingOptions("last"))
    return outcome


@pytest.fixture(scope="module", params=TRAINERS)
def trainer(request: pytest.FixtureRequest) -> Any:
    return create_trainer(request.param)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    """The weights follow from the counts of train; given ones are by label, and 1 for the others."""
    expected = compute_class_weight("balanced", classes=np.arange(3), y=TRAIN.y)
    found = compute_class_weights(Training(class_weight="balanced"), TRAIN.y, 3)
    np.testing.assert_array_equal(found, expected)
    given = compute_class_weights(Training(class_weight={"2": 5.0}), TRAIN.y, 3)
    np.testing.assert_array_equal(given, [1, 1, 5])
    assert compute_class_weights(Training(), TRAIN.y, 3) is None
    part = compute_class_weights(Training(class_weight="balanced"), np.array([0, 0, 2]), 3)
    np.testing.assert_array_equal(part, [0.75, 1, 1.5])


def test_weights_name_classes() -> None:
    """Names become labels; whole numbers are names too; an unknown one gets the nearest."""
    classes = ["healthy", "tumour", "3"]
    assert number_classes({"tumour": 4.0}, classes, "it") == {"1": 4.0}
    assert Training.model_validate({"class_weight": {3: 2, "tumour": 1.5}}).class_weight == {"3": 2.0, "tumour": 1.5}
    assert number_classes("balanced", classes, "it") == "balanced" and number_classes(None, classes, "it") is None
    with pytest.raises(UserError, match="it: class_weight: 'tumor' is not a class: did you mean 'tumour'"):
        number_classes({"tumor": 4.0}, classes, "it")
    for wrong in ({"a": 0.0}, {"a": float("inf")}, {"a": -1.0}, "sometimes", {True: 1.0}):
        with pytest.raises(ValueError, match="class_weight"):
            Training.model_validate({"class_weight": wrong})


def test_balanced_weights_find_rare_classes(trainer: Any) -> None:
    """On a table with rare classes, balanced weights lower the balanced error and change the model."""
    found = {}
    for weights in (None, "balanced"):
        it = task(weights, epochs=15)
        outcome = train(trainer, it)
        labels = trainer.rebuild(it, outcome.weights, TRAIN).predict(DEV.x)
        found[weights] = (balanced_accuracy_score(DEV.y, labels), digest_arrays(outcome.weights))
    assert found["balanced"][0] > found[None][0] + 0.1, found
    assert found["balanced"][1] != found[None][1]


def test_given_weights_are_the_balanced_ones_if_they_are_equal(trainer: Any) -> None:
    """The same numbers give the same model, by name or by balance; weights of 1 change it only by rounding."""
    numbers = compute_class_weight("balanced", classes=np.arange(3), y=TRAIN.y)
    given: dict[str, float] = {str(label): float(weight) for label, weight in enumerate(numbers)}
    one, other = train(trainer, task("balanced")), train(trainer, task(given))
    assert digest_arrays(one.weights) == digest_arrays(other.weights)
    plain, ones = train(trainer, task(None)), train(trainer, task({"0": 1.0}))
    for name, array in plain.weights.items():
        np.testing.assert_allclose(ones.weights[name], array, atol=1e-5)


def test_losses_of_train_are_weighted_and_those_of_dev_are_not(trainer: Any) -> None:
    """With a rate of nearly 0 the model stays, so the losses of train follow from its probabilities."""
    weights = {"0": 1.0, "1": 3.0, "2": 7.0}
    for loss in ("cross_entropy", "mean_squared_error"):
        it = task(weights, learning_rate=1e-12, optimizer="sgd", epochs=1, loss=loss)
        outcome = train(trainer, it)
        model = trainer.rebuild(it, outcome.weights, TRAIN)
        for split, factors, measured in (
            (TRAIN, np.array([1, 3, 7])[TRAIN.y], outcome.curve[0].train_loss),
            (DEV, 1.0, outcome.curve[0].dev_loss),
        ):
            losses = sample_losses(loss, model.probabilities(split.x), split.y)
            assert measured == pytest.approx(float(np.mean(losses * factors)), rel=1e-4)


def sample_losses(loss: str, probabilities: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    if loss == "cross_entropy":
        return -np.log(probabilities[np.arange(len(y)), y])
    return np.asarray(((probabilities - np.eye(3)[y]) ** 2).mean(axis=1))


@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
def test_one_step_is_that_of_pytorch(trainer: Any, loss: str) -> None:
    """From the same weights, a step on all of train gives the weights that PyTorch's autograd gives.

    So all trainers, those of Keras and of PyTorch among them, give class weights the same meaning.
    """
    import torch

    from blindtune.models import pytorch as networks

    common = {"optimizer": "sgd", "epochs": 1, "batch_size": 480, "loss": loss}
    before = train(trainer, task("balanced", learning_rate=1e-12, **common)).weights
    after = train(trainer, task("balanced", learning_rate=0.5, **common)).weights
    it = task("balanced", **common)
    assert it.architecture is not None
    model = networks.build(it.architecture)
    is_keras = any("kernel" in name for name in before)
    arrays = [array.T if is_keras else array for array in before.values()]
    names = list(networks.get_weights(model))
    networks.set_weights(model, {name: np.ascontiguousarray(a) for name, a in zip(names, arrays, strict=True)})
    weights = compute_class_weights(it.training, TRAIN.y, 3)
    y = torch.from_numpy(TRAIN.y)
    scores = model(torch.from_numpy(TRAIN.x))
    if loss == "cross_entropy":
        each = torch.nn.functional.cross_entropy(scores, y, reduction="none")
    else:
        each = (scores.softmax(1) - torch.nn.functional.one_hot(y, 3)).square().mean(1)
    (each * torch.from_numpy(weights).float()[y]).mean().backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.sub_(0.5 * parameter.grad)
    expected = [array.T if is_keras else array for array in networks.get_weights(model).values()]
    for found, right in zip(after.values(), expected, strict=True):
        np.testing.assert_allclose(found, right, atol=2e-6)


def test_fused_trials_with_weights_are_bit_identical_to_single_ones() -> None:
    """Trials with other weights, and without, are trained in one call as each is alone."""
    fused = create_trainer("fused")
    tasks = [task("balanced"), task({"1": 9.0}), task(None), task("balanced", learning_rate=0.1)]
    jobs = [(it, TrainingOptions("last")) for it in tasks]
    together = dict(fused.train_batch(jobs, TRAIN, DEV))
    for number, it in enumerate(tasks):
        alone = train(fused, it)
        outcome = together[number]
        assert isinstance(outcome, Outcome) and outcome.curve == alone.curve
        assert digest_arrays(outcome.weights) == digest_arrays(alone.weights)
    plain = create_trainer("pytorch")
    for name, array in train(plain, tasks[1]).weights.items():
        np.testing.assert_allclose(train(fused, tasks[1]).weights[name], array, atol=1e-4)


def test_forests_have_the_weights_of_scikit_learn() -> None:
    """A forest with balanced weights is scikit-learn's with the same argument."""
    from sklearn.ensemble import RandomForestClassifier

    values: dict[str, Any] = {"trees": 5, "max_depth": 3, "min_samples_leaf": 1}
    forest = create_trainer("random_forest")
    for weights, same in (("balanced", "balanced"), ({"1": 4.0}, {0: 1, 1: 4.0, 2: 1})):
        it = TrainingTask(None, Training(epochs=1, class_weight=weights), values, 3, 3)
        expected = RandomForestClassifier(5, max_depth=3, random_state=3, class_weight=same).fit(TRAIN.x, TRAIN.y)
        model = forest.rebuild(it, {}, TRAIN)
        np.testing.assert_array_equal(model.predict(DEV.x), expected.predict(DEV.x))
        plain = forest.rebuild(replace(it, training=Training(epochs=1)), {}, TRAIN)
        assert (plain.predict(DEV.x) != model.predict(DEV.x)).any()


def test_a_trainer_without_class_weights_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planning names a trainer that would not read the key; all of blindtune's own trainers of networks do."""
    assert all(entry.class_weights for entry in ENTRIES.own.values() if entry.network)
    monkeypatch.setitem(ENTRIES.entries, "pytorch", replace(ENTRIES["pytorch"], class_weights=False))
    with pytest.raises(ValueError, match="class_weight: trainer pytorch has no class weights"):
        check_class_weights("pytorch")
