"""One search over several jobs, through Snakemake: the records of one job, also if shards are killed and damaged."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from support.dag import plan, running
from support.sharded_studies import left
from support.workflow_runs import TINY, command, snakemake

pytestmark = pytest.mark.integration

STUDY = "results/divided/studies/toy/rand/42"
SHARDS = "results/divided/shards/toy/rand/42"


def divided(n_shards: int, trials: int = 8) -> dict[str, Any]:
    """Return a config of one search, in shards."""
    return {
        "name": "divided",
        "seeds": [42],
        "compare": [
            {"dataset": "toy", "systems": ["rand"], "budget": {"trials": trials}, "shards": {"rand": n_shards}}
        ],
        "keep_best": 2,
        "datasets": TINY["datasets"],
        "systems": {
            "rand": {
                "kind": "tuner",
                "tuner": {"library": "scikit-learn", "algorithm": "parameter-sampler"},
                "space": "mlp",
                "trainer": "pytorch",
                "training": {"epochs": 40, "batch_size": 16},
            }
        },
    }


def run(folder: Path, n_shards: int, *arguments: str, trials: int = 8) -> str:
    """Run the studies of the config; return what was said."""
    until = () if "--until" in arguments else ("--until", "study")
    ended = snakemake(folder, divided(n_shards, trials), *until, *arguments)
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the study leaves without shards."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder, 1)
    assert not (folder / SHARDS).exists()
    return left(folder / STUDY)


def kill_shards(folder: Path) -> None:
    """Start two shards, and kill them and Snakemake when both have recorded a trial."""
    logs = [folder / SHARDS / f"{number}-of-2" / "trials.jsonl" for number in (1, 2)]
    process = subprocess.Popen(
        command(folder, divided(2), "--until", "study"),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and not all(log.exists() and log.stat().st_size for log in logs):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_shards_go_on_and_end_with_the_records_of_one_job(tmp_path: Path, whole: dict[str, Any]) -> None:
    """Two shards are killed and go on from what they have; another number of shards then runs nothing again."""
    kill_shards(tmp_path)
    kept = {path: path.read_bytes() for path in (tmp_path / SHARDS).glob("*/trials.jsonl")}
    assert len(kept) == 2 and not (tmp_path / STUDY / "card.json").exists()
    said = run(tmp_path, 2, "--rerun-incomplete", "--nolock")
    for path, content in kept.items():
        recorded = content[: content.rfind(b"\n") + 1]
        assert path.read_bytes().startswith(recorded), "what a shard has recorded is not trained again"
    assert "took 8 of 8 trials from its shards" in said
    assert left(tmp_path / STUDY) == whole
    for n_shards in (1, 2, 3):
        again = running(plan(tmp_path, divided(n_shards)))
        assert not {name for name in again if name.startswith(("shard", "study", "prepare"))}


def test_three_shards_give_the_records_of_one_job(tmp_path: Path, whole: dict[str, Any]) -> None:
    """Three shards give the records, weights and card of one job, even if the weights of one of them are lost."""
    said = run(tmp_path, 3, "--until", "shard")
    assert "searches that are divided into shards, for each seed: rand on toy 3." in said
    for weights in (tmp_path / SHARDS / "2-of-3" / "weights").iterdir():
        weights.unlink()
    said = run(tmp_path, 3)
    assert "are missing or damaged. What is missing is trained again" in said
    assert left(tmp_path / STUDY) == whole
