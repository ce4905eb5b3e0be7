"""The interface of what is trained: an architecture as data, an estimator, or another form of model.

A form has two parts:

- a `Blueprint` says what one training builds. It is data: workers get it, and the card of a frozen model holds it.
- a `ModelForm` says how the hyperparameters of a tuned system become a blueprint, and which search spaces it takes.

`blindtune.models.forms` lists the forms.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol, Self

from blindtune.core.validation import Strict
from blindtune.search_space import Hyperparameters, Space

#: What a model gives for each class: a logit, or a probability up to a factor that the classes share.
ScoreKind = Literal["logits", "probabilities"]


class Blueprint(Strict):
    """Base class of what one training builds.

    Attributes:
        form: name of the form in `blindtune.models.forms.FORMS`, and of the card's field that holds the
            blueprint.
        has_weights: whether a trained model is frozen as a file of weights. If not, the blueprint is a recipe:
            the model is fitted again on train.
    """

    form: ClassVar[str]
    has_weights: ClassVar[bool]

    def with_epochs(self, epochs: int) -> Self:
        """Return the blueprint of a training that ends at another epoch; only a recipe depends on it.

        Args:
            epochs: counted from the start of the training.
        """
        return self

    def check_buildable(self, classes: int) -> None:
        """Refuse a blueprint of which nothing can be built; called before each training.

        Args:
            classes: number of classes.

        Raises:
            InvalidModelError: the message says what is wrong.
        """

    def parts_left_out(self) -> tuple[str, ...]:
        """Return why parts were left out, one text per part."""
        return ()

    def number_of_parameters(self) -> int | None:
        """Return the number of trainable parameters; None if the form does not count them."""
        return None

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries that build it, besides those of its trainer."""
        return {}


class ModelForm(Protocol):
    """Makes blueprints from hyperparameters; `blindtune.models.forms.create_form` creates one for a tuned system.

    Attributes:
        trains_epochs: whether models are trained epoch by epoch, with the settings of
            `blindtune.config.training.Training`. If not, a training is one epoch, and the names of these settings are
            free for hyperparameters of the model.
    """

    trains_epochs: bool

    def check_space(self, space: Space, where: str) -> None:
        """Refuse a search space whose names or values do not fit; called while the workflow is planned.

        Args:
            space: the search space.
            where: its file, for the message.

        Raises:
            ValueError: the message names the dimension.
        """

    def check_probabilities(self, space: Space, metric: str) -> None:
        """Refuse a model without class probabilities; called while the workflow is planned, for a metric of them.

        Args:
            space: the search space.
            metric: the name of the metric.

        Raises:
            ValueError: a set gives a model without probabilities; the message says what to do.
        """
        return None

    def check_weights(self) -> None:
        """Refuse a model that takes no weights of samples; called while the workflow is planned, for data with them.

        Raises:
            ValueError: the message names what takes none, and says what to do.
        """
        return None

    def build(self, values: Hyperparameters, input_shape: tuple[int, ...], classes: int) -> Blueprint:
        """Return the blueprint that a hyperparameter set describes; called for each trial.

        Args:
            values: the active hyperparameters.
            input_shape: shape of one sample.
            classes: number of classes.

        Raises:
            ValueError: nothing can be made of the set.
        """

    def training_values(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the hyperparameters that replace settings of training of the same name.

        Args:
            values: the active hyperparameters.
        """
        return values

    def describe(self, values: Mapping[str, object]) -> tuple[object, ...]:
        """Return what a set builds, so that two sets are equal if they build the same; no data are needed.

        Planning calls this method to find dimensions that change nothing.

        Args:
            values: the active hyperparameters.

        Raises:
            Exception: nothing can be made of the set; the form chooses the exception.
        """
