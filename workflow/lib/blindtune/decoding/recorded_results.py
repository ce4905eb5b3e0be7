"""The results that a ledger holds, by decode."""

from collections.abc import Iterable, Iterator, Set
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.decoding.entries import Entry, decode_key
from blindtune.records.decode_result import DecodeResult, differing_fields, parse_decode_result


class RecordedResults:
    """The results that a ledger holds, by decode."""

    def __init__(self, path: Path, entries: Iterable[Entry]) -> None:
        """Find the entries that hold results.

        Args:
            path: file of the ledger, for messages.
            entries: of the ledger.
        """
        self._path = path
        self._done: dict[tuple[str, str, str], tuple[Entry, int]] = {}
        for line, entry in enumerate(entries, 1):
            if entry["event"] in ("done", "confirmed"):
                self._done.setdefault(decode_key(entry), (entry, line))

    def keys(self) -> Set[tuple[object, object, object]]:
        """Return what identifies each decode that has a result: study, frozen model and sealed data."""
        return self._done.keys()

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
        return None if known is None else parse_result(self._path, *known)

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
                f"{where}: is not what the ledger {self._path} recorded: {'; '.join(differing)}. Remove the "
                "file and run again."
            )
        return True

    def __iter__(self) -> Iterator[DecodeResult]:
        """Yield all results, in the order of the ledger.

        Raises:
            UserError: as `find`.
        """
        for entry, line in self._done.values():
            yield parse_result(self._path, entry, line)

    def __len__(self) -> int:
        """Return the number of results."""
        return len(self._done)


def parse_result(path: Path, entry: Entry, line: int) -> DecodeResult:
    """Return the result of an entry ``done`` or ``confirmed``.

    Args:
        path: file of the ledger, for messages.
        entry: of the ledger.
        line: its number.

    Raises:
        UserError: it is not a result, or one of something else than the entry says.
    """
    where = f"{path}, line {line}"
    result = parse_decode_result(entry["result"], f"{where}: result of {entry['study']}")
    if (result.study, result.frozen_sha256, result.eval_sha256) != decode_key(entry):
        raise UserError(f"{where}: its result is of another decode than the entry. Restore it from a backup.")
    return result
