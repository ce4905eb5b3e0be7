"""The config: what is valid; the JSON schema and the commented default are generated from it."""

import re
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, JsonValue, StringConstraints, TypeAdapter, ValidationError, model_validator

from blindtune.config.defaults import DEFAULT
from blindtune.config.network_plan import check_code
from blindtune.config.requests import JobRequests
from blindtune.config.rungs import plan_system_rungs
from blindtune.config.space_check import check_model_dimensions
from blindtune.config.study import Study
from blindtune.config.systems import (
    FAMILY_KEYS,
    MODEL_KEYS,
    NETWORK_KEYS,
    Bayes,
    EstimatorSteps,
    Knn,
    Manual,
    ManualModel,
    ModelSource,
    RandomForest,
    System,
    Tuned,
    read_model_space,
    refuse_estimator_keys,
)
from blindtune.config.training import ScoreEpoch, TrainingOverrides
from blindtune.core.bounds import (
    MAX_FACTOR,
    MAX_RUNG_SHARDS,
    MAX_SEED,
    MAX_SHARDS,
    MAX_TRIALS,
    MAX_WORKER_NODES,
    MAX_WORKERS,
)
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.core.job_claims import DEFAULT_WAIT_FOR_OWNER
from blindtune.core.job_log import DEFAULT_VERBOSITY, Verbosity
from blindtune.core.paths import DEFAULT_LEDGER, RESERVED_NAMES, check_input_path
from blindtune.core.shards import Shard
from blindtune.core.validation import NAME_PATTERN, Strict, UserPath, load, parse, suggest_name
from blindtune.datasets.base import SPLITS, DatasetConfig, Sizes, Source
from blindtune.datasets.corpus.config import CorpusConfig
from blindtune.datasets.registry import SOURCES, create_source
from blindtune.metrics.registry import ERROR, METRICS, MetricName, describe_metrics
from blindtune.models.architecture import InvalidLayers
from blindtune.models.families import FamilyName
from blindtune.models.forms import create_form
from blindtune.report.detectable import describe_detectable
from blindtune.report.margin import DEFAULT_MARGIN
from blindtune.training.registry import (
    TrainerName,
    check_class_weights,
    check_family,
    check_layers,
    check_metric,
    check_own_network,
    check_sample_weights,
    check_settings,
)
from blindtune.tuners.folds import plan_folds
from blindtune.tuners.rungs import RungPlan
from blindtune.views.extractor_code import check_extractor, plan_key
from blindtune.views.registry import NetworkView

#: The generated page of all keys, from the root of the repository.
REFERENCE_PAGE = "docs/reference/config.md"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=60)]
if TYPE_CHECKING:
    Dataset = DatasetConfig
else:
    Dataset = SOURCES.config_union("source")


class TunerOverrides(Strict):
    """What replaces parts of every tuner's entry in one comparison, so that all tuners compete on equal terms."""

    space: UserPath | None = Field(default=None, description="search space; null: that of each system's own entry")
    family: FamilyName | None = Field(default=None, description="what the hyperparameters build; null: as above")
    estimator: EstimatorSteps | None = Field(
        default=None, description="a classifier in place of a network; null: as above"
    )
    model: ModelSource | None = Field(
        default=None, description="a network in code, with its space unless one is given here; null: as above"
    )
    arguments: dict[Annotated[str, StringConstraints(max_length=200)], JsonValue] = Field(
        default={}, description="constructor arguments of the estimator or the HyperModel that is given here"
    )
    parts: int | None = Field(
        default=None, ge=2, le=MAX_FACTOR, description="parts of train for the estimator that is given here"
    )
    folds: int | None = Field(
        default=None, ge=2, le=MAX_FACTOR, description="folds of train on which sets are scored; null: as above"
    )
    invalid_layers: InvalidLayers | None = Field(
        default=None, description="a layer that cannot be built; null: as above"
    )
    trainer: TrainerName | None = Field(default=None, description="what trains; null: as above")
    training: TrainingOverrides = Field(
        default=TrainingOverrides(), description="how each trial is trained, merged key by key over each system's own"
    )
    view: NetworkView | None = Field(default=None, description="what a network sees of a sample; null: as above")

    @model_validator(mode="after")
    def _check_model(self) -> Self:
        if self.estimator is not None and self.family is not None:
            raise ValueError("family: belongs to a network, and `estimator` is given; take one of the two out")
        if self.model is not None and (self.family is not None or self.estimator is not None):
            other = "family" if self.family is not None else "estimator"
            raise ValueError(f"{other}: is another model than `model`, which is given; take one of the two out")
        if self.estimator is None:
            refuse_estimator_keys(self.model_dump(), is_network_in_code=self.model is not None)
        return self

    def apply(self, settings: Tuned) -> Tuned:
        """Return a tuner's entry with what is replaced here; keys of a network hold for networks alone."""
        content = settings.model_dump()
        replaced = self.model_dump(exclude_none=True, exclude={"training", "arguments"})
        if self.family is not None or self.estimator is not None or self.model is not None:
            kept = (*MODEL_KEYS, "space") if self.model is not None else MODEL_KEYS
            content = {name: value for name, value in content.items() if name not in kept}
            replaced["arguments"] = self.arguments
        content |= replaced
        if content.get("estimator") is None:
            content["training"] = self.training.apply(settings.training).model_dump(exclude_unset=True)
        else:
            content = {name: value for name, value in content.items() if name not in NETWORK_KEYS}
        if content.get("model") is not None:
            content = {name: value for name, value in content.items() if name not in FAMILY_KEYS}
        return Tuned.model_validate(content)


class Comparison(Strict):
    """One dataset and the systems that compete on it."""

    dataset: Name = Field(description="a name from datasets")
    systems: list[Name] = Field(min_length=1, description="names from systems, in the order of the tables")
    budget: Budget = Field(description="what every tuner of this comparison may spend, the same for all")
    metric: MetricName = Field(
        default=ERROR,
        description=f"what every tuner minimises on dev, and what ranks epochs and trials; {describe_metrics()}. The "
        "report shows it next to the error",
    )
    tuner_overrides: TunerOverrides | None = Field(
        default=None,
        description="space, family or estimator, folds and view for every tuner of this comparison, and "
        "invalid_layers, trainer and training for every network; null: each keeps those of its own entry",
    )
    seeds_in_one_job: bool = Field(
        default=False,
        description="true: one job runs a system with all seeds, one after the other, which saves time where a study "
        "takes seconds, since importing its libraries takes as long; false: one job for each seed; changes no record",
    )
    shards: dict[Name, Annotated[int, Field(ge=1, le=MAX_SHARDS)]] = Field(
        default={},
        description="system: number of jobs, on as many nodes, that train the trials of its search, which then takes "
        "their results in its own order; for random search, lists and grids, whose sets depend on no score, and for "
        "each rung of Hyperband and halving, e.g. {mlp_random: 8}; changes no record",
    )
    worker_nodes: dict[Name, Annotated[int, Field(ge=1, le=MAX_WORKER_NODES)]] = Field(
        default={},
        description="system: number of nodes that the job of its study asks Slurm for; on each run `workers` processes "
        "that train its trials; for tuners that learn from scores and propose several sets at a time, e.g. {tpe: 2}; "
        "without Slurm all are on one machine; changes no record",
    )


class ReportConfig(Strict):
    """What the report draws and how it judges."""

    points: int = Field(
        default=4000, gt=0, le=1_000_000, description="samples of each split in the figure of the three splits"
    )
    surface: int = Field(default=200, gt=1, le=2000, description="points along each axis of a decision surface")
    margin: float = Field(
        default=DEFAULT_MARGIN,
        gt=0,
        le=50,
        description="difference that is too small to matter, in points of % (1 is 0.01 of a metric that is no share): "
        "systems that differ by less are equivalent",
    )


class Config(Strict):
    """All studies of one run. An overlay (--configfile) replaces keys; lists are replaced as a whole."""

    reference_page: ClassVar[str] = REFERENCE_PAGE

    name: Name = Field(description="name of this config; everything goes to results/<name>")
    seeds: list[Annotated[int, Field(gt=0, le=MAX_SEED)]] = Field(
        min_length=1, description="every system runs once with each; also the seed that its tuner gets"
    )
    score_epoch: ScoreEpoch = Field(
        default="last", description="last: the metric on dev after the last epoch; best: the lowest of all epochs"
    )
    keep_best: int = Field(
        default=1, gt=0, le=MAX_TRIALS, description="trials of a study whose weights are kept, the best first"
    )
    verbosity: Verbosity = Field(
        default=DEFAULT_VERBOSITY,
        description="quiet: errors and how each job ends; normal: progress too; verbose: each epoch, in the log too",
    )
    workers: int = Field(
        default=1,
        gt=0,
        le=MAX_WORKERS,
        description="cores that one study may use: processes that train its trials, threads of a reference model; "
        "changes no record",
    )
    wait_for_owner: float = Field(
        default=DEFAULT_WAIT_FOR_OWNER,
        ge=0,
        le=30 * 24 * 3600,
        description="seconds that a job waits if another run writes to the same study, dataset or decode; 0: it ends "
        "with a message that names the other; changes no record",
    )
    container: str | None = Field(
        default=None,
        min_length=1,
        description="image in which each job runs under --sdm apptainer, such as a path of an Apptainer image or "
        "docker://...; null: none; changes no record",
    )
    resources: JobRequests = Field(
        default=JobRequests(),
        description="what jobs ask a cluster for in place of the estimates: memory, time and GPUs; changes no record",
    )
    ledger: UserPath = Field(
        default=DEFAULT_LEDGER,
        pattern=r"^[^{}<>\x00-\x1f\x7f]{1,1000}$",
        description="folder of the record of every decode; all who work on the same data should share one, by its "
        "absolute path; changes no record of a study",
        examples=["/group/blindtune/ledger"],
    )
    ledger_group_writable: bool = Field(
        default=False,
        description="true: a run lets the group of the ledger's folder write to it, and gives new files to that group; "
        "a folder that its group may write to is kept so without this key",
    )
    allow_repeated_decode: list[str] = Field(
        default=[],
        description="<dataset>/<system> that may look at eval again after a change; marked as not blind",
    )
    post_mortem: bool = Field(
        default=False,
        description="whether every trial of every search is evaluated on eval after all models of the config were "
        "decoded: an analysis in the ledger, by which nothing is chosen; models that are decoded on that eval later "
        "are marked as not blind",
    )
    compare: list[Comparison] = Field(
        min_length=1, description="one entry per dataset: the systems that compete on it, and their budget"
    )
    report: ReportConfig = Field(default=ReportConfig(), description="what the report draws and how it judges")
    datasets: dict[Name, Dataset] = Field(description="where data come from; only those compared are prepared")
    systems: dict[Name, System] = Field(description="what competes; only those compared are run")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name in RESERVED_NAMES:
            raise ValueError(f"name: results/{self.name} is a folder of the workflow's own; take another name")
        for kind in ("datasets", "systems"):
            if "sealed" in getattr(self, kind):
                raise ValueError(f"{kind}.sealed: only decode opens folders of this name; take another name")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: holds a seed twice")
        names = [comparison.dataset for comparison in self.compare]
        if len(set(names)) < len(names):
            raise ValueError("compare: names a dataset twice; list all its systems in one entry")
        for number, comparison in enumerate(self.compare):
            self._check_comparison(f"compare.{number}", comparison)
        pairs = [f"{comparison.dataset}/{system}" for comparison in self.compare for system in comparison.systems]
        for pair in self.allow_repeated_decode:
            if pair not in pairs:
                hint = suggest_name(pair, pairs)
                raise ValueError(f"allow_repeated_decode: {pair!r} is not a <dataset>/<system> of compare: {hint}")
        return self

    def _check_comparison(self, path: str, comparison: Comparison) -> None:
        if comparison.dataset not in self.datasets:
            hint = suggest_name(comparison.dataset, list(self.datasets))
            raise ValueError(f"{path}.dataset: {comparison.dataset!r} is not in datasets: {hint}")
        if len(set(comparison.systems)) < len(comparison.systems):
            raise ValueError(f"{path}.systems: names a system twice")
        for system in comparison.systems:
            if system not in self.systems:
                raise ValueError(
                    f"{path}.systems: {system!r} is not in systems: {suggest_name(system, list(self.systems))}"
                )
        for key, named in (("shards", comparison.shards), ("worker_nodes", comparison.worker_nodes)):
            for system in named:
                if system not in comparison.systems:
                    hint = suggest_name(system, comparison.systems)
                    raise ValueError(f"{path}.{key}: {system!r} is not among the systems of this comparison: {hint}")

    def comparison(self, dataset: str) -> Comparison:
        """Return the comparison on a dataset."""
        return next(comparison for comparison in self.compare if comparison.dataset == dataset)

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The source of each compared dataset, created once, because a corpus searches its files only once."""
        return {one.dataset: create_source(self.datasets[one.dataset]) for one in self.compare}

    def corpora(self) -> list[str]:
        """Return the names of the compared datasets that are cut from many raw files."""
        return [one.dataset for one in self.compare if isinstance(self.datasets[one.dataset], CorpusConfig)]

    def two_feature_datasets(self) -> list[str]:
        """Return the names of the compared datasets that may have two features; a corpus never has."""
        return [one.dataset for one in self.compare if one.dataset not in self.corpora()]

    def settings(self, dataset: str, system: str) -> System:
        """Return a system as it competes on a dataset: with the overrides of the comparison and the source's view.

        Args:
            dataset: name of the dataset.
            system: name of the system.
        """
        settings = self.systems[system]
        shared = self.comparison(dataset).tuner_overrides
        if isinstance(settings, Tuned) and shared is not None:
            settings = shared.apply(settings)
        if settings.view.kind != "default":
            return settings
        view = self.sources[dataset].default_view(depends_on_scale=settings.depends_on_scale)
        return settings.model_copy(update={"view": view})

    def study(self, dataset: str, system: str, seed: int) -> Study:
        """Return the study of one system on one dataset with one seed.

        Args:
            dataset: name of the dataset.
            system: name of the system.
            seed: one of the config's.
        """
        settings = self.settings(dataset, system)
        return Study(
            config=self.name,
            dataset=dataset,
            system=system,
            seed=seed,
            settings=settings,
            budget=self.comparison(dataset).budget if isinstance(settings, Tuned) else None,
            score_epoch=self.score_epoch,
            metric=self.comparison(dataset).metric,
            keep_best=self.keep_best,
        )

    def count_shards(self, dataset: str, system: str) -> int:
        """Return the number of jobs that train the trials of a system's search; 0: its study trains them itself.

        Args:
            dataset: name of the dataset.
            system: name of the system.
        """
        comparison, settings = self.comparison(dataset), self.systems[system]
        wanted = comparison.shards.get(system, 1)
        if wanted < 2:
            return 0
        plan = self._rung_plans.get((dataset, system))
        if plan is not None:
            n_trials = plan.largest
        else:
            n_trials = comparison.budget.max_trials() if isinstance(settings, Tuned) else settings.n_candidates
        n_shards = min(wanted, n_trials)
        return n_shards if n_shards > 1 else 0

    def list_shards(self, dataset: str, system: str, n_shards: int) -> list[Shard]:
        """Return the shards of a search; of one that promotes trials, those of each rung.

        Args:
            dataset: name of the dataset.
            system: name of the system.
            n_shards: their number, or that of the largest rung; 0: there are none.
        """
        plan = self._rung_plans.get((dataset, system))
        if plan is None or not n_shards:
            return [Shard(number, n_shards) for number in range(1, n_shards + 1)]
        return [
            Shard(number, n_of_rung, rung)
            for rung, trials in enumerate(plan.trials, 1)
            for n_of_rung in [min(n_shards, len(trials))]
            for number in range(1, n_of_rung + 1)
        ]

    @cached_property
    def _rung_plans(self) -> dict[tuple[str, str], RungPlan]:
        """The rungs of each search that is divided, by dataset and system."""
        plans = {
            (one.dataset, system): plan_system_rungs(settings, one.budget, settings.files())
            for one in self.compare
            for system, n_shards in one.shards.items()
            if n_shards > 1
            for settings in [self.settings(one.dataset, system)]
        }
        return {key: plan for key, plan in plans.items() if plan is not None}

    def count_nodes(self, dataset: str, system: str) -> int:
        """Return the number of nodes that the study of a system asks Slurm for.

        Args:
            dataset: name of the dataset.
            system: name of the system.
        """
        return self.comparison(dataset).worker_nodes.get(system, 1)

    def searches(self) -> list[tuple[str, str]]:
        """Return dataset and system of every search: of each system that chooses among several sets by dev."""
        return [
            (comparison.dataset, system)
            for comparison in self.compare
            for system in comparison.systems
            if _chooses(self.systems[system])
        ]

    @cached_property
    def features(self) -> dict[tuple[str, str], str]:
        """The name of the features of each dataset and system whose view is the user's own code.

        It is asked for after `read` has checked their files.
        """
        keys: dict[str, str] = {}
        found = {}
        for comparison in self.compare:
            for system in comparison.systems:
                view = self.settings(comparison.dataset, system).extractor
                if view is not None:
                    described = view.model_dump_json()
                    keys[described] = keys.get(described) or plan_key(view)
                    found[comparison.dataset, system] = keys[described]
        return found

    def studies(self) -> list[Study]:
        """Return every study, in the order of the config."""
        return [
            self.study(comparison.dataset, system, seed)
            for comparison in self.compare
            for system in comparison.systems
            for seed in self.seeds
        ]


def read(content: dict[str, Any], where: str) -> Config:
    """Check a config, with every small file that it names, and return it.

    Args:
        content: plain data, as YAML gives it.
        where: the files it came from, for messages.

    Raises:
        UserError: something is wrong; one message names every wrong key by its path.
    """
    try:
        config = parse(Config, content, where)
    except UserError as error:
        raise UserError(f"{error}{_explain_merged(content, str(error))}") from error
    for comparison in config.compare:
        _check_dataset(f"{where}: datasets.{comparison.dataset}", config.sources[comparison.dataset])
        for name in comparison.systems:
            place = f"{where}: systems.{name} on {comparison.dataset}"
            try:
                settings = config.settings(comparison.dataset, name)
            except ValidationError as error:
                # Overrides that suit most tuners of a comparison may not suit one of them.
                raise UserError(f"{place}: {error.errors(include_url=False)[0]['ctx']['error']}") from error
            _check_system(place, settings, config.sources[comparison.dataset], comparison)
            if name in comparison.shards:
                _check_shards(place, settings, comparison.budget, comparison.shards[name])
            if name in comparison.worker_nodes:
                _check_worker_nodes(place, settings, is_sharded=name in comparison.shards)
    if config.post_mortem and not config.searches():
        raise UserError(
            f"{where}: post_mortem: no system of compare searches, so that there are no other trials to evaluate. Add "
            "a tuner to a comparison, or take post_mortem out."
        )
    return config


def list_notes(config: Config) -> list[str]:
    """Return what a user should know of a valid config: settings that some tuners do not get, and what takes long.

    Args:
        config: as `read` returns it.
    """
    notes = _note_retraining(config)
    for comparison in config.compare:
        shared = comparison.tuner_overrides
        weights = None if shared is None else shared.training.class_weight
        for name in comparison.systems if weights is not None else ():
            settings = config.settings(comparison.dataset, name)
            if not isinstance(settings, Tuned) or settings.estimator is None:
                continue
            space = read_model_space(settings.files().get("space"), settings.model_choice)
            if any(key.rpartition("__")[2] == "class_weight" for key in (*settings.arguments, *space.root)):
                continue
            notes.append(
                f"compare on {comparison.dataset}: tuner_overrides.training.class_weight is for networks; {name} is an "
                f"estimator, and its classes have equal weights. If its class has the parameter, give systems.{name} "
                f"arguments: {{class_weight: {weights if isinstance(weights, str) else '{...}'}}}"
            )
    return notes


def _note_retraining(config: Config) -> list[str]:
    """Return a note about the searches whose trials a post-mortem trains again one by one."""
    if not config.post_mortem:
        return []
    slow = [
        f"{system} on {dataset}"
        for dataset, system in config.searches()
        if isinstance(settings := config.settings(dataset, system), Tuned)
        and settings.has_weights
        and settings.trainer_name != "fused"
        and config.keep_best < (config.comparison(dataset).budget.trials or MAX_TRIALS)
    ]
    if not slow:
        return []
    return [
        f"post_mortem: trials whose weights are not kept are trained again, which takes about as long as their search: "
        f"{', '.join(slow)}. A larger keep_best keeps more of them."
    ]


def _chooses(settings: System) -> bool:
    """Return whether a system chooses among several sets."""
    return isinstance(settings, Tuned) or settings.n_candidates > 1


def describe_plan(config: Config) -> str:
    """Return a line on which searches are divided, and what differences the comparisons of a config can tell apart.

    Args:
        config: as `read` returns it.

    Returns:
        The line; empty if no search is divided into shards, and no dataset has both a manual model and a tuner and a
        number of eval samples in the config.
    """
    return " ".join(filter(None, [_describe_shards(config), _describe_nodes(config), _describe_differences(config)]))


def _describe_nodes(config: Config) -> str:
    """Return which studies run on several nodes."""
    several = [
        f"{system} on {one.dataset} {n_nodes}"
        for one in config.compare
        for system, n_nodes in one.worker_nodes.items()
        if n_nodes > 1
    ]
    return f"searches that ask Slurm for several nodes: {', '.join(several)}." if several else ""


def _describe_shards(config: Config) -> str:
    """Return which searches are divided among jobs; empty if none is."""
    divided = [
        f"{system} on {one.dataset} {_describe_number(config, one.dataset, system, n_shards)}"
        for one in config.compare
        for system in one.systems
        if (n_shards := config.count_shards(one.dataset, system))
    ]
    return f"searches that are divided into shards, for each seed: {', '.join(divided)}." if divided else ""


def _describe_number(config: Config, dataset: str, system: str, n_shards: int) -> str:
    """Return the number of shards of a search; of each rung, if it has rungs."""
    shards = config.list_shards(dataset, system, n_shards)
    rungs = list(Counter(shard.rung for shard in shards if shard.rung is not None).values())
    return f"{' + '.join(map(str, rungs))} (rung by rung)" if rungs else str(n_shards)


def _describe_differences(config: Config) -> str:
    """Return what differences a study can tell apart; empty where that is not known beforehand."""
    sizes = {one.dataset: getattr(config.sources[one.dataset].config, "sizes", None) for one in config.compare}
    evals = [
        (one.dataset, known.eval)
        for one in config.compare
        if isinstance(known := sizes[one.dataset], Sizes)
        and {Manual, Tuned} <= {type(config.systems[name]) for name in one.systems}
    ]
    return describe_detectable(evals, len(config.seeds)) if evals else ""


def _explain_merged(content: Mapping[str, Any], message: str) -> str:
    """Return a line for each wrong entry that has the name of another one in config.yaml, whose keys it got too."""
    lines = []
    for section, name in dict.fromkeys(_ENTRY.findall(message)):
        entry, known = content[section][name], DEFAULT[section].get(name)
        if known is not None and isinstance(entry, Mapping):
            changed = [key for key in _KINDS if entry.get(key) != known.get(key)]
            if changed:
                lines.append(
                    f"\n  {section}.{name}: got the keys of its namesake in config.yaml too; give yours another name."
                )
    return "".join(lines)


#: A wrong key of a dataset or of a system, in a message.
_ENTRY = re.compile(r"^  - (datasets|systems)\.(\w+)[.:]", re.MULTILINE)

#: Keys that say what an entry is.
_KINDS = ("source", "kind", "estimator", "model")


def _check_dataset(where: str, source: Source) -> None:
    try:
        files = source.user_files()
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    _check_files(where, files)


def _check_system(where: str, system: System, source: Source, comparison: Comparison) -> None:
    _check_files(where, system.files())
    if system.extractor is not None:
        try:
            check_extractor(system.extractor)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
    try:
        source.check_view(system.view)
        _check_neighbors(system, source)
        _check_candidates(system)
        _check_metric(system, comparison.metric)
        _check_class_weights(system)
        _check_sample_weights(system, source)
        if isinstance(system, Tuned):
            _check_tuned(system, source, comparison)
        elif isinstance(system, Manual):
            model = load(ManualModel, system.files()["model"])
            check_layers(system.trainer, model.layers)
            check_settings(system.trainer, system.training.apply(model.training))
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error


def _check_shards(where: str, system: System, budget: Budget, n_shards: int) -> None:
    """Refuse to divide a search whose trials are not known before it begins.

    Raises:
        UserError: its sets depend on scores or its end on time, it is no search, or it has rungs and too many shards.
    """
    if not isinstance(system, Knn | RandomForest | Tuned):
        raise UserError(f"{where}: shards: is a single model, whose study cannot be divided; take it out of shards")
    if not isinstance(system, Tuned):
        return
    tuner = system.tuner
    if tuner.proposals_need_scores and not tuner.plans_rungs:
        reason = (
            "takes the sets of its rungs from its own history of scores, so that no job knows them before"
            if tuner.promotes_trials
            else "needs the scores of earlier trials before it proposes the next ones, or ends them early by those, so "
            "that no job can begin before another has ended"
        )
        raise UserError(
            f"{where}: shards: {tuner.library}'s {tuner.algorithm} {reason}. Take it out of shards, and set `workers` "
            "to train its trials on several cores of one node, or worker_nodes to train them on several nodes."
        )
    if tuner.plans_rungs and n_shards > MAX_RUNG_SHARDS:
        raise UserError(
            f"{where}: shards: each rung of a search is divided into at most {MAX_RUNG_SHARDS}, not {n_shards}: all "
            "shards of a rung wait for all those of the rungs before it"
        )
    if budget.seconds is not None:
        raise UserError(
            f"{where}: shards: budget.seconds ends the search after as many trials as the time allows, which no job "
            "knows before. Give budget.trials or budget.epochs in its place, or take the system out of shards."
        )


def _check_worker_nodes(where: str, system: System, *, is_sharded: bool) -> None:
    """Refuse several nodes for a search that would use one.

    Raises:
        UserError: it has no trials of a tuner, its jobs are shards, or it proposes one set at a time.
    """
    if not isinstance(system, Tuned):
        raise UserError(f"{where}: worker_nodes: is for tuners; take the system out of worker_nodes")
    if is_sharded:
        raise UserError(f"{where}: worker_nodes: its trials are trained by its shards; take it out of one of the two")
    if system.tuner.proposes_one_at_a_time and system.folds is None:
        raise UserError(
            f"{where}: worker_nodes: {system.tuner.library}'s {system.tuner.algorithm} proposes one set at a time, "
            "which one worker trains. Take it out of worker_nodes; Optuna's tpe proposes several sets with `batch`."
        )


def _check_tuned(system: Tuned, source: Source, comparison: Comparison) -> None:
    """Refuse a space that does not fit what is trained, and what the tuner cannot express."""
    if system.model is not None:
        check_own_network(system.trainer)
    elif system.estimator is None:
        check_family(system.trainer, system.family)
    path, choice = system.files().get("space"), system.model_choice
    if system.model is not None:
        check_settings(system.trainer, system.training)
        given = None if path is None else read_model_space(path, choice)
        settings, where, size = system.training, str(path or system.model), source.train_size()
        space = check_code(choice, given, where, size, settings, settings.model_fields_set, source.has_sample_weights)
    else:
        space = read_model_space(path, choice)
        if system.estimator is None:
            check_settings(system.trainer, system.training, space.root)
        check_model_dimensions(space, choice, system.trainer_name, str(path), source.train_size(), system.training)
    if system.estimator is not None:
        _check_estimator_tuner(system)
    if METRICS[comparison.metric].needs_probabilities:
        create_form(choice).check_probabilities(space, comparison.metric)
    plan = plan_folds(system.search_config, space, comparison.budget, system.folds, system.epochs)
    plan.config.check(space, plan.budget, system.epochs)


def _check_estimator_tuner(system: Tuned) -> None:
    """Refuse what needs the epochs or the weights of a network."""
    tuner = system.tuner
    if tuner.promotes_trials and system.parts is None:
        raise ValueError(
            f"tuner: {tuner.epoch_allocator} allocates epochs, and an estimator is fitted in one step; give `parts`, "
            "by which it allocates parts of train, or choose another algorithm"
        )
    if tuner.epoch_allocator is not None and not tuner.promotes_trials:
        raise ValueError(
            f"tuner: {tuner.epoch_allocator} compares epochs, and an estimator is fitted in one step; take it out"
        )
    if system.parts is not None and not tuner.promotes_trials:
        raise ValueError("parts: only Hyperband and halving allocate parts of train; take it out")
    if tuner.minimizes_parameters:
        raise ValueError("tuner.objectives: an estimator has no number of parameters; leave n_parameters out")


def _check_metric(system: System, metric: str) -> None:
    """Refuse a metric that a system does not have; an estimate of the Bayes error has the error alone, as always."""
    if isinstance(system, Bayes):
        return
    check_metric(system.trainer_name, metric)
    if METRICS[metric].needs_probabilities and not system.gives_probabilities:
        raise ValueError(f"metric: {metric} needs class probabilities, which this model does not give")


def _check_class_weights(system: System) -> None:
    if isinstance(system, Tuned):
        given = system.training.class_weight
    elif isinstance(system, Manual):
        given = system.training.class_weight or load(ManualModel, system.files()["model"]).training.class_weight
    else:
        return
    if given is not None:
        check_class_weights(system.trainer_name)


def _check_sample_weights(system: System, source: Source) -> None:
    """Refuse a system that takes no weights of samples; an estimate of the Bayes error counts each sample once."""
    if not source.has_sample_weights or isinstance(system, Bayes):
        return
    check_sample_weights(system.trainer_name)
    if isinstance(system, Tuned) and system.estimator is not None:
        create_form(system.model_choice).check_weights()


def _check_neighbors(system: System, source: Source) -> None:
    """Refuse more neighbours than a split has samples, where the config says how many it has."""
    sizes: Sizes | None = getattr(source.config, "sizes", None)
    if sizes is None:
        return
    if isinstance(system, Knn) and max(system.n_neighbors) > sizes.train:
        raise ValueError(f"n_neighbors: {max(system.n_neighbors)} is more than the {sizes.train} samples of train")
    for split in SPLITS if isinstance(system, Bayes) else ():
        k, n_samples = getattr(system, split).n_neighbors, getattr(sizes, split)
        if k > n_samples:
            raise ValueError(f"{split}.n_neighbors: {k} is more than the {n_samples} samples of {split}")


def _check_candidates(system: System) -> None:
    """Refuse a candidate that is listed twice: it would be trained twice, and shown as two trials.

    Here and not in the model, so that records of before are still read.
    """
    for key in ("n_neighbors", "n_estimators", "max_depth", "min_samples_leaf"):
        values = getattr(system, key, None)
        if isinstance(values, list) and len(set(values)) < len(values):
            twice = next(value for value in values if values.count(value) > 1)
            raise ValueError(f"{key}: lists {twice} twice; list each candidate once")


def _check_files(where: str, files: dict[str, Path]) -> None:
    for path in files.values():
        check_input_path(where, path)
        if not path.exists():
            raise UserError(f"{where}: {path} does not exist. Give the path of a file that does.")
        if not path.is_file():
            raise UserError(f"{where}: {path} is not a file but a folder, a pipe or a device. Give the path of a file.")


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Lay an overlay over a config as Snakemake does: dicts are merged key by key, all else is replaced.

    Args:
        below: the config.
        above: the overlay.

    Returns:
        A new config.
    """
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        merged[key] = merge(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged


def read_dataset(content: dict[str, Any]) -> Source:
    """Create the source of a dataset from plain data of a config that was checked before."""
    return create_source(TypeAdapter[DatasetConfig](Dataset).validate_python(content))
