"""What ``blindtune ledger`` does: check a ledger with all that it refers to, and show who decoded which eval."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.files import read_json
from blindtune.decoding.history import EvalHistory, RecordedDecode, read_history
from blindtune.decoding.known_evals import KnownEvals, compare_evals
from blindtune.decoding.ledger import Entry, Ledger, RecordedResults, split_study
from blindtune.records.decode_result import differing_fields, parse_decode_result


def audit(folder: Path, results: Path | None, known_head: str | None = None) -> list[str]:
    """Check the chain of a ledger, its predictions, what it knows of each eval, and the results that refer to it.

    Args:
        folder: of the ledger.
        results: folder that holds the results of configs; None: the folder around that of the ledger.
        known_head: the head of the chain at an earlier time, as a report has it; None: it is not compared.

    Returns:
        Lines that say what was checked.

    Raises:
        UserError: there is no ledger, or something is not as it was recorded; the message names all of it, but only
            the first broken line of the chain.
    """
    ledger = _open(folder)
    content = ledger.read()
    head, entries = content.head, content.entries
    line = None if known_head is None else ledger.find_line(known_head)
    recorded = RecordedResults(ledger, entries)
    files = sorted((folder.resolve().parent if results is None else results).glob("*/decodes/*/*/*/result.json"))
    faults = [*_faulty_predictions(ledger, recorded), *_faulty_evals(KnownEvals(folder, entries), entries)]
    faults += [fault for file in files if (fault := compare_with_ledger(recorded, file)) is not None]
    if faults:
        raise UserError("\n  ".join([f"{ledger.path}: the chain is whole, but:", *faults]))
    return [
        f"{ledger.path}: {head.entries} entries, the chain is whole",
        f"head of the chain: {head.sha256}",
        *([] if line is None else [f"the given head is entry {line}: nothing up to it was changed since"]),
        f"{len(recorded)} decodes with their predictions and {len(files)} files of results are as they were recorded",
        *_warnings(folder, entries),
    ]


def compare_with_ledger(recorded: RecordedResults, file: Path) -> str | None:
    """Compare a result with what the ledger recorded.

    Args:
        recorded: the results of the ledger.
        file: ``result.json`` of a decode.

    Returns:
        What is wrong; None if the ledger has the same result.
    """
    try:
        result = parse_decode_result(read_json(file), str(file))
        known = recorded.find(result.study, result.frozen_sha256, result.eval_sha256)
    except UserError as error:
        return str(error)
    if known is None:
        return f"{file}: is not in the ledger. Restore the ledger from a backup, or remove the file and run again."
    differing = differing_fields(result, known)
    if differing:
        listed = "; ".join(differing)
        return f"{file}: is not what the ledger recorded: {listed}. Remove the file and run again."
    return None


def show(folder: Path) -> list[str]:
    """Return lines that show the uses of each eval: who decoded it, when and with what, and when it was drawn.

    Args:
        folder: of the ledger.

    Raises:
        UserError: there is no ledger, or its chain is broken.
    """
    ledger = _open(folder)
    content = ledger.read()
    head, evals = content.head, KnownEvals(folder, content.entries)
    histories = read_history(content.entries, evals)
    lines = [f"{ledger.path}: {head.entries} entries, head of the chain {head.sha256}"]
    for history in histories:
        lines += ["", *_show_eval(history), *_show_overlaps(history, histories, evals)]
    return lines


def _open(folder: Path) -> Ledger:
    """Return the ledger of a folder, which must be there."""
    ledger = Ledger(folder)
    if not ledger.path.exists():
        raise UserError(f"{ledger.path}: does not exist. Give the folder of a ledger, such as results/ledger.")
    return ledger


def _show_eval(history: EvalHistory) -> Iterator[str]:
    models = len(history.decodes)
    studies = {(config, system) for config, _, system, _ in map(split_study, (one.study for one in history.decodes))}
    yield (
        f"eval {history.name} of {', '.join(history.datasets) or 'no dataset'}: {models} "
        f"{'model' if models == 1 else 'models'} of {len(studies)} {'system' if len(studies) == 1 else 'systems'} "
        f"decoded, {_times(len(history.samplings), 'drawn')}"
    )
    columns = ("line", "begun (UTC)", "config", "dataset", "system", "seed", "model", "decode")
    rows = [columns, *(_row(decode) for decode in history.decodes)]
    rows += [(str(one.line), one.time, "", one.dataset, "", "", "", "samples drawn") for one in history.samplings]
    widths = [max(len(row[at]) for row in rows) for at in range(len(columns))]
    first, *rest = rows
    for row in [first, *sorted(rest, key=lambda row: int(row[0]))]:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(decode: RecordedDecode) -> tuple[str, ...]:
    return (str(decode.line), decode.begun, *split_study(decode.study), decode.frozen_sha256[:12], decode.outcome)


def _show_overlaps(history: EvalHistory, histories: Iterable[EvalHistory], evals: KnownEvals) -> Iterator[str]:
    if history.content_sha256 is None or not evals.path(history.content_sha256).exists():
        return
    own = evals.read(history.content_sha256)
    for other in histories:
        content = other.content_sha256
        if other is history or content is None or not evals.path(content).exists():
            continue
        overlap = compare_evals(own, evals.read(content))
        if overlap.shared:
            yield f"  shares {overlap.shared} of its {overlap.samples} samples with eval {other.name}"


def _faulty_predictions(ledger: Ledger, recorded: RecordedResults) -> Iterator[str]:
    for result in recorded:
        try:
            ledger.read_predictions(result)
        except UserError as error:
            yield str(error)


def _faulty_evals(evals: KnownEvals, entries: Iterable[Entry]) -> Iterator[str]:
    contents = {str(entry["eval_content_sha256"]) for entry in entries if entry.get("eval_content_sha256")}
    for content in sorted(contents):
        try:
            evals.read(content)
        except UserError as error:
            yield str(error)


def _warnings(folder: Path, entries: list[Entry]) -> Iterator[str]:
    if not (folder / "head.json").exists():
        yield "head.json is missing: a removed end would not be seen. The next decode writes it."
    if entries and not any("number" in entry for entry in entries):
        yield "this ledger was written before it was a chain; the next decode takes it over."


def _times(count: int, what: str) -> str:
    return f"not {what}" if count == 0 else f"{what} once" if count == 1 else f"{what} {count} times"
