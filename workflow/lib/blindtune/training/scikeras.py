"""Keras models on TensorFlow trained by SciKeras, which wraps them as scikit-learn classifiers."""

from blindtune.training.keras.backend import choose_backend

choose_backend("tensorflow")

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import scikeras
from scikeras.utils.transformers import ClassifierLabelEncoder
from scikeras.wrappers import KerasClassifier
from sklearn.utils import ClassifierTags

from blindtune.datasets.base import Split
from blindtune.training.base import Outcome, TrainingOptions, TrainingTask
from blindtune.training.class_weights import sample_factors, weights_by_label
from blindtune.training.keras.tensorflow import KerasTrainer
from blindtune.training.keras.trainer import EpochCallback, validation_arguments


class SciKerasTrainer(KerasTrainer):
    """Trains an `Architecture` through ``KerasClassifier``; the same task gives the model of `KerasTrainer`.

    All of Keras is seeded before: SciKeras's own ``random_state`` is not reliable.
    """

    def versions(self) -> dict[str, str]:
        """Return the versions of Keras, its backend and SciKeras."""
        return super().versions() | {"scikeras": scikeras.__version__}

    def train(self, task: TrainingTask, train: Split, dev: Split, options: TrainingOptions) -> Outcome:
        """Train as `KerasTrainer` does, with views converted to arrays: SciKeras takes only arrays."""
        train, dev = (replace(split, x=np.asarray(split.x)) for split in (train, dev))
        return super().train(task, train, dev, options)

    def _fit(
        self,
        model: keras.Model,
        task: TrainingTask,
        train: Split,
        dev: Split,
        callback: EpochCallback,
        epochs_before: int,
    ) -> None:
        factors = sample_factors(task.training, train, task.classes)
        classifier = FixedLabelsClassifier(
            lambda: model,
            task.classes,
            batch_size=task.training.batch_size,
            callbacks=[callback],
            verbose=0,
            class_weight=weights_by_label(task.training, train.y, task.classes) if factors is None else None,
        )
        classifier.fit(
            train.x,
            train.y,
            sample_weight=factors,
            # SciKeras counts the epochs of this fit, Keras those of the whole training.
            epochs=task.training.epochs - epochs_before,
            initial_epoch=epochs_before,
            **validation_arguments(dev),
        )


class FixedLabelsClassifier(KerasClassifier):  # type: ignore[misc]
    """SciKeras's classifier, adapted to scikit-learn 1.6 and later, with labels that are known before the fit."""

    def __init__(self, model: Any, n_labels: int, **settings: Any) -> None:
        """Wrap a model.

        Args:
            model: a function that returns a compiled model.
            n_labels: number of classes.
            **settings: arguments of ``KerasClassifier``.
        """
        super().__init__(model=model, **settings)
        self.n_labels = n_labels

    def __sklearn_tags__(self) -> Any:
        """Return a classifier's tags, which SciKeras declares only in the way of scikit-learn 1.5."""
        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier"
        tags.classifier_tags = ClassifierTags()
        tags.target_tags.required = True
        tags.non_deterministic = True
        return tags

    def _validate_sample_weight(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:  # noqa: N803
        """Return the samples as they are: SciKeras's own method leaves out those of weight 0, which changes batches."""
        return X, y, sample_weight

    @property
    def target_encoder(self) -> ClassifierLabelEncoder:
        """An encoder that keeps every label: SciKeras's own numbers the labels it finds, and a fold may lack one."""
        return ClassifierLabelEncoder(loss=self.loss, categories=[np.arange(self.n_labels)])
