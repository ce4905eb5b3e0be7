"""Discovery of recordings: which files are recordings, and the patient and the split of each.

In TUSZ, the name of a file has patient, session and piece. Versions 1 and 2 order the folders differently, so split and
montage are searched among them. Patients of the two versions cannot be matched, so a corpus must have one version only.
Names of BIDS, CHB-MIT and Siena begin with the patient.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path, PurePosixPath

from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.datasets.base import SPLITS
from blindtune.datasets.corpus.filetree import Nameless, files_below
from blindtune.datasets.corpus.globs import matches_glob
from blindtune.datasets.eeg import formats
from blindtune.datasets.eeg.config import EegConfig

#: Folders of TUSZ that name a split, and the split.
FOLDERS = {"train": "train", "dev": "dev", "dev_test": "dev", "eval": "eval"}
MONTAGES = ("01_tcp_ar", "02_tcp_le", "03_tcp_ar_a", "04_tcp_le_a")
_NAME = re.compile(r"(?P<patient>[a-z]{8}|\d{8})_(?P<session>s\d{3})_(?P<piece>t\d{3})", re.ASCII)
#: Names without suffix, by the layout. CHB-MIT has chb17a_03 and chb02_16+, Siena PN10-4.5.6.
_NAMES = {
    "TUSZ": _NAME,
    "BIDS": re.compile(r"(?P<patient>sub-[0-9A-Za-z]+)(_.*)?", re.ASCII),
    "CHB-MIT": re.compile(r"(?P<patient>chb\d\d)[a-z]?_\d+\+?", re.ASCII | re.IGNORECASE),
    "Siena": re.compile(r"(?P<patient>PN\d\d)(-[\d.]*)?", re.ASCII | re.IGNORECASE),
}
#: In CHB-MIT, chb21 was recorded from the child of chb01, 1.5 years later (https://physionet.org/content/chbmit/).
SAME_CHILD = {"chb21": "chb01"}
#: Folders above the patients of a BIDS tree that hold copies of its recordings, and endings of names that are not EEG.
_BIDS_COPIES = ("derivatives", "sourcedata", "code")
_BIDS_OTHERS = frozenset(["ecg", "emg", "eog", "mov", "acc", "ieeg", "meg", "nirs", "motion", "physio", "beh", "pet"])
#: Names of folders that mean a split elsewhere.
_OTHER_SPLITS = ("test", "tests", "testing", "val", "valid", "validation", "training", "evaluation", "development")


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


@dataclass(frozen=True)
class FileTree:
    """The files below the folder of a corpus; paths are below it, with slashes.

    Attributes:
        files: all of them, sorted; hidden ones are not seen.
        recordings: those that count as recordings, readable or not.
        ignored: recordings that do not count, those without a patient among them, and why.
        copies: those of them that are a copy of a recording by their name, and that recording.
        nameless: those of them whose paths give no patient, why, and what to do; empty if no path gives one.
    """

    files: list[str]
    recordings: list[str]
    ignored: dict[str, str]
    copies: dict[str, str] = field(default_factory=dict)
    nameless: dict[str, str] = field(default_factory=dict)

    def list_nameless(self) -> Nameless:
        """Return the recordings without a patient, and how many recordings there are with them."""
        return Nameless(self.nameless, len(self.recordings) + len(self.nameless))


def find_files(folder: Path, config: EegConfig) -> FileTree:
    """Return the files below a folder, and which of them are recordings; hidden files are skipped.

    Args:
        folder: folder of the corpus.
        config: the keys ``files`` and ``patient`` count.

    Raises:
        UserError: there is no such folder, or it has no recording that can be read.
    """
    return sort_files(folder, files_below(folder), config)


def sort_files(folder: Path, files: Sequence[str], config: EegConfig) -> FileTree:
    """Return which files are recordings.

    Args:
        folder: folder of the corpus, for messages.
        files: all files below it.
        config: the keys ``files`` and ``patient`` count.

    Raises:
        UserError: none of them is a recording that can be read.
    """
    recordings, ignored = [], {}
    for file in sorted(files):
        suffix = formats.split_suffix(file)[1]
        if suffix in formats.OTHERS:
            ignored[file] = f"is of a format that is not read ({formats.OTHERS[suffix]})"
        elif suffix in formats.RECORDINGS:
            reason = _reason_to_ignore(file, config)
            if reason is None:
                recordings.append(file)
            else:
                ignored[file] = reason
    if not recordings:
        raise UserError(_explain_none(folder, ignored, config))
    copies = _find_copies(recordings, config)
    ignored |= {file: f"is a copy of {PurePosixPath(first).name} by its name" for file, first in copies.items()}
    recordings = [file for file in recordings if file not in copies]
    nameless = {file: _explain_nameless(config) for file in recordings if not _name_patient(file, config.patient)}
    if len(nameless) == len(recordings):
        nameless = {}  # then it is no fault of single files: `parse_paths` refuses them
    ignored |= nameless
    named = [file for file in recordings if file not in nameless]
    return FileTree(sorted(files), named, ignored, copies, nameless)


def _explain_nameless(config: EegConfig) -> str:
    """Return why the path of a recording gives no patient, and what to do."""
    if config.patient is not None:
        return f"has no patient by {config.patient!r}. Rename it or change patient"
    return (
        "is not a name of TUSZ (patient_s000_t000.edf), BIDS (sub-01_task-x_eeg.edf), CHB-MIT (chb01_03.edf) or Siena "
        "(PN00-1.edf). Set patient to a regular expression that finds the patient in a path, e.g. '(S\\d+)R'"
    )


def _find_copies(recordings: Sequence[str], config: EegConfig) -> dict[str, str]:
    """Return recordings whose names differ from that of another in the suffix alone, and that other.

    One annotation cannot be of two recordings. One with a patient counts, then the first format, and of one format the
    suffix in lower case.
    """

    def rank(file: str) -> tuple[bool, int, bool]:
        suffix = formats.split_suffix(file)[1]
        nameless = not _name_patient(file, config.patient)
        return nameless, formats.RECORDINGS.index(suffix), not file.endswith(suffix)

    first: dict[str, str] = {}
    for file in sorted(recordings, key=rank):
        first.setdefault(formats.split_suffix(file)[0], file)
    found = {file: first[formats.split_suffix(file)[0]] for file in recordings}
    return {file: other for file, other in found.items() if other != file}


def _reason_to_ignore(file: str, config: EegConfig) -> str | None:
    """Return why a file with the suffix of a recording does not count as one, by itself; None if it does."""
    path, name = PurePosixPath(file), formats.name_of(file)
    if config.files is not None:
        return None if matches_glob(config.files, file) else f"does not match files: {config.files!r}"
    if name.startswith("sub-"):
        above = takewhile(lambda part: not part.startswith("sub-"), path.parts[:-1])
        if copies := [part for part in above if part in _BIDS_COPIES]:
            return f"is in {copies[0]}, which holds no raw data in BIDS"
        if (ending := name.rpartition("_")[2]) in _BIDS_OTHERS:
            return f"is not EEG by its name (_{ending})"
    return None


def _explain_none(folder: Path, ignored: dict[str, str], config: EegConfig) -> str:
    """Return the message for a folder without a recording that can be read, with a file that does not count."""
    first = next(iter(ignored.items()), None)
    matching = f" that match files: {config.files!r}" if config.files is not None else ""
    return f"folder: {folder} holds no EDF or BDF files{matching}." + (f" {first[0]} {first[1]}." if first else "")


def find_recordings(folder: Path, config: EegConfig) -> list[Recording]:
    """Return the recordings below a folder that have a patient, sorted by path; hidden files are skipped.

    Args:
        folder: folder of the corpus.
        config: the keys ``files``, ``patient`` and ``same_patient`` count.

    Raises:
        UserError: as `find_files` and `parse_paths`.
    """
    return parse_paths(find_files(folder, config).recordings, config)


def parse_paths(files: Sequence[str], config: EegConfig) -> list[Recording]:
    """Return the recordings of some paths, sorted by path.

    Args:
        files: paths below the folder of the corpus.
        config: the keys ``patient`` and ``same_patient`` count.

    Raises:
        UserError: a path has no patient or names two splits, or there are names of two layouts or versions.
    """
    found: list[Recording] = []
    first: dict[tuple[str, ...], str] = {}
    for file in sorted(files):
        path = PurePosixPath(file)
        stem = formats.name_of(file)
        name = _NAME.fullmatch(stem)
        twin = None if name is None or config.patient else first.setdefault(name.groups(), file)
        found.append(
            Recording(
                file=file,
                patient=_find_patient(file, config),
                folder=_find_folder(path, [part for part in path.parts[:-1] if part in FOLDERS]),
                montage=_find_folder(path, [part for part in path.parts[:-1] if part in MONTAGES]),
                twin=None if twin == file else twin,
            )
        )
    if config.patient is None:
        _check_layout(found)
        _check_version(found)
    _check_same_patient(found, config)
    return found


def list_same_patients(found: Iterable[Recording], config: EegConfig) -> dict[str, str]:
    """Return the other names of patients that the recordings have, and the name that counts for each.

    Args:
        found: the recordings.
        config: the keys ``patient`` and ``same_patient`` count.
    """
    known = _same_patient(config)
    named = {_name_patient(one.file, config.patient) for one in found}
    return {other: known[other] for other in sorted(named & set(known))}


def assign_splits(found: Sequence[Recording], config: EegConfig) -> dict[str, str]:
    """Return the split of each file.

    - If the folders of a corpus name train, dev and eval, these are the splits.
    - If they name only train and dev (TUSZ 1.5, where dev is dev_test), some patients of dev are assigned to eval.
    - If they name none, all patients are assigned.

    Args:
        found: the recordings.
        config: the keys ``split``, ``dev``, ``eval`` and ``seed`` count.

    Raises:
        UserError: only some paths name a split, a folder is nearly named as one, a split other than eval has no folder,
            or there are too few patients.
    """
    named = {one.folder for one in found} if config.split == "corpus" else {None}
    if config.split == "corpus":
        _check_split_names(found)
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


def _same_patient(config: EegConfig) -> dict[str, str]:
    return (SAME_CHILD if config.patient is None else {}) | config.same_patient


def _find_patient(file: str, config: EegConfig) -> str:
    name = _name_patient(file, config.patient)
    if not name:
        raise UserError(f"{file}: {_explain_nameless(config)}.")
    return _same_patient(config).get(name, name)


def _name_patient(file: str, pattern: str | None) -> str:
    """Return the patient that a path names; empty if it names none."""
    if pattern is not None:
        found = re.search(pattern, file)
        return (found and found.group(1)) or ""
    stem = formats.name_of(file)
    layout = _layout_of(stem)
    if layout is None:
        return ""
    patient: str = _NAMES[layout].fullmatch(stem)["patient"]  # type: ignore[index]  # it matches
    return {"CHB-MIT": patient.lower(), "Siena": patient.upper()}.get(layout, patient)


def _layout_of(stem: str) -> str | None:
    return next((layout for layout, pattern in _NAMES.items() if pattern.fullmatch(stem)), None)


def _find_folder(path: PurePosixPath, parts: list[str]) -> str | None:
    if len(set(parts)) > 1:
        raise UserError(f"{path}: is in {parts[0]} and in {parts[1]}; only one of the two can be right.")
    return parts[0] if parts else None


def _check_split_names(found: Sequence[Recording]) -> None:
    """Refuse a folder that is nearly named as a split: its patients would go to any split without a word."""
    folders = {part: one.file for one in found for part in PurePosixPath(one.file).parts[:-1] if part not in FOLDERS}
    for part, file in sorted(folders.items()):
        name = part.casefold()
        near = difflib.get_close_matches(name, FOLDERS, 1, 0.8)
        if near or name in _OTHER_SPLITS:
            meant = f"{near[0]!r}" if near and name not in _OTHER_SPLITS else "a split"
            raise UserError(
                f"{file}: its folder {part!r} looks like {meant}, but the folders of splits are "
                f"{', '.join(FOLDERS)}. Rename it, or set split: patients."
            )


def _check_layout(found: Sequence[Recording]) -> None:
    layouts = {str(_layout_of(formats.name_of(one.file))): one.file for one in found}
    if len(layouts) > 1:
        (first, file), (second, other) = sorted(layouts.items())[:2]
        raise UserError(
            f"{file} is named as in {first}, {other} as in {second}. Give one corpus a dataset, or set patient to a "
            "regular expression that finds the patient in every path."
        )


def _check_same_patient(found: Sequence[Recording], config: EegConfig) -> None:
    """Refuse a name that no recording has: misspelt, it would keep a patient in two splits."""
    named = {_name_patient(one.file, config.patient) for one in found}
    for other in config.same_patient:
        if other not in named:
            near = difflib.get_close_matches(other, sorted(named), 1)
            hint = f"; the nearest is {near[0]!r}" if near else ""
            raise UserError(f"same_patient: {other!r} is not a patient of any recording{hint}. Correct or remove it.")


def _check_version(found: Sequence[Recording]) -> None:
    versions = {one.patient.isdigit(): one.file for one in found if _NAME.fullmatch(formats.name_of(one.file))}
    if len(versions) == 2:
        raise UserError(
            f"{versions[True]} is named as in TUSZ v1, {versions[False]} as in v2. The same patient has another name "
            "in each, so they cannot be split without a leak: use one version."
        )
