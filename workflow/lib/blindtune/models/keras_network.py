"""Keras models of a user's code: built, compiled for integer labels, and asked what their scores are.

The backend must be chosen before this module is imported (`blindtune.training.keras.backend`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from blindtune.models.architecture import SQUARED_ERROR
from blindtune.models.base import ScoreKind
from blindtune.models.keras import to_numpy
from blindtune.models.layers import InvalidModelError
from blindtune.models.network import NetworkBlueprint
from blindtune.models.network_program import build_network, check_meaning, check_scores, find_library
from blindtune.models.own_code import OwnCodeError

#: As `ScoreKind`, and the output of a sigmoid whose input Keras takes for the logit, while it trains on TensorFlow.
KerasScoreKind = ScoreKind | Literal["sigmoid"]

#: Samples of the batch on which a model is checked.
_CHECKED = 2

#: Losses that take integer labels; all others get one-hot labels.
_SPARSE = ("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy")

#: Losses that cannot be of classes, where one score for each class is given.
_BINARY = ("binary", "Binary", "hinge", "Hinge", "ctc", "CTC")


def build(blueprint: NetworkBlueprint, seed: int) -> keras.Model:
    """Return the model of a blueprint; Keras's global seed determines its initial weights.

    Args:
        blueprint: what to build.
        seed: for the generators of Python and NumPy, if Keras's seed is not set already.

    Raises:
        UserError: the file is missing or has changed.
        OwnCodeError: its code failed.
        InvalidModelError: the model does not return one score for each class, or probabilities in place of logits.
    """
    with _keeping_settings():
        program, model = build_network(blueprint, seed)
    if find_library(model) != "keras":
        raise OwnCodeError(f"{blueprint.source}: returns a PyTorch module; give `trainer: pytorch`")
    with program.running():
        try:
            scores = call(model, blueprint.input_shape)
        except ValueError as error:
            line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
            raise InvalidModelError(
                f"{blueprint.source}: the model does not take samples of shape {blueprint.input_shape}: {line}"
            ) from error
    shape = tuple(scores.shape) if hasattr(scores, "shape") else (type(scores).__name__,)
    check_scores(shape, _CHECKED, blueprint.classes, blueprint.source)
    check_meaning(to_numpy(scores), gives_logits(model), blueprint.source)
    return model


@contextmanager
def _keeping_settings() -> Iterator[None]:
    """Restore settings of Keras that code may change: they hold for the whole process, and so for other trials."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


def call(model: keras.Model, shape: tuple[int, ...]) -> Any:
    """Return what a model gives for samples of zeros; a model that learns its shapes from the first batch gets it here.

    Args:
        model: to call.
        shape: of one sample.
    """
    return model(np.zeros((_CHECKED, *shape), np.float32), training=False)


def gives_logits(model: keras.Model) -> bool:
    """Return whether a model gives logits: as its attribute says, else unless it ends with a softmax or a sigmoid."""
    said = getattr(model, "gives_logits", None)
    if isinstance(said, bool):
        return said
    loss = getattr(model, "loss", None)
    from_logits = getattr(loss, "from_logits", None)
    if from_logits is None:
        from_logits = getattr(loss, "_fn_kwargs", {}).get("from_logits")
    if from_logits:
        return True
    return _last_activation(model) not in ("softmax", "sigmoid")


def _last_activation(model: keras.Model) -> str:
    """Return the name of the activation at the end of a model; empty if there is none."""
    last = model
    while getattr(last, "layers", None):
        last = last.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        return "softmax"
    return str(getattr(getattr(last, "activation", None), "__name__", ""))


def score_kind(model: keras.Model, loss: str) -> KerasScoreKind:
    """Return what a model gives for each class, as its loss takes it.

    Args:
        model: as `build` returns it, compiled or not.
        loss: of a model whose code has not compiled it, as `blindtune.config.training.Training` names it.
    """
    if gives_logits(model):
        return "logits"
    is_sigmoid = _last_activation(model) == "sigmoid" and not isinstance(getattr(model, "gives_logits", None), bool)
    on_tensorflow = keras.backend.backend() == "tensorflow"
    return "sigmoid" if is_sigmoid and on_tensorflow and _takes_logits_of_outputs(model, loss) else "probabilities"


def _takes_logits_of_outputs(model: keras.Model, loss: str) -> bool:
    """Return whether the loss is a categorical cross-entropy of Keras, which sees what the outputs were made of."""
    own = getattr(model, "loss", None)
    if own is None:
        return loss != SQUARED_ERROR
    own = own.wrapped if isinstance(own, _OneHotLoss) else own
    name = own if isinstance(own, str) else getattr(own, "__name__", None) or type(own).__name__
    return name.replace("_", "").lower() in ("categoricalcrossentropy", "sparsecategoricalcrossentropy")


def has_train_step(model: keras.Model) -> bool:
    """Return whether the class of a model has a ``train_step`` of its own."""
    owner = next(cls for cls in type(model).__mro__ if "train_step" in vars(cls))
    return not owner.__module__.startswith("keras.")


def is_compiled(model: keras.Model) -> bool:
    """Return whether the code of a model has compiled it, with an optimizer and a loss of its own."""
    return bool(getattr(model, "compiled", False)) and model.optimizer is not None


def compile_model(
    model: keras.Model,
    blueprint: NetworkBlueprint,
    create_optimizer: Callable[[], keras.optimizers.Optimizer],
    create_loss: Callable[[ScoreKind], keras.losses.Loss],
    **arguments: Any,
) -> keras.losses.Loss:
    """Compile a model for integer labels; one that its code has compiled keeps its optimizer and its loss.

    Args:
        model: as `build` returns it.
        blueprint: what was built.
        create_optimizer: creates the optimizer of a model that is not compiled.
        create_loss: creates the loss of such a model; gets what the model gives.
        **arguments: of Keras's ``compile``.

    Returns:
        The loss, of integer labels.
    """
    if is_compiled(model):
        optimizer, loss = model.optimizer, _of_integers(model.loss, blueprint)
    else:
        optimizer = create_optimizer()
        loss = create_loss("logits" if gives_logits(model) else "probabilities")
    optimizer.build(model.trainable_variables)
    model.compile(
        optimizer=optimizer,
        loss=loss,
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        **arguments,
    )
    return loss


def get_weights(model: keras.Model) -> dict[str, NDArray[Any]]:
    """Return copies of all weights, those that are not trained among them, numbered in the order of the model."""
    return {f"{number}.{variable.name}": to_numpy(variable) for number, variable in enumerate(model.weights, 1)}


def set_weights(model: keras.Model, weights: Mapping[str, NDArray[Any]]) -> None:
    """Set the weights of a model.

    Args:
        model: as `build` returns it.
        weights: as `get_weights` returns them.

    Raises:
        KeyError: a name does not fit.
        ValueError: a shape does not fit.
    """
    for number, variable in enumerate(model.weights, 1):
        variable.assign(weights[f"{number}.{variable.name}"])


def count_parameters(model: keras.Model) -> int:
    """Return the number of trainable weights and biases."""
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def describe(model: keras.Model) -> tuple[object, ...]:
    """Return what tells two models apart: the configs of their layers, optimizer and loss, and shapes of weights."""
    names: dict[str, int] = {}
    layers = tuple(
        (type(layer).__name__, repr(_without_names(_config(layer), names)))
        for layer in model._flatten_layers(include_self=False)
    )
    shapes = tuple(tuple(variable.shape) for variable in model.weights)
    optimizer = getattr(model, "optimizer", None)
    how = repr(_without_names(optimizer.get_config(), names)) if optimizer is not None else ""
    loss = getattr(model, "loss", None)
    return layers, shapes, how, type(optimizer).__name__, str(getattr(loss, "name", loss))


def _config(layer: keras.layers.Layer) -> object:
    try:
        return layer.get_config()
    except Exception:  # a layer of one's own without a config
        return {key: value for key, value in vars(layer).items() if isinstance(value, bool | int | float | str)}


def _without_names(config: object, names: dict[str, int]) -> object:
    """Return a config without the names of layers, which count up in a process."""
    if isinstance(config, Mapping):
        return {key: _without_names(value, names) for key, value in config.items() if key != "name"}
    if isinstance(config, list | tuple):
        return [_without_names(value, names) for value in config]
    return config


def _of_integers(loss: Any, blueprint: NetworkBlueprint) -> keras.losses.Loss:
    """Return a compiled loss as one of integer labels."""
    loss = keras.losses.get(loss) if isinstance(loss, str) else loss
    name = getattr(loss, "__name__", None) or type(loss).__name__
    if name in _SPARSE:
        return loss
    if not callable(loss) or any(word in name for word in _BINARY):
        raise OwnCodeError(
            f"{blueprint.source}: the loss {name} is not one of classes; compile with a categorical cross-entropy, or "
            "do not compile and give `training: {loss: ...}`"
        )
    return _OneHotLoss(loss, blueprint.classes)


class _OneHotLoss(keras.losses.Loss):  # type: ignore[misc]
    """A loss of one-hot labels that takes integer labels."""

    def __init__(self, loss: Any, classes: int) -> None:
        super().__init__(reduction=None)
        self.wrapped = loss
        self._classes = classes

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        labels = keras.ops.one_hot(keras.ops.reshape(keras.ops.cast(y_true, "int32"), (-1,)), self._classes)
        if isinstance(self.wrapped, keras.losses.Loss):
            return self.wrapped(labels, y_pred, sample_weight=sample_weight)
        values = self.wrapped(labels, y_pred)
        if sample_weight is not None and not len(values.shape):
            raise OwnCodeError(
                "the loss returns one number for a batch, so samples and classes cannot have weights; return one "
                "number for each sample, or leave weight and class_weight out"
            )
        return keras.ops.mean(values if sample_weight is None else values * keras.ops.reshape(sample_weight, (-1,)))
