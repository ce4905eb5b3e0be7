"""The survey of one slide, and the patches that are cut from it.

A survey places patches at random on the annotated area of each class, reads each, and keeps those that pass every rule,
so that all of its candidates can be cut later. Places are tried in a fixed order, and rejected places are counted up to
the last one that was needed; neither depends on the number of threads.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from copy import copy
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.files import digest_file
from blindtune.core.seeds import derive
from blindtune.datasets.corpus.base import OpenRawFile
from blindtune.datasets.corpus.survey import Candidate, Survey
from blindtune.datasets.slides.annotations import Annotation, read_annotation
from blindtune.datasets.slides.annotations.base import to_line
from blindtune.datasets.slides.config import SlidesConfig
from blindtune.datasets.slides.discovery import SlideFile
from blindtune.datasets.slides.normalization import StainError, StainTransform, estimate_transform
from blindtune.datasets.slides.polygons import Area, ClassAreas, compute_areas, compute_coverage, sample_points
from blindtune.datasets.slides.quality import rejection_reason
from blindtune.datasets.slides.reader import ELSEWHERE, IN_FILE, TOLERANCE, BadSlideError, PatchGeometry, SlideReader
from blindtune.datasets.slides.tissue_mask import SIDE, TissueMask, find_tissue

#: Bytes of patches that are kept from the survey of a slide until they are cut.
MAX_KEPT = 256 * 2**20
#: Share of the vertices of an annotation that are in the scanned area, if they are where they belong.
_MIN_INSIDE = 0.9

#: Squares of tissue from which the stains of a slide are estimated, and their side in pixels of a patch.
STAIN_SQUARES, STAIN_SIDE = 64, 64

#: Number of places whose pixels are read together; which patches are kept does not depend on it.
BATCH = 16


class OpenSlideFile(OpenRawFile):
    """An open slide of a corpus: OpenSlide opens it once, for its survey and for its patches."""

    def __init__(self, folder: Path, found: SlideFile, split: str, settings: SlidesConfig, threads: int = 1) -> None:
        """Digest the slide and its annotation; OpenSlide opens the slide when it is first needed.

        Args:
            folder: folder of the corpus.
            found: the slide.
            split: the split of its patient.
            settings: the config of the dataset.
            threads: number of threads that read patches.

        Raises:
            UserError: the slide or its annotation is gone.
        """
        self._folder, self._found, self._split, self._settings = folder, found, split, settings
        self._threads = threads
        files = [found.file, *([] if found.annotation is None else [found.annotation]), *found.parts]
        self._sha256 = {file: digest_file(folder / file) for file in files}
        self._opened: SlideReader | None = None
        self._kept = _KeptPatches()
        self._stains: StainTransform | None = None

    def close(self) -> None:
        """Release the handle of OpenSlide and its cache."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def survey(self) -> Survey:
        """Return what the slide offers; any fault of the slide or of its annotation is the reason why it is bad.

        No two judged places overlap by more than the config allows, so the counts in ``left_out`` compare with
        the number of candidates.

        Returns:
            The survey. Candidates have the place x, y: the upper left corner in pixels of full resolution, which may be
            outside the slide. ``left_out`` counts places by rule and class: cover, other_class, background, damaged,
            white, ink, blur. ``facts`` are the scale and its origin, how patches are read, how their colours are
            changed, the regions by label, and oddities.
        """
        result = Survey(file=self._found.file, sha256=dict(self._sha256), group=self._found.patient, split=self._split)
        try:
            self._fill_or_explain(result)
        except (BadSlideError, UserError) as error:
            # The list of bad files names the slide anyway, and the annotation is in the same folder.
            reason = to_line(str(error).replace(f"{(self._folder / self._found.file).parent}/", "").rstrip("."))
            return result.model_copy(update={"bad": reason, "candidates": [], "left_out": {}})
        self._geometry = PatchGeometry(**result.facts["geometry"])
        return result

    def cut(self, candidates: list[Candidate]) -> NDArray[np.uint8]:
        """Return the patches of candidates of the survey.

        Args:
            candidates: candidates of the survey of this slide, which must have been called.

        Returns:
            (n_candidates, patch, patch, 3) uint8, red, green and blue, in the order of the candidates.

        Raises:
            UserError: the slide cannot be read as it was for the survey.
        """
        path = self._folder / self._found.file
        try:
            return _read_patches(self._slide(), candidates, self._geometry, self._stains, self._kept)
        except BadSlideError as error:
            raise UserError(f"{path}: {error}. It could be read when it was surveyed; survey it again.") from error

    def _slide(self) -> SlideReader:
        if self._opened is None:
            self._opened = SlideReader(self._folder / self._found.file, self._threads)
        return self._opened

    def _fill_or_explain(self, result: Survey) -> None:
        """Fill a survey.

        Raises:
            BadSlideError: the slide is bad, or the geometry of its regions fails where no single one can be named.
            UserError: its annotation is bad.
        """
        # Shapely takes time to import, and jobs that read no slide need none.
        from shapely.errors import GEOSException

        try:
            self._fill(result)
        except GEOSException as error:
            raise BadSlideError(f"the geometry of its regions fails ({str(error)[:200]})") from error

    def _fill(self, result: Survey) -> None:
        slide, settings = self._slide(), self._settings
        if self._found.annotation is None:
            raise BadSlideError("has no annotation next to it")
        annotation = read_annotation(self._folder / self._found.annotation)
        slide.check_annotation(annotation)
        annotation = annotation.resolve_labels({label for labels in settings.classes.values() for label in labels})
        checks = (slide.check_pixels(), slide.check_scales(), slide.check_full_resolution())
        remarks = [remark for remark in checks if remark is not None]
        annotation, offset = _place_annotation(annotation, slide, settings.annotation_origin)
        result.content = slide.digest_pixels()
        scale = slide.find_scale(annotation.mpp, settings.assumed_mpp)
        geometry = slide.choose_geometry(settings.patch, settings.target_mpp, scale)
        areas = compute_areas(annotation.regions, settings.classes, slide.size, annotation.unclear)
        result.facts.update(
            size=list(slide.size),
            mpp=scale and scale.mpp,
            mpp_from=scale and scale.origin,
            geometry={
                "level": geometry.level,
                "pixels": geometry.pixels,
                "side": geometry.side,
                "patch": geometry.patch,
            },
            regions=_count_labels(annotation),
            oddities=[to_line(text) for text in (*remarks, *annotation.unused, *areas.oddities)],
        )
        if any(offset):
            result.facts["offset"] = list(offset)
        tissue = None
        if settings.tissue.min_tissue or settings.stain_normalization is not None:
            tissue = find_tissue(*slide.read_thumbnail(SIDE), slide.size)
        if tissue is not None and settings.stain_normalization is not None:
            self._stains = _estimate_stains(slide, geometry, tissue, self._found.file, settings)
            result.facts["stains"] = self._stains.to_facts()
        _PlaceSearch(result, slide, geometry, areas, settings, self._kept, tissue, self._stains).run()


def survey(folder: Path, found: SlideFile, split: str, settings: SlidesConfig, threads: int = 1) -> Survey:
    """Return what a slide offers; see `OpenSlideFile.survey`.

    Args:
        folder: folder of the corpus.
        found: the slide.
        split: the split of its patient.
        settings: the config of the dataset.
        threads: number of threads that read patches.
    """
    with OpenSlideFile(folder, found, split, settings, threads) as opened:
        return opened.survey()


def cut(slide: Path, candidates: list[Candidate], facts: dict[str, Any], threads: int = 1) -> NDArray[np.uint8]:
    """Return the patches of candidates of an earlier survey.

    Args:
        slide: path of the slide.
        candidates: candidates of the survey of this slide.
        facts: those of its survey.
        threads: number of threads that read patches.

    Returns:
        (n_candidates, patch, patch, 3) uint8, red, green and blue, in the order of the candidates.

    Raises:
        UserError: the slide cannot be read as it was for the survey.
    """
    try:
        with closing(SlideReader(slide, threads)) as opened:
            stains = StainTransform.from_facts(facts["stains"]) if "stains" in facts else None
            return _read_patches(opened, candidates, PatchGeometry(**facts["geometry"]), stains)
    except BadSlideError as error:
        raise UserError(f"{slide}: {error}. It could be read when it was surveyed; survey it again.") from error


class _KeptPatches:
    """Patches that the survey has accepted, by their places, so that they are not read again; only so many."""

    def __init__(self) -> None:
        self._patches: dict[tuple[int, int], NDArray[np.uint8]] = {}
        self._bytes = 0

    def add(self, corner: tuple[int, int], patch: NDArray[np.uint8]) -> None:
        """Keep a patch unless there are too many already."""
        if self._bytes + patch.nbytes <= MAX_KEPT:
            self._patches[corner] = patch
            self._bytes += patch.nbytes

    def pop(self, corner: tuple[int, int]) -> NDArray[np.uint8] | None:
        """Return a patch and forget it; None if it was not kept."""
        return self._patches.pop(corner, None)


def _estimate_stains(
    slide: SlideReader, geometry: PatchGeometry, tissue: TissueMask, file: str, settings: SlidesConfig
) -> StainTransform:
    """Return how the colours of a slide are changed, estimated from squares of its tissue.

    Raises:
        BadSlideError: they show too little tissue, or one stain only.
    """
    if settings.stain_normalization is None:
        raise TypeError("the config has no stain_normalization")
    side = min(STAIN_SIDE, geometry.patch)
    pixels = max(1, round(geometry.pixels * side / geometry.patch))
    square = PatchGeometry(geometry.level, pixels, geometry.side * pixels / geometry.pixels, side)
    random = np.random.default_rng(derive("slides", "stains", settings.seed, file))
    patches = slide.read_patches(tissue.sample_corners(STAIN_SQUARES, square.side, random), square)
    shown = [patch.reshape(-1, 3) for patch in patches if patch is not None]
    try:
        return estimate_transform(np.concatenate([np.zeros((0, 3), np.uint8), *shown]), settings.stain_normalization)
    except StainError as error:
        share = max(tissue.damaged.mean(), (len(patches) - len(shown)) / max(1, len(patches)))
        raise BadSlideError(f"{error}{f'; {share:.0%} of it is damaged' if share else ''}") from error


def _read_patches(
    slide: SlideReader,
    candidates: list[Candidate],
    geometry: PatchGeometry,
    stains: StainTransform | None = None,
    kept: _KeptPatches | None = None,
) -> NDArray[np.uint8]:
    """Return the patches of some candidates; raise BadSlide if one is damaged."""
    patches = np.empty((len(candidates), geometry.patch, geometry.patch, 3), np.uint8)
    places = [(int(one.place["x"]), int(one.place["y"])) for one in candidates]
    missing = []
    for number, place in enumerate(places):
        known = None if kept is None else kept.pop(place)
        if known is None:
            missing.append(number)
        else:
            patches[number] = known
    for first in range(0, len(missing), BATCH):
        batch = missing[first : first + BATCH]
        read = slide.read_patches([places[number] for number in batch], geometry)
        for number, patch in zip(batch, read, strict=True):
            if patch is None:
                raise BadSlideError(f"is damaged at {places[number]}")
            patches[number] = patch if stains is None else stains.apply(patch)
    return patches


def _place_annotation(
    annotation: Annotation, slide: SlideReader, origin: str | None
) -> tuple[Annotation, tuple[float, float]]:
    """Return the annotation in pixels of the slide, and by how many its regions were moved.

    Raises:
        BadSlideError: the config leaves the origin open, and the regions suggest that it is the scanned area's.
    """
    left, top, width, height = slide.bounds
    if origin == "bounds":
        return annotation.shift(left, top), (left, top)
    vertices = np.concatenate([np.zeros((0, 2)), *(one.polygon for one in annotation.regions)])
    if origin is None and (left, top) != (0, 0) and len(vertices):
        low, size = np.array([left, top]), np.array([width, height])
        as_it_is, moved = (((at >= 0) & (at <= size)).all(axis=1).mean() for at in (vertices - low, vertices))
        if as_it_is < _MIN_INSIDE <= moved or (annotation.size == (width, height) and annotation.size != slide.size):
            raise BadSlideError(
                f"its annotation seems to begin at the scanned area, {left} and {top} pixels within the slide: "
                f"{as_it_is:.0%} of its vertices are in that area, {moved:.0%} if moved by this. Set annotation_origin "
                "in the config to bounds, or to slide if they are right"
            )
    return annotation, (0, 0)


def describe(settings: SlidesConfig, surveys: Sequence[Survey]) -> dict[str, Any]:
    """Return how patches are read, as plain data for the manifest.

    Args:
        settings: the config of the dataset.
        surveys: of all slides that are not bad; ``read`` counts them by the way in which they are read.
    """
    ways = Counter(
        (one.facts["geometry"]["level"], one.facts["geometry"]["pixels"], one.facts["mpp"], one.facts["mpp_from"])
        for one in surveys
    )
    return {
        "side": settings.patch,
        "mpp": settings.target_mpp,
        "scaled": f"the nearest finer level, scaled once by Lanczos; within {TOLERANCE:.0%} of mpp not at all",
        "mpp_from": [*IN_FILE, *ELSEWHERE],
        "outside": "white",
        **_describe_stains(settings),
        "read": [
            {"level": level, "pixels": pixels, "slide_mpp": mpp, "mpp_from": origin, "slides": slides}
            for (level, pixels, mpp, origin), slides in sorted(ways.items(), key=repr)
        ],
    }


def _describe_stains(settings: SlidesConfig) -> dict[str, Any]:
    stains = settings.stain_normalization
    return {} if stains is None else {"stain_normalization": {"method": stains.method, "target": stains.values}}


def _count_labels(annotation: Annotation) -> dict[str, int]:
    """Return the number of regions of each label; a negative region is of none, it is cut out of others."""
    return dict(sorted(Counter(region.label for region in annotation.regions if not region.negative).items()))


class _Corners:
    """Upper left corners of squares, and whether others overlap one of them by more than the config allows."""

    def __init__(self, side: float, max_overlap: float) -> None:
        self._side, self._max_shared = side, max_overlap * side**2
        self._values = np.empty((BATCH, 2), np.int64)
        self._count = 0

    def copy(self) -> "_Corners":
        """Return an independent copy."""
        other = copy(self)
        other._values = self._values.copy()
        return other

    def add(self, corner: NDArray[np.int64]) -> None:
        """Add one corner (x, y)."""
        if self._count == len(self._values):
            self._values = np.concatenate([self._values, np.empty_like(self._values)])
        self._values[self._count] = corner
        self._count += 1

    def overlap(self, corner: NDArray[np.int64]) -> bool:
        """Return whether the square at one corner (x, y) overlaps one of these squares too much."""
        return bool(self.find_overlapping(corner[None])[0])

    def find_overlapping(self, corners: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of the squares at some corners (n_squares, 2) overlap one of these squares too much."""
        shared = np.abs(self._values[: self._count] - corners[:, None])
        shared = np.maximum(self._side - shared, 0)
        return np.asarray((shared[..., 0] * shared[..., 1] > self._max_shared).any(axis=1))


@dataclass
class _TriedPlace:
    """A place: its upper left corner (x, y), why the regions reject it, and its pixels once they are read."""

    corner: NDArray[np.int64]
    reason: str | None
    patch: NDArray[np.uint8] | None = None


class _PlaceSearch:
    """The search for places on one slide, which fills the survey."""

    def __init__(
        self,
        result: Survey,
        slide: SlideReader,
        geometry: PatchGeometry,
        areas: ClassAreas,
        settings: SlidesConfig,
        kept: _KeptPatches,
        tissue: TissueMask | None = None,
        stains: StainTransform | None = None,
    ) -> None:
        self.result, self.slide, self.geometry, self.areas = result, slide, geometry, areas
        self.settings, self.kept = settings, kept
        self.tissue, self.stains = tissue, stains
        #: Corners of patches that were kept, or rejected for their pixels; no overlapping place is tried again.
        self.taken = _Corners(geometry.side, settings.max_overlap)
        #: Corners that the regions rejected; they only prevent that overlapping ones are counted twice.
        self.counted = _Corners(geometry.side, settings.max_overlap)
        self.damaged: set[tuple[int, int]] = set()

    def run(self) -> None:
        """Search the places of every class in turn.

        Raises:
            BadSlideError: too many tiles are damaged.
        """
        for label, area in self.areas.by_class.items():
            if not area.is_empty:
                self._search_class(label, area)

    def _search_class(self, label: str, area: Area) -> None:
        number = 0
        for tried in self._read_pixels(self._propose(label, area)):
            if self.taken.overlap(tried.corner):
                continue
            if tried.reason is not None:
                self._count_rejected(tried, label)
                continue
            self.taken.add(tried.corner)
            reason = self._judge(tried)
            if reason is not None:
                self._count_left_out(reason, label)
                continue
            x, y = _corner_of(tried)
            if tried.patch is not None:
                self.kept.add((x, y), tried.patch if self.stains is None else self.stains.apply(tried.patch))
            self.result.candidates.append(Candidate(label=label, place={"x": x, "y": y}))
            number += 1
            if number == self.settings.max_per_file:
                return

    def _propose(self, label: str, area: Area) -> Iterator[_TriedPlace]:
        """Yield squares whose centres are uniformly distributed over the area, in the order in which they are tried."""
        settings, side = self.settings, self.geometry.side
        random = np.random.default_rng(derive("slides", "places", settings.seed, self.result.file, label))
        count = settings.max_per_file * settings.max_attempts
        corners = np.floor(sample_points(area, count, random) - side / 2).astype(np.int64)
        for first in range(0, len(corners), 8 * BATCH):
            some = corners[first : first + 8 * BATCH]
            some = some[~self.taken.find_overlapping(some)]
            own = compute_coverage(some, side, area)
            others = [compute_coverage(some, side, one) for name, one in self.areas.by_class.items() if name != label]
            rules = {
                "cover": own < settings.min_coverage,
                "other_class": np.max(others, axis=0) > settings.max_other,
                "background": self._find_background(some),
            }
            for at, corner in enumerate(some):
                yield _TriedPlace(corner, next((rule for rule, rejects in rules.items() if rejects[at]), None))

    def _find_background(self, corners: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which squares have too little tissue in the mask of the slide."""
        least = self.settings.tissue.min_tissue
        if self.tissue is None or not least:
            return np.zeros(len(corners), bool)
        return self.tissue.measure_share(corners, self.geometry.side) < least

    def _read_pixels(self, tried: Iterator[_TriedPlace]) -> Iterator[_TriedPlace]:
        """Yield the same places, with the pixels of those that are not rejected so far."""
        while batch := list(islice(tried, BATCH)):
            # Each of these will be taken for any pixels, so that no place that overlaps it is looked at.
            wanted: list[_TriedPlace] = []
            taken = self.taken.copy()
            for one in batch:
                if one.reason is None and not taken.overlap(one.corner):
                    wanted.append(one)
                    taken.add(one.corner)
            patches = self.slide.read_patches([_corner_of(one) for one in wanted], self.geometry)
            for one, patch in zip(wanted, patches, strict=True):
                one.patch = patch
            yield from batch

    def _judge(self, tried: _TriedPlace) -> str | None:
        if tried.patch is not None:
            return rejection_reason(tried.patch, self.settings.tissue)
        self.damaged |= self.slide.find_damaged_tiles(_corner_of(tried), self.geometry)
        if len(self.damaged) > self.settings.bad_tiles:
            raise BadSlideError(f"is damaged: more than {self.settings.bad_tiles} of its tiles cannot be read")
        return "damaged"

    def _count_rejected(self, tried: _TriedPlace, label: str) -> None:
        if tried.reason is not None and not self.counted.overlap(tried.corner):
            self.counted.add(tried.corner)
            self._count_left_out(tried.reason, label)

    def _count_left_out(self, reason: str, label: str) -> None:
        by_class = self.result.left_out.setdefault(reason, {})
        by_class[label] = by_class.get(label, 0) + 1


def _corner_of(tried: _TriedPlace) -> tuple[int, int]:
    return int(tried.corner[0]), int(tried.corner[1])
