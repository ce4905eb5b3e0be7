"""The slides of a folder, known without their pixels: their annotations, patients and splits."""

import csv
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.files import open_regular_file
from blindtune.core.seeds import derive
from blindtune.datasets.base import SPLITS
from blindtune.datasets.corpus.filetree import files_below
from blindtune.datasets.slides.config import ANNOTATIONS, SplittingConfig

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
    """

    file: str
    annotation: str | None
    patient: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundSlides:
    """What a folder holds.

    Attributes:
        annotations: the annotations of each slide, by the slide; the first one is read.
        parts: the other files that hold the pixels of a slide, by the slide.
        ignored: why a file is not used, by the file; every file of the folder that is not hidden is here or in use.
    """

    annotations: dict[str, list[str]]
    parts: dict[str, list[str]]
    ignored: dict[str, str]


def find_slides(folder: Path) -> FoundSlides:
    """Find the slides in a folder and the annotations of each, which have its name with another suffix.

    A folder of DICOM files is one slide. Its annotation has the name of the folder or of one of its files, which is
    then the one to open, else the first. With annotations of several files, each of these is a slide.

    Raises:
        UserError: the folder is missing or holds no slide.
    """
    files = files_below(folder)
    by_stem = _index_annotations(files)
    slides = [file for file in files if _suffix(file) in SUFFIXES]
    if not slides:
        raise UserError(f"folder: {folder} holds no slide ({', '.join(sorted(SUFFIXES))}).")
    annotations = {file: _find_annotations(file, by_stem) for file in slides}
    ignored = _ignore_masks(annotations) | _ignore_copies(annotations)
    parts = _join_dicom({file: found for file, found in annotations.items() if file not in ignored})
    joined = {part for found in parts.values() for part in found}
    kept = {file: found for file, found in annotations.items() if file not in ignored and file not in joined}
    for file in parts:
        kept[file] = kept[file] or _find_annotations(_parent(file), by_stem)
    for file in kept:
        if _suffix(file) == ".mrxs":
            parts[file] = [one for one in files if one.startswith(f"{_stem(file)}/") and one not in annotations]
        elif _suffix(file) in (".vms", ".vmu"):
            parts[file] = _find_listed(folder, file, files)
    read = {one for found in kept.values() for one in found[:1]}
    used = {*kept, *joined, *read, *(one for found in parts.values() for one in found)}
    instead = {one: f"{found[0]} is read instead" for found in kept.values() for one in found[1:]}
    instead |= {one: f"{kept[file][0]} is read instead" for file in kept for one in by_stem.get(file, []) if kept[file]}
    for file in files:
        if file not in used and file not in ignored:
            ignored[file] = instead.get(file) or _explain_unused(file)
    return FoundSlides(kept, parts, ignored)


def _explain_unused(file: str) -> str:
    """Return why a file is not used that is neither a slide nor the annotation of one."""
    suffix = _suffix(file)
    if suffix in ANNOTATIONS:
        return "no slide has this name"
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


def _join_dicom(annotations: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the other files of each slide in DICOM, by its first file or the one with an annotation."""
    by_folder: dict[str, list[str]] = {}
    for file in sorted(annotations):
        if _suffix(file) == ".dcm":
            by_folder.setdefault(_parent(file), []).append(file)
    joined = {}
    for files in by_folder.values():
        annotated = [file for file in files if annotations[file]]
        # Several annotations are those of several slides; the files without any are taken for one more.
        others = [file for file in files if len(annotated) < 2 or not annotations[file]]
        if others:
            first = annotated[0] if len(annotated) == 1 else others[0]
            joined[first] = [file for file in others if file != first]
    return joined


def parse_paths(
    files: Mapping[str, Sequence[str]], pattern: str | None, parts: Mapping[str, Sequence[str]] | None = None
) -> list[SlideFile]:
    """Return the slides of a corpus with what their paths give, in the order of the paths.

    Args:
        files: the annotations of each slide, by the slide.
        pattern: regular expression that finds the patient; None: names are those of TUDP.
        parts: the other files of each slide; None: no slide has any.

    Raises:
        UserError: a path gives no patient.
    """
    return [
        SlideFile(file, next(iter(annotations), None), parse_patient(file, pattern), tuple((parts or {}).get(file, ())))
        for file, annotations in sorted(files.items())
    ]


def parse_patient(file: str, pattern: str | None) -> str:
    """Return the patient that a path names.

    Args:
        file: path of a slide.
        pattern: regular expression that finds the patient; None: names are those of TUDP.

    Raises:
        UserError: the path names no patient.
    """
    found = re.search(pattern, file) if pattern else TUDP.search(file.rsplit("/", 1)[-1])
    if found is None or not found.group(1):
        how = f"by {pattern!r}" if pattern else "as names in TUDP do"
        raise UserError(
            f"{file}: its path gives no patient {how}. Set `patient` to an expression that fits all slides."
        )
    return str(found.group(1))


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
    by_name = _read_split_list(path)
    found: dict[str, str] = {}
    known: set[str] = set()
    for slide in slides:
        name = slide.file.rsplit("/", 1)[-1]
        names = (slide.file, name, name.rpartition(".")[0], slide.patient)
        known.update(names)
        split = next((by_name[one] for one in names if one in by_name), None)
        if split is not None:
            found[slide.file] = split
    missing = [name for name in by_name if name not in known]
    if not found:
        raise UserError(f"{path}: names no slide or patient of the corpus{_suggest(missing, known)}.")
    if missing:
        raise UserError(
            f"{path}: {len(missing)} of its {len(by_name)} names are neither a slide nor a patient of the corpus"
            f"{_suggest(missing, known)}. Correct or remove them."
        )
    return found


def _suggest(missing: Sequence[str], known: set[str]) -> str:
    """Return names that do not exist, each with the nearest one that does, as the end of a sentence."""
    lower = {name.lower(): name for name in sorted(known)}
    listed = []
    for name in missing[:_MAX_LISTED]:
        near = difflib.get_close_matches(name.lower(), lower, n=1)
        listed.append(f"{name[:80]} (is it {lower[near[0]]}?)" if near else name[:80])
    more = [f"and {len(missing) - _MAX_LISTED} more"] if len(missing) > _MAX_LISTED else []
    return ": " + ", ".join(listed + more)


def _read_split_list(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as CSV ({error}).") from error
    by_name: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        name, split = (row.get("slide") or row.get("patient") or "").strip(), (row.get("split") or "").strip()
        if not name or split not in SPLITS:
            raise UserError(f"{path}, row {number}: needs a slide or patient, and a split ({', '.join(SPLITS)}).")
        if by_name.setdefault(name, split) != split:
            raise UserError(f"{path}, row {number}: {name[:80]} is in {split} here and in {by_name[name]} above.")
    return by_name
