"""Runs one Keras Tuner study again and again in children that are killed; prints what they left, as JSON.

``python driver_kill.py FOLDER``. The libraries are imported once: each child is a fork, so that a kill falls into
the study and not into seconds of imports.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

import makers
from blindtune import cards, lines, runs
from blindtune.cards import read_card
from blindtune.console import Console
from blindtune.datasets.store import open_prepared
from blindtune.systems import Tuned
from blindtune.training import keras as _keras  # noqa: F401  (imported here for every child)
from blindtune.trials import TrialLog
from blindtune.tuners.keras_tuner import KerasTunerSettings
from blindtune.weights import WeightStore

TRIALS = 6
KILLS = 10

SETTINGS = Tuned(
    kind="tuner",
    tuner=KerasTunerSettings(library="keras-tuner", algorithm="random"),
    space="mlp",
    training={"epochs": 2, "batch_size": 16},
)


def study_in(folder: Path, manifest: Path) -> None:
    study = makers.study(SETTINGS, budget={"trials": TRIALS}, keep=2)
    runs.run(study, open_prepared(manifest), SETTINGS.files(), "code", folder, Console())


def child(folder: Path, manifest: Path, before: Callable[[], None] = lambda: None) -> int:
    """Start a study in a process group of its own."""
    process = os.fork()
    if process:
        return process
    try:
        os.setsid()
        before()
        study_in(folder, manifest)
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def ended(process: int) -> bool:
    """Wait for a child; whether it came to its end, unless it was killed."""
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.waitstatus_to_exitcode(status) == 0
    return True


def left(folder: Path) -> dict[str, Any]:
    """What must not depend on any kill."""
    return {
        "outcomes": [trial.outcome() for trial in TrialLog(folder / "trials.jsonl").read()],
        "frozen_sha256": read_card(folder / "card.json").frozen_sha256(),
        "weights": sorted(path.name for path in (folder / "weights").iterdir()),
        "spent": read_card(folder / "card.json").spent.epochs,
    }


def at_random(root: Path, manifest: Path, seconds: float) -> dict[str, Any]:
    """Studies killed at random moments until enough kills have met one alive."""
    moments = np.random.default_rng(7)
    kept, rounds = [], []
    while len(kept) < KILLS:
        folder = root / f"random-{len(rounds)}"
        while True:
            process = child(folder, manifest)
            if len(kept) < KILLS:
                time.sleep(moments.uniform(0, 0.6 * seconds))
                os.killpg(process, signal.SIGKILL)
            if ended(process):
                break
            log = folder / "trials.jsonl"
            kept.append(len(log.read_bytes().splitlines()) if log.exists() else 0)
        rounds.append(left(folder))
    return {"trials_at_kill": kept, "rounds": rounds}


def die(*_: Any) -> None:
    os.killpg(0, signal.SIGKILL)


def _while_weights_are_written() -> None:
    replace = Path.replace
    Path.replace = lambda self, target: die() if "00000" in self.name else replace(self, target)


def _between_weights_and_record() -> None:
    save = WeightStore.save
    WeightStore.save = lambda self, trial, outcome: (save(self, trial, outcome), trial.number == 1 and die())


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


def _while_a_torn_record_is_set_aside() -> None:
    lines.os = SimpleNamespace(**{name: getattr(os, name) for name in dir(os)} | {"truncate": die})


def _before_the_card() -> None:
    runs.write_card = die


def _while_the_card_is_written() -> None:
    cards.write_json = lambda path, value: (path.with_name(".card.1.part.json").write_text("{"), die())


POINTS: dict[str, Callable[[], None]] = {
    "while weights are written": _while_weights_are_written,
    "between weights and record": _between_weights_and_record,
    "in the middle of a record": _in_the_middle_of_a_record(0.5),
    "while a torn record is set aside": _while_a_torn_record_is_set_aside,
    "all but the end of the line": _in_the_middle_of_a_record(1.0),
    "between record and pruning": _between_record_and_pruning,
    "before the card": _before_the_card,
    "while the card is written": _while_the_card_is_written,
}


def at_points(folder: Path, manifest: Path) -> dict[str, Any]:
    """One study, killed at each of the points in turn."""
    missed = [name for name, inject in POINTS.items() if ended(child(folder, manifest, inject))]
    assert ended(child(folder, manifest))
    return left(folder) | {"missed": missed, "torn": sorted(path.name for path in folder.glob("*.torn*"))}


def main(root: Path) -> None:
    manifest = makers.prepare_toy(root, train=400, dev=100).manifest
    begun = time.monotonic()
    assert ended(child(root / "undisturbed", manifest))
    seconds = time.monotonic() - begun
    result = {
        "undisturbed": left(root / "undisturbed"),
        "random": at_random(root, manifest, seconds),
        "points": at_points(root / "points", manifest),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
