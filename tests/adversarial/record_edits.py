"""The records of studies and decodes edited, their digests computed again.

The adversary wants a lower error, a smaller cost, a trial that never was or no longer is, or the weights of another
model. The report must refuse records that contradict each other, and a run that goes on must not use them.
"""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from adversarial.attack import Attack, Family, KnownLimit, Outcome
from adversarial.bench import SYSTEMS, Bench, decode_and_report, decoded, frozen, judge_report, report_of
from adversarial.edits import change_bytes, change_card, change_json, change_lines, flip, other, put, without
from blindtune.core.arrays import digest_arrays, write_npz
from blindtune.core.weights import write_weights

Edit = Callable[[Path], None]

#: The systems whose study has trials.
TRIED = [name for name, content in SYSTEMS.items() if content["kind"] != "bayes"]

#: Fields of a trial: of the tuner's trials, and of those of k-nearest neighbours.
TRIAL_FIELDS = {
    "knn": ["score", "hyperparameters.n_neighbors", "status", "number", "study", "seeds.trial", "host", "started"],
    "tuned": [
        "score",
        "epochs",
        "n_parameters",
        "weights_sha256",
        "scored_epoch",
        "best_epoch",
        "curve.0.dev_error",
        "curve.0.train_loss",
        "hyperparameters.layers",
        "hyperparameters.units_1",
        "seconds.train.wall",
        "seconds.train.cpu",
        "seeds.study",
        "seeds.trial",
        "status",
        "versions.python",
        "parent",
        "trained_before",
        "fold",
        "reason",
    ],
}

#: Fields of a card.
CARD_FIELDS = {
    "knn": ["train_error", "dev_error", "trial", "hyperparameters.n_neighbors", "model_seed", "seed", "data_sha256"],
    "tuned": [
        "train_error",
        "dev_error",
        "n_parameters",
        "weights_sha256",
        "weights",
        "trial",
        "model_seed",
        "statuses.completed",
        "spent.trials",
        "spent.epochs",
        "spent.seconds.train.wall",
        "exhausted",
        "budget.trials",
        "classes",
        "kind",
        "system",
        "study",
        "code_sha256",
        "settings.tuner.algorithm",
        "settings.training.epochs",
        "training.learning_rate",
        "training.epochs",
        "score_epoch",
        "paper_row",
        "versions.python",
        "schema_version",
    ],
    "limit": [
        "dev_error",
        "estimates.dev.closed_loop",
        "estimates.train.closed_loop",
        "hyperparameters.eval.n_neighbors",
    ],
}

#: Fields of the result of a decode.
RESULT_FIELDS = {
    "knn": [
        "error",
        "wrong",
        "samples",
        "blind",
        "confusion.0.0",
        "confusion.0.1",
        "confusion.1.0",
        "eval_sha256",
        "frozen_sha256",
        "predictions_sha256",
        "study",
        "decoded",
        "groups",
        "schema_version",
    ],
    "limit": ["error", "estimates.closed_loop", "estimates.lower_bound", "blind", "wrong"],
}


def parse(place: str) -> tuple[str | int, ...]:
    """Return a place from its name."""
    return tuple(int(part) if part.isdigit() else part for part in place.split("."))


def changed(name: str, content: Any) -> Any:
    """Return plain data with another value at a place, which need not be there."""
    value = content
    for key in parse(name):
        value = value[key] if isinstance(value, list) or key in value else None
    return put(content, parse(name), other(value))


def removed(name: str, content: Any) -> Any:
    """Return plain data without the value at a place."""
    return without(content, parse(name))


def log_of(scene: Path, system: str) -> Path:
    """Return the records of the trials of a study."""
    return Bench(scene).study_folder(system) / "trials.jsonl"


def on_trial(system: str, number: int, change: Callable[[Any], Any]) -> Edit:
    """Return an edit of one record."""

    def edit(scene: Path) -> None:
        def lines_of(lines: list[str]) -> list[str]:
            new = json.dumps(change(json.loads(lines[number])))
            return [*lines[:number], new, *lines[number + 1 :]]

        change_lines(log_of(scene, system), lines_of)

    return edit


def without_card(edit: Edit, system: str) -> Edit:
    """Return an edit after which the study is frozen again: its card is removed."""

    def both(scene: Path) -> None:
        edit(scene)
        (Bench(scene).study_folder(system) / "card.json").unlink()

    return both


def judge_continued(system: str) -> Callable[[Path], Outcome]:
    """Return a judge that runs a study again, as a run does that finds no card, and then decodes and reports."""

    def judge(scene: Path) -> Outcome:
        bench = Bench(scene)
        bench.freeze(system)
        bench.decode(system)
        return judge_report(bench, times=False)

    return judge


def trial_edits() -> list[Attack]:
    """Records of trials: fields, lines."""
    edits: dict[str, tuple[str, Edit]] = {}
    for system, fields in TRIAL_FIELDS.items():
        for number in (0, 1):
            for name in fields:
                key = f"{system} trial {number}/{name}"
                edits[f"trial changed/{key}"] = system, on_trial(system, number, partial(changed, name))
    for system in ("knn", "tuned", "expert", "forest"):
        count = 2 if system in ("knn", "tuned") else 1
        for at in range(count):
            changes: dict[str, Callable[[list[str]], list[str]]] = {
                "removed": lambda lines, at=at: lines[:at] + lines[at + 1 :],
                "removed, the rest renumbered": lambda lines, at=at: _renumbered(lines[:at] + lines[at + 1 :]),
                "doubled": lambda lines, at=at: [*lines, lines[at]],
                "doubled with the next number": lambda lines, at=at: _renumbered([*lines, lines[at]]),
                "doubled with a better score": lambda lines, at=at: [
                    *lines,
                    json.dumps(json.loads(lines[at]) | {"score": 0.01}),
                ],
                "a better one added": lambda lines, at=at: _renumbered(
                    [*lines, json.dumps(json.loads(lines[at]) | {"score": 0.01})]
                ),
                "a failed one added": lambda lines, at=at: _renumbered(
                    [*lines, json.dumps(json.loads(lines[at]) | {"score": None, "status": "failed", "reason": "x"})]
                ),
            }
            for name, change in changes.items():
                edits[f"trial {name}/{system} {at}"] = system, partial(_edit_log, system, change)
    for system in ("knn", "tuned"):
        edits[f"trials reversed/{system}"] = system, partial(_edit_log, system, lambda lines: lines[::-1])
        edits[f"trials reversed and renumbered/{system}"] = (
            system,
            partial(_edit_log, system, lambda lines: _renumbered(lines[::-1])),
        )
        edits[f"trials all removed/{system}"] = system, partial(_edit_log, system, lambda lines: [])
        for part in range(1, 8):
            edits[f"trials cut/{system} {part}"] = system, partial(_cut_log, system, part / 8)
        for seed in range(8):
            edits[f"trials byte/{system} {seed}"] = system, partial(_flip_log, system, seed)
    edits["trials of another study/tuned"] = "tuned", partial(_other_log, "tuned", "expert")
    edits["trials of another study/knn"] = "knn", partial(_other_log, "knn", "forest")
    found = []
    for name, (system, edit) in edits.items():
        kind, _, rest = name.partition("/")
        found.append(Attack(f"{kind}/report/{rest}", decoded, edit, report_of()))
        found.append(
            Attack(f"{kind}/frozen again/{rest}", decoded, without_card(edit, system), judge_continued(system))
        )
    return found


def _edit_log(system: str, change: Callable[[list[str]], list[str]], scene: Path) -> None:
    change_lines(log_of(scene, system), change)


def _renumbered(lines: list[str]) -> list[str]:
    return [json.dumps(json.loads(line) | {"number": number}) for number, line in enumerate(lines)]


def _cut_log(system: str, part: float, scene: Path) -> None:
    change_bytes(log_of(scene, system), lambda content: content[: int(part * len(content))])


def _flip_log(system: str, seed: int, scene: Path) -> None:
    change_bytes(log_of(scene, system), lambda content: flip(content, f"{system}/{seed}"))


def _other_log(system: str, source: str, scene: Path) -> None:
    shutil.copy(log_of(scene, source), log_of(scene, system))


def card_edits() -> list[Attack]:
    """Cards: fields with the digests computed again, and without; before the decode and after it."""
    found = []
    for system, fields in CARD_FIELDS.items():
        for name in fields:
            for when, template, judge in (
                ("before decode", frozen, decode_and_report()),
                ("after decode", decoded, report_of()),
            ):
                for how, edit in (("digests right", _edit_card), ("digests left", _edit_card_alone)):
                    if (when, how) == ("before decode", "digests right"):
                        continue  # nothing else knows the card then, see the known limits
                    change = partial(changed, name)
                    found.append(
                        Attack(f"card {how}/{when}/{system} {name}", template, partial(edit, system, change), judge)
                    )
    for one, two in (("knn", "forest"), ("expert", "tuned"), ("knn", "limit")):
        for when, template, judge in (
            ("before decode", frozen, decode_and_report()),
            ("after decode", decoded, report_of()),
        ):
            found.append(Attack(f"card swapped/{when}/{one} {two}", template, partial(_swap_cards, one, two), judge))
    return found


def _edit_card(system: str, change: Callable[[Any], Any], scene: Path) -> None:
    change_card(Bench(scene).study_folder(system) / "card.json", change)


def _edit_card_alone(system: str, change: Callable[[Any], Any], scene: Path) -> None:
    change_json(Bench(scene).study_folder(system) / "card.json", change)


def _swap_cards(one: str, two: str, scene: Path) -> None:
    first, second = (Bench(scene).study_folder(system) / "card.json" for system in (one, two))
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)


def weight_edits() -> list[Attack]:
    """Weights: of another trial, of another study, with noise, or torn; the card as it was, or made to fit."""
    found = []
    for system in ("expert", "tuned"):
        edits: dict[str, Edit] = (
            {f"noise {seed}": partial(_noise, system, seed) for seed in range(6)}
            | {f"byte {seed}": partial(_flip_weights, system, seed) for seed in range(6)}
            | {f"cut {part}": partial(_cut_weights, system, part / 4) for part in range(4)}
            | {
                "of another study": partial(_copy_weights, "tuned" if system == "expert" else "expert", system),
                "of another trial": partial(_other_trial, system),
                "removed": lambda scene, system=system: _weights_of(scene, system).unlink(),
            }
        )
        for name, edit in edits.items():
            if name == "of another trial" and system == "expert":
                continue
            for how in ("card kept", "card fits"):
                act = edit if how == "card kept" else partial(_then_fit_card, system, edit)
                found.append(Attack(f"weights, {how}/before decode/{system} {name}", frozen, act, decode_and_report()))
            found.append(
                Attack(
                    f"weights, frozen again/{system} {name}", frozen, without_card(edit, system), _decode_again(system)
                )
            )
    return found


def _decode_again(system: str) -> Callable[[Path], Outcome]:
    def judge(scene: Path) -> Outcome:
        Bench(scene).freeze(system)
        return decode_and_report()(scene)

    return judge


def _weights_of(scene: Path, system: str) -> Path:
    folder = Bench(scene).study_folder(system)
    return folder / json.loads((folder / "card.json").read_text(encoding="utf-8"))["weights"]


def _noise(system: str, seed: int, scene: Path) -> None:
    path, random = _weights_of(scene, system), np.random.default_rng(seed)
    weights = load_file(path)
    write_weights(
        path,
        {
            name: (array + random.normal(0, 10.0**-(seed), array.shape)).astype(array.dtype)
            for name, array in weights.items()
        },
    )


def _flip_weights(system: str, seed: int, scene: Path) -> None:
    change_bytes(_weights_of(scene, system), lambda content: flip(content, f"weights/{seed}"))


def _cut_weights(system: str, part: float, scene: Path) -> None:
    change_bytes(_weights_of(scene, system), lambda content: content[: int(part * len(content))])


def _copy_weights(source: str, system: str, scene: Path) -> None:
    shutil.copy(_weights_of(scene, source), _weights_of(scene, system))


def _other_trial(system: str, scene: Path) -> None:
    path = _weights_of(scene, system)
    [source] = [file for file in path.parent.glob("*.safetensors") if file != path]
    shutil.copy(source, path)


def _then_fit_card(system: str, edit: Edit, scene: Path) -> None:
    """Edit weights and write their digest into the card."""
    path = _weights_of(scene, system)
    edit(scene)
    if path.exists():
        try:
            sha256 = digest_arrays(load_file(path))
        except Exception:
            return
        _edit_card(system, lambda card: card | {"weights_sha256": sha256}, scene)


def result_edits() -> list[Attack]:
    """Results and predictions of decodes, with digests computed again."""
    found = []
    for system, fields in RESULT_FIELDS.items():
        for name in fields:
            found.append(
                Attack(
                    f"result changed/{system} {name}",
                    decoded,
                    partial(_edit_result, system, partial(changed, name)),
                    report_of(),
                )
            )
    for system in ("knn", "expert", "tuned", "forest"):
        for seed in range(5):
            found.append(
                Attack(
                    f"answers corrected/{system} {seed}",
                    decoded,
                    partial(_correct_answers, system, seed, False),
                    report_of(),
                )
            )
            found.append(
                Attack(
                    f"answers corrected, result fits/{system} {seed}",
                    decoded,
                    partial(_correct_answers, system, seed, True),
                    report_of(),
                )
            )
            found.append(
                Attack(
                    f"predictions byte/{system} {seed}",
                    decoded,
                    partial(_flip_file, f"decodes/toy/{system}/42/predictions.npz", seed),
                    report_of(),
                )
            )
            found.append(
                Attack(
                    f"surface byte/{system} {seed}",
                    decoded,
                    partial(_flip_file, f"decodes/toy/{system}/42/surface.npz", seed),
                    report_of(),
                )
            )
    for one, two in (("knn", "forest"), ("expert", "tuned"), ("knn", "limit")):
        for what in ("result.json", "predictions.npz", "*"):
            found.append(
                Attack(
                    f"decode files swapped/{what} of {one} and {two}",
                    decoded,
                    partial(_swap_files, one, two, what),
                    report_of(),
                )
            )
    for seed in range(5):
        found.append(
            Attack(
                f"drawn samples byte/{seed}",
                decoded,
                partial(_flip_file, "decodes/toy/sample_splits.npz", seed),
                report_of(),
            )
        )
    return found


def _edit_result(system: str, change: Callable[[Any], Any], scene: Path) -> None:
    change_json(Bench(scene).decode_folder(system) / "result.json", change)


def _correct_answers(system: str, count: int, fit: bool, scene: Path) -> None:
    """Mark some wrong answers as right, and make the result fit."""
    folder = Bench(scene).decode_folder(system)
    with np.load(folder / "predictions.npz") as stored:
        arrays = dict(stored)
    rows = np.flatnonzero(arrays["wrong"])[: count + 1]
    if not len(rows):
        rows = np.arange(count + 1)
    predicted = arrays["predicted"].copy()
    predicted[rows] = 1 - predicted[rows]
    arrays = {"predicted": predicted, "wrong": arrays["wrong"].copy()}
    arrays["wrong"][rows] = ~arrays["wrong"][rows]
    write_npz(folder / "predictions.npz", arrays)
    if fit:
        labels = np.where(arrays["wrong"], 1 - predicted, predicted)
        confusion = np.zeros((2, 2), dtype=int)
        np.add.at(confusion, (labels, predicted), 1)
        wrong = int(arrays["wrong"].sum())
        fitting = {
            "wrong": wrong,
            "error": wrong / len(labels),
            "confusion": confusion.tolist(),
            "predictions_sha256": digest_arrays(arrays),
        }
        _edit_result(system, lambda result: result | fitting, scene)


def _flip_file(file: str, seed: int, scene: Path) -> None:
    change_bytes(Bench(scene).root / file, lambda content: flip(content, f"{file}/{seed}"))


def _swap_files(one: str, two: str, what: str, scene: Path) -> None:
    for name in ("result.json", "predictions.npz", "surface.npz") if what == "*" else (what,):
        first, second = (Bench(scene).decode_folder(system) / name for system in (one, two))
        kept = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(kept)


def protocol_edits() -> list[Attack]:
    """The protocol of a study edited, so that records of other settings pass for those of the config."""
    found = []
    for system, names in (
        ("knn", ["study.settings.n_neighbors.0", "data_sha256", "code", "study.seed", "study.score_epoch"]),
        (
            "tuned",
            ["study.settings.training.epochs", "study.settings.tuner.algorithm", "files.space", "code", "study.system"],
        ),
    ):
        for name in names:
            for judge_name, judge in (("report", report_of()), ("frozen again", judge_continued(system))):
                edit = partial(_edit_protocol, system, partial(changed, name))
                act = without_card(edit, system) if judge_name == "frozen again" else edit
                found.append(Attack(f"protocol changed/{judge_name}/{system} {name}", decoded, act, judge))
        found.append(
            Attack(
                f"records of other settings/{system}",
                decoded,
                partial(_other_settings, system),
                judge_continued(system),
            )
        )
        found.append(
            Attack(
                f"protocol removed/{system}",
                decoded,
                without_card(partial(_remove, system, "protocol.json"), system),
                judge_continued(system),
            )
        )
    return found


def _edit_protocol(system: str, change: Callable[[Any], Any], scene: Path) -> None:
    change_json(Bench(scene).study_folder(system) / "protocol.json", change)


def _remove(system: str, name: str, scene: Path) -> None:
    (Bench(scene).study_folder(system) / name).unlink()


def _other_settings(system: str, scene: Path) -> None:
    """Run the study with other settings, then give it the protocol of the config."""
    bench = Bench(scene)
    folder = bench.study_folder(system)
    protocol = (folder / "protocol.json").read_bytes()
    changes = {"n_neighbors": [1, 9]} if system == "knn" else {"training": {"epochs": 3}}
    bench.freeze(system, **changes)
    (folder / "protocol.json").write_bytes(protocol)
    (folder / "card.json").unlink()


FAMILY = Family(
    "records",
    "trials, cards, weights, results and protocols edited, digests computed again",
    trial_edits() + card_edits() + weight_edits() + result_edits() + protocol_edits(),
    [
        KnownLimit(
            "Trials, card, manifest or weights are changed together before the first decode, or the train error, costs "
            "and versions of a card alone.",
            "Nothing outside of the study's folder knows them yet. The decode writes the sha256 of the card and the "
            "manifest into the ledger; from then on every change is refused or marked.",
        ),
        KnownLimit(
            "The decision surface of one system is put in the place of another's.",
            "It is a picture; no number is read from it.",
        ),
    ],
)
