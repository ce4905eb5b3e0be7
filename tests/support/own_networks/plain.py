"""A PyTorch network from a dict of hyperparameters, with batch normalisation."""

import math

from blocks import block
from torch import nn


def build(hyperparameters, input_shape, n_classes):
    """Return a network with one to three hidden layers."""
    layers = [nn.Flatten()]
    size = math.prod(input_shape)
    for _ in range(hyperparameters["depth"]):
        layers += block(size, hyperparameters["units"])
        size = hyperparameters["units"]
    return nn.Sequential(*layers, nn.Linear(size, n_classes))
