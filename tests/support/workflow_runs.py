"""Small real runs of the workflow from the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from blindtune.records.model_card import read_card
from blindtune.records.trial import TrialLog
from support.builders import merged

ROOT = Path(__file__).parents[2]

#: Of the environment that runs the tests, whether it is activated or not.
SNAKEMAKE = str(Path(sys.executable).with_name("snakemake"))

#: A run ends up to four seconds after its last job, when the profile lets it look again how many jobs it may start.
#: Tests have few jobs, and look again each second.
NO_WAIT = ("--max-jobs-per-timespan", "400/1s")

SYSTEMS = ["near", "forest", "expert", "tuner", "tpe", "halving", "limit"]

#: A study of each kind of system, and of a tuner of each library. Its names are not in config.yaml, so nothing of it is
#: merged. One system is enough to train with TensorFlow, whose import takes longer than any of these studies.
TINY: dict[str, Any] = {
    "name": "tiny",
    "seeds": [42],
    "compare": [{"dataset": "toy", "systems": SYSTEMS, "budget": {"trials": 3}}],
    "report": {"points": 50, "surface": 10},
    "datasets": {
        "toy": {
            "source": "drawing",
            "drawing": "set_10",
            "sizes": {"train": 200, "dev": 100, "eval": 100},
            "seed": 1,
        }
    },
    "systems": {
        "near": {"kind": "knn", "n_neighbors": [1, 5]},
        "forest": {"kind": "random_forest", "n_estimators": [5], "max_depth": [3]},
        "expert": {"kind": "manual", "model": "mlp_m1", "trainer": "pytorch", "training": {"epochs": 2}},
        "tuner": {
            "kind": "tuner",
            "tuner": {"library": "keras-tuner", "algorithm": "random"},
            "space": "mlp",
            "training": {"epochs": 1},
        },
        "tpe": {
            "kind": "tuner",
            "tuner": {"library": "optuna", "algorithm": "tpe"},
            "space": "mlp",
            "trainer": "pytorch",
            "training": {"epochs": 1},
        },
        "halving": {
            "kind": "tuner",
            "tuner": {"library": "scikit-learn", "algorithm": "halving-random-search", "factor": 2},
            "space": "mlp",
            "trainer": "pytorch",
            "training": {"epochs": 2},
        },
        "limit": {
            "kind": "bayes",
            **{split: {"n_neighbors": 3, "n_estimators": 5} for split in ("train", "dev", "eval")},
        },
    },
}


def only(*systems: str, **changes: Any) -> dict[str, Any]:
    """TINY with these systems alone."""
    return merged(TINY, {"compare": [TINY["compare"][0] | {"systems": list(systems)}]} | changes)


def command(folder: Path, config: dict[str, Any], *arguments: str, root: Path = ROOT, cores: int = 2) -> list[str]:
    """What a user types in ``folder``; writes the overlay too."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    snakefile = str(root / "Snakefile")
    return [SNAKEMAKE, "-s", snakefile, "--cores", str(cores), *NO_WAIT, "--configfile", "mine.yaml", *arguments]


def snakemake(
    folder: Path,
    config: dict[str, Any],
    *arguments: str,
    root: Path = ROOT,
    cores: int = 2,
    prefix: tuple[str, ...] = (),
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in ``folder``; what it says is all in ``stdout``."""
    return subprocess.run(
        [*prefix, *command(folder, config, *arguments, root=root, cores=cores)],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


#: Records of which some fields differ from run to run.
RECORDS = ("trials.jsonl", "card.json", "result.json")


def read_record(path: Path) -> Any:
    """What one of `RECORDS` holds that must not depend on the run."""
    if path.name == "trials.jsonl":
        return [trial.reproducible_fields() for trial in TrialLog(path).read()]
    if path.name == "card.json":
        return read_card(path).frozen_sha256()
    return {key: value for key, value in read_content(path).items() if key != "decoded"}


def records(results: Path) -> dict[str, Any]:
    """What a config left that must not depend on the run: by place, in the order of the places."""
    found: dict[str, Any] = {}
    for path in sorted(results.rglob("*")):
        place = path.relative_to(results).as_posix()
        if path.name in RECORDS:
            found[place] = read_record(path)
        elif path.name in ("manifest.json", "seal.json") and path.parent.name != "side_files":
            found[place] = read_content(path)
    return found


def ledger(folder: Path) -> list[dict[str, Any]]:
    """The entries of the ledger."""
    path = folder / "results" / "ledger" / "ledger.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def read_content(path: Path) -> Any:
    """Return what a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))
