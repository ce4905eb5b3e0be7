"""The dense part of a network, which the families share."""

from blindtune.models.layers import Dense, Dropout, Layer
from blindtune.search_space import Hyperparameters, layer_value


def dense_layers(values: Hyperparameters, activation: str, classes: int) -> list[Layer]:
    """The dense layers of a set, each with its dropout, and the output layer.

    Args:
        values: ``layers``, ``units_<n>``, ``dropout`` and ``dropout_rate``, ``output_activation``.
        activation: the hyperparameter that holds the activation of a layer.
        classes: number of classes.
    """
    layers: list[Layer] = []
    for number in range(1, int(values["layers"]) + 1):
        kind = {"kind": "dense", "units": layer_value(values, "units", number)}
        layers.append(Dense.model_validate({**kind, "activation": layer_value(values, activation, number, "relu")}))
        layers += dropout_behind(values)
    return [*layers, output_layer(values, classes)]


def dropout_behind(values: Hyperparameters) -> list[Layer]:
    """The dropout behind a layer: none where ``dropout`` is false or there is no ``dropout_rate``."""
    if not values.get("dropout", True) or "dropout_rate" not in values:
        return []
    return [Dropout(kind="dropout", rate=float(values["dropout_rate"]))]


def output_layer(values: Hyperparameters, classes: int) -> Dense:
    """One score per class, by ``output_activation`` (default softmax)."""
    activation = values.get("output_activation", "softmax")
    return Dense.model_validate({"kind": "dense", "units": classes, "activation": activation})
