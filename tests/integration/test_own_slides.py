"""Trees of slides that are not the generator's: a real slide under other names, annotated by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from blindtune.core.files import read_json
from blindtune.core.paths import ResultPaths
from blindtune.core.validation import parse
from blindtune.datasets.base import SPLITS
from blindtune.datasets.corpus.extraction import extract_batch
from blindtune.datasets.prepared import open_prepared, open_split, prepare
from blindtune.datasets.registry import create_corpus
from blindtune.datasets.slides.config import SlidesConfig
from support import slide_trees as trees
from support.builders import origins
from support.slide_files import REAL
from support.slide_trees import TreeSlide
from support.workflow_runs import snakemake

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not REAL.is_file(), reason=f"the real slide is not here ({REAL.name} of the shared data)"),
]

SIZES = {"train": 8, "dev": 4, "eval": 4}
#: All slides of the trees are the same one with other metadata, which is refused by default.
SMALL = {"patch": 128, "max_per_file": 6, "files_per_job": 3, "leaks": "report"}
PLAIN = {"patient": r"case (\d+) cut"}
LISTED = PLAIN | {"splitting": {"by": "list", "file": "LIST"}}
DRAWN = PLAIN | {"splitting": {"by": "seed"}}
NULL = {"classes": {"epithelium": ["dcis"], "none": ["null"]}}


@pytest.mark.parametrize(
    ("tree", "annotate", "settings"),
    [
        (trees.tudp_tree(), {".csv": trees.format_csv}, {}),
        (trees.tudp_tree(), {".xml": trees.format_xml}, {}),
        (trees.tudp_tree(), {".xml": trees.format_xml, ".csv": trees.format_csv}, NULL),
        (trees.plain_tree(), {".csv": trees.format_csv}, LISTED),
        (trees.plain_tree(), {".xml": trees.format_xml}, DRAWN | {"mpp": 1.0, "patch": 64}),
    ],
    ids=["tudp csv", "tudp xml", "tudp null", "plain csv by list", "plain xml by seed"],
)
def test_prepare_own_slides(
    tmp_path: Path, tree: list[TreeSlide], annotate: dict[str, Callable[[TreeSlide], str]], settings: dict[str, Any]
) -> None:
    """The user's own tree becomes a dataset with the right patches, classes and patients."""
    trees.write_tree(tmp_path / "own", tree, annotate)
    if settings.get("splitting", {}).get("file"):
        settings = settings | {"splitting": {"by": "list", "file": str(_write_split_list(tmp_path / "splits.csv"))}}
    content = {"source": "slides", "folder": str(tmp_path / "own"), "sizes": SIZES} | SMALL | settings
    config, paths = parse(SlidesConfig, content, "mine.yaml"), ResultPaths(str(tmp_path / "results"))
    source = create_corpus(config)
    files = source.inputs(paths, "own")
    for batch, path in files.items():
        extract_batch(source, batch, tmp_path / "own", path)
    manifest, seal = Path(paths.manifest("own")), Path(paths.seal("own"))
    prepare("own", source, files, manifest, seal)
    data = open_prepared(manifest)
    assert data.manifest["parameters"]["bad_files"] == {}
    assert len(data.manifest["parameters"]["equal_files"]) == len(source.list_files()) - 1
    assert data.classes == list(settings.get("classes", {"dcis": 1, "indc": 1}))
    owner = {slide.file: slide.patient for slide in tree}
    splits = {"train": data.train, "dev": data.dev, "eval": open_split(seal.parent / "eval")}
    patients = {}
    for split in SPLITS:
        x, y = splits[split].x, splits[split].y
        assert x.shape == (SIZES[split], config.patch, config.patch, 3) and x.dtype == np.uint8
        rows = origins((seal if split == "eval" else manifest).parent / split)
        assert [data.classes.index(row["class"]) for row in rows] == y.tolist()
        for row, patch in zip(rows, x, strict=True):
            place = int(row["x"]), int(row["y"])
            assert row["group"] == owner[row["file"]]
            np.testing.assert_array_equal(patch, _read_with_openslide(tmp_path / "own" / row["file"], place, config))
            assert _compute_coverage(row["class"], place, config) >= 0.5
        patients[split] = {row["group"] for row in rows}
    assert sum(map(len, patients.values())) == len(set.union(*patients.values())), "no patient in two splits"


def test_workflow_on_own_slides(tmp_path: Path) -> None:
    """From the raw tree to the report."""
    trees.write_tree(tmp_path / "own", trees.plain_tree(), {".xml": trees.format_xml})
    cut_short = tmp_path / "own" / trees.plain_tree()[3].file
    cut_short.write_bytes(cut_short.read_bytes()[:-1_000_000])
    config = {
        "name": "own",
        "seeds": [42],
        "compare": [{"dataset": "mine", "systems": ["near"], "budget": {"trials": 2}}],
        "datasets": {"mine": {"source": "slides", "folder": "own", "sizes": SIZES} | SMALL | DRAWN},
        "systems": {"near": {"kind": "knn", "n_neighbors": [1]}},
    }
    ended = snakemake(tmp_path, config)
    assert ended.returncode == 0, ended.stdout
    results = tmp_path / "results" / "own"
    manifest = read_json(results / "data" / "mine" / "manifest.json")
    [(file, reason)] = manifest["parameters"]["bad_files"].items()
    assert tmp_path / "own" / file == cut_short and "OpenSlide cannot open it" in reason
    assert manifest["stand_in"] is False
    assert "near" in (results / "report" / "report.html").read_text(encoding="utf-8")


def _write_split_list(path: Path) -> Path:
    """Write a list of splits that names some slides by their stem, others by their patient."""
    rows = ["slide,patient,split", "case 0 cut 0,,train", "case 0 cut 1,,train", ",1,train", ",2,dev", ",3,eval"]
    path.write_text("\n".join([*rows, ""]), encoding="utf-8")
    return path


def _read_with_openslide(path: Path, place: tuple[int, int], config: SlidesConfig) -> NDArray[np.uint8]:
    """Return a patch as OpenSlide reads it, on white and resized to the patch size."""
    from openslide import OpenSlide
    from PIL import Image

    pixels = config.patch if config.mpp == 0.5 else round(config.patch * 1.0 / 0.499)
    with OpenSlide(path) as slide:
        region = slide.read_region(place, 0, (pixels, pixels))
    white = Image.alpha_composite(Image.new("RGBA", region.size, "white"), region).convert("RGB")
    same = pixels == config.patch
    return np.asarray(white if same else white.resize((config.patch, config.patch), Image.Resampling.LANCZOS))


def _compute_coverage(name: str, place: tuple[int, int], config: SlidesConfig) -> float:
    """Return the fraction of a patch in the region of its class, cut to the slide; by shapely alone."""
    from shapely.geometry import Polygon, box

    side = config.patch if config.mpp == 0.5 else config.patch * 1.0 / 0.499
    polygon = {"dcis": trees.EPITHELIUM, "epithelium": trees.EPITHELIUM, "indc": trees.STROMA, "none": trees.CORNER}
    square = box(*place, place[0] + side, place[1] + side)
    inside = Polygon(polygon[name]).intersection(box(0, 0, *trees.SIZE)).intersection(square)
    return float(inside.area / square.area)
