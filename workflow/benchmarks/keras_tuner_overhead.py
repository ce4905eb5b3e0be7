"""Seconds per trial of a blindtune Keras Tuner study against a plain keras_tuner script.

Both run the same trials (same space, seed and data), in turns, each in a process of its own; the ratios of wall and
of CPU seconds of each round and their medians are printed. On a machine that does other work only the CPU ratio
counts. ``python workflow/benchmarks/keras_tuner_overhead.py --help``
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SPACE = ROOT / "resources" / "spaces" / "mlp.yaml"


def main() -> None:
    """Run the rounds and print what they took."""
    arguments = _arguments()
    if arguments.side:
        print(json.dumps(_SIDES[arguments.side](arguments)))
        return
    ratios: dict[str, list[float]] = {"seconds": [], "cpu": []}
    for number in range(arguments.rounds):
        # Turns in both orders, so that a machine that warms up or slows down favours neither.
        order = ["plain", "blindtune"] if number % 2 == 0 else ["blindtune", "plain"]
        took = {side: _in_process(side, arguments) for side in order}
        same = took["plain"]["sets"] == took["blindtune"]["sets"]
        for unit, found in ratios.items():
            found.append(took["blindtune"][unit] / took["plain"][unit])
        print(
            f"round {number + 1}: plain {took['plain']['seconds'] / arguments.trials:.3f} s a trial, "
            f"blindtune {took['blindtune']['seconds'] / arguments.trials:.3f} s, ratio {ratios['seconds'][-1]:.3f} "
            f"(CPU {ratios['cpu'][-1]:.3f}), same hyperparameter sets: {same}",
            flush=True,
        )
    print(
        f"median ratio blindtune / plain: {statistics.median(ratios['seconds']):.3f} wall, "
        f"{statistics.median(ratios['cpu']):.3f} CPU"
    )


def plain(arguments: argparse.Namespace) -> dict[str, Any]:
    """The search as a user of keras_tuner writes it."""
    import keras
    import keras_tuner
    import tensorflow

    from blindtune.datasets.store import open_prepared
    from blindtune.spaces import Space
    from blindtune.strict import load
    from blindtune.tuners.keras_tuner import hyperparameters

    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    data = open_prepared(Path(arguments.data))
    train_x, train_y, dev_x, dev_y = (part[:] for part in (data.train.x, data.train.y, data.dev.x, data.dev.y))

    def build(declared: keras_tuner.HyperParameters) -> keras.Model:
        model = keras.Sequential([keras.Input((2,))])
        for number in range(1, declared.get("layers") + 1):
            model.add(keras.layers.Dense(declared.get(f"units_{number}"), declared.get(f"activation_{number}")))
        model.add(keras.layers.Dense(len(data.classes), declared.get("output_activation")))
        model.compile(
            optimizer=keras.optimizers.Adam(0.001), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return model

    begun, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        tuner = keras_tuner.RandomSearch(
            build,
            objective="val_accuracy",
            max_trials=arguments.trials,
            seed=42,
            hyperparameters=hyperparameters(load(Space, SPACE)),
            directory=folder,
            max_consecutive_failed_trials=10**9,
        )
        tuner.search(
            train_x,
            train_y,
            batch_size=512,
            epochs=arguments.epochs,
            validation_data=(dev_x, dev_y),
            verbose=0,
        )
        sets = [trial.hyperparameters.values for trial in tuner.oracle.trials.values()]
    return {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu, "sets": sets}


def blindtune(arguments: argparse.Namespace) -> dict[str, Any]:
    """The same search as a study: its trials, its records, its frozen model."""
    import keras_tuner  # noqa: F401  (imported before the clock starts, as in the plain script)

    from blindtune.console import Console
    from blindtune.datasets.store import open_prepared
    from blindtune.plans import trainer_for
    from blindtune.runs import run
    from blindtune.studies import Study
    from blindtune.trials import TrialLog

    data = open_prepared(Path(arguments.data))
    study = Study.model_validate(
        {
            "config": "benchmark",
            "dataset": data.name,
            "system": "mlp_a1",
            "seed": 42,
            "settings": {
                "kind": "tuner",
                "tuner": {"library": "keras-tuner", "algorithm": "random"},
                "space": "mlp",
                "training": {"learning_rate": 0.001, "batch_size": 512, "epochs": arguments.epochs},
            },
            "budget": {"trials": arguments.trials},
            "scoring": "last",
            "keep": 1,
        }
    )
    trainer_for(study.settings)
    begun, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run(study, data, {"space": SPACE}, "benchmark", Path(folder) / "study", Console())
        seconds, spent = time.perf_counter() - begun, time.process_time() - cpu
        sets = [trial.hyperparameters for trial in TrialLog(Path(folder) / "study" / "trials.jsonl").read()]
    return {"seconds": seconds, "cpu": spent, "sets": sets}


_SIDES = {"plain": plain, "blindtune": blindtune}


def _in_process(side: str, arguments: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--side", side, "--data", arguments.data]
    command += ["--trials", str(arguments.trials), "--epochs", str(arguments.epochs)]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return answer


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="manifest.json of a prepared dataset of two features")
    parser.add_argument("--trials", type=int, default=10, help="trials a round")
    parser.add_argument("--epochs", type=int, default=10, help="epochs a trial")
    parser.add_argument("--rounds", type=int, default=4, help="rounds, each with both sides")
    parser.add_argument("--side", choices=["plain", "blindtune"], help="run one side and print what it took")
    return parser.parse_args()


if __name__ == "__main__":
    main()
