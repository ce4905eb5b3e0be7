"""What the workflow plans for corpora of many raw files."""

import time
from pathlib import Path
from typing import Any

import pytest
from dag import plan, pretend, running

SIZES = {"train": 4, "dev": 2, "eval": 2}


def tree(folder: Path, patients: int) -> list[Path]:
    """Recordings in the layout of TUSZ v2, by name only: planning opens none."""
    found = []
    for number in range(patients):
        split = ("train", "train", "dev", "eval")[number % 4]
        patient = "aaaa" + "".join(chr(97 + number // 26**place % 26) for place in (3, 2, 1, 0))
        path = folder / "edf" / split / patient / "s001_2015" / "01_tcp_ar" / f"{patient}_s001_t000.edf"
        path.parent.mkdir(parents=True)
        path.write_text(patient, encoding="utf-8")
        path.with_suffix(".csv_bi").write_text(patient, encoding="utf-8")
        found.append(path)
    return found


def config(**source: Any) -> dict[str, Any]:
    return {
        "seeds": [42],
        "compare": [{"dataset": "brains", "systems": ["near"], "budget": {"trials": 2}}],
        "datasets": {"brains": {"source": "eeg", "sizes": SIZES, "files_per_job": 2} | source},
        "systems": {"near": {"kind": "knn", "neighbours": [3]}},
    }


@pytest.mark.parametrize("suffix", [".edf", ".csv_bi"])
def test_a_changed_recording_is_cut_again_with_its_batch_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    files = tree(tmp_path / "raw", 12)
    with pytest.MonkeyPatch.context() as patch:
        pretend(tmp_path, config(folder="raw"), patch)
    assert running(plan(tmp_path, config(folder="raw"))) == set()
    time.sleep(0.01)
    files[2].with_suffix(suffix).write_text("changed", encoding="utf-8")
    again = running(plan(tmp_path, config(folder="raw")))
    assert {name for name in again if name.startswith(("make", "extract", "prepare"))} == {
        "extract data/brains/dev-0000",
        "prepare brains",
    }


def test_eval_is_cut_under_the_seal_and_only_prepare_reads_it_there(tmp_path: Path) -> None:
    tree(tmp_path / "raw", 8)
    jobs = plan(tmp_path, config(folder="raw"))
    cut = [path for job in jobs if job.rule == "extract" for path in job.outputs]
    assert len(cut) == 4 and all(("/sealed/" in path) == ("/eval-" in path) for path in cut)
    readers = {job.rule for job in jobs if any("/sealed/" in path and "/extracts/" in path for path in job.inputs)}
    assert readers == {"prepare"}


def test_a_stand_in_is_made_before_it_is_cut(tmp_path: Path) -> None:
    jobs = {job.name: job for job in plan(tmp_path, config(stand_in=True, made={"patients": 6, "faults": []}))}
    made = [name for name in jobs if name.startswith("make")]
    assert len(made) == 6 and not any(path.endswith(".edf") for name in made for path in jobs[name].outputs)
    assert jobs["extract data/brains/train-0000"].inputs == jobs["make brains/train-0000"].outputs
