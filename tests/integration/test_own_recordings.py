"""Trees of recordings that are not the generator's: a real EDF under other names, annotated by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.core.files import read_json
from blindtune.core.paths import ResultPaths
from blindtune.datasets.base import SPLITS
from blindtune.datasets.corpus.extraction import extract_batch
from blindtune.datasets.prepared import open_prepared, open_split, prepare
from support import eeg_trees as trees
from support.builders import origins
from support.eeg_files import ABSENT, REAL, eeg_corpus
from support.eeg_trees import Night
from support.scipy_eeg import prepared
from support.workflow_runs import snakemake

pytestmark = [pytest.mark.integration, pytest.mark.skipif(not REAL.is_file(), reason=ABSENT)]

SIZES = {"train": 8, "dev": 2, "eval": 2}
PLAIN = {"patient": r"Subject-(\d+)_"}


@pytest.mark.parametrize(
    ("tree", "annotate", "reference", "settings"),
    [
        (trees.version_1(), {".tse_bi": trees.tse_bi}, "REF", {}),
        (trees.version_1(), {".tse": trees.tse}, "REF", {"split": "patients"}),
        (trees.version_2(), {".csv_bi": trees.csv_bi, ".csv": trees.csv}, "LE", {}),
        (trees.version_2(), {".csv": trees.csv}, "LE", {}),
        (trees.plain(), {".csv_bi": trees.csv_bi}, None, PLAIN),
        (trees.plain(), {".tse": trees.tse}, None, PLAIN),
    ],
    ids=["v1 tse_bi", "v1 tse by patient", "v2 csv_bi", "v2 csv", "plain csv_bi", "plain tse"],
)
def test_tree_of_recordings_becomes_a_dataset(
    tmp_path: Path,
    tree: list[Night],
    annotate: dict[str, Callable[[Night], str]],
    reference: str | None,
    settings: dict[str, Any],
) -> None:
    """A tree of recordings with any layout and annotations becomes a dataset, equal to what scipy computes."""
    trees.write(tmp_path / "own", tree, annotate, reference)
    source = eeg_corpus(folder=str(tmp_path / "own"), sizes=SIZES, files_per_job=3, **settings)
    layout = ResultPaths(str(tmp_path / "results"))
    files = source.inputs(layout, "own")
    for batch, path in files.items():
        extract_batch(source, batch, tmp_path / "own", path)
    manifest, seal = Path(layout.manifest("own")), Path(layout.seal("own"))
    prepare("own", source, files, manifest, seal)
    data = open_prepared(manifest)
    assert data.manifest["parameters"]["bad_files"] == {}
    assert len(data.manifest["parameters"]["raw_sha256"]) == (1 + len(annotate)) * len(tree), "all are read"
    assert data.manifest["parameters"]["annotations"] == "tusz" and "unused" not in data.manifest["parameters"]
    whole = prepared(REAL)
    by_file, patients = {night.file: night for night in tree}, {}
    for split in SPLITS:
        folder = (seal if split == "eval" else manifest).parent / split
        part, rows = open_split(folder), origins(folder)
        assert part.x.shape == (SIZES[split], 20, 500) and part.y.sum() * 2 == SIZES[split]
        assert [data.classes.index(row["class"]) for row in rows] == part.y.tolist()
        for row, segment in zip(rows, part.x, strict=True):
            night, start = by_file[row["file"]], float(row["start"])
            assert row["group"] == night.patient
            _check_time(row["class"], start, night)
            expected = night.gain * whole[:, round(50 * start) : round(50 * start) + 500]
            assert np.abs(segment - expected).max() < 1e-6 * np.abs(night.gain * whole).max()
        patients[split] = {row["group"] for row in rows}
    assert sum(map(len, patients.values())) == len(set.union(*patients.values())), "no patient in two splits"


def test_workflow_runs_on_a_tree_of_recordings(tmp_path: Path) -> None:
    """From the raw tree to the report; the tree itself is left as it was."""
    trees.write(tmp_path / "own", trees.plain(), {".tse": trees.tse}, None)
    cut_short = tmp_path / "own" / trees.plain()[3].file
    cut_short.write_bytes(cut_short.read_bytes()[:-1000])
    before = _read_files(tmp_path / "own")
    config = {
        "name": "own",
        "seeds": [42],
        "compare": [{"dataset": "mine", "systems": ["near"], "budget": {"trials": 2}}],
        "datasets": {"mine": {"source": "eeg", "folder": "own", "sizes": SIZES} | PLAIN},
        "systems": {"near": {"kind": "knn", "n_neighbors": [1]}},
    }
    ended = snakemake(tmp_path, config)
    assert ended.returncode == 0, ended.stdout
    results = tmp_path / "results" / "own"
    manifest = read_json(results / "data" / "mine" / "manifest.json")
    [(file, reason)] = manifest["parameters"]["bad_files"].items()
    assert tmp_path / "own" / file == cut_short and reason.startswith("is truncated")
    # The patient of the recording that was cut short gives no sample.
    assert manifest["stand_in"] is False and len(manifest["parameters"]["groups"]) == 6
    assert (results / "decodes" / "mine" / "near" / "42" / "result.json").is_file()
    assert "near" in (results / "report" / "report.html").read_text(encoding="utf-8")
    assert _read_files(tmp_path / "own") == before


def _read_files(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Return the modification time and the content of every file below a folder."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def _check_time(label: str, start: float, night: Night) -> None:
    """Check that a segment is inside its seizure, or is background at least ten seconds away from it."""
    assert 0 <= start <= 51
    if night.seizure is None:
        assert label == "background"
    elif label == "seizure":
        assert night.seizure[0] - 1e-6 <= start and start + 10 <= night.seizure[1] + 1e-6
    else:
        assert start >= night.seizure[1] + 10 - 1e-6 or start + 10 <= night.seizure[0] - 10
