"""The recordings of a corpus: whose they are, and in which split they stand.

In TUSZ a recording's file name says patient, session and piece; versions 1 and 2 order the folders differently, so
split and montage are searched among them. Patients of the two versions cannot be matched: one corpus holds one version.
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

#: The folders of TUSZ that name a split, and which one.
FOLDERS = {"train": "train", "dev": "dev", "dev_test": "dev", "eval": "eval"}
MONTAGES = ("01_tcp_ar", "02_tcp_le", "03_tcp_ar_a", "04_tcp_le_a")
_NAME = re.compile(r"(?P<patient>[a-z]{8}|\d{8})_(?P<session>s\d{3})_(?P<piece>t\d{3})", re.ASCII)


@dataclass(frozen=True)
class Recording:
    """One file of a corpus.

    Attributes:
        file: its path below the corpus, with slashes.
        patient: whose it is.
        folder: the split that its path names, if any.
        montage: the montage of TUSZ that its path names, if any.
        twin: another file of the same patient, session and piece, which is used instead.
    """

    file: str
    patient: str
    folder: str | None
    montage: str | None
    twin: str | None = None


def find_recordings(folder: Path, config: EegConfig) -> list[Recording]:
    """All EDF files below ``folder``, by name; hidden ones are passed over.

    Raises:
        UserError: see `parse_paths`, or there is no such folder, or no EDF file in it.
    """
    files = [file for file in files_below(folder) if file.lower().endswith(".edf")]
    if not files:
        raise UserError(f"folder: {folder} holds no EDF files.")
    return parse_paths(files, config)


def parse_paths(files: Sequence[str], config: EegConfig) -> list[Recording]:
    """What the paths of a corpus say, by name.

    Raises:
        UserError: a name gives no patient, a path names two splits, or names of both versions of TUSZ stand together.
    """
    found: list[Recording] = []
    first: dict[tuple[str, ...], str] = {}
    for file in sorted(files):
        path = PurePosixPath(file)
        name = _NAME.fullmatch(path.stem)
        twin = None if name is None or config.patient else first.setdefault(name.groups(), file)
        found.append(
            Recording(
                file=file,
                patient=_patient(path, name, config.patient),
                folder=_only(path, [part for part in path.parts[:-1] if part in FOLDERS]),
                montage=_only(path, [part for part in path.parts[:-1] if part in MONTAGES]),
                twin=None if twin == file else twin,
            )
        )
    if config.patient is None:
        _check_version(found)
    return found


def assign_splits(found: Sequence[Recording], config: EegConfig) -> dict[str, str]:
    """The split of each file.

    A corpus that names train, dev and eval is taken at its word. One that names train and dev only (TUSZ 1.5, whose
    dev_test is its dev) gives some patients of dev to eval. One that names nothing is split by patient.

    Raises:
        UserError: only some paths name a split, or they name others than these, or there are too few patients.
    """
    named = {one.folder for one in found} if config.split == "corpus" else {None}
    if named == {None}:
        of_patient = assign_patients(
            [one.patient for one in found], {"dev": config.dev, "eval": config.eval}, config.seed
        )
        return {one.file: of_patient.get(one.patient, "train") for one in found}
    if None in named:
        without = next(one.file for one in found if one.folder is None)
        raise UserError(
            f"{without}: lies in no folder train, dev or eval, as others do. Move it, or set split: patients."
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
    """Patients for each split of ``shares``, by their rank; the others are left.

    Each has a rank of its own, from the seed and its name, so that one more patient moves few others.

    Raises:
        UserError: there are fewer patients than splits, the one of those that are left included.
    """
    ranked = sorted(set(patients), key=lambda patient: (derive("eeg", "patient", seed, patient), patient))
    if len(ranked) <= len(shares):
        raise UserError(
            f"{len(ranked)} patients cannot be dealt to {len(shares) + 1} splits; each needs one of its own. Add "
            "patients, or let `patient` tell more of them apart."
        )
    dealt: dict[str, str] = {}
    at = 0
    for number, (split, share) in enumerate(shares.items(), 1):
        # One at least for this split and for each that comes after, that of the others included.
        after = len(shares) - number + 1
        count = min(max(1, round(share * len(ranked))), len(ranked) - at - after)
        dealt |= dict.fromkeys(ranked[at : at + count], split)
        at += count
    return dealt


def _patient(path: PurePosixPath, name: re.Match[str] | None, pattern: str | None) -> str:
    if pattern is not None:
        found = re.search(pattern, path.as_posix())
        if found is None or not found.group(1):
            raise UserError(f"{path}: gives no patient by {pattern!r}. Rename it or change patient.")
        return found.group(1)
    if name is None:
        raise UserError(
            f"{path}: is no name of TUSZ (patient_s000_t000.edf). Set patient to a regular expression that finds the "
            "patient in a path, e.g. '(S\\d+)R'."
        )
    return name["patient"]


def _only(path: PurePosixPath, parts: list[str]) -> str | None:
    if len(set(parts)) > 1:
        raise UserError(f"{path}: lies in {parts[0]} and in {parts[1]}; one of the two can be right.")
    return parts[0] if parts else None


def _check_version(found: Sequence[Recording]) -> None:
    versions = {one.patient.isdigit(): one.file for one in found}
    if len(versions) == 2:
        raise UserError(
            f"{versions[True]} is named as in TUSZ v1, {versions[False]} as in v2. The same patient has another name "
            "in each, so they cannot be split without a leak: use one version."
        )
