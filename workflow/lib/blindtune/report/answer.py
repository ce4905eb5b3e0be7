"""Answer the question of a report: does an autotuner beat an expert, on each dataset and in one sentence.

A blind user sees no eval, so the manual and the tuned model that are compared are those with the lowest mean on dev.
There is one such question per dataset, asked before eval was seen, so p is adjusted for the number of datasets alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from blindtune.metrics.registry import is_error
from blindtune.report.margin import from_points
from blindtune.report.minimised import format_change, format_margin, format_metric, get_scale, get_title, get_unit
from blindtune.report.names import join_names
from blindtune.report.once import once
from blindtune.report.published import PublishedErrors, load_published
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.stats.comparisons import compare_systems, explain_no_interval, format_p, name_variation
from blindtune.report.stats.statistics import CONFIDENCE, Difference, adjust_holm

AnswerVerdict = Literal["manual better", "tuned better", "cannot be told apart", "not decided"]

#: Up to so many datasets the sentence of the whole report has each with its interval.
FEW_DATASETS = 3
#: A sentence names so many datasets at most; the picture below it has all.
MOST_NAMES = 8
#: The beginnings of the names of the published systems, manual and tuned.
_PUBLISHED_NAMES = (("MLP-M", "Manual"), ("MLP-A", "Auto"))


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
        equal_within: the smallest margin within which the two are equal with 95% confidence; None without an interval,
            or if it would be all that there can be.
        equivalent: whether they differ by less than the margin of the report, adjusted in the same way.
        detectable: the difference that so many samples and seeds would find in 80 of 100 cases; None without an
            interval, or if it is larger than any that there can be.
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
    equal_within: float | None
    equivalent: bool
    detectable: float | None
    verdict: AnswerVerdict
    sentence: str


@once
def answer_all(records: ReportRecords) -> list[DatasetAnswer]:
    """Return the answer of every dataset that has one, adjusted for their number by Holm's method."""
    compared = [found for dataset in records.datasets if (found := _compare(dataset))]
    p = adjust_holm([one.difference.p for one in compared])
    equal = adjust_holm([one.difference.equivalence_p(from_points(records.margin)) for one in compared])
    return [
        _answer(one, _Adjusted(p[at], equal[at], len(compared), records.margin)) for at, one in enumerate(compared)
    ]  # fmt: skip


def headline(records: ReportRecords) -> str:
    """Return the answer of the whole report in one sentence, what its numbers are, and what it cannot vouch for.

    The last are stand-in data, if there are more than a few datasets, and decodes that are not known to be blind.
    """
    answers = answer_all(records)
    if not answers:
        return "No dataset has both a manual and a tuned model, so the two cannot be compared."
    few = len(answers) <= FEW_DATASETS
    names = {dataset.title: dataset.name for dataset in records.datasets}
    titles: dict[AnswerVerdict, list[str]] = {}
    for answer in answers:
        titles.setdefault(answer.verdict, []).append(_with_interval(answer) if few else names[answer.dataset])
    found = [verdict for verdict in _SUMMARIES if verdict in titles]
    parts = [_SUMMARIES[verdict].format(list_names(titles[verdict])) for verdict in found]
    if not few:
        datasets = f" of {len(answers)} datasets"
        counts = [f"{len(titles[verdict])}{'' if at else datasets}" for at, verdict in enumerate(found)]
        named = zip(found, counts, strict=True)
        parts = [_SUMMARIES[verdict].format(f"{count} ({list_names(titles[verdict])})") for verdict, count in named]
    stand_ins = sum(answer.stand_in for answer in answers)
    warning = (
        f" {stand_ins} of the {len(answers)} {'has' if stand_ins == 1 else 'have'} stand-in data."
        if stand_ins and not few
        else ""
    )
    seen = [names[answer.dataset] for answer in answers if answer.manual.qualification or answer.tuned.qualification]
    known = few and any(answer.low is not None for answer in answers)
    legend = " Differences on eval are tuned minus manual, with 95% intervals." if known else ""
    doubt = f" Not every decode is known to be blind on {list_names(seen)}." if seen else ""
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}.{legend}{warning}{doubt}"


_SUMMARIES: dict[AnswerVerdict, str] = {
    "manual better": "the manual model is better on {}",
    "tuned better": "the tuned model is better on {}",
    "cannot be told apart": "manual and tuned cannot be told apart on {}",
    "not decided": "it is not decided on {}",
}


def _with_interval(answer: DatasetAnswer) -> str:
    """Return the title of a dataset with the size of the difference and what it is uncertain of."""
    metric = answer.manual.metric
    if answer.low is None or answer.high is None:
        return f"{answer.dataset} (no interval)"
    ends = [_shown(metric, end) for end in (answer.low, answer.high)]
    seeds = "" if len(answer.manual.runs) > 1 else ", one seed"
    return f"{answer.dataset} ({_shown(metric, answer.difference)}{_points(metric)}, {ends[0]} to {ends[1]}{seeds})"


@dataclass(frozen=True)
class _Compared:
    """The two models of a dataset that dev chooses, and their difference on eval, tuned minus manual."""

    dataset: DatasetRecords
    manual: SystemRecords
    tuned: SystemRecords
    difference: Difference


def _compare(dataset: DatasetRecords) -> _Compared | None:
    expert, search = (dataset.lowest_on_dev(kind) for kind in ("manual", "tuner"))
    if expert is None or search is None:
        return None
    return _Compared(dataset, expert, search, compare_systems(search, expert))


@dataclass(frozen=True)
class _Adjusted:
    """The p values of one dataset, adjusted for all that were asked together."""

    p: float
    equivalence_p: float
    asked: int
    margin: float


def _answer(compared: _Compared, adjusted: _Adjusted) -> DatasetAnswer:
    found, dataset = compared.difference, compared.dataset
    rows = _published_rows(dataset)
    verdict = _decide(compared, adjusted)
    known = found.has_interval
    return DatasetAnswer(
        dataset=dataset.title,
        stand_in=dataset.stand_in,
        manual=compared.manual,
        tuned=compared.tuned,
        difference=_scaled(dataset, found.value),
        low=_scaled(dataset, found.low) if known else None,
        high=_scaled(dataset, found.high) if known else None,
        no_interval="" if known else explain_no_interval(compared.manual, compared.tuned),
        varies=name_variation(compared.manual, compared.tuned),
        published=round(rows[1].eval - rows[0].eval, 10) if rows else None,
        published_systems=f"{rows[0].system} and {rows[1].system}" if rows else "",
        p=found.p,
        adjusted_p=adjusted.p,
        equal_within=None if found.equal_within is None else _scaled(dataset, found.equal_within),
        equivalent=adjusted.equivalence_p < 1 - CONFIDENCE,
        detectable=None if found.detectable is None else _scaled(dataset, found.detectable),
        verdict=verdict,
        sentence=_write(compared, adjusted, verdict),
    )


def _scaled(dataset: DatasetRecords, value: float) -> float:
    """Return a difference as it is shown, without the binary rounding error of the product."""
    return round(get_scale(dataset.metric) * value, 10)


def _decide(compared: _Compared, adjusted: _Adjusted) -> AnswerVerdict:
    if not compared.difference.has_interval:
        return "not decided"
    if adjusted.p >= 1 - CONFIDENCE:
        return "cannot be told apart"
    # Other seeds could change a difference of two single models, which the interval over samples does not cover.
    if len(compared.manual.runs) == 1:
        return "not decided"
    return "manual better" if compared.difference.value > 0 else "tuned better"


def _published_rows(dataset: DatasetRecords) -> tuple[PublishedErrors, PublishedErrors] | None:
    """Return the published manual and tuned row of a dataset that are lowest on dev."""
    if not is_error(dataset.metric):
        return None
    rows = [row for row in load_published().errors.values() if row.dataset == dataset.manifest.published]
    manual, tuned = (
        min((row for row in rows if row.system.startswith(names)), key=lambda row: row.dev, default=None)
        for names in _PUBLISHED_NAMES
    )
    return None if manual is None or tuned is None else (manual, tuned)


def _write(compared: _Compared, adjusted: _Adjusted, verdict: AnswerVerdict) -> str:
    """Write the answer of a dataset in words."""
    found, metric = compared.difference, compared.dataset.metric
    manual, tuned = (_named(system) for system in (compared.manual, compared.tuned))
    starts: dict[AnswerVerdict, str] = {
        "manual better": f"The manual model {manual} is better than the tuned {tuned}",
        "tuned better": f"The tuned model {tuned} is better than the manual {manual}",
        "cannot be told apart": f"The manual model {manual} and the tuned {tuned} cannot be told apart",
        "not decided": f"It is not decided whether the manual model {manual} or the tuned {tuned} is better",
    }
    difference = f"tuned minus manual is {format_change(metric, found.value)}{_points(metric)} in {get_title(metric)}"
    if not found.has_interval:
        return f"{starts[verdict]}: {difference}; {explain_no_interval(compared.manual, compared.tuned)}."
    sentences = [
        f"{starts[verdict]}: {difference}, 95% interval {format_change(metric, found.low)} to "
        f"{format_change(metric, found.high)} over {name_variation(compared.manual, compared.tuned)}, p "
        f"{format_p(adjusted.p)}{_adjustment(adjusted.asked)}.",
        *_list_remarks(compared, adjusted, verdict),
    ]
    return " ".join(sentences)


def _list_remarks(compared: _Compared, adjusted: _Adjusted, verdict: AnswerVerdict) -> list[str]:
    """Return what a reader must know to judge the answer."""
    found, metric = compared.difference, compared.dataset.metric
    remarks = []
    if adjusted.equivalence_p < 1 - CONFIDENCE:
        remarks.append(f"They are equivalent: they differ by less than {format_margin(metric, adjusted.margin)}.")
    elif verdict == "cannot be told apart":
        remarks.append(_describe_power(found, metric))
    if len(compared.manual.runs) == 1:
        remarks.append(
            "With a single seed the seeds do not vary: this is about two models, not about how they are found."
        )
    return remarks


def _describe_power(found: Difference, metric: str) -> str:
    """Say within what two systems are equal that cannot be told apart, and what could have been told apart."""
    apart = (
        "so few samples and seeds tell no difference apart with confidence, however large"
        if found.detectable is None
        else f"so many samples and seeds can tell apart {format_change(metric, found.detectable)}{_points(metric)}"
    )
    if found.equal_within is None:
        return f"{apart[0].upper()}{apart[1:]}."
    within = f"{format_change(metric, found.equal_within)}{_points(metric)}"
    return f"They are equal within {within} with 95% confidence; {apart}."


def _named(system: SystemRecords) -> str:
    details = [format_metric(system.metric, system.objective("eval")), system.qualification]
    return f"{system.name} ({'; '.join(filter(None, details))})"


def _adjustment(asked: int) -> str:
    return "" if asked == 1 else f" adjusted for {asked} datasets"


def _points(metric: str) -> str:
    return " points" if get_unit(metric) else ""


def _shown(metric: str, scaled: float) -> str:
    return format_change(metric, scaled / get_scale(metric))


def list_names(names: Sequence[str]) -> str:
    """Return names as a part of a sentence; of more than `MOST_NAMES` the first, and how many more there are."""
    if len(names) > MOST_NAMES:
        return f"{', '.join(names[: MOST_NAMES - 1])} and {len(names) - MOST_NAMES + 1} more"
    return join_names(names)
