"""The ledger: an append-only file of JSON lines that records every use of sealed data.

A decode is recorded as begun before the sealed data are opened, and as done, with its result, before the result is
shown to anyone.
"""

import fcntl
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from blindtune.core.arrays import digest_arrays, write_npz
from blindtune.core.errors import RepeatedDecodeError, UserError
from blindtune.core.files import canonical_json, digest_json
from blindtune.core.jsonl import append_line, repair_last_line
from blindtune.records.decode_result import DecodeResult, Predictions, parse_decode_result

#: The fields that an entry of each event must have.
_FIELDS = {
    "begun": {"time", "eval_sha256", "study", "frozen_sha256"},
    "done": {"time", "eval_sha256", "study", "frozen_sha256", "result"},
    "sampled": {"time", "eval_sha256", "dataset"},
}

#: Old names of an event and of a field, which ledgers of before still have.
_RENAMED_EVENTS = {"pictured": "sampled"}
_RENAMED_FIELDS = {"look": "result"}


class Ledger:
    """The record of which frozen models were decoded on which sealed data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "ledger.jsonl"

    def entries(self) -> list[dict[str, Any]]:
        """Return every entry, under the present names.

        Raises:
            UserError: a line is not an entry. Decodes must not be forgotten, so nothing goes on.
        """
        if not self._path.exists():
            return []
        *lines, rest = self._path.read_text(encoding="utf-8").split("\n")
        entries = [self._parse(line, row) for row, line in enumerate(lines, 1)]
        # A kill leaves part of a line. It holds no decode: sealed data are opened after a whole line only.
        with suppress(UserError):
            entries.append(self._parse(rest, len(lines) + 1))
        return entries

    def begin(self, study: str, frozen_sha256: str, eval_sha256: str, *, allow_repeats: bool) -> bool:
        """Record that a decode begins; this is the line without which eval is not opened.

        Args:
            study: id of the study.
            frozen_sha256: identifies the frozen model.
            eval_sha256: identifies the sealed data.
            allow_repeats: whether the config allows this study to decode further models.

        Returns:
            Whether the decode is blind: no other model of the study was decoded on these data before.

        Raises:
            RepeatedDecodeError: one was, and the config does not allow it for this study.
        """
        with self._locked():
            others = [entry for entry in self._decodes(study, eval_sha256) if entry["frozen_sha256"] != frozen_sha256]
            if others and not allow_repeats:
                raise RepeatedDecodeError(_explain_refusal(study, others[0]["time"]))
            self._append({"event": "begun", "study": study, "frozen_sha256": frozen_sha256, "eval_sha256": eval_sha256})
            return not others

    def find_result(self, study: str, frozen_sha256: str, eval_sha256: str) -> DecodeResult | None:
        """Return the result of the same frozen model on the same data, or None if it was not decoded.

        Args:
            study: id of the study.
            frozen_sha256: identifies the frozen model.
            eval_sha256: identifies the sealed data.

        Raises:
            UserError: a line is not an entry.
        """
        for entry in self._decodes(study, eval_sha256):
            if entry["event"] == "done" and entry["frozen_sha256"] == frozen_sha256:
                return parse_decode_result(entry["result"], f"{self._path}: result of {study}")
        return None

    def finish(self, result: DecodeResult, predictions: Predictions | None) -> None:
        """Keep the predictions, then record the result.

        Args:
            result: of the decode.
            predictions: of the model; None for an estimate.
        """
        if predictions is not None:
            write_npz(self.predictions_path(result), predictions)
        with self._locked():
            self._append(
                {
                    "event": "done",
                    "study": result.study,
                    "frozen_sha256": result.frozen_sha256,
                    "eval_sha256": result.eval_sha256,
                    "result": result.model_dump(mode="json"),
                }
            )

    def note_sample_splits(self, dataset: str, eval_sha256: str) -> None:
        """Record that samples of the sealed data are drawn for a figure, now that every model is frozen.

        Args:
            dataset: name of the dataset.
            eval_sha256: identifies the sealed data.
        """
        with self._locked():
            self._append({"event": "sampled", "dataset": dataset, "eval_sha256": eval_sha256})

    def read_predictions(self, result: DecodeResult) -> Predictions | None:
        """Return the predictions of a recorded decode; None for an estimate.

        Raises:
            UserError: they are missing, unreadable, or not those that were recorded.
        """
        if result.predictions_sha256 is None:
            return None
        path = self.predictions_path(result)
        if not path.exists() and (old := self._folder / "answers" / path.name).exists():
            path = old  # where ledgers of before kept them
        try:
            with np.load(path, allow_pickle=False) as stored:
                predictions = dict(stored)
        except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
            raise UserError(f"{path}: cannot be read ({error}). Restore it from a backup.") from error
        if digest_arrays(predictions) != result.predictions_sha256:
            raise UserError(f"{path}: is not what the ledger recorded. Restore it from a backup.")
        return predictions

    def predictions_path(self, result: DecodeResult) -> Path:
        """Return the file in which the predictions of a decode are kept."""
        name = digest_json([result.study, result.frozen_sha256, result.eval_sha256])
        return self._folder / "predictions" / f"{name}.npz"

    def _decodes(self, study: str, eval_sha256: str) -> list[dict[str, Any]]:
        return [
            entry
            for entry in self.entries()
            if entry["event"] in ("begun", "done") and entry["study"] == study and entry["eval_sha256"] == eval_sha256
        ]

    def _append(self, entry: dict[str, Any]) -> None:
        torn = repair_last_line(self._path, self._is_entry)
        line = entry | ({"torn": torn.name} if torn else {}) | {"time": now()}
        append_line(self._path, (canonical_json(line) + "\n").encode(), "a decode")

    def _is_entry(self, line: str) -> bool:
        try:
            self._parse(line, 0)
        except UserError:
            return False
        return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _parse(self, line: str, row: int) -> dict[str, Any]:
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict):
                raise ValueError("not an object")
            entry = {_RENAMED_FIELDS.get(name, name): value for name, value in entry.items()}
            event = entry.get("event")
            entry["event"] = event = _RENAMED_EVENTS.get(str(event), event)
            if event not in _FIELDS:
                raise ValueError("an unknown event")
            if not _FIELDS[event] <= entry.keys():
                raise ValueError("a field is missing")
            return entry
        except ValueError as error:
            raise UserError(
                f"{self._path}, line {row}: is not a ledger entry ({error}). Restore it from a backup."
            ) from error


def _explain_refusal(study: str, when: str) -> str:
    _, dataset, system, _ = study.split("/")
    return (
        f"{study}: another model of this study was decoded on this eval data at {when}; a second decode would not be "
        "blind. Put back the config and code that gave the first model, or give the changed system a new name, or "
        f"allow it by name with 'allow_repeated_decode: [{dataset}/{system}]', and the report will mark its row as not "
        "blind."
    )


def now() -> str:
    """Return the time, UTC, in the form of all records."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
