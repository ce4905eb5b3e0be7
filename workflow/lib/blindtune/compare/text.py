"""Write what differs between two runs for a terminal: one sentence, then a section for each kind of difference."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from blindtune.compare.differences import ConfigChange, RunComparison, ScoreChange, SoftwareChange, StudyChange
from blindtune.compare.post_mortems import ONLY_AFTER, ONLY_BEFORE, PostMortemChange
from blindtune.compare.run_folder import StudyKey
from blindtune.compare.values import ABSENT, shorten
from blindtune.compare.verdicts import DatasetVerdict
from blindtune.metrics.registry import METRICS
from blindtune.report.minimised import format_change, format_metric
from blindtune.report.names import join_names
from blindtune.report.stats.statistics import mean

#: Rows of a section; more are counted.
MAX_ROWS = 40

#: Letters of a value of the config.
_LONGEST_VALUE = 48


def describe(comparison: RunComparison) -> str:
    """Return a comparison as text, the most important first; a section without a difference is left out."""
    sections = {
        "Verdicts": _verdicts(comparison),
        "Config": _config(comparison.config),
        "Data": _data(comparison),
        "Records": _records(comparison),
        "Post-mortems": _post_mortems(comparison.post_mortems),
        "Software": _software(comparison.software),
        "Not finished": _unfinished(comparison),
    }
    parts = [summarize(comparison)]
    parts += [
        "\n".join([title, *(f"  {line}".rstrip() for line in lines)]) for title, lines in sections.items() if lines
    ]
    return "\n\n".join(parts)


def to_plain(comparison: RunComparison) -> dict[str, Any]:
    """Return a comparison as plain data for JSON, with the sentence that sums it up."""
    content = asdict(comparison)
    content |= {side: str(content[side]) for side in ("before", "after")}
    return {"differs": comparison.differs, "summary": summarize(comparison), **content}


def summarize(comparison: RunComparison) -> str:
    """Return in one sentence what differs between two runs."""
    names = f"{comparison.before} and {comparison.after}"
    if not comparison.differs:
        known = not comparison.unknown_verdicts
        what = "config, data, records and verdicts" if known else "config, data and records"
        same = f"{_count(comparison.n_studies, 'study', 'studies')} with equal {what}"
        same += "" if known else "; not all verdicts are compared"
        software = "; libraries or code differ" if comparison.software else ""
        return f"{names}: {same}{software}."
    return f"{names} differ in {'; '.join(_summarized(comparison))}."


def _summarized(comparison: RunComparison) -> Iterator[str]:
    decided = [change.dataset for change in comparison.verdicts if not change.is_same_decision]
    if decided:
        yield f"the verdict on {join_names(dict.fromkeys(decided))}"
    restated = [change.dataset for change in comparison.verdicts if change.is_same_decision]
    if restated:
        yield f"the numbers or the marks of the verdict on {join_names(dict.fromkeys(restated))}"
    if comparison.config:
        yield _count(len(comparison.config), "key of the config", "keys of the config")
    if comparison.data:
        yield f"the data of {join_names(change.dataset for change in comparison.data)}"
    if comparison.studies:
        yield f"the records of {len(comparison.studies)} of {_count(comparison.n_studies, 'study', 'studies')}"
    if comparison.post_mortems:
        yield _count(len(comparison.post_mortems), "post-mortem", "post-mortems")
    for what, (before, after) in (("dataset", comparison.only_datasets), ("study", comparison.only_studies)):
        plural = {"dataset": "datasets", "study": "studies"}[what]
        counted = [
            f"{_count(len(names), what, plural)} only {side}"
            for names, side in ((before, "before"), (after, "after"))
            if names
        ]
        if counted:
            yield " and ".join(counted)


def _verdicts(comparison: RunComparison) -> list[str]:
    lines = []
    for change in comparison.verdicts:
        if change.is_same_decision and change.after is not None:
            decision = f"{change.after.decision}, with other numbers or marks"
        else:
            decision = f"{_decision(change.before)} -> {_decision(change.after)}"
        lines.append(f"{change.dataset}, {change.question} {decision}")
        sentences = [(side, answer.sentence) for side, answer in zip(_SIDES, (change.before, change.after), strict=True)
                     if answer is not None]  # fmt: skip
        lines += [f"  {side:6}  {sentence}" for side, sentence in sentences]
    notes = [f"note: {comparison.margin_note}"] if lines and comparison.margin_note else []
    return [*_cut(lines), *notes, *(f"not compared: {reason}" for reason in comparison.unknown_verdicts)]


def _decision(verdict: DatasetVerdict | None) -> str:
    return "no answer" if verdict is None else verdict.decision


def _config(changes: Sequence[ConfigChange]) -> list[str]:
    rows = [
        (
            change.key + (f" ({', '.join(change.datasets)})" if change.datasets else ""),
            f"{_value(change.before)} -> {_value(change.after)}",
            change.effect,
        )
        for change in changes
    ]
    return _aligned(("key", "value", "affects"), rows)


def _software(changes: Sequence[SoftwareChange]) -> list[str]:
    rows = [
        (
            change.name,
            f"{change.before} -> {change.after}" if change.before else "differs",
            "everywhere" if change.places == change.of else f"{change.places} of {change.of}",
        )
        for change in changes
    ]
    return _aligned(("what", "version", "where"), rows)


def _data(comparison: RunComparison) -> list[str]:
    rows = [(one.dataset, change) for one in comparison.data for change in one.changes]
    for names, side in zip(comparison.only_datasets, ("before", "after"), strict=True):
        rows += [(name, f"only {side}") for name in names]
    return _aligned(("dataset", "what differs"), rows)


def _records(comparison: RunComparison) -> list[str]:
    rows = []
    for (dataset, system), members in groupby(comparison.studies, key=lambda one: (one.dataset, one.system)):
        studies = list(members)
        seeds = ", ".join(str(one.seed) for one in studies)
        rows.append(
            (dataset, system, seeds, _trials(studies), _models(studies), *(_score(studies, split) for split in _SPLITS))
        )
    lines = _aligned(("dataset", "system", "seed", "trials", "frozen model", "dev", "eval"), rows)
    firsts = [f"{one.dataset}/{one.system}/{one.seed}: {one.first}" for one in comparison.studies if one.first]
    if firsts:
        lines += ["", "First difference of each search", *(f"  {line}" for line in _cut(firsts))]
    only = [
        (side, *pair, seeds)
        for keys, side in zip(comparison.only_studies, _SIDES, strict=True)
        for pair, seeds in _by_system(keys)
    ]
    if only:
        lines += [*([""] if lines else []), *_aligned(("only", "dataset", "system", "seed"), only)]
    return lines


def _post_mortems(changes: Sequence[PostMortemChange]) -> list[str]:
    rows = []
    for (dataset, system, what), members in groupby(changes, key=lambda one: (one.dataset, one.system, one.what)):
        studies = list(members)
        seeds = ", ".join(str(one.seed) for one in studies)
        rows.append((dataset, system, seeds, what, next((one.first for one in studies if one.first), "")))
    notes = [
        f"note: what was decoded on the eval of {join_names(names)} after its post-mortem is not blind, in any config"
        for side in (ONLY_BEFORE, ONLY_AFTER)
        if (names := dict.fromkeys(one.dataset for one in changes if one.what == side))
    ]
    return [*_aligned(("dataset", "system", "seed", "what differs", "first"), rows), *dict.fromkeys(notes)]


_SPLITS = ("dev", "eval")


def _trials(studies: Sequence[StudyChange]) -> str:
    equal, different = sum(one.equal for one in studies), sum(one.different for one in studies)
    before, after = (sum(one.only[side] for one in studies) for side in (0, 1))
    counts = ((different, "different"), (before, "only before"), (after, "only after"))
    found = [f"{count:,} {what}" for count, what in counts if count]
    return ", ".join([f"{equal:,} equal", *found]) if found else "equal"


def _models(studies: Sequence[StudyChange]) -> str:
    found = dict.fromkeys(one.model or _answers(one) for one in studies)
    return "; ".join(text for text in found if text) or "equal"


def _answers(study: StudyChange) -> str:
    return f"equal, other {study.answers} on eval" if study.answers else ""


def _score(studies: Sequence[StudyChange], split: str) -> str:
    """Return the mean over seeds of what was minimised before and after, and the difference."""
    scores: list[ScoreChange] = [getattr(one, split) for one in studies]
    metric = scores[0].metric
    # Over the seeds that have it in both runs, if there is one.
    both = [score for score in scores if score.before is not None and score.after is not None] or scores
    before = [score.before for score in both if score.before is not None]
    after = [score.after for score in both if score.after is not None]
    if not before or not after:
        return " -> ".join(format_metric(metric, mean(values)) if values else "–" for values in (before, after))
    values = mean(before), mean(after)
    if before == after:
        return f"{_metric(metric)}{format_metric(metric, values[0])}"
    change = format_change(metric, values[1] - values[0])
    sign = "" if change.startswith("−") else "+"
    return f"{_metric(metric)}{format_metric(metric, values[0])} -> {format_metric(metric, values[1])} ({sign}{change})"


_SIDES = ("before", "after")


def _metric(metric: str) -> str:
    return "" if metric == "error" else f"{METRICS[metric].title} "


def _unfinished(comparison: RunComparison) -> list[str]:
    rows = []
    for found, side in zip(comparison.unfinished, _SIDES, strict=True):
        for state in dict.fromkeys(one.state for one in found):
            keys = [(one.dataset, one.system, one.seed) for one in found if one.state == state]
            rows += [(side, *pair, seeds, state) for pair, seeds in _by_system(keys)]
    return _aligned(("run", "dataset", "system", "seed", "state"), rows)


def _aligned(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows as lines with aligned columns, under a header; empty without rows."""
    if not rows:
        return []
    shown = list(rows[:MAX_ROWS])
    widths = [max(len(row[column]) for row in [header, *shown]) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *shown]
    ]
    return lines if len(rows) <= MAX_ROWS else [*lines, _more(len(rows) - MAX_ROWS)]


def _cut(lines: Sequence[str]) -> list[str]:
    return list(lines) if len(lines) <= MAX_ROWS else [*lines[:MAX_ROWS], _more(len(lines) - MAX_ROWS)]


def _more(count: int) -> str:
    return f"... and {count} more; --json has all"


def _value(value: Any) -> str:
    return "(not given)" if value == ABSENT else shorten(value, _LONGEST_VALUE)


def _by_system(keys: Sequence[StudyKey]) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield dataset and system of some studies with their seeds as text."""
    for (dataset, system), group in groupby(keys, key=lambda key: key[:2]):
        yield (dataset, system), ", ".join(str(seed) for *_, seed in group)


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
