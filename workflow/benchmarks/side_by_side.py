"""Plain Keras Tuner, plain Optuna with PyTorch, and blindtune, on the same hyperparameter sets of set #10.

The plain scripts are those of `plain_mlp`. blindtune's sides are studies with their records and frozen models, trained
by ``keras`` (on more than one core its pool), ``pytorch`` and ``fused``; ``fused-again`` is fused with another seed of
the study, so that it differs from fused by the noise of training alone. Each side runs once, in a process of its own
that may use so many cores and starts as many threads; imports are not timed, but the first use of a library is, and so
are the imports of a pool's workers. All but fused train ``--few`` of the sets, which stand for all: one from the middle
of each part, in the order of their arithmetic. The arithmetic limit is the floating-point operations of a side's trials
over the rate of a product of large matrices, taken before and after on as many cores. Memory is the highest sum of the
resident sets of a side's processes.
``python workflow/benchmarks/side_by_side.py --json found.json``
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import children
import numpy as np
import workload
from numpy.typing import NDArray

from blindtune.datasets.prepared import prepare
from blindtune.search_space import Hyperparameters

SIDES = Path(__file__).with_name("sides.py")
PLAIN = ("keras-tuner", "optuna")
#: Those that train many trials at once.
TOGETHER = ("fused", "fused-again")
NAMES = (*PLAIN, "keras", "pytorch", *TOGETHER)
#: What others are held against, and the aims.
BASE, TIMES, LIMIT = "keras-tuner", 15, 2

Found = dict[tuple[str, int], dict[str, Any]]


def main() -> None:
    """Run every side, print, and write what was found."""
    arguments = _arguments()
    sets = workload.drawn_sets("mlp", arguments.trials)
    with tempfile.TemporaryDirectory() as folder:
        manifest = _prepared(Path(folder), arguments)
        rates = {cores: _rate(cores) for cores in arguments.cores}
        found = {(name, cores): _measured(name, cores, sets, manifest, arguments) for name, cores in _runs(arguments)}
        rates = {cores: max(rate, _rate(cores)) for cores, rate in rates.items()}
    for (_, cores), side in found.items():
        side["limit"] = side["wall"] * rates[cores] / side["operations"]
    _print_times(found, rates)
    _print_errors(found)
    _print_aims(found, max(arguments.cores))
    if arguments.json:
        sides = [{"side": name, "cores": cores} | side for (name, cores), side in found.items()]
        content = {"arguments": vars(arguments) | {"json": None}, "rates": rates, "sets": sets, "sides": sides}
        arguments.json.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=64, help="sets; fused trains all of them")
    parser.add_argument("--few", type=int, default=12, help="of them, for every other side")
    parser.add_argument("--train", type=int, default=100_000, help="samples")
    parser.add_argument("--dev", type=int, default=10_000, help="samples")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--cores", type=int, nargs="+", default=sorted({1, min(2, len(os.sched_getaffinity(0)))}))
    parser.add_argument("--sides", nargs="+", choices=NAMES, default=[name for name in NAMES if name != "pytorch"])
    parser.add_argument("--json", type=Path, help="write everything that was found to this file")
    return parser.parse_args()


def _prepared(folder: Path, arguments: argparse.Namespace) -> Path:
    manifest = folder / "data" / "manifest.json"
    source = workload.source("set_10", arguments.train, arguments.dev)
    prepare("set_10", source, source.given(), manifest, folder / "sealed" / "seal.json")
    return manifest


def _rate(cores: int) -> float:
    return float(children.answer_of(SIDES, ["rate"], cores)["rate"])


def _runs(arguments: argparse.Namespace) -> Iterator[tuple[str, int]]:
    for name, cores in itertools.product(arguments.sides, arguments.cores):
        # The noise of training does not depend on the number of cores.
        if name != "fused-again" or cores == max(arguments.cores):
            yield name, cores


def _measured(
    name: str, cores: int, sets: Sequence[Hyperparameters], manifest: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """What a side took: ``wall`` and ``cpu`` seconds, ``peak`` bytes, ``operations``; ``errors`` by the set's place."""
    each = [
        workload.operations(workload.architecture_of(values), arguments.epochs, arguments.train, arguments.dev)
        for values in sets
    ]
    places = list(range(len(sets))) if name in TOGETHER else workload.spread(each, arguments.few)
    job = manifest.with_name("job.json")
    content = {"sets": [sets[place] for place in places], "epochs": arguments.epochs, "batch": arguments.batch}
    job.write_text(json.dumps(content), encoding="utf-8")
    print(f"{name}, cores {cores} ...", file=sys.stderr, flush=True)
    answer = children.answer_of(SIDES, [name, str(manifest), str(job), str(cores)], cores)
    errors = dict(zip(places, answer.pop("errors"), strict=True))
    return answer | {"trials": len(places), "operations": sum(each[place] for place in places), "errors": errors}


def _print_times(found: Found, rates: dict[int, float]) -> None:
    for cores, rate in rates.items():
        print(f"a product of matrices, cores {cores}: {rate / 1e9:.1f} GFLOP/s")
    print(f"{'side':14}{'cores':>6}{'trials':>8}{'s wall':>9}{'s CPU':>9}{'GFLOP':>8}{'x limit':>9}", end="")
    print(f"{f'x {BASE}':>15}{'MiB peak':>10}   (seconds and operations of a trial)")
    for (name, cores), side in found.items():
        trials = side["trials"]
        print(
            f"{name:14}{cores:6}{trials:8}{side['wall'] / trials:9.3f}{side['cpu'] / trials:9.3f}"
            f"{side['operations'] / trials / 1e9:8.1f}{side['limit']:9.2f}{_ratio(found, name, cores):>15}"
            f"{side['peak'] / 2**20:10.0f}"
        )


def _ratio(found: Found, name: str, cores: int) -> str:
    """How many times as many trials a second as the base on as many cores."""
    base = found.get((BASE, cores))
    return f"{_seconds(base) / _seconds(found[name, cores]):.2f}" if base else "-"


def _seconds(side: dict[str, Any]) -> float:
    return float(side["wall"] / side["trials"])


def _print_errors(found: Found) -> None:
    """The dev error of each side, and of pairs of sides the difference over the sets that both trained."""
    common = sorted(set.intersection(*(set(side["errors"]) for side in found.values())))
    print(
        "\ndev errors of the last epoch, in %: mean, deviation over the sets, sets without one; those of the sets ",
        end="",
    )
    print(" ".join(str(place) for place in common))
    for (name, cores), side in found.items():
        errors = _percent(side["errors"].values())
        each = "".join(f"{error:7.2f}" for error in _percent(side["errors"][place] for place in common))
        print(f"{name:14}{cores:6}{np.nanmean(errors):9.2f}{np.nanstd(errors):7.2f}{np.isnan(errors).sum():4}  {each}")
    print("\npairs over the same sets, in points: mean difference (standard error), deviation, Wilcoxon's p, sets")
    for one, other, note in _pairs(list(found)):
        print(f"{_called(one)} - {_called(other)}: {_compared(found[one]['errors'], found[other]['errors'])}{note}")


def _percent(errors: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if error is None else 100 * error for error in errors])


def _pairs(sides: list[tuple[str, int]]) -> Iterator[tuple[tuple[str, int], tuple[str, int], str]]:
    """Each side against the base on as many cores; and sides that differ by the noise of training alone."""
    for side in sides:
        base = (BASE, side[1])
        if base in sides and side[0] not in (BASE, "fused-again"):
            yield side, base, ""
    noise = "  <- other draws alone"
    for name in PLAIN:
        own = [side for side in sides if side[0] == name]
        yield from ((one, other, noise) for one, other in itertools.pairwise(own))
    for again in sides:
        if again[0] == "fused-again" and ("fused", again[1]) in sides:
            yield again, ("fused", again[1]), noise


def _called(side: tuple[str, int]) -> str:
    return f"{side[0]} ({side[1]})"


def _compared(one: dict[int, float | None], other: dict[int, float | None]) -> str:
    from scipy.stats import wilcoxon

    pairs = [(one[place], other[place]) for place in sorted(set(one) & set(other))]
    off = np.array([100 * (a - b) for a, b in pairs if a is not None and b is not None])
    if len(off) < 2:
        return f"too few sets ({len(off)})"
    p = float(wilcoxon(off).pvalue) if off.any() else 1.0
    deviation = off.std(ddof=1)
    return f"{off.mean():+.3f} ({deviation / np.sqrt(len(off)):.3f}), {deviation:.3f}, {p:.3f}, {len(off)}"


def _print_aims(found: Found, cores: int) -> None:
    fused, base = found.get(("fused", cores)), found.get((BASE, cores))
    if not fused or not base:
        return
    print(
        f"\nfused, cores {cores}: {_seconds(base) / _seconds(fused):.1f} times as fast as {BASE} (aim: {TIMES}), "
        f"{fused['limit']:.2f} times the arithmetic limit (aim: at most {LIMIT})"
    )


if __name__ == "__main__":
    main()
