"""The config of the source `slides`, and of the stand-in corpus that it can make."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from blindtune.core.errors import UserError
from blindtune.core.validation import Strict
from blindtune.datasets.base import SPLITS, Sizes, check_shares
from blindtune.datasets.corpus.config import Corpus, RawFile
from blindtune.datasets.corpus.filetree import check_annotated
from blindtune.datasets.corpus.survey import Candidate, Survey, check_apart

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from blindtune.datasets.slides.discovery import SlideFile
    from blindtune.views.config import AnyView

Fault = Literal[
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
FAULTS: tuple[Fault, ...] = get_args(Fault)
#: How annotations end; where several stand beside a slide, the first of these counts.
ANNOTATIONS = (".csv", ".xml")


class Tissue(Strict):
    """What a patch may show; see `blindtune.datasets.slides.quality` for the rules."""

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
        description="by list: a CSV with a column split and a column slide (path below the folder, or stem) or "
        "patient; slides that it does not name are passed over",
    )
    dev: float = Field(default=0.2, gt=0, lt=1, description="by seed: share of the patients that goes to dev")
    eval: float = Field(default=0.2, gt=0, lt=1, description="by seed: share of the patients that goes to eval")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.by == "list") != (self.file is not None):
            raise ValueError("file: names the list for `by: list`, and is for nothing else")
        check_shares(self.dev, self.eval)
        return self


class MadeSlides(Strict):
    """A made corpus in the layout of TUDP v3."""

    patients: Sizes = Field(
        default=Sizes(train=12, dev=4, eval=4), description="patients per split; every second one has two slides"
    )
    side: int = Field(default=2048, ge=1024, description="width and height of a slide in pixels")
    regions: int = Field(default=3, ge=3, description="pieces of annotated tissue on each slide, one of no class")
    mpp: float = Field(default=0.5, gt=0, allow_inf_nan=False, description="µm per pixel")
    mixed: float = Field(default=0.0, ge=0, le=1, description="share of the patients that show both classes")
    seed: int = Field(default=1, description="another seed gives another corpus")
    faults: list[Fault] = Field(
        default_factory=lambda: list[Fault](["no_mpp", "past_edge", "null_region", "deeper_cut", "truncated"]),
        description="one more slide of train for each, which has this fault on purpose",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.faults)) < len(self.faults):
            raise ValueError("faults: names one twice")
        return self


class Slides(Corpus):
    """Patches of whole slides, ductal carcinoma in situ against invasive, as in dataset #11 of Shawki et al. 2021."""

    views: ClassVar[tuple[str, ...]] = ("samples", "features", "crops")
    dealt_by: ClassVar[tuple[str, ...]] = ("splitting",)

    source: Literal["slides"]
    folder: str | None = Field(
        default=None,
        description="a TUDP tree, or any folder of slides, each with its annotation (.csv, .xml) beside it",
    )
    made: MadeSlides | None = Field(
        default=None, description="a stand-in corpus, made by the workflow, instead of folder"
    )
    splitting: Splitting = Field(default=Splitting(), description="which patient goes to which split")
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
    draws: int = Field(default=20, gt=0, description="places tried for each of the candidates, at most")
    bad_tiles: int = Field(
        default=3, ge=0, description="most damaged tiles that are met before a slide is bad as a whole"
    )

    @model_validator(mode="before")
    @classmethod
    def _one_scale(cls, content: Any) -> Any:
        """Where the magnification is given, the default of mpp does not count."""
        given = isinstance(content, dict) and content.get("magnification") is not None
        return {"mpp": None} | content if given else content

    @field_validator("classes", mode="before")
    @classmethod
    def _check_null(cls, classes: Any) -> Any:
        of_each = classes.values() if isinstance(classes, dict) else ()
        if any(isinstance(labels, list) and None in labels for labels in of_each):
            raise ValueError('YAML takes null for nothing; write it in quotes where it is a label: "null"')
        return classes

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.magnification is not None and self.mpp is not None:
            raise ValueError("mpp and magnification exclude each other")
        labels = [label for found in self.classes.values() for label in found]
        if len(labels) > len(set(labels)) or not all(self.classes.values()):
            raise ValueError("classes: each class needs labels of its own")
        if any(label != label.strip().lower() for label in labels):
            raise ValueError("classes: labels are compared in lower case; write them so")
        if self.made is not None and min(getattr(self.made.patients, split) for split in SPLITS) < 2:
            raise ValueError("made.patients: each split needs two, one of each class")
        return self

    @property
    def wanted_mpp(self) -> float | None:
        """µm per pixel of a patch, from whichever key says it."""
        return self.mpp if self.magnification is None else 10 / self.magnification

    def names(self) -> list[str]:
        """The classes in the order of the config."""
        return list(self.classes)

    def is_simulated(self) -> bool:
        """Whether the corpus is a stand-in."""
        return self.made is not None

    def check_view(self, view: "AnyView") -> None:
        """Refuse a view that patches do not have, or crops larger than they are; raises ValueError."""
        super().check_view(view)
        if view.view == "crops" and view.side * view.downsample > self.patch:
            raise ValueError(
                f"sees: side {view.side} times downsample {view.downsample} is more than a patch of {self.patch} has"
            )

    def given(self) -> dict[str, Path]:
        """The list of the splits, if there is one."""
        return super().given() | ({"list": Path(self.splitting.file)} if self.splitting.file else {})

    def list_files(self) -> list[RawFile]:
        """The slides that stand in a split, each with its annotation."""
        from blindtune.datasets.slides import discovery as corpus
        from blindtune.datasets.slides.simulated import corpus as standin

        splits = corpus.splits_of(list(self._found.values()), self.splitting, self.seed)
        check_apart((file, self._found[file].patient, split) for file, split in splits.items())
        beside = {file: [one.annotation] if one.annotation else [] for file, one in self._found.items()}
        if self.made is not None:
            beside = standin.files(self.made)
        check_annotated(beside.values(), ANNOTATIONS)
        return [RawFile(file, tuple(beside[file]), split) for file, split in splits.items()]

    def simulate(self, file: str, folder: Path) -> None:
        """Make one slide of the stand-in and its annotations."""
        from blindtune.datasets.slides.simulated import corpus as standin

        if self.made is None:
            raise TypeError("this corpus is the user's own")
        standin.write(self.made, file, folder)

    def survey(self, folder: Path, raw: RawFile) -> Survey:
        """Where patches can be cut from a slide, or what is wrong with it."""
        from blindtune.datasets.slides import survey

        return survey.survey(folder, self._found[raw.file], raw.split, self)

    def cut(self, folder: Path, survey: Survey, candidates: list[Candidate]) -> "NDArray[np.uint8]":
        """The patches: (patches, rows, columns, 3), red, green and blue."""
        from blindtune.datasets.slides.survey import cut

        return cut(folder / survey.file, candidates, survey.facts)

    def locate_samples(
        self, folder: Path, survey: Survey, colours: dict[str, tuple[int, int, int]]
    ) -> "NDArray[np.uint8] | None":
        """The slide small, with lines around its regions and squares where patches lie."""
        from blindtune.datasets.slides.overlay import overlay

        annotation = self._found[survey.file].annotation
        if annotation is None:
            raise UserError(f"{folder / survey.file}: has no annotation beside it. It had one when it was surveyed.")
        of_labels = {label: colours[name] for name, labels in self.classes.items() for label in labels}
        side = survey.facts["view"]["side"]
        return overlay(folder / survey.file, folder / annotation, survey.candidates, side, of_labels | colours)

    def describe(self, surveys: list[Survey]) -> dict[str, Any]:
        """Axes, unit, and from how many slides patches were read in which way."""
        from blindtune.datasets.slides import survey

        return {
            "axes": ["sample", "row", "column", "channel"],
            "units": "red, green and blue from 0 to 255",
            "patches": survey.describe(self, surveys),
        }

    @cached_property
    def _found(self) -> "dict[str, SlideFile]":
        """The slides, by their paths."""
        from blindtune.datasets.slides import discovery as corpus
        from blindtune.datasets.slides.simulated import corpus as standin

        slides = standin.files(self.made) if self.made is not None else corpus.find(Path(str(self.folder)))
        return {one.file: one for one in corpus.slides(slides, self.patient)}
