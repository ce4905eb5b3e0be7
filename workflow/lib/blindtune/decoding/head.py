"""What a run says of the ledger at its end; imported while the workflow plans, so without a heavy library."""

from pathlib import Path

from blindtune.core.errors import UserError


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
