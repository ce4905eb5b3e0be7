"""The ledger: an append-only file of JSON lines that says who looked at which sealed data.

A look is written down as begun before the sealed data are opened, and as done, with its result, before the result is
shown to anyone.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blindtune.core.arrays import write_npz
from blindtune.core.errors import RepeatedDecodeError, UserError
from blindtune.core.files import canonical_json, digest_json
from blindtune.core.jsonl import append_line, repair_last_line
from blindtune.records.decode_result import DecodeResult, Predictions

#: What an entry of each event must have.
_FIELDS = {
    "begun": {"time", "eval_sha256", "study", "frozen_sha256"},
    "done": {"time", "eval_sha256", "study", "frozen_sha256", "look"},
    "pictured": {"time", "eval_sha256", "dataset"},
}


class Ledger:
    """Who looked at which sealed data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "ledger.jsonl"

    def entries(self) -> list[dict[str, Any]]:
        """Every line.

        Raises:
            UserError: a line is not JSON; looks must not be forgotten, so nothing goes on.
        """
        if not self._path.exists():
            return []
        *lines, rest = self._path.read_text(encoding="utf-8").split("\n")
        entries = [self._parse(line, row) for row, line in enumerate(lines, 1)]
        # A kill leaves part of a line. No look is in it: sealed data are opened after a whole line only.
        with suppress(UserError):
            entries.append(self._parse(rest, len(lines) + 1))
        return entries

    def begin(self, study: str, frozen: str, sealed: str, allow_repeats: bool) -> bool:
        """Write down that a look begins.

        Returns:
            Whether it is blind: no other model of the study looked at these data before.

        Raises:
            SecondLook: one did, and the config does not allow it for this study.
        """
        with self._locked():
            others = [entry for entry in self._looks(study, sealed) if entry["frozen_sha256"] != frozen]
            if others and not allow_repeats:
                raise RepeatedDecodeError(_refusal(study, others[0]["time"]))
            self._append({"event": "begun", "study": study, "frozen_sha256": frozen, "eval_sha256": sealed})
            return not others

    def answer(self, study: str, frozen: str, sealed: str) -> DecodeResult | None:
        """The result of the same frozen model on the same data, if it looked before."""
        for entry in self._looks(study, sealed):
            if entry["event"] == "done" and entry["frozen_sha256"] == frozen:
                return DecodeResult.model_validate(entry["look"])
        return None

    def finish(self, look: DecodeResult, answers: Predictions | None) -> None:
        """Keep the answers, then write the result down."""
        if answers is not None:
            write_npz(self.answers(look), answers)
        with self._locked():
            self._append(
                {
                    "event": "done",
                    "study": look.study,
                    "frozen_sha256": look.frozen_sha256,
                    "eval_sha256": look.eval_sha256,
                    "look": look.model_dump(mode="json"),
                }
            )

    def note_picture(self, dataset: str, sealed: str) -> None:
        """Write down that the sealed data were drawn, after every model of the dataset was frozen."""
        with self._locked():
            self._append({"event": "pictured", "dataset": dataset, "eval_sha256": sealed})

    def answers(self, look: DecodeResult) -> Path:
        """Where the answers of a look are kept."""
        return self._folder / "answers" / f"{digest_json([look.study, look.frozen_sha256, look.eval_sha256])}.npz"

    def _looks(self, study: str, sealed: str) -> list[dict[str, Any]]:
        return [
            entry
            for entry in self.entries()
            if entry["event"] in ("begun", "done") and entry["study"] == study and entry["eval_sha256"] == sealed
        ]

    def _append(self, entry: dict[str, Any]) -> None:
        torn = repair_last_line(self._path, self._is_entry)
        noted = entry | ({"torn": torn.name} if torn else {}) | {"time": now()}
        append_line(self._path, (canonical_json(noted) + "\n").encode(), "a look")

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
            if not isinstance(entry, dict) or entry.get("event") not in _FIELDS:
                raise ValueError("an unknown event")
            if not _FIELDS[entry["event"]] <= entry.keys():
                raise ValueError("a field is missing")
            return entry
        except ValueError as error:
            raise UserError(
                f"{self._path}, line {row}: is no ledger entry ({error}). Restore it from a backup."
            ) from error


def _refusal(study: str, when: str) -> str:
    _, dataset, system, _ = study.split("/")
    return (
        f"{study}: another model of this study looked at this eval data at {when}; a second look would not be blind. "
        "Put back the config and code that gave the first model, or give the changed system a name of its own, "
        f"or allow it by name with 'allow_repeated_decode: [{dataset}/{system}]', and the report will mark its row as "
        "not blind."
    )


def now() -> str:
    """The time, UTC, as every record writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
