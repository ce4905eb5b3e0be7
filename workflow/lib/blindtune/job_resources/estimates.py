"""What each job asks for: memory, minutes and GPUs, from the config alone.

The numbers come from measurements, which docs/start/cluster.md shows and workflow/benchmarks/job_needs.py repeats. An
estimate is an upper limit: a job that needs more is ended by the cluster, and its next attempt asks for more.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from blindtune.config.requests import JobRequest
from blindtune.config.schema import Config
from blindtune.config.systems import Bayes, Manual, ManualModel, System, Tuned
from blindtune.config.training import Training
from blindtune.core.errors import UserError
from blindtune.core.validation import load, suggest_name
from blindtune.datasets.corpus.base import FILES_PER_JOB
from blindtune.datasets.corpus.config import CorpusConfig
from blindtune.datasets.corpus.recordings import WINDOWS_AT_ONCE
from blindtune.datasets.eeg.config import EegConfig
from blindtune.job_resources.data import (
    DataSize,
    WholeSize,
    estimate_recordings,
    estimate_size,
    find_largest_annotation,
)
from blindtune.training.registry import TRAINERS
from blindtune.views.config import AugmentedView, CropsView, ExtractedView, FeaturesView

#: Snakemake's own processes in a job of a cluster, in MB: one that starts the job, one that runs its script.
_SNAKEMAKE_MB = 300
#: Estimates are rounded up to these.
_MB_STEP, _MINUTES_STEP = 100, 10
#: Minutes of the shortest job: nodes may be slow, or read libraries from a network file system for the first time.
_MIN_MINUTES = 30
#: Most minutes that an estimate asks for: a week. The next attempt of a job that is ended goes on from its records.
_MAX_MINUTES = 7 * 24 * 60
#: Estimates of the time are multiplied by this.
_TIME_MARGIN = 4

#: MB of a process that estimates the Bayes error.
_BAYES_MB = 400
#: MB that the library of a tuner adds to the process that proposes.
_LIBRARY_MB = {
    "keras-tuner": 700, "optuna": 200, "scikit-learn": 150, "smac": 300, "vizier": 200, "nni": 200, "ray-tune": 300,
    "nevergrad": 200,
}  # fmt: skip
_UNKNOWN_LIBRARY_MB = 300

#: CPU seconds of an estimate of the Bayes error for each sample, and of each epoch of a training for each value of one.
_BAYES_SECONDS_PER_SAMPLE = 4e-4
_SECONDS_PER_VALUE = 2e-7
#: CPU seconds of a trial without its epochs.
_SECONDS_PER_TRIAL = 2.0

#: MB of each value of each sample of a batch, with the activations and gradients of a network of layers.
_ACTIVATION_MB = 64 * 4 / 1e6

#: MB of each MB of an array on the disk that is read in parts: all of its pages may be in memory at once. The processes
#: of a node share them.
_MAPPED = 1.2
#: MB of the features of a sample.
_FEATURES_MB = 256 * 8 * 2 / 1e6

#: Features of a sample that a user's code is taken to compute: those of the widest common networks.
_EXTRACTED_VALUES = 2048
#: MB of a process that computes them, without its weights, of which it may have several copies, and without its batch.
_EXTRACTOR_MB = 1500
_WEIGHT_COPIES = 3
#: MB of each value of each sample of a batch, with the activations of a network that is not trained.
_EXTRACTOR_ACTIVATION_MB = 32 * 4 / 1e6
#: CPU seconds to compute them for each value of a sample.
_EXTRACTOR_SECONDS_PER_VALUE = 2e-6

#: MB in memory for each MB of an annotation of a slide while it is read: 3 to 26, by its dialect.
_ANNOTATION_FACTOR = 26

#: Bytes of each value of the windows that are answered at once: as read, as the view makes them, and in between.
_WINDOW_BYTES = 32
#: Bytes of the records of each window, with the copies that are counted and written.
_RECORD_BYTES = 200
#: CPU seconds to verify and read each MB of whole recordings.
_SECONDS_PER_MB = 0.02

#: CPU seconds to open and survey a raw file, and to cut a sample from it.
_SECONDS_PER_FILE, _SECONDS_PER_CUT = 5.0, 0.02

#: Minutes of a job that a cluster may run together with others of its kind, at most.
_LIGHT_MINUTES = 60

#: Rules whose jobs belong to one system.
_SYSTEM_RULES = ("study", "decode", "post_mortem")


@dataclass(frozen=True)
class Needs:
    """What one job asks for.

    Attributes:
        mem_mb: memory in MB.
        runtime: minutes.
        gpu: number of GPUs.
    """

    mem_mb: int
    runtime: int
    gpu: int = 0


class Estimator:
    """Says what each job of a config asks for; created once for each plan.

    Args:
        config: as `blindtune.config.schema.read` returns it.
    """

    def __init__(self, config: Config) -> None:
        """Keep the config; nothing is read yet."""
        self._config = config
        self._sizes: dict[str, DataSize] = {}
        self._wholes: dict[str, WholeSize | None] = {}
        self._annotations: dict[str, float] = {}
        self._found: dict[tuple[str, str, str, bool, int], Needs] = {}

    def needs(self, rule: str, wildcards: Mapping[str, str], attempt: int = 1, threads: int | None = None) -> Needs:
        """Return what a job asks for.

        Args:
            rule: one of `blindtune.config.requests.RuleName`.
            wildcards: of the job; a study without a seed has all of them.
            attempt: from 1; each further attempt asks for as much memory and time again.
            threads: cores of the job, of which each trains a trial; None: the config's ``workers``.
        """
        dataset, system = wildcards.get("dataset", ""), wildcards.get("system", "")
        key = (rule, dataset, system, "seed" in wildcards, threads or self._config.workers)
        if key not in self._found:
            self._found[key] = self._first(*key)
        first = self._found[key]
        return Needs(first.mem_mb * attempt, first.runtime * attempt, first.gpu)

    def is_light(self, rule: str, wildcards: Mapping[str, str]) -> bool:
        """Return whether a job may share one job of a cluster with others: it is short, on one node, without a GPU.

        Args:
            rule: as for `needs`.
            wildcards: as for `needs`.
        """
        needs = self.needs(rule, wildcards)
        on_nodes = rule == "study" and self.count_nodes(wildcards) > 1
        return needs.runtime <= _LIGHT_MINUTES and needs.gpu == 0 and not on_nodes

    def count_cores(self, rule: str, wildcards: Mapping[str, str]) -> int:
        """Return the number of cores of a job: one if nothing in it can use more than that.

        Args:
            rule: ``study`` or ``decode``.
            wildcards: of its job.
        """
        settings = self._config.settings(wildcards["dataset"], wildcards["system"])
        # The trials of a search are trained by processes, and reference models have threads. A network has one core.
        one_core = Manual if rule == "study" else Manual | Tuned
        is_network = isinstance(settings, one_core) and TRAINERS[settings.trainer_name].network
        return 1 if is_network else self._config.workers

    def count_nodes(self, wildcards: Mapping[str, str]) -> int:
        """Return the number of nodes of a study.

        Args:
            wildcards: of its job.
        """
        return self._config.count_nodes(wildcards["dataset"], wildcards["system"])

    def _first(self, rule: str, dataset: str, system: str, has_seed: bool, workers: int) -> Needs:
        """Return what the first attempt of a job asks for: what the config says, else what is estimated."""
        settings = self._config.settings(dataset, system) if rule in _SYSTEM_RULES else None
        given = self._given(rule, system)
        mem_mb, runtime, gpu = given.mem_mb, given.runtime, given.gpu
        if not (rule == "features" if settings is None else may_use_gpu(settings, rule)):
            gpu = 0
        elif gpu is None and settings is not None and may_use_gpu(settings, "study"):
            # A model that was trained on a GPU is not built again elsewhere, where sums are rounded otherwise.
            gpu = self._given("study", system).gpu
        if mem_mb is None:
            memory = self._memory(rule, dataset, system, settings, workers)
            mem_mb = _round_up(_SNAKEMAKE_MB + memory, _MB_STEP)
        if runtime is None:
            seconds = self._seconds(rule, dataset, settings)
            if rule == "study" and not has_seed:
                seconds *= len(self._config.seeds)
            minutes = min(_MIN_MINUTES + _TIME_MARGIN * seconds / 60, _MAX_MINUTES)
            runtime = _round_up(minutes, _MINUTES_STEP)
        return Needs(mem_mb, runtime, gpu or 0)

    def _given(self, rule: str, system: str) -> JobRequest:
        """Return what the config gives: of a key that it gives for the system and the rule, that of the system."""
        requests = self._config.resources
        entries = [requests.systems.get(system) if rule in _SYSTEM_RULES else None]
        entries += [one for name, one in requests.rules.items() if name == rule]
        content: dict[str, int] = {}
        for entry in reversed(entries):
            content |= {} if entry is None else entry.model_dump(exclude_none=True)
        return JobRequest.model_validate(content)

    def _size(self, dataset: str) -> DataSize:
        if dataset not in self._sizes:
            self._sizes[dataset] = estimate_size(self._config.sources[dataset])
        return self._sizes[dataset]

    def _whole(self, dataset: str, settings: System) -> WholeSize | None:
        """Return the size of what a decode answers for event-based scores; None if it answers nothing more."""
        if isinstance(settings, Bayes):
            return None
        if dataset not in self._wholes:
            self._wholes[dataset] = estimate_recordings(self._config.sources[dataset])
        return self._wholes[dataset]

    def _largest_annotation(self, dataset: str) -> float:
        if dataset not in self._annotations:
            self._annotations[dataset] = find_largest_annotation(self._config.sources[dataset])
        return self._annotations[dataset]

    def _memory(self, rule: str, dataset: str, system: str, settings: System | None, workers: int) -> float:
        """Return the MB of a job without Snakemake."""
        if settings is not None:
            return self._system_memory(rule, dataset, system, settings, workers)
        match rule:
            case "fetch":
                return 100
            case "tables" | "figures" | "page":
                return 500 + 0.05 * self._n_trials
            case "simulate" | "extract" | "examples":
                return self._corpus_memory(dataset)
            case "sample_splits":
                return 300 + 2 * self._size(dataset).mb
            case "features":
                views = [self._config.settings(*pair).extractor for pair in self._config.features if pair[0] == dataset]
                size = self._size(dataset)
                return _MAPPED * size.mb + max((_extractor_mb(view, size) for view in views if view), default=0.0)
        # The samples of a corpus are copied in chunks, others are in memory, several times while they are checked.
        is_corpus = isinstance(self._config.sources[dataset].config, CorpusConfig)
        return 300 + (_MAPPED if is_corpus else 8) * self._size(dataset).mb

    def _corpus_memory(self, dataset: str) -> float:
        """Return the MB of a job that writes or reads raw files: one at a time, and its samples."""
        size = self._size(dataset)
        config = self._config.sources[dataset].config
        per_file = 0.0
        if isinstance(config, CorpusConfig):
            classes = len(config.class_names)
            per_file = min(config.max_per_file * classes, size.n_samples) * size.mb / max(size.n_samples, 1)
        # A recording is in memory as a whole up to 64 MiB, four times that while it is decoded.
        fixed = 850 if isinstance(config, EegConfig) else 700 + _ANNOTATION_FACTOR * self._largest_annotation(dataset)
        return fixed + 4 * per_file

    def _system_memory(self, rule: str, dataset: str, system: str, settings: System, workers: int) -> float:
        """Return the MB of a study, a decode or a post-mortem: of each process, its libraries and its data."""
        size, trainer = self._size(dataset), _trainer_name(settings)
        process = _BAYES_MB if isinstance(settings, Bayes) else TRAINERS[trainer].memory_mb
        data = _viewed_mb(settings, size)
        if isinstance(settings, Tuned | Manual):
            values = _viewed_values(settings, size)
            if trainer != "fused":
                data += _batch_size(settings) * values * _ACTIVATION_MB
            elif isinstance(settings, Tuned):
                data += 200
        memory = process + data + _mapped_mb(settings, size)
        if rule == "study" and isinstance(settings, Tuned):
            memory += _LIBRARY_MB.get(settings.tuner.library, _UNKNOWN_LIBRARY_MB)
        if rule in ("decode", "post_mortem") and settings.extractor is not None:
            memory += _extractor_mb(settings.extractor, size)
        if rule == "decode" and (whole := self._whole(dataset, settings)) is not None:
            memory += WINDOWS_AT_ONCE * size.n_values * _WINDOW_BYTES / 1e6
            memory += _MAPPED * whole.largest_mb + whole.windows * _RECORD_BYTES / 1e6
        if rule != "decode":
            memory += self._n_workers(dataset, system, settings, workers) * (process + data)
        return memory

    def _n_workers(self, dataset: str, system: str, settings: System, workers: int) -> int:
        """Return how many processes train trials on the node of the one that proposes; no other node has more."""
        if not isinstance(settings, Tuned):
            return 0
        budget = self._config.comparison(dataset).budget
        most = TRAINERS[settings.trainer_name].max_trainings
        must_end = budget.trial_seconds is not None or (most is not None and budget.max_trials() > most)
        on_nodes = self._config.count_nodes(dataset, system) > 1
        return workers if workers > 1 or must_end or on_nodes else 0

    def _seconds(self, rule: str, dataset: str, settings: System | None) -> float:
        """Return the CPU seconds of a job."""
        if settings is not None:
            study = self._study_seconds(dataset, settings)
            extracting = self._extractor_seconds(dataset, settings)
            if rule == "decode":
                return 60 + study / 100 + extracting + self._window_seconds(dataset, settings)
            study += extracting if rule == "post_mortem" else 0
            return {"study": study, "post_mortem": study}.get(rule, 60 + study / 100)
        if rule in ("tables", "figures", "page"):
            return 60 + 0.05 * self._n_trials
        if rule == "fetch":
            return 600
        size = self._size(dataset)
        if rule == "features":
            return 60 + _EXTRACTOR_SECONDS_PER_VALUE * size.n_values * size.n_samples
        if rule in ("simulate", "extract", "examples"):
            config = self._config.sources[dataset].config
            if not isinstance(config, CorpusConfig):
                return 30.0
            n_files = config.files_per_job or FILES_PER_JOB
            per_file = config.max_per_file * len(config.class_names)
            return n_files * (_SECONDS_PER_FILE + min(per_file, size.n_samples) * _SECONDS_PER_CUT)
        return 60 + 2 * size.mb

    def _extractor_seconds(self, dataset: str, settings: System) -> float:
        """Return the CPU seconds in which a decode computes the features of eval, and of whole recordings."""
        if settings.extractor is None:
            return 0.0
        size, whole = self._size(dataset), self._whole(dataset, settings)
        n_samples = size.n_samples - size.n_train + (0 if whole is None else whole.windows)
        return _EXTRACTOR_SECONDS_PER_VALUE * size.n_values * n_samples

    def _window_seconds(self, dataset: str, settings: System) -> float:
        """Return the CPU seconds in which a decode answers the windows of whole recordings."""
        whole = self._whole(dataset, settings)
        if whole is None or isinstance(settings, Bayes):
            return 0.0
        per_window = TRAINERS[settings.trainer_name].seconds_per_sample
        per_window += _SECONDS_PER_VALUE * self._size(dataset).n_values
        return whole.windows * per_window + _SECONDS_PER_MB * whole.mb

    def _study_seconds(self, dataset: str, settings: System) -> float:
        """Return the CPU seconds of all trainings of a study."""
        size, budget = self._size(dataset), self._config.comparison(dataset).budget
        per_sample = _BAYES_SECONDS_PER_SAMPLE
        if not isinstance(settings, Bayes):
            per_sample = TRAINERS[settings.trainer_name].seconds_per_sample
        values = size.n_values
        trials, epochs = settings.n_candidates, 1
        if isinstance(settings, Tuned | Manual):
            epochs, values = _count_epochs(settings), _viewed_values(settings, size)
        if isinstance(settings, Tuned):
            trials = budget.max_trials() * (settings.folds or 1)
        all_epochs = trials * epochs
        if isinstance(settings, Tuned) and budget.epochs is not None:
            all_epochs = min(all_epochs, budget.epochs * (settings.folds or 1))
        seconds = 60 + trials * _SECONDS_PER_TRIAL
        seconds += all_epochs * size.n_train * (per_sample + _SECONDS_PER_VALUE * values)
        if isinstance(settings, Tuned) and budget.seconds is not None:
            seconds = min(seconds, budget.seconds + 60)
        return seconds

    @cached_property
    def _n_trials(self) -> int:
        """The number of trials whose records a report reads."""
        total = 0
        for comparison in self._config.compare:
            for name in comparison.systems:
                settings = self._config.systems[name]
                most = comparison.budget.trials or comparison.budget.epochs or 1000
                total += most if isinstance(settings, Tuned) else settings.n_candidates
        return total * len(self._config.seeds)


def may_use_gpu(settings: System, rule: str = "decode") -> bool:
    """Return whether a job of a system may compute on a GPU: its trainer does, or the user's code for features of eval.

    Args:
        settings: the system.
        rule: of the job; by default one that has eval.
    """
    extracts = settings.extractor is not None and rule in ("decode", "post_mortem")
    return extracts or (not isinstance(settings, Bayes) and TRAINERS[settings.trainer_name].gpu)


def check_requests(config: Config, where: str) -> None:
    """Refuse what no job can be given: a GPU for a system whose trainer does not use one, or for one of several nodes.

    Args:
        config: as `blindtune.config.schema.read` returns it.
        where: the files it came from, for messages.

    Raises:
        UserError: the message names the system.
    """
    gpu_trainers = " or ".join(sorted(name for name, entry in TRAINERS.entries.items() if entry.gpu))
    for name, request in config.resources.systems.items():
        if name not in config.systems:
            hint = suggest_name(name, list(config.systems))
            raise UserError(f"{where}: resources.systems: {name!r} is not in systems: {hint}")
        compared = [one.dataset for one in config.compare if name in one.systems]
        for dataset in compared if request.gpu else ():
            settings = config.settings(dataset, name)
            if not may_use_gpu(settings):
                raise UserError(
                    f"{where}: resources.systems.{name}.gpu: its trainer on {dataset} ({_trainer_name(settings)}) "
                    f"computes on the CPU alone; take the key out, or use trainer {gpu_trainers}"
                )
    estimator = Estimator(config)
    for one in config.compare:
        for name, n_nodes in one.worker_nodes.items():
            if n_nodes > 1 and estimator.needs("study", {"dataset": one.dataset, "system": name}).gpu:
                raise UserError(
                    f"{where}: worker_nodes: {name} on {one.dataset} asks for a GPU, which one node would have and the "
                    "others not, so that trials would not be trained alike. Take it out of worker_nodes, or give its "
                    "study no GPU in resources."
                )


def _trainer_name(settings: System) -> str:
    return "bayes" if isinstance(settings, Bayes) else settings.trainer_name


def _viewed_mb(settings: System, size: DataSize) -> float:
    """Return the MB of data that each process holds: as its view makes them, and the stored ones if it reads all."""
    match settings.view:
        case FeaturesView():
            return 100 + size.n_samples * _FEATURES_MB
        case ExtractedView():
            return 100 + 4 * size.n_samples * _EXTRACTED_VALUES * 4 / 1e6
        case CropsView() | AugmentedView():
            return 100
    return 4 * size.mb


def _mapped_mb(settings: System, size: DataSize) -> float:
    """Return the MB of stored data that all processes of a job read in parts, a batch at a time."""
    return _MAPPED * size.mb if isinstance(settings.view, CropsView | AugmentedView) else 0


def _viewed_values(settings: Tuned | Manual, size: DataSize) -> int:
    """Return the number of values that a network sees of a sample, at most."""
    if isinstance(settings.view, CropsView):
        return min(size.n_values, 3 * settings.view.side**2)
    return _EXTRACTED_VALUES if settings.extractor is not None else size.n_values


def _extractor_mb(view: ExtractedView, size: DataSize) -> float:
    """Return the MB of a process that runs a user's code to compute features."""
    weights = 0 if view.weights is None else Path(view.weights).stat().st_size / 1e6
    return _EXTRACTOR_MB + _WEIGHT_COPIES * weights + view.batch_size * size.n_values * _EXTRACTOR_ACTIVATION_MB


def _count_epochs(settings: Tuned | Manual) -> int:
    if isinstance(settings, Tuned):
        return settings.epochs
    return _read_training(settings).epochs


def _batch_size(settings: Tuned | Manual) -> int:
    if isinstance(settings, Tuned):
        return settings.training.batch_size if settings.estimator is None else 0
    return _read_training(settings).batch_size


def _read_training(settings: Manual) -> Training:
    """Return how a manual model is trained: by its file, and what the config replaces."""
    return settings.training.apply(load(ManualModel, settings.files()["model"]).training)


def _round_up(value: float, step: int) -> int:
    return math.ceil(value / step) * step
