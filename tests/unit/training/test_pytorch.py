"""The PyTorch trainer: on a processor the plain loop, bit by bit; what it keeps on a device."""

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


def plain_loop() -> Mapping[str, Tensor]:
    """What the trainer does with `TASK` on a processor, written with PyTorch alone."""
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


def test_on_a_processor_it_is_the_plain_loop_bit_by_bit() -> None:
    trainer = PyTorchTrainer()
    trainer.device = torch.device("cpu")
    outcome = trainer.train(TASK, TRAIN, DEV, TrainingOptions("last", Stopwatch(), keep_state=True))
    expected = plain_loop()
    assert outcome.weights.keys() == expected.keys()
    for name, array in outcome.weights.items():
        np.testing.assert_array_equal(array, expected[name].numpy())
    # A dropout that was drawn elsewhere would leave the generator at another place.
    assert outcome.state is not None
    np.testing.assert_array_equal(outcome.state.arrays["random"], torch.get_rng_state().numpy())
    assert set(trainer.versions()) == {"torch"} and "random_cuda" not in outcome.state.arrays


def test_a_device_keeps_the_splits_that_it_was_given_last() -> None:
    trainer = PyTorchTrainer()
    trainer.device = torch.device("meta")
    train, dev = trainer._placed(TRAIN), trainer._placed(DEV)
    assert train.y.device.type == dev.y.device.type == "meta"
    assert trainer._placed(TRAIN) is train and trainer._placed(DEV) is dev
    fold = Split(TRAIN.x[:9], TRAIN.y[:9])
    assert trainer._placed(fold) is not train and trainer._placed(DEV) is dev
    assert trainer._placed(TRAIN) is not train, "no more than two"


@pytest.mark.parametrize("name", ["pytorch", "fused"])
def test_small_numbers_are_as_before_when_a_training_has_ended(name: str) -> None:
    from blindtune.training.fused.trainer import FusedTrainer

    it = {"pytorch": PyTorchTrainer, "fused": FusedTrainer}[name]()
    it.train(TASK, TRAIN, DEV, TrainingOptions("last"))
    assert np.float32(1e-30) * np.float32(1e-10) > 0 and torch.tensor(1e-30) * 1e-10 > 0
