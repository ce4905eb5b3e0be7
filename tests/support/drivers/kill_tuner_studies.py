"""Kill the studies of one library's tuners many times; print what their children left as JSON.

``python kill_tuner_studies.py FOLDER LIBRARY``.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blindtune.config.study import Study
from blindtune.config.systems import Tuned
from blindtune.core.job_log import JobLog
from blindtune.datasets.prepared import Prepared
from blindtune.records.trial import TrialLog
from blindtune.study import checkpoints as weights
from blindtune.study import run as runs
from blindtune.study.checkpoints import WeightStore
from blindtune.training.keras.backend import prefer_light_backend
from support import builders
from support.kill_studies import PROMOTING, SPACE, STUDIES, TRAINING, kills_of
from support.killing import Run, at_points, at_random, die, print_result, undisturbed


def run_of(library: str, study: dict[str, Any], data: Prepared, space: Path) -> Run:
    """Return a function that runs one of STUDIES in a folder."""
    settings = Tuned.model_validate(
        {
            "kind": "tuner",
            "tuner": {"library": library} | study["tuner"],
            "space": str(space),
            "trainer": study["trainer"],
            "training": TRAINING,
        }
    )
    it = builders.study(settings, budget=study["budget"], keep_best=2)
    return lambda folder: _run(it, data, settings, folder)


def _run(it: Study, data: Prepared, settings: Tuned, folder: Path) -> None:
    runs.run_study(it, data, files=settings.files(), code="code", folder=folder, job_log=JobLog())


def _while_a_state_is_written() -> None:
    replace = Path.replace
    Path.replace = lambda self, target: die() if Path(target).parent.name == "states" else replace(self, target)


def _between_weights_and_state() -> None:
    write = weights.write_weights
    weights.write_weights = lambda path, *content: die() if path.parent.name == "states" else write(path, *content)


def _between_state_and_record() -> None:
    save = WeightStore.save
    WeightStore.save = lambda self, number, outcome, **options: (
        save(self, number, outcome, **options),
        outcome.state and die(),
    )


def _before_a_promoted_trial_goes_on() -> None:
    WeightStore.load_state = die


def _between_the_state_and_the_record_of_a_promoted_trial() -> None:
    append = TrialLog.append
    TrialLog.append = lambda self, trial: (trial.parent and die(), append(self, trial))


def _before_the_states_are_removed() -> None:
    WeightStore.remove_states = die


def _while_the_states_are_removed() -> None:
    unlink = Path.unlink
    Path.unlink = lambda self, **more: (unlink(self, **more), self.parent.name == "states" and die())


def _between_the_states_and_the_card() -> None:
    runs.write_card = die


POINTS: dict[str, Callable[[], None]] = {
    "while a state is written": _while_a_state_is_written,
    "between weights and state": _between_weights_and_state,
    "between state and record": _between_state_and_record,
    "before a promoted trial goes on": _before_a_promoted_trial_goes_on,
    "between the state and the record of a promoted trial": _between_the_state_and_the_record_of_a_promoted_trial,
    "before the states are removed": _before_the_states_are_removed,
    "while the states are removed": _while_the_states_are_removed,
    "between the states and the card": _between_the_states_and_the_card,
}


def main(root: Path, library: str) -> None:
    prefer_light_backend()  # as the program of a study does
    data = builders.prepare_toy(root, train=200, dev=100).open()
    space = root / "space.yaml"
    space.write_text(SPACE, encoding="utf-8")
    result: dict[str, Any] = {}
    for name, study in STUDIES[library].items():
        begun = time.monotonic()
        run, folder = run_of(library, study, data, space), root / name
        # In this process, so that every child has what a library imports or builds at its first use.
        run(folder / "warm")
        found, seconds = undisturbed(run, folder / "undisturbed")
        result[name] = {"undisturbed": found, "random": at_random(run, folder, seconds, kills_of(name))}
        if (library, name) in PROMOTING:
            result[name]["points"] = at_points(run, folder / "points", POINTS)
        print(f"{name}: {seconds:.2f} s undisturbed, {time.monotonic() - begun:.1f} s in all", file=sys.stderr)
    print_result(result)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
