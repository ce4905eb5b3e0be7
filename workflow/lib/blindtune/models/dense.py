"""The dense part of a network, which MLPs and ConvNets share."""

from blindtune.models.architecture import Dense, Dropout, Layer
from blindtune.spaces import Hyperparameters, nth


def dense_layers(values: Hyperparameters, activation: str, classes: int) -> list[Layer]:
    """The dense layers of a set, each with its dropout, and the output layer.

    Args:
        values: ``layers``, ``units_<n>``, ``dropout`` and ``dropout_rate``, ``output_activation``.
        activation: the hyperparameter that holds the activation of a layer.
        classes: number of classes.
    """
    layers: list[Layer] = []
    for number in range(1, int(values["layers"]) + 1):
        kind = {"kind": "dense", "units": nth(values, "units", number)}
        layers.append(Dense.model_validate({**kind, "activation": nth(values, activation, number, "relu")}))
        if values.get("dropout", True) and "dropout_rate" in values:
            layers.append(Dropout(kind="dropout", rate=float(values["dropout_rate"])))
    output = values.get("output_activation", "softmax")
    layers.append(Dense.model_validate({"kind": "dense", "units": classes, "activation": output}))
    return layers
