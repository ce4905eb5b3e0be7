"""The report says how many samples are equal across splits, and what that means for the error on eval."""

import json
from pathlib import Path
from typing import Any

import pytest

from blindtune.core.errors import UserError
from blindtune.core.files import write_json
from blindtune.datasets.verification import with_own_digest
from blindtune.report.tables import write as tables
from support.report_records import RecordsBuilder

LEAKS: dict[str, Any] = {
    "rule": "report",
    "removed": {"train": 0, "dev": 0},
    "shared": {"train": {"dev": 849, "eval": 927}, "dev": {"train": 98, "eval": 258}, "eval": {"train": 100, "dev": 0}},
    "repeated": {"train": 48461, "dev": 3455, "eval": 3733},
    "repeated_in_class": {"train": 48400, "dev": 3450, "eval": 3730},
    "other_label": {"train": 7, "dev": 0, "eval": 0},
}
NOTE = "set_10: of the 400 samples of eval, 100 in train too (leaks: report)."


def read(folder: Path, **changes: Any) -> Any:
    return RecordsBuilder(folder / "tiny", systems=["knn"], datasets={"set_10": changes}).write().read()


def test_equal_samples_are_counted_by_split(tmp_path: Path) -> None:
    """The table has the counts of the manifest, one row per split."""
    rows = {row["split"]: row for row in tables.BUILD["equal_samples"](read(tmp_path, leaks=LEAKS)).rows}
    assert list(rows) == ["train", "dev", "eval"]
    assert {key: rows["train"][key] for key in ("in_train", "in_dev", "in_eval")} == {
        "in_train": None,
        "in_dev": 849,
        "in_eval": 927,
    }
    assert (rows["eval"]["in_train"], rows["eval"]["repeated"], rows["train"]["other_label"]) == (100, 3733, 7)
    assert rows["dev"]["repeated_in_class"] == 3450 and rows["dev"]["rule"] == "report"


def test_shared_samples_of_eval_are_noted(tmp_path: Path) -> None:
    """Where eval shares samples with another split, a note under three tables says how many."""
    records = read(tmp_path, leaks=LEAKS)
    for name in ("equal_samples", "table1_datasets", "table3_errors"):
        assert any(note.startswith(NOTE) for note in tables.BUILD[name](records).notes), name


@pytest.mark.parametrize(
    "leaks",
    [
        LEAKS | {"shared": LEAKS["shared"] | {"eval": {"train": 0, "dev": 0}}},
        LEAKS | {"rule": "remove", "removed": {"train": 927, "dev": 258}},
    ],
)
def test_no_note_where_eval_shares_nothing(tmp_path: Path, leaks: Any) -> None:
    """Nothing is noted where nothing is shared, or where it was removed; the table says how many were removed."""
    records = read(tmp_path, leaks=leaks)
    for name in ("equal_samples", "table1_datasets", "table3_errors"):
        assert not any("of the 400 samples of eval" in note for note in tables.BUILD[name](records).notes), name
    row = tables.BUILD["equal_samples"](records).rows[0]
    assert (row["removed"], row["samples"]) == (leaks["removed"]["train"], 2000 + leaks["removed"]["train"])


def test_equal_files_are_named(tmp_path: Path) -> None:
    """Raw files that hold the same and were kept are named, the first five of them."""
    pairs = [[f"train/{number}.edf", "train", "eval/a.edf", "eval"] for number in range(7)]
    table = tables.BUILD["equal_samples"](read(tmp_path, leaks=LEAKS, parameters={"equal_files": pairs}))
    [note] = [note for note in table.notes if "raw files" in note]
    assert "train/0.edf (train) and eval/a.edf (eval); " in note and note.endswith("; and 2 more.")
    removed = read(tmp_path / "2", leaks=LEAKS | {"rule": "remove"}, parameters={"equal_files": pairs})
    assert not any("raw files" in note for note in tables.BUILD["equal_samples"](removed).notes)


def test_equal_samples_of_old_manifests_are_unknown(tmp_path: Path) -> None:
    """A dataset that was prepared before has no row, and a note says why."""
    table = tables.BUILD["equal_samples"](read(tmp_path))
    assert not table.rows
    assert table.notes[-1] == "Prepared by a version that did not look for equal samples: set_10."


def test_report_refuses_an_edited_manifest(tmp_path: Path) -> None:
    """A manifest that was changed after it was written is no source of a report."""
    builder = RecordsBuilder(tmp_path / "tiny", systems=["knn"]).write()
    path = builder.root / "data/set_10/manifest.json"
    content = with_own_digest(json.loads(path.read_text(encoding="utf-8")))
    write_json(path, content)
    builder.read()
    write_json(path, content | {"stand_in": True})
    with pytest.raises(UserError, match=r"manifest\.json: was changed after the preparation wrote it"):
        builder.read()
