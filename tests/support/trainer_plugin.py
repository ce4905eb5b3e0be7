"""A tiny installed package that adds a trainer through the entry point group ``blindtune.trainers``."""

from pathlib import Path

from support.plugins import install_package

_TRAINER = """\
import numpy as np

from blindtune.records.trial import EpochMetrics
from blindtune.training.base import EpochTracker
from majority.vote import majority


class MajorityTrainer:
    supports_resume = False

    def train(self, task, train, dev, options):
        label = majority(train.y)
        tracker, going = EpochTracker(task.training.epochs, options), True
        while going:
            error = float(np.mean(dev.y != label))
            metrics = EpochMetrics(train_loss=0.0, train_error=None, dev_loss=0.0, dev_error=error)
            going = tracker.add(metrics, lambda: {"label": np.array([label])})
        return tracker.outcome(1, lambda: {"label": np.array([label])}, dict)

    def rebuild(self, task, weights, train):
        return lambda x: np.full(len(x), weights["label"][0])

    def versions(self):
        return {"majority": "1.0"}
"""

_VOTE = """\
import numpy as np


def majority(labels):
    return int(np.bincount(labels).argmax())
"""

_ENTRY = """\
from blindtune.training.registry import TrainerEntry

MAJORITY = TrainerEntry(
    create="majority.trainer:MajorityTrainer",
    description="answers the most frequent class",
    families=("mlp", "lstm"),
    layers=("dense",),
    random_crops=False,
)
"""


def install(folder: Path, name: str = "majority", value: str = "majority:MAJORITY", entry: str = _ENTRY) -> Path:
    """Install the package below `folder`, as pip does for a target folder.

    Args:
        folder: to be put on the path.
        name: name of the entry point, the value of ``trainer``.
        value: object of the entry point.
        entry: text of the package's ``__init__.py``.

    Returns:
        The package's folder.
    """
    modules = {"__init__": entry, "trainer": _TRAINER, "vote": _VOTE}
    return install_package(folder, "majority", modules, "blindtune.trainers", f"{name} = {value}")
