"""The heads of the ledger that a folder of results has seen: by them a ledger whose end was cut off is noticed.

Each decode, each post-mortem and each report keeps the head of the chain as it was then, next to its files. The head
stays an entry of the ledger for good, so one that is not says that entries were lost, or that this is another ledger.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.files import read_json_object, write_json
from blindtune.core.post_mortem_paths import FOLDER
from blindtune.decoding.chain import Head
from blindtune.decoding.ledger_file import LedgerContent

#: The file of a head, in the folder of a decode or of the report.
FILE = "ledger_head.json"


def keep_head(folder: Path, head: Head | None) -> None:
    """Write the head of the ledger into a folder of results, unless there is none."""
    if head is not None and head.sha256 is not None:
        write_json(folder / FILE, vars(head))


def read_heads(root: Path) -> dict[Path, Head]:
    """Return the heads that the results of a config have seen, by their files.

    Called before the ledger is read: a head that another process writes in between is of an entry that is read then.

    Args:
        root: ``results/<config name>``.

    Raises:
        UserError: a file is not a head.
    """
    below = [path for folder in ("decodes", FOLDER) for path in sorted(root.glob(f"{folder}/*/*/*/{FILE}"))]
    files = (*below, root / "report" / FILE)
    return {path: _read_head(path) for path in files if path.exists()}


def find_lost(heads: Mapping[Path, Head], content: LedgerContent) -> list[tuple[Path, Head]]:
    """Return the heads that are not in the ledger, with their files.

    Args:
        heads: as `read_heads` returns them.
        content: of the ledger, read after them.
    """
    return [(path, head) for path, head in heads.items() if not content.holds(head)]


def explain_lost(path: Path, head: Head, ledger: Path) -> str:
    """Return what to say of a head that is not in the ledger.

    Args:
        path: file of the head.
        head: as it was then.
        ledger: file of the ledger.
    """
    return (
        f"{path}: {ledger} had {head.entries} {'entry' if head.entries == 1 else 'entries'} then, and the last of them "
        "is not in it now. Its end was cut off, or it is not the ledger of these results."
    )


def refuse_lost(heads: Mapping[Path, Head], content: LedgerContent, ledger: Path) -> None:
    """Refuse a ledger that lacks an entry that results of a config have seen.

    Args:
        heads: as `read_heads` returns them.
        content: of the ledger, read after them.
        ledger: file of the ledger.

    Raises:
        UserError: it does.
    """
    for path, head in find_lost(heads, content):
        raise UserError(
            f"{explain_lost(path, head, ledger)} Restore it from a backup, or put back the ledger that belongs to "
            f"these results. Without one, 'blindtune ledger adopt {ledger.parent}{_option(path, ledger)}' goes on from "
            "there: the entry that this writes is in every later report."
        )


def _option(path: Path, ledger: Path) -> str:
    """Return what names the results of a head for the command line, if they are not next to the ledger."""
    results = path.parents[2 if path.parent.name == "report" else 5]
    return "" if ledger.resolve().parents[1] == results.resolve() else f" --results {shlex.quote(str(results))}"


def _read_head(path: Path) -> Head:
    content = read_json_object(path, entries=int, sha256=str)
    return Head(content["entries"], content["sha256"])
