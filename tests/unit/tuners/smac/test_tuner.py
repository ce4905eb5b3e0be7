"""SMAC: the same proposals in every process, nothing on disk, whole rungs, exact conditions."""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.search_space import Space
from blindtune.tuners.smac.config import SmacConfig
from support.builders import ROOT, build_tuner, check, finished_trial, tuner
from support.engines import marks_of

pytestmark = marks_of("smac")

SPACE = {
    "layers": {"type": "int", "low": 1, "high": 3},
    "units": {"type": "int", "low": 8, "high": 64, "log": True, "repeat": "layers"},
    "dropout": {"type": "bool"},
    "dropout_rate": {"type": "float", "low": 0.1, "high": 0.5, "when": {"dropout": [True]}},
    "learning_rate": {"type": "float", "low": 0.0001, "high": 0.1, "log": True},
}

#: Prints what a study of some algorithm proposes; a third of its trials has no score.
PROGRAM = """
import json, sys
from support.builders import build_tuner, finished_trial, tuner
from unit.tuners.smac.test_tuner import run
print(json.dumps(run(sys.argv[1], 26)))
"""


def run(algorithm: str, count: int, **keys: Any) -> list[Any]:
    """Return the proposals of a study whose scores follow from the sets."""
    config = SmacConfig.model_validate({"library": "smac", "algorithm": algorithm, **keys})
    made = build_tuner(config, Space.model_validate(SPACE), count, 3)
    found: list[Any] = []
    while len(found) < count and (proposal := made.ask()) is not None:
        values = proposal.hyperparameters
        found.append([values, proposal.parent, proposal.epochs])
        error = abs(np.log10(float(values["learning_rate"])) + 2) / 4 + int(values["layers"]) / 10
        made.tell(finished_trial(None if len(found) % 3 == 0 else error, hyperparameters=values))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["forest", "multi-fidelity"])
def test_proposals_are_the_same_in_fresh_processes(algorithm: str, tmp_path: Path) -> None:
    """Processes with other hashes of texts propose the same sets, also after the initial design; nothing is written."""
    outputs = []
    for seed in ("1", "2"):
        folder, home = tmp_path / seed, tmp_path / f"home-{seed}"
        folder.mkdir()
        home.mkdir()
        paths = os.pathsep.join([str(ROOT / "workflow" / "lib"), str(ROOT / "tests")])
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": paths, "HOME": str(home)}
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, algorithm], env=environment, cwd=folder, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        assert ran.stderr == "", "SMAC's own warnings are kept out of the log"
        outputs.append(ran.stdout)
        assert [*folder.iterdir(), *home.iterdir()] == []
    assert outputs[0] == outputs[1]


def test_global_random_states_are_kept() -> None:
    """The global states of Python and NumPy are after a search what they were before."""
    before = random.getstate(), np.random.get_state()
    run("forest", 8)
    after = random.getstate(), np.random.get_state()
    assert before[0] == after[0]
    assert all(np.array_equal(one, other) for one, other in zip(before[1], after[1], strict=True))


def test_hyperband_fills_rungs_and_promotes_the_best() -> None:
    """With nine epochs: nine sets of one epoch, the best three for three, the best for nine; then the next bracket."""
    found = run("hyperband", 22)
    assert [epochs for _, _, epochs in found] == [1] * 9 + [3] * 3 + [9] + [3] * 5 + [9] + [9] * 3
    promoted = [number for number, (_, parent, _) in enumerate(found) if parent is not None]
    assert promoted == [9, 10, 11, 12, 18]
    for values, parent, _ in found:
        assert parent is None or found[parent][0] == values
    epochs = [epochs for _, _, epochs in run("hyperband", 9, eta=2, min_epochs=4)]
    assert epochs == [4, 4, 9, 9, 9, 4, 4, 9, 9]


@pytest.mark.parametrize("at_once", [2, 64])
def test_batch_ends_with_its_rung(at_once: int) -> None:
    """A batch holds sets of one rung, and batches of any size give the same proposals."""
    expected = run("hyperband", 22)
    made = build_tuner(tuner("smac", "hyperband"), Space.model_validate(SPACE), 22, 3)
    found: list[Any] = []
    while len(found) < 22:
        asked = made.ask_batch(min(at_once, 22 - len(found)))
        assert len({proposal.epochs for proposal in asked}) == 1
        for proposal in asked:
            values = proposal.hyperparameters
            found.append([values, proposal.parent, proposal.epochs])
            error = abs(np.log10(float(values["learning_rate"])) + 2) / 4 + int(values["layers"]) / 10
            made.tell(finished_trial(None if len(found) % 3 == 0 else error, hyperparameters=values))
    assert found == expected


def test_n_initial_decides_the_initial_design_for_any_budget() -> None:
    """With a number of initial sets, a larger budget continues the records."""
    config = SmacConfig(library="smac", algorithm="forest", n_initial=4)
    assert not config.depends_on_budget and SmacConfig(library="smac", algorithm="forest").depends_on_budget
    assert run("forest", 8, n_initial=4)[:6] == run("forest", 6, n_initial=4)
    # SMAC's forest proposes from the fifth set on.
    assert run("forest", 6, n_initial=4)[:4] == run("forest", 4, n_initial=6)
    assert run("forest", 6, n_initial=4)[4:] != run("forest", 6, n_initial=6)[4:]


def test_worst_scores_do_not_stop_the_forest() -> None:
    """Trials without any score are told as the worst error, from which the forest can learn."""
    made = build_tuner(tuner("smac", "forest"), Space.model_validate(SPACE), 12, 3)
    for _ in range(12):
        proposal = made.ask()
        assert proposal is not None
        made.tell(finished_trial(None, hyperparameters=proposal.hyperparameters))


def test_space_of_one_set_ends() -> None:
    """A space of one set gives it once; a small one ends when SMAC finds no other set."""
    one = Space.model_validate({"units": {"type": "fixed", "value": 3}})
    made = build_tuner(tuner("smac", "forest"), one, 5)
    assert made.ask() is not None and made.ask() is None
    few = Space.model_validate({"units": {"type": "int", "low": 1, "high": 4}})
    made = build_tuner(tuner("smac", "forest"), few, 40)
    found = []
    while (proposal := made.ask()) is not None:
        found.append(proposal.hyperparameters["units"])
        made.tell(finished_trial(0.5, hyperparameters=proposal.hyperparameters))
    assert sorted(found) == [1, 2, 3, 4] and made.ask() is None


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"algorithm": "random", "n_initial": 3}, "n_initial: only forest and multi-fidelity take it"),
        ({"algorithm": "forest", "eta": 3}, "eta: only hyperband and multi-fidelity take it"),
    ],
)
def test_keys_of_other_algorithms_are_refused(keys: dict[str, Any], message: str) -> None:
    """A key that an algorithm does not take is refused by its name."""
    with pytest.raises(ValueError, match=message):
        SmacConfig.model_validate({"library": "smac", **keys})


def test_min_epochs_above_the_training_is_refused() -> None:
    """The first rung must fit into a complete training."""
    config = SmacConfig(library="smac", algorithm="hyperband", min_epochs=10)
    with pytest.raises(ValueError, match=r"^min_epochs: 10 is above the 9 epochs"):
        check(config, Space.model_validate(SPACE))
