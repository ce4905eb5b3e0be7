"""What the workflow plans for corpora of many raw files."""

import time
from pathlib import Path
from typing import Any

import pytest
from snakemake.exceptions import WorkflowError

from support.dag import edit, plan, pretend, running

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


def slides(folder: Path, patients: int) -> list[Path]:
    """Slides in the layout of TUDP v3, by name only."""
    found = []
    for number in range(patients):
        split = ("train", "train", "dev", "eval")[number % 4]
        patient = f"{number:08}_aaaaaaa{chr(97 + number)}"
        path = folder / "svs" / split / patient / f"{patient}_s000_0hne_0000_a001_lvl001_t000.svs"
        path.parent.mkdir(parents=True)
        path.write_text(patient, encoding="utf-8")
        path.with_suffix(".csv").write_text(patient, encoding="utf-8")
        found.append(path)
    return found


TREES = {"eeg": tree, "slides": slides}


def config(kind: str = "eeg", **source: Any) -> dict[str, Any]:
    return {
        "seeds": [42],
        "compare": [{"dataset": "it", "systems": ["near"], "budget": {"trials": 2}}],
        "datasets": {"it": {"source": kind, "sizes": SIZES, "files_per_job": 2} | source},
        "systems": {"near": {"kind": "knn", "n_neighbors": [3]}},
    }


def corpora(names: set[str]) -> set[str]:
    return {name for name in names if name.startswith(("simulate", "extract", "prepare"))}


@pytest.mark.parametrize(
    ("kind", "suffix"), [("eeg", ".edf"), ("eeg", ".csv_bi"), ("slides", ".svs"), ("slides", ".csv")]
)
def test_a_changed_file_is_cut_again_with_its_batch_and_nothing_else(tmp_path: Path, kind: str, suffix: str) -> None:
    files = TREES[kind](tmp_path / "raw", 12)
    with pytest.MonkeyPatch.context() as patch:
        pretend(tmp_path, config(kind, folder="raw"), patch)
    assert running(plan(tmp_path, config(kind, folder="raw"))) == set()
    time.sleep(0.01)
    files[2].with_suffix(suffix).write_text("changed", encoding="utf-8")
    again = running(plan(tmp_path, config(kind, folder="raw")))
    assert corpora(again) == {"extract data/it/dev-0000", "prepare it"}


@pytest.mark.parametrize(
    ("kind", "change", "again"),
    [
        ("eeg", {"sizes": SIZES | {"dev": 4}}, {"prepare"}),
        ("slides", {"max_bad_fraction": 0.5, "published": "11"}, {"prepare"}),
        ("eeg", {"strict": True}, {"extract", "prepare"}),
        ("eeg", {"l_freq": 1.0}, {"extract", "prepare"}),
        ("slides", {"min_coverage": 0.9}, {"extract", "prepare"}),
        ("slides", {"max_per_file": 3}, {"extract", "prepare"}),
        ("eeg", {"simulate": {"patients": 6, "faults": [], "seed": 2}}, {"simulate", "extract", "prepare"}),
        ("slides", {"splitting": {"by": "seed"}}, {"simulate", "extract", "prepare"}),
    ],
)
def test_a_changed_key_does_again_what_it_is_for(
    tmp_path: Path, kind: str, change: dict[str, Any], again: set[str]
) -> None:
    made = {"eeg": {"patients": 6, "faults": []}, "slides": {"patients": {"train": 2, "dev": 2, "eval": 2}}}[kind]
    before = plan(tmp_path, config(kind, stand_in=True, simulate=made))
    after = plan(tmp_path, config(kind, **({"stand_in": True, "simulate": made} | change)))
    changed = {job.rule for job in after if job not in before}
    assert changed & {"simulate", "extract", "prepare"} == again


@pytest.mark.parametrize("kind", TREES)
def test_eval_is_cut_under_the_seal_and_only_prepare_reads_it_there(tmp_path: Path, kind: str) -> None:
    TREES[kind](tmp_path / "raw", 8)
    jobs = plan(tmp_path, config(kind, folder="raw"))
    cut = [path for job in jobs if job.rule == "extract" for path in job.outputs]
    assert len(cut) == 4 and all(("/sealed/" in path) == ("/eval-" in path) for path in cut)
    readers = {job.rule for job in jobs if any("/sealed/" in path and "/extracts/" in path for path in job.inputs)}
    assert readers == {"prepare"}


@pytest.mark.parametrize("kind", TREES)
def test_examples_come_from_train_alone_and_no_picture_of_eval_is_made(tmp_path: Path, kind: str) -> None:
    TREES[kind](tmp_path / "raw", 8)
    jobs = {job.name: job for job in plan(tmp_path, config(kind, folder="raw"))}
    assert "sample_splits it" not in jobs
    root = "results/default/data/it"
    assert jobs["examples it"].inputs == (
        f"{root}/extracts/train-0000.json",
        f"{root}/extracts/train-0001.json",
        f"{root}/manifest.json",
    )
    assert all(f"{root}/examples.npz" in jobs[name].inputs for name in ("tables", "figures", "page"))


@pytest.mark.parametrize(
    ("kind", "made", "suffix"),
    [
        ("eeg", {"patients": 6, "faults": []}, ".edf"),
        ("slides", {"patients": {"train": 6, "dev": 2, "eval": 2}, "faults": []}, ".svs"),
    ],
)
def test_a_stand_in_is_made_before_it_is_cut(tmp_path: Path, kind: str, made: dict[str, Any], suffix: str) -> None:
    jobs = {job.name: job for job in plan(tmp_path, config(kind, stand_in=True, simulate=made))}
    batches = [name for name in jobs if name.startswith("simulate")]
    assert len(batches) == 6
    assert not any(path.endswith(suffix) for name in batches for path in jobs[name].outputs)
    assert jobs["extract data/it/train-0000"].inputs == jobs["simulate it/train-0000"].outputs


def test_slides_that_move_to_another_split_are_cut_again(tmp_path: Path) -> None:
    files = slides(tmp_path / "raw", 8)
    listed = tmp_path / "list.csv"

    def write(moved: str) -> dict[str, Any]:
        splits = {file.stem: file.parts[-3] for file in files} | {files[0].stem: moved}
        listed.write_text("slide,split\n" + "".join(f"{slide},{split}\n" for slide, split in splits.items()))
        return config("slides", folder="raw", splitting={"by": "list", "file": "list.csv"})

    with pytest.MonkeyPatch.context() as patch:
        pretend(tmp_path, write("train"), patch)
    assert running(plan(tmp_path, write("train"))) == set()
    again = corpora(running(plan(tmp_path, write("dev"))))
    # Those behind it in train move up; in dev it comes last.
    cut = {f"extract data/it/{batch}" for batch in ("train-0000", "train-0001", "dev-0001")}
    assert again == {"prepare it", *cut}


@pytest.mark.parametrize(
    ("module", "users", "prepared"),
    [
        ("datasets.slides.survey", {"slides"}, {"slides"}),
        ("datasets.slides.reader", {"slides"}, {"slides"}),
        ("datasets.eeg.survey", {"eeg"}, {"eeg"}),
        ("datasets.corpus.splits", {"eeg", "slides"}, {"eeg", "slides"}),
        # The preparation follows because its inputs are written again.
        ("datasets.corpus.extraction", {"eeg", "slides"}, set()),
        ("datasets.channel_stats", set(), {"eeg", "slides"}),
    ],
)
def test_an_edit_cuts_again_what_it_is_for(
    tmp_path: Path, module: str, users: set[str], prepared: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = config()
    both["compare"] = [{"dataset": kind, "systems": ["near"], "budget": {"trials": 2}} for kind in TREES]
    both["datasets"] = {}
    for kind, write in TREES.items():
        write(tmp_path / kind, 4)
        both["datasets"][kind] = {"source": kind, "folder": kind, "sizes": SIZES}
    before = {job.name: job.params for job in plan(tmp_path, both)}
    edit(monkeypatch, tmp_path, f"blindtune.{module}", "\nEDITED = True\n")
    changed = {job.name for job in plan(tmp_path, both) if job.params != before[job.name]}
    assert {name.split("/")[1] for name in changed if name.startswith("extract")} == users
    assert {name.split()[1] for name in changed if name.startswith("prepare")} == prepared


@pytest.mark.parametrize("kind", TREES)
def test_a_corpus_that_is_not_there_is_named_before_anything_runs(tmp_path: Path, kind: str) -> None:
    with pytest.raises(WorkflowError, match=r"datasets\.it: folder: raw is not a folder"):
        plan(tmp_path, config(kind, folder="raw"))
