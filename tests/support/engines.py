"""Tests of optional engines: each is skipped, with a reason, where its engine is not installed."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.search_space import Hyperparameters, Space
from blindtune.tuners.base import TunerConfig
from blindtune.tuners.engines import ENGINES, find_fault
from support.builders import ROOT, build_tuner, finished_trial

#: Algorithms of the optional engines, by library.
ENGINE_ALGORITHMS = {
    "vizier": ["random", "quasi-random", "grid", "eagle", "nsga2"],
    "smac": ["random", "forest", "hyperband", "multi-fidelity"],
    "ray-tune": ["random", "grid", "hyperopt"],
    "nni": ["random", "grid", "tpe", "anneal", "evolution", "hyperband"],
    "nevergrad": ["random", "cma", "ngopt", "one-plus-one", "pso", "de", "two-points-de"],
}

#: Copies, conditions, a choice of two, and both scales.
SPACE = Space.model_validate(
    {
        "layers": {"type": "int", "low": 1, "high": 3},
        "units": {"type": "int", "low": 8, "high": 64, "log": True, "repeat": "layers"},
        "dropout": {"type": "bool"},
        "dropout_rate": {"type": "float", "low": 0.1, "high": 0.5, "when": {"dropout": [True]}},
        "learning_rate": {"type": "float", "low": 0.0001, "high": 0.1, "log": True},
    }
)


def marks_of(library: str) -> list[pytest.MarkDecorator]:
    """Return the marks of a test with a tuner of a library; none for one of the default environment."""
    if library not in ENGINES:
        return []
    fault = find_fault(library)
    return [pytest.mark.engine, pytest.mark.skipif(fault is not None, reason=fault or "")]


def with_marks(pairs: Iterable[tuple[str, str]]) -> list[Any]:
    """Return pairs of library and algorithm as parameters of a test, with the marks of their engines."""
    return [pytest.param(pair, marks=marks_of(pair[0]), id="-".join(pair)) for pair in pairs]


def are_installed(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the pairs whose library is installed, for a test that goes through all of them."""
    return [pair for pair in pairs if pair[0] not in ENGINES or find_fault(pair[0]) is None]


def score_of(values: Hyperparameters, number: int) -> float | None:
    """Return the score of a set of `SPACE`; every third trial, counted from 0, has none."""
    error = abs(np.log10(float(values["learning_rate"])) + 2) / 4 + int(values["layers"]) / 10
    return None if number % 3 == 2 else float(error)


def propose(config: TunerConfig, count: int, weights: int = 1, space: Space = SPACE) -> list[list[Any]]:
    """Return values, parent and epochs of the proposals of a study whose scores follow from the sets.

    Args:
        config: of the tuner.
        count: number of trials.
        weights: number of weights of a layer.
        space: `SPACE`, or one with more dimensions.
    """
    made = build_tuner(config, space, count, 3)
    found: list[list[Any]] = []
    while len(found) < count and (proposal := made.ask()) is not None:
        values = proposal.hyperparameters
        score = score_of(values, len(found))
        found.append([values, proposal.parent, proposal.epochs])
        made.tell(finished_trial(score, hyperparameters=values, n_parameters=weights * int(values["layers"])))
    return found


def run_fresh(program: str, folder: Path, *arguments: str) -> str:
    """Return what a program prints in two fresh processes, which must be the same and leave nothing.

    The processes have other hashes of texts, and an empty home folder.

    Args:
        program: Python code.
        folder: an empty one.
        arguments: of the program.
    """
    outputs = []
    for seed in ("1", "2"):
        place, home = folder / seed, folder / f"home-{seed}"
        place.mkdir()
        home.mkdir()
        paths = os.pathsep.join([str(ROOT / "workflow" / "lib"), str(ROOT / "tests")])
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": paths, "HOME": str(home)}
        command = [sys.executable, "-c", program, *arguments]
        ran = subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert ran.stderr == "", "nothing of the engine's own goes to the log"
        assert [*place.iterdir(), *home.iterdir()] == [], "nothing is written"
        outputs.append(ran.stdout)
    assert outputs[0] == outputs[1]
    return outputs[0]
