"""What a key of the config affects, from the data down to the labels of the report."""

import re
from typing import Literal

Effect = Literal["data", "identity", "training", "search", "event scores", "report only", "no record"]

#: Each effect in words; the first ones have the later ones as their consequence.
EFFECTS: dict[Effect, str] = {
    "data": "samples of train, dev or eval, and all that is computed from them",
    "identity": "what is frozen: the kind of model, what it sees, what trains it, what it is chosen by",
    "training": "how each set of hyperparameters is trained and scored",
    "search": "which sets are tried, and how many",
    "event scores": "the seal, the manifest, and the event-based scores of decodes; no trial, no model",
    "report only": "labels, figures and the margin of equivalence of the report",
    "no record": "how or where jobs run",
}

#: By the name of a key of a dataset; all others affect the data.
DATASET_KEYS: dict[str, Effect] = {
    "published": "report only",
    "stand_in": "report only",
    "strict": "no record",
    "event_step": "event scores",
    "files_per_job": "no record",
}

#: By the name of a key of a system.
SYSTEM_KEYS: dict[str, Effect] = {
    "paper_row": "report only",
    "kind": "identity",
    "view": "identity",
    "trainer": "identity",
    "family": "identity",
    "estimator": "identity",
    "model": "identity",
    "arguments": "identity",
    "parts": "identity",
    "class_weight": "identity",
    "invalid_layers": "training",
    "training": "training",
    "tuner": "search",
    "space": "search",
    "folds": "search",
    "n_neighbors": "search",
    "n_estimators": "search",
    "max_depth": "search",
    "min_samples_leaf": "search",
    # The arguments of an estimate of the Bayes error, by split.
    "train": "identity",
    "dev": "identity",
    "eval": "identity",
}

#: By the name of a key of a comparison, or of one that holds for all of them.
STUDY_KEYS: dict[str, Effect] = {
    "budget": "search",
    "metric": "identity",
    "score_epoch": "training",
    "seeds_in_one_job": "no record",
    "shards": "no record",
    "worker_nodes": "no record",
    "seeds": "search",
    "systems": "search",
}


def dataset_effect(key: str) -> Effect:
    """Return what a key of a dataset affects.

    Args:
        key: its path below the dataset, such as ``sizes.train``.
    """
    return DATASET_KEYS.get(_first(key), "data")


def system_effect(key: str) -> Effect:
    """Return what a key of a system affects; a key of another package's system is part of its identity.

    Args:
        key: its path below the system, such as ``training.epochs``.
    """
    return SYSTEM_KEYS.get(_first(key), "identity")


def study_effect(key: str) -> Effect:
    """Return what a key of a comparison, or of all comparisons, affects.

    Args:
        key: its path, such as ``budget.trials``.
    """
    return STUDY_KEYS[_first(key)]


def _first(key: str) -> str:
    """Return the first name of a path of keys."""
    return re.split(r"[.\[: ]", key, maxsplit=1)[0]
