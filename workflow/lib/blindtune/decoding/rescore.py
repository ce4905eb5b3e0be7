"""Scoring the kept trials of a study on another open set (guide, section 6.4): models rebuilt from records alone."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.config.systems import Knn, ManualModel, RandomForest
from blindtune.core.errors import UserError
from blindtune.core.files import read_json, write_json
from blindtune.core.paths import ResultPaths
from blindtune.core.validation import parse_json
from blindtune.datasets.prepared import Prepared, digest_of_split, open_prepared
from blindtune.exports.stored_study import StoredStudy, check_unsealed
from blindtune.records.trial import Trial, ranked
from blindtune.search_space import NAME_PATTERN
from blindtune.study.checkpoints import WeightStore
from blindtune.study.freeze import rebuilt
from blindtune.study.setup import task_of
from blindtune.training.base import Predict
from blindtune.training.registry import create_trainer
from blindtune.views.apply import apply_view, make_view


@dataclass(frozen=True)
class Rescored:
    """One trial, scored again.

    Attributes:
        trial: its number.
        dev_error: as recorded, and as the rebuilt model gave it again.
        error: on the other set.
        wrong, samples: what ``error`` is made of.
        rank_then, rank_now: among the rescored trials by either error, from 1; equals share a rank.
    """

    trial: int
    dev_error: float
    error: float
    wrong: int
    samples: int
    rank_then: int
    rank_now: int


def rescore(
    stored: StoredStudy, on: Path, split: str, best: int | None, dev: Path | None
) -> tuple[list[Rescored], Path]:
    """Score the kept trials of a study on a split of a prepared dataset, and write down what came out.

    Args:
        stored: the study.
        on: manifest of the dataset to score on.
        split: ``train`` or ``dev`` of it.
        best: how many of the kept trials, the best first; None: all of them.
        dev: manifest of the study's own data; None: where the study's config has put it.

    Returns:
        The trials, the best on the other set first, and the file that holds them.

    Raises:
        UserError: a path is sealed, the data do not fit or are the study's own eval, fewer trials were kept than
            asked for, or a rebuilt model does not give its recorded dev error again.
    """
    for path in filter(None, (on, dev)):
        check_unsealed(path)
    layout = ResultPaths(str(stored.folder.resolve().parents[3]))
    own, other = _own(stored, dev or Path(layout.manifest(stored.study.dataset))), _open(on)
    _check_fit(own, other, on)
    chosen = _chosen(stored, best)
    scored_on = other.train if split == "train" else other.dev
    sha256 = digest_of_split(scored_on)
    if sha256 == own.manifest["splits"]["eval"]:
        raise UserError(f"{on}: its {split} is the eval split of {own.name}. Only decode scores on that.")
    sees = stored.study.settings.view
    x = make_view(sees, own)(scored_on.x)
    wrong = [int(np.sum(predict(x) != scored_on.y)) for predict in _models(stored, apply_view(sees, own), chosen)]
    found = _ranked(chosen, wrong, len(scored_on.y))
    study = stored.study
    path = Path(layout.rescored(study.dataset, study.system, study.seed)) / f"{other.name}-{split}-{sha256[:8]}.json"
    about = {"dataset": other.name, "split": split, "sha256": sha256, "samples": len(scored_on.y)}
    write_json(path, {"study": study.id, "on": about, "trials": [asdict(row) for row in found]})
    return found, path


def _own(stored: StoredStudy, manifest: Path) -> Prepared:
    """The data that a study was run on."""
    if not manifest.exists():
        raise UserError(f"{manifest}: the study's own data are not there. Give their manifest with --dev.")
    own = _open(manifest)
    if own.sha256 != stored.data_sha256:
        raise UserError(f"{stored.folder}: was run on other data than {own.name} holds now. Give its data with --dev.")
    return own


def _open(manifest: Path) -> Prepared:
    for path in (manifest, manifest.parent / "train", manifest.parent / "dev"):
        check_unsealed(path)
    content = read_json(manifest)
    if not isinstance(content, dict) or not {"dataset", "classes", "sha256", "splits"} <= content.keys():
        raise UserError(
            f"{manifest}: is not a manifest of a prepared dataset. Give results/<name>/data/<dataset>/manifest.json."
        )
    if not re.fullmatch(NAME_PATTERN, str(content["dataset"])):
        raise UserError(f"{manifest}: {content['dataset']!r} is no name of a dataset. Prepare it again.")
    return open_prepared(manifest)


def _check_fit(own: Prepared, other: Prepared, on: Path) -> None:
    if other.classes != own.classes:
        raise UserError(f"{on}: its classes are {other.classes}, those of the study's {own.name} are {own.classes}.")
    if other.sample_shape != own.sample_shape:
        raise UserError(
            f"{on}: its samples have the shape {other.sample_shape}, those of the study's data {own.sample_shape}."
        )


def _chosen(stored: StoredStudy, best: int | None) -> list[Trial]:
    """The trials that can be rebuilt, the best first."""
    kept = [trial for trial in ranked(stored.trials) if _weights(stored, trial) is not None]
    if not kept:
        raise UserError(f"{stored.folder}: keeps no model. Give a study that trains models and has completed a trial.")
    if best is not None and best > len(kept):
        raise UserError(
            f"{stored.folder}: keeps {len(kept)} of its {len(stored.trials)} trials, not {best}. "
            "The config's 'keep' says how many; it holds for trials that are run after it was raised."
        )
    return kept[:best]


def _weights(stored: StoredStudy, trial: Trial) -> dict[str, NDArray[Any]] | None:
    """What a trial is rebuilt from; nothing for a reference model, which is fitted anew; None: not kept."""
    if isinstance(stored.study.settings, Knn | RandomForest):
        return {}
    return WeightStore(stored.folder, stored.study.keep_best).load(trial)


def _models(stored: StoredStudy, own: Prepared, trials: list[Trial]) -> list[Predict]:
    study = stored.study
    trainer = create_trainer(study.settings.trainer_name)
    model = parse_json(ManualModel, stored.files["model"], str(stored.folder)) if "model" in stored.files else None
    models = []
    for trial in trials:
        values: dict[str, Any] = trial.hyperparameters
        task = task_of(study.settings, model, study.dataset, study.seed, own, values)
        models.append(rebuilt(study.id, own, trainer, task, _weights(stored, trial) or {}, trial))
    return models


def _ranked(trials: list[Trial], wrong: list[int], samples: int) -> list[Rescored]:
    told = [trial.objective_value() for trial in trials]
    rows = [
        Rescored(
            trial=trial.number,
            dev_error=trial.objective_value(),
            error=count / samples,
            wrong=count,
            samples=samples,
            rank_then=1 + sum(other < trial.objective_value() for other in told),
            rank_now=1 + sum(other < count for other in wrong),
        )
        for trial, count in zip(trials, wrong, strict=True)
    ]
    return sorted(rows, key=lambda row: (row.wrong, row.trial))
