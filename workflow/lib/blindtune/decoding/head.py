"""What a run says of the ledger at its end; imported while the workflow plans, so without a heavy library."""

import shlex
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.files import read_json

_RESULTS = "decodes/*/*/*/result.json"


def is_forgotten(folder: Path, root: Path) -> bool:
    """Return whether results hold a decode, but their ledger has no entry; quick, since each plan looks.

    Args:
        folder: of the ledger.
        root: folder of the results of a config.
    """
    file = folder / "ledger.jsonl"
    if file.exists() and file.stat().st_size:
        return False
    return next(root.glob(_RESULTS), None) is not None


def list_missing(folder: Path, root: Path) -> list[str]:
    """Return a sentence if decodes among the results of a config are not in their ledger, else nothing.

    Args:
        folder: of the ledger.
        root: folder of the results of a config.
    """
    from blindtune.decoding.ledger import Ledger
    from blindtune.decoding.recorded_results import RecordedResults

    files = sorted(root.glob(_RESULTS))
    if not files:
        return []
    ledger = Ledger(folder)
    try:
        known = RecordedResults(ledger.path, ledger.entries()).keys()
    except UserError as error:
        return [str(error)]
    missing = [file for file in files if _key_of(file) not in known]
    if not missing:
        return []
    return [
        f"{folder}: {len(missing)} of the {len(files)} decodes in {root} are not in this ledger, the first is "
        f"{missing[0]}. What was decoded before is not counted here: name the ledger that has them with 'ledger', "
        "restore it from a backup, or say so when you report results ('blindtune ledger verify "
        f"{shlex.quote(str(folder))} --results {shlex.quote(str(root.parent))}' names each)."
    ]


def _key_of(file: Path) -> tuple[object, object, object]:
    """Return what identifies the decode of a ``result.json``; of one that cannot be read, what no ledger has."""
    try:
        content = read_json(file)
    except UserError:
        return None, None, None
    if not isinstance(content, dict):
        return None, None, None
    return content.get("study"), content.get("frozen_sha256"), content.get("eval_sha256")


def describe_head(folder: Path) -> str:
    """Return a sentence about the end of a ledger, or about what is wrong with it.

    Args:
        folder: of the ledger.
    """
    from blindtune.decoding.ledger import Ledger

    ledger = Ledger(folder)
    try:
        head = ledger.verify()
    except UserError as error:
        return f"blindtune: {error}"
    if head.sha256 is None:
        return f"The ledger {ledger.path} has no entry."
    return (
        f"The ledger {ledger.path} has {head.entries} {'entry' if head.entries == 1 else 'entries'}; the head of its "
        f"chain is {head.sha256}. Keep it with your results: whoever has it can tell whether an entry was changed."
    )
