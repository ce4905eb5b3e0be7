"""Compiled Keras models, each used again by the trials of its kind: what a backend compiled once stays compiled."""

from collections import OrderedDict
from dataclasses import dataclass

import keras

from blindtune.models import keras as networks
from blindtune.models.architecture import Architecture

_OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
}

#: Models that are kept, those used last: promotions and folds come back to sets of some trials ago.
_MOST = 32


@dataclass(frozen=True)
class Kind:
    """What the compiled steps of a model depend on, but for the sizes of batches, which a backend tells apart itself.

    Seed and learning rate are no part of it: they lie in variables.
    """

    architecture: Architecture
    optimizer: str
    loss: str
    classes: int
    at_once: int

    def compiled(self, learning_rate: float) -> keras.Model:
        """A new model, its weights from Keras's global seed."""
        model = networks.build(self.architecture)
        optimizer = _OPTIMIZERS[self.optimizer](learning_rate=learning_rate)
        # Left to the first step it would make its variables there, and TensorFlow trace that step twice.
        optimizer.build(model.trainable_variables)
        model.compile(
            optimizer=optimizer,
            loss=networks.loss(self.loss, self.architecture, self.classes),
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
            steps_per_execution=self.at_once,
            jit_compile=keras.backend.backend() == "jax",
        )
        return model


class Models:
    """Compiled models that are not in use.

    A used one gets every variable of a new one and then trains, bit by bit, as that would.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Kind, keras.Model] = OrderedDict()

    def take(self, kind: Kind, learning_rate: float) -> keras.Model:
        """A model as if new, its weights from Keras's global seed."""
        new = kind.compiled(learning_rate)
        used = self._kept.pop(kind, None)
        if used is None:
            return new
        for one, other in ((used, new), (used.optimizer, new.optimizer)):
            for variable, value in zip(one.variables, other.variables, strict=True):
                variable.assign(value)
        return used

    def give_back(self, kind: Kind, model: keras.Model) -> None:
        """Keep a model whose training has ended; one whose training has failed is not to be used again."""
        self._kept[kind] = model
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
