"""Dense layers from hyperparameters, which the families share."""

from blindtune.models.layers import Dense, Dropout, Layer
from blindtune.search_space import Hyperparameters, layer_value


def create_dense_layers(values: Hyperparameters, activation: str, classes: int) -> list[Layer]:
    """Return the dense layers of a hyperparameter set, each with its dropout, and the output layer.

    Args:
        values: ``layers``, ``units_<n>``, ``dropout`` and ``dropout_rate``, ``output_activation``.
        activation: name of the hyperparameter that holds the activation of a layer.
        classes: number of classes.
    """
    layers: list[Layer] = []
    for number in range(1, int(values["layers"]) + 1):
        kind = {"kind": "dense", "units": layer_value(values, "units", number)}
        layers.append(Dense.model_validate({**kind, "activation": layer_value(values, activation, number, "relu")}))
        layers += create_dropout(values)
    return [*layers, create_output_layer(values, classes)]


def create_dropout(values: Hyperparameters) -> list[Layer]:
    """Return the dropout layer after a layer, or no layer if ``dropout`` is false or there is no ``dropout_rate``."""
    if not values.get("dropout", True) or "dropout_rate" not in values:
        return []
    return [Dropout(kind="dropout", rate=float(values["dropout_rate"]))]


def create_output_layer(values: Hyperparameters, classes: int) -> Dense:
    """Return the layer that gives one score per class.

    Args:
        values: ``output_activation`` (default softmax).
        classes: number of classes.
    """
    activation = values.get("output_activation", "softmax")
    return Dense.model_validate({"kind": "dense", "units": classes, "activation": activation})
