"""The protocol of a study: everything that determines its records, and the folder that holds the records of one."""

from pathlib import Path
from typing import Any

from blindtune.config.study import Study
from blindtune.config.systems import Tuned
from blindtune.core.errors import UserError
from blindtune.core.files import canonical_json, digest_json, next_free_path, read_json, write_json
from blindtune.core.job_log import JobLog
from blindtune.core.yaml_files import read_yaml
from blindtune.models.own_code import digest_code
from blindtune.records.model_card import describe_view_alone
from blindtune.tuners.engines import engine_versions

_ADVICE = "Restore it, or move the study's folder away and run again."


def build_protocol(
    study: Study, data_sha256: str, preprocessing: dict[str, Any], files: dict[str, Path], code: str
) -> dict[str, Any]:
    """Return everything that determines the records of a study; a difference makes another study.

    Args:
        study: the config of the study.
        data_sha256: identifies train and dev.
        preprocessing: what the view takes of the dataset besides samples.
        files: the data files of the system, by the names of its ``files()``.
        code: digest of the code that determines the records.
    """
    # A label changes no record. After a larger budget the study goes on from its records, unless the tuner's proposals
    # depend on the budget.
    excluded: dict[str, Any] = {"keep_best": True, "settings": {"paper_row"}}
    if not (isinstance(study.settings, Tuned) and study.settings.depends_on_budget):
        excluded["budget"] = True
    # The metric is left out if it is the error, as in studies of before.
    described = study.model_dump(mode="json", exclude=excluded)
    # Unlike a larger budget, another limit of each trial gives the recorded trials other outcomes.
    if study.budget is not None and study.budget.trial_seconds is not None:
        described.setdefault("budget", {})["trial_seconds"] = study.budget.trial_seconds
    # Versions of an optional engine, which are not those of a lock that everyone has: another one proposes other sets.
    engine = engine_versions(study.settings.tuner) if isinstance(study.settings, Tuned) else {}
    return {
        "study": described,
        "data_sha256": data_sha256,
        "preprocessing": preprocessing,
        "files": {name: _read_file(path) for name, path in files.items()},
        "code": code,
        **({"engine": engine} if engine else {}),
    }


def digest_protocol(protocol: dict[str, Any]) -> str:
    """Identify a protocol by all but the places of files.

    Args:
        protocol: as `build_protocol` returns it.
    """
    return digest_json(without_places(protocol))


def without_places(protocol: Any) -> Any:
    """Return a protocol without the places of a view's files, which may move: `preprocessing` has their content.

    Args:
        protocol: as `build_protocol` returns it, or as it was read.
    """
    try:
        study = protocol["study"]
        settings = study["settings"] | {"view": describe_view_alone(study["settings"]["view"])}
    except (KeyError, TypeError):
        return protocol  # there is no view, or it is not what was written
    return protocol | {"study": study | {"settings": settings}}


def _read_file(path: Path) -> Any:
    """Return the content of a file of data, or what identifies a file of code."""
    return digest_code(path) if path.suffix == ".py" else read_yaml(path)


def prepare_folder(folder: Path, protocol: dict[str, Any], study_id: str, job_log: JobLog) -> None:
    """Make a folder hold the records of this protocol and no others.

    Records of another protocol are moved to a folder of their own. Records of this protocol that were moved there
    earlier are moved back.

    Args:
        folder: the folder of the study.
        protocol: of the study.
        study_id: for messages.
        job_log: takes a line about what was moved.

    Raises:
        UserError: the folder holds trials without a protocol.
    """
    path = folder / "protocol.json"
    if path.exists() and not _is_protocol(path, protocol):
        superseded = next_free_path(folder.with_name(f"{folder.name}.superseded"))
        folder.rename(superseded)
        job_log.info(f"{study_id}: its config, data or code changed; the records so far were moved to {superseded}")
    if not path.exists():
        _restore_superseded(folder, protocol, study_id, job_log)
    if not path.exists():
        if (folder / "trials.jsonl").exists():
            raise UserError(f"{folder}: holds trials but no protocol.json. {_ADVICE}")
        write_json(path, protocol)
    elif canonical_json(read_json(path)) != canonical_json(protocol):
        write_json(path, protocol)  # exports find the files where they are now


def _restore_superseded(folder: Path, protocol: dict[str, Any], study_id: str, job_log: JobLog) -> None:
    """Move records of this protocol back, if an earlier change of the config had superseded them."""
    if folder.exists() and any(folder.iterdir()):
        return
    for superseded in sorted(folder.parent.glob(f"{folder.name}.superseded-*")):
        path = superseded / "protocol.json"
        if path.exists() and _is_protocol(path, protocol):
            if folder.exists():
                folder.rmdir()
            superseded.rename(folder)
            job_log.info(f"{study_id}: is again what it was in {superseded}; goes on from its records")
            return


def is_folder_of(folder: Path, protocol: dict[str, Any]) -> bool:
    """Return whether a folder holds records of this protocol.

    Args:
        folder: the folder of a study, which need not exist.
        protocol: of the study.
    """
    try:
        return (folder / "protocol.json").exists() and _is_protocol(folder / "protocol.json", protocol)
    except UserError:
        return False


def _is_protocol(path: Path, protocol: dict[str, Any]) -> bool:
    try:
        return canonical_json(without_places(read_json(path))) == canonical_json(without_places(protocol))
    except UserError as error:
        raise UserError(f"{path}: cannot be read. {_ADVICE}") from error
