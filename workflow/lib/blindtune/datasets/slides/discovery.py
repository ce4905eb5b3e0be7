"""The slides of a folder, known without their pixels: their annotations, patients and splits."""

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.files import open_regular_file
from blindtune.core.seeds import derive
from blindtune.core.validation import show_value
from blindtune.datasets.base import SPLITS
from blindtune.datasets.corpus.filetree import files_below
from blindtune.datasets.corpus.survey import fold_group
from blindtune.datasets.slides.config import ANNOTATIONS, SplittingConfig
from blindtune.datasets.slides.dicom import DicomIds, read_ids
from blindtune.datasets.slides.split_list import ListedName, ListKey, read_split_list

#: What OpenSlide opens, by the suffix of the file to open. Of two files that share an annotation, the first in this
#: order is the slide, since a TIFF is often the conversion of another.
SUFFIXES = (".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".svslide", ".vms", ".vmu", ".dcm", ".tif", ".tiff")
#: Suffixes of pictures that are no slides, or of slides that OpenSlide does not open.
OTHERS = frozenset([
    ".czi", ".vsi", ".ets", ".isyntax", ".i2syntax", ".qptiff", ".zvi", ".lif", ".sdpc", ".kfb", ".tmap", ".mds",
    ".afi", ".bmp", ".gif", ".webp", ".jpg", ".jpeg", ".png", ".jp2", ".j2k", ".jxl",
])  # fmt: skip
#: Suffixes of packed files.
_PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz")
#: Bytes of a file of Hamamatsu that lists the files of a slide, at most.
_MAX_LIST_BYTES = 2**20
#: What follows the name of a slide in the name of a mask of it.
_MASK = re.compile(
    r"[ _.-]+(?:\w*mask\w*|labels?|seg|segmentation|tissue|gt|ground_?truth|overlay|thumb|thumbnail|macro|preview)",
    re.IGNORECASE,
)
#: Names of a list that a message shows.
_MAX_LISTED = 10

#: The name of a slide in TUDP v2 (patient 00707578) and v3 (patient 00477780_aaaaaagg). The blocks of a patient, and
#: the deeper cuts of a block (`deep`), differ after the patient, so they stay together. Only the digits identify the
#: patient, since they are the same in v2 and v3.
TUDP = re.compile(r"(\d{8})(?:_[a-z]{8})?_s\d{3}_\w{4}_(?P<block>\w{4})_a\d{3}_lvl\d{3}_t\d{3}\.\w+$")


@dataclass(frozen=True)
class SlideFile:
    """One slide of a corpus.

    Attributes:
        file: path below the folder of the corpus, with forward slashes.
        annotation: path of its annotation, in the same form; None if there is none.
        patient: name of its patient.
        parts: paths of the other files that hold its pixels.
        series: unique identifier of its series in DICOM; empty for others.
    """

    file: str
    annotation: str | None
    patient: str
    parts: tuple[str, ...] = ()
    series: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """By what a list can name it: a path, a name, and that without a suffix, in DICOM of any of its files."""
        others = self.parts if _suffix(self.file) == ".dcm" else ()
        names = [name for file in (self.file, *others) for name in _names_of(file)]
        return (*names, self.series) if self.series else tuple(names)


@dataclass(frozen=True)
class FoundSlides:
    """What a folder holds.

    Attributes:
        annotations: the annotations of each slide, by the slide; the first one is read.
        parts: the other files that hold the pixels of a slide, by the slide.
        ignored: why a file is not used, by the file; every file of the folder that is not hidden is here or in use.
        ids: series and patient of a slide in DICOM, by the slide.
    """

    annotations: dict[str, list[str]]
    parts: dict[str, list[str]]
    ignored: dict[str, str]
    ids: dict[str, DicomIds] = field(default_factory=dict)

    @property
    def patients(self) -> dict[str, str]:
        """The patient that a slide in DICOM gives, by the slide."""
        return {file: one.patient for file, one in self.ids.items() if one.patient}


def find_slides(folder: Path) -> FoundSlides:
    """Find the slides in a folder and the annotations of each, which have its name with another suffix.

    The DICOM files of one folder and one series are a slide. Its annotation has the name of one of them, which is then
    the one to open, else the first; or that of the series; or, of the only series of a folder, that of the folder.

    Raises:
        UserError: the folder is missing or holds no slide, or the names of two slides differ in case only.
    """
    files = files_below(folder)
    by_stem = _index_annotations(files)
    slides = [file for file in files if _suffix(file) in SUFFIXES]
    if not slides:
        counts = Counter(_suffix(file) or "without a suffix" for file in files).most_common(_MAX_LISTED)
        has = ", ".join(f"{count:,} {suffix[:20]}" for suffix, count in counts)
        raise UserError(
            f"folder: {folder} holds no slide ({', '.join(sorted(SUFFIXES))}). Its files are: {has or 'none'}."
        )
    _check_names(slides)
    annotations = {file: _find_annotations(file, by_stem) for file in slides}
    ignored = _ignore_masks(annotations) | _ignore_copies(annotations)
    in_dicom = [file for file in slides if _suffix(file) == ".dcm" and file not in ignored]
    ids = {file: found for file in in_dicom if (found := read_ids(folder / file)) is not None}
    parts = _join_dicom({file: annotations[file] for file in in_dicom}, ids)
    joined = {part for found in parts.values() for part in found}
    kept = {file: found for file, found in annotations.items() if file not in ignored and file not in joined}
    kept |= _annotate_dicom(kept, parts, annotations, ids, by_stem)
    for file in kept:
        if _suffix(file) == ".mrxs":
            parts[file] = [one for one in files if one.startswith(f"{_stem(file)}/") and one not in annotations]
        elif _suffix(file) in (".vms", ".vmu"):
            parts[file] = _find_listed(folder, file, files)
    read = {one for found in kept.values() for one in found[:1]}
    used = {*kept, *joined, *read, *(one for found in parts.values() for one in found)}
    instead = {one: f"{found[0]} is read instead" for found in kept.values() for one in found[1:]}
    instead |= {one: f"{kept[file][0]} is read instead" for file in kept for one in by_stem.get(file, []) if kept[file]}
    folded = {fold_group(_stem(file)): file for file in kept}
    for file in files:
        if file not in used and file not in ignored:
            ignored[file] = instead.get(file) or _explain_unused(file, folded.get(fold_group(_stem(file))))
    return FoundSlides(kept, parts, ignored, {file: one for file, one in ids.items() if file in kept})


def _check_names(slides: Sequence[str]) -> None:
    """Refuse two slides whose paths differ in case only: they may be one, and other systems take them for one.

    Raises:
        UserError: there are two.
    """
    first: dict[str, str] = {}
    for file in slides:
        other = first.setdefault(fold_group(file), file)
        if other != file:
            raise UserError(
                f"folder: the paths of the slides {other} and {file} differ only in the case of letters or in how they "
                "are encoded. Remove one of them if they are one slide; if they are two, rename one."
            )


def _explain_unused(file: str, alike: str | None) -> str:
    """Return why a file is not used that is neither a slide nor the annotation of one.

    Args:
        file: path of the file.
        alike: a slide whose name differs in case only; None: there is none.
    """
    suffix = _suffix(file)
    if suffix in ANNOTATIONS:
        return "no slide has this name" + (f", but {alike} has it in other letters; rename one" if alike else "")
    if suffix in OTHERS:
        return "OpenSlide does not open such files"
    return "is packed; unpack it" if suffix in _PACKED else "is neither a slide nor an annotation of one"


def _find_listed(folder: Path, file: str, files: Sequence[str]) -> list[str]:
    """Return the files that hold the pixels of a slide of Hamamatsu, which lists them as values of its keys.

    Of one that cannot be read, they are the files whose names begin with its own.
    """
    own = [
        one
        for one in files
        if _parent(one) == _parent(file) and _suffix(one) not in (*SUFFIXES, *ANNOTATIONS) and one != file
    ]
    try:
        with open_regular_file(folder / file) as stream:
            text = stream.read(_MAX_LIST_BYTES).decode("utf-8", errors="replace")
    except (UserError, OSError):
        text = ""
    names = {line.partition("=")[2].strip() for line in text.splitlines() if "=" in line}
    listed = [one for one in own if one.rpartition("/")[2] in names]
    return listed or [one for one in own if one.startswith(tuple(_stem(file) + mark for mark in "(_."))]


def _suffix(file: str) -> str:
    """Return the suffix of a path in lower case, with its dot; empty if its name has none."""
    name = file.rpartition("/")[2]
    return "." + name.rpartition(".")[2].lower() if "." in name else ""


def _stem(file: str) -> str:
    """Return a path without its suffix."""
    return file.rpartition(".")[0]


def _parent(file: str) -> str:
    return file.rpartition("/")[0]


def _index_annotations(files: Sequence[str]) -> dict[str, list[str]]:
    """Return the files that can be annotations, by their paths without a suffix, in the order in which they count."""
    found: dict[str, list[str]] = {}
    for file in files:
        if _suffix(file) in ANNOTATIONS:
            found.setdefault(_stem(file), []).append(file)
    return {
        stem: sorted(some, key=lambda file: (ANNOTATIONS.index(_suffix(file)), file)) for stem, some in found.items()
    }


def _find_annotations(file: str, by_stem: Mapping[str, list[str]]) -> list[str]:
    """Return the annotations of a slide or a folder: ``a.svs`` has ``a.xml``, else ``a.svs.xml``.

    ``a.ome.tif`` has ``a.ome.xml``, else ``a.ome.tif.xml``, else ``a.xml``, as QuPath names it.
    """
    stem = _stem(file) if _suffix(file) in SUFFIXES else ""
    without_ome = _stem(stem) if _suffix(stem) == ".ome" else ""
    return by_stem.get(stem, []) or by_stem.get(file, []) or by_stem.get(without_ome, [])


def _ignore_masks(annotations: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the files that are named as masks of other slides and have no annotation, each with the reason."""
    stems = {_stem(file): file for file in annotations}
    ignored = {}
    for file, found in annotations.items():
        stem = _stem(file)
        # Any separator may be the one between the name of the slide and the word.
        starts = [at for at, letter in enumerate(stem) if letter in " _.-"]
        slide = next((stems[stem[:at]] for at in starts if stem[:at] in stems and _MASK.fullmatch(stem[at:])), None)
        if slide is not None and not found:
            ignored[file] = f"its name is that of a mask of {slide}"
    return ignored


def _ignore_copies(annotations: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the files that share an annotation with an earlier kind of slide, each with the reason."""
    first: dict[str, str] = {}
    ignored = {}
    for file in sorted(annotations, key=lambda file: (SUFFIXES.index(_suffix(file)), file)):
        found = annotations[file]
        if found and first.setdefault(found[0], file) != file:
            ignored[file] = f"{found[0]} is taken for the annotation of {first[found[0]]}, which has the same name"
    return ignored


def _join_dicom(annotations: Mapping[str, list[str]], ids: Mapping[str, DicomIds]) -> dict[str, list[str]]:
    """Return the other files of each slide in DICOM, by its first file or the first one with an annotation.

    Args:
        annotations: the annotations of each file in DICOM, by the file.
        ids: what the files belong to. Files of one folder that do not say it are one slide, but with annotations of
            several files, each of these is a slide.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for file in sorted(annotations):
        groups.setdefault((_parent(file), ids[file].series if file in ids else ""), []).append(file)
    joined = {}
    for (_, series), files in groups.items():
        annotated = [file for file in files if annotations[file]]
        others = [file for file in files if series or len(annotated) < 2 or not annotations[file]]
        if others:
            first = next((file for file in others if annotations[file]), others[0])
            joined[first] = [file for file in others if file != first]
    return joined


def _annotate_dicom(
    slides: Mapping[str, Sequence[str]],
    parts: Mapping[str, Sequence[str]],
    annotations: Mapping[str, list[str]],
    ids: Mapping[str, DicomIds],
    by_stem: Mapping[str, list[str]],
) -> dict[str, list[str]]:
    """Return the annotations of each slide in DICOM: those of all its files, else of its series, else of its folder.

    Args:
        slides: all slides.
        parts: the other files of each slide in DICOM.
        annotations: the annotations of each file.
        ids: to which series and patient each file in DICOM belongs.
        by_stem: the files that can be annotations, by their paths without a suffix.
    """
    n_in_folder = Counter(_parent(file) for file in slides if _suffix(file) == ".dcm")
    found = {}
    for file in slides:
        if _suffix(file) != ".dcm":
            continue
        own = [one for name in (file, *parts.get(file, ())) for one in annotations[name]]
        if not own and file in ids:
            own = by_stem.get((Path(_parent(file)) / ids[file].series).as_posix(), [])
        if not own and n_in_folder[_parent(file)] == 1:
            own = _find_annotations(_parent(file), by_stem)
        found[file] = own
    return found


def parse_paths(
    files: Mapping[str, Sequence[str]],
    pattern: str | None,
    parts: Mapping[str, Sequence[str]] | None = None,
    ids: Mapping[str, DicomIds] | None = None,
    listed: Mapping[str, str] | None = None,
) -> list[SlideFile]:
    """Return the slides of a corpus with what their paths give, in the order of the paths.

    Args:
        files: the annotations of each slide, by the slide.
        pattern: regular expression that finds the patient; None: names are those of TUDP, or slides in DICOM give it.
        parts: the other files of each slide; None: no slide has any.
        ids: to which series and patient slides in DICOM belong, by the slide.
        listed: the patient that a list gives, by a name of a slide, empty where it gives none. It counts before all
            else, and if it gives any, slides that it does not name need none.

    Raises:
        UserError: a path gives no patient.
    """
    parts, ids, listed = parts or {}, ids or {}, listed or {}
    has_patients = any(listed.values())
    found = []
    for file, annotations in sorted(files.items()):
        one = _create_slide(file, annotations, parts, ids)
        named = [listed[name] for name in one.names if name in listed]
        patient = next(filter(None, named), "")
        if not patient and (named or not has_patients or _find_patient(file, pattern)):
            own = ids[file].patient if pattern is None and file in ids else None
            patient = parse_patient(file, pattern, own)
        found.append(replace(one, patient=patient))
    return found


def _create_slide(
    file: str, annotations: Sequence[str], parts: Mapping[str, Sequence[str]], ids: Mapping[str, DicomIds]
) -> SlideFile:
    """Return a slide whose patient is not known yet; the arguments are those of `parse_paths`."""
    series = ids[file].series if file in ids else ""
    return SlideFile(file, next(iter(annotations), None), "", tuple(parts.get(file, ())), series)


def find_nameless(found: FoundSlides, pattern: str | None, listed: Mapping[str, str]) -> dict[str, str]:
    """Return the slides that have no patient, why, and what to do.

    Those that a list names are not among them: what a list says is refused and not passed over.

    Args:
        found: the slides.
        pattern: as in `parse_paths`.
        listed: as in `parse_paths`.
    """
    if any(listed.values()):
        return {}
    named = found.patients if pattern is None else {}
    slides = [
        _create_slide(file, annotations, found.parts, found.ids)
        for file, annotations in sorted(found.annotations.items())
        if not _find_patient(file, pattern) and file not in named
    ]
    return {one.file: _explain_nameless(pattern) for one in slides if not any(name in listed for name in one.names)}


def explain_unused_files(found: FoundSlides, slides: Mapping[str, str]) -> dict[str, str]:
    """Return why files are not used that belong to slides that are not, and to no other.

    Args:
        found: the slides of the folder.
        slides: the slides that are not used, with the end of a sentence: which are not used, since...
    """
    files = {file: (*found.annotations[file], *found.parts.get(file, ())) for file in found.annotations}
    used = {one for file, own in files.items() if file not in slides for one in (file, *own)}
    return {
        one: f"belongs to {file}, which {reason}"
        for file, reason in slides.items()
        for one in files[file]
        if one not in used
    }


def _explain_nameless(pattern: str | None) -> str:
    how = f"by {pattern!r}" if pattern else "as names in TUDP do"
    return (
        f"its path gives no patient {how}. Set `patient` to an expression that fits all slides, or name the patient of "
        "each slide in the list of splits, in a column patient next to slide"
    )


def _names_of(file: str) -> tuple[str, str, str]:
    """Return by which names a list can name a slide: its path, its name, and that without a suffix."""
    name = file.rpartition("/")[2]
    return file, name, name.rpartition(".")[0]


def parse_patient(file: str, pattern: str | None, own: str | None = None) -> str:
    """Return the patient that a path names.

    Args:
        file: path of a slide.
        pattern: regular expression that finds the patient; None: names are those of TUDP.
        own: the patient that the slide gives if its path does not.

    Raises:
        UserError: the path names no patient.
    """
    found = _find_patient(file, pattern) or own
    if not found:
        raise UserError(f"{file}: {_explain_nameless(pattern)}.")
    return found


def _find_patient(file: str, pattern: str | None) -> str | None:
    """Return what an expression, or the one of TUDP, finds in a path; None or an empty text if it finds nothing."""
    found = re.search(pattern, file) if pattern else TUDP.search(file.rpartition("/")[2])
    return found.group(1) if found else None


def assign_splits(slides: Sequence[SlideFile], splitting: SplittingConfig, seed: int) -> dict[str, str]:
    """Return the split of each slide, by its path; slides that a list does not name are missing.

    Args:
        slides: all slides of the corpus.
        splitting: how patients are assigned to splits.
        seed: of the random assignment of patients to splits.

    Raises:
        UserError: a path names no split or several, a list is wrong, or there are too few patients.
    """
    if splitting.by == "folders":
        return {slide.file: _split_from_path(slide.file) for slide in slides}
    if splitting.by == "seed":
        parts = _assign_by_seed({slide.patient for slide in slides}, splitting, seed)
        return {slide.file: parts[slide.patient] for slide in slides}
    return _assign_by_list(slides, Path(splitting.file or ""))


def check_dicom_patients(splits: Mapping[str, str], patients: Mapping[str, str]) -> None:
    """Refuse a patient of DICOM files in two splits.

    Where all slides give the same patient, they were anonymized, and it tells nothing.

    Args:
        splits: the split of each slide.
        patients: the patient that a slide gives, by the slide.

    Raises:
        UserError: the message names the patient and a slide of each split.
    """
    patients = {file: patient for file, patient in patients.items() if file in splits}
    if len(set(patients.values())) < 2:
        return
    first: dict[str, str] = {}
    for file in sorted(splits.keys() & patients.keys()):
        patient = patients[file]
        before = first.setdefault(patient, file)
        if splits[before] != splits[file]:
            raise UserError(
                f"folder: {before} in {splits[before]} and {file} in {splits[file]} are of one patient in DICOM, "
                f"{show_value(patient)} (Patient ID). Put both in one split: of slides in DICOM, `patient: null` takes "
                "that patient. In the config of the dataset, 'leaks: report' keeps both."
            )


def _split_from_path(file: str) -> str:
    names = {part for part in file.split("/")[:-1] if part in SPLITS}
    if len(names) != 1:
        raise UserError(
            f"{file}: its path names {' and '.join(sorted(names)) or 'none'} of the folders {', '.join(SPLITS)}. "
            "Set `splitting.by` to seed or list."
        )
    return names.pop()


def _assign_by_seed(patients: set[str], splitting: SplittingConfig, seed: int) -> dict[str, str]:
    """Rank patients by the seed and their names; eval takes the first, dev the next, train the rest."""
    if len(patients) < len(SPLITS):
        raise UserError(
            f"splitting: {len(patients)} patients cannot be assigned to three splits; each split needs one. Add "
            "patients, or set `patient` to an expression that distinguishes more of them."
        )
    ranked = sorted(patients, key=lambda patient: (derive("slides", "split", seed, patient), patient))
    evaluation = min(max(1, round(splitting.eval * len(ranked))), len(ranked) - 2)
    dev = min(max(1, round(splitting.dev * len(ranked))), len(ranked) - 1 - evaluation)
    parts = ["eval"] * evaluation + ["dev"] * dev + ["train"] * (len(ranked) - evaluation - dev)
    return dict(zip(ranked, parts, strict=True))


def _assign_by_list(slides: Sequence[SlideFile], path: Path) -> dict[str, str]:
    listed = read_split_list(path)
    found: dict[str, str] = {}
    known: set[ListKey] = set()
    slide_names = _check_ambiguous(slides, listed, path)
    for slide in slides:
        keys = [ListKey("slide", name) for name in slide.names]
        keys.append(ListKey("patient", slide.patient))
        # Some write patients into a column of the name slide; a name of a slide is never taken for a patient.
        if slide.patient not in slide_names:
            keys.append(ListKey("slide", slide.patient))
        known.update(keys)
        named = [key for key in keys if key in listed]
        for key in named:
            split = found.setdefault(slide.file, listed[key].split)
            if split != listed[key].split:
                first = named[0]
                raise UserError(
                    f"{path}: {slide.file} is in {split} as {first.column} {first.name[:80]} and in "
                    f"{listed[key].split} as {key.column} {key.name[:80]}. Correct or remove one of the two."
                )
    missing = [key.name for key in listed if key not in known]
    names = {key.name for key in known if key.name}
    if not found:
        raise UserError(f"{path}: names no slide or patient of the corpus{_suggest(missing, names)}.")
    if missing:
        raise UserError(
            f"{path}: {len(missing)} of its {len(listed)} names are neither a slide nor a patient of the corpus"
            f"{_suggest(missing, names)}. Correct or remove them."
        )
    return found


def _check_ambiguous(slides: Sequence[SlideFile], listed: Mapping[ListKey, ListedName], path: Path) -> set[str]:
    """Return the names of all slides; refuse a list with a name that slides of several folders have.

    Raises:
        UserError: it has one.
    """
    first: dict[str, str] = {}
    for slide in slides:
        for name in slide.names:
            other = first.setdefault(name, slide.file)
            if _parent(other) != _parent(slide.file) and ListKey("slide", name) in listed:
                raise UserError(
                    f"{path}: {name[:80]} may be {other} or {slide.file}. Write the path below the folder instead."
                )
    return set(first)


def _suggest(missing: Sequence[str], known: set[str]) -> str:
    """Return names that do not exist, each with the nearest one that does, as the end of a sentence."""
    lower = {name.lower(): name for name in sorted(known)}
    listed = []
    for name in missing[:_MAX_LISTED]:
        near = difflib.get_close_matches(name.lower(), lower, n=1)
        listed.append(f"{name[:80]} (is it {lower[near[0]]}?)" if near else name[:80])
    more = [f"and {len(missing) - _MAX_LISTED} more"] if len(missing) > _MAX_LISTED else []
    return ": " + ", ".join(listed + more)
