"""Running a study, from proposals to a frozen model.

A study keeps a folder: ``protocol.json`` (what it is), ``trials.jsonl`` (every trial, as it ended),
``weights/`` (of the best trials), and at its end ``card.json``. Killed at any moment and started again it
goes on from its records and ends as if nothing had happened.
"""

from contextlib import closing
from pathlib import Path
from typing import Any

from blindtune.config.study import Study
from blindtune.config.systems import Bayes, Tuned
from blindtune.core.errors import UserError
from blindtune.core.files import canonical_json, next_free_path, read_json, write_json
from blindtune.core.job_log import JobLog
from blindtune.core.validation import read_yaml
from blindtune.datasets.prepared import Prepared
from blindtune.records.model_card import ModelCard, write_card
from blindtune.records.trial import Trial, TrialLog
from blindtune.study.budget_tracker import BudgetTracker
from blindtune.study.checkpoints import WeightStore
from blindtune.study.estimate import estimate
from blindtune.study.freeze import freeze
from blindtune.study.search import Listener, Search, line
from blindtune.study.setup import SearchSetup, plan
from blindtune.views.apply import apply_view


def run(
    study: Study,
    data: Prepared,
    files: dict[str, Path],
    code: str,
    folder: Path,
    job_log: JobLog,
    workers: int = 1,
) -> ModelCard:
    """Run a study to its end, going on from what its folder holds, and freeze its model.

    Args:
        study: what to run.
        data: train and dev.
        files: the data files of the system, by the names of its ``files()``.
        code: digest of the code that determines the records.
        folder: the study's own folder.
        console: is told about the progress.
        workers: cores that it may use; changes no record.

    Raises:
        UserError: no trial could be completed, a record cannot be read or written, or the system's
            files are wrong.
    """
    _claim(study, data, files, code, folder, job_log)
    data = apply_view(study.settings.view, data)
    if isinstance(study.settings, Bayes):
        card = estimate(study, study.settings, data, workers)
    else:
        settings = (study.settings, study.budget, study.dataset, study.seed)
        with closing(plan(*settings, data, files, workers)) as planned:
            card = _search(study, data, planned, folder, job_log)
    write_card(folder / "card.json", card)
    job_log.finish(f"{study.id}: frozen, train error {card.train_error:.2%}, dev error {card.dev_error:.2%}")
    return card


def _search(study: Study, data: Prepared, planned: SearchSetup, folder: Path, job_log: JobLog) -> ModelCard:
    log = TrialLog(folder / "trials.jsonl")
    torn = log.mend()
    if torn:
        job_log.info(f"{study.id}: an unfinished last record was set aside in {torn}; its trial is run again")
    store = WeightStore(folder, study.keep_best)
    listener = _listener(study, planned, job_log)
    search = Search(study.id, study.seed, study.score_epoch, data, planned, log, store, listener)
    if search.recorded:
        job_log.info(f"{study.id}: goes on from {len(search.recorded)} recorded trials")
    trials, exhausted = search.run()
    card = freeze(study, data, planned, search, store, trials, exhausted)
    store.drop_states()
    return card


def _listener(study: Study, planned: SearchSetup, job_log: JobLog) -> Listener:
    tracker = BudgetTracker(planned.budget)

    def after_trial(trials: list[Trial]) -> None:
        for trial in trials[tracker.trials :]:
            tracker.add(trial)
        job_log.progress(tracker.fraction_spent(), f"{study.id}: {tracker}, {line(trials)}")

    return Listener(
        epoch=lambda trial, number, measures: job_log.detail(
            f"{study.id}: trial {trial + 1}, epoch {number}, train loss {measures.train_loss}, "
            f"dev error {measures.dev_error}"
        ),
        trial=after_trial,
    )


def _claim(study: Study, data: Prepared, files: dict[str, Path], code: str, folder: Path, job_log: JobLog) -> None:
    """Make the folder this study's; records of another protocol are moved aside, never mixed or lost."""
    protocol = _protocol(study, data, files, code)
    path = folder / "protocol.json"
    if path.exists() and canonical_json(read_json(path)) != canonical_json(protocol):
        aside = next_free_path(folder.with_name(f"{folder.name}.superseded"))
        folder.rename(aside)
        job_log.info(f"{study.id}: its config, data or code changed; the records so far were moved to {aside}")
    if not path.exists():
        _bring_back(study, folder, protocol, job_log)
    if not path.exists():
        if (folder / "trials.jsonl").exists():
            raise UserError(f"{folder}: holds trials but no protocol.json. Restore it, or move the folder away.")
        write_json(path, protocol)


def _protocol(study: Study, data: Prepared, files: dict[str, Path], code: str) -> dict[str, Any]:
    """Everything that determines the records; what differs in it makes another study."""
    # A label changes no record; a larger budget goes on from the records, where the tuner does not plan by it.
    free: dict[str, Any] = {"keep_best": True, "settings": {"paper_row"}}
    if not (isinstance(study.settings, Tuned) and study.settings.tuner.depends_on_budget):
        free["budget"] = True
    return {
        "study": study.model_dump(mode="json", exclude=free),
        "data_sha256": data.sha256,
        "files": {name: read_yaml(path) for name, path in files.items()},
        "code": code,
    }


def _bring_back(study: Study, folder: Path, protocol: dict[str, Any], job_log: JobLog) -> None:
    """Take up again the records of this very protocol, where an earlier change had moved them aside."""
    if folder.exists() and any(folder.iterdir()):
        return
    for earlier in sorted(folder.parent.glob(f"{folder.name}.superseded-*")):
        path = earlier / "protocol.json"
        if path.exists() and canonical_json(read_json(path)) == canonical_json(protocol):
            if folder.exists():
                folder.rmdir()
            earlier.rename(folder)
            job_log.info(f"{study.id}: is again what it was in {earlier}; goes on from its records")
            return
