"""Several decodes of one eval that are to pass for one.

The adversary wants to try models on eval and report the best. Another name, order or part of eval, or another command
must not hide it: the decode is refused, is not blind, or the report names the decodes that came before.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from adversarial.attack import Attack, Family, KnownLimit, Outcome
from adversarial.bench import QUICK, SEED, Bench, marks, quick_decoded
from adversarial.edits import change_json
from blindtune.datasets.verification import with_own_digest
from blindtune.decoding.rescore import rescore
from blindtune.exports.stored_study import read_study
from support.builders import write_csv_folder

Change = Callable[[list[str], np.random.Generator], list[str]]

#: What is done with the rows of eval before they are prepared again.
ROWS: dict[str, Change] = {
    "as they are": lambda rows, chance: rows,
    "reversed": lambda rows, chance: rows[::-1],
    "shuffled": lambda rows, chance: [rows[at] for at in chance.permutation(len(rows))],
    "one dropped": lambda rows, chance: np.delete(rows, chance.integers(len(rows))).tolist(),
    "one doubled": lambda rows, chance: [*rows, rows[int(chance.integers(len(rows)))]],
    "one changed": lambda rows, chance: _with_other(rows, chance, 1),
    "two dropped": lambda rows, chance: np.delete(rows, chance.choice(len(rows), 2, replace=False)).tolist(),
    "half": lambda rows, chance: rows[: len(rows) // 2],
    "all doubled": lambda rows, chance: [*rows, *rows],
    "with as many others": lambda rows, chance: _with_others(rows, chance, len(rows)),
    "with three others": lambda rows, chance: _with_others(rows, chance, 3),
    "more digits": lambda rows, chance: [f"{row}00" for row in rows],
    "labels turned": lambda rows, chance: [f"{1 - int(row[0])}{row[1:]}" for row in rows],
}


def _with_other(rows: list[str], chance: np.random.Generator, count: int) -> list[str]:
    return [*rows[count:], *_with_others([], chance, count)]


def _with_others(rows: list[str], chance: np.random.Generator, count: int) -> list[str]:
    return [*rows, *(f"{number % 2},{chance.normal():.6f},{chance.normal():.6f}" for number in range(count))]


def prepare_again(change: Change, seed: int, bench: Bench) -> None:
    """Prepare eval, with its rows changed, and train and dev under the names of a bench."""
    files = {}
    for split in ("train", "dev", "eval"):
        rows = (bench.folder / "csv" / f"{split}.csv").read_text(encoding="utf-8").splitlines()
        if split == "eval":
            rows = change(rows, np.random.default_rng(seed))
        files[split] = bench.folder / f"csv-{bench.config}-{bench.dataset}-{seed}" / f"{split}.csv"
        files[split].parent.mkdir(exist_ok=True)
        files[split].write_text("\n".join(rows) + "\n", encoding="utf-8")
    bench.prepare_csv(files)


def judge_second(bench: Bench, system: str, *, seed: int = SEED, allow: bool = False) -> Outcome:
    """Freeze another model and decode it; if it is decoded as blind, its row must name what came before."""
    bench.freeze(system, seed, n_neighbors=[1])
    result = bench.decode(system, seed, allow_repeats=allow)
    bench.draw_samples()
    records = replace(bench, systems=(system,)).report(seeds=(seed,))
    shown = marks(records)
    if not shown:
        return Outcome(
            "lost", f"a second decode is in the report as {'blind' if result.blind else 'not blind'} without a word"
        )
    uses = records.datasets[0].uses
    listed = {one.recorded.study for one in uses.decodes}
    if "tiny/toy/knn/42" not in listed:
        return Outcome("lost", f"the first decode is not listed: {listed}")
    return Outcome("shown", f"{shown}")


def renamed(config: str, dataset: str, system: str, rows: str, seed: int, scene: Path) -> Outcome:
    """Decode the same eval under other names, with its rows in another order or in part."""
    bench = Bench(scene, config=config, dataset=dataset, systems=(system,))
    if (config, dataset) != ("tiny", "toy") or rows != "as they are":
        if (config, dataset) == ("tiny", "toy"):
            shutil.rmtree(bench.manifest.parent)
            shutil.rmtree(bench.seal.parent)
        prepare_again(ROWS[rows], seed, bench)
    return judge_second(bench, system)


def nothing(scene: Path) -> None:
    """Leave the scene to the judge, who does what the adversary would."""


def renamed_attacks() -> list[Attack]:
    """Other names of config, dataset and system, with each form of eval."""
    found = []
    for config in ("tiny", "other"):
        for dataset in ("toy", "fresh"):
            for system in ("knn", "near"):
                for rows in ROWS:
                    for seed in range(3):
                        if seed and rows in (
                            "as they are",
                            "reversed",
                            "half",
                            "all doubled",
                            "more digits",
                            "labels turned",
                        ):
                            continue
                        found.append(
                            Attack(
                                f"other names/{config} {dataset} {system}, rows {rows} {seed}",
                                quick_decoded,
                                nothing,
                                partial(renamed, config, dataset, system, rows, seed),
                            )
                        )
    return found


def judge_allowed(scene: Path) -> Outcome:
    """Decode again with `allow_repeated_decode`."""
    return judge_second(Bench(scene, systems=("knn",)), "knn", allow=True)


def judge_many(kind: str, count: int, scene: Path) -> Outcome:
    """Decode many seeds or systems and report one: the others must be listed."""
    bench = Bench(scene, systems=("knn",))
    names = [("knn", SEED + 1 + number) if kind == "seeds" else (f"knn{number}", SEED) for number in range(count)]
    for number, (system, seed) in enumerate(names):
        bench.freeze(system, seed, n_neighbors=[1 + number])
        bench.decode(system, seed)
    system, seed = names[-1]
    bench.draw_samples()
    records = replace(bench, systems=(system,)).report(seeds=(seed,))
    uses = records.datasets[0].uses
    shown = marks(records)
    hidden = count + len(QUICK) - len(uses.decodes)
    if hidden or not shown:
        return Outcome("lost", f"{hidden} decodes are not listed; marks {shown}")
    return Outcome("shown", str(shown))


def judge_command(kind: str, rows: str, seed: int, scene: Path) -> Outcome:
    """Look at eval by a command that is no decode: prepare it as dev or train of another dataset, and rescore on it."""
    bench = Bench(scene)
    other = replace(bench, dataset="disguised")
    files = write_csv_folder(scene / f"disguise-{seed}", train=30, dev=30, eval=30, seed=50 + seed)
    sealed = (scene / "csv/eval.csv").read_text(encoding="utf-8").splitlines()
    changed = ROWS[rows](sealed, np.random.default_rng(seed))
    files["dev" if kind.endswith("dev") else "train"].write_text("\n".join(changed) + "\n", encoding="utf-8")
    other.prepare_csv(files)
    stored = read_study(bench.study_folder("knn"))
    rescore(stored, other.manifest, "dev" if kind.endswith("dev") else "train", None, None)
    return Outcome("lost", "the error on samples of eval was written without an entry in the ledger")


def judge_path(path: str, scene: Path) -> Outcome:
    """Give a command the sealed folder itself, or a link to it."""
    bench = Bench(scene)
    link = scene / "innocent"
    target = bench.seal.parent if path == "link" else bench.split("eval")
    if path.startswith("copied"):
        shutil.copytree(bench.manifest.parent, link)
        shutil.rmtree(link / "dev")
        if path == "copied link":
            (link / "dev").symlink_to(bench.split("eval").resolve())
        else:
            shutil.copytree(bench.split("eval"), link / "dev")
        if path == "copied, manifest fitted":
            from blindtune.datasets.prepared import _digest_of_both, digest_of_split, open_split

            def fit(content):
                splits = content["splits"] | {"dev": digest_of_split(open_split(link / "dev")), "eval": "0" * 64}
                return with_own_digest(
                    content | {"splits": splits, "sha256": _digest_of_both(splits), "dataset": "innocent"}
                )

            change_json(link / "manifest.json", fit)
        manifest = link / "manifest.json"
    elif path == "link":
        link.symlink_to(target.resolve())
        manifest = link / "seal.json"
    else:
        manifest = bench.seal
    rescore(read_study(bench.study_folder("knn")), manifest, "dev", None, bench.manifest)
    return Outcome("lost", "the error on eval was written without an entry in the ledger")


FAMILY = Family(
    "second looks",
    "several decodes of one eval: other names, orders, parts, seeds, commands",
    [
        *renamed_attacks(),
        Attack("allowed again/knn", quick_decoded, nothing, judge_allowed),
        *(
            Attack(f"best of many/{kind} {count}", quick_decoded, nothing, partial(judge_many, kind, count))
            for kind in ("seeds", "systems")
            for count in (2, 5, 9)
        ),
        *(
            Attack(
                f"rescore on eval/{kind}, rows {rows} {seed}",
                quick_decoded,
                nothing,
                partial(judge_command, kind, rows, seed),
            )
            for kind in ("as dev", "as train")
            for rows in ROWS
            for seed in range(2)
        ),
        *(
            Attack(f"rescore on a path/{path}", quick_decoded, nothing, partial(judge_path, path))
            for path in ("seal", "link", "copied", "copied link", "copied, manifest fitted")
        ),
    ],
    [
        KnownLimit(
            "An eval that shares less than nine tenths of its samples with a decoded one counts as another for the "
            "refusal.",
            "Real test sets overlap. The report says how many samples both share, and marks the rows.",
        ),
    ],
)
