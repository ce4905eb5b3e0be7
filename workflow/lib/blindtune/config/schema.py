"""The config: the one source of what is valid, of the JSON schema and of the commented default."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from blindtune.config.study import Study
from blindtune.config.systems import (
    Bayes,
    Manual,
    ManualModel,
    System,
    TrainerName,
    Tuned,
    check_fused_family,
    check_fused_layers,
    read_space,
)
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.core.job_log import DEFAULT_VERBOSITY, Verbosity
from blindtune.core.validation import Strict, load, nearest, parse
from blindtune.datasets.base import Source
from blindtune.datasets.corpus.config import Corpus
from blindtune.datasets.csv_folder import Isip
from blindtune.datasets.digits import Digits
from blindtune.datasets.drawing import Drawn
from blindtune.datasets.eeg.config import Eeg
from blindtune.datasets.images import Images
from blindtune.datasets.slides.config import Slides
from blindtune.models.architecture import Impossible
from blindtune.models.families import Family
from blindtune.search_space import NAME_PATTERN
from blindtune.training.base import Scoring, Training
from blindtune.views.config import View

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=60)]
Dataset = Annotated[Drawn | Isip | Digits | Images | Eeg | Slides, Field(discriminator="source")]


class TunerOverrides(Strict):
    """What every tuner of a comparison searches and how its trials are trained, whatever its own entry says."""

    space: str | None = Field(default=None, description="search space; null: that of each system's own entry")
    family: Family | None = Field(default=None, description="what the hyperparameters build; null: as above")
    impossible: Impossible | None = Field(default=None, description="a layer that cannot be built; null: as above")
    trainer: TrainerName | None = Field(default=None, description="what trains; null: as above")
    training: Training | None = Field(default=None, description="how each trial is trained; null: as above")
    sees: View | None = Field(default=None, description="what a network sees of a sample; null: as above")


class Comparison(Strict):
    """One dataset and the systems that compete on it."""

    dataset: Name = Field(description="a name from datasets")
    systems: list[Name] = Field(min_length=1, description="names from systems, in the order of the tables")
    budget: Budget = Field(description="what every tuner of this comparison may spend, the same for all")
    tuners: TunerOverrides | None = Field(
        default=None,
        description="space, family, impossible, trainer, training and sees for every tuner of this comparison; "
        "null: each keeps those of its own entry",
    )


class ReportConfig(Strict):
    """What the report draws."""

    points: int = Field(default=4000, gt=0, description="samples of each split in the figure of the three splits")
    surface: int = Field(default=200, gt=1, description="points along each axis of a decision surface")


class Config(Strict):
    """A whole study. An overlay (--configfile) replaces keys; lists are replaced as a whole."""

    name: Name = Field(description="name of this config; everything goes to results/<name>")
    seeds: list[Annotated[int, Field(gt=0)]] = Field(
        min_length=1, description="every system runs once with each; also the seed that its tuner gets"
    )
    scoring: Scoring = Field(
        default="last", description="last: dev error after the last epoch; best: the lowest of all epochs"
    )
    keep: int = Field(default=1, gt=0, description="trials of a study whose weights are kept, the best first")
    verbosity: Verbosity = Field(
        default=DEFAULT_VERBOSITY,
        description="quiet: errors and how each job ends; normal: progress too; talkative: each epoch, in the log too",
    )
    workers: int = Field(
        default=1,
        gt=0,
        description="cores that one study may use: processes that train its trials, threads of a reference model; "
        "changes no record",
    )
    repeats: list[str] = Field(
        default=[],
        description="<dataset>/<system> that may look at eval again after a change; marked as not blind",
    )
    compare: list[Comparison] = Field(min_length=1, description="what is compared on what")
    report: ReportConfig = Field(default=ReportConfig(), description="what the report draws")
    datasets: dict[Name, Dataset] = Field(description="where data come from; only those compared are prepared")
    systems: dict[Name, System] = Field(description="what competes; only those compared are run")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: holds a seed twice")
        names = [comparison.dataset for comparison in self.compare]
        if len(set(names)) < len(names):
            raise ValueError("compare: names a dataset twice; list all its systems in one entry")
        for number, comparison in enumerate(self.compare):
            self._check_comparison(f"compare.{number}", comparison)
        pairs = [f"{comparison.dataset}/{system}" for comparison in self.compare for system in comparison.systems]
        for pair in self.repeats:
            if pair not in pairs:
                raise ValueError(f"repeats: {pair!r} is no <dataset>/<system> of compare: {nearest(pair, pairs)}")
        return self

    def _check_comparison(self, path: str, comparison: Comparison) -> None:
        if comparison.dataset not in self.datasets:
            hint = nearest(comparison.dataset, list(self.datasets))
            raise ValueError(f"{path}.dataset: {comparison.dataset!r} is not in datasets: {hint}")
        if len(set(comparison.systems)) < len(comparison.systems):
            raise ValueError(f"{path}.systems: names a system twice")
        for system in comparison.systems:
            if system not in self.systems:
                raise ValueError(f"{path}.systems: {system!r} is not in systems: {nearest(system, list(self.systems))}")

    def comparison(self, dataset: str) -> Comparison:
        """What is compared on a dataset."""
        return next(comparison for comparison in self.compare if comparison.dataset == dataset)

    def corpora(self) -> list[str]:
        """The compared datasets that are cut from many raw files."""
        return [one.dataset for one in self.compare if isinstance(self.datasets[one.dataset], Corpus)]

    def two_feature_datasets(self) -> list[str]:
        """The compared datasets that may have two features; a corpus has not."""
        return [one.dataset for one in self.compare if one.dataset not in self.corpora()]

    def settings(self, dataset: str, system: str) -> System:
        """A system as it competes on a dataset."""
        settings = self.systems[system]
        shared = self.comparison(dataset).tuners
        if not isinstance(settings, Tuned) or shared is None:
            return settings
        return Tuned.model_validate({**settings.model_dump(), **shared.model_dump(exclude_none=True)})

    def study(self, dataset: str, system: str, seed: int) -> Study:
        """The study of one system on one dataset with one seed."""
        settings = self.settings(dataset, system)
        return Study(
            config=self.name,
            dataset=dataset,
            system=system,
            seed=seed,
            settings=settings,
            budget=self.comparison(dataset).budget if isinstance(settings, Tuned) else None,
            scoring=self.scoring,
            keep=self.keep,
        )

    def studies(self) -> list[Study]:
        """Every study, in the order of the config."""
        return [
            self.study(comparison.dataset, system, seed)
            for comparison in self.compare
            for system in comparison.systems
            for seed in self.seeds
        ]


def read(content: dict[str, Any], where: str) -> Config:
    """A config from plain data, checked with every small file that it names.

    Args:
        content: as YAML gives it.
        where: the files it came from, for messages.

    Raises:
        UserError: something is wrong; one message names every wrong key by its path.
    """
    config = parse(Config, content, where)
    for comparison in config.compare:
        _check_dataset(f"{where}: datasets.{comparison.dataset}", config.datasets[comparison.dataset])
        for name in comparison.systems:
            place = f"{where}: systems.{name} on {comparison.dataset}"
            try:
                settings = config.settings(comparison.dataset, name)
            except ValidationError as error:
                # What all tuners of a comparison share may not fit one of them.
                raise UserError(f"{place}: {error.errors(include_url=False)[0]['ctx']['error']}") from error
            _check_system(place, settings, config.datasets[comparison.dataset], comparison.budget)
    return config


def _check_dataset(where: str, source: Source) -> None:
    try:
        files = source.given()
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    _check_files(where, files)


def _check_system(where: str, system: System, source: Source, budget: Budget) -> None:
    _check_files(where, system.files())
    try:
        source.check_view(system.sees)
        if isinstance(system, Tuned):
            if system.trainer == "fused":
                check_fused_family(system.family)
            system.tuner.check(read_space(system.files()["space"], system.family), budget, system.training.epochs)
        elif not isinstance(system, Bayes) and "model" in system.files():
            model = load(ManualModel, system.files()["model"])
            if isinstance(system, Manual) and system.trainer == "fused":
                check_fused_layers(model.layers)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error


def _check_files(where: str, files: dict[str, Path]) -> None:
    for path in files.values():
        if not path.is_file():
            raise UserError(f"{where}: {path} does not exist. Give the path of a file that does.")


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """An overlay over a config as Snakemake lays it: dicts are merged key by key, all else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        merged[key] = merge(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged


def read_dataset(content: dict[str, Any]) -> Source:
    """One dataset of a config that was checked before, from plain data."""
    return TypeAdapter[Source](Dataset).validate_python(content)
