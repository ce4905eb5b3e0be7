"""The family ``mlp``: multilayer perceptrons from hyperparameters (Shawki et al. 2021, section IV and Table 4).

The dimensions are the published ones: number of layers, neurons and activation of each layer (the first of them is the
paper's "input layer"), activation of the output, and one dropout rate for the whole model.
"""

from blindtune.models.architecture import Architecture, ArchitectureFamily
from blindtune.models.dense import create_dense_layers
from blindtune.models.layers import Flatten, Layer
from blindtune.search_space import Hyperparameters


def build_architecture(values: Hyperparameters, input_shape: tuple[int, ...], classes: int) -> Architecture:
    """Return the architecture that a hyperparameter set describes.

    Args:
        values: ``layers``, ``units_<n>``, ``activation_<n>``, ``output_activation``, and optionally
            ``dropout_<n>`` and ``dropout_rate_<n>``. A name without an index holds for all layers.
        input_shape: shape of one sample.
        classes: number of classes.
    """
    flat: list[Layer] = [Flatten(kind="flatten")] if len(input_shape) > 1 else []
    return Architecture(input_shape=input_shape, layers=(*flat, *create_dense_layers(values, "activation", classes)))


FAMILY = ArchitectureFamily(
    build=build_architecture,
    hyperparameters=frozenset({"layers", "units", "activation", "output_activation", "dropout", "dropout_rate"}),
    required=frozenset({"layers", "units"}),
)
