"""A user's tree of raw files, checked before any job runs."""

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

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


def is_broken_link(path: Path) -> bool:
    """Return whether a path is a link that leads nowhere; False if that cannot be told."""
    with suppress(OSError):
        return path.is_symlink() and not path.exists()
    return False


def find_unusable(folder: Path, raws: Mapping[str, Sequence[str]], allowed: float) -> dict[str, str]:
    """Return the raw files that cannot be the input of a job, and why; refuse too many.

    Args:
        folder: folder of the corpus.
        raws: the companions of each raw file, by the raw file; all are paths below it.
        allowed: fraction of the raw files that may be unusable, themselves or by a companion.

    Raises:
        UserError: more are, or one has a name that Snakemake cannot handle; the message names it, and how many there
            are.
    """
    faults: dict[str, tuple[str, str] | None] = {}
    found: dict[str, str] = {}
    for raw, companions in raws.items():
        for file in (raw, *companions):
            if file not in faults:
                check_input_path("folder", folder / file)
                faults[file] = _find_fault(folder / file)
            if (fault := faults[file]) is not None and raw not in found:
                found[raw] = f"{'' if file == raw else f'{file} '}cannot be read: {fault[0]}"
    if len(found) > allowed * len(raws):
        unusable = {file: fault for file, fault in faults.items() if fault is not None}
        _, (reason, advice) = next(iter(unusable.items()))
        same = [folder / file for file, fault in unusable.items() if fault == (reason, advice)]
        limit = f" At most a fraction of {allowed:g} of the files may be bad (max_bad_fraction)." if allowed else ""
        raise UserError(f"folder: {_count(same)}: {reason}. {advice}.{limit}")
    return found


class Nameless(NamedTuple):
    """The raw files of a corpus whose paths give no patient.

    Attributes:
        reasons: why a path gives none, and what to do, by the file.
        n_files: number of raw files of the corpus, with these.
    """

    reasons: dict[str, str]
    n_files: int


def check_nameless(nameless: Nameless, allowed: float) -> None:
    """Refuse a corpus in which too many raw files have no patient.

    Args:
        nameless: those that have none.
        allowed: fraction of the raw files that may have none.

    Raises:
        UserError: more have none; the message names the first.
    """
    reasons, n_files = nameless
    if len(reasons) > allowed * n_files:
        file, reason = next(iter(reasons.items()))
        limit = (
            f"at most a fraction of {allowed:g} may (max_bad_fraction)"
            if allowed
            else "none may (max_bad_fraction, strict)"
        )
        raise UserError(f"{file}: {reason}. {len(reasons)} of {n_files} files have no patient; {limit}.")


def note_nameless(nameless: Nameless) -> list[str]:
    """Return a sentence about the raw files that have no patient, if there are any."""
    if not nameless.reasons:
        return []
    file, reason = next(iter(nameless.reasons.items()))
    n_files = len(nameless.reasons)
    return [f"{n_files} of {nameless.n_files} files are not used, since they have no patient, such as {file}: {reason}"]


def _find_fault(path: Path) -> tuple[str, str] | None:
    """Return why a file cannot be read and what to do; None if it can.

    Raises:
        UserError: the file system fails, which is no fault of the file.
    """
    allow = "permissions forbid it", "Allow it, or move such files away"
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "broken link", "Fetch what such links lead to (in a DataLad dataset: datalad get), or remove them"
    except PermissionError:
        return allow
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "a link to itself", "Remove it"
        raise UserError(f"folder: {path} cannot be read ({error.strerror}).") from error
    if not stat.S_ISREG(status.st_mode):
        return "not a file but a pipe or a device", "Remove it"
    return None if os.access(path, os.R_OK) else allow


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
