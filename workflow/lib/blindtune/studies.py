"""One study: one system on one dataset with one seed, from proposals to a frozen model.

A study keeps a folder: ``protocol.json`` (what it is), ``trials.jsonl`` (every trial, as it ended),
``weights/`` (of the best trials), and at its end ``card.json``. Killed at any moment and started again it
goes on from its records and ends as if nothing had happened.
"""

import platform
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from blindtune import baselines
from blindtune.cards import Card, Spent, read_weights, write_card, write_weights
from blindtune.clock import Stopwatch
from blindtune.datasets.store import Prepared
from blindtune.errors import UserError
from blindtune.files import canonical, digest_of_arrays, read_json, unused, write_json
from blindtune.models.architecture import Architecture, Invalid, check, without_impossible
from blindtune.models.families import BUILD
from blindtune.seeds import derive
from blindtune.spaces import Hyperparameters
from blindtune.strict import Strict, load, read_yaml
from blindtune.systems import (
    Bayes,
    Knn,
    Manual,
    ManualModel,
    RandomForest,
    System,
    Tuned,
    manual_hyperparameters,
    read_space,
    with_output,
)
from blindtune.training.base import Outcome, Scoring, Task, Trainer, Training, best_epoch
from blindtune.trials import Status, Trial, TrialLog, best, set_torn_line_aside
from blindtune.tuners.base import Given, Proposal, Tuner

Report = Callable[[str], None]


class Study(Strict):
    """What one study is; everything here determines its records."""

    config: str = Field(description="name of the config")
    dataset: str
    system: str = Field(description="name of the system")
    seed: int = Field(gt=0)
    settings: System
    budget: int = Field(gt=0, description="trials of a tuner")
    scoring: Scoring
    keep: int = Field(gt=0, description="trials whose weights are kept")

    @property
    def id(self) -> str:
        """``<config name>/<dataset>/<system>/<seed>``."""
        return f"{self.config}/{self.dataset}/{self.system}/{self.seed}"


@dataclass(frozen=True)
class _Plan:
    """How a study goes about it: who proposes, who trains, and how a set becomes a task."""

    tuner: Tuner
    trainer: Trainer
    task: Callable[[Hyperparameters], Task]
    budget: int


def run(study: Study, data: Prepared, files: dict[str, Path], code: str, folder: Path, report: Report) -> Card:
    """Run a study to its end, going on from what its folder holds, and freeze its model.

    Args:
        study: what to run.
        data: train and dev.
        files: the data files of the system, by the names of its ``files()``.
        code: digest of the code that determines the records.
        folder: the study's own folder.
        report: takes a line about the progress.

    Raises:
        UserError: no trial could be completed, a record cannot be read or written, or the system's
            files are wrong.
    """
    _claim(study, data, files, code, folder, report)
    if isinstance(study.settings, Bayes):
        card = _estimate(study, study.settings, data)
    else:
        card = _search(study, data, _plan(study, data, files), folder, report)
    write_card(folder / "card.json", card)
    report(f"{study.id}: frozen, train error {card.train_error:.2%}, dev error {card.dev_error:.2%}")
    return card


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
        case Manual() | Tuned():
            from blindtune.training.keras import KerasTrainer

            return KerasTrainer()
        case Bayes():
            raise TypeError("an estimate of the Bayes error is not trained")


def _claim(study: Study, data: Prepared, files: dict[str, Path], code: str, folder: Path, report: Report) -> None:
    """Make the folder this study's; records of another protocol are moved aside, never mixed or lost."""
    protocol = {
        # A larger budget goes on from the records, a label changes none; all else makes them another study's.
        "study": study.model_dump(mode="json", exclude={"budget": True, "keep": True, "settings": {"published"}}),
        "data_sha256": data.sha256,
        "files": {name: read_yaml(path) for name, path in files.items()},
        "code": code,
    }
    path = folder / "protocol.json"
    if path.exists() and canonical(read_json(path)) != canonical(protocol):
        aside = unused(folder.with_name(f"{folder.name}.superseded"))
        folder.rename(aside)
        report(f"{study.id}: its config, data or code changed; the records so far were moved to {aside}")
    if not path.exists():
        _bring_back(study, folder, protocol, report)
    if not path.exists():
        if (folder / "trials.jsonl").exists():
            raise UserError(f"{folder}: holds trials but no protocol.json. Restore it, or move the folder away.")
        write_json(path, protocol)


def _bring_back(study: Study, folder: Path, protocol: dict[str, Any], report: Report) -> None:
    """Take up again the records of this very protocol, where an earlier change had moved them aside."""
    if folder.exists() and any(folder.iterdir()):
        return
    for earlier in sorted(folder.parent.glob(f"{folder.name}.superseded-*")):
        path = earlier / "protocol.json"
        if path.exists() and canonical(read_json(path)) == canonical(protocol):
            if folder.exists():
                folder.rmdir()
            earlier.rename(folder)
            report(f"{study.id}: is again what it was in {earlier}; goes on from its records")
            return


def _plan(study: Study, data: Prepared, files: dict[str, Path]) -> _Plan:
    settings, classes, shape = study.settings, len(data.classes), data.sample_shape
    trainer = trainer_for(settings)

    def task(values: Hyperparameters, architecture: Architecture | None, training: Training) -> Task:
        seed = derive("trial", study.dataset, study.seed, values)
        return Task(architecture, training, values, seed, classes)

    if isinstance(settings, Knn | RandomForest):
        sets = settings.candidates()
        return _Plan(Given(sets), trainer, lambda values: task(values, None, Training(epochs=1)), len(sets))
    if isinstance(settings, Manual):
        model = load(ManualModel, files["model"])
        values: Any = manual_hyperparameters(model, settings.training)
        architecture = Architecture(input_shape=shape, layers=with_output(model.layers, classes))
        training = model.training.with_hyperparameters(settings.training.model_dump(exclude_none=True))
        return _Plan(Given([values]), trainer, lambda values: task(values, architecture, training), 1)
    if isinstance(settings, Tuned):
        space = read_space(files["space"], settings.family)
        base = settings.training
        return _Plan(
            settings.tuner.start(space, study.budget, study.seed),
            trainer,
            lambda values: task(values, _architecture(settings, values, data), base.with_hyperparameters(values)),
            study.budget,
        )
    raise TypeError(f"{settings.kind} has no trials")


def _architecture(settings: Tuned, values: Hyperparameters, data: Prepared) -> Architecture:
    built = BUILD[settings.family](values, data.sample_shape, len(data.classes))
    return without_impossible(built) if settings.impossible == "leave_out" else built


def _search(study: Study, data: Prepared, plan: _Plan, folder: Path, report: Report) -> Card:
    log = TrialLog(folder / "trials.jsonl")
    torn = set_torn_line_aside(log.path)
    if torn:
        report(f"{study.id}: an unfinished last record was set aside in {torn}; its trial is run again")
    trials = log.read()
    if trials:
        report(f"{study.id}: goes on from {len(trials)} recorded trials")
    weights = _WeightStore(folder / "weights", study.keep)
    weights.prune(trials)
    exhausted = False
    for number in range(plan.budget):
        clock = Stopwatch()
        with clock.measure("suggest"):
            proposal = plan.tuner.ask()
        if proposal is None:
            exhausted = True
            break
        if number < len(trials):
            _same(study, proposal, trials[number])
        else:
            started = datetime.now(UTC).isoformat(timespec="milliseconds")
            trial, outcome = _try(study, data, plan, number, proposal, clock)
            with clock.measure("save"):
                weights.save(trial, outcome)
            trials.append(trial.model_copy(update={"seconds": clock.seconds, "started": started}))
            log.append(trials[-1])
            weights.prune(trials)
            report(_line(study, trials, plan.budget))
        plan.tuner.tell(trials[number])
    return _freeze(study, data, plan, weights, trials[: plan.budget], exhausted)


def _same(study: Study, proposal: Proposal, recorded: Trial) -> None:
    if canonical(proposal.hyperparameters) != canonical(recorded.hyperparameters):
        raise UserError(
            f"{study.id}: trial {recorded.number} was recorded with other hyperparameters than the tuner "
            "proposes now. A library must have changed: install the locked versions, or move the study's folder away."
        )


def _try(
    study: Study, data: Prepared, plan: _Plan, number: int, proposal: Proposal, clock: Stopwatch
) -> tuple[Trial, Outcome]:
    """Train one proposal; whatever goes wrong with it becomes its record, never the end of the search."""
    task = None
    try:
        task = plan.task(proposal.hyperparameters)
        if task.architecture is not None:
            check(task.architecture, task.classes)
        outcome = plan.trainer.train(task, data.train, data.dev, study.scoring, clock)
    except (Invalid, ValueError) as error:
        status: Status = "invalid" if task is None or isinstance(error, Invalid) else "failed"
        outcome = Outcome(status, _reason(error), [], None, None)
    except (MemoryError, UserError):
        raise
    except Exception as error:  # a library's own failure on one set must not halt the search
        outcome = Outcome("failed", f"{type(error).__name__}: {_reason(error)}", [], None, None)
    score = outcome.curve[outcome.scored_epoch - 1].dev_error if outcome.scored_epoch else None
    trial = Trial(
        study=study.id,
        number=number,
        parent=proposal.parent,
        hyperparameters=dict(proposal.hyperparameters),
        status=outcome.status,
        reason=outcome.reason,
        exceptions=list(task.architecture.exceptions) if task and task.architecture else [],
        score=score,
        epochs=len(outcome.curve),
        curve=outcome.curve,
        best_epoch=best_epoch(outcome.curve),
        scored_epoch=outcome.scored_epoch,
        parameters=outcome.parameters,
        weights_sha256=digest_of_arrays(outcome.weights) if outcome.weights else None,
        seeds={"study": study.seed} | ({"trial": task.seed} if task else {}),
        seconds={},
        started="",
        host=socket.gethostname(),
        versions={"python": platform.python_version(), **plan.trainer.versions()},
    )
    return trial, outcome


def _reason(error: Exception) -> str:
    """What an error says, on one line."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']} (got {first['input']!r})"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


class _WeightStore:
    """The weights of the best trials; a function of the records, so that a kill leaves no doubt."""

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder = folder
        self._keep = keep

    def save(self, trial: Trial, outcome: Outcome) -> None:
        """Write the weights of a trial, before its record; those of a reference model are its recipe."""
        if trial.score is not None and outcome.parameters is not None:
            write_weights(self._path(trial.number), outcome.weights)

    def prune(self, trials: list[Trial]) -> None:
        """Remove every file but those of the best of all recorded ``trials``."""
        scored = sorted((trial for trial in trials if trial.score is not None), key=lambda t: (t.told(), t.number))
        kept = {weights_name(trial.number) for trial in scored[: self._keep]}
        for path in self._folder.glob("*.safetensors"):
            if path.name not in kept:
                path.unlink()

    def load(self, trial: Trial) -> dict[str, NDArray[Any]] | None:
        """The weights of a trial, or None where they were not kept."""
        path = self._path(trial.number)
        return read_weights(path, str(trial.weights_sha256)) if path.exists() else None

    def _path(self, number: int) -> Path:
        return self._folder / weights_name(number)


def weights_name(number: int) -> str:
    """File name of the weights of a trial, within the folder ``weights`` of its study."""
    return f"{number:05d}.safetensors"


def _line(study: Study, trials: list[Trial], budget: int) -> str:
    last, leader = trials[-1], best(trials)
    result = f"dev error {last.score:.2%}" if last.score is not None else f"{last.status} ({last.reason})"
    lead = f", best {leader.score:.2%}" if leader and leader.score is not None else ""
    return f"{study.id}: trial {len(trials)} of {budget}, {result}{lead}"


def _freeze(
    study: Study, data: Prepared, plan: _Plan, store: _WeightStore, trials: list[Trial], exhausted: bool
) -> Card:
    chosen = best(trials)
    if chosen is None:
        reasons = Counter(f"{trial.status}: {trial.reason}" for trial in trials)
        raise UserError(
            f"{study.id}: none of its {len(trials)} trials completed "
            f"({reasons.most_common(1)[0][0] if reasons else 'none was proposed'}). "
            "Change the system or its search space."
        )
    hyperparameters: Any = chosen.hyperparameters
    task = plan.task(hyperparameters)
    weights = _weights(study, data, plan, store, chosen, task)
    train_error = _rebuilt_train_error(study, data, plan, task, weights, chosen)
    return Card(
        **_identity(study, data),
        budget=study.budget if isinstance(study.settings, Tuned) else None,
        trial=chosen.number,
        hyperparameters=hyperparameters,
        architecture=task.architecture,
        training=task.training if task.architecture is not None else None,
        model_seed=task.seed,
        parameters=chosen.parameters,
        train_error=train_error,
        dev_error=chosen.told(),
        weights=f"weights/{weights_name(chosen.number)}" if task.architecture is not None else None,
        weights_sha256=chosen.weights_sha256,
        statuses=dict(Counter(trial.status for trial in trials)),
        spent=_spent(trials),
        exhausted=exhausted,
        versions={"python": platform.python_version(), **plan.trainer.versions()},
    )


def _weights(
    study: Study, data: Prepared, plan: _Plan, store: _WeightStore, chosen: Trial, task: Task
) -> dict[str, NDArray[Any]]:
    """The chosen trial's weights; trained again from its record where they were not kept."""
    if task.architecture is None:
        return {}
    weights = store.load(chosen)
    if weights is None:
        outcome = plan.trainer.train(task, data.train, data.dev, study.scoring, Stopwatch())
        weights = outcome.weights
        if digest_of_arrays(weights) != chosen.weights_sha256:
            raise UserError(f"{study.id}: trial {chosen.number}, trained again, gives other weights than recorded.")
        store.save(chosen, outcome)
    return weights


def _rebuilt_train_error(
    study: Study, data: Prepared, plan: _Plan, task: Task, weights: dict[str, NDArray[Any]], chosen: Trial
) -> float:
    """The train error of the model as it is rebuilt, which must give the recorded dev error too."""
    predict = plan.trainer.rebuild(task, weights, data.train)
    dev_error = float(np.mean(predict(data.dev.x) != data.dev.y))
    if abs(dev_error - chosen.told()) > 0.5 / len(data.dev.y):
        raise UserError(
            f"{study.id}: trial {chosen.number}, rebuilt from its record, has a dev error of {dev_error:.4%}, "
            f"but {chosen.told():.4%} was recorded. The study cannot be trusted: move its folder away and run again."
        )
    return float(np.mean(predict(data.train.x) != data.train.y))


def _spent(trials: list[Trial]) -> Spent:
    total = Stopwatch()
    for trial in trials:
        for part, seconds in trial.seconds.items():
            total.add(part, seconds.wall, seconds.cpu)
    return Spent(trials=len(trials), epochs=sum(trial.epochs for trial in trials), seconds=total.seconds)


def _identity(study: Study, data: Prepared) -> dict[str, Any]:
    return {
        "study": study.id,
        "config": study.config,
        "dataset": study.dataset,
        "system": study.system,
        "seed": study.seed,
        "kind": study.settings.kind,
        "published": study.settings.published,
        "settings": study.settings.model_dump(mode="json"),
        "scoring": study.scoring,
        "data_sha256": data.sha256,
        "classes": len(data.classes),
    }


def _estimate(study: Study, settings: Bayes, data: Prepared) -> Card:
    """The card of an estimate: nothing is trained, train and dev are measured each by itself."""
    values = settings.model_dump(mode="json", include={"train", "dev", "eval"})
    seed = derive("trial", study.dataset, study.seed, values)
    clock = Stopwatch()
    with clock.measure("evaluate"):
        estimates = {
            name: baselines.bayes_estimates(split.x, split.y, values[name], seed)
            for name, split in (("train", data.train), ("dev", data.dev))
        }
    import sklearn

    return Card(
        **_identity(study, data),
        budget=None,
        trial=None,
        hyperparameters=values,
        architecture=None,
        training=None,
        model_seed=seed,
        parameters=None,
        train_error=estimates["train"]["closed_loop"],
        dev_error=estimates["dev"]["closed_loop"],
        estimates=estimates,
        weights=None,
        weights_sha256=None,
        statuses={},
        spent=Spent(trials=0, epochs=0, seconds=clock.seconds),
        exhausted=False,
        versions={"python": platform.python_version(), "scikit-learn": sklearn.__version__},
    )
