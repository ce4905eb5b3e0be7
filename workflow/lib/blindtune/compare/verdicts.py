"""The answers to the report's questions in two runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blindtune.compare.run_folder import RunFolder
from blindtune.core.errors import UserError
from blindtune.core.paths import ResultPaths
from blindtune.report.answer import answer_all
from blindtune.report.library_verdicts import best_on_dev
from blindtune.report.records import read_records
from blindtune.report.verdict import format_system

MANUAL_OR_TUNED = "manual or tuned?"
CHOSEN = "which model does dev choose?"


@dataclass(frozen=True)
class DatasetVerdict:
    """The answer to one question.

    Attributes:
        decision: what the records decide.
        sentence: the answer in words, with its numbers.
    """

    decision: str
    sentence: str


@dataclass(frozen=True)
class VerdictChange:
    """An answer that differs.

    Attributes:
        dataset: its name.
        question: what was asked.
        before: the answer in the first run; None: it has none.
        after: the answer in the second one.
    """

    dataset: str
    question: str
    before: DatasetVerdict | None
    after: DatasetVerdict | None

    @property
    def is_same_decision(self) -> bool:
        """Whether the numbers alone differ."""
        return self.before is not None and self.after is not None and self.before.decision == self.after.decision


def compare_verdicts(
    before: RunFolder, after: RunFolder, margins: tuple[float, float]
) -> tuple[list[VerdictChange], list[str]]:
    """Compare the answers of two runs, of systems with a result on eval for every seed.

    Args:
        before: the first run.
        after: the second one.
        margins: of equivalence in the two runs, in points of %.

    Returns:
        The answers that differ on datasets that both runs have, and why a run has no answers, or none on a dataset,
        one sentence each.
    """
    answers, unknown = [], []
    for run, margin in zip((before, after), margins, strict=True):
        try:
            answers.append(_answer(run, margin))
        except UserError as error:
            answers.append({})
            unknown.append(f"{run.root} has no report ({error})")
    if unknown:
        return [], unknown
    unknown = list(dict.fromkeys(reason for run in (before, after) for reason in _explain_absent(run)))
    one, other = answers
    shared = [key for key in dict.fromkeys((*one, *other)) if key[0] in before.manifests and key[0] in after.manifests]
    changes = [VerdictChange(*key, one.get(key), other.get(key)) for key in shared if one.get(key) != other.get(key)]
    return changes, unknown


def _explain_absent(run: RunFolder) -> Iterator[str]:
    """Yield why there is no verdict on a dataset of which models were decoded."""
    for dataset in run.manifests:
        decoded = any(study.result for (name, _, _), study in run.studies.items() if name == dataset)
        if decoded and not run.complete_systems(dataset):
            yield (
                f"{run.root}: {dataset} has no system with a result on eval for every seed of the run "
                f"({', '.join(map(str, run.seeds()))}), so that there is no verdict on it"
            )


def _answer(run: RunFolder, margin: float) -> dict[tuple[str, str], DatasetVerdict]:
    """Return the answers of a run by dataset and question, with a margin of equivalence in points of %."""
    seeds = run.seeds()
    paths = ResultPaths(str(run.root))
    compare = [
        (dataset, systems)
        for dataset in run.manifests
        # What the figure of samples is made of is the last of a dataset's records.
        if any(Path(path).exists() for path in (paths.sample_splits(dataset), paths.examples(dataset)))
        and (systems := run.complete_systems(dataset))
    ]
    if not compare:
        return {}
    records = read_records(run.root, compare, seeds, Path(paths.ledger()), margin=margin)
    titles = {answer.dataset: answer for answer in answer_all(records)}
    found: dict[tuple[str, str], DatasetVerdict] = {}
    for dataset in records.datasets:
        if dataset.title in titles:
            answer = titles[dataset.title]
            found[dataset.name, MANUAL_OR_TUNED] = DatasetVerdict(answer.verdict, answer.sentence)
        if dataset.classifiers:
            chosen = best_on_dev(dataset.classifiers)
            found[dataset.name, CHOSEN] = DatasetVerdict(chosen.name, format_system(chosen))
    return found
