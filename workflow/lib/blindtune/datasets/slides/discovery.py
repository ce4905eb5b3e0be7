"""The slides of a folder, known without opening any: their annotations, patients and splits."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.datasets.base import SPLITS
from blindtune.datasets.corpus.filetree import files_below
from blindtune.datasets.slides.config import ANNOTATIONS, SplittingConfig

#: What OpenSlide opens, by the suffix of the file to open.
SUFFIXES = {".svs", ".tif", ".tiff", ".ndpi", ".vms", ".vmu", ".scn", ".mrxs", ".svslide", ".bif"}

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
    """

    file: str
    annotation: str | None
    patient: str


def find_slides(folder: Path) -> dict[str, list[str]]:
    """Find the slides in a folder and the annotations of each, which have its name with another suffix.

    Returns:
        The annotations of each slide, by the slide; the first one counts.

    Raises:
        UserError: the folder is missing or holds no slide.
    """
    files = files_below(folder)
    known = set(files)
    found = {
        file: [stem + suffix for suffix in ANNOTATIONS if stem + suffix in known]
        for file, (stem, _, suffix) in ((file, file.rpartition(".")) for file in files)
        if f".{suffix.lower()}" in SUFFIXES
    }
    if not found:
        raise UserError(f"folder: {folder} holds no slide ({', '.join(sorted(SUFFIXES))}).")
    return found


def parse_paths(files: Mapping[str, Sequence[str]], pattern: str | None) -> list[SlideFile]:
    """Return the slides of a corpus with what their paths give, in the order of the paths.

    Args:
        files: the annotations of each slide, by the slide.
        pattern: regular expression that finds the patient; None: names are those of TUDP.

    Raises:
        UserError: a path gives no patient.
    """
    return [
        SlideFile(file, next(iter(annotations), None), parse_patient(file, pattern))
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
    found = {}
    for slide in slides:
        stem = slide.file.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        split = next((by_name[name] for name in (slide.file, stem, slide.patient) if name in by_name), None)
        if split is not None:
            found[slide.file] = split
    if not found:
        raise UserError(f"{path}: names no slide or patient of the corpus.")
    return found


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
