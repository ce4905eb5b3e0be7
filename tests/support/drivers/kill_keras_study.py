"""Kill one Keras Tuner study with the Keras trainer many times; print what its children left as JSON.

``python kill_keras_study.py FOLDER``.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

from blindtune.config.study import Study
from blindtune.config.systems import Tuned
from blindtune.core import jsonl as lines
from blindtune.core.job_log import JobLog
from blindtune.datasets.prepared import Prepared
from blindtune.records import model_card as cards
from blindtune.records.trial import TrialLog
from blindtune.study import run as runs
from blindtune.study.checkpoints import WeightStore
from blindtune.tuners.keras_tuner.config import KerasTunerConfig
from support import builders
from support.kill_studies import KILLS
from support.killing import Run, at_points, at_random, die, print_result, undisturbed

SETTINGS = Tuned(
    kind="tuner",
    tuner=KerasTunerConfig(library="keras-tuner", algorithm="random"),
    space="mlp",
    training={"epochs": 2, "batch_size": 16},
)


def run_on(data: Prepared) -> Run:
    """Return a function that runs the study in a folder."""
    study = builders.study(SETTINGS, budget={"trials": 6}, keep_best=2)
    return lambda folder: _run(study, data, folder)


def _run(study: Study, data: Prepared, folder: Path) -> None:
    runs.run_study(study, data, files=SETTINGS.files(), code="code", folder=folder, job_log=JobLog())


def _while_weights_are_written() -> None:
    replace = Path.replace
    Path.replace = lambda self, target: die() if "00000" in self.name else replace(self, target)


def _between_weights_and_record() -> None:
    save = WeightStore.save
    WeightStore.save = lambda self, number, outcome, **options: (
        save(self, number, outcome, **options),
        number == 1 and die(),
    )


def _in_the_middle_of_a_record(part: float) -> Callable[[], None]:
    def write(handle: int, line: bytes) -> int:
        if json.loads(line)["number"] == 2:
            os.write(handle, line[: int(part * (len(line) - 1))])
            die()
        return os.write(handle, line)

    def inject() -> None:
        lines.os = SimpleNamespace(**{name: getattr(os, name) for name in dir(os)} | {"write": write})

    return inject


def _between_record_and_pruning() -> None:
    append = TrialLog.append
    TrialLog.append = lambda self, trial: (append(self, trial), trial.number == 3 and die())


def _while_a_torn_record_is_moved() -> None:
    lines.os = SimpleNamespace(**{name: getattr(os, name) for name in dir(os)} | {"truncate": die})


def _before_the_card() -> None:
    runs.write_card = die


def _while_the_card_is_written() -> None:
    cards.write_json = lambda path, value: (path.with_name(".card.part.json").write_text("{"), die())


POINTS: dict[str, Callable[[], None]] = {
    "while weights are written": _while_weights_are_written,
    "between weights and record": _between_weights_and_record,
    "in the middle of a record": _in_the_middle_of_a_record(0.5),
    "while a torn record is moved": _while_a_torn_record_is_moved,
    "all but the end of the line": _in_the_middle_of_a_record(1.0),
    "between record and pruning": _between_record_and_pruning,
    "before the card": _before_the_card,
    "while the card is written": _while_the_card_is_written,
}


def main(root: Path) -> None:
    # Imported once, which takes seconds; TensorFlow itself starts in each child, since it does not survive a fork.
    import_module("blindtune.training.keras.tensorflow")
    run = run_on(builders.prepare_toy(root, train=400, dev=100).open())
    found, seconds = undisturbed(run, root / "undisturbed")
    print_result(
        {
            "undisturbed": found,
            "random": at_random(run, root, seconds, KILLS),
            "points": at_points(run, root / "points", POINTS),
        }
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
