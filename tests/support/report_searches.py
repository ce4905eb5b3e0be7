"""Build trials of every kind of search: all statuses, promotions, folds, pruning and conditions."""

from typing import Any

import numpy as np

from blindtune.core.timing import CpuWallTime
from blindtune.records.trial import EpochMetrics, Status, Trial

VERSIONS = {"python": "3.11.9", "keras": "3.12.0"}
PARTS = ("suggest", "build", "train", "evaluate", "save")

#: The tuner settings of the model cards, by the name of the system.
TUNERS: dict[str, dict[str, Any]] = {
    "kt_random": {"library": "keras-tuner", "algorithm": "random"},
    "kt_bayes": {"library": "keras-tuner", "algorithm": "bayesian"},
    "kt_hyperband": {"library": "keras-tuner", "algorithm": "hyperband"},
    "opt_random": {"library": "optuna", "algorithm": "random"},
    "opt_tpe": {"library": "optuna", "algorithm": "tpe", "pruner": {"algorithm": "none"}, "objectives": ["dev_error"]},
    "opt_asha": {"library": "optuna", "algorithm": "tpe", "pruner": {"algorithm": "successive-halving"}},
    "opt_two": {"library": "optuna", "algorithm": "tpe", "objectives": ["dev_error", "n_parameters"]},
    "sk_sampler": {"library": "scikit-learn", "algorithm": "parameter-sampler"},
    "sk_cv": {"library": "scikit-learn", "algorithm": "randomized-search", "folds": 2},
    "sk_halving": {"library": "scikit-learn", "algorithm": "halving-random-search", "folds": None},
}
PROMOTING = ("hyperband", "halving-random-search")
SUGGESTING = {"bayesian": 9.0, "tpe": 0.02}


class SearchBuilder:
    """Builds the trials of one study in order."""

    def __init__(self, study: str, tuner: dict[str, Any], seed: int, rng: np.random.Generator) -> None:
        self._study, self._tuner, self._seed, self._rng = study, tuner, seed, rng
        self._skill = 0.25 if tuner["algorithm"] in ("random", "parameter-sampler", "randomized-search") else 0.18
        self._prunes = tuner.get("pruner", {"algorithm": "none"})["algorithm"] != "none"
        self.trials: list[Trial] = []

    def run(self, count: int) -> list[Trial]:
        """Build ``count`` trials; cross-validation scores each configuration on two folds and the last one on dev."""
        while len(self.trials) < count:
            number = len(self.trials)
            if self._tuner["algorithm"] == "randomized-search":
                self._add(self._set(number // 2), "completed", fold=None if number == count - 1 else number % 2)
            elif self._tuner["algorithm"] in PROMOTING and number % 4 == 3:
                self._promote()
            else:
                self._add(self._set(number), self._status(number))
        return self.trials

    def _promote(self) -> None:
        scored = [trial for trial in self.trials[-3:] if trial.score is not None] or self.trials[:1]
        parent = min(scored, key=Trial.objective_value)
        before = parent.trained_before + parent.epochs if self._tuner["algorithm"] == "hyperband" else 0
        self._add(dict(parent.hyperparameters), "completed", parent=parent.number, before=before)

    def _status(self, number: int) -> Status:
        if number % 5 == 3:
            return "invalid"
        if number in (6, 16):
            return "failed" if number == 6 else "diverged"
        return "pruned" if self._prunes and number % 3 == 2 else "completed"

    def _set(self, number: int) -> dict[str, Any]:
        layers = 1 + number % 3
        return {"layers": layers, "at": number} | {f"units_{layer}": 8 * (layer + number) for layer in range(layers)}

    def _add(
        self,
        hyperparameters: dict[str, Any],
        status: Status,
        parent: int | None = None,
        before: int = 0,
        fold: int | None = None,
    ) -> None:
        number, rng = len(self.trials), self._rng
        score = float(np.round(0.08 + self._skill * rng.exponential(0.6), 4)) if status == "completed" else None
        epochs = {"invalid": 0, "failed": 1, "pruned": 1}.get(status, 3)
        suggesting = SUGGESTING.get(self._tuner["algorithm"], 0.004)
        wall = np.array([suggesting, 0.1, 2.0 * epochs, 0.2, 0.05]) * rng.uniform(0.6, 1.4, 5)
        self.trials.append(
            Trial(
                study=self._study,
                number=number,
                parent=parent,
                trained_before=before,
                fold=fold,
                hyperparameters=hyperparameters,
                status=status,
                reason=None if status == "completed" else f"{status} on purpose",
                score=score,
                epochs=epochs,
                curve=[EpochMetrics(train_loss=0.5, train_error=0.3, dev_loss=0.6, dev_error=score)] * epochs,
                best_epoch=before + epochs or None,
                scored_epoch=before + epochs if score is not None else None,
                n_parameters=None if status == "invalid" else int(10 ** rng.uniform(2.5, 4.8)),
                weights_sha256=None,
                seeds={"study": self._seed, "trial": 100 + number},
                seconds={
                    part: CpuWallTime(wall=float(w), cpu=0.9 * float(w)) for part, w in zip(PARTS, wall, strict=True)
                },
                started="2026-01-02T03:04:05.678+00:00",
                host="maker",
                versions=VERSIONS,
            )
        )
