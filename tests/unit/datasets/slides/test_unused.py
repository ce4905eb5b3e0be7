"""What of a folder of slides is not used."""

import numpy as np

from blindtune.datasets.base import LoadedDataset, Split, TsvTable
from blindtune.datasets.corpus.survey import Candidate, Survey
from blindtune.datasets.slides.unused import add_unused

CLASSES = {"dcis": ["dcis"], "indc": ["indc"]}
EMPTY = Split(x=np.zeros((0, 2)), y=np.zeros(0, np.int64))
LOADED = LoadedDataset(
    splits=dict.fromkeys(("train", "dev", "eval"), EMPTY),
    classes=list(CLASSES),
    axes=["sample", "channel"],
    units="",
    bad_files=TsvTable(("file", "reason"), [("bad.svs", "is damaged")]),
    notes=["a note"],
)


def survey(file: str, group: str, candidates: int = 0, **more: object) -> Survey:
    found = [Candidate(label="dcis", place={"x": at, "y": 0}) for at in range(candidates)]
    return Survey.model_validate(
        {"file": file, "sha256": {file: ""}, "group": group, "split": "train", "candidates": found, **more}
    )


def test_add_unused_lists_files_regions_slides_and_patients() -> None:
    """Everything that gives no sample is named with its reason; bad slides are elsewhere."""
    surveys = [
        survey("a.svs", "1", 2, facts={"regions": {"dcis": 2, "": 1}, "oddities": ["region 1 (dcis) crosses itself"]}),
        survey("b.svs", "1", facts={"regions": {}}),
        survey("b2.svs", "1", facts={"regions": {}, "oddities": ["region 1 (dcis) cannot be used: why"]}),
        survey("c.svs", "2", facts={"regions": {"norm": 2}}),
        survey("d.svs", "3", 1, facts={"regions": {"dcis": 1, "indc": 1}}),
        survey("e.svs", "3", facts={"regions": {"dcis": 1}}, left_out={"white": {"dcis": 7}}),
        survey("bad.svs", "4", facts={"oddities": ["region 1 (dcis) has no area"]}),
    ]
    found = add_unused(LOADED, CLASSES, surveys, {"p1_mask.tif": "its name is that of a mask of p1.svs"})
    assert found.unused is not None
    assert found.unused.rows == [
        ("file", "p1_mask.tif", "its name is that of a mask of p1.svs"),
        ("region", "a.svs", "region 1 (dcis) crosses itself"),
        ("region", "a.svs", "1 region without a label: of no class"),
        ("region", "b2.svs", "region 1 (dcis) cannot be used: why"),
        ("region", "c.svs", "2 regions of the label norm: of no class"),
        ("slide", "b.svs", "its annotation has no region"),
        ("slide", "b2.svs", "its annotation has no region that can be used"),
        ("slide", "c.svs", "none of its regions is of a class, their labels are 'norm'"),
        ("slide", "e.svs", "no place is good enough for a patch; left out: 7 white"),
        ("patient", "2", "none of its slides offers a sample"),
        ("patient", "4", "none of its slides offers a sample"),
    ]
    assert found.parameters["unused"] == {"file": 1, "region": 4, "slide": 4, "patient": 2}


def test_add_unused_adds_nothing_where_all_is_used() -> None:
    """Where everything is used, the data stay as they are."""
    surveys = [survey("a.svs", "1", 1, facts={"regions": {"dcis": 1, "indc": 1}, "oddities": []})]
    assert add_unused(LOADED, CLASSES, surveys, {}) is LOADED


def test_add_unused_names_labels_that_no_region_has() -> None:
    """A misspelt label, of a class that has others, is named with what it may be; one that a bad slide has, as well."""
    classes = {"tumour": ["dcis", "invassive"], "other": ["norm", "null"]}
    surveys = [
        survey("a.svs", "1", 1, facts={"regions": {"dcis": 1, "invasive": 2, "norm": 1, "": 1}}),
        survey("bad.svs", "1", facts={"regions": {"null": 2}}),
    ]
    found = add_unused(LOADED, classes, surveys, {})
    assert found.unused is not None
    assert [row for row in found.unused.rows if row[0] == "label"] == [
        ("label", "invassive", "of the class tumour, no region of a slide that is not bad has it; is it invasive?"),
        ("label", "null", "of the class other, no region of a slide that is not bad has it"),
    ]
    assert found.parameters["unused"] == {"file": 0, "region": 2, "slide": 0, "patient": 0, "label": 2}
