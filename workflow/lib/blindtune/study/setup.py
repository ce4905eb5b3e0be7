"""How a system goes about its study: who proposes, who trains, and how a hyperparameter set becomes a task."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from blindtune.config.systems import Knn, Manual, ManualModel, RandomForest, System, Tuned, read_space
from blindtune.config.training import Training, TrainingOverrides
from blindtune.core.budget import Budget
from blindtune.core.seeds import derive
from blindtune.core.validation import load
from blindtune.datasets.prepared import Prepared
from blindtune.models.architecture import Architecture, skip_invalid_layers
from blindtune.models.families import load_family
from blindtune.models.layers import Dense, Layer
from blindtune.search_space import Hyperparameters
from blindtune.study.candidates import list_candidates
from blindtune.training.base import BatchTrainer, Trainer, TrainingTask
from blindtune.training.pool.trainer import Pool
from blindtune.training.registry import create_trainer
from blindtune.tuners.base import FixedListTuner, Tuner, TunerContext
from blindtune.tuners.registry import create_tuner


@dataclass(frozen=True)
class SearchSetup:
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
    task: Callable[[Hyperparameters], TrainingTask]
    budget: Budget
    resumes_trials: bool = False

    def close(self) -> None:
        """End the processes that train, where there are any."""
        if isinstance(self.trainer, Pool):
            self.trainer.close()


def plan(
    settings: System,
    budget: Budget | None,
    dataset: str,
    seed: int,
    data: Prepared,
    files: dict[str, Path],
    workers: int = 1,
) -> SearchSetup:
    """The plan of a system.

    Args:
        settings: the system.
        budget: of a tuner; None where nothing is tuned.
        dataset: the dataset's name, which seeds the trials.
        seed: the study's.
        data: train and dev.
        files: the data files of the system, by the names of its ``files()``.
        workers: cores that the trials may use; changes no record.

    Raises:
        UserError: a file is wrong.
    """
    model = load(ManualModel, files["model"]) if isinstance(settings, Manual) else None
    trainer = create_trainer(settings.trainer_name, workers)

    def task(values: Hyperparameters) -> TrainingTask:
        return task_of(settings, model, dataset, seed, data, values)

    if isinstance(settings, Knn | RandomForest):
        return _of_list(trainer, list_candidates(settings), task)
    if isinstance(settings, Manual) and model is not None:
        return _of_list(trainer, [manual_hyperparameters(model, settings.training)], task)
    if isinstance(settings, Tuned) and budget is not None:
        tuner, epochs = settings.tuner, settings.training.epochs
        space = read_space(files["space"], settings.family)
        return SearchSetup(
            create_tuner(tuner, TunerContext(space, budget, seed, epochs, data.train.y, data.train.group)),
            _spread(trainer, settings, workers),
            task,
            budget,
            tuner.resumes_trials,
        )
    raise TypeError(f"{settings.kind} has no trials")


def task_of(
    settings: System, model: ManualModel | None, dataset: str, seed: int, data: Prepared, values: Hyperparameters
) -> TrainingTask:
    """What a hyperparameter set of a system trains.

    Args:
        settings: the system.
        model: the file of a manual model; None for every other system.
        dataset: the dataset's name, which seeds the trials.
        seed: the study's.
        data: gives the shape of a sample and the classes.
        values: the set.

    Raises:
        ValueError: it describes nothing that could be trained.
    """
    classes = len(data.classes)
    architecture, training = None, Training(epochs=1)
    if isinstance(settings, Tuned):
        architecture, training = _architecture(settings, values, data), settings.training.with_hyperparameters(values)
    elif model is not None:
        architecture = Architecture(input_shape=data.sample_shape, layers=with_output(model.layers, classes))
        training = model.training.with_hyperparameters(values)
    return TrainingTask(architecture, training, values, derive("trial", dataset, seed, values), classes)


def _spread(trainer: Trainer, settings: Tuned, workers: int) -> Trainer:
    """The trainer of a tuner's many trials, in as many processes as are of use."""
    if workers == 1 or (isinstance(trainer, BatchTrainer) and not trainer.benefits_from_workers):
        return trainer
    return Pool(trainer, partial(create_trainer, settings.trainer_name), workers)


def _of_list(
    trainer: Trainer, sets: list[Hyperparameters], task: Callable[[Hyperparameters], TrainingTask]
) -> SearchSetup:
    return SearchSetup(FixedListTuner(sets), trainer, task, Budget(trials=len(sets)))


def _architecture(settings: Tuned, values: Hyperparameters, data: Prepared) -> Architecture:
    built = load_family(settings.family).build(values, data.sample_shape, len(data.classes))
    return skip_invalid_layers(built) if settings.invalid_layers == "skip" else built


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
