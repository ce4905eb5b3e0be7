"""The history of each eval: which models were decoded on it, when samples of it were drawn, and post-mortems."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from blindtune.decoding.entries import ANALYSES, name_writer
from blindtune.decoding.known_evals import KnownEvals
from blindtune.records.post_mortem import PostMortem


@dataclass(frozen=True)
class RecordedDecode:
    """A decode as the ledger holds it: one frozen model on one eval.

    Attributes:
        line: of the ledger, where it first began.
        study: id of the study.
        frozen_sha256: identifies the frozen model.
        eval_sha256: identifies the arrays of eval, in their order.
        begun: when it first began, UTC.
        done: when its result was recorded; None if it was begun alone.
        blind: whether it was the first of its study; None if it was begun alone.
        compared: whether its answers were only compared with those of an earlier decode, and were others.
        names: every ``frozen_sha256`` that the model had: one for each code that gave the same answers.
        writer: who began it, and on which machine; empty in entries of before.
    """

    line: int
    study: str
    frozen_sha256: str
    eval_sha256: str
    begun: str
    done: str | None
    blind: bool | None
    compared: bool = False
    names: frozenset[str] = frozenset()
    writer: str = ""

    @property
    def outcome(self) -> str:
        """What became of it, in words."""
        if self.done is None and self.compared:
            return "compared, other answers"
        if self.done is None:
            return "begun, not done"
        return "blind" if self.blind else "not blind"


@dataclass(frozen=True)
class RecordedSampling:
    """Samples of an eval that were drawn for a figure.

    Attributes:
        line: of the ledger.
        dataset: its name then.
        time: when, UTC.
        frozen: identifies each model that was frozen before; what they answer cannot follow from the samples.
        writer: who drew them, and on which machine; empty in entries of before.
    """

    line: int
    dataset: str
    time: str
    frozen: frozenset[str] = frozenset()
    writer: str = ""


@dataclass(frozen=True)
class RecordedAnalysis:
    """A post-mortem as the ledger holds it: all trials of one search were evaluated on one eval.

    Attributes:
        line: of the ledger, where it first began.
        study: id of the study of the search.
        frozen_sha256: identifies its frozen model.
        begun: when it first began, UTC.
        done: when its scores were recorded; None if it was begun alone.
        decoded: identifies each model that was decoded before; any other may follow from what it showed.
        writer: who began it, and on which machine; empty in entries of before.
    """

    line: int
    study: str
    frozen_sha256: str
    begun: str
    done: str | None = None
    decoded: frozenset[str] = frozenset()
    writer: str = ""

    @property
    def outcome(self) -> str:
        """What became of it, in words."""
        return "post-mortem, begun, not done" if self.done is None else "post-mortem"


@dataclass
class EvalHistory:
    """All uses of one eval.

    Attributes:
        content_sha256: of its samples in any order; None if only an older ledger knows it.
        arrays: the digest of its arrays in each order in which it was used.
        origins_sha256: of the raw material that it was made of; None if it is not known.
        decodes: in the order of the ledger.
        samplings: in the order of the ledger.
        analyses: post-mortems, in the order of the ledger.
    """

    content_sha256: str | None
    arrays: list[str] = field(default_factory=list)
    decodes: list[RecordedDecode] = field(default_factory=list)
    samplings: list[RecordedSampling] = field(default_factory=list)
    origins_sha256: str | None = None
    analyses: list[RecordedAnalysis] = field(default_factory=list)

    @property
    def name(self) -> str:
        """A short name: the first digits of its content or, in an older ledger, of its arrays."""
        return (self.content_sha256 or self.arrays[0])[:12]

    @property
    def datasets(self) -> list[str]:
        """The names under which it was used."""
        studies = [*(decode.study for decode in self.decodes), *(analysis.study for analysis in self.analyses)]
        names = {study.split("/")[1] for study in studies if study.count("/") == 3}
        return sorted(names | {sampling.dataset for sampling in self.samplings})


def read_history(entries: Iterable[Mapping[str, Any]], evals: KnownEvals) -> list[EvalHistory]:
    """Return the history of each eval that a ledger names, the first used first.

    Args:
        entries: of the ledger.
        evals: what its evals are known by.
    """
    found: dict[str, EvalHistory] = {}
    decodes: dict[tuple[str, str, str], tuple[EvalHistory, RecordedDecode]] = {}
    aliases: dict[tuple[str, str, str], tuple[str, str, str]] = {}
    for line, entry in enumerate(entries, 1):
        if "eval_sha256" not in entry:
            continue
        sha256 = entry["eval_sha256"]
        content = evals.content_of(sha256)
        history = found.setdefault(content or sha256, EvalHistory(content))
        if sha256 not in history.arrays:
            history.arrays.append(sha256)
        history.origins_sha256 = history.origins_sha256 or evals.origins_of(sha256)
        writer = name_writer(entry)
        if entry["event"] == "sampled":
            frozen = frozenset(name for name in entry.get("frozen", ()) if isinstance(name, str))
            history.samplings.append(RecordedSampling(line, entry["dataset"], entry["time"], frozen, writer))
            continue
        if entry["event"] in ANALYSES:
            _add_analysis(history, line, entry)
            continue
        key = (entry["study"], entry["frozen_sha256"], sha256)
        if entry["event"] == "confirmed":
            # The same model under other code: its decode is the earlier one.
            former = (entry["study"], entry["former_sha256"], sha256)
            first = aliases.get(former, former)
            if first in decodes and first != key:
                decodes.pop(key, None)  # the comparison, which has turned out to be the same decode
                known = decodes[first][1]
                changes = {"frozen_sha256": key[1], "names": known.names | {key[1]}}
                decodes[first] = (decodes[first][0], replace(known, **changes))
                aliases[key] = first
            continue
        key = aliases.get(key, key)
        new = RecordedDecode(line, *key, entry["time"], None, None, names=frozenset({key[1]}), writer=writer)
        known = decodes[key][1] if key in decodes else new
        if entry["event"] == "done" and known.done is None:
            known = _finished(known, entry)
        elif entry["event"] == "compared" and key not in decodes:
            known = replace(known, compared=True)
        decodes[key] = (history, known)
    for history, decode in decodes.values():
        history.decodes.append(decode)
    return list(found.values())


def holds_post_mortem(entries: Iterable[Mapping[str, Any]], found: PostMortem) -> bool:
    """Return whether a ledger has recorded a post-mortem with these scores.

    Args:
        entries: of the ledger.
        found: the post-mortem.
    """
    sha256 = found.sha256()
    return any(entry["event"] == "analysed" and entry["result_sha256"] == sha256 for entry in entries)


def _add_analysis(history: EvalHistory, line: int, entry: Mapping[str, Any]) -> None:
    """Add an entry of a post-mortem to the history of its eval: it begins one, or ends the last one of its search."""
    same = (entry["study"], entry["frozen_sha256"])
    begun = [
        place
        for place, known in enumerate(history.analyses)
        if (known.study, known.frozen_sha256) == same and known.done is None
    ]
    if entry["event"] == "analysed" and begun:
        history.analyses[begun[-1]] = replace(history.analyses[begun[-1]], done=entry["time"])
        return
    decoded = frozenset(name for name in entry.get("frozen", ()) if isinstance(name, str))
    done = entry["time"] if entry["event"] == "analysed" else None
    history.analyses.append(RecordedAnalysis(line, *same, entry["time"], done, decoded, name_writer(entry)))


def _finished(decode: RecordedDecode, entry: Mapping[str, Any]) -> RecordedDecode:
    blind = entry["result"].get("blind") if isinstance(entry["result"], dict) else None
    return replace(decode, done=entry["time"], blind=bool(blind))
