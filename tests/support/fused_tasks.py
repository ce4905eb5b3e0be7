"""Tasks for the fused trainer, and how their outcomes compare."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from blindtune.config.training import Training
from blindtune.core.arrays import digest_arrays
from blindtune.datasets.base import Split
from blindtune.models import mlp
from blindtune.training.base import Outcome, TrainingOptions, TrainingTask
from blindtune.training.fused.trainer import FusedTrainer


def clouds(samples: int, values: int, classes: int, seed: int) -> Split:
    """Return one cloud per class, far enough apart to be learned."""
    random = np.random.default_rng(seed)
    y = np.arange(samples, dtype=np.int64) % classes
    return Split((random.normal(size=(samples, values)) + y[:, None]).astype(np.float32), y)


TRAIN, DEV = clouds(300, 3, 2, 0), clouds(150, 3, 2, 1)


def create_task(
    seed: int = 7, values: dict[str, Any] | None = None, classes: int = 2, n_inputs: int = 3, **training: Any
) -> TrainingTask:
    """Return a task for a small perceptron."""
    content = {"layers": 1, "units": 8, "activation": "tanh"} | (values or {})
    settings = Training(**({"epochs": 3, "batch_size": 64, "learning_rate": 0.02} | training))
    return TrainingTask(mlp.build_architecture(content, (n_inputs,), classes), settings, content, seed, classes)


def train_together(
    jobs: Sequence[tuple[TrainingTask, TrainingOptions]], train: Split = TRAIN, dev: Split = DEV
) -> list[Any]:
    """Return the outcomes of jobs that are trained in one batch, in the order of the jobs."""
    ended = dict(FusedTrainer().train_batch(jobs, train, dev))
    assert sorted(ended) == list(range(len(jobs))), "each ends once"
    return [ended[index] for index in range(len(jobs))]


def assert_same(one: Outcome, other: Outcome) -> None:
    """Check that outcomes are equal bit by bit."""
    assert (one.status, one.reason, one.curve, one.scored_epoch, one.n_parameters) == (
        other.status,
        other.reason,
        other.curve,
        other.scored_epoch,
        other.n_parameters,
    )
    assert digest_arrays(one.weights) == digest_arrays(other.weights)
    assert (one.state is None) == (other.state is None)
    if one.state and other.state:
        assert digest_arrays(one.state.arrays) == digest_arrays(other.state.arrays)


def assert_close(one: Outcome, other: Outcome) -> None:
    """Check that curves and weights are equal up to rounding."""
    for epoch, expected in zip(one.curve, other.curve, strict=True):
        assert epoch.model_dump() == pytest.approx(expected.model_dump(), rel=2e-4, abs=2e-5)
    for name, array in other.weights.items():
        np.testing.assert_allclose(one.weights[name], array, rtol=2e-3, atol=2e-4)
