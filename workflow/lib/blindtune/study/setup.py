"""Set up a search: its tuner, its trainer, its budget, and how a hyperparameter set becomes a training task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import cast

from blindtune.config.network_plan import check_code, check_code_on_samples
from blindtune.config.space_check import check_model_dimensions
from blindtune.config.study import Study
from blindtune.config.systems import Knn, Manual, ManualModel, RandomForest, Tuned, read_model_space
from blindtune.config.training import ClassWeight, Training, TrainingOverrides
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.core.validation import load
from blindtune.datasets.prepared import Prepared
from blindtune.models.architecture import Architecture
from blindtune.models.base import Blueprint, ModelForm
from blindtune.models.estimator import EstimatorBlueprint
from blindtune.models.forms import create_form
from blindtune.models.layers import Dense, Layer
from blindtune.models.network import SampleFacts, is_file
from blindtune.search_space import Hyperparameters, Space
from blindtune.study.candidates import list_candidates
from blindtune.training.base import BatchTrainer, Trainer, TrainingTask
from blindtune.training.class_weights import number_classes
from blindtune.training.pool.launcher import Launcher
from blindtune.training.pool.trainer import Pool
from blindtune.training.registry import TRAINERS, create_trainer
from blindtune.tuners.base import FixedListTuner, Tuner, TunerContext
from blindtune.tuners.engines import engine_versions
from blindtune.tuners.folds import FoldedTuner, FoldPlan, make_folds, plan_folds
from blindtune.tuners.registry import create_tuner


@dataclass(frozen=True)
class TaskBuilder:
    """Builds the training task of a hyperparameter set.

    Attributes:
        study: the study, whose dataset and seed enter the seed of every task.
        data: the shape of a sample and the classes are taken from it.
        model: the file of a manual model; None for any other system.
    """

    study: Study
    data: Prepared
    model: ManualModel | None = None

    def __call__(self, values: Hyperparameters) -> TrainingTask:
        """Return the task of a hyperparameter set.

        Raises:
            ValueError: nothing can be made of the set.
        """
        settings, classes = self.study.settings, len(self.data.classes)
        model: Blueprint | None = None
        training = Training(epochs=settings.epochs if isinstance(settings, Tuned) else 1)
        given: ClassWeight | None = None
        seed_values: dict[str, object] = dict(values)
        if isinstance(settings, Tuned):
            model = self._form.build(values, self.data.sample_shape, classes)
            if isinstance(model, EstimatorBlueprint):
                model = self._number_classes(model)
            if self._form.trains_epochs:
                training = settings.training.with_hyperparameters(self._form.training_values(values))
                given = settings.training.class_weight
        elif self.model is not None:
            layers = add_output_layer(self.model.layers, classes)
            model = Architecture(input_shape=self.data.sample_shape, layers=layers)
            training = self.model.training.with_hyperparameters(values)
            given = self.model.training.class_weight
            if isinstance(settings, Manual) and settings.training.class_weight is not None:
                given = settings.training.class_weight
            # Part of the seed, though the record has a separate field for them.
            seed_values["layers"] = [layer.model_dump() for layer in self.model.layers]
        elif isinstance(settings, RandomForest):
            given = settings.class_weight
        weights = number_classes(given, self.data.classes, f"{self.study.system} on {self.study.dataset}")
        training = training.model_copy(update={"class_weight": weights})
        seed = derive("trial", self.study.dataset, self.study.seed, seed_values)
        return TrainingTask(model, training, values, seed, classes)

    def _number_classes(self, estimator: EstimatorBlueprint) -> EstimatorBlueprint:
        """Return a recipe whose class weights are by label, where its arguments have them by the names of classes."""
        named = {
            name: cast("dict[str, float]", weights)
            for name, weights in estimator.parameters.items()
            if name.rpartition("__")[2] == "class_weight"
            and isinstance(weights, dict)
            and not all(key.isdecimal() for key in weights)
        }
        if not named:
            return estimator
        where = f"{self.study.system} on {self.study.dataset}"
        numbered = {name: number_classes(weights, self.data.classes, where) for name, weights in named.items()}
        return estimator.model_copy(update={"parameters": {**estimator.parameters, **numbered}})

    @cached_property
    def _form(self) -> ModelForm:
        if not isinstance(self.study.settings, Tuned):
            raise TypeError(f"{self.study.settings.kind} has no form of model")
        return create_form(self.study.settings.model_choice)


@dataclass(frozen=True)
class SearchSetup:
    """Everything that a search needs besides its data.

    Attributes:
        tuner: proposes hyperparameter sets.
        trainer: trains them.
        build_task: from a hyperparameter set to a task; raises ValueError if nothing can be made of the set.
        budget: what the search may spend.
        resumes_trials: whether the state of each training must be kept.
        layers: the layers of a manual model, without the output layer; None for any other system.
        create_separate: creates a trainer that trains in one worker process, for sets that may kill the process that
            trains them; None if `trainer` has workers.
        engine_versions: versions of the tuner's optional engine, for the records; empty without one.
    """

    tuner: Tuner
    trainer: Trainer
    build_task: Callable[[Hyperparameters], TrainingTask]
    budget: Budget
    resumes_trials: bool = False
    layers: list[Layer] | None = None
    create_separate: Callable[[], Pool] | None = None
    engine_versions: dict[str, str] = field(default_factory=dict)

    def close(self) -> None:
        """Stop the worker processes, if there are any."""
        if isinstance(self.trainer, Pool):
            self.trainer.close()


def build_search_setup(
    study: Study,
    data: Prepared,
    files: dict[str, Path],
    workers: int = 1,
    notice: Callable[[str], None] = lambda line: None,
    create_launcher: Callable[[], Launcher] | None = None,
) -> SearchSetup:
    """Return the setup of a study's search.

    Args:
        study: the study.
        data: train and dev, with the view of the system applied.
        files: the data files of the system, by the names of its ``files()``.
        workers: number of cores that the trials may use; changes no record.
        notice: called with a message about a worker process.
        create_launcher: creates what starts the workers of a tuner; None: all are on this machine.

    Raises:
        UserError: a file is wrong, or no worker can start.
    """
    settings = study.settings
    model = load(ManualModel, files["model"]) if isinstance(settings, Manual) else None
    trainer = create_trainer(settings.trainer_name, workers)
    build_task = TaskBuilder(study, data, model)
    max_trainings = TRAINERS[settings.trainer_name].max_trainings
    create_pool = partial(
        Pool,
        trainer,
        partial(create_trainer, settings.trainer_name, workers),
        notice=lambda line: notice(f"{study.id}: {line}"),
        max_trainings=max_trainings,
    )
    create_separate = partial(create_pool, 1)
    if isinstance(settings, Knn | RandomForest):
        return _setup_list(trainer, list_candidates(settings), build_task, create_separate)
    if isinstance(settings, Manual) and model is not None:
        sets = [training_hyperparameters(model, settings.training)]
        return _setup_list(trainer, sets, build_task, create_separate)
    if isinstance(settings, Tuned) and study.budget is not None:
        space = read_model_space(files.get("space"), settings.model_choice)
        plan = plan_folds(settings.search_config, space, study.budget, settings.folds, settings.epochs)
        context = TunerContext(space, plan.budget, study.seed, settings.epochs, data.train.y, data.train.group)
        n_workers = count_workers(trainer, study.budget, workers, max_trainings)
        launcher = create_launcher() if create_launcher and benefits_from_workers(trainer) else None
        if launcher is not None and launcher.workers > 1:
            n_workers = launcher.workers
        return SearchSetup(
            _create_tuner(plan, context, settings.folds),
            create_pool(n_workers, launcher=launcher) if n_workers else trainer,
            build_task,
            study.budget,
            plan.config.resumes_trials,
            create_separate=None if n_workers else create_separate,
            engine_versions=engine_versions(plan.config),
        )
    raise TypeError(f"{settings.kind} has no trials")


def check_batches(study: Study, data: Prepared, files: dict[str, Path]) -> None:
    """Refuse what the samples do not fit; few sources tell of them while the workflow is planned.

    That is a network in code that takes no samples of this shape or no last batch of one sample, and batches of
    different sizes that are all of train.

    Called before the first trial alone: a study that was begun when nothing refused them goes on.

    Args:
        study: the study.
        data: train and dev.
        files: the data files of the system, by the names of its ``files()``.

    Raises:
        UserError: the message names the shape, or the dimension.
    """
    settings = study.settings
    if not isinstance(settings, Tuned) or settings.estimator is not None:
        return
    path, choice = files.get("space"), settings.model_choice
    space = read_model_space(path, choice)
    if settings.model is not None and is_file(settings.model):
        _check_code_on_samples(study, data, space, None if path is None else space)
    if "batch_size" not in space.root:
        return
    where, n_samples = str(path or settings.model), len(data.train.y)
    try:
        if settings.model is not None:
            check_code(choice, None if path is None else space, where, n_samples, settings.training)
        else:
            check_model_dimensions(space, choice, settings.trainer, where, n_samples, settings.training)
    except ValueError as error:
        raise UserError(f"{study.id}: {error}") from None


def _check_code_on_samples(study: Study, data: Prepared, space: Space, given: Space | None) -> None:
    """Refuse a network in code that takes no samples of the dataset, or cannot be trained on their last batch."""
    settings = study.settings
    if not isinstance(settings, Tuned):
        return
    sizes: Sequence[object] = [settings.training.batch_size]
    if "batch_size" in space.root:
        dimension = space.root["batch_size"]
        # Where the dimension is not active, the setting of training holds.
        sizes = [*(dimension.values() or []), *(sizes if dimension.when is not None else [])]
    # Folds are of other sizes.
    known = [] if settings.folds is not None else [size for size in sizes if isinstance(size, int)]
    facts = SampleFacts(data.sample_shape, len(data.classes), len(data.train.y), tuple(known))
    try:
        check_code_on_samples(settings.model_choice, given, facts)
    except ValueError as error:
        raise UserError(f"{study.id}: {error}") from None
    except UserError:  # one set that needs too much memory or time is a trial's failure
        return


def _create_tuner(plan: FoldPlan, context: TunerContext, n_folds: int | None) -> Tuner:
    tuner = create_tuner(plan.config, context)
    if plan.n_sets is None or n_folds is None:
        return tuner
    return FoldedTuner(tuner, make_folds(context, n_folds, "folds"), plan.n_sets)


def training_hyperparameters(model: ManualModel, overrides: TrainingOverrides) -> Hyperparameters:
    """Return the one hyperparameter set of a manual model: its training settings.

    Args:
        model: the file of the model.
        overrides: settings of the config that replace those of the file.
    """
    # Class weights are not single values, and change no seed; the card has them under training.
    settings = {**model.training.model_dump(), **overrides.model_dump(exclude_none=True)}
    return {name: value for name, value in settings.items() if name != "class_weight"}


def add_output_layer(layers: Sequence[Layer], classes: int) -> tuple[Layer, ...]:
    """Return ``layers`` and an output layer.

    Args:
        layers: from the input to the last hidden layer.
        classes: number of classes; the output layer gives one logit for each.
    """
    return (*layers, Dense(kind="dense", units=classes))


def count_workers(trainer: Trainer, budget: Budget, workers: int, max_trainings: int | None = None) -> int:
    """Return how many worker processes train the trials of a tuner; 0: this process trains them.

    Args:
        trainer: trains in each.
        budget: if it limits the seconds of a trial, there is one at least: a training that hangs inside a library can
            be ended only with its process.
        workers: number of cores that the trials may use.
        max_trainings: trainings after which a process of the trainer must be replaced; None: never.
    """
    if not benefits_from_workers(trainer):
        workers = 1
    must_end = budget.trial_seconds is not None or (max_trainings is not None and budget.max_trials() > max_trainings)
    return workers if workers > 1 or must_end else 0


def benefits_from_workers(trainer: Trainer) -> bool:
    """Return whether several processes train faster than one.

    Args:
        trainer: trains in each.
    """
    return not isinstance(trainer, BatchTrainer) or trainer.benefits_from_workers


def _setup_list(
    trainer: Trainer, sets: list[Hyperparameters], build_task: TaskBuilder, create_separate: Callable[[], Pool]
) -> SearchSetup:
    layers = None if build_task.model is None else build_task.model.layers
    return SearchSetup(
        FixedListTuner(sets),
        trainer,
        build_task,
        Budget(trials=len(sets)),
        layers=layers,
        create_separate=create_separate,
    )
