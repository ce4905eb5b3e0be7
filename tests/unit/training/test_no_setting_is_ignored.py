"""Every setting of how training ends moves the weights of every trainer by what it says, computed here by hand.

Whole batches and plain gradient descent make one step of a setting a formula of the steps without it.
"""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from blindtune.training.base import Outcome, TrainingTask
from blindtune.training.registry import create_trainer
from support.builders import TRAINERS
from support.training_tasks import create_task, train_task

pytestmark = pytest.mark.slow

RATE = 0.5


class Steps:
    """Trains a small network on whole batches and keeps what it has trained."""

    def __init__(self, name: str) -> None:
        self._trainer: Any = create_trainer(name)
        self._known: dict[str, Outcome] = {}

    def train(self, epochs: int, **settings: Any) -> Outcome:
        """Return the outcome after some epochs with some settings."""
        key = f"{epochs} {sorted(settings.items())}"
        if key not in self._known:
            plain = {"optimizer": "sgd", "batch_size": 400, "learning_rate": RATE}
            self._known[key] = train_task(self._trainer, self._task(epochs, **(plain | settings)))
        return self._known[key]

    def flat(self, epochs: int, **settings: Any) -> NDArray[np.float64]:
        """Return all weights after some epochs in one array; of no epoch, the initial ones."""
        # A rate so small that no weight moves: the initial weights of any framework.
        outcome = self.train(epochs, **settings) if epochs else self.train(1, learning_rate=1e-30)
        return np.concatenate([array.astype(np.float64).ravel() for array in outcome.weights.values()])

    def losses(self, epochs: int, **settings: Any) -> list[float]:
        """Return the losses on dev of each epoch."""
        return [epoch.dev_loss or 0.0 for epoch in self.train(epochs, **settings).curve]

    def _task(self, epochs: int, **settings: Any) -> TrainingTask:
        values = {"units": 6, "dropout_rate": 0.0, "output_activation": "linear"}
        return create_task(hyperparameters=values, epochs=epochs, **settings)


@pytest.fixture(scope="module", params=TRAINERS)
def steps(request: pytest.FixtureRequest) -> Steps:
    """Return the steps of a trainer."""
    return Steps(request.param)


def assert_close(found: NDArray[np.float64], expected: NDArray[np.float64], without: NDArray[np.float64]) -> None:
    """Assert that weights are those expected, which are far from those without the setting."""
    assert np.abs(expected - without).max() > 1e-3, "the setting would change nothing here"
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5)


def test_weight_decay_reduces_every_weight(steps: Steps) -> None:
    """A step takes the share of the learning rate from every weight, next to the gradient."""
    start, plain = steps.flat(0), steps.flat(1)
    assert_close(steps.flat(1, weight_decay=0.2), plain - RATE * 0.2 * start, plain)


def test_clip_norm_cuts_the_gradient_of_all_weights(steps: Steps) -> None:
    """A gradient of four times the norm moves the weights by a quarter; a smaller one is not changed."""
    start, plain = steps.flat(0), steps.flat(1)
    norm = float(np.linalg.norm(plain - start)) / RATE
    assert_close(steps.flat(1, clip_norm=norm / 4), start + (plain - start) / 4, plain)
    np.testing.assert_allclose(steps.flat(1, clip_norm=2 * norm), plain, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ({"schedule": "step", "schedule_epochs": 1, "schedule_factor": 0.25}, 0.25),
        ({"schedule": "cosine"}, (1 + math.cos(math.pi / 2)) / 2),
        ({"schedule": "cosine", "schedule_epochs": 4}, (1 + math.cos(math.pi / 4)) / 2),
    ],
    ids=str,
)
def test_schedules_change_the_rate_of_the_second_epoch(steps: Steps, settings: dict[str, Any], factor: float) -> None:
    """The first epoch has the whole rate, the second a known share of it."""
    first, plain = steps.flat(1), steps.flat(2)
    assert_close(steps.flat(2, **settings), first + factor * (plain - first), plain)


def test_plateau_reduces_the_rate_after_a_loss_that_is_not_lower(steps: Steps) -> None:
    """The epoch after the first loss on dev that is not lower has the reduced rate."""
    rate = {"learning_rate": 30.0}
    losses = steps.losses(8, **rate)
    last = next(number for number in range(1, 8) if losses[number] >= min(losses[:number])) + 1
    before, plain = steps.flat(last, **rate), steps.flat(last + 1, **rate)
    settings = {"schedule": "plateau", "schedule_epochs": 1, "schedule_factor": 0.25}
    assert_close(steps.flat(last + 1, **rate, **settings), before + 0.25 * (plain - before), plain)


def test_early_stopping_counts_epochs_and_min_delta(steps: Steps) -> None:
    """No loss is lower by ten, so training ends when patience is used up."""
    assert len(steps.losses(6)) == len(steps.losses(6, early_stopping=6, min_delta=10.0)) == 6
    assert len(steps.losses(6, early_stopping=2, min_delta=10.0)) == 3
