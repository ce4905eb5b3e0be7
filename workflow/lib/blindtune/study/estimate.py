"""Estimates of the Bayes error: the card of a system that trains nothing, and what decode computes of eval."""

import platform
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.baselines.estimators import estimate_bayes_error
from blindtune.config.systems import Bayes
from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import SPLITS
from blindtune.datasets.prepared import Prepared
from blindtune.records.model_card import ModelCard, Spent
from blindtune.study.candidates import estimate_arguments
from blindtune.study.context import StudyContext
from blindtune.study.identity import card_identity


def estimate(context: StudyContext, settings: Bayes) -> ModelCard:
    """Return the card of an estimate: nothing is trained, and train and dev are estimated from their own samples.

    Args:
        context: the study.
        settings: its system.

    Raises:
        UserError: a split has fewer samples than neighbours are to vote.
    """
    study, data = context.study, context.data
    _check_neighbors(study.id, settings, data)
    values = estimate_arguments(settings)
    seed = derive("trial", study.dataset, study.seed, values)
    clock = Stopwatch()
    with clock.measure("evaluate"):
        estimates = {
            name: estimate_bayes_error(np.asarray(split.x), split.y, values[name], seed, context.workers)
            for name, split in (("train", data.train), ("dev", data.dev))
        }
    import sklearn

    return ModelCard(
        **card_identity(context),
        budget=None,
        trial=None,
        hyperparameters=values,
        architecture=None,
        training=None,
        model_seed=seed,
        n_parameters=None,
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


def _check_neighbors(study_id: str, settings: Bayes, data: Prepared) -> None:
    for name in SPLITS:
        n_samples, k = sum(data.manifest["counts"][name].values()), getattr(settings, name).n_neighbors
        if k > n_samples:
            raise UserError(f"{study_id}: {name}.n_neighbors: {k} is more than the {n_samples} samples of {name}.")


def estimate_eval(card: ModelCard, x: Any, y: NDArray[np.int64], workers: int) -> dict[str, float]:
    """Return the estimates of the Bayes error of eval, by name.

    Args:
        card: of the estimate.
        x: samples of eval with the view of the system applied, (n_samples, ...).
        y: their labels, (n_samples,).
        workers: number of cores to use; changes no estimate.
    """
    return estimate_bayes_error(np.asarray(x), y, card.hyperparameters["eval"], card.model_seed, workers)
