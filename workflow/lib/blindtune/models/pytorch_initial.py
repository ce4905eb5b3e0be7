"""Keras's initial weights for PyTorch modules, so that both frameworks train the same models."""

import torch
from torch import nn

from blindtune.models.pytorch_modules import LstmModule


@torch.no_grad()
def initialize_like_keras(model: nn.Module) -> None:
    """Draw all weights by the defaults of Keras's layers, from PyTorch's generator.

    These are Glorot's uniform distribution and biases of 0. In an LSTM, the recurrent weights are orthogonal and the
    biases of the forget gate are 1 (keras.io/api/layers, ``Dense``, ``Conv2D`` and ``LSTM``).
    """
    for module in model.modules():
        match module:
            case nn.Linear() | nn.Conv1d() | nn.Conv2d():
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    module.bias.zero_()
            case LstmModule():
                nn.init.xavier_uniform_(module.weight_ih)
                nn.init.orthogonal_(module.weight_hh)
                module.bias.zero_()
                units = module.weight_hh.shape[1]
                module.bias[units : 2 * units] = 1
