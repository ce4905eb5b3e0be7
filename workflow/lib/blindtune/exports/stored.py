"""Studies as they lie on the disk, read without a config and without touching anything."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from blindtune.config.study import Study
from blindtune.core.errors import UserError
from blindtune.core.files import read_json
from blindtune.core.validation import parse_json
from blindtune.records.trial import Trial, TrialLog
from blindtune.search_space import NAME_PATTERN

#: Folders below which no study of the present lies.
_SEALED, _SUPERSEDED = "sealed", ".superseded-"


@dataclass(frozen=True)
class StoredStudy:
    """One study as it was recorded.

    Attributes:
        folder: where it lies.
        study: what it is; ``keep``, ``published`` and mostly ``budget`` determine no record and are not stored.
        files: the content of the data files of its system, by the names of its ``files()``.
        data_sha256: identifies its train and dev.
        trials: every trial so far.
    """

    folder: Path
    study: Study
    files: dict[str, Any]
    data_sha256: str
    trials: list[Trial]


def find(paths: list[Path]) -> list[StoredStudy]:
    """The studies in and below ``paths``, each once, by their ids.

    Raises:
        UserError: a path is sealed, holds no study with trials, or two folders hold one study.
    """
    folders: dict[Path, StoredStudy] = {}
    for path in paths:
        stored = [read(path)] if (unsealed(path) / "protocol.json").exists() else list(_below(path))
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


def read(folder: Path) -> StoredStudy:
    """The study in ``folder``.

    Raises:
        UserError: the folder is sealed, or holds no study or a damaged one.
    """
    path = unsealed(folder) / "protocol.json"
    protocol = read_json(path)
    if not isinstance(protocol, dict) or not {"study", "files", "data_sha256"} <= protocol.keys():
        raise UserError(f"{path}: is no protocol of a study. Restore it, or run the study again.")
    study = parse_json(Study, {"keep": 1, "budget": None, **protocol["study"]}, f"{path}: study")
    for name in (study.config, study.dataset, study.system):
        if not re.fullmatch(NAME_PATTERN, name):
            raise UserError(f"{path}: {name!r} is no name of a config, dataset or system. Restore the file.")
    log = folder / "trials.jsonl"
    if log.exists() and not log.read_bytes().endswith(b"\n"):
        raise UserError(f"{log}: its last record is unfinished. Run the study again, which sets it aside and goes on.")
    return StoredStudy(folder, study, protocol["files"], protocol["data_sha256"], TrialLog(log).read())


def unsealed(path: Path) -> Path:
    """``path``; raises UserError where it leads to sealed data, which only decode may open."""
    if _SEALED in (*path.absolute().parts, *path.resolve().parts):
        raise UserError(f"{path}: lies below a folder {_SEALED}. Only decode opens eval data, once for each model.")
    return path


def _below(path: Path) -> Iterator[StoredStudy]:
    for place, folders, files in os.walk(path):
        if "protocol.json" in files:
            yield read(Path(place))
        folders[:] = [name for name in folders if name != _SEALED and _SUPERSEDED not in name]
