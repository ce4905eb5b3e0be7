"""The recipe of an estimator, a classifier with scikit-learn's interface: the form ``estimator`` as data."""

from typing import ClassVar, Self

from pydantic import Field, JsonValue

from blindtune.models.base import Blueprint


class EstimatorBlueprint(Blueprint):
    """The recipe of an estimator: together with a seed and train it determines the fitted model."""

    form: ClassVar[str] = "estimator"
    has_weights: ClassVar[bool] = False

    steps: tuple[str, ...] = Field(min_length=1, description="import paths; several make a pipeline")
    parameters: dict[str, JsonValue] = Field(description="constructor arguments, searched ones among them")
    libraries: dict[str, str] = Field(description="versions of the packages that hold the classes")

    parts: int = Field(default=1, gt=0, description="number of parts of train")
    fitted_parts: int = Field(default=1, gt=0, description="number of parts that the model is fitted on")

    def with_epochs(self, epochs: int) -> Self:
        """Return the recipe that is fitted on as many parts of train."""
        return self.model_copy(update={"fitted_parts": min(epochs, self.parts)})

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages that hold the classes."""
        return dict(self.libraries)
