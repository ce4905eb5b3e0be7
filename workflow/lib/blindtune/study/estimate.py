"""Estimates of the Bayes error of train and dev, as the card of a system that trains nothing."""

import platform

import numpy as np

from blindtune.baselines import estimators as baselines
from blindtune.config.study import Study
from blindtune.config.systems import Bayes
from blindtune.core.seeds import derive
from blindtune.core.timing import Stopwatch
from blindtune.datasets.prepared import Prepared
from blindtune.records.model_card import ModelCard, Spent
from blindtune.study.candidates import estimate_arguments
from blindtune.study.identity import card_identity


def estimate(study: Study, settings: Bayes, data: Prepared, workers: int) -> ModelCard:
    """The card of an estimate: nothing is trained, train and dev are measured each by itself, on ``workers`` cores."""
    values = estimate_arguments(settings)
    seed = derive("trial", study.dataset, study.seed, values)
    clock = Stopwatch()
    with clock.measure("evaluate"):
        estimates = {
            name: baselines.bayes_estimates(np.asarray(split.x), split.y, values[name], seed, workers)
            for name, split in (("train", data.train), ("dev", data.dev))
        }
    import sklearn

    return ModelCard(
        **card_identity(study, data),
        budget=None,
        trial=None,
        hyperparameters=values,
        architecture=None,
        training=None,
        model_seed=seed,
        parameters=None,
        train_error=estimates["train"]["closed_loop"],
        dev_error=estimates["dev"]["closed_loop"],
        estimates=estimates,
        weights=None,
        weights_sha256=None,
        statuses={},
        spent=Spent(trials=0, epochs=0, seconds=clock.seconds),
        exhausted=False,
        versions={"python": platform.python_version(), "scikit-learn": sklearn.__version__},
    )
