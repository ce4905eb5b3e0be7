"""The PyTorch trainer: on a CPU it is the plain loop, bit by bit; a device keeps the splits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from blindtune.config.training import Training
from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.models import mlp
from blindtune.training.base import TrainingOptions, TrainingTask
from blindtune.training.pytorch import PyTorchTrainer
from support.builders import points
from support.training_tasks import create_task, train_task

pytestmark = pytest.mark.slow


TRAIN, DEV = Split(*points(230, 0)), Split(*points(100, 1))


VALUES: dict[str, Any] = {
    "layers": 2,
    "units": 9,
    "activation": "tanh",
    "dropout_rate": 0.3,
    "output_activation": "linear",
}


TASK = TrainingTask(
    mlp.build_architecture(VALUES, (2,), 2), Training(epochs=3, batch_size=50, learning_rate=0.02), VALUES, 7, 2
)


def run_plain_loop() -> Mapping[str, Tensor]:
    """Do what the trainer does with `TASK` on a CPU, with PyTorch alone; return the weights."""
    torch.manual_seed(TASK.seed)
    first, second, output = nn.Linear(2, 9), nn.Linear(9, 9), nn.Linear(9, 2)
    model = nn.Sequential(first, nn.Tanh(), nn.Dropout(0.3), second, nn.Tanh(), nn.Dropout(0.3), output)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, fused=True)
    x, y = torch.from_numpy(TRAIN.x), torch.from_numpy(TRAIN.y)
    for _ in range(TASK.training.epochs):
        order = torch.randperm(len(y))
        for rows in torch.split(order, TASK.training.batch_size):
            optimizer.zero_grad()
            functional.cross_entropy(model(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return model.state_dict()


def test_train_on_cpu_is_the_plain_loop() -> None:
    """On a CPU, weights and random state are those of the plain loop, bit by bit."""
    trainer = PyTorchTrainer()
    trainer.device = torch.device("cpu")
    outcome = trainer.train(TASK, TRAIN, DEV, TrainingOptions("last", Stopwatch(), keep_state=True))
    expected = run_plain_loop()
    assert outcome.weights.keys() == expected.keys()
    for name, array in outcome.weights.items():
        np.testing.assert_array_equal(array, expected[name].numpy())
    # A dropout that was drawn elsewhere would leave the generator at another place.
    assert outcome.state is not None
    np.testing.assert_array_equal(outcome.state.arrays["random"], torch.get_rng_state().numpy())
    assert set(trainer.versions()) == {"torch"} and "random_cuda" not in outcome.state.arrays


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
def test_train_every_optimizer_lowers_every_loss(optimizer: str, loss: str) -> None:
    """Every optimizer lowers every loss."""
    from blindtune.training.pytorch import PyTorchTrainer

    rate = 0.5 if optimizer == "sgd" else 0.02
    outcome = train_task(PyTorchTrainer(), create_task(optimizer=optimizer, loss=loss, learning_rate=rate, epochs=5))
    assert outcome.status == "completed" and outcome.curve[-1].train_loss < outcome.curve[0].train_loss


def test_to_device_keeps_the_last_two_splits() -> None:
    """A device keeps the two splits that it was given last."""
    trainer = PyTorchTrainer()
    trainer.device = torch.device("meta")
    train, dev = trainer._to_device(TRAIN), trainer._to_device(DEV)
    assert train.y.device.type == dev.y.device.type == "meta"
    assert trainer._to_device(TRAIN) is train and trainer._to_device(DEV) is dev
    fold = Split(TRAIN.x[:9], TRAIN.y[:9])
    assert trainer._to_device(fold) is not train and trainer._to_device(DEV) is dev
    assert trainer._to_device(TRAIN) is not train, "no more than two"


@pytest.mark.parametrize("name", ["pytorch", "fused"])
def test_flush_denormals_ends_with_the_training(name: str) -> None:
    """Denormal numbers are as before when a training has ended."""
    from blindtune.training.fused.trainer import FusedTrainer

    trainer = {"pytorch": PyTorchTrainer, "fused": FusedTrainer}[name]()
    trainer.train(TASK, TRAIN, DEV, TrainingOptions("last"))
    assert np.float32(1e-30) * np.float32(1e-10) > 0 and torch.tensor(1e-30) * 1e-10 > 0
