"""The format in which trainers that compute with PyTorch keep the state of a training: named NumPy arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from blindtune.training.base import Arrays

_MODEL, _OPTIMIZER, _RANDOM, _RANDOM_CUDA = "model.", "optimizer.", "random", "random_cuda"


@dataclass(frozen=True)
class UnpackedState:
    """A state as the objects of a trainer take it.

    Attributes:
        weights: by name.
        moments: arrays of the optimizer by name, for each parameter by its number in the model.
        random: state of PyTorch's random generator on the CPU.
        random_cuda: state of the one on a CUDA device; None if the training used none.
    """

    weights: dict[str, NDArray[Any]]
    moments: dict[int, dict[str, Tensor]]
    random: Tensor
    random_cuda: Tensor | None


def pack(
    weights: Mapping[str, NDArray[Any]],
    moments: Mapping[int, Mapping[str, Tensor | None]],
    random: Tensor,
    random_cuda: Tensor | None = None,
) -> Arrays:
    """Return the state of a training as named arrays; all are copies but the weights.

    Args:
        weights: by name.
        moments: arrays of the optimizer by name, for each parameter by its number in the model; None is left out.
        random: state of the random generator on the CPU.
        random_cuda: state of the one on a CUDA device; None if the training uses none.
    """
    arrays = {f"{_MODEL}{name}": array for name, array in weights.items()}
    for number, named in moments.items():
        for name, moment in named.items():
            if moment is not None:
                arrays[f"{_OPTIMIZER}{number}.{name}"] = moment.cpu().numpy().copy()
    if random_cuda is not None:
        arrays[_RANDOM_CUDA] = random_cuda.numpy().copy()
    arrays[_RANDOM] = random.numpy().copy()
    return arrays


def unpack(arrays: Mapping[str, NDArray[Any]]) -> UnpackedState:
    """Return what `pack` was given; tensors are copies, on the CPU."""
    moments: dict[int, dict[str, Tensor]] = {}
    for key, array in arrays.items():
        if key.startswith(_OPTIMIZER):
            number, name = key.removeprefix(_OPTIMIZER).split(".")
            moments.setdefault(int(number), {})[name] = torch.from_numpy(array.copy())
    return UnpackedState(
        weights={name.removeprefix(_MODEL): array for name, array in arrays.items() if name.startswith(_MODEL)},
        moments=moments,
        random=torch.from_numpy(arrays[_RANDOM].copy()),
        random_cuda=torch.from_numpy(arrays[_RANDOM_CUDA].copy()) if _RANDOM_CUDA in arrays else None,
    )
