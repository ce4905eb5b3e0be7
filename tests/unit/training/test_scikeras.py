"""The SciKeras trainer against the Keras trainer."""

import pytest

from blindtune.core.arrays import digest_arrays
from blindtune.training.registry import create_trainer
from support.training_tasks import create_task, train_task

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
@pytest.mark.parametrize("output", ["linear", "softmax", "sigmoid"])
def test_train_gives_the_model_of_keras(loss: str, output: str) -> None:
    """SciKeras gives the model of the Keras trainer, bit by bit."""
    task = create_task(hyperparameters={"output_activation": output}, loss=loss)
    native, wrapped = (train_task(create_trainer(name), task) for name in ("keras", "scikeras"))
    assert wrapped.curve == native.curve
    assert digest_arrays(wrapped.weights) == digest_arrays(native.weights)


def test_classifier_has_the_tags_of_a_classifier() -> None:
    """scikit-learn's `is_classifier` accepts the classifier."""
    from sklearn.base import is_classifier

    from blindtune.training.scikeras import FixedLabelsClassifier

    assert is_classifier(FixedLabelsClassifier(lambda: None, 2))
