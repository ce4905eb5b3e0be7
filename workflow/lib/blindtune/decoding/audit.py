"""What ``blindtune ledger`` does: check a ledger with all that it refers to, show it, or take it over."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.files import read_json
from blindtune.core.post_mortem_paths import FILE, FOLDER
from blindtune.decoding.chain import Head
from blindtune.decoding.entries import Entry, split_study
from blindtune.decoding.history import EvalHistory, RecordedDecode, holds_post_mortem, read_history
from blindtune.decoding.known_evals import KnownEvals
from blindtune.decoding.known_heads import explain_lost, find_lost, read_heads
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.ledger_file import LedgerContent
from blindtune.decoding.recorded_results import RecordedResults
from blindtune.records.decode_result import parse_decode_result
from blindtune.records.post_mortem import read_post_mortem

_GIVE_LEDGER = "Give the folder of a ledger, such as results/ledger."
_GIVE_RESULTS = "Give the folder of the results of all configs, such as results."

#: Number of evals, the last ones, whose samples `show` compares with each other, and of those that it names for one.
MAX_COMPARED, MAX_OVERLAPS = 200, 5


def audit(folder: Path, results: Path | None, known_head: str | None = None) -> list[str]:
    """Check the chain of a ledger, its predictions, what it knows of each eval, and the results that refer to it.

    Args:
        folder: of the ledger.
        results: folder that holds the results of configs; None: the folder around that of the ledger.
        known_head: the head of the chain at an earlier time, as a report has it; None: it is not compared.

    Returns:
        Lines that say what was checked.

    Raises:
        UserError: there is no ledger, the given folder has no results, or something is not as it was recorded; the
            message names all of it, but only the first broken line of the chain.
    """
    ledger = _open(folder)
    heads, files = _find_records(folder, results)
    content = ledger.read(without_head=True)
    head, entries = content.head, content.entries
    line = None if known_head is None else ledger.find_line(known_head)
    recorded = RecordedResults(ledger.path, entries)
    faults = _missing_head(ledger, content)
    faults += [explain_lost(path, lost, ledger.path) for path, lost in find_lost(heads, content)]
    faults += [*_faulty_predictions(ledger, recorded), *_faulty_post_mortems(ledger, entries)]
    faults += [*_faulty_evals(KnownEvals(folder, entries), entries)]
    faults += [fault for file in files if (fault := _compare_with_ledger(recorded, file)) is not None]
    analysed = [file for root in _roots(folder, results) for file in sorted(root.glob(f"{FOLDER}/*/*/*/{FILE}"))]
    faults += [fault for file in analysed if (fault := _compare_post_mortem(entries, file)) is not None]
    if faults:
        raise UserError("\n  ".join([f"{ledger.path}: the chain is whole, but:", *faults]))
    return [
        f"{ledger.path}: {head.entries} entries, the chain is whole",
        f"head of the chain: {head.sha256}",
        *([] if line is None else [f"the given head is entry {line}: nothing up to it was changed since"]),
        f"{len(recorded)} decodes with their predictions and {len(files)} files of results are as they were recorded",
        *_count_post_mortems(entries),
        *_warnings(folder, content),
    ]


def adopt(folder: Path, results: Path | None) -> list[str]:
    """Take over the present end of a ledger that lacks its head, or entries that results have seen.

    Args:
        folder: of the ledger; it need not be there if its results have seen one.
        results: as for `audit`.

    Returns:
        Lines that say what was written.

    Raises:
        UserError: there is no ledger, the given folder has no results, nothing is missing, or the ledger is damaged
            otherwise.
    """
    heads, _ = _find_records(folder, results)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is not a folder. {_GIVE_LEDGER}")
    ledger = Ledger(folder) if heads else _open(folder)
    head = ledger.adopt(heads.values())
    return [
        f"{ledger.path}: taken over as it is by entry {head.entries}, which every later report shows",
        f"head of the chain: {head.sha256}",
    ]


def _find_records(folder: Path, results: Path | None) -> tuple[dict[Path, Head], list[Path]]:
    """Return the heads that results of any config have seen, by their files, and the files of results.

    Args:
        folder: of the ledger.
        results: as for `audit`. If it is given, there must be something in it to compare with the ledger.
    """
    given = folder.resolve().parent if results is None else results
    if not given.is_dir() and results is not None:
        raise UserError(f"{given}: {'is not a folder' if given.exists() else 'does not exist'}. {_GIVE_RESULTS}")
    heads = {path: head for root in _roots(folder, results) for path, head in read_heads(root).items()}
    files = sorted(given.glob("*/decodes/*/*/*/result.json"))
    if not (heads or files or results is None):
        raise UserError(f"{given}: holds no result of a decode, and no report, of any config. {_GIVE_RESULTS}")
    return heads, files


def _roots(folder: Path, results: Path | None) -> list[Path]:
    """Return the folders of the results of configs."""
    given = folder.resolve().parent if results is None else results
    return [root for root in sorted(given.glob("*")) if root.is_dir()]


def _compare_with_ledger(recorded: RecordedResults, file: Path) -> str | None:
    """Return what is wrong with a ``result.json``; None if the ledger has the same result."""
    try:
        if recorded.holds(parse_decode_result(read_json(file), str(file)), file):
            return None
    except UserError as error:
        return str(error)
    return f"{file}: is not in the ledger. Restore the ledger from a backup, or remove the file and run again."


def _missing_head(ledger: Ledger, content: LedgerContent) -> list[str]:
    """Return what is left of a ledger without the file of its head, if it is one."""
    if not ledger.lacks_head(content):
        return []
    last = content.entries[-1]
    what = f"'{last['event']}' of {last.get('study', last.get('dataset', 'the ledger'))} at {last['time']}"
    return [f"{ledger.explain_missing_head()} Its last entry is {len(content.entries)}: {what}."]


def show(folder: Path) -> list[str]:
    """Return lines that show the uses of each eval: who decoded it, when and with what, and when it was drawn.

    Args:
        folder: of the ledger.

    Raises:
        UserError: there is no ledger, or its chain is broken.
    """
    ledger = _open(folder)
    content = ledger.read(without_head=True)
    head, evals = content.head, KnownEvals(folder, content.entries)
    histories = read_history(content.entries, evals)
    overlaps = _describe_overlaps(histories[-MAX_COMPARED:], evals)
    lines = [f"{ledger.path}: {head.entries} entries, head of the chain {head.sha256}"]
    if len(histories) > MAX_COMPARED:
        lines.append(f"the samples of the last {MAX_COMPARED} of {len(histories)} evals are compared with each other")
    for history in histories:
        lines += ["", *_show_eval(history), *overlaps.get(history.name, ())]
    return lines


def _open(folder: Path) -> Ledger:
    """Return the ledger of a folder, which must be there."""
    ledger = Ledger(folder)
    if not ledger.path.exists():
        raise UserError(f"{ledger.path}: does not exist. {_GIVE_LEDGER}")
    return ledger


def _show_eval(history: EvalHistory) -> Iterator[str]:
    models = len(history.decodes)
    studies = {(config, system) for config, _, system, _ in map(split_study, (one.study for one in history.decodes))}
    yield (
        f"eval {history.name} of {', '.join(history.datasets) or 'no dataset'}: {models} "
        f"{'model' if models == 1 else 'models'} of {len(studies)} {'system' if len(studies) == 1 else 'systems'} "
        f"decoded, {_times(len(history.samplings), 'drawn')}{_count_analyses(history)}"
    )
    columns = ("line", "begun (UTC)", "config", "dataset", "system", "seed", "model", "decode", "by")
    rows = [columns, *(_row(decode) for decode in history.decodes)]
    rows += [
        (str(one.line), one.time, "", one.dataset, "", "", "", "samples drawn", one.writer) for one in history.samplings
    ]
    rows += [
        (str(one.line), one.begun, *split_study(one.study), one.frozen_sha256[:12], one.outcome, one.writer)
        for one in history.analyses
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(len(columns))]
    first, *rest = rows
    for row in [first, *sorted(rest, key=lambda row: int(row[0]))]:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _count_analyses(history: EvalHistory) -> str:
    count = len(history.analyses)
    return "" if not count else f", {count} {'post-mortem' if count == 1 else 'post-mortems'}"


def _row(decode: RecordedDecode) -> tuple[str, ...]:
    return (
        str(decode.line),
        decode.begun,
        *split_study(decode.study),
        decode.frozen_sha256[:12],
        decode.outcome,
        decode.writer,
    )


def _describe_overlaps(histories: list[EvalHistory], evals: KnownEvals) -> dict[str, list[str]]:
    """Return lines about the samples that evals share, by the name of each; every file is read once."""
    from scipy.sparse import csr_array

    known = [
        (history.name, history.content_sha256)
        for history in histories
        if history.content_sha256 is not None and evals.path(history.content_sha256).exists()
    ]
    names, digests = [name for name, _ in known], [evals.read(content) for _, content in known]
    if len(names) < 2:
        return {}
    distinct, numbers = np.unique(np.concatenate(digests), return_inverse=True)
    rows = np.repeat(np.arange(len(names)), [len(of_one) for of_one in digests])
    counts = csr_array((np.ones(len(rows), np.int64), (rows, numbers)), (len(names), len(distinct)))
    shared = csr_array(counts @ (counts > 0).T.astype(np.int64))
    return {
        name: _list_overlaps(names, row, shared.indices[first:last], shared.data[first:last], len(digests[row]))
        for row, (name, first, last) in enumerate(zip(names, shared.indptr, shared.indptr[1:], strict=False))
    }


def _list_overlaps(
    names: list[str], row: int, others: NDArray[np.integer[Any]], counts: NDArray[np.int64], samples: int
) -> list[str]:
    """Name the evals that one shares most samples with."""
    found = sorted((-int(count), int(at)) for at, count in zip(others, counts, strict=True) if at != row and count)
    lines = [f"  shares {-count} of its {samples} samples with eval {names[at]}" for count, at in found[:MAX_OVERLAPS]]
    more = len(found) - MAX_OVERLAPS
    return [*lines, f"  shares samples with {more} other evals too"] if more > 0 else lines


def _faulty_predictions(ledger: Ledger, recorded: RecordedResults) -> Iterator[str]:
    for result in recorded:
        try:
            ledger.read_predictions(result)
        except UserError as error:
            yield str(error)


def _faulty_post_mortems(ledger: Ledger, entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        if entry["event"] == "analysed":
            try:
                ledger.read_post_mortem(entry)
            except UserError as error:
                yield str(error)


def _count_post_mortems(entries: Iterable[Entry]) -> Iterator[str]:
    count = sum(entry["event"] == "analysed" for entry in entries)
    if count:
        yield f"{count} {'post-mortem is as it was' if count == 1 else 'post-mortems are as they were'} recorded"


def _compare_post_mortem(entries: Iterable[Entry], file: Path) -> str | None:
    """Return what is wrong with the file of a post-mortem; None if the ledger has the same."""
    advice = "Remove it and run again."
    try:
        found = read_post_mortem(file, advice)
    except UserError as error:
        return str(error)
    return None if holds_post_mortem(entries, found) else f"{file}: is not in the ledger. {advice}"


def _faulty_evals(evals: KnownEvals, entries: Iterable[Entry]) -> Iterator[str]:
    names = ("eval_content_sha256", "eval_origins_sha256")
    contents = {str(entry[name]) for entry in entries for name in names if entry.get(name)}
    for content in sorted(contents):
        try:
            evals.read(content)
        except UserError as error:
            yield str(error)


def _warnings(folder: Path, content: LedgerContent) -> Iterator[str]:
    if not (folder / "head.json").exists():
        yield "head.json is missing: a removed end would not be seen. The next decode writes it."
    if content.entries and not any("number" in entry for entry in content.entries):
        yield "this ledger was written before it was a chain; the next decode takes it over."
    for line in content.taken_over:
        yield f"entry {line} took the ledger over as it was: entries before it may have been lost."


def _times(count: int, what: str) -> str:
    return f"not {what}" if count == 0 else f"{what} once" if count == 1 else f"{what} {count} times"
