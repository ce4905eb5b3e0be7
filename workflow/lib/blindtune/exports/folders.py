"""The folder of an export: whole or not there, and never in the place of anything else."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blindtune.core.errors import UserError
from blindtune.core.files import digest_of_file, read_json, write_json
from blindtune.exports.stored import StoredStudy, unsealed

#: Says what an export is: its form, its studies, and the sha256 of every file.
MANIFEST = "export.json"

Write = Callable[[list[StoredStudy], Path], None]


def export(form: str, studies: list[StoredStudy], folder: Path, write: Write) -> None:
    """Let ``write`` fill a folder beside ``folder``, then give it its name.

    An earlier export of the same studies in the same form is replaced if nobody changed it.

    Raises:
        UserError: something else lies there, or the disk refuses.
    """
    target = unsealed(folder).resolve()
    ids = [stored.study.id for stored in studies]
    _check_free(target, form, ids)
    beside = target.with_name(f".{target.name}.part")
    earlier = target.with_name(f".{target.name}.earlier")
    try:
        for left_by_a_kill in (beside, earlier):
            shutil.rmtree(left_by_a_kill, ignore_errors=True)
        beside.mkdir(parents=True)
        write(studies, beside)
        write_json(beside / MANIFEST, {"form": form, "studies": ids, "files": _digests(beside)})
        if target.exists():
            target.rename(earlier)
        beside.rename(target)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(earlier, ignore_errors=True)


def place_of(stored: StoredStudy, folder: Path) -> Path:
    """The folder of one study within an export, made if need be."""
    place = folder.joinpath(*stored.study.id.split("/"))
    place.mkdir(parents=True, exist_ok=True)
    return place


def _check_free(target: Path, form: str, ids: list[str]) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    known: Any = read_json(target / MANIFEST) if (target / MANIFEST).is_file() else None
    if not isinstance(known, dict) or (known.get("form"), known.get("studies")) != (form, ids):
        raise UserError(f"{target}: is not empty, and no earlier {form} export of the same studies. Choose another.")
    found = {name: sha256 for name, sha256 in _digests(target).items() if name != MANIFEST}
    if found != known.get("files"):
        raise UserError(
            f"{target}: files of the earlier export were changed or added. Choose another folder, or move it away."
        )


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): digest_of_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
