"""The config of the source `slides`, and of its simulated corpus."""

import unicodedata
from collections.abc import Sequence
from math import fsum, hypot
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from blindtune.core.bounds import MAX_FLOAT, MAX_MPP, MAX_PER_FILE, MAX_PIXELS, MAX_PLACES, MAX_SEED
from blindtune.core.validation import Strict, UserPath
from blindtune.datasets.base import SPLITS, Sizes, check_shares
from blindtune.datasets.corpus.config import CorpusConfig
from blindtune.datasets.slides.labels import normalize_label

SlideCorruption = Literal[
    "no_mpp",
    "no_scale",
    "past_edge",
    "null_region",
    "self_crossing",
    "empty_region",
    "deeper_cut",
    "damaged_tile",
    "damaged",
    "truncated",
    "wrong_pair",
    "no_annotation",
]
CORRUPTIONS: tuple[SlideCorruption, ...] = get_args(SlideCorruption)
#: Suffixes of annotations; if a slide has several, the first of these counts.
ANNOTATIONS = (".csv", ".xml", ".geojson", ".json", ".annotations")


#: A number of a target: no optical density, and no l, alpha or beta of 8 bits, is larger.
Finite = Annotated[float, Field(ge=-20, le=20)]


class TissueConfig(Strict):
    """Limits on the content of a patch; `blindtune.datasets.slides.quality` has the rules."""

    max_white: float = Field(default=0.5, ge=0, le=1, description="maximum share of white pixels in a patch")
    max_ink: float = Field(
        default=0.1, ge=0, le=1, description="maximum share of pixels of ink in a patch, black included"
    )
    min_focus: float = Field(
        default=40.0,
        ge=0,
        le=MAX_FLOAT,
        description="minimum mean square of the Laplacian of the green channel; sharp tissue at 0.5 µm has 100 to 3000",
    )
    min_tissue: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="minimum share of a patch that is tissue in the mask of the slide: Otsu's threshold on the "
        "saturation of a small picture of it; 0: no mask is made",
    )


#: Two stains are told apart if the sine of the angle between them is at least this.
MIN_ANGLE = 0.05
#: Published targets. Macenko: unit vectors and 99th percentiles of optical density, from the code of Macenko et al.
#: (2009). Reinhard: slide TCGA-A2-A3XS-DX1 in l, alpha, beta, as Amgad et al. (2019) and HistomicsTK use it.
STAIN_TARGETS: dict[str, dict[str, list[float]]] = {
    "macenko": {
        "haematoxylin": [0.5626, 0.7201, 0.4062],
        "eosin": [0.2159, 0.8012, 0.5581],
        "maxima": [1.9705, 1.0308],
    },
    "reinhard": {
        "mean": [8.74108109, -0.12440419, 0.0444982],
        "deviation": [0.6135447, 0.10989545, 0.0286032],
    },
}


def are_parallel(first: Sequence[float], second: Sequence[float]) -> bool:
    """Return whether two stains have nearly the same direction, so that their amounts cannot be told apart.

    Args:
        first: optical density in red, green and blue, not all 0.
        second: as ``first``.
    """
    cosine = fsum(a * b for a, b in zip(first, second, strict=True)) / (hypot(*first) * hypot(*second))
    return 1 - cosine**2 < MIN_ANGLE**2


class StainNormalizationConfig(Strict):
    """How the colours of every slide are mapped to those of one target."""

    method: Literal["macenko", "reinhard"] = Field(
        description="macenko: the two stains and their amounts; reinhard: mean and deviation of the colours"
    )
    target: dict[str, list[Finite]] | None = Field(
        default=None,
        description="macenko: haematoxylin and eosin (optical density in red, green and blue) and maxima (of both "
        "stains); reinhard: mean and deviation (of l, alpha and beta); null: published ones",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.target is None:
            return self
        published = STAIN_TARGETS[self.method]
        if {key: len(values) for key, values in self.target.items()} != {k: len(v) for k, v in published.items()}:
            wanted = ", ".join(f"{key} ({len(values)} numbers)" for key, values in published.items())
            raise ValueError(f"target: needs for {self.method} exactly {wanted}")
        above_zero = [value for key, values in self.target.items() if key != "mean" for value in values]
        if min(above_zero) < 0 or not all(any(values) for values in self.target.values()):
            raise ValueError("target: stains, maxima and deviations are not below 0, and not all 0")
        if self.method == "macenko" and are_parallel(self.target["haematoxylin"], self.target["eosin"]):
            raise ValueError("target: haematoxylin and eosin are one colour")
        return self

    @property
    def values(self) -> dict[str, list[float]]:
        """The target, or the published one."""
        return self.target or STAIN_TARGETS[self.method]


class SplittingConfig(Strict):
    """How patients are assigned to splits."""

    by: Literal["folders", "seed", "list"] = Field(
        default="folders",
        description="folders: by the folder train, dev or eval in each path; seed: patients at random, in shares; "
        "list: by a file",
    )
    file: UserPath | None = Field(
        default=None,
        description="for by: list, a CSV with a column split and a column slide (path below the folder, or name "
        "without suffix) or patient, or both: then patient is that of the slide; slides that it does not name are left "
        "out; null: for the other values of by",
    )
    dev: float = Field(default=0.2, gt=0, lt=1, description="for by: seed, share of the patients in dev")
    eval: float = Field(default=0.2, gt=0, lt=1, description="for by: seed, share of the patients in eval")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.by == "list") != (self.file is not None):
            raise ValueError("file: names the list for `by: list`, and is for nothing else")
        check_shares(self.dev, self.eval)
        return self


class SimulatedSlidesConfig(Strict):
    """The config of a simulated corpus in the layout of TUDP v3."""

    patients: Sizes = Field(
        default=Sizes(train=12, dev=4, eval=4),
        description="number of patients in each split; every second one has two slides",
    )
    side: int = Field(default=2048, ge=1024, le=100_000, description="width and height of a slide in pixels")
    regions: int = Field(
        default=3,
        ge=3,
        le=1000,
        description="number of pieces of annotated tissue on each slide, one of them of no class",
    )
    mpp: float = Field(default=0.5, gt=0, le=MAX_MPP, description="µm per pixel")
    mixed: float = Field(default=0.0, ge=0, le=1, description="probability that a patient has both classes")
    seed: int = Field(default=1, ge=0, le=MAX_SEED, description="seed of the corpus")
    faults: list[SlideCorruption] = Field(
        default_factory=lambda: list[SlideCorruption](
            ["no_mpp", "past_edge", "null_region", "deeper_cut", "truncated"]
        ),
        description="deliberate faults: train has one more slide for each",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.faults)) < len(self.faults):
            raise ValueError("faults: names one twice")
        return self


class SlidesConfig(CorpusConfig):
    """Patches of whole-slide images, ductal carcinoma in situ or invasive, as dataset 11 of Shawki et al. 2021."""

    source: Literal["slides"]
    folder: UserPath | None = Field(
        default=None,
        description="folder of the corpus: a TUDP tree, or any folder of slides, each with its annotation "
        "next to it; null: the corpus is simulated",
    )
    simulate: SimulatedSlidesConfig | None = Field(
        default=None, description="a simulated corpus, which the workflow writes; null: use folder"
    )
    splitting: SplittingConfig = Field(default=SplittingConfig(), description="how patients are assigned to splits")
    classes: dict[str, list[str]] = Field(
        default={"dcis": ["dcis"], "indc": ["indc"]},
        min_length=2,
        description="the annotation labels of each class, in lower case; regions of other labels are ignored",
    )
    patch: int = Field(default=512, ge=16, le=MAX_PIXELS, description="side of a patch in pixels")
    mpp: float | None = Field(
        default=0.5,
        gt=0,
        le=MAX_MPP,
        description="µm per pixel of a patch; null: the pixels of the slide's full resolution, of any size",
    )
    magnification: float | None = Field(
        default=None,
        gt=0,
        le=MAX_MPP,
        description="instead of mpp: a pixel of a patch has 10 / magnification µm, e.g. 20 for 0.5; null: mpp counts",
    )
    assumed_mpp: float | None = Field(
        default=None,
        gt=0,
        le=MAX_MPP,
        description="µm per pixel of a slide whose file and annotation do not give it; null: such a slide is bad",
    )
    annotation_origin: Literal["slide", "bounds"] | None = Field(
        default=None,
        description="where annotations have x and y 0: slide: the upper left corner of the slide; bounds: that of the "
        "scanned area (openslide.bounds-x and -y), as QuPath and ImageScope write for MIRAX and SCN; null: as slide, "
        "but a slide whose regions suggest bounds is bad",
    )
    min_coverage: float = Field(
        default=0.5, gt=0, le=1, description="minimum share of a patch that regions of its class cover"
    )
    max_other: float = Field(
        default=0.05, ge=0, le=1, description="maximum share of a patch that regions of another class cover"
    )
    max_overlap: float = Field(
        default=0.0, ge=0, lt=1, description="maximum share of a patch that is also in another patch of the slide"
    )
    tissue: TissueConfig = Field(default=TissueConfig(), description="limits on the content of a patch")
    stain_normalization: StainNormalizationConfig | None = Field(
        default=None,
        description="patches get the colours of one target, by one transform for each slide; null: colours as scanned",
    )
    max_attempts: int = Field(
        default=20, gt=0, le=MAX_PER_FILE, description="number of places that are tried for each patch of max_per_file"
    )
    bad_tiles: int = Field(
        default=3,
        ge=0,
        le=MAX_PER_FILE,
        description="maximum number of damaged tiles; with more, the whole slide is bad",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_scale(cls, content: Any) -> Any:
        """Ignore the default of mpp if the magnification is given."""
        has_magnification = isinstance(content, dict) and content.get("magnification") is not None
        return {"mpp": None} | content if has_magnification else content

    @field_validator("classes", mode="before")
    @classmethod
    def _check_null(cls, classes: Any) -> Any:
        label_lists = classes.values() if isinstance(classes, dict) else ()
        if any(isinstance(labels, list) and None in labels for labels in label_lists):
            raise ValueError('YAML takes null for nothing; write it in quotes where it is a label: "null"')
        return classes

    @field_validator("classes")
    @classmethod
    def _encode_labels(cls, classes: dict[str, list[str]]) -> dict[str, list[str]]:
        """Encode each letter in one way, since nobody sees in which an editor does."""
        return {name: [unicodedata.normalize("NFC", label) for label in labels] for name, labels in classes.items()}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.magnification is not None and self.mpp is not None:
            raise ValueError("mpp and magnification exclude each other")
        if self.max_per_file * self.max_attempts > MAX_PLACES:
            raise ValueError(f"max_per_file times max_attempts is more than {MAX_PLACES:,} places; lower one of them")
        labels = [label for found in self.classes.values() for label in found]
        if len(labels) > len(set(labels)) or not all(self.classes.values()):
            raise ValueError("classes: each class needs labels of its own")
        wrong = next((label for label in labels if label != normalize_label(label)), None)
        if wrong is not None:
            raise ValueError(
                f"classes: labels are compared in lower case and with single spaces; write {normalize_label(wrong)!r}"
            )
        if self.simulate is not None and min(getattr(self.simulate.patients, split) for split in SPLITS) < 2:
            raise ValueError("simulate.patients: each split needs two, one of each class")
        return self

    @property
    def target_mpp(self) -> float | None:
        """µm per pixel of a patch, from mpp or from magnification; None: the pixels of the full resolution."""
        return self.mpp if self.magnification is None else 10 / self.magnification

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, in the order of the config."""
        return list(self.classes)
