"""Studies run in one folder, and a trainer whose curves cost nothing."""

from pathlib import Path
from typing import Any

import numpy as np

from blindtune.config.systems import Knn
from blindtune.datasets.prepared import Prepared
from blindtune.records.model_card import ModelCard
from blindtune.records.trial import EpochMetrics, Trial, TrialLog
from blindtune.study.run import run
from blindtune.training.base import EpochTracker, Outcome
from support.builders import RecordingConsole, study

KNN = Knn(kind="knn", n_neighbors=[1, 3, 9, 25])


class Runner:
    """Runs one study in one folder, and keeps what it says."""

    def __init__(self, data: Prepared, folder: Path) -> None:
        self.data, self.folder, self.job_log = data, folder, RecordingConsole()
        self.said = self.job_log.said
        self.files: dict[str, Path] = {}

    def __call__(self, system: Any = KNN, code: str = "code", workers: int = 1, **changes: Any) -> ModelCard:
        return run(study(system, **changes), self.data, self.files, code, self.folder, self.job_log, workers)

    def outcomes(self) -> list[dict[str, object]]:
        return [trial.reproducible_fields() for trial in self.trials()]

    def log(self) -> bytes:
        return (self.folder / "trials.jsonl").read_bytes()

    def cut(self, at: int) -> None:
        """As a kill leaves it: the log ends anywhere, the card is not there."""
        (self.folder / "trials.jsonl").write_bytes(self.log()[:at])
        (self.folder / "card.json").unlink()

    def trials(self) -> list[Trial]:
        return TrialLog(self.folder / "trials.jsonl").read()

    def ends(self) -> list[int]:
        """Where each record of the log ends."""
        return [place + 1 for place, byte in enumerate(self.log()) if byte == ord("\n")]


def curve_of(values: dict[str, Any], epoch: int) -> float:
    """A dev error that falls with the epochs, to a floor and at a speed that follow from the set; no two alike."""
    number = sum(float(value) * weight for weight, (_, value) in enumerate(sorted(values.items()), 1))
    floor, speed = 0.1 + 0.3 * abs(np.sin(number)), 0.2 + abs(np.sin(7 * number))
    return float(floor + 0.5 * np.exp(-speed * epoch))


class CurveTrainer:
    """Gives each set the curve of `curve_of`, on the data of `builders.prepare_toy`.

    Attributes:
        trained: epochs trained so far.
    """

    supports_resume = True

    def __init__(self) -> None:
        self.trained = 0

    def train(self, task: Any, train: Any, dev: Any, session: Any) -> Outcome:
        progress = EpochTracker(task.training.epochs, session)
        if session.state is not None:
            assert session.state.arrays["epochs"][0] == session.trained_before
            assert session.state.arrays["id"][0] == curve_of(task.hyperparameters, 0)

        def weights() -> dict[str, Any]:
            return {"share": np.array([curve_of(task.hyperparameters, progress.done)])}

        def state() -> dict[str, Any]:
            return {"epochs": np.array([progress.done]), "id": np.array([curve_of(task.hyperparameters, 0)])}

        going = True
        while going:
            share = curve_of(task.hyperparameters, progress.done + 1)
            error = float(np.mean(_labels(len(dev.y), share) != dev.y))
            going = progress.add(
                EpochMetrics(train_loss=error, train_error=error, dev_loss=error, dev_error=error), weights
            )
            self.trained += 1
        return progress.outcome(10, weights, state)

    def rebuild(self, task: Any, weights: Any, train: Any) -> Any:
        return lambda x: _labels(len(x), float(weights["share"][0]))

    def versions(self) -> dict[str, str]:
        return {"curve": "1"}


def _labels(count: int, share: float) -> Any:
    """Labels of which the first ``share`` are wrong: the toy data's classes come in turns."""
    places = np.arange(count)
    return np.where(places < share * count, 1 - places % 2, places % 2)


class ManyCurves(CurveTrainer):
    """The same, several sets at once, which end in an order of their own.

    Attributes:
        groups: how many sets came together, group by group.
    """

    benefits_from_workers = True

    def __init__(self, at_once: int, seed: int = 0) -> None:
        super().__init__()
        self.max_batch = at_once
        self.groups: list[int] = []
        self._random = np.random.default_rng(seed)

    def train_batch(self, jobs: Any, train: Any, dev: Any) -> Any:
        self.groups.append(len(jobs))
        for place in self._random.permutation(len(jobs)):
            task, session = jobs[place]
            yield int(place), self.train(task, train, dev, session)

    def partition(self, jobs: Any, train: Any) -> list[list[int]]:
        places = list(range(len(jobs)))
        return [places[first : first + self.max_batch] for first in range(0, len(places), self.max_batch)]
