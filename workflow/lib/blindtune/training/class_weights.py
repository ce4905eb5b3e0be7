"""The weights of classes and of samples in the loss, with the same meaning in every trainer.

The loss of each sample is multiplied by the weight of its class and by its own, and the mean is taken over the number
of samples, as Keras does; PyTorch's own losses divide by the sum of the weights instead. A network gets the weights of
samples relative to their mean over what it is trained on, so that their scale changes no step. Dev is scored without
weights.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from blindtune.config.training import ClassWeight, Training
from blindtune.core.errors import UserError
from blindtune.core.validation import suggest_name
from blindtune.datasets.base import Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def number_classes(weights: ClassWeight | None, classes: Sequence[str], where: str) -> ClassWeight | None:
    """Return class weights by label, for `compute_class_weights`; refuse the name of a class that there is not.

    Args:
        weights: as the config gives them, by the names of the classes.
        classes: names of the classes, in the order of the labels.
        where: what has the weights, for the message.

    Raises:
        UserError: a name is not that of a class.
    """
    if weights is None or weights == "balanced":
        return weights
    for name in weights:
        if name not in classes:
            raise UserError(f"{where}: class_weight: {name!r} is not a class: {suggest_name(name, list(classes))}")
    return {str(classes.index(name)): weight for name, weight in weights.items()}


def compute_class_weights(training: Training, y: "NDArray[Any]", classes: int) -> "NDArray[np.float64] | None":
    """Return the weight of each class, (n_classes,); None if the training has none.

    Args:
        training: its weights are by label, see `number_classes`.
        y: labels of the samples that are trained on, (n_samples,).
        classes: number of classes.
    """
    import numpy as np

    given = training.class_weight
    if given is None:
        return None
    weights = np.ones(classes)
    if given == "balanced":
        from sklearn.utils.class_weight import compute_class_weight

        present = np.unique(y)
        weights[present] = compute_class_weight("balanced", classes=present, y=np.asarray(y))
    else:
        for label, weight in given.items():
            weights[int(label)] = weight
    return weights


def weights_by_label(training: Training, y: "NDArray[Any]", classes: int) -> dict[int, float] | None:
    """Return the same weights as Keras and scikit-learn take them, by label.

    Args:
        training: as above.
        y: as above.
        classes: as above.
    """
    weights = compute_class_weights(training, y, classes)
    return None if weights is None else dict(enumerate(weights.tolist()))


def relative_weights(train: Split) -> "NDArray[np.float64] | None":
    """Return the weight of each sample relative to the mean of all, (n_samples,); None if the samples have none.

    Args:
        train: samples that are trained on: train, or what a fold leaves of it.

    Raises:
        UserError: no sample has a weight above 0.
    """
    import numpy as np

    given = given_weights(train)
    if given is None:
        return None
    scaled = given / given.max()  # first, so that no sum is infinite
    return np.asarray(scaled / scaled.mean())


def given_weights(train: Split) -> "NDArray[np.float64] | None":
    """Return the weight of each sample as the table has it, (n_samples,); None if the samples have none.

    Args:
        train: as above.

    Raises:
        UserError: no sample has a weight above 0.
    """
    import numpy as np

    if train.weight is None:
        return None
    given = np.array(train.weight, np.float64)
    if not given.any():
        raise UserError(
            f"all {len(given):,} samples that a model is trained on have weight 0. Give more rows a weight above 0, or "
            "give fewer folds."
        )
    return given


def sample_factors(training: Training, train: Split, classes: int) -> "NDArray[np.float32] | None":
    """Return the product of both weights for each sample, (n_samples,); None if the samples have no weights.

    For libraries that take one of the two: without weights of samples, `weights_by_label` has those of classes.

    Args:
        training: as above.
        train: as above.
        classes: number of classes.
    """
    import numpy as np

    weights = relative_weights(train)
    if weights is None:
        return None
    of_class = compute_class_weights(training, train.y, classes)
    return np.asarray(weights if of_class is None else weights * of_class[np.asarray(train.y)], np.float32)
