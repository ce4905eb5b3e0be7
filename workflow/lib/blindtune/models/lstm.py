"""The family ``lstm``: stacks of LSTM layers from hyperparameters (Shawki et al. 2021, section IV, for dataset 12).

The dimensions are those that the paper gives for MLPs; each layer but the last passes one vector per step to the next.
"""

from blindtune.models.architecture import Architecture, ArchitectureFamily
from blindtune.models.dense import create_dropout, create_output_layer
from blindtune.models.layers import Layer, Lstm
from blindtune.search_space import Hyperparameters, layer_value


def build_architecture(values: Hyperparameters, input_shape: tuple[int, ...], classes: int) -> Architecture:
    """Return the architecture that a hyperparameter set describes; some of its layers may be impossible to build.

    Args:
        values: ``layers``, ``units_<n>``, ``activation_<n>`` (default tanh), ``dropout_<n>`` and
            ``dropout_rate_<n>`` after each layer, ``output_activation``. A name without an index holds for all layers.
        input_shape: (n_steps, n_features).
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
        layers += [Lstm.model_validate(memory), *create_dropout(values, number)]
    return Architecture(input_shape=input_shape, layers=(*layers, create_output_layer(values, classes)))


FAMILY = ArchitectureFamily(
    build=build_architecture,
    hyperparameters=frozenset({"layers", "units", "activation", "output_activation", "dropout", "dropout_rate"}),
    required=frozenset({"layers", "units"}),
    example_shape=(16, 4),
)
