"""How can MLP-A2 of #10 have 40.11% on dev, if a search of 500 sets finds 25%? Ways to read the paper, tried.

Each reading trains hyperparameter sets by the fused trainer and writes one record for each: the curve of its training,
and the errors of its last epoch on train, dev and eval. A record is written once, so a reading can be continued.

    python workflow/benchmarks/claims_readings.py networks FOLDER records          # the networks of Table 4, again
    python workflow/benchmarks/claims_readings.py sets FOLDER records --reading ours --count 64
    python workflow/benchmarks/claims_readings.py kept FOLDER records --study results/claims/studies/isip_10/mlp_a2/42

FOLDER has train.csv, dev.csv and eval.csv of #10. ``kept`` scores the trials of a study whose weights were kept. Run it
after the study's decode: a look at eval before would end its blindness. `claims_tables.py` prints what was found.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import workload
from claims_data import load_splits

from blindtune.config.training import Training
from blindtune.core.resources import RESOURCES
from blindtune.core.seeds import derive
from blindtune.core.yaml_files import read_yaml
from blindtune.datasets.base import Split
from blindtune.exports.stored_study import read_study
from blindtune.models.architecture import Architecture
from blindtune.models.layers import Dropout
from blindtune.search_space import Hyperparameters, Space
from blindtune.study.checkpoints import WeightStore
from blindtune.training.base import Arrays, Outcome, Trainer, TrainingOptions, TrainingTask
from blindtune.training.registry import create_trainer

#: The tuned networks of Table 4.
NETWORKS: dict[str, Hyperparameters] = {
    "mlp_a1": {
        "layers": 5,
        **{f"units_{n}": units for n, units in enumerate((52, 92, 62, 72, 67), 1)},
        **{f"activation_{n}": name for n, name in enumerate(("sigmoid", "sigmoid", "sigmoid", "sigmoid", "tanh"), 1)},
        "output_activation": "softmax",
    },
    "mlp_a2": {
        "layers": 4,
        **{f"units_{n}": units for n, units in enumerate((97, 47, 62, 37), 1)},
        **{f"activation_{n}": name for n, name in enumerate(("tanh", "sigmoid", "exponential", "tanh"), 1)},
        "dropout_rate": 0.25,
        "output_activation": "sigmoid",
    },
}

#: Changes of the networks that `networks` trains, as if they were trainers, with the trainer of each.
_CHANGED = {"divided": "pytorch", "dropped": "fused"}

#: Share of train on which sets are chosen in the reading ``held out``.
_HELD_OUT = 0.2


class DividedOutputs(Architecture):
    """A network whose outputs, divided by their sum, are the probabilities of the cross-entropy.

    blindtune trains a sigmoid output as Keras on TensorFlow does, whose cross-entropy takes the inputs of the sigmoid
    for logits. This is what Keras's documentation says instead.
    """

    def for_loss(self, loss: str) -> Self:
        """Return the network as it is: its sigmoid is not left out."""
        return self


@dataclass(frozen=True)
class Reading:
    """What a search may have done.

    Attributes:
        space: dimensions that replace those of `mlp_dropout`; null removes one.
        training: settings that replace those of section V.
        input_dropout: whether the inputs are dropped too, with the rate of the layers.
        held_out: whether a fifth of train is kept from training, to choose by.
    """

    space: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    input_dropout: bool = False
    held_out: bool = False


READINGS = {
    "ours": Reading(),
    "rate 0.25": Reading({"dropout_rate": {"type": "fixed", "value": 0.25}}),
    "rates up to 0.9": Reading({"dropout_rate": {"type": "float", "low": 0.1, "high": 0.9, "step": 0.1}}),
    "dropout of inputs too": Reading(input_dropout=True),
    "deeper and wider": Reading(
        {"layers": {"type": "int", "low": 4, "high": 10}, "units": {"type": "int", "low": 32, "high": 512, "step": 32}}
    ),
    "narrower": Reading({"units": {"type": "int", "low": 2, "high": 97, "step": 5, "repeat": "layers"}}),
    "loss searched": Reading(
        {"loss": {"type": "choice", "options": ["sparse_categorical_crossentropy", "mean_squared_error"]}}
    ),
    "optimizer searched": Reading(
        {"optimizer": {"type": "choice", "options": ["adam", "sgd", "rmsprop"]}},
    ),
    "35 epochs": Reading(training={"epochs": 35}),
    "batches of 32": Reading(training={"batch_size": 32}),
    "held out": Reading(held_out=True),
}


def main() -> None:
    """Train or score, and write records."""
    arguments = _arguments()
    splits = load_splits(arguments.folder)
    arguments.records.mkdir(parents=True, exist_ok=True)
    match arguments.what:
        case "networks":
            for name, values in NETWORKS.items():
                if arguments.trainer == "dropped" and "dropout_rate" not in values:
                    continue
                path = arguments.records / f"networks_{name}_{arguments.trainer}.jsonl"
                append(path, train_network(name, splits, arguments.trainer, range(_lines(path), arguments.count)))
        case "sets":
            path = arguments.records / f"sets_{arguments.reading.replace(' ', '_')}_{arguments.trainer}.jsonl"
            numbers = range(_lines(path), arguments.count)
            append(path, train_reading(READINGS[arguments.reading], splits, arguments.trainer, numbers))
        case "kept":
            study = read_study(arguments.study).study
            path = arguments.records / f"kept_{study.dataset}_{study.system}_{study.seed}.jsonl"
            path.unlink(missing_ok=True)
            append(path, score_kept(arguments.study, splits))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["networks", "sets", "kept"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("records", type=Path, help="folder of the records")
    parser.add_argument("--reading", choices=READINGS, default="ours")
    parser.add_argument("--count", type=int, default=8, help="sets of the reading, or trainings of each network")
    parser.add_argument(
        "--trainer",
        choices=["fused", "keras", "pytorch", *_CHANGED],
        default="fused",
        help="divided: outputs as in `DividedOutputs`; dropped: networks with dropout drop their inputs too",
    )
    parser.add_argument("--study", type=Path, help="folder of a study, for kept")
    return parser.parse_args()


def append(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Append each record to a file as soon as it is there."""
    with path.open("a", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record) + "\n")
            file.flush()


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


def train_network(name: str, splits: dict[str, Split], trainer: str, numbers: range) -> Iterator[dict[str, Any]]:
    """Train a published network once for each number; yield a record for each.

    Args:
        name: of the network.
        splits: train, dev and eval.
        trainer: as a config names it, or one of `_CHANGED`.
        numbers: seeds of the trainings.
    """
    training = Training(learning_rate=0.001, batch_size=512, epochs=10, initial_weights="keras")
    tasks = [workload.create_task(NETWORKS[name], training, seed=number) for number in numbers]
    if trainer == "divided":
        tasks = [_divide_outputs(task) for task in tasks]
    if trainer == "dropped":
        tasks = [_drop_inputs(task) for task in tasks]
    yield from _train(tasks, splits, _CHANGED.get(trainer, trainer))


def train_reading(reading: Reading, splits: dict[str, Split], trainer: str, numbers: range) -> Iterator[dict[str, Any]]:
    """Train random sets of a reading; yield a record for each.

    Args:
        reading: how the paper is read.
        splits: train, dev and eval.
        trainer: as a config names it.
        numbers: of the sets: each number is one set, in every run.
    """
    space = make_space(reading)
    base = Training(learning_rate=0.001, batch_size=512, epochs=10, initial_weights="keras")
    training = base.model_copy(update=reading.training)
    tasks = []
    for number in numbers:
        values = space.draw(np.random.default_rng(derive("reading", number)))
        task = workload.create_task(values, training, seed=number)
        if reading.input_dropout:
            task = _drop_inputs(task)
        tasks.append(task)
    held = None
    if reading.held_out:
        train = splits["train"]
        order = np.random.default_rng(0).permutation(len(train.y))
        first = round(_HELD_OUT * len(order))
        held = Split(train.x[order[:first]], train.y[order[:first]])
        splits = splits | {"train": Split(train.x[order[first:]], train.y[order[first:]])}
    yield from _train(tasks, splits, trainer, held)


def make_space(reading: Reading) -> Space:
    """Return the space of a reading."""
    changed = read_yaml(RESOURCES / "spaces" / "mlp_dropout.yaml") | reading.space
    if "units" in reading.space and "repeat" not in reading.space["units"]:
        changed["units"] = changed["units"] | {"repeat": "layers"}
    return Space.model_validate({name: dimension for name, dimension in changed.items() if dimension is not None})


def _given(task: TrainingTask) -> Architecture:
    """Return the architecture of a task with its last activation."""
    if not isinstance(task.model, Architecture):
        raise TypeError("needs an architecture")
    return task.model


def _divide_outputs(task: TrainingTask) -> TrainingTask:
    old = _given(task)
    model = DividedOutputs(input_shape=old.input_shape, layers=old.layers)
    return TrainingTask(model, task.training, task.hyperparameters, task.seed, task.classes)


def _drop_inputs(task: TrainingTask) -> TrainingTask:
    old = _given(task)
    rate = float(task.hyperparameters["dropout_rate"])
    layers = (Dropout(kind="dropout", rate=rate), *old.layers)
    model = Architecture(input_shape=old.input_shape, layers=layers)
    return TrainingTask(model, task.training, task.hyperparameters, task.seed, task.classes)


def _train(
    tasks: list[TrainingTask], splits: dict[str, Split], name: str, held: Split | None = None
) -> Iterator[dict[str, Any]]:
    trainer = create_trainer(name)
    options = TrainingOptions("last")
    # In small parts, so that little is lost if the run is ended.
    for first in range(0, len(tasks), 16):
        part = tasks[first : first + 16]
        if hasattr(trainer, "train_batch"):
            jobs = [(task, options) for task in part]
            outcomes = dict(trainer.train_batch(jobs, splits["train"], splits["dev"]))
        else:
            outcomes = {
                place: trainer.train(task, splits["train"], splits["dev"], options) for place, task in enumerate(part)
            }
        for place, task in enumerate(part):
            outcome = outcomes[place]
            if isinstance(outcome, Exception):
                raise outcome
            yield _record(trainer, task, outcome, splits, held)


def _record(
    trainer: Trainer, task: TrainingTask, outcome: Outcome, splits: dict[str, Split], held: Split | None
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "hyperparameters": task.hyperparameters,
        "status": outcome.status,
        "n_parameters": outcome.n_parameters,
        "curve": [[m.train_error, m.train_loss, m.dev_error, m.dev_loss] for m in outcome.curve],
    }
    if outcome.status != "completed":
        return record
    record |= _errors(trainer, task, outcome.weights, splits)
    if held is not None:
        record["held"] = _errors(trainer, task, outcome.weights, {"train": splits["train"], "held": held})["held"]
    return record


def _errors(trainer: Trainer, task: TrainingTask, weights: Arrays, splits: dict[str, Split]) -> dict[str, float]:
    predict = trainer.rebuild(task, weights, splits["train"])
    return {name: float(np.mean(predict(split.x) != split.y)) for name, split in splits.items()}


def score_kept(folder: Path, splits: dict[str, Split]) -> Iterator[dict[str, Any]]:
    """Score the trials of a study whose weights were kept on train, dev and eval; yield a record for every trial.

    Args:
        folder: of the study.
        splits: train, dev and eval.

    Raises:
        ValueError: a rebuilt model does not give its recorded dev error.
    """
    stored = read_study(folder)
    trainer = create_trainer("fused")
    store = WeightStore(folder, stored.study.keep_best)
    for trial in stored.trials:
        record: dict[str, Any] = {
            "hyperparameters": trial.hyperparameters,
            "status": trial.status,
            "n_parameters": trial.n_parameters,
            "curve": [[m.train_error, m.train_loss, m.dev_error, m.dev_loss] for m in trial.curve],
        }
        weights = store.load_weights(trial) if trial.status == "completed" else None
        if weights is not None:
            task = workload.create_task(trial.hyperparameters, Training())
            record |= _errors(trainer, task, weights, splits)
            if trial.score is None or abs(record["dev"] - trial.score) > 1e-9:
                raise ValueError(f"trial {trial.number}: {record['dev']} on dev, {trial.score} in its record")
        yield record


if __name__ == "__main__":
    main()
