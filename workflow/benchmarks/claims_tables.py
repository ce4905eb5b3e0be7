"""Print the tables of docs/measured/claims.md from records, or write them into the page.

    python workflow/benchmarks/claims_tables.py --results results --readings records
    python workflow/benchmarks/claims_tables.py --results results --readings records --page docs/measured/claims.md

``results`` holds what claims.yaml and claims_drawn.yaml wrote, ``records`` what `claims_readings.py` and
`claims_manual.py` wrote. Only searches that ended and were decoded count; what is missing is named. In the page, each
table replaces what is between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``. A table that would lose rows, or
seeds, sets or trainings of a row, is kept as it is and named, unless ``--drop-rows`` is given; one without any
records is kept in any case.
"""

import argparse
import hashlib
import json
import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from claims_data import PUBLISHED, Array
from claims_post_mortem import HEADER, Autopsy, examine, make_row
from scipy import stats

from blindtune.core.arrays import digest_arrays
from blindtune.core.resources import RESOURCES
from blindtune.core.seeds import derive
from blindtune.core.validation import load
from blindtune.models.families import load_family
from blindtune.models.layers import InvalidModelError
from blindtune.records.decode_result import labels_of
from blindtune.records.post_mortem import PostMortem, read_post_mortem
from blindtune.report.stats.crossed import compare_crossed, measure_errors
from blindtune.report.stats.statistics import Difference, adjust_holm
from blindtune.search_space import Hyperparameters, Space

#: Published eval errors in % of the manual and the tuned model, and samples of eval (Tables 1 and 3).
MARGINS = {
    "#08": ("MLP-M", 56.39, "MLP-A", 57.38, 15_000),
    "#09": ("MLP-M", 12.87, "MLP-A", 14.22, 250_000),
    "#10, lowest on eval": ("MLP-M2", 32.00, "MLP-A2", 32.34, 10_000),
    "#10, lowest on dev": ("MLP-M1", 32.80, "MLP-A1", 42.07, 10_000),
    "#11": ("Manual", 20.88, "Auto", 41.55, 2_500),
    "#12": ("Manual", 36.08, "Auto", 50.00, 2_500),
}

#: How far errors in points may be from the published ones, to be called like them: train, dev, eval.
LIKE = (1.5, 1.5, 1.0)

#: Numbers of sets of a search.
COUNTS = (1, 3, 15, 50, 150, 500)

#: Sets that are drawn to count the impossible ones.
_DRAWN_SETS = 10_000

#: What `claims_readings.py` changes in the networks of Table 4, by the end of the name of the file.
_CHANGED = {"divided": "outputs divided by their sum", "dropped": "inputs dropped too"}

_Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True)
class Run:
    """One system with one seed that was decoded.

    Attributes:
        dataset: name of its dataset.
        system: name of the system.
        seed: of the study.
        card: the model card.
        decode: the result on eval.
        wrong: for each sample of eval, whether it was wrong; None for an estimate.
        trials: records of the search.
        hashes: sha256 of trials.jsonl, of card.json and of result.json, which has that of the predictions.
        post_mortem: what all its trials score on eval; None: there is none.
    """

    dataset: str
    system: str
    seed: int
    card: dict[str, Any]
    decode: dict[str, Any]
    wrong: Array | None
    trials: list[dict[str, Any]]
    hashes: tuple[str, str, str]
    post_mortem: PostMortem | None = None

    @property
    def errors(self) -> tuple[float, float, float]:
        """Train, dev and eval error in %."""
        return 100 * self.card["train_error"], 100 * self.card["dev_error"], 100 * self.decode["error"]


class Records:
    """All that was found in the folders."""

    def __init__(self, results: Path, readings: Path) -> None:
        self.results = results
        self.readings = readings

    @cached_property
    def runs(self) -> list[Run]:
        """Every decoded run of the two studies, in the order of dataset, system and seed."""
        found = []
        for card in sorted(self.results.glob("claims*/studies/*/*/*/card.json")):
            decode = card.parents[4] / "decodes" / card.parent.relative_to(card.parents[3]) / "result.json"
            # What a later study has replaced is in a folder that is not named by its seed alone.
            if decode.exists() and card.parent.name.isdecimal():
                found.append(_read_run(card, decode))
        return found

    def of(self, dataset: str, system: str) -> list[Run]:
        """Return the runs of a system, by seed."""
        return sorted((r for r in self.runs if (r.dataset, r.system) == (dataset, system)), key=lambda r: r.seed)

    def best_manual(self, dataset: str) -> list[Run]:
        """Return the runs of the manual model with the lowest mean on dev, by seed; none without one."""
        manual = sorted({run.system for run in self.runs if (run.dataset, run.card["kind"]) == (dataset, "manual")})
        found = [self.of(dataset, system) for system in manual]
        return min(found, key=lambda runs: float(np.mean([run.card["dev_error"] for run in runs])), default=[])

    def searches(self) -> list["ScoredSearch"]:
        """Return every search of which all trials were scored on eval: by `claims_readings.py`, or by a post-mortem."""
        found = []
        for path in sorted(self.readings.glob("kept_*.jsonl")):
            _, *words, seed = path.stem.split("_")
            sets = self.lines(path.stem)
            found.append(ScoredSearch("_".join(words[:2]), "_".join(words[2:]), int(seed), sets))
        known = {(one.dataset, one.system, one.seed) for one in found}
        for run in self.runs:
            is_new = (run.dataset, run.system, run.seed) not in known
            if run.post_mortem is not None and run.card["kind"] == "tuner" and is_new:
                sets = [_as_reading(trial.model_dump()) for trial in run.post_mortem.trials]
                found.append(ScoredSearch(run.dataset, run.system, run.seed, sets))
        return sorted(found, key=lambda one: (one.dataset, one.system, one.seed))

    def pairs(self, dataset: str, one: str, other: str) -> list[tuple[Run, Run]]:
        """Return the runs of two systems with the same seed."""
        right = {run.seed: run for run in self.of(dataset, other)}
        return [(run, right[run.seed]) for run in self.of(dataset, one) if run.seed in right]

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Return the records of a file of the readings; none if it is not there."""
        path = self.readings / f"{name}.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def manual(self, model: str) -> dict[str, Any] | None:
        """Return what `claims_manual.py` found for a network."""
        path = self.readings / f"manual_{model}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


@dataclass(frozen=True)
class ScoredSearch:
    """A search of which all trials were scored on eval.

    Attributes:
        dataset: name of its dataset.
        system: name of the search.
        seed: of the study.
        sets: one for each trial; those that have no model, such as diverged ones, have no ``eval``.
    """

    dataset: str
    system: str
    seed: int
    sets: list[dict[str, Any]]

    @property
    def scored(self) -> list[dict[str, Any]]:
        """The sets with an eval error, the lowest on dev first."""
        return sorted((one for one in self.sets if "eval" in one), key=lambda one: float(one["dev"]))


def _as_reading(trial: dict[str, Any]) -> dict[str, Any]:
    """Return a trial of a post-mortem in the form of a reading; it has no train error."""
    found = {"dev": trial["dev_error"], "n_parameters": trial["n_parameters"]}
    return found if trial["error"] is None else found | {"eval": trial["error"]}


def _read_run(card: Path, decode: Path) -> Run:
    predictions = decode.with_name("predictions.npz")
    result, wrong = json.loads(decode.read_bytes()), None
    if predictions.exists():
        with np.load(predictions) as stored:
            arrays = dict(stored)
        # An estimate of the Bayes error answers no sample.
        wrong = arrays["wrong"].astype(float) if "wrong" in arrays else None
        expected = result.get("predictions_sha256")
        if expected is not None and digest_arrays(labels_of(arrays)) != expected:
            raise SystemExit(f"{predictions}: is not what {decode} counted. Restore both from the archive.")
    analysed = card.parents[4] / "post_mortems" / card.parent.relative_to(card.parents[3]) / "post_mortem.json"
    log = card.with_name("trials.jsonl")
    text = log.read_bytes() if log.exists() else b""
    dataset, system, seed = card.parts[-4:-1]
    return Run(
        dataset,
        system,
        int(seed),
        json.loads(card.read_bytes()),
        result,
        wrong,
        [json.loads(line) for line in text.splitlines()],
        (_digest(text), _digest(card.read_bytes()), _digest(decode.read_bytes())),
        read_post_mortem(analysed, "Restore it from the archive.") if analysed.exists() else None,
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- statistics


def margin(one: float, other: float, samples: int) -> tuple[float, float, float]:
    """Return the difference of two published error rates in points, and its 95% interval for independent samples.

    Args:
        one: error of the manual model in %.
        other: error of the tuned model in %.
        samples: of eval, of both.
    """
    width = _Z * 100 * float(np.sqrt(sum(p / 100 * (1 - p / 100) for p in (one, other)) / samples))
    return other - one, other - one - width, other - one + width


def largest_significant_disagreement(difference: int, samples: int) -> int:
    """Return on how many samples at most exactly one of two models may be right, so that McNemar's exact p is < 0.05.

    Args:
        difference: of the numbers of wrong samples of the two.
        samples: of eval.
    """
    # The p-value grows with the disagreement, in steps of two.
    low, high = 0, (samples - difference) // 2
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _mcnemar(difference, middle) < 0.05 else (low, middle - 1)
    return difference + 2 * low


def _mcnemar(difference: int, fewer: int) -> float:
    """Return the exact two-sided p-value if only the worse model is right on ``fewer`` samples."""
    return min(1.0, 2 * float(stats.binom.cdf(fewer, 2 * fewer + difference, 0.5)))


def compare(pairs: Sequence[tuple[Run, Run]]) -> Difference:
    """Return the mean difference of eval errors, the second minus the first, with its 95% interval.

    Seeds and samples both vary, as in blindtune's report; with one seed only the samples do.
    """
    one, other = (measure_errors(np.array([pair[side].wrong for pair in pairs], dtype=bool)) for side in (0, 1))
    return compare_crossed(other, one)


def ranks_of_best(total: int, count: int) -> Array:
    """Return the probability that the best of ``count`` random sets is the first, second, ... of ``total`` in order.

    Args:
        total: sets that were recorded.
        count: sets of the search, at most ``total``; they are drawn without replacement.
    """
    # P(rank r) = C(total - r, count - 1) / C(total, count), as a product that does not overflow.
    chances = np.zeros(total)
    left = 1.0
    for rank in range(total - count + 1):
        chance = count / (total - rank)
        chances[rank] = left * chance
        left *= 1 - chance
    return chances


def chances_of_choice(keys: Sequence[float], total: int, count: int) -> Array:
    """Return the probability that a search of ``count`` random sets keeps each of some sets, by the lowest key.

    Sets with equal keys are equally likely. The sum is below 1 if all sets of a search may be without a key.

    Args:
        keys: what is minimised, in order.
        total: all recorded sets, with those that have no key, such as diverged ones.
        count: sets of the search.
    """
    chances = ranks_of_best(total, min(count, total))[: len(keys)]
    _, places, sizes = np.unique(np.asarray(keys), return_inverse=True, return_counts=True)
    shared: Array = (np.bincount(places, weights=chances) / sizes)[places]
    return shared


def choose(sets: Sequence[dict[str, Any]], key: Callable[[dict[str, Any]], float], count: int) -> dict[str, float]:
    """Return what a search of ``count`` random sets gives that keeps the set with the lowest ``key``.

    Args:
        sets: records of sets that were trained completely.
        key: what is minimised.
        count: sets of the search.

    Returns:
        Mean errors of the chosen set in %: train, dev and eval; ``like``: the probability that they are like the
        published ones of MLP-A2; ``above``: that its dev error is at least the published one.
    """
    order = sorted(sets, key=key)
    chances = chances_of_choice([key(record) for record in order], len(order), count)
    errors = np.array([[100 * record[split] for split in ("train", "dev", "eval")] for record in order])
    published = np.array(PUBLISHED["mlp_a2"])
    # The training of a set with dropout prints its error with dropout on, so either may be the published one.
    running = np.array([100 * record["curve"][-1][0] for record in order])
    near = np.abs(errors - published) <= np.array(LIKE)
    near_train = near[:, 0] | (np.abs(running - published[0]) <= LIKE[0])
    mean = chances @ errors
    return {
        "train": float(mean[0]),
        "running": float(chances @ running),
        "dev": float(mean[1]),
        "eval": float(mean[2]),
        "like": float(chances @ (near_train & near[:, 1] & near[:, 2])),
        "above": float(chances @ (errors[:, 1] >= published[1])),
    }


#: What a search may minimise.
RULES: dict[str, Callable[[dict[str, Any]], float]] = {
    "dev error of the last epoch": lambda record: float(record["dev"]),
    "dev error of the best epoch": lambda record: min(epoch[2] for epoch in record["curve"]),
    "dev loss of the last epoch": lambda record: float(record["curve"][-1][3]),
    "train error, dropout on": lambda record: float(record["curve"][-1][0]),
    "train error": lambda record: float(record["train"]),
    "train loss, dropout on": lambda record: float(record["curve"][-1][1]),
}


# --- tables


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table of Markdown; the first column is text, the others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def margins(records: Records) -> str:
    """Return the published margins between the manual and the tuned model, with intervals."""
    rows = []
    for name, (manual, one, tuned, other, samples) in MARGINS.items():
        off, low, high = margin(one, other, samples)
        wrong = round((other - one) / 100 * samples)
        most = largest_significant_disagreement(wrong, samples)
        verdict = "within sampling error" if low <= 0 else "beyond it"
        share = "any" if most >= samples - 1 else f"at most {most:,} ({100 * most / samples:.1f}%)"
        rows.append(
            [
                f"{name}: {manual} {one:.2f}, {tuned} {other:.2f}",
                f"{samples:,}",
                f"{off:.2f}",
                f"{low:.2f} to {high:.2f}",
                share,
                verdict,
            ]
        )
    header = ["set, eval errors in %", "samples", "margin", "95% interval", "disagreement if significant", "margin is"]
    return table(header, rows)


def disagreement(records: Records) -> str:
    """Return on how many eval samples of #10 exactly one of two networks is right."""
    rows = []
    for one, other in combinations(["mlp_m1", "mlp_m2", "mlp_a1", "mlp_a2"], 2):
        pairs = records.pairs("isip_10", one, other)
        if pairs:
            counts = [int(np.sum(a.wrong != b.wrong)) for a, b in pairs]
            width = _Z * float(np.sqrt(np.mean(counts))) / pairs[0][0].decode["samples"] * 100
            rows.append([f"{one}, {other}", len(pairs), f"{np.mean(counts):,.0f}", f"{width:.2f}"])
    return table(["pair", "seeds", "samples", "half a 95% interval, points"], rows) if rows else _missing("claims.yaml")


def errors(records: Records) -> str:
    """Return train, dev and eval errors of every system, published and ours."""
    rows = []
    for dataset, system in sorted({(run.dataset, run.system) for run in records.runs}):
        runs = records.of(dataset, system)
        published = PUBLISHED.get(system) if dataset == "isip_10" else None
        found = np.array([run.errors for run in runs])
        cells = [_spread(found[:, column]) for column in range(3)]
        rows.append(
            [
                f"{dataset} {system}",
                " / ".join(f"{value:.2f}" for value in published) if published else "",
                " / ".join(cells),
                len(runs),
                _range([run.card["n_parameters"] for run in runs]),
                _range([len(run.trials) for run in runs]),
            ]
        )
    header = ["system", "published train / dev / eval", "ours, mean ± deviation", "seeds", "weights", "trials"]
    return table(header, rows) if rows else _missing("claims.yaml and claims_drawn.yaml")


def gaps(records: Records) -> str:
    """Return by how much the eval error of the frozen models is above that on dev, over seeds and samples."""
    rows = []
    for dataset, system in sorted({(run.dataset, run.system) for run in records.runs}):
        runs = [run for run in records.of(dataset, system) if run.card["kind"] in ("manual", "tuner")]
        if len(runs) < 2:
            continue
        dev, evaluated = (np.array([run.errors[place] for run in runs]) / 100 for place in (1, 2))
        of_seeds = float((evaluated - dev).std(ddof=1)) / math.sqrt(len(runs))
        # The same samples for every seed, so that seeds do not make them more; dev and eval are drawn independently.
        # Each of the sets has as many samples in dev as in eval.
        samples = runs[0].decode["samples"]
        of_samples = math.sqrt(sum(float(error.mean() * (1 - error.mean())) / samples for error in (dev, evaluated)))
        half = float(stats.t.ppf(0.975, len(runs) - 1)) * math.hypot(of_seeds, of_samples)
        gap = float((evaluated - dev).mean())
        rows.append(
            [
                f"{dataset} {system}",
                len(runs),
                f"{100 * dev.mean():.2f}",
                f"{100 * evaluated.mean():.2f}",
                f"{100 * gap:+.2f}",
                f"{100 * (gap - half):+.2f} to {100 * (gap + half):+.2f}",
            ]
        )
    header = ["system", "seeds", "dev", "eval", "eval − dev, points", "95% interval"]
    return table(header, rows) if rows else _missing("claims.yaml and claims_drawn.yaml")


def differences(records: Records) -> str:
    """Return differences of eval errors between systems, with intervals."""
    wanted = [
        ("isip_10", "mlp_m1", "mlp_a1"),
        ("isip_10", "mlp_m2", "mlp_a2"),
        ("isip_10", "mlp_m1", "mlp_a2"),
        ("isip_10", "mlp_a2", "mlp_a1"),
        ("isip_10", "mlp_m1", "tpe_10"),
        ("isip_10", "mlp_m1", "hyperband_10"),
        ("isip_10", "mlp_m1", "knn_10"),
        ("set_08", "mlp_m", "mlp_a"),
        ("set_09", "mlp_m", "mlp_a"),
    ]
    found: list[tuple[str, int, Difference]] = []
    for dataset, one, other in wanted:
        pairs = records.pairs(dataset, one, other)
        if any(run.wrong is None for pair in pairs for run in pair):
            print(f"{dataset}: predictions are not at hand, so that its difference is left out", file=sys.stderr)
        elif pairs:
            found.append((f"{dataset}: {other} minus {one}", len(pairs), compare(pairs)))
    adjusted = adjust_holm([difference.p for _, _, difference in found])
    rows = [
        [
            name,
            seeds,
            f"{100 * it.value:+.2f}",
            f"{100 * it.low:+.2f} to {100 * it.high:+.2f}",
            "< 0.001" if p < 0.001 else f"{p:.3f}",
            "–" if it.equal_within is None else f"{100 * it.equal_within:.2f}",
            "eval samples and seeds" if seeds > 1 else "eval samples",
        ]
        for (name, seeds, it), p in zip(found, adjusted, strict=True)
    ]
    header = ["eval error", "seeds", "difference, points", "95% interval", "adjusted p", "equal within", "what varies"]
    return table(header, rows) if rows else _missing("claims.yaml and claims_drawn.yaml")


def outcomes(records: Records) -> str:
    """Return how the trials of each search ended."""
    rows = []
    for dataset, system in sorted({(run.dataset, run.system) for run in records.runs}):
        runs = [run for run in records.of(dataset, system) if run.card["kind"] == "tuner"]
        if runs:
            counts = Counter(trial["status"] for run in runs for trial in run.trials)
            epochs = sum(trial["epochs"] for run in runs for trial in run.trials)
            rows.append([f"{dataset} {system}", len(runs), f"{epochs:,}", *[counts[status] for status in _STATUSES]])
    return (
        table(["search", "seeds", "epochs", *_STATUSES], rows)
        if rows
        else _missing("claims.yaml and claims_drawn.yaml")
    )


_STATUSES = ("completed", "pruned", "invalid", "failed", "diverged")


def impossible(records: Records) -> str:
    """Return how many sets of the ConvNet space of #11 cannot be built, and what that does to a search that halts.

    The sets are drawn as random search draws them; each is independent of the others. The mean number of sets until k
    impossible ones in a row is (1 - p^k) / (p^k (1 - p)) for a share p of impossible sets.
    """
    space = load(Space, RESOURCES / "spaces" / "convnet_11.yaml")
    random = np.random.default_rng(derive("impossible sets of convnet_11"))
    sets = [space.draw(random) for _ in range(_DRAWN_SETS)]
    rows = []
    for name, side in (("#11 (crops of 128)", 128), ("the size that the published network needs", 132)):
        failed = np.array([_is_impossible(values, side) for values in sets])
        p = failed.mean()
        half = _Z * math.sqrt(p * (1 - p) / len(sets))
        blocks = np.array([values["blocks"] for values in sets])
        by_blocks = ", ".join(f"{100 * failed[blocks == number].mean():.0f}" for number in sorted(set(blocks)))
        rows.append(
            [
                name,
                f"{len(sets):,}",
                f"{100 * p:.1f} ± {100 * half:.1f}",
                by_blocks,
                f"{1 / p:.1f}",
                f"{(1 - p**3) / (p**3 * (1 - p)):.0f}",
                f"{500 * (1 - p):.0f}",
            ]
        )
    header = [
        "pictures",
        "sets",
        "impossible in %",
        "with 1, 2, 3, 4 blocks",
        "mean sets until the first",
        "until three in a row",
        "sets left of 500",
    ]
    return table(header, rows)


def _is_impossible(values: Hyperparameters, side: int) -> bool:
    """Return whether the ConvNet of a set cannot be built on colour pictures of a side."""
    try:
        load_family("convnet").build(values, (side, side, 3), 2).check_buildable(2)
    except InvalidModelError:
        return True
    return False


def lowest(records: Records) -> str:
    """Return, from recorded trials with dropout, what the lowest dev error of n random sets is."""
    rows = []
    for name, scores in _dropout_scores(records):
        for count in (n for n in COUNTS if n <= len(scores)):
            chances = ranks_of_best(len(scores), count)
            rows.append(
                [
                    name,
                    count,
                    f"{100 * chances @ scores:.2f}",
                    f"{chances @ (100 * scores >= PUBLISHED['mlp_a2'][1]):.2g}",
                    f"{chances @ (100 * scores <= PUBLISHED['mlp_a1'][1]):.2g}",
                ]
            )
    header = ["recorded sets", "n", "expected lowest dev error in %", "P(at least 40.11)", "P(at most 26.95)"]
    return table(header, rows) if rows else _missing("mlp_a2 of claims.yaml")


def _dropout_scores(records: Records) -> list[tuple[str, Array]]:
    """Return the sorted dev errors of searches with dropout: those of each finished study, or those of the reading."""
    found = []
    for run in records.of("isip_10", "mlp_a2"):
        scores = [1.0 if trial["score"] is None else trial["score"] for trial in run.trials]
        found.append((f"mlp_a2, seed {run.seed}", np.sort(scores)))
    sets = records.lines("sets_ours_fused")
    if sets:
        scores = [record.get("dev", 1.0) for record in sets]
        found.append((f"{len(sets)} sets of the reading “ours”", np.sort(scores)))
    return found


def networks(records: Records) -> str:
    """Return the errors of the networks of Table 4 that were trained again."""
    rows = []
    for system in ("mlp_a1", "mlp_a2"):
        for trainer in ("fused", "pytorch", "keras", *_CHANGED):
            found = [record for record in records.lines(f"networks_{system}_{trainer}") if "dev" in record]
            if not found:
                continue
            each = np.array([[100 * record[split] for split in ("train", "dev", "eval")] for record in found])
            running = np.array([100 * record["curve"][-1][0] for record in found])
            lowest_dev = np.array([100 * min(epoch[2] for epoch in record["curve"]) for record in found])
            # The train error is the one of the training itself, which Keras prints.
            shown = np.column_stack([running, each[:, 1:]])
            like = int(np.all(np.abs(shown - np.array(PUBLISHED[system])) <= np.array(LIKE), axis=1).sum())
            rows.append(
                [
                    f"{system}, {_CHANGED.get(trainer, trainer)}",
                    " / ".join(f"{value:.2f}" for value in PUBLISHED[system]),
                    len(found),
                    _spread(running),
                    *[_spread(each[:, column]) for column in range(3)],
                    f"{lowest_dev.min():.2f} to {lowest_dev.max():.2f}",
                    f"{like} of {len(found)}",
                ]
            )
    header = ["network", "published", "trainings", "train, while training", "train", "dev", "eval"]
    header += ["dev, best epoch", "like the published"]
    return table(header, rows) if rows else _missing("claims_readings.py networks")


def trainings(records: Records) -> str:
    """Return every training of the network that the paper calls MLP-A2."""
    rows = []
    for number, record in enumerate(records.lines("networks_mlp_a2_fused"), 1):
        if "dev" in record:
            devs = [100 * epoch[2] for epoch in record["curve"]]
            last = [100 * record["curve"][-1][0], *[100 * record[split] for split in ("dev", "eval")]]
            best = f"{min(devs):.2f} (epoch {devs.index(min(devs)) + 1})"
            rows.append([number, best, *[f"{value:.2f}" for value in last]])
    rows.append(["published", "", *[f"{value:.2f}" for value in PUBLISHED["mlp_a2"]]])
    header = ["training", "lowest dev", "train, while training", "dev", "eval"]
    return table(header, rows) if len(rows) > 1 else _missing("claims_readings.py networks")


def readings(records: Records) -> str:
    """Return what each reading gives, chosen by the lowest dev error or by its own rule."""
    rows: list[list[object]] = [
        ["published MLP-A2", "", "", *[f"{value:.2f}" for value in PUBLISHED["mlp_a2"]], "", ""],
    ]
    kept = [records.lines(path.stem) for path in sorted(records.readings.glob("kept_*_mlp_a2_*.jsonl"))]
    searches = [found for lines in kept if (found := [record for record in lines if "dev" in record])]
    if searches:
        rows.append(_searches_row("our searches: one random set", searches, RULES["dev error of the last epoch"], 1))
    for rule, key in RULES.items():
        rows += [_searches_row(f"our searches: lowest {rule}", searches, key, n) for n in (15, 500) if searches]
    for path in sorted(records.readings.glob("sets_*.jsonl")):
        sets = [record for record in records.lines(path.stem) if "dev" in record]
        if not sets:
            continue
        _, *words, trainer = path.stem.split("_")
        name = f"{' '.join(words)} ({trainer})"
        rows += [
            _reading_row(f"{name}: lowest dev error", sets, RULES["dev error of the last epoch"], n) for n in (1, 15)
        ]
        rows.append(_reading_row(f"{name}: lowest dev error", sets, RULES["dev error of the last epoch"], len(sets)))
        if "held" in sets[0]:
            rows += [
                _reading_row(f"{name}: lowest error on the held-out fifth", sets, lambda record: record["held"], n)
                for n in (15, len(sets))
            ]
        elif path.stem == "sets_ours_fused":
            rows += [_reading_row(f"{name}: lowest {rule}", sets, key, 15) for rule, key in list(RULES.items())[1:]]
    header = ["reading", "sets", "n", "train", "dev", "eval", "P(like the published)", "P(dev at least 40.11)"]
    return table(header, rows) if len(rows) > 1 else _missing("claims_readings.py kept and sets")


def _searches_row(
    name: str, searches: Sequence[Sequence[dict[str, Any]]], key: Callable[[dict[str, Any]], float], count: int
) -> list[object]:
    """Return the means over the searches of several seeds, with the range of the probabilities."""
    counts = [min(count, len(sets)) for sets in searches]
    found = [choose(sets, key, n) for sets, n in zip(searches, counts, strict=True)]
    mean = {part: float(np.mean([one[part] for one in found])) for part in ("train", "running", "dev", "eval")}
    cells = [f"{mean['train']:.2f} ({mean['running']:.2f})", f"{mean['dev']:.2f}", f"{mean['eval']:.2f}"]
    sizes = _range([len(sets) for sets in searches])
    return [name, f"{len(searches)} x {sizes}", _range(counts), *cells, *(_chances(found, part) for part in _CHANCES)]


_CHANCES = ("like", "above")


def _chances(found: Sequence[dict[str, float]], part: str) -> str:
    low, high = (bound(one[part] for one in found) for bound in (min, max))
    return f"{low:.2g}" if low == high else f"{low:.2g} to {high:.2g}"


def _reading_row(
    name: str, sets: Sequence[dict[str, Any]], key: Callable[[dict[str, Any]], float], count: int
) -> list[object]:
    count = min(count, len(sets))
    found = choose(sets, key, count)
    cells = [f"{found['train']:.2f} ({found['running']:.2f})", f"{found['dev']:.2f}", f"{found['eval']:.2f}"]
    return [name, len(sets), count, *cells, f"{found['like']:.2g}", f"{found['above']:.2g}"]


def manual(records: Records) -> str:
    """Return the errors of the manual networks, trained in many ways."""
    rows: list[list[object]] = []
    if not any(records.manual(model) for model in ("mlp_m1", "mlp_m2")):
        return _missing("claims_manual.py")
    for model in ("mlp_m1", "mlp_m2"):
        rows.append([f"**{model}, published**", "", *[f"{value:.2f}" for value in PUBLISHED[model]], ""])
        for run in records.of("isip_10", model):
            rows.append([f"{model}, seed {run.seed} of claims.yaml", 1, *[f"{value:.2f}" for value in run.errors], ""])
        content = records.manual(model)
        for name, way in content["ways"].items() if content else ():
            each = 100 * np.array(way["errors"])
            rows.append(_manual_row(f"{model}, {name}", each, each.shape[1] - 1))
            if name == "as published":
                rows += [_manual_row(f"{model}, after epoch {n}", each, n - 1) for n in _EPOCHS]
                best = each[:, :, 1].argmin(axis=1)
                chosen = each[np.arange(len(each)), best][:, None, :]
                rows.append(_manual_row(f"{model}, epoch of the lowest dev error", chosen, 0))
                if model == "mlp_m2":
                    rows.append(_manual_row(f"{model}, dropout left on", each[:, :, 3:], each.shape[1] - 1))
    header = ["network", "trainings", "train", "dev", "eval", "eval, from to"]
    return table(header, rows)


#: Epochs after which the manual networks are shown: the paper trained 25.
_EPOCHS = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20)


def _manual_row(name: str, each: Array, epoch: int) -> list[object]:
    found = each[:, epoch, :3]
    cells = [_spread(found[:, column]) for column in range(3)]
    return [name, len(each), *cells, f"{found[:, 2].min():.2f} to {found[:, 2].max():.2f}"]


#: What the number of weights, or dev, is correlated with; of each set.
_CORRELATED: dict[str, tuple[str, Callable[[dict[str, Any]], float]]] = {
    "weights, train": ("n_parameters", lambda one: float(one["train"])),
    "weights, dev": ("n_parameters", lambda one: float(one["dev"])),
    "weights, eval": ("n_parameters", lambda one: float(one["eval"])),
    "weights, eval − train": ("n_parameters", lambda one: float(one["eval"]) - float(one["train"])),
    "dev, eval": ("dev", lambda one: float(one["eval"])),
}


def complexity(records: Records) -> str:
    """Return how the eval error of completed trials goes with the number of weights, over all scored trials."""
    rows = []
    for search, found in _correlations(records):
        cells = ["–" if it is None else f"{it.statistic:+.2f} (p {it.pvalue:.1g})" for it in found.values()]
        rows.append([f"{search.dataset}_{search.system}_{search.seed}", len(search.scored), *cells])
    return table(["search", "trials", *_CORRELATED], rows) if rows else _missing("claims_readings.py kept")


def complexity_means(records: Records) -> str:
    """Return the means of these correlations over the seeds, with intervals of Student's t over the seeds."""
    by_search: dict[str, list[dict[str, Any]]] = {}
    for search, found in _correlations(records):
        by_search.setdefault(f"{search.dataset} {search.system}", []).append(found)
    rows = [
        [name, len(each), *[_mean_over_seeds([found[key] for found in each]) for key in _CORRELATED]]
        for name, each in by_search.items()
    ]
    return table(["search", "seeds", *_CORRELATED], rows) if rows else _missing("claims_readings.py kept")


def halves(records: Records) -> str:
    """Return how dev and eval of the trials correlate within the half that is lower on dev, and within the other."""
    by_search: dict[str, list[list[Any]]] = {}
    for search, _ in _correlations(records):
        ordered = sorted(search.scored, key=lambda one: float(one["dev"]))
        middle = len(ordered) // 2
        found = [_correlate(half, *_CORRELATED["dev, eval"]) for half in (ordered[:middle], ordered[middle:], ordered)]
        by_search.setdefault(f"{search.dataset} {search.system}", []).append(found)
    rows = [
        [name, len(each), *[_mean_over_seeds([found[part] for found in each]) for part in range(3)]]
        for name, each in by_search.items()
    ]
    header = ["search", "seeds", "half that is lower on dev", "half that is higher on dev", "all trials"]
    return table(header, rows) if rows else _missing("claims_readings.py kept")


def _correlations(records: Records) -> list[tuple[ScoredSearch, dict[str, Any]]]:
    """Return the rank correlations of each search with enough scored trials; None for what was not recorded."""
    return [
        (search, {key: _correlate(search.scored, *what) for key, what in _CORRELATED.items()})
        for search in records.searches()
        if len(search.scored) >= 10
    ]


def _correlate(sets: Sequence[dict[str, Any]], first: str, second: Callable[[dict[str, Any]], float]) -> Any:
    try:
        return stats.spearmanr([one[first] for one in sets], [second(one) for one in sets])
    except KeyError:
        return None  # a post-mortem has no train error


def _mean_over_seeds(found: Sequence[Any]) -> str:
    values = np.array([it.statistic for it in found if it is not None])
    if not len(values):
        return "–"
    if len(values) == 1:
        return f"{values[0]:+.3f}"
    half = float(stats.t.ppf(0.975, len(values) - 1)) * values.std(ddof=1) / math.sqrt(len(values))
    return f"{values.mean():+.3f} ({values.mean() - half:+.3f} to {values.mean() + half:+.3f})"


def expert(records: Records) -> str:
    """Return the probability that the best of n random sets on dev is at least as good on eval as the manual model."""
    rows = []
    for search in records.searches():
        manual_runs = [run for run in records.best_manual(search.dataset) if run.seed == search.seed]
        sets, total = search.scored, len(search.sets)
        if not manual_runs or not sets or not _is_random(records, search):
            continue
        limit = manual_runs[0].decode["error"]
        eval_errors = np.array([one["eval"] for one in sets])
        for count in sorted({n for n in (*COUNTS, total) if n <= total}):
            chances = chances_of_choice([one["dev"] for one in sets], total, count)
            rows.append(
                [
                    f"{search.dataset} {search.system}, seed {search.seed}",
                    count,
                    f"{100 * chances @ eval_errors / chances.sum():.2f}",
                    f"{100 * limit:.2f}",
                    f"{chances @ (eval_errors <= limit + 1e-12):.3f}",
                ]
            )
    header = ["search", "n", "expected eval error in %", "manual in %", "P(at least as good)"]
    return table(header, rows) if rows else _missing("claims_readings.py kept")


def _is_random(records: Records, search: ScoredSearch) -> bool:
    """Return whether the sets of a search are independent draws: those of others depend on their order."""
    runs = [run for run in records.of(search.dataset, search.system) if run.seed == search.seed]
    settings = runs[0].card.get("settings", {}) if runs else {}
    return bool(settings.get("tuner", {}).get("algorithm", "random") == "random")


def post_mortem(records: Records) -> str:
    """Return why each search lost: what it had met and not chosen, what it had not met, and overtuning."""
    rows = []
    for dataset, system in sorted({(run.dataset, run.system) for run in records.runs if run.post_mortem is not None}):
        manual = {run.seed: run for run in records.best_manual(dataset)}
        found: list[Autopsy] = []
        for run in records.of(dataset, system):
            if run.post_mortem is not None and run.seed in manual:
                one = examine(run.post_mortem, manual[run.seed].decode["error"])
                found += [] if one is None else [one]
        if found:
            rows.append(make_row(f"{dataset} {system}, {next(iter(manual.values())).system}", found))
    return table(HEADER, rows) if rows else _missing("post_mortem: true, in a run after every decode")


def provenance(records: Records) -> str:
    """Return with what the records were made: dates, versions, the digest of eval, and whether decodes were blind."""
    rows = []
    for dataset in sorted({run.dataset for run in records.runs}):
        runs = [run for run in records.runs if run.dataset == dataset]
        days = sorted(str(run.decode.get("decoded", ""))[:10] for run in runs)
        versions = sorted({f"{name} {text}" for run in runs for name, text in run.card.get("versions", {}).items()})
        seeds = sorted({run.seed for run in runs})
        evals = sorted({f"`{run.decode['eval_sha256']}`" for run in runs if "eval_sha256" in run.decode})
        blind = sum(run.decode.get("blind") is True for run in runs)
        when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
        listed = ", ".join(map(str, seeds))
        rows.append([dataset, listed, when, f"{blind} of {len(runs)}", ", ".join(versions), ", ".join(evals)])
    header = ["dataset", "seeds in turn", "decoded", "blind decodes", "versions", "SHA-256 of eval"]
    return table(header, rows) if rows else _missing("everything")


def hashes(records: Records) -> str:
    """Return the sha256 of every record that the tables used."""
    rows = [
        [f"{run.dataset}/{run.system}/{run.seed}", *(f"`{digest}`" for digest in run.hashes)] for run in records.runs
    ]
    analysed = [(run, run.post_mortem.sha256()) for run in records.runs if run.post_mortem is not None]
    rows += [[f"post-mortem of {run.dataset}/{run.system}/{run.seed}", f"`{it}`", "", ""] for run, it in analysed]
    others = sorted(records.readings.glob("*.json*"))
    rows += [[path.name, f"`{_digest(path.read_bytes())}`", "", ""] for path in others]
    return (
        table(["record", "trials.jsonl, or the file", "card.json", "result.json"], rows)
        if rows
        else _missing("everything")
    )


def _missing(what: str) -> str:
    return f"{_MISSING}{what}.*"


_MISSING = "*Not finished yet: "


def _spread(values: Array) -> str:
    return f"{values.mean():.2f}" + (f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else "")


def _range(values: Sequence[int | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    return f"{min(known):,}" if min(known) == max(known) else f"{min(known):,} to {max(known):,}"


TABLES: dict[str, Callable[[Records], str]] = {
    "margins": margins,
    "disagreement": disagreement,
    "errors": errors,
    "gaps": gaps,
    "differences": differences,
    "outcomes": outcomes,
    "impossible": impossible,
    "lowest": lowest,
    "networks": networks,
    "trainings": trainings,
    "readings": readings,
    "manual": manual,
    "complexity_means": complexity_means,
    "halves": halves,
    "complexity": complexity,
    "expert": expert,
    "post_mortem": post_mortem,
    "provenance": provenance,
    "hashes": hashes,
}


def main() -> None:
    """Print every table, or write them into the page."""
    arguments = _arguments()
    records = Records(arguments.results, arguments.readings)
    tables = {name: TABLES[name](records) for name in arguments.tables}
    if arguments.page is None:
        print("\n\n".join(f"## {name}\n\n{text}" for name, text in tables.items()))
        return
    page = arguments.page.read_text(encoding="utf-8")
    lost = {name: found for name, text in tables.items() if (found := list_lost(page, name, text))}
    kept = {name for name in lost if not arguments.drop_rows or tables[name].startswith(_MISSING)}
    for name, found in lost.items():
        what = "kept as it is, without the records of" if name in kept else "replaced, and lost"
        print(f"{arguments.page}: {name}: {what} {_shorten(found)}", file=sys.stderr)
    if any(not tables[name].startswith(_MISSING) for name in kept):
        print("Unpack the archives of the records first, or let go of these rows with --drop-rows.", file=sys.stderr)
    page = fill(page, {name: text for name, text in tables.items() if name not in kept})
    arguments.page.write_text(page, encoding="utf-8")


#: Columns that count what a row was made from, and one that lists it.
_COUNTING, _LISTING = ("seeds", "sets", "trainings"), "seeds in turn"


def list_lost(page: str, name: str, text: str) -> list[str]:
    """Return the rows of a page's table that another text has not, or has from fewer records, by their first cells.

    Args:
        page: as `fill` takes it.
        name: of the table.
        text: the other table, or that it is missing.
    """
    found = re.search(rf"<!-- begin {name} -->(.*?)<!-- end {name} -->", page, re.DOTALL)
    before, after = (_count_records(each) for each in (found.group(1) if found else "", text))
    return [row for row, counts in before.items() if any(n > after[row][what] for what, n in counts.items())]


def _count_records(text: str) -> dict[str, Counter[str]]:
    """Return how many rows of a table begin with each cell, and the most of what each column of `_COUNTING` counts."""
    lines = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if line[:1] == "|"]
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for cells in lines[2:]:
        counts = found[cells[0]]
        counts["rows"] += 1
        for column, cell in zip(lines[0], cells, strict=False):
            if column == _LISTING:
                counts[column] = max(counts[column], len(cell.split(", ")))
            elif column in _COUNTING:
                # "5 x 490 to 491" counts as the five searches.
                number = re.match(r"\d{1,3}(,\d{3})+|\d+", cell)
                counts[column] = max(counts[column], int(number[0].replace(",", "")) if number else 0)
    return found


def _shorten(rows: Sequence[str], most: int = 5) -> str:
    return ", ".join(f"“{row}”" for row in rows[:most]) + (f" and {len(rows) - most} more" if len(rows) > most else "")


def fill(page: str, tables: dict[str, str]) -> str:
    """Return a page with new tables.

    Args:
        page: with a line ``<!-- begin NAME -->`` and one ``<!-- end NAME -->`` for each table that it shows.
        tables: text by name.
    """
    for name, text in tables.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        page = pattern.sub(f"{begin}\n\n{text}\n\n{end}".replace("\\", r"\\"), page)
    return page


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--readings", type=Path, default=Path("results/readings"))
    parser.add_argument("--page", type=Path, help="the page to write into")
    parser.add_argument("--drop-rows", action="store_true", help="replace tables that lose rows, too")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    return parser.parse_args()


if __name__ == "__main__":
    main()
