"""Run one shard: train a part of the trials of a study before the study itself; see `blindtune.study.shards`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blindtune.config.rungs import plan_system_rungs
from blindtune.config.study import Study
from blindtune.core.claims import claim
from blindtune.core.errors import UserError
from blindtune.core.files import next_free_path, read_json_object, write_json
from blindtune.core.job_log import JobLog
from blindtune.core.shards import Shard
from blindtune.datasets.prepared import Prepared
from blindtune.records.trial import TrialLog
from blindtune.study.checkpoints import WeightStore
from blindtune.study.context import StudyContext
from blindtune.study.protocol import build_protocol, digest_protocol, is_folder_of, prepare_folder
from blindtune.study.run import check_defined, check_study_engine
from blindtune.study.search import search_shard
from blindtune.study.shards import RecordedTrial, RecordedTrials, find_shard, folder_of, read_shards, write_shard
from blindtune.tuners.rungs import RungPlan
from blindtune.views.apply import apply_view, collect_inputs

#: What a shard of a rung knew of the trials of earlier rungs, in its folder.
_EARLIER = "earlier.json"


def run_shard(
    study: Study,
    data: Prepared,
    *,
    shard: Shard,
    files: dict[str, Path],
    code: str,
    output: Path,
    study_folder: Path,
    job_log: JobLog,
    workers: int = 1,
    wait_seconds: float = 0.0,
    earlier: Sequence[Path] = (),
) -> None:
    """Train one part of the trials of a study, and write their records for it.

    A part that was killed and is started again goes on from the records in its own folder, next to the file that it
    writes. What the study itself has recorded is not trained again.

    Args:
        study: the study, whose proposals depend on no score, or on those of earlier rungs alone.
        data: train and dev.
        shard: which part.
        files: the data files of the system, by the names of its ``files()``.
        code: digest of the code that determines the records.
        output: the file that is written in the end.
        study_folder: the folder of the study, which need not exist.
        job_log: takes messages and progress.
        workers: number of cores to use; changes no record.
        wait_seconds: how long to wait for another process that trains this part.
        earlier: the files of all shards of the rungs before that of the shard.

    Raises:
        ClaimedError: another process trains this part.
        LostClaimError: another process has taken over this part meanwhile.
        UserError: a record cannot be read or written, a file of the system is wrong, a file of an earlier rung is
            damaged, or there is no such shard.
    """
    check_study_engine(study)
    check_defined(study, data)
    plan = plan_system_rungs(study.settings, study.budget, files)
    found = find_shard(shard, plan)
    if found is None:
        raise UserError(f"{study.id} has no {shard}: its config has changed. Run the workflow again.")
    shard = found
    inputs = collect_inputs(study.settings.view, data)
    preprocessing = inputs.identity()
    protocol = build_protocol(study, data.sha256, preprocessing, files, code)
    folder = folder_of(output)
    with claim(output, f"{shard} of the study {study.id}", wait_seconds=wait_seconds, notify=job_log.info) as held:
        recorded = None if plan is None else _read_earlier(earlier, study.id, digest_protocol(protocol), plan)
        if recorded is not None:
            _set_aside_outdated(folder, recorded, f"{study.id}, {shard}", job_log)
        prepare_folder(folder, protocol | {"shard": str(shard)}, f"{study.id}, {shard}", job_log)
        if recorded is not None:
            write_json(folder / _EARLIER, recorded.outcomes())
        context = StudyContext(
            study=study,
            data=apply_view(study.settings.view, data, inputs),
            preprocessing=preprocessing,
            folder=folder,
            job_log=job_log,
            workers=workers,
            part=str(shard),
            check_claim=held.check,
        )
        elsewhere = _read_study(study_folder, protocol, shard, study.keep_best)
        trials = search_shard(context, files, shard, elsewhere, plan, recorded)
        write_shard(output, shard, study.id, digest_protocol(protocol), trials)
    job_log.finish(f"{study.id}, {shard}: has trained {len(trials)} trials")


def _set_aside_outdated(folder: Path, earlier: RecordedTrials, name: str, job_log: JobLog) -> None:
    """Move the records of a shard away if a trial of an earlier rung has another outcome now than when they were made.

    With a larger budget there are more trials, but those that were there are the same.
    """
    path, outcomes = folder / _EARLIER, earlier.outcomes()
    known = read_json_object(path) if path.exists() else {}
    if all(outcomes.get(number, found) == found for number, found in known.items()):
        return
    outdated = next_free_path(folder.with_name(f"{folder.name}.outdated"))
    folder.rename(outdated)
    job_log.info(f"{name}: outcomes of earlier rungs changed; the records so far were moved to {outdated}")


def _read_earlier(paths: Sequence[Path], study_id: str, protocol_sha256: str, plan: RungPlan) -> RecordedTrials:
    """Return the trials of earlier rungs.

    Raises:
        UserError: a file is damaged: nobody can tell which trials are promoted.
    """
    problems: list[str] = []
    found = read_shards(paths, study_id, protocol_sha256, 0, problems.append, plan)
    if problems:
        raise UserError(
            f"{problems[0]} The scores in this file decide which trials are promoted. Remove it, if it is there, and "
            "run the same command again: its shard writes it again, and trains nothing that it has recorded."
        )
    return found


def _read_study(folder: Path, protocol: dict[str, Any], shard: Shard, keep_best: int) -> RecordedTrials:
    """Return the trials of a shard that the study itself has recorded, by their position in the shard."""
    if not is_folder_of(folder, protocol):
        return RecordedTrials()
    try:
        trials = TrialLog(folder / "trials.jsonl").read()
    except UserError:  # the study itself ends with its message, and what to do
        return RecordedTrials()
    store = WeightStore(folder, keep_best)
    return RecordedTrials(
        RecordedTrial(trial.model_copy(update={"number": position}), store, trial.number)
        for trial in trials
        if (position := shard.position(trial.number)) is not None
    )
