"""Recorded studies: which are found, and how damaged or sealed ones are refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blindtune.core.errors import UserError
from blindtune.exports import guide
from blindtune.exports.folders import export
from blindtune.exports.stored_study import find_studies
from blindtune.records.trial import Trial
from support.builders import study
from support.stored_studies import store, store_knn, store_tuned, tuned_system


def test_find_studies_skips_superseded_and_sealed(folder: Path) -> None:
    """Every study below a folder is found, but no superseded and no sealed one."""
    results = folder.parents[4]
    store_knn(results)
    store_tuned(results, tuned_system(), seed=43)
    shutil.copytree(folder, folder.with_name("42.superseded-1"))
    shutil.copytree(folder, results / "test" / "sealed" / "toy")
    store(results / "test" / "studies" / "toy" / "limit" / "42", study(tuned_system(), system="limit"), [])
    found = [study.study.id for study in find_studies([results, folder])]
    assert found == ["test/toy/near/42", "test/toy/tuned/42", "test/toy/tuned/43"]
    aside = find_studies([folder.with_name("42.superseded-1")])
    assert [study.folder.name for study in aside] == ["42.superseded-1"], "by its own name it is exported"
    with pytest.raises(UserError, match="hold the same study"):
        find_studies([folder, folder.with_name("42.superseded-1")])


def test_find_studies_refuses_sealed_paths(folder: Path, tmp_path: Path) -> None:
    """A sealed path is refused, also through a link or a relative path, and so is an export into it."""
    sealed = tmp_path / "results" / "test" / "sealed" / "toy"
    shutil.copytree(folder, sealed)
    link = tmp_path / "link"
    link.symlink_to(sealed)
    for path in (sealed, link, tmp_path / "results" / ".." / "results" / "test" / "sealed"):
        with pytest.raises(UserError, match="below a folder sealed"):
            find_studies([path])
    with pytest.raises(UserError, match="below a folder sealed"):
        export("guide", find_studies([folder]), sealed / "out", guide.write)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "protocol.json").write_text("{}"), "is not a protocol of a study"),
        (
            lambda folder: (folder / "protocol.json").write_text("["),
            "Restore it, or move the study's folder",
        ),
        (lambda folder: _edit(folder, "toy", "../../toy"), "is not a name"),
        (lambda folder: _edit(folder, '"kind": "tuner"', '"kind": "tunr"'), "does not fit"),
        (lambda folder: (folder / "trials.jsonl").write_text("{}\n"), "line 1: is not a trial record"),
        (lambda folder: (folder / "trials.jsonl").open("a").write('{"num'), "last record is incomplete"),
        (lambda folder: (folder / "trials.jsonl").unlink(), "holds no study with trials"),
    ],
)
def test_find_studies_reports_damage(folder: Path, damage: Callable[[Path], Any], message: str) -> None:
    """A damaged study ends in one message that names the damage."""
    damage(folder)
    with pytest.raises(UserError, match=message):
        find_studies([folder])


def test_find_studies_reports_an_empty_folder(tmp_path: Path) -> None:
    """A folder without studies ends in one message."""
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(UserError, match="holds no study with trials"):
            find_studies([path])


def _edit(folder: Path, old: str, new: str) -> None:
    path = folder / "protocol.json"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def test_stored_trials_cover_every_status(folder: Path) -> None:
    """The trials that these tests export have every status."""
    (study,) = find_studies([folder])
    assert {record.status for record in study.trials} == set(Trial.model_fields["status"].annotation.__args__)  # type: ignore[union-attr]
