"""The config of training: how a network is trained, and which epoch is scored."""

from collections.abc import Collection, Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field

from blindtune.core.bounds import MAX_CLASS_WEIGHT, MAX_EPOCHS, MAX_LEARNING_RATE, MAX_SAMPLES
from blindtune.core.validation import Strict, is_none

ScoreEpoch = Literal["last", "best"]
Optimizer = Literal["adam", "adamw", "sgd", "rmsprop"]
Loss = Literal["cross_entropy", "sparse_categorical_crossentropy", "mean_squared_error"]
InitialWeights = Literal["framework", "keras"]
Metric = Literal["accuracy", "sparse_categorical_accuracy"]


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

    def with_hyperparameters(self, values: Mapping[str, object]) -> Self:
        """Return these settings with those of ``values`` that have the name of a setting."""
        known = {name: value for name, value in values.items() if name in type(self).model_fields}
        return type(self).model_validate({**self.model_dump(), **known})

    def as_read(self, ignored: Collection[str] = (), samples: int | None = None) -> dict[str, object]:
        """Return these settings so that two of them are equal if they train in the same way.

        Args:
            ignored: the settings that the trainer does not read.
            samples: number of samples in train, if it is known: larger batches are as one of all samples.
        """
        read = {name: value for name, value in self if name not in ignored}
        for name, equal in _SYNONYMS.items():
            read[name] = equal.get(str(read.get(name)), read.get(name))
        if samples is not None:
            read["batch_size"] = min(self.batch_size, samples)
        return read


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

    def apply(self, training: Training) -> Training:
        """Return ``training`` with the settings that are given here."""
        return training.with_hyperparameters(self.model_dump(exclude_none=True))
