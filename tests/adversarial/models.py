"""Another model under the name of the one that was frozen or decoded: settings, view, code, seed, preprocessing.

The adversary wants to decode several models of a study and have each marked blind, or the number of one reported for
another. A number that is reported as blind must be that of the model in the study's folder, and of the first one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pydantic import TypeAdapter

from adversarial.attack import Attack, Family, Outcome
from adversarial.bench import SYSTEMS, Bench, decoded, frozen
from adversarial.edits import change_json, name_of, other, put
from blindtune.config.systems import System
from blindtune.core import code_digest
from blindtune.core.files import read_json
from blindtune.datasets.verification import with_own_digest
from blindtune.study.model_code import model_modules
from support.builders import write_images

#: Other settings of each system.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "knn": [{"n_neighbors": [k]} for k in (1, 2, 4, 7, 9, 15)] + [{"n_neighbors": [5, 3]}, {"n_neighbors": [3, 5, 7]}],
    "forest": [{"n_estimators": [count]} for count in (1, 2, 4, 9)]
    + [{"max_depth": [depth]} for depth in (0, 1, 2, 3)]
    + [{"min_samples_leaf": [2]}, {"min_samples_leaf": [5]}],
    "expert": [
        {"training": SYSTEMS["expert"]["training"] | change}
        for change in (
            {"epochs": 1},
            {"epochs": 3},
            {"batch_size": 10},
            {"batch_size": 40},
            {"learning_rate": 0.01},
            {"learning_rate": 0.05001},
            {"optimizer": "sgd"},
            {"optimizer": "rmsprop"},
            {"optimizer": "adamw"},
            {"initial_weights": "keras"},
            {"loss": "mean_squared_error"},
        )
    ]
    + [{"model": name} for name in ("mlp_m2", "mlp_m", "scikit_default")]
    + [{"trainer": "skorch"}, {"score_epoch": "best"}],
    "tuned": [
        {"training": {"epochs": 2}},
        {"training": {"epochs": 1, "batch_size": 20}},
        {"training": {"epochs": 1, "optimizer": "sgd"}},
        {"space": "mlp_dropout"},
        {"tuner": {"library": "optuna", "algorithm": "tpe"}},
        {"budget": {"trials": 3}},
        {"budget": {"trials": 1}},
    ],
    "limit": [{split: {"n_neighbors": k, "n_estimators": 3}} for split in ("train", "dev", "eval") for k in (1, 2, 5)],
}

#: Other views of pictures.
VIEWS: list[dict[str, Any]] = [
    {"kind": "crops", "side": 4, "n_eval_crops": 9},
    {"kind": "crops", "side": 4, "n_eval_crops": 4},
    {"kind": "crops", "side": 3},
    {"kind": "crops", "side": 6},
    {"kind": "crops", "side": 4, "downsample": 2},
    {"kind": "crops", "side": 4, "rotate": True},
    {"kind": "samples"},
]

PICTURE_MODEL = {"kind": "manual", "model": str(Path(__file__).with_name("tiny_model.yaml"))}


def judge_second(system: str, changes: dict[str, Any], scene: Path) -> Outcome:
    """Freeze with other settings after the decode and decode again."""
    bench = Bench(scene)
    first = bench.result(system)
    bench.freeze(system, **changes)
    result = bench.decode(system)
    return compare(bench, system, result, first)


def compare(bench: Bench, system: str, result: Any, first: Any) -> Outcome:
    """Judge the second result of a study: whose number is it, and does it say that it is the second?"""
    error = bench.true_error(system)
    if result.error != error:
        return Outcome("lost", f"{result.error} is reported for a model with an error of {error}")
    if result.frozen_sha256 == first.frozen_sha256:
        if result.model_copy(update={"decoded": ""}) != first.model_copy(update={"decoded": ""}):
            return Outcome("lost", "one model has two results")
        return Outcome("honest", "the same model")
    if result.model_copy(update={"frozen_sha256": first.frozen_sha256}) == first:
        return Outcome("honest", "the same answers under other code, decoded once")
    return Outcome("lost", "a second model is marked blind") if result.blind else Outcome("shown", "not blind")


def judge_first(system: str, changes: dict[str, Any], scene: Path) -> Outcome:
    """Freeze with other settings before the first decode; what is decoded is what is in the folder."""
    bench = Bench(scene)
    before = read_json(bench.study_folder(system) / "card.json")["frozen_sha256"]
    old = bench.true_error(system)
    bench.freeze(system, **changes)
    result = bench.decode(system)
    error = bench.true_error(system)
    if result.error != error:
        return Outcome("lost", f"{result.error} is reported for a model with an error of {error}")
    if result.frozen_sha256 == before and error != old:
        return Outcome("lost", "two models with different errors have one identity")
    return Outcome("honest", "the model of the settings")


def judge_kept(system: str, changes: dict[str, Any], what: str, scene: Path) -> Outcome:
    """Freeze with other settings, then put back the card of before, or only its files of weights or records."""
    bench = Bench(scene)
    folder = bench.study_folder(system)
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.match(what)}
    if not kept:
        raise ValueError(f"{system} has no {what}")
    first = bench.result(system) if (bench.decode_folder(system) / "result.json").exists() else None
    bench.freeze(system, **changes)
    for path, content in kept.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    result = bench.decode(system)
    if first is not None:
        return compare(bench, system, result, first)
    error = bench.true_error(system)
    return Outcome("lost", f"{result.error} for a model with {error}") if result.error != error else Outcome("honest")


def nothing(scene: Path) -> None:
    """Leave the scene to the judge, who does what the adversary would."""


def settings_attacks() -> list[Attack]:
    """Other settings, before the decode and after it; old cards, weights and records put back."""
    found = []
    for system, variants in VARIANTS.items():
        for number, changes in enumerate(variants):
            where = f"{system} {number}"
            found.append(
                Attack(
                    f"other settings, second decode/{where}", decoded, nothing, partial(judge_second, system, changes)
                )
            )
            found.append(
                Attack(f"other settings, first decode/{where}", frozen, nothing, partial(judge_first, system, changes))
            )
            for when, template in (("first", frozen), ("second", decoded)):
                if system in ("knn", "expert", "limit") and number < 6:
                    found.append(
                        Attack(
                            f"old card put back, {when} decode/{where}",
                            template,
                            nothing,
                            partial(judge_kept, system, changes, "card.json"),
                        )
                    )
    for number, changes in enumerate(VARIANTS["expert"][:8]):
        for when, template in (("first", frozen), ("second", decoded)):
            found.append(
                Attack(
                    f"old weights put back, {when} decode/expert {number}",
                    template,
                    nothing,
                    partial(judge_kept, "expert", changes, "*.safetensors"),
                )
            )
    return found


@contextmanager
def other_code(module: str) -> Iterator[None]:
    """Let a module have other code, as its digest sees it."""
    parsed = code_digest._parsed

    def changed(name: str) -> Any:
        digest, imports = parsed(name)
        return (digest[::-1], imports) if name == module else (digest, imports)

    with patch.object(code_digest, "_parsed", changed):
        yield


def judge_code(system: str, module: str, again: bool, scene: Path) -> Outcome:
    """Change the code between the freeze and the decode; or freeze again with it and decode a second time."""
    bench = Bench(scene)
    first = bench.result(system) if again else None
    with other_code(module):
        if again:
            bench.freeze(system, code=module)
        result = bench.decode(system)
        if first is None:
            return Outcome("lost", "a model was decoded with other code than it was frozen with")
        return compare(bench, system, result, first)


def code_attacks() -> list[Attack]:
    """Every module from which the answers of a model follow."""
    found = []
    for system in SYSTEMS:
        modules = model_modules(TypeAdapter[System](System).validate_python(SYSTEMS[system]), "csv_folder")
        names = sorted(code_digest.closure(*modules))
        chosen = names if system == "expert" else names[:: 4 if system in ("knn", "forest") else 8]
        for module in chosen:
            found.append(
                Attack(
                    f"other code, first decode/{system} {module}",
                    frozen,
                    nothing,
                    partial(judge_code, system, module, False),
                )
            )
        for module in chosen[::6]:
            found.append(
                Attack(
                    f"other code, second decode/{system} {module}",
                    decoded,
                    nothing,
                    partial(judge_code, system, module, True),
                )
            )
    return found


def pictures(folder: Path) -> None:
    """Freeze and decode a network that sees crops of pictures."""
    bench = Bench(folder, dataset="pictures")
    bench.prepare_images(write_images(folder / "pictures", count=16, size=8))
    bench.freeze("cropper", **PICTURE_MODEL, view={"kind": "crops", "side": 4})
    bench.decode("cropper")


def judge_view(view: dict[str, Any], scene: Path) -> Outcome:
    """Freeze with another view after the decode, and decode again."""
    bench = Bench(scene, dataset="pictures")
    first = bench.result("cropper")
    bench.freeze("cropper", **PICTURE_MODEL, view=view)
    return compare(bench, "cropper", bench.decode("cropper"), first)


def judge_statistics(again: bool, scene: Path) -> Outcome:
    """Decode after the statistics that the view takes were changed, with or without freezing again."""
    bench = Bench(scene, dataset="pictures")
    first = bench.result("cropper")
    if again:
        bench.freeze("cropper", **PICTURE_MODEL, view={"kind": "crops", "side": 4})
    return compare(bench, "cropper", bench.decode("cropper"), first)


def _edit_statistics(place: tuple[str | int, ...], scene: Path) -> None:
    def change(content: Any) -> Any:
        value = content["statistics"]
        for key in place:
            value = value[key]
        return with_own_digest(put(content, ("statistics", *place), other(value)))

    change_json(Bench(scene, dataset="pictures").manifest, change)


def picture_attacks() -> list[Attack]:
    """Other views, and other statistics for the same view."""
    found = [
        Attack(f"other view/{number}", pictures, nothing, partial(judge_view, view))
        for number, view in enumerate(VIEWS)
    ]
    for place in (("mean", 0), ("deviation", 0)):
        for again in (False, True):
            found.append(
                Attack(
                    f"other statistics/{name_of(place)} {'frozen again' if again else 'frozen before'}",
                    pictures,
                    partial(_edit_statistics, place),
                    partial(judge_statistics, again),
                )
            )
    return found


FAMILY = Family(
    "models",
    "another model under the same name: settings, view, code, statistics, old files",
    settings_attacks() + code_attacks() + picture_attacks(),
    [],
)
