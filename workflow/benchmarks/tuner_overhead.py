"""Compare the time of a blindtune study with a plain script of Keras Tuner, Optuna and scikit-learn.

Both sides of a library run the same trials (same hyperparameter sets, data, epochs and batch size) on Keras models, in
turns, each in a separate process that imports its libraries before the clock starts. Prints the ratios of wall and of
CPU seconds of each round and their medians. On a busy machine only the CPU ratio counts.
``python workflow/benchmarks/tuner_overhead.py --help``
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tuner_overhead_scripts

import blindtune.training  # noqa: F401 - its settings for TensorFlow, before TensorFlow is imported

ROOT = Path(__file__).parents[2]
SPACE = ROOT / "resources" / "spaces" / "guide_mlp.yaml"

#: By library: the tuner whose sets a plain script can repeat, and the trainer that trains as the script does.
SYSTEMS = {
    "keras-tuner": ({"library": "keras-tuner", "algorithm": "random"}, "keras"),
    "optuna": ({"library": "optuna", "algorithm": "random"}, "keras"),
    "scikit-learn": ({"library": "scikit-learn", "algorithm": "randomized-search"}, "scikeras"),
}


def main() -> None:
    """Run the rounds of every library and print their times."""
    arguments = _arguments()
    if arguments.side:
        print(json.dumps(_SIDES[arguments.side](arguments)))
        return
    for library in arguments.libraries:
        _compare(library, arguments)


def _compare(library: str, arguments: argparse.Namespace) -> None:
    ratios: dict[str, list[float]] = {"seconds": [], "cpu": []}
    for number in range(arguments.rounds):
        # In both orders, so that a machine that warms up or slows down favors neither.
        order = ["plain", "blindtune"] if number % 2 == 0 else ["blindtune", "plain"]
        took = {side: _in_process(side, library, arguments) for side in order}
        same = took["plain"]["sets"] == took["blindtune"]["sets"]
        for unit, found in ratios.items():
            found.append(took["blindtune"][unit] / took["plain"][unit])
        print(
            f"{library}, round {number + 1}: plain {took['plain']['seconds'] / arguments.trials:.3f} s a trial, "
            f"blindtune {took['blindtune']['seconds'] / arguments.trials:.3f} s, ratio {ratios['seconds'][-1]:.3f} "
            f"(CPU {ratios['cpu'][-1]:.3f}), same hyperparameter sets: {same}",
            flush=True,
        )
    print(
        f"{library}: median ratio blindtune / plain {statistics.median(ratios['seconds']):.3f} wall, "
        f"{statistics.median(ratios['cpu']):.3f} CPU",
        flush=True,
    )


def plain(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the search as a user of the library writes it."""
    import tensorflow

    from blindtune.core.validation import load
    from blindtune.datasets.prepared import open_prepared
    from blindtune.search_space import Space
    from blindtune.tuners.sklearn.grid import draw_sets

    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    data = open_prepared(Path(arguments.data))
    space = load(Space, SPACE)
    script: Callable[..., Any] = tuner_overhead_scripts.SCRIPTS[arguments.libraries[0]]
    parts = [part[:] for part in (data.train.x, data.train.y, data.dev.x, data.dev.y)]
    sets = list(draw_sets(space, arguments.trials, 42))
    return _timed(lambda: script(parts, space, sets, arguments.trials, arguments.epochs))


def study(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the same search as a study: its trials, its records, its frozen model."""
    from blindtune.config.study import Study
    from blindtune.core.job_log import JobLog
    from blindtune.datasets.prepared import open_prepared
    from blindtune.records.trial import TrialLog
    from blindtune.study.run import run_study
    from blindtune.training.registry import create_trainer

    tuner, trainer = SYSTEMS[arguments.libraries[0]]
    data = open_prepared(Path(arguments.data))
    study = Study.model_validate(
        {
            "config": "benchmark",
            "dataset": data.name,
            "system": "it",
            "seed": 42,
            "settings": {
                "kind": "tuner",
                "tuner": tuner,
                "space": "guide_mlp",
                "trainer": trainer,
                "training": {"batch_size": tuner_overhead_scripts.BATCH, "epochs": arguments.epochs},
            },
            "budget": {"trials": arguments.trials},
            "score_epoch": "last",
            "keep_best": 1,
        }
    )
    create_trainer(study.settings.trainer_name)
    tuner_overhead_scripts.imports()

    def whole() -> list[Any]:
        with tempfile.TemporaryDirectory() as folder:
            run_study(
                study, data, files={"space": SPACE}, code="benchmark", folder=Path(folder) / "study", job_log=JobLog()
            )
            return [trial.hyperparameters for trial in TrialLog(Path(folder) / "study" / "trials.jsonl").read()]

    return _timed(whole)


_SIDES = {"plain": plain, "blindtune": study}


def _timed(work: Callable[[], Any]) -> dict[str, Any]:
    begun, cpu = time.perf_counter(), time.process_time()
    sets = work()
    return {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu, "sets": sets}


def _in_process(side: str, library: str, arguments: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--side", side, "--data", arguments.data, "--libraries", library]
    command += ["--trials", str(arguments.trials), "--epochs", str(arguments.epochs)]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return answer


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="manifest.json of a prepared dataset of two features")
    parser.add_argument("--libraries", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), help="which to compare")
    parser.add_argument("--trials", type=int, default=8, help="trials per round")
    parser.add_argument("--epochs", type=int, default=10, help="epochs per trial")
    parser.add_argument("--rounds", type=int, default=4, help="rounds, each with both sides")
    parser.add_argument("--side", choices=list(_SIDES), help="run one side of one library and print its time")
    return parser.parse_args()


if __name__ == "__main__":
    main()
