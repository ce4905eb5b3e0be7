"""Arrays, manifest and seal edited between the freeze and the decode, or after it.

The adversary wants reference models fitted on other data, an easier eval, or other labels. What is used must be
what was prepared: a changed file is refused before a decode begins, or changes no number.
"""

import json
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adversarial.attack import Attack, Family, KnownLimit, Outcome
from adversarial.bench import (
    QUICK,
    Bench,
    decode_and_report,
    judge_report,
    quick_decoded,
    quick_frozen,
    report_of,
)
from adversarial.edits import change_bytes, change_json, flip, leaves, name_of, other, put, without
from blindtune.datasets import verification
from blindtune.datasets.prepared import digest_of_split, open_prepared, open_split

Array = NDArray[Any]

#: Edits of an array; each gets the array and a generator.
ARRAY_EDITS: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "value": lambda array, random: _with_value(array, random, lambda value: 1 - value),
    "last bit": lambda array, random: _with_value(
        array, random, lambda value: np.nextafter(value, 9) if array.dtype.kind == "f" else 1 - value
    ),
    "half": lambda array, random: np.concatenate([array[: len(array) // 2], 1 - array[len(array) // 2 :]]),
    "rows swapped": lambda array, random: _with_row(array, random, swap=True),
    "reversed": lambda array, random: array[::-1],
    "shuffled": lambda array, random: array[random.permutation(len(array))],
    "row removed": lambda array, random: np.delete(array, random.integers(len(array)), axis=0),
    "row added": lambda array, random: np.concatenate([array, array[:1]]),
    "row doubled": lambda array, random: _with_row(array, random, swap=False),
    "cut": lambda array, random: array[: len(array) // 2],
    "empty": lambda array, random: array[:0],
    "other type": lambda array, random: array.astype(np.float64 if array.dtype.kind == "f" else np.int32),
    "constant": lambda array, random: np.zeros_like(array),
    "negative": lambda array, random: -array,
}


def _with_value(array: Array, random: np.random.Generator, change: Callable[[Any], Any]) -> Array:
    result = array.copy()
    at = tuple(random.integers(size) for size in array.shape)
    result[at] = change(result[at])
    return result


def _with_row(array: Array, random: np.random.Generator, *, swap: bool) -> Array:
    """Return an array of which two rows are swapped, or one is put in the place of another."""
    result = array.copy()
    one = int(random.integers(len(array)))
    two = next(at for at in range(len(array)) if not np.array_equal(array[at], array[one]))
    result[two] = array[one]
    if swap:
        result[one] = array[two]
    return result


def array_of(scene: Path, split: str, name: str) -> Path:
    """Return the file of an array."""
    return Bench(scene).split(split) / f"{name}.npy"


def edit_array(split: str, name: str, edit: str, seed: int, scene: Path) -> None:
    """Replace an array by another one."""
    path = array_of(scene, split, name)
    array = np.load(path)
    changed = np.ascontiguousarray(ARRAY_EDITS[edit](array, np.random.default_rng(seed)))
    if changed.dtype == array.dtype and np.array_equal(changed, array):
        raise ValueError(f"{edit} changes nothing in {split}/{name}")
    np.save(path, changed)


def remembered(edit: Callable[[Path], None], scene: Path) -> None:
    """Edit after the dataset was verified and remembered as such, and give the files back their times."""
    bench = Bench(scene)
    files = [path for split in ("train", "dev", "eval") for path in bench.split(split).iterdir()]
    clock = verification._CLOCK_SECONDS
    verification._CLOCK_SECONDS = 0.0  # a file of two seconds ago is not waited for
    try:
        time.sleep(0.02)
        open_prepared(bench.manifest)
    finally:
        verification._CLOCK_SECONDS = clock
    if not (bench.manifest.parent / verification.MEMORY).exists():
        raise ValueError("nothing is remembered")
    times = {path: path.stat() for path in files}
    edit(scene)
    for path, status in times.items():
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def forged_memory(edit: Callable[[Path], None], scene: Path) -> None:
    """Edit, and write into the memory of what was verified that the new files are the old ones."""
    bench = Bench(scene)
    edit(scene)
    content = json.loads(bench.manifest.read_text(encoding="utf-8"))
    memory = {
        split: {"sha256": content["splits"][split], "files": verification.describe_files(bench.split(split))}
        for split in ("train", "dev")
    }
    (bench.manifest.parent / verification.MEMORY).write_text(json.dumps(memory), encoding="utf-8")


def fitted_manifest(edit: Callable[[Path], None], scene: Path) -> None:
    """Edit, and compute every digest of the manifest and the seal again."""
    from blindtune.datasets.content import digest_content, digest_samples
    from blindtune.datasets.prepared import EVAL_DIGESTS, _digest_of_both

    bench = Bench(scene)
    edit(scene)
    content = json.loads(bench.manifest.read_text(encoding="utf-8"))
    for split in ("train", "dev", "eval"):
        content["splits"][split] = digest_of_split(open_split(bench.split(split)))
    content["sha256"] = _digest_of_both(content["splits"])
    digests = np.sort(digest_samples(open_split(bench.split("eval")).x))
    np.save(bench.manifest.parent / EVAL_DIGESTS, digests)
    content["eval_content_sha256"] = digest_content(digests)
    bench.manifest.write_text(json.dumps(verification.with_own_digest(content)), encoding="utf-8")
    seal = json.loads(bench.seal.read_text(encoding="utf-8"))
    seal |= {"sha256": content["splits"]["eval"], "content_sha256": digest_content(digests), "samples": len(digests)}
    bench.seal.write_text(json.dumps(seal), encoding="utf-8")


def array_attacks() -> list[Attack]:
    """Every edit of every array: alone, after it was remembered, with the memory forged, with all digests fitted."""
    judge = decode_and_report(*QUICK)
    found = []
    for split in ("train", "dev", "eval"):
        for name in ("x", "y"):
            for edit in ARRAY_EDITS:
                if (name, edit) == ("y", "last bit"):
                    continue
                act = partial(edit_array, split, name, edit, len(found))
                where = f"{split} {name} {edit}"
                found.append(Attack(f"array edited/{where}", quick_frozen, act, judge))
                if split != "eval":
                    found.append(
                        Attack(f"array edited, times put back/{where}", quick_frozen, partial(remembered, act), judge)
                    )
                    found.append(
                        Attack(f"array edited, memory forged/{where}", quick_frozen, partial(forged_memory, act), judge)
                    )
                    found.append(
                        Attack(
                            f"array edited, digests fitted/{where}", quick_frozen, partial(fitted_manifest, act), judge
                        )
                    )
    for split in ("train", "dev", "eval"):
        for name in ("x", "y"):
            for seed in range(4):
                found.append(
                    Attack(f"array byte/{split} {name} {seed}", quick_frozen, partial(_flip, split, name, seed), judge)
                )
            for part in range(1, 4):
                found.append(
                    Attack(
                        f"array file cut/{split} {name} {part}",
                        quick_frozen,
                        partial(_cut, split, name, part / 4),
                        judge,
                    )
                )
            found.append(
                Attack(f"array file removed/{split} {name}", quick_frozen, partial(_remove, split, name), judge)
            )
        found.append(Attack(f"groups added/{split}", quick_frozen, partial(_add_groups, split), judge))
    for one, two in (("train", "dev"), ("dev", "eval"), ("train", "eval")):
        for how in ("swapped", "copied"):
            act = partial(_exchange, one, two, how)
            found.append(Attack(f"splits {how}/{one} {two}", quick_frozen, act, judge))
            found.append(
                Attack(f"splits {how}, digests fitted/{one} {two}", quick_frozen, partial(fitted_manifest, act), judge)
            )
    return found


def _flip(split: str, name: str, seed: int, scene: Path) -> None:
    change_bytes(array_of(scene, split, name), lambda content: flip(content, f"{split}/{name}/{seed}"))


def _cut(split: str, name: str, part: float, scene: Path) -> None:
    change_bytes(array_of(scene, split, name), lambda content: content[: int(part * len(content))])


def _remove(split: str, name: str, scene: Path) -> None:
    array_of(scene, split, name).unlink()


def _add_groups(split: str, scene: Path) -> None:
    count = len(np.load(array_of(scene, split, "y")))
    np.save(array_of(scene, split, "group"), np.arange(count) % 3)


def _exchange(one: str, two: str, how: str, scene: Path) -> None:
    first, second = Bench(scene).split(one), Bench(scene).split(two)
    kept = scene / "kept"
    first.rename(kept)
    shutil.copytree(second, first)
    if how == "swapped":
        shutil.rmtree(second)
        kept.rename(second)


#: Keys of the manifest of the scene.
MANIFEST_KEYS = [
    "axes.0",
    "classes.0",
    "counts.eval.0",
    "counts.train.1",
    "dataset",
    "dtype",
    "eval_content_sha256",
    "files.train.csv",
    "leaks.removed.train",
    "leaks.repeated.eval",
    "leaks.rule",
    "leaks.shared.eval.train",
    "manifest_sha256",
    "published",
    "sample_shape.0",
    "sha256",
    "source.folder",
    "source.source",
    "source.stand_in",
    "splits.dev",
    "splits.eval",
    "splits.train",
    "stand_in",
    "units",
    "versions.numpy",
    "statistics",
    "parameters",
]


def _place(content: Any, name: str) -> tuple[str | int, ...]:
    """Return where a key is; names of classes and files hold dots and digits."""
    return next(place for place, _ in leaves(content) if name_of(place) == name)


def manifest_attacks() -> list[Attack]:
    """Every key of the manifest and the seal: another value or none, with the manifest's own digest right and not."""
    found = []
    judges = (
        ("before decode", quick_frozen, decode_and_report(*QUICK)),
        ("after decode", quick_decoded, report_of(*QUICK)),
    )
    for when, template, judge in judges:
        for name in MANIFEST_KEYS:
            for kind in ("changed", "removed"):
                for own in ("own digest left", "own digest right"):
                    # Before a decode nothing else knows the manifest, see the known limits.
                    if own == "own digest right" and (name == "manifest_sha256" or when == "before decode"):
                        continue
                    act = partial(_edit_manifest, name, kind, own == "own digest right")
                    found.append(Attack(f"manifest {kind}, {own}/{when}/{name}", template, act, judge))
        for name in ("dataset", "sha256", "content_sha256", "samples"):
            for kind in ("changed", "removed"):
                act = partial(_edit_seal, name, kind)
                found.append(Attack(f"seal {kind}/{when}/{name}", template, act, judge))
        for seed in range(4):
            found.append(Attack(f"digests of eval byte/{when}/{seed}", template, partial(_flip_digests, seed), judge))
        found.append(Attack(f"digests of eval removed/{when}", template, _remove_digests, judge))
    return found


def _edit_manifest(name: str, kind: str, own: bool, scene: Path) -> None:
    def change(content: Any) -> Any:
        place = _place(content, name)
        value = content
        for key in place:
            value = value[key]
        changed = put(content, place, other(value)) if kind == "changed" else without(content, place)
        return verification.with_own_digest(changed) if own else changed

    change_json(Bench(scene).manifest, change)


def _edit_seal(name: str, kind: str, scene: Path) -> None:
    change_json(
        Bench(scene).seal,
        lambda content: put(content, (name,), other(content[name])) if kind == "changed" else without(content, (name,)),
    )


def _flip_digests(seed: int, scene: Path) -> None:
    path = Bench(scene).manifest.parent / "eval_digests.npy"
    change_bytes(path, lambda content: flip(content, f"digests/{seed}"))


def _remove_digests(scene: Path) -> None:
    (Bench(scene).manifest.parent / "eval_digests.npy").unlink()


def judge_relabelled(scene: Path) -> Outcome:
    """Decode a further model on an eval whose labels or order are others: the ledger must know it again."""
    bench = Bench(scene, systems=QUICK)
    first = bench.result("knn")
    bench.freeze("knn", n_neighbors=[7])
    again = bench.decode("knn")
    if again.blind and again.frozen_sha256 != first.frozen_sha256:
        return Outcome("lost", "a second model of the study was decoded as blind")
    return judge_report(bench)


def known_again() -> list[Attack]:
    """Eval edited with all digests fitted after a decode, so that it passes for another one."""
    found = []
    for name, edits in (
        ("y", ("value", "half", "reversed", "shuffled")),
        ("x", ("value", "last bit", "rows swapped", "row doubled")),
    ):
        for edit in edits:
            for seed in range(2):
                act = partial(fitted_manifest, partial(edit_array, "eval", name, edit, seed))
                found.append(
                    Attack(
                        f"eval edited after a decode, digests fitted/{name} {edit} {seed}",
                        quick_decoded,
                        act,
                        judge_relabelled,
                    )
                )
    for seed in range(4):
        for how in ("shuffled", "rows removed", "rows doubled", "type"):
            act = partial(fitted_manifest, partial(_edit_rows, how, seed))
            found.append(
                Attack(f"eval in another form after a decode/{how} {seed}", quick_decoded, act, judge_relabelled)
            )
    return found


def _edit_rows(how: str, seed: int, scene: Path) -> None:
    """Edit samples and labels of eval together."""
    random = np.random.default_rng(seed)
    x, y = (np.load(array_of(scene, "eval", name)) for name in ("x", "y"))
    rows = np.arange(len(y))
    match how:
        case "shuffled":
            rows = random.permutation(rows)
        case "rows removed":
            rows = np.delete(rows, random.integers(len(rows), size=2))
        case "rows doubled":
            rows = np.concatenate([rows, random.integers(len(rows), size=2)])
        case "type":
            x = x.astype([np.float64, ">f4", "<f8", ">f8"][seed])
    np.save(array_of(scene, "eval", "x"), x[rows])
    np.save(array_of(scene, "eval", "y"), y[rows])


FAMILY = Family(
    "data",
    "arrays, manifest and seal edited, times put back, digests fitted",
    array_attacks() + manifest_attacks() + known_again(),
    [
        KnownLimit(
            "Eval is replaced before the first decode of it, and the manifest and the seal are written again to fit.",
            "That is the preparation of another eval. Who prepares the data decides what eval is; the manifest and the "
            "report show the sha256 of its files.",
        ),
    ],
)
