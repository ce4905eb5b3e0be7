"""Compare two results folders of one config and print what differs.

    python workflow/benchmarks/compare_results.py results/before results/after

Use it to show that a change of the code changes no result: run a config before and after, into two folders.
Compared are trial records, frozen models, decode results, arrays and weight files, the digests of the prepared
splits, and the tables of the report. Times, hosts, versions, dates and digests of code differ from run to run
and are left out. Each difference is one line with file and key; the exit status is 1 if there is one. `blindtune
compare` is for readers of results: it says what changed and what follows, of records that this version reads.

Records may have been written before names were changed: the tables below give old and new names. Both sides are
translated to the new names, so two new folders, or two old ones, can be compared as well.
"""

import csv
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from blindtune.compare.values import find_differences, shorten
from blindtune.core import renamed

#: Old file name to new file name, for every file that is compared and for file names in the tables' cells.
FILES = {
    "look.json": "result.json",
    "answers.npz": "predictions.npz",
    "picture.npz": "sample_splits.npz",
}

#: Old field to new field of trial records, cards and decode results, at any depth.
FIELDS = {
    "parameters": "n_parameters",
    "scoring": "score_epoch",
    "published": "paper_row",
    "answers_sha256": "predictions_sha256",
    "looked": "decoded",
    "neighbours": "n_neighbors",
    "trees": "n_estimators",
}

#: Fields of today's records that older ones do not have.
NEW_FIELDS = {"schema_version", "preprocessing"}

#: Fields of the records that differ from run to run, or that hold a digest of such fields or of code. All else that
#: enters the identity of a frozen model is compared field by field.
VOLATILE_FIELDS = {
    "seconds",
    "started",
    "host",
    "versions",
    "retries",
    "decoded",
    "card_sha256",
    "code_sha256",
    "frozen_sha256",
    "trials_sha256",
}

#: Files that hold nothing but such fields.
VOLATILE_FILES = {"ledger_head.json"}

#: Fields of the card that repeat the config, whose keys were renamed.
CONFIG_FIELDS = {"settings", "training"}

#: Old header to new header of the report's tables.
HEADERS = {
    "parameters_least": "min_parameters",
    "parameters_most": "max_parameters",
    "fewest_samples": "min_samples",
    "most_samples": "max_samples",
    "parameters": "n_parameters",
    "records": "record_files",
}

#: Columns of the report's tables, by their new header, that hold times, dates or digests of code.
VOLATILE_COLUMN = re.compile(r"(^|_)(wall|cpu|half)_seconds$|^(started|decoded|date|code)$")

#: Columns that depend on when and in which order jobs ended, by table and new header.
VOLATILE_COLUMNS = {
    *(("all_decodes.csv", column) for column in ("entry", "begun", "writer", "done", "model", "frozen_sha256")),
    ("decode_counts.csv", "first"),
}

#: Rows of the report's tables that hold measured times: table, first cell.
VOLATILE_ROWS = {("libraries.csv", "Overhead")}

#: Old text to new text of a whole cell, by table and new header.
CELLS: dict[tuple[str, str], dict[str, str]] = {
    ("left_out.csv", "rule"): {
        "stretches that are too short": "intervals that are too short",
        "seconds at the ends of stretches": "seconds at the ends of intervals",
        "seconds in the guard": "seconds in the seizure margin",
    },
    ("table2_arguments.csv", "meaning"): {"what of a sample is seen": "view of a sample"},
}

#: Columns of config keys and values, in which words are translated by `blindtune.core.renamed`; the order of words
#: does not count, since lists of keys are sorted.
CONFIG_COLUMNS = {
    ("preparation.csv", "parameter"),
    ("preparation.csv", "value"),
    ("table1_datasets.csv", "source"),
    ("table2_arguments.csv", "argument"),
    ("table2_arguments.csv", "ours"),
}

#: Columns of whole sentences, whose wording may change: only their numbers are compared.
PROSE_COLUMNS = {
    ("bad_files.csv", "reason"),
    ("choices.csv", "verdict"),
    *(("libraries.csv", column) for column in ("criterion", "guide", "evidence", "keras-tuner", "optuna")),
    ("libraries.csv", "scikit-learn"),
}

#: Columns that identify a row; of other tables it is the number of the row.
KEY_COLUMNS = {
    "preparation.csv": ("dataset", "given", "parameter"),
    "left_out.csv": ("dataset", "rule", "class"),
    "all_decodes.csv": ("study",),
    "decode_counts.csv": ("dataset", "system"),
}

#: Old to new names of config keys and values, wherever they are; both results are translated in the same way.
CONFIG_WORDS = {**renamed.KEYS, **{old: new for (_, old), new in renamed.VALUES.items()}}

#: Old table to new table of the report.
TABLES: dict[str, str] = {}

Files = dict[str, Path]


def main() -> int:
    """Print the differences between the two folders of the command line; return the exit status."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    before, after = Path(sys.argv[1]), Path(sys.argv[2])
    for folder in (before, after):
        if not folder.is_dir():
            print(f"{folder}: is not a folder", file=sys.stderr)
            return 2
    n_differences = 0
    for difference in differences(before, after):
        print(difference)
        n_differences += 1
    print(f"{len(comparable_files(before))} files compared, {n_differences} differences", file=sys.stderr)
    return 1 if n_differences else 0


def differences(before: Path, after: Path) -> Iterator[str]:
    """Yield one line for each difference between two results folders of one config.

    Args:
        before: The folder of the reference, such as ``results/smoke``.
        after: The folder that is compared with it.
    """
    old, new = comparable_files(before), comparable_files(after)
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            yield f"{name}: only {'after' if name in new else 'before'}"
        else:
            for change in find_differences(read(name, old[name]), read(name, new[name])):
                yield f"{name}: {change.key}: {shorten(change.before)} -> {shorten(change.after)}"


def comparable_files(folder: Path) -> Files:
    """Return every file that is compared, by its path in ``folder`` with today's names."""
    patterns = [
        "studies/**/trials.jsonl",
        "studies/**/card.json",
        "studies/**/*.safetensors",
        "decodes/**/*.json",
        "decodes/**/*.npz",
        "data/**/manifest.json",
        "sealed/**/seal.json",
        "report/**/*.csv",
    ]
    found = [path for pattern in patterns for path in folder.glob(pattern) if path.name not in VOLATILE_FILES]
    return {_new_name(path.relative_to(folder)): path for path in found}


def read(name: str, path: Path) -> Any:
    """Return what is compared of one file, as nested dicts and lists with today's names.

    Args:
        name: The file's path in its results folder, with today's names.
        path: The file.
    """
    kind = Path(name)
    if kind.suffix == ".csv":
        return read_table(kind.name, path)
    if kind.suffix == ".safetensors":
        return read_tensors(path)
    if kind.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return {key: _digest_of_array(arrays[key]) for key in arrays.files}
    if kind.name == "trials.jsonl":
        return [_trial(json.loads(line)) for line in path.read_text().splitlines()]
    record = json.loads(path.read_text())
    if kind.name in ("manifest.json", "seal.json"):
        return {key: record[key] for key in ("sha256", "splits", "samples") if key in record}
    if kind.name == "card.json":
        return _card(record)
    translated: dict[str, Any] = _translated(record)
    return translated


def read_table(table: str, path: Path) -> dict[str, dict[str, str]]:
    """Return the rows of a CSV table without times, by row and header.

    Args:
        table: Today's file name of the table.
        path: The file.
    """
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    header = [HEADERS.get(column, column) for column in rows[0]] if rows else []
    cells: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows[1:], 1):
        if (table, row[0]) in VOLATILE_ROWS:
            continue
        named = {column: _new_cell(table, column, cell) for column, cell in zip(header, row, strict=True)}
        key = ", ".join(named[column] for column in KEY_COLUMNS[table]) if table in KEY_COLUMNS else f"row {number}"
        while key in cells:
            key += " again"
        cells[key] = {
            column: cell
            for column, cell in named.items()
            if not VOLATILE_COLUMN.search(column) and (table, column) not in VOLATILE_COLUMNS
        }
    return {"header": {column: column for column in header}, **cells}


def read_tensors(path: Path) -> dict[str, list[object]]:
    """Return dtype, shape and SHA-256 of every tensor of a safetensors file.

    The format: eight bytes with the length of a JSON header, the header, then the tensors' bytes
    (https://huggingface.co/docs/safetensors).
    """
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    return {
        name: [
            tensor["dtype"],
            tensor["shape"],
            hashlib.sha256(content[slice(*(start + offset for offset in tensor["data_offsets"]))]).hexdigest(),
        ]
        for name, tensor in header.items()
    }


def _new_name(path: Path) -> str:
    name = FILES.get(path.name, path.name)
    return path.with_name(TABLES.get(name, name)).as_posix()


def _new_cell(table: str, column: str, cell: str) -> str:
    if (table, column) in PROSE_COLUMNS:
        return " ".join(sorted(re.findall(r"\d+(?:[.,]\d+)*%?", cell)))
    cell = CELLS.get((table, column), {}).get(cell, cell)
    if (table, column) in CONFIG_COLUMNS:
        return " ".join(sorted(map(_new_key, re.findall(r"[^\s.,;()]+(?:\.\d+)?", cell))))
    for old, new in FILES.items():
        cell = re.sub(rf"(?<![\w.]){re.escape(old)}\b", new, cell)
    return cell


def _new_key(word: str) -> str:
    """Return today's name of a config key or value, of which some were renamed twice."""
    while word in CONFIG_WORDS:
        word = CONFIG_WORDS[word]
    return word


def _translated(value: Any) -> Any:
    """Return a record with today's field names, without fields that differ from run to run."""
    if isinstance(value, list):
        return [_translated(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {FIELDS.get(key, key): _translated(item) for key, item in value.items()}
    return {key: item for key, item in named.items() if key not in VOLATILE_FIELDS | NEW_FIELDS}


def _with_layers(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record whose layers are in a field, not among the hyperparameters of a manual model."""
    hyperparameters = dict(record["hyperparameters"])
    layers = record.get("layers")
    if isinstance(hyperparameters.get("layers"), list):
        layers = hyperparameters.pop("layers")
    return record | {"hyperparameters": hyperparameters, "layers": layers}


def _trial(record: dict[str, Any]) -> dict[str, Any]:
    translated: dict[str, Any] = _translated(_with_layers(record))
    return translated


def _card(record: dict[str, Any]) -> dict[str, Any]:
    card = {key: value for key, value in _trial(record).items() if key not in CONFIG_FIELDS}
    # A card has the layers in its architecture, which is compared; older ones have them twice.
    del card["layers"]
    return card


def _digest_of_array(array: Any) -> list[object]:
    return [str(array.dtype), list(array.shape), hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()]


if __name__ == "__main__":
    sys.exit(main())
