"""The seal around eval data, and decode, the one look that a frozen model takes at them."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from blindtune.baselines import estimators as baselines
from blindtune.config.systems import System
from blindtune.config.training import Training
from blindtune.core.arrays import digest_arrays, write_npz
from blindtune.core.errors import UserError
from blindtune.core.files import read_json, write_json
from blindtune.core.weights import read_weights
from blindtune.datasets.base import Split
from blindtune.datasets.prepared import Prepared, digest_of_split, open_prepared, open_split
from blindtune.decoding.ledger import Ledger, now
from blindtune.records.decode_result import DecodeResult, GroupErrors, Predictions
from blindtune.records.model_card import ModelCard, read_card
from blindtune.training.base import Predict, TrainingTask
from blindtune.training.registry import create_trainer
from blindtune.views.apply import make_view

Report = Callable[[str], None]


@dataclass(frozen=True)
class Seal:
    """Sealed data that nobody has opened yet.

    Attributes:
        folder: where they lie.
        sha256: identifies them.
    """

    folder: Path
    sha256: str

    def open(self) -> Split:
        """The eval split; raises UserError where it is not what was sealed."""
        split = open_split(self.folder / "eval")
        if digest_of_split(split) != self.sha256:
            raise UserError(
                f"{self.folder}: the eval data are not those that were sealed. Remove the folder and run again."
            )
        return split


@dataclass(frozen=True)
class FrozenModel:
    """A frozen model beside the data that it was made with.

    Attributes:
        card: says what it is.
        folder: where the card lies, with the weights.
        data: train and dev of its dataset.
        workers: cores that a reference model may use; changes no answer.
    """

    card: ModelCard
    folder: Path
    data: Prepared
    workers: int = 1

    @property
    def settings(self) -> System:
        """Its system."""
        return TypeAdapter[System](System).validate_python(self.card.settings)

    @cached_property
    def predict(self) -> Predict:
        """From stored samples to labels; rebuilt from card and weights when it is first asked."""
        card, train = self.card, self.data.train
        look = make_view(self.settings.view, self.data)
        weights = {}
        if card.weights:
            weights = read_weights(self.folder / card.weights, str(card.weights_sha256))
        else:
            # Fitted anew, on what it saw; only then is it worth the time to look at all of train.
            train = replace(train, x=look(train.x))
        task = TrainingTask(
            card.architecture, card.training or Training(), card.hyperparameters, card.model_seed, card.classes
        )
        predict = create_trainer(self.settings.trainer_name, self.workers).rebuild(task, weights, train)
        return lambda x: predict(look(np.asarray(x)))


def read_seal(path: Path) -> Seal:
    """The seal that ``seal.json`` describes; the data stay closed."""
    return Seal(path.parent, read_json(path)["sha256"])


def decode_to_files(
    card: Path,
    manifest: Path,
    sealed: Path,
    ledger: Path,
    allow_repeats: bool,
    points: int,
    folder: Path,
    report: Report,
    workers: int = 1,
) -> None:
    """`decode` a frozen model, from files to files.

    Args:
        card: ``card.json`` of the frozen model, its weights beside it.
        manifest: of train and dev.
        sealed: ``seal.json`` of eval.
        ledger: folder of the project's ledger.
        repeats: whether the config allows this study further looks.
        points: points along each axis of the decision surface.
        folder: where ``look.json``, ``answers.npz`` and ``surface.npz`` go; the last two are empty for
            an estimate, the last also for data of other than two features.
        report: takes a line about what was done.
        workers: cores that a reference model may use; changes no answer.

    Raises:
        UserError, SecondLook: as `decode`.
    """
    model = FrozenModel(read_card(card), card.parent, open_prepared(manifest), workers)
    look, answers = decode(model, sealed, Ledger(ledger), allow_repeats, report)
    decisions = {}
    if answers is not None and model.data.sample_shape == (2,):
        decisions = surface(model, points)
    write_npz(folder / "answers.npz", answers or {})
    write_npz(folder / "surface.npz", decisions)
    write_json(folder / "look.json", look.model_dump(mode="json"))


def decode(
    model: FrozenModel, sealed: Path, ledger: Ledger, allow_repeats: bool, report: Report
) -> tuple[DecodeResult, Predictions | None]:
    """Let a frozen model take its one look at eval, or answer from the ledger if it has.

    Args:
        model: the frozen model.
        sealed: path of ``seal.json``.
        ledger: the ledger of the project.
        repeats: whether the config allows this study further looks.
        report: takes a line about what was done.

    Returns:
        The result, and the answers or None for an estimate.

    Raises:
        SecondLook: another model of the study looked at these data before.
        UserError: the sealed data or the frozen model are not what they were.
    """
    seal, card = read_seal(sealed), model.card
    frozen = card.frozen_sha256()
    known = ledger.answer(card.study, frozen, seal.sha256)
    if known is not None:
        report(f"{card.study}: answered from the ledger, eval error {known.error:.2%}; no new look")
        return known, _kept(ledger, known)
    _check_same_data(card, model.data)
    blind = ledger.begin(card.study, frozen, seal.sha256, allow_repeats)
    look, answers = _look(model, seal, blind)
    ledger.finish(look, answers)
    report(f"{card.study}: looked at eval once, error {look.error:.2%} on {look.samples} samples")
    return look, answers


def _check_same_data(card: ModelCard, data: Prepared) -> None:
    if data.sha256 != card.data_sha256:
        raise UserError(f"{card.study}: was frozen on other train and dev data. Remove its card and run again.")


def _kept(ledger: Ledger, look: DecodeResult) -> Predictions | None:
    if look.answers_sha256 is None:
        return None
    path = ledger.answers(look)
    try:
        with np.load(path, allow_pickle=False) as stored:
            answers = dict(stored)
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error}). Restore it from a backup.") from error
    if digest_arrays(answers) != look.answers_sha256:
        raise UserError(f"{path}: is not what the ledger recorded. Restore it from a backup.")
    return answers


def _look(model: FrozenModel, seal: Seal, blind: bool) -> tuple[DecodeResult, Predictions | None]:
    split, card = seal.open(), model.card
    common: dict[str, Any] = {
        "study": card.study,
        "frozen_sha256": card.frozen_sha256(),
        "eval_sha256": seal.sha256,
        "samples": len(split.y),
        "blind": blind,
        "looked": now(),
    }
    if card.kind == "bayes":
        x = make_view(model.settings.view, model.data)(split.x)
        values, seed = card.hyperparameters["eval"], card.model_seed
        estimates = baselines.bayes_estimates(np.asarray(x), split.y, values, seed, model.workers)
        return (
            DecodeResult(
                **common,
                error=estimates["closed_loop"],
                wrong=None,
                confusion=None,
                estimates=estimates,
                answers_sha256=None,
            ),
            None,
        )
    predicted = model.predict(split.x).astype(np.int16)
    answers = {"predicted": predicted, "wrong": predicted != split.y}
    wrong = int(answers["wrong"].sum())
    confusion = np.zeros((card.classes, card.classes), dtype=np.int64)
    np.add.at(confusion, (split.y, predicted), 1)
    look = DecodeResult(
        **common,
        error=wrong / len(split.y),
        wrong=wrong,
        confusion=confusion.tolist(),
        groups=None if split.group is None else _by_group(split.group, answers["wrong"]),
        answers_sha256=digest_arrays(answers),
    )
    return look, answers


def _by_group(group: NDArray[np.int64], wrong: NDArray[np.bool_]) -> list[GroupErrors]:
    numbers, place = np.unique(group, return_inverse=True)
    samples, missed = np.bincount(place), np.bincount(place, wrong)
    return [
        GroupErrors(group=int(number), samples=int(all_of), wrong=int(bad))
        for number, all_of, bad in zip(numbers, samples, missed, strict=True)
    ]


def surface(model: FrozenModel, points: int) -> dict[str, NDArray[Any]]:
    """The frozen model's decisions over the plane, for data of two features.

    Args:
        model: the frozen model.
        points: points along each axis.

    Returns:
        ``x`` and ``y`` (points,), the axes, and ``label`` (points, points), by row of y.
    """
    # The few far outliers would shrink everything else: frame all but one sample in a hundred.
    low, high = np.quantile(model.data.train.x, [0.005, 0.995], axis=0)
    margin = 0.25 * (high - low)
    axes = [
        np.linspace(low[axis] - margin[axis], high[axis] + margin[axis], points, dtype=np.float32) for axis in (0, 1)
    ]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    label = model.predict(grid).astype(np.int16).reshape(points, points)
    return {"x": axes[0], "y": axes[1], "label": label}
