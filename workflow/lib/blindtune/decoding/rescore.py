"""Score the kept trials of a study on another open dataset (guide, section 6.4), rebuilt from records alone."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.config.systems import ManualModel
from blindtune.core.errors import UserError
from blindtune.core.files import write_json
from blindtune.core.paths import ResultPaths, find_results
from blindtune.core.validation import NAME_PATTERN, parse_json
from blindtune.datasets.prepared import (
    Prepared,
    digest_of_split,
    open_prepared,
    open_unverified,
)
from blindtune.datasets.verification import read_manifest
from blindtune.decoding.sealed_samples import (
    CheckedSamples,
    read_evals,
    refuse_samples_of_ledger,
    refuse_sealed_samples,
)
from blindtune.exports.stored_study import StoredStudy, check_unsealed
from blindtune.records.trial import WORST_ERROR, Trial, rank_on_dev
from blindtune.study.checkpoints import WeightStore
from blindtune.study.pending import with_epochs
from blindtune.study.rebuild import rebuild_model
from blindtune.study.setup import TaskBuilder
from blindtune.training.base import Model
from blindtune.training.registry import create_trainer
from blindtune.views.apply import apply_view, make_view


@dataclass(frozen=True)
class RescoredTrial:
    """One trial, scored on another set.

    Attributes:
        trial: number of the trial.
        dev_error: the recorded dev error, which the rebuilt model gave again.
        error: share of wrong samples of the other set.
        wrong: number of wrong samples of the other set.
        samples: number of samples of the other set.
        dev_rank: rank among the rescored trials by dev error, from 1; equal errors share a rank.
        rank: rank by the error on the other set.
    """

    trial: int
    dev_error: float
    error: float
    wrong: int
    samples: int
    dev_rank: int
    rank: int


def rescore(
    stored: StoredStudy,
    on: Path,
    split: str,
    best: int | None,
    dev: Path | None,
    report: Callable[[str], None] = lambda line: None,
) -> tuple[list[RescoredTrial], Path]:
    """Score the kept trials of a study on a split of a prepared dataset, and write the scores to a file.

    Args:
        stored: the study.
        on: manifest of the dataset to score on.
        split: ``train`` or ``dev`` of it.
        best: number of kept trials to score, the best on dev first; None: all.
        dev: manifest of the study's own data; None: where the study's config has put it.
        report: takes a line about what could not be checked.

    Returns:
        The trials, the best on the other set first, and the file that holds them.

    Raises:
        UserError: a path is sealed, the data do not fit, they hold samples of the study's own eval, of the eval of
            another dataset in the same results or of any eval in their ledger, fewer trials were kept than asked for,
            a rebuilt model does not give its recorded dev error, or the study was copied and ``dev`` is not given.
    """
    for path in filter(None, (on, dev)):
        check_unsealed(path)
    study = stored.study
    place = (study.dataset, study.system, study.seed)
    paths = find_results(stored.folder, ResultPaths("").study(*place))
    own_manifest = dev or _find_own_manifest(stored, paths)
    own, other = _open_own(stored, own_manifest), _open(on)
    _check_fit(own, other, on)
    trials = _choose_kept(stored, best)
    scored_split = other.train if split == "train" else other.dev
    sha256 = digest_of_split(scored_split)
    if sha256 == own.manifest["splits"]["eval"]:
        raise UserError(f"{on}: its {split} is the eval split of {own.name}. Only decode scores on that.")
    roots = [paths, _results_of(own_manifest), _results_of(on)]
    results = {Path(root.root): root for root in roots if root is not None}
    # The study's own data first; then every dataset whose eval is known by the same results.
    known = [own_manifest, *(found for root in results for found in sorted(root.glob("data/*/manifest.json")))]
    scored = CheckedSamples(on, scored_split.x, f"samples of its {split}", "prepare it again and rescore")
    ledgers = [read_evals(Path(root.ledger())) for root in results.values()]
    checked = refuse_sealed_samples(scored, known, ledgers, report)
    refuse_samples_of_ledger(scored, own, ledgers, checked)
    open_prepared(on)  # verified only now: what is said above says more than that the data have changed
    view = study.settings.view
    x = make_view(view, own)(scored_split.x)
    models = _rebuild_models(stored, apply_view(view, own), trials)
    wrong = [int(np.sum(predict(x) != scored_split.y)) for predict in models]
    rows = _rank(trials, wrong, len(scored_split.y))
    folder = Path(paths.rescored(*place)) if paths else stored.folder / "rescored"
    path = folder / f"{other.name}-{split}-{sha256[:8]}.json"
    about = {"dataset": other.name, "split": split, "sha256": sha256, "samples": len(scored_split.y)}
    write_json(path, {"study": study.id, "on": about, "trials": [asdict(row) for row in rows]})
    return rows, path


def _find_own_manifest(stored: StoredStudy, paths: ResultPaths | None) -> Path:
    if paths is None:
        raise UserError(
            f"{stored.folder}: is not below results/<name>/studies, so that the study's own data are not found. Give "
            "their manifest with --dev."
        )
    return Path(paths.manifest(stored.study.dataset))


def _open_own(stored: StoredStudy, manifest: Path) -> Prepared:
    """Open the data of a study."""
    if not manifest.exists():
        raise UserError(f"{manifest}: the study's own data are not there. Give their manifest with --dev.")
    own = _open(manifest)
    if own.sha256 != stored.data_sha256:
        raise UserError(f"{stored.folder}: was run on other data than {own.name} holds now. Give its data with --dev.")
    return open_prepared(manifest)


def _open(manifest: Path) -> Prepared:
    for path in (manifest, manifest.parent / "train", manifest.parent / "dev"):
        check_unsealed(path)
    content = read_manifest(manifest)
    if not re.fullmatch(NAME_PATTERN, str(content["dataset"])):
        raise UserError(f"{manifest}: {content['dataset']!r} is not a name of a dataset. Prepare it again.")
    return open_unverified(manifest)


def _results_of(manifest: Path) -> ResultPaths | None:
    return find_results(manifest, ResultPaths("").manifest(manifest.resolve().parent.name))


def _check_fit(own: Prepared, other: Prepared, on: Path) -> None:
    if other.classes != own.classes:
        raise UserError(f"{on}: its classes are {other.classes}, those of the study's {own.name} are {own.classes}.")
    if other.sample_shape != own.sample_shape:
        raise UserError(
            f"{on}: its samples have the shape {other.sample_shape}, those of the study's data {own.sample_shape}."
        )


def _choose_kept(stored: StoredStudy, best: int | None) -> list[Trial]:
    """Return the trials that can be rebuilt, the best on dev first."""
    kept = [trial for trial in rank_on_dev(stored.trials) if _load_weights(stored, trial) is not None]
    if not kept:
        raise UserError(f"{stored.folder}: keeps no model. Give a study that trains models and has completed a trial.")
    if best is not None and best > len(kept):
        raise UserError(
            f"{stored.folder}: keeps {len(kept)} of its {len(stored.trials)} trials, not {best}. "
            "The config's 'keep_best' says how many; it holds for trials that are run after it was raised."
        )
    return kept[:best]


def _load_weights(stored: StoredStudy, trial: Trial) -> dict[str, NDArray[Any]] | None:
    """Return the weights of a trial; empty for a reference model, which is fitted again; None if not kept."""
    if not stored.study.settings.has_weights:
        return {}
    return WeightStore(stored.folder, stored.study.keep_best).load_weights(trial)


def _dev_error(trial: Trial) -> float:
    """Return the dev error of a trial, by which it need not have been ranked."""
    return WORST_ERROR if trial.score is None else trial.score


def _rebuild_models(stored: StoredStudy, own: Prepared, trials: list[Trial]) -> list[Model]:
    study = stored.study
    trainer = create_trainer(study.settings.trainer_name)
    model = parse_json(ManualModel, stored.files["model"], str(stored.folder)) if "model" in stored.files else None
    build_task = TaskBuilder(study, own, model)
    return [
        rebuild_model(
            trainer,
            with_epochs(build_task(trial.hyperparameters), trial.trained_before + trial.epochs),
            _load_weights(stored, trial) or {},
            train=own.train,
            dev=own.dev,
            dev_error=_dev_error(trial),
            what=f"{study.id}: trial {trial.number}",
            metric=trial.metric,
            dev_metric=trial.metric_value,
        )
        for trial in trials
    ]


def _rank(trials: list[Trial], wrong: list[int], samples: int) -> list[RescoredTrial]:
    dev_errors = [_dev_error(trial) for trial in trials]
    rows = [
        RescoredTrial(
            trial=trial.number,
            dev_error=_dev_error(trial),
            error=count / samples,
            wrong=count,
            samples=samples,
            dev_rank=1 + sum(other < _dev_error(trial) for other in dev_errors),
            rank=1 + sum(other < count for other in wrong),
        )
        for trial, count in zip(trials, wrong, strict=True)
    ]
    return sorted(rows, key=lambda row: (row.wrong, row.trial))
