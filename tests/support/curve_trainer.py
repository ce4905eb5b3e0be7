"""A runner of one study in one folder, and trainers whose curves cost nothing."""

from pathlib import Path
from typing import Any

import numpy as np

from blindtune.config.systems import Knn
from blindtune.datasets.prepared import Prepared
from blindtune.records.model_card import ModelCard
from blindtune.records.trial import EpochMetrics, Trial, TrialLog
from blindtune.study.run import run_study
from blindtune.training.base import EpochTracker, Outcome
from support.builders import RecordingConsole, study

KNN = Knn(kind="knn", n_neighbors=[1, 3, 9, 25])


class StudyRunner:
    """Runs one study in one folder, and keeps its messages."""

    def __init__(self, data: Prepared, folder: Path) -> None:
        self.data, self.folder, self.job_log = data, folder, RecordingConsole()
        self.said = self.job_log.said
        self.files: dict[str, Path] = {}

    def __call__(
        self, system: Any = KNN, code: str = "code", workers: int = 1, on_nodes: bool = False, **changes: Any
    ) -> ModelCard:
        return run_study(
            study(system, **changes),
            self.data,
            files=self.files,
            code=code,
            folder=self.folder,
            job_log=self.job_log,
            workers=workers,
            on_nodes=on_nodes,
        )

    def outcomes(self) -> list[dict[str, object]]:
        return [trial.reproducible_fields() for trial in self.trials()]

    def log(self) -> bytes:
        return (self.folder / "trials.jsonl").read_bytes()

    def cut(self, at: int) -> None:
        """Leave what a kill leaves: a log that ends at byte `at`, and no card."""
        (self.folder / "trials.jsonl").write_bytes(self.log()[:at])
        (self.folder / "card.json").unlink()

    def trials(self) -> list[Trial]:
        return TrialLog(self.folder / "trials.jsonl").read()

    def ends(self) -> list[int]:
        """Return the byte after each record of the log."""
        return [place + 1 for place, byte in enumerate(self.log()) if byte == ord("\n")]


def curve_error(values: dict[str, Any], epoch: int) -> float:
    """Return a dev error that falls with the epochs; its floor and speed depend on the set, and no two are equal."""
    number = sum(float(value) * weight for weight, (_, value) in enumerate(sorted(values.items()), 1))
    floor, speed = 0.1 + 0.3 * abs(np.sin(number)), 0.2 + abs(np.sin(7 * number))
    return float(floor + 0.5 * np.exp(-speed * epoch))


class CurveTrainer:
    """Gives each set the curve of `curve_error`, on the data of `builders.prepare_toy`.

    Attributes:
        trained: epochs trained so far.
    """

    supports_resume = True

    def __init__(self) -> None:
        self.trained = 0

    def train(self, task: Any, train: Any, dev: Any, options: Any) -> Outcome:
        tracker = EpochTracker(task.training.epochs, options)
        if options.state is not None:
            assert options.state.arrays["epochs"][0] == options.trained_before
            assert options.state.arrays["id"][0] == curve_error(task.hyperparameters, 0)

        def weights() -> dict[str, Any]:
            return {"share": np.array([curve_error(task.hyperparameters, tracker.epochs_done)])}

        def state() -> dict[str, Any]:
            return {
                "epochs": np.array([tracker.epochs_done]),
                "id": np.array([curve_error(task.hyperparameters, 0)]),
            }

        going = True
        while going:
            share = curve_error(task.hyperparameters, tracker.epochs_done + 1)
            error = float(np.mean(_labels(len(dev.y), share) != dev.y))
            metrics = EpochMetrics(train_loss=error, train_error=error, dev_loss=error, dev_error=error)
            going = tracker.add(metrics, weights)
            self.trained += 1
        return tracker.outcome(10, weights, state)

    def rebuild(self, task: Any, weights: Any, train: Any) -> Any:
        return lambda x: _labels(len(x), float(weights["share"][0]))

    def versions(self) -> dict[str, str]:
        return {"curve": "1"}


def _labels(count: int, share: float) -> Any:
    """Return labels of which the first `share` are wrong: the classes of the toy data alternate."""
    rows = np.arange(count)
    return np.where(rows < share * count, 1 - rows % 2, rows % 2)


class BatchCurveTrainer(CurveTrainer):
    """Trains batches of sets, which end in random order.

    Attributes:
        groups: how many sets came together, group by group.
    """

    benefits_from_workers = True

    def __init__(self, max_batch: int, seed: int = 0) -> None:
        super().__init__()
        self.max_batch = max_batch
        self.groups: list[int] = []
        self._random = np.random.default_rng(seed)

    def train_batch(self, jobs: Any, train: Any, dev: Any) -> Any:
        self.groups.append(len(jobs))
        for index in self._random.permutation(len(jobs)):
            task, options = jobs[index]
            yield int(index), self.train(task, train, dev, options)

    def partition(self, jobs: Any, train: Any) -> list[list[int]]:
        indices = list(range(len(jobs)))
        return [indices[first : first + self.max_batch] for first in range(0, len(indices), self.max_batch)]
