"""A user's tree of raw files, as far as it can be looked at before any job runs."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from unicodedata import category

from blindtune.core.errors import UserError


def files_below(folder: Path) -> list[str]:
    """The paths of all files below ``folder``, in order, with slashes; links are followed, hidden ones passed over.

    Raises:
        UserError: there is no such folder, or it or one in it cannot be read: what is in there must not be missed.
    """
    if not folder.is_dir():
        raise UserError(f"folder: {folder} is no folder. Give that of the corpus.")
    found: list[str] = []
    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        status = Path(parent).stat()
        # A link to a folder above would be followed for ever.
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(parent).relative_to(folder)
        found += [(below / name).as_posix() for name in names if not name.startswith(".")]
    return sorted(found)


def check_usable(folder: Path, files: Iterable[str]) -> None:
    """Refuse files that no job could be given.

    Raises:
        UserError: one cannot be read, or has a name that Snakemake cannot handle; the message names it.
    """
    for file in files:
        path = folder / file
        if any(letter in "{}" or category(letter) in ("Cc", "Cs") for letter in str(path)):
            raise UserError(
                f"folder: {str(path)!r} has a brace, a control character or one that is no UTF-8 in its name, which "
                "Snakemake cannot handle. Rename it."
            )
        if not os.access(path, os.R_OK):
            why = "its permissions forbid it" if path.exists() else "it is a link to nothing"
            raise UserError(f"folder: {path} cannot be read: {why}. Mend or remove it.")


def check_annotated(beside: Iterable[Sequence[str]], suffixes: Sequence[str]) -> None:
    """Refuse a corpus of which no raw file has an annotation; those without one among others are bad files.

    Args:
        beside: the annotations of each raw file.
        suffixes: how annotations end.

    Raises:
        UserError: there is none.
    """
    if not any(beside):
        raise UserError(
            f"folder: no file has an annotation beside it. One is needed with the same name but for its end: "
            f"{', '.join(suffixes)}."
        )


def _unreadable(error: OSError) -> None:
    raise UserError(f"folder: {error.filename} cannot be read ({error.strerror}). Allow it or move it away.") from error
