"""Google Vizier: the same proposals in every process, nothing on disk, a grid that ends, two objectives."""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.search_space import Space
from blindtune.tuners.vizier.config import VizierConfig
from support.builders import ROOT, build_tuner, check, finished_trial
from support.engines import ENGINE_ALGORITHMS, marks_of

pytestmark = marks_of("vizier")

SPACE = {
    "layers": {"type": "int", "low": 1, "high": 3},
    "units": {"type": "int", "low": 8, "high": 64, "log": True, "repeat": "layers"},
    "dropout": {"type": "bool"},
    "dropout_rate": {"type": "float", "low": 0.1, "high": 0.5, "when": {"dropout": [True]}},
    "learning_rate": {"type": "float", "low": 0.0001, "high": 0.1, "log": True},
}

#: Prints what studies propose; a third of their trials has no score.
PROGRAM = """
import json
from unit.tuners.vizier.test_tuner import run
print(json.dumps([run("random", 30), run("quasi-random", 30), run("eagle", 60), run("nsga2", 60, population_size=10)]))
"""


def run(algorithm: str, count: int, parameters: int = 1, **keys: Any) -> list[Any]:
    """Return the proposals of a study whose scores follow from the sets."""
    config = VizierConfig.model_validate({"library": "vizier", "algorithm": algorithm, **keys})
    made = build_tuner(config, Space.model_validate(SPACE), count, 3)
    found: list[Any] = []
    while len(found) < count and (proposal := made.ask()) is not None:
        values = proposal.hyperparameters
        found.append(values)
        error = abs(np.log10(float(values["learning_rate"])) + 2) / 4 + int(values["layers"]) / 10
        score = None if len(found) % 3 == 0 else error
        made.tell(finished_trial(score, hyperparameters=values, n_parameters=parameters * int(values["layers"])))
    return found


@pytest.mark.slow
def test_proposals_are_the_same_in_fresh_processes(tmp_path: Path) -> None:
    """Processes with other hashes of texts propose the same sets, and nothing is written."""
    outputs = []
    for seed in ("1", "2"):
        folder, home = tmp_path / seed, tmp_path / f"home-{seed}"
        folder.mkdir()
        home.mkdir()
        paths = os.pathsep.join([str(ROOT / "workflow" / "lib"), str(ROOT / "tests")])
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": paths, "HOME": str(home)}
        command = [sys.executable, "-c", PROGRAM]
        ran = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert ran.stderr == "", "nothing of Vizier's own goes to the log"
        outputs.append(ran.stdout)
        assert [*folder.iterdir(), *home.iterdir()] == []
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("algorithm", ENGINE_ALGORITHMS["vizier"])
def test_global_random_states_are_kept(algorithm: str) -> None:
    """The global states of Python and NumPy are after a search what they were before."""
    if algorithm == "grid":
        pytest.skip("the space has no lists")
    before = random.getstate(), np.random.get_state()
    run(algorithm, 12)
    after = random.getstate(), np.random.get_state()
    assert before[0] == after[0]
    assert all(np.array_equal(one, other) for one, other in zip(before[1], after[1], strict=True))


def test_second_objective_changes_what_nsga2_proposes() -> None:
    """NSGA2 minimises the number of parameters too, if it is told to; without, it is no matter to it."""
    two = {"objectives": ["dev_error", "n_parameters"], "population_size": 10}
    assert run("nsga2", 40, 1, **two) != run("nsga2", 40, -1, **two)
    assert run("nsga2", 40, 1, population_size=10) == run("nsga2", 40, -1, population_size=10)


def test_grid_with_conditions_ends_without_repetition() -> None:
    """A grid leaves out sets that differ in what is not active, and ends."""
    content = {
        "layers": {"type": "int", "low": 1, "high": 2},
        "units": {"type": "int", "low": 1, "high": 3, "repeat": "layers"},
    }
    made = build_tuner(VizierConfig(library="vizier", algorithm="grid"), Space.model_validate(content), 40)
    found = made.ask_batch(40)
    assert len(found) == 3 + 9 and made.ask() is None
    assert len({str(sorted(one.hyperparameters.items())) for one in found}) == 12


def test_grid_that_is_too_large_is_refused() -> None:
    """A grid is gone through with its repeated sets, of which there must not be too many."""
    space = Space.model_validate({f"rate_{name}": {"type": "int", "low": 1, "high": 999} for name in "abc"})
    with pytest.raises(ValueError, match=r"^space: is a grid of 997,002,999 sets"):
        check(VizierConfig(library="vizier", algorithm="grid"), space)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"algorithm": "eagle", "population_size": 3}, "population_size: only nsga2 takes it"),
        ({"algorithm": "eagle", "objectives": ["dev_error", "n_parameters"]}, "objectives: only nsga2 takes two"),
        ({"algorithm": "nsga2", "objectives": ["n_parameters"]}, "must be "),
    ],
)
def test_keys_of_other_algorithms_are_refused(keys: dict[str, Any], message: str) -> None:
    """A key that an algorithm does not take is refused by its name."""
    with pytest.raises(ValueError, match=message):
        VizierConfig.model_validate({"library": "vizier", **keys})
