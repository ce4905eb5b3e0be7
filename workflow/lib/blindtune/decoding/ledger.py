"""The ledger: an append-only file of JSON lines that records every use of sealed data.

A decode is recorded as begun before a model answers the sealed data, and as done, with its result, before the result is
shown to anyone. Before "begun" the sealed data are read to be verified and digested, which shows nothing of them. The
lines are a chain, see `blindtune.decoding.chain`; each use of the ledger checks it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from blindtune.core.arrays import read_npz, write_npz
from blindtune.core.errors import RepeatedDecodeError, UserError
from blindtune.core.files import digest_json
from blindtune.decoding import blindness, chain
from blindtune.decoding.chain import Head
from blindtune.decoding.entries import LABELLED, Entry, comparison, decode_key, find_records
from blindtune.decoding.known_evals import EvalIdentity, KnownEvals
from blindtune.decoding.ledger_file import LedgerContent, LedgerFile
from blindtune.decoding.recorded_results import RecordedResults, parse_result
from blindtune.records.decode_result import DecodeResult, Predictions, check_result, is_same_answer
from blindtune.records.post_mortem import PostMortem, read_post_mortem, write_post_mortem


class Ledger(LedgerFile):
    """The record of which frozen models were decoded on which sealed data."""

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
            and no other model on these; and no post-mortem showed these data before.

        Raises:
            RepeatedDecodeError: as `is_blind`.
            UserError: the ledger is damaged or cannot be written.
        """
        with self._locked():
            content = self.read()
            blind = (
                self.is_blind(
                    study,
                    frozen_sha256,
                    identity,
                    allow_repeats=allow_repeats,
                    model_sha256=model_sha256,
                    former_sha256=former_sha256,
                    content=content,
                )
                and not self.find_other_preparations(study, identity, content)
                and not self.find_post_mortems(study, frozen_sha256, identity, content)
            )
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
        others = blindness.find_looks_of_others(
            study,
            frozen_sha256,
            identity,
            {model_sha256, former_sha256},
            entries,
            KnownEvals(self._folder, entries),
        )
        if others and not allow_repeats:
            raise RepeatedDecodeError(blindness.explain_refusal(study, others[0]))
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
        return blindness.find_other_preparations(study, identity, entries, KnownEvals(self._folder, entries))

    def find_post_mortems(
        self, study: str, frozen_sha256: str, identity: EvalIdentity, content: LedgerContent | None = None
    ) -> list[Entry]:
        """Return the entries of post-mortems on an eval before which a model was not decoded.

        A decode after one is refused nowhere, since a new system may be tried. But it is not blind.

        Args:
            study: id of the study of the model.
            frozen_sha256: identifies the model.
            identity: of the sealed data.
            content: of the ledger; None: it is read.

        Raises:
            UserError: as `entries`.
        """
        entries = (content or self.read()).entries
        return blindness.find_post_mortems(study, frozen_sha256, identity, entries, KnownEvals(self._folder, entries))

    def find_post_mortem(
        self, study: str, frozen_sha256: str, eval_sha256: str, trials_sha256: str, content: LedgerContent | None = None
    ) -> PostMortem | None:
        """Return the recorded post-mortem of a search on an eval, or None if there is none.

        Args:
            study: id of the study.
            frozen_sha256: identifies the frozen model; under other code, other trials may answer otherwise.
            eval_sha256: identifies the sealed data, in their order.
            trials_sha256: identifies the trials of the search.
            content: of the ledger; None: it is read.

        Raises:
            UserError: as `entries`, or its file is missing or is not what was recorded.
        """
        entries = (content or self.read()).entries
        key = (study, frozen_sha256, eval_sha256)
        for entry in entries:
            if entry["event"] == "analysed" and (decode_key(entry), entry["trials_sha256"]) == (key, trials_sha256):
                return self.read_post_mortem(entry)
        return None

    def begin_post_mortem(
        self, study: str, frozen_sha256: str, trials_sha256: str, identity: EvalIdentity, decoded: Iterable[str]
    ) -> None:
        """Record that a post-mortem begins, unless it has begun before; without this line eval is not opened for it.

        Args:
            study: id of the study of the search.
            frozen_sha256: identifies its frozen model.
            trials_sha256: identifies its trials.
            identity: of the sealed data.
            decoded: identifies each model of the dataset that was decoded before; any other is not blind from now on.

        Raises:
            UserError: the ledger is damaged or cannot be written.
        """
        entry: Entry = {"event": "analysing", "study": study, "frozen_sha256": frozen_sha256}
        entry |= {"trials_sha256": trials_sha256, "frozen": sorted(decoded)}
        with self._locked():
            content = self.read()
            same = entry | {"eval_sha256": identity.sha256}
            if not any(same.items() <= known.items() for known in content.entries):
                self._append_use(entry, identity, content)

    def finish_post_mortem(self, found: PostMortem, decoded: Iterable[str]) -> PostMortem:
        """Keep the scores of a post-mortem, then record them.

        Args:
            found: the scores.
            decoded: as in `begin_post_mortem`.

        Returns:
            What the ledger has recorded: ``found``, or the same by another process in the meantime.

        Raises:
            UserError: another process has recorded other scores, or the ledger cannot be written.
        """
        with self._locked():
            content = self.read()
            key = (found.study, found.frozen_sha256, found.eval_sha256, found.trials_sha256)
            known = self.find_post_mortem(*key, content)
            if known is not None:
                return self._agree_on(known, found)
            write_post_mortem(self.post_mortem_path(*key), found)
            entry: Entry = {"event": "analysed", "study": found.study, "frozen_sha256": found.frozen_sha256}
            entry |= {"trials_sha256": found.trials_sha256, "result_sha256": found.sha256(), "frozen": sorted(decoded)}
            self._append_use(entry, self._identity_of(found.eval_sha256, content), content)
            return found

    def read_post_mortem(self, entry: Entry) -> PostMortem:
        """Return the scores of a recorded post-mortem.

        Args:
            entry: an entry ``analysed``.

        Raises:
            UserError: its file is missing, or is not what was recorded.
        """
        key = (entry["study"], entry["frozen_sha256"], entry["eval_sha256"], entry["trials_sha256"])
        path = self.post_mortem_path(*key)
        found = read_post_mortem(path, "Restore it from a backup.")
        if found.sha256() != entry["result_sha256"]:
            raise UserError(f"{path}: is not what the ledger {self._path} recorded. Restore it from a backup.")
        return found

    def post_mortem_path(self, study: str, frozen_sha256: str, eval_sha256: str, trials_sha256: str) -> Path:
        """Return the file in which the scores of a post-mortem are kept."""
        name = digest_json([study, frozen_sha256, eval_sha256, trials_sha256])
        return self._folder / "post_mortems" / f"{name}.json"

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
        return RecordedResults(self._path, (content or self.read()).entries).find(study, frozen_sha256, eval_sha256)

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
        without_code = {decode_key(entry): entry["model_sha256"] for entry in entries if "model_sha256" in entry}
        for line, entry in enumerate(entries, 1):
            if entry["event"] != "done" or (entry["study"], entry["eval_sha256"]) != (study, eval_sha256):
                continue
            known = without_code.get(decode_key(entry))
            if known == model_sha256 or (known is None and entry["frozen_sha256"] == former_sha256):
                return parse_result(self._path, entry, line)
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
            self._append_use(comparison("compared", similar, frozen_sha256), identity, self.read())

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
            entry = comparison("confirmed", similar, frozen_sha256) | dict(records or {})
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

    def read_predictions(self, result: DecodeResult) -> Predictions | None:
        """Return the predictions of a recorded decode; None for an estimate.

        Raises:
            UserError: as `read_decode`.
        """
        return self.read_decode(result)[1]

    def read_decode(self, result: DecodeResult) -> tuple[DecodeResult, Predictions | None]:
        """Return a recorded result with the scores that follow from its predictions, and these; None for an estimate.

        Raises:
            UserError: they are missing, unreadable, not those that were recorded, or the result says something else
                than they do.
        """
        where, advice = f"{self._path}: result of {result.study}", "Restore it from a backup."
        if result.predictions_sha256 is None:
            return check_result(result, None, where, "the result", advice), None
        path = self.predictions_path(result)
        if not path.exists() and (old := self._folder / "answers" / path.name).exists():
            path = old  # where ledgers of before kept them
        predictions = read_npz(path, advice)
        return check_result(result, predictions, where, str(path), advice), predictions

    def predictions_path(self, result: DecodeResult) -> Path:
        """Return the file in which the predictions of a decode are kept."""
        name = digest_json([result.study, result.frozen_sha256, result.eval_sha256])
        return self._folder / "predictions" / f"{name}.npz"

    def _agree(self, known: DecodeResult, result: DecodeResult) -> DecodeResult:
        """Return the known result of a decode that was made twice at once, if both are equal but for the time."""
        same = {"decoded": "", "blind": True}
        if not is_same_answer(known.model_copy(update=same), result.model_copy(update=same)):
            raise UserError(
                f"{result.study}: another process has decoded the same model at {known.decoded} with another result. "
                f"The first one counts, it is in {self._path}; run again to use it, and one run of a study at a time."
            )
        return known

    def _agree_on(self, known: PostMortem, found: PostMortem) -> PostMortem:
        """Return the known one of two post-mortems that were made at once, if both have the same scores."""
        if not known.is_same(found):
            raise UserError(
                f"{found.study}: another process has made its post-mortem at {known.analysed} with other scores. The "
                f"first one counts, it is in {self._path}; run again to use it."
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
            LABELLED: identity.labelled_sha256,
        }
        digests = {name: digest for name, digest in known.items() if digest is not None}
        self._append(entry | {"eval_sha256": identity.sha256} | digests, content)
