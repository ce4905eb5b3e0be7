"""A user's tree of raw files, checked before any job runs."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.paths import check_input_path

#: Paths by which one folder may be found below another, by links.
MAX_PATHS = 8


def files_below(folder: Path) -> list[str]:
    """Return the sorted paths of all files below a folder, with slashes; follow links and skip hidden files.

    A folder with several paths is listed by each: ``train/P01``, a link to ``all/P01``, says in which split it is.

    Args:
        folder: the folder to search.

    Raises:
        UserError: there is no such folder, or it or a folder in it cannot be read; nothing in there may be missed. Or
            a folder has more than `MAX_PATHS` paths.
    """
    if not folder.is_dir():
        raise UserError(f"folder: {folder} is not a folder. Give that of the corpus.")
    found: list[str] = []
    above: dict[Path, frozenset[tuple[int, int]]] = {}
    paths: Counter[tuple[int, int]] = Counter()
    for parent, folders, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        path = Path(parent)
        status = path.stat()
        here = status.st_dev, status.st_ino
        inside = above.get(path.parent, frozenset())
        # A link to a folder above would be followed for ever.
        if here in inside:
            folders.clear()
            continue
        above[path] = inside | {here}
        paths[here] += 1
        if paths[here] > MAX_PATHS:
            raise UserError(f"folder: {parent} is found by more than {MAX_PATHS} paths, by links. Remove some of them.")
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = path.relative_to(folder)
        found += [(below / name).as_posix() for name in names if not name.startswith(".")]
    return sorted(found)


def count_bytes(files: Iterable[Path]) -> int:
    """Return the bytes of files together; one that is not there yet counts nothing."""
    total = 0
    for path in files:
        with suppress(OSError):
            total += path.stat().st_size
    return total


def check_usable(folder: Path, files: Iterable[str]) -> None:
    """Refuse files that cannot be the input of a job.

    Args:
        folder: folder of the corpus.
        files: paths below it.

    Raises:
        UserError: one cannot be read, or has a name that Snakemake cannot handle; the message names it, and how many
            there are.
    """
    forbidden, broken = [], []
    for file in files:
        path = folder / file
        check_input_path("folder", path)
        if not path.exists():
            broken.append(path)
        elif not os.access(path, os.R_OK):
            forbidden.append(path)
        elif not path.is_file():
            raise UserError(f"folder: {path} is not a file but a pipe or a device. Remove it.")
    if forbidden:
        raise UserError(f"folder: {_count(forbidden)}: permissions forbid it. Allow it, or move such files away.")
    if broken:
        raise UserError(
            f"folder: {_count(broken)}: broken links. Fetch what they lead to (in a DataLad dataset: datalad get), or "
            "remove them."
        )


def _count(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more} cannot be read"


def check_annotated(annotations: Iterable[Sequence[str]], suffixes: Sequence[str]) -> None:
    """Refuse a corpus without any annotation; a file without one among files with one is only a bad file.

    Args:
        annotations: the annotations of each raw file.
        suffixes: suffixes of annotations.

    Raises:
        UserError: there is none.
    """
    if not any(annotations):
        raise UserError(
            f"folder: no file has an annotation next to it. It needs the same name with one of the suffixes "
            f"{', '.join(suffixes)}."
        )


def _unreadable(error: OSError) -> None:
    raise UserError(f"folder: {error.filename} cannot be read ({error.strerror}). Allow it or move it away.") from error
