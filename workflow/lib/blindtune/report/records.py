"""Read all records of a report and check that they belong together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.arrays import read_npz
from blindtune.core.errors import UserError
from blindtune.core.files import digest_file, read_json
from blindtune.core.paths import ResultPaths
from blindtune.core.post_mortem_paths import post_mortem_file
from blindtune.core.validation import parse
from blindtune.datasets.verification import read_manifest
from blindtune.decoding.chain import Head
from blindtune.decoding.known_heads import read_heads
from blindtune.metrics.events import COLUMNS
from blindtune.metrics.registry import ERROR, is_error
from blindtune.records.agreement import check_agreement
from blindtune.records.decode_result import DecodeResult, check_result, parse_decode_result
from blindtune.records.model_card import ModelCard, read_card, read_card_digest
from blindtune.records.post_mortem import PostMortem, digest_searched, read_post_mortem
from blindtune.records.trial import Trial, TrialLog
from blindtune.report.contents import list_figure_kinds
from blindtune.report.decodes import EvalUses, LedgerReader, Precedents
from blindtune.report.manifests import ReportManifest
from blindtune.report.margin import DEFAULT_MARGIN
from blindtune.report.stats.crossed import CrossedMeans, GroupCounts, measure_errors
from blindtune.report.stats.metric_samples import MetricSample, leave_parts_out
from blindtune.report.stats.statistics import (
    VarianceComponent,
    binomial_component,
    cluster_component,
    mean,
    round_mean,
)

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class RunRecords:
    """The records of one study and its decode of eval.

    Attributes:
        card: the model card.
        decode: the result of the decode, with the scores that follow from the predictions.
        trials: the trial log; empty for an estimate of the Bayes error.
        wrong: whether each eval sample is misclassified, ``(n_samples,)`` bool; None for an estimate.
        surface: the decision surface, ``x`` and ``y`` ``(n_points,)`` and ``label`` ``(n_points, n_points)``; None
            for data without exactly two features.
        paths: the paths of the card and of the decode result, relative to the root.
        doubled: number of lines of the trial log that repeat an earlier record and were left out.
        answers: ``predicted`` labels and the details of the answers on eval, see
            `blindtune.records.decode_result.Predictions`; empty for an estimate.
        post_mortem: what all its trials score on eval; None: no post-mortem was made.
        post_mortem_path: the path of its file, relative to the root; None as above.
        is_recorded: whether the ledger holds the decode.
    """

    card: ModelCard
    decode: DecodeResult
    trials: list[Trial]
    wrong: NDArray[np.bool_] | None
    surface: Arrays | None
    paths: tuple[str, str]
    doubled: int = 0
    answers: Arrays = field(default_factory=dict)
    post_mortem: PostMortem | None = None
    post_mortem_path: str | None = None
    is_recorded: bool = True

    @property
    def dev_objective(self) -> float:
        """What the model was chosen by on dev: the metric of the comparison, lower is better."""
        return self.card.dev_error if self.card.dev_metric is None else self.card.dev_metric


@dataclass(frozen=True)
class SystemRecords:
    """The runs of one system on one dataset, one per seed.

    Attributes:
        name: the name of the system in the config.
        runs: the runs, in the order of the seeds.
        precedents: what was known of eval before the system was decoded on it.
    """

    name: str
    runs: list[RunRecords]
    precedents: Precedents = field(default_factory=Precedents)

    @property
    def kind(self) -> str:
        """The kind of the system: knn, random_forest, bayes, manual or tuner."""
        return self.runs[0].card.kind

    @property
    def paper_row(self) -> str | None:
        """The row of the published Table 3 that the system reproduces, if any."""
        return self.runs[0].card.paper_row

    @property
    def blind(self) -> bool:
        """Whether every decode was blind: the first on these eval data in its study."""
        return all(run.decode.blind for run in self.runs)

    @property
    def qualification(self) -> str:
        """What every statement about its eval error says with it; empty if all decodes were blind and none before."""
        return "; ".join(filter(None, ["" if self.blind else "not blind", str(self.precedents)]))

    @property
    def paths(self) -> list[str]:
        """The paths of all cards and decode results, relative to the root."""
        return [path for run in self.runs for path in run.paths]

    def errors(self, split: str) -> list[float]:
        """Return the error of each seed on train, dev or eval, from 0 to 1."""
        by_split = {
            "train": [run.card.train_error for run in self.runs],
            "dev": [run.card.dev_error for run in self.runs],
            "eval": [run.decode.error for run in self.runs],
        }
        return by_split[split]

    def error(self, split: str) -> float:
        """Return the mean error over the seeds on train, dev or eval, from 0 to 1, as `round_mean`."""
        return round_mean(mean(self.errors(split)))

    @property
    def metric(self) -> str:
        """What its tuner minimised, a key of `blindtune.metrics.registry.METRICS`."""
        return self.runs[0].card.metric or ERROR

    def metric_values(self, split: str) -> list[float]:
        """Return the metric of each seed on train, dev or eval; empty for the error, and where it is not recorded."""
        by_split = {
            "train": [run.card.train_metric for run in self.runs],
            "dev": [run.card.dev_metric for run in self.runs],
            "eval": [run.decode.metric_value for run in self.runs],
        }
        known = [value for value in by_split[split] if value is not None]
        return known if len(known) == len(self.runs) else []

    def objectives(self, split: str) -> list[float]:
        """Return what was minimised of each seed, the metric or the error, on train, dev or eval."""
        return self.metric_values(split) or self.errors(split)

    def objective(self, split: str) -> float:
        """Return the mean over the seeds of what was minimised, on train, dev or eval, as `round_mean`."""
        return round_mean(mean(self.objectives(split)))

    @cached_property
    def metric_sample(self) -> MetricSample | None:
        """The metric on eval with what it is without parts of the samples; None for the error."""
        answers = [run.answers for run in self.runs]
        if is_error(self.metric) or not self.metric_values("eval") or not all("true" in one for one in answers):
            return None
        return leave_parts_out(self.metric, answers, self.runs[0].card.classes)

    def wrong(self) -> NDArray[np.bool_]:
        """Return whether each eval sample is misclassified, ``(n_seeds, n_samples)`` bool."""
        return np.stack([run.wrong for run in self.runs if run.wrong is not None])

    def wrong_by_group(self) -> "tuple[NDArray[np.int64], NDArray[np.int64]] | None":
        """Return the eval samples by group, such as patients.

        Returns:
            The misclassified samples, ``(n_seeds, n_groups)``, and all samples, ``(n_groups,)``; None if a decode did
            not record them.
        """
        found = [run.decode.groups for run in self.runs if run.decode.groups is not None]
        if len(found) < len(self.runs):
            return None
        wrong = np.array([[one.wrong for one in groups] for groups in found], dtype=np.int64)
        return wrong, np.array([one.samples for one in found[0]], dtype=np.int64)

    @cached_property
    def errors_by_sample(self) -> CrossedMeans:
        """The eval errors, with samples as the sampling units."""
        return measure_errors(self.wrong())

    @cached_property
    def errors_by_group(self) -> CrossedMeans | None:
        """The eval errors, with groups as the sampling units; None if a decode did not record them."""
        found = self.wrong_by_group()
        return None if found is None else measure_errors(self.wrong(), GroupCounts(*found))

    def clustered_variance(self) -> VarianceComponent | None:
        """Return the variance of the mean error over groups of eval samples; None if the data have no groups."""
        found = self.wrong_by_group()
        if found is None:
            return None
        wrong, samples = found
        return cluster_component(
            wrong.mean(axis=0), samples, binomial_component(self.error("eval"), int(samples.sum()))
        )

    def best_on_dev(self) -> RunRecords:
        """Return the run with the lowest dev error, or metric of the comparison, the first of equals."""
        return min(self.runs, key=lambda run: run.dev_objective)


@dataclass(frozen=True)
class DatasetRecords:
    """A dataset and the systems that were compared on it.

    Attributes:
        name: the name of the dataset in the config.
        manifest: the manifest of the prepared dataset.
        path: the path of the manifest, relative to the root.
        picture: ``<split>_x`` and ``<split>_y``, some samples of each split; empty for data without exactly two
            features.
        examples: some train samples of a corpus, see `blindtune.datasets.corpus.examples`; empty for other data.
        systems: the compared systems, in the order of the config.
        uses: all uses of the eval of the dataset that the ledger holds.
    """

    name: str
    manifest: ReportManifest
    path: str
    split_samples: Arrays
    examples: Arrays
    systems: list[SystemRecords]
    uses: EvalUses = field(default_factory=EvalUses)

    @property
    def stand_in(self) -> bool:
        """Whether the data are simulated to resemble published ones; drawings always are."""
        return self.manifest.stand_in or self.manifest.source.get("source") == "drawing"

    @property
    def data(self) -> str:
        """The mark of the rows of this dataset: "stand-in" or "real"."""
        return "stand-in" if self.stand_in else "real"

    @property
    def title(self) -> str:
        """The name of the dataset, with a mark if its data are stand-ins."""
        return f"{self.name} (stand-in data)" if self.stand_in else self.name

    @property
    def has_groups(self) -> bool:
        """Whether the samples belong to groups such as patients."""
        return "groups" in self.manifest.parameters

    def group_name(self, number: int) -> str:
        """Return the name of a group, such as a patient."""
        return str(self.manifest.parameters["groups"][number])

    @property
    def figure_kinds(self) -> list[str]:
        """The kinds of figures of this dataset."""
        return list_figure_kinds(self.manifest.of_corpus, self.has_post_mortem)

    @property
    def has_post_mortem(self) -> bool:
        """Whether a post-mortem was made of a search on it."""
        return any(run.post_mortem is not None for system in self.systems for run in system.runs)

    @property
    def samples(self) -> int:
        """The number of eval samples."""
        return sum(self.manifest.counts["eval"].values())

    @property
    def classifiers(self) -> list[SystemRecords]:
        """The systems that classify samples: all but the estimates of the Bayes error."""
        return [system for system in self.systems if system.kind != "bayes"]

    @property
    def metric(self) -> str:
        """What the systems of the dataset minimise on dev, a key of `blindtune.metrics.registry.METRICS`."""
        return next((system.metric for system in self.classifiers if not is_error(system.metric)), ERROR)

    def systems_of_kind(self, kind: str) -> list[SystemRecords]:
        """Return the systems of one kind."""
        return [system for system in self.systems if system.kind == kind]

    def lowest_on_dev(self, kind: str) -> SystemRecords | None:
        """Return the system of a kind with the lowest mean on dev, the first of equals; None without one."""
        return min(self.systems_of_kind(kind), key=lambda system: system.objective("dev"), default=None)


@dataclass(frozen=True)
class ReportRecords:
    """All records of a report.

    Attributes:
        root: the folder ``results/<config name>``.
        datasets: the datasets, in the order of the config.
        seeds: the study seeds, in the order of the config.
        files: the sha256 of every file that was read, by its path relative to the root.
        frozen: the sha256 of each frozen model, by the paths of its card and of its decode result.
        ledger_line: a sentence about the ledger: its length, and the head of its chain.
        ledger_head: the head of its chain; None: it has no entry.
        ledger_faults: sentences about what is known to be missing in it.
        margin: the difference that is too small to matter, in points of %.
    """

    root: Path
    datasets: list[DatasetRecords]
    seeds: list[int]
    files: dict[str, str] = field(default_factory=dict)
    frozen: dict[str, str] = field(default_factory=dict)
    ledger_line: str = ""
    ledger_head: Head | None = None
    ledger_faults: list[str] = field(default_factory=list)
    margin: float = DEFAULT_MARGIN

    @property
    def runs(self) -> list[RunRecords]:
        """All runs of all systems."""
        return [run for dataset in self.datasets for system in dataset.systems for run in system.runs]


def pair_errors(first: SystemRecords, second: SystemRecords) -> tuple[CrossedMeans, CrossedMeans]:
    """Return the errors of two systems on the same dataset, by group if the decodes of both recorded the groups.

    Args:
        first: a system.
        second: another system on the same dataset.
    """
    one, other = first.errors_by_group, second.errors_by_group
    return (first.errors_by_sample, second.errors_by_sample) if one is None or other is None else (one, other)


def read_records(
    root: Path,
    compare: list[tuple[str, list[str]]],
    seeds: list[int],
    ledger: Path | None = None,
    post_mortems: Iterable[Sequence[str]] = (),
    margin: float = DEFAULT_MARGIN,
) -> ReportRecords:
    """Read all records of a report.

    Args:
        root: the folder ``results/<config name>``.
        compare: the name of each dataset with the names of its systems, in the order of the config.
        seeds: the study seeds.
        ledger: folder of the ledger; None: next to ``root``.
        post_mortems: dataset and system of each search of which a post-mortem was made.
        margin: the difference that is too small to matter, in points of %.

    Returns:
        The records, checked against each other and against the ledger.

    Raises:
        UserError: a record is missing or unreadable, does not belong to the other records, or contradicts the
            predictions or the ledger; or the chain of the ledger is broken.
    """
    heads = read_heads(root)
    searched = {(dataset, system) for dataset, system in post_mortems}
    reader = _Reader(root, LedgerReader(ledger or root.parent / "ledger"), searched)
    datasets = [reader.dataset(name, systems, seeds) for name, systems in compare]
    ledger_reader = reader.ledger
    return ReportRecords(
        root,
        datasets,
        seeds,
        reader.files,
        reader.frozen,
        ledger_reader.describe(),
        ledger_reader.head,
        ledger_reader.list_faults(heads),
        margin,
    )


_DECODE_AGAIN = "Remove result.json next to it and run again."
_ANALYSE_AGAIN = "Remove it and run again."


def _check_one_metric(name: str, systems: list[SystemRecords]) -> None:
    """Refuse systems that were chosen by different metrics: their numbers cannot be ranked together."""
    found = {
        run.card.metric or ERROR: path
        for system in systems
        if system.kind != "bayes"
        for run, path in zip(system.runs, system.paths[::2], strict=True)
    }
    if len(found) > 1:
        listed = ", ".join(f"{metric} ({path})" for metric, path in found.items())
        raise UserError(
            f"{name}: its systems were chosen by different metrics: {listed}. Remove the cards that do not have the "
            "metric of the config and run again."
        )


class _Reader:
    """Reads records below one root and lists every file that it read."""

    def __init__(self, root: Path, ledger: LedgerReader, post_mortems: set[tuple[str, str]]) -> None:
        self._root = root
        self._post_mortems = post_mortems
        self.ledger = ledger
        self.files: dict[str, str] = {}
        self.frozen: dict[str, str] = {}

    def dataset(self, name: str, systems: list[str], seeds: list[int]) -> DatasetRecords:
        path = f"data/{name}/manifest.json"
        manifest = parse(ReportManifest, read_manifest(self._file(path)), str(self._root / path))
        corpus = manifest.of_corpus
        picture = {} if corpus else self._arrays(f"decodes/{name}/sample_splits.npz")
        examples = self._arrays(f"data/{name}/examples.npz") if corpus else {}
        runs = {system: [self._run(manifest, path, name, system, seed) for seed in seeds] for system in systems}
        uses = self._uses(manifest, [run for system in systems for run in runs[system]])
        uses = replace(uses, lacks_drawing=bool(picture) and not uses.samplings)
        found = [
            SystemRecords(system, runs[system], uses.before(run.card.study for run in runs[system]))
            for system in systems
        ]
        _check_one_metric(name, found)
        return DatasetRecords(name, manifest, path, picture, examples, found, uses)

    def _run(self, manifest: ReportManifest, path: str, dataset: str, system: str, seed: int) -> RunRecords:
        studies, decodes = (f"{stage}/{dataset}/{system}/{seed}" for stage in ("studies", "decodes"))
        card_path, decode_path = f"{studies}/card.json", f"{decodes}/result.json"
        card = read_card(self._file(card_path))
        where = str(self._root / decode_path)
        decode = parse_decode_result(read_json(self._file(decode_path)), where)
        for place, study in ((card_path, card.study), (decode_path, decode.study)):
            if study.split("/")[1:] != [dataset, system, str(seed)]:
                raise UserError(
                    f"{self._root / place}: is of the study {study}, in the place of {dataset}/{system}/{seed}. Put "
                    "back what was moved, or remove it and run again."
                )
        if decode.metric != card.metric:
            raise UserError(
                f"{where}: has the metric {decode.metric or ERROR}, but {card_path} was chosen by "
                f"{card.metric or ERROR}. Remove it and run again."
            )
        if decode.frozen_sha256 != card.frozen_sha256():
            raise UserError(f"{where}: belongs to another frozen model than {card_path}. Remove it and run again.")
        if decode.eval_sha256 != manifest.splits["eval"]:
            raise UserError(f"{where}: decoded other eval data than {path} has. Remove it and run again.")
        digests = {
            "card_sha256": (self._root / card_path, read_card_digest(self._root / card_path)),
            "manifest_sha256": (self._root / path, manifest.manifest_sha256),
        }
        self.ledger.check_records(decode, digests)
        self.frozen |= {card_path: decode.frozen_sha256, decode_path: decode.frozen_sha256}
        predictions = {} if card.kind == "bayes" else self._arrays(f"{decodes}/predictions.npz")
        source = f"{decodes}/predictions.npz"
        recorded, decode = decode, check_result(decode, predictions, where, source, _DECODE_AGAIN)
        # As it was read: the ledger holds what was counted then.
        is_recorded = self.ledger.check(recorded, self._root / decode_path)
        paths = (card_path, decode_path)
        if card.kind == "bayes":
            return RunRecords(card, decode, [], None, None, paths, is_recorded=is_recorded)
        log = self._file(f"{studies}/trials.jsonl")
        trials, doubled = TrialLog(log).scan()
        foreign = next((trial for trial in trials if trial.study != card.study), None)
        if foreign is not None:
            raise UserError(
                f"{log}: trial {foreign.number} is of the study {foreign.study}, not of {card.study}. Restore the "
                "file, or move the study's folder away and run again."
            )
        trials = check_agreement(card, trials, log)
        surface = self._arrays(f"{decodes}/surface.npz")
        shown = surface if "label" in surface else None
        answers = {name: array for name, array in predictions.items() if name != "wrong" and name not in COLUMNS}
        wrong = predictions["wrong"]
        run = RunRecords(card, decode, trials, wrong, shown, paths, len(doubled), answers, is_recorded=is_recorded)
        return self._with_post_mortem(run) if (dataset, system) in self._post_mortems else run

    def _with_post_mortem(self, run: RunRecords) -> RunRecords:
        """Return a run with what all its trials score on eval."""
        card = run.card
        place = post_mortem_file(ResultPaths(""), card.dataset, card.system, card.seed).lstrip("/")
        path = self._file(place)
        found = read_post_mortem(path, _ANALYSE_AGAIN)
        expected = (card.study, card.frozen_sha256(), run.decode.eval_sha256, digest_searched(run.trials))
        if (found.study, found.frozen_sha256, found.eval_sha256, found.trials_sha256) != expected:
            raise UserError(
                f"{path}: is of another search than {run.paths[0]}, or of other eval data. {_ANALYSE_AGAIN}"
            )
        self.ledger.check_post_mortem(found, path)
        return replace(run, post_mortem=found, post_mortem_path=place)

    def _uses(self, manifest: ReportManifest, runs: list[RunRecords]) -> EvalUses:
        """Compare the decodes of a dataset with the ledger, and return all uses of its eval."""
        unrecorded = [run.card.study for run in runs if not run.is_recorded]
        reported = {(run.decode.study, run.decode.frozen_sha256, run.decode.eval_sha256) for run in runs}
        uses = self.ledger.uses(manifest.splits["eval"], manifest.eval_content_sha256, reported, unrecorded)
        rewritten = [run.card.study for run in runs if self.ledger.is_rewritten(run.decode)]
        return replace(uses, rewritten=rewritten)

    def _arrays(self, path: str) -> Arrays:
        file = self._file(path)
        # Nothing but a result.json makes a decode run again.
        of_decode = (file.parent / "result.json").exists()
        return read_npz(file, _DECODE_AGAIN if of_decode else "Remove it and run again.")

    def _file(self, path: str) -> Path:
        file = self._root / path
        try:
            self.files[path] = digest_file(file)
        except UserError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise UserError(f"{file}: is missing. Run again: the run makes it, or says what to do.") from error
            raise
        return file
