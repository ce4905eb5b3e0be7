"""The ledger: an append-only file of JSON lines that records every use of sealed data.

A decode is recorded as begun before a model answers the sealed data, and as done, with its result, before the result is
shown to anyone. Before "begun" the sealed data are read to be verified and digested, which shows nothing of them. The
lines are a chain, see `blindtune.decoding.chain`; each use of the ledger checks it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blindtune.core.arrays import read_npz, write_npz
from blindtune.core.claims import Claim, claim
from blindtune.core.errors import RepeatedDecodeError, UserError
from blindtune.core.files import canonical_json, digest_json, loads_json, read_json, read_regular_file, write_json
from blindtune.core.jsonl import append_line, repair_last_line
from blindtune.decoding import chain
from blindtune.decoding.chain import ADOPTED, Head
from blindtune.decoding.known_evals import EvalIdentity, KnownEvals
from blindtune.records.decode_result import (
    DecodeResult,
    Predictions,
    check_result,
    differing_fields,
    is_same_answer,
    parse_decode_result,
)

#: The fields that an entry of each event must have.
_FIELDS = {
    "begun": {"time", "eval_sha256", "study", "frozen_sha256"},
    "done": {"time", "eval_sha256", "study", "frozen_sha256", "result"},
    "compared": {"time", "eval_sha256", "study", "frozen_sha256", "former_sha256"},
    "confirmed": {"time", "eval_sha256", "study", "frozen_sha256", "former_sha256", "result"},
    "recorded": {"time", "eval_sha256", "study", "frozen_sha256"},
    "sampled": {"time", "eval_sha256", "dataset"},
    ADOPTED: {"time", "before"},
}

#: The field that identifies the samples of an eval with their labels, in any order.
_LABELLED = "eval_labelled_sha256"

#: The fields that hold digests of the records of a decoded model.
RECORDS = ("card_sha256", "manifest_sha256")

#: Old names of an event and of a field, which ledgers of before still have.
_RENAMED_EVENTS = {"pictured": "sampled"}
_RENAMED_FIELDS = {"look": "result"}

Entry = dict[str, Any]


@dataclass(frozen=True)
class LedgerContent:
    """What the file of a ledger holds, read once.

    Attributes:
        lines: its whole lines.
        entries: the entry of each line, under the present names.
    """

    lines: list[str]
    entries: list[Entry]

    @property
    def head(self) -> Head:
        """The head of the chain."""
        return chain.head_of(self.lines)

    @property
    def taken_over(self) -> list[int]:
        """The numbers of the entries that took the ledger over after its end may have been lost."""
        return [line for line, entry in enumerate(self.entries, 1) if entry["event"] == ADOPTED and "lost" in entry]

    def holds(self, head: Head) -> bool:
        """Return whether a head of before is that of an entry, or of one that is known to be lost."""
        if head.sha256 is None or (
            head.entries <= len(self.lines) and chain.digest_line(self.lines[head.entries - 1]) == head.sha256
        ):
            return True
        return any(head.sha256 in self.entries[line - 1]["lost"] for line in self.taken_over)


#: Seconds to wait for another process that writes to the ledger or decodes the same model.
_WAIT = 7 * 24 * 3600.0


class Ledger:
    """The record of which frozen models were decoded on which sealed data.

    Attributes:
        seen: the head of the chain when it was last read or written here; None: not yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "ledger.jsonl"
        self.seen: Head | None = None
        self._claims: list[Claim] = []

    @property
    def path(self) -> Path:
        """The file of the entries."""
        return self._path

    def entries(self) -> list[Entry]:
        """Return every entry, under the present names.

        Raises:
            UserError: a line is not an entry, or the chain is broken. Decodes must not be forgotten, so nothing goes
                on.
        """
        return self.read().entries

    def verify(self) -> Head:
        """Check the chain of the ledger and return its head.

        Raises:
            UserError: as `entries`; the message names the line that was changed, removed, doubled or moved.
        """
        return self.read().head

    def find_line(self, head: str) -> int:
        """Return the number of the entry that was the head of the chain once.

        Args:
            head: the sha256 of its line, as a report or the end of a run has it.

        Raises:
            UserError: as `entries`; or it is no sha256, or no entry is the one of this head.
        """
        head = head.strip().lower()
        if not re.fullmatch("[0-9a-f]{64}", head):
            raise UserError(
                f"{head[:80]!r}: is not the sha256 of a head, which has 64 digits from 0 to f. Give all of them, as "
                "the report or the end of the run has them."
            )
        digests = [chain.digest_line(line) for line in self.read().lines]
        if head not in digests:
            raise UserError(
                f"{self._path}: no entry has the sha256 {head}. If it was copied as it is, this is not the ledger of "
                "which it was the head, or an entry was changed or removed since and the chain was written again: "
                "restore it from a backup."
            )
        return digests.index(head) + 1

    def evals(self) -> KnownEvals:
        """Return the evals that the entries name.

        Raises:
            UserError: as `entries`.
        """
        return KnownEvals(self._folder, self.entries())

    @contextmanager
    def decoding(self, study: str, report: Callable[[str], None]) -> Iterator[None]:
        """Hold while a model of a study is decoded; a second decode of the study waits here for the first to end.

        Args:
            study: id of the study.
            report: takes a line if it waits, and for whom, or takes over from a process that has ended.
        """
        with self._locked(f"decode-{digest_json(study)[:16]}", f"the decode of {study}", report):
            yield

    def begin(
        self,
        study: str,
        frozen_sha256: str,
        identity: EvalIdentity,
        *,
        allow_repeats: bool,
        model_sha256: str | None = None,
        former_sha256: str | None = None,
        records: Mapping[str, str] | None = None,
    ) -> bool:
        """Record that a decode begins; this is the line without which no model answers eval.

        Args:
            study: id of the study.
            frozen_sha256: identifies the frozen model.
            identity: of the sealed data.
            allow_repeats: whether the config allows this study to decode further models.
            model_sha256: identifies the frozen model without its code; None: not known.
            former_sha256: what identified the frozen model before; None: not known.
            records: ``card_sha256`` and ``manifest_sha256``: what the report must find unchanged.

        Returns:
            Whether the decode is blind: no model of the study was decoded on other data of the same origins before,
            and no other model on these.

        Raises:
            RepeatedDecodeError: as `is_blind`.
            UserError: the ledger is damaged or cannot be written.
        """
        with self._locked():
            content = self.read()
            blind = self.is_blind(
                study,
                frozen_sha256,
                identity,
                allow_repeats=allow_repeats,
                model_sha256=model_sha256,
                former_sha256=former_sha256,
                content=content,
            ) and not self.find_other_preparations(study, identity, content)
            entry = {"event": "begun", "study": study, "frozen_sha256": frozen_sha256, **(records or {})}
            entry |= {} if model_sha256 is None else {"model_sha256": model_sha256}
            self._append_use(entry, identity, content)
            return blind

    def is_blind(
        self,
        study: str,
        frozen_sha256: str,
        identity: EvalIdentity,
        *,
        allow_repeats: bool,
        model_sha256: str | None = None,
        former_sha256: str | None = None,
        content: LedgerContent | None = None,
    ) -> bool:
        """Return whether a decode would be blind: no other model of the study was decoded on these data before.

        The same model may be decoded on the same samples and labels in another order. On other labels, or without some
        of the samples, it would be a second look: who knows its answers may have changed eval by them. A decode of the
        same model under other code that was begun and never done has shown nothing.

        Args:
            study: id of the study. The name of its dataset does not count: data are known by what ``identity`` holds.
            frozen_sha256: identifies the frozen model.
            identity: of the sealed data; without labels, a decode of the same model is left for `begin` to judge.
            allow_repeats: whether the config allows this study to decode further models.
            model_sha256: identifies the frozen model without its code; None: not known.
            former_sha256: what identified the frozen model before; None: not known.
            content: of the ledger; None: it is read.

        Raises:
            RepeatedDecodeError: it would not, and the config does not allow it for this study.
            UserError: the ledger is damaged.
        """
        entries = (content or self.read()).entries
        names = _names_of(entries, study, frozen_sha256)
        done = {_key(entry) for entry in entries if entry["event"] == "done"}
        labelled = {entry["eval_sha256"]: entry[_LABELLED] for entry in entries if _LABELLED in entry}
        same_but_code = {model_sha256, former_sha256} - {None}
        others = []
        for entry in self._decodes_of_same_eval(study, identity, entries):
            sha256 = entry["eval_sha256"]
            same_samples = sha256 == identity.sha256 or labelled.get(sha256) == identity.labelled_sha256
            if entry["frozen_sha256"] in names and (same_samples or identity.labelled_sha256 is None):
                continue
            if _key(entry) not in done and entry.get("model_sha256", entry["frozen_sha256"]) in same_but_code:
                continue
            others.append(entry)
        if others and not allow_repeats:
            raise RepeatedDecodeError(_explain_refusal(study, others[0]))
        return not others

    def find_other_preparations(
        self, study: str, identity: EvalIdentity, content: LedgerContent | None = None
    ) -> list[Entry]:
        """Return the entries of decodes of a study on other evals that were made of the same raw material.

        Such a decode is refused nowhere, since a study may compare preparations. But it is not blind: who has seen the
        first may know what the raw material asks for.

        Args:
            study: id of the study.
            identity: of the sealed data.
            content: of the ledger; None: it is read.

        Raises:
            UserError: as `entries`.
        """
        entries = (content or self.read()).entries
        evals = KnownEvals(self._folder, entries)
        return [
            entry
            for entry in _decodes_of_study(study, entries)
            if not evals.is_same(entry["eval_sha256"], identity)
            and evals.is_of_same_origin(entry["eval_sha256"], identity)
        ]

    def find_result(
        self, study: str, frozen_sha256: str, eval_sha256: str, content: LedgerContent | None = None
    ) -> DecodeResult | None:
        """Return the result of the same frozen model on the same data, or None if it was not decoded.

        Args:
            study: id of the study.
            frozen_sha256: identifies the frozen model.
            eval_sha256: identifies the sealed data: its predictions are in their order.
            content: of the ledger; None: it is read.

        Raises:
            UserError: as `entries`.
        """
        return RecordedResults(self, (content or self.read()).entries).find(study, frozen_sha256, eval_sha256)

    def find_similar(
        self,
        study: str,
        model_sha256: str | None,
        former_sha256: str,
        eval_sha256: str,
        content: LedgerContent | None = None,
    ) -> DecodeResult | None:
        """Return the result of a decode that may be of the same model, under other code or with an older identity.

        An entry of before has no ``model_sha256``: its identity left out view, trainer and code. Whether the answers
        are the same is for the caller to find out.

        Args:
            study: id of the study.
            model_sha256: identifies the frozen model without its code; None: nothing is similar.
            former_sha256: what identified the frozen model before.
            eval_sha256: identifies the sealed data, in their order.
            content: of the ledger; None: it is read.

        Raises:
            UserError: as `entries`.
        """
        if model_sha256 is None:
            return None
        entries = (content or self.read()).entries
        without_code = {_key(entry): entry["model_sha256"] for entry in entries if "model_sha256" in entry}
        for line, entry in enumerate(entries, 1):
            if entry["event"] != "done" or (entry["study"], entry["eval_sha256"]) != (study, eval_sha256):
                continue
            known = without_code.get(_key(entry))
            if known == model_sha256 or (known is None and entry["frozen_sha256"] == former_sha256):
                return self.parse_result(entry, line)
        return None

    def note_comparison(self, similar: DecodeResult, frozen_sha256: str, identity: EvalIdentity) -> None:
        """Record that a frozen model answers eval again, to compare its answers with those of a similar model.

        Args:
            similar: result of the similar model.
            frozen_sha256: identifies the frozen model.
            identity: of the sealed data.

        Raises:
            UserError: the ledger is damaged or cannot be written.
        """
        with self._locked():
            self._append_use(_comparison("compared", similar, frozen_sha256), identity, self.read())

    def confirm(
        self,
        similar: DecodeResult,
        frozen_sha256: str,
        predictions: Predictions | None,
        identity: EvalIdentity,
        records: Mapping[str, str] | None = None,
    ) -> DecodeResult:
        """Record that a frozen model gave the answers of a similar one: both are the same model, decoded once.

        Args:
            similar: result of the similar model.
            frozen_sha256: identifies the frozen model.
            predictions: of both; None for an estimate.
            identity: of the sealed data.
            records: as in `begin`.

        Returns:
            The result under the identity of the frozen model.

        Raises:
            UserError: the ledger is damaged or cannot be written.
        """
        result = similar.model_copy(update={"frozen_sha256": frozen_sha256})
        with self._locked():
            if predictions is not None:
                write_npz(self.predictions_path(result), predictions)
            entry = _comparison("confirmed", similar, frozen_sha256) | dict(records or {})
            self._append_use(entry | {"result": result.model_dump(mode="json")}, identity, self.read())
        return result

    def note_records(self, result: DecodeResult, records: Mapping[str, str], content: LedgerContent) -> None:
        """Record that the card or the manifest of a decoded model was written again, if its digest is another one.

        Args:
            result: of the decode.
            records: as in `begin`.
            content: of the ledger, as the result was found in it.

        Raises:
            UserError: the ledger is damaged or cannot be written.
        """
        known = find_records(content.entries, result)
        if all(known.get(name, [None])[-1] == digest for name, digest in records.items()):
            return
        with self._locked():
            content = self.read()
            entry = {"event": "recorded", "study": result.study, "frozen_sha256": result.frozen_sha256, **records}
            self._append_use(entry, self._identity_of(result.eval_sha256, content), content)

    def parse_result(self, entry: Entry, line: int) -> DecodeResult:
        """Return the result of an entry ``done``; ``line`` is its number.

        Raises:
            UserError: it is not a result, or one of something else than the entry says.
        """
        where = f"{self._path}, line {line}"
        result = parse_decode_result(entry["result"], f"{where}: result of {entry['study']}")
        if (result.study, result.frozen_sha256, result.eval_sha256) != _key(entry):
            raise UserError(f"{where}: its result is of another decode than the entry. Restore it from a backup.")
        return result

    def finish(self, result: DecodeResult, predictions: Predictions | None) -> DecodeResult:
        """Keep the predictions, then record the result.

        Args:
            result: of the decode.
            predictions: of the model; None for an estimate.

        Returns:
            What the ledger has recorded: ``result``, or that of the same decode by another process in the meantime.

        Raises:
            UserError: another process has decoded the same model with another result, or the ledger cannot be written.
        """
        with self._locked():
            content = self.read()
            known = self.find_result(result.study, result.frozen_sha256, result.eval_sha256, content)
            if known is not None:
                return self._agree(known, result)
            if predictions is not None:
                write_npz(self.predictions_path(result), predictions)
            entry: Entry = {"event": "done", "study": result.study, "frozen_sha256": result.frozen_sha256}
            entry |= {"result": result.model_dump(mode="json")}
            self._append_use(entry, self._identity_of(result.eval_sha256, content), content)
            return result

    def note_sample_splits(self, dataset: str, identity: EvalIdentity, frozen: Iterable[str] = ()) -> None:
        """Record that samples of the sealed data are drawn for a figure, now that every model is frozen.

        Args:
            dataset: name of the dataset.
            identity: of the sealed data.
            frozen: identifies each model that was frozen before.

        Raises:
            UserError: the ledger is damaged or cannot be written.
        """
        with self._locked():
            entry = {"event": "sampled", "dataset": dataset, "frozen": sorted(frozen)}
            self._append_use(entry, identity, self.read())

    def adopt(self, heads: Iterable[Head]) -> Head:
        """Take over the present end of the ledger, by an entry that says so for good; return its new head.

        Args:
            heads: of before; those that are no entries are recorded as lost.

        Raises:
            UserError: nothing is missing, or the ledger is damaged otherwise or cannot be written.
        """
        with self._locked():
            content = self.read(without_head=True)
            unknown = sorted({str(head.sha256) for head in heads if not content.holds(head)})
            if not unknown and not self.lacks_head(content):
                raise UserError(f"{self._path}: has its head and every entry that is known. There is nothing to adopt.")
            return self._append({**chain.adopt(content.lines), "lost": unknown}, content)

    def lacks_head(self, content: LedgerContent) -> bool:
        """Return whether the file of the head is missing, though a kill cannot have left the ledger so."""
        return not self._head_path.exists() and chain.count_chained(content.entries) > 1

    def read_predictions(self, result: DecodeResult) -> Predictions | None:
        """Return the predictions of a recorded decode; None for an estimate.

        Raises:
            UserError: they are missing, unreadable, not those that were recorded, or the result says something else
                than they do.
        """
        where, advice = f"{self._path}: result of {result.study}", "Restore it from a backup."
        if result.predictions_sha256 is None:
            check_result(result, None, where, "the result", advice)
            return None
        path = self.predictions_path(result)
        if not path.exists() and (old := self._folder / "answers" / path.name).exists():
            path = old  # where ledgers of before kept them
        predictions = read_npz(path, advice)
        check_result(result, predictions, where, str(path), advice)
        return predictions

    def predictions_path(self, result: DecodeResult) -> Path:
        """Return the file in which the predictions of a decode are kept."""
        name = digest_json([result.study, result.frozen_sha256, result.eval_sha256])
        return self._folder / "predictions" / f"{name}.npz"

    def _decodes_of_same_eval(self, study: str, identity: EvalIdentity, entries: list[Entry]) -> list[Entry]:
        """Return the entries of decodes of a study on an eval, under any name of the dataset."""
        evals = KnownEvals(self._folder, entries)
        return [entry for entry in _decodes_of_study(study, entries) if evals.is_same(entry["eval_sha256"], identity)]

    def _agree(self, known: DecodeResult, result: DecodeResult) -> DecodeResult:
        """Return the known result of a decode that was made twice at once, if both are equal but for the time."""
        same = {"decoded": "", "blind": True}
        if not is_same_answer(known.model_copy(update=same), result.model_copy(update=same)):
            raise UserError(
                f"{result.study}: another process has decoded the same model at {known.decoded} with another result. "
                f"The first one counts, it is in {self._path}; run again to use it, and one run of a study at a time."
            )
        return known

    def _identity_of(self, eval_sha256: str, content: LedgerContent) -> EvalIdentity:
        """Return what a later entry says of an eval that an earlier one has described."""
        return EvalIdentity(eval_sha256, KnownEvals(self._folder, content.entries).content_of(eval_sha256))

    def _append_use(self, entry: Entry, identity: EvalIdentity, content: LedgerContent) -> None:
        """Record a use of an eval, and what the eval is known by."""
        KnownEvals(self._folder, ()).keep(identity)
        known = {
            "eval_content_sha256": identity.content_sha256,
            "eval_origins_sha256": identity.origins_sha256,
            _LABELLED: identity.labelled_sha256,
        }
        digests = {name: digest for name, digest in known.items() if digest is not None}
        self._append(entry | {"eval_sha256": identity.sha256} | digests, content)

    def _append(self, entry: Entry, content: LedgerContent) -> Head:
        """Append an entry to what was read under the same lock; return the new head."""
        torn = repair_last_line(self._path, self._is_entry)
        if torn:
            self._write_head(content.lines)
        if not chain.is_chained(content.entries):
            content = self._append_line(chain.adopt(content.lines), content)
        return self._append_line(entry | ({"torn": torn.name} if torn else {}), content).head

    def _append_line(self, entry: Entry, content: LedgerContent) -> LedgerContent:
        line = canonical_json(entry | chain.place_in_chain(content.lines) | {"time": now()})
        for held in self._claims:  # who was suspended and lost the ledger meanwhile must not write
            held.check()
        append_line(self._path, f"{line}\n".encode(), "a decode")
        # After the line: a kill leaves the head of the entry before, never one of an entry that was not written.
        self._write_head([*content.lines, line])
        return LedgerContent([*content.lines, line], [*content.entries, self._parse(line, len(content.lines) + 1)])

    def _write_head(self, lines: list[str]) -> None:
        self.seen = chain.head_of(lines)
        write_json(self._head_path, vars(self.seen))

    def read(self, *, without_head: bool = False) -> LedgerContent:
        """Read all lines and check their chain.

        Args:
            without_head: whether the file of the head may be missing.

        Raises:
            UserError: as `entries`.
        """
        head = self._read_head()  # before the lines: another process may append in between
        # The head is written after its line: a kill that tears a line leaves the head of the line before.
        lines = self._read_lines()
        rows = [self._parse(line, row) for row, line in enumerate(lines, 1)]
        fault = chain.find_fault(lines, rows, head)
        if fault is not None:
            raise UserError(
                f"{self._path}, {fault.lines}: {fault.what}. The ledger is not used as it is: restore it from a backup "
                f"('blindtune ledger verify {self._folder}' checks it). Without a backup, move the folder away and say "
                "so when you report results: what was decoded before is then unknown."
            )
        content = LedgerContent(lines, rows)
        if not without_head and self.lacks_head(content):
            raise UserError(self.explain_missing_head())
        self.seen = content.head
        return content

    def explain_missing_head(self) -> str:
        """Return what to say of a ledger without the file of its head."""
        return (
            f"{self._head_path}: is missing, so that entries that were cut off at the end would not be seen. Restore "
            f"it from a backup. Without a backup, see what is left ('blindtune ledger verify {self._folder}'), then "
            f"go on from there ('blindtune ledger adopt {self._folder}'): the entry that this writes is in every later "
            "report."
        )

    def _read_lines(self) -> list[str]:
        """Return the whole lines."""
        if not self._path.exists():
            return []
        content = read_regular_file(self._path)
        *lines, rest = content.decode("utf-8", errors="surrogateescape").split("\n")
        # A kill leaves part of a line. It holds no decode: a model answers eval after a whole line only.
        return [*lines, rest] if self._is_entry(rest) else lines

    @property
    def _head_path(self) -> Path:
        return self._folder / "head.json"

    def _read_head(self) -> Head | None:
        if not self._head_path.exists():
            return None
        try:
            content = read_json(self._head_path)
        except UserError as error:
            raise UserError(f"{self._head_path}: cannot be read. {self._head_advice}") from error
        if not isinstance(content, dict) or not isinstance(content.get("entries"), int) or content["entries"] < 0:
            raise UserError(f"{self._head_path}: is not the head of a ledger. {self._head_advice}")
        return Head(content["entries"], content.get("sha256"))

    @property
    def _head_advice(self) -> str:
        return (
            f"Restore it from a backup. Without a backup, remove it and run 'blindtune ledger adopt {self._folder}', "
            "which writes an entry that every later report shows."
        )

    def _is_entry(self, line: str) -> bool:
        try:
            self._parse(line, 0)
        except UserError:
            return False
        return True

    @contextmanager
    def _locked(
        self, name: str = "lock", what: str = "the ledger", notify: Callable[[str], None] = lambda line: None
    ) -> Iterator[None]:
        """Hold one of the locks of the ledger; every locked section of the ledger is entered here.

        Args:
            name: of the lock: `lock` for the file of the entries.
            what: names what is locked, for messages.
            notify: takes a line if another process holds it, or has ended while it held it.
        """
        path = self._folder / (name if name == "lock" else f"locks/{name}")
        # A claim, not flock: that fails or does nothing on some file systems that clusters share.
        with claim(path, what, wait_seconds=_WAIT, notify=notify) as held:
            self._claims.append(held)
            try:
                yield
            finally:
                self._claims.remove(held)

    def _parse(self, line: str, row: int) -> Entry:
        try:
            if not line.isascii() and any("\udc80" <= sign <= "\udcff" for sign in line):
                raise ValueError("not UTF-8")
            entry = loads_json(line)
            if not isinstance(entry, dict):
                raise ValueError("not an object")
            entry = {_RENAMED_FIELDS.get(name, name): value for name, value in entry.items()}
            event = entry.get("event")
            entry["event"] = event = _RENAMED_EVENTS.get(str(event), event)
            if not isinstance(event, str) or event not in _FIELDS:
                raise ValueError("an unknown event")
            if not _FIELDS[event] <= entry.keys():
                raise ValueError("a field is missing")
            if not all(isinstance(entry[name], str) for name in _FIELDS[event] - {"result"}):
                raise ValueError("a field is not a text")
            _check_optional_fields(entry)
            return entry
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{self._path}, line {row}: is not a ledger entry ({error}). Restore it from a backup."
            ) from error


class RecordedResults:
    """The results that a ledger holds, by decode."""

    def __init__(self, ledger: Ledger, entries: Iterable[Entry]) -> None:
        self._ledger = ledger
        self._done: dict[tuple[str, str, str], tuple[Entry, int]] = {}
        for line, entry in enumerate(entries, 1):
            if entry["event"] in ("done", "confirmed"):
                self._done.setdefault(_key(entry), (entry, line))

    def find(self, study: str, frozen_sha256: str, eval_sha256: str) -> DecodeResult | None:
        """Return the first result of a decode; None if there is none.

        Args:
            study: id of the study.
            frozen_sha256: identifies the frozen model.
            eval_sha256: identifies the sealed data, in their order.

        Raises:
            UserError: the entry holds no result, or that of another decode.
        """
        known = self._done.get((study, frozen_sha256, eval_sha256))
        return None if known is None else self._ledger.parse_result(*known)

    def holds(self, result: DecodeResult, where: Path) -> bool:
        """Return whether the ledger holds a result.

        Args:
            result: as it was read.
            where: its file, for the message.

        Raises:
            UserError: it holds another result of the same decode; each field that differs is named.
        """
        known = self.find(result.study, result.frozen_sha256, result.eval_sha256)
        if known is None:
            return False
        differing = differing_fields(result, known)
        if differing:
            raise UserError(
                f"{where}: is not what the ledger {self._ledger.path} recorded: {'; '.join(differing)}. Remove the "
                "file and run again."
            )
        return True

    def __iter__(self) -> Iterator[DecodeResult]:
        """Yield all results, in the order of the ledger.

        Raises:
            UserError: as `find`.
        """
        for entry, line in self._done.values():
            yield self._ledger.parse_result(entry, line)

    def __len__(self) -> int:
        """Return the number of results."""
        return len(self._done)


def _check_optional_fields(entry: Entry) -> None:
    """Refuse fields that an entry need not have and that are of another type; raises ValueError."""
    for name in ("model_sha256", *RECORDS):
        if not isinstance(entry.get(name, ""), str):
            raise ValueError(f"{name} is not a text")
    for name in ("eval_content_sha256", "eval_origins_sha256", _LABELLED):  # two are parts of paths
        if name in entry and not (isinstance(entry[name], str) and re.fullmatch("[0-9a-f]{64}", entry[name])):
            raise ValueError(f"{name} is not a sha256")
    for name in ("frozen", "lost"):
        listed = entry.get(name, [])
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise ValueError(f"{name} is not a list of texts")


def _comparison(event: str, similar: DecodeResult, frozen_sha256: str) -> Entry:
    return {
        "event": event,
        "study": similar.study,
        "frozen_sha256": frozen_sha256,
        "former_sha256": similar.frozen_sha256,
    }


def _names_of(entries: Iterable[Entry], study: str, frozen_sha256: str) -> set[str]:
    """Return every identity of a frozen model: those under other code that gave the same answers too."""
    names = {frozen_sha256}
    pairs = [
        {entry["frozen_sha256"], entry["former_sha256"]}
        for entry in entries
        if entry["event"] == "confirmed" and _without_dataset(entry["study"]) == _without_dataset(study)
    ]
    for _ in pairs:
        for pair in pairs:
            if not names.isdisjoint(pair):
                names |= pair
    return names


def find_records(entries: Iterable[Entry], result: DecodeResult) -> dict[str, list[str]]:
    """Return the digests of the card and the manifest that the ledger holds for a decode, the last one last.

    Args:
        entries: of the ledger.
        result: of the decode.
    """
    key = (result.study, result.frozen_sha256, result.eval_sha256)
    found: dict[str, list[str]] = {}
    for entry in entries:
        if entry["event"] in ("begun", "confirmed", "recorded") and _key(entry) == key:
            for name in RECORDS:
                if name in entry:
                    found.setdefault(name, []).append(entry[name])
    return found


def split_study(study: str) -> tuple[str, str, str, str]:
    """Return config, dataset, system and seed of a study's id; an id of another form is a config alone."""
    parts = study.split("/")
    return (parts[0], parts[1], parts[2], parts[3]) if len(parts) == 4 else (study, "", "", "")


def _key(entry: Entry) -> tuple[str, str, str]:
    return entry["study"], entry["frozen_sha256"], entry["eval_sha256"]


def _decodes_of_study(study: str, entries: list[Entry]) -> list[Entry]:
    """Return the entries of decodes of a study, under any name of its dataset."""
    name = _without_dataset(study)
    return [
        entry for entry in entries if entry["event"] in ("begun", "done") and _without_dataset(entry["study"]) == name
    ]


def _without_dataset(study: str) -> tuple[str, str, str]:
    """Return what makes a study the same one if its dataset is known by content: a dataset may have any name."""
    config, _, system, seed = split_study(study)
    return config, system, seed


def _explain_refusal(study: str, other: Entry) -> str:
    _, dataset, system, _ = split_study(study)
    before = "this study" if other["study"] == study else f"{other['study']}, the same study under another name,"
    return (
        f"{study}: another model of {before} was decoded on this eval data at {other['time']}; a second decode would "
        "not be blind. Put back the config and code that gave the first model, or give the changed system a new name, "
        f"or allow it by name with 'allow_repeated_decode: [{dataset}/{system}]', and the report will mark its row as "
        "not blind."
    )


def now() -> str:
    """Return the time, UTC, in the form of all records."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
