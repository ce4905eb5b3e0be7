"""What the workflow plans for corpora of many raw files."""

import time
from pathlib import Path
from typing import Any

import pytest
from snakemake.exceptions import WorkflowError

from support.dag import edit, plan, pretend, running

SIZES = {"train": 4, "dev": 2, "eval": 2}


def write_recordings(folder: Path, patients: int) -> list[Path]:
    """Write recordings in the layout of TUSZ v2, by name only: planning opens none."""
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


def write_slides(folder: Path, patients: int) -> list[Path]:
    """Write slides in the layout of TUDP v3, by name only."""
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


TREES = {"eeg": write_recordings, "slides": write_slides}


def make_config(kind: str = "eeg", **source: Any) -> dict[str, Any]:
    """Return a config that compares one system on one corpus."""
    return {
        "seeds": [42],
        "compare": [{"dataset": "it", "systems": ["near"], "budget": {"trials": 2}}],
        "datasets": {"it": {"source": kind, "sizes": SIZES, "files_per_job": 2} | source},
        "systems": {"near": {"kind": "knn", "n_neighbors": [3]}},
    }


def select_corpus_jobs(names: set[str]) -> set[str]:
    """Return those of the job names that belong to the rules of a corpus."""
    return {name for name in names if name.startswith(("simulate", "extract", "prepare"))}


@pytest.mark.parametrize(
    ("kind", "suffix"), [("eeg", ".edf"), ("eeg", ".csv_bi"), ("slides", ".svs"), ("slides", ".csv")]
)
def test_extract_repeats_the_batch_of_a_changed_file(tmp_path: Path, kind: str, suffix: str) -> None:
    """A changed raw file repeats the extraction of its batch and the preparation, and nothing else."""
    files = TREES[kind](tmp_path / "raw", 12)
    with pytest.MonkeyPatch.context() as patch:
        pretend(tmp_path, make_config(kind, folder="raw"), patch)
    assert running(plan(tmp_path, make_config(kind, folder="raw"))) == set()
    time.sleep(0.01)
    files[2].with_suffix(suffix).write_text("changed", encoding="utf-8")
    again = running(plan(tmp_path, make_config(kind, folder="raw")))
    assert len([name for name in again if name.startswith("extract data/it/dev-")]) == 1
    assert len(select_corpus_jobs(again)) == 2 and "prepare it" in again


@pytest.mark.parametrize("kind", TREES)
def test_extract_repeats_the_batch_of_a_new_file(tmp_path: Path, kind: str) -> None:
    """A new raw file repeats the extraction of the batch that it joins or divides, and the preparation."""
    TREES[kind](tmp_path / "raw", 24)
    with pytest.MonkeyPatch.context() as patch:
        pretend(tmp_path, make_config(kind, folder="raw"), patch)
    TREES[kind](tmp_path / "new", 25)
    for path in sorted((tmp_path / "new").rglob("*")):
        below = tmp_path / "raw" / path.relative_to(tmp_path / "new")
        if path.is_file() and not below.exists():
            below.parent.mkdir(parents=True)
            break
    for sibling in path.parent.iterdir():
        sibling.rename(below.parent / sibling.name)
    again = select_corpus_jobs(running(plan(tmp_path, make_config(kind, folder="raw"))))
    assert 2 <= len(again) <= 3 and "prepare it" in again
    assert all(name.startswith("extract data/it/train-") for name in again - {"prepare it"})


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
def test_corpus_key_repeats_the_rules_that_read_it(
    tmp_path: Path, kind: str, change: dict[str, Any], again: set[str]
) -> None:
    """A changed key of a corpus repeats the rules that read it, and no other rule of the corpus."""
    made = {"eeg": {"patients": 6, "faults": []}, "slides": {"patients": {"train": 2, "dev": 2, "eval": 2}}}[kind]
    before = plan(tmp_path, make_config(kind, stand_in=True, simulate=made))
    after = plan(tmp_path, make_config(kind, **({"stand_in": True, "simulate": made} | change)))
    changed = {job.rule for job in after if job not in before}
    assert changed & {"simulate", "extract", "prepare"} == again


@pytest.mark.parametrize("kind", TREES)
def test_extract_seals_eval_and_only_prepare_reads_it(tmp_path: Path, kind: str) -> None:
    """Extracts of eval are written below `sealed`, and only `prepare` reads them there."""
    TREES[kind](tmp_path / "raw", 8)
    jobs = plan(tmp_path, make_config(kind, folder="raw"))
    cut = [path for job in jobs if job.rule == "extract" for path in job.outputs]
    assert len(cut) >= 4 and all(("/sealed/" in path) == ("/eval-" in path) for path in cut)
    readers = {job.rule for job in jobs if any("/sealed/" in path and "/extracts/" in path for path in job.inputs)}
    assert readers == {"prepare"}


@pytest.mark.parametrize("kind", TREES)
def test_examples_come_from_train_only(tmp_path: Path, kind: str) -> None:
    """Examples are taken from train only, and no sample of eval is drawn for the report."""
    TREES[kind](tmp_path / "raw", 8)
    jobs = {job.name: job for job in plan(tmp_path, make_config(kind, folder="raw"))}
    assert "sample_splits it" not in jobs
    root = "results/default/data/it"
    cut = sorted(path for job in jobs.values() if job.rule == "extract" for path in job.outputs if "/train-" in path)
    assert len(cut) > 1 and jobs["examples it"].inputs == (*cut, f"{root}/manifest.json")
    assert all(f"{root}/examples.npz" in jobs[name].inputs for name in ("tables", "figures", "page"))


@pytest.mark.parametrize(
    ("kind", "made", "suffix"),
    [
        ("eeg", {"patients": 6, "faults": []}, ".edf"),
        ("slides", {"patients": {"train": 6, "dev": 2, "eval": 2}, "faults": []}, ".svs"),
    ],
)
def test_simulate_runs_before_extract(tmp_path: Path, kind: str, made: dict[str, Any], suffix: str) -> None:
    """A simulated corpus is written before patches or segments are extracted from it."""
    jobs = {job.name: job for job in plan(tmp_path, make_config(kind, stand_in=True, simulate=made))}
    batches = [name for name in jobs if name.startswith("simulate")]
    assert len(batches) >= 6
    assert not any(path.endswith(suffix) for name in batches for path in jobs[name].outputs)
    batch = next(name.split("/")[1] for name in batches if "/train-" in name)
    assert jobs[f"extract data/it/{batch}"].inputs == jobs[f"simulate it/{batch}"].outputs


def test_extract_repeats_slides_that_change_their_split(tmp_path: Path) -> None:
    """A slide that moves to another split repeats the batch that it leaves and the one that it joins."""
    files = write_slides(tmp_path / "raw", 8)
    listed = tmp_path / "list.csv"

    def write(moved: str) -> dict[str, Any]:
        """Write the list of splits with one slide in another split; return the config that names it."""
        splits = {file.stem: file.parts[-3] for file in files} | {files[0].stem: moved}
        listed.write_text("slide,split\n" + "".join(f"{slide},{split}\n" for slide, split in splits.items()))
        return make_config("slides", folder="raw", splitting={"by": "list", "file": "list.csv"})

    with pytest.MonkeyPatch.context() as patch:
        pretend(tmp_path, write("train"), patch)
    assert running(plan(tmp_path, write("train"))) == set()
    again = select_corpus_jobs(running(plan(tmp_path, write("dev"))))
    # A batch of train may have had this slide alone, and one of dev may be divided in two.
    in_train, in_dev = ([name for name in again if f"it/{split}-" in name] for split in ("train", "dev"))
    assert len(in_train) <= 1 and 1 <= len(in_dev) <= 2 and len(again) == 1 + len(in_train) + len(in_dev)


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
def test_code_edit_repeats_the_corpora_that_use_it(
    tmp_path: Path, module: str, users: set[str], prepared: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit of a module repeats extraction and preparation of the corpora that use it, and no other."""
    both = make_config()
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
def test_plan_refuses_a_missing_corpus(tmp_path: Path, kind: str) -> None:
    """A corpus folder that does not exist is named in an error before any job runs."""
    with pytest.raises(WorkflowError, match=r"datasets\.it: folder: raw is not a folder"):
        plan(tmp_path, make_config(kind, folder="raw"))
