"""Dense layers from hyperparameters, which the families share."""

from blindtune.models.layers import Dense, Dropout, Layer
from blindtune.search_space import Hyperparameters, layer_value


def create_dense_layers(values: Hyperparameters, activation: str, classes: int) -> list[Layer]:
    """Return the dense layers of a hyperparameter set, each with its dropout, and the output layer.

    Args:
        values: ``layers``, ``units_<n>``, ``dropout_<n>`` and ``dropout_rate_<n>``, ``output_activation``. A name
            without an index holds for all layers.
        activation: name of the hyperparameter that holds the activation of a layer.
        classes: number of classes.
    """
    layers: list[Layer] = []
    for number in range(1, int(values["layers"]) + 1):
        kind = {"kind": "dense", "units": layer_value(values, "units", number)}
        layers.append(Dense.model_validate({**kind, "activation": layer_value(values, activation, number, "relu")}))
        layers += create_dropout(values, number)
    return [*layers, create_output_layer(values, classes)]


def create_dropout(values: Hyperparameters, number: int) -> list[Layer]:
    """Return the dropout layer after a layer, or no layer if ``dropout`` is false or there is no ``dropout_rate``.

    Args:
        values: ``dropout_<n>`` and ``dropout_rate_<n>``; without an index, they hold for all layers.
        number: the layer before it, from 1.
    """
    rate = layer_value(values, "dropout_rate", number)
    if not layer_value(values, "dropout", number, True) or rate is None:
        return []
    return [Dropout(kind="dropout", rate=float(rate))]


def create_output_layer(values: Hyperparameters, classes: int) -> Dense:
    """Return the layer that gives one score per class.

    Args:
        values: ``output_activation`` (default softmax).
        classes: number of classes.
    """
    activation = values.get("output_activation", "softmax")
    return Dense.model_validate({"kind": "dense", "units": classes, "activation": activation})
