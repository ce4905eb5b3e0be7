"""The seal: eval data, the ledger of looks at it, and decode, the one look that a frozen model takes.

The ledger is an append-only file of JSON lines. A look is written down as begun before the sealed data
are opened, and as done, with its result, before the result is shown to anyone.
"""

import fcntl
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from blindtune import baselines
from blindtune.cards import Card, read_card, read_weights
from blindtune.datasets.base import Split
from blindtune.datasets.store import Prepared, digest_of_split, open_prepared, open_split
from blindtune.errors import SecondLook, UserError
from blindtune.files import canonical, digest, digest_of_arrays, read_json, write_json
from blindtune.looks import Answers, Look, write_answers
from blindtune.plans import trainer_for
from blindtune.seeds import derive
from blindtune.systems import System
from blindtune.training.base import Predict, Task, Training
from blindtune.trials import append_line, set_torn_line_aside

Report = Callable[[str], None]


#: What an entry must have beside its event, time and data.
_FIELDS = {"begun": {"study", "frozen_sha256"}, "done": {"study", "frozen_sha256", "look"}}


class Ledger:
    """Who looked at which sealed data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "ledger.jsonl"

    def entries(self) -> list[dict[str, Any]]:
        """Every line.

        Raises:
            UserError: a line is not JSON; looks must not be forgotten, so nothing goes on.
        """
        if not self._path.exists():
            return []
        *lines, rest = self._path.read_text(encoding="utf-8").split("\n")
        entries = [self._parse(line, row) for row, line in enumerate(lines, 1)]
        # A kill leaves part of a line. No look is in it: sealed data are opened after a whole line only.
        with suppress(UserError):
            entries.append(self._parse(rest, len(lines) + 1))
        return entries

    def begin(self, study: str, frozen: str, sealed: str, repeats: bool) -> bool:
        """Write down that a look begins.

        Returns:
            Whether it is blind: no other model of the study looked at these data before.

        Raises:
            SecondLook: one did, and the config does not allow it for this study.
        """
        with self._locked():
            others = [entry for entry in self._looks(study, sealed) if entry["frozen_sha256"] != frozen]
            if others and not repeats:
                raise SecondLook(_refusal(study, others[0]["time"]))
            self._append({"event": "begun", "study": study, "frozen_sha256": frozen, "eval_sha256": sealed})
            return not others

    def answer(self, study: str, frozen: str, sealed: str) -> Look | None:
        """The result of the same frozen model on the same data, if it looked before."""
        for entry in self._looks(study, sealed):
            if entry["event"] == "done" and entry["frozen_sha256"] == frozen:
                return Look.model_validate(entry["look"])
        return None

    def finish(self, look: Look, answers: Answers | None) -> None:
        """Keep the answers, then write the result down."""
        if answers is not None:
            write_answers(self.answers(look), answers)
        with self._locked():
            self._append(
                {
                    "event": "done",
                    "study": look.study,
                    "frozen_sha256": look.frozen_sha256,
                    "eval_sha256": look.eval_sha256,
                    "look": look.model_dump(mode="json"),
                }
            )

    def note_picture(self, dataset: str, sealed: str) -> None:
        """Write down that the sealed data were drawn, after every model of the dataset was frozen."""
        with self._locked():
            self._append({"event": "pictured", "dataset": dataset, "eval_sha256": sealed})

    def answers(self, look: Look) -> Path:
        """Where the answers of a look are kept."""
        return self._folder / "answers" / f"{digest([look.study, look.frozen_sha256, look.eval_sha256])}.npz"

    def _looks(self, study: str, sealed: str) -> list[dict[str, Any]]:
        return [
            entry
            for entry in self.entries()
            if entry["event"] in ("begun", "done") and entry["study"] == study and entry["eval_sha256"] == sealed
        ]

    def _append(self, entry: dict[str, Any]) -> None:
        line = canonical({**entry, "time": _now()}) + "\n"
        if self._lacks_line_feed():
            line = "\n" + line
        elif torn := set_torn_line_aside(self._path):
            line = canonical({**entry, "torn": torn.name, "time": _now()}) + "\n"
        append_line(self._path, line.encode(), "a look")

    def _lacks_line_feed(self) -> bool:
        """Whether the last line is whole but for its end, as some editors leave it."""
        content = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
        try:
            self._parse(content.rsplit("\n", 1)[-1], 0)
        except UserError:
            return False
        return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _parse(self, line: str, row: int) -> dict[str, Any]:
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict) or not {"event", "time", "eval_sha256"} <= entry.keys():
                raise ValueError("a field is missing")
            if not _FIELDS.get(entry["event"], set()) <= entry.keys():
                raise ValueError("a field is missing")
            return entry
        except ValueError as error:
            raise UserError(
                f"{self._path}, line {row}: is no ledger entry ({error}). Restore it from a backup."
            ) from error


def decode_to_files(
    card: Path,
    manifest: Path,
    sealed: Path,
    ledger: Path,
    repeats: bool,
    points: int,
    folder: Path,
    report: Report,
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

    Raises:
        UserError, SecondLook: as `decode`.
    """
    frozen, data = read_card(card), open_prepared(manifest)
    look, answers = decode(frozen, card.parent, data, sealed, Ledger(ledger), repeats, report)
    decisions = {}
    if answers is not None and data.sample_shape == (2,):
        decisions = surface(frozen, card.parent, data, points)
    write_answers(folder / "answers.npz", answers or {})
    write_answers(folder / "surface.npz", decisions)
    write_json(folder / "look.json", look.model_dump(mode="json"))


def decode(
    card: Card,
    folder: Path,
    data: Prepared,
    sealed: Path,
    ledger: Ledger,
    repeats: bool,
    report: Report,
) -> tuple[Look, Answers | None]:
    """Let a frozen model take its one look at eval, or answer from the ledger if it has.

    Args:
        card: the frozen model.
        folder: where the card lies.
        data: train and dev of the same dataset.
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
    seal = read_json(sealed)
    frozen = card.frozen_sha256()
    known = ledger.answer(card.study, frozen, seal["sha256"])
    if known is not None:
        report(f"{card.study}: answered from the ledger, eval error {known.error:.2%}; no new look")
        return known, _kept(ledger, known)
    _check_same_data(card, data)
    blind = ledger.begin(card.study, frozen, seal["sha256"], repeats)
    split = open_sealed(sealed)
    look, answers = _look(card, folder, data, split, seal["sha256"], blind)
    ledger.finish(look, answers)
    report(f"{card.study}: looked at eval once, error {look.error:.2%} on {look.samples} samples")
    return look, answers


def predictor(card: Card, folder: Path, data: Prepared) -> Predict:
    """The frozen model as a function from samples to labels, rebuilt from card and weights."""
    task = Task(card.architecture, card.training or Training(), card.hyperparameters, card.model_seed, card.classes)
    weights = read_weights(folder / card.weights, str(card.weights_sha256)) if card.weights else {}
    settings = TypeAdapter[System](System).validate_python(card.settings)
    return trainer_for(settings).rebuild(task, weights, data.train)


def open_sealed(sealed: Path) -> Split:
    """The eval split; raises UserError where it is not what was sealed."""
    split = open_split(sealed.parent / "eval")
    if digest_of_split(split) != read_json(sealed)["sha256"]:
        raise UserError(
            f"{sealed.parent}: the eval data are not those that were sealed. Remove the folder and run again."
        )
    return split


def _check_same_data(card: Card, data: Prepared) -> None:
    if data.sha256 != card.data_sha256:
        raise UserError(f"{card.study}: was frozen on other train and dev data. Remove its card and run again.")


def _kept(ledger: Ledger, look: Look) -> Answers | None:
    if look.answers_sha256 is None:
        return None
    path = ledger.answers(look)
    try:
        with np.load(path, allow_pickle=False) as stored:
            answers = dict(stored)
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error}). Restore it from a backup.") from error
    if digest_of_arrays(answers) != look.answers_sha256:
        raise UserError(f"{path}: is not what the ledger recorded. Restore it from a backup.")
    return answers


def _look(
    card: Card, folder: Path, data: Prepared, split: Split, sealed: str, blind: bool
) -> tuple[Look, Answers | None]:
    common: dict[str, Any] = {
        "study": card.study,
        "frozen_sha256": card.frozen_sha256(),
        "eval_sha256": sealed,
        "samples": len(split.y),
        "blind": blind,
        "looked": _now(),
    }
    if card.kind == "bayes":
        estimates = baselines.bayes_estimates(split.x, split.y, card.hyperparameters["eval"], card.model_seed)
        return (
            Look(
                **common,
                error=estimates["closed_loop"],
                wrong=None,
                confusion=None,
                estimates=estimates,
                answers_sha256=None,
            ),
            None,
        )
    predicted = predictor(card, folder, data)(split.x).astype(np.int16)
    answers = {"predicted": predicted, "wrong": predicted != split.y}
    wrong = int(answers["wrong"].sum())
    confusion = np.zeros((card.classes, card.classes), dtype=np.int64)
    np.add.at(confusion, (split.y, predicted), 1)
    look = Look(
        **common,
        error=wrong / len(split.y),
        wrong=wrong,
        confusion=confusion.tolist(),
        answers_sha256=digest_of_arrays(answers),
    )
    return look, answers


def _refusal(study: str, when: str) -> str:
    _, dataset, system, _ = study.split("/")
    return (
        f"{study}: another model of this study looked at this eval data at {when}; a second look would not be blind. "
        "Put back the config and code that gave the first model, or give the changed system a name of its own, "
        f"or allow it by name with 'repeats: [{dataset}/{system}]', and the report will mark its row as not blind."
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def surface(card: Card, folder: Path, data: Prepared, points: int) -> dict[str, NDArray[Any]]:
    """The frozen model's decisions over the plane, for data of two features.

    Args:
        card, folder, data: as in `decode`.
        points: points along each axis.

    Returns:
        ``x`` and ``y`` (points,), the axes, and ``label`` (points, points), by row of y.
    """
    # The few far outliers would shrink everything else: frame all but one sample in a hundred.
    low, high = np.quantile(data.train.x, [0.005, 0.995], axis=0)
    margin = 0.25 * (high - low)
    axes = [
        np.linspace(low[axis] - margin[axis], high[axis] + margin[axis], points, dtype=np.float32) for axis in (0, 1)
    ]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    label = predictor(card, folder, data)(grid).astype(np.int16).reshape(points, points)
    return {"x": axes[0], "y": axes[1], "label": label}


def picture(data: Prepared, sealed: Path, ledger: Ledger, points: int) -> dict[str, NDArray[Any]]:
    """Up to ``points`` samples of each split, drawn at random, for a figure of all three.

    Called when every model of the dataset is frozen: nothing can learn from it any more.

    Returns:
        ``<split>_x`` (samples, ...) and ``<split>_y`` (samples,) for train, dev and eval.
    """
    ledger.note_picture(data.name, read_json(sealed)["sha256"])
    splits = {"train": data.train, "dev": data.dev, "eval": open_sealed(sealed)}
    arrays: dict[str, NDArray[Any]] = {}
    for name, split in splits.items():
        # Files may be sorted by class: the first samples would show one class alone.
        chosen = np.random.default_rng(derive("picture", data.name, name)).permutation(len(split.y))[:points]
        arrays[f"{name}_x"], arrays[f"{name}_y"] = split.x[chosen], split.y[chosen]
    return arrays
