"""Every record that a report is made from, read and checked against one another."""

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from blindtune.core.arrays import digest_arrays
from blindtune.core.errors import UserError
from blindtune.core.files import digest_file, read_json
from blindtune.core.validation import parse
from blindtune.records.decode_result import DecodeResult
from blindtune.records.model_card import ModelCard, read_card
from blindtune.records.trial import Trial, TrialLog
from blindtune.report.contents import list_figure_kinds
from blindtune.report.manifests import ReportManifest
from blindtune.report.stats.statistics import (
    PairedGroups,
    VarianceComponent,
    binomial_component,
    cluster_component,
    mean,
)

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class RunRecords:
    """One study and its look at eval.

    Attributes:
        card, look, trials: the records; an estimate has no trials.
        wrong: whether each eval sample was answered wrongly (samples,); None for an estimate.
        surface: ``x``, ``y`` (points,) and ``label`` (points, points); None but for two features.
        paths: of the card and the look, relative to the root.
    """

    card: ModelCard
    decode: DecodeResult
    trials: list[Trial]
    wrong: NDArray[np.bool_] | None
    surface: Arrays | None
    paths: tuple[str, str]


@dataclass(frozen=True)
class SystemRecords:
    """The runs of one system on one dataset, by seed."""

    name: str
    runs: list[RunRecords]

    @property
    def kind(self) -> str:
        """knn, random_forest, bayes, manual or tuner."""
        return self.runs[0].card.kind

    @property
    def paper_row(self) -> str | None:
        """The row of the published Table 3 that the system reproduces."""
        return self.runs[0].card.paper_row

    @property
    def blind(self) -> bool:
        """Whether every look was the first of its study."""
        return all(run.decode.blind for run in self.runs)

    @property
    def paths(self) -> list[str]:
        """The cards and looks, relative to the root."""
        return [path for run in self.runs for path in run.paths]

    def errors(self, split: str) -> list[float]:
        """The error of each seed on train, dev or eval, from 0 to 1."""
        by_split = {
            "train": [run.card.train_error for run in self.runs],
            "dev": [run.card.dev_error for run in self.runs],
            "eval": [run.decode.error for run in self.runs],
        }
        return by_split[split]

    def error(self, split: str) -> float:
        """The mean error over the seeds, from 0 to 1."""
        return mean(self.errors(split))

    def wrong(self) -> NDArray[np.bool_]:
        """Whether each eval sample was answered wrongly, (seeds, samples)."""
        return np.stack([run.wrong for run in self.runs if run.wrong is not None])

    def wrong_by_group(self) -> "tuple[NDArray[np.int64], NDArray[np.int64]] | None":
        """Wrong samples of each group, (seeds, groups), and samples of each, (groups,); None where not recorded."""
        found = [run.decode.groups for run in self.runs if run.decode.groups is not None]
        if len(found) < len(self.runs):
            return None
        wrong = np.array([[one.wrong for one in groups] for groups in found], dtype=np.int64)
        return wrong, np.array([one.samples for one in found[0]], dtype=np.int64)

    def clustered_variance(self) -> VarianceComponent | None:
        """The variance of the mean error over groups of eval samples; None where samples were drawn one by one."""
        found = self.wrong_by_group()
        if found is None:
            return None
        wrong, samples = found
        return cluster_component(
            wrong.mean(axis=0), samples, binomial_component(self.error("eval"), int(samples.sum()))
        )

    def best_on_dev(self) -> RunRecords:
        """The run with the lowest dev error, the first of equals."""
        return min(self.runs, key=lambda run: run.card.dev_error)


@dataclass(frozen=True)
class DatasetRecords:
    """A dataset and the systems that were compared on it.

    Attributes:
        name: the dataset's name in the config.
        manifest: what it is.
        path: of the manifest, relative to the root.
        picture: ``<split>_x`` and ``<split>_y``, some samples of each split; empty for data that are no plane.
        examples: some samples of train of a corpus, see `blindtune.datasets.corpus.examples`; empty for other data.
        systems: in the order of the config.
    """

    name: str
    manifest: ReportManifest
    path: str
    split_samples: Arrays
    examples: Arrays
    systems: list[SystemRecords]

    @property
    def stand_in(self) -> bool:
        """Whether the data only look like published ones; a drawing always does."""
        return self.manifest.stand_in or self.manifest.source.get("source") in ("drawn", "drawing")

    @property
    def data(self) -> str:
        """How the rows of this dataset are marked."""
        return "stand-in" if self.stand_in else "real"

    @property
    def title(self) -> str:
        """The dataset's name, and what it is where that must be said beside every number."""
        return f"{self.name} (stand-in data)" if self.stand_in else self.name

    @property
    def has_groups(self) -> bool:
        """Whether its samples belong to patients or the like."""
        return "groups" in self.manifest.parameters

    def group_name(self, number: int) -> str:
        """The name of a patient or the like."""
        return str(self.manifest.parameters["groups"][number])

    @property
    def figure_kinds(self) -> list[str]:
        """The families of figures that are drawn of it."""
        return list_figure_kinds(self.manifest.of_corpus)

    @property
    def samples(self) -> int:
        """Samples in eval."""
        return sum(self.manifest.counts["eval"].values())

    @property
    def classifiers(self) -> list[SystemRecords]:
        """The systems that answer, estimates left out."""
        return [system for system in self.systems if system.kind != "bayes"]

    def systems_of_kind(self, kind: str) -> list[SystemRecords]:
        """The systems of one kind."""
        return [system for system in self.systems if system.kind == kind]


@dataclass(frozen=True)
class ReportRecords:
    """Everything that a report is made from.

    Attributes:
        root: the folder ``results/<config name>``.
        datasets: in the order of the config.
        seeds: in the order of the config.
        files: sha256 of every file that was read, by its path relative to the root.
        frozen: sha256 of the frozen model, by the path of its card and of its look.
    """

    root: Path
    datasets: list[DatasetRecords]
    seeds: list[int]
    files: dict[str, str] = field(default_factory=dict)
    frozen: dict[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> list[RunRecords]:
        """Every run of every system."""
        return [run for dataset in self.datasets for system in dataset.systems for run in system.runs]


def pair_by_group(first: SystemRecords, second: SystemRecords) -> PairedGroups | None:
    """Two systems of a dataset by group of eval samples; None where samples were drawn one by one."""
    one, other = first.wrong_by_group(), second.wrong_by_group()
    return None if one is None or other is None else PairedGroups(one[0], other[0], one[1])


def read_records(root: Path, compare: list[tuple[str, list[str]]], seeds: list[int]) -> ReportRecords:
    """Read every record of a report.

    Args:
        root: the folder ``results/<config name>``.
        compare: each dataset with its systems, in the order of the config.
        seeds: the study seeds.

    Raises:
        UserError: a record is missing, unreadable, or does not belong to the one beside it.
    """
    reader = _Reader(root)
    datasets = [reader.dataset(name, systems, seeds) for name, systems in compare]
    return ReportRecords(root, datasets, seeds, reader.files, reader.frozen)


class _Reader:
    """Reads below one root and keeps account of what was read."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.files: dict[str, str] = {}
        self.frozen: dict[str, str] = {}

    def dataset(self, name: str, systems: list[str], seeds: list[int]) -> DatasetRecords:
        path = f"data/{name}/manifest.json"
        manifest = parse(ReportManifest, read_json(self._file(path)), str(self._root / path))
        corpus = manifest.of_corpus
        picture = {} if corpus else self._arrays(f"decodes/{name}/sample_splits.npz")
        examples = self._arrays(f"data/{name}/examples.npz") if corpus else {}
        found = [SystemRecords(system, [self._run(name, system, seed) for seed in seeds]) for system in systems]
        dataset = DatasetRecords(name, manifest, path, picture, examples, found)
        self._check_same_eval(dataset)
        return dataset

    def _run(self, dataset: str, system: str, seed: int) -> RunRecords:
        studies, decodes = (f"{stage}/{dataset}/{system}/{seed}" for stage in ("studies", "decodes"))
        card_path, look_path = f"{studies}/card.json", f"{decodes}/look.json"
        card = read_card(self._file(card_path))
        look = parse(DecodeResult, read_json(self._file(look_path)), str(self._root / look_path))
        if look.frozen_sha256 != card.frozen_sha256():
            raise UserError(f"{self._root / look_path}: is of another frozen model than {card_path}. Run decode again.")
        self.frozen |= {card_path: look.frozen_sha256, look_path: look.frozen_sha256}
        paths = (card_path, look_path)
        if card.kind == "bayes":
            return RunRecords(card, look, [], None, None, paths)
        trials = TrialLog(self._file(f"{studies}/trials.jsonl")).read()
        wrong = self._wrong(f"{decodes}/answers.npz", look)
        surface = self._arrays(f"{decodes}/surface.npz")
        return RunRecords(card, look, trials, wrong, surface if "label" in surface else None, paths)

    def _wrong(self, path: str, look: DecodeResult) -> NDArray[np.bool_]:
        answers = self._arrays(path)
        if digest_arrays(answers) != look.answers_sha256:
            raise UserError(f"{self._root / path}: does not hold the answers of the look beside it. Run decode again.")
        return answers["wrong"].astype(bool)

    def _arrays(self, path: str) -> Arrays:
        file = self._file(path)
        try:
            with np.load(file, allow_pickle=False) as stored:
                return dict(stored)
        except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
            raise UserError(f"{file}: cannot be read ({error}). Remove it and run again.") from error

    def _file(self, path: str) -> Path:
        self.files[path] = digest_file(self._root / path)
        return self._root / path

    def _check_same_eval(self, dataset: DatasetRecords) -> None:
        for run in (run for system in dataset.systems for run in system.runs):
            if run.decode.eval_sha256 != dataset.manifest.splits["eval"]:
                raise UserError(
                    f"{self._root / run.paths[1]}: looked at other eval data than {dataset.path} has. Decode again."
                )
