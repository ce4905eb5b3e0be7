"""The folder of an export: written completely or not at all, and never over other files."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blindtune.core.errors import UserError
from blindtune.core.files import digest_file, read_json, write_json
from blindtune.exports.stored_study import StoredStudy, check_unsealed

#: The file that describes an export: its format, its studies, and the sha256 of every file.
MANIFEST = "export.json"

#: Writes studies into an empty folder.
WriteFunction = Callable[[list[StoredStudy], Path], None]


def export(form: str, studies: list[StoredStudy], folder: Path, write: WriteFunction) -> None:
    """Write an export into a temporary folder, then rename it to ``folder``.

    An earlier export of the same studies in the same format is replaced, unless its files were changed.

    Args:
        form: the name of the format.
        studies: the studies to export.
        folder: the folder of the export.
        write: writes the studies into the temporary folder.

    Raises:
        UserError: ``folder`` holds other files, lies below a sealed folder, or cannot be written.
    """
    target = check_unsealed(folder).resolve()
    ids = [stored.study.id for stored in studies]
    _check_free(target, form, ids)
    partial = target.with_name(f".{target.name}.part")
    earlier = target.with_name(f".{target.name}.earlier")
    try:
        for left_by_a_kill in (partial, earlier):
            shutil.rmtree(left_by_a_kill, ignore_errors=True)
        partial.mkdir(parents=True)
        write(studies, partial)
        write_json(partial / MANIFEST, {"form": form, "studies": ids, "files": _digests(partial)})
        if target.exists():
            target.rename(earlier)
        partial.rename(target)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(earlier, ignore_errors=True)


def make_study_folder(stored: StoredStudy, folder: Path) -> Path:
    """Create the folder of one study within an export.

    Args:
        stored: the study.
        folder: the folder of the export.

    Returns:
        The path ``<config>/<dataset>/<system>/<seed>`` below ``folder``.
    """
    path = folder.joinpath(*stored.study.id.split("/"))
    path.mkdir(parents=True, exist_ok=True)
    return path


def _check_free(target: Path, form: str, ids: list[str]) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    known: Any = read_json(target / MANIFEST) if (target / MANIFEST).is_file() else None
    if not isinstance(known, dict) or (known.get("form"), known.get("studies")) != (form, ids):
        raise UserError(
            f"{target}: is not empty, and is not an earlier {form} export of the same studies. Choose another."
        )
    found = {name: sha256 for name, sha256 in _digests(target).items() if name != MANIFEST}
    if found != known.get("files"):
        raise UserError(
            f"{target}: files of the earlier export were changed or added. Choose another folder, or move it away."
        )


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): digest_file(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }
