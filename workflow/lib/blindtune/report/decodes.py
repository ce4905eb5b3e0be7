"""What the ledger holds of the eval of each dataset of a report: decodes by any study, and samples that were drawn."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.decoding.chain import Head
from blindtune.decoding.entries import find_records, split_study
from blindtune.decoding.history import (
    EvalHistory,
    RecordedAnalysis,
    RecordedDecode,
    RecordedSampling,
    holds_post_mortem,
    read_history,
)
from blindtune.decoding.known_evals import SAME_SHARE, KnownEvals, Overlap, compare_evals
from blindtune.decoding.known_heads import explain_lost, find_lost
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.recorded_results import RecordedResults
from blindtune.records.decode_result import DecodeResult
from blindtune.records.post_mortem import PostMortem

#: The part of the samples that an eval must share with another one, so that uses of that one are listed with it: a few
#: equal samples, such as empty ones, are in many data.
MIN_SHARED = 0.01

#: Study, frozen model and eval of a decode.
DecodeKey = tuple[str, str, str]


@dataclass(frozen=True)
class EvalDecode:
    """A decode of the eval of a dataset, or of an eval that shares samples with it.

    Attributes:
        recorded: what the ledger holds of it.
        in_report: whether it is one of the decodes of the report.
        overlap: the samples that the eval of the dataset shares with the decoded one; None if it is the same.
    """

    recorded: RecordedDecode
    in_report: bool
    overlap: Overlap | None

    @property
    def eval(self) -> str:
        """Which eval was decoded."""
        return describe_eval(self.overlap)


@dataclass(frozen=True)
class EvalSampling:
    """Samples that were drawn of the eval of a dataset, or of an eval that shares samples with it."""

    recorded: RecordedSampling
    overlap: Overlap | None


@dataclass(frozen=True)
class EvalAnalysis:
    """A post-mortem on the eval of a dataset, or on an eval that shares samples with it."""

    recorded: RecordedAnalysis
    overlap: Overlap | None


@dataclass(frozen=True)
class Precedents:
    """What was known of eval before a system of the report was decoded.

    Attributes:
        decodes: number of models that are not in the report and were decoded before.
        on: what they were decoded on.
        sampled: when samples of eval were first drawn, if that was before a model of the system was frozen.
        unrecorded: number of decodes of the system that the ledger does not hold.
        rewritten: number of its decodes after which the card or the manifest was written again.
        analysed: number of post-mortems before which a model of the system was not decoded.
        analysed_on: what they were made on.
    """

    decodes: int = 0
    sampled: str | None = None
    unrecorded: int = 0
    rewritten: int = 0
    on: str = "this eval"
    analysed: int = 0
    analysed_on: str = "this eval"

    def __bool__(self) -> bool:
        """Return whether there is anything that a reader must know."""
        return bool(self.decodes or self.sampled or self.unrecorded or self.rewritten or self.analysed)

    def __str__(self) -> str:
        """Return it in words; empty if there is nothing."""
        parts = []
        if self.decodes:
            parts.append(f"after {_count(self.decodes, 'earlier decode')} of {self.on}")
        if self.sampled:
            parts.append("after samples of it were drawn" if self.decodes else "after samples of this eval were drawn")
        if self.analysed:
            count = "a post-mortem" if self.analysed == 1 else f"{self.analysed} post-mortems"
            parts.append(f"after {count} of {self.analysed_on}")
        if self.unrecorded:
            parts.append(f"{self.unrecorded} not in the ledger")
        if self.rewritten:
            parts.append(f"records of {self.rewritten} written again after the decode")
        return "; ".join(parts)


@dataclass(frozen=True)
class EvalUses:
    """All uses of the eval of a dataset that the ledger holds.

    Attributes:
        decodes: in the order of the ledger.
        samplings: in the order of the ledger.
        unrecorded: studies of the report whose decodes the ledger does not hold.
        rewritten: studies of the report whose card or manifest was written again after the decode.
        lacks_drawing: whether the report shows samples of eval that were drawn, and the ledger holds no drawing.
        analyses: post-mortems, in the order of the ledger.
    """

    decodes: list[EvalDecode] = field(default_factory=list)
    samplings: list[EvalSampling] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)
    lacks_drawing: bool = False
    analyses: list[EvalAnalysis] = field(default_factory=list)

    @property
    def others(self) -> list[EvalDecode]:
        """The decodes that are not in the report."""
        return [decode for decode in self.decodes if not decode.in_report]

    def before(self, studies: Iterable[str]) -> Precedents:
        """Return what was known of eval before the studies of a system of the report were decoded."""
        wanted = set(studies)
        own = [one.recorded for one in self.decodes if one.in_report and one.recorded.study in wanted]
        last = max((recorded.line for recorded in own), default=0)
        drawn = [
            sampling.recorded.time
            for sampling in self.samplings
            if any(
                sampling.recorded.line < recorded.line and recorded.names.isdisjoint(sampling.recorded.frozen)
                for recorded in own
            )
        ]
        earlier = [one for one in self.others if one.recorded.line < last]
        analysed = [one for one in self.analyses if any(came_after(recorded, one.recorded) for recorded in own)]
        return Precedents(
            len(earlier),
            drawn[0] if drawn else None,
            len(wanted & set(self.unrecorded)),
            len(wanted & set(self.rewritten)),
            _name_evals(earlier),
            len(analysed),
            _name_evals(analysed),
        )


def came_after(decode: RecordedDecode, analysis: RecordedAnalysis) -> bool:
    """Return whether a model was decoded after a post-mortem that does not name it as decoded before."""
    return analysis.line < decode.line and decode.names.isdisjoint(analysis.decoded)


class LedgerReader:
    """Reads what the ledger holds for a report, as it is when the report is written.

    Attributes:
        path: file of the ledger.
        head: the head of its chain.
    """

    def __init__(self, folder: Path) -> None:
        ledger = Ledger(folder)
        self.path = ledger.path
        content = ledger.read()
        self.head: Head = content.head
        self._content = content
        self._entries = entries = content.entries
        self._evals = KnownEvals(folder, entries)
        self._results = RecordedResults(ledger.path, entries)
        self._histories = read_history(entries, self._evals)

    def describe(self) -> str:
        """Return a sentence about the ledger."""
        if self.head.sha256 is None:
            return f"The ledger {self.path} has no entry: none of these decodes is in it."
        return (
            f"As of entry {self.head.entries} of the ledger {self.path}; the head of its chain is then "
            f"{self.head.sha256}."
        )

    def list_faults(self, heads: Mapping[Path, Head]) -> list[str]:
        """Return what is known to be missing in the ledger, in sentences.

        Args:
            heads: that the results of the report have seen, read before the ledger.
        """
        lost = [explain_lost(path, head, self.path) for path, head in find_lost(heads, self._content)]
        taken = [
            f"Entry {line} of {self.path} took the ledger over as it was, after entries before it may have been lost: "
            "whether decodes came before those of this report is not known for sure."
            for line in self._content.taken_over
        ]
        return lost + taken

    def check(self, result: DecodeResult, where: Path) -> bool:
        """Compare a result with the one that the ledger holds.

        Args:
            result: as it was read.
            where: its file, for the message.

        Returns:
            Whether the ledger holds it.

        Raises:
            UserError: it holds another result of the same decode; each field that differs is named.
        """
        return self._results.holds(result, where)

    def check_post_mortem(self, found: PostMortem, where: Path) -> None:
        """Refuse a post-mortem that is not the one that the ledger holds.

        Args:
            found: as it was read.
            where: its file, for the message.

        Raises:
            UserError: the ledger holds no such post-mortem.
        """
        if not holds_post_mortem(self._entries, found):
            raise UserError(f"{where}: is not in the ledger {self.path}. Remove it and run again.")

    def check_records(self, result: DecodeResult, digests: Mapping[str, tuple[Path, str | None]]) -> None:
        """Refuse a card or a manifest that is not the one that the ledger holds for a decode.

        Args:
            result: of the decode.
            digests: file and digest of each record, by the ledger's name of the digest.

        Raises:
            UserError: a record was changed after the decode.
        """
        known = find_records(self._entries, result)
        for name, (where, digest) in digests.items():
            if name in known and digest != known[name][-1]:
                raise UserError(
                    f"{where}: is not what it was when {result.study} was decoded, by the ledger {self.path}. Restore "
                    "it, or remove it and run again: the report then says that it was written again."
                )

    def is_rewritten(self, result: DecodeResult) -> bool:
        """Return whether the card or the manifest of a decoded model was written again with another content."""
        return any(len(set(digests)) > 1 for digests in find_records(self._entries, result).values())

    def uses(
        self, eval_sha256: str, content_sha256: str | None, reported: set[DecodeKey], unrecorded: list[str]
    ) -> EvalUses:
        """Return all uses of an eval.

        Args:
            eval_sha256: identifies its arrays.
            content_sha256: identifies its samples in any order; None if only the ledger may know.
            reported: the decodes of the report.
            unrecorded: studies of the report whose decodes the ledger does not hold.
        """
        content = content_sha256 or self._evals.content_of(eval_sha256)
        found = EvalUses(unrecorded=unrecorded)
        for history, overlap in self._related(eval_sha256, content):
            for decode in history.decodes:
                keys = {(decode.study, name, decode.eval_sha256) for name in decode.names}
                found.decodes.append(EvalDecode(decode, not keys.isdisjoint(reported), overlap))
            found.samplings.extend(EvalSampling(sampling, overlap) for sampling in history.samplings)
            found.analyses.extend(EvalAnalysis(analysis, overlap) for analysis in history.analyses)
        found.decodes.sort(key=lambda one: one.recorded.line)
        found.samplings.sort(key=lambda one: one.recorded.line)
        found.analyses.sort(key=lambda one: one.recorded.line)
        return found

    def _related(self, eval_sha256: str, content: str | None) -> Iterator[tuple[EvalHistory, Overlap | None]]:
        """Yield the history of an eval, and those of evals that share samples with it."""
        known = content is not None and (self._evals.names(content) or self._evals.path(content).exists())
        own = self._evals.read(content) if content is not None and known else None
        origins_sha256 = self._evals.origins_of(eval_sha256)
        origins = None if origins_sha256 is None else self._evals.read(origins_sha256)
        for history in self._histories:
            if eval_sha256 in history.arrays or (content is not None and history.content_sha256 == content):
                yield history, None
            elif (overlap := self._overlap(own, origins, history)) is not None:
                yield history, overlap

    def _overlap(
        self, own: NDArray[np.bytes_] | None, origins: NDArray[np.bytes_] | None, history: EvalHistory
    ) -> Overlap | None:
        """Return what an eval shares with that of a history, if it is worth a word: its raw material, or samples."""
        if origins is not None and history.origins_sha256 is not None:
            overlap = self._evals.compare_origins(origins, history.origins_sha256)
            if overlap.share >= SAME_SHARE:
                return overlap
        if own is not None and history.content_sha256 is not None:
            overlap = compare_evals(own, self._evals.read(history.content_sha256))
            if overlap.shared >= MIN_SHARED * overlap.samples:
                return overlap
        return None


def describe_eval(overlap: Overlap | None) -> str:
    """Return which eval was used: the same, or one that shares samples with it."""
    if overlap is None:
        return "the same"
    if overlap.of == "origins":
        return f"made of the same raw data: {overlap.shared:,} of {overlap.samples:,} recordings, pictures or rows"
    return f"shares {overlap.shared:,} of {overlap.samples:,} samples"


def describe_uses(title: str, uses: EvalUses, marked: list[str]) -> str:
    """Return the sentences about the eval of a dataset.

    Args:
        title: of the dataset.
        uses: of its eval.
        marked: systems whose rows are marked, each with what came before.
    """
    own, others = len(uses.decodes) - len(uses.others), uses.others
    parts = [
        f"{title}: the ledger holds {_count(len(uses.decodes), 'decode')} of this eval, {own} of them in this report"
    ]
    if others:
        parts[0] += f" and {len(others)} of {_name_others(others)}"
        first = others[0].recorded
        parts.append(f"The first decode that is not in this report began at {first.begun} (entry {first.line})")
    partly = {one.eval for one in others if one.overlap is not None}
    if partly:
        parts.append(f"Among them are decodes of other evals: {'; '.join(sorted(partly))}")
    if uses.samplings:
        count, drawn = len(uses.samplings), uses.samplings[0].recorded
        how = f"a figure at {drawn.time}" if count == 1 else f"figures {count} times, first at {drawn.time}"
        parts.append(f"Samples of it were drawn for {how}")
    elif uses.lacks_drawing:
        parts.append("Samples of it were drawn for a figure of this report, which the ledger does not hold")
    else:
        parts.append("No sample of it was drawn for a figure")
    if uses.analyses:
        first_one = uses.analyses[0].recorded
        parts.append(
            f"All trials of {_count(len(uses.analyses), 'search').replace('searchs', 'searches')} were evaluated on it "
            f"after the fact, in post-mortems that began at {first_one.begun} (entry {first_one.line}): what was "
            "decoded later is not blind"
        )
    if marked:
        parts.append(f"Marked in the tables: {', '.join(marked)}")
    if uses.unrecorded:
        parts.append(f"Not in the ledger, so that nothing is known of their order: {', '.join(uses.unrecorded)}")
    return ". ".join(parts) + "."


def _name_evals(decodes: Sequence[EvalDecode | EvalAnalysis]) -> str:
    """Return what decodes or post-mortems were of: this eval, or others that share samples or raw data with it."""
    kinds = {None if one.overlap is None else one.overlap.of for one in decodes}
    raw = "its raw data prepared in another way"
    names = {None: "this eval", "samples": "an eval that shares samples with it", "origins": raw}
    alone = {"samples": "an eval that shares samples with this one", "origins": raw.replace("its", "this", 1)}
    if len(kinds) == 1 and None not in kinds:
        return alone[str(kinds.pop())]
    return " or ".join(name for kind, name in names.items() if kind in kinds) or "this eval"


def _name_others(decodes: list[EvalDecode]) -> str:
    """Name the systems of decodes with the number of their models: best of several is visible."""
    counts: dict[str, int] = {}
    for decode in decodes:
        config, dataset, system, _ = split_study(decode.recorded.study)
        name = f"{config}/{dataset}/{system}"
        counts[name] = counts.get(name, 0) + 1
    return "others (" + ", ".join(f"{name}: {_count(count, 'model')}" for name, count in counts.items()) + ")"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
