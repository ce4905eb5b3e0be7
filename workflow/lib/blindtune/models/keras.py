"""Architectures as Keras models."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from blindtune.models.architecture import SQUARED_ERROR, Architecture
from blindtune.models.base import ScoreKind
from blindtune.models.layers import (
    AnyLayer,
    BatchNormalization,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Lstm,
    MaxPool1D,
    MaxPool2D,
    Residual,
)


def build(architecture: Architecture) -> keras.Sequential:
    """Return the Keras model, with Keras's default initial weights, drawn by its global seed."""
    return keras.Sequential([keras.Input(architecture.input_shape), *(_layer(layer) for layer in architecture.layers)])


class ResidualLayer(keras.layers.Layer):  # type: ignore[misc]
    """Adds the input of some layers to their output."""

    def __init__(self, layers: list[keras.layers.Layer], activation: str) -> None:
        super().__init__()
        self.inner = layers
        self._activation = keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        """Build the layers; called by Keras."""
        shape = input_shape
        for layer in self.inner:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, inputs: Any) -> Any:
        """Return the activation of the sum; called by Keras, which tells each layer whether it is trained."""
        outputs = inputs
        for layer in self.inner:
            outputs = layer(outputs)
        return self._activation(inputs + outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the input; called by Keras."""
        return input_shape


def _layer(layer: AnyLayer, padding: str = "valid") -> keras.layers.Layer:
    match layer:
        case Dense():
            return keras.layers.Dense(layer.units, activation=layer.activation)
        case Dropout():
            return keras.layers.Dropout(layer.rate)
        case Conv2D():
            return keras.layers.Conv2D(layer.filters, layer.kernel, padding=padding, activation=layer.activation)
        case MaxPool2D():
            return keras.layers.MaxPooling2D(layer.size)
        case Conv1D():
            return keras.layers.Conv1D(layer.filters, layer.kernel, padding=padding, activation=layer.activation)
        case MaxPool1D():
            return keras.layers.MaxPooling1D(layer.size)
        case Lstm():
            # Unrolled, steps are 10% faster, but a model of 98 steps takes 20 s to build (on one core).
            return keras.layers.LSTM(layer.units, activation=layer.activation, return_sequences=layer.sequence)
        case Flatten():
            return keras.layers.Flatten()
        case BatchNormalization():
            return keras.layers.BatchNormalization(momentum=layer.momentum, epsilon=layer.epsilon)
        case Residual():
            return ResidualLayer([_layer(inner, "same") for inner in layer.layers], layer.activation)


def create_loss(name: str, kind: ScoreKind, classes: int) -> keras.losses.Loss:
    """Return the Keras loss for integer labels.

    Args:
        name: ``mean_squared_error``, or anything else for cross-entropy.
        kind: what the scores are.
        classes: number of classes.
    """
    if name == SQUARED_ERROR:
        return _MeanSquaredError(kind == "logits", classes)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=kind == "logits")


def get_weights(model: keras.Model) -> dict[str, NDArray[Any]]:
    """Return copies of the model's weights and running statistics, named by layer and variable, e.g. ``1.kernel``."""
    return {name: to_numpy(variable) for name, variable in _named_weights(model.layers)}


def _named_weights(layers: list[keras.layers.Layer]) -> Iterator[tuple[str, keras.Variable]]:
    for number, layer in enumerate(layers, 1):
        if isinstance(layer, ResidualLayer):
            yield from ((f"{number}.{name}", variable) for name, variable in _named_weights(layer.inner))
        else:
            yield from ((f"{number}.{variable.name}", variable) for variable in layer.weights)


def to_numpy(variable: keras.Variable) -> NDArray[Any]:
    """Return a copy of the values of a variable."""
    return np.array(keras.ops.convert_to_numpy(variable))


def set_weights(model: keras.Model, weights: Mapping[str, NDArray[Any]]) -> None:
    """Set the weights of a model.

    Args:
        model: as `build` returns it.
        weights: as `get_weights` returns them.

    Raises:
        KeyError: a name does not fit.
        ValueError: a shape does not fit.
    """
    for name, variable in _named_weights(model.layers):
        variable.assign(weights[name])


class SigmoidCrossEntropy(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy of the outputs of a sigmoid, whose inputs are the logits, against integer labels.

    Keras's own losses see the inputs while they train on TensorFlow; of arrays this loss computes them from the
    outputs, as far as float32 holds them: within ±16.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each sample; called by Keras."""
        epsilon = keras.config.epsilon()
        scores = keras.ops.clip(y_pred, epsilon, 1 - epsilon)
        labels = keras.ops.reshape(keras.ops.cast(y_true, "int32"), (-1,))
        logits = keras.ops.log(scores) - keras.ops.log1p(-scores)
        return keras.ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


class _MeanSquaredError(keras.losses.Loss):  # type: ignore[misc]
    """Mean squared error of the class probabilities against integer labels."""

    def __init__(self, from_logits: bool, classes: int) -> None:
        super().__init__()
        self._from_logits = from_logits
        self._classes = classes

    def call(self, y_true: Any, y_pred: Any) -> Any:
        labels = keras.ops.one_hot(keras.ops.reshape(keras.ops.cast(y_true, "int32"), (-1,)), self._classes)
        probabilities = keras.ops.softmax(y_pred) if self._from_logits else y_pred
        return keras.ops.mean(keras.ops.square(labels - probabilities), axis=-1)
