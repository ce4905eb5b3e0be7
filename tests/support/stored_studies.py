"""Folders of studies, written without running anything."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from blindtune.config.study import Study
from blindtune.config.systems import Knn, Tuned
from blindtune.core.files import write_json
from blindtune.core.validation import load
from blindtune.records.trial import EpochMetrics, Trial, TrialLog
from blindtune.search_space import Space
from blindtune.study.protocol import build_protocol
from blindtune.tuners.optuna.config import OptunaConfig
from support.builders import study, trial

#: Every kind of dimension, a condition, a repetition with other bounds for each copy, and a logarithmic whole number.
SPACE = """\
layers: {type: int, low: 1, high: 3}
units: {type: int, low: [4, 8, 12], high: 64, step: 4, repeat: layers}
activation: {type: choice, options: [relu, tanh], repeat: layers}
dropout: {type: bool}
dropout_rate: {type: float, low: 0.1, high: 0.5, step: 0.1, when: {dropout: [true]}}
learning_rate: {type: float, low: 0.0001, high: 0.01, log: true}
batch_size: {type: int, low: 8, high: 128, log: true}
optimizer: {type: fixed, value: adam}
"""

#: Dev errors of the trials that complete; the lowest occurs twice.
SCORES = [0.5, 0.25, 0.125, 0.375, 0.125]


def epochs(*errors: float | None) -> list[EpochMetrics]:
    """Return a curve with these dev errors; None: the loss of dev was not finite."""
    return [
        EpochMetrics(
            train_loss=2.0 * (error or 0), train_error=error, dev_loss=None if error is None else error, dev_error=error
        )
        for error in errors
    ]


def tuned_trials(space: Space) -> list[Trial]:
    """Return trials of every status, one on a fold, one that resumes another, and those of SCORES."""
    draw = np.random.default_rng(1)

    def one(number: int, score: float | None, **changes: Any) -> Trial:
        return trial(number, score, hyperparameters=space.draw(draw), **changes)

    done = [
        one(number, score, epochs=2, curve=epochs(0.5, score), best_epoch=2, scored_epoch=2, n_parameters=100 + number)
        for number, score in enumerate(SCORES)
    ]
    return [
        *done,
        one(5, None, status="pruned", reason="worse than the median", curve=epochs(0.75), epochs=1),
        one(6, None, status="invalid", reason="layer 1 (dense): 0 units", epochs=0),
        one(7, None, status="failed", reason="RuntimeError: no", epochs=0),
        one(8, None, status="diverged", reason="the dev loss was not finite in epoch 2", curve=epochs(0.5, None)),
        one(9, 0.0625, fold=1, curve=epochs(0.0625), best_epoch=1, scored_epoch=1),
        trial(
            10,
            0.25,
            parent=0,
            trained_before=2,
            hyperparameters=done[0].hyperparameters,
            curve=epochs(0.375, 0.25),
            best_epoch=4,
            scored_epoch=4,
            exceptions=["layer 2 (pool)"],
        ),
    ]


def store(folder: Path, it: Study, trials: list[Trial], files: dict[str, Path] | None = None) -> Path:
    """Write the folder of a study and return it.

    Args:
        folder: of the study.
        it: the study.
        trials: its records.
        files: the data files of its system.
    """
    write_json(folder / "protocol.json", build_protocol(it, "0" * 64, {}, files or {}, "code"))
    log = TrialLog(folder / "trials.jsonl")
    for record in trials:
        log.append(record.model_copy(update={"study": it.id}))
    return folder


def store_tuned(results: Path, settings: Any, seed: int = 42) -> Path:
    """Write a study of a tuner with `tuned_trials` below ``results``, and return its folder."""
    results.mkdir(parents=True, exist_ok=True)
    path = results / "space.yaml"
    path.write_text(SPACE, encoding="utf-8")
    it = study(settings, seed=seed, system="tuned")
    folder = results / "test" / "studies" / "toy" / "tuned" / str(seed)
    return store(folder, it, tuned_trials(load(Space, path)), {"space": path})


def tuned_system(tuner: Any = None) -> Tuned:
    """Return the config of a tuned system; by default its tuner is Optuna's TPE."""
    return Tuned(kind="tuner", tuner=tuner or OptunaConfig(library="optuna", algorithm="tpe"), space="space.yaml")


def store_knn(results: Path, count: int = 2) -> Path:
    """Write a study of nearest neighbors with ``count`` trials below ``results`` and return its folder."""
    it = study(Knn(kind="knn", n_neighbors=[1, 5]), system="near")
    trials = [trial(number, 0.25, hyperparameters={"neighbours": 1 + 4 * number}) for number in range(count)]
    return store(results / "test" / "studies" / "toy" / "near" / "42", it, trials)


def content(path: Path) -> Any:
    """Return the content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
