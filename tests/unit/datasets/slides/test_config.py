"""What a config of slides may say, and what comes of it."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from blindtune.config.schema import Dataset, read_dataset
from blindtune.core.errors import UserError
from blindtune.core.paths import ResultPaths
from blindtune.datasets.corpus.extraction import extract_batch, simulate_batch
from blindtune.datasets.prepared import open_prepared, open_split, prepare
from blindtune.datasets.registry import create_corpus
from blindtune.datasets.slides.config import SimulatedSlidesConfig, SlidesConfig, SplittingConfig, TissueConfig
from blindtune.datasets.slides.reader import composite_on_white
from blindtune.views.config import CropsView, FramesView
from support.slide_files import REAL, rectangle, slides_config, slides_corpus, write_csv, write_slide
from support.slide_files import tissue as pixels

TWO = {"train": 2, "dev": 2, "eval": 2}
MADE = {"patients": TWO, "side": 1024, "faults": ["truncated", "null_region"]}
NAME = "0047778{}_aaaaaaa{}_s000_0hne_0000_a001_lvl001_t000"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folder": None}, "folder, simulate: give one of the two"),
        ({"simulate": {}}, "folder, simulate: give one of the two"),
        ({"folder": None, "simulate": {}}, "stand_in: must be true where the corpus is simulated"),
        ({"patient": "S\\d+"}, "patient: must have exactly one group in brackets"),
        ({"mpp": 0.5, "magnification": 20.0}, "mpp and magnification exclude each other"),
        ({"classes": {"a": ["dcis"]}}, "classes: .*at least 2"),
        ({"classes": {"a": ["dcis"], "b": ["dcis"]}}, "classes: each class needs labels of its own"),
        ({"classes": {"a": ["dcis"], "b": []}}, "classes: each class needs labels of its own"),
        ({"classes": {"a": ["dcis"], "b": [None]}}, "classes: YAML takes null for nothing; write it in quotes"),
        ({"classes": ["dcis", "indc"]}, "classes: Input should be a valid dictionary"),
        ({"sizes": {"train": 4, "dev": 3, "eval": 2}}, "sizes.dev: 3 is not a multiple of 2, the classes"),
        ({"classes": {"a": ["DCIS"], "b": ["x"]}}, "classes: labels are compared in lower case"),
        ({"splitting": {"by": "list"}}, "splitting: file: names the list"),
        ({"splitting": {"file": "a.csv"}}, "splitting: file: names the list"),
        ({"splitting": {"by": "seed", "dev": 0.5, "eval": 0.5}}, "leave nothing for train"),
        ({"splitting": {"by": "seed", "seed": 2}}, "splitting.seed: unknown key"),
        ({"tissue": {"blur": 1.0}}, "tissue.blur: unknown key"),
        ({"folder": None, "stand_in": True, "simulate": {"faults": ["fire"]}}, "simulate.faults.0: .*'no_mpp'"),
        ({"folder": None, "stand_in": True, "simulate": {"faults": ["damaged"] * 2}}, "simulate: faults: names one twice"),
        (
            {"folder": None, "stand_in": True, "simulate": {"patients": TWO | {"dev": 1}}},
            "simulate.patients: each split needs two, one of each class",
        ),
    ],
)
def test_a_wrong_config_is_named_by_its_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        slides_config(**changes)


def test_the_defaults_are_the_published_ones() -> None:
    settings = slides_config()
    assert (settings.patch, settings.class_names, settings.splitting.by) == (512, ["dcis", "indc"], "folders")
    assert settings.target_mpp == 0.5 and slides_config(magnification=40.0).target_mpp == 0.25
    assert slides_config(mpp=None).target_mpp is None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"magnification": 40.0},
        {"mpp": None},
        {"splitting": {"by": "seed"}},
        {"classes": {label: [label] for label in "abc"}, "sizes": {"train": 9, "dev": 3, "eval": 3}},
    ],
)
def test_a_config_is_the_same_when_a_job_reads_it(changes: dict[str, Any]) -> None:
    settings = slides_config(**changes)
    assert read_dataset(settings.model_dump(mode="json")).config == settings
    source = create_corpus(settings)
    extraction_config = read_dataset(source.extraction_config()).config
    split_config = read_dataset(source.split_config()).config
    assert isinstance(extraction_config, SlidesConfig) and isinstance(split_config, SlidesConfig)
    assert extraction_config.target_mpp == settings.target_mpp
    assert extraction_config.splitting == split_config.splitting == settings.splitting


def test_every_key_is_described() -> None:
    for model in (SlidesConfig, TissueConfig, SplittingConfig, SimulatedSlidesConfig):
        assert all(field.description for name, field in model.model_fields.items() if name != "source")


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


def test_slides_stand_where_their_folders_say_with_the_annotation_that_counts(tmp_path: Path) -> None:
    files = tree(tmp_path)
    raws = slides_corpus(folder=str(tmp_path)).list_files()
    assert [(raw.file, raw.companions) for raw in raws] == [(file, (file.replace(".svs", ".csv"),)) for file in files]
    assert all(raw.file.startswith(raw.split) for raw in raws)


def test_slides_that_a_list_does_not_name_are_passed_over(tmp_path: Path) -> None:
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


def test_another_seed_deals_patients_otherwise(tmp_path: Path) -> None:
    tree(tmp_path, 10)
    dealt = [
        {raw.file: raw.split for raw in slides_corpus(folder=str(tmp_path), splitting={"by": "seed"}, seed=seed).list_files()}
        for seed in (1, 2)
    ]
    assert dealt[0] != dealt[1]


def test_annotations_of_a_made_corpus_are_all_known_and_the_first_counts(tmp_path: Path) -> None:
    source = slides_corpus(folder=None, stand_in=True, simulate=MADE)
    for raw in source.list_files():
        source.simulate(raw.file, tmp_path)
        assert all((tmp_path / name).is_file() for name in (raw.file, *raw.companions))
        with source.open_file(tmp_path, raw) as opened:
            read = set(opened.survey().sha256) - {raw.file}
        assert read == set(raw.companions[:1])
    with pytest.raises(TypeError, match="user's own"):
        slides_corpus().simulate("a.svs", tmp_path)


def test_a_made_corpus_of_slides_becomes_a_dataset(tmp_path: Path) -> None:
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
    files, folder = source.inputs(layout, "it"), source.place(layout, "it")
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
def test_a_slide_under_two_names_in_two_splits_is_refused(tmp_path: Path) -> None:
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


def test_crops_larger_than_a_patch_are_refused_while_planning() -> None:
    source = slides_corpus(patch=256)
    source.check_view(CropsView(kind="crops", side=128, downsample=2))
    with pytest.raises(ValueError, match="side 128 times downsample 3 is more than a patch of 256"):
        source.check_view(CropsView(kind="crops", side=128, downsample=3))
    with pytest.raises(ValueError, match="no view 'frames' of this dataset, but samples, features, crops"):
        source.check_view(FramesView(kind="frames"))
