"""The source `slides`: patches of whole-slide images."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from blindtune.core.errors import UserError
from blindtune.datasets.base import LoadedDataset
from blindtune.datasets.corpus.base import Corpus, RawFile
from blindtune.datasets.corpus.filetree import Nameless, check_annotated
from blindtune.datasets.corpus.splits import read_extract
from blindtune.datasets.corpus.survey import Survey, check_files_by_group, replace_group
from blindtune.datasets.slides import discovery
from blindtune.datasets.slides.config import ANNOTATIONS, SlidesConfig
from blindtune.datasets.slides.split_list import read_split_list
from blindtune.datasets.slides.unused import add_unused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from blindtune.datasets.slides.discovery import FoundSlides, SlideFile
    from blindtune.datasets.slides.survey import OpenSlideFile
    from blindtune.views.config import CropsView, ViewConfig


class SlidesSource(Corpus):
    """Patches of whole-slide images, by the annotated regions that they show."""

    config: SlidesConfig
    views: ClassVar[tuple[str, ...]] = ("samples", "features", "crops")
    split_keys: ClassVar[tuple[str, ...]] = ("splitting",)

    def check_view(self, view: "ViewConfig") -> None:
        """Refuse a view that patches do not support, or crops larger than a patch.

        Raises:
            ValueError: the samples have no such view.
        """
        super().check_view(view)
        if view.kind != "crops":
            return
        crops = cast("CropsView", view)
        if crops.side * crops.downsample > self.config.patch:
            raise ValueError(
                f"view: side {crops.side} times downsample {crops.downsample} is more than a patch of "
                f"{self.config.patch} has"
            )

    def user_files(self) -> dict[str, Path]:
        """Return the list of the splits, if there is one."""
        listed = self.config.splitting.file
        return super().user_files() | ({"list": Path(listed)} if listed else {})

    def unwatched_files(self) -> dict[str, Path]:
        """Return the list of the splits if it gives patients: of its splits, the files of the batches depend."""
        return {"list": Path(self.config.splitting.file or "")} if any(self._listed.values()) else {}

    def list_files(self) -> list[RawFile]:
        """Return the slides that are in a split, each with its annotation.

        Raises:
            UserError: as `blindtune.datasets.slides.discovery`, a patient is in two splits, or no slide is annotated.
        """
        splits = discovery.assign_splits(list(self._slides.values()), self.config.splitting, self.config.seed)
        check_files_by_group((file, self._slides[file].patient, split) for file, split in splits.items())
        if self.simulator is None and self.config.leaks != "report":
            discovery.check_dicom_patients(splits, self._found.patients)
        companions = {file: [one.annotation] if one.annotation else [] for file, one in self._slides.items()}
        if self.simulator is not None:
            companions = self.simulator.list_files()
        check_annotated(companions.values(), ANNOTATIONS)
        return [
            RawFile(file, (*companions[file], *self._slides[file].parts), split, self._slides[file].patient)
            for file, split in splits.items()
        ]

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        """Return the splits, drawn from the extracts of all batches, and what of the folder is not used.

        Args:
            files: the extract of each batch.

        Raises:
            UserError: as `Corpus.load`.
        """
        loaded = super().load(files)
        groups = self.list_groups()
        surveys = [replace_group(survey, groups) for path in files.values() for survey in read_extract(path)]
        left_out = dict.fromkeys(set(self._slides) - {s.file for s in surveys}, "the list of splits does not name it")
        if self.simulator is None:
            unused = dict.fromkeys(self._nameless, "has no patient")
            unused |= dict.fromkeys(left_out, "the list of splits does not name")
            left_out |= discovery.explain_unused_files(self._found, unused)
        return add_unused(loaded, self.config.classes, surveys, self._ignored | left_out)

    def list_nameless(self) -> Nameless:
        """Return the slides that have no patient."""
        if self.simulator is not None:
            return super().list_nameless()
        return Nameless(self._nameless, len(self._found.annotations))

    def list_groups(self) -> dict[str, str]:
        """Return the patients that the list of splits gives, by the slide."""
        slides = self._slides.values()
        return {one.file: one.patient for one in slides if any(self._listed.get(name) for name in one.names)}

    def open_file(self, folder: Path, raw: RawFile) -> "OpenSlideFile":
        """Open a slide.

        Args:
            folder: folder of the corpus.
            raw: one of `list_files`.

        Raises:
            UserError: the slide or its annotation is gone.
        """
        from blindtune.datasets.slides.survey import OpenSlideFile

        return OpenSlideFile(folder, self._slides[raw.file], raw.split, self.config)

    def locate_samples(
        self, folder: Path, survey: Survey, colors: dict[str, tuple[int, int, int]]
    ) -> "NDArray[np.uint8] | None":
        """Return a small picture of the slide with the outlines of its regions and the squares of its patches.

        Args:
            folder: folder of the corpus.
            survey: survey of the slide; the picture shows its candidates.
            colors: red, green and blue from 0 to 255 for each class.

        Returns:
            (n_rows, n_columns, 3) uint8.

        Raises:
            UserError: the slide or its annotation cannot be read.
        """
        from blindtune.datasets.slides.overlay import draw_overlay

        annotation = self._slides[survey.file].annotation
        if annotation is None:
            raise UserError(f"{folder / survey.file}: has no annotation next to it. It had one when it was surveyed.")
        by_label = {label: colors[name] for name, labels in self.config.classes.items() for label in labels}
        side = survey.facts["geometry"]["side"]
        x, y = survey.facts.get("offset", (0, 0))
        return draw_overlay(
            folder / survey.file, folder / annotation, survey.candidates, side, colors, by_label, offset=(x, y)
        )

    def describe(self, surveys: list[Survey]) -> dict[str, Any]:
        """Return axes, unit, and how patches were read from how many slides.

        Args:
            surveys: surveys of the slides that are not bad.
        """
        from blindtune.datasets.slides import survey

        return {
            "axes": ["sample", "row", "column", "channel"],
            "units": "red, green and blue from 0 to 255",
            "patches": survey.describe(self.config, surveys),
        }

    @cached_property
    def _slides(self) -> "dict[str, SlideFile]":
        """The slides, by their paths."""
        if self.simulator is not None:
            return {one.file: one for one in discovery.parse_paths(self.simulator.list_files(), self.config.patient)}
        found, nameless = self._found, self._nameless
        named = {file: annotations for file, annotations in found.annotations.items() if file not in nameless}
        slides = discovery.parse_paths(
            named or found.annotations, self.config.patient, found.parts, found.ids, self._listed
        )
        return {one.file: one for one in slides}

    @cached_property
    def _listed(self) -> dict[str, str]:
        """The patients of the list of splits, by a name of a slide."""
        path = self.config.splitting.file
        listed = read_split_list(Path(path)) if path and self.simulator is None else {}
        return {key.name: one.patient for key, one in listed.items() if key.column == "slide"}

    @cached_property
    def _nameless(self) -> dict[str, str]:
        if self.simulator is not None:
            return {}
        return discovery.find_nameless(self._found, self.config.patient, self._listed)

    @cached_property
    def _found(self) -> "FoundSlides":
        return discovery.find_slides(Path(str(self.config.folder)))

    @property
    def _ignored(self) -> dict[str, str]:
        """Why files of the user's folder are not used, by the file."""
        return {} if self.simulator is not None else self._found.ignored | self._nameless
