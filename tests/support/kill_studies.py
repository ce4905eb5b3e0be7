"""A study of every tuner, small enough to be killed many times, and checks of what the kills left."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from blindtune.core.threads import ONE_THREAD
from support.workflow_runs import ROOT

DRIVERS = Path(__file__).parent / "drivers"

#: Number of kills that must hit a running study; BLINDTUNE_KILLS=10 makes a longer test of them.
KILLS = int(os.environ.get("BLINDTUNE_KILLS", "6"))
#: Of a study whose tuner takes long enough to be hit while it suggests.
MORE_KILLS = max(KILLS, 10)

#: Lists of numbers without conditions, which every algorithm accepts. A dropout rate of 1 cannot be built: a third of
#: the sets is invalid, but not the set of all defaults.
SPACE = """\
layers: {type: int, low: 1, high: 1}
units: {type: int, low: 4, high: 12, step: 4}
dropout_rate: {type: float, low: 0.0, high: 1.0, step: 0.5}
learning_rate: {type: float, low: 0.005, high: 0.05, step: 0.005}
"""

TRAINING = {"epochs": 9, "batch_size": 40}


def _study(algorithm: str, budget: dict[str, int] | None = None, **arguments: Any) -> dict[str, Any]:
    return {"tuner": {"algorithm": algorithm} | arguments, "budget": budget or {"trials": 12}, "trainer": "pytorch"}


def _fused(algorithm: str, trials: int = 50, **arguments: Any) -> dict[str, Any]:
    """Return a study with enough trials for several batches."""
    return _study(algorithm, {"trials": trials}, **arguments) | {"trainer": "fused"}


_TWO = ["dev_error", "n_parameters"]

#: By library and name: the tuner's arguments, its budget and its trainer.
STUDIES: dict[str, dict[str, dict[str, Any]]] = {
    "keras-tuner": {
        "random": _study("random"),
        "bayesian": _study("bayesian", {"trials": 8}, num_initial_points=6),
        "grid": _study("grid"),
        "hyperband": _study("hyperband", {"trials": 99}, hyperband_iterations=1),
        "hyperband, in epochs": _study("hyperband", {"epochs": 60}),
        "default": _study("default"),
        "random, fused": _fused("random"),
        "hyperband, fused": _fused("hyperband", 99, hyperband_iterations=1),
    },
    "optuna": {
        **{name: _study(name) for name in ("random", "grid", "cma-es", "gp")},
        # Its first ten sets are random draws.
        **{name: _study(name, {"trials": 16}) for name in ("tpe", "tpe-2024")},
        **{
            f"tpe, {pruner}": _study("tpe", {"trials": 16}, pruner={"algorithm": pruner})
            for pruner in ("median", "successive-halving", "hyperband")
        },
        "tpe, hyperband, in trials and epochs": _study(
            "tpe", {"trials": 99, "epochs": 60}, pruner={"algorithm": "hyperband"}
        ),
        "tpe, two objectives": _study("tpe", {"trials": 16}, objectives=_TWO),
        "gp, two objectives": _study("gp", objectives=_TWO),
        "random, fused": _fused("random"),
        "tpe in batches, fused": _fused("tpe", batch=12),
    },
    "smac": {
        "random": _study("random"),
        "forest": _study("forest", n_initial=3),
        "hyperband": _study("hyperband", {"trials": 22}),
        "multi-fidelity": _study("multi-fidelity", {"trials": 22}, n_initial=4),
        "multi-fidelity, in epochs": _study("multi-fidelity", {"epochs": 60}),
        "random, fused": _fused("random"),
        "hyperband, fused": _fused("hyperband", 44),
    },
    "vizier": {
        **{name: _study(name) for name in ("random", "quasi-random", "grid", "eagle")},
        "nsga2": _study("nsga2", population_size=4),
        "nsga2, two objectives": _study("nsga2", population_size=4, objectives=_TWO),
        "quasi-random, fused": _fused("quasi-random"),
    },
    "ray-tune": {
        **{name: _study(name) for name in ("random", "grid")},
        "hyperopt": _study("hyperopt", {"trials": 16}, n_initial=4),
        "random, asha": _study("random", {"trials": 16}, pruner={"algorithm": "asha", "reduction_factor": 3}),
        "hyperopt, median": _study("hyperopt", {"trials": 16}, n_initial=4, pruner={"algorithm": "median"}),
        "random, fused": _fused("random"),
    },
    "nni": {
        **{name: _study(name) for name in ("random", "grid")},
        "tpe": _study("tpe", {"trials": 16}, n_initial=4),
        "anneal": _study("anneal", {"trials": 16}),
        "evolution": _study("evolution", {"trials": 16}, population_size=4),
        "random, median": _study("random", {"trials": 16}, pruner={"algorithm": "median"}),
        "hyperband": _study("hyperband", {"trials": 22}),
        "random, fused": _fused("random"),
        "hyperband, fused": _fused("hyperband", 44),
    },
    "nevergrad": {
        "random": _study("random"),
        **{name: _study(name, {"trials": 16}) for name in ("ngopt", "one-plus-one")},
        **{name: _study(name, {"trials": 16}, population_size=4) for name in ("cma", "pso", "de", "two-points-de")},
        "random, fused": _fused("random"),
    },
    "scikit-learn": {
        **{name: _study(name) for name in ("parameter-sampler", "parameter-grid", "randomized-search", "grid-search")},
        "randomized-search, folds": _study("randomized-search", folds=3),
        "grid-search, folds": _study("grid-search", folds=3),
        "halving-random-search": _study("halving-random-search", {"trials": 18}),
        "halving-grid-search": _study("halving-grid-search", {"trials": 18}),
        "halving-random-search, in trials and epochs": _study("halving-random-search", {"trials": 30, "epochs": 40}),
        "halving-random-search, folds": _study("halving-random-search", {"trials": 24}, folds=2),
        "randomized-search, folds, fused": _fused("randomized-search", folds=3),
        "halving-random-search, fused": _fused("halving-random-search"),
        "halving-grid-search, folds": _study("halving-grid-search", {"trials": 24}, folds=2),
    },
}

#: Library and name of the studies that are killed while a trial is promoted, too.
PROMOTING = [
    ("keras-tuner", "hyperband"),
    ("keras-tuner", "hyperband, fused"),
    ("scikit-learn", "halving-random-search"),
    ("scikit-learn", "halving-random-search, fused"),
    ("scikit-learn", "halving-grid-search"),
    ("smac", "hyperband"),
    ("smac", "hyperband, fused"),
    ("smac", "multi-fidelity"),
    ("nni", "hyperband"),
    ("nni", "hyperband, fused"),
]


#: Studies that get more kills.
_LONG_SUGGESTIONS = ("gp", "gp, two objectives", "tpe in batches, fused")


def kills_of(name: str) -> int:
    """Return the number of kills that must hit a study while it runs."""
    return MORE_KILLS if name in _LONG_SUGGESTIONS else KILLS


def drive(driver: str, *arguments: str | Path) -> dict[str, Any]:
    """Run a script of ``drivers/`` and return the JSON object that it prints last."""
    # One thread in every library, as in a job of Snakemake: a pool of threads does not survive a fork.
    paths = os.pathsep.join([str(ROOT / "workflow" / "lib"), str(ROOT / "tests")])
    ended = subprocess.run(
        [sys.executable, DRIVERS / driver, *arguments],
        env=os.environ | ONE_THREAD | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return result


def check_random(killed: dict[str, Any], name: str = "") -> None:
    """Check that kills at random moments changed nothing.

    Args:
        killed: what a driver found of a study.
        name: of the study.
    """
    undisturbed, kills = killed["undisturbed"], killed["random"]["kills"]
    assert len(kills) == kills_of(name)
    assert killed["random"]["rounds"] == [undisturbed] * len(killed["random"]["rounds"])
    numbers = [outcome["number"] for outcome in undisturbed["outcomes"]]
    assert numbers == list(range(len(numbers)))
    # Trials of a batch end almost together: all kills may find the same number of records.
    ends_at_once = len(numbers) == 1 or "fused" in name
    assert ends_at_once or len({trials for trials, _ in kills}) > 1, "all kills fell into one trial"


def check_points(killed: dict[str, Any]) -> None:
    """Check that a kill at each delicate point changed nothing."""
    assert killed["points"]["missed"] == []
    assert killed["points"]["left"] == killed["undisturbed"]


def count_kills_by_part(killed: dict[str, Any]) -> Counter[str]:
    """Return the number of kills that hit each part of a trial, over all studies; "": between the parts."""
    return Counter(part for study in killed.values() for _, part in study["random"]["kills"])
