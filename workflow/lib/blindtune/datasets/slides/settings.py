"""The config of slides: how patches are prepared from a corpus, and how large a stand-in corpus is."""

from typing import Literal, Self

from pydantic import Field, model_validator

from blindtune.datasets.base import Sizes, check_pattern, check_shares
from blindtune.strict import Strict


class Tissue(Strict):
    """What a patch may show; see `blindtune.datasets.slides.tissue` for the rules."""

    white: float = Field(default=0.5, ge=0, le=1, description="largest share of white pixels")
    ink: float = Field(default=0.1, ge=0, le=1, description="largest share of ink, black included")
    focus: float = Field(
        default=40.0,
        ge=0,
        allow_inf_nan=False,
        description="least mean square of the Laplacian of green; sharp tissue at 0.5 µm has 100 to 3000",
    )


class Splitting(Strict):
    """Which patient goes to which split."""

    by: Literal["folders", "seed", "list"] = Field(
        default="folders",
        description="folders: by the folder train, dev or eval in each path; seed: patients in random order, in "
        "shares; list: by a file",
    )
    file: str | None = Field(
        default=None,
        description="by list: a CSV with a column split and a column slide (path below the folder, or stem) or patient",
    )
    dev: float = Field(default=0.2, gt=0, lt=1, description="by seed: share of the patients that goes to dev")
    eval: float = Field(default=0.2, gt=0, lt=1, description="by seed: share of the patients that goes to eval")
    seed: int = Field(default=1, description="by seed: another one gives another split")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.by == "list") != (self.file is not None):
            raise ValueError("file: names the list for `by: list`, and is for nothing else")
        check_shares(self.dev, self.eval)
        return self


class Patches(Strict):
    """How patches are found on a slide and cut from it."""

    classes: dict[str, list[str]] = Field(
        default={"dcis": ["dcis"], "indc": ["indc"]},
        min_length=2,
        description="the annotation labels that make up each class, in lower case; regions of other labels are ignored",
    )
    patch: int = Field(default=512, ge=16, description="side of a patch in pixels")
    mpp: float | None = Field(
        default=0.5,
        gt=0,
        allow_inf_nan=False,
        description="µm per pixel of a patch; none: the slide's own pixels, whatever their size",
    )
    magnification: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="instead of mpp, where 10 / magnification µm are a pixel"
    )
    assumed_mpp: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="µm per pixel of slides that do not say it, nor their annotations; none: such a slide is bad",
    )
    cover: float = Field(default=0.5, gt=0, le=1, description="least share of a patch that its class must cover")
    other: float = Field(default=0.05, ge=0, le=1, description="largest share of a patch that another class may cover")
    overlap: float = Field(
        default=0.0, ge=0, lt=1, description="largest share of a patch that another patch of the slide may hold too"
    )
    tissue: Tissue = Field(default=Tissue(), description="which patches are left out for what they show")
    candidates: int = Field(default=100, gt=0, description="most patches of one class from one slide")
    draws: int = Field(default=20, gt=0, description="places tried for each of these, at most")
    bad_tiles: int = Field(
        default=3, ge=0, description="most damaged tiles that are met before a slide is bad as a whole"
    )
    seed: int = Field(default=1, description="another seed places the patches elsewhere")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.magnification is not None and "mpp" in self.model_fields_set and self.mpp is not None:
            raise ValueError("mpp and magnification exclude each other")
        labels = [label for found in self.classes.values() for label in found]
        if len(labels) > len(set(labels)) or not all(self.classes.values()):
            raise ValueError("classes: each class needs labels of its own")
        if any(label != label.strip().lower() for label in labels):
            raise ValueError("classes: labels are compared in lower case; write them so")
        return self

    @property
    def wanted_mpp(self) -> float | None:
        """µm per pixel of a patch, from whichever key says it."""
        return self.mpp if self.magnification is None else 10 / self.magnification


class Corpus(Strict):
    """Where slides are found, whose they are, and how many bad ones are put up with."""

    folder: str = Field(description="folder of the slides, at any depth, each with its annotation beside it")
    patient: str | None = Field(
        default=None,
        description="a regular expression with one group in brackets, searched in the path below the folder, that "
        "gives the patient; none: names as in TUDP. '([^/]+)\\.\\w+$' makes each slide a patient of its own",
    )
    splitting: Splitting = Field(default=Splitting(), description="which patient goes to which split")
    most_bad: float = Field(default=0.2, ge=0, le=1, description="largest share of bad slides that is put up with")
    strict: bool = Field(default=False, description="true: the first bad slide stops the run")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_pattern("patient", self.patient)
        return self


class StandIn(Strict):
    """A corpus of made slides, in the layout of TUDP v3."""

    patients: Sizes = Field(
        default=Sizes(train=12, dev=4, eval=4), description="patients per split; every second one has two slides"
    )
    side: int = Field(default=2048, ge=1024, description="width and height of a slide in pixels")
    regions: int = Field(default=3, ge=3, description="pieces of annotated tissue on each slide, one of no class")
    mpp: float = Field(default=0.5, gt=0, allow_inf_nan=False, description="µm per pixel")
    mixed: float = Field(default=0.0, ge=0, le=1, description="share of the patients that show both classes")
    faults: bool = Field(
        default=True, description="true: some more slides of train have faults, for tests of the checks"
    )
    seed: int = Field(default=1, description="another seed gives another corpus")
