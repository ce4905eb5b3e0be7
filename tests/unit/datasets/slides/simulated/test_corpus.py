"""The stand-in corpus of slides, and what the preparation finds in it."""

import hashlib
from pathlib import Path

import pytest

from blindtune.core.errors import UserError
from blindtune.datasets.base import SPLITS, Sizes
from blindtune.datasets.corpus.survey import Survey, check_bad_fraction, check_groups, list_bad_files
from blindtune.datasets.slides.config import CORRUPTIONS, SimulatedSlidesConfig, SplittingConfig
from blindtune.datasets.slides.discovery import SlideFile, assign_splits, find_slides, parse_paths
from blindtune.datasets.slides.features import compute_stain_texture
from blindtune.datasets.slides.simulated.corpus import SlidesSimulator, list_slides
from blindtune.datasets.slides.survey import cut, survey
from support.slide_files import slides_config

SETTINGS = SimulatedSlidesConfig(patients=Sizes(train=4, dev=2, eval=2), side=1024, faults=list(CORRUPTIONS))
PATCHES = slides_config(patch=128)


#: The list of bad files of this corpus, by the patient's digits and the slide's number.
GOLDEN = {
    ("00477780", "a004"): "is damaged: more than 3 of its tiles cannot be read",
    ("00477787", "a002"): "says nowhere how large its pixels are (assumed_mpp in the config can)",
    ("00477787", "a004"): "OpenSlide cannot open it (Unsupported or missing image file)",
    ("00477794", "a005"): "its annotation is that of 00477794_aaaaaaac_s000_0hne_0000_a105_lvl001_t000",
    ("00477801", "a005"): "has no annotation next to it",
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slides")
    for file in SlidesSimulator(SETTINGS).list_files():
        SlidesSimulator(SETTINGS).write(file, folder)
    return folder


@pytest.fixture(scope="module")
def surveys(corpus: Path) -> dict[str | None, Survey]:
    """One for each slide, by the fault; the last one of those without any stands under None."""
    found = in_folder(corpus)
    parts = assign_splits(found, SplittingConfig(), 1)
    faults = {slide.file: slide.fault or slide.file for slide in list_slides(SETTINGS)}
    return {faults[one.file]: survey(corpus, one, parts[one.file], PATCHES) for one in found}


def in_folder(folder: Path) -> list[SlideFile]:
    return parse_paths(find_slides(folder).annotations, None)


def digest(folder: Path, file: str) -> str:
    return hashlib.sha256((folder / file).read_bytes()).hexdigest()


def test_list_files_equals_what_is_written(corpus: Path):
    """Every file is known before it is written."""
    made = {path.relative_to(corpus).as_posix() for path in corpus.rglob("*") if path.is_file()}
    known = SlidesSimulator(SETTINGS).list_files()
    assert made == set(known) | {sidecar for sidecars in known.values() for sidecar in sidecars}
    kinds = {tuple(sidecar.rsplit(".", 1)[1] for sidecar in sidecars) for sidecars in known.values()}
    assert kinds == {("csv",), ("xml",), ("csv", "xml"), ()}


def test_simulated_tree_is_parsed_as_planned(corpus: Path):
    """Discovery finds patients and splits as planned."""
    found = in_folder(corpus)
    slides = {slide.file: slide for slide in list_slides(SETTINGS)}
    assert {one.file for one in found} == set(slides)
    for one in found:
        assert slides[one.file].patient.startswith(one.patient)
    assert assign_splits(found, SplittingConfig(), 1) == {file: slide.split for file, slide in slides.items()}


@pytest.mark.parametrize("place", [0, 5, -1])
def test_write_is_reproducible(corpus: Path, tmp_path: Path, place: int):
    """A slide has the same bytes if it is written alone or again."""
    file, sidecars = list(SlidesSimulator(SETTINGS).list_files().items())[place]
    SlidesSimulator(SETTINGS).write(file, tmp_path)
    for name in (file, *sidecars):
        assert digest(tmp_path, name) == digest(corpus, name)


def test_write_differs_by_slide_and_seed(corpus: Path, tmp_path: Path):
    """Slides differ from each other and by seed."""
    good = [file for file in SlidesSimulator(SETTINGS).list_files() if not file.startswith("v3.0.0/svs/train")]
    assert len({digest(corpus, file) for file in good}) == len(good)
    SlidesSimulator(SETTINGS.model_copy(update={"seed": 2})).write(good[0], tmp_path)
    assert digest(tmp_path, good[0]) != digest(corpus, good[0])


def test_simulated_faults_make_bad_files(surveys: dict[str, Survey]):
    """Exactly the slides with a severe fault are bad."""
    bad = list_bad_files(list(surveys.values()))
    parts = [(Path(file).stem.split("_"), reason) for file, reason in bad]
    assert {(name[0], name[5]): reason for name, reason in parts} == GOLDEN


def test_simulated_faults_that_are_tolerated(surveys: dict[str, Survey]):
    """The other faults are tolerated and recorded."""
    assert surveys["no_mpp"].facts["mpp_from"] == "annotation"
    assert "reaches past the slide's edge" in surveys["past_edge"].facts["oddities"][0]
    assert surveys["null_region"].facts["regions"]["null"] == 1
    assert "crosses itself" in surveys["self_crossing"].facts["oddities"][0]
    assert "has no area" in surveys["empty_region"].facts["oddities"][0]
    assert sum(surveys["damaged_tile"].left_out["damaged"].values()) >= 1
    for fault in set(CORRUPTIONS) - {"no_scale", "damaged", "truncated", "wrong_pair", "no_annotation"}:
        assert surveys[fault].bad is None
        assert surveys[fault].candidates


def test_simulated_splits_have_every_class(surveys: dict[str, Survey]):
    """Every split has candidates of every class."""
    offered = {(one.split, candidate.label) for one in surveys.values() for candidate in one.candidates}
    assert offered == {(split, label) for split in SPLITS for label in ("dcis", "indc")}


def test_simulated_patients_and_bad_fraction(surveys: dict[str, Survey]):
    """Patients are in one split, and too many bad files stop the run."""
    check_groups(list(surveys.values()))
    check_bad_fraction(list(surveys.values()), 0.25, strict=False)
    with pytest.raises(UserError, match=r"5 of .* files are bad"):
        check_bad_fraction(list(surveys.values()), 0.1, strict=False)


def test_simulated_deeper_cut_resembles_its_twin(corpus: Path, surveys: dict[str, Survey]):
    """A deeper cut is nearly the same slide of the same patient."""
    deeper = surveys["deeper_cut"]
    twin = next(one for one in surveys.values() if one.file == deeper.file.replace("_deep_", "_0000_"))
    assert "_deep_" in deeper.file
    assert (deeper.group, deeper.split) == (twin.group, twin.split)
    assert deeper.sha256[deeper.file] != twin.sha256[twin.file]
    ours, theirs = (cut(corpus / file, twin.candidates, twin.facts) for file in (deeper.file, twin.file))
    assert 0 < abs(ours.astype(int) - theirs).mean() < 6


def test_simulated_colours_are_those_of_the_stains(corpus: Path, surveys: dict[str, Survey]):
    """The colours are those of haematoxylin and eosin."""
    for one in surveys.values():
        if one.candidates:
            red, green, blue = cut(corpus / one.file, one.candidates, one.facts).mean(axis=(0, 1, 2))
            assert red > blue - 20 > green - 10


def test_compute_stain_texture_per_patch(corpus: Path, surveys: dict[str, Survey]):
    """Features have one row per patch and do not depend on the order."""
    one = next(one for one in surveys.values() if len(one.candidates) > 1)
    patches = cut(corpus / one.file, one.candidates, one.facts)
    features = compute_stain_texture(patches)
    assert features.shape == (len(patches), 21)
    assert (features == compute_stain_texture(patches[::-1])[::-1]).all()


def test_write_refuses_unknown_slides(tmp_path: Path):
    """An unknown slide is refused."""
    with pytest.raises(UserError, match=r"other.svs: is not a slide of the simulated"):
        SlidesSimulator(SETTINGS).write("other.svs", tmp_path)


def test_simulated_corpus_without_faults():
    """A corpus without faults has no slide with a fault."""
    assert {slide.fault for slide in list_slides(SETTINGS.model_copy(update={"faults": []}))} == {None}
