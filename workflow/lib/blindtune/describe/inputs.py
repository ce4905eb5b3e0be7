"""Find out what the user points at: a table, a table for each split, or a folder of pictures."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blindtune.core.errors import UserError
from blindtune.datasets.base import SPLITS, list_some
from blindtune.datasets.picture_files import SPLIT_NAMES, find_any, readable_formats
from blindtune.describe import pictures, recordings, table
from blindtune.describe.config import Description

#: Suffixes of tables, without what they may be packed with.
TABLE_SUFFIXES = frozenset(
    {".csv", ".tsv", ".tab", ".data", ".parquet", ".pq", ".feather", ".arrow", ".ipc", ".xlsx", ".xlsm"}
)
_PACKED = frozenset({".gz", ".bz2", ".xz", ".zip"})
#: Files that other sources read, and the page on them.
_RECORDINGS = {".edf": "EEG recordings", ".bdf": "EEG recordings", ".svs": "slides", ".ndpi": "slides"}


#: Keys of a table that are options of the command, as messages name them.
_OPTIONS = re.compile(r"\b(encoding|separator|decimal|quote|comment|header|sheet|format): ")


def describe(paths: Sequence[Path], keys: Mapping[str, Any]) -> Description:
    """Return what data hold, and a config that runs them.

    Args:
        paths: a table; a table for each split; or a folder of either, or of pictures.
        keys: keys of the dataset that are given: the label, and how a table is read.

    Raises:
        UserError: the data cannot be read, which file is what is not clear, or the label is not.
    """
    try:
        return _describe(paths, keys)
    except UserError as error:
        named = dict.fromkeys(_OPTIONS.findall(str(error)))
        if not named:
            raise
        raise UserError(f"{error} With describe, give {' and '.join(f'--{key}' for key in named)}.") from error


def _describe(paths: Sequence[Path], keys: Mapping[str, Any]) -> Description:
    first = paths[0]
    if len(paths) == 1 and first.is_dir():
        return _describe_folder(first, keys)
    for path in paths:
        if path.is_dir():
            raise UserError(f"{path}: is a folder. Give one folder, one table, or a table for each split.")
        if path.suffix.lower() in readable_formats():
            raise UserError(f"{path}: is a picture. Give the folder that holds a folder of pictures for each class.")
    if len(paths) == 1:
        return table.describe({"file": first}, keys, first)
    return table.describe(_find_splits(paths), keys, first.absolute().parent)


def _describe_folder(folder: Path, keys: Mapping[str, Any]) -> Description:
    tables = sorted(path for path in folder.iterdir() if path.is_file() and _is_table(path))
    suffixes = {path.suffix.lower() for path in folder.rglob("*") if path.is_file()}
    # Before tables, since there may be one of patients or annotations.
    for suffix in sorted(suffixes.intersection(_RECORDINGS)):
        more = f" {recordings.explain(folder)}" if suffix in (".edf", ".bdf") else ""
        raise UserError(
            f"{folder}: holds {_RECORDINGS[suffix]} ({suffix}), which are not described here.{more} "
            "docs/data/recordings.md and docs/data/slides.md have a config for them."
        )
    if tables and not suffixes.intersection(readable_formats()):
        if len(tables) == 1:
            return table.describe({"file": tables[0]}, keys, folder)
        return table.describe(_find_splits(tables), keys, folder)
    if not suffixes.intersection(readable_formats()):
        raise UserError(f"{folder}: holds neither a table ({', '.join(sorted(TABLE_SUFFIXES))}) nor pictures.")
    found, _ = find_any(folder)
    if len(tables) == 1 and all(len(path.relative_to(folder).parts) <= 2 for path in found):
        in_one = {path.parent for path in found}
        if len(in_one) == 1:
            return pictures.describe(in_one.pop(), keys, folder, tables[0])
    return pictures.describe(folder, keys, folder)


def _is_table(path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in TABLE_SUFFIXES and not path.name.startswith(".")


def _find_splits(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the file of each split, by the names of the files."""
    found: dict[str, Path] = {}
    known = "train, dev (or val) and eval (or test)"
    for path in paths:
        words = set(re.split(r"[^a-z]+", path.name.lower()))
        named = [split for split, names in SPLIT_NAMES.items() if words.intersection(names)]
        if len(named) != 1:
            what = "names no split" if not named else f"names the splits {' and '.join(named)}"
            raise UserError(
                f"{path}: its name {what}. Of several tables, the name of each must say which split it is: {known}. "
                "Rename or move it, or give the table with all rows alone."
            )
        split = named[0]
        if split in found:
            raise UserError(
                f"{path} and {found[split]}: both are {split} by their names. Give one table for each split, with the "
                "label as a column of it."
            )
        found[split] = path
    for split in ("train", "eval"):
        if split not in found:
            other = (
                "A blind comparison needs rows that no system has seen: give their file too, or give one table alone "
                "(such as train), from which eval is taken."
                if split == "eval"
                else "Give it too."
            )
            shown = list_some([path.name for path in paths])
            raise UserError(f"{paths[0].parent}: no table is {split} by its name ({shown}). {other}")
    return {split: found[split] for split in SPLITS if split in found}
