"""The first screen of the page: the answer of each dataset as a picture, and the ranking of its systems."""

import math
from dataclasses import dataclass

from blindtune.metrics.registry import METRICS
from blindtune.report.answer import AnswerVerdict, DatasetAnswer, answer_all
from blindtune.report.minimised import format_cell, format_metric, get_title, get_unit, raise_to_equal, to_cell
from blindtune.report.page_tables import anchor_records
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.stats.comparisons import PairComparison, compare_report, select_pairs_with_best
from blindtune.report.stats.statistics import compute_sd

#: The systems of a ranking that are shown at once, and the two that dev chose.
MOST_RANKED = 7
#: An interval is cut where it is this many times as wide as the largest difference, so that others can be seen.
MOST_WIDE = 4.0
#: The words of each kind of system.
KINDS = {"knn": "reference", "random_forest": "reference", "manual": "manual", "tuner": "tuned"}
#: The CSS class of each verdict.
MARKS: dict[AnswerVerdict, str] = {
    "manual better": "manual",
    "tuned better": "tuned",
    "cannot be told apart": "equal",
    "not decided": "open",
}


@dataclass(frozen=True)
class AnswerRow:
    """The answer of a dataset, placed on the axis of its picture.

    Attributes:
        anchor: the id of the dataset's view.
        name: of the dataset in the config.
        answer: the answer.
        mark: the CSS class of its verdict.
        place: of the difference, in % of the width.
        ends: of the interval, in % of the width; None: there is none.
        cut: whether the interval goes on to the left and to the right of the picture.
        published: place of the published difference; None: there is none.
        numbers: the difference with its interval, as text.
        published_text: the published difference, as text.
        records: the ids of the records of the tuned and of the manual model within the page.
    """

    anchor: str
    name: str
    answer: DatasetAnswer
    mark: str
    place: float
    ends: tuple[float, float] | None
    cut: tuple[bool, bool]
    published: float | None
    numbers: str
    published_text: str
    records: tuple[str, str]


@dataclass(frozen=True)
class AnswerPicture:
    """The answers that share an axis.

    Attributes:
        label: what the axis shows.
        zero: the place of no difference, in % of the width.
        ticks: the place and the text of each tick.
        rows: one per dataset.
    """

    label: str
    zero: float
    ticks: list[tuple[float, str]]
    rows: list[AnswerRow]


@dataclass(frozen=True)
class RankedSystem:
    """A system in the ranking of a dataset.

    Attributes:
        place: its place, from 1 on; systems with the same value share theirs.
        name: of the system.
        kind: manual, tuned or reference.
        value: the mean on eval of what was minimised, as text.
        spread: the standard deviation over the seeds, as text; empty for a single seed.
        share: the value as a share of the largest one, in %.
        equal: whether it is not distinguishable from the first.
        untested: whether its difference from the first has no interval, so that nothing is known of it.
        chosen: whether dev chose it among its kind.
        mark: what qualifies it, such as "not blind".
        records: the id of its records within the page.
    """

    place: int
    name: str
    kind: str
    value: str
    spread: str
    share: float
    equal: bool
    untested: bool
    chosen: bool
    mark: str
    records: str


@dataclass(frozen=True)
class Ranking:
    """The classifiers of a dataset by what was minimised, the lowest on eval first."""

    dataset: DatasetRecords
    anchor: str
    title: str
    systems: list[RankedSystem]

    @property
    def first(self) -> list[RankedSystem]:
        """The first systems, and those of the others that dev chose: the answer is about them."""
        return [system for at, system in enumerate(self.systems) if at < MOST_RANKED or system.chosen]

    @property
    def others(self) -> list[RankedSystem]:
        """The systems that are not among the first."""
        return [system for at, system in enumerate(self.systems) if at >= MOST_RANKED and not system.chosen]


def anchor_of(dataset: DatasetRecords) -> str:
    """Return the id of the view of a dataset within the page."""
    return f"dataset-{dataset.name}"


def draw_answers(records: ReportRecords) -> list[AnswerPicture]:
    """Place the answers of all datasets, one picture for each unit."""
    datasets = {dataset.title: dataset for dataset in records.datasets}
    by_label: dict[str, list[DatasetAnswer]] = {}
    for answer in answer_all(records):
        by_label.setdefault(_label(answer), []).append(answer)
    return [_draw(label, answers, datasets) for label, answers in by_label.items()]


def rank_systems(records: ReportRecords) -> list[Ranking]:
    """Rank the classifiers of every dataset that has some."""
    chosen = {answer.dataset: {answer.manual.name, answer.tuned.name} for answer in answer_all(records)}
    return [
        _rank(dataset, pairs, chosen.get(dataset.title, set()))
        for dataset, pairs in compare_report(records)
        if dataset.classifiers
    ]  # fmt: skip


def choose_ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two ends, 0 among them, three to eight of them.

    Args:
        low: the lower end, at most 0.
        high: the upper end, at least 0.
    """
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _label(answer: DatasetAnswer) -> str:
    title = get_title(answer.manual.metric)
    unit = ", in points of %" if get_unit(answer.manual.metric) else ""
    return f"Difference in eval {title}{unit}: tuned minus manual"


def _draw(label: str, answers: list[DatasetAnswer], datasets: dict[str, DatasetRecords]) -> AnswerPicture:
    low, high = _frame(answers)

    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 3)

    ticks = [(place(tick), _signed(tick, 6).rstrip("0").rstrip(".")) for tick in choose_ticks(low, high)]
    rows = []
    for answer in answers:
        ends = None if answer.low is None or answer.high is None else (answer.low, answer.high)
        rows.append(
            AnswerRow(
                anchor_of(datasets[answer.dataset]),
                datasets[answer.dataset].name,
                answer,
                MARKS[answer.verdict],
                place(answer.difference),
                None if ends is None else (place(max(ends[0], low)), place(min(ends[1], high))),
                (False, False) if ends is None else (ends[0] < low, ends[1] > high),
                None if answer.published is None else place(answer.published),
                _numbers(answer),
                "" if answer.published is None else _format(answer, answer.published),
                _anchor_pair(datasets[answer.dataset].name, answer),
            )
        )
    return AnswerPicture(label, place(0.0), ticks, rows)


def _anchor_pair(dataset: str, answer: DatasetAnswer) -> tuple[str, str]:
    return anchor_records(f"{dataset}/{answer.tuned.name}"), anchor_records(f"{dataset}/{answer.manual.name}")


def _frame(answers: list[DatasetAnswer]) -> tuple[float, float]:
    """Return the ends of the axis: 0, all differences, and of the intervals as much as leaves those visible."""
    points = [0.0, *(answer.difference for answer in answers)]
    points += [answer.published for answer in answers if answer.published is not None]
    ends = [end for answer in answers for end in (answer.low, answer.high) if end is not None]
    most = MOST_WIDE * max(map(abs, points)) or max(map(abs, ends), default=1.0)
    points += [min(max(end, -most), most) for end in ends]
    low, high = min(points), max(points)
    room = 0.04 * (high - low) or 1.0
    return low - room, high + room


def _numbers(answer: DatasetAnswer) -> str:
    value = _format(answer, answer.difference)
    if answer.low is None or answer.high is None:
        return f"{value}, no interval"
    interval = f"{_format(answer, answer.low)} to {_format(answer, answer.high)}"
    # The verdict is adjusted for the number of datasets, the interval is not.
    lost = answer.verdict == "cannot be told apart" and not answer.low <= 0 <= answer.high
    return f"{value} ({interval}{'; not after adjustment' if lost else ''})"


def _format(answer: DatasetAnswer, value: float) -> str:
    return _signed(value, 2 if METRICS[answer.manual.metric].is_share else 4)


def _signed(value: float, digits: int) -> str:
    # No "-0.00" either.
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def _rank(dataset: DatasetRecords, pairs: list[PairComparison], chosen: set[str]) -> Ranking:
    ordered = sorted(dataset.classifiers, key=lambda system: system.objective("eval"))
    values = [system.objective("eval") for system in ordered]
    against = select_pairs_with_best(dataset, pairs)
    untested = {pair.other.name for pair in against if not pair.difference.has_interval}
    equal = {pair.other.name for pair in against if not pair.differs} - untested
    largest = max(values) or 1.0
    return Ranking(
        dataset,
        anchor_of(dataset),
        f"eval {get_title(dataset.metric)}",
        [
            RankedSystem(
                1 + sum(raise_to_equal(other) < value for other in values),
                system.name,
                KINDS[system.kind],
                format_metric(system.metric, value),
                _spread(system),
                round(100 * max(value, 0.0) / largest, 1),
                system.name in equal,
                system.name in untested,
                system.name in chosen,
                system.qualification,
                anchor_records(f"{dataset.name}/{system.name}"),
            )
            for system, value in zip(ordered, values, strict=True)
        ],
    )


def _spread(system: SystemRecords) -> str:
    values = system.objectives("eval")
    if len(values) < 2:
        return ""
    return format_cell(get_unit(system.metric), to_cell(system.metric, compute_sd(values)))
