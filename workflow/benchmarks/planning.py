"""How long Snakemake plans for corpora of the user's own: a dry run over generated trees of recordings and slides.

The files are empty, since planning opens none. Prints how long a user waits, the start of Snakemake included.

    python workflow/benchmarks/planning.py --recordings 1000 --slides 200
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SPLITS = ("train", "train", "train", "dev", "eval")


def main() -> None:
    """Make the trees, plan, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=1000)
    parser.add_argument("--slides", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(arguments.recordings):
            _recording(folder / "eeg", number)
        for number in range(arguments.slides):
            _slide(folder / "slides", number)
        (folder / "config.yaml").write_text(json.dumps(_config()), encoding="utf-8")
        for _ in range(arguments.rounds):
            print(_plan(folder), flush=True)


def _recording(folder: Path, number: int) -> None:
    patient, session = divmod(number, 4)
    name = "aaaa" + _letters(patient, 4)
    path = folder / SPLITS[patient % 5] / name / f"s{session:03}_2015" / "01_tcp_ar" / f"{name}_s{session:03}_t000.edf"
    path.parent.mkdir(parents=True)
    path.touch()
    for suffix in (".csv", ".csv_bi"):
        path.with_suffix(suffix).touch()


def _slide(folder: Path, number: int) -> None:
    patient, block = divmod(number, 2)
    name = f"{patient:08}_{_letters(patient, 8)}"
    path = folder / SPLITS[patient % 5] / name / "s000_2017" / "breast"
    path.mkdir(parents=True, exist_ok=True)
    for suffix in (".svs", ".csv", ".xml"):
        (path / f"{name}_s000_0hne_0000_a{block:03}_lvl001_t000{suffix}").touch()


def _letters(number: int, count: int) -> str:
    return "".join(chr(97 + number // 26**place % 26) for place in reversed(range(count)))


def _config() -> dict[str, object]:
    sizes = {"train": 10_000, "dev": 2_500, "eval": 2_500}
    systems = ["knn", "rnf"]
    return {
        "name": "planned",
        "compare": [{"dataset": name, "systems": systems, "budget": {"trials": 2}} for name in ("brains", "tissues")],
        "datasets": {
            "brains": {"source": "eeg", "folder": "eeg", "sizes": sizes},
            "tissues": {"source": "slides", "folder": "slides", "sizes": sizes},
        },
    }


def _plan(folder: Path) -> str:
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "2", "--dry-run"]
    begun = time.perf_counter()
    ended = subprocess.run(
        [*command, "--quiet", "--configfile", "config.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - begun
    if ended.returncode:
        sys.exit(ended.stdout + ended.stderr)
    return f"planned in {took:.1f} s"


if __name__ == "__main__":
    main()
