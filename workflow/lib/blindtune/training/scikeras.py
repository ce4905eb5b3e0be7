"""Keras models trained by SciKeras, scikit-learn's way to them: its classifier and its ``fit``; on TensorFlow."""

from blindtune.training.keras.backend import choose

choose("tensorflow")

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
from blindtune.training.keras.tensorflow import KerasTrainer
from blindtune.training.keras.trainer import Watch, validation


class SciKerasTrainer(KerasTrainer):
    """Trains an `Architecture` through ``KerasClassifier``; the same task gives the model of `KerasTrainer`.

    Random numbers are seeded before, for all of Keras: SciKeras's own ``random_state`` is not reliable.
    """

    def versions(self) -> dict[str, str]:
        """The versions of Keras, its backend and SciKeras."""
        return super().versions() | {"scikeras": scikeras.__version__}

    def train(self, task: TrainingTask, train: Split, dev: Split, session: TrainingOptions) -> Outcome:
        """As Keras does, with what a view shows all at once: SciKeras takes arrays alone."""
        train, dev = (replace(split, x=np.asarray(split.x)) for split in (train, dev))
        return super().train(task, train, dev, session)

    def _fit(self, model: keras.Model, task: TrainingTask, train: Split, dev: Split, watch: Watch, before: int) -> None:
        classifier = Classifier(
            lambda: model, task.classes, batch_size=task.training.batch_size, callbacks=[watch], verbose=0
        )
        classifier.fit(
            train.x,
            train.y,
            # SciKeras counts the epochs of this fit, Keras those of the whole training.
            epochs=task.training.epochs - before,
            initial_epoch=before,
            **validation(task, dev),
        )


class Classifier(KerasClassifier):  # type: ignore[misc]
    """SciKeras's classifier, made whole for scikit-learn 1.6 and later, over labels that are known beforehand."""

    def __init__(self, model: Any, labels: int, **settings: Any) -> None:
        super().__init__(model=model, **settings)
        self.labels = labels

    def __sklearn_tags__(self) -> Any:
        """Those of a classifier, which SciKeras still declares in the way of scikit-learn 1.5."""
        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier"
        tags.classifier_tags = ClassifierTags()
        tags.target_tags.required = True
        tags.non_deterministic = True
        return tags

    @property
    def target_encoder(self) -> ClassifierLabelEncoder:
        """Leaves every label as it is: its own would number anew those that it sees, and a fold may lack one."""
        return ClassifierLabelEncoder(loss=self.loss, categories=[np.arange(self.labels)])
