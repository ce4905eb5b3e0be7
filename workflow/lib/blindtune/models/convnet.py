"""The family ``convnet``: blocks of convolution, pooling and dropout, then dense layers, from hyperparameters.

The dimensions are those of Shawki et al. 2021, section IV (filters, kernel size, pooling window, and those of the
MLP) and of the guide (sections 4 to 6: optional pooling and dropout).
"""

from blindtune.models.architecture import Architecture, ArchitectureFamily
from blindtune.models.dense import create_dense_layers
from blindtune.models.layers import Conv2D, Dropout, Flatten, Layer, MaxPool2D
from blindtune.search_space import Hyperparameters, layer_value


def build_architecture(values: Hyperparameters, input_shape: tuple[int, ...], classes: int) -> Architecture:
    """Return the architecture that a hyperparameter set describes; some of its layers may be impossible to build.

    Args:
        values: ``blocks``; for each block ``filters_<n>``, ``kernel_<n>``, ``activation_<n>``, ``pool_<n>`` (whether
            it pools; default true) with ``pool_size_<n>`` (default 2), ``block_dropout_<n>`` (a rate);
            ``layers``; for each dense layer ``units_<n>``, ``dense_activation_<n>``; ``dropout_<n>`` and
            ``dropout_rate_<n>`` after each dense layer; ``output_activation``. A name without an index holds for all
            layers.
        input_shape: (n_rows, n_columns, n_channels).
        classes: number of classes.
    """
    layers: list[Layer] = []
    for number in range(1, int(values["blocks"]) + 1):
        layers += _block(values, number)
    layers.append(Flatten(kind="flatten"))
    layers += create_dense_layers(values, "dense_activation", classes)
    return Architecture(input_shape=input_shape, layers=tuple(layers))


def _block(values: Hyperparameters, number: int) -> list[Layer]:
    convolution = {
        "kind": "conv2d",
        "filters": layer_value(values, "filters", number),
        "kernel": layer_value(values, "kernel", number),
        "activation": layer_value(values, "activation", number, "relu"),
    }
    layers: list[Layer] = [Conv2D.model_validate(convolution)]
    if layer_value(values, "pool", number, True):
        layers.append(
            MaxPool2D.model_validate({"kind": "max_pool2d", "size": layer_value(values, "pool_size", number, 2)})
        )
    rate = layer_value(values, "block_dropout", number)
    if rate is not None:
        layers.append(Dropout(kind="dropout", rate=float(rate)))
    return layers


FAMILY = ArchitectureFamily(
    build=build_architecture,
    hyperparameters=frozenset(
        {
            "blocks",
            "filters",
            "kernel",
            "activation",
            "pool",
            "pool_size",
            "block_dropout",
            "layers",
            "units",
            "dense_activation",
            "dropout",
            "dropout_rate",
            "output_activation",
        }
    ),
    required=frozenset({"blocks", "filters", "kernel", "layers", "units"}),
    example_shape=(64, 64, 3),
)
