"""The source of slides, from raw files to a prepared dataset."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from blindtune.config.schema import Dataset
from blindtune.core.errors import UserError
from blindtune.core.paths import ResultPaths
from blindtune.datasets.corpus.extraction import extract_batch, simulate_batch
from blindtune.datasets.prepared import open_prepared, open_split, prepare
from blindtune.datasets.registry import create_corpus
from blindtune.datasets.slides import discovery
from blindtune.datasets.slides.reader import composite_on_white
from blindtune.views.config import CropsView, FramesView
from support.slide_files import REAL, rectangle, slides_corpus, write_csv, write_slide
from support.slide_files import tissue as pixels

TWO = {"train": 2, "dev": 2, "eval": 2}
MADE = {"patients": TWO, "side": 1024, "faults": ["truncated", "null_region"]}
NAME = "0047778{}_aaaaaaa{}_s000_0hne_0000_a001_lvl001_t000"


def tree(folder: Path, patients: int = 6) -> list[str]:
    """Slides and annotations by name only."""
    found = []
    for number in range(patients):
        name = NAME.format(number, "abcdefghij"[number])
        path = folder / ("train", "dev", "eval")[number % 3] / f"{name}.svs"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.with_suffix(".csv").touch()
        if number % 2:
            path.with_suffix(".xml").touch()
        found.append(path.relative_to(folder).as_posix())
    return sorted(found)


def test_list_files_split_by_folders(tmp_path: Path) -> None:
    """Slides are in the split that their folders name, with the annotation that counts."""
    files = tree(tmp_path)
    raws = slides_corpus(folder=str(tmp_path)).list_files()
    assert [(raw.file, raw.companions) for raw in raws] == [(file, (file.replace(".svs", ".csv"),)) for file in files]
    assert all(raw.file.startswith(raw.split) for raw in raws)


def test_a_slide_with_a_broken_link_is_a_bad_file(tmp_path: Path) -> None:
    """A slide or an annotation that leads nowhere makes one bad file, with its patient; the job does not open it."""
    files = tree(tmp_path, 10)
    for lost in (files[0], files[1].replace(".svs", ".csv")):
        (tmp_path / lost).unlink()
        (tmp_path / lost).symlink_to("gone")
    source = slides_corpus(folder=str(tmp_path), max_bad_fraction=0.2)
    bad = {one: why for batch in source.batches() for one, why in source.list_unusable(batch).items()}
    assert bad == {
        files[0]: "cannot be read: broken link",
        files[1]: f"{files[1].replace('.svs', '.csv')} cannot be read: broken link",
    }
    assert all(raw.group and raw.group in raw.file for raws in source.batches().values() for raw in raws)
    with pytest.raises(UserError, match=r"cannot be read: broken link\. Fetch .*max_bad_fraction"):
        slides_corpus(folder=str(tmp_path), max_bad_fraction=0.1).batches()


def test_one_slide_without_a_patient_is_not_used(tmp_path: Path) -> None:
    """A stray name is that slide's fault, unless a list of splits names it. Many of them stop the plan."""
    files = tree(tmp_path / "raw", 10)
    (tmp_path / "raw/train/scan 7.svs").touch()
    (tmp_path / "raw/train/scan 7.csv").touch()
    source = slides_corpus(folder=str(tmp_path / "raw"))
    assert sorted(raw.file for raws in source.batches().values() for raw in raws) == files
    assert list(source.list_nameless().reasons) == ["train/scan 7.svs"] and source.list_nameless().n_files == 11
    with pytest.raises(
        UserError, match=r"scan 7\.svs: its path gives no patient .* 1 of 11 files have no patient; at most"
    ):
        slides_corpus(folder=str(tmp_path / "raw"), max_bad_fraction=0.09).batches()
    found = discovery.find_slides(tmp_path / "raw")
    unused = discovery.explain_unused_files(found, {"train/scan 7.svs": "has no patient"})
    assert unused == {"train/scan 7.csv": "belongs to train/scan 7.svs, which has no patient"}
    listed = tmp_path / "list.csv"
    rows = "".join(f"{file},{file.partition('/')[0]}\n" for file in files)
    listed.write_text(f"slide,split\n{rows}scan 7,train\n")
    with pytest.raises(UserError, match=r"scan 7\.svs: its path gives no patient .* column patient next to slide\.$"):
        slides_corpus(folder=str(tmp_path / "raw"), splitting={"by": "list", "file": str(listed)}).batches()
    for name in files:
        (tmp_path / "raw" / name).rename(tmp_path / "raw" / f"{name}.x.svs".replace("0047778", "case"))
    with pytest.raises(UserError, match=r"its path gives no patient as names in TUDP do\."):
        slides_corpus(folder=str(tmp_path / "raw")).batches()


def test_list_files_split_by_list(tmp_path: Path) -> None:
    """Slides that a list does not name are left out."""
    files = tree(tmp_path / "raw")
    listed = tmp_path / "list.csv"
    listed.write_text(
        "slide,split\n" + "".join(f"{file},{s}\n" for file, s in zip(files, ("train", "dev", "eval"), strict=False))
    )
    source = slides_corpus(folder=str(tmp_path / "raw"), splitting={"by": "list", "file": str(listed)})
    assert [(raw.file, raw.split) for raw in source.list_files()] == list(
        zip(files[:3], ("train", "dev", "eval"), strict=True)
    )
    assert source.user_files() == {"list": listed}


def test_a_list_gives_patients_that_count_before_a_survey(tmp_path: Path) -> None:
    """Another patient in the list changes no batch, so only the samples are gathered again."""
    for name in "abc":
        write_slide(tmp_path / f"raw/{name}.svs", pixels(768, 256, ord(name)))
        write_csv(
            tmp_path / f"raw/{name}.csv", [("dcis", rectangle(0, 0, 256, 256)), ("indc", rectangle(300, 0, 256, 256))]
        )
    listed, splitting = tmp_path / "list.csv", {"by": "list", "file": str(tmp_path / "list.csv")}
    sizes = {"train": 2, "dev": 2, "eval": 2}

    def list_splits(patient: str) -> Any:
        listed.write_text(f"slide,patient,split\na,{patient},train\nb,Y,dev\nc,Z,eval\n")
        return slides_corpus(folder=str(tmp_path / "raw"), splitting=splitting, patch=64, sizes=sizes)

    source = list_splits("X")
    assert source.unwatched_files() == {"list": listed}
    files = {batch: tmp_path / f"{batch}.json" for batch in source.batches()}
    for batch, path in files.items():
        extract_batch(source, batch, tmp_path / "raw", path)
    assert source.load(files).parameters["groups"] == ["X", "Y", "Z"]
    assert list_splits("W").load(files).parameters["groups"] == ["W", "Y", "Z"]
    with pytest.raises(UserError, match=r"Y is in dev and, with a.svs, in train"):
        list_splits("Y").list_files()


def test_list_files_split_by_seed(tmp_path: Path) -> None:
    """Another seed assigns patients to other splits."""
    tree(tmp_path, 10)
    assigned = [
        {
            raw.file: raw.split
            for raw in slides_corpus(folder=str(tmp_path), splitting={"by": "seed"}, seed=seed).list_files()
        }
        for seed in (1, 2)
    ]
    assert assigned[0] != assigned[1]


def test_simulated_annotations_are_all_companions(tmp_path: Path) -> None:
    """All annotations of a simulated slide are its companions, and the first one counts."""
    source = slides_corpus(folder=None, stand_in=True, simulate=MADE)
    for raw in source.list_files():
        source.simulate(raw.file, tmp_path)
        assert all((tmp_path / name).is_file() for name in (raw.file, *raw.companions))
        with source.open_file(tmp_path, raw) as opened:
            read = set(opened.survey().sha256) - {raw.file}
        assert read == set(raw.companions[:1])
    with pytest.raises(TypeError, match="user's own"):
        slides_corpus().simulate("a.svs", tmp_path)


def test_prepare_simulated_slides(tmp_path: Path) -> None:
    """The real thing, small: slides, surveyed and cut, to a prepared dataset with its eval under the seal."""
    content = {
        "source": "slides",
        "stand_in": True,
        "simulate": MADE,
        "sizes": {"train": 12, "dev": 4, "eval": 4},
        "patch": 128,
        "max_bad_fraction": 0.2,
    }
    source = create_corpus(TypeAdapter[Any](Dataset).validate_python(content))
    layout = ResultPaths(str(tmp_path / "results"))
    files, folder = source.inputs(layout, "it"), source.find_folder(layout, "it")
    for batch, path in files.items():
        simulate_batch(source, batch, folder, Path(layout.simulated("it", batch)))
        extract_batch(source, batch, folder, path)
    manifest, seal = Path(layout.manifest("it")), Path(layout.seal("it"))
    prepare("it", source, files, manifest, seal)
    data = open_prepared(manifest)
    assert (data.train.x.shape, data.train.x.dtype) == ((12, 128, 128, 3), np.uint8)
    assert data.manifest["axes"] == ["sample", "row", "column", "channel"]
    assert data.manifest["counts"]["eval"] == {"dcis": 2, "indc": 2}
    statistics = data.manifest["statistics"]
    np.testing.assert_allclose(statistics["mean"], data.train.x.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(statistics["deviation"], data.train.x.std(axis=(0, 1, 2)))
    patches = data.manifest["parameters"]["patches"]
    assert (patches["side"], patches["mpp"], patches["mpp_from"][0]) == (128, 0.5, "openslide.mpp-x")
    [read] = patches["read"]
    assert read == {"level": 0, "pixels": 128, "slide_mpp": 0.5, "mpp_from": "openslide.mpp-x", "slides": 7}
    [(file, reason)] = data.manifest["parameters"]["bad_files"].items()
    assert file.endswith(".svs") and reason.startswith("OpenSlide cannot open it")
    check_origins(manifest.parent / "train/origins.tsv", data.train.x, folder)
    check_origins(seal.parent / "eval/origins.tsv", open_split(seal.parent / "eval").x, folder)


def check_origins(path: Path, x: Any, folder: Path) -> None:
    """Every patch is on its slide where its row says."""
    from openslide import OpenSlide

    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert len(rows) == len(x)
    for row, patch in zip(rows, x, strict=True):
        with OpenSlide(folder / row["file"]) as slide:
            region = slide.read_region((int(row["x"]), int(row["y"])), 0, patch.shape[:2])
        np.testing.assert_array_equal(composite_on_white(np.asarray(region)), patch)


@pytest.mark.skipif(not REAL.exists(), reason="the real slide is not here")
def test_load_refuses_copies_in_two_splits(tmp_path: Path) -> None:
    """A slide with two names in two splits is refused."""
    for number, split in enumerate(TWO):
        slide = tmp_path / "raw" / split / f"{NAME.format(number, 'abc'[number])}.svs"
        if split == "dev":
            write_slide(slide, pixels(1280, 1024))
        else:
            slide.parent.mkdir(parents=True)
            slide.symlink_to(REAL)
        regions = [("dcis", rectangle(300, 300, 400, 600)), ("indc", rectangle(750, 300, 400, 600))]
        write_csv(slide.with_suffix(".csv"), regions)
    source = slides_corpus(folder=str(tmp_path / "raw"), patch=128, sizes=TWO)
    layout = ResultPaths(str(tmp_path / "results"))
    files = source.inputs(layout, "it")
    for batch, path in files.items():
        extract_batch(source, batch, tmp_path / "raw", path)
        assert json.loads(path.read_text(encoding="utf-8"))["surveys"][0]["bad"] is None
    with pytest.raises(UserError, match=r"eval/0047778\S+svs in eval holds the same bytes as train/0047778\S+svs in t"):
        source.load(files)


def test_check_view_refuses_large_crops() -> None:
    """Crops larger than a patch and unsupported views are refused while the workflow is planned."""
    source = slides_corpus(patch=256)
    source.check_view(CropsView(kind="crops", side=128, downsample=2))
    with pytest.raises(ValueError, match="side 128 times downsample 3 is more than a patch of 256"):
        source.check_view(CropsView(kind="crops", side=128, downsample=3))
    with pytest.raises(ValueError, match="no view 'frames' of this dataset, but samples, features, crops"):
        source.check_view(FramesView(kind="frames"))
