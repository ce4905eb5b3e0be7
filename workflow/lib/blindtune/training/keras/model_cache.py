"""A cache of compiled Keras models: trials of one kind use the same model, so a backend compiles it once."""

from collections import OrderedDict
from dataclasses import dataclass

import keras

from blindtune.models import keras as networks
from blindtune.models.architecture import Architecture

#: The optimizers that a config can name.
OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
}

#: Maximum number of models in a cache: promotions and folds use sets of some trials before again.
_MAX_MODELS = 32


@dataclass(frozen=True)
class ModelKey:
    """What the compiled steps of a model depend on, without the batch sizes, which a backend distinguishes itself.

    Seed and learning rate are not part of it: they are in variables.

    Attributes:
        architecture: of the model.
        optimizer: as `blindtune.config.training.Training` names it.
        loss: as `blindtune.config.training.Training` names it.
        classes: number of classes.
        steps_per_execution: as Keras's ``compile`` takes it.
        weight_decay: as `blindtune.config.training.Training` gives it.
        clip_norm: as `blindtune.config.training.Training` gives it.
    """

    architecture: Architecture
    optimizer: str
    loss: str
    classes: int
    steps_per_execution: int
    weight_decay: float | None = None
    clip_norm: float | None = None

    def compile_model(self, learning_rate: float) -> keras.Model:
        """Return a new model, whose weights Keras's global seed determines."""
        model = networks.build(self.architecture)
        optimizer = create_optimizer(self.optimizer, learning_rate, self.weight_decay, self.clip_norm)
        # Otherwise the first step would create its variables, and TensorFlow would trace that step twice.
        optimizer.build(model.trainable_variables)
        model.compile(
            optimizer=optimizer,
            loss=networks.create_loss(self.loss, self.architecture.score_kind(), self.classes),
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
            steps_per_execution=self.steps_per_execution,
            jit_compile=keras.backend.backend() == "jax",
        )
        return model


def create_optimizer(
    name: str, learning_rate: float, weight_decay: float | None, clip_norm: float | None
) -> keras.optimizers.Optimizer:
    """Create an optimizer.

    Args:
        name: a key of `OPTIMIZERS`.
        learning_rate: step size.
        weight_decay: as `blindtune.config.training.Training` gives it.
        clip_norm: as `blindtune.config.training.Training` gives it.
    """
    more: dict[str, float] = {} if clip_norm is None else {"global_clipnorm": clip_norm}
    if weight_decay is not None:
        # Keras's Adam takes a weight decay too, and is then its AdamW.
        name = "adam" if name == "adamw" else name
        more |= {"weight_decay": weight_decay} if weight_decay else {}
    return OPTIMIZERS[name](learning_rate=learning_rate, **more)


class ModelCache:
    """Compiled models that are not in use.

    A used model gets every variable of a new one; training it is then bit-identical to training the new one.
    """

    def __init__(self) -> None:
        self._models: OrderedDict[ModelKey, keras.Model] = OrderedDict()

    def take(self, key: ModelKey, learning_rate: float) -> keras.Model:
        """Return a model in the state of a new one, whose weights Keras's global seed determines.

        Args:
            key: of the model.
            learning_rate: of its optimizer.
        """
        new = key.compile_model(learning_rate)
        used = self._models.pop(key, None)
        if used is None:
            return new
        for old, fresh in ((used, new), (used.optimizer, new.optimizer)):
            for variable, value in zip(old.variables, fresh.variables, strict=True):
                variable.assign(value)
        return used

    def put(self, key: ModelKey, model: keras.Model) -> None:
        """Keep a model whose training has ended; one whose training failed must not be used again.

        Args:
            key: of the model.
            model: what `take` returned.
        """
        self._models[key] = model
        if len(self._models) > _MAX_MODELS:
            self._models.popitem(last=False)
