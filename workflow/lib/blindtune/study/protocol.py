"""The protocol of a study: everything that determines its records, and the folder that holds the records of one."""

from pathlib import Path
from typing import Any

from blindtune.config.study import Study
from blindtune.config.systems import Tuned
from blindtune.core.errors import UserError
from blindtune.core.files import canonical_json, next_free_path, read_json, write_json
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
    if not path.exists() and (folder / "trials.jsonl").exists():
        raise UserError(f"{folder}: holds trials but no protocol.json. {_ADVICE}")
    # It is also written if files of code have moved, so that it names those that are there.
    if not path.exists() or read_json(path) != protocol:
        write_json(path, protocol)


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
        return _identify(read_json(path)) == _identify(protocol)
    except UserError as error:
        raise UserError(f"{path}: cannot be read. {_ADVICE}") from error


def _identify(protocol: Any) -> str:
    """Return what two protocols have in common if they are of the same records.

    Files of a view's own code may move: ``preprocessing`` has what they contain.
    """
    if isinstance(protocol, dict) and isinstance(study := protocol.get("study"), dict):
        settings = study.get("settings")
        if isinstance(settings, dict) and "view" in settings:
            settings = settings | {"view": describe_view_alone(settings["view"])}
            protocol = protocol | {"study": study | {"settings": settings}}
    return canonical_json(protocol)
