"""Discovery of recordings: the patient and the split of each.

In TUSZ, the name of a file has patient, session and piece. Versions 1 and 2 order the folders differently, so split and
montage are searched among them. Patients of the two versions cannot be matched, so a corpus must have one version only.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.datasets.base import SPLITS
from blindtune.datasets.corpus.filetree import files_below
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.eeg.recording_file import is_recording, stem_of

#: Folders of TUSZ that name a split, and the split.
FOLDERS = {"train": "train", "dev": "dev", "dev_test": "dev", "eval": "eval"}
MONTAGES = ("01_tcp_ar", "02_tcp_le", "03_tcp_ar_a", "04_tcp_le_a")
_NAME = re.compile(r"(?P<patient>[a-z]{8}|\d{8})_(?P<session>s\d{3})_(?P<piece>t\d{3})", re.ASCII)


@dataclass(frozen=True)
class Recording:
    """One file of a corpus.

    Attributes:
        file: path below the folder of the corpus, with slashes.
        patient: the patient.
        folder: the folder in the path that names a split, or None.
        montage: the folder in the path that names a montage of TUSZ, or None.
        twin: another file of the same patient, session and piece, which is used instead; or None.
    """

    file: str
    patient: str
    folder: str | None
    montage: str | None
    twin: str | None = None


def find_recordings(folder: Path, config: EegConfig) -> list[Recording]:
    """Return all EDF and BDF files below a folder, sorted by path; hidden files are skipped.

    Args:
        folder: folder of the corpus.
        config: the key ``patient`` counts.

    Raises:
        UserError: as `parse_paths`, or there is no such folder, or it has no EDF or BDF files.
    """
    files = [file for file in files_below(folder) if is_recording(file)]
    if not files:
        raise UserError(f"folder: {folder} holds no EDF or BDF files.")
    return parse_paths(files, config)


def parse_paths(files: Sequence[str], config: EegConfig) -> list[Recording]:
    """Return the recordings of some paths, sorted by path.

    Args:
        files: paths below the folder of the corpus.
        config: the key ``patient`` counts.

    Raises:
        UserError: a path has no patient or names two splits, or there are names of both versions of TUSZ.
    """
    found: list[Recording] = []
    first: dict[tuple[str, ...], str] = {}
    for file in sorted(files):
        path = PurePosixPath(file)
        name = _NAME.fullmatch(stem_of(file))
        twin = None if name is None or config.patient else first.setdefault(name.groups(), file)
        found.append(
            Recording(
                file=file,
                patient=_find_patient(path, name, config.patient),
                folder=_find_folder(path, [part for part in path.parts[:-1] if part in FOLDERS]),
                montage=_find_folder(path, [part for part in path.parts[:-1] if part in MONTAGES]),
                twin=None if twin == file else twin,
            )
        )
    if config.patient is None:
        _check_version(found)
    return found


def assign_splits(found: Sequence[Recording], config: EegConfig) -> dict[str, str]:
    """Return the split of each file.

    - If the folders of a corpus name train, dev and eval, these are the splits.
    - If they name only train and dev (TUSZ 1.5, where dev is dev_test), some patients of dev are assigned to eval.
    - If they name none, all patients are assigned.

    Args:
        found: the recordings.
        config: the keys ``split``, ``dev``, ``eval`` and ``seed`` count.

    Raises:
        UserError: only some paths name a split, a split other than eval has no folder, or there are too few patients.
    """
    named = {one.folder for one in found} if config.split == "corpus" else {None}
    if named == {None}:
        assigned = assign_patients(
            [one.patient for one in found], {"dev": config.dev, "eval": config.eval}, config.seed
        )
        return {one.file: assigned.get(one.patient, "train") for one in found}
    if None in named:
        without = next(one.file for one in found if one.folder is None)
        raise UserError(
            f"{without}: is in none of the folders train, dev and eval, as others are. Move it, or set split: patients."
        )
    own = {one.file: FOLDERS[str(one.folder)] for one in found}
    missing = set(SPLITS) - set(own.values())
    if missing - {"eval"}:
        raise UserError(
            f"the corpus has no folder {' and no folder '.join(sorted(missing))}. Complete it, or set split: patients."
        )
    if missing:
        dev = [one.patient for one in found if own[one.file] == "dev"]
        to_eval = assign_patients(dev, {"eval": config.eval / (config.dev + config.eval)}, config.seed)
        return {one.file: to_eval.get(one.patient, "dev") if own[one.file] == "dev" else own[one.file] for one in found}
    return own


def assign_patients(patients: Sequence[str], shares: dict[str, float], seed: int) -> dict[str, str]:
    """Assign patients to splits at random; the patients of the last split are not returned.

    Each patient has its own rank, derived from the seed and its name, so that one more patient moves few others.

    Args:
        patients: the patients; one may be listed several times.
        shares: share of the patients in each split but the last.
        seed: another seed gives another assignment.

    Returns:
        The split of each patient that is assigned to a split of ``shares``.

    Raises:
        UserError: there are fewer patients than splits.
    """
    ranked = sorted(set(patients), key=lambda patient: (derive("eeg", "patient", seed, patient), patient))
    if len(ranked) <= len(shares):
        raise UserError(
            f"{len(ranked)} patients cannot be assigned to {len(shares) + 1} splits; each needs at least one. Add "
            "patients, or let `patient` distinguish more of them."
        )
    assigned: dict[str, str] = {}
    at = 0
    for number, (split, share) in enumerate(shares.items(), 1):
        # At least one for this split and for each split after it, the last included.
        after = len(shares) - number + 1
        count = min(max(1, round(share * len(ranked))), len(ranked) - at - after)
        assigned |= dict.fromkeys(ranked[at : at + count], split)
        at += count
    return assigned


def _find_patient(path: PurePosixPath, name: re.Match[str] | None, pattern: str | None) -> str:
    if pattern is not None:
        found = re.search(pattern, path.as_posix())
        if found is None or not found.group(1):
            raise UserError(f"{path}: has no patient by {pattern!r}. Rename it or change patient.")
        return found.group(1)
    if name is None:
        raise UserError(
            f"{path}: is not a name of TUSZ (patient_s000_t000.edf). Set patient to a regular expression that finds "
            "the patient in a path, e.g. '(S\\d+)R'."
        )
    return name["patient"]


def _find_folder(path: PurePosixPath, parts: list[str]) -> str | None:
    if len(set(parts)) > 1:
        raise UserError(f"{path}: is in {parts[0]} and in {parts[1]}; only one of the two can be right.")
    return parts[0] if parts else None


def _check_version(found: Sequence[Recording]) -> None:
    versions = {one.patient.isdigit(): one.file for one in found}
    if len(versions) == 2:
        raise UserError(
            f"{versions[True]} is named as in TUSZ v1, {versions[False]} as in v2. The same patient has another name "
            "in each, so they cannot be split without a leak: use one version."
        )
