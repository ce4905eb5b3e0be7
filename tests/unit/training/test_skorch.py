"""The skorch trainer against the PyTorch trainer, and both wrappers with labels that a fold lacks."""

from typing import Any

import pytest

from blindtune.config.training import Training
from blindtune.datasets.base import Split
from blindtune.models import mlp
from blindtune.training.base import (
    TrainingOptions,
    TrainingTask,
)
from blindtune.training.registry import create_trainer
from support.training_tasks import DEV, TRAIN, create_task, train_task

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
@pytest.mark.parametrize("output", ["linear", "softmax", "sigmoid"])
def test_train_gives_the_model_of_pytorch(optimizer: str, loss: str, output: str) -> None:
    """skorch gives the model of the PyTorch trainer, but for the order of samples."""
    values = {"output_activation": output, "dropout_rate": 0.0}
    whole = create_task(hyperparameters=values, loss=loss, optimizer=optimizer, batch_size=400)
    native, wrapped = (train_task(create_trainer(name), whole) for name in ("pytorch", "skorch"))
    for one, other in zip(native.curve, wrapped.curve, strict=True):
        assert other.model_dump() == pytest.approx(one.model_dump(), rel=1e-4, abs=1e-6)
    # With several batches each is another draw of the same thing: another order of samples.
    native, wrapped = (train_task(create_trainer(name), create_task()) for name in ("pytorch", "skorch"))
    assert wrapped.curve != native.curve
    assert wrapped.curve[-1].dev_error == pytest.approx(native.curve[-1].dev_error, abs=0.05)


@pytest.mark.parametrize(("name", "native"), [("scikeras", "keras"), ("skorch", "pytorch")])
def test_labels_keep_their_meaning_without_a_class(name: str, native: str) -> None:
    """In skorch and SciKeras labels keep their meaning if a fold lacks a class."""
    values = {"layers": 1, "units": 8}
    task = TrainingTask(
        mlp.build_architecture(values, (2,), 3), Training(epochs=4, batch_size=400, learning_rate=0.05), values, 7, 3
    )
    # Class 0 is nowhere: numbered from the labels that occur, labels 1 and 2 would become 0 and 1.
    part, dev = Split(TRAIN.x, TRAIN.y + 1), Split(DEV.x, DEV.y + 1)
    one, other = (create_trainer(each).train(task, part, dev, TrainingOptions("last")) for each in (native, name))
    for epoch, same in zip(one.curve, other.curve, strict=True):
        assert same.model_dump() == pytest.approx(epoch.model_dump(), rel=1e-4, abs=1e-6)
    assert other.curve[-1].dev_error < 0.3


def test_keyboard_interrupt_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a training by skorch and is not swallowed."""
    from blindtune.models import pytorch

    def stop(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(pytorch, "compute_loss", stop)
    with pytest.raises(KeyboardInterrupt):
        train_task(create_trainer("skorch"), create_task())
