"""Files that are no outputs are looked for when a run is planned."""

import logging
import os
from pathlib import Path
from typing import Any

import pytest
from snakemake.api import SnakemakeApi
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import SharedFSUsage, StorageSettings
from snakemake.storage import StorageRegistry

from blindtune.core.paths import ResultPaths
from blindtune.core.side_files import count_times_made_again, dataset_list, list_side_files, study_list
from support.dag import plan, pretend, running

CONFIG: dict[str, Any] = {
    "name": "side",
    "seeds": [7],
    "compare": [{"dataset": "it", "systems": ["near"], "budget": {"trials": 2}}],
    "datasets": {
        "it": {
            "source": "eeg",
            "sizes": {"train": 4, "dev": 2, "eval": 2},
            "files_per_job": 12,
            "stand_in": True,
            "simulate": {"patients": 6, "faults": []},
        }
    },
    "systems": {"near": {"kind": "knn", "n_neighbors": [3]}},
}
ROOT = Path("results") / "side"

#: A file, the list that names it, and the job that makes both.
CASES = [
    ("data/it/train/x.npy", "manifest", "prepare it"),
    ("sealed/it/eval/x.npy", "manifest", "prepare it"),
    ("data/it/extracts/train-0000/a.npy", "train-0000", "extract data/it/train-0000"),
    ("sealed/it/extracts/eval-0000/a.npy", "eval-0000", "extract sealed/it/eval-0000"),
    ("corpora/it/a.edf", "simulated-train-0000", "simulate it/train-0000"),
]
#: The lists of raw files and extracts.
MADE = [f"{name}.json" for _, name, _ in CASES if name != "manifest"]
TRIALS = "studies/it/near/7/trials.jsonl"
FILES = [*(file for file, _, _ in CASES), TRIALS]


def find_list(name: str) -> Path:
    """Return a list of the dataset."""
    return Path(dataset_list(ResultPaths(str(ROOT)), "it", name))


@pytest.fixture
def folder(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the finished folder as the working directory, with all files complete."""
    monkeypatch.chdir(finished)
    for file in FILES:
        (ROOT / file).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / file).write_text("content", encoding="utf-8")
    return finished


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which every job has run and listed its files."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        pretend(folder, CONFIG, patch)
        patch.chdir(folder)
        for file in FILES:
            (ROOT / file).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / file).write_text("content", encoding="utf-8")
        for name in {name for _, name, _ in CASES}:
            list_side_files(find_list(name), ROOT, [ROOT / file for file, other, _ in CASES if other == name])
        list_side_files(study_list(ROOT / "studies/it/near/7/card.json"), ROOT, [ROOT / TRIALS])
    return folder


@pytest.mark.parametrize(("file", "name", "job"), CASES, ids=lambda value: value.partition(" ")[0])
@pytest.mark.parametrize("is_cut", [False, True], ids=["missing", "cut"])
def test_lost_file_starts_its_job(
    folder: Path, caplog: pytest.LogCaptureFixture, file: str, name: str, job: str, is_cut: bool
) -> None:
    """A file that is missing or cut is named, its job runs again, and once it was made again nothing runs."""
    assert running(plan(folder, CONFIG)) == set()
    if is_cut:
        os.truncate(ROOT / file, 3)
    else:
        (ROOT / file).unlink()
    with caplog.at_level(logging.WARNING):
        started = running(plan(folder, CONFIG))
    assert job in started
    assert not [name for name in started if name.startswith(job.split(maxsplit=1)[0]) and name != job]
    assert f"missing or cut: {ROOT / file}. They will be made again." in caplog.text
    assert count_times_made_again(find_list(name), ROOT) == (1, [str(ROOT / file)])


def test_lost_trials_start_nothing_and_are_named(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A study whose trials are lost is not searched again by itself; the message says what to do."""
    (ROOT / TRIALS).unlink()
    with caplog.at_level(logging.WARNING):
        assert running(plan(folder, CONFIG)) == set()
    assert f"records of a finished study are missing or cut: {ROOT / TRIALS}." in caplog.text
    assert "Put the files back" in caplog.text


def test_job_that_needs_lost_trials_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that would use or write a study with lost trials ends before its first job."""
    (ROOT / TRIALS).unlink()
    page = (ROOT / "report" / "report.html").read_bytes()
    with pytest.raises(WorkflowError, match="records of a finished study are missing or cut"):
        pretend(folder, CONFIG | {"report": {"margin": 0.25}}, monkeypatch)
    assert (ROOT / "report" / "report.html").read_bytes() == page


def test_study_without_a_card_is_unfinished(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where there is no card a study goes on as ever, and nothing is said of its records."""
    card, kept = ROOT / "studies/it/near/7/card.json", folder / "card.json"
    card.rename(kept)
    (ROOT / TRIALS).unlink()
    try:
        with caplog.at_level(logging.WARNING):
            started = running(plan(folder, CONFIG | {"systems": {"near": {"kind": "knn", "n_neighbors": [2]}}}))
        assert "study it/near/7" in started
        assert "missing or cut" not in caplog.text
    finally:
        kept.rename(card)


#: What a report is made of, and what is left of it where a job of a dataset runs again.
REPORT = {"tables", "figures", "page"}
AFTER_PREPARE = {"examples it", "study it/near/7", "decode it/near", *REPORT}


@pytest.mark.parametrize(
    ("place", "made_again"),
    [
        ("data/it/manifest.json", {"prepare it", *AFTER_PREPARE}),
        ("sealed/it/seal.json", {"prepare it", *AFTER_PREPARE}),
        ("data/it/examples.npz", {"examples it", *REPORT}),
        ("studies/it/near", {"study it/near/7", "decode it/near", *REPORT}),
        ("decodes/it/near/7/predictions.npz", {"decode it/near", *REPORT}),
        ("decodes/it/near/7/surface.npz", {"decode it/near", *REPORT}),
        ("report/tables/costs.csv", {"tables", "page"}),
        ("report/figures", {"figures", "page"}),
        ("report/records.sha256", {"page"}),
        ("report", REPORT),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_lost_output_is_made_again(folder: Path, place: str, made_again: set[str]) -> None:
    """An output that is lost while the page is there starts its job, and those that need it, and no other."""
    (ROOT / place).rename(folder / "kept")
    try:
        assert running(plan(folder, CONFIG)) == made_again
    finally:
        (folder / "kept").rename(ROOT / place)
    assert running(plan(folder, CONFIG)) == set()


def test_removed_raw_files_and_extracts_start_nothing(folder: Path) -> None:
    """Simulated raw files and extracts may be removed whole, with their records, once they were used."""
    places = ["corpora", "data/it/extracts", "sealed/it/extracts", *(f"data/it/side_files/{name}" for name in MADE)]
    for number, place in enumerate(places):
        (ROOT / place).rename(folder / f"kept-{number}")
    try:
        assert running(plan(folder, CONFIG)) == set()
    finally:
        for number, place in enumerate(places):
            (folder / f"kept-{number}").rename(ROOT / place)


@pytest.mark.parametrize(
    ("storage", "cause"),
    [
        (StorageSettings(default_storage_provider="s3", default_storage_prefix="s3://bucket"), "provider s3 carries"),
        (StorageSettings(shared_fs_usage={SharedFSUsage.PERSISTENCE}), "do not share: input-output, sources"),
    ],
    ids=["provider", "machines"],
)
def test_storage_without_a_shared_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: StorageSettings, cause: str
) -> None:
    """Object stores and machines that share no files are refused while planning."""
    # As with an installed plugin, whose settings fit.
    monkeypatch.setattr(SnakemakeApi, "_check_default_storage_provider", lambda *args, **kwargs: None)
    monkeypatch.setattr(StorageRegistry, "register_storage", lambda *args, **kwargs: None)
    with pytest.raises(WorkflowError, match=cause):
        plan(tmp_path, CONFIG, storage=storage)
