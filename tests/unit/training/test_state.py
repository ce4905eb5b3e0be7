"""The state format of trainers that compute with PyTorch."""

import numpy as np
import pytest
import torch

from blindtune.training.state import pack, unpack


@pytest.mark.parametrize("cuda", [False, True])
def test_unpack_returns_what_was_packed(cuda: bool) -> None:
    """A state survives the round trip with its types; moments that are None are left out."""
    weights = {"0.weight": np.ones((2, 3), np.float32), "0.bias": np.zeros(2, np.float32)}
    moments = {0: {"exp_avg": torch.full((2, 3), 2.0), "step": torch.tensor(4.0)}, 1: {"momentum_buffer": None}}
    random, random_cuda = torch.arange(5, dtype=torch.uint8), torch.arange(3, dtype=torch.uint8) if cuda else None
    arrays = pack(weights, moments, random, random_cuda)
    state = unpack(arrays)
    assert state.weights.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(state.weights[name], array)
    assert {number: named.keys() for number, named in state.moments.items()} == {0: {"exp_avg", "step"}}
    assert torch.equal(state.moments[0]["exp_avg"], torch.full((2, 3), 2.0)) and state.moments[0]["step"].shape == ()
    assert torch.equal(state.random, random)
    assert (state.random_cuda is not None) == cuda


def test_pack_uses_the_names_of_recorded_states() -> None:
    """The names in a state stay the same, so that interrupted studies can resume."""
    arrays = pack({"0.weight": np.ones(1)}, {3: {"exp_avg": torch.ones(1)}}, torch.zeros(1), torch.zeros(1))
    assert list(arrays) == ["model.0.weight", "optimizer.3.exp_avg", "random_cuda", "random"]


def test_unpack_returns_copies() -> None:
    """A training that resumes does not change the state that it resumed from."""
    arrays = pack({}, {0: {"exp_avg": torch.ones(2)}}, torch.zeros(2, dtype=torch.uint8))
    state = unpack(arrays)
    state.moments[0]["exp_avg"].zero_()
    state.random.add_(1)
    assert arrays["optimizer.0.exp_avg"].tolist() == [1, 1] and arrays["random"].tolist() == [0, 0]
