"""Compare plain Keras Tuner, plain Optuna with PyTorch, and blindtune, on the same hyperparameter sets of set #10.

The plain scripts are those of `side_by_side_scripts`. blindtune's sides are studies with their records and frozen
models, trained by ``keras`` (on more than one core its pool), ``pytorch`` and ``fused``; ``fused-again`` is fused with
another seed of the study: the two differ only by the noise of training. Each side runs once, in a separate process that
may use the given number of cores and as many threads. Imports are not timed, but the first use of a library is, and so
are the imports of a pool's workers. All but fused train ``--few`` representative sets: sorted by their arithmetic, one
from the middle of each of so many equal parts. The arithmetic limit is the number of floating-point operations of a
side's trials divided by the rate of a product of large matrices, measured before and after on as many cores. Memory is
the highest sum of the resident sets of a side's processes.

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

import child_scripts
import numpy as np
import workload
from numpy.typing import NDArray

from blindtune.datasets.drawing import DrawingSource
from blindtune.datasets.prepared import prepare
from blindtune.search_space import Hyperparameters

SIDES = Path(__file__).with_name("side_by_side_child.py")
PLAIN = ("keras-tuner", "optuna")
#: The sides that train many trials as one model.
FUSED = ("fused", "fused-again")
NAMES = (*PLAIN, "keras", "pytorch", *FUSED)
#: The side that the others are compared with, and the aims.
BASE, TIMES, LIMIT = "keras-tuner", 15, 2

Found = dict[tuple[str, int], dict[str, Any]]


def main() -> None:
    """Run every side, print and write the results."""
    arguments = _arguments()
    sets = workload.draw_sets("mlp", arguments.trials)
    with tempfile.TemporaryDirectory() as folder:
        manifest = _prepared(Path(folder), arguments)
        rates = {cores: _rate(cores) for cores in arguments.cores}
        found = {(name, cores): _measure(name, cores, sets, manifest, arguments) for name, cores in _runs(arguments)}
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
    parser.add_argument("--few", type=int, default=12, help="sets that every other side trains")
    parser.add_argument("--train", type=int, default=100_000, help="samples")
    parser.add_argument("--dev", type=int, default=10_000, help="samples")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--cores", type=int, nargs="+", default=sorted({1, min(2, len(os.sched_getaffinity(0)))}))
    parser.add_argument("--sides", nargs="+", choices=NAMES, default=[name for name in NAMES if name != "pytorch"])
    parser.add_argument("--json", type=Path, help="write all results to this file")
    return parser.parse_args()


def _prepared(folder: Path, arguments: argparse.Namespace) -> Path:
    manifest = folder / "data" / "manifest.json"
    source = DrawingSource(workload.drawing_config("set_10", arguments.train, arguments.dev))
    prepare("set_10", source, source.user_files(), manifest, folder / "sealed" / "seal.json")
    return manifest


def _rate(cores: int) -> float:
    return float(child_scripts.run_script(SIDES, ["rate"], cores)["rate"])


def _runs(arguments: argparse.Namespace) -> Iterator[tuple[str, int]]:
    for name, cores in itertools.product(arguments.sides, arguments.cores):
        # The noise of training does not depend on the number of cores.
        if name != "fused-again" or cores == max(arguments.cores):
            yield name, cores


def _measure(
    name: str, cores: int, sets: Sequence[Hyperparameters], manifest: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Return ``wall`` and ``cpu`` seconds, ``peak`` bytes, ``operations``, and ``errors`` by set, of a side."""
    each = [
        workload.count_operations(workload.build_architecture(values), arguments.epochs, arguments.train, arguments.dev)
        for values in sets
    ]
    places = list(range(len(sets))) if name in FUSED else workload.choose_representatives(each, arguments.few)
    job = manifest.with_name("job.json")
    content = {"sets": [sets[place] for place in places], "epochs": arguments.epochs, "batch": arguments.batch}
    job.write_text(json.dumps(content), encoding="utf-8")
    print(f"{name}, cores {cores} ...", file=sys.stderr, flush=True)
    answer = child_scripts.run_script(SIDES, [name, str(manifest), str(job), str(cores)], cores)
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
    """Return how many times as many trials per second a side trains as the base on as many cores."""
    base = found.get((BASE, cores))
    return f"{_seconds(base) / _seconds(found[name, cores]):.2f}" if base else "-"


def _seconds(side: dict[str, Any]) -> float:
    return float(side["wall"] / side["trials"])


def _print_errors(found: Found) -> None:
    """Print the dev error of each side, and the difference of pairs of sides over the sets that both trained."""
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
        difference = _format_difference(found[one]["errors"], found[other]["errors"])
        print(f"{_format_side(one)} - {_format_side(other)}: {difference}{note}")


def _percent(errors: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if error is None else 100 * error for error in errors])


def _pairs(sides: list[tuple[str, int]]) -> Iterator[tuple[tuple[str, int], tuple[str, int], str]]:
    """Yield each side with the base on as many cores, and sides that differ only by the noise of training."""
    for side in sides:
        base = (BASE, side[1])
        if base in sides and side[0] not in (BASE, "fused-again"):
            yield side, base, ""
    noise = "  <- noise of training only"
    for name in PLAIN:
        own = [side for side in sides if side[0] == name]
        yield from ((one, other, noise) for one, other in itertools.pairwise(own))
    for again in sides:
        if again[0] == "fused-again" and ("fused", again[1]) in sides:
            yield again, ("fused", again[1]), noise


def _format_side(side: tuple[str, int]) -> str:
    return f"{side[0]} ({side[1]})"


def _format_difference(one: dict[int, float | None], other: dict[int, float | None]) -> str:
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
