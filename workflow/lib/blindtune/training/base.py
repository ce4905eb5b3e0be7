"""The interface of trainers: what is trained, how, and what comes back.

A tuner proposes hyperparameters and gets scores. A trainer turns one proposal into a scored model, with a framework's
own loop or with a faster one; no other part of the system knows which.
"""

import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import ValidationError

from blindtune.config.training import ScoreEpoch, Training
from blindtune.core.errors import UserError
from blindtune.core.failures import explain, is_machine_error
from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.metrics.base import Answers
from blindtune.metrics.registry import ERROR, is_error
from blindtune.models.architecture import Architecture
from blindtune.models.base import Blueprint
from blindtune.models.layers import InvalidModelError
from blindtune.records.trial import EpochMetrics, Status
from blindtune.search_space import Hyperparameters
from blindtune.training.halves import train_in_halves
from blindtune.training.progress import Progress, resume_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from blindtune.views.base import SampleView


#: From samples, in the form in which the trainer got them, to their labels, (n_samples,) int64.
Predict = Callable[["NDArray[np.float32] | SampleView"], "NDArray[np.int64]"]
#: From samples, as above, to their labels and, if the model has them, the probabilities of the classes.
Answer = Callable[["NDArray[np.float32] | SampleView"], Answers]
Arrays = dict[str, "NDArray[Any]"]
#: Called with the number of an epoch and its metrics; returns the reason to prune the trial, or None.
AfterEpoch = Callable[[int, EpochMetrics], str | None]


@dataclass(frozen=True)
class Model:
    """A rebuilt model: a function from samples to labels that may know the probabilities of the classes too.

    Attributes:
        answer: returns labels and probabilities of samples in one pass.
        labels: returns the same labels alone, where that costs less; None: `answer` is asked.
        get_network: returns what is behind it: the module of PyTorch, the model of Keras or the fitted estimator of
            scikit-learn, which takes samples with the view applied; None: the trainer does not give it away.
    """

    answer: Answer
    labels: Predict | None = None
    get_network: Callable[[], Any] | None = None

    def predict(self, x: "NDArray[np.float32] | SampleView") -> "NDArray[np.int64]":
        """Return the label of each sample, (n_samples,) int64."""
        return self.answer(x).labels if self.labels is None else self.labels(x)

    def probabilities(self, x: "NDArray[np.float32] | SampleView") -> "NDArray[np.float32] | None":
        """Return the probability of each class, (n_samples, n_classes) float32; None if the model gives none."""
        return self.answer(x).probabilities

    def __call__(self, x: "NDArray[np.float32] | SampleView") -> "NDArray[np.int64]":
        """Return the label of each sample, as `predict`."""
        return self.predict(x)


def as_model(rebuilt: "Model | Predict") -> Model:
    """Return what a trainer rebuilt as a model; a plain function from samples to labels gives no probabilities."""
    return rebuilt if isinstance(rebuilt, Model) else Model(lambda x: Answers(rebuilt(x)), rebuilt)


@dataclass(frozen=True)
class TrainingTask:
    """One model to train.

    Attributes:
        model: what to build; None for a reference model, which its trainer and the hyperparameters determine.
        training: how to train it.
        hyperparameters: the set from which model and training were made.
        seed: seeds weights, order of samples and dropout.
        classes: number of classes.
    """

    model: Blueprint | None
    training: Training
    hyperparameters: Hyperparameters
    seed: int
    classes: int

    @property
    def architecture(self) -> Architecture:
        """The architecture that is trained, see `Architecture.for_loss`; raises TypeError for another form of model."""
        if not isinstance(self.model, Architecture):
            raise TypeError("a trainer of networks needs an architecture")
        return self.model.for_loss(self.training.loss)

    @property
    def has_weights(self) -> bool:
        """Whether the trained model is kept as weights; if not, it is fitted again on train."""
        return self.model is not None and self.model.has_weights


def require_architecture(task: TrainingTask) -> Architecture:
    """Return the architecture of a task; raises TypeError if it has none."""
    return task.architecture


@dataclass(frozen=True)
class State:
    """A training after some epochs, from which a trainer can resume.

    Attributes:
        epochs: epochs trained so far.
        arrays: weights, moments of the optimizer and random state, under names that the trainer chooses.
    """

    epochs: int
    arrays: "Arrays"


def _never_prune(epoch: int, metrics: EpochMetrics) -> str | None:
    return None


@dataclass(frozen=True)
class TrainingOptions:
    """How one task is trained, scored and reported; see `TrainingTask` for what is trained.

    Attributes:
        score_epoch: which epoch is scored.
        clock: adds up the seconds of building, training and scoring.
        after_epoch: called after each epoch with its number, counted from the start of the training, and its metrics;
            returns the reason to prune the trial, or None.
        state: where to resume; None: train from the start.
        keep_state: whether the outcome holds the state after the last epoch.
        limit: seconds of building, training and scoring after which the training has failed; None: no limit.
        name: what is trained, for messages, such as ``trial 12``.
        metric: what dev is ranked by, a key of `blindtune.metrics.registry.METRICS`; unless it is the error, the
            trainer sets ``dev_metric`` of each epoch's metrics.
    """

    score_epoch: ScoreEpoch
    clock: Stopwatch = field(default_factory=Stopwatch)
    after_epoch: AfterEpoch = _never_prune
    state: State | None = None
    keep_state: bool = False
    limit: float | None = None
    name: str = ""
    metric: str = ERROR

    @property
    def trained_before(self) -> int:
        """Epochs that were trained before `state`."""
        return self.state.epochs if self.state else 0


@dataclass(frozen=True)
class Outcome:
    """The result of one training.

    Attributes:
        status: how the training ended.
        reason: why it did not complete; None if it did.
        curve: metrics of each epoch that was trained in this call.
        scored_epoch: the epoch whose weights are scored, counted from the start of the training.
        n_parameters: number of trainable parameters; None for models that are not networks.
        weights: weights of the scored epoch by name; empty unless the training completed.
        state: state after the last epoch, if it was asked for.
        retries: one line for each time that the training was started again because its worker died.
        started: UTC, ISO 8601; None: when the call of the trainer began.
        warnings: what a library warned of, one text per kind; the training went on.
        host: name of the machine that trained; None: this one.
    """

    status: Status
    reason: str | None
    curve: list[EpochMetrics]
    scored_epoch: int | None
    n_parameters: int | None
    weights: "Arrays" = field(default_factory=dict)
    state: State | None = None
    retries: list[str] = field(default_factory=list)
    started: str | None = None
    warnings: tuple[str, ...] = ()
    host: str | None = None


#: Parts of a clock that are not spent on the training itself: the tuner's answers, and the wait of a worker for them.
WAITING_PARTS = ("suggest", "waiting")

#: Characters of the longest reason: some libraries put a whole graph into one line.
_MAX_REASON = 1000

#: A task and how it is trained.
TrainingJob = tuple[TrainingTask, TrainingOptions]


class Trainer(Protocol):
    """Trains one model at a time.

    Life cycle:

    1. `blindtune.training.registry.create_trainer` creates a trainer once per process. Importing its module may set the
       number of threads or the backend of a library for the whole process.
    2. The search calls `train` for each trial, unless the trainer is a `BatchTrainer`. The trainer calls
       ``options.after_epoch`` after each epoch and stops when a reason comes back. The same task gives the same
       outcome, no matter what was trained before.
    3. If `supports_resume`, a tuner may promote a trial: the search calls `train` again with more epochs and with the
       state that the earlier call returned.
    4. Freezing, rescoring and decoding call `rebuild` with the recorded weights, mostly in another process.
    5. `versions` is written to every record.

    Examples:
        >>> import numpy as np
        >>> from blindtune.config.training import Training
        >>> class MajorityTrainer:
        ...     supports_resume = False
        ...     def train(self, task, train, dev, options):
        ...         with options.clock.measure("train"):
        ...             label = np.bincount(train.y).argmax()
        ...         tracker = EpochTracker(1, options)
        ...         error = float(np.mean(dev.y != label))
        ...         metrics = EpochMetrics(train_loss=0.0, train_error=None, dev_loss=0.0, dev_error=error)
        ...         tracker.add(metrics, lambda: {})
        ...         return tracker.outcome(1, lambda: {"label": np.array([label])}, lambda: {})
        ...     def rebuild(self, task, weights, train):
        ...         return lambda x: np.full(len(x), weights["label"][0])
        ...     def versions(self):
        ...         return {"numpy": np.__version__}
        >>> split = Split(np.zeros((3, 2), np.float32), np.array([0, 1, 1]))
        >>> task = TrainingTask(None, Training(epochs=1), {}, 7, 2)
        >>> outcome = MajorityTrainer().train(task, split, split, TrainingOptions("last"))
        >>> outcome.status, outcome.scored_epoch, round(outcome.curve[0].dev_error, 3)
        ('completed', 1, 0.333)
        >>> MajorityTrainer().rebuild(task, outcome.weights, split)(split.x).tolist()
        [1, 1, 1]
    """

    #: Whether `train` can resume from the state of an earlier training.
    supports_resume: bool

    def train(self, task: TrainingTask, train: Split, dev: Split, options: TrainingOptions) -> Outcome:
        """Train until the task's number of epochs, and score; called by the search for each trial.

        Args:
            task: what to train.
            train: samples to train on.
            dev: samples to score, after each epoch.
            options: what to score and to report, and where to resume.

        Returns:
            The outcome. A diverged model is an outcome, not an error.
        """

    def rebuild(self, task: TrainingTask, weights: "Mapping[str, NDArray[Any]]", train: Split) -> Model | Predict:
        """Rebuild a trained model; called when a model is frozen, rescored or decoded.

        Args:
            task: the task that was trained.
            weights: weights that `train` returned; empty for a reference model, which is fitted again.
            train: the samples that it was trained on.

        Returns:
            The model, or a function from samples to class labels if it gives no probabilities.
        """

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries that determine the outcome; called once per study."""


@runtime_checkable
class BatchTrainer(Trainer, Protocol):
    """Trains several tasks in one call, each bit-identical to training it alone.

    Life cycle:

    1. The search asks the tuner for at most `max_batch` proposals that do not depend on each other's scores.
    2. It calls `train_batch` with them, and records each outcome as the iterator yields it, in any order.
    3. If `benefits_from_workers` and the config has several workers, `blindtune.training.pool.trainer.Pool` takes the
       place of the trainer. It calls `partition` to learn which jobs are trained as one model, divides them among its
       workers, and each worker calls `train_batch` with its part.

    Examples:
        >>> import numpy as np
        >>> from blindtune.config.training import Training
        >>> class ConstantTrainer:
        ...     supports_resume, max_batch, benefits_from_workers = False, 8, True
        ...     def train(self, task, train, dev, options):
        ...         return Outcome("completed", None, [], None, 0)
        ...     def rebuild(self, task, weights, train):
        ...         return lambda x: np.zeros(len(x), np.int64)
        ...     def versions(self):
        ...         return {}
        ...     def partition(self, jobs, train):
        ...         return [list(range(len(jobs)))]
        ...     def train_batch(self, jobs, train, dev):
        ...         for index, (task, options) in enumerate(jobs):
        ...             yield index, self.train(task, train, dev, options)
        >>> isinstance(ConstantTrainer(), BatchTrainer)
        True
        >>> split = Split(np.zeros((3, 2), np.float32), np.array([0, 1, 1]))
        >>> jobs = [(TrainingTask(None, Training(epochs=1), {}, seed, 2), TrainingOptions("last")) for seed in (7, 8)]
        >>> [(index, outcome.status) for index, outcome in ConstantTrainer().train_batch(jobs, split, split)]
        [(0, 'completed'), (1, 'completed')]
    """

    #: Maximum number of tasks for one call of `train_batch`; more train no faster.
    max_batch: int

    #: Whether several trainers, one per process, train faster than one.
    benefits_from_workers: bool

    def partition(self, jobs: Sequence[TrainingJob], train: Split) -> list[list[int]]:
        """Return which jobs `train_batch` trains as one model; called by a pool of workers.

        Args:
            jobs: what would be trained.
            train: samples to train on.

        Returns:
            Indices of jobs, one list for each model. Any further division of a list gives the same outcomes.
        """

    def train_batch(
        self, jobs: Sequence[TrainingJob], train: Split, dev: Split
    ) -> Iterator[tuple[int, Outcome | Exception]]:
        """Train every job as `train` does; called by the search, or by a worker for its part of the jobs.

        A failure of one task does not affect the others. They may start again and report their epochs once more:
        `train_each`, which calls this method, remembers what was answered. Shared time is added to each task's clock by
        the task's share of the arithmetic.

        Args:
            jobs: what to train.
            train: samples to train on.
            dev: samples to score, after each epoch.

        Yields:
            The index of a job and its outcome or error, as soon as the job ends, in any order.
        """


def collect_versions(trainer: Trainer, task: TrainingTask | None) -> dict[str, str]:
    """Return the versions of all that determines a trained model, for its record.

    Args:
        trainer: trains it.
        task: what is trained; None if nothing could be made of the hyperparameters.
    """
    built = task.model.versions() if task is not None and task.model is not None else {}
    return {"python": platform.python_version(), **trainer.versions(), **built}


def train_each(
    trainer: Trainer, jobs: Sequence[TrainingJob], train: Split, dev: Split
) -> Iterator[tuple[int, Outcome | Exception]]:
    """Train jobs with any trainer, one after the other unless it is a `BatchTrainer`.

    Args:
        trainer: trains them.
        jobs: what to train.
        train: samples to train on.
        dev: samples to score, after each epoch.

    Yields:
        The index of a job and its outcome or error, as soon as the job ends.
    """
    if isinstance(trainer, BatchTrainer):
        once = [(task, replace(o, after_epoch=report_each_epoch_once(o.after_epoch))) for task, o in jobs]

        def train_some(part: Sequence[int], again: bool) -> Iterator[tuple[int, Outcome | Exception]]:
            for place, outcome in trainer.train_batch([once[index] for index in part], train, dev):
                yield part[place], outcome

        yield from train_in_halves(range(len(jobs)), train_some)
        return
    for index, (task, options) in enumerate(jobs):
        outcome: Outcome | Exception
        try:
            outcome = trainer.train(task, train, dev, options)
        except Exception as error:  # a library's own failure on one set must not halt the search
            outcome = error
        yield index, outcome


def report_each_epoch_once(after_epoch: AfterEpoch) -> AfterEpoch:
    """Return ``after_epoch`` with a memory: a training that starts again does not report the same epoch twice."""
    answers: dict[int, str | None] = {}

    def report(epoch: int, metrics: EpochMetrics) -> str | None:
        if epoch not in answers:
            answers[epoch] = after_epoch(epoch, metrics)
        return answers[epoch]

    return report


class EpochTracker:
    """The epochs of one training: its curve, the weights of its best epoch, and whether it goes on.

    A trainer calls `add` after each epoch until it returns False, then `outcome`.

    Attributes:
        curve: metrics of the epochs since the start or the state.
    """

    def __init__(self, epochs: int, options: TrainingOptions, training: Training | None = None) -> None:
        """Track a training that has trained no epoch yet.

        Args:
            epochs: number of the last epoch, counted from the start of the training.
            options: which epoch is scored, and what is called after each.
            training: the settings, for early stopping and `learning_rate`; None: a trainer that has neither.
        """
        self.curve: list[EpochMetrics] = []
        self._progress: Progress | None = None
        if training is not None:
            self._progress = resume_progress(training, options.state.arrays if options.state else {})
        self._epochs = epochs
        self._options = options
        self._status: Status = "completed"
        self._reason: str | None = None
        self._best_weights: Arrays = {}

    @property
    def epochs_done(self) -> int:
        """Epochs trained, including those before the state."""
        return self._options.trained_before + len(self.curve)

    def add(self, metrics: EpochMetrics, weights: "Callable[[], Arrays]") -> bool:
        """Add an epoch, and report it.

        Args:
            metrics: of the epoch.
            weights: returns a copy of the current weights.

        Returns:
            Whether the training goes on.
        """
        self.curve.append(metrics)
        self._reason = divergence_reason(metrics, self.epochs_done)
        if self._reason:
            self._status = "diverged"
            return False
        if metrics.objective(self._options.metric) is None and not is_error(self._options.metric):
            raise UserError(
                f"metric: {self._options.metric} is not computed by this trainer. Take the metric error, or another "
                "trainer."
            )
        limit = self._options.limit
        if limit is not None and self._options.clock.spent(without=WAITING_PARTS) > limit:
            self._status, self._reason = "failed", too_long(limit)
            return False
        pruned = self._options.after_epoch(self.epochs_done, metrics)
        # The last epoch counts too: a training that resumes after it depends on its loss.
        last = self._ends_early(metrics) or self.epochs_done >= self._epochs
        if pruned and not last:
            self._status, self._reason = "pruned", pruned
            return False
        if self._options.score_epoch == "best" and find_best_epoch(self.curve, self._options.metric) == len(self.curve):
            self._best_weights = weights()
        return not last

    def learning_rate(self) -> float | None:
        """Return the learning rate of the next epoch; None if it never changes."""
        return None if self._progress is None else self._progress.learning_rate(self.epochs_done)

    def _ends_early(self, metrics: EpochMetrics) -> bool:
        if self._progress is None or metrics.dev_loss is None:
            return False
        self._progress.add(metrics.dev_loss)
        return self._progress.ends_early()

    def _state(self, arrays: "Arrays") -> State:
        more = {} if self._progress is None else self._progress.arrays()
        return State(self.epochs_done, {**arrays, **more})

    def outcome(
        self, n_parameters: int | None, weights: "Callable[[], Arrays]", state: "Callable[[], Arrays]"
    ) -> Outcome:
        """Return the outcome of the training.

        Args:
            n_parameters: number of trainable parameters.
            weights: returns a copy of the final weights.
            state: returns the arrays from which the training could resume.
        """
        if self._status != "completed":
            return Outcome(self._status, self._reason, self.curve, None, n_parameters)
        scored = find_scored_epoch(self.curve, self._options.score_epoch, self._options.metric)
        return Outcome(
            status="completed",
            reason=None,
            curve=self.curve,
            scored_epoch=None if scored is None else self._options.trained_before + scored,
            n_parameters=n_parameters,
            weights=self._best_weights or weights(),
            state=self._state(state()) if self._options.keep_state else None,
        )


def find_scored_epoch(curve: list[EpochMetrics], score_epoch: ScoreEpoch, metric: str = ERROR) -> int | None:
    """Return the number of the epoch that is scored.

    Args:
        curve: metrics of each epoch.
        score_epoch: the rule.
        metric: what epochs are ranked by.

    Returns:
        The number, from 1; None if the curve is empty.
    """
    if not curve:
        return None
    return len(curve) if score_epoch == "last" else find_best_epoch(curve, metric)


def find_best_epoch(curve: list[EpochMetrics], metric: str = ERROR) -> int | None:
    """Return the number, from 1, of the first epoch with the lowest metric on dev; None if no epoch has one.

    Args:
        curve: metrics of each epoch.
        metric: what epochs are ranked by.
    """
    values = [
        (value, number) for number, metrics in enumerate(curve, 1) if (value := metrics.objective(metric)) is not None
    ]
    return min(values)[1] if values else None


def finite_or_none(value: float) -> float | None:
    """Return ``value``, or None if it is not finite: JSON has no NaN."""
    return float(value) if math.isfinite(value) else None


def divergence_reason(metrics: EpochMetrics, number: int) -> str | None:
    """Return why a training must stop after an epoch, because a loss is not finite; None if it may go on.

    Args:
        metrics: of the epoch.
        number: of the epoch, for the message.
    """
    if metrics.train_loss is None or metrics.dev_loss is None:
        which = "train" if metrics.train_loss is None else "dev"
        return f"the {which} loss was not finite in epoch {number}"
    return None


def too_long(limit: float) -> str:
    """Return the reason of a trial that took longer than its limit, in seconds."""
    return f"too long (more than {limit:g} s)"


def outcome_from_error(error: Exception) -> Outcome:
    """Return the outcome of a trial whose task could not be built or trained.

    Any error of a library on one set is an outcome: no memory, too large a number, a bug. What is wrong with the
    machine or with a file would meet the next set too, and ends the search.

    Args:
        error: what went wrong.

    Raises:
        UserError: the search cannot continue, as with a full disk.
    """
    if isinstance(error, UserError):
        raise error
    if is_machine_error(error):
        raise UserError(f"a trial cannot be trained: {explain(error)}") from error
    if isinstance(error, InvalidModelError):
        return Outcome("invalid", describe_error(error), [], None, None)
    name = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return Outcome("failed", f"{name}{describe_error(error)}", [], None, None)


def describe_error(error: Exception | None) -> str:
    """Return an error's message on one line."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']} (got {first['input']!r})"
    try:
        text = str(error)
    except Exception:  # a message that cannot be written hides no failure
        text = ""
    # A record is UTF-8, and a line of a log can be read.
    text = text.encode(errors="replace").decode()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:_MAX_REASON] if lines else type(error).__name__
