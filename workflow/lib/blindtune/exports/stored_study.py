"""Read recorded studies from their folders, without a config and without changing a file."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from blindtune.config.study import Study
from blindtune.core.errors import UserError
from blindtune.core.files import read_json, read_regular_file
from blindtune.core.validation import NAME_PATTERN, parse_json
from blindtune.records.trial import Trial, TrialLog

#: Folders that hold no current study: sealed data, and studies replaced by a later one.
_SEALED, _SUPERSEDED = "sealed", ".superseded-"

_ADVICE = "Restore it, or move the study's folder away and run again."


@dataclass(frozen=True)
class StoredStudy:
    """One recorded study.

    Attributes:
        folder: the folder of the study.
        study: its definition. ``keep_best``, ``paper_row`` and in most studies ``budget`` affect no record and are not
            stored.
        files: the content of the files its system uses (search space, model), by their names in ``files()``.
        data_sha256: identifies the train and dev splits.
        trials: all trials recorded so far.
        doubled: number of lines of the log that repeat an earlier record and were left out.
    """

    folder: Path
    study: Study
    files: dict[str, Any]
    data_sha256: str
    trials: list[Trial]
    doubled: int = 0


def find_studies(paths: list[Path]) -> list[StoredStudy]:
    """Find the studies in and below some folders.

    Args:
        paths: folders of studies, or folders above them.

    Returns:
        The studies that have trials, each once, sorted by id.

    Raises:
        UserError: a path is sealed or holds no study with trials, or two folders hold the same study.
    """
    folders: dict[Path, StoredStudy] = {}
    for path in paths:
        stored = [read_study(path)] if (check_unsealed(path) / "protocol.json").exists() else list(_find_below(path))
        if not any(study.trials for study in stored):
            raise UserError(
                f"{path}: holds no study with trials. Give the folder of a study, "
                "results/<name>/studies/<dataset>/<system>/<seed>, or one above it."
            )
        folders |= {study.folder.resolve(): study for study in stored if study.trials}
    studies = sorted(folders.values(), key=lambda stored: stored.study.id)
    for one, other in pairwise(studies):
        if one.study.id == other.study.id:
            raise UserError(f"{one.folder} and {other.folder} hold the same study. Export one at a time.")
    return studies


def read_study(folder: Path) -> StoredStudy:
    """Read the study in a folder.

    Raises:
        UserError: the folder is sealed, holds no study, or holds a damaged one.
    """
    path = check_unsealed(folder) / "protocol.json"
    if not path.exists() and not (folder / "trials.jsonl").exists():
        raise UserError(
            f"{folder}: holds no study. Give the folder of a study, results/<name>/studies/<dataset>/<system>/<seed>."
        )
    try:
        protocol = read_json(path)
    except UserError as error:
        raise UserError(f"{path}: cannot be read. {_ADVICE}") from error
    kinds = {"study": dict, "files": dict, "data_sha256": str}
    if not isinstance(protocol, dict) or any(not isinstance(protocol.get(key), kinds[key]) for key in kinds):
        raise UserError(f"{path}: is not a protocol of a study. {_ADVICE}")
    study = parse_json(Study, {"keep_best": 1, "budget": None, **protocol["study"]}, f"{path}: study")
    for name in (study.config, study.dataset, study.system):
        if not re.fullmatch(NAME_PATTERN, name):
            raise UserError(f"{path}: {name!r} is not a name of a config, dataset or system. {_ADVICE}")
    log = folder / "trials.jsonl"
    if log.exists() and not read_regular_file(log).endswith(b"\n"):
        raise UserError(
            f"{log}: its last record is incomplete. Remove card.json next to it, if it is there, and run again: the "
            "study sets the record aside and continues."
        )
    trials, doubled = TrialLog(log).scan()
    return StoredStudy(folder, study, protocol["files"], protocol["data_sha256"], trials, len(doubled))


def check_unsealed(path: Path) -> Path:
    """Return ``path`` unchanged if it does not lead to sealed data.

    Raises:
        UserError: the path is in a sealed folder, which only decode may open.
    """
    if _SEALED in (*path.absolute().parts, *path.resolve().parts):
        raise UserError(f"{path}: is below a folder {_SEALED}. Only decode opens eval data, once per model.")
    return path


def _find_below(path: Path) -> Iterator[StoredStudy]:
    for place, folders, files in os.walk(path):
        if "protocol.json" in files:
            yield read_study(Path(place))
        folders[:] = [name for name in folders if name != _SEALED and _SUPERSEDED not in name]
