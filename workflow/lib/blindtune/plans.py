"""How a system goes about its study: who proposes, who trains, and how a hyperparameter set becomes a task."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blindtune.budgets import Budget
from blindtune.datasets.store import Prepared
from blindtune.models.architecture import Architecture, Dense, Layer, without_impossible
from blindtune.models.families import BUILD
from blindtune.seeds import derive
from blindtune.spaces import Hyperparameters
from blindtune.strict import load
from blindtune.systems import (
    Knn,
    Manual,
    ManualModel,
    RandomForest,
    System,
    TrainingOverrides,
    Tuned,
    read_space,
)
from blindtune.training.base import Task, Trainer, Training
from blindtune.tuners.base import Given, Start, Tuner


@dataclass(frozen=True)
class Plan:
    """Everything that a search needs beside its data.

    Attributes:
        tuner: proposes.
        trainer: trains.
        task: from a hyperparameter set to what is trained; raises ValueError where the set describes nothing.
        budget: what the search may spend.
        promotes: whether where each training stands must be kept.
    """

    tuner: Tuner
    trainer: Trainer
    task: Callable[[Hyperparameters], Task]
    budget: Budget
    promotes: bool = False


def trainer_for(settings: System) -> Trainer:
    """The trainer of a system; imports the library that it needs."""
    match settings:
        case Knn():
            from blindtune.training.scikit import knn

            return knn()
        case RandomForest():
            from blindtune.training.scikit import random_forest

            return random_forest()
        case Manual(trainer="pytorch") | Tuned(trainer="pytorch"):
            from blindtune.training.pytorch import PyTorchTrainer

            return PyTorchTrainer()
        case Manual(trainer="skorch") | Tuned(trainer="skorch"):
            from blindtune.training.skorch import SkorchTrainer

            return SkorchTrainer()
        case Manual(trainer="scikeras") | Tuned(trainer="scikeras"):
            from blindtune.training.scikeras import SciKerasTrainer

            return SciKerasTrainer()
        case Manual() | Tuned():
            from blindtune.training.keras import KerasTrainer

            return KerasTrainer()
        case _:
            raise TypeError(f"{settings.kind} is not trained")


def plan(
    settings: System, budget: Budget | None, dataset: str, seed: int, data: Prepared, files: dict[str, Path]
) -> Plan:
    """The plan of a system.

    Args:
        settings: the system.
        budget: of a tuner; None where nothing is tuned.
        dataset: the dataset's name, which seeds the trials.
        seed: the study's.
        data: train and dev.
        files: the data files of the system, by the names of its ``files()``.

    Raises:
        UserError: a file is wrong.
    """
    classes = len(data.classes)

    def task(values: Hyperparameters, architecture: Architecture | None, training: Training) -> Task:
        return Task(architecture, training, values, derive("trial", dataset, seed, values), classes)

    if isinstance(settings, Knn | RandomForest):
        sets = settings.candidates()
        return _of_list(settings, sets, lambda values: task(values, None, Training(epochs=1)))
    if isinstance(settings, Manual):
        model = load(ManualModel, files["model"])
        layers = with_output(model.layers, classes)
        architecture = Architecture(input_shape=data.sample_shape, layers=layers)
        training = model.training.with_hyperparameters(settings.training.model_dump(exclude_none=True))
        values = manual_hyperparameters(model, settings.training)
        return _of_list(settings, [values], lambda values: task(values, architecture, training))
    if isinstance(settings, Tuned) and budget is not None:
        tuned, base = settings, settings.training
        space = read_space(files["space"], tuned.family)
        return Plan(
            tuned.tuner.start(Start(space, budget, seed, base.epochs, data.train.y, data.train.group)),
            trainer_for(tuned),
            lambda values: task(values, _architecture(tuned, values, data), base.with_hyperparameters(values)),
            budget,
            tuned.tuner.promotes,
        )
    raise TypeError(f"{settings.kind} has no trials")


def _of_list(settings: System, sets: list[Hyperparameters], task: Callable[[Hyperparameters], Task]) -> Plan:
    return Plan(Given(sets), trainer_for(settings), task, Budget(trials=len(sets)))


def _architecture(settings: Tuned, values: Hyperparameters, data: Prepared) -> Architecture:
    built = BUILD[settings.family](values, data.sample_shape, len(data.classes))
    return without_impossible(built) if settings.impossible == "leave_out" else built


def manual_hyperparameters(model: ManualModel, overrides: TrainingOverrides) -> Hyperparameters:
    """The one hyperparameter set of a manual model: its training settings and its layers."""
    replaced = overrides.model_dump(exclude_none=True)
    return {
        **model.training.model_dump(),
        **replaced,
        "layers": [layer.model_dump() for layer in model.layers],
    }


def with_output(layers: list[Layer], classes: int) -> tuple[Layer, ...]:
    """``layers`` and the output layer that gives one logit per class."""
    return (*layers, Dense(kind="dense", units=classes))
