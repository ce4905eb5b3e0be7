"""The folder of an export: complete or absent, and never written over other files."""

from pathlib import Path
from typing import Any

import pytest

from blindtune.core.errors import UserError
from blindtune.exports import guide, optuna, tensorboard
from blindtune.exports.folders import export
from blindtune.exports.stored_study import find_studies
from support.stored_studies import content

FORMS = {"guide": guide.write, "tensorboard": tensorboard.write, "optuna": optuna.write}


@pytest.mark.parametrize("form", FORMS)
def test_export_replaces_only_an_unchanged_export(folder: Path, tmp_path: Path, form: str) -> None:
    """An export changes no record, and replaces only an earlier export of the same studies and format."""
    before = _files(folder)
    studies, target, write = find_studies([folder]), tmp_path / "a" / "out", FORMS[form]
    export(form, studies, target, write)
    assert (content(target / "export.json")["form"], content(target / "export.json")["studies"]) == (
        form,
        ["test/toy/tuned/42"],
    )
    export(form, studies, target, write)
    assert [path.name for path in target.parent.iterdir()] == ["out"], "nothing half-written is left"
    assert _files(folder) == before
    other = "guide" if form != "guide" else "optuna"
    with pytest.raises(UserError, match=f"not an earlier {other} export"):
        export(other, studies, target, FORMS[other])
    (target / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="changed or added"):
        export(form, studies, target, write)
    (target / "notes.txt").unlink()
    next(path for path in target.rglob("*") if path.is_file() and path.name != "export.json").write_bytes(b"changed")
    with pytest.raises(UserError, match="changed or added"):
        export(form, studies, target, write)


def test_export_never_replaces_other_files(folder: Path, tmp_path: Path) -> None:
    """An export never replaces files that are not an earlier export."""
    studies = find_studies([folder])
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine", encoding="utf-8")
    for taken in ("file", "full"):
        with pytest.raises(UserError, match="is not empty"):
            export("guide", studies, tmp_path / taken, guide.write)
    assert (tmp_path / "full" / "thesis.tex").read_text(encoding="utf-8") == "mine"
    (tmp_path / "empty").mkdir()
    export("guide", studies, tmp_path / "empty", guide.write)
    with pytest.raises(UserError, match="cannot be written"):
        export("guide", studies, tmp_path / "file" / "below", guide.write)


def test_export_keeps_the_earlier_one_on_error(folder: Path, tmp_path: Path) -> None:
    """An error while writing leaves the earlier export as it was."""
    studies, target = find_studies([folder]), tmp_path / "out"
    export("guide", studies, target, guide.write)
    before = _files(target)

    def fail(studies: Any, folder: Path) -> None:
        (folder / "half").touch()
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="out: cannot be written"):
        export("guide", studies, target, fail)
    assert _files(target) == before and not list(tmp_path.glob(".out.*"))


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
