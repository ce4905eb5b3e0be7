"""Parts of a network, in a module next to it."""

from torch import nn


def block(size, width):
    """Return one hidden layer with batch normalisation."""
    return [nn.Linear(size, width), nn.BatchNorm1d(width), nn.ReLU()]
