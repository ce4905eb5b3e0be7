"""Stacks of long short-term memories from hyperparameters (Shawki et al. 2021, section IV, for #12).

The dimensions are those that the paper gives for MLPs; each layer but the last hands a vector per step to the next.
"""

from blindtune.models.architecture import Architecture
from blindtune.models.dense import dropout_behind, output_layer
from blindtune.models.layers import Layer, Lstm
from blindtune.search_space import Hyperparameters, layer_value

HYPERPARAMETERS = {"layers", "units", "activation", "output_activation", "dropout", "dropout_rate"}
REQUIRED = {"layers", "units"}


def architecture(values: Hyperparameters, input_shape: tuple[int, ...], classes: int) -> Architecture:
    """The architecture that a hyperparameter set describes, which need not be possible to build.

    Args:
        values: ``layers``, ``units_<n>``, ``activation_<n>`` (default tanh), ``dropout`` and ``dropout_rate`` behind
            each layer, ``output_activation``. A name without an index holds for all.
        input_shape: (steps, features).
        classes: number of classes.
    """
    depth = int(values["layers"])
    layers: list[Layer] = []
    for number in range(1, depth + 1):
        memory = {
            "kind": "lstm",
            "units": layer_value(values, "units", number),
            "activation": layer_value(values, "activation", number, "tanh"),
            "sequence": number < depth,
        }
        layers += [Lstm.model_validate(memory), *dropout_behind(values)]
    return Architecture(input_shape=input_shape, layers=(*layers, output_layer(values, classes)))
