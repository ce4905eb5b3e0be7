"""Every optional engine: the same proposals in every process, nothing on disk, global random states as before."""

import json
import random
from typing import Any

import numpy as np
import pytest

from blindtune.search_space import Space
from support.builders import build_tuner, finished_trial, tuner
from support.engines import ENGINE_ALGORITHMS, SPACE, marks_of, propose, run_fresh, score_of, with_marks

#: By library: what a study proposes, with which keys, for how many trials. Grids have `GRID`.
RUNS: dict[str, list[tuple[str, dict[str, Any], int]]] = {
    "smac": [("random", {}, 30), ("forest", {}, 26), ("hyperband", {}, 26), ("multi-fidelity", {}, 26)],
    "ray-tune": [
        ("random", {}, 30),
        ("hyperopt", {"n_initial": 5}, 30),
        ("random", {"pruner": {"algorithm": "asha", "reduction_factor": 3, "brackets": 3}}, 20),
        ("random", {"pruner": {"algorithm": "median"}}, 20),
        ("grid", {}, 30),
    ],
    "nni": [
        ("random", {}, 30),
        ("tpe", {"n_initial": 5}, 40),
        ("anneal", {}, 40),
        ("evolution", {"population_size": 6}, 60),
        ("hyperband", {}, 44),
        ("random", {"pruner": {"algorithm": "median"}}, 20),
        ("grid", {}, 30),
    ],
    "nevergrad": [
        *((name, {}, 30) for name in ("random", "cma", "ngopt", "one-plus-one")),
        *((name, {"population_size": 6}, 30) for name in ("cma", "pso", "de", "two-points-de")),
    ],
    "vizier": [
        ("random", {}, 30),
        ("quasi-random", {}, 30),
        ("grid", {}, 30),
        ("eagle", {}, 60),
        ("nsga2", {"population_size": 10}, 60),
    ],
}

#: A space of thirty sets.
GRID = {
    "layers": {"type": "int", "low": 1, "high": 3},
    "learning_rate": {"type": "choice", "options": [0.0001, 0.001, 0.01, 0.03, 0.1]},
    "dropout": {"type": "bool"},
}

#: Prints what studies propose; a third of their trials has no score.
PROGRAM = """
import json, sys
from blindtune.search_space import Space
from support.builders import tuner
from support.engines import SPACE, propose
spaces = {"grid": Space.model_validate_json(sys.argv[3])}
runs = json.loads(sys.argv[2])
made = [propose(tuner(sys.argv[1], name, **keys), n, space=spaces.get(name, SPACE)) for name, keys, n in runs]
print(json.dumps(made))
"""

PAIRS = [(library, name) for library in ENGINE_ALGORITHMS for name in ENGINE_ALGORITHMS[library] if name != "grid"]


@pytest.mark.slow
@pytest.mark.parametrize("library", [pytest.param(name, marks=marks_of(name)) for name in RUNS])
def test_proposals_are_the_same_in_fresh_processes(library: str, tmp_path: Any) -> None:
    """Processes with other hashes of texts propose the same sets, and nothing is written or printed."""
    found = json.loads(run_fresh(PROGRAM, tmp_path, library, json.dumps(RUNS[library]), json.dumps(GRID)))
    assert [len(sets) for sets in found] == [count for _, _, count in RUNS[library]]


def test_all_algorithms_are_run_in_fresh_processes() -> None:
    """Each algorithm of each engine has a study here."""
    assert {library: {name for name, _, _ in runs} for library, runs in RUNS.items()} == {
        library: set(names) for library, names in ENGINE_ALGORITHMS.items()
    }


@pytest.mark.parametrize("pair", with_marks(PAIRS))
def test_global_random_states_are_kept(pair: tuple[str, str]) -> None:
    """The global states of Python and NumPy are after a search what they were before."""
    before = random.getstate(), np.random.get_state()
    propose(tuner(*pair), 8)
    after = random.getstate(), np.random.get_state()
    assert before[0] == after[0]
    assert all(np.array_equal(one, other) for one, other in zip(before[1], after[1], strict=True))


@pytest.mark.parametrize("pair", with_marks(PAIRS))
def test_names_of_a_library_are_hyperparameters_too(pair: tuple[str, str]) -> None:
    """A hyperparameter may have a name that an engine uses itself, and it keeps its values."""
    one = {"type": "int", "low": 20, "high": 29}
    space = Space.model_validate({"self": one, "TRIAL_BUDGET": one, "type": one, "config": {"type": "bool"}})
    made = build_tuner(tuner(*pair), space, 4)
    for _ in range(4):
        proposal = made.ask()
        assert proposal is not None
        assert space.snap(proposal.hyperparameters) == proposal.hyperparameters
        made.tell(finished_trial(0.5, hyperparameters=proposal.hyperparameters))


@pytest.mark.parametrize("pair", with_marks(PAIRS))
def test_range_of_many_whole_numbers_takes_no_list_of_them(pair: tuple[str, str]) -> None:
    """The largest range of whole numbers that a space may have is proposed from at once, in little memory."""
    space = Space.model_validate({"units": {"type": "int", "low": -1_000_000_000, "high": 1_000_000_000}})
    made = build_tuner(tuner(*pair), space, 6)
    found = []
    for _ in range(6):
        proposal = made.ask()
        assert proposal is not None
        found.append(proposal.hyperparameters["units"])
        made.tell(finished_trial(0.5, hyperparameters=proposal.hyperparameters))
    assert len(set(found)) > 1 and all(abs(int(value)) <= 1_000_000_000 for value in found)


#: The engines with a Hyperband, whose rungs are the same with nine epochs and an eta of 3.
HYPERBANDS = [
    pytest.param(name, marks=marks_of(name)) for name in ENGINE_ALGORITHMS if "hyperband" in ENGINE_ALGORITHMS[name]
]


@pytest.mark.parametrize("library", HYPERBANDS)
def test_hyperband_fills_rungs_and_promotes_the_best(library: str) -> None:
    """With nine epochs: nine sets of one epoch, the best three for three, the best for nine; then the next bracket."""
    found = propose(tuner(library, "hyperband"), 22)
    assert [epochs for _, _, epochs in found] == [1] * 9 + [3] * 3 + [9] + [3] * 5 + [9] + [9] * 3
    promoted = [number for number, (_, parent, _) in enumerate(found) if parent is not None]
    assert promoted == [9, 10, 11, 12, 18]
    for values, parent, _ in found:
        assert parent is None or found[parent][0] == values


@pytest.mark.parametrize("at_once", [2, 64])
@pytest.mark.parametrize("library", HYPERBANDS)
def test_batch_ends_with_its_rung(library: str, at_once: int) -> None:
    """A batch holds sets of one rung, and batches of any size give the same proposals."""
    expected = propose(tuner(library, "hyperband"), 22)
    made = build_tuner(tuner(library, "hyperband"), SPACE, 22, 3)
    found: list[Any] = []
    while len(found) < 22:
        asked = made.ask_batch(min(at_once, 22 - len(found)))
        assert len({proposal.epochs for proposal in asked}) == 1
        for proposal in asked:
            values = proposal.hyperparameters
            score = score_of(values, len(found))
            found.append([values, proposal.parent, proposal.epochs])
            made.tell(finished_trial(score, hyperparameters=values))
    assert found == expected


@pytest.mark.parametrize("library", HYPERBANDS)
def test_batches_are_those_of_single_sets_in_a_small_space(library: str) -> None:
    """Where a rung holds a set several times, batches of any size give the same proposals too."""
    content = {"units": {"type": "int", "low": 1, "high": 3}, "dropout": {"type": "bool"}}
    for seed in range(6):
        found = []
        for at_once in (1, 64):
            made = build_tuner(tuner(library, "hyperband"), Space.model_validate(content), 22, seed)
            sets: list[Any] = []
            while len(sets) < 22 and (asked := made.ask_batch(min(at_once, 22 - len(sets)))):
                for proposal in asked:
                    sets.append([proposal.hyperparameters, proposal.parent, proposal.epochs])
                    made.tell(finished_trial(len(sets) % 7 / 7, hyperparameters=proposal.hyperparameters))
            found.append(sets)
        assert found[0] == found[1]
