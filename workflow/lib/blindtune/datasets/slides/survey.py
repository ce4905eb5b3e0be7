"""What one slide offers, and the patches that were drawn from it.

The survey of a slide places patches at random over the annotated area of each class, reads each, and keeps those that
pass every rule, so that whatever is drawn from the surveys later can be cut. Places are tried in a fixed order, and
what was left out is counted up to the last one that was needed; neither depends on the number of threads.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.files import digest_file
from blindtune.core.seeds import derive
from blindtune.datasets.corpus.survey import Candidate, Survey
from blindtune.datasets.slides.annotations import Annotation, read_annotation
from blindtune.datasets.slides.config import Slides
from blindtune.datasets.slides.discovery import SlideFile
from blindtune.datasets.slides.polygons import Areas, areas_of, coverage, draw_points
from blindtune.datasets.slides.quality import rejection_reason
from blindtune.datasets.slides.reader import ELSEWHERE, IN_FILE, TOLERANCE, BadSlide, Slide, View

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

#: Places whose pixels are read at once; what is kept does not depend on it.
BATCH = 16


def survey(folder: Path, found: SlideFile, split: str, settings: Slides, threads: int = 1) -> Survey:
    """What a slide offers; any fault of the slide or of its annotation is the reason why it is bad.

    No two places that are judged overlap by more than the config allows, so the counts in ``left_out`` compare with the
    number of candidates.

    Args:
        folder: folder of the corpus.
        found: the slide.
        split: the split of its patient.
        settings: see the config.
        threads: how many read at once.

    Returns:
        The survey. Candidates have the place x, y: the upper left corner in pixels of full resolution, which may lie
        outside the slide. ``left_out`` counts places by rule and class: cover, other_class, damaged, white, ink,
        blur. ``facts`` hold the scale and its origin, how patches are read, the regions by label, and what is odd
        about some of them.
    """
    files = [found.file] if found.annotation is None else [found.file, found.annotation]
    result = Survey(
        file=found.file,
        sha256={file: digest_file(folder / file) for file in files},
        group=found.patient,
        split=split,
    )
    try:
        _fill(result, folder, found, settings, threads)
    except (BadSlide, UserError) as error:
        # The annotation lies beside the slide, whose path is told anyway.
        reason = str(error).replace(f"{(folder / found.file).parent}/", "").rstrip(".")
        return result.model_copy(update={"bad": reason, "candidates": [], "left_out": {}})
    return result


def cut(slide: Path, candidates: list[Candidate], facts: dict[str, Any], threads: int = 1) -> NDArray[np.uint8]:
    """The patches of candidates of one survey.

    Args:
        slide: path of the slide.
        candidates: which patches, of that slide.
        facts: those of its survey.
        threads: how many read at once.

    Returns:
        (candidates, patch, patch, 3) uint8, red, green and blue, in the order of the candidates.

    Raises:
        UserError: the slide cannot be read as it was for the survey.
    """
    view = View(**facts["view"])
    patches = np.empty((len(candidates), view.patch, view.patch, 3), np.uint8)
    try:
        with closing(Slide(slide, threads)) as opened:
            for first in range(0, len(candidates), BATCH):
                batch = candidates[first : first + BATCH]
                places = [(int(one.place["x"]), int(one.place["y"])) for one in batch]
                for number, patch in enumerate(opened.read(places, view), first):
                    if patch is None:
                        raise BadSlide(f"is damaged at {places[number - first]}")
                    patches[number] = patch
    except BadSlide as error:
        raise UserError(f"{slide}: {error}. It could be read when it was surveyed; survey it again.") from error
    return patches


def describe(settings: Slides, surveys: Sequence[Survey]) -> dict[str, Any]:
    """How patches are read, as plain data for the manifest; ``read`` says of how many slides in which way."""
    ways = Counter(
        (one.facts["view"]["level"], one.facts["view"]["pixels"], one.facts["mpp"], one.facts["mpp_from"])
        for one in surveys
    )
    return {
        "side": settings.patch,
        "mpp": settings.wanted_mpp,
        "scaled": f"the nearest finer level, scaled once by Lanczos; within {TOLERANCE:.0%} of mpp not at all",
        "mpp_from": [*IN_FILE, *ELSEWHERE],
        "outside": "white",
        "read": [
            {"level": level, "pixels": pixels, "slide_mpp": mpp, "mpp_from": origin, "slides": slides}
            for (level, pixels, mpp, origin), slides in sorted(ways.items(), key=repr)
        ],
    }


def _fill(result: Survey, folder: Path, found: SlideFile, settings: Slides, threads: int) -> None:
    with closing(Slide(folder / found.file, threads)) as slide:
        if found.annotation is None:
            raise BadSlide("has no annotation (.csv or .xml) beside it")
        annotation = read_annotation(folder / found.annotation)
        slide.check_belongs(annotation)
        scale = slide.scale(annotation.mpp, settings.assumed_mpp)
        view = slide.view(settings.patch, settings.wanted_mpp, scale)
        areas = areas_of(annotation.regions, settings.classes, slide.size)
        result.facts.update(
            size=list(slide.size),
            mpp=scale and scale.mpp,
            mpp_from=scale and scale.origin,
            view={"level": view.level, "pixels": view.pixels, "side": view.side, "patch": view.patch},
            regions=_labels(annotation),
            oddities=areas.oddities,
        )
        _Search(result, slide, view, areas, settings).run()


def _labels(annotation: Annotation) -> dict[str, int]:
    return dict(sorted(Counter(region.label for region in annotation.regions).items()))


@dataclass
class _Tried:
    """A place: its upper left corner (x, y), why the regions speak against it, and its pixels once they are read."""

    corner: NDArray[np.int64]
    reason: str | None
    patch: NDArray[np.uint8] | None = None


class _Search:
    """The search for places on one slide; fills the survey."""

    def __init__(self, result: Survey, slide: Slide, view: View, areas: Areas, settings: Slides) -> None:
        self.result, self.slide, self.view, self.areas = result, slide, view, areas
        self.settings = settings
        #: Corners of the patches that were kept or left out for what they show: none is tried twice.
        self.taken: list[NDArray[np.int64]] = []
        #: Corners that the regions spoke against; these only keep each other from being counted twice.
        self.counted: list[NDArray[np.int64]] = []
        self.damaged: set[tuple[int, int]] = set()

    def run(self) -> None:
        """Every class in turn.

        Raises:
            BadSlide: too many tiles are damaged.
        """
        for label, area in self.areas.by_class.items():
            if not area.is_empty:
                self._of_class(label, area)

    def _of_class(self, label: str, area: "BaseGeometry") -> None:
        number = 0
        for tried in self._read(self._placed(label, area)):
            if self._overlaps(tried.corner, self.taken):
                continue
            if tried.reason is not None:
                self._count(tried, label)
                continue
            self.taken.append(tried.corner)
            reason = self._fault(tried)
            if reason is not None:
                self._leave_out(reason, label)
                continue
            x, y = tried.corner
            self.result.candidates.append(Candidate(label=label, place={"x": int(x), "y": int(y)}))
            number += 1
            if number == self.settings.candidates:
                return

    def _placed(self, label: str, area: "BaseGeometry") -> Iterator[_Tried]:
        """Squares with their middles spread evenly over the area, in the order in which they are tried."""
        settings, side = self.settings, self.view.side
        random = np.random.default_rng(derive("slides", "places", settings.seed, self.result.file, label))
        count = settings.candidates * settings.draws
        corners = np.floor(draw_points(area, count, random) - side / 2).astype(np.int64)
        for first in range(0, len(corners), 8 * BATCH):
            some = corners[first : first + 8 * BATCH]
            some = some[~self._overlap(some, self.taken)]
            own = coverage(some, side, area)
            others = [coverage(some, side, one) for name, one in self.areas.by_class.items() if name != label]
            for corner, share, other in zip(some, own, np.max(others, axis=0), strict=True):
                if share < settings.cover:
                    yield _Tried(corner, "cover")
                else:
                    yield _Tried(corner, "other_class" if other > settings.other else None)

    def _read(self, tried: Iterator[_Tried]) -> Iterator[_Tried]:
        """The same, with the pixels of those that nothing speaks against so far."""
        while batch := list(islice(tried, BATCH)):
            wanted = [one for one in batch if one.reason is None and not self._overlaps(one.corner, self.taken)]
            patches = self.slide.read([_place(one) for one in wanted], self.view)
            for one, patch in zip(wanted, patches, strict=True):
                one.patch = patch
            yield from batch

    def _fault(self, tried: _Tried) -> str | None:
        if tried.patch is not None:
            return rejection_reason(tried.patch, self.settings.tissue)
        self.damaged |= self.slide.damaged_tiles(_place(tried), self.view)
        if len(self.damaged) > self.settings.bad_tiles:
            raise BadSlide(f"is damaged: more than {self.settings.bad_tiles} of its tiles cannot be read")
        return "damaged"

    def _count(self, tried: _Tried, label: str) -> None:
        if tried.reason is not None and not self._overlaps(tried.corner, self.counted):
            self.counted.append(tried.corner)
            self._leave_out(tried.reason, label)

    def _overlaps(self, corner: NDArray[np.int64], others: list[NDArray[np.int64]]) -> bool:
        return bool(self._overlap(corner[None], others)[0])

    def _overlap(self, corners: NDArray[np.int64], others: list[NDArray[np.int64]]) -> NDArray[np.bool_]:
        """Which of the squares at ``corners`` share more than they may with one of ``others``."""
        if not others:
            return np.zeros(len(corners), bool)
        shared = (self.view.side - np.abs(np.array(others) - corners[:, None])).clip(0)
        too_much = shared.prod(axis=2) > self.settings.overlap * self.view.side**2
        return np.asarray(too_much.any(axis=1))

    def _leave_out(self, reason: str, label: str) -> None:
        by_class = self.result.left_out.setdefault(reason, {})
        by_class[label] = by_class.get(label, 0) + 1


def _place(tried: _Tried) -> tuple[int, int]:
    return int(tried.corner[0]), int(tried.corner[1])
