"""Measure what the tuners of each library cost by themselves: start, memory, and CPU time of a suggestion.

Each algorithm runs in a fresh process, which proposes sets, is told scores and trains nothing. Prints CPU
seconds until the first set, imports included; peak memory; CPU milliseconds of a trial (asking and telling) over the
second half of the trials; and how many of the sets differ. An algorithm that refuses conditions or ranges has a space
without them, which is said.
``python workflow/benchmarks/tuner_costs.py --help``
"""

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from blindtune.core.budget import Budget
from blindtune.search_space import Hyperparameters, Space
from blindtune.tuners.base import TunerConfig, TunerContext
from blindtune.tuners.engines import ENGINES, find_fault
from blindtune.tuners.registry import create_tuner, list_algorithms, tuner_config_type

EPOCHS = 9
#: Seven hyperparameters. The second space is without conditions, the third without ranges.
SPACES: dict[str, dict[str, dict[str, Any]]] = {
    "conditions": {
        "layers": {"type": "int", "low": 1, "high": 3},
        "units": {"type": "int", "low": 8, "high": 128, "log": True, "repeat": "layers"},
        "activation": {"type": "choice", "options": ["relu", "tanh", "sigmoid"]},
        "dropout": {"type": "bool"},
        "dropout_rate": {"type": "float", "low": 0.1, "high": 0.5, "when": {"dropout": [True]}},
        "learning_rate": {"type": "float", "low": 0.0001, "high": 0.1, "log": True},
        "batch_size": {"type": "int", "low": 16, "high": 256, "log": True},
    },
    "numbers alone": {
        "layers": {"type": "int", "low": 1, "high": 3},
        "units_1": {"type": "int", "low": 8, "high": 128, "log": True},
        "units_2": {"type": "int", "low": 8, "high": 128, "log": True},
        "units_3": {"type": "int", "low": 8, "high": 128, "log": True},
        "dropout_rate": {"type": "float", "low": 0.1, "high": 0.5},
        "learning_rate": {"type": "float", "low": 0.0001, "high": 0.1, "log": True},
        "batch_size": {"type": "int", "low": 16, "high": 256, "log": True},
    },
    "lists alone": {
        "layers": {"type": "int", "low": 1, "high": 3},
        "units": {"type": "int", "low": 16, "high": 96, "step": 16},
        "activation": {"type": "choice", "options": ["relu", "tanh", "sigmoid"]},
        "dropout": {"type": "bool"},
        "dropout_rate": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1},
        "learning_rate": {"type": "float", "low": 0.001, "high": 0.01, "step": 0.001},
        "batch_size": {"type": "choice", "options": [16, 32, 64, 128, 256]},
    },
}
#: Those that fit a model before each suggestion; they have `--slow-trials`.
SLOW = {("keras-tuner", "bayesian"), ("optuna", "gp"), ("smac", "forest"), ("smac", "multi-fidelity")}


def main() -> None:
    """Measure each algorithm in fresh processes, and print a line for each."""
    arguments = _arguments()
    if arguments.one:
        library, algorithm = arguments.one
        print(json.dumps(_measure(library, algorithm, arguments.trials)))
        return
    print("library  algorithm  start s  memory MB  ms a trial  different sets  space")
    for library, algorithm in sorted(list_algorithms()):
        if arguments.libraries and library not in arguments.libraries:
            continue
        if library in ENGINES and (fault := find_fault(library)):
            print(f"{library}  {algorithm}  not measured: {fault}", flush=True)
            continue
        trials = arguments.slow_trials if (library, algorithm) in SLOW else arguments.trials
        found = [_in_process(library, algorithm, trials) for _ in range(arguments.rounds)]
        start, memory, cost = (
            statistics.median(one[key] for one in found) for key in ("start", "megabytes", "milliseconds")
        )
        sets = f"{found[0]['different']} of {found[0]['trials']}"
        print(f"{library}  {algorithm}  {start:.1f}  {memory:.0f}  {cost:.1f}  {sets}  {found[0]['space']}", flush=True)


def _in_process(library: str, algorithm: str, trials: int) -> dict[str, Any]:
    """Return what `_measure` finds in a fresh process."""
    command = [sys.executable, __file__, "--one", library, algorithm, "--trials", str(trials)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"{library} {algorithm}: {ran.stderr}")
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def _measure(library: str, algorithm: str, trials: int) -> dict[str, Any]:
    config = TypeAdapter[TunerConfig](tuner_config_type()).validate_python({"library": library, "algorithm": algorithm})
    budget = Budget(trials=trials)
    name, space = _choose_space(config, budget)
    # Samples of two classes, for those that divide them into folds.
    labels = np.arange(40, dtype=np.int64) % 2
    tuner = create_tuner(config, TunerContext(space, budget, 42, EPOCHS, labels))
    found: list[Hyperparameters] = []
    times: list[float] = []
    while len(found) < trials and (proposal := tuner.ask()) is not None:
        if not found:
            times.append(time.process_time())
        found.append(proposal.hyperparameters)
        tuner.tell(_finish(proposal.hyperparameters))
        times.append(time.process_time())
    half = len(found) // 2
    return {
        "start": times[0],
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "milliseconds": 1000 * (times[-1] - times[half]) / (len(found) - half),
        "different": len({json.dumps(one, sort_keys=True) for one in found}),
        "trials": len(found),
        "space": name,
    }


def _choose_space(config: TunerConfig, budget: Budget) -> tuple[str, Space]:
    """Return the first of the spaces that an algorithm takes, and its name."""
    refused = []
    for name, content in SPACES.items():
        space = Space.model_validate(content)
        try:
            config.check(space, budget, EPOCHS)
        except ValueError as error:
            refused.append(str(error))
        else:
            return name, space
    raise SystemExit(f"no space fits: {refused}")


def _finish(values: Hyperparameters) -> Any:
    """Return the part of a trial's record that a tuner reads; its score follows from the set."""
    score = abs(math.log10(float(values["learning_rate"])) + 2) / 4 + int(values["layers"]) / 10
    return SimpleNamespace(status="completed", score=score, n_parameters=1000, objective_value=lambda: score)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--libraries", nargs="*", default=[], help="measure these alone (default: all)")
    parser.add_argument("--trials", type=int, default=200, help="trials of a search (default: %(default)s)")
    parser.add_argument("--slow-trials", type=int, default=100, help="of those that fit a model (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="processes of each (default: %(default)s)")
    parser.add_argument("--one", nargs=2, metavar=("LIBRARY", "ALGORITHM"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
