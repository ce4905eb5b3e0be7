"""Verdicts as data, and the one function that writes them as sentences.

A verdict answers one question. `blindtune.report.library_verdicts` and the table of choices decide it from the records;
all English is in `SENTENCES`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from blindtune.metrics.registry import is_error
from blindtune.report.minimised import describe_value, get_title
from blindtune.report.records import SystemRecords
from blindtune.report.tables.times import format_seconds

Question = Literal[
    "error", "algorithm", "overhead", "bad configurations", "early stopping", "conditions", "objectives", "budget",
    "choice",
]  # fmt: skip


@dataclass(frozen=True)
class Span:
    """The range of some shares, from 0 to 1.

    Attributes:
        values: the shares.
        digits: digits after the decimal point, in %.
    """

    values: Sequence[float]
    digits: int = 0


#: A number or text; systems with what they reached on eval; seconds by algorithm; a range of shares.
Fact = int | str | SystemRecords | Sequence[SystemRecords] | Mapping[str, SystemRecords] | Mapping[str, float] | Span


@dataclass(frozen=True)
class Verdict:
    """The answer to one question.

    Attributes:
        question: what was asked.
        decision: what the records decide, a key of `SENTENCES`; it begins with "not decided" where they do not.
        facts: the values that the sentence names. A clause is written only if all facts it names are there.
        dataset: the title of the dataset that the verdict holds for; None: all datasets together.
    """

    question: Question
    decision: str
    facts: Mapping[str, Fact]
    dataset: str | None = None


#: The most systems that a sentence names one by one; of more it gives the number, the lowest and the highest.
MAX_NAMED = 4

#: The clauses of the sentence for each question and decision; facts are in braces.
SENTENCES: dict[tuple[Question, str], list[str]] = {
    ("error", "lowest"): ["lowest: {own}"],
    ("error", "higher"): ["higher than {libraries}: {own}"],
    ("error", "not decided: alone"): ["not decided: {own}; no other library was run"],
    ("error", "not decided: single seed"): [
        "not decided: {own}; not compared with {libraries}, since a single seed leaves the variance over seeds unknown"
    ],
    ("error", "not decided: equal"): ["not decided: {own}; not distinguishable from {libraries}"],
    ("algorithm", "better"): ["better: {own} against random search ({random})"],
    ("algorithm", "worse"): ["worse: {own} against random search ({random})"],
    ("algorithm", "between"): ["between several random searches: {own} against random search ({random})"],
    ("algorithm", "not decided: alone"): ["not decided: {own}; no random search with the same budget was run"],
    ("algorithm", "not decided: single seed"): [
        "not decided: {own}; not compared with random search ({random}), since a single seed leaves the variance over "
        "seeds unknown"
    ],
    ("algorithm", "not decided: equal"): ["not decided: {own}; not distinguishable from random search ({random})"],
    ("algorithm", "not decided: none"): ["not decided: none of its tuners that were run learns from its trials"],
    ("overhead", "measured"): [
        "suggesting took {seconds} per trial; {shares} of a study was neither training nor scoring"
    ],
    ("bad configurations", "measured"): [
        "{counts} of {trials} trials",
        "; {studies} of {studies} studies finished",
        ", {exhausted} of them with nothing more to propose",
        "; {early} of the configurations were invalid in the first halves of the searches and {late} in the second "
        "halves",
    ],
    ("bad configurations", "not decided: none"): ["not decided: all {trials} trials could be built and trained"],
    ("early stopping", "measured"): [
        "{pruned} pruned and {promoted} promoted of {trials} trials",
        "; {continued} of the promoted trials continued from saved weights",
        "; {epochs} epochs per trial",
    ],
    ("early stopping", "not decided: none"): ["not decided: none of its tuners that were run prunes or promotes"],
    ("conditions", "measured"): [
        "supported: configurations of {fewest} to {most} active hyperparameters in one search"
    ],
    ("conditions", "not decided: none"): ["not decided: every configuration of a study had the same hyperparameters"],
    ("objectives", "measured"): ["{system} found a front of {corners} of its {trials} trials"],
    ("objectives", "not decided: none"): ["not decided: no tuner with several objectives was run"],
    ("budget", "measured"): ["{shares} of the limit that was reached first"],
    ("budget", "ended early"): ["{exhausted} searches ended early, with nothing more to propose"],
    ("choice", "supported"): ["supported: lowest is {lowest}, distinguishable from {rivals}"],
    ("choice", "contradicted"): ["contradicted: lowest is {lowest}, distinguishable from {rivals}"],
    ("choice", "not decided: equal"): ["not decided: lowest is {lowest}, not distinguishable from {rivals}"],
    ("choice", "not decided: not run"): ["not decided: the guide's choice was not run; lowest is {lowest}"],
    ("choice", "not decided: alone"): ["not decided: only the guide's choice was run; lowest is {lowest}"],
    ("choice", "not decided: unknown complexity"): [
        "not decided: the complexity is unknown with a single seed, or if every model was tuned"
    ],
    ("choice", "not decided: no dataset"): [
        "not decided: this report has no dataset of {complexity} complexity with tuners{trained}"
    ],
}


def render_verdicts(verdicts: Sequence[Verdict]) -> str:
    """Write the verdicts on one question as text, each after the title of its dataset."""
    return ". ".join(_render(verdict) for verdict in verdicts)


def format_system(system: SystemRecords) -> str:
    """Return the name of a system and its mean on eval of what was minimised, with what qualifies it."""
    title = "" if is_error(system.metric) else f"{get_title(system.metric)} "
    qualified = f" ({system.qualification})" if system.qualification else ""
    return f"{system.name}, {title}{describe_value(system)}{qualified}"


def _render(verdict: Verdict) -> str:
    clauses = SENTENCES[verdict.question, verdict.decision]
    words = {name: _format_fact(fact) for name, fact in verdict.facts.items()}
    text = "".join(clause.format_map(words) for clause in clauses if set(re.findall(r"{(\w+)}", clause)) <= set(words))
    return f"{verdict.dataset}: {text}" if verdict.dataset else text


def _format_fact(fact: Fact) -> str:
    if isinstance(fact, SystemRecords):
        return format_system(fact)
    if isinstance(fact, Span):
        return _format_span(fact)
    if isinstance(fact, Mapping):
        return ", ".join(_format_named(name, value) for name, value in fact.items())
    if isinstance(fact, int | str):
        return str(fact)
    if len(fact) > MAX_NAMED:
        ordered = sorted(fact, key=lambda system: system.objective("eval"))
        return f"{len(fact)} of them, {describe_value(ordered[0])} to {describe_value(ordered[-1])}"
    return "; ".join(format_system(system) for system in fact)


def _format_named(name: str, value: SystemRecords | float) -> str:
    return (
        f"{name} ({format_system(value)})"
        if isinstance(value, SystemRecords)
        else f"{format_seconds(value)} s ({name})"
    )


def _format_span(span: Span) -> str:
    low, high = (f"{bound(span.values):.{span.digits}%}" for bound in (min, max))
    return low if low == high else f"{low} to {high}"
