"""The config of training: how a network is trained, and which epoch is scored."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field

from blindtune.core.bounds import MAX_CLASS_WEIGHT, MAX_EPOCHS, MAX_FLOAT, MAX_LEARNING_RATE, MAX_SAMPLES
from blindtune.core.validation import Strict, is_none

ScoreEpoch = Literal["last", "best"]
Optimizer = Literal["adam", "adamw", "sgd", "rmsprop"]
Loss = Literal["cross_entropy", "sparse_categorical_crossentropy", "mean_squared_error"]
InitialWeights = Literal["framework", "keras"]
Metric = Literal["accuracy", "sparse_categorical_accuracy"]
Schedule = Literal["constant", "cosine", "step", "plateau"]

#: Settings that a trainer need not have; ``optional_settings`` of its registry entry says which it has.
OPTIONAL_SETTINGS = (
    "early_stopping",
    "min_delta",
    "schedule",
    "schedule_factor",
    "schedule_epochs",
    "weight_decay",
    "clip_norm",
)

#: Epochs between two reductions of the learning rate if the config does not say it.
_SCHEDULE_EPOCHS = 10


def _name_of_class(name: object) -> object:
    """Return the name of a class that YAML reads as a whole number as text."""
    return str(name) if isinstance(name, int) and not isinstance(name, bool) else name


_ClassName = Annotated[str, BeforeValidator(_name_of_class)]
_Weight = Annotated[float, Field(gt=0, le=MAX_CLASS_WEIGHT)]
#: The weight of each class in the loss; a class that is not named has 1. ``balanced``: scikit-learn's.
ClassWeight = Literal["balanced"] | dict[_ClassName, _Weight]

#: Values that mean the same, each with the one that takes its place.
_SYNONYMS: dict[str, dict[str, str]] = {
    "loss": {"sparse_categorical_crossentropy": "cross_entropy"},
    "metric": {"sparse_categorical_accuracy": "accuracy"},
}


def _optional(default: Any, **arguments: Any) -> Any:
    """Return a field that is left out of what is written while it has its default.

    So protocols, seeds and models of studies from before the field existed stay what they were.
    """
    return Field(default=default, exclude_if=lambda value: bool(value == default), **arguments)


class Training(Strict):
    """How a network is trained; a hyperparameter of the same name takes precedence."""

    optimizer: Optimizer = Field(
        default="adam", description="gradient descent rule, with the framework's own default arguments"
    )
    learning_rate: float = Field(default=0.001, gt=0, le=MAX_LEARNING_RATE, description="step size")
    batch_size: int = Field(default=512, gt=0, le=MAX_SAMPLES, description="samples per gradient update")
    epochs: int = Field(default=10, gt=0, le=MAX_EPOCHS, description="passes over train")
    loss: Loss = Field(
        default="cross_entropy",
        description="what is minimised; cross_entropy (PyTorch's name) and sparse_categorical_crossentropy (Keras's) "
        "are the same",
    )
    class_weight: ClassWeight | None = Field(
        default=None,
        exclude_if=is_none,
        description="factor of each sample's loss by its class; balanced: number of samples / (number of classes * "
        "samples of the class), as scikit-learn's; or the factor of each class by its name, 1 for the others; null: 1",
    )
    initial_weights: InitialWeights = Field(
        default="framework",
        description="framework: drawn as the trainer's framework does by default; keras: as Keras does, by PyTorch too",
    )
    metric: Metric = Field(
        default="accuracy", description="what dev is scored by, as 1 - error; both names mean the same here"
    )
    early_stopping: int | None = _optional(
        None,
        gt=0,
        le=MAX_EPOCHS,
        description="training ends after so many epochs without a lower loss on dev; null: it never ends early. No "
        "weights are restored: score_epoch says which epoch counts",
    )
    min_delta: float = _optional(
        0.0, ge=0, le=MAX_FLOAT, description="early_stopping: a loss counts as lower if it is lower by more than this"
    )
    schedule: Schedule = _optional(
        "constant",
        description="how the learning rate changes between epochs; constant: not at all; cosine: it falls to 0 along "
        "half a cosine; step: it is reduced after a number of epochs; plateau: it is reduced after a number of epochs "
        "without a lower loss on dev",
    )
    schedule_factor: float = _optional(
        0.1, gt=0, lt=1, description="step, plateau: what a reduction multiplies the learning rate by"
    )
    schedule_epochs: int | None = _optional(
        None,
        gt=0,
        le=MAX_EPOCHS,
        description="step, plateau: the number of epochs, null: 10; cosine: epochs until the rate is 0, null: those of "
        "training",
    )
    weight_decay: float | None = _optional(
        None,
        ge=0,
        le=MAX_FLOAT,
        description="each step first reduces every weight by this share of the learning rate (decoupled, as in AdamW, "
        "for every optimizer); null: the optimizer's own default, which is 0 for all but adamw",
    )
    clip_norm: float | None = _optional(
        None, gt=0, le=MAX_FLOAT, description="norm to which the gradient of all weights is cut; null: it is not cut"
    )

    def with_hyperparameters(self, values: Mapping[str, object]) -> Self:
        """Return these settings with those of ``values`` that have the name of a setting.

        ``model_fields_set`` of the result holds what was given here or there.
        """
        known = {name: value for name, value in values.items() if name in type(self).model_fields}
        return type(self).model_validate({**self.model_dump(exclude_unset=True), **known})

    def as_read(self, ignored: Collection[str] = (), samples: int | None = None) -> dict[str, object]:
        """Return these settings so that two of them are equal if they train in the same way.

        Args:
            ignored: the settings that the trainer does not read.
            samples: number of samples in train, if it is known: larger batches are as one of all samples.
        """
        read: dict[str, object] = dict(self)
        for name, equal in _SYNONYMS.items():
            read[name] = equal.get(str(read.get(name)), read.get(name))
        if samples is not None:
            read["batch_size"] = min(self.batch_size, samples)
        if self.early_stopping is None:
            read.pop("min_delta", None)
        read |= self._schedule_as_read()
        if self.weight_decay is not None:
            # With a weight decay of their own, adam and adamw are the same.
            read["optimizer"] = "adam" if self.optimizer == "adamw" else self.optimizer
        elif self.optimizer != "adamw":
            read["weight_decay"] = 0.0
        return {name: value for name, value in read.items() if name not in ignored}

    def _schedule_as_read(self) -> dict[str, object]:
        """Return the settings of the schedule, without those that do nothing in so many epochs."""
        epochs = self.epochs_of_schedule()
        begins = {"constant": self.epochs, "cosine": 1, "step": epochs, "plateau": epochs + 1}[self.schedule]
        if begins >= self.epochs:
            return {"schedule": "constant", "schedule_factor": None, "schedule_epochs": None}
        factor = None if self.schedule == "cosine" else self.schedule_factor
        return {"schedule": self.schedule, "schedule_factor": factor, "schedule_epochs": epochs}

    def epochs_of_schedule(self) -> int:
        """Return the epochs of the schedule, by its default if the config does not give them."""
        if self.schedule_epochs is not None:
            return self.schedule_epochs
        return self.epochs if self.schedule == "cosine" else _SCHEDULE_EPOCHS

    def until(self, epochs: int) -> Self:
        """Return these settings for a training that ends at another epoch; its learning rates stay the same.

        Args:
            epochs: number of the last epoch.
        """
        fixed = {"schedule_epochs": self.epochs_of_schedule()} if self.schedule == "cosine" else {}
        return self.model_copy(update={"epochs": epochs, **fixed})

    def given(self, name: str) -> bool:
        """Return whether an optional setting has another value than its default."""
        return bool(getattr(self, name) != type(self).model_fields[name].default)


class TrainingOverrides(Strict):
    """Training settings that replace those of a model's file, or of a tuner's entry, key by key."""

    optimizer: Optimizer | None = Field(default=None, description="gradient descent rule; null: not replaced")
    learning_rate: float | None = Field(
        default=None, gt=0, le=MAX_LEARNING_RATE, description="step size; null: not replaced"
    )
    batch_size: int | None = Field(
        default=None, gt=0, le=MAX_SAMPLES, description="samples per gradient update; null: not replaced"
    )
    epochs: int | None = Field(default=None, gt=0, le=MAX_EPOCHS, description="passes over train; null: not replaced")
    loss: Loss | None = Field(default=None, description="what is minimised; null: not replaced")
    class_weight: ClassWeight | None = Field(
        default=None, exclude_if=is_none, description="factor of the loss by class; null: not replaced"
    )
    initial_weights: InitialWeights | None = Field(
        default=None, description="how initial weights are drawn; null: not replaced"
    )
    metric: Metric | None = Field(default=None, description="what dev is scored by; null: not replaced")
    early_stopping: int | None = _optional(
        None, gt=0, le=MAX_EPOCHS, description="epochs without a lower loss on dev; null: not replaced"
    )
    min_delta: float | None = _optional(
        None, ge=0, le=MAX_FLOAT, description="by how much a loss must be lower; null: not replaced"
    )
    schedule: Schedule | None = _optional(None, description="how the learning rate changes; null: not replaced")
    schedule_factor: float | None = _optional(
        None, gt=0, lt=1, description="what a reduction multiplies the rate by; null: not replaced"
    )
    schedule_epochs: int | None = _optional(
        None, gt=0, le=MAX_EPOCHS, description="epochs of the schedule; null: not replaced"
    )
    weight_decay: float | None = _optional(
        None, ge=0, le=MAX_FLOAT, description="share by which a step reduces weights; null: not replaced"
    )
    clip_norm: float | None = _optional(
        None, gt=0, le=MAX_FLOAT, description="norm to which gradients are cut; null: not replaced"
    )

    def apply(self, training: Training) -> Training:
        """Return ``training`` with the settings that are given here."""
        return training.with_hyperparameters(self.model_dump(exclude_none=True))
