"""Multilayer perceptrons from hyperparameters (Shawki et al. 2021, section IV and Table 4).

The dimensions are the published ones: number of layers, neurons and activation per layer (the first
of them is the paper's "input layer"), activation of the output, one dropout rate for the model.
"""

from blindtune.models.architecture import Architecture
from blindtune.models.dense import dense_layers
from blindtune.models.layers import Flatten, Layer
from blindtune.search_space import Hyperparameters

HYPERPARAMETERS = {"layers", "units", "activation", "output_activation", "dropout", "dropout_rate"}
REQUIRED = {"layers", "units"}


def architecture(values: Hyperparameters, input_shape: tuple[int, ...], classes: int) -> Architecture:
    """The architecture that a hyperparameter set describes.

    Args:
        values: ``layers``, ``units_<n>``, ``activation_<n>``, ``output_activation``, and either
            ``dropout_rate`` or nothing. Without an index, ``units`` and ``activation`` hold for all.
        input_shape: shape of one sample.
        classes: number of classes.
    """
    flat: list[Layer] = [Flatten(kind="flatten")] if len(input_shape) > 1 else []
    return Architecture(input_shape=input_shape, layers=(*flat, *dense_layers(values, "activation", classes)))
