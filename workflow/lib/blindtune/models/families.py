"""The families of architectures that a search space can describe, by name."""

from collections.abc import Callable
from typing import Literal

from blindtune.models import convnet, lstm, mlp
from blindtune.models.architecture import Architecture
from blindtune.search_space import Hyperparameters

Family = Literal["mlp", "convnet", "lstm"]
Build = Callable[[Hyperparameters, tuple[int, ...], int], Architecture]

#: The hyperparameters that a family understands, beside those of training.
HYPERPARAMETERS: dict[Family, set[str]] = {
    "mlp": mlp.HYPERPARAMETERS,
    "convnet": convnet.HYPERPARAMETERS,
    "lstm": lstm.HYPERPARAMETERS,
}

#: Those without which it builds nothing.
REQUIRED: dict[Family, set[str]] = {"mlp": mlp.REQUIRED, "convnet": convnet.REQUIRED, "lstm": lstm.REQUIRED}

#: From hyperparameters, shape of a sample and number of classes to an architecture.
BUILD: dict[Family, Build] = {
    "mlp": mlp.architecture,
    "convnet": convnet.architecture,
    "lstm": lstm.architecture,
}
