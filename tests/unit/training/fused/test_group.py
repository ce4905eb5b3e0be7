"""Groups and models of the fused trainer: their memory and their random draws."""

import gc
import weakref

import numpy as np
import pytest
import torch

from blindtune.training.fused.execution import CPU
from blindtune.training.fused.group import FusedGroup, FusedModel
from support.fused_tasks import TRAIN, create_task

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_group_memory_is_freed_without_a_cycle(rate: float) -> None:
    """A group's memory is free as soon as it is deleted; a device has no room to wait for the garbage collector."""
    jobs = [create_task(seed, values={"layers": 2, "units": 9, "dropout_rate": rate}) for seed in (1, 2)]
    group = FusedGroup([FusedModel(it, CPU) for it in jobs], torch.from_numpy(TRAIN.x), torch.from_numpy(TRAIN.y))
    group.train_epoch()
    held = weakref.ref(group._parameters.weights)
    gc.disable()
    try:
        del group
        assert held() is None
    finally:
        gc.enable()


def test_model_draws_order_and_dropout_per_epoch() -> None:
    """Each epoch has another order and other dropout."""
    model = FusedModel(create_task(), CPU)
    assert not torch.equal(model.draw_order(50), model.draw_order(50))
    first = model.dropout_stream().random_raw(8)
    np.testing.assert_array_equal(model.dropout_stream().random_raw(8), first)
    model.epochs = 1
    assert (model.dropout_stream().random_raw(8) != first).any()
