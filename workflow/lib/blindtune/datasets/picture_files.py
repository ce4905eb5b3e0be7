"""Find the pictures of a folder: their classes, and their splits if the folders or a table name them.

Three layouts are known: one folder of pictures for each class; folders ``train``, ``val`` and ``test`` (or other common
names of splits) with the folders of the classes in them; and any folder with a table of the files and their labels.
"""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from blindtune.core.errors import UserError
from blindtune.core.files import read_regular_file
from blindtune.core.validation import suggest_name

#: Common names of splits, in lower case.
SPLIT_NAMES = {
    "train": ("train", "training"),
    "dev": ("dev", "val", "valid", "validation", "development"),
    "eval": ("eval", "test", "testing", "evaluation"),
}

#: Common names of the columns of a table of labels, in lower case.
COLUMN_NAMES = {
    "file": ("file", "filename", "file_name", "filepath", "path", "image", "picture"),
    "label": ("label", "class", "target", "y", "category"),
    "split": ("split", "set", "subset", "partition", "fold"),
    "group": ("group", "patient", "subject", "specimen"),
}

#: Pillow's readers that are left out: they start other programs, or know a format and cannot decode it.
_LEFT_OUT = frozenset({"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "PDF"})

#: For messages.
_FORMATS = "a format that Pillow opens (.png, .jpg, .tif, .bmp, .webp, .gif and many others)"

#: Files that systems write into folders; nobody means them as data.
_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class PictureFile:
    """A picture, before it is read.

    Attributes:
        path: of the file.
        label: name of its class.
        split: the split that a folder or the table names; None: it is drawn.
        group: the group that the table names, such as a patient; None: none is named.
    """

    path: Path
    label: str
    split: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class FoundPictures:
    """The pictures of a folder, and what else it holds.

    Attributes:
        pictures: sorted by path.
        unused: for each other file the reason why it is not used.
    """

    pictures: list[PictureFile]
    unused: dict[Path, str]


@cache
def readable_formats() -> dict[str, str]:
    """Return the suffix of every kind of picture that is read, in lower case, and the name of its format in Pillow."""
    from PIL import Image

    Image.init()
    return {
        suffix: name
        for suffix, name in Image.registered_extensions().items()
        if name in Image.OPEN and name not in _LEFT_OUT
    }


def find_in_folders(folder: Path, layout: str) -> FoundPictures:
    """Find pictures in folders of their classes, or of splits and classes.

    Args:
        folder: that holds the folders.
        layout: ``classes``, ``splits``, or ``auto``: by the names of the folders.

    Raises:
        UserError: there is no such folder, it holds no pictures, a class is empty, or only some folders have names of
            splits.
    """
    _check_folder(folder)
    pictures, unused = _sort_out(folder)
    if not pictures:
        raise UserError(
            f"{folder}: holds no pictures in folders of their class. Give the folder that holds one folder of pictures "
            f"for each class, in {_FORMATS}."
        )
    by_split = _has_splits(folder, layout)
    found: list[PictureFile] = []
    for path in pictures:
        *folders, _ = path.relative_to(folder).parts
        place = folders[1:] if by_split else folders
        if not place:
            unused[path] = "is not in a folder of a class, so it has no label"
            continue
        found.append(PictureFile(path, place[0], _split_of(folders[0]) if by_split else None))
    if not found:
        raise UserError(
            f"{folder}: holds pictures, such as {pictures[0].relative_to(folder)}, but not in folders of their class. "
            "Put those of each class into a folder, or give a table of files and labels (labels: labels.csv)."
        )
    _check_classes(folder, found, by_split)
    return FoundPictures(found, unused)


def find_in_table(folder: Path, table: Path, columns: Mapping[Any, str]) -> FoundPictures:
    """Find the pictures that a table names.

    Args:
        folder: below which the files are.
        table: CSV or TSV with a header; a row for each picture.
        columns: names of the columns of ``file``, ``label``, ``split`` and ``group``; one that is not given is found by
            its name.

    Raises:
        UserError: the table cannot be read, has no such column, names a file twice or one that is not there, or a row
            is wrong; the message names the row.
    """
    _check_folder(folder)
    header, rows = _read_rows(table)
    place = _find_columns(table, header, columns)
    found: dict[Path, PictureFile] = {}
    for number, row in rows:
        where = f"{table}, row {number}"
        if len(row) != len(header):
            raise UserError(f"{where}: has {len(row)} fields, but the header has {len(header)}. Fix the row.")
        values = {name: row[at].strip() for name, at in place.items()}
        path = folder / values["file"]
        if not values["file"] or Path(values["file"]).is_absolute() or ".." in Path(values["file"]).parts:
            raise UserError(f"{where}: {values['file']!r} is not the path of a file below {folder}. Fix the row.")
        if not path.is_file():
            raise UserError(f"{where}: {path} does not exist. Fix the row, or put the picture there.")
        if not values["label"]:
            raise UserError(f"{where}: has no label. Fix or remove the row.")
        if path in found:
            raise UserError(f"{where}: names {values['file']!r} a second time. Remove one of the rows.")
        split = _split_of(values["split"]) if "split" in values else None
        if "split" in values and split is None:
            known = [name for names in SPLIT_NAMES.values() for name in names]
            raise UserError(f"{where}: {values['split']!r} is not a split: {suggest_name(values['split'], known)}")
        found[path] = PictureFile(path, values["label"], split, values.get("group") or None)
    if not found:
        raise UserError(f"{table}: names no picture. Give a row for each picture.")
    others, unused = _sort_out(folder)
    unused |= {path: f"is not in {table.name}" for path in others if path not in found}
    unused.pop(table, None)
    return FoundPictures([found[path] for path in sorted(found)], unused)


def find_any(place: Path) -> tuple[list[Path], dict[Path, str]]:
    """Find pictures in any folders, or one picture.

    Args:
        place: folder of pictures, in folders of any names or not; or a picture.

    Returns:
        The pictures, sorted, and for each other file the reason why it is not used.

    Raises:
        UserError: there is no such folder, or it holds no picture.
    """
    if place.is_file() and place.suffix.lower() in readable_formats():
        return [place], {}
    if not place.is_dir():
        raise UserError(f"{place}: is neither a folder of pictures nor a picture in {_FORMATS}.")
    pictures, unused = _sort_out(place)
    if not pictures:
        raise UserError(f"{place}: holds no picture in {_FORMATS}.")
    return pictures, unused


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise UserError(f"{folder}: is not a folder. Give the folder that holds one folder of pictures per class.")


def _sort_out(folder: Path) -> tuple[list[Path], dict[Path, str]]:
    """Return the pictures below a folder, by their suffix, and for each other file why it is none."""
    pictures: list[Path] = []
    unused: dict[Path, str] = {}
    for path in _walk(folder):
        if path.suffix.lower() in readable_formats():
            pictures.append(path)
        else:
            unused[path] = "has not the suffix of a picture that is read"
    return sorted(pictures), unused


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, also in linked folders; hidden files and those of systems are left out."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        # A link to a folder above would never end.
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
        if real in seen:
            continue
        seen.add(real)
        for name in sorted(names):
            if not name.startswith(".") and name.lower() not in _SYSTEM_FILES:
                yield Path(place, name)


def _has_splits(folder: Path, layout: str) -> bool:
    """Return whether the folders below a folder are splits."""
    if layout == "classes":
        return False
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    splits = [name for name in names if _split_of(name)]
    others = [name for name in names if name not in splits]
    if not splits and layout == "auto":
        return False
    # A class may be called "test"; but a folder that is nearly a split is not silently a class.
    if others or len({_split_of(name) for name in splits}) < len(splits):
        raise UserError(
            f"{folder}: the folders {', '.join(splits) or 'none'} have names of splits, and {', '.join(others)} not. "
            "Name each folder as one of train, val and test, or say layout: classes if all are classes."
            if others
            else f"{folder}: {', '.join(splits)}: two folders are of one split. Move their pictures together."
        )
    if "train" not in map(_split_of, splits):
        raise UserError(f"{folder}: has no folder train, but {', '.join(splits)}. Give train, or say layout: classes.")
    return True


def _split_of(name: str) -> str | None:
    return next((split for split, names in SPLIT_NAMES.items() if name.lower() in names), None)


def _check_classes(folder: Path, found: list[PictureFile], by_split: bool) -> None:
    """Refuse a folder of a class that has no picture: the class would vanish from the study."""
    parents = [path for path in folder.iterdir() if path.is_dir()] if by_split else [folder]
    filled = {(one.split, one.label) for one in found}
    for parent in parents:
        for path in sorted(parent.iterdir()):
            split = _split_of(parent.name) if by_split else None
            if path.is_dir() and not path.name.startswith(".") and (split, path.name) not in filled:
                raise UserError(
                    f"{path}: the class {path.name} has no picture that is read. Add pictures, in "
                    f"{_FORMATS}, or remove the folder."
                )


def _read_rows(table: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header of a table of labels and its rows, each with the number of its line."""
    try:
        text = read_regular_file(table).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{table}: is not UTF-8 text ({error}). Save it as UTF-8.") from error
    first = text.splitlines()[0] if text.strip() else ""
    delimiter = max((",", ";", "\t"), key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        rows = [(reader.line_num, row) for row in reader if any(field.strip() for field in row)]
    except csv.Error as error:
        raise UserError(f"{table}, row {reader.line_num}: cannot be read ({error}). Fix the row.") from error
    return header, rows


def _find_columns(table: Path, header: list[str], columns: Mapping[Any, str]) -> dict[str, int]:
    """Return where each column is; split and group may be missing."""
    place: dict[str, int] = {}
    for name, known in COLUMN_NAMES.items():
        if name in columns:
            if header.count(columns[name]) != 1:
                hint = suggest_name(columns[name], header)
                raise UserError(f"{table}: has no column {columns[name]!r}, or has it twice: {hint}")
            place[name] = header.index(columns[name])
            continue
        matches = [at for at, column in enumerate(header) if column.lower() in known]
        if len(matches) > 1:
            found = ", ".join(header[at] for at in matches)
            raise UserError(
                f"{table}: several columns may be the {name}: {found}. Say which by columns: {{{name}: ...}}."
            )
        if matches:
            place[name] = matches[0]
    _check_required(table, header, place)
    return place


def _check_required(table: Path, header: list[str], place: Iterable[str]) -> None:
    for name in ("file", "label"):
        if name not in place:
            raise UserError(
                f"{table}: no column is called {' or '.join(COLUMN_NAMES[name])}; there are {', '.join(header)[:200]}. "
                f"Say which column is the {name} by columns: {{{name}: ...}}."
            )
