"""Answer the question of a report: does an autotuner beat an expert, on each dataset and in one sentence.

A blind user sees no eval, so the manual and the tuned model that are compared are those with the lowest mean on dev.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from blindtune.metrics.registry import is_error
from blindtune.report.minimised import format_change, get_scale, get_title, get_unit
from blindtune.report.published import PublishedErrors, load_published
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.stats.comparisons import NO_INTERVAL, NO_METRIC_INTERVAL, compare_all_pairs
from blindtune.report.stats.statistics import Difference, adjust_holm

AnswerVerdict = Literal["manual better", "tuned better", "cannot be told apart", "not decided"]

#: From this p value on, adjusted for the number of datasets, no difference is shown.
LEVEL = 0.05
#: The beginnings of the names of the published systems of each kind.
_PUBLISHED_NAMES = {"manual": ("MLP-M", "Manual"), "tuner": ("MLP-A", "Auto")}


@dataclass(frozen=True)
class DatasetAnswer:
    """Manual against tuned on one dataset.

    All differences are of what was minimised, tuned minus manual, in points of %: above 0 the manual model is better.
    Of a metric that is no share, such as the log loss, they are in its own unit.

    Attributes:
        dataset: title of the dataset.
        stand_in: whether its data are stand-ins.
        manual: the manual model with the lowest mean on dev.
        tuned: the tuned model with the lowest mean on dev.
        difference: the difference on eval.
        low: lower end of its 95% interval; None: there is no interval that means anything.
        high: upper end.
        no_interval: why there is no interval; empty if there is one.
        varies: what the interval lets vary, such as "eval samples and seeds".
        published: the difference of the published models that the published dev errors choose; None if there is none.
        published_systems: their names, such as "MLP-M1 and MLP-A1".
        p: the p value for no difference.
        adjusted_p: the same, adjusted for the datasets of the report that have an answer.
        verdict: which is better, if the data tell.
        sentence: the answer in words.
    """

    dataset: str
    stand_in: bool
    manual: SystemRecords
    tuned: SystemRecords
    difference: float
    low: float | None
    high: float | None
    no_interval: str
    varies: str
    published: float | None
    published_systems: str
    p: float
    adjusted_p: float
    verdict: AnswerVerdict
    sentence: str


def answer_dataset(dataset: DatasetRecords) -> DatasetAnswer | None:
    """Compare the manual and the tuned model of a dataset that dev chooses.

    Args:
        dataset: the dataset.

    Returns:
        The answer, not adjusted for other datasets; None if no manual or no tuned model was run.
    """
    found = _compare(dataset)
    return None if found is None else _answer(dataset, found, found.difference.p)


def answer_all(records: ReportRecords) -> list[DatasetAnswer]:
    """Return the answer of every dataset that has one, adjusted for their number by Holm's method."""
    compared = [(dataset, found) for dataset in records.datasets if (found := _compare(dataset)) is not None]
    adjusted = adjust_holm([found.difference.p for _, found in compared])
    return [_answer(dataset, found, p) for (dataset, found), p in zip(compared, adjusted, strict=True)]


def headline(records: ReportRecords) -> str:
    """Return the answer of the whole report in one sentence."""
    answers = answer_all(records)
    if not answers:
        return "No dataset has both a manual and a tuned model, so the two cannot be compared."
    counted = [f"{word} on {_listed(titles)}" for word, titles in _by_verdict(answers).items()]
    return f"Chosen blindly by dev, {'; '.join(counted)}."


@dataclass(frozen=True)
class _Compared:
    """The two models that dev chooses and their difference on eval, tuned minus manual, not scaled."""

    manual: SystemRecords
    tuned: SystemRecords
    difference: Difference


def _compare(dataset: DatasetRecords) -> _Compared | None:
    manual, tuned = (dataset.systems_of_kind(kind) for kind in ("manual", "tuner"))
    if not manual or not tuned:
        return None
    expert, search = (min(systems, key=lambda system: system.objective("dev")) for systems in (manual, tuned))
    pair = next(pair for pair in compare_all_pairs(dataset) if pair.includes(expert) and pair.includes(search))
    found = pair.difference
    if pair.better.name != expert.name:
        found = Difference(0 - found.value, found.error, 0 - found.high, 0 - found.low, found.p)
    return _Compared(expert, search, found)


def _answer(dataset: DatasetRecords, compared: _Compared, adjusted_p: float) -> DatasetAnswer:
    found, scale = compared.difference, get_scale(dataset.metric)
    has_interval = found.has_interval
    varies = _name_variation(dataset, compared.manual)
    rows = _published_rows(dataset)
    verdict = _decide(compared, adjusted_p)
    return DatasetAnswer(
        dataset=dataset.title,
        stand_in=dataset.stand_in,
        manual=compared.manual,
        tuned=compared.tuned,
        difference=round(scale * found.value, 10),
        low=round(scale * found.low, 10) if has_interval else None,
        high=round(scale * found.high, 10) if has_interval else None,
        no_interval="" if has_interval else NO_INTERVAL if is_error(dataset.metric) else NO_METRIC_INTERVAL,
        varies=varies,
        published=round(rows[1].eval - rows[0].eval, 10) if rows else None,
        published_systems=f"{rows[0].system} and {rows[1].system}" if rows else "",
        p=found.p,
        adjusted_p=adjusted_p,
        verdict=verdict,
        sentence=_write(dataset, compared, varies, verdict),
    )


def _decide(compared: _Compared, adjusted_p: float) -> AnswerVerdict:
    if not compared.difference.has_interval:
        return "not decided"
    if adjusted_p >= LEVEL:
        return "cannot be told apart"
    # Other seeds could change a difference of two single models, which the interval over samples does not cover.
    if len(compared.manual.runs) == 1:
        return "not decided"
    return "manual better" if compared.difference.value > 0 else "tuned better"


def _name_variation(dataset: DatasetRecords, system: SystemRecords) -> str:
    units = "patients" if dataset.has_groups else "eval samples"
    return units if len(system.runs) == 1 else f"{units} and seeds"


def _published_rows(dataset: DatasetRecords) -> tuple[PublishedErrors, PublishedErrors] | None:
    """Return the published manual and tuned row of a dataset that are lowest on dev."""
    if not is_error(dataset.metric):
        return None
    rows = [row for row in load_published().errors.values() if row.dataset == dataset.manifest.published]
    manual, tuned = (
        min((row for row in rows if row.system.startswith(names)), key=lambda row: row.dev, default=None)
        for names in _PUBLISHED_NAMES.values()
    )
    return None if manual is None or tuned is None else (manual, tuned)


_WORDS: dict[AnswerVerdict, str] = {
    "manual better": "the manual model is better than the tuned one",
    "tuned better": "the tuned model is better than the manual one",
    "cannot be told apart": "the manual and the tuned model cannot be told apart",
    "not decided": "it is not decided whether the manual or the tuned model is better",
}


def _write(dataset: DatasetRecords, compared: _Compared, varies: str, verdict: AnswerVerdict) -> str:
    found, metric = compared.difference, dataset.metric
    change = f"{format_change(metric, found.value)}{' points' if get_unit(metric) else ''}"
    interval = (
        f"95% interval {format_change(metric, found.low)} to {format_change(metric, found.high)} over {varies}"
        if found.has_interval
        else NO_INTERVAL if is_error(metric) else NO_METRIC_INTERVAL
    )  # fmt: skip
    words = _WORDS[verdict]
    return (
        f"{words[0].upper()}{words[1:]}: the eval {get_title(metric)} of {compared.tuned.name} minus that of "
        f"{compared.manual.name} is {change} ({interval})."
    )


def _by_verdict(answers: Sequence[DatasetAnswer]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for answer in answers:
        found.setdefault(_WORDS[answer.verdict], []).append(answer.dataset)
    return found


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
